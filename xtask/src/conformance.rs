//! `cargo xtask conformance`: every claim of the contract has its test, or its one line why not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::tree::{self, Finding};

use claims::{Claim, Id};
use ledger::{Ledger, Standing};
use suite::Suite;

mod claims;
mod ledger;
mod report;
mod suite;

const CONTRACT: &str = "docs/contract.md";
const LEDGER: &str = "docs/conformance.toml";
const REPORT: &str = "docs/conformance.md";
const SUITE_ROOTS: [&str; 2] = ["tests/e2e/main.rs", "tests/e2e/lib.rs"];

/// Whether the rendered table is compared or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Fail when the table on disk says something else.
    Check,
    /// Write it.
    Write,
}

/// Checks that each claim stands in exactly one place and prints the sums.
pub(crate) fn run(root: &Path, mode: Mode) -> Result<(), String> {
    let files = tree::files(root)?;
    let text = |path: &str| {
        let file = files.iter().find(|file| file.path == path);
        file.map(|file| file.text.as_str()).ok_or_else(|| format!("{path} is missing\n"))
    };
    let claims = claims::parse(text(CONTRACT)?)?;
    let ledger = ledger::parse(text(LEDGER)?)?;
    let suite = suite::collect(&files, &SUITE_ROOTS);

    let findings = judge(&claims, &ledger, &suite);
    if !findings.is_empty() {
        let count = findings.len();
        return Err(format!("{}conformance: {count} to mend\n", tree::render(findings)));
    }
    let rendered = report::render(&claims, &ledger, &suite);
    match mode {
        Mode::Write => {
            std::fs::write(root.join(REPORT), &rendered).map_err(|error| format!("{REPORT}: {error}\n"))?;
        }
        Mode::Check if text(REPORT).is_ok_and(|on_disk| on_disk == rendered) => {}
        Mode::Check => {
            return Err(format!(
                "{REPORT} is not what the tests and {LEDGER} say: cargo xtask conformance --write\n"
            ));
        }
    }
    println!("{}", report::sums(&claims, &ledger, &suite));
    Ok(())
}

/// What is wrong: a claim in no place or in two, a line or a test for a claim that is not in the contract,
/// a line that contradicts the claim's tag, a test that does not run.
fn judge(claims: &[Claim], ledger: &Ledger, suite: &Suite) -> Vec<Finding> {
    let mut findings: Vec<Finding> = suite.findings.clone();
    let at = |path: &str, line: usize, what: String| Finding { path: path.to_owned(), line, what };

    let known: BTreeMap<&Id, &Claim> = claims.iter().map(|claim| (&claim.id, claim)).collect();
    let groups: BTreeSet<&str> = claims.iter().map(|claim| claim.id.group()).collect();

    for claim in claims {
        let tests = suite.tests_of(&claim.id);
        let line = ledger.lines.get(&claim.id);
        match (tests.is_empty(), line) {
            (true, None) => findings.push(at(
                CONTRACT,
                claim.line,
                format!("{} has neither a test with its name nor a line in {LEDGER}", claim.id),
            )),
            (false, Some(line)) => findings.push(at(
                LEDGER,
                line.number,
                format!("{} is tested by `{}`: take its line away", claim.id, tests[0].name),
            )),
            _ => {}
        }
    }
    for (id, line) in &ledger.lines {
        let Some(claim) = known.get(id) else {
            findings.push(at(LEDGER, line.number, format!("{id} is not in {CONTRACT}")));
            continue;
        };
        let allowed = match line.standing {
            Standing::Application => claim.tag.application,
            Standing::Operator => claim.tag.operator,
            Standing::NotYet => true,
        };
        if !allowed {
            findings.push(at(
                LEDGER,
                line.number,
                format!(
                    "{id} is tagged `{}`: it is not the {}'s alone",
                    claim.tag.text,
                    line.standing.name()
                ),
            ));
        }
    }
    for test in &suite.tests {
        for id in test.ids.iter().filter(|id| !known.contains_key(id) && groups.contains(id.group())) {
            findings.push(at(
                &test.path,
                test.line,
                format!("`{}` names {id}, which is not in {CONTRACT}", test.name),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::TextFile;

    const CLAIMS: &str = "P-TOK-01 | a | b | GW D\nP-APP-01 | a | b | APP C\nX-01 | a | b | GW\n";

    fn judged(ledger: &str, tests: &str) -> Vec<String> {
        let main = TextFile { path: "tests/e2e/main.rs".to_owned(), text: tests.to_owned() };
        let suite = suite::collect(&[main], &["tests/e2e/main.rs"]);
        let claims = claims::parse(CLAIMS).unwrap();
        let ledger = ledger::parse(ledger).unwrap();
        judge(&claims, &ledger, &suite).into_iter().map(|finding| finding.what).collect()
    }

    const LINES: &str =
        "\"P-APP-01\" = { owner = \"application\", why = \"w\" }\n\"X-01\" = { not_yet = \"w\" }\n";

    #[test]
    fn each_claim_in_one_place_is_in_order() {
        assert!(judged(LINES, "#[test]\nfn p_tok_01_missing() {}\n").is_empty());
    }

    #[test]
    fn a_claim_in_no_place_is_named() {
        let found = judged(LINES, "fn p_tok_01_not_a_test() {}\n");
        assert!(found.len() == 1 && found[0].starts_with("P-TOK-01 has neither"), "{found:?}");
    }

    #[test]
    fn a_claim_in_both_places_is_named() {
        let found = judged(LINES, "#[test]\nfn p_tok_01_x_01_both() {}\n");
        assert!(found.len() == 1 && found[0].starts_with("X-01 is tested"), "{found:?}");
    }

    #[test]
    fn a_line_or_a_test_for_no_claim_is_named() {
        let found = judged(
            &format!("{LINES}\"P-APP-99\" = {{ not_yet = \"w\" }}\n"),
            "#[test]\nfn p_tok_01_p_tok_77() {}\n",
        );
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn what_the_gateway_must_do_is_nobody_elses() {
        let lines = LINES.replace("not_yet = \"w\"", "owner = \"operator\", why = \"w\"");
        let found = judged(&lines, "#[test]\nfn p_tok_01() {}\n");
        assert!(found.len() == 1 && found[0].starts_with("X-01 is tagged"), "{found:?}");
    }
}
