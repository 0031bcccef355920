//! What the patterns find in lists of texts, and what that costs:
//! `cargo run --release -p portcullis-gate --example patterns -- LIST…`, a JSON array of texts each.
//! With `--show` the texts that reach the threshold are printed, with `--missed` those that do not.

#![allow(clippy::print_stdout, reason = "an example speaks on its standard output")]

use std::collections::BTreeMap;
use std::time::Instant;

use portcullis_gate::validate::patterns::{Findings, Patterns};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (options, lists): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|it| it.starts_with("--"));
    let asked = |name: &str| options.iter().any(|it| it == name);
    for list in lists {
        let texts: Vec<String> = serde_json::from_slice(&std::fs::read(&list)?)?;
        let patterns = Patterns::default();
        let (mut caught, mut rules) = (0, BTreeMap::<&str, usize>::new());
        for text in &texts {
            let mut findings = Findings::default();
            patterns.inspect_text(text, &mut findings);
            let attack = findings.score() >= patterns.threshold;
            caught += usize::from(attack);
            for (rule, _) in findings.found() {
                *rules.entry(rule.name()).or_default() += 1;
            }
            if attack && asked("--show") || !attack && asked("--missed") {
                let named: Vec<_> = findings.found().iter().map(|(rule, _)| rule.name()).collect();
                println!("{text:?} {named:?}");
            }
        }
        let bytes: usize = texts.iter().map(String::len).sum();
        let start = Instant::now();
        let rounds = (4_000_000 / bytes.max(1)).max(1);
        for _ in 0..rounds {
            for text in &texts {
                patterns.inspect_text(std::hint::black_box(text), &mut Findings::default());
            }
        }
        let micros = start.elapsed().as_secs_f64() * 1e6;
        println!(
            "{list}: {caught} of {} ({:.1} %), {:.2} µs a KiB",
            texts.len(),
            100.0 * caught as f64 / texts.len() as f64,
            micros / (bytes * rounds) as f64 * 1024.0
        );
        println!("  {rules:?}");
    }
    Ok(())
}
