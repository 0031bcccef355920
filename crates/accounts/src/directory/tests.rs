//! Tests of the directory: what it serves when, how it follows a store, and that what was ended stays ended.

use std::sync::atomic::AtomicBool;
use std::thread;

use portcullis_core::port::{
    ApiKey, ChangeLog, Changed, Keys, NewUser, Session, Sessions, Store, User, UserChange, Users,
};
use proptest::prelude::*;

use super::*;
use crate::service::tests::memory::Memory;
use crate::service::tests::{NOW, proven};

fn user(number: u32) -> User {
    User {
        id: Id::fresh(3, u128::from(number)),
        name: format!("user{number}"),
        email: None,
        role: "free".to_owned(),
        active: true,
        created_ms: 0,
        last_login_ms: None,
        valid_from_ms: 0,
    }
}

fn add_user(store: &Memory, number: u32) -> Id {
    let user = user(number);
    store.create_users(&[NewUser { user: user.clone(), password: None }]).unwrap();
    user.id
}

fn add_key(store: &Memory, user: Id) -> (String, Id) {
    let fresh = key::fresh("pk_").unwrap();
    let id = random::id(NOW).unwrap();
    let key = ApiKey {
        id,
        user,
        name: String::new(),
        prefix: fresh.prefix,
        digest: fresh.digest,
        scopes: Vec::new(),
        bindings: Vec::new(),
        role: None,
        created_ms: NOW,
        expires_ms: None,
        last_used_ms: None,
        revoked_ms: None,
        replaced_by: None,
    };
    store.create_keys(&[key]).unwrap();
    (fresh.key, id)
}

fn loaded(store: &Memory) -> Directory {
    let directory = Directory::new(DirectorySettings::default());
    directory.load(store, NOW).unwrap();
    directory
}

fn claims(user: Id, family: Id, issued_ms: i64) -> AccessClaims {
    AccessClaims {
        user: "user1".into(),
        id: user,
        family,
        role: "admin".into(),
        token: family,
        issued_ms,
        expires_ms: NOW + 1_800_000,
    }
}

#[test]
fn before_it_was_loaded_nobody_is_let_in() {
    let store = Memory::default();
    let id = add_user(&store, 1);
    let (key, _) = add_key(&store, id);
    let directory = Directory::new(DirectorySettings::default());
    let judge = |directory: &Directory| {
        [
            directory.api_key(key.as_bytes(), NOW),
            directory.session("x".repeat(43).as_bytes(), None, NOW),
            directory.bearer(&claims(id, Id::fresh(4, 4), NOW), NOW),
        ]
    };
    assert_eq!(judge(&directory), [Judgement::Unavailable, Judgement::Unavailable, Judgement::Unavailable]);
    store.down.store(true, Ordering::Relaxed);
    directory.load(&store, NOW).unwrap_err();
    directory.changed(&store, Changed::Key, id);
    assert_eq!(judge(&directory)[0], Judgement::Unavailable);
    assert!(!directory.is_loaded());
    store.down.store(false, Ordering::Relaxed);
    assert!(directory.follow(&store, NOW).unwrap().reloaded, "who only follows reads everything first");
    proven(judge(&directory)[0].clone());
}

#[test]
fn who_has_not_heard_of_the_store_for_a_minute_lets_nobody_in() {
    let store = Memory::default();
    let id = add_user(&store, 1);
    let (key, _) = add_key(&store, id);
    let directory = loaded(&store);
    let judge = |now_ms| directory.api_key(key.as_bytes(), now_ms);
    proven(judge(NOW + 86_400_000));
    directory.follow(&store, NOW).unwrap();
    proven(judge(NOW + 60_000));
    assert_eq!(judge(NOW + 60_001), Judgement::Unavailable);
    store.down.store(true, Ordering::Relaxed);
    directory.follow(&store, NOW + 50_000).unwrap_err();
    assert_eq!(judge(NOW + 60_001), Judgement::Unavailable);
    store.down.store(false, Ordering::Relaxed);
    directory.follow(&store, NOW + 60_000).unwrap();
    proven(judge(NOW + 60_001));
}

