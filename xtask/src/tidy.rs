//! `cargo xtask tidy`: what the compiler and clippy cannot see about the order of the house.

use std::path::Path;

use crate::tree::{self, Finding, TextFile};

mod floors;
mod sources;
mod stages;

/// Checks every file and prints what is wrong; an error when anything is.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let files = tree::files(root)?;
    let findings = check(&files);
    if findings.is_empty() {
        println!("tidy: {} files in order", files.len());
        return Ok(());
    }
    let count = findings.len();
    Err(format!("{}tidy: {count} to mend\n", tree::render(findings)))
}

fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = floors::check(files);
    findings.extend(stages::check(files));
    findings.extend(sources::check(files));
    findings
}
