//! The audit log of a running gateway: every request leaves one record, and one thread writes them to the store.
//!
//! A core copies what it knows of a request into a buffer of its own and goes on; every 50 ms the writer takes
//! all buffers, redacts, and appends what they hold as one act. Changes of accounts are written before they are
//! answered. Buffers are bounded: while the store takes nothing, records are counted and lost, or requests wait.

mod machine;
mod record;
mod recorder;
mod told;
mod usage;
mod waiting;
mod writer;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};
use portcullis_core::audit::AuditRecord;
use portcullis_core::event::Recorder;
use portcullis_core::port::{Store, StoreError};
use portcullis_proxy::AuditState;
use portcullis_proxy::core::Shared as Engine;

use crate::log::Log;
use crate::ops::key_age::Credential;

pub use record::{path, text};
pub use told::Tale;

use recorder::CoreRecorder;
use told::Told;
use waiting::Waiting;
use writer::Writer;

/// Bytes that one buffer holds at least: a few hundred requests.
const LEAST_ROOM: usize = 64 * 1024;
/// Records of changes that are held while the store takes none: it takes no changes then, either.
const OWED: usize = 1000;
/// How long who reads waits for what is being written.
const PATIENCE: Duration = Duration::from_secs(1);

/// What may change while the gateway runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether records are kept. What was asked for is counted all the same.
    pub records: bool,
    /// Whether security events that are no answer to a request are among them.
    pub security: bool,
    /// How old a record may get.
    pub retention: Duration,
    /// Whether requests wait while the store takes nothing.
    pub waits: bool,
    /// The keys of the configuration, whose ages are looked after.
    pub credentials: Vec<Credential>,
}

/// What it is started with.
pub struct Start {
    /// Takes the records.
    pub store: Arc<dyn Store>,
    /// Keeps the keys of users, where there are any.
    pub accounts: Option<Arc<dyn Store>>,
    /// What may change.
    pub settings: Settings,
    /// The log of the process.
    pub log: Log,
    /// How many bytes each recorder holds while the store takes nothing.
    pub room: usize,
}

/// The audit log of this process.
#[derive(Debug, Clone)]
pub struct Audit(Arc<Shared>);

pub(crate) struct Shared {
    store: Arc<dyn Store>,
    accounts: Option<Arc<dyn Store>>,
    log: Log,
    settings: RwLock<Settings>,
    /// Whether they were changed since the writer last looked.
    changed: AtomicBool,
    /// Copies of settings for the path of requests.
    records: AtomicBool,
    security: AtomicBool,
    waits: AtomicBool,
    /// Bytes that one buffer holds.
    room: usize,
    buffers: Mutex<Vec<Arc<Waiting>>>,
    told: Told,
    /// Records lost since that was last said.
    lost: AtomicU64,
    /// Whether records were lost not long ago.
    losing: AtomicBool,
    /// Nobody waits any more.
    closing: AtomicBool,
    turns: Mutex<Turns>,
    bell: Condvar,
    /// Records that were to be written at once, and could not be.
    owed: Mutex<Vec<AuditRecord>>,
    engine: OnceLock<Arc<Engine>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Audit {
    /// Starts the writer.
    pub fn start(start: Start) -> Result<Self, anyhow::Error> {
        let Start { store, accounts, settings, log, room } = start;
        let shared = Arc::new(Shared {
            store,
            accounts,
            log,
            records: AtomicBool::new(settings.records),
            security: AtomicBool::new(settings.security),
            waits: AtomicBool::new(settings.waits),
            settings: RwLock::new(settings),
            changed: AtomicBool::new(false),
            room: room.max(LEAST_ROOM),
            buffers: Mutex::default(),
            told: Told::default(),
            lost: AtomicU64::new(0),
            losing: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            turns: Mutex::default(),
            bell: Condvar::new(),
            owed: Mutex::default(),
            engine: OnceLock::new(),
            thread: Mutex::new(None),
        });
        let writer = Writer::new(Arc::clone(&shared))?;
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run())?;
        *shared.thread.lock() = Some(thread);
        Ok(Self(shared))
    }

