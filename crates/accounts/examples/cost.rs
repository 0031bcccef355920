//! What it costs to verify tokens, keys and passwords: `cargo run --release -p portcullis-accounts --example cost`.

use std::hint::black_box;
use std::time::Instant;

use portcullis_accounts::password::{Algorithm, Hasher, Policy};
use portcullis_accounts::token::{Alg, Keyring, Subject, TokenSettings, Tokens};
use portcullis_accounts::{key, random};
use portcullis_core::Secret;

const NOW_MS: i64 = 1_800_000_000_000;
/// More tokens than are remembered, so that each is new when its turn comes again.
const MANY: usize = 70_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for alg in Alg::ALL {
        let keyring = match alg {
            Alg::HS256 => Keyring::hs256(&[Secret::new(random::bytes::<32>()?.to_vec())])?,
            alg => Keyring::from_pkcs8(&[Keyring::generate(alg, NOW_MS)?])?,
        };
        tokens(alg, keyring)?;
    }
    let fresh = key::fresh("pk_")?.key;
    let one = seconds(1_000_000, || {
        assert!(key::is_well_formed(black_box(fresh.as_bytes()), "pk_"));
        black_box(key::digest(fresh.as_bytes()));
    });
    println!("API key, checksum and digest: {:.0} ns", one * 1e9);
    for (name, algorithm) in [("argon2id", Algorithm::default()), ("bcrypt 12", Algorithm::Bcrypt(12))] {
        let hasher = Hasher::new(algorithm)?;
        let hash = hasher.hash(b"SecurePassword123!")?;
        let one = seconds(5, || drop(black_box(hasher.verify(&hash, b"SecurePassword123!"))));
        println!("{name}, one verification: {:.1} ms", one * 1e3);
    }
    let policy = Policy::default();
    for (name, password) in
        [("the guide's", "SecurePassword123!".to_owned()), ("the longest", "aB3$".repeat(256))]
    {
        let one = seconds(10, || drop(black_box(policy.judge(&password, &["newuser", "user@example.com"]))));
        println!("policy, {name} password: {:.2} ms", one * 1e3);
    }
    Ok(())
}

fn tokens(alg: Alg, keyring: Keyring) -> Result<(), Box<dyn std::error::Error>> {
    let settings = TokenSettings {
        issuer: "https://gateway.example".to_owned(),
        audience: "portcullis".to_owned(),
        access_ttl_s: 1800,
        refresh_ttl_s: 604_800,
        leeway_s: 0,
    };
    let tokens = Tokens::new(settings, keyring)?;
    let subject = Subject { user: "ann", id: random::id(NOW_MS)?, family: random::id(NOW_MS)?, role: "free" };
    // Signing with RSA takes too long for so many.
    let many = if alg == Alg::RS256 { 2_000 } else { MANY };
    let issuing = Instant::now();
    let issued = (0..many).map(|_| tokens.issue_access(&subject, NOW_MS)).collect::<Result<Vec<_>, _>>()?;
    let issue = issuing.elapsed().as_secs_f64() / many as f64;

    let mut next = issued.iter();
    let miss = seconds(many, || drop(next.next().map(|one| tokens.access(one.token.as_bytes(), NOW_MS))));
    let one = &issued[many - 1].token;
    let hit = seconds(1_000_000, || drop(black_box(tokens.access(black_box(one.as_bytes()), NOW_MS))));
    let recent = &issued[many - 1000..];
    let mut turn = 0;
    let spread = seconds(1_000_000, || {
        turn = (turn + 1) % recent.len();
        drop(black_box(tokens.access(black_box(recent[turn].token.as_bytes()), NOW_MS)));
    });
    println!(
        "{:5} of {} bytes: issue {:.1} µs, miss {:.1} µs, hit {:.0} ns, hit among a thousand {:.0} ns",
        alg.name(),
        one.len(),
        issue * 1e6,
        miss * 1e6,
        hit * 1e9,
        spread * 1e9,
    );
    Ok(())
}

/// How long one of so many takes.
fn seconds(times: usize, mut act: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        act();
    }
    start.elapsed().as_secs_f64() / times as f64
}
