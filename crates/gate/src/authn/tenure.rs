//! What a connection rests on that outlives its request: a WebSocket ends with the credential that opened it.

use std::sync::Arc;

use portcullis_accounts::{Directory, Judgement};
use portcullis_core::identity::ADMIN;
use portcullis_core::{Identity, Now};

/// A credential that a connection was let in by, and the roles that its route is for.
#[derive(Debug)]
pub struct Tenure {
    identity: Arc<Identity>,
    roles: Vec<Arc<str>>,
    directory: Arc<Directory>,
    /// The epoch of the directory in which it was last found to hold.
    epoch: u64,
}

impl Tenure {
    pub(super) fn new(identity: &Arc<Identity>, roles: &[Arc<str>], directory: &Arc<Directory>) -> Self {
        Self {
            identity: Arc::clone(identity),
            roles: roles.to_vec(),
            directory: Arc::clone(directory),
            epoch: 0,
        }
    }

    /// Whether it still holds. Costs one read while nothing was revoked. Where it cannot be told now, because the
    /// store has not been heard of, what is open stays open: nothing new is let in.
    pub fn holds(&mut self, now: Now) -> bool {
        let epoch = self.directory.epoch();
        if epoch == self.epoch {
            return true;
        }
        match self.directory.still(&self.identity, now.unix_ms.cast_signed()) {
            Judgement::Proven(identity) => {
                self.epoch = epoch;
                let role = identity.role.as_deref();
                self.roles.is_empty()
                    || role.is_some_and(|role| role == ADMIN || self.roles.iter().any(|one| &**one == role))
            }
            Judgement::Unavailable => true,
            Judgement::Expired | Judgement::Rejected => false,
        }
    }
}
