//! Roles: own ones between those that are always there, what they are for, and that a change counts at once.

use portcullis_tests::{Login, PASSWORD, Request, Upstream};
use serde_json::json;

use super::{assert_refused, started};

const ROLES: &str = "[roles.free]\nlimit = \"50/minute per user\"\n[roles.analyst]\nlimit = \"70/minute per user\"\n\
    [[routes]]\nmatch = \"GET /reports\"\nroles = [\"analyst\"]\n\
    [[routes]]\nmatch = \"GET /paid\"\nroles = [\"premium\", \"analyst\"]\n\
    [[routes]]\nmatch = \"GET /console\"\nroles = [\"admin\"]\n";

#[test]
fn a_route_is_for_the_roles_it_names_and_for_administrators() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, ROLES);
    for (role, expected) in [
        ("free", [403, 403, 403]),
        ("premium", [403, 200, 403]),
        ("analyst", [200, 200, 403]),
        ("admin", [200, 200, 200]),
    ] {
        let login = gateway.user(&accounts, &format!("a-{role}"), role);
        let statuses = ["/reports", "/paid", "/console"]
            .map(|path| Request::get(path).bearer(&login.access).send_to(gateway.address()).status);
        assert_eq!(statuses, expected, "{role}");
    }
    assert_eq!(
        Request::get("/reports").send_to(gateway.address()).status,
        401,
        "who is nobody is asked first"
    );
}

#[test]
fn each_role_has_its_own_limit() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, ROLES);
    for (role, limit) in [("free", 50), ("analyst", 70)] {
        let login = gateway.user(&accounts, &format!("a-{role}"), role);
        let answer = Request::get("/work").bearer(&login.access).send_to(gateway.address());
        assert_eq!(answer.number("x-ratelimit-limit"), limit, "{role}");
    }
}

/// By an administrator over HTTP: the very next request counts.
#[test]
fn a_change_by_an_administrator_counts_at_once() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, ROLES);
    let admin = gateway.user(&accounts, "root", "admin");
    let login = accounts.newcomer("alice");
    let change = |wishes: serde_json::Value| {
        let path = accounts.path("/admin/users/alice");
        let request = Request::new("PATCH", &path).header("Content-Type", "application/json");
        accounts.done(&request.body(wishes.to_string()).bearer(&admin.access))
    };
    let reports = || Request::get("/reports").bearer(&login.access).send_to(gateway.address()).status;
    assert_eq!(reports(), 403);
    assert_eq!(change(json!({ "role": "analyst" }))["role"], "analyst");
    assert_eq!(reports(), 200);
    change(json!({ "role": "free" }));
    assert_eq!(reports(), 403);
    change(json!({ "active": false }));
    assert_eq!(reports(), 401);
    assert_refused(&accounts.try_login("alice", PASSWORD), 400, "account-disabled");
    change(json!({ "active": true }));
    Login::of(&accounts.try_login("alice", PASSWORD));
    let removed = accounts.send(&accounts.delete("/admin/users/alice").bearer(&admin.access));
    assert!(removed.status < 300, "{}", removed.text());
    assert_eq!(reports(), 401);
    assert_refused(&accounts.try_login("alice", PASSWORD), 401, "invalid-login");
}

#[test]
fn who_is_no_administrator_changes_nobody() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, ROLES);
    accounts.register("alice");
    let mallory = gateway.user(&accounts, "mallory", "analyst");
    let by = |request: Request| accounts.send(&request.bearer(&mallory.access));
    let json = |method: &str, path: &str, body: serde_json::Value| {
        Request::new(method, &accounts.path(path))
            .header("Content-Type", "application/json")
            .body(body.to_string())
    };
    for request in [
        json("PATCH", "/admin/users/mallory", json!({ "role": "admin" })),
        json("POST", "/admin/users", json!({ "username": "x", "password": PASSWORD, "role": "admin" })),
        json("POST", "/admin/users/alice/reset-password", json!({ "password": PASSWORD })),
        json("POST", "/admin/users/alice/revoke", json!({})),
        json("POST", "/admin/keys", json!({ "user": "alice" })),
        accounts.delete("/admin/users/alice"),
        accounts.get("/admin/users"),
        accounts.get("/admin/sessions"),
    ] {
        assert_refused(&by(request), 403, "insufficient-role");
    }
    accounts.login("alice");
    // An administrator's key reads, and changes nothing.
    let admin = gateway.user(&accounts, "root", "admin");
    let key = accounts.key(&admin.access, &json!({})).key;
    assert_eq!(accounts.send(&accounts.get("/admin/users").header("X-API-Key", &key)).status, 200);
    let change = json("PATCH", "/admin/users/mallory", json!({ "role": "admin" })).header("X-API-Key", &key);
    assert!(matches!(accounts.send(&change).status, 401 | 403));
}
