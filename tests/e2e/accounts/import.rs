//! `portcullis users import`: people of another system come with the hashes of their passwords.

use portcullis_tests::{Accounts, Launch, Login, Upstream, shell};

use super::{config, launch};

/// As crypt(3) makes them, in two of the spellings there are.
const BCRYPT: [&str; 2] = [
    "$2b$04$vOOemOuY.JItilVIhSzBFeehgdT2DrYej8ws9UGvM768H0rMo80Sy",
    "$2y$04$vOOemOuY.JItilVIhSzBFeehgdT2DrYej8ws9UGvM768H0rMo80Sy",
];
const PASSWORD: &str = "brought-along-from-elsewhere";

fn line(name: &str, role: &str, hash: &str) -> String {
    format!(
        "{{\"username\":\"{name}\",\"email\":\"{name}@example.com\",\"role\":\"{role}\",\"password_hash\":\"{hash}\"}}\n"
    )
}

#[test]
fn who_comes_with_a_bcrypt_hash_logs_in_and_has_the_configured_one_afterwards() {
    let upstream = Upstream::ok();
    // Without a key the store can be looked at.
    let text = config(&upstream.url(), "").replace("encryption_key = \"env:STORE_KEY\"\n", "");
    let launch = Launch::run().config(&text);
    let people: String =
        BCRYPT.iter().enumerate().map(|(at, hash)| line(&format!("user{at}"), "premium", hash)).collect();
    launch.folder().write("people.jsonl", &people);
    let said = launch.beside("users import people.jsonl").ran().succeeded();
    assert!(said.contains('2'), "{said}");
    let gateway = launch.start();
    let accounts = Accounts::of(&gateway);
    for name in ["user0", "user1"] {
        assert_eq!(accounts.try_login(name, "brought-along-from-elsewherf").status, 401);
        let login = Login::of(&accounts.try_login(name, PASSWORD));
        assert_eq!(accounts.profile(&login.access).json()["role"], "premium");
    }
    let dump = "python3 -c \"import sqlite3; print('\\n'.join(sqlite3.connect('people.db').iterdump()))\"";
    let kept = shell(dump, gateway.folder());
    assert!(!kept.contains("$2b$04$") && !kept.contains("$2y$04$"), "the weak hashes are still there");
    assert_eq!(kept.matches("$argon2id$").count(), 2);
    for name in ["user0", "user1"] {
        Login::of(&accounts.try_login(name, PASSWORD));
    }
}

#[test]
fn a_file_with_an_error_makes_nobody_and_names_the_line() {
    let upstream = Upstream::ok();
    let launch = launch(&upstream, "");
    let good = line("first", "free", BCRYPT[0]);
    for (bad, word) in [
        (line("second", "free", "5f4dcc3b5aa765d61d8327deb882cf99"), "hash"),
        (line("second", "king", BCRYPT[0]), "king"),
        (line("FIRST", "free", BCRYPT[0]), "name"),
        ("not json\n".to_owned(), ""),
        ("{\"email\":\"second@example.com\"}\n".to_owned(), ""),
    ] {
        launch.folder().write("people.jsonl", &format!("{good}{bad}"));
        let said = launch.beside("users import people.jsonl").ran().failed();
        assert!(said.contains(word) && said.contains("people.jsonl"), "{bad}: {said}");
        assert!(said.contains('2'), "the line: {said}");
        assert!(!said.contains("5f4dcc3b"), "{said}");
        let users = launch.beside("users list --json").ran().json();
        assert_eq!(users["users"].as_array().map(Vec::len), Some(0), "{users}");
    }
    let said = launch.beside("users import missing.jsonl").ran().failed();
    assert!(said.contains("missing.jsonl"), "{said}");
}
