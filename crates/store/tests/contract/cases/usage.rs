//! How much was asked for.

use portcullis_core::port::{Minute, Span, Used, UsedBy};

use crate::ground::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// The beginning of an hour.
const THEN: i64 = NOW - NOW % HOUR;

fn minute(minute_ms: i64) -> Minute {
    Minute {
        minute_ms,
        requests: 10,
        client_errors: 1,
        server_errors: 2,
        refused: 3,
        limited: 4,
        proven: 5,
        unproven: 6,
        suspicious: 11,
        slow: 12,
        duration_us: 7,
        connections: 8,
        cpu: 1000,
        memory: 2000,
        disk: 3000,
    }
}

fn used(name: &str, requests: u64, errors: u64, last_ms: i64) -> Used {
    Used { name: name.to_owned(), requests, errors, last_ms }
}

pub fn minutes_add_up(ground: &Ground) {
    let store = ground.store();
    assert_eq!(store.span(0).unwrap(), Span::default());
    let (one, two) = (id(), id());
    store.add_minute(one, &minute(THEN)).unwrap();
    // The same minute again, as after an end in the middle of it.
    store.add_minute(one, &Minute { connections: 3, cpu: 3000, ..minute(THEN) }).unwrap();
    store.add_minute(two, &Minute { connections: 20, cpu: 1000, ..minute(THEN) }).unwrap();
    store.add_minute(two, &Minute { cpu: 2000, ..minute(THEN + MINUTE) }).unwrap();
    let span = store.span(THEN).unwrap();
    assert_eq!(span.minutes, 2);
    let all = Minute {
        minute_ms: THEN,
        requests: 40,
        client_errors: 4,
        server_errors: 8,
        refused: 12,
        limited: 16,
        proven: 20,
        unproven: 24,
        suspicious: 44,
        slow: 48,
        duration_us: 28,
        connections: 20,
        cpu: 2000,
        memory: 2000,
        disk: 3000,
    };
    assert_eq!(span.all, all);
    assert_eq!(store.span(THEN + 1).unwrap().all.requests, 10);
    store.forget_usage(THEN + MINUTE).unwrap();
    assert_eq!(store.span(0).unwrap().minutes, 1);
}

pub fn who_asked_most_is_first(ground: &Ground) {
    let store = ground.store();
    let hour = [
        (UsedBy::User, used("ada", 5, 1, THEN + 5)),
        (UsedBy::User, used("eve", 9, 0, THEN + 9)),
        (UsedBy::User, used("Ada", 5, 0, THEN + 1)),
        (UsedBy::Endpoint, used("GET /work", 14, 1, THEN + 9)),
    ];
    store.add_used(THEN, &hour).unwrap();
    store.add_used(THEN, &[(UsedBy::User, used("ada", 1, 1, THEN + 2))]).unwrap();
    store.add_used(THEN + HOUR, &[(UsedBy::User, used("ada", 4, 0, THEN + HOUR))]).unwrap();
    let most = |from_ms, limit| store.most_used(UsedBy::User, from_ms, limit).unwrap();
    assert_eq!(
        most(THEN, 10),
        [used("ada", 10, 2, THEN + HOUR), used("eve", 9, 0, THEN + 9), used("Ada", 5, 0, THEN + 1)]
    );
    assert_eq!(most(THEN, 1).len(), 1);
    assert_eq!(most(THEN + HOUR, 10), [used("ada", 4, 0, THEN + HOUR)], "of the hours that ended later");
    assert_eq!(store.most_used(UsedBy::Caller, THEN, 10).unwrap(), []);
    store.forget_usage(THEN + 2 * HOUR).unwrap();
    assert_eq!(most(0, 10), [used("ada", 4, 0, THEN + HOUR)]);
}

pub fn of_many_processes_all_is_counted(ground: &Ground) {
    let stores = [ground.again(), ground.again(), ground.again()];
    std::thread::scope(|scope| {
        for (at, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                let mut names = ["b", "a", "d", "c"];
                names.rotate_left(at);
                let rows: Vec<_> = names.iter().map(|name| (UsedBy::User, used(name, 1, 0, NOW))).collect();
                for _ in 0..10 {
                    store.add_used(THEN, &rows).unwrap();
                }
            });
        }
    });
    let most = ground.store().most_used(UsedBy::User, 0, 10).unwrap();
    let expected = ["a", "b", "c", "d"].map(|name| used(name, 30, 0, NOW));
    assert_eq!(most, expected);
}

pub fn what_was_seen_first_stays_so(ground: &Ground) {
    let store = ground.store();
    assert_eq!(store.first_seen("one", None).unwrap(), None);
    assert_eq!(store.first_seen("one", Some(NOW)).unwrap(), Some(NOW));
    assert_eq!(ground.again().first_seen("one", Some(NOW + 5)).unwrap(), Some(NOW));
    assert_eq!(store.first_seen("one", None).unwrap(), Some(NOW));
    assert_eq!(store.first_seen("two", None).unwrap(), None);
    store.forget_usage(NOW * 2).unwrap();
    assert_eq!(store.first_seen("one", None).unwrap(), Some(NOW));
}
