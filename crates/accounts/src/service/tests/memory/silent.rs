//! What accounts never ask of a store.

use portcullis_core::Id;
use portcullis_core::audit::{AuditRecord, Ends, Link, Mark};
use portcullis_core::port::{AuditFilter, AuditLog, Minute, Span, StoreError, Usage, Used, UsedBy};

use super::Memory;

fn never<T>() -> Result<T, StoreError> {
    Err(StoreError::Broken("accounts ask for none of this".to_owned()))
}

impl AuditLog for Memory {
    fn append_audit(&self, _: &[AuditRecord]) -> Result<Mark, StoreError> {
        never()
    }
    fn audit(&self, _: &AuditFilter) -> Result<Vec<Link>, StoreError> {
        never()
    }
    fn each_audit(&self, _: i64, _: &mut dyn FnMut(Link)) -> Result<(), StoreError> {
        never()
    }
    fn audit_ends(&self) -> Result<Ends, StoreError> {
        never()
    }
    fn prune_audit(&self, _: i64, _: i64, _: u32) -> Result<u64, StoreError> {
        never()
    }
}

impl Usage for Memory {
    fn add_minute(&self, _: Id, _: &Minute) -> Result<(), StoreError> {
        never()
    }
    fn add_used(&self, _: i64, _: &[(UsedBy, Used)]) -> Result<(), StoreError> {
        never()
    }
    fn span(&self, _: i64) -> Result<Span, StoreError> {
        never()
    }
    fn most_used(&self, _: UsedBy, _: i64, _: u32) -> Result<Vec<Used>, StoreError> {
        never()
    }
    fn first_seen(&self, _: &str, _: Option<i64>) -> Result<Option<i64>, StoreError> {
        never()
    }
    fn forget_usage(&self, _: i64) -> Result<(), StoreError> {
        never()
    }
}
