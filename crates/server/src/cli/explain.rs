//! `portcullis explain`: what the gateway would do with a request.

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use anyhow::Result;

use super::sources::SourceArgs;
use crate::assemble::{self, Doors};
use crate::config::load;
use crate::ops::accounts::Judges;
use crate::ops::explain::{self, Question};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis explain POST /live/ingest -H 'X-Ingest-Token: guess' --from 192.0.2.7")]
pub struct Args {
    /// GET, POST, …
    pub method: String,
    /// Path and query
    pub path: String,
    /// A header of the request: 'Name: value'
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// The client's address
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub from: IpAddr,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub sources: SourceArgs,
}

pub(super) fn execute(args: &Args) -> ExitCode {
    super::report(tell(args))
}

fn tell(args: &Args) -> Result<()> {
    let loaded = load(&args.sources.sources())?;
    let doors = Judges::peek(&loaded.config)?.map(Doors::asked);
    let snapshot = assemble::snapshot(&loaded.config, doors.as_ref())?;
    let question = Question {
        method: args.method.clone(),
        target: args.path.clone(),
        headers: args.headers.clone(),
        from: args.from,
    };
    let explanation = explain::of(&snapshot, &question)?;
    if args.json {
        super::print_json(&explain::json(&question, &explanation));
    } else {
        super::print(&explain::text(&question, &explanation));
    }
    Ok(())
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write 'Name: value'".to_owned()),
    }
}