    /// Takes over what a changed configuration says.
    pub fn follow(&self, settings: Settings) {
        self.0.records.store(settings.records, Ordering::Relaxed);
        self.0.security.store(settings.security, Ordering::Relaxed);
        self.0.waits.store(settings.waits, Ordering::Relaxed);
        *self.0.settings.write() = settings;
        self.0.changed.store(true, Ordering::Relaxed);
    }

    /// Lets the writer see the engine: how many connections are open, and the health endpoint.
    pub fn watch(&self, engine: Arc<Engine>) {
        let _ = self.0.engine.set(engine);
    }

    /// A recorder of one core that hands everything on to `log`, too.
    pub fn recorder(&self, log: Box<dyn Recorder>) -> Box<dyn Recorder> {
        let buffer = Arc::new(Waiting::default());
        self.0.buffers.lock().push(Arc::clone(&buffer));
        Box::new(CoreRecorder::new(Arc::clone(&self.0), buffer, log))
    }

    /// Whether records are kept.
    pub fn is_kept(&self) -> bool {
        self.0.records.load(Ordering::Relaxed)
    }

    /// Tells what is known of a request beside what its core will see: it becomes part of the same record.
    pub fn tell(&self, request_id: &str, from: IpAddr, tale: Tale) {
        self.0.told.tell(request_id, from, tale);
    }

    /// Writes a record at once: when this returns, it is durable. Where that cannot be, it is held as the others
    /// are.
    pub fn write(&self, record: AuditRecord) -> Result<(), StoreError> {
        let records = [record];
        let written = self.0.store.append_audit(&records).map(drop);
        if written.is_err() {
            let mut owed = self.0.owed.lock();
            if owed.len() < OWED {
                owed.extend(records);
            } else {
                self.0.lose();
            }
        }
        written
    }

    /// Waits, not for long, until everything that came before was written.
    pub fn catch_up(&self) {
        let mut turns = self.0.turns.lock();
        turns.asked += 1;
        let (mine, until) = (turns.asked, Instant::now() + PATIENCE);
        self.0.bell.notify_all();
        while turns.done < mine && !turns.ended {
            if self.0.bell.wait_until(&mut turns, until).timed_out() {
                return;
            }
        }
    }

    /// The store with the records.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// From now on nobody waits for room: the cores are about to end.
    pub fn close(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
        self.0.buffers.lock().iter().for_each(|buffer| buffer.free());
    }

    /// Writes what still waits, and ends the writer.
    pub fn stop(&self) {
        self.close();
        self.0.turns.lock().ended = true;
        self.0.bell.notify_all();
        let thread = self.0.thread.lock().take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// What the writer does when.
#[derive(Debug, Default)]
struct Turns {
    /// How many were asked for.
    asked: u64,
    /// Up to which of them they were done.
    done: u64,
    ended: bool,
}

/// What comes next for the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// One as every other; somebody may wait for its end.
    Next {
        /// Up to which turn that was asked for this one goes.
        asked: u64,
        /// Whether somebody waits.
        awaited: bool,
    },
    /// The last.
    Last,
}

impl Shared {
    /// Waits for the next turn.
    fn pause(&self, turn: Duration) -> Turn {
        let mut turns = self.turns.lock();
        if !turns.ended && turns.asked == turns.done {
            self.bell.wait_for(&mut turns, turn);
        }
        if turns.ended {
            return Turn::Last;
        }
        Turn::Next { asked: turns.asked, awaited: turns.asked > turns.done }
    }

    /// Counts a record that is lost. That there is one shows at once: the writer may be waiting for the store.
    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        if !self.losing.swap(true, Ordering::Relaxed) {
            self.log
                .error("audit log: the store takes nothing, and no more records can be held: they are lost");
            if let Some(engine) = self.engine.get() {
                engine.set_audit(AuditState::Losing);
            }
        }
    }

    /// Tells those who wait for it that a turn is over.
    fn done(&self, asked: u64) {
        self.turns.lock().done = asked;
        self.bell.notify_all();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}