#[test]
fn what_others_change_arrives_and_a_lost_log_is_made_good() {
    let store = Memory::default();
    let one = add_user(&store, 1);
    let directory = loaded(&store);
    let (first, first_id) = add_key(&store, one);
    let other = add_user(&store, 2);
    let (second, _) = add_key(&store, other);
    let followed = directory.follow(&store, NOW).unwrap();
    assert_eq!(followed, Followed { changes: 3, signing_keys: false, reloaded: false });
    proven(directory.api_key(first.as_bytes(), NOW));
    proven(directory.api_key(second.as_bytes(), NOW));
    assert_eq!(directory.follow(&store, NOW).unwrap(), Followed::default());
    let epoch = directory.epoch();
    store.revoke_key(first_id, NOW).unwrap();
    store.change_user(other, &UserChange::Active(false)).unwrap();
    store.lose_log();
    let followed = directory.follow(&store, NOW).unwrap();
    assert!(followed.reloaded && followed.signing_keys);
    assert!(directory.epoch() > epoch);
    assert_eq!(directory.api_key(first.as_bytes(), NOW), Judgement::Rejected);
    assert_eq!(directory.api_key(second.as_bytes(), NOW), Judgement::Rejected);
}

#[test]
fn what_changes_nothing_about_a_user_moves_nothing() {
    let store = Memory::default();
    let id = add_user(&store, 1);
    let (key, _) = add_key(&store, id);
    let directory = loaded(&store);
    let (first, epoch) = (proven(directory.api_key(key.as_bytes(), NOW)), directory.epoch());
    store.change_user(id, &UserChange::LoggedIn(NOW)).unwrap();
    assert_eq!(directory.follow(&store, NOW).unwrap().changes, 1);
    assert!(Arc::ptr_eq(&first, &proven(directory.api_key(key.as_bytes(), NOW))));
    assert_eq!(directory.epoch(), epoch);
}

#[test]
fn a_use_that_was_not_noted_survives_a_new_reading() {
    let store = Memory::default();
    let id = add_user(&store, 1);
    let (key, key_id) = add_key(&store, id);
    let directory = loaded(&store);
    proven(directory.api_key(key.as_bytes(), NOW));
    directory.load(&store, NOW).unwrap();
    assert_eq!(directory.used_keys(), [(key_id, NOW)]);
    proven(directory.api_key(key.as_bytes(), NOW + 59_000));
    assert!(directory.used_keys().is_empty());
}

#[test]
fn a_token_is_of_its_user_and_its_login() {
    let store = Memory::default();
    let (one, other) = (add_user(&store, 1), add_user(&store, 2));
    let directory = loaded(&store);
    let family = Id::fresh(NOW.unsigned_abs(), 77);
    let identity = proven(directory.bearer(&claims(one, family, NOW), NOW));
    assert_eq!(
        (&*identity.user, identity.role.as_deref()),
        ("user1", Some("free")),
        "never the token's role"
    );
    assert_eq!(&*identity.credential, &family.to_string());
    assert_eq!(&*proven(directory.bearer(&claims(other, family, NOW), NOW)).user, "user2");
    assert_eq!(&*proven(directory.bearer(&claims(one, family, NOW), NOW)).user, "user1");
    assert_eq!(directory.bearer(&claims(Id::fresh(9, 9), family, NOW), NOW), Judgement::Rejected);
    store.change_user(one, &UserChange::ValidFrom(NOW)).unwrap();
    directory.changed(&store, Changed::User, one);
    proven(directory.bearer(&claims(one, family, NOW), NOW));
    assert_eq!(directory.bearer(&claims(one, family, NOW - 1), NOW), Judgement::Rejected);
    proven(directory.still(&identity, NOW));
    store.change_user(one, &UserChange::ValidFrom(NOW + 1)).unwrap();
    directory.changed(&store, Changed::User, one);
    assert_eq!(directory.still(&identity, NOW), Judgement::Rejected);
}

#[test]
fn logins_that_are_many_are_judged_as_those_that_are_few() {
    let store = Memory::default();
    let id = add_user(&store, 1);
    let directory = Directory::new(DirectorySettings { identities: 128, ..DirectorySettings::default() });
    directory.load(&store, NOW).unwrap();
    for _ in 0..2 {
        for number in 0..2000_u128 {
            let family = Id::fresh(NOW.unsigned_abs(), number * 0x1234_5678_9abc);
            let identity = proven(directory.bearer(&claims(id, family, NOW), NOW));
            assert_eq!(&*identity.credential, &family.to_string());
        }
    }
}

