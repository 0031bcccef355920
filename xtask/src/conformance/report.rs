//! The table people read: `docs/conformance.md`.

use std::fmt::Write as _;

use super::claims::Claim;
use super::ledger::{Ledger, Standing};
use super::suite::Suite;

const SYSTEMS: [(&str, &str); 6] = [
    ("P", "Pump Analyzer"),
    ("T", "ticker-service"),
    ("E", "EchoTuner"),
    ("K", "KalshiWhale"),
    ("B", "BTC Forecasting"),
    ("X", "Across the five"),
];

/// `N claims: N tested, N application, N operator, N not yet`.
pub(crate) fn sums(claims: &[Claim], ledger: &Ledger, suite: &Suite) -> String {
    let all: Vec<&Claim> = claims.iter().collect();
    let counts = Counts::of(&all, ledger, suite);
    format!(
        "{} claims: {} tested, {} application, {} operator, {} not yet",
        claims.len(),
        counts.tested,
        counts.application,
        counts.operator,
        counts.not_yet
    )
}

/// The whole document.
pub(crate) fn render(claims: &[Claim], ledger: &Ledger, suite: &Suite) -> String {
    let mut text = format!(
        "# Conformance\n\n\
         Rendered by `cargo xtask conformance --write` from [the contract](contract.md), the end-to-end tests\n\
         and `conformance.toml`; CI fails when a claim has neither a test nor a line, or both.\n\n\
         {}.\n\n\
         | system | claims | tested | application | operator | not yet |\n\
         |---|---:|---:|---:|---:|---:|\n",
        sums(claims, ledger, suite)
    );
    for (letter, name) in SYSTEMS {
        let own: Vec<&Claim> = claims.iter().filter(|claim| claim.id.system() == letter).collect();
        let counts = Counts::of(&own, ledger, suite);
        let row = [own.len(), counts.tested, counts.application, counts.operator, counts.not_yet];
        let row: Vec<String> = row.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "| {letter} {name} | {} |", row.join(" | "));
    }
    for (letter, name) in SYSTEMS {
        let _ = write!(text, "\n## {letter} {name}\n\n| claim | when | shown by |\n|---|---|---|\n");
        for claim in claims.iter().filter(|claim| claim.id.system() == letter) {
            let _ = writeln!(
                text,
                "| {} | {} | {} |",
                claim.id,
                cell(&claim.given),
                shown_by(claim, ledger, suite)
            );
        }
    }
    text
}

fn shown_by(claim: &Claim, ledger: &Ledger, suite: &Suite) -> String {
    let tests = suite.tests_of(&claim.id);
    if !tests.is_empty() {
        let names: Vec<String> = tests.iter().map(|test| format!("`{}`", test.name)).collect();
        return names.join("<br>");
    }
    ledger
        .lines
        .get(&claim.id)
        .map_or_else(String::new, |line| format!("{}: {}", line.standing.name(), cell(&line.why)))
}

/// Text that stands in a cell of a table.
fn cell(text: &str) -> String {
    // A bar ends the cell even between backticks.
    text.replace("\\|", "|").replace('|', "\\|")
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    tested: usize,
    application: usize,
    operator: usize,
    not_yet: usize,
}

impl Counts {
    fn of(claims: &[&Claim], ledger: &Ledger, suite: &Suite) -> Self {
        let mut counts = Self::default();
        for claim in claims {
            match ledger.lines.get(&claim.id).map(|line| line.standing) {
                _ if !suite.tests_of(&claim.id).is_empty() => counts.tested += 1,
                Some(Standing::Application) => counts.application += 1,
                Some(Standing::Operator) => counts.operator += 1,
                Some(Standing::NotYet) => counts.not_yet += 1,
                None => {}
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::super::{claims, ledger, suite};
    use super::*;
    use crate::tree::TextFile;

    #[test]
    fn every_claim_has_its_row_and_is_counted_once() {
        let claims =
            claims::parse("P-A-01 | `a|b` | t | GW\nP-A-02 | g | t | APP\nX-01 | g | t | GW\n").unwrap();
        let ledger = ledger::parse("\"P-A-02\" = { owner = \"application\", why = \"passed on\" }\n\"X-01\" = { not_yet = \"users\" }\n").unwrap();
        let main =
            TextFile { path: "tests/e2e/main.rs".to_owned(), text: "#[test]\nfn p_a_01_x() {}\n".to_owned() };
        let suite = suite::collect(&[main], &["tests/e2e/main.rs"]);
        assert_eq!(
            sums(&claims, &ledger, &suite),
            "3 claims: 1 tested, 1 application, 0 operator, 1 not yet"
        );
        let text = render(&claims, &ledger, &suite);
        for row in [
            "| P Pump Analyzer | 2 | 1 | 1 | 0 | 0 |",
            "| P-A-01 | `a\\|b` | `p_a_01_x` |",
            "| P-A-02 | g | application: passed on |",
            "| X-01 | g | not yet: users |",
        ] {
            assert!(text.contains(row), "{row} in {text}");
        }
    }
}
