//! Logging in: who may, what others learn, and who has to wait.

use std::thread;

use portcullis_core::port::{Families, UserChange, Users};

use super::*;

#[test]
fn unknown_names_and_wrong_passwords_get_one_answer() {
    let house = House::new();
    let user = house.register("alice");
    let wrong = house.login("alice", "wrong", NOW).unwrap_err();
    let unknown = house.login("nobody", "wrong", NOW).unwrap_err();
    assert_eq!(
        (wrong.code(), wrong.status(), wrong.detail()),
        (unknown.code(), unknown.status(), unknown.detail())
    );
    // Nor does somebody with a hash that cannot be read, or without one, show by another answer.
    let broken = UserChange::Password { hash: "$argon2id$broken".to_owned(), valid_from_ms: 0 };
    house.store.change_user(user.id, &broken).unwrap();
    assert_eq!(code(house.login("alice", PASSWORD, NOW)), "invalid-login");
    house.accounts.add_user("robot", None, "free", None, NOW).unwrap();
    assert_eq!(code(house.login("robot", "", NOW)), "invalid-login");
}

#[test]
fn who_is_disabled_learns_so_with_the_right_password_only() {
    let house = House::new();
    let user = house.register("alice");
    house.accounts.set_active(user.id, false, NOW).unwrap();
    assert_eq!(code(house.login("alice", "wrong", NOW)), "invalid-login");
    let disabled = house.login("alice", PASSWORD, NOW).unwrap_err();
    assert_eq!((disabled.status(), &*disabled.detail()), (400, "Inactive user"));
}

#[test]
fn five_failures_lock_a_name_out_known_or_not() {
    for name in ["alice", "nobody"] {
        let house = House::new();
        house.register("alice");
        for _ in 0..5 {
            assert_eq!(code(house.login(name, "wrong", NOW)), "invalid-login");
        }
        let locked = house.login(name, PASSWORD, NOW + 1000).unwrap_err();
        assert_eq!((locked.code(), locked.status()), ("locked-out", 429));
        assert!(matches!(locked.retry_after_s(), Some(295..=301)), "{locked:?}");
        let later = house.login(name, PASSWORD, NOW + 302_000);
        assert_eq!(later.is_ok(), name == "alice");
    }
}

#[test]
fn the_right_password_counts_for_nothing() {
    let house = House::new();
    house.register("alice");
    for try_number in 0..20 {
        house.login("alice", PASSWORD, NOW + try_number).unwrap();
    }
    for _ in 0..5 {
        assert_eq!(code(house.login("alice", "wrong", NOW + 100)), "invalid-login");
    }
    assert_eq!(code(house.login("alice", PASSWORD, NOW + 100)), "locked-out");
}

#[test]
fn of_many_tries_at_once_no_more_are_made_than_may_fail() {
    let house = House::new();
    house.register("alice");
    let made = thread::scope(|scope| {
        let tries: Vec<_> =
            (0..32).map(|_| scope.spawn(|| code(house.login("alice", "wrong", NOW)))).collect();
        tries.into_iter().map(|one| one.join().unwrap()).filter(|code| *code == "invalid-login").count()
    });
    assert_eq!(made, 5);
}

#[test]
fn an_old_hash_is_replaced_at_login_and_ends_nothing() {
    let house = House::with(settings(Algorithm::Bcrypt(4)));
    let user = house.register("alice");
    let before = house.login("alice", PASSWORD, NOW).unwrap();
    assert!(house.store_password("alice").starts_with("$2b$04$"));
    house.accounts.replace_settings(settings(CHEAP));
    assert_eq!(code(house.login("alice", "wrong", NOW)), "invalid-login");
    assert!(house.store_password("alice").starts_with("$2b$04$"));
    house.login("alice", PASSWORD, NOW + 1).unwrap();
    let upgraded = house.store_password("alice");
    assert!(upgraded.starts_with("$argon2id$"), "{upgraded}");
    house.login("alice", PASSWORD, NOW + 2).unwrap();
    assert_eq!(house.store_password("alice"), upgraded, "a good hash stays");
    proven(house.bearer(&before.access.token, NOW + 3));
    assert_eq!(house.accounts.profile(user.id).unwrap().valid_from_ms, 0);
}

#[test]
fn another_password_needs_the_old_one_and_ends_what_there_was() {
    let house = House::new();
    let user = house.register("alice");
    let old = house.login("alice", PASSWORD, NOW).unwrap();
    let (key, _) = house.accounts.create_key(user.id, named("ci"), NOW).unwrap();
    let session =
        house.accounts.create_session(user.id, crate::service::Binding::Browser, "curl", NOW).unwrap();
    let new = "Another-Harbour-47-lantern";
    let change = |old: &str, new: &str| house.accounts.change_password(user.id, old, new, HERE, NOW + 1);
    assert_eq!(code(change("wrong", new)), "invalid-login");
    assert_eq!(code(change(PASSWORD, "weak")), "weak-password");
    proven(house.bearer(&old.access.token, NOW + 1));
    change(PASSWORD, new).unwrap();
    assert_eq!(house.bearer(&old.access.token, NOW + 2), Judgement::Rejected);
    assert_eq!(code(house.accounts.refresh(&old.refresh, NOW + 2)), "invalid-refresh");
    assert_eq!(house.directory.session(session.secret.as_bytes(), None, NOW + 2), Judgement::Rejected);
    proven(house.directory.api_key(key.as_bytes(), NOW + 2));
    assert_eq!(code(house.login("alice", PASSWORD, NOW + 2)), "invalid-login");
    let fresh = house.login("alice", new, NOW + 1).unwrap();
    proven(house.agrees_with_a_fresh_directory(|directory| {
        let claims = house.accounts.tokens().access(fresh.access.token.as_bytes(), NOW + 2).unwrap();
        directory.bearer(&claims, NOW + 2)
    }));
}

#[test]
fn logging_out_ends_the_login_at_once_and_no_other() {
    let house = House::new();
    house.register("alice");
    let (one, other) =
        (house.login("alice", PASSWORD, NOW).unwrap(), house.login("alice", PASSWORD, NOW).unwrap());
    let family = house.accounts.tokens().access(one.access.token.as_bytes(), NOW).unwrap().family;
    let epoch = house.directory.epoch();
    assert!(house.accounts.logout(family, NOW).unwrap());
    assert!(house.directory.epoch() > epoch, "open connections look again");
    assert!(!house.accounts.logout(family, NOW).unwrap());
    assert_eq!(house.bearer(&one.access.token, NOW), Judgement::Rejected);
    assert_eq!(code(house.accounts.refresh(&one.refresh, NOW)), "invalid-refresh");
    proven(house.bearer(&other.access.token, NOW));
    assert!(house.store.family(family).unwrap().unwrap().revoked_ms.is_some());
}

fn named(name: &str) -> crate::service::NewKey {
    crate::service::NewKey { name: name.to_owned(), ..Default::default() }
}

impl House {
    /// The hash that is kept of somebody's password.
    pub(super) fn store_password(&self, name: &str) -> String {
        self.store.account_by_name(name).unwrap().unwrap().password.unwrap()
    }
}
