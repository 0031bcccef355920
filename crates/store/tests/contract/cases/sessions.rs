//! Sessions.

use portcullis_core::Id;
use portcullis_core::port::{Session, StoreError};

use crate::ground::*;

fn ids(sessions: &[Session]) -> Vec<Id> {
    sessions.iter().map(|session| session.id).collect()
}

pub fn a_session_reads_back_whole(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let browser = session(store, ada);
    let phone = Session {
        device: Some(device(store, ada)),
        last_seen_ms: NOW + 1,
        agent: "Mozilla/5.0 (ü)".to_owned(),
        ..new_session(ada)
    };
    store.create_session(&phone, 10).unwrap();
    assert_eq!(store.session(browser.id).unwrap(), Some(browser.clone()));
    assert_eq!(store.session(phone.id).unwrap(), Some(phone.clone()));
    assert_eq!(store.session(id()).unwrap(), None);
    let mut handed = Vec::new();
    store.each_session(&mut |session| handed.push(session)).unwrap();
    handed.sort_by_key(|session| session.id);
    let mut expected = vec![browser, phone];
    expected.sort_by_key(|session| session.id);
    assert_eq!(handed, expected);
}

pub fn a_session_needs_its_user_and_its_device(ground: &Ground) {
    let store = ground.store();
    let (ada, eve) = (user(store, "ada"), user(store, "eve"));
    let (hers, nobodys) = (device(store, eve), pending(store).id);
    let nobody = store.create_session(&new_session(id()), 10);
    assert!(matches!(nobody, Err(StoreError::Missing("user"))), "{nobody:?}");
    for device in [hers, nobodys, id()] {
        let foreign = store.create_session(&Session { device: Some(device), ..new_session(ada) }, 10);
        assert!(matches!(foreign, Err(StoreError::Missing("device"))), "{foreign:?}");
    }
    assert_eq!(store.sessions(None, 10).unwrap(), []);
}

pub fn above_the_most_those_used_longest_ago_end(ground: &Ground) {
    let store = ground.store();
    let (ada, eve) = (user(store, "ada"), user(store, "eve"));
    let hers = session(store, eve);
    let seen = |last_seen_ms| Session { last_seen_ms, ..new_session(ada) };
    let (first, oldest, third) = (seen(NOW + 30), seen(NOW + 10), seen(NOW + 20));
    for session in [&first, &oldest, &third] {
        assert_eq!(store.create_session(session, 3).unwrap(), []);
    }
    // The new one stays, though a clock that was set back makes it look like the oldest.
    let late = seen(NOW);
    assert_eq!(store.create_session(&late, 3).unwrap(), [oldest.id]);
    let last = seen(NOW + 40);
    let mut ended = store.create_session(&last, 1).unwrap();
    ended.sort();
    let mut expected = [first.id, third.id, late.id];
    expected.sort();
    assert_eq!(ended, expected);
    assert_eq!(ids(&store.sessions_of(ada).unwrap()), [last.id]);
    assert_eq!(ids(&store.sessions_of(eve).unwrap()), [hers.id], "nobody else's");
}

pub fn sessions_are_listed_and_ended(ground: &Ground) {
    let store = ground.store();
    let (ada, eve) = (user(store, "ada"), user(store, "eve"));
    let sessions: Vec<_> = (0..5).map(|at| session(store, if at == 2 { eve } else { ada })).collect();
    let newest_first = [sessions[4].id, sessions[3].id, sessions[1].id, sessions[0].id];
    assert_eq!(ids(&store.sessions_of(ada).unwrap()), newest_first);
    assert_eq!(ids(&store.sessions(None, 2).unwrap()), ids(&sessions[..2]));
    assert_eq!(ids(&store.sessions(Some(sessions[1].id), 9).unwrap()), ids(&sessions[2..]));
    assert!(store.end_session(sessions[0].id).unwrap());
    assert!(!store.end_session(sessions[0].id).unwrap());
    assert_eq!(store.session(sessions[0].id).unwrap(), None);
    let mut ended = store.end_sessions_of(ada).unwrap();
    ended.sort();
    assert_eq!(ended, [sessions[1].id, sessions[3].id, sessions[4].id]);
    assert_eq!(store.end_sessions_of(ada).unwrap(), []);
    assert_eq!(ids(&store.sessions(None, 9).unwrap()), [sessions[2].id]);
}

pub fn what_is_too_old_or_idle_expires(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let make = |expires_ms, last_seen_ms| {
        let session = Session { expires_ms, last_seen_ms, ..new_session(ada) };
        store.create_session(&session, 10).unwrap();
        session.id
    };
    let old = make(NOW, NOW + 9);
    let idle = make(NOW + 9, NOW - 5);
    let good = make(NOW + 1, NOW - 4);
    let mut expired = store.expire_sessions(NOW, NOW - 5).unwrap();
    expired.sort();
    assert_eq!(expired, [old, idle]);
    assert_eq!(store.expire_sessions(NOW, NOW - 5).unwrap(), []);
    assert_eq!(ids(&store.sessions_of(ada).unwrap()), [good]);
}

pub fn being_seen_moves_forward_only(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let (one, two) = (session(store, ada), session(store, ada));
    store.sessions_seen(&[(two.id, NOW + 5), (id(), NOW), (one.id, NOW - 5)]).unwrap();
    assert_eq!(store.session(one.id).unwrap().unwrap().last_seen_ms, NOW);
    assert_eq!(store.session(two.id).unwrap().unwrap().last_seen_ms, NOW + 5);
}
