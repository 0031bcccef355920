//! The one thread that writes records to the store, and what has to be done beside that now and then.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use portcullis_core::Id;
use portcullis_core::audit::AuditRecord;
use portcullis_core::port::StoreError;
use portcullis_proxy::AuditState;

use super::usage::Counts;
use super::waiting::Held;
use super::{Shared, Turn, machine::Machine, record};
use crate::ops::accounts::now_ms;
use crate::ops::key_age;

/// How long a record waits at most before it is written.
const TURN: Duration = Duration::from_millis(50);
/// How long it is left in peace after it failed to take something.
const REST: Duration = Duration::from_secs(1);
/// Records in one act: more are written by several, so that none holds others up for long.
const TOGETHER: usize = 1000;
/// How often counts are added to those that the store keeps.
const KEEP: Duration = Duration::from_secs(5);
/// How often it is looked whether records are too old.
const PRUNE: Duration = Duration::from_secs(86_400);
/// Records that are removed in one act.
const REMOVED: u32 = 5000;
/// How long counts are kept: 30 days.
const COUNTS_MS: i64 = 30 * 86_400_000;
/// How long a loss shows in the health endpoint.
const SHOWN: Duration = Duration::from_secs(60);
/// How often a loss is said while it goes on.
const SAID: Duration = Duration::from_secs(10);
/// How many keys that are too old are named.
const SHOWN_KEYS: usize = 10;
/// How long the end waits for a store that takes nothing.
const LAST_TRIES: Duration = Duration::from_secs(5);

pub(super) struct Writer {
    shared: Arc<Shared>,
    node: Id,
    /// Taken from the buffers and not written yet.
    unwritten: Vec<AuditRecord>,
    /// An empty one, with its memory.
    spare: Held,
    counts: Counts,
    machine: Machine,
    /// Since when the store takes nothing.
    failing: Option<Instant>,
    /// Not before then it is tried again.
    again: Instant,
    /// When records were last lost.
    lost: Option<Instant>,
    /// How many of them nobody was told of yet, and when somebody last was.
    unsaid: u64,
    said: Option<Instant>,
    kept: Instant,
    /// When it was last looked for old records; nothing: there may be more.
    pruned: Option<Instant>,
    /// How many were removed in this go.
    removed: u64,
}

