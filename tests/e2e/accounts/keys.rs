//! API keys of users: what they look like, what they are limited to, and their end.

use portcullis_tests::{Accounts, FreshKey, Login, Request, Response, Upstream, until};
use serde_json::json;

use super::{assert_refused, started, work};

fn with_key(method: &str, path: &str, key: &str) -> Request {
    Request::new(method, path).header("X-API-Key", key)
}

#[test]
fn a_key_has_its_prefix_enough_chance_and_a_checksum() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "[auth.keys]\nprefix = \"acme_\"\n");
    let login = accounts.newcomer("alice");
    let keys: Vec<String> = (0..3).map(|_| accounts.key(&login.access, &json!({})).key).collect();
    for key in &keys {
        let rest = key.strip_prefix("acme_").unwrap_or_else(|| panic!("{key}"));
        assert_eq!(rest.len(), 43);
        assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{key}");
        assert_eq!(with_key("GET", "/work", key).send_to(gateway.address()).status, 200);
    }
    assert!(keys[0] != keys[1] && keys[1] != keys[2]);
}

#[test]
fn a_key_with_scopes_is_for_them_alone_in_every_spelling() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let key =
        accounts.key(&login.access, &json!({ "scopes": ["POST /live/ingest", "GET /runs/{*rest}"] })).key;
    let status = |method: &str, path: &str| with_key(method, path, &key).send_to(gateway.address()).status;
    assert_eq!([status("POST", "/live/ingest"), status("GET", "/runs/7/export.csv")], [200, 200]);
    let reached = upstream.count();
    for (method, path) in [
        ("GET", "/live/ingest"),
        ("POST", "/live/streams"),
        ("DELETE", "/runs/7"),
        ("GET", "/"),
        ("GET", "/runs/../admin"),
        ("GET", "/runs/..%2fadmin"),
        ("POST", "/live/ingest/.."),
        ("POST", "/live//ingest"),
        ("POST", "/LIVE/ingest"),
        ("GET", "/portcullis/auth/profile"),
    ] {
        let status = status(method, path);
        assert!(matches!(status, 400 | 403), "{method} {path}: {status}");
    }
    assert_eq!(upstream.count(), reached);
    assert_refused(&with_key("GET", "/elsewhere", &key).send_to(gateway.address()), 403, "out-of-scope");
    for scope in ["", "INGEST", "POST live", "POST /a/{", "/a /b"] {
        let answer = accounts
            .send(&accounts.post("/auth/api-key", &json!({ "scopes": [scope] })).bearer(&login.access));
        assert_eq!(answer.status, 422, "{scope:?}: {}", answer.text());
    }
}

#[test]
fn a_bound_key_is_for_its_own_value_of_a_path_parameter() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(
        &upstream,
        "[[routes]]\nmatch = \"/accounts/{account}/orders\"\n[[routes]]\nmatch = \"/accounts/{account}\"\n",
    );
    let login = accounts.newcomer("alice");
    let key = accounts.key(&login.access, &json!({ "bindings": { "account": ["primary", "second"] } })).key;
    let status = |path: &str| with_key("GET", path, &key).send_to(gateway.address()).status;
    for path in ["/accounts/primary/orders", "/accounts/second", "/accounts/%70rimary", "/elsewhere"] {
        assert_eq!(status(path), 200, "{path}");
    }
    for path in [
        "/accounts/third/orders",
        "/accounts/third",
        "/accounts/PRIMARY",
        "/accounts/primary%2f..%2fthird",
        "/accounts/",
    ] {
        let status = status(path);
        assert!(matches!(status, 400 | 403) || path == "/accounts/" && status == 200, "{path}: {status}");
    }
}

#[test]
fn a_key_may_have_less_than_its_user_and_never_more() {
    let upstream = Upstream::ok();
    let (gateway, accounts) =
        started(&upstream, "[[routes]]\nmatch = \"GET /paid\"\nroles = [\"premium\"]\n");
    let login = gateway.user(&accounts, "alice", "premium");
    let (full, less) =
        (accounts.key(&login.access, &json!({})), accounts.key(&login.access, &json!({ "role": "free" })));
    let paid = |key: &FreshKey| with_key("GET", "/paid", &key.key).send_to(gateway.address()).status;
    assert_eq!((paid(&full), paid(&less)), (200, 403));
    assert_eq!(with_key("GET", "/work", &less.key).send_to(gateway.address()).status, 200);
    let more =
        accounts.send(&accounts.post("/auth/api-key", &json!({ "role": "admin" })).bearer(&login.access));
    assert!(matches!(more.status, 403 | 422), "{}", more.text());
    // What the user loses, his keys lose.
    gateway.command("users role alice free").ran().succeeded();
    until("the role to be gone", || (paid(&full) == 403).then_some(()));
    assert_eq!(paid(&less), 403);
}

