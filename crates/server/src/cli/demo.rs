//! `portcullis demo`: a sample API behind the gateway.

use std::process::ExitCode;

use super::sources::SourceArgs;
use crate::ops::demo;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis demo")]
pub struct Args {
    /// Where the gateway listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    pub listen: String,
}

pub(super) fn execute(args: &Args) -> ExitCode {
    super::report(demo::run(&SourceArgs::default().sources(), &args.listen))
}
