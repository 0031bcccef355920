//! E-ENV-06 to E-ENV-11: how long sessions, logins and devices wait, and how many there may be.

use portcullis_tests::{Accounts, Device, Gateway, Login, Request, Upstream, totp, unix_seconds, until};
use serde_json::{Value, json};

use super::{Visitor, generous, launch};

fn profile(gateway: &Gateway, visitor: &Visitor) -> u16 {
    visitor.sign(Request::get("/user/profile")).send_to(gateway.address()).status
}

/// Refuses what is no whole number of seconds.
fn assert_number(upstream: &Upstream, name: &str) {
    for wrong in ["soon", "0", "-5"] {
        let said = launch(&upstream.url()).env(name, wrong).refused();
        assert!(said.contains(name) && said.contains(wrong), "{said}");
    }
}

#[test]
fn e_env_06_e_env_07_e_ses_02_a_session_ends_with_its_age_and_is_cleaned_up() {
    let upstream = Upstream::ok();
    let gateway =
        generous(&upstream).env("MAX_SESSION_AGE", "2").env("SESSION_CLEANUP_INTERVAL", "1").start();
    let visitor = Visitor::new(&gateway, "ageing");
    assert_eq!(profile(&gateway, &visitor), 200);
    // In use all the time: it is its age that counts.
    until("the session to be too old", || (profile(&gateway, &visitor) == 401).then_some(()));
    let line = gateway.wait_for_log(&["Cleaned up expired session: "]);
    assert!(!line.contains(&visitor.session.secret), "{line}");
    let sessions = Accounts::of(&gateway).get("/auth/sessions").bearer(&visitor.login.access);
    until("the session to be gone", || {
        let list = sessions.send_to(gateway.address());
        assert_eq!(list.status, 200, "{}", list.text());
        (!list.text().contains(&visitor.session.id)).then_some(())
    });
    assert_eq!(profile(&gateway, &visitor), 401);
    // A new one on the same device is as good as ever.
    let session = Accounts::of(&gateway).session(&visitor.login.access, &visitor.device);
    assert_eq!(profile(&gateway, &Visitor { session, ..visitor }), 200);
}

#[test]
fn e_env_06_e_env_07_the_numbers_are_seconds() {
    let upstream = Upstream::ok();
    assert_number(&upstream, "MAX_SESSION_AGE");
    assert_number(&upstream, "SESSION_CLEANUP_INTERVAL");
}

/// Makes somebody who logs in with a second factor, and returns its secret.
fn with_second_factor(accounts: &Accounts, name: &str) -> (Login, String) {
    let login = accounts.newcomer(name);
    let enrolled = accounts.done(&accounts.post("/auth/totp/enroll", &json!({})).bearer(&login.access));
    let secret = enrolled["secret"].as_str().unwrap_or_else(|| panic!("no secret in {enrolled}")).to_owned();
    let code = totp(&secret, unix_seconds(), 0);
    accounts.done(&accounts.post("/auth/totp/confirm", &json!({ "code": code })).bearer(&login.access));
    (login, secret)
}

fn attempt(accounts: &Accounts, name: &str) -> Value {
    let answer = accounts.try_login(name, portcullis_tests::PASSWORD);
    assert_eq!(answer.status, 401, "{}", answer.text());
    let body = answer.json();
    assert!(answer.text().contains("totp-required") && body["attempt"].is_string(), "{body}");
    body
}

fn complete(accounts: &Accounts, attempt: &Value, code: &str) -> u16 {
    let body = json!({ "attempt": attempt["attempt"], "totp": code });
    accounts.send(&accounts.post("/auth/login/totp", &body)).status
}

#[test]
fn e_env_08_e_ses_03_a_login_that_is_not_completed_expires() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream)
        .env("AUTH_ATTEMPT_TIMEOUT", "1")
        .env("SESSION_CLEANUP_INTERVAL", "1")
        .env("PORTCULLIS_LOG__LEVEL", "debug")
        .start();
    let accounts = Accounts::of(&gateway);
    let (_, secret) = with_second_factor(&accounts, "patient");
    let late = attempt(&accounts, "patient");
    assert_eq!(late["expires_in"], 1, "{late}");
    let line = gateway.wait_for_log(&["Cleaned up expired auth attempt: "]);
    assert!(line.contains("DEBUG"), "{line}");
    // The next step's code, which nobody has used.
    let code = totp(&secret, unix_seconds(), 1);
    assert_eq!(complete(&accounts, &late, &code), 401, "in time it would have passed");
    assert!(!gateway.log().contains(late["attempt"].as_str().unwrap()), "{}", gateway.log());
    assert_number(&upstream, "AUTH_ATTEMPT_TIMEOUT");

    // In time it does; by default there are five minutes.
    let gateway = generous(&upstream).start();
    let accounts = Accounts::of(&gateway);
    let (_, secret) = with_second_factor(&accounts, "prompt");
    let begun = attempt(&accounts, "prompt");
    assert_eq!(begun["expires_in"], 300, "{begun}");
    assert_eq!(complete(&accounts, &begun, &totp(&secret, unix_seconds(), 1)), 200);
}

