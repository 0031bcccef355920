//! `portcullis test`: runs the policy tests of configurations.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use super::sources::SourceArgs;
use crate::assemble::{self, Doors};
use crate::config::{Sources, load};
use crate::ops::accounts::Judges;
use crate::ops::policy_test::{self, Verdict};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis test
  portcullis test staging.toml production.toml")]
pub struct Args {
    /// Configuration files [default: the one that `run` would take]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub sources: SourceArgs,
}

/// Exit status 1 when a test failed, or when there was none to run.
pub(super) fn execute(args: &Args) -> ExitCode {
    let base = args.sources.sources();
    let all: Vec<Sources> = if args.files.is_empty() {
        vec![base]
    } else {
        args.files.iter().map(|file| Sources { config_path: Some(file.clone()), ..base.clone() }).collect()
    };
    let mut verdicts = Vec::new();
    for sources in &all {
        match run(sources) {
            Ok(found) => verdicts.extend(found),
            Err(error) => return super::report(Err(error)),
        }
    }
    if args.json {
        super::print_json(&json(&verdicts));
    } else {
        super::print(&text(&verdicts));
    }
    let good = !verdicts.is_empty() && verdicts.iter().all(|verdict| verdict.failures.is_empty());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(sources: &Sources) -> Result<Vec<Verdict>> {
    let loaded = load(sources)?;
    let doors = Judges::peek(&loaded.config)?.map(Doors::asked);
    let snapshot = assemble::snapshot(&loaded.config, doors.as_ref())?;
    loaded.config.tests.iter().map(|test| policy_test::run(&snapshot, test)).collect()
}

fn text(verdicts: &[Verdict]) -> String {
    let mut out = String::new();
    for verdict in verdicts {
        let word = if verdict.failures.is_empty() { "ok  " } else { "FAIL" };
        out.push_str(&format!("{word} {}\n", verdict.name));
        for failure in &verdict.failures {
            out.push_str(&format!("       {failure}\n"));
        }
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.failures.is_empty()).count();
    if verdicts.is_empty() {
        out.push_str("no [[tests]] in the configuration\n");
    }
    out.push_str(&format!("{} passed, {failed} failed\n", verdicts.len() - failed));
    out
}

fn json(verdicts: &[Verdict]) -> serde_json::Value {
    let tests: Vec<_> = verdicts
        .iter()
        .map(|verdict| {
            serde_json::json!({
                "name": verdict.name, "passed": verdict.failures.is_empty(), "failures": verdict.failures,
            })
        })
        .collect();
    serde_json::json!({ "tests": tests })
}
