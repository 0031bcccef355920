//! What all cores share, and what each core has of its own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use portcullis_core::event::Recorder;
use portcullis_core::{Now, client};
use portcullis_gate::context::RequestId;
use portcullis_gate::{Gate, Policy};

use crate::buffers::Buffers;
use crate::pool::Pool;
use crate::settings::Settings;
use crate::sockets::Sockets;

/// One configuration in force: what is decided, and how bytes go. Swapped whole.
#[derive(Debug)]
pub struct Snapshot {
    /// The decision.
    pub policy: Policy,
    /// The data plane.
    pub settings: Settings,
}

/// What all cores share.
pub struct Shared {
    /// The gate with its counters.
    pub gate: Gate,
    snapshot: ArcSwap<Snapshot>,
    version: AtomicU64,
    draining: AtomicBool,
    census: Census,
    pub(crate) sockets: Sockets,
    /// Whether each upstream of the snapshot could last be reached, for the health endpoint.
    unreachable: AtomicU64,
    store: AtomicU8,
    audit: AtomicU8,
    metrics: OnceLock<Show>,
}

/// Gives what is shown at the metrics endpoint to a reader at an address; nothing where it may not read.
pub type Show = Box<dyn Fn(IpAddr, &Shared) -> Option<String> + Send + Sync>;

/// Whether requests are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditState {
    /// They are not to be.
    None,
    /// They are.
    Recording,
    /// They are held, as their store takes nothing.
    Behind,
    /// Some were lost in the last minute.
    Losing,
}

