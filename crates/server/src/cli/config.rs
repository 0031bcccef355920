//! `portcullis config`: what is in force and where it comes from, the schema, the environment names.

use std::process::ExitCode;

use super::sources::SourceArgs;
use crate::config::{self, profile, show};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis config show --profile pump-analyzer
  portcullis config env
  portcullis config schema > portcullis.schema.json")]
pub struct Args {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Debug, clap::Subcommand)]
pub enum What {
    /// Every value in force with its origin; secrets are not shown
    #[command(after_help = "Example:\n  portcullis config show --json")]
    Show {
        #[command(flatten)]
        sources: SourceArgs,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The JSON Schema of the configuration file
    #[command(after_help = "Example:\n  portcullis config schema > portcullis.schema.json")]
    Schema,
    /// Every environment name that is understood
    #[command(after_help = "Example:\n  portcullis config env --profile kalshiwhale")]
    Env {
        /// Only the names of this system
        #[arg(long, value_name = "NAME")]
        profile: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn execute(args: &Args) -> ExitCode {
    match &args.what {
        What::Schema => super::print_json(&show::schema()),
        What::Show { sources, json } => match config::read(&sources.sources()) {
            Ok(loaded) if *json => super::print_json(&show::json(&loaded)),
            Ok(loaded) => {
                super::print(&show::text(&loaded));
                for problem in config::production::refusals(&loaded) {
                    super::complain(&problem);
                }
                for warning in &loaded.warnings {
                    super::complain(warning);
                }
            }
            Err(problems) => {
                super::complain(&problems);
                return ExitCode::from(super::UNREADABLE);
            }
        },
        What::Env { profile, json } => {
            if let Some(name) = profile.as_deref().filter(|name| profile::find(name).is_none()) {
                let valid: Vec<&str> = profile::PROFILES.iter().map(|it| it.name).collect();
                super::complain(&format!(
                    "error: there is no profile `{name}`\n = mend: one of {}",
                    valid.join(", ")
                ));
                return ExitCode::from(super::UNREADABLE);
            }
            let names = show::environment(profile.as_deref());
            if *json {
                super::print_json(&show::environment_json(&names));
            } else {
                super::print(&show::environment_text(&names));
            }
        }
    }
    ExitCode::SUCCESS
}
