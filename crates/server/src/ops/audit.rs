//! The audit log as the configuration wants it: its store, its settings, and for commands the way to it.

use std::sync::Arc;

use anyhow::{Result, bail};
use portcullis_core::audit::AuditRecord;
use portcullis_core::event::EventKind;
use portcullis_core::port::Store;
use portcullis_store::Options;

use super::accounts::{now_ms, open_named};
use super::{key_age, serve};
use crate::audit::{Audit, Settings, Start, text};
use crate::config::model::Config;
use crate::config::{Sources, read};
use crate::log::Log;

/// The longest sentence of a record, in bytes.
const LONGEST: usize = 1024;

/// Starts the audit log where there is a place for it: a store of its own, or that of the accounts. Where it is
/// switched off, what was asked for is counted all the same.
pub fn start(config: &Config, accounts: Option<&Arc<dyn Store>>, log: &Log) -> Result<Option<Audit>> {
    let store = match (&config.audit.store, accounts) {
        (Some(own), _) => open_named(own, &Options::default())?,
        (None, Some(accounts)) => Arc::clone(accounts),
        (None, None) => return Ok(None),
    };
    let cores = config.server.workers.unwrap_or_else(serve::cores);
    let room = usize::try_from(config.audit.buffer).unwrap_or(usize::MAX) / (cores + 1);
    let accounts = accounts.cloned();
    Audit::start(Start { store, accounts, settings: settings(config), log: log.clone(), room }).map(Some)
}

/// What may change while the gateway runs.
pub fn settings(config: &Config) -> Settings {
    Settings {
        records: config.audit.enabled,
        security: config.log.security,
        retention: config.audit.retention,
        waits: config.audit.waits,
        credentials: key_age::credentials(config),
    }
}

/// The store with the audit log, for a command; it is made where it is absent.
pub fn open(sources: &Sources) -> Result<Arc<dyn Store>> {
    let config = read(sources)?.config;
    let store = config.audit.store.as_ref().or(config.accounts.as_ref().map(|accounts| &accounts.store));
    let Some(store) = store else {
        bail!(
            "this configuration has no audit log: [audit] url = \"sqlite:audit.db\" in portcullis.toml gives it one"
        );
    };
    open_named(store, &Options::default())
}

/// What a command did to accounts, as a record. Who did it is known by the system's number alone.
pub fn of_command(act: &str, details: &str) -> AuditRecord {
    let by = rustix::process::getuid().as_raw();
    AuditRecord {
        at_ms: now_ms(),
        event: EventKind::AccountChanged.name().into(),
        reason: act.to_owned(),
        details: format!("{}; at the command line, by uid {by}", text(details, LONGEST)),
        ..AuditRecord::default()
    }
}