/// Whether the store of accounts answers, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreState {
    /// There is none.
    None,
    /// It answers.
    Reachable,
    /// It does not: what is in memory is served, and nothing can be changed.
    Unreachable,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl Shared {
    /// The shared part of an engine that starts with `snapshot`.
    pub fn new(gate: Gate, snapshot: Snapshot) -> Self {
        Self {
            gate,
            snapshot: ArcSwap::from_pointee(snapshot),
            version: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            census: Census::default(),
            sockets: Sockets::default(),
            unreachable: AtomicU64::new(0),
            store: AtomicU8::new(0),
            audit: AtomicU8::new(0),
            metrics: OnceLock::new(),
        }
    }

    /// Puts another snapshot in force; requests already admitted end under the old one.
    pub fn replace(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Begins to drain: no new requests on kept connections.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether it drains.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Lets a connection in, if neither the whole nor its address holds too many. It counts until the
    /// guard is dropped.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Entered> {
        let caps = &self.snapshot.load().settings.caps;
        let prefix = client::prefix(address);
        self.census
            .enter(prefix, caps.connections, caps.connections_per_ip)
            .then(|| Entered { shared: Arc::clone(self), prefix })
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.census.total.load(Ordering::Relaxed)
    }

    /// Notes whether the upstream with this index could be reached.
    pub fn reached(&self, upstream: usize, reached: bool) {
        let bit = 1 << upstream.min(63);
        let was = self.unreachable.load(Ordering::Relaxed) & bit == 0;
        if was != reached {
            if reached {
                self.unreachable.fetch_and(!bit, Ordering::Relaxed);
            } else {
                self.unreachable.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }

    /// Notes whether the store answers.
    pub fn set_store(&self, state: StoreState) {
        self.store.store(state as u8, Ordering::Relaxed);
    }

    /// Whether the store last answered.
    pub fn store(&self) -> StoreState {
        match self.store.load(Ordering::Relaxed) {
            0 => StoreState::None,
            1 => StoreState::Reachable,
            _ => StoreState::Unreachable,
        }
    }

    /// What the metrics endpoint shows, once for the life of the engine.
    pub fn set_metrics(&self, show: Show) {
        let _ = self.metrics.set(show);
    }

    /// The metrics, for a reader at that address.
    pub fn metrics(&self, to: IpAddr) -> Option<String> {
        self.metrics.get().and_then(|show| show(to, self))
    }

    /// Notes whether requests are recorded.
    pub fn set_audit(&self, state: AuditState) {
        self.audit.store(state as u8, Ordering::Relaxed);
    }

    /// Whether requests are recorded.
    pub fn audit(&self) -> AuditState {
        match self.audit.load(Ordering::Relaxed) {
            0 => AuditState::None,
            1 => AuditState::Recording,
            2 => AuditState::Behind,
            _ => AuditState::Losing,
        }
    }

    /// Whether the upstream with this index could last be reached.
    pub fn is_reached(&self, upstream: usize) -> bool {
        self.unreachable.load(Ordering::Relaxed) & 1 << upstream.min(63) == 0
    }
}

/// A connection that counts while this lives.
#[derive(Debug)]
pub struct Entered {
    shared: Arc<Shared>,
    prefix: IpAddr,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.shared.census.leave(self.prefix);
    }
}

/// Open connections, in all and by address; asked at accept only, never per request.
#[derive(Debug)]
struct Census {
    total: AtomicUsize,
    shards: [Mutex<HashMap<IpAddr, usize>>; 16],
    hasher: RandomState,
}

impl Default for Census {
    fn default() -> Self {
        Self { total: AtomicUsize::new(0), shards: Default::default(), hasher: RandomState::new() }
    }
}

impl Census {
    fn shard(&self, prefix: IpAddr) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        let index = self.hasher.hash_one(prefix) as usize % self.shards.len();
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, prefix: IpAddr, cap: usize, cap_per_ip: usize) -> bool {
        if self.total.fetch_add(1, Ordering::Relaxed) >= cap {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        let mut shard = self.shard(prefix);
        let open = shard.entry(prefix).or_default();
        if *open >= cap_per_ip {
            drop(shard);
            self.total.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        *open += 1;
        true
    }

    fn leave(&self, prefix: IpAddr) {
        self.total.fetch_sub(1, Ordering::Relaxed);
        let mut shard = self.shard(prefix);
        if let Some(open) = shard.get_mut(&prefix) {
            *open -= 1;
            if *open == 0 {
                shard.remove(&prefix);
            }
        }
    }
}

/// A snapshot as a core holds it, with the core's own connections to its upstreams.
#[derive(Debug)]
pub struct Local {
    snapshot: Arc<Snapshot>,
    /// In the order of the snapshot's upstreams.
    pub pools: Vec<Rc<Pool>>,
}

impl std::ops::Deref for Local {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

/// What a core has of its own; never leaves its thread.
pub struct Core {
    /// What all cores share.
    pub shared: Arc<Shared>,
    /// The free lists.
    pub buffers: Buffers,
    /// Where this core's records go.
    pub recorder: RefCell<Box<dyn Recorder>>,
    local: RefCell<Rc<Local>>,
    version: Cell<u64>,
    random: Cell<[u64; 2]>,
    clock: Cell<(Instant, u64)>,
    started: Instant,
    wakers: RefCell<Wakers>,
    held: Cell<usize>,
    epoch: Cell<u64>,
}

impl Core {
    /// A core; `seed` from the system's random source. `started` is the zero of the monotonic clock and
    /// must be the same on every core, since they share counters.
    pub fn new(shared: Arc<Shared>, recorder: Box<dyn Recorder>, seed: [u64; 2], started: Instant) -> Self {
        let version = shared.version.load(Ordering::Acquire);
        let local = Local::new(shared.snapshot.load_full(), &[]);
        Self {
            shared,
            buffers: Buffers::default(),
            recorder: RefCell::new(recorder),
            local: RefCell::new(Rc::new(local)),
            version: Cell::new(version),
            random: Cell::new(seed),
            clock: Cell::new((Instant::now(), unix_ms())),
            started,
            wakers: RefCell::default(),
            held: Cell::new(0),
            epoch: Cell::new(0),
        }
    }

    /// The snapshot in force. Looking for a newer one costs one relaxed read.
    pub fn local(&self) -> Rc<Local> {
        let version = self.shared.version.load(Ordering::Acquire);
        if version != self.version.get() {
            let fresh = Local::new(self.shared.snapshot.load_full(), &self.local.borrow().pools);
            *self.local.borrow_mut() = Rc::new(fresh);
            self.version.set(version);
        }
        Rc::clone(&self.local.borrow())
    }

    /// This moment, on both clocks.
    pub fn now(&self) -> Now {
        let instant = Instant::now();
        let (base, base_unix_ms) = self.clock.get();
        Now {
            monotonic_ms: instant.duration_since(self.started).as_millis() as u64,
            unix_ms: base_unix_ms + instant.duration_since(base).as_millis() as u64,
        }
    }

    /// Follows the calendar clock, which may have been set; called once a second.
    pub fn set_clock(&self) {
        self.clock.set((Instant::now(), unix_ms()));
    }

    /// A random UUID's bits. Ids have to be unique, not secret: xoroshiro128+ from a random seed.
    pub fn random(&self) -> u128 {
        (u128::from(self.step()) << 64) | u128::from(self.step())
    }

    fn step(&self) -> u64 {
        let [a, b] = self.random.get();
        let out = a.wrapping_add(b);
        let c = a ^ b;
        self.random.set([a.rotate_left(24) ^ c ^ (c << 16), c.rotate_left(37)]);
        out
    }

    /// A new request id.
    pub fn request_id(&self) -> RequestId {
        RequestId::from_random(self.random())
    }

    /// Keeps the waker of a connection, so that draining reaches it while it waits.
    pub fn register(&self, waker: &Waker) -> usize {
        self.wakers.borrow_mut().insert(waker.clone())
    }

    /// Forgets it.
    pub fn unregister(&self, slot: usize) {
        self.wakers.borrow_mut().remove(slot);
    }

    /// Counts a connection from the moment it was accepted until the guard is dropped.
    pub fn hold(self: &Rc<Self>) -> Held {
        self.held.set(self.held.get() + 1);
        Held(Rc::clone(self))
    }

    /// How many connections this core holds.
    pub fn connections(&self) -> usize {
        self.held.get()
    }

    /// Wakes every connection when something was revoked since it last looked: those that outlive their request
    /// ask whether they still may.
    pub fn wake_after_revocation(&self) {
        let epoch = self.local().policy.epoch();
        if self.epoch.replace(epoch) != epoch {
            self.wake_all();
        }
    }

    /// Wakes every connection of this core.
    pub fn wake_all(&self) {
        self.wakers.borrow().slots.iter().flatten().for_each(Waker::wake_by_ref);
    }
}

/// A connection that its core waits for while this lives.
#[derive(Debug)]
pub struct Held(Rc<Core>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.set(self.0.held.get() - 1);
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

impl Local {
    /// Holds a snapshot, keeping the pools of upstreams that did not change.
    fn new(snapshot: Arc<Snapshot>, old: &[Rc<Pool>]) -> Self {
        let pools = snapshot
            .settings
            .upstreams
            .iter()
            .map(|upstream| {
                let same = old.iter().find(|pool| pool.upstream() == upstream);
                same.map_or_else(|| Rc::new(Pool::new(upstream.clone())), Rc::clone)
            })
            .collect();
        Self { snapshot, pools }
    }
}

#[derive(Debug, Default)]
struct Wakers {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Wakers {
    fn insert(&mut self, waker: Waker) -> usize {
        if let Some(slot) = self.free.pop() {
            self.slots[slot] = Some(waker);
            return slot;
        }
        self.slots.push(Some(waker));
        self.slots.len() - 1
    }

    fn remove(&mut self, slot: usize) {
        self.slots[slot] = None;
        self.free.push(slot);
    }
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_census_counts_by_address_and_in_all() {
        let census = Census::default();
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        assert!(census.enter(one, 3, 2));
        assert!(census.enter(one, 3, 2));
        assert!(!census.enter(one, 3, 2), "two from one address");
        assert!(census.enter(other, 3, 2));
        assert!(!census.enter([10, 0, 0, 3].into(), 3, 2), "three in all");
        census.leave(one);
        assert!(census.enter(one, 3, 2));
        assert_eq!(census.total.load(Ordering::Relaxed), 3);
    }
}
