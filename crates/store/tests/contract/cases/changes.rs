//! The change log.

use portcullis_core::Id;
use portcullis_core::port::{ApiKey, Changed, Changes, Device, Session, SigningKey, Totp, UserChange};

use crate::ground::*;

/// Compares without the order: one act may write its entries in any.
fn sorted(mut entries: Vec<(Changed, Id)>) -> Vec<(Changed, Id)> {
    entries.sort_by_key(|(what, id)| (what.name(), *id));
    entries
}

pub fn every_act_writes_its_entry(ground: &Ground) {
    use Changed::{Device as ADevice, Family, Key, Session as ASession, User};
    let store = ground.store();
    let check =
        |expected: Vec<(Changed, Id)>, act: &dyn Fn()| assert_eq!(noted(store, act), sorted(expected));

    let (ada, eve) = (new_user("ada"), new_user("eve"));
    let users = [ada.clone(), eve.clone()];
    check(vec![(User, ada.user.id), (User, eve.user.id)], &|| store.create_users(&users).unwrap());
    let (ada, eve) = (ada.user.id, eve.user.id);
    let totp = Totp { secret: "s".into(), confirmed: true, last_step: 0, recovery: Vec::new() };
    let changes = [
        UserChange::Role("admin".to_owned()),
        UserChange::Active(true),
        UserChange::Email(None),
        UserChange::Password { hash: "h".to_owned(), valid_from_ms: 1 },
        UserChange::Rehash { from: "h".to_owned(), to: "i".to_owned() },
        UserChange::ValidFrom(2),
        UserChange::LoggedIn(3),
        UserChange::Totp(Some(totp)),
        UserChange::Totp(None),
    ];
    for change in changes {
        check(vec![(User, ada)], &|| store.change_user(ada, &change).unwrap());
    }

    let (a, b, c) = (new_key(ada), new_key(ada), new_key(ada));
    let keys = [a.clone(), b.clone()];
    check(vec![(Key, a.id), (Key, b.id)], &|| store.create_keys(&keys).unwrap());
    check(vec![(Key, a.id), (Key, c.id)], &|| store.rotate_key(a.id, &c, NOW).unwrap());
    check(vec![(Key, b.id)], &|| store.revoke_key(b.id, NOW).unwrap());
    check(vec![(Key, a.id), (Key, c.id)], &|| assert_eq!(store.revoke_keys_of(ada, NOW).unwrap(), 2));

    let phone = pending(store).id;
    let register = || assert!(store.register_device(phone, ada, NOW, 9).is_ok());
    check(vec![(ADevice, phone)], &register);
    let on = Session { device: Some(phone), ..new_session(ada) };
    check(vec![(ASession, on.id)], &|| assert_eq!(store.create_session(&on, 9).unwrap(), []));
    check(vec![(ADevice, phone), (ASession, on.id)], &|| {
        assert_eq!(store.remove_device(phone).unwrap(), [on.id]);
    });
    let (one, two) = (session(store, ada), new_session(ada));
    check(vec![(ASession, one.id), (ASession, two.id)], &|| {
        assert_eq!(store.create_session(&two, 1).unwrap(), [one.id]);
    });
    check(vec![(ASession, two.id)], &|| assert!(store.end_session(two.id).unwrap()));
    let (one, two) = (session(store, ada), session(store, ada));
    check(vec![(ASession, one.id), (ASession, two.id)], &|| {
        assert_eq!(store.end_sessions_of(ada).unwrap().len(), 2);
    });
    let one = session(store, ada);
    check(vec![(ASession, one.id)], &|| assert_eq!(store.expire_sessions(NOW + 5000, 0).unwrap(), [one.id]));

    let (one, two, three) = (family(store, ada), family(store, ada), family(store, ada));
    check(vec![(Family, one.id)], &|| assert!(store.revoke_family(one.id, NOW).unwrap()));
    store.rotate_family(two.id, 0, NOW, NOW + 1000).unwrap();
    check(vec![(Family, two.id)], &|| assert!(store.rotate_family(two.id, 0, NOW, NOW).is_ok()));
    check(vec![(Family, three.id)], &|| assert_eq!(store.revoke_families_of(ada, NOW).unwrap(), [three.id]));

    let made = noted(store, || {
        assert!(store.create_signing_key(&new_signing_key("k", "ES256"), NOW, true).unwrap());
    });
    assert_eq!(made.iter().map(|(what, _)| *what).collect::<Vec<_>>(), [Changed::SigningKey]);
    // Whoever learns that a user is gone knows that everything of it is.
    session(store, eve);
    check(vec![(User, eve)], &|| store.delete_user(eve).unwrap());
}

