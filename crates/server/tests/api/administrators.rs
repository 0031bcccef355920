//! What administrators do.

use portcullis_accounts::Judgement;
use serde_json::{Value, json};

use super::harness::{Api, PASSWORD, Who};

#[test]
fn others_have_nothing_to_do_here() {
    let api = Api::start();
    let bob = api.user("bob");
    assert_eq!(api.get(&bob, "/admin/users").refusal(), (403, "insufficient-role".to_owned()));
    assert_eq!(api.ask("GET", "/admin/users").send().refusal(), (401, "missing-credential".to_owned()));
    let events = api.events();
    assert!(events.contains(&"access_denied insufficient-role bob".to_owned()), "{events:?}");
}

#[test]
fn users_are_made_listed_changed_and_removed() {
    let api = Api::start();
    let admin = api.admin();
    for name in ["alice", "bob", "carol"] {
        let body = json!({ "username": name, "password": PASSWORD, "role": "premium" });
        let made = api.ask("POST", "/admin/users").by(&admin).json(&body).send();
        assert_eq!((made.status, made.text("role").as_str()), (201, "premium"), "{made:?}");
    }
    let again = json!({ "username": "Alice" });
    let taken = api.ask("POST", "/admin/users").by(&admin).json(&again).send();
    assert_eq!(taken.refusal(), (409, "username-taken".to_owned()));
    let page = api.get(&admin, "/admin/users?limit=2").json();
    assert_eq!((page["users"].as_array().unwrap().len(), page["next"].as_str()), (2, Some("bob")));
    let rest = api.get(&admin, "/admin/users?limit=2&after=bob").json();
    assert_eq!((rest["users"][0]["username"].as_str(), rest["next"].is_null()), (Some("carol"), true));

    let shown = api.get(&admin, "/admin/users/Alice");
    let by_id = api.get(&admin, &format!("/admin/users/{}", shown.text("id")));
    assert_eq!(shown.json(), by_id.json());
    assert_eq!(api.get(&admin, "/admin/users/nobody").refusal(), (404, "not-found".to_owned()));

    let alice = api.login("alice");
    let change = |body| api.ask("PATCH", "/admin/users/alice").by(&admin).json(&body).send();
    let changed = change(json!({ "role": "free", "email": "alice@example.com" }));
    assert_eq!((changed.status, changed.text("role").as_str()), (200, "free"));
    assert!(change(json!({ "email": null })).json()["email"].is_null());
    assert_eq!(change(json!({ "role": "emperor" })).refusal(), (422, "unknown-role".to_owned()));
    assert_eq!(change(json!({ "active": null })).status, 422);
    match api.judge(&alice) {
        Judgement::Proven(identity) => assert_eq!(identity.role.as_deref(), Some("free"), "at once"),
        other => panic!("{other:?}"),
    }
    assert_eq!(change(json!({ "active": false })).status, 200);
    assert!(!api.is_valid(&alice));
    let refused = api.post("/auth/login", &json!({ "username": "alice", "password": PASSWORD }));
    assert_eq!(
        (refused.refusal(), refused.text("detail")),
        ((400, "account-disabled".into()), "Inactive user".into())
    );

    assert_eq!(api.ask("DELETE", "/admin/users/alice").by(&admin).send().status, 204);
    assert_eq!(api.ask("DELETE", "/admin/users/alice").by(&admin).send().status, 404);
    let events = api.events();
    assert!(
        events.contains(&"account_changed change_user root.admin user alice, role free, address".to_owned())
    );
    assert!(events.contains(&"account_changed delete_user root.admin user alice".to_owned()), "{events:?}");
}

