//! `test`: runs the policy tests that stand in the configuration.

use anyhow::Result;
use portcullis_proxy::{Outcome, Snapshot};

use super::explain::{self, Question};
use crate::config::model::PolicyTest;

/// What one policy test showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The name of the test.
    pub name: String,
    /// What was expected and not found; empty when it passed.
    pub failures: Vec<String>,
}

/// Runs a test against a policy. A request that would be forwarded has no status of ours; `status = 200`
/// means that it would be.
pub fn run(snapshot: &Snapshot, test: &PolicyTest) -> Result<Verdict> {
    let explanation = explain::of(snapshot, &Question::from(test))?;
    let mut failures = Vec::new();
    let status = explanation.status.unwrap_or(200);
    let code = match &explanation.outcome {
        Outcome::Forward(_) => "forward",
        Outcome::Own | Outcome::Login | Outcome::Preflight => "answered",
        Outcome::Denied(denial) => denial.code(),
    };
    if let Some(expected) = test.status.filter(|expected| *expected != status) {
        failures.push(format!("expected status {expected}, it would be {status} ({code})"));
    }
    if let Some(expected) = test.code.as_ref().filter(|expected| *expected != code) {
        failures.push(format!("expected code `{expected}`, it would be `{code}`"));
    }
    if let Some(expected) = test.route.as_ref().filter(|expected| **expected != explanation.route) {
        failures.push(format!("expected route `{expected}`, it would be `{}`", explanation.route));
    }
    Ok(Verdict { name: test.name.clone(), failures })
}
