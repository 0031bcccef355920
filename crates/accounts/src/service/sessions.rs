//! Sessions of users.

use portcullis_core::Id;
use portcullis_core::port::{Changed, Session};

use super::{Accounts, Result};
use crate::error::AccountError;
use crate::random;

/// The longest name of a client that is kept, in characters.
const LONGEST_AGENT: usize = 120;

/// What a session is bound to.
#[derive(Debug, Clone, Copy)]
pub enum Binding<'a> {
    /// A device that proves itself.
    Device {
        /// Its id.
        id: Id,
        /// Its secret.
        secret: &'a str,
    },
    /// A browser, which keeps it in a cookie that no script can read.
    Browser,
}

/// A session that was just made.
pub struct StartedSession {
    /// What its client holds; shown once.
    pub secret: String,
    /// The session.
    pub session: Session,
}

impl std::fmt::Debug for StartedSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StartedSession").field("session", &self.session.id).finish_non_exhaustive()
    }
}

impl Accounts {
    /// Begins a session of a user who proved who it is. `agent` is what the client calls itself, redacted.
    pub fn create_session(
        &self,
        user: Id,
        binding: Binding<'_>,
        agent: &str,
        now_ms: i64,
    ) -> Result<StartedSession> {
        let settings = self.settings.load();
        let device = match binding {
            Binding::Browser => None,
            Binding::Device { id, secret } => {
                self.register_device(user, id, secret, now_ms)?;
                Some(id)
            }
        };
        let (secret, digest) = random::secret()?;
        let session = Session {
            id: random::id(now_ms)?,
            digest,
            user,
            device,
            created_ms: now_ms,
            expires_ms: now_ms + settings.session_ttl_ms,
            last_seen_ms: now_ms,
            agent: agent.chars().filter(|c| !c.is_control()).take(LONGEST_AGENT).collect(),
        };
        for ended in self.store.create_session(&session, settings.max_sessions)? {
            self.changed(Changed::Session, ended);
        }
        self.changed(Changed::Session, session.id);
        Ok(StartedSession { secret, session })
    }

    /// The sessions of a user, the newest first.
    pub fn sessions_of(&self, user: Id) -> Result<Vec<Session>> {
        Ok(self.store.sessions_of(user)?)
    }

    /// Ends a session at once. With an `owner`, only one of its own.
    pub fn end_session(&self, owner: Option<Id>, id: Id) -> Result<()> {
        let session = self.store.session(id)?;
        session
            .filter(|session| owner.is_none_or(|owner| session.user == owner))
            .ok_or(AccountError::NotFound("session"))?;
        self.store.end_session(id)?;
        self.changed(Changed::Session, id);
        Ok(())
    }
}
