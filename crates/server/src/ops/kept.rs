//! The accounts of a serving gateway: what runs for them, from the start over reloads to the end.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use portcullis_proxy::Engine;

use super::accounts::Running;
use super::follow::Follower;
use super::serve;
use crate::api::{Service, Start, State};
use crate::assemble::{self, Doors};
use crate::audit::Audit;
use crate::config::model::{Accounts, Config};
use crate::log::Log;
use crate::metrics::Metrics;

/// Everything that runs for accounts.
pub struct Kept {
    /// What they bring to a policy.
    pub doors: Doors,
    running: Running,
    service: Service,
    follower: Option<Follower>,
    /// The audit log, which is in the store of the accounts where it has none of its own.
    pub audit: Option<Audit>,
}

impl Kept {
    /// Opens the store and starts the service; nothing where the configuration keeps no accounts.
    pub fn start(config: &Config, log: &Log, metrics: Option<&Metrics>) -> Result<Option<Self>> {
        let Some(wanted) = &config.accounts else { return Ok(None) };
        let running = Running::start(config, wanted)?;
        let audit = super::audit::start(config, Some(running.accounts.store()), log)?;
        let (recorders, complaints, metrics) = (log.clone(), log.clone(), metrics.cloned());
        let (service, inside) = Service::start(Start {
            state: State { accounts: Arc::clone(&running.accounts), audit: audit.clone() },
            settings: assemble::service_settings(config)?,
            recorder: Arc::new(move || match &metrics {
                Some(metrics) => metrics.recorder(recorders.recorder()),
                None => recorders.recorder(),
            }),
            complain: Arc::new(move |fault| complaints.error(fault)),
            cores: serve::cores(),
        })
        .context("the endpoints of the accounts")?;
        let doors = Doors { judges: running.judges(), inside };
        Ok(Some(Self { doors, running, service, follower: None, audit }))
    }

    /// Begins to follow the store.
    pub fn follow(&mut self, wanted: &Accounts, log: &Log, engine: &Engine) -> Result<()> {
        let accounts = &self.running.accounts;
        let (users, keys, sessions) = accounts.directory().sizes();
        log.info(&format!(
            "accounts are kept in {}: {users} users, {keys} API keys, {sessions} sessions",
            accounts.store().describe()
        ));
        let (running, shared) = (self.running.clone(), Arc::clone(engine.shared()));
        self.follower = Some(Follower::start(running, wanted.clone(), log.clone(), shared)?);
        Ok(())
    }

    /// Takes over what a changed configuration says of accounts.
    pub fn replace(&self, config: &Config, before: &Config, log: &Log) -> Result<()> {
        let Some(wanted) = &config.accounts else {
            bail!("accounts are kept until the next start: the sections that need them are gone");
        };
        if before.accounts.as_ref().is_some_and(|before| before.store.url.shown() != wanted.store.url.shown())
        {
            log.warn("`store.url` changed: the store stays the one that was opened until the next start");
        }
        self.service.replace(assemble::service_settings(config)?)?;
        self.running.follow(config, wanted)?;
        if let Some(follower) = &self.follower {
            follower.replace(wanted.clone());
        }
        Ok(())
    }

    /// Ends what runs, after the last request was answered.
    pub fn stop(self) {
        self.service.stop();
        if let Some(follower) = self.follower {
            follower.stop();
        }
    }
}
