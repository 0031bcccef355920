//! `portcullis explain`: its arguments.

use std::net::{IpAddr, Ipv4Addr};

use super::sources::SourceArgs;

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

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write 'Name: value'".to_owned()),
    }
}
