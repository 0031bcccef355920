//! What tokens are signed with, and the families of refresh tokens.

use super::StoreError;
use crate::Secret;
use crate::id::Id;

/// One login with everything that was refreshed from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Its id; access tokens carry it, so that ending it ends them.
    pub id: Id,
    /// Whose it is.
    pub user: Id,
    /// Which of its refresh tokens is the valid one: counted from 0.
    pub generation: i64,
    /// When it began.
    pub created_ms: i64,
    /// When its last refresh token ends.
    pub expires_ms: i64,
    /// When it was ended.
    pub revoked_ms: Option<i64>,
}

/// What came of presenting a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// It was the valid one; the next generation is valid now.
    Rotated(i64),
    /// It had been used: whoever used it first, or now, stole it. The family was ended.
    Reused,
    /// There is no such family, or it ended before.
    Ended,
}

/// Keeps token families.
pub trait Families: Send + Sync {
    /// Adds a family. `Missing` where the user is.
    fn create_family(&self, family: &Family) -> Result<(), StoreError>;
    /// The family with that id.
    fn family(&self, id: Id) -> Result<Option<Family>, StoreError>;
    /// Takes a refresh token of `generation` and moves the end of the family to `expires_ms`. Of two that
    /// present the same one, the second ends the family.
    fn rotate_family(
        &self,
        id: Id,
        generation: i64,
        now_ms: i64,
        expires_ms: i64,
    ) -> Result<Rotation, StoreError>;
    /// Ends a family; false where there is none, or it had ended.
    fn revoke_family(&self, id: Id, at_ms: i64) -> Result<bool, StoreError>;
    /// Ends every family of a user and says which.
    fn revoke_families_of(&self, user: Id, at_ms: i64) -> Result<Vec<Id>, StoreError>;
    /// Hands over the families that were ended at `since_ms` or later, in no order.
    fn each_revoked_family(&self, since_ms: i64, take: &mut dyn FnMut(Id, i64)) -> Result<(), StoreError>;
    /// Forgets families that expired before `before_ms`, and says how many.
    fn forget_families(&self, before_ms: i64) -> Result<u64, StoreError>;
}

/// A key that tokens are signed with, made by the gateway.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// Its public name in the header of tokens.
    pub kid: String,
    /// `RS256`, `ES256` or `EdDSA`.
    pub algorithm: String,
    /// PKCS #8 (RFC 5958), in DER.
    pub private: Secret,
    /// When it was made. The newest one signs.
    pub created_ms: i64,
    /// When it no longer verifies; none as long as it is in use.
    pub expires_ms: Option<i64>,
}

/// Keeps signing keys.
pub trait SigningKeys: Send + Sync {
    /// Adds a key and lets those of the same algorithm that have no end yet end at `others_expire_ms`, in one
    /// act. With `only_first`, does nothing where there is one without an end, so that of several nodes that
    /// start at once one makes the key; false then.
    fn create_signing_key(
        &self,
        key: &SigningKey,
        others_expire_ms: i64,
        only_first: bool,
    ) -> Result<bool, StoreError>;
    /// All that have not ended at `now_ms`, the newest first.
    fn signing_keys(&self, now_ms: i64) -> Result<Vec<SigningKey>, StoreError>;
}
