//! The audit log: records in a chain, appended, read, walked, and removed from the front for their age.

use super::StoreError;
use crate::audit::{AuditRecord, Ends, Link, Mark};

/// Which records are asked for. All that is set must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// With a number below this one.
    pub before: Option<i64>,
    /// Of this event.
    pub event: Option<String>,
    /// Of the user with this name or id.
    pub user: Option<String>,
    /// That happened at this moment or later.
    pub from_ms: Option<i64>,
    /// That happened before this moment.
    pub to_ms: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// Keeps the audit log.
pub trait AuditLog: Send + Sync {
    /// Puts records at the end of the chain, all or none, in their order; says where the chain ends now.
    fn append_audit(&self, records: &[AuditRecord]) -> Result<Mark, StoreError>;
    /// Those that fit, newest first.
    fn audit(&self, filter: &AuditFilter) -> Result<Vec<Link>, StoreError>;
    /// Hands over every record with a number above `after`, oldest first. A row that holds what no version
    /// ever wrote is handed over as something that is not whole: whoever walks the chain names it.
    fn each_audit(&self, after: i64, take: &mut dyn FnMut(Link)) -> Result<(), StoreError>;
    /// Between which marks records are kept.
    fn audit_ends(&self) -> Result<Ends, StoreError>;
    /// Removes records older than `before_ms` from the front of the chain, at most `most` at once, and puts a
    /// record of that at its end. Says how many were removed.
    fn prune_audit(&self, before_ms: i64, now_ms: i64, most: u32) -> Result<u64, StoreError>;
}