#[test]
fn nobody_takes_or_loses_his_own_account_here() {
    let api = Api::start();
    let admin = api.admin();
    let at = |method: &str, below: &str, body: Option<Value>| {
        let ask = api.ask(method, &format!("/admin/users/root.admin{below}")).by(&admin);
        if let Some(body) = body { ask.json(&body).send() } else { ask.send() }
    };
    for reply in [
        at("DELETE", "", None),
        at("POST", "/revoke", None),
        at("POST", "/reset-password", Some(json!({ "password": "Another-Kettle-55-Meadow" }))),
        at("PATCH", "", Some(json!({ "role": "free" }))),
        at("PATCH", "", Some(json!({ "active": false }))),
    ] {
        assert_eq!(reply.refusal(), (409, "own-account".to_owned()));
    }
    assert_eq!(at("PATCH", "", Some(json!({ "email": "root@example.com" }))).status, 200);
    assert!(api.is_valid(&admin));
}

#[test]
fn everything_of_somebody_ends_at_once() {
    let api = Api::start();
    let admin = api.admin();
    let bob = api.user("bob");
    let key = Who::Key(api.ask("POST", "/auth/api-key").by(&bob).send().text("api_key"));
    assert_eq!(api.ask("POST", "/admin/users/bob/revoke").by(&admin).send().status, 204);
    assert!(!api.is_valid(&bob) && !api.is_valid(&key));
    let bob = api.login("bob");
    let body = json!({ "password": "Another-Kettle-55-Meadow" });
    let reset = api.ask("POST", "/admin/users/bob/reset-password").by(&admin).json(&body).send();
    assert_eq!(reset.status, 204, "{reset:?}");
    assert!(!api.is_valid(&bob));
}

#[test]
fn credentials_of_everybody_are_seen_and_ended() {
    let api = Api::start();
    let admin = api.admin();
    let bob = api.user("bob");
    let body = json!({ "user": "bob", "name": "ci", "scopes": ["GET /a"] });
    let made = api.ask("POST", "/admin/keys").by(&admin).json(&body).send();
    assert_eq!(made.status, 201, "{made:?}");
    let key = Who::Key(made.text("api_key"));
    assert_eq!(api.get(&admin, "/admin/keys").json()["keys"][0]["name"], "ci");
    let id = made.text("id");
    let rotated = api.ask("POST", &format!("/admin/keys/{id}/rotate")).by(&admin).send();
    assert_eq!(rotated.status, 201, "{rotated:?}");
    assert!(!api.is_valid(&key), "without an overlap the old one ends");
    let again = api.ask("POST", &format!("/admin/keys/{id}/rotate")).by(&admin).send();
    assert_eq!(again.refusal(), (409, "invalid-key".to_owned()), "it has ended");
    let revoke = api.ask("DELETE", &format!("/admin/keys/{}", rotated.text("id"))).by(&admin).send();
    assert_eq!(revoke.status, 204);
    assert!(!api.is_valid(&Who::Key(rotated.text("api_key"))));

    let started = api.post("/auth/devices", &json!({}));
    let body =
        json!({ "device_id": started.text("device_id"), "device_secret": started.text("device_secret") });
    let session = api.ask("POST", "/auth/sessions").by(&bob).json(&body).send();
    let listed = api.get(&admin, "/admin/sessions").json();
    assert_eq!(listed["sessions"][0]["id"], session.text("id"));
    assert_eq!(
        api.ask("DELETE", &format!("/admin/sessions/{}", session.text("id"))).by(&admin).send().status,
        204
    );
    assert_eq!(api.get(&admin, "/admin/sessions").json()["sessions"], json!([]));
    let devices = api.get(&admin, "/admin/devices").json();
    assert_eq!(devices["devices"][0]["id"], started.text("device_id"));
    let remove = format!("/admin/devices/{}", started.text("device_id"));
    assert_eq!(api.ask("DELETE", &remove).by(&admin).send().status, 204);
    assert_eq!(api.ask("DELETE", &remove).by(&admin).send().status, 404);
}

#[test]
fn an_administrator_s_key_reads_and_changes_nothing() {
    let api = Api::start();
    let admin = api.admin();
    let key = Who::Key(api.ask("POST", "/auth/api-key").by(&admin).send().text("api_key"));
    assert_eq!(api.get(&key, "/admin/users").status, 200);
    let refused = api.ask("DELETE", "/admin/users/root.admin").by(&key).send();
    assert_eq!(refused.refusal(), (401, "missing-credential".to_owned()));
}
