//! Secrets of every kind, planted in everything that people send: none is found in a log or in the file of the store.

use portcullis_tests::{Accounts, Login, PASSWORD, Request, Upstream, totp, unix_seconds};
use serde_json::json;

use super::{launch, work};

#[test]
fn x_07_no_secret_of_an_account_is_found_in_a_log_an_audit_record_a_metric_or_the_store() {
    for format in ["text", "json"] {
        let upstream = Upstream::ok();
        let gateway = launch(&upstream, "")
            .env("PORTCULLIS_LOG__FORMAT", format)
            .env("PORTCULLIS_LOG__LEVEL", "debug")
            .env("PORTCULLIS_LOG__FILE", "gateway.log")
            .start();
        let accounts = Accounts::of(&gateway);
        let planted = live(&gateway, &accounts);
        gateway.wait_for_log(&["/the-last-one"]);
        let log = gateway.log() + &gateway.folder().read("gateway.log").unwrap_or_default();
        let root = gateway.user(&accounts, "root", "admin").access;
        let recorded = portcullis_tests::until("its record", || {
            let recorded = gateway.command("audit export").ran().succeeded();
            recorded.contains("/the-last-one").then_some(recorded)
        });
        let shown = ["/admin/audit-log?limit=1000", "/admin/metrics", "/admin/limits/top?limit=1000"]
            .map(|path| accounts.from(9).send(&accounts.get(path).bearer(&root)).text().to_owned());
        assert!(shown.iter().all(|text| text.contains("alice")), "{shown:?}");
        let launch = gateway.stop();
        let mut store = Vec::new();
        for entry in std::fs::read_dir(launch.folder().path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with(super::STORE) {
                store.extend(std::fs::read(entry.path()).unwrap());
            }
        }
        assert!(store.len() > 4096, "{} bytes", store.len());
        for (what, secret) in &planted {
            let line = log.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{what} stands in the log ({format})");
            let record = recorded
                .lines()
                .chain(shown.iter().map(String::as_str))
                .find(|it| it.contains(secret.as_str()));
            assert_eq!(record, None, "{what} stands in the audit log");
            let found = store.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{what} stands in the file of the store");
        }
        assert!(log.contains("auth_attempt") && log.contains("account_changed"));
    }
}

/// Does everything that has a secret in it, right and wrong; what was planted, and what it is.
fn live(gateway: &portcullis_tests::Gateway, accounts: &Accounts) -> Vec<(&'static str, String)> {
    let mut planted = vec![
        ("the password", PASSWORD.to_owned()),
        ("a wrong password", "Wrong-Planted-Orchard-58?".to_owned()),
        ("an address", "alice@example.com".to_owned()),
        ("a password in the place of a name", "Planted-Instead-Of-Name-7!".to_owned()),
        ("the key of the store", super::STORE_KEY.to_owned()),
    ];
    let login = accounts.newcomer("alice");
    accounts.try_login("alice", "Wrong-Planted-Orchard-58?");
    accounts.try_login("Planted-Instead-Of-Name-7!", "Wrong-Planted-Orchard-58?");
    let pair = Login::of(&accounts.refresh(&login.refresh));
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    for (what, token) in [
        ("an access token", &login.access),
        ("a refresh token", &login.refresh),
        ("a second access token", &pair.access),
        ("a second refresh token", &pair.refresh),
    ] {
        planted.push((what, signature(token)));
    }
    let (key, revoked) = (accounts.key(&pair.access, &json!({})), accounts.key(&pair.access, &json!({})));
    accounts.send(&accounts.delete(&format!("/auth/api-keys/{}", revoked.id)).bearer(&pair.access));
    let device = accounts.device();
    let session = accounts.session(&pair.access, &device);
    planted.extend([("an API key", key.key.clone()), ("a revoked key", revoked.key.clone())]);
    planted.extend([("a session", session.secret.clone()), ("a device's secret", device.secret.clone())]);
    let begun = accounts.done(&accounts.post("/auth/totp/enroll", &json!({})).bearer(&pair.access));
    let secret = begun["secret"].as_str().unwrap().to_owned();
    let confirm = json!({ "code": totp(&secret, unix_seconds(), 0) });
    let codes = accounts.done(&accounts.post("/auth/totp/confirm", &confirm).bearer(&pair.access));
    let attempt = accounts.try_login("alice", PASSWORD).json()["attempt"].as_str().unwrap().to_owned();
    planted.extend([("the secret of the second factor", secret), ("an attempt", attempt.clone())]);
    // In every place where somebody might put one by mistake.
    for (_, secret) in planted.clone().iter().filter(|(_, secret)| !secret.contains(['@', '?', '!', ' '])) {
        for request in [
            work().header("X-API-Key", secret),
            work().bearer(secret),
            work().header("X-Session-ID", secret).header("X-Device-ID", &device.id),
            work().header("User-Agent", &format!("client ({secret})")),
            work().header("Cookie", &format!("session={secret}; other={secret}")),
            Request::get(&format!("/work?api_key={secret}&token={secret}")),
            Request::get(&format!("/work/{secret}")),
            accounts.post("/auth/refresh", &json!({ "refresh_token": secret })),
            accounts.delete(&format!("/auth/api-keys/{secret}")),
        ] {
            let _ = request.send_to(gateway.address());
        }
    }
    let _ = Request::get("/the-last-one").send_to(gateway.address());
    // It looks like two words, and where it belongs it is known.
    let code = codes["recovery_codes"][0].as_str().unwrap().to_owned();
    let body = json!({ "attempt": attempt, "totp": code });
    Login::of(&accounts.post("/auth/login/totp", &body).send_from("127.0.0.2", gateway.address()));
    planted.push(("a recovery code", code));
    planted
}
