//! B-ENV-10 and B-ENV-11: where users are kept, whose database is left alone, and that the file is encrypted.

use std::os::unix::fs::PermissionsExt as _;

use portcullis_tests::{Accounts, Launch, PASSWORD, Upstream, shell};

use super::{ENCRYPTION_KEY, SECRET, launch};

const URL: &str = "sqlite:///btcforecast_production.db";
const FILE: &str = "btcforecast_production.db";

#[test]
fn b_env_10_an_absent_database_becomes_the_gateway_s_own() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url()).env("DATABASE_URL", URL).start();
    Accounts::at_root(&gateway).newcomer("newuser");
    let file = gateway.folder().path().join(FILE);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // It is ours at the next start too, with who is in it.
    let gateway = gateway.stop().start();
    Accounts::at_root(&gateway).login("newuser");
}

#[test]
fn b_env_10_another_program_s_database_is_left_as_it_is() {
    let upstream = Upstream::ok();
    let launch = launch(&upstream.url()).env("DATABASE_URL", URL);
    let make = format!(
        "python3 -c \"import sqlite3; c = sqlite3.connect('{FILE}'); \
         c.execute('create table users (id integer, username text)'); \
         c.execute('insert into users values (1, \\'theirs\\')'); c.commit()\"; sha256sum {FILE}"
    );
    let before = shell(&make, launch.folder());
    let beside = launch.beside("users list");
    let said = launch.clone().refused();
    assert!(said.contains("PORTCULLIS_STORE__URL") && said.contains("DATABASE_URL"), "{said}");
    assert!(beside.ran().failed().contains("PORTCULLIS_STORE__URL"));
    let after = shell(&format!("sha256sum {FILE}; ls {FILE}*"), launch.folder());
    assert_eq!(after, format!("{before}{FILE}\n"));
    // Told where its own is, it starts, and leaves the other to the application.
    let gateway = launch.clone().env("PORTCULLIS_STORE__URL", "sqlite:gateway.db").start();
    Accounts::at_root(&gateway).newcomer("newuser");
    assert!(gateway.folder().path().join("gateway.db").exists());
    assert_eq!(shell(&format!("sha256sum {FILE}"), gateway.folder()), before);
}

#[test]
fn b_env_11_the_file_is_encrypted_and_opens_with_its_key_alone() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url()).env("DATABASE_URL", URL).start();
    let accounts = Accounts::at_root(&gateway);
    let login = accounts.newcomer("planted-user-name");
    let key = accounts.key(&login.access, &serde_json::json!({ "name": "planted-key-name" })).key;
    let launch = gateway.stop();
    let bytes = std::fs::read(launch.folder().path().join(FILE)).unwrap();
    assert!(!bytes.starts_with(b"SQLite format 3"), "it stands in clear");
    for planted in ["planted-user-name", "planted-key-name", PASSWORD, key.as_str(), "CREATE TABLE"] {
        let found = bytes.windows(planted.len()).any(|window| window == planted.as_bytes());
        assert!(!found, "{planted} stands in the file");
    }
    let look = format!(
        "sqlite3 {FILE} .tables 2>&1 || python3 -c \"import sqlite3; print(list(sqlite3.connect('{FILE}').execute('select * from sqlite_master')))\" 2>&1 || true"
    );
    let seen = shell(&look, launch.folder());
    assert!(seen.contains("not a database"), "{seen}");

    for (wrong, why) in [
        ("b3RoZXItc3VyZWx5LW5vdC1hLXBsYWNlaG9sZGVyLTMyISE=", "another key"),
        ("your-database-encryption-key", "the placeholder of the guide"),
    ] {
        let said = launch.clone().env("DATABASE_ENCRYPTION_KEY", wrong).refused();
        assert!(said.contains("DATABASE_ENCRYPTION_KEY") || said.contains("encryption_key"), "{why}: {said}");
        assert!(!said.contains(wrong) && !said.contains(ENCRYPTION_KEY), "{why}: {said}");
    }
    assert_eq!(std::fs::read(launch.folder().path().join(FILE)).unwrap(), bytes, "it was touched");
    Accounts::at_root(&launch.start()).login("planted-user-name");
}

#[test]
fn b_env_11_production_insists_on_a_key() {
    let launch = Launch::profile("btc-forecasting", "http://127.0.0.1:9")
        .env("JWT_SECRET_KEY", SECRET)
        .env("ENVIRONMENT", "production");
    let folder = launch.clone();
    let said = launch.refused();
    assert!(said.contains("DATABASE_ENCRYPTION_KEY"), "{said}");
    assert!(shell("ls", folder.folder()).is_empty(), "nothing was made");
}
