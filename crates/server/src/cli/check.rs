//! `portcullis check`: the production checklist.

use std::process::ExitCode;

use super::sources::SourceArgs;
use crate::config;
use crate::ops::check;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis check --config portcullis.toml

Exit status: 0 when nothing fails, 1 when something does, 2 when the configuration cannot be read.")]
pub struct Args {
    #[command(flatten)]
    pub sources: SourceArgs,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

pub(super) fn execute(args: &Args) -> ExitCode {
    let sources = args.sources.sources();
    let loaded = match config::read(&sources) {
        Ok(loaded) => loaded,
        Err(problems) => {
            if args.json {
                let problems: Vec<_> = problems.0.iter().map(config::Problem::json).collect();
                super::print_json(&serde_json::json!({ "problems": problems }));
            }
            super::complain(&problems);
            return ExitCode::from(super::UNREADABLE);
        }
    };
    let report = check::judge(&loaded, &sources.directory);
    if args.json {
        super::print_json(&report.json());
    } else {
        super::print(&report.text());
    }
    ExitCode::from(u8::from(report.fails()))
}
