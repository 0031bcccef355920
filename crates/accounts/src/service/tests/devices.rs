//! Devices, and sessions bound to them or kept in a cookie.

use portcullis_core::port::{Devices, Sessions};

use super::*;
use crate::service::{Binding, StartedDevice, StartedSession};

fn session(
    house: &House,
    user: &User,
    device: &StartedDevice,
    now_ms: i64,
) -> Result<StartedSession, AccountError> {
    let binding = Binding::Device { id: device.id, secret: &device.secret };
    house.accounts.create_session(user.id, binding, "app/1.0", now_ms)
}

fn judged(house: &House, session: &StartedSession, device: Option<&str>, now_ms: i64) -> Judgement {
    house.directory.session(session.secret.as_bytes(), device.map(str::as_bytes), now_ms)
}

#[test]
fn a_session_is_its_devices_alone() {
    let house = House::new();
    let user = house.register("alice");
    let device = house.accounts.start_device("phone", NOW).unwrap();
    assert_eq!((device.secret.len(), device.expires_in_s), (43, 1800));
    let name = device.id.to_string();
    assert_eq!(house.directory.device(name.as_bytes()), None, "its registration is not complete");
    let made = session(&house, &user, &device, NOW).unwrap();
    assert_eq!(house.directory.device(name.as_bytes()), Some(device.id));
    let identity = proven(judged(&house, &made, Some(&name), NOW));
    assert_eq!((identity.id, identity.device), (Some(user.id), Some(device.id)));
    assert!(Arc::ptr_eq(&identity, &proven(judged(&house, &made, Some(&name), NOW))), "made once");
    let other = house.accounts.start_device("other", NOW).unwrap().id.to_string();
    for wrong in [None, Some(""), Some(other.as_str()), Some("0"), Some(&name[1..])] {
        assert_eq!(judged(&house, &made, wrong, NOW), Judgement::Rejected, "{wrong:?}");
    }
    // Knowing a device, or a session's public id, gives nothing.
    for secret in [name.as_str(), &made.session.id.to_string(), "", &device.secret] {
        let judged = house.directory.session(secret.as_bytes(), Some(name.as_bytes()), NOW);
        assert_eq!(judged, Judgement::Rejected);
    }
}

#[test]
fn a_device_proves_itself_and_stays_whose_it_is() {
    let house = House::new();
    let (alice, bob) = (house.register("alice"), house.register("bobby"));
    let device = house.accounts.start_device("phone", NOW).unwrap();
    let with = |user: &User, id: Id, secret: &str| {
        let binding = Binding::Device { id, secret };
        house.accounts.create_session(user.id, binding, "", NOW)
    };
    assert_eq!(code(with(&alice, device.id, "")), "unknown-device");
    assert_eq!(code(with(&alice, device.id, &device.id.to_string())), "unknown-device");
    assert_eq!(code(with(&alice, nobody(), &device.secret)), "unknown-device");
    with(&alice, device.id, &device.secret).unwrap();
    assert_eq!(code(with(&bob, device.id, &device.secret)), "unknown-device", "it is somebody else's");
    with(&alice, device.id, &device.secret).unwrap();
    assert!(house.store.devices_of(bob.id).unwrap().is_empty());
}

#[test]
fn a_registration_takes_too_long_and_devices_have_a_number() {
    let house = House::new();
    let user = house.register("alice");
    let slow = house.accounts.start_device("slow", NOW).unwrap();
    assert_eq!(code(session(&house, &user, &slow, NOW + 1_800_000)), "unknown-device");
    for _ in 0..2 {
        let device = house.accounts.start_device("phone", NOW).unwrap();
        session(&house, &user, &device, NOW + 1_799_999).unwrap();
    }
    let third = house.accounts.start_device("third", NOW).unwrap();
    assert_eq!(code(session(&house, &user, &third, NOW)), "too-many-devices");
    let removed = house.accounts.devices_of(user.id).unwrap()[0].id;
    house.accounts.remove_device(Some(user.id), removed).unwrap();
    session(&house, &user, &third, NOW).unwrap();
}

