//! Fills a store with users and keys and reads everything back, as a gateway does when it starts.
//!
//! `cargo run --release -p portcullis-store --example load -- URL USERS KEYS`, with the store's key in
//! `DATABASE_ENCRYPTION_KEY` where it has one.

use std::env;
use std::error::Error;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use portcullis_core::port::{ApiKey, NewUser, Store, User};
use portcullis_core::{Id, Secret};
use portcullis_store::{Options, open};

/// How many rows are made by one act.
const BATCH: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [url, users, keys] = arguments.as_slice() else {
        return Err("usage: load URL USERS KEYS".into());
    };
    let (users, keys): (u64, u64) = (users.parse()?, keys.parse()?);
    if users == 0 {
        return Err("keys need users: at least one".into());
    }
    let key = env::var("DATABASE_ENCRYPTION_KEY").ok().map(Secret::new);
    let start_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;

    let store = timed("open", 1, || open(url, key.as_ref(), &Options::default()))?;
    println!("{}", store.describe());
    timed("make users", users, || {
        fill(users, |range| store.create_users(&range.map(|n| user(start_ms, n)).collect::<Vec<_>>()))
    })?;
    timed("make keys", keys, || {
        fill(keys, |range| {
            store.create_keys(&range.map(|n| api_key(start_ms, n, n % users)).collect::<Vec<_>>())
        })
    })?;
    drop(store);

    let store = timed("open again", 1, || open(url, key.as_ref(), &Options::default()))?;
    let mut found = (0_u64, 0_u64);
    timed("read users", users, || store.each_user(&mut |_| found.0 += 1))?;
    timed("read keys", keys, || store.each_key(start_ms.cast_signed(), &mut |_| found.1 += 1))?;
    // A store may have had others before.
    if found.0 < users || found.1 < keys {
        return Err(format!("{} users and {} keys came back", found.0, found.1).into());
    }
    one_by_one(&*store, start_ms, users)
}

/// What a single act costs, which is durable when it returns.
fn one_by_one(store: &dyn Store, start_ms: u64, users: u64) -> Result<(), Box<dyn Error>> {
    let single = 1000;
    timed("make single users", single, || {
        (users..users + single).try_for_each(|n| store.create_users(&[user(start_ms, n)]))
    })?;
    timed("find users by name", single, || {
        (0..single).try_for_each(|n| store.account_by_name(&name(start_ms, n % users)).map(drop))
    })?;
    Ok(())
}

fn fill<E>(count: u64, mut make: impl FnMut(std::ops::Range<u64>) -> Result<(), E>) -> Result<(), E> {
    let mut from = 0;
    while from < count {
        let to = count.min(from + BATCH);
        make(from..to)?;
        from = to;
    }
    Ok(())
}

fn timed<T, E>(what: &str, count: u64, act: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    let done = act()?;
    let took: Duration = start.elapsed();
    let each = took.as_secs_f64() * 1e6 / count.max(1) as f64;
    println!("{what:20} {count:>9}  {:>9.3} s  {each:>8.1} µs each", took.as_secs_f64());
    Ok(done)
}

fn name(start_ms: u64, number: u64) -> String {
    format!("user-{start_ms}-{number}")
}

fn user(start_ms: u64, number: u64) -> NewUser {
    let name = name(start_ms, number);
    let user = User {
        id: Id::fresh(start_ms, mixed(1, number)),
        email: Some(format!("{name}@example.org")),
        name,
        role: "free".to_owned(),
        active: true,
        created_ms: start_ms.cast_signed(),
        last_login_ms: None,
        valid_from_ms: 0,
    };
    // As long as a hash of Argon2id in PHC form; nobody logs in with it.
    NewUser { user, password: Some(format!("$argon2id$v=19$m=19456,t=2,p=1${}", "A".repeat(66))) }
}

fn api_key(start_ms: u64, number: u64, owner: u64) -> ApiKey {
    let mut digest = [0; 32];
    digest[..16].copy_from_slice(&mixed(start_ms, number).to_be_bytes());
    digest[16..].copy_from_slice(&mixed(start_ms + 1, number).to_be_bytes());
    ApiKey {
        id: Id::fresh(start_ms + 1 + number / 1000, mixed(2, number)),
        user: Id::fresh(start_ms, mixed(1, owner)),
        name: "load".to_owned(),
        prefix: "pk_AbCdEf".to_owned(),
        digest,
        scopes: vec!["GET /v1/*".to_owned()],
        bindings: Vec::new(),
        role: None,
        created_ms: start_ms.cast_signed(),
        expires_ms: None,
        last_used_ms: None,
        revoked_ms: None,
        replaced_by: None,
    }
}

/// Different for each number, and spread as digests and random bits are: `SplitMix64`, twice
/// (<https://prng.di.unimi.it/splitmix64.c>).
fn mixed(seed: u64, number: u64) -> u128 {
    let step = |add: u64| {
        let mut z =
            seed.wrapping_mul(0xd134_2543_de82_ef95) ^ (2 * number + add).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    u128::from(step(1)) << 64 | u128::from(step(2))
}
