//! `portcullis sessions`: sessions of users.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use portcullis_core::Id;
use portcullis_core::port::Session;
use serde_json::json;

use super::sources::SourceArgs;
use super::table;
use crate::ops::accounts::Opened;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis sessions list --user alice
  portcullis sessions revoke --user alice

Works on a running gateway, which follows within a second, and on a stopped one.")]
pub struct Args {
    #[command(flatten)]
    pub sources: SourceArgs,
    #[command(subcommand)]
    pub act: Act,
}

#[derive(Debug, Subcommand)]
pub enum Act {
    /// Sessions, and when they were last used
    List {
        /// Only of this user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// End a session, or all of a user
    Revoke {
        /// The id of the session, as `list` shows it
        #[arg(required_unless_present = "user", conflicts_with = "user")]
        id: Option<String>,
        /// Every session of this user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

pub(super) fn execute(args: &Args) -> ExitCode {
    super::report(act(args))
}

fn act(args: &Args) -> Result<()> {
    let opened = Opened::open(&args.sources.sources())?;
    match &args.act {
        Act::List { user, json } => {
            let sessions = match user {
                Some(name) => opened.store.sessions_of(opened.user(name)?.id)?,
                None => opened.sessions()?,
            };
            list(&opened, &sessions, *json)
        }
        Act::Revoke { user: Some(name), .. } => {
            let user = opened.user(name)?;
            let ended = opened.store.end_sessions_of(user.id)?;
            opened.record("end_session_of", &format!("{} sessions of user {}", ended.len(), user.name))?;
            super::print(&format!("{} sessions of {name} ended\n", ended.len()));
            Ok(())
        }
        Act::Revoke { id, .. } => {
            let text = id.as_deref().unwrap_or_default();
            let id: Id = text.parse().with_context(|| format!("`{text}`"))?;
            if !opened.store.end_session(id)? {
                bail!("there is no session {id}; `portcullis sessions list` shows them");
            }
            opened.record("end_session_of", &format!("session {id}"))?;
            super::print(&format!("session {id} ended\n"));
            Ok(())
        }
    }
}

fn list(opened: &Opened, sessions: &[Session], json: bool) -> Result<()> {
    if json {
        super::print_json(&json!({ "sessions": sessions.iter().map(shown).collect::<Vec<_>>() }));
        return Ok(());
    }
    let mut table = table::of(&["id", "user", "device", "made", "last seen", "ends", "client"]);
    for session in sessions {
        let owner = opened.store.account(session.user)?.map(|account| account.user.name);
        table.add_row([
            session.id.to_string(),
            owner.unwrap_or_else(|| "-".to_owned()),
            session.device.map_or_else(|| "browser".to_owned(), |id| id.to_string()),
            table::moment(Some(session.created_ms)),
            table::moment(Some(session.last_seen_ms)),
            table::moment(Some(session.expires_ms)),
            session.agent.clone(),
        ]);
    }
    table::print(&table, "no session");
    Ok(())
}

/// A session as programs see it.
pub(super) fn shown(session: &Session) -> serde_json::Value {
    json!({
        "id": session.id.to_string(), "user_id": session.user.to_string(),
        "device_id": session.device.map(|id| id.to_string()),
        "created_at": table::moment(Some(session.created_ms)),
        "last_seen_at": table::moment(Some(session.last_seen_ms)),
        "expires_at": table::moment(Some(session.expires_ms)), "user_agent": session.agent,
    })
}
