//! What the audit log costs: records appended in batches, one made durable, and a walk over all of them.
//!
//! `cargo run --release -p portcullis-store --example audit -- sqlite:audit-load.db 200000`

use std::error::Error;
use std::time::Instant;

use portcullis_core::audit::{AuditRecord, Verifier};
use portcullis_core::port::AuditFilter;
use portcullis_core::{Id, Secret};
use portcullis_store::{Options, open};

/// As the gateway writes them at most in one act.
const TOGETHER: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "memory:".to_owned());
    let count: usize = arguments.next().unwrap_or_else(|| "100000".to_owned()).parse()?;
    let key = std::env::var("DATABASE_ENCRYPTION_KEY").ok().map(Secret::from);
    let store = open(&url, key.as_ref(), &Options::default())?;
    println!("{}, {count} records, {TOGETHER} in each act", store.describe());
    let start = Instant::now();
    let mut left = count;
    while left > 0 {
        let together = left.min(TOGETHER);
        let records: Vec<_> = (0..together).map(|at| record(left - at)).collect();
        store.append_audit(&records)?;
        left -= together;
    }
    let took = start.elapsed();
    println!("appended: {took:.2?}, {:.0} a second", count as f64 / took.as_secs_f64());
    let start = Instant::now();
    for at in 0..50 {
        store.append_audit(&[record(at)])?;
    }
    println!("one, durable when it returns: {:.2?}", start.elapsed() / 50);
    let start = Instant::now();
    let ends = store.audit_ends()?;
    let mut verifier = Verifier::new(ends);
    store.each_audit(ends.cut.number, &mut |link| verifier.take(&link))?;
    let proof = verifier.finish(store.audit_ends()?)?;
    let took = start.elapsed();
    println!("verified: {took:.2?}, {:.0} a second", proof.records as f64 / took.as_secs_f64());
    let start = Instant::now();
    let filter = AuditFilter { user: Some("user-7".to_owned()), limit: 100, ..AuditFilter::default() };
    let found = store.audit(&filter)?.len();
    println!("the last {found} of one user: {:.2?}", start.elapsed());
    Ok(())
}

/// As a request to an application leaves it.
fn record(number: usize) -> AuditRecord {
    let user = number % 1000;
    AuditRecord {
        at_ms: 1_790_000_000_000 + i64::try_from(number).unwrap_or_default(),
        event: AuditRecord::REQUEST.into(),
        request_id: format!("0199aabb-ccdd-4fff-bfff-{number:012}"),
        user: Some(format!("user-{user}")),
        user_id: Some(Id::from_octets([user as u8; 16])),
        ip: Some("203.0.113.77".to_owned()),
        method: "POST".to_owned(),
        endpoint: "/advanced/batch-orders".to_owned(),
        route: "POST /advanced/batch-orders".to_owned(),
        user_agent: Some("python-requests/2.32.3".to_owned()),
        status: 200,
        duration_us: 1234,
        ..AuditRecord::default()
    }
}
