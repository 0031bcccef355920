//! Families of refresh tokens.

use portcullis_core::Id;
use portcullis_core::port::{Family, Rotation, StoreError};

use crate::ground::*;

fn revoked(ground: &Ground, since_ms: i64) -> Vec<(Id, i64)> {
    let mut found = Vec::new();
    ground.store().each_revoked_family(since_ms, &mut |id, ms| found.push((id, ms))).unwrap();
    found.sort();
    found
}

pub fn a_family_rotates_step_by_step(ground: &Ground) {
    let store = ground.store();
    let one = family(store, user(store, "ada"));
    assert_eq!(store.family(one.id).unwrap(), Some(one.clone()));
    assert_eq!(store.family(id()).unwrap(), None);
    assert_eq!(store.rotate_family(one.id, 0, NOW, NOW + 2000).unwrap(), Rotation::Rotated(1));
    assert_eq!(store.rotate_family(one.id, 1, NOW + 1999, NOW + 3000).unwrap(), Rotation::Rotated(2));
    let expected = Family { generation: 2, expires_ms: NOW + 3000, ..one };
    assert_eq!(store.family(expected.id).unwrap(), Some(expected));
    let nobody = Family { id: id(), user: id(), ..family(store, user(store, "eve")) };
    assert!(matches!(store.create_family(&nobody), Err(StoreError::Missing("user"))));
}

pub fn a_token_used_twice_ends_its_family(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let (one, other) = (family(store, ada), family(store, ada));
    assert_eq!(store.rotate_family(one.id, 0, NOW, NOW + 2000).unwrap(), Rotation::Rotated(1));
    assert_eq!(store.rotate_family(one.id, 0, NOW + 5, NOW + 2000).unwrap(), Rotation::Reused);
    let ended = store.family(one.id).unwrap().unwrap();
    assert_eq!((ended.generation, ended.revoked_ms), (1, Some(NOW + 5)));
    assert_eq!(
        store.rotate_family(one.id, 1, NOW + 6, NOW + 2000).unwrap(),
        Rotation::Ended,
        "the valid one"
    );
    assert_eq!(store.rotate_family(one.id, 0, NOW + 7, NOW + 2000).unwrap(), Rotation::Ended);
    assert_eq!(store.family(one.id).unwrap().unwrap().revoked_ms, Some(NOW + 5));
    assert_eq!(store.rotate_family(other.id, 0, NOW, NOW + 2000).unwrap(), Rotation::Rotated(1));
}

pub fn what_ended_stays_ended(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let one = family(store, ada);
    assert_eq!(store.rotate_family(id(), 0, NOW, NOW).unwrap(), Rotation::Ended);
    assert_eq!(store.rotate_family(one.id, 0, one.expires_ms, NOW + 5000).unwrap(), Rotation::Ended, "late");
    assert_eq!(store.family(one.id).unwrap(), Some(one.clone()), "that it was late changes nothing");
    assert!(store.revoke_family(one.id, NOW + 1).unwrap());
    assert!(!store.revoke_family(one.id, NOW + 2).unwrap());
    assert!(!store.revoke_family(id(), NOW).unwrap());
    assert_eq!(store.rotate_family(one.id, 0, NOW + 3, NOW + 5000).unwrap(), Rotation::Ended);
    assert_eq!(store.family(one.id).unwrap().unwrap().revoked_ms, Some(NOW + 1));
}

pub fn a_token_ahead_of_its_store_ends_its_family(ground: &Ground) {
    let store = ground.store();
    let one = family(store, user(store, "ada"));
    assert_eq!(store.rotate_family(one.id, 3, NOW + 1, NOW + 5000).unwrap(), Rotation::Ended);
    assert_eq!(store.family(one.id).unwrap().unwrap().revoked_ms, Some(NOW + 1));
}

pub fn families_of_a_user_end_together(ground: &Ground) {
    let store = ground.store();
    let (ada, eve) = (user(store, "ada"), user(store, "eve"));
    let families: Vec<_> = (0..3).map(|_| family(store, ada).id).collect();
    let hers = family(store, eve);
    store.revoke_family(families[1], NOW).unwrap();
    let mut ended = store.revoke_families_of(ada, NOW + 1).unwrap();
    ended.sort();
    assert_eq!(ended, [families[0], families[2]]);
    assert_eq!(store.revoke_families_of(ada, NOW + 2).unwrap(), []);
    assert_eq!(store.family(hers.id).unwrap(), Some(hers));
    assert_eq!(store.family(families[1]).unwrap().unwrap().revoked_ms, Some(NOW));
}

pub fn ended_ones_are_handed_over(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let families: Vec<_> = (0..4).map(|_| family(store, ada).id).collect();
    for (at, family) in families.iter().take(3).enumerate() {
        store.revoke_family(*family, NOW + i64::try_from(at).unwrap()).unwrap();
    }
    assert_eq!(revoked(ground, NOW), [(families[0], NOW), (families[1], NOW + 1), (families[2], NOW + 2)]);
    assert_eq!(revoked(ground, NOW + 2), [(families[2], NOW + 2)]);
    assert_eq!(revoked(ground, NOW + 3), []);
}

pub fn what_expired_is_forgotten(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let (one, two) = (family(store, ada), family(store, ada));
    store.rotate_family(two.id, 0, NOW, one.expires_ms + 1).unwrap();
    assert_eq!(store.forget_families(one.expires_ms).unwrap(), 0);
    assert_eq!(store.forget_families(one.expires_ms + 1).unwrap(), 1);
    assert_eq!(store.family(one.id).unwrap(), None);
    assert!(store.family(two.id).unwrap().is_some());
}
