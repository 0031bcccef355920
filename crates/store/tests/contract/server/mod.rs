//! What only servers can get wrong: going away, not answering, being another one, reading along.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use portcullis_core::Secret;
use portcullis_core::port::{SigningKey, StoreError, Totp, UserChange};
use portcullis_store::{OpenError, Options, open};

use crate::ground::postgres::{PASSWORD, Server, server};
use crate::ground::*;

const OTHER: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

fn refused(url: &str, key: Option<&str>) -> OpenError {
    let error = open(url, key.map(Secret::from).as_ref(), &quick()).err().unwrap();
    let text = error.to_string();
    for secret in [PASSWORD, KEY, OTHER, "postgres://"] {
        assert!(!text.contains(secret), "{text}");
    }
    error
}

fn quick() -> Options {
    let (connect_timeout, statement_timeout) = (Duration::from_secs(3), Duration::from_secs(2));
    Options { connect_timeout, statement_timeout, ..Options::default() }
}

#[test]
fn a_server_that_was_restarted_is_found_again() {
    let server = Server::start("restarted");
    let store = open(&server.database(), None, &Options::default()).unwrap();
    let ada = user(&*store, "ada");
    server.stop();
    let away = store.account(ada).err().unwrap();
    assert!(matches!(away, StoreError::Unavailable(_)), "{away}");
    let away = store.create_users(&[new_user("bob")]).err().unwrap();
    assert!(matches!(away, StoreError::Unavailable(_)), "{away}");
    server.run();
    assert_eq!(store.account(ada).unwrap().unwrap().user.name, "ada");
    store.create_users(&[new_user("bob")]).unwrap();
    assert_eq!(store.count_users().unwrap(), 2, "what failed was not done");
}

#[test]
fn a_connection_that_broke_while_idle_is_nobody_s_error() {
    let server = server();
    let database = server.new_database();
    let store = open(&server.url(&database), None, &Options::default()).unwrap();
    let ada = user(&*store, "ada");
    let kill =
        format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}'");
    // Whether the server's last word or the end comes first differs from time to time.
    for at in 0..15 {
        assert_ne!(server.sql("postgres", &kill), "0", "there was a connection to break");
        store.change_user(ada, &UserChange::LoggedIn(at)).unwrap();
        assert_ne!(server.sql("postgres", &kill), "0");
        assert_eq!(store.account(ada).unwrap().unwrap().user.last_login_ms, Some(at));
    }
}

#[test]
fn a_server_that_does_not_answer_is_given_up_and_taken_up_again() {
    let server = Server::start("frozen");
    let store = open(&server.database(), None, &quick()).unwrap();
    let ada = user(&*store, "ada");
    server.signal("STOP");
    let start = Instant::now();
    let error = store.change_user(ada, &UserChange::LoggedIn(1)).err().unwrap();
    let took = start.elapsed();
    server.signal("CONT");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    // Whether it was done nobody can say; that it can be done now.
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(error) = store.change_user(ada, &UserChange::LoggedIn(2)) {
        assert!(Instant::now() < deadline, "{error}");
    }
    assert_eq!(store.account(ada).unwrap().unwrap().user.last_login_ms, Some(2));
}

#[test]
fn a_row_that_another_holds_is_not_waited_for_without_end() {
    let server = server();
    let database = server.new_database();
    let store = open(&server.url(&database), None, &quick()).unwrap();
    let ada = user(&*store, "ada");
    std::thread::scope(|scope| {
        let held = "BEGIN; SELECT 1 FROM portcullis.users FOR UPDATE; SELECT pg_sleep(8); COMMIT";
        scope.spawn(|| server.sql(&database, held));
        let holds = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(8)%' AND wait_event = 'PgSleep'";
        let deadline = Instant::now() + Duration::from_secs(10);
        while server.sql("postgres", holds) == "0" {
            assert!(Instant::now() < deadline, "nobody holds the row");
        }
        let start = Instant::now();
        let error = store.delete_user(ada).err().unwrap();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    });
    store.delete_user(ada).unwrap();
}