#[test]
fn a_device_goes_with_its_sessions() {
    let house = House::new();
    let (alice, bob) = (house.register("alice"), house.register("bobby"));
    let device = house.accounts.start_device("phone", NOW).unwrap();
    let made = session(&house, &alice, &device, NOW).unwrap();
    let name = device.id.to_string();
    assert_eq!(code(house.accounts.remove_device(Some(bob.id), device.id)), "not-found");
    let identity = proven(judged(&house, &made, Some(&name), NOW));
    house.accounts.remove_device(Some(alice.id), device.id).unwrap();
    assert_eq!(judged(&house, &made, Some(&name), NOW), Judgement::Rejected);
    assert_eq!(house.directory.still(&identity, NOW), Judgement::Rejected);
    assert_eq!(house.directory.device(name.as_bytes()), None);
    assert_eq!(code(house.accounts.remove_device(None, device.id)), "not-found");
}

#[test]
fn a_browser_needs_no_device_and_its_session_ends_in_time() {
    let house = House::new();
    let user = house.register("alice");
    let made = house.accounts.create_session(user.id, Binding::Browser, "Mozilla\n/5.0", NOW).unwrap();
    assert_eq!(made.session.agent, "Mozilla/5.0");
    let identity = proven(judged(&house, &made, None, NOW));
    assert_eq!(identity.device, None);
    proven(judged(&house, &made, Some("whatever"), NOW + 3_599_000));
    // Used every half hour it lives until its age is over.
    for half_hours in 2..48 {
        proven(judged(&house, &made, None, NOW + half_hours * 1_800_000));
    }
    assert_eq!(judged(&house, &made, None, NOW + 86_400_000), Judgement::Expired);
    let unused = house.accounts.create_session(user.id, Binding::Browser, "", NOW).unwrap();
    assert_eq!(judged(&house, &unused, None, NOW + 3_600_000), Judgement::Expired, "it went unused");
    let identity = proven(judged(&house, &unused, None, NOW));
    proven(house.directory.still(&identity, NOW + 3_600_000));
    assert_eq!(house.directory.still(&identity, NOW + 86_400_000), Judgement::Expired);
}

#[test]
fn with_too_many_sessions_the_one_used_longest_ago_ends() {
    let house = House::new();
    let user = house.register("alice");
    let start = |now_ms| house.accounts.create_session(user.id, Binding::Browser, "", now_ms).unwrap();
    let made: Vec<_> = (0..3).map(|number| start(NOW + number)).collect();
    proven(judged(&house, &made[0], None, NOW + 120_000));
    house.accounts.note_uses().unwrap();
    let fourth = start(NOW + 121_000);
    assert_eq!(judged(&house, &made[1], None, NOW + 121_000), Judgement::Rejected);
    for session in [&made[0], &made[2], &fourth] {
        proven(judged(&house, session, None, NOW + 121_000));
    }
}

#[test]
fn a_session_is_ended_by_its_user_or_an_administrator() {
    let house = House::new();
    let (alice, bob) = (house.register("alice"), house.register("bobby"));
    let made = house.accounts.create_session(alice.id, Binding::Browser, "", NOW).unwrap();
    assert_eq!(code(house.accounts.end_session(Some(bob.id), made.session.id)), "not-found");
    proven(judged(&house, &made, None, NOW));
    let epoch = house.directory.epoch();
    house.accounts.end_session(Some(alice.id), made.session.id).unwrap();
    assert_eq!(judged(&house, &made, None, NOW), Judgement::Rejected);
    assert!(house.directory.epoch() > epoch);
    assert!(house.store.session(made.session.id).unwrap().is_none());
    assert_eq!(code(house.accounts.end_session(None, made.session.id)), "not-found");
}

#[test]
fn sessions_of_before_a_moment_are_refused() {
    let house = House::new();
    let user = house.register("alice");
    let made = house.accounts.create_session(user.id, Binding::Browser, "", NOW).unwrap();
    house.accounts.revoke_all(user.id, NOW + 5).unwrap();
    assert_eq!(judged(&house, &made, None, NOW + 5), Judgement::Rejected);
    let mut row = made.session.clone();
    // One that a store still had would be of no use.
    house.store.create_session(&row, 10).unwrap();
    house.directory.follow(&*house.store, NOW).unwrap();
    assert_eq!(judged(&house, &made, None, NOW + 5), Judgement::Rejected);
    (row.created_ms, row.id) = (NOW + 5, Id::fresh(9, 9));
    row.digest = crate::random::digest("x".repeat(43).as_bytes());
    house.store.create_session(&row, 10).unwrap();
    house.directory.follow(&*house.store, NOW).unwrap();
    proven(house.directory.session("x".repeat(43).as_bytes(), None, NOW + 5));
}
