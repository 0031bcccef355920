//! The audit log.

use portcullis_core::Id;
use portcullis_core::audit::{AuditRecord, Flaw, Link, Mark, Proof, Verifier};
use portcullis_core::port::{AuditFilter, Store};

use crate::ground::*;

const DAY: i64 = 86_400_000;

fn record(at_ms: i64, event: &'static str) -> AuditRecord {
    AuditRecord {
        at_ms,
        event: event.into(),
        details: format!("number {}", next()),
        ..AuditRecord::default()
    }
}

fn verify(store: &dyn Store, expected: Option<Mark>) -> Result<Proof, Flaw> {
    let ends = store.audit_ends().unwrap();
    let verifier = Verifier::new(ends);
    let mut verifier = match expected {
        Some(mark) => verifier.expecting(mark),
        None => verifier,
    };
    store.each_audit(ends.cut.number, &mut |link| verifier.take(&link)).unwrap();
    verifier.finish(store.audit_ends().unwrap())
}

fn numbers(links: &[Link]) -> Vec<i64> {
    links.iter().map(|link| link.number).collect()
}

fn all() -> AuditFilter {
    AuditFilter { limit: 1000, ..AuditFilter::default() }
}

pub fn a_record_reads_back_whole(ground: &Ground) {
    let store = ground.store();
    assert_eq!(store.audit_ends().unwrap().head, Mark::BEGINNING);
    let full = AuditRecord {
        at_ms: NOW,
        event: "auth_attempt".into(),
        request_id: "request".to_owned(),
        user: Some("ada".to_owned()),
        user_id: Some(id()),
        ip: Some("2001:db8::1".to_owned()),
        method: "POST".to_owned(),
        endpoint: "/auth/login".to_owned(),
        query: Some("a=[redacted]".to_owned()),
        route: "POST /auth/login".to_owned(),
        user_agent: Some("curl/8 ü ☃".to_owned()),
        device: Some(String::new()),
        request_data: Some(r#"{"username":"ada"}"#.to_owned()),
        status: 401,
        duration_us: 1234,
        success: Some(false),
        reason: "invalid-login".to_owned(),
        details: "a sentence".to_owned(),
    };
    let empty = AuditRecord::default();
    let head = store.append_audit(&[full.clone(), empty.clone()]).unwrap();
    let links = store.audit(&all()).unwrap();
    assert_eq!(numbers(&links), [2, 1]);
    assert_eq!((&links[1].record, &links[0].record), (&full, &empty));
    assert_eq!((links[0].mark(), store.audit_ends().unwrap().head), (head, head));
    assert_eq!(store.append_audit(&[]).unwrap(), head, "nothing changes nothing");
    assert_eq!(verify(store, Some(links[1].mark())).unwrap().records, 2);
}

pub fn a_zero_byte_holds_nothing_up(ground: &Ground) {
    let store = ground.store();
    let odd =
        AuditRecord { endpoint: "/a\0b".to_owned(), user: Some("\0".to_owned()), ..record(NOW, "request") };
    store.append_audit(&[odd]).unwrap();
    assert_eq!(store.audit(&all()).unwrap()[0].record.endpoint, "/a\u{fffd}b");
    assert!(verify(store, None).is_ok());
    assert_eq!(store.audit(&AuditFilter { user: Some("\0".to_owned()), ..all() }).unwrap(), []);
}

pub fn records_are_found_by_what_is_asked(ground: &Ground) {
    let store = ground.store();
    let ada = id();
    let of = |user: &str, user_id: Option<Id>, record| AuditRecord {
        user: Some(user.to_owned()),
        user_id,
        ..record
    };
    store
        .append_audit(&[
            record(NOW, "request"),
            of("ada", Some(ada), record(NOW + 10, "request")),
            of("ada", Some(ada), record(NOW + 20, "auth_attempt")),
            of("eve", None, record(NOW + 30, "auth_attempt")),
            record(NOW + 40, "request"),
        ])
        .unwrap();
    let found = |filter: AuditFilter| numbers(&store.audit(&filter).unwrap());
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(found(all()), [5, 4, 3, 2, 1]);
    assert_eq!(found(AuditFilter { limit: 2, ..all() }), [5, 4]);
    assert_eq!(found(AuditFilter { limit: 2, before: Some(4), ..all() }), [3, 2]);
    assert_eq!(found(AuditFilter { event: text("auth_attempt"), ..all() }), [4, 3]);
    assert_eq!(found(AuditFilter { user: text("ada"), ..all() }), [3, 2]);
    assert_eq!(found(AuditFilter { user: text(&ada.to_string()), ..all() }), [3, 2]);
    assert_eq!(found(AuditFilter { user: text("nobody"), ..all() }), [0; 0]);
    assert_eq!(found(AuditFilter { from_ms: Some(NOW + 20), to_ms: Some(NOW + 40), ..all() }), [4, 3]);
    let every = AuditFilter {
        before: Some(4),
        event: text("auth_attempt"),
        user: text("ada"),
        from_ms: Some(NOW),
        to_ms: Some(NOW + 1000),
        limit: 9,
    };
    assert_eq!(found(every), [3]);
}

pub fn old_records_go_and_the_rest_is_proven(ground: &Ground) {
    let store = ground.store();
    let records: Vec<_> = (0..10).map(|day| record(NOW + day * DAY, "request")).collect();
    store.append_audit(&records).unwrap();
    let links = store.audit(&all()).unwrap();
    assert_eq!(store.prune_audit(NOW, NOW, 100).unwrap(), 0, "none is older");
    assert_eq!(verify(store, None).unwrap().records, 10, "and nothing was written of it");
    assert_eq!(store.prune_audit(NOW + 3 * DAY, NOW, 2).unwrap(), 2, "at most so many at once");
    assert_eq!(store.prune_audit(NOW + 3 * DAY, NOW, 2).unwrap(), 1);
    assert_eq!(store.prune_audit(NOW + 3 * DAY, NOW, 2).unwrap(), 0);
    let left = store.audit(&all()).unwrap();
    assert_eq!(numbers(&left), [12, 11, 10, 9, 8, 7, 6, 5, 4]);
    assert_eq!(left[0].record.event, AuditRecord::PRUNED);
    let proof = verify(store, Some(links[0].mark())).unwrap();
    assert_eq!((proof.ends.cut, proof.ends.head), (links[7].mark(), left[0].mark()));
    assert_eq!(verify(store, Some(links[9].mark())), Err(Flaw::Gone { number: 1 }));
    // Everything may be too old; the record of that never is.
    assert_eq!(store.prune_audit(NOW + 100 * DAY, NOW, 1000).unwrap(), 9);
    assert_eq!(verify(store, None).unwrap().records, 1);
}

pub fn a_clock_that_went_back_keeps_what_stands_behind(ground: &Ground) {
    let store = ground.store();
    store
        .append_audit(&[record(NOW, "request"), record(NOW + 9 * DAY, "request"), record(NOW, "request")])
        .unwrap();
    assert_eq!(store.prune_audit(NOW + DAY, NOW, 100).unwrap(), 1);
    assert!(verify(store, None).is_ok());
}

pub fn of_many_writers_each_record_has_its_place(ground: &Ground) {
    let stores = [ground.again(), ground.again(), ground.again(), ground.again()];
    std::thread::scope(|scope| {
        for store in &stores {
            scope.spawn(move || {
                for _ in 0..25 {
                    store.append_audit(&[record(NOW, "one"), record(NOW, "two")]).unwrap();
                }
            });
        }
    });
    assert_eq!(verify(ground.store(), None).unwrap().records, 200);
    let links = ground.store().audit(&AuditFilter { limit: 1000, ..all() }).unwrap();
    let together = |pair: &[Link]| pair[0].record.event == "two" && pair[1].record.event == "one";
    assert!(links.chunks(2).all(together), "what was appended together stands together");
}

pub fn the_log_can_be_read_and_written_while_it_is_walked(ground: &Ground) {
    let store = ground.store();
    let records: Vec<_> = (0..500).map(|_| record(NOW, "request")).collect();
    store.append_audit(&records).unwrap();
    let ends = store.audit_ends().unwrap();
    let mut verifier = Verifier::new(ends);
    let mut seen = 0;
    store
        .each_audit(0, &mut |link| {
            verifier.take(&link);
            seen += 1;
            if seen % 100 == 0 {
                store.append_audit(&[record(NOW, "meanwhile")]).unwrap();
            }
        })
        .unwrap();
    assert!(verifier.finish(store.audit_ends().unwrap()).is_ok());
}
