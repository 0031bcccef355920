//! Who registers, under which name, with what password, as what.

use proptest::prelude::*;

use super::*;
use crate::service::register::{check_email, check_name};

fn asked<'a>(name: &'a str, email: Option<&'a str>, role: Option<&'a str>) -> Registration<'a> {
    Registration { name, email, password: PASSWORD, role }
}

#[test]
fn who_registers_is_free_and_can_log_in() {
    let house = House::new();
    let user =
        house.accounts.register(&asked("newuser", Some("user@example.com"), Some("free")), NOW).unwrap();
    assert_eq!((user.role.as_str(), user.active, user.last_login_ms), ("free", true, None));
    let granted = house.login("NewUser", PASSWORD, NOW).unwrap();
    assert_eq!((granted.user.id, granted.user.last_login_ms), (user.id, Some(NOW)));
    assert_eq!(house.accounts.profile(user.id).unwrap().last_login_ms, Some(NOW));
    let kept = house.store_password("newuser");
    assert!(kept.starts_with("$argon2id$") && !kept.contains(PASSWORD));
}

#[test]
fn nobody_gives_oneself_a_role() {
    let house = House::new();
    for role in ["admin", "premium", "root", "", "Free"] {
        let refused = house.accounts.register(&asked("mallory", None, Some(role)), NOW);
        assert_eq!(code(refused), "role-not-allowed", "{role}");
    }
    assert_eq!(code(house.login("mallory", PASSWORD, NOW)), "invalid-login");
}

#[test]
fn names_and_addresses_are_somebodys_whatever_their_case() {
    let house = House::new();
    house.accounts.register(&asked("alice", Some("a@example.com"), None), NOW).unwrap();
    assert_eq!(code(house.accounts.register(&asked("ALICE", None, None), NOW)), "username-taken");
    let taken = house.accounts.register(&asked("bob", Some("A@Example.com"), None), NOW);
    assert_eq!(code(taken), "email-taken");
    assert_eq!(code(house.login("bob", PASSWORD, NOW)), "invalid-login");
}

#[test]
fn a_weak_password_is_refused_with_every_reason() {
    let house = House::new();
    for password in ["", "short", "password12345", "Alice-alice-2026!", "correct horse battery staple"] {
        let weak = Registration { password, ..asked("alice", Some("alice@example.com"), None) };
        match house.accounts.register(&weak, NOW) {
            Err(AccountError::WeakPassword(reasons)) => assert!(!reasons.is_empty(), "{password}"),
            other => panic!("{password}: {other:?}"),
        }
    }
}

#[test]
fn registration_can_be_closed() {
    let house = House::with(AccountSettings { registration: false, ..settings(CHEAP) });
    assert_eq!(code(house.accounts.register(&asked("alice", None, None), NOW)), "registration-closed");
    house.accounts.add_user("alice", None, "premium", Some(PASSWORD), NOW).unwrap();
}

#[test]
fn names_are_what_can_stand_in_a_header() {
    for name in ["bob", "a.b_c-d@e", "0abc", &"a".repeat(64)] {
        check_name(name).unwrap();
    }
    for name in
        ["", "ab", "-bob", ".bob", "@bob", "_bob", "bo b", "bob\n", "böb", "bob/x", "bob:x", &"a".repeat(65)]
    {
        assert!(check_name(name).is_err(), "{name:?}");
    }
}

#[test]
fn addresses_have_the_shape_of_one() {
    for email in ["a@b.co", "first.last+tag@sub.example.com", "o'neil@example.org", "x@xn--bcher-kva.example"]
    {
        check_email(email).unwrap_or_else(|_| panic!("{email}"));
    }
    let long = format!("{}@example.com", "a".repeat(65));
    let longer = format!("a@{}.com", ["b".repeat(63).as_str(); 4].join("."));
    for email in [
        "",
        "a",
        "@",
        "a@",
        "@b.co",
        "a@b",
        "a@b.c",
        "a@@b.co",
        "a b@c.de",
        "a@b..co",
        "a@.b.co",
        "a@b.co.",
        ".a@b.co",
        "a.@b.co",
        "a..b@c.de",
        "a@-b.co",
        "a@b-.co",
        "a@b.123",
        "a@[127.0.0.1]",
        "a,b@c.de",
        "a@b.co\n",
        "\"a\"@b.co",
        "ä@b.co",
        &long,
        &longer,
    ] {
        assert!(check_email(email).is_err(), "{email}");
    }
}

proptest! {
    #[test]
    fn any_name_that_passes_is_plain(name in "\\PC{0,70}") {
        if check_name(&name).is_ok() {
            prop_assert!(name.is_ascii() && (3..=64).contains(&name.len()));
            prop_assert!(!name.contains(|c: char| c.is_whitespace() || c.is_control() || "/:\"'<>,;".contains(c)));
        }
    }

    #[test]
    fn any_address_that_passes_has_one_at_and_a_domain(email in "[a-z.@\\- \"A-Z0-9é]{0,30}") {
        if check_email(&email).is_ok() {
            let (local, domain) = email.split_once('@').unwrap();
            prop_assert!(!local.is_empty() && domain.contains('.') && !domain.contains('@'));
        }
    }
}
