//! The store: encrypted, private, and never taken for what it is not.

use std::os::unix::fs::PermissionsExt as _;

use portcullis_tests::{Accounts, Launch, Upstream, shell};

use super::{STORE, STORE_KEY, config, launch, work};

const OTHER_KEY: &str = "QW5vdGhlci1rZXktb2YtdGhpcnR5LXR3by1ieXRlcyE=";

fn state(launch: &Launch) -> String {
    shell("sha256sum people.db* 2>/dev/null || true; ls -A", launch.folder())
}

#[test]
fn a_store_is_private_and_encrypted_with_everything_beside_it() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream, "").start();
    let accounts = Accounts::of(&gateway);
    let login = accounts.newcomer("planted-name");
    assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 200);
    let files: Vec<_> = std::fs::read_dir(gateway.folder().path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(STORE))
        .collect();
    assert!(!files.is_empty());
    for file in &files {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
        let bytes = std::fs::read(file.path()).unwrap();
        for planted in ["planted-name", "SQLite format 3", "argon2id", "users"] {
            let found = bytes.windows(planted.len()).any(|window| window == planted.as_bytes());
            assert!(!found, "{planted} stands in {:?}", file.file_name());
        }
    }
}

#[test]
fn a_wrong_key_a_missing_key_and_a_plain_file_are_told_apart_and_touch_nothing() {
    let upstream = Upstream::ok();
    let encrypted = {
        let gateway = launch(&upstream, "").start();
        Accounts::of(&gateway).register("alice");
        gateway.stop()
    };
    let before = state(&encrypted);
    let said = encrypted.clone().env("STORE_KEY", OTHER_KEY).refused();
    assert!(said.contains("key") && said.contains(STORE), "{said}");
    assert!(!said.contains(STORE_KEY) && !said.contains(OTHER_KEY), "{said}");
    let said = encrypted.beside("users list").env("STORE_KEY", OTHER_KEY).ran().failed();
    assert!(said.contains("key"), "{said}");
    let without = config(&upstream.url(), "").replace("encryption_key = \"env:STORE_KEY\"\n", "");
    encrypted.folder().write("portcullis.toml", &without);
    let said = encrypted.clone().refused();
    assert!(said.contains("encryption_key"), "{said}");
    encrypted.folder().write("portcullis.toml", &config(&upstream.url(), ""));
    assert_eq!(state(&encrypted), before);
    Accounts::of(&encrypted.start()).login("alice");

    let plain = {
        let gateway = Launch::run().config(&without).start();
        Accounts::of(&gateway).register("bob");
        gateway.stop()
    };
    let before = state(&plain);
    plain.folder().write("portcullis.toml", &config(&upstream.url(), ""));
    let said = plain.clone().env("STORE_KEY", STORE_KEY).refused();
    assert!(
        said.contains(STORE)
            && (said.contains("clear") || said.contains("plain") || said.contains("not encrypted")),
        "{said}"
    );
    plain.folder().write("portcullis.toml", &without);
    assert_eq!(state(&plain), before);
    Accounts::of(&plain.start()).login("bob");
}

#[test]
fn another_program_s_database_and_what_is_none_are_left_alone() {
    let upstream = Upstream::ok();
    for (make, word) in [
        (
            "python3 -c \"import sqlite3; c = sqlite3.connect('people.db'); c.execute('create table theirs (a)'); c.commit()\"",
            "",
        ),
        ("head -c 20000 /dev/urandom > people.db", "key"),
        ("echo 'a note of somebody' > people.db", ""),
    ] {
        let text = config(&upstream.url(), "");
        for text in [text.clone(), text.replace("encryption_key = \"env:STORE_KEY\"\n", "")] {
            let launch = Launch::run().config(&text).env("STORE_KEY", STORE_KEY);
            shell(make, launch.folder());
            let before = state(&launch);
            let beside = launch.clone();
            let said = launch.refused();
            assert!(said.contains("people.db"), "{said}");
            if text.contains("encryption_key") {
                assert!(said.contains(word), "{said}");
            }
            assert_eq!(state(&beside), before, "{make}");
        }
    }
}

/// A newer version wrote it: what it means is not known here.
#[test]
fn a_newer_schema_is_left_alone() {
    let upstream = Upstream::ok();
    let text = config(&upstream.url(), "").replace("encryption_key = \"env:STORE_KEY\"\n", "");
    let gateway = Launch::run().config(&text).start();
    Accounts::of(&gateway).register("alice");
    let launch = gateway.stop();
    let names = "python3 -c \"import sqlite3; c = sqlite3.connect('people.db'); print(*[r[0] for r in c.execute(\\\"select name from sqlite_master where type='table' and name like '%migration%'\\\")])\"";
    let table = shell(names, launch.folder()).trim().to_owned();
    assert!(!table.is_empty() && !table.contains(' '), "{table}");
    let newer = format!(
        "python3 -c \"import sqlite3; c = sqlite3.connect('people.db'); \
         cols = [r[1] for r in c.execute('pragma table_info({table})')]; \
         row = list(c.execute('select * from {table} order by 1 desc limit 1').fetchone()); row[0] = 9999; \
         c.execute('insert into {table} values (' + ','.join('?' * len(cols)) + ')', row); c.commit()\""
    );
    shell(&newer, launch.folder());
    let before = state(&launch);
    let said = launch.clone().refused();
    assert!(said.contains("9999") && said.contains("people.db"), "{said}");
    assert_eq!(state(&launch), before);
}

#[test]
fn a_place_where_nothing_can_be_written_is_said_at_start() {
    let upstream = Upstream::ok();
    let text = config(&upstream.url(), "").replace("sqlite:people.db", "sqlite:missing/folder/people.db");
    let said = Launch::run().config(&text).env("STORE_KEY", STORE_KEY).refused();
    assert!(said.contains("missing/folder"), "{said}");
    let said = launch(&upstream, "").env("STORE_KEY", "").refused();
    assert!(said.contains("STORE_KEY"), "{said}");
}

#[test]
fn health_says_whether_the_store_answers() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream, "").start();
    let health = portcullis_tests::Request::get("/portcullis/health").send_to(gateway.address());
    assert_eq!((health.status, &health.json()["store"]), (200, &"reachable".into()), "{}", health.text());
}
