//! What people do for themselves.

use portcullis_accounts::Judgement;
use serde_json::{Value, json};

use super::harness::{Api, PASSWORD, Who};

#[test]
fn somebody_registers_logs_in_and_is_known() {
    let api = Api::start();
    let body = json!({ "username": "bob", "email": "bob@example.com", "password": PASSWORD, "role": "free" });
    let made = api.post("/auth/register", &body);
    assert_eq!(made.status, 201, "{made:?}");
    let user = made.json();
    assert_eq!((user["username"].as_str(), user["role"].as_str()), (Some("bob"), Some("free")));
    assert_eq!((user["is_active"].as_bool(), user["last_login"].is_null()), (Some(true), true));
    assert!(!made.head.to_lowercase().contains("set-cookie") && user.get("password").is_none());
    assert_eq!(made.field("cache-control"), Some("no-store"));

    let tokens = api.post("/auth/login", &json!({ "username": "bob", "password": PASSWORD }));
    assert_eq!((tokens.status, tokens.text("token_type").as_str()), (200, "bearer"));
    assert_eq!(tokens.json()["expires_in"], 1800);
    let profile = api.get(&Who::Bearer(tokens.text("access_token")), "/auth/profile");
    assert_eq!((profile.status, profile.text("username").as_str()), (200, "bob"));
    assert!(profile.text("last_login").ends_with('Z'), "RFC 3339 in UTC");

    assert_eq!(
        api.events(),
        ["account_changed register bob user bob with the role free", "auth_attempt true login bob user bob"]
    );
}

#[test]
fn nobody_gives_oneself_a_role_and_an_administrator_does() {
    let api = Api::start();
    let body = |name: &str, role: &str| json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD, "role": role });
    for role in ["admin", "premium", "invented"] {
        let refused = api.post("/auth/register", &body("eve", role));
        assert_eq!(refused.refusal(), (403, "role-not-allowed".to_owned()));
    }
    let admin = api.admin();
    let made = api.ask("POST", "/auth/register").by(&admin).json(&body("eve", "premium")).send();
    assert_eq!((made.status, made.text("role").as_str()), (201, "premium"));
    // A caller who is known, but nothing more, is nobody special.
    let bob = api.user("bob");
    let refused = api.ask("POST", "/auth/register").by(&bob).json(&body("mallory", "premium")).send();
    assert_eq!(refused.refusal(), (403, "role-not-allowed".to_owned()));
}

#[test]
fn names_and_addresses_are_unique_and_passwords_strong() {
    let api = Api::start();
    api.user("bob");
    let register = |name: &str, email: &str, password: &str| {
        api.post("/auth/register", &json!({ "username": name, "email": email, "password": password }))
    };
    let taken = register("Bob", "other@example.com", PASSWORD);
    assert_eq!(taken.refusal(), (400, "username-taken".to_owned()));
    assert_eq!(taken.text("detail"), "Username already registered");
    let taken = register("robert", "BOB@example.com", PASSWORD);
    assert_eq!(taken.text("detail"), "Email already registered");
    let weak = register("robert", "r@example.com", "password");
    assert_eq!(weak.refusal(), (422, "weak-password".to_owned()));
    assert_eq!(weak.json()["errors"][0]["pointer"], "/password");
    let invalid = register("robert", "no address", PASSWORD);
    assert_eq!(invalid.refusal(), (422, "invalid-request".to_owned()));
    assert_eq!(
        invalid.json()["errors"][0],
        json!({ "pointer": "/email", "detail": "not an e-mail address" })
    );
}

