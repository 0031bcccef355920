//! `portcullis keys`: API keys of users.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use portcullis_accounts::NewKey;
use portcullis_core::Id;
use portcullis_core::port::ApiKey;
use serde_json::json;

use super::sources::SourceArgs;
use super::table;
use crate::config;
use crate::ops::accounts::Opened;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis keys create --user alice --name ingest --scope 'POST /live/ingest' --expires 90d
  portcullis keys rotate 0199c0de-0000-7000-8000-000000000001 --overlap 24h
  portcullis keys list

A key is shown once, when it is made. Works on a running gateway, which follows within a second, and on a stopped one.")]
pub struct Args {
    #[command(flatten)]
    pub sources: SourceArgs,
    #[command(subcommand)]
    pub act: Act,
}

#[derive(Debug, Subcommand)]
pub enum Act {
    /// Make a key
    Create {
        /// Whose it is
        #[arg(long, value_name = "NAME")]
        user: String,
        /// What to call it
        #[arg(long, value_name = "LABEL")]
        name: String,
        /// What it may do: `METHOD[,METHOD] PATH`; may stand several times [default: all its user may]
        #[arg(long, value_name = "ROUTE")]
        scope: Vec<String>,
        /// A path parameter it is bound to: `account=primary`; may stand several times
        #[arg(long, value_name = "NAME=VALUE")]
        bind: Vec<String>,
        /// A role below its user's
        #[arg(long)]
        role: Option<String>,
        /// How long it lives: `90d`
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<Duration>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Keys, and when they were last used
    List {
        /// Only of this user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make another key in place of one, which stays valid for a while
    Rotate {
        /// The id of the key, or the beginning of it that `list` shows
        id: String,
        /// How long the old one stays valid; `0s`: not at all
        #[arg(long, value_name = "DURATION", value_parser = overlap, default_value = "24h")]
        overlap: Duration,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// End a key at once
    Revoke { id: String },
}

pub(super) fn execute(args: &Args) -> ExitCode {
    super::report(act(args))
}

fn act(args: &Args) -> Result<()> {
    let opened = Opened::open(&args.sources.sources())?;
    let now_ms = opened.now_ms();
    match &args.act {
        Act::Create { user, name, scope, bind, role, expires, json } => {
            let owner = opened.user(user)?;
            let new = NewKey {
                name: name.clone(),
                scopes: scope.clone(),
                bindings: bind.iter().map(|text| binding(text)).collect::<Result<_>>()?,
                role: role.clone(),
                expires_ms: expires.map(|lives| now_ms.saturating_add_unsigned(lives.as_millis() as u64)),
            };
            let (key, made) = opened.accounts.create_key(owner.id, new, now_ms)?;
            opened.record("create_key_of", &format!("key {} of user {}", made.id, owner.name))?;
            print_fresh(&key, &made, *json);
        }
        Act::List { user, json } => {
            let keys = match user {
                Some(name) => opened.store.keys_of(opened.user(name)?.id)?,
                None => opened.keys()?,
            };
            list(&opened, &keys, *json)?;
        }
        Act::Rotate { id, overlap, json } => {
            let old = find(&opened, id)?;
            let overlap_ms = i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX);
            let (key, made) = opened.accounts.rotate_key(None, old.id, overlap_ms, now_ms)?;
            opened.record("rotate_key_of", &format!("key {} in place of {}", made.id, old.id))?;
            print_fresh(&key, &made, *json);
            if !json {
                let used = table::moment(old.last_used_ms);
                let ends = table::moment(now_ms.checked_add(overlap_ms));
                super::print(&format!("the old one was last used {used} and is valid until {ends}\n"));
            }
        }
        Act::Revoke { id } => {
            let key = find(&opened, id)?;
            opened.accounts.revoke_key(None, key.id, now_ms)?;
            opened.record("revoke_key_of", &format!("key {}", key.id))?;
            super::print(&format!("key {} ({}) is revoked\n", key.id, key.name));
        }
    }
    Ok(())
}

fn print_fresh(key: &str, made: &ApiKey, json: bool) {
    if json {
        let mut value = shown(made);
        value["api_key"] = json!(key);
        super::print_json(&value);
    } else {
        super::print(&format!("{key}\n\nkey {} ({}); it is not shown again\n", made.id, made.name));
    }
}

fn list(opened: &Opened, keys: &[ApiKey], json: bool) -> Result<()> {
    if json {
        super::print_json(&json!({ "keys": keys.iter().map(shown).collect::<Vec<_>>() }));
        return Ok(());
    }
    let now_ms = opened.now_ms();
    let mut table = table::of(&["id", "key", "user", "name", "scopes", "state", "made", "last used", "ends"]);
    for key in keys {
        let owner = opened.store.account(key.user)?.map(|account| account.user.name);
        let state = match key {
            ApiKey { revoked_ms: Some(_), .. } => "revoked",
            ApiKey { expires_ms: Some(end), .. } if *end <= now_ms => "expired",
            ApiKey { replaced_by: Some(_), .. } => "being replaced",
            _ => "valid",
        };
        table.add_row([
            key.id.to_string(),
            format!("{}…", key.prefix),
            owner.unwrap_or_else(|| "-".to_owned()),
            key.name.clone(),
            if key.scopes.is_empty() { "all".to_owned() } else { key.scopes.join(", ") },
            state.to_owned(),
            table::moment(Some(key.created_ms)),
            table::moment(key.last_used_ms),
            table::moment(key.expires_ms),
        ]);
    }
    table::print(&table, "no key yet; `portcullis keys create --user NAME --name LABEL` makes one");
    Ok(())
}

/// A key as programs see it.
pub(super) fn shown(key: &ApiKey) -> serde_json::Value {
    let moment = |ms: Option<i64>| ms.map(|ms| table::moment(Some(ms)));
    json!({
        "id": key.id.to_string(), "user_id": key.user.to_string(), "name": key.name, "prefix": key.prefix,
        "scopes": key.scopes, "role": key.role,
        "bindings": key.bindings.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
        "created_at": moment(Some(key.created_ms)), "expires_at": moment(key.expires_ms),
        "last_used_at": moment(key.last_used_ms), "revoked_at": moment(key.revoked_ms),
        "replaced_by": key.replaced_by.map(|id| id.to_string()),
    })
}

fn find(opened: &Opened, id: &str) -> Result<ApiKey> {
    let id: Id = id.parse().with_context(|| format!("`{id}`"))?;
    match opened.store.key(id)? {
        Some(key) => Ok(key),
        None => bail!("there is no key {id}; `portcullis keys list` shows them"),
    }
}

fn binding(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => bail!("`{text}` binds nothing: write NAME=VALUE, such as account=primary"),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    config::duration(text)
}

fn overlap(text: &str) -> Result<Duration, String> {
    if matches!(text.trim(), "0" | "0s") { Ok(Duration::ZERO) } else { duration(text) }
}
