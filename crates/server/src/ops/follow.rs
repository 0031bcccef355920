//! What goes on beside requests where accounts are kept: the memory follows the store, uses are noted, what has
//! ended is removed, signing keys are renewed.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use portcullis_accounts::AccountError;
use portcullis_core::port::StoreError;
use portcullis_proxy::StoreState;
use portcullis_proxy::core::Shared;

use super::accounts::{Running, now_ms};
use crate::config::model::Accounts;
use crate::log::Log;

/// How often the store is asked what changed: a command on the same store takes effect within that time.
const LOOK: Duration = Duration::from_millis(250);
/// How often it is noted what was used.
const NOTE: Duration = Duration::from_secs(5);
/// How often it is looked whether a signing key is too old.
const KEYS: Duration = Duration::from_secs(3600);

/// Does all that on a thread of its own until it is stopped.
#[derive(Debug)]
pub struct Follower {
    end: Sender<()>,
    thread: JoinHandle<()>,
    wanted: Arc<ArcSwap<Accounts>>,
}

impl Follower {
    /// Starts. `shared` is told whether the store answers.
    pub fn start(running: Running, wanted: Accounts, log: Log, shared: Arc<Shared>) -> std::io::Result<Self> {
        let (end, ended) = channel();
        let wanted = Arc::new(ArcSwap::from_pointee(wanted));
        let mut work =
            Work { running, wanted: Arc::clone(&wanted), log, shared, answers: true, complained: false };
        work.shared.set_store(StoreState::Reachable);
        let thread = std::thread::Builder::new().name("store-follower".to_owned()).spawn(move || {
            let (mut noted, mut cleaned, mut keyed) = (Instant::now(), Instant::now(), Instant::now());
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                work.follow();
                if noted.elapsed() >= NOTE {
                    noted = Instant::now();
                    work.note();
                }
                if cleaned.elapsed() >= work.wanted.load().sessions.cleanup {
                    cleaned = Instant::now();
                    work.clean();
                }
                if keyed.elapsed() >= KEYS {
                    keyed = Instant::now();
                    work.renew_keys();
                }
            }
            // What was used is known after the next start, too.
            work.note();
        })?;
        Ok(Self { end, thread, wanted })
    }

    /// Takes over what a changed configuration says.
    pub fn replace(&self, wanted: Accounts) {
        self.wanted.store(Arc::new(wanted));
    }

    /// Ends it.
    pub fn stop(self) {
        let _ = self.end.send(());
        let _ = self.thread.join();
    }
}

struct Work {
    running: Running,
    wanted: Arc<ArcSwap<Accounts>>,
    log: Log,
    shared: Arc<Shared>,
    /// Whether the store answered when it was last asked.
    answers: bool,
    /// Whether what is wrong beside was said.
    complained: bool,
}

impl Work {
    fn follow(&mut self) {
        let accounts = &self.running.accounts;
        match accounts.directory().follow(&**accounts.store(), now_ms()) {
            Ok(followed) => {
                self.answered();
                if followed.signing_keys {
                    self.renew_keys();
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    fn note(&mut self) {
        if let Err(AccountError::Store(error)) = self.running.accounts.note_uses() {
            self.failed(&error);
        }
    }

    fn clean(&mut self) {
        match self.running.accounts.maintain(now_ms()) {
            Ok(maintained) => {
                maintained.ended().for_each(|line| self.log.info(&line));
                maintained.given_up().for_each(|line| self.log.debug(&line));
            }
            Err(AccountError::Store(error)) => self.failed(&error),
            Err(error) => self.log.error(&format!("what has expired cannot be removed: {error}")),
        }
    }

    fn renew_keys(&mut self) {
        match self.running.renew_keys(&self.wanted.load()) {
            Ok(()) => self.complained = false,
            Err(error) if !self.complained => {
                self.complained = true;
                self.log.error(&format!("the keys that sign tokens stay as they are: {error:#}"));
            }
            Err(_) => {}
        }
    }

    fn answered(&mut self) {
        if !self.answers {
            self.answers = true;
            self.shared.set_store(StoreState::Reachable);
            self.log.info("the store answers again");
        }
    }

    /// Said once, when it begins.
    fn failed(&mut self, error: &StoreError) {
        if self.answers {
            self.answers = false;
            self.shared.set_store(StoreState::Unreachable);
            self.log.error(&format!(
                "{error}: who came before still comes for a while, nothing about accounts can be changed"
            ));
        }
    }
}
