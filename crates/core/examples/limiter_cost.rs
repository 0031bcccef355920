//! What a check of a limit costs: `cargo run --release -p portcullis-core --example limiter_cost`.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Instant;

use portcullis_core::quota::{KeyPart, LimitKey, LimitTable, Rate, RateError, RecentSuccess};

const SEED: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];
const ROUNDS: u32 = 20;
const CHECKS: u32 = 500_000;

fn main() -> Result<(), RateError> {
    let rate: Rate = "60/minute".parse()?;
    let wide: Rate = "1000000/hour".parse()?;
    println!("nanoseconds per check, best and worst of {ROUNDS} rounds of {CHECKS}");

    report("the key of an address", |check| {
        black_box(address(black_box(check)));
    });

    let table = LimitTable::default();
    let (hot, all) = (address(1), LimitKey::new(SEED, 1, &[]));
    report("one hot key, admitted", |check| {
        black_box(table.take(black_box(hot), all, &wide, u64::from(check / 1000)));
    });
    report("one hot key, refused", |check| {
        black_box(table.take(black_box(hot), all, &rate, u64::from(check % 1000)));
    });

    // What the machine asks for touching memory at random, to judge the rest by.
    let lines: Vec<[u64; 8]> = (0..1 << 20).map(|number| [number; 8]).collect();
    let mut done = 0;
    report("a bare read in 64 MiB, at random", |check| {
        done = black_box((lines[random_below(check + done, 1 << 20) as usize][0] >> 20) as u32);
    });
    drop(lines);

    for (keys, label) in [(500_000, "random one of 500,000"), (1_000_000, "random one of a million")] {
        let table = LimitTable::default();
        for number in 0..keys {
            take(&table, number, &rate, 0);
        }
        let mib = table.resident_bytes() >> 20;
        // A gateway does other work between two checks: here each waits for the one before.
        let mut done = 0;
        report(&format!("{label}, with its key ({mib} MiB)"), |check| {
            done = take(&table, random_below(check + done, keys), &rate, u64::from(check / 1000));
        });
    }

    let flooded = LimitTable::default();
    for number in 0..1_500_000 {
        take(&flooded, number, &rate, 0);
    }
    let mut done = 0;
    report("a newcomer at a full table, with its key", |check| {
        done = take(&flooded, 0x8000_0000 + check + done, &rate, u64::from(check / 1000));
    });

    let cores = thread::available_parallelism().map_or(1, usize::from);
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                for check in 0..CHECKS {
                    black_box(table.take(black_box(hot), all, &wide, u64::from(check / 1000)));
                }
            });
        }
    });
    let nanoseconds = started.elapsed().as_nanos() as f64 / f64::from(CHECKS);
    println!("{nanoseconds:8.0}           one hot key, {cores} threads at once, each check");

    let recent = RecentSuccess::default();
    recent.record(hot, 0);
    report("a recent success", |check| {
        black_box(recent.contains(black_box(hot), u64::from(check)));
    });
    Ok(())
}

/// Answers 0, which the processor does not know before the check is done.
fn take(table: &LimitTable, number: u32, rate: &Rate, now_ms: u64) -> u32 {
    // A bijection that spreads the numbers over all networks.
    let ip = IpAddr::V4(Ipv4Addr::from(number.wrapping_mul(2_654_435_761)));
    let key = LimitKey::new(SEED, 1, &[KeyPart::Address(ip)]);
    let overflow = LimitKey::new(SEED, 1, &[KeyPart::Network(ip)]);
    table.take(key, overflow, rate, now_ms).remaining / 61
}

fn address(number: u32) -> LimitKey {
    LimitKey::new(SEED, 1, &[KeyPart::Address(IpAddr::V4(Ipv4Addr::from(number)))])
}

/// The multiplier of Knuth's MMIX generator, applied twice.
fn random_below(number: u32, bound: u32) -> u32 {
    let mixed = (u64::from(number) + 1).wrapping_mul(6_364_136_223_846_793_005).rotate_left(32);
    (((mixed.wrapping_mul(6_364_136_223_846_793_005) >> 32) * u64::from(bound)) >> 32) as u32
}

fn report(label: &str, mut check: impl FnMut(u32)) {
    let mut rounds = [0.0; ROUNDS as usize];
    for (round, nanoseconds) in (0..ROUNDS).zip(&mut rounds) {
        let started = Instant::now();
        for number in 0..CHECKS {
            check(round * CHECKS + number);
        }
        *nanoseconds = started.elapsed().as_nanos() as f64 / f64::from(CHECKS);
    }
    rounds.sort_unstable_by(f64::total_cmp);
    println!("{:8.0} {:8.0}  {label}", rounds[0], rounds[rounds.len() - 1]);
}
