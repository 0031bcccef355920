//! `portcullis audit`: the audit log.

use std::io::{BufWriter, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use portcullis_core::audit::{AuditRecord, Link, Mark, Verifier};
use portcullis_core::port::{AuditFilter, Store};
use serde_json::json;

use super::sources::SourceArgs;
use super::table;
use crate::api::audit_json;
use crate::ops::audit;

/// How often `tail` looks for more.
const LOOK: Duration = Duration::from_millis(250);
/// Records that `tail` reads at once.
const PAGE: u32 = 1000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis audit list --event auth_attempt --limit 20
  portcullis audit tail
  portcullis audit verify
  portcullis audit export --format csv --from 2026-11-01T00:00:00Z > november.csv

Works beside a running gateway and on a stopped one.")]
pub struct Args {
    #[command(flatten)]
    pub sources: SourceArgs,
    #[command(subcommand)]
    pub act: Act,
}

#[derive(Debug, Subcommand)]
pub enum Act {
    /// Records, newest first
    List {
        #[command(flatten)]
        which: Which,
        /// Older than the record with this number
        #[arg(long, value_name = "NUMBER")]
        before: Option<i64>,
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The last records, and every one that comes, a line each
    Tail {
        /// How many of those that are there
        #[arg(long, value_name = "COUNT", default_value_t = 10)]
        lines: u32,
        /// As JSON, an object a line
        #[arg(long)]
        json: bool,
    },
    /// Whether a record was changed, removed, moved or put in; names the first that is broken
    Verify {
        /// A mark that was noted before (the log of a running gateway has one a day): the log must still hold it
        #[arg(long, value_name = "NUMBER:HASH")]
        expect: Option<Mark>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Every record, oldest first
    Export {
        /// How
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
        #[command(flatten)]
        which: Which,
    },
}

/// Which records.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Only this event: `request`, `auth_attempt`, `account_changed`, …
    #[arg(long, value_name = "NAME")]
    pub event: Option<String>,
    /// Only of the user with this name or id
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Only what happened then or later: `2026-11-01T00:00:00Z`
    #[arg(long, value_name = "MOMENT")]
    pub from: Option<Timestamp>,
    /// Only what happened before
    #[arg(long, value_name = "MOMENT")]
    pub to: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// JSON Lines
    Jsonl,
    /// Comma-separated values (RFC 4180), with a header
    Csv,
}

pub(super) fn execute(args: &Args) -> ExitCode {
    super::report(act(args))
}

fn act(args: &Args) -> Result<()> {
    let store = audit::open(&args.sources.sources())?;
    match &args.act {
        Act::List { which, before, limit, json } => {
            let filter = AuditFilter { before: *before, limit: *limit, ..which.filter() };
            list(store.audit(&filter)?, *json);
            Ok(())
        }
        Act::Tail { lines, json } => tail(&store, *lines, *json),
        Act::Verify { expect, json } => verify(&store, *expect, *json),
        Act::Export { format, which } => export(&store, *format, &which.filter()),
    }
}

impl Which {
    fn filter(&self) -> AuditFilter {
        AuditFilter {
            event: self.event.clone(),
            user: self.user.clone(),
            from_ms: self.from.map(Timestamp::as_millisecond),
            to_ms: self.to.map(Timestamp::as_millisecond),
            ..AuditFilter::default()
        }
    }
}

fn list(links: Vec<Link>, json: bool) {
    if json {
        let records: Vec<_> = links.into_iter().map(audit_json).collect();
        super::print_json(&json!({ "audit_log": records }));
        return;
    }
    let mut table =
        table::of(&["id", "when", "event", "user", "from", "request", "status", "ms", "reason", "details"]);
    for Link { number, record, .. } in links {
        let or_dash =
            |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
        table.add_row([
            number.to_string(),
            table::moment(Some(record.at_ms)),
            record.event.to_string(),
            or_dash(record.user),
            or_dash(record.ip),
            or_dash(Some(format!("{} {}", record.method, record.endpoint).trim().to_owned())),
            if record.status == 0 { "-".to_owned() } else { record.status.to_string() },
            format!("{:.1}", record.duration_us as f64 / 1000.0),
            or_dash(Some(record.reason)),
            record.details,
        ]);
    }
    table::print(&table, "no record");
}

/// Ends with the reader of standard output, or by a signal.
fn tail(store: &Arc<dyn Store>, lines: u32, json: bool) -> Result<()> {
    let mut links = store.audit(&AuditFilter { limit: lines.max(1), ..AuditFilter::default() })?;
    let mut last = links.first().map_or(0, |link| link.number);
    links.truncate(lines as usize);
    loop {
        let mut out = std::io::stdout().lock();
        for link in links.drain(..).rev() {
            let line = if json { audit_json(link).to_string() } else { line(&link) };
            if writeln!(out, "{line}").is_err() {
                return Ok(());
            }
        }
        if out.flush().is_err() {
            return Ok(());
        }
        drop(out);
        std::thread::park_timeout(LOOK);
        // Newest first: what came since the last look, page by page, down to what was shown.
        let mut before = None;
        loop {
            let page = store.audit(&AuditFilter { before, limit: PAGE, ..AuditFilter::default() })?;
            let more = page.len() == PAGE as usize && page.last().is_some_and(|link| link.number > last + 1);
            before = page.last().map(|link| link.number);
            links.extend(page.into_iter().take_while(|link| link.number > last));
            if !more {
                break;
            }
        }
        last = links.first().map_or(last, |link| link.number);
    }
}

fn line(link: &Link) -> String {
    let record = &link.record;
    let mut parts =
        vec![link.number.to_string(), table::moment(Some(record.at_ms)), record.event.to_string()];
    let texts = [
        record.ip.clone().unwrap_or_default(),
        record.user.clone().unwrap_or_default(),
        format!("{} {}", record.method, record.endpoint).trim().to_owned(),
        if record.status == 0 { String::new() } else { record.status.to_string() },
        record.reason.clone(),
        record.details.clone(),
    ];
    parts.extend(texts.into_iter().filter(|text| !text.is_empty()));
    parts.join(" ")
}

fn verify(store: &Arc<dyn Store>, expect: Option<Mark>, json: bool) -> Result<()> {
    let ends = store.audit_ends()?;
    let verifier = Verifier::new(ends);
    let mut verifier = match expect {
        Some(mark) => verifier.expecting(mark),
        None => verifier,
    };
    store.each_audit(ends.cut.number, &mut |link| verifier.take(&link))?;
    match verifier.finish(store.audit_ends()?) {
        Ok(proof) => {
            let (records, cut, head) = (proof.records, proof.ends.cut.number, proof.ends.head);
            if json {
                super::print_json(&json!({
                    "whole": true, "records": records, "removed": cut, "head": head.to_string(),
                }));
            } else {
                let removed = if cut > 0 {
                    format!("; {cut} older ones were removed for their age")
                } else {
                    String::new()
                };
                super::print(&format!(
                    "{records} {}, none changed, missing, moved or put in{removed}\nmark: {head}\n",
                    if records == 1 { "record" } else { "records" }
                ));
            }
            Ok(())
        }
        Err(flaw) => {
            if json {
                super::print_json(
                    &json!({ "whole": false, "broken": flaw.number(), "reason": flaw.to_string() }),
                );
            }
            bail!("the audit log is broken at record {}: {flaw}", flaw.number())
        }
    }
}

fn export(store: &Arc<dyn Store>, format: Format, filter: &AuditFilter) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut outcome = Ok(());
    if format == Format::Csv {
        outcome = writeln!(out, "{}", COLUMNS.join(","));
    }
    store.each_audit(0, &mut |link| {
        if outcome.is_err() || !fits(&link.record, filter) {
            return;
        }
        let record = audit_json(link);
        outcome = match format {
            Format::Jsonl => writeln!(out, "{record}"),
            Format::Csv => write!(out, "{}\r\n", row(&record)),
        };
    })?;
    // That nobody reads any more (`| head`) is no error.
    let _ = outcome.and_then(|()| out.flush());
    Ok(())
}

fn fits(record: &AuditRecord, filter: &AuditFilter) -> bool {
    filter.event.as_deref().is_none_or(|event| event == record.event)
        && filter.user.as_deref().is_none_or(|user| {
            record.user.as_deref() == Some(user) || record.user_id.is_some_and(|id| id.to_string() == user)
        })
        && filter.from_ms.is_none_or(|from| record.at_ms >= from)
        && filter.to_ms.is_none_or(|to| record.at_ms < to)
}

const COLUMNS: [&str; 20] = [
    "id",
    "timestamp",
    "event",
    "user_id",
    "username",
    "method",
    "endpoint",
    "query",
    "route",
    "ip_address",
    "user_agent",
    "device_id",
    "request_data",
    "response_status",
    "response_time_ms",
    "success",
    "reason",
    "details",
    "request_id",
    "hash",
];

fn row(record: &serde_json::Value) -> String {
    let cell = |name: &&str| match &record[*name] {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => cell(text),
        other => cell(&other.to_string()),
    };
    COLUMNS.iter().map(cell).collect::<Vec<_>>().join(",")
}

/// A value of RFC 4180. What a spreadsheet would take for a formula is marked as text: clients choose some of these
/// texts.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_formulas_are_text() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "'=1+1"),
            ("@SUM(A1),", "\"'@SUM(A1),\""),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn every_member_of_a_record_is_a_column() {
        let record = audit_json(Mark::BEGINNING.next(AuditRecord::default()));
        let mut names: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
        let mut columns = COLUMNS.to_vec();
        names.sort_unstable();
        columns.sort_unstable();
        assert_eq!(names, columns);
    }
}
