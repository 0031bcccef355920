//! E-KEY: API keys with the prefix of the guide, for an application that knows none.

use aws_lc_rs::digest::{SHA256, digest};
use portcullis_tests::{Accounts, Gateway, Request, Upstream};
use serde_json::json;

use super::{assert_reached, generous};

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn profile(gateway: &Gateway, key: &str) -> portcullis_tests::Response {
    Request::get("/user/profile").header("X-API-Key", key).send_to(gateway.address())
}

#[test]
fn e_key_01_a_key_is_the_prefix_and_43_characters() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let accounts = Accounts::of(&gateway);
    let login = accounts.newcomer("keyholder");
    let mut keys: Vec<String> =
        ["one", "two"].map(|name| accounts.key(&login.access, &json!({ "name": name })).key).into();
    // From the command line too.
    let made = gateway.command("keys create --user keyholder --name three --json").ran().json();
    keys.push(
        made["api_key"].as_str().or(made["key"].as_str()).unwrap_or_else(|| panic!("{made}")).to_owned(),
    );
    for key in &keys {
        let rest = key.strip_prefix("ech_").unwrap_or_else(|| panic!("{key}"));
        assert_eq!((key.len(), rest.len()), (47, 43), "{key}");
        assert!(rest.bytes().all(|byte| LETTERS.contains(&byte)), "{key}");
    }
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2], "{keys:?}");
}

/// Every file that the gateway keeps, one after the other.
fn everything_kept(gateway: &Gateway) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(gateway.folder().path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
    bytes
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[test]
fn e_key_02_of_a_key_its_hash_is_kept_alone() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let accounts = Accounts::of(&gateway);
    let login = accounts.newcomer("hashed");
    let key = accounts.key(&login.access, &json!({ "name": "kept" })).key;
    assert_reached(&profile(&gateway, &key));
    let listed = accounts.done(&accounts.get("/auth/api-keys").bearer(&login.access)).to_string();
    assert!(listed.contains("kept") && !listed.contains(&key) && !listed.contains(&key[12..]), "{listed}");
    let kept = everything_kept(&gateway);
    assert!(kept.len() > 4096, "the store is one of the files");
    assert!(!holds(&kept, key.as_bytes()) && !holds(&kept, &key.as_bytes()[12..]), "the key in clear");
    // The database is not encrypted here: what it holds can be seen.
    if holds(&kept, b"SQLite format 3") {
        let hash = digest(&SHA256, key.as_bytes());
        assert!(holds(&kept, hash.as_ref()) || holds(&kept, hex(hash.as_ref()).as_bytes()), "no SHA-256");
    }
}

#[test]
fn e_key_03_the_key_itself_passes_and_nothing_near_it() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let accounts = Accounts::of(&gateway);
    let login = accounts.newcomer("verified");
    let key = accounts.key(&login.access, &json!({ "name": "phone" }));
    assert_reached(&profile(&gateway, &key.key));
    let changed = |at: usize| {
        let mut bytes = key.key.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let hash = hex(digest(&SHA256, key.key.as_bytes()).as_ref());
    for guess in [
        changed(4),
        changed(46),
        key.key[..46].to_owned(),
        format!("{}A", key.key),
        key.key.replacen("ech_", "pk_", 1),
        key.key[4..].to_owned(),
        hash,
        "ech_".to_owned(),
    ] {
        let answer = profile(&gateway, &guess);
        assert_eq!(answer.status, 401, "{guess}: {}", answer.head);
        assert!(answer.field("www-authenticate").is_some(), "{}", answer.head);
    }
    assert_eq!(upstream.count(), 1);
    // Revoked, it is one of them, at once.
    accounts.done(&accounts.delete(&format!("/auth/api-keys/{}", key.id)).bearer(&login.access));
    assert_eq!(profile(&gateway, &key.key).status, 401);
    gateway.wait_for_log(&["auth_attempt", "401"]);
    assert!(!gateway.log().contains(&key.key[12..]), "{}", gateway.log());
}

#[test]
fn e_key_04_the_application_needs_to_know_of_no_keys() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let accounts = Accounts::of(&gateway);
    let login = accounts.newcomer("owner");
    let key = accounts.key(&login.access, &json!({ "name": "script" })).key;
    assert_reached(&profile(&gateway, &key));
    let received = upstream.only();
    assert_eq!(received.field("x-api-key"), None, "{}", received.head);
    assert_eq!(received.field("x-user-id"), Some("owner"), "{}", received.head);
    assert_eq!(received.field("x-auth-method"), Some("api-key"), "{}", received.head);
}