#[test]
fn the_reasons_why_a_server_is_no_store_are_told_apart() {
    let server = server();
    let database = server.new_database();
    let port = server.port;
    let login =
        refused(&format!("postgres://portcullis:wrong@localhost:{port}/{database}?sslmode=disable"), None);
    assert!(matches!(login, OpenError::Login { .. }), "{login}");
    let none = refused(&server.url("nowhere"), None);
    assert!(matches!(none, OpenError::NoDatabase { .. }), "{none}");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let closed = refused(&format!("postgres://portcullis:{PASSWORD}@127.0.0.1:{free}/{database}"), None);
    assert!(matches!(closed, OpenError::Unreachable { .. }), "{closed}");
    // It takes the connection and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let start = Instant::now();
    let mute = refused(&format!("postgres://portcullis:{PASSWORD}@127.0.0.1:{port}/{database}"), None);
    assert!(matches!(mute, OpenError::Unreachable { .. }), "{mute}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let absent = Options { create: false, ..quick() };
    let absent = open(&server.url(&database), None, &absent).err().unwrap();
    assert!(matches!(absent, OpenError::Absent { .. }), "{absent}");
}

#[test]
fn what_is_not_ours_or_not_for_us_stays_as_it_was() {
    let server = server();
    let unchanged = |database: &str, key: Option<&str>| {
        // The tool writes another random word at head and foot each time.
        let dump = || {
            let text = server.dump(database);
            text.lines().filter(|line| !line.contains("restrict")).collect::<Vec<_>>().join("\n")
        };
        let before = dump();
        let error = refused(&server.url(database), key);
        assert_eq!(before, dump(), "{error}");
        error
    };
    let foreign = server.new_database();
    server.sql(&foreign, "CREATE TABLE users (a int); INSERT INTO users VALUES (1)");
    let error = unchanged(&foreign, Some(KEY));
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");

    let (sealed, plain) = (server.new_database(), server.new_database());
    drop(open(&server.url(&sealed), Some(&Secret::from(KEY)), &quick()).unwrap());
    drop(open(&server.url(&plain), None, &quick()).unwrap());
    let error = unchanged(&sealed, Some(OTHER));
    assert!(matches!(error, OpenError::WrongKey { .. }), "{error}");
    let error = unchanged(&sealed, None);
    assert!(matches!(error, OpenError::Encrypted { .. }), "{error}");
    let error = unchanged(&plain, Some(KEY));
    assert!(matches!(error, OpenError::Plain { .. }), "{error}");
    let later = "INSERT INTO portcullis.migrations (number, name, checksum, applied_ms)
        VALUES (9999, 'later', decode(repeat('00', 32), 'hex'), 0)";
    server.sql(&plain, later);
    let error = unchanged(&plain, None);
    assert!(matches!(error, OpenError::Newer { found: 9999, .. }), "{error}");
}

#[test]
fn with_a_key_the_server_never_sees_a_secret() {
    let server = server();
    for (key, seen) in [(Some(KEY), false), (None, true)] {
        let database = server.new_database();
        let store = open(&server.url(&database), key.map(Secret::from).as_ref(), &quick()).unwrap();
        let ada = user(&*store, "ada");
        let secret = Secret::from("Planted-Second-Factor");
        let totp = Totp { secret: secret.clone(), confirmed: true, last_step: 0, recovery: Vec::new() };
        store.change_user(ada, &UserChange::Totp(Some(totp))).unwrap();
        let private = Secret::from("Planted-Signing-Key");
        let signing = SigningKey { private: private.clone(), ..new_signing_key("one", "EdDSA") };
        assert!(store.create_signing_key(&signing, NOW, true).unwrap());
        // What is bytes the tool writes in hexadecimal.
        let dump = server.dump(&database);
        for word in [&secret, &private] {
            let hex = word.expose().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            assert_eq!(dump.contains(&hex), seen, "key: {}", key.is_some());
        }
        assert_eq!(store.account(ada).unwrap().unwrap().totp.unwrap().secret, secret);
        assert_eq!(store.signing_keys(NOW).unwrap()[0].private, private);
    }
}

#[test]
fn a_certificate_is_verified_with_its_name() {
    let server = server();
    let url = server.tcp(&server.new_database());
    let authority = server.authority();
    let good = format!("{url}?sslmode=verify-full&sslrootcert={}", authority.display());
    let store = open(&good, None, &quick()).unwrap();
    assert_eq!(store.count_users().unwrap(), 0);
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE ssl AND application_name = 'portcullis'";
    assert_ne!(server.sql("postgres", encrypted), "0", "it is encrypted");
    // The system's authorities do not know this one; and the certificate is for another name.
    let unknown = refused(&format!("{url}?sslmode=verify-full"), None);
    assert!(matches!(unknown, OpenError::Tls { .. }), "{unknown}");
    let other = refused(&good.replace("@localhost", "@127.0.0.1"), None);
    assert!(matches!(other, OpenError::Tls { .. }), "{other}");
}
