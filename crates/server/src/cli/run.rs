//! `portcullis run`: serves.

use std::process::ExitCode;

use super::sources::SourceArgs;
use crate::ops::serve;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis run --config portcullis.toml
  portcullis run --profile kalshiwhale --upstream http://127.0.0.1:9000 -- uvicorn main:app --port 9000")]
pub struct Args {
    #[command(flatten)]
    pub sources: SourceArgs,
    /// The application: started too, restarted when it dies, ended on exit
    #[arg(last = true, value_name = "CMD")]
    pub application: Vec<String>,
}

pub(super) fn execute(args: Args) -> ExitCode {
    super::report(serve::serve(&args.sources.sources(), args.application))
}
