//! What is done now and then: what has ended is removed, what was used is noted.

use portcullis_core::Id;
use portcullis_core::port::Changed;

use super::{Accounts, Result};

/// How long entries of the change log are kept: a process that did not look for so long reads everything anew.
const LOG_KEPT_MS: i64 = 24 * 3_600_000;
/// How long ended families are kept: a refresh token that is presented again then is still known as used.
const FAMILIES_KEPT_MS: i64 = 24 * 3_600_000;

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Maintained {
    /// Sessions that were too old or went unused.
    pub sessions: Vec<Id>,
    /// Logins that did not bring their second factor in time.
    pub attempts: Vec<Id>,
    /// Devices whose registration was not completed in time.
    pub devices: Vec<Id>,
}

impl Maintained {
    /// One line for each session that ended: somebody will ask why he has to log in again.
    pub fn ended(&self) -> impl Iterator<Item = String> {
        self.sessions.iter().map(|id| cleaned_up("session", *id))
    }

    /// One line for each that never became anything, for the log at its lowest level.
    pub fn given_up(&self) -> impl Iterator<Item = String> {
        let attempts = self.attempts.iter().map(|id| cleaned_up("auth attempt", *id));
        attempts.chain(self.devices.iter().map(|id| cleaned_up("device registration", *id)))
    }
}

/// Ids are shortened: a log is no list of them.
fn cleaned_up(what: &str, id: Id) -> String {
    format!("Cleaned up expired {what}: {}", id.short())
}

impl Accounts {
    /// Notes in the store which keys and sessions were used. To be called every few seconds, and at the end.
    pub fn note_uses(&self) -> Result<()> {
        let (keys, sessions) = (self.directory.used_keys(), self.directory.seen_sessions());
        if !keys.is_empty() {
            self.store.keys_used(&keys)?;
        }
        if !sessions.is_empty() {
            self.store.sessions_seen(&sessions)?;
        }
        Ok(())
    }

    /// Removes what has ended. To be called at the interval of the configuration.
    pub fn maintain(&self, now_ms: i64) -> Result<Maintained> {
        self.note_uses()?;
        // Without an idle age nothing is too old by it.
        let idle_since_ms = self.settings.load().session_idle_ms.map_or(i64::MIN, |idle| now_ms - idle);
        let sessions = self.store.expire_sessions(now_ms, idle_since_ms)?;
        for session in &sessions {
            self.changed(Changed::Session, *session);
        }
        let attempts = self.store.expire_attempts(now_ms)?;
        let devices = self.store.expire_devices(now_ms)?;
        self.store.forget_families(now_ms - FAMILIES_KEPT_MS)?;
        self.store.forget_changes(now_ms - LOG_KEPT_MS)?;
        self.directory.forget_ended(now_ms);
        Ok(Maintained { sessions, attempts, devices })
    }
}