#[test]
fn a_key_ends_by_time_and_by_revocation_at_once() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let made = gateway.command("keys create --user alice --name short --expires 2s --json").ran().json();
    let short = made["api_key"].as_str().unwrap();
    let status = |key: &str| with_key("GET", "/work", key).send_to(gateway.address()).status;
    accounts.until("the new key", &with_key("GET", "/work", short), 200);
    until("its end", || (status(short) == 401).then_some(()));

    let key = accounts.key(&login.access, &json!({}));
    assert_eq!(status(&key.key), 200);
    let revoke = accounts.delete(&format!("/auth/api-keys/{}", key.id)).bearer(&login.access);
    assert!(accounts.send(&revoke).status < 300);
    assert_eq!(status(&key.key), 401, "at once");
    let gateway = gateway.kill().start();
    assert_eq!(with_key("GET", "/work", &key.key).send_to(gateway.address()).status, 401, "and for ever");
}

#[test]
fn a_rotated_key_is_good_until_its_overlap_is_over_and_shows_who_still_uses_it() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let scopes = json!({ "name": "robot", "scopes": ["GET /work"] });
    let old = accounts.key(&login.access, &scopes);
    let status = |method: &str, key: &str| with_key(method, "/work", key).send_to(gateway.address()).status;
    let rotate =
        gateway.command("keys rotate").arg(&old.id).arg("--overlap").arg("3s").arg("--json").ran().json();
    let new = rotate["api_key"].as_str().unwrap();
    accounts.until("the new key", &with_key("GET", "/work", new), 200);
    assert_eq!(status("GET", &old.key), 200);
    // It has what the old one had, and no more.
    assert_eq!(status("POST", new), 403);
    assert_eq!(rotate["name"], "robot");
    until("the end of the old key", || (status("GET", &old.key) == 401).then_some(()));
    assert_eq!(status("GET", new), 200);
    let listed = accounts.done(&accounts.get("/auth/api-keys").bearer(&login.access));
    let of = |id: &str| {
        let all = listed["api_keys"].as_array().unwrap_or_else(|| panic!("{listed}"));
        all.iter().find(|key| key["id"] == id).unwrap_or_else(|| panic!("{id} in {listed}")).clone()
    };
    assert_eq!(of(&old.id)["replaced_by"], rotate["id"]);
}

/// A key that is stolen must not be a way to more keys, or to the account.
#[test]
fn a_key_is_for_the_application_and_not_for_the_account() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let key = accounts.key(&login.access, &json!({}));
    let asked = |request: Request| accounts.send(&request.header("X-API-Key", &key.key));
    for (request, what) in [
        (accounts.post("/auth/api-key", &json!({})), "another key"),
        (accounts.post("/auth/password", &json!({ "current_password": portcullis_tests::PASSWORD, "new_password": "Silent-Orchard-58-Windmills?" })), "the password"),
        (accounts.post("/auth/totp/enroll", &json!({})), "a second factor"),
        (accounts.post("/auth/sessions", &json!({ "cookie": true })), "a session"),
        (accounts.delete(&format!("/auth/api-keys/{}", key.id)), "its own end"),
        (accounts.get("/auth/api-keys"), "the list"),
    ] {
        let answer = asked(request);
        assert!(matches!(answer.status, 401 | 403), "{what}: {}{}", answer.head, answer.text());
    }
    assert_eq!(asked(accounts.get("/auth/profile")).json()["username"], "alice");
}

#[test]
fn a_user_has_as_many_keys_as_said() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "[auth.keys]\nmax_per_user = 2\n");
    let login: Login = accounts.newcomer("alice");
    let make =
        || -> Response { accounts.send(&accounts.post("/auth/api-key", &json!({})).bearer(&login.access)) };
    let first = make().json();
    assert!(make().status < 300);
    let refused = make();
    assert!(matches!(refused.status, 403 | 409 | 422), "{}", refused.text());
    let id = first["id"].as_str().unwrap();
    assert!(
        accounts.send(&accounts.delete(&format!("/auth/api-keys/{id}")).bearer(&login.access)).status < 300
    );
    assert!(make().status < 300);
}

#[test]
fn the_last_use_of_a_key_is_known() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let key = accounts.key(&login.access, &json!({}));
    let last_used = |accounts: &Accounts| {
        let listed = accounts.done(&accounts.get("/auth/api-keys").bearer(&login.access));
        listed["api_keys"][0]["last_used_at"].clone()
    };
    assert_eq!(last_used(&accounts), json!(null));
    assert_eq!(work().header("X-API-Key", &key.key).send_to(gateway.address()).status, 200);
    // It is written about once a minute, and when the gateway ends.
    let gateway = gateway.stop().start();
    let accounts = Accounts::of(&gateway);
    assert!(last_used(&accounts).is_string());
}
