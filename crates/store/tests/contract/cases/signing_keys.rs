//! Keys that tokens are signed with.

use portcullis_core::Secret;
use portcullis_core::port::{SigningKey, StoreError};

use crate::ground::*;

fn kids(keys: &[SigningKey]) -> Vec<&str> {
    keys.iter().map(|key| key.kid.as_str()).collect()
}

pub fn a_key_reads_back_and_the_newest_is_first(ground: &Ground) {
    let store = ground.store();
    let binary = SigningKey { private: Secret::new(vec![0, 255, 0, 7]), ..new_signing_key("a", "ES256") };
    assert!(store.create_signing_key(&binary, NOW, false).unwrap());
    let newer =
        SigningKey { created_ms: NOW + 1, expires_ms: Some(NOW + 50), ..new_signing_key("b", "EdDSA") };
    assert!(store.create_signing_key(&newer, NOW, false).unwrap());
    let keys = store.signing_keys(NOW).unwrap();
    assert_eq!(kids(&keys), ["b", "a"]);
    assert_eq!(keys[1].private, Secret::new(vec![0, 255, 0, 7]));
    assert_eq!(keys[0].private, Secret::from("the private key of b"));
    assert_eq!((keys[1].algorithm.as_str(), keys[1].created_ms, keys[1].expires_ms), ("ES256", NOW, None));
    assert_eq!(keys[0].expires_ms, Some(NOW + 50));
    assert_eq!(kids(&store.signing_keys(NOW + 50).unwrap()), ["a"], "the other has ended");
}

pub fn a_new_key_ends_the_others_of_its_algorithm(ground: &Ground) {
    let store = ground.store();
    store.create_signing_key(&new_signing_key("old", "ES256"), NOW, false).unwrap();
    store.create_signing_key(&new_signing_key("other", "RS256"), NOW, false).unwrap();
    let newer = SigningKey { created_ms: NOW + 1, ..new_signing_key("new", "ES256") };
    assert!(store.create_signing_key(&newer, NOW + 100, false).unwrap());
    let ends: Vec<_> =
        store.signing_keys(NOW).unwrap().into_iter().map(|key| (key.kid, key.expires_ms)).collect();
    let expected = [("new", None), ("other", None), ("old", Some(NOW + 100))];
    assert_eq!(ends, expected.map(|(kid, end)| (kid.to_owned(), end)));
    let newest = SigningKey { created_ms: NOW + 2, ..new_signing_key("newest", "ES256") };
    store.create_signing_key(&newest, NOW + 900, false).unwrap();
    let old = store.signing_keys(NOW).unwrap().into_iter().find(|key| key.kid == "old").unwrap();
    assert_eq!(old.expires_ms, Some(NOW + 100), "what had an end keeps it");
}

pub fn of_several_nodes_one_makes_the_first(ground: &Ground) {
    let store = ground.store();
    assert!(store.create_signing_key(&new_signing_key("one", "ES256"), NOW, true).unwrap());
    assert!(!store.create_signing_key(&new_signing_key("two", "ES256"), NOW, true).unwrap());
    assert_eq!(store.signing_keys(NOW).unwrap()[0].expires_ms, None, "the first one goes on");
    assert!(store.create_signing_key(&new_signing_key("three", "EdDSA"), NOW, true).unwrap());
    assert_eq!(store.signing_keys(NOW).unwrap().len(), 2);
}

pub fn a_name_is_given_once(ground: &Ground) {
    let store = ground.store();
    store.create_signing_key(&new_signing_key("one", "ES256"), NOW, false).unwrap();
    let again = store.create_signing_key(&new_signing_key("one", "ES256"), NOW, false);
    assert!(matches!(again, Err(StoreError::Broken(_))), "{again:?}");
    let keys = store.signing_keys(NOW - 1).unwrap();
    assert_eq!((kids(&keys), keys[0].expires_ms), (vec!["one"], None), "the failed act ended nothing");
}
