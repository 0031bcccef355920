//! What happens at once: on every store exactly one comes first.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use portcullis_core::port::{
    Changed, Registration, Rotation, Session, Store, StoreError, Totp, UserChange, UserField,
};

use crate::ground::*;

/// Lets `threads` act at the same moment, every other one as another process would, and returns what came of
/// each.
fn at_once<T: Send>(ground: &Ground, threads: usize, act: impl Fn(&dyn Store, usize) -> T + Sync) -> Vec<T> {
    let other = ground.again();
    let barrier = Barrier::new(threads);
    let run = |at: usize| {
        let store: &dyn Store = if at.is_multiple_of(2) { ground.store() } else { &*other };
        barrier.wait();
        act(store, at)
    };
    let run = &run;
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|at| scope.spawn(move || run(at))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

pub fn of_two_that_present_one_token_one_rotates(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    for _ in 0..20 {
        let one = family(store, ada);
        let mut came =
            at_once(ground, 2, |store, _| store.rotate_family(one.id, 0, NOW, NOW + 1000).unwrap());
        came.sort_by_key(|rotation| matches!(rotation, Rotation::Reused));
        assert_eq!(came, [Rotation::Rotated(1), Rotation::Reused]);
        assert_eq!(store.family(one.id).unwrap().unwrap().revoked_ms, Some(NOW));
    }
}

pub fn no_user_has_more_devices_than_it_may(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let devices: Vec<_> = (0..8).map(|_| pending(store).id).collect();
    let came = at_once(ground, 8, |store, at| store.register_device(devices[at], ada, NOW, 3).unwrap());
    assert_eq!(came.iter().filter(|came| **came == Registration::Done).count(), 3);
    assert_eq!(came.iter().filter(|came| **came == Registration::TooMany).count(), 5);
    assert_eq!(store.devices_of(ada).unwrap().len(), 3);
    // One device, two users: it is one's.
    let (bob, eve) = (user(store, "bob"), user(store, "eve"));
    let phone = pending(store).id;
    let came = at_once(ground, 8, |store, at| {
        store.register_device(phone, if at < 4 { bob } else { eve }, NOW, 3).unwrap()
    });
    assert_eq!(came.iter().filter(|came| **came == Registration::Done).count(), 4);
    assert_eq!(came.iter().filter(|came| **came == Registration::Foreign).count(), 4);
}

pub fn no_user_has_more_sessions_than_it_may(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let ended = AtomicUsize::new(0);
    at_once(ground, 8, |store, _| {
        for _ in 0..5 {
            let gone = store.create_session(&new_session(ada), 3).unwrap();
            ended.fetch_add(gone.len(), Ordering::Relaxed);
        }
    });
    assert_eq!(store.sessions_of(ada).unwrap().len(), 3);
    assert_eq!(ended.into_inner(), 37, "each end is told once");
}

pub fn a_step_is_taken_by_one_of_many(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let totp = Totp { secret: "s".into(), confirmed: true, last_step: 0, recovery: Vec::new() };
    store.change_user(ada, &UserChange::Totp(Some(totp))).unwrap();
    for step in 1..10 {
        let taken = at_once(ground, 4, |store, _| store.take_totp_step(ada, step).unwrap());
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    }
}

pub fn a_recovery_code_is_taken_by_one_of_many(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let codes: Vec<_> = (0..4).map(|_| digest()).collect();
    let totp = Totp { secret: "s".into(), confirmed: true, last_step: 0, recovery: codes.clone() };
    store.change_user(ada, &UserChange::Totp(Some(totp))).unwrap();
    // Two for each code: none is taken twice, and none comes back because another was taken beside it.
    let taken = at_once(ground, 8, |store, at| store.take_recovery_code(ada, &codes[at % 4]).unwrap());
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 4);
    let left = store.account(ada).unwrap().unwrap().totp.unwrap().recovery;
    assert_eq!(left, [[0; 32]; 0]);
}

pub fn an_attempt_is_ended_by_one_of_many(ground: &Ground) {
    let store = ground.store();
    let attempt = attempt(store, user(store, "ada"));
    let failures = at_once(ground, 8, |store, _| store.attempt_failed(attempt.id).unwrap());
    assert_eq!(failures.into_iter().collect::<BTreeSet<_>>(), (1..=8).collect(), "each counts");
    let ended = at_once(ground, 8, |store, _| store.end_attempt(attempt.id).unwrap());
    assert_eq!(ended.iter().filter(|ended| **ended).count(), 1);
}

pub fn a_name_is_given_to_one_of_many(ground: &Ground) {
    for round in 0..5 {
        let made = at_once(ground, 8, |store, at| {
            // In different orders, and with one name in common.
            let mut users: Vec<_> = (0..10).map(|n| new_user(&format!("r{round}-{at}-{n}"))).collect();
            users.insert(at, new_user(&format!("Common-{round}")));
            store.create_users(&users)
        });
        let refused = |result: &Result<(), StoreError>| {
            matches!(result, Err(StoreError::Taken(UserField::Name | UserField::Email)))
        };
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
        assert_eq!(made.iter().filter(|made| refused(made)).count(), 7, "{made:?}");
        assert_eq!(ground.store().count_users().unwrap(), 11 * (round + 1));
    }
}

