//! What a million hostile keys cost the process, as the kernel counts it. Alone in its process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fs;

use portcullis_core::quota::{KeyPart, LimitKey, LimitTable, Rate};

/// Resident memory in KiB.
fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_million_hostile_keys_cost_at_most_64_mib() {
    let rate: Rate = "60/minute".parse().unwrap();
    let before = resident_kib();
    let table = LimitTable::default();
    let empty = resident_kib() - before;
    assert!(empty < 1024, "an empty table takes {empty} KiB");
    for number in 0..1_000_000u64 {
        let key = LimitKey::new([1, 2], 3, &[KeyPart::Octets(&number.to_le_bytes())]);
        table.take(key, LimitKey::new([1, 2], 3, &[]), &rate, number / 100);
    }
    let full = resident_kib() - before;
    println!("an empty table takes {empty} KiB, a full one {full} KiB, {table:?}");
    assert!(full <= 64 * 1024, "a full table takes {full} KiB");
    assert!(full > 48 * 1024, "the keys were not counted: {full} KiB");
    assert!(table.resident_bytes() <= LimitTable::DEFAULT_BYTES);
}
