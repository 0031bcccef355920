//! What the directory costs: `cargo run --release -p portcullis-accounts --example directory [USERS KEYS]`.
//!
//! The rows come from maps in memory through the ports, so the time to load is that of the directory alone; a
//! database adds its own.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use portcullis_accounts::directory::{Directory, DirectorySettings, Judgement};
use portcullis_accounts::{key, random};
use portcullis_core::Id;
use portcullis_core::port::{ApiKey, Keys, NewUser, User, Users};

#[expect(dead_code, reason = "only tests lose the log")]
#[path = "../src/service/tests/memory/mod.rs"]
mod memory;

const NOW: i64 = 1_790_000_000_000;
const CHECKS: usize = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<usize>());
    let users = numbers.next().transpose()?.unwrap_or(100_000).max(1);
    let keys = numbers.next().transpose()?.unwrap_or(1_000_000);

    let store = memory::Memory::default();
    let ids = add_users(&store, users)?;
    let presented = add_keys(&store, &ids, keys)?;
    drop(ids);

    let before = resident_bytes()?;
    let directory = Directory::new(DirectorySettings::default());
    let start = Instant::now();
    directory.load(&store, NOW)?;
    let took = start.elapsed();
    let after = resident_bytes()?;
    println!("{users} users and {keys} keys loaded in {:.2} s", took.as_secs_f64());
    let octets = after.saturating_sub(before);
    println!("{} MiB, {} octets a key, users included", octets >> 20, octets / keys.max(1));
    if keys == 0 {
        return Ok(());
    }

    check("random keys, first round", &directory, |round| &presented[random_below(round, keys)]);
    check("random keys, second round", &directory, |round| &presented[random_below(round, keys)]);
    let few = keys.min(1000);
    check("random ones of a thousand", &directory, |round| &presented[random_below(round, few)]);
    let octets = resident_bytes()?.saturating_sub(after);
    println!("{} MiB more for the identities that are kept and the uses that wait to be noted", octets >> 20);

    let unknown: Vec<String> =
        (0..1000).map(|_| key::fresh("pk_").map(|fresh| fresh.key)).collect::<Result<_, _>>()?;
    measure("unknown keys", |round| {
        let judged = directory.api_key(unknown[round % unknown.len()].as_bytes(), NOW);
        assert_eq!(black_box(judged), Judgement::Rejected);
    });
    let malformed = "pk_0123456789012345678901234567890123456789012";
    measure("malformed keys", |_| {
        black_box(directory.api_key(malformed.as_bytes(), NOW));
    });
    Ok(())
}

fn check<'a>(label: &str, directory: &Directory, pick: impl Fn(usize) -> &'a String) {
    measure(label, |round| {
        let judged = directory.api_key(pick(round).as_bytes(), NOW);
        assert!(matches!(black_box(judged), Judgement::Proven(_)));
    });
}

fn measure(label: &str, check: impl Fn(usize)) {
    let mut times: Vec<Duration> = Vec::with_capacity(CHECKS);
    for round in 0..CHECKS {
        let start = Instant::now();
        check(round);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 1000].as_nanos();
    println!("{label}: p50 {} ns, p99 {} ns, p99.9 {} ns a check", at(500), at(990), at(999));
}

fn add_users(store: &memory::Memory, count: usize) -> Result<Vec<Id>, Box<dyn Error>> {
    let mut users = Vec::with_capacity(count);
    for number in 0..count {
        let user = User {
            id: random::id(NOW)?,
            name: format!("user{number:07}"),
            email: Some(format!("user{number:07}@example.com")),
            role: if number % 10 == 0 { "premium" } else { "free" }.to_owned(),
            active: true,
            created_ms: NOW,
            last_login_ms: None,
            valid_from_ms: 0,
        };
        users.push(NewUser { user, password: None });
    }
    store.create_users(&users)?;
    Ok(users.into_iter().map(|new| new.user.id).collect())
}

/// One key in four has a scope, of which there are ten.
fn add_keys(store: &memory::Memory, users: &[Id], count: usize) -> Result<Vec<String>, Box<dyn Error>> {
    let mut presented = Vec::with_capacity(count);
    for number in 0..count {
        let fresh = key::fresh("pk_")?;
        let scopes =
            if number % 4 == 0 { vec![format!("POST /live/{}/ingest", number % 10)] } else { Vec::new() };
        let key = ApiKey {
            id: random::id(NOW)?,
            user: users[number % users.len()],
            name: String::new(),
            prefix: fresh.prefix,
            digest: fresh.digest,
            scopes,
            bindings: Vec::new(),
            role: None,
            created_ms: NOW,
            expires_ms: None,
            last_used_ms: None,
            revoked_ms: None,
            replaced_by: None,
        };
        store.create_keys(&[key])?;
        presented.push(fresh.key);
    }
    Ok(presented)
}

fn resident_bytes() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim_end_matches("kB").trim().parse::<usize>()? << 10)
}

/// The same sequence each time: the multiplication (2^64 / golden ratio) spreads it.
fn random_below(round: usize, below: usize) -> usize {
    let mixed = (round as u64 ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((u128::from(mixed) * below as u128) >> 64) as usize
}