#[test]
fn e_env_09_after_so_many_attempts_the_next_is_refused() {
    let upstream = Upstream::ok();
    for (said, most) in [(None, 5), (Some("2"), 2)] {
        let start = generous(&upstream);
        let gateway =
            said.into_iter().fold(start, |start, most| start.env("MAX_AUTH_ATTEMPTS", most)).start();
        let accounts = Accounts::of(&gateway);
        accounts.register("guessed");
        for _ in 0..most {
            assert_eq!(accounts.try_login("guessed", "Not-The-Right-1-At-All!").status, 401);
        }
        for password in ["Not-The-Right-1-At-All!", portcullis_tests::PASSWORD] {
            let answer = accounts.try_login("guessed", password);
            assert_eq!(answer.status, 429, "{}", answer.text());
            assert!((1..=3600).contains(&answer.number("retry-after")), "{}", answer.head);
        }
        let line = gateway.wait_for_log(&["lockout"]);
        assert!(line.contains("429") && line.contains("127.0.0.1"), "{line}");
        // Somebody else is not locked out with them.
        accounts.newcomer("bystander");
    }
    assert_number(&upstream, "MAX_AUTH_ATTEMPTS");
}

#[test]
fn e_env_10_a_registration_that_is_not_completed_expires() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream)
        .env("DEVICE_REGISTRATION_TIMEOUT", "1")
        .env("SESSION_CLEANUP_INTERVAL", "1")
        .start();
    let accounts = Accounts::of(&gateway);
    let login = accounts.newcomer("slow");
    let begun = accounts.done(&accounts.post("/auth/devices", &json!({})));
    assert_eq!(begun["expires_in"], 1, "{begun}");
    let text = |name: &str| begun[name].as_str().unwrap().to_owned();
    let late = Device { id: text("device_id"), secret: text("device_secret") };
    // One that was completed in time stays; the moment is short, so it is tried until it was.
    let kept = until("a device within its time", || {
        let device = accounts.device();
        (accounts.try_session(&login.access, &device).status < 300).then_some(device)
    });
    let began = std::time::Instant::now();
    until("the registration to expire", || {
        (began.elapsed() > std::time::Duration::from_millis(1200)).then_some(())
    });
    let answer = accounts.try_session(&login.access, &late);
    assert!((400..500).contains(&answer.status), "{}{}", answer.head, answer.text());
    assert!(accounts.try_session(&login.access, &kept).status < 300);
    assert_number(&upstream, "DEVICE_REGISTRATION_TIMEOUT");

    let gateway = generous(&upstream).start();
    let accounts = Accounts::of(&gateway);
    assert_eq!(accounts.done(&accounts.post("/auth/devices", &json!({})))["expires_in"], 1800);
}

#[test]
fn e_env_11_one_device_too_many_is_refused_until_another_is_given_up() {
    let upstream = Upstream::ok();
    for (said, most) in [(None, 10), (Some("2"), 2)] {
        let start = generous(&upstream);
        let gateway =
            said.into_iter().fold(start, |start, most| start.env("MAX_DEVICES_PER_USER", most)).start();
        let accounts = Accounts::of(&gateway);
        let login = accounts.newcomer("collector");
        let devices: Vec<Device> = (0..most)
            .map(|_| {
                let device = accounts.device();
                accounts.session(&login.access, &device);
                device
            })
            .collect();
        let extra = accounts.device();
        let answer = accounts.try_session(&login.access, &extra);
        assert!((400..500).contains(&answer.status), "{}{}", answer.head, answer.text());
        assert!(answer.text().to_lowercase().contains("devices"), "{}", answer.text());
        // Another session on one that is registered is no device more.
        assert!(accounts.try_session(&login.access, &devices[0]).status < 300);
        // Somebody else has as many.
        let other = accounts.newcomer("neighbour");
        assert!(accounts.try_session(&other.access, &accounts.device()).status < 300);
        accounts.done(&accounts.delete(&format!("/auth/devices/{}", devices[0].id)).bearer(&login.access));
        assert!(accounts.try_session(&login.access, &extra).status < 300);
    }
    assert_number(&upstream, "MAX_DEVICES_PER_USER");
}
