//! The command line: one file for each command, with its arguments, its example and what it prints.

pub mod audit;
pub mod check;
pub mod completions;
pub mod config;
pub mod demo;
pub mod devices;
pub mod explain;
pub mod generate;
pub mod init;
pub mod keys;
pub mod run;
pub mod sessions;
pub mod sources;
mod table;
pub mod test;
pub mod users;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Problems;

/// A security gateway for APIs and WebSockets.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, arg_required_else_help = true, after_help = EXAMPLE)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLE: &str = "\
Example:
  portcullis init                                     write portcullis.toml and .env with fresh secrets
  portcullis run --upstream http://127.0.0.1:9000     protect the application there
  portcullis check                                    what is missing before production";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve
    Run(run::Args),
    /// Start a sample API behind the gateway, with commands to paste
    Demo(demo::Args),
    /// Write portcullis.toml, .env.example and .env with fresh secrets; overwrites nothing
    Init(init::Args),
    /// The production checklist, with a score out of 10
    Check(check::Args),
    /// What the gateway would do with a request, step by step, without sending it
    Explain(explain::Args),
    /// Run the policy tests that stand in the configuration
    Test(test::Args),
    /// People: add, list, show, role, disable, enable, reset-password, revoke, delete, import
    Users(users::Args),
    /// API keys of users: create, list, rotate, revoke
    Keys(keys::Args),
    /// Sessions of users: list, revoke
    Sessions(sessions::Args),
    /// Devices of users: list, remove
    Devices(devices::Args),
    /// The audit log: list, tail, verify, export
    Audit(audit::Args),
    /// Make a fresh secret
    Generate(generate::Args),
    /// The configuration: what is in force, its schema, its environment names
    Config(config::Args),
    /// Completions for a shell
    Completions(completions::Args),
}

/// Runs a command.
pub fn execute(command: Command) -> ExitCode {
    match command {
        Command::Run(args) => run::execute(args),
        Command::Demo(args) => demo::execute(&args),
        Command::Explain(args) => explain::execute(&args),
        Command::Test(args) => test::execute(&args),
        Command::Init(args) => init::execute(&args),
        Command::Check(args) => check::execute(&args),
        Command::Users(args) => users::execute(&args),
        Command::Keys(args) => keys::execute(&args),
        Command::Sessions(args) => sessions::execute(&args),
        Command::Devices(args) => devices::execute(&args),
        Command::Audit(args) => audit::execute(&args),
        Command::Generate(args) => generate::execute(&args),
        Command::Config(args) => config::execute(&args),
        Command::Completions(args) => completions::execute(&args),
    }
}

/// Exit status of a configuration that cannot be read, as of wrong arguments.
pub const UNREADABLE: u8 = 2;

/// Says what went wrong, if something did: 2 for a configuration that cannot be read, 1 for everything else.
pub(crate) fn report(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if let Some(problems) = error.downcast_ref::<Problems>() {
        complain(problems);
        return ExitCode::from(UNREADABLE);
    }
    complain(&format!("error: {error:#}"));
    ExitCode::FAILURE
}

/// Prints to standard output. That nobody reads any more (`| head`) is no error.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints an error to standard error.
pub(crate) fn complain(error: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{error}");
}

/// JSON for people and programs, with a line end.
pub(crate) fn print_json(value: &serde_json::Value) {
    print(&format!("{value:#}\n"));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_has_an_example() {
        let command = Cli::command();
        command.clone().debug_assert();
        for command in command.get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("portcullis {}", command.get_name())), "{}", command.get_name());
        }
    }

    #[test]
    fn what_follows_two_dashes_is_the_application() {
        let cli = Cli::parse_from([
            "portcullis",
            "run",
            "--listen",
            "127.0.0.1:1",
            "--",
            "uvicorn",
            "--port",
            "9000",
        ]);
        let Command::Run(args) = cli.command else { panic!("not run") };
        assert_eq!(args.application, ["uvicorn", "--port", "9000"]);
        assert_eq!(args.sources.listen.as_deref(), Some("127.0.0.1:1"));
    }
}
