//! How long a login takes says nothing about whether there is such a user.

use std::time::Instant;

use super::*;

const TRIES: usize = 150;

/// Mann and Whitney's U as a deviation from its mean, for samples this large a standard normal one.
fn deviation(one: &[u128], other: &[u128]) -> f64 {
    let wins: f64 = one
        .iter()
        .flat_map(|a| other.iter().map(move |b| if a > b { 1.0 } else { f64::from(u8::from(a == b)) / 2.0 }))
        .sum();
    let (n, m) = (one.len() as f64, other.len() as f64);
    (wins - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

fn median(times: &[u128]) -> u128 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Known and unknown names in an order that no scheduler keeps step with, so that what else the machine does
/// meets both.
fn measure(house: &House) -> [Vec<u128>; 2] {
    let names = ["alice", "nobody"];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..TRIES {
        let first = usize::from(crate::random::bytes::<1>().unwrap()[0] % 2);
        for which in [first, 1 - first] {
            let start = Instant::now();
            assert_eq!(code(house.login(names[which], "wrong password", NOW)), "invalid-login");
            times[which].push(start.elapsed().as_nanos());
        }
    }
    times
}

#[test]
fn known_and_unknown_names_take_equally_long() {
    let cost = Argon2Cost { memory_kib: 1024, passes: 1, lanes: 1 };
    let house =
        House::with(AccountSettings { lockout_attempts: 100_000, ..settings(Algorithm::Argon2id(cost)) });
    house.register("alice");
    let [known, unknown] = measure(&house);
    let (z, ratio) = (deviation(&known, &unknown), median(&known) as f64 / median(&unknown) as f64);
    println!("{TRIES} tries each: U deviates by {z:.2} standard deviations, ratio of medians {ratio:.3}");
    // Without the work for nobody the ratio is a hundred. A busy machine moves it by some hundredths.
    assert!((0.8..1.25).contains(&ratio), "known {} ns, unknown {} ns", median(&known), median(&unknown));
}

#[test]
fn the_statistic_finds_what_is_there() {
    let same: Vec<u128> = (0..100).map(|n| n * 7919 % 101).collect();
    let shifted: Vec<u128> = same.iter().map(|n| n + 40).collect();
    assert!(deviation(&same, &same).abs() < 0.01);
    assert!(deviation(&shifted, &same) > 5.0);
}