impl Writer {
    pub fn new(shared: Arc<Shared>) -> Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
        let mut machine = Machine::default();
        machine.look();
        Ok(Self {
            shared,
            node: Id::fresh(now_ms().unsigned_abs(), u128::from_ne_bytes(random)),
            unwritten: Vec::new(),
            spare: Held::default(),
            counts: Counts::default(),
            machine,
            failing: None,
            again: Instant::now(),
            lost: None,
            unsaid: 0,
            said: None,
            kept: Instant::now(),
            pruned: None,
            removed: 0,
        })
    }

    pub fn run(mut self) {
        while let Turn::Next { asked, awaited } = self.shared.pause(TURN) {
            self.turn(awaited);
            self.shared.done(asked);
        }
        let until = Instant::now() + LAST_TRIES;
        loop {
            self.again = Instant::now();
            self.turn(true);
            if self.failing.is_none() {
                return;
            }
            if Instant::now() > until {
                break;
            }
            std::thread::park_timeout(TURN);
        }
        let lost = self.unwritten.len();
        self.shared.log.error(&format!("{lost} records of the audit log are lost: the store takes nothing"));
    }

    /// Takes what waits and writes it; counts, too, where it is their time or `all` is wanted.
    fn turn(&mut self, all: bool) {
        if Instant::now() >= self.again && self.unwritten.is_empty() {
            self.take();
        }
        self.confess();
        if let Some(engine) = self.shared.engine.get() {
            self.counts.connections(now_ms(), engine.connections() as u64);
        }
        if Instant::now() >= self.again {
            let outcome = self.write().and_then(|()| self.keep(all)).and_then(|()| self.prune());
            match outcome {
                Ok(()) => self.succeeded(),
                Err(error) => self.failed(&error),
            }
        }
        self.show();
    }

    /// Takes what waits in all buffers.
    fn take(&mut self) {
        let mut buffers = self.shared.buffers.lock().clone();
        for buffer in &buffers {
            let mut held = buffer.take(std::mem::take(&mut self.spare));
            for (fixed, texts) in held.records() {
                if fixed.request {
                    self.counts.request(fixed, &texts);
                }
                if fixed.recorded {
                    self.unwritten.push(record::of(fixed, &texts));
                }
            }
            held.clear();
            self.spare = held;
        }
        // Those whose recorder is gone: two hold it, the list and this copy.
        buffers.retain(|buffer| Arc::strong_count(buffer) == 2 && buffer.is_empty());
        if !buffers.is_empty() {
            let gone = |buffer: &Arc<_>| buffers.iter().any(|other| Arc::ptr_eq(other, buffer));
            self.shared.buffers.lock().retain(|buffer| !gone(buffer));
        }
        self.unwritten.append(&mut self.shared.owed.lock());
        // Each core's stand in their order; together they are put in order by their moments.
        self.unwritten.sort_by_key(|record| record.at_ms);
    }

    /// Says how many records were lost, now and then: in the log of the process, and in this one.
    fn confess(&mut self) {
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.lost = Some(Instant::now());
            self.unsaid += lost;
            self.counts.lost(now_ms(), lost);
        } else if self.lost.is_some_and(|lost| lost.elapsed() >= SHOWN) {
            self.lost = None;
            self.shared.losing.store(false, Ordering::Relaxed);
        }
        if self.unsaid == 0 || self.said.is_some_and(|said| said.elapsed() < SAID) {
            return;
        }
        self.said = Some(Instant::now());
        let lost = std::mem::take(&mut self.unsaid);
        let details = format!("{lost} records were lost: the store did not take them in time");
        self.shared.log.error(&format!("audit log: {details}"));
        if self.shared.records.load(Ordering::Relaxed) {
            let (event, reason) = (AuditRecord::LOST.into(), "full".to_owned());
            let at_ms = now_ms();
            self.unwritten.push(AuditRecord { at_ms, event, reason, details, ..AuditRecord::default() });
        }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        while !self.unwritten.is_empty() {
            let together = self.unwritten.len().min(TOGETHER);
            self.shared.store.append_audit(&self.unwritten[..together])?;
            self.unwritten.drain(..together);
        }
        // After a rush the memory of it is given back.
        self.unwritten.shrink_to(TOGETHER);
        Ok(())
    }

    fn keep(&mut self, now: bool) -> Result<(), StoreError> {
        if !now && self.kept.elapsed() < KEEP {
            return Ok(());
        }
        let load = self.machine.look();
        self.counts.keep(&*self.shared.store, self.node, now_ms(), load)?;
        self.kept = Instant::now();
        Ok(())
    }

    /// Removes some of what is too old; the rest in the next turns.
    fn prune(&mut self) -> Result<(), StoreError> {
        let changed = self.shared.changed.swap(false, Ordering::Relaxed);
        if !changed && self.pruned.is_some_and(|pruned| pruned.elapsed() < PRUNE) {
            return Ok(());
        }
        let now_ms = now_ms();
        let retention = self.shared.settings.read().retention;
        let retention_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        let store = &self.shared.store;
        let removed = store.prune_audit(now_ms.saturating_sub(retention_ms), now_ms, REMOVED)?;
        self.removed += removed;
        if removed < u64::from(REMOVED) {
            store.forget_usage(now_ms.saturating_sub(COUNTS_MS))?;
            self.pruned = Some(Instant::now());
            let head = store.audit_ends()?.head;
            let removed = match std::mem::take(&mut self.removed) {
                0 => String::new(),
                removed => format!("{removed} records were too old and are removed; "),
            };
            // Whoever keeps this line elsewhere can show later that nothing up to there was changed.
            self.shared.log.info(&format!("audit log: {removed}the mark of the day is {head}"));
            self.look_at_keys(now_ms)?;
        }
        Ok(())
    }

    /// Says which keys should be replaced.
    fn look_at_keys(&self, now_ms: i64) -> Result<(), StoreError> {
        let credentials = self.shared.settings.read().credentials.clone();
        let (mut old, _) = key_age::shared(&*self.shared.store, &credentials, now_ms, true)?;
        if let Some(accounts) = &self.shared.accounts {
            old.extend(key_age::of_users(&**accounts, now_ms)?);
        }
        for one in old.iter().take(SHOWN_KEYS) {
            self.shared.log.warn(&format!("{one}: replace it"));
        }
        if old.len() > SHOWN_KEYS {
            self.shared.log.warn(&format!("{} more keys are older than 90 days", old.len() - SHOWN_KEYS));
        }
        Ok(())
    }

    fn succeeded(&mut self) {
        if self.failing.take().is_some() {
            self.shared.log.info("audit log: the store takes records again");
        }
    }

    /// Said once, when it begins.
    fn failed(&mut self, error: &StoreError) {
        self.again = Instant::now() + REST;
        if self.failing.is_none() {
            self.failing = Some(Instant::now());
            let waits = self.shared.waits.load(Ordering::Relaxed);
            let then =
                if waits { "requests wait when no more can be held" } else { "what cannot be held is lost" };
            self.shared.log.error(&format!("audit log: {error}; records are held in memory, and {then}"));
        }
    }

    fn show(&self) {
        let Some(engine) = self.shared.engine.get() else { return };
        let losing = self.shared.losing.load(Ordering::Relaxed);
        engine.set_audit(match (self.shared.records.load(Ordering::Relaxed), losing, self.failing) {
            (false, ..) => AuditState::None,
            (true, true, _) => AuditState::Losing,
            (true, false, Some(_)) => AuditState::Behind,
            (true, false, None) => AuditState::Recording,
        });
    }
}
