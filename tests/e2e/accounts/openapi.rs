//! The document of the gateway's own endpoints: what it says is what they do.

use std::process::Command;

use portcullis_tests::{Accounts, Launch, Request, Upstream, clients};

use super::{STORE_KEY, assert_refused, config};

/// What names the client is believed, so that every example can come from another one and none is refused for
/// being one too many.
fn started(upstream: &Upstream) -> (portcullis_tests::Gateway, Accounts) {
    let more = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[auth.failures]\nlimit = \"1000000/minute per ip\"\n[auth.lockout]\nattempts = 10000\n";
    let gateway = Launch::run().config(&config(&upstream.url(), more)).env("STORE_KEY", STORE_KEY).start();
    let accounts = Accounts::of(&gateway);
    (gateway, accounts)
}

/// Somebody else's reader of the document makes requests from it, right and wrong, and compares every answer with
/// what the document says: no 5xx, no status or body that is not in it, no wrong input that is taken.
#[test]
fn every_answer_is_one_that_the_document_names() {
    let python = clients();
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream);
    let admin = gateway.user(&accounts, "root", "admin");
    let url = format!("http://{}{}", gateway.address(), accounts.path("/openapi.json"));
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/clients");
    let output = Command::new(python.with_file_name("schemathesis"))
        .arg("--config-file")
        .arg(folder.join("schemathesis.toml"))
        .args(["run", &url, "--no-color"])
        .arg("--header")
        .arg(format!("Authorization: Bearer {}", admin.access))
        .args([
            "--seed",
            "20240611",
            "--max-examples",
            "8",
            "--generation-deterministic",
            "--request-timeout",
            "20",
        ])
        // Who ends his own login has none for what follows.
        .args(["--exclude-path-regex", "/auth/(logout|password)$"])
        .current_dir(gateway.folder().path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONPATH", &folder)
        .env("HOME", gateway.folder().path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    assert_eq!(Request::get("/portcullis/health").send_to(gateway.address()).status, 200);
}

#[test]
fn the_document_is_complete_and_can_be_read() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream);
    let document = accounts.send(&accounts.get("/openapi.json"));
    assert_eq!((document.status, document.field("content-type")), (200, Some("application/json")));
    let document = document.json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")), "{document}");
    for (path, method) in [
        ("/auth/register", "post"),
        ("/auth/login", "post"),
        ("/auth/login/totp", "post"),
        ("/auth/refresh", "post"),
        ("/auth/logout", "post"),
        ("/auth/profile", "get"),
        ("/auth/password", "post"),
        ("/auth/api-key", "post"),
        ("/auth/api-keys", "get"),
        ("/auth/api-keys/{id}", "delete"),
        ("/auth/api-keys/{id}/rotate", "post"),
        ("/auth/totp/enroll", "post"),
        ("/auth/totp/confirm", "post"),
        ("/auth/totp", "delete"),
        ("/auth/devices", "post"),
        ("/auth/devices", "get"),
        ("/auth/devices/{id}", "delete"),
        ("/auth/sessions", "post"),
        ("/auth/sessions", "get"),
        ("/auth/sessions/{id}", "delete"),
        ("/admin/users", "get"),
        ("/admin/keys", "get"),
        ("/admin/sessions", "get"),
        ("/admin/devices", "get"),
    ] {
        let path = accounts.path(path);
        assert!(document["paths"][&path][method].is_object(), "{method} {path}");
    }
    let page = accounts.send(&accounts.get("/docs"));
    assert_eq!(page.status, 200);
    let policy = page.field("content-security-policy").unwrap_or_else(|| panic!("{}", page.head));
    assert!(policy.contains("default-src 'none'") || policy.contains("default-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    // Nothing comes from elsewhere, and what it names is there.
    let text = page.text();
    assert!(text.contains("/auth/login") && !text.contains("<script>"), "{text}");
    let elsewhere = text.split(['"', '\'']).find(|part| part.starts_with("http") || part.starts_with("//"));
    assert_eq!(elsewhere, None, "everything it needs comes from here");
}

#[test]
fn a_method_that_is_not_there_is_answered_with_those_that_are() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream);
    let answer = accounts.send(&Request::get(&accounts.path("/auth/login")));
    assert_eq!((answer.status, answer.field("allow")), (405, Some("POST")), "{}", answer.text());
    assert_eq!(upstream.count(), 0);
}

#[test]
fn groups_of_endpoints_can_be_moved_and_switched_off() {
    let upstream = Upstream::ok();
    let more = "[endpoints]\nprefix = \"\"\nauth = \"/people\"\nadmin = false\ndocs = false\n";
    let gateway = Launch::run().config(&config(&upstream.url(), more)).env("STORE_KEY", STORE_KEY).start();
    let login = Request::post("/people/login", r#"{"username":"a","password":"b"}"#);
    assert_eq!(login.send_to(gateway.address()).status, 401);
    for path in ["/admin/users", "/docs", "/openapi.json", "/auth/login"] {
        // They are the application's now, and behind the gate like every other path.
        let answer = Request::get(path).send_to(gateway.address());
        assert_refused(&answer, 401, "missing-credential");
    }
}
