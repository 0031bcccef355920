//! Values that are like no other of the run.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_core::port::{
    ApiKey, Attempt, Change, Changed, Changes, Device, Family, NewUser, Session, SigningKey, Store, User,
};
use portcullis_core::{Id, Secret};

/// The moment at which most of what is made here was made.
pub const NOW: i64 = 1_790_000_000_000;

/// A number that no other value has.
pub fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A fresh id; later ones are larger.
pub fn id() -> Id {
    let next = next();
    Id::fresh(NOW as u64 + next, u128::from(next).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// A digest that no other value has.
pub fn digest() -> [u8; 32] {
    let mut digest = [0xd1; 32];
    digest[..8].copy_from_slice(&next().to_be_bytes());
    digest
}

/// A user of that name who was not kept yet.
pub fn new_user(name: &str) -> NewUser {
    let user = User {
        id: id(),
        name: name.to_owned(),
        email: Some(format!("{name}@example.com")),
        role: "free".to_owned(),
        active: true,
        created_ms: NOW,
        last_login_ms: None,
        valid_from_ms: 0,
    };
    NewUser { user, password: Some(format!("$argon2id$of {name}")) }
}

/// A user who is kept.
pub fn user(store: &dyn Store, name: &str) -> Id {
    let new = new_user(name);
    store.create_users(std::slice::from_ref(&new)).unwrap();
    new.user.id
}

/// A key of a user that was not kept yet.
pub fn new_key(user: Id) -> ApiKey {
    ApiKey {
        id: id(),
        user,
        name: format!("key {}", next()),
        prefix: "pk_abcd".to_owned(),
        digest: digest(),
        scopes: Vec::new(),
        bindings: Vec::new(),
        role: None,
        created_ms: NOW,
        expires_ms: None,
        last_used_ms: None,
        revoked_ms: None,
        replaced_by: None,
    }
}

/// A key that is kept.
pub fn key(store: &dyn Store, user: Id) -> ApiKey {
    let key = new_key(user);
    store.create_keys(std::slice::from_ref(&key)).unwrap();
    key
}

/// A session in a browser that was not kept yet.
pub fn new_session(user: Id) -> Session {
    Session {
        id: id(),
        digest: digest(),
        user,
        device: None,
        created_ms: NOW,
        expires_ms: NOW + 1000,
        last_seen_ms: NOW,
        agent: "curl/8".to_owned(),
    }
}

/// A session that is kept.
pub fn session(store: &dyn Store, user: Id) -> Session {
    let session = new_session(user);
    assert_eq!(store.create_session(&session, 1000).unwrap(), []);
    session
}

/// A device whose registration begins, and is kept.
pub fn pending(store: &dyn Store) -> Device {
    let device = Device {
        id: id(),
        digest: digest(),
        user: None,
        name: "a phone".to_owned(),
        created_ms: NOW,
        expires_ms: NOW + 1000,
        registered_ms: None,
    };
    store.create_device(&device).unwrap();
    device
}

/// A device of a user.
pub fn device(store: &dyn Store, user: Id) -> Id {
    let device = pending(store);
    let done = store.register_device(device.id, user, NOW, 1000).unwrap();
    assert_eq!(done, portcullis_core::port::Registration::Done);
    device.id
}

/// A login under way, kept.
pub fn attempt(store: &dyn Store, user: Id) -> Attempt {
    let attempt =
        Attempt { id: id(), digest: digest(), user, created_ms: NOW, expires_ms: NOW + 1000, failures: 0 };
    store.create_attempt(&attempt).unwrap();
    attempt
}

/// A token family, kept.
pub fn family(store: &dyn Store, user: Id) -> Family {
    let family =
        Family { id: id(), user, generation: 0, created_ms: NOW, expires_ms: NOW + 1000, revoked_ms: None };
    store.create_family(&family).unwrap();
    family
}

/// A signing key that was not kept yet.
pub fn new_signing_key(kid: &str, algorithm: &str) -> SigningKey {
    SigningKey {
        kid: kid.to_owned(),
        algorithm: algorithm.to_owned(),
        private: Secret::new(format!("the private key of {kid}").into_bytes()),
        created_ms: NOW,
        expires_ms: None,
    }
}

/// What changed after a number; nothing may be lost.
pub fn changes_after(store: &dyn Store, number: i64) -> Vec<Change> {
    match store.changes_after(number).unwrap() {
        Changes::Some(changes) => changes,
        Changes::Lost => panic!("the changes after {number} are lost"),
    }
}

/// What an act wrote into the change log.
pub fn noted(store: &dyn Store, act: impl FnOnce()) -> Vec<(Changed, Id)> {
    let before = store.last_change().unwrap();
    act();
    let mut noted: Vec<_> =
        changes_after(store, before).into_iter().map(|change| (change.what, change.id)).collect();
    noted.sort_by_key(|(what, id)| (what.name(), *id));
    noted
}
