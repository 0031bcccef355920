//! `portcullis completions`: what a shell needs to complete commands and options.

use std::process::ExitCode;

use clap::CommandFactory as _;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis completions bash > /etc/bash_completion.d/portcullis")]
pub struct Args {
    /// The shell
    pub shell: clap_complete::Shell,
}

pub(super) fn execute(args: &Args) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "portcullis", &mut script);
    super::print(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}
