//! The one thread that writes records to the store, and what has to be done beside that now and then.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use portcullis_core::Id;
use portcullis_core::audit::AuditRecord;
use portcullis_core::port::StoreError;
use portcullis_proxy::core::AuditState;

use super::usage::Counts;
use super::waiting::Held;
use super::{Shared, Turn, machine::Machine, record};
use crate::ops::accounts::now_ms;

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
    lost: Option<Instant>,
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
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.lost = Some(Instant::now());
            self.counts.lost(now_ms(), lost);
            let details = format!("{lost} records were lost: the store did not take them in time");
            self.shared.log.warn(&format!("audit log: {details}"));
            if self.shared.records.load(Ordering::Relaxed) {
                let event = AuditRecord::LOST.into();
                let reason = "full".to_owned();
                let at_ms = now_ms();
                self.unwritten.push(AuditRecord { at_ms, event, reason, details, ..AuditRecord::default() });
            }
        }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        while !self.unwritten.is_empty() {
            let together = self.unwritten.len().min(TOGETHER);
            self.shared.store.append_audit(&self.unwritten[..together])?;
            self.unwritten.drain(..together);
        }
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
        if self.pruned.is_some_and(|pruned| pruned.elapsed() < PRUNE) {
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
            let removed = std::mem::take(&mut self.removed);
            // Whoever keeps this line elsewhere can show later that nothing up to there was changed.
            self.shared.log.info(&format!(
                "audit log: {removed} records were too old and are removed; `portcullis audit verify --expect {head}` \
                 shows whether what stands now is ever changed"
            ));
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
        let lost = self.lost.is_some_and(|lost| lost.elapsed() < SHOWN);
        engine.set_audit(match (self.shared.records.load(Ordering::Relaxed), lost, self.failing) {
            (false, ..) => AuditState::None,
            (true, true, _) => AuditState::Losing,
            (true, false, Some(_)) => AuditState::Behind,
            (true, false, None) => AuditState::Recording,
        });
    }
}
