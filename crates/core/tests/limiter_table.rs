//! The table of limits: many keys, hostile ones among them, many cores, and what happens when it is full.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;

use portcullis_core::quota::{KeyPart, LimitKey, LimitTable, Rate};
use proptest::collection::vec;
use proptest::prelude::*;

const SEED: [u64; 2] = [7, 11];
const MIB: usize = 1 << 20;

/// A client of an address, under a rule, with the allowance its network shares.
fn keys(rule: u64, address: u32) -> (LimitKey, LimitKey) {
    let address = Ipv4Addr::from(address).into();
    (
        LimitKey::new(SEED, rule, &[KeyPart::Address(address)]),
        LimitKey::new(SEED, rule, &[KeyPart::Network(address)]),
    )
}

fn admitted(table: &LimitTable, rule: u64, address: u32, rate: &Rate, now_ms: u64) -> bool {
    let (key, overflow) = keys(rule, address);
    table.take(key, overflow, rate, now_ms).admitted
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

#[test]
fn a_million_hostile_keys_refill_nobody() {
    let table = LimitTable::default();
    let (known_rate, hostile_rate) = (rate("5/minute"), rate("1/minute"));
    assert!(table.resident_bytes() < MIB / 2, "{table:?}");
    for known in 0..1000 {
        assert_eq!((0..6).filter(|_| admitted(&table, 1, known, &known_rate, 0)).count(), 5);
    }
    let hostile = |number: u32| number.wrapping_mul(2_654_435_761);
    for round in 0..2u32 {
        let mut through = 0;
        for number in 0..1_000_000u32 {
            let now_ms = u64::from(round * 25_000 + number / 40);
            through += u32::from(admitted(&table, 2, hostile(number), &hostile_rate, now_ms));
            if number.is_multiple_of(100) {
                let known = number / 100 % 1000;
                assert!(!admitted(&table, 1, known, &known_rate, now_ms), "{known} in round {round}");
            }
        }
        // Newcomers without a slot of their own share one request by network, so most of a round's million
        // pass once, and nobody passes twice.
        match round {
            0 => assert!((850_000..1_000_000).contains(&through), "{through}"),
            _ => assert_eq!(through, 0),
        }
    }
    assert!(table.resident_bytes() <= 64 * MIB, "{table:?}");
    assert!(table.slots() > 900_000);

    // Once all of it has left the window the same slots serve as many others.
    let later_ms = 200_000;
    assert!(admitted(&table, 1, 3, &known_rate, later_ms));
    let through = (0..500_000u32)
        .filter(|number| admitted(&table, 2, 0x8000_0000 | number << 8, &hostile_rate, later_ms))
        .count();
    assert!(through > 499_000, "{through}");
    assert!(table.resident_bytes() <= 64 * MIB);
}

#[test]
fn memory_keeps_to_the_budget() {
    for mib in [1, 4, 16] {
        let table = LimitTable::new(mib * MIB);
        let rate = rate("1/hour");
        for address in 0..mib as u32 * 20_000 {
            admitted(&table, 1, address.wrapping_mul(2_654_435_761), &rate, 5);
        }
        let bytes = table.resident_bytes();
        assert!(bytes <= mib * MIB && bytes > mib * MIB * 9 / 10, "{bytes} of {mib} MiB");
        // 69 octets a slot, and one slot in 16 is for what networks share.
        assert!(table.slots() * 75 > mib * MIB - 64 * 1024, "{} slots in {mib} MiB", table.slots());
    }
}

#[test]
fn newcomers_of_a_full_table_share_by_network() {
    let table = LimitTable::new(0);
    let (hour, minute) = (rate("1/hour"), rate("3/minute"));
    // So many that every set is full of keys that still count.
    for address in 0..2000 {
        admitted(&table, 9, address, &hour, 0);
    }
    let through = |network: u32, now_ms: u64| {
        (0..10).filter(|host| admitted(&table, 1, network << 16 | host, &minute, now_ms)).count()
    };
    assert_eq!(through(0x0a01, 1), 3);
    assert_eq!(through(0x0a02, 2), 3);
    assert_eq!(through(0x0a01, 60_001), 0);
    assert_eq!(through(0x0a01, 60_002), 3);
    // Where there is room again everybody has an allowance again, less what the network has used of late.
    let later_ms = 3_600_000 + 60_002;
    assert!((0..10).all(|host| admitted(&table, 1, 0x0a03 << 16 | host, &minute, later_ms)));
}

#[test]
fn a_slot_is_free_the_moment_its_key_has_nothing_in_the_window() {
    let table = LimitTable::new(0);
    let (short, minute) = (rate("1/10s"), rate("1/minute"));
    for address in 0..2000 {
        admitted(&table, 9, address, &short, u64::from(address) / 200);
    }
    let through = |network: u32, now_ms: u64| {
        (0..30).filter(|host| admitted(&table, 1, network << 16 | host, &minute, now_ms)).count()
    };
    assert_eq!(through(0x0a00, 9_999), 1);
    assert_eq!(through(0x0b00, 10_010), 30);
}

#[test]
fn who_counted_with_others_does_not_begin_anew_with_a_slot() {
    let table = LimitTable::new(0);
    let (minute, long) = (rate("1/minute"), rate("4/hour"));
    for address in 0..2000 {
        admitted(&table, 9, address, &minute, 0);
    }
    assert_eq!((0..9).filter(|_| admitted(&table, 1, 0x0a00_0001, &long, 1)).count(), 4);
    // Now there is room, but the hour is not over.
    let (key, overflow) = keys(1, 0x0a00_0001);
    assert_eq!(table.peek(key, overflow, &long, 70_000).remaining, 0);
    assert!(!admitted(&table, 1, 0x0a00_0001, &long, 70_000));
    assert!(admitted(&table, 1, 0x0b00_0001, &long, 70_000));
    assert!(admitted(&table, 1, 0x0a00_0001, &long, 3_600_002));
}

#[test]
fn one_key_under_several_rules_never_mixes() {
    let table = LimitTable::new(MIB);
    let (minute, hour) = (rate("2/minute"), rate("3/hour"));
    for address in 0..100 {
        for _ in 0..2 {
            assert!(admitted(&table, 1, address, &minute, 1000));
            assert!(admitted(&table, 2, address, &hour, 1000));
        }
        assert!(!admitted(&table, 1, address, &minute, 1000));
        assert!(admitted(&table, 2, address, &hour, 1000));
        assert!(!admitted(&table, 2, address, &hour, 1000));
    }
}

#[test]
fn asking_takes_nothing() {
    let table = LimitTable::new(MIB);
    let rate = rate("1/minute");
    let (key, overflow) = keys(1, 1);
    for _ in 0..5 {
        assert_eq!(table.peek(key, overflow, &rate, 5).remaining, 1);
    }
    assert!(table.take(key, overflow, &rate, 5).admitted);
    assert!(!table.peek(key, overflow, &rate, 5).admitted);
    table.give_back(key, overflow, &rate, 5);
    assert_eq!(table.peek(key, overflow, &rate, 5).remaining, 1);
    table.give_back(key, overflow, &rate, 5);
    assert_eq!(table.peek(key, overflow, &rate, 5).remaining, 1);
}

#[test]
fn cores_on_one_key_share_one_allowance() {
    const CORES: u64 = 4;
    let table = LimitTable::new(MIB);
    let rate = rate("100/minute");
    let (key, overflow) = keys(1, 1);
    let clock = AtomicU64::new(0);
    let barrier = Barrier::new(CORES as usize);
    let admitted: Vec<u64> = thread::scope(|scope| {
        let work = |core: u64| {
            let mut admitted = Vec::new();
            for step in 0..400 {
                // Everybody is within one step of the others, so moments come out of order a little.
                barrier.wait();
                if core == 0 {
                    clock.store(step * 997, Ordering::SeqCst);
                }
                barrier.wait();
                for _ in 0..20 {
                    let now_ms = clock.load(Ordering::SeqCst);
                    if table.take(key, overflow, &rate, now_ms).admitted {
                        admitted.push(now_ms);
                    }
                }
            }
            admitted
        };
        let cores: Vec<_> = (0..CORES).map(|core| scope.spawn(move || work(core))).collect();
        cores.into_iter().flat_map(|core| core.join().unwrap()).collect()
    });
    let mut admitted = admitted;
    admitted.sort_unstable();
    for (first, last) in admitted.iter().zip(admitted.iter().skip(100)) {
        assert!(last - first >= 60_000, "101 from {first} to {last}");
    }
    assert!(admitted.len() >= 600, "{} in seven windows", admitted.len());
}

#[test]
fn cores_on_many_new_keys_give_nobody_two_slots() {
    let rate = rate("2/minute");
    for round in 0..50 {
        let table = LimitTable::new(0);
        let through: Vec<AtomicU32> = (0..300).map(|_| AtomicU32::new(0)).collect();
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for core in 0..4u32 {
                let (table, through, barrier, rate) = (&table, &through, &barrier, &rate);
                scope.spawn(move || {
                    barrier.wait();
                    for step in 0..1200u32 {
                        let client = (step + core) % 300;
                        let address = client << 15;
                        if admitted(table, round, address, rate, u64::from(core)) {
                            through[client as usize].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        for (client, through) in through.iter().enumerate() {
            assert!(through.load(Ordering::Relaxed) <= 2, "client {client} in round {round}: {through:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// However keys wander between slots of their own and shared ones while a table far too small fills and
    /// empties, none is ever admitted more often than its limit allows, and what was given back does not count.
    #[test]
    fn a_table_far_too_small_keeps_every_limit(
        requests in vec((0..700u32, prop_oneof![4 => Just(0u64), 3 => 0..200u64, 1 => 0..30_000u64], 0..20u8), 4000),
    ) {
        let table = LimitTable::new(0);
        let rates = [rate("1/minute"), rate("3/10s"), rate("40/2m")];
        let mut admitted: HashMap<u32, Vec<u64>> = HashMap::new();
        let mut now_ms = 0;
        for (client, gap, then) in requests {
            now_ms += gap;
            let rule = client as usize % rates.len();
            // Some networks hold many clients, some one.
            let address = if client < 350 { client << 16 } else { 0x0a00_0000 | client << 13 };
            let (key, overflow) = keys(rule as u64, address);
            let rate = &rates[rule];
            let asked = table.peek(key, overflow, rate, now_ms);
            let verdict = table.take(key, overflow, rate, now_ms);
            prop_assert_eq!(asked.admitted, verdict.admitted);
            if !verdict.admitted {
                continue;
            }
            if then == 0 {
                table.give_back(key, overflow, rate, now_ms);
                prop_assert_eq!(table.peek(key, overflow, rate, now_ms).remaining, asked.remaining);
                continue;
            }
            let of_client = admitted.entry(client).or_default();
            of_client.push(now_ms);
            let recent = of_client.iter().rev().take_while(|before| now_ms - **before < rate.counted_ms()).count();
            prop_assert!(recent <= rate.count() as usize, "client {client}: {recent} at {now_ms}");
        }
    }
}
