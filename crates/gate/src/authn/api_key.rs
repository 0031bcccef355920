//! API keys of users, in `X-API-Key`, beside one that all callers share where the configuration has one.

use std::sync::Arc;

use portcullis_accounts::Directory;
use portcullis_core::head::Once;
use portcullis_core::{Head, Now};

use super::{Outcome, SharedSecret};

/// Accepts the keys of a directory in one header field.
#[derive(Debug)]
pub struct UserKeys {
    pub(super) field: Box<str>,
    directory: Arc<Directory>,
    shared: Option<SharedSecret>,
}

impl UserKeys {
    /// Accepts every valid key of `directory` in the header `field`, and what `shared` accepts there.
    pub fn new(field: &str, directory: Arc<Directory>, shared: Option<SharedSecret>) -> Self {
        Self { field: field.to_ascii_lowercase().into(), directory, shared }
    }

    pub(super) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub(super) fn identify<'a>(&self, head: &Head<'a>, now: Now) -> Outcome<'a> {
        let presented = match head.once(&self.field) {
            Once::Absent => return Outcome::Absent,
            Once::Repeated => return Outcome::Rejected,
            Once::Value(value) => value,
        };
        self.judge(presented, now)
    }

    /// Judges a key wherever it stood.
    pub(super) fn judge<'a>(&self, presented: &'a [u8], now: Now) -> Outcome<'a> {
        if let Some(proven @ Outcome::Proven(_)) = self.shared.as_ref().map(|shared| shared.judge(presented))
        {
            return proven;
        }
        Outcome::of(self.directory.api_key(presented, now.unix_ms.cast_signed()), presented, false)
    }
}
