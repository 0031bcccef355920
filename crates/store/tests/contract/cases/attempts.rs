//! Logins that wait for a second factor.

use portcullis_core::port::{Attempt, StoreError};

use crate::ground::*;

pub fn an_attempt_reads_back_until_it_ends(ground: &Ground) {
    let store = ground.store();
    let one = attempt(store, user(store, "ada"));
    assert_eq!(store.attempt(&one.digest, NOW).unwrap(), Some(one.clone()));
    assert_eq!(store.attempt(&one.digest, one.expires_ms - 1).unwrap(), Some(one.clone()));
    assert_eq!(store.attempt(&one.digest, one.expires_ms).unwrap(), None);
    assert_eq!(store.attempt(&digest(), NOW).unwrap(), None);
    let nobody = store.create_attempt(&Attempt { id: id(), digest: digest(), user: id(), ..one });
    assert!(matches!(nobody, Err(StoreError::Missing("user"))), "{nobody:?}");
}

pub fn failures_are_counted(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let (one, two) = (attempt(store, ada), attempt(store, ada));
    assert_eq!(store.attempt_failed(one.id).unwrap(), 1);
    assert_eq!(store.attempt_failed(one.id).unwrap(), 2);
    assert_eq!(store.attempt(&one.digest, NOW).unwrap().unwrap().failures, 2);
    assert_eq!(store.attempt(&two.digest, NOW).unwrap().unwrap().failures, 0);
    assert!(matches!(store.attempt_failed(id()), Err(StoreError::Missing("login attempt"))));
}

pub fn an_attempt_ends_once(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let (one, two) = (attempt(store, ada), attempt(store, ada));
    assert!(store.end_attempt(one.id).unwrap());
    assert!(!store.end_attempt(one.id).unwrap());
    assert_eq!(store.attempt(&one.digest, NOW).unwrap(), None);
    assert!(store.attempt(&two.digest, NOW).unwrap().is_some());
}

pub fn what_is_late_expires(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let one = attempt(store, ada);
    let later = Attempt { id: id(), digest: digest(), expires_ms: one.expires_ms + 1, ..one.clone() };
    store.create_attempt(&later).unwrap();
    assert_eq!(store.expire_attempts(one.expires_ms - 1).unwrap(), []);
    assert_eq!(store.expire_attempts(one.expires_ms).unwrap(), [one.id]);
    assert_eq!(store.attempt(&later.digest, NOW).unwrap(), Some(later));
}
