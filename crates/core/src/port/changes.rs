//! What changed, so that every process that serves from memory learns of it.

use super::StoreError;
use crate::id::Id;

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Changed {
    /// A user was made, changed or removed.
    User,
    /// An API key was made, changed or revoked.
    Key,
    /// A session was made or ended.
    Session,
    /// A device was registered or removed.
    Device,
    /// A token family was ended.
    Family,
    /// A signing key was made.
    SigningKey,
}

impl Changed {
    /// Every kind.
    pub const ALL: [Changed; 6] = [
        Changed::User,
        Changed::Key,
        Changed::Session,
        Changed::Device,
        Changed::Family,
        Changed::SigningKey,
    ];

    /// Its name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Changed::User => "user",
            Changed::Key => "key",
            Changed::Session => "session",
            Changed::Device => "device",
            Changed::Family => "family",
            Changed::SigningKey => "signing-key",
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Its number: later changes have larger ones.
    pub number: i64,
    /// What it is about.
    pub what: Changed,
    /// Which one. For a signing key, an id without meaning.
    pub id: Id,
}

/// What changed since a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// These, in order.
    Some(Vec<Change>),
    /// More than the log still has: everything must be read anew.
    Lost,
}

/// The log that every act above writes its entry into, in the same transaction.
pub trait ChangeLog: Send + Sync {
    /// The number of the last change; 0 where there was none.
    fn last_change(&self) -> Result<i64, StoreError>;
    /// What changed after `number`, at most a few thousand at a time. An entry never appears with a number
    /// below one that was already handed out.
    fn changes_after(&self, number: i64) -> Result<Changes, StoreError>;
    /// Forgets entries made before `before_ms`, but never the last one.
    fn forget_changes(&self, before_ms: i64) -> Result<(), StoreError>;
}