#[test]
fn an_unknown_name_and_a_wrong_password_are_the_same_answer_until_it_is_enough() {
    let api = Api::start();
    api.user("bob");
    api.events();
    let login = |name: &str| api.post("/auth/login", &json!({ "username": name, "password": "wrong" }));
    for name in ["bob", "nobody"] {
        let refused = login(name);
        assert_eq!(refused.refusal(), (401, "invalid-login".to_owned()));
        assert_eq!(refused.text("detail"), "Invalid credentials");
        assert_eq!(refused.field("www-authenticate"), Some("Bearer"));
    }
    (0..4).for_each(|_| drop(login("bob")));
    let locked = login("bob");
    assert_eq!(locked.refusal(), (429, "locked-out".to_owned()));
    let seconds: u64 = locked.field("retry-after").unwrap().parse().unwrap();
    // Moments of a window this long are rounded to later (docs/limiter.md): the wait may be a little longer than it.
    assert!((290..=310).contains(&seconds), "{seconds}");
    assert_eq!(locked.json()["retry_after"], seconds);
    let events = api.events();
    assert_eq!(events[0], "auth_attempt false invalid-login bob");
    assert_eq!(events.last().unwrap(), "lockout locked-out bob");
    // What is no name is not written down: people type passwords into the wrong field.
    login("My Secret Password!");
    assert_eq!(api.events(), ["auth_attempt false invalid-login -"]);
}

#[test]
fn a_refresh_token_works_once_and_twice_ends_everything() {
    let api = Api::start();
    api.user("bob");
    let first = api.post("/auth/login", &json!({ "username": "bob", "password": PASSWORD }));
    let refresh = |token: &str| api.post("/auth/refresh", &json!({ "refresh_token": token }));
    let second = refresh(&first.text("refresh_token"));
    assert_eq!(second.status, 200, "{second:?}");
    let access = Who::Bearer(second.text("access_token"));
    assert!(api.is_valid(&access));
    let reused = refresh(&first.text("refresh_token"));
    assert_eq!(reused.refusal(), (401, "reused-refresh".to_owned()));
    assert_eq!(reused.text("detail"), "Invalid token");
    assert!(!api.is_valid(&access), "the thief's and the owner's");
    assert_eq!(refresh(&second.text("refresh_token")).refusal(), (401, "invalid-refresh".to_owned()));
    let swapped = refresh(&first.text("access_token"));
    assert_eq!(swapped.refusal(), (401, "invalid-refresh".to_owned()));
}

#[test]
fn logging_out_ends_the_login_at_once() {
    let api = Api::start();
    let bob = api.user("bob");
    let other = api.login("bob");
    assert_eq!(api.ask("POST", "/auth/logout").by(&bob).send().status, 204);
    assert_eq!(api.judge(&bob), Judgement::Rejected);
    assert!(api.is_valid(&other), "another login of the same user stands");
}

#[test]
fn another_password_ends_every_login() {
    let api = Api::start();
    let bob = api.user("bob");
    let other = api.login("bob");
    let body = |old: &str, new: &str| json!({ "current_password": old, "new_password": new });
    let change = |body| api.ask("POST", "/auth/password").by(&bob).json(&body).send();
    assert_eq!(change(body("wrong", PASSWORD)).refusal(), (401, "invalid-login".to_owned()));
    let weak = change(body(PASSWORD, "weak"));
    assert_eq!(weak.refusal(), (422, "weak-password".to_owned()));
    assert_eq!(weak.json()["errors"][0]["pointer"], "/new_password");
    let fresh = "Another-Kettle-55-Meadow";
    assert_eq!(change(body(PASSWORD, fresh)).status, 204);
    assert!(!api.is_valid(&bob) && !api.is_valid(&other));
    let login = api.post("/auth/login", &json!({ "username": "bob", "password": fresh }));
    assert_eq!(login.status, 200, "{login:?}");
}

