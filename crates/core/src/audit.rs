//! The audit log: what a record says, and the chain that shows whether records were changed, removed, moved or
//! put in.
//!
//! Each record carries the hash of the one before it and a hash over that, its number and everything it says.
//! Whoever changes a record must write every later one anew; whoever does even that is found by a [`Mark`] that
//! was noted elsewhere: [`Verifier::expecting`].

mod chain;
mod encode;
mod verify;

use std::borrow::Cow;

use crate::id::Id;

pub use chain::{Ends, Link, Mark, NotAMark};
pub use verify::{Flaw, Proof, Verifier};

/// One record, as it is kept: redacted, with every text of bounded length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditRecord {
    /// When it happened, in milliseconds since 1970.
    pub at_ms: i64,
    /// What happened: `request`, or the name of an event.
    pub event: Cow<'static, str>,
    /// The id of the request; empty where there was none.
    pub request_id: String,
    /// The name of the user, as it was then.
    pub user: Option<String>,
    /// The id of the user.
    pub user_id: Option<Id>,
    /// The address of the client.
    pub ip: Option<String>,
    /// The method.
    pub method: String,
    /// The path, redacted.
    pub endpoint: String,
    /// The query, redacted: names without their values.
    pub query: Option<String>,
    /// The name of the route that matched.
    pub route: String,
    /// `User-Agent`, redacted.
    pub user_agent: Option<String>,
    /// The device, redacted.
    pub device: Option<String>,
    /// What was sent, as JSON, redacted.
    pub request_data: Option<String>,
    /// The status of the answer; 0 where there was none.
    pub status: u16,
    /// From the head read to the last byte written, in microseconds.
    pub duration_us: u64,
    /// Whether a credential was accepted, where one was judged.
    pub success: Option<bool>,
    /// The stable code of the denial, or another stable word.
    pub reason: String,
    /// A sentence for people.
    pub details: String,
}

impl AuditRecord {
    /// The event of an answered request that was nothing more.
    pub const REQUEST: &'static str = "request";
    /// The event that says that older records were removed.
    pub const PRUNED: &'static str = "audit_pruned";
    /// The event that says that records were lost before they could be kept.
    pub const LOST: &'static str = "audit_lost";

    /// The record that goes with a removal of every record up to `cut`.
    pub fn pruned(cut: Mark, at_ms: i64) -> Self {
        Self {
            at_ms,
            event: Self::PRUNED.into(),
            reason: "retention".to_owned(),
            details: cut.to_string(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests;