#[test]
fn other_rules_are_in_force_at_once() {
    let store = Memory::default();
    let id = add_user(&store, 1);
    let (key, key_id) = add_key(&store, id);
    let row = ApiKey { role: Some("guest".to_owned()), ..store.key(key_id).unwrap().unwrap() };
    store.create_keys(&[row]).unwrap();
    let directory = loaded(&store);
    let role = || proven(directory.api_key(key.as_bytes(), NOW)).role.as_deref().map(str::to_owned);
    assert_eq!(role().as_deref(), Some("free"), "nobody knows that `guest` is less");
    let (roles, epoch) = (["guest", "free"].map(str::to_owned).to_vec(), directory.epoch());
    directory.replace_settings(DirectorySettings { roles, ..DirectorySettings::default() });
    assert_eq!(role().as_deref(), Some("guest"));
    assert!(directory.epoch() > epoch);
}

#[test]
fn a_shared_credential_is_judged_elsewhere() {
    let directory = Directory::new(DirectorySettings::default());
    let shared = Arc::new(Identity::shared(Scheme::ApiKey, "f00"));
    assert_eq!(directory.still(&shared, NOW), Judgement::Proven(Arc::clone(&shared)));
}

#[test]
fn what_was_ended_stays_ended_however_many_follow_and_read() {
    let store = Memory::default();
    let id = add_user(&store, 1);
    let directory = loaded(&store);
    let over = AtomicBool::new(false);
    let (store, directory, over) = (&store, &directory, &over);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    directory.follow(store, NOW).unwrap();
                }
            });
        }
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                directory.load(store, NOW).unwrap();
                thread::yield_now();
            }
        });
        let acting: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || {
                    for _ in 0..300 {
                        let (key, key_id) = add_key(store, id);
                        directory.changed(store, Changed::Key, key_id);
                        proven(directory.api_key(key.as_bytes(), NOW));
                        store.revoke_key(key_id, NOW).unwrap();
                        directory.changed(store, Changed::Key, key_id);
                        for _ in 0..20 {
                            assert_eq!(directory.api_key(key.as_bytes(), NOW), Judgement::Rejected);
                        }
                    }
                })
            })
            .collect();
        let failed = acting.into_iter().any(|one| one.join().is_err());
        over.store(true, Ordering::Relaxed);
        assert!(!failed);
    });
}

#[test]
fn a_session_that_comes_before_its_user_waits_for_nobody() {
    let store = Memory::default();
    let directory = loaded(&store);
    let id = add_user(&store, 1);
    let secret = "s".repeat(43);
    let session = Session {
        id: Id::fresh(5, 5),
        digest: random::digest(secret.as_bytes()),
        user: id,
        device: None,
        created_ms: NOW,
        expires_ms: NOW + 10,
        last_seen_ms: NOW,
        agent: String::new(),
    };
    store.create_session(&session, 5).unwrap();
    directory.changed(&store, Changed::Session, session.id);
    proven(directory.session(secret.as_bytes(), None, NOW));
    assert!(store.last_change().unwrap() > 0 && store.ping().is_ok());
}

proptest! {
    #[test]
    fn roles_are_in_an_order(order in prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..5), one in 0..6_usize, other in 0..6_usize) {
        let roles = ["a", "b", "c", "d", "admin", "unknown"];
        let order: Vec<String> = order.into_iter().map(str::to_owned).collect();
        let (one, other) = (roles[one], roles[other]);
        let within = |one, other| settings::is_within(&order, one, other);
        prop_assert!(within(one, one) && within(one, "admin"));
        if one != other {
            prop_assert!(!(within(one, other) && within(other, one)));
            prop_assert!(one != "admin" || !within(one, other));
            prop_assert!(other == "admin" || !within("unknown", other) || other == "unknown");
        }
    }

    #[test]
    fn an_id_says_when_it_was_made(ms in 0..(1_i64 << 47), random in any::<u128>()) {
        prop_assert_eq!(born_ms(Id::fresh(ms.unsigned_abs(), random)), ms);
    }
}
