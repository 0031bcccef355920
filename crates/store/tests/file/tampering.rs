//! What somebody with the file in his hands does to the audit log is found, and the first record of it named.

use portcullis_core::audit::{AuditRecord, Flaw, Proof, Verifier};
use rusqlite::Connection;

use super::{Folder, opened};

/// Ten records, then `deed` on the file, then a walk.
fn after(deed: &str) -> Result<Proof, Flaw> {
    let folder = Folder::new();
    let store = opened(&folder.file(), None).unwrap();
    let records: Vec<_> = (0..10)
        .map(|number| AuditRecord {
            at_ms: number,
            event: "request".into(),
            user: Some(format!("user-{number}")),
            method: "GET".to_owned(),
            status: 200,
            ..AuditRecord::default()
        })
        .collect();
    store.append_audit(&records).unwrap();
    Connection::open(folder.file()).unwrap().execute_batch(deed).unwrap();
    let ends = store.audit_ends().unwrap();
    let mut verifier = Verifier::new(ends);
    store.each_audit(ends.cut.number, &mut |link| verifier.take(&link)).unwrap();
    verifier.finish(store.audit_ends().unwrap())
}

#[test]
fn a_file_that_nobody_touched_is_whole() {
    assert_eq!(after("").unwrap().records, 10);
}

#[test]
fn a_changed_record_is_named() {
    for change in [
        "username = 'mallory'",
        "username = NULL",
        "user_id = x'00'",
        "user_id = zeroblob(16)",
        "status = 500",
        "status = 65736",
        "status = -1",
        "success = 1",
        "success = 7",
        "duration_us = -5",
        "at_ms = at_ms + 1",
        "details = 'nothing'",
        "hash = zeroblob(32)",
        "hash = x'00'",
        "previous = zeroblob(32)",
    ] {
        let deed = format!("UPDATE audit SET {change} WHERE number = 4");
        assert_eq!(after(&deed), Err(Flaw::Altered { number: 4 }), "{change}");
    }
}

#[test]
fn a_removed_record_is_named() {
    assert_eq!(after("DELETE FROM audit WHERE number = 4"), Err(Flaw::Missing { from: 4, to: 4 }));
    assert_eq!(after("DELETE FROM audit WHERE number < 4"), Err(Flaw::Missing { from: 1, to: 3 }));
    assert_eq!(after("DELETE FROM audit WHERE number > 7"), Err(Flaw::Missing { from: 8, to: 10 }));
    assert_eq!(after("DELETE FROM audit"), Err(Flaw::Missing { from: 1, to: 10 }));
    // With the gap closed.
    let closed = "DELETE FROM audit WHERE number = 4; UPDATE audit SET number = number - 1 WHERE number > 4";
    assert_eq!(after(closed), Err(Flaw::Altered { number: 4 }));
    // With the ends moved, too.
    let hidden = "DELETE FROM audit WHERE number < 4;
        UPDATE audit_ends SET cut_number = 3, cut_hash = (SELECT previous FROM audit WHERE number = 4)";
    assert_eq!(after(hidden), Err(Flaw::Cut { number: 3 }));
}

#[test]
fn records_that_changed_places_are_named() {
    let swap = "UPDATE audit SET number = 99 WHERE number = 3; UPDATE audit SET number = 3 WHERE number = 6;
        UPDATE audit SET number = 6 WHERE number = 99";
    assert_eq!(after(swap), Err(Flaw::Altered { number: 3 }));
}

#[test]
fn a_record_that_was_put_in_is_named() {
    let copy = |number: i64| {
        format!(
            "CREATE TEMP TABLE one AS SELECT * FROM audit WHERE number = 10;
             UPDATE one SET number = {number}, previous = hash;
             INSERT INTO audit SELECT * FROM one"
        )
    };
    assert_eq!(after(&copy(11)), Err(Flaw::Altered { number: 11 }));
    let moved = "UPDATE audit SET number = number + 100 WHERE number > 5;
        UPDATE audit SET number = number - 99 WHERE number > 100;";
    assert_eq!(
        after(&format!("{moved}{}", copy(6).replace("= 10;", "= 5;"))),
        Err(Flaw::Altered { number: 6 })
    );
}
