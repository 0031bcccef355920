//! Lockout: of an account by whoever guesses, and of an address that guesses at many.

use portcullis_tests::{Accounts, Login, PASSWORD, Response, Upstream};
use serde_json::json;

use super::{assert_refused, started, work};

fn login_from(
    accounts: &Accounts,
    gateway: &portcullis_tests::Gateway,
    source: &str,
    name: &str,
    password: &str,
) -> Response {
    let body = json!({ "username": name, "password": password });
    accounts.post("/auth/login", &body).send_from(source, gateway.address())
}

#[test]
fn an_account_waits_after_failures_from_wherever_they_come() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "[auth.lockout]\nattempts = 3\nwindow = \"10m\"\n");
    let login = accounts.newcomer("alice");
    for source in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
        assert_refused(
            &login_from(&accounts, &gateway, source, "alice", "Wrong-Guess-1"),
            401,
            "invalid-login",
        );
    }
    for (source, password) in [("127.0.0.2", PASSWORD), ("127.0.0.9", "Wrong-Guess-2")] {
        let answer = login_from(&accounts, &gateway, source, "ALICE", password);
        assert_refused(&answer, 429, "locked-out");
        assert!((1..=600).contains(&answer.number("retry-after")), "{}", answer.head);
    }
    let line = gateway.wait_for_log(&["lockout"]);
    assert!(line.contains("WARN") || line.contains("warn"), "{line}");
    // Whoever is in already stays in, and others come and go.
    assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 200);
    Login::of(&accounts.refresh(&login.refresh));
    accounts.newcomer("bob");
}

#[test]
fn a_name_that_nobody_has_waits_the_same() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "[auth.lockout]\nattempts = 3\n");
    accounts.register("alice");
    let statuses = ["alice", "nobody"]
        .map(|name| (0..5).map(|_| accounts.try_login(name, "Wrong-Guess-1").status).collect::<Vec<u16>>());
    assert_eq!(statuses[0], [401, 401, 401, 429, 429]);
    assert_eq!(statuses[0], statuses[1]);
}

#[test]
fn an_address_that_guesses_at_many_names_waits_and_no_other_does() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "[auth.lockout]\nattempts = 1\n");
    accounts.register("alice");
    let statuses: Vec<u16> = (0..18)
        .map(|number| {
            login_from(&accounts, &gateway, "127.0.0.2", &format!("name{number}"), "Wrong-Guess-1").status
        })
        .collect();
    assert_eq!(statuses[0], 401);
    assert_eq!(statuses[17], 429, "{statuses:?}");
    // It cannot try one that is right by luck either.
    let answer = login_from(&accounts, &gateway, "127.0.0.2", "alice", PASSWORD);
    assert_eq!(answer.status, 429, "{}", answer.text());
    Login::of(&login_from(&accounts, &gateway, "127.0.0.3", "alice", PASSWORD));
}

/// Who comes and goes all day uses up nothing; only failures count.
#[test]
fn logins_that_succeed_count_for_nothing() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "[auth.lockout]\nattempts = 3\n");
    accounts.register("alice");
    for _ in 0..2 {
        assert_eq!(accounts.try_login("alice", "Wrong-Guess-1").status, 401);
    }
    for _ in 0..6 {
        accounts.login("alice");
    }
    assert_eq!(accounts.try_login("alice", "Wrong-Guess-1").status, 401);
    assert_refused(&accounts.try_login("alice", PASSWORD), 429, "locked-out");
}
