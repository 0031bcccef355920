//! `run`: from a configuration to a serving gateway, and through reloads to an orderly end.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use portcullis_core::event::{EventKind, Recorder, SecurityEvent, Subject};
use portcullis_core::quota::LimitTable;
use portcullis_gate::Gate;
use portcullis_proxy::egress::{self, Egress};
use portcullis_proxy::{Certificates, Engine, Start};
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::kept::Kept;
use super::{application, audit, banner};
use crate::assemble;
use crate::audit::Audit;
use crate::config::model::Config;
use crate::config::{Loaded, Sources, load};
use crate::log::Log;
use crate::metrics::Metrics;

/// How often the files are looked at. By content: a watch on names misses the swap of a symbolic link that
/// Kubernetes makes.
const LOOK: Duration = Duration::from_secs(1);
/// How long an application that was just started may take until it answers.
const STARTUP: Duration = Duration::from_secs(60);

/// Serves until a signal ends it. `command` is the application to start, if any.
pub fn serve(sources: &Sources, command: Vec<String>) -> Result<()> {
    let loaded = load(sources)?;
    // What is changed from here on, while everything starts, is a change.
    let seen = fingerprint(&loaded.files);
    let log = Log::start(&assemble::log_settings(&loaded.config)).context("the log cannot be opened")?;
    let endpoints = &loaded.config.endpoints;
    let metrics = endpoints.metrics.as_ref().map(|_| Metrics::new(endpoints.metrics_readers.clone()));
    let kept = Kept::start(&loaded.config, &log, metrics.as_ref())?;
    let audit = match &kept {
        Some(kept) => kept.audit.clone(),
        None => audit::start(&loaded.config, None, &log)?,
    };
    let records = Records { log: log.clone(), audit, metrics };
    let snapshot = assemble::snapshot(&loaded.config, kept.as_ref().map(|kept| &kept.doors))?;
    banner::print(&loaded);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let certificates = assemble::certificate_files(&loaded.config)
            .map(|(cert, key)| Certificates::load(cert, key))
            .transpose()?;
        let (stop, stopped) = watch::channel(false);
        let mut running = None;
        if !command.is_empty() {
            let endpoint = snapshot.settings.upstreams[loaded.config.default_upstream].endpoints[0].clone();
            let environment = loaded.child_environment.clone();
            running =
                Some(tokio::spawn(application::keep_running(command, environment, log.clone(), stopped)));
            if !application::answers(&endpoint, STARTUP).await {
                log.warn("the application does not answer yet; the gateway starts without it");
            }
        }
        let signals = Signals::new()?;
        let engine = Engine::start(Start {
            listeners: assemble::listeners(&loaded.config),
            workers: loaded.config.server.workers.unwrap_or_else(cores),
            gate: Gate::new(LimitTable::new(LimitTable::DEFAULT_BYTES), random_pair()?),
            snapshot,
            certificates: certificates.clone(),
            recorder: {
                let records = records.clone();
                Arc::new(move || records.recorder())
            },
            seed: random_pair()?,
        })?;
        let patience = assemble::patience(&loaded.config);
        if let Some(audit) = &records.audit {
            audit.watch(Arc::clone(engine.shared()));
        }
        if let Some(metrics) = records.metrics.clone() {
            engine.shared().set_metrics(Box::new(move |to, engine| metrics.shown(to, engine)));
        }
        let mut kept = kept;
        if let (Some(kept), Some(wanted)) = (&mut kept, &loaded.config.accounts) {
            kept.follow(wanted, &log, &engine)?;
        }
        let way_out = way_out(&loaded.config, &records)?;
        // Said last: whoever waits for it finds all of it at work.
        for address in engine.addresses() {
            let _ = writeln!(std::io::stdout(), "listening on {address}");
        }
        let served = Served {
            engine: &engine,
            certificates: certificates.as_ref(),
            kept: kept.as_ref(),
            way_out: way_out.as_ref(),
            records: &records,
        };
        watch_until_ended(sources, loaded, seen, &served, signals).await;
        log.info("shutting down: no new connections, what is running may end");
        // The application lives until the last request to it was answered.
        let _ = tokio::task::spawn_blocking(move || {
            if let Some(audit) = &records.audit {
                audit.close();
            }
            engine.drain(patience);
            drop(way_out);
            if let Some(kept) = kept {
                kept.stop();
            }
            if let Some(audit) = &records.audit {
                audit.stop();
            }
        })
        .await;
        let _ = stop.send(true);
        if let Some(running) = running {
            let _ = running.await;
        }
        anyhow::Ok(())
    });
    log.info("stopped");
    log.shutdown();
    served
}

/// The proxy for the application's own calls, where the configuration has one.
fn way_out(config: &Config, records: &Records) -> Result<Option<Egress>> {
    let (Some(egress), Some(rules)) = (&config.egress, assemble::egress_rules(config)?) else {
        return Ok(None);
    };
    let recorders = records.clone();
    let start =
        egress::Start { listen: egress.listen, rules, recorder: Arc::new(move || recorders.recorder()) };
    let started = Egress::start(start)
        .with_context(|| format!("the way out cannot listen on {} (egress.listen)", egress.listen))?;
    let _ = writeln!(std::io::stdout(), "  egress          http://{}", started.address());
    Ok(Some(started))
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// What runs, as a reload needs it.
#[derive(Clone, Copy)]
struct Served<'a> {
    engine: &'a Engine,
    certificates: Option<&'a Certificates>,
    kept: Option<&'a Kept>,
    way_out: Option<&'a Egress>,
    records: &'a Records,
}