pub fn what_changes_nothing_writes_nothing(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let key = key(store, ada);
    store.revoke_key(key.id, NOW).unwrap();
    let (device, session, family) = (device(store, ada), session(store, ada), family(store, ada));
    store.create_signing_key(&new_signing_key("k", "ES256"), NOW, true).unwrap();
    let entries = noted(store, || {
        store.change_user(ada, &UserChange::Rehash { from: "other".into(), to: "x".into() }).unwrap();
        store.take_totp_step(ada, 5).unwrap();
        store.revoke_key(key.id, NOW).unwrap();
        store.revoke_keys_of(ada, NOW).unwrap();
        store.keys_used(&[(key.id, NOW)]).unwrap();
        store.sessions_seen(&[(session.id, NOW + 1)]).unwrap();
        store.end_session(id()).unwrap();
        store.end_sessions_of(id()).unwrap();
        store.expire_sessions(0, 0).unwrap();
        store.register_device(device, ada, NOW, 9).unwrap();
        let begun: Device = pending(store);
        store.expire_devices(begun.expires_ms).unwrap();
        store.rotate_family(family.id, 0, NOW, NOW + 1000).unwrap();
        store.revoke_family(id(), NOW).unwrap();
        store.forget_families(0).unwrap();
        let attempt = attempt(store, ada);
        store.attempt_failed(attempt.id).unwrap();
        store.end_attempt(attempt.id).unwrap();
        let second: SigningKey = new_signing_key("l", "ES256");
        assert!(!store.create_signing_key(&second, NOW, true).unwrap());
        store.create_users(&[]).unwrap();
    });
    assert_eq!(entries, []);
}

pub fn a_failed_act_writes_nothing(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let entries = noted(store, || {
        store.create_users(&[new_user("eve"), new_user("ADA")]).unwrap_err();
        store.create_keys(&[new_key(ada), new_key(id())]).unwrap_err();
        store.delete_user(id()).unwrap_err();
        store.rotate_key(id(), &ApiKey { ..new_key(ada) }, NOW).unwrap_err();
        store.create_session(&new_session(id()), 1).unwrap_err();
        store.remove_device(id()).unwrap_err();
    });
    assert_eq!(entries, []);
}

pub fn entries_come_in_order_and_in_pages(ground: &Ground) {
    let store = ground.store();
    assert_eq!(store.last_change().unwrap(), 0);
    assert_eq!(changes_after(store, 0), []);
    let users: Vec<_> = (0..9000).map(|at| new_user(&format!("u{at}"))).collect();
    store.create_users(&users).unwrap();
    let mut found = Vec::new();
    let mut number = 0;
    loop {
        let page = changes_after(store, number);
        let Some(last) = page.last() else { break };
        assert!(page.len() < 9000, "a page is bounded");
        assert_eq!(page[0].number, number + 1);
        number = last.number;
        found.extend(page);
    }
    assert_eq!(number, store.last_change().unwrap());
    assert!(found.windows(2).all(|pair| pair[0].number + 1 == pair[1].number));
    let ids: Vec<_> = found.iter().map(|change| change.id).collect();
    assert_eq!(ids, users.iter().map(|new| new.user.id).collect::<Vec<_>>());
    assert!(found.iter().all(|change| change.what == Changed::User));
}

pub fn what_is_forgotten_is_lost_but_never_the_last(ground: &Ground) {
    let store = ground.store();
    store.forget_changes(i64::MAX).unwrap();
    assert_eq!(changes_after(store, 0), []);
    for name in ["a", "b", "c"] {
        user(store, name);
    }
    let last = store.last_change().unwrap();
    store.forget_changes(NOW / 1000).unwrap();
    assert_eq!(changes_after(store, 0).len(), 3, "they are younger");
    store.forget_changes(i64::MAX).unwrap();
    assert_eq!(store.last_change().unwrap(), last);
    assert_eq!(store.changes_after(last).unwrap(), Changes::Some(Vec::new()));
    assert_eq!(changes_after(store, last - 1).len(), 1, "nothing between is gone");
    assert_eq!(store.changes_after(last - 2).unwrap(), Changes::Lost);
    assert_eq!(store.changes_after(0).unwrap(), Changes::Lost);
    user(store, "d");
    assert_eq!(changes_after(store, last).len(), 1, "numbers go on");
}

pub fn a_number_from_elsewhere_is_lost(ground: &Ground) {
    let store = ground.store();
    assert_eq!(store.changes_after(1).unwrap(), Changes::Lost);
    user(store, "ada");
    let last = store.last_change().unwrap();
    assert_eq!(store.changes_after(last + 1).unwrap(), Changes::Lost);
    assert_eq!(store.changes_after(i64::MAX).unwrap(), Changes::Lost);
    assert_eq!(store.changes_after(-1).unwrap(), Changes::Lost);
}