pub fn of_many_nodes_one_makes_the_signing_key(ground: &Ground) {
    let made = at_once(ground, 8, |store, at| {
        store.create_signing_key(&new_signing_key(&format!("node-{at}"), "ES256"), NOW, true).unwrap()
    });
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
    assert_eq!(ground.store().signing_keys(NOW).unwrap().len(), 1);
}

pub fn changes_become_visible_in_their_order(ground: &Ground) {
    const WRITERS: usize = 8;
    const ACTS: usize = 25;
    let users: Vec<_> = (0..WRITERS).map(|at| user(ground.store(), &format!("u{at}"))).collect();
    let begun = ground.store().last_change().unwrap();
    let done = AtomicBool::new(false);
    let follow = |store: Arc<dyn Store>| {
        let mut seen = Vec::new();
        let mut number = begun;
        loop {
            let last = done.load(Ordering::Acquire);
            let new = changes_after(&*store, number);
            for change in &new {
                // A gap would be an entry that comes later with a lower number, and is never read.
                assert_eq!(change.number, number + 1);
                number = change.number;
            }
            if last && new.is_empty() {
                return seen;
            }
            if new.is_empty() {
                // Without a pause two followers keep two cores busy, and others' connections time out.
                std::thread::sleep(Duration::from_millis(1));
            }
            seen.extend(new);
        }
    };
    let (one, two) = (ground.again(), ground.again());
    std::thread::scope(|scope| {
        let end = End(&done);
        let followers = [one, two].map(|store| scope.spawn(|| follow(store)));
        at_once(ground, WRITERS, |store, at| {
            for round in 0..ACTS {
                // Short acts and long ones.
                let keys: Vec<_> = (0..=round % 5 * 20).map(|_| new_key(users[at])).collect();
                store.create_keys(&keys).unwrap();
                store.change_user(users[at], &UserChange::LoggedIn(i64::try_from(round).unwrap())).unwrap();
            }
        });
        drop(end);
        for follower in followers {
            let seen = follower.join().unwrap();
            let keys = seen.iter().filter(|change| change.what == Changed::Key).count();
            assert_eq!(keys, WRITERS * ACTS / 5 * (5 + 20 + 40 + 60 + 80));
            assert_eq!(seen.len(), keys + WRITERS * ACTS);
        }
    });
}

/// Lets the followers end, also where a writer failed: they would follow for ever, and nobody hear why.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

pub fn acts_that_cross_each_other_all_come_to_an_end(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let keys: Vec<_> = (0..300).map(|_| new_key(ada)).collect();
    store.create_keys(&keys).unwrap();
    let phone = device(store, ada);
    let began = Instant::now();
    at_once(ground, 8, |store, at| {
        for round in 0..10 {
            let mut used: Vec<_> = keys.iter().map(|key| (key.id, NOW + round)).collect();
            used.rotate_left(at * 37);
            match at % 4 {
                0 => store.keys_used(&used).unwrap(),
                1 => drop(store.revoke_keys_of(ada, NOW).unwrap()),
                2 => store.change_user(ada, &UserChange::LoggedIn(round)).unwrap(),
                _ => {
                    let session = Session { device: Some(phone), ..new_session(ada) };
                    drop(store.create_session(&session, 4).unwrap());
                }
            }
        }
    });
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert_eq!(store.key(keys[0].id).unwrap().unwrap().last_used_ms, Some(NOW + 9));
}

pub fn a_user_deleted_under_way_leaves_nothing_behind(ground: &Ground) {
    let store = ground.store();
    for round in 0..5 {
        let ada = user(store, &format!("ada{round}"));
        at_once(ground, 6, |store, at| {
            let gone = |error: StoreError| assert!(matches!(error, StoreError::Missing("user")), "{error:?}");
            match at {
                0 => store.delete_user(ada).unwrap(),
                1 | 2 => store.create_keys(&[new_key(ada), new_key(ada)]).unwrap_or_else(gone),
                3 => store.create_session(&new_session(ada), 3).map_or_else(gone, drop),
                4 => store.register_device(pending(store).id, ada, NOW, 3).map_or_else(gone, drop),
                _ => store.change_user(ada, &UserChange::LoggedIn(NOW)).unwrap_or_else(gone),
            }
        });
        assert!(store.account(ada).unwrap().is_none());
        assert_eq!(store.keys_of(ada).unwrap(), []);
        assert_eq!(store.sessions_of(ada).unwrap(), []);
        assert_eq!(store.devices_of(ada).unwrap(), []);
    }
}