/// What takes events and accesses.
#[derive(Clone)]
struct Records {
    log: Log,
    audit: Option<Audit>,
    metrics: Option<Metrics>,
}

impl Records {
    fn recorder(&self) -> Box<dyn Recorder> {
        let log = self.log.recorder();
        let recorder = match &self.audit {
            Some(audit) => audit.recorder(log),
            None => log,
        };
        match &self.metrics {
            Some(metrics) => metrics.recorder(recorder),
            None => recorder,
        }
    }
}

/// Follows changes of the files until SIGTERM or SIGINT.
async fn watch_until_ended(
    sources: &Sources,
    loaded: Loaded,
    mut seen: Fingerprint,
    served: &Served<'_>,
    mut signals: Signals,
) {
    let Served { certificates, records, .. } = *served;
    let log = &records.log;
    let mut files = loaded.files.clone();
    let mut certified = certificates.map(|certificates| fingerprint(&paths(certificates)));
    let mut current = loaded;
    let mut looks = tokio::time::interval(LOOK);
    loop {
        let asked = tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.hangup.recv() => true,
            _ = looks.tick() => false,
        };
        let now = fingerprint(&files);
        if asked || now != seen {
            seen = now;
            if let Some(fresh) = reload(sources, &current, served) {
                files = fresh.files.clone();
                seen = fingerprint(&files);
                current = fresh;
            }
        }
        if let Some(certificates) = certificates {
            let now = fingerprint(&paths(certificates));
            if certified.as_ref() != Some(&now) {
                certified = Some(now);
                match certificates.renew() {
                    Ok(()) => log.info("the certificate was renewed"),
                    Err(error) => {
                        log.error(&format!("the new certificate is refused, the old one stays: {error}"));
                    }
                }
            }
        }
    }
}

/// Reads the configuration again and puts it in force; a broken one changes nothing.
fn reload(sources: &Sources, current: &Loaded, served: &Served<'_>) -> Option<Loaded> {
    let Served { engine, kept, way_out, records, .. } = *served;
    let log = &records.log;
    let fresh = load(sources).map_err(anyhow::Error::from).and_then(|loaded| {
        let rules = assemble::egress_rules(&loaded.config)?;
        let snapshot = assemble::snapshot(&loaded.config, kept.map(|kept| &kept.doors))?;
        if let Some(kept) = kept {
            kept.replace(&loaded.config, &current.config, log)?;
        } else if loaded.config.accounts.is_some() {
            anyhow::bail!("accounts are kept from the next start on: a store is not opened by a reload");
        }
        Ok((loaded, snapshot, rules))
    });
    match fresh {
        Err(problems) => {
            record(
                records,
                "refused",
                &format!("the changed configuration is refused, the old one stays in force:\n{problems:#}"),
            );
            None
        }
        Ok((loaded, snapshot, rules)) => {
            if assemble::listeners(&loaded.config) != assemble::listeners(&current.config) {
                log.warn("`server.listen` changed: listeners stay as they are until the next start");
            }
            let listens = |config: &Config| config.egress.as_ref().map(|egress| egress.listen);
            if listens(&loaded.config) != listens(&current.config) {
                log.warn("`egress.listen` changed: the way out stays as it is until the next start");
            }
            if let (Some(way_out), Some(rules)) = (way_out, rules) {
                way_out.replace(rules);
            }
            engine.replace(snapshot);
            // By what was in force: that nothing is recorded any more is recorded, too.
            record(records, "applied", "the changed configuration is in force");
            log.follow(&assemble::log_settings(&loaded.config));
            if let Some(audit) = &records.audit {
                audit.follow(audit::settings(&loaded.config));
            } else if loaded.config.audit.enabled {
                log.warn("`audit` changed: an audit log is written from the next start on");
            }
            if let Some(metrics) = &records.metrics {
                metrics.follow(loaded.config.endpoints.metrics_readers.clone());
            } else if loaded.config.endpoints.metrics.is_some() {
                log.warn("`endpoints.metrics` changed: it is counted from the next start on");
            }
            Some(loaded)
        }
    }
}

/// A change of the configuration is a security event.
fn record(records: &Records, reason: &'static str, details: &str) {
    let mut recorder = records.recorder();
    recorder.security(&SecurityEvent {
        kind: EventKind::ConfigChanged,
        unix_ms: jiff::Timestamp::now().as_millisecond().unsigned_abs(),
        subject: Subject::default(),
        status: 0,
        reason,
        details,
        observed: false,
    });
    recorder.flush();
}

fn paths(certificates: &Certificates) -> Vec<PathBuf> {
    certificates.files().map(Path::to_owned).to_vec()
}

/// What each file holds.
type Fingerprint = BTreeMap<PathBuf, Option<[u8; 32]>>;

/// What the files hold now; a file that is missing is a content of its own.
fn fingerprint(files: &[PathBuf]) -> Fingerprint {
    files
        .iter()
        .map(|path| (path.clone(), std::fs::read(path).ok().map(|bytes| Sha256::digest(bytes).into())))
        .collect()
}

/// How many cores there are for us.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Sixteen random bytes of the system.
pub fn random_pair() -> Result<[u64; 2]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    let [mut first, mut second] = [[0; 8]; 2];
    first.copy_from_slice(&bytes[..8]);
    second.copy_from_slice(&bytes[8..]);
    Ok([u64::from_le_bytes(first), u64::from_le_bytes(second)])
}
