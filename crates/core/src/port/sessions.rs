//! Sessions, and logins that wait for a second factor.

use super::StoreError;
use crate::id::Id;

/// SHA-256 of a session's secret id as the client holds it.
pub type SessionDigest = [u8; 32];

/// One session of a user on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its public id, in lists; the client's own is a secret, and only its digest is kept.
    pub id: Id,
    /// What is kept of the client's.
    pub digest: SessionDigest,
    /// Whose it is.
    pub user: Id,
    /// The device it is bound to; without one it is a browser's, by cookie.
    pub device: Option<Id>,
    /// When it was made.
    pub created_ms: i64,
    /// When it ends whatever happens.
    pub expires_ms: i64,
    /// When it was last used, to about a minute.
    pub last_seen_ms: i64,
    /// The client that made it, redacted and shortened.
    pub agent: String,
}

/// Keeps sessions.
pub trait Sessions: Send + Sync {
    /// Adds a session; where the user then has more than `most`, those used longest ago end, and are returned.
    /// `Missing` where the user or the device is.
    fn create_session(&self, session: &Session, most: u32) -> Result<Vec<Id>, StoreError>;
    /// The session with that public id.
    fn session(&self, id: Id) -> Result<Option<Session>, StoreError>;
    /// The sessions of a user, the newest first.
    fn sessions_of(&self, user: Id) -> Result<Vec<Session>, StoreError>;
    /// Up to `limit` sessions with ids after `after`, in the order of their ids.
    fn sessions(&self, after: Option<Id>, limit: u32) -> Result<Vec<Session>, StoreError>;
    /// Hands every session over, in no order.
    fn each_session(&self, take: &mut dyn FnMut(Session)) -> Result<(), StoreError>;
    /// Ends a session; false where there is none.
    fn end_session(&self, id: Id) -> Result<bool, StoreError>;
    /// Ends every session of a user and says which.
    fn end_sessions_of(&self, user: Id) -> Result<Vec<Id>, StoreError>;
    /// Ends those that expire at `now_ms` or were last seen at `idle_since_ms` or before, and says which.
    fn expire_sessions(&self, now_ms: i64, idle_since_ms: i64) -> Result<Vec<Id>, StoreError>;
    /// Notes when sessions were last seen. Ids that do not exist are passed over. Makes no entry in the
    /// change log.
    fn sessions_seen(&self, seen: &[(Id, i64)]) -> Result<(), StoreError>;
}

/// A login whose password was right and whose second factor is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its public id, for logs.
    pub id: Id,
    /// SHA-256 of what the client holds.
    pub digest: [u8; 32],
    /// Who it would be.
    pub user: Id,
    /// When it began.
    pub created_ms: i64,
    /// When it ends.
    pub expires_ms: i64,
    /// How many wrong codes were given.
    pub failures: u32,
}

/// Keeps logins under way.
pub trait Attempts: Send + Sync {
    /// Adds one. `Missing` where the user is.
    fn create_attempt(&self, attempt: &Attempt) -> Result<(), StoreError>;
    /// The attempt with that digest that has not ended at `now_ms`.
    fn attempt(&self, digest: &[u8; 32], now_ms: i64) -> Result<Option<Attempt>, StoreError>;
    /// Counts a wrong code and says how many there were.
    fn attempt_failed(&self, id: Id) -> Result<u32, StoreError>;
    /// Ends one: true for the one call that comes first.
    fn end_attempt(&self, id: Id) -> Result<bool, StoreError>;
    /// Removes those that ended at `now_ms`, and says which.
    fn expire_attempts(&self, now_ms: i64) -> Result<Vec<Id>, StoreError>;
}
