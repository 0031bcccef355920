//! The protocol: paths, methods, bodies, documents, other forms of refusals, reloads and the end.

use std::io::{Read as _, Write as _};

use portcullis::api::{Places, Replies, Settings};
use portcullis_accounts::password::Argon2Cost;
use portcullis_gate::reply::Template;
use serde_json::json;

use super::harness::{Api, PASSWORD, Who, now_ms};

/// The code of an authenticator that was given this `otpauth:` address, some steps from now.
pub fn code(uri: &str, steps: i64) -> String {
    let totp = totp_rs::Totp::from_url_unchecked(uri).unwrap();
    totp.generate((now_ms() / 1000 + steps * 30).unsigned_abs()).to_string()
}

#[test]
fn paths_and_methods_that_are_not_there() {
    let api = Api::start();
    let refused = api.ask("GET", "/auth/login").send();
    assert_eq!(refused.refusal(), (405, "method-not-allowed".to_owned()));
    assert_eq!(refused.field("allow"), Some("POST"));
    let options = api.ask("OPTIONS", "/auth/sessions").send();
    assert_eq!((options.status, options.field("allow")), (405, Some("GET, HEAD, POST")));
    assert_eq!(api.ask("GET", "/auth/nothing").send().refusal(), (404, "not-found".to_owned()));
    let bob = api.user("bob");
    let head = api.ask("HEAD", "/auth/profile").by(&bob).send();
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_ne!(head.field("content-length"), Some("0"), "of the body that GET has");
}

#[test]
fn bodies_that_do_not_fit() {
    let api = Api::start();
    let post = |kind: &str, body: &[u8]| {
        api.ask("POST", "/auth/login").field("Content-Type", kind).body(body).send()
    };
    assert_eq!(post("application/x-www-form-urlencoded", b"username=a").refusal().0, 415);
    let broken = post("application/json", b"{\"username\":");
    assert_eq!(broken.refusal(), (422, "invalid-request".to_owned()));
    assert_eq!(post("application/json", b"[]").status, 422);
    assert_eq!(
        post("application/json", &vec![b' '; 64 * 1024 + 1]).refusal(),
        (413, "body-too-large".to_owned())
    );
    let twice = post("application/json", br#"{"username":"a","username":"b","password":"c"}"#);
    assert_eq!(twice.json()["errors"][0]["pointer"], "/username");
    let query =
        api.ask("POST", "/auth/login?debug=1").json(&json!({ "username": "a", "password": "b" })).send();
    assert_eq!(query.json()["errors"][0], json!({ "parameter": "debug", "detail": "unknown" }));
}

#[test]
fn only_the_gate_is_believed() {
    let api = Api::start();
    for name in ["X-Auth-Client", "X-Auth-Secure"] {
        let mut stream = api.connect();
        stream.write_all(&api.ask("GET", "/docs").without(name).bytes()).unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        assert!(!text.starts_with("HTTP/1.1 200"), "{text}");
    }
}

#[test]
fn the_documents_are_there_and_harmless() {
    let api = Api::start();
    let document = api.ask("GET", "/openapi.json").send();
    assert_eq!((document.status, document.json()["openapi"].as_str()), (200, Some("3.1.0")));
    let page = api.ask("GET", "/docs").send();
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert!(String::from_utf8(page.body).unwrap().contains("/auth/login"));
    let style = api.ask("GET", "/docs/style.css").send();
    assert_eq!((style.status, style.field("content-type")), (200, Some("text/css; charset=utf-8")));
    let keys = api.ask("GET", "/.well-known/jwks.json").send();
    assert_eq!(keys.json(), json!({ "keys": [] }), "a shared secret is no public key");
}

#[test]
fn refusals_speak_as_the_clients_know() {
    let account = Template::new("application/json", r#"{"detail":"{detail}"}"#).unwrap();
    let replies = Replies { base: "".into(), account: Some(account) };
    let api = Api::with(replies, Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 });
    let refused = api.post("/auth/login", &json!({ "username": "bob", "password": "wrong" }));
    assert_eq!((refused.status, refused.field("content-type")), (401, Some("application/json")));
    assert_eq!(refused.json(), json!({ "detail": "Invalid credentials" }));
}

#[test]
fn a_connection_is_kept_and_other_settings_come_into_force() {
    let api = Api::start();
    let mut stream = api.connect();
    let request =
        b"GET /openapi.json HTTP/1.1\r\nHost: gate\r\nX-Auth-Client: ::1\r\nX-Auth-Secure: 0\r\n\r\n";
    let mut answered = |expected: &str| {
        stream.write_all(request).unwrap();
        let mut bytes = vec![0; 64];
        let mut seen = Vec::new();
        loop {
            let read = stream.read(&mut bytes).unwrap();
            assert_ne!(read, 0, "the connection ended");
            seen.extend_from_slice(&bytes[..read]);
            let text = String::from_utf8_lossy(&seen);
            if let Some(end) = text.find("\r\n\r\n") {
                let length = text[..end].lines().find_map(|line| line.strip_prefix("content-length: "));
                if seen.len() >= end + 4 + length.unwrap().parse::<usize>().unwrap() {
                    assert!(text.starts_with(expected), "{text}");
                    return;
                }
            }
        }
    };
    answered("HTTP/1.1 200");
    let moved = Settings { places: Places::below("/elsewhere"), ..Settings::default() };
    api.service.as_ref().unwrap().replace(moved).unwrap();
    answered("HTTP/1.1 404");
    let broken = Settings { places: Places::below("broken"), ..Settings::default() };
    assert!(api.service.as_ref().unwrap().replace(broken).is_err());
    answered("HTTP/1.1 404");
}

#[test]
fn the_end_waits_for_what_runs_and_takes_nothing_more() {
    let mut api = Api::start();
    let bob = api.user("bob");
    let idle = api.connect();
    api.service.take().unwrap().stop();
    let mut idle = idle;
    let mut rest = Vec::new();
    assert_eq!(idle.read_to_end(&mut rest).unwrap(), 0, "it was closed");
    assert!(matches!(bob, Who::Bearer(_)));
    assert!(!PASSWORD.is_empty());
}
