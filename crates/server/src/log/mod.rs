//! The log: access lines and security events, formatted by each core into a buffer of its own and written by
//! one thread. Logging never waits: when the writer cannot keep up, access lines are dropped and counted.

mod file;
mod line;
mod recorder;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use portcullis_core::event::Recorder;

use line::Line;
use recorder::CoreRecorder;
use writer::{Message, Writer};

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people and `grep`.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least important line that is written. Security events are written whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only what went wrong.
    Error,
    /// And what should be looked at.
    Warn,
    /// And every request.
    Info,
    /// And everything else.
    Debug,
}

impl Level {
    fn from_u8(level: u8) -> Self {
        match level {
            0 => Level::Error,
            1 => Level::Warn,
            2 => Level::Info,
            _ => Level::Debug,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// A log file beside standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSettings {
    /// The file; older ones stand beside it as `NAME.1`, `NAME.2`, …
    pub path: PathBuf,
    /// Bytes at which it is put aside.
    pub rotate: u64,
    /// How long those that were put aside are kept.
    pub keep: Duration,
}

/// What the log is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How lines are written.
    pub format: Format,
    /// The least important line.
    pub level: Level,
    /// Whether security events are written.
    pub security: bool,
    /// The file, if there is one.
    pub file: Option<FileSettings>,
}

/// The log of the process.
#[derive(Debug, Clone)]
pub struct Log(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    format: AtomicU8,
    level: AtomicU8,
    security: AtomicBool,
    /// Access lines that could not be handed over.
    pub(crate) dropped: AtomicU64,
    sender: SyncSender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How long the end waits for what is still to be written.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How often it looks whether that is done.
const LOOK: Duration = Duration::from_millis(2);
/// Buffers that may wait for the writer: at 16 KiB each, 4 MiB.
const WAITING: usize = 256;

impl Log {
    /// Opens the file, if any, and starts the writer.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let writer = Writer::open(settings.file.clone())?;
        let (sender, receiver) = sync_channel(WAITING);
        let thread =
            std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(&receiver))?;
        let shared = Shared {
            format: AtomicU8::new(settings.format as u8),
            level: AtomicU8::new(settings.level as u8),
            security: AtomicBool::new(settings.security),
            dropped: AtomicU64::new(0),
            sender,
            thread: Mutex::new(Some(thread)),
        };
        Ok(Self(Arc::new(shared)))
    }

    /// Takes over what may change while running: all but the file.
    pub fn follow(&self, settings: &Settings) {
        self.0.format.store(settings.format as u8, Ordering::Relaxed);
        self.0.level.store(settings.level as u8, Ordering::Relaxed);
        self.0.security.store(settings.security, Ordering::Relaxed);
    }

    /// The recorder of one core.
    pub fn recorder(&self) -> Box<dyn Recorder> {
        Box::new(CoreRecorder::new(Arc::clone(&self.0)))
    }

    /// A line about the process.
    pub fn info(&self, message: &str) {
        self.say(Level::Info, message);
    }

    /// A line about something to look at.
    pub fn warn(&self, message: &str) {
        self.say(Level::Warn, message);
    }

    /// A line about something that went wrong.
    pub fn error(&self, message: &str) {
        self.say(Level::Error, message);
    }

    /// A line about something that only matters to who looks closely.
    pub fn debug(&self, message: &str) {
        self.say(Level::Debug, message);
    }

    /// Writes what is still waiting and ends the writer; gives up on a standard error that nobody reads.
    pub fn shutdown(&self) {
        let deadline = Instant::now() + LAST_WORDS;
        while let Err(TrySendError::Full(_)) = self.0.sender.try_send(Message::End) {
            if Instant::now() > deadline {
                return;
            }
            std::thread::park_timeout(LOOK);
        }
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        while !thread.is_finished() {
            if Instant::now() > deadline {
                return;
            }
            std::thread::park_timeout(LOOK);
        }
        let _ = thread.join();
    }

    fn say(&self, level: Level, message: &str) {
        if level > self.0.level() {
            return;
        }
        let mut text = String::new();
        let unix_ms =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        Line::new(self.0.format(), &mut text).process(level, unix_ms, message);
        // A reader of standard error that stands still must not hold a reload or a shutdown.
        if self.0.hand_over(text).is_err() {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Shared {
    pub(crate) fn format(&self) -> Format {
        if self.format.load(Ordering::Relaxed) == Format::Text as u8 { Format::Text } else { Format::Json }
    }

    pub(crate) fn level(&self) -> Level {
        Level::from_u8(self.level.load(Ordering::Relaxed))
    }

    pub(crate) fn writes_security(&self) -> bool {
        self.security.load(Ordering::Relaxed)
    }

    /// Hands lines to the writer; gives them back when it cannot take them now.
    pub(crate) fn hand_over(&self, lines: String) -> Result<(), String> {
        self.sender.try_send(Message::Lines(lines)).map_err(|error| match error {
            std::sync::mpsc::TrySendError::Full(Message::Lines(lines))
            | std::sync::mpsc::TrySendError::Disconnected(Message::Lines(lines)) => lines,
            _ => String::new(),
        })
    }
}
