//! Devices, registered or about to be.

use portcullis_core::Id;
use portcullis_core::port::{Device, Registration, Session, StoreError};

use crate::ground::*;

fn ids(devices: &[Device]) -> Vec<Id> {
    devices.iter().map(|device| device.id).collect()
}

pub fn a_device_is_pending_until_it_is_registered(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let phone = pending(store);
    assert_eq!(store.device(phone.id).unwrap(), Some(phone.clone()));
    assert_eq!(store.device(id()).unwrap(), None);
    let complete = |expected: &[Id]| {
        let mut handed = Vec::new();
        store.each_device(&mut |device| handed.push(device.id)).unwrap();
        assert_eq!(handed, expected);
    };
    complete(&[]);
    assert_eq!(store.devices_of(ada).unwrap(), []);
    assert_eq!(store.register_device(phone.id, ada, NOW + 7, 1).unwrap(), Registration::Done);
    let registered = Device { user: Some(ada), registered_ms: Some(NOW + 7), ..phone };
    assert_eq!(store.device(registered.id).unwrap(), Some(registered.clone()));
    complete(&[registered.id]);
    // Again changes nothing, though it is late by now and she has as many as she may.
    assert_eq!(store.register_device(registered.id, ada, NOW + 5000, 1).unwrap(), Registration::Done);
    assert_eq!(store.device(registered.id).unwrap(), Some(registered));
}

pub fn a_registration_has_its_reasons_to_fail(ground: &Ground) {
    let store = ground.store();
    let (ada, eve) = (user(store, "ada"), user(store, "eve"));
    let hers = device(store, eve);
    assert_eq!(store.register_device(id(), ada, NOW, 9).unwrap(), Registration::Unknown);
    assert_eq!(store.register_device(hers, ada, NOW, 9).unwrap(), Registration::Foreign);
    let late = pending(store);
    assert_eq!(store.register_device(late.id, ada, late.expires_ms, 9).unwrap(), Registration::Unknown);
    assert_eq!(store.register_device(late.id, ada, late.expires_ms - 1, 1).unwrap(), Registration::Done);
    let second = pending(store);
    assert_eq!(store.register_device(second.id, ada, NOW, 1).unwrap(), Registration::TooMany);
    assert_eq!(store.register_device(second.id, ada, NOW, 0).unwrap(), Registration::TooMany);
    assert_eq!(store.register_device(second.id, ada, NOW, 2).unwrap(), Registration::Done);
    let nobody = store.register_device(pending(store).id, id(), NOW, 9);
    assert!(matches!(nobody, Err(StoreError::Missing("user"))), "{nobody:?}");
}

pub fn devices_are_listed(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let all = [device(store, ada), pending(store).id, device(store, ada), device(store, user(store, "eve"))];
    assert_eq!(ids(&store.devices_of(ada).unwrap()), [all[2], all[0]]);
    assert_eq!(ids(&store.devices(None, 3).unwrap()), all[..3]);
    assert_eq!(ids(&store.devices(Some(all[2]), 3).unwrap()), all[3..]);
}

pub fn a_removed_device_takes_its_sessions_along(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let (phone, tablet) = (device(store, ada), device(store, ada));
    let on = |device| {
        let session = Session { device, ..new_session(ada) };
        store.create_session(&session, 9).unwrap();
        session.id
    };
    let (one, two, other, browser) = (on(Some(phone)), on(Some(phone)), on(Some(tablet)), on(None));
    let mut ended = store.remove_device(phone).unwrap();
    ended.sort();
    assert_eq!(ended, [one, two]);
    assert_eq!(store.device(phone).unwrap(), None);
    let left: Vec<_> = store.sessions(None, 9).unwrap().into_iter().map(|session| session.id).collect();
    assert_eq!(left, [other, browser]);
    assert!(matches!(store.remove_device(phone), Err(StoreError::Missing("device"))));
    assert_eq!(store.remove_device(pending(store).id).unwrap(), []);
}

pub fn pending_ones_expire_and_registered_ones_stay(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let registered = device(store, ada);
    let late = pending(store);
    let good = Device { id: id(), expires_ms: late.expires_ms + 1, ..late.clone() };
    store.create_device(&good).unwrap();
    assert_eq!(store.expire_devices(late.expires_ms - 1).unwrap(), []);
    assert_eq!(store.expire_devices(late.expires_ms).unwrap(), [late.id]);
    assert_eq!(ids(&store.devices(None, 9).unwrap()), [registered, good.id]);
}
