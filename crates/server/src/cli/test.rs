//! `portcullis test`: its arguments.

use std::path::PathBuf;

use super::sources::SourceArgs;

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
