//! The second factor (RFC 6238): asked for once it is confirmed, each code good once, recovery codes too.

use portcullis_tests::{Accounts, Login, PASSWORD, Response, Upstream, totp, unix_seconds, until};
use serde_json::{Value, json};

use super::{assert_refused, started, work};

/// Somebody with a second factor; its secret and its recovery codes. The code of the present step is used up.
fn enrolled(accounts: &Accounts, name: &str) -> (Login, String, Vec<String>) {
    let login = accounts.newcomer(name);
    let begun = accounts.done(&accounts.post("/auth/totp/enroll", &json!({})).bearer(&login.access));
    let secret = begun["secret"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned();
    let uri = begun["uri"].as_str().unwrap_or_else(|| panic!("{begun}"));
    assert!(uri.starts_with("otpauth://totp/") && uri.contains(&secret), "{uri}");
    let confirm = json!({ "code": totp(&secret, unix_seconds(), 0) });
    let confirmed = accounts.done(&accounts.post("/auth/totp/confirm", &confirm).bearer(&login.access));
    let codes: Vec<String> = confirmed["recovery_codes"]
        .as_array()
        .unwrap_or_else(|| panic!("{confirmed}"))
        .iter()
        .map(|code| code.as_str().unwrap().to_owned())
        .collect();
    (login, secret, codes)
}

fn with_code(accounts: &Accounts, name: &str, code: &str) -> Response {
    accounts
        .send(&accounts.post("/auth/login", &json!({ "username": name, "password": PASSWORD, "totp": code })))
}

fn complete(accounts: &Accounts, attempt: &Value, code: &str) -> Response {
    accounts.send(&accounts.post("/auth/login/totp", &json!({ "attempt": attempt, "totp": code })))
}

#[test]
fn a_code_is_good_once_and_so_is_every_older_one() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let (_, secret, _) = enrolled(&accounts, "alice");
    let next = totp(&secret, unix_seconds(), 1);
    let login = Login::of(&with_code(&accounts, "alice", &next));
    assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 200);
    // Whoever looked over the shoulder has nothing.
    for code in [next, totp(&secret, unix_seconds(), 0), totp(&secret, unix_seconds(), -1)] {
        assert_refused(&with_code(&accounts, "alice", &code), 401, "totp-invalid");
    }
    // Nor does one of long ago or far ahead help.
    assert_refused(&with_code(&accounts, "alice", &totp(&secret, unix_seconds(), 5)), 401, "totp-invalid");
}

#[test]
fn a_login_without_a_code_can_be_completed_once_and_within_its_time() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let (_, secret, _) = enrolled(&accounts, "alice");
    let answer = accounts.try_login("alice", PASSWORD);
    assert_refused(&answer, 401, "totp-required");
    let body = answer.json();
    assert_eq!(body["attempt"].as_str().map(str::len), Some(43), "{body}");
    assert_eq!(body["expires_in"], 300);
    assert!(body.get("access_token").is_none(), "{body}");
    assert_refused(&complete(&accounts, &body["attempt"], "000000"), 401, "totp-invalid");
    let login = Login::of(&complete(&accounts, &body["attempt"], &totp(&secret, unix_seconds(), 1)));
    assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 200);
    let again = complete(&accounts, &body["attempt"], &totp(&secret, unix_seconds(), 1));
    assert_eq!(again.status, 401, "{}", again.text());
    let made_up = json!("A".repeat(43));
    assert_eq!(complete(&accounts, &made_up, &totp(&secret, unix_seconds(), 1)).status, 401);
    // A wrong password does not learn that there is a second factor.
    assert_refused(&accounts.try_login("alice", "Silent-Orchard-58-Windmills?"), 401, "invalid-login");
}

#[test]
fn an_attempt_ends_by_time() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "[auth.attempts]\ntimeout = \"1s\"\n");
    let (_, _, codes) = enrolled(&accounts, "alice");
    let (attempt, began) = (accounts.try_login("alice", PASSWORD).json()["attempt"].clone(), unix_seconds());
    until("the end of the attempt", || (unix_seconds() > began + 1).then_some(()));
    assert_eq!(complete(&accounts, &attempt, &codes[0]).status, 401);
    // The code was not used up by it.
    Login::of(&with_code(&accounts, "alice", &codes[0]));
}

/// There are a million codes; a few guesses are no way in.
#[test]
fn an_attempt_ends_by_guesses() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "");
    let (_, _, codes) = enrolled(&accounts, "alice");
    let attempt = accounts.try_login("alice", PASSWORD).json()["attempt"].clone();
    let statuses: Vec<u16> =
        (0..10).map(|guess| complete(&accounts, &attempt, &format!("{guess:06}")).status).collect();
    assert_eq!(statuses[0], 401);
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
    let late = complete(&accounts, &attempt, &codes[0]);
    assert!(matches!(late.status, 401 | 429), "{}", late.text());
}

#[test]
fn a_recovery_code_stands_in_once() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "");
    let (_, _, codes) = enrolled(&accounts, "alice");
    assert_eq!(codes.len(), 10, "{codes:?}");
    Login::of(&with_code(&accounts, "alice", &codes[0]));
    assert_refused(&with_code(&accounts, "alice", &codes[0]), 401, "totp-invalid");
    // As somebody types it from paper.
    let typed = codes[1].to_uppercase().replace('-', " ");
    Login::of(&with_code(&accounts, "alice", &typed));
}

#[test]
fn it_is_taken_away_only_for_a_code_of_it() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "");
    let (login, _, codes) = enrolled(&accounts, "alice");
    let remove = |code: &str| {
        let body = json!({ "code": code }).to_string();
        let request = accounts.delete("/auth/totp").header("Content-Type", "application/json").body(body);
        accounts.send(&request.bearer(&login.access))
    };
    assert!(matches!(remove("000000").status, 400 | 401 | 403));
    assert_refused(&accounts.try_login("alice", PASSWORD), 401, "totp-required");
    assert!(remove(&codes[2]).status < 300);
    accounts.login("alice");
}

#[test]
fn before_it_is_confirmed_it_is_not_asked_for_and_a_wrong_code_confirms_nothing() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    accounts.done(&accounts.post("/auth/totp/enroll", &json!({})).bearer(&login.access));
    let wrong = accounts
        .send(&accounts.post("/auth/totp/confirm", &json!({ "code": "000000" })).bearer(&login.access));
    assert!((400..500).contains(&wrong.status), "{}", wrong.text());
    accounts.login("alice");
}
