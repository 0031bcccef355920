//! What must survive: the ports behind which a store stands.
//!
//! Every method is one act: it is done whole or not at all, and when it returns, it is durable. Methods wait
//! for a disk or a server and are never called on the path of a request; what a request needs is kept in
//! memory and follows [`Changes`]. Times are milliseconds since 1970.

mod audit;
mod changes;
mod devices;
mod keys;
mod sessions;
mod tokens;
mod usage;
mod users;

pub use audit::{AuditFilter, AuditLog};
pub use changes::{Change, ChangeLog, Changed, Changes};
pub use devices::{Device, Devices, Registration};
pub use keys::{ApiKey, KeyDigest, Keys};
pub use sessions::{Attempt, Attempts, Session, SessionDigest, Sessions};
pub use tokens::{Families, Family, Rotation, SigningKey, SigningKeys};
pub use usage::{Minute, Span, Usage, Used, UsedBy};
pub use users::{Account, NewUser, Totp, User, UserChange, UserField, Users};

/// Everything a store keeps. One contract suite runs on every implementation.
pub trait Store:
    Users + Keys + Sessions + Attempts + Devices + Families + SigningKeys + ChangeLog + AuditLog + Usage
{
    /// Whether the store answers now.
    fn ping(&self) -> Result<(), StoreError>;
    /// What it is, for people: `SQLite with SQLCipher`, `PostgreSQL 15.8`. Never an address or a secret.
    fn describe(&self) -> String;
}

/// Why an act on the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another row has the value that must be unique.
    #[error("the {0} is taken")]
    Taken(UserField),
    /// What the act is about does not exist (any more).
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// The store cannot be reached or does not answer in time: the act may succeed later.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// The store answered with something that this version does not understand.
    #[error("the store is broken: {0}")]
    Broken(String),
}