#[test]
fn a_key_is_shown_once_listed_rotated_and_revoked() {
    let api = Api::start();
    let bob = api.user("bob");
    // As the guide does it: a POST without a body.
    let plain = api.ask("POST", "/auth/api-key").by(&bob).send();
    assert_eq!(plain.status, 201, "{plain:?}");
    assert_eq!(plain.text("message"), "API key generated successfully");
    let key = Who::Key(plain.text("api_key"));
    assert_eq!(api.get(&key, "/auth/profile").text("username"), "bob");

    let body = json!({
        "name": "ci", "scopes": ["POST /live/ingest"], "bindings": { "account": ["primary", "second"] },
        "expires_in": 3600, "role": "free"
    });
    let scoped = api.ask("POST", "/auth/api-key").by(&bob).json(&body).send();
    assert_eq!(scoped.status, 201, "{scoped:?}");
    assert_eq!(scoped.json()["bindings"], body["bindings"]);
    let id = scoped.text("id");
    let rotated = api
        .ask("POST", &format!("/auth/api-keys/{id}/rotate"))
        .by(&bob)
        .json(&json!({ "overlap": 60 }))
        .send();
    assert_eq!(rotated.status, 201, "{rotated:?}");
    assert!(api.is_valid(&Who::Key(scoped.text("api_key"))), "the old one overlaps");
    assert!(api.is_valid(&Who::Key(rotated.text("api_key"))));

    let listed = api.get(&bob, "/auth/api-keys").json();
    let keys = listed["api_keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| key.get("api_key").is_none() && key.get("digest").is_none()));
    let old = keys.iter().find(|key| key["id"] == *id).unwrap();
    assert_eq!(old["replaced_by"], rotated.text("id"));

    let revoke =
        |who: &Who| api.ask("DELETE", &format!("/auth/api-keys/{}", plain.text("id"))).by(who).send();
    let eve = api.user("eve");
    assert_eq!(revoke(&eve).refusal(), (404, "not-found".to_owned()), "not hers");
    assert_eq!(revoke(&bob).status, 204);
    assert_eq!(api.judge(&key), Judgement::Rejected, "at once");
    let refused = api.ask("POST", "/auth/api-key").by(&bob).json(&json!({ "role": "admin" })).send();
    assert_eq!(refused.refusal(), (403, "role-not-allowed".to_owned()));
    let scoped = |scopes: Value| {
        let body = json!({ "scopes": scopes });
        api.ask("POST", "/auth/api-key").by(&bob).json(&body).send()
    };
    let broken = scoped(json!(["POST /a/{b"]));
    assert_eq!(broken.refusal(), (422, "invalid-request".to_owned()));
    assert_eq!(broken.json()["errors"][0]["pointer"], "/scopes/0");
    let twice = scoped(json!(["GET /a/{b}", "GET /A/{c}"]));
    assert_eq!(twice.refusal(), (422, "invalid-scope".to_owned()));
}

#[test]
fn an_api_key_cannot_make_itself_at_home() {
    let api = Api::start();
    let bob = api.user("bob");
    let made = api.ask("POST", "/auth/api-key").by(&bob).send();
    let key = Who::Key(made.text("api_key"));
    for (method, target) in [
        ("POST", "/auth/api-key"),
        ("POST", "/auth/password"),
        ("POST", "/auth/totp/enroll"),
        ("POST", "/auth/sessions"),
        ("POST", "/auth/logout"),
        ("GET", "/auth/api-keys"),
    ] {
        let refused = api.ask(method, target).by(&key).send();
        assert_eq!(refused.refusal(), (401, "missing-credential".to_owned()), "{method} {target}");
    }
}

#[test]
fn a_second_factor_is_asked_for_once_it_is_confirmed() {
    let api = Api::start();
    let bob = api.user("bob");
    let enrolled = api.ask("POST", "/auth/totp/enroll").by(&bob).send();
    assert_eq!(enrolled.status, 200, "{enrolled:?}");
    assert!(enrolled.text("uri").starts_with("otpauth://totp/"));
    let _ = api.login("bob");
    let confirm =
        |code: &str| api.ask("POST", "/auth/totp/confirm").by(&bob).json(&json!({ "code": code })).send();
    assert_eq!(confirm("000000x").refusal(), (401, "totp-invalid".to_owned()));
    let confirmed = confirm(&super::http::code(&enrolled.text("uri"), 0));
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    let codes = confirmed.json()["recovery_codes"].clone();
    assert_eq!(codes.as_array().unwrap().len(), 10);

    let waiting = api.post("/auth/login", &json!({ "username": "bob", "password": PASSWORD }));
    assert_eq!(waiting.refusal(), (401, "totp-required".to_owned()));
    assert!(waiting.json()["expires_in"].as_u64().unwrap() > 0);
    let attempt = waiting.text("attempt");
    let complete = |code: &str| api.post("/auth/login/totp", &json!({ "attempt": attempt, "totp": code }));
    assert_eq!(complete("000000x").refusal(), (401, "totp-invalid".to_owned()));
    let done = complete(codes[0].as_str().unwrap());
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(complete(codes[1].as_str().unwrap()).status, 401, "an attempt is for one login");
    let body = json!({ "username": "bob", "password": PASSWORD, "totp": codes[1] });
    assert_eq!(api.post("/auth/login", &body).status, 200);

    let remove = |code: &str| api.ask("DELETE", "/auth/totp").by(&bob).json(&json!({ "code": code })).send();
    assert_eq!(remove(codes[0].as_str().unwrap()).status, 401, "it was used");
    assert_eq!(remove(codes[2].as_str().unwrap()).status, 204);
    let _ = api.login("bob");
}

#[test]
fn a_session_is_bound_to_a_device_that_proves_itself() {
    let api = Api::start();
    let bob = api.user("bob");
    let started = api.post("/auth/devices", &json!({ "name": "phone" }));
    assert_eq!((started.status, started.json()["expires_in"].as_u64()), (201, Some(1800)));
    let device = started.text("device_id");
    let begin = |who: &Who, secret: &str| {
        let body = json!({ "device_id": device, "device_secret": secret });
        api.ask("POST", "/auth/sessions").by(who).json(&body).send()
    };
    assert_eq!(
        begin(&bob, "guessed").refusal(),
        (401, "unknown-device".to_owned()),
        "knowing its id gives nothing"
    );
    let secret = started.text("device_secret");
    let made = begin(&bob, &secret);
    assert_eq!((made.status, made.text("device_id")), (201, device.clone()));
    let session = Who::Session { secret: made.text("session_id"), device: Some(device.clone()) };
    assert!(api.is_valid(&session));
    assert!(!api.is_valid(&Who::Session { secret: made.text("session_id"), device: None }));
    assert_eq!(begin(&api.user("eve"), &secret).status, 401, "somebody else's");

    let listed = api.get(&session, "/auth/sessions").json();
    assert_eq!(listed["sessions"][0]["current"], true);
    assert_eq!(listed["sessions"][0]["agent"], "test/1");
    assert!(!listed.to_string().contains(&made.text("session_id")), "the secret is not shown again");
    let devices = api.get(&session, "/auth/devices").json();
    assert_eq!(devices["devices"][0]["name"], "phone");
    assert_eq!(api.ask("DELETE", &format!("/auth/devices/{device}")).by(&bob).send().status, 204);
    assert!(!api.is_valid(&session), "at once");
}

#[test]
fn a_browser_has_its_session_in_a_cookie_alone() {
    let api = Api::start();
    let bob = api.user("bob");
    let made = api.ask("POST", "/auth/sessions").by(&bob).json(&json!({ "cookie": true })).send();
    assert_eq!(made.status, 201, "{made:?}");
    assert!(made.json().get("session_id").is_none() && made.json()["device_id"].is_null());
    let cookie = made.field("set-cookie").unwrap();
    let secret = cookie.strip_prefix("__Host-session=").unwrap().split(';').next().unwrap();
    for attribute in ["Path=/", "HttpOnly", "Secure", "SameSite=Lax", "Max-Age=86400"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{cookie}");
    }
    let session = Who::Session { secret: secret.to_owned(), device: None };
    assert!(api.is_valid(&session));
    let out = api.ask("POST", "/auth/logout").by(&session).send();
    assert_eq!(out.status, 204);
    assert!(out.field("set-cookie").unwrap().starts_with("__Host-session=; Path=/; Max-Age=0"));
    assert!(!api.is_valid(&session));
    let neither = api.ask("POST", "/auth/sessions").by(&bob).json(&json!({})).send();
    assert_eq!(neither.status, 422);
}
