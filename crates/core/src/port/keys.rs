//! API keys, by their digests.

use super::StoreError;
use crate::id::Id;

/// SHA-256 of a whole API key. A key has at least 222 random bits, so that a digest without salt and
/// without stretching is enough: nobody can try them all.
pub type KeyDigest = [u8; 32];

/// One API key of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id; in logs and lists.
    pub id: Id,
    /// Whose it is.
    pub user: Id,
    /// What the user calls it.
    pub name: String,
    /// Its first characters, by which its owner recognises it; too few to be of use.
    pub prefix: String,
    /// What is kept of it.
    pub digest: KeyDigest,
    /// What it may do: `METHOD[,METHOD] PATH` patterns as routes have them; empty for all its user may do.
    pub scopes: Vec<String>,
    /// Path parameters that it is bound to: `account=primary`.
    pub bindings: Vec<(String, String)>,
    /// A role that stands in for its user's; never a way to more than the user has now.
    pub role: Option<String>,
    /// When it was made.
    pub created_ms: i64,
    /// When it ends by itself.
    pub expires_ms: Option<i64>,
    /// When it was last used, to about a minute.
    pub last_used_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
    /// The key that replaces it: both are valid until it ends.
    pub replaced_by: Option<Id>,
}

/// Keeps API keys.
pub trait Keys: Send + Sync {
    /// Adds keys, all or none. `Missing` where a user is.
    fn create_keys(&self, keys: &[ApiKey]) -> Result<(), StoreError>;
    /// The key with that id, revoked or not.
    fn key(&self, id: Id) -> Result<Option<ApiKey>, StoreError>;
    /// The keys of a user, revoked ones too, the newest first.
    fn keys_of(&self, user: Id) -> Result<Vec<ApiKey>, StoreError>;
    /// Up to `limit` keys with ids after `after`, in the order of their ids, revoked ones too.
    fn keys(&self, after: Option<Id>, limit: u32) -> Result<Vec<ApiKey>, StoreError>;
    /// Hands over every key that is not revoked and does not end before `now_ms`, in no order.
    fn each_key(&self, now_ms: i64, take: &mut dyn FnMut(ApiKey)) -> Result<(), StoreError>;
    /// Adds `new` and lets `old` end at `old_expires_ms` (or earlier, where it would have), in one act.
    /// `Missing` where `old` is, or is revoked.
    fn rotate_key(&self, old: Id, new: &ApiKey, old_expires_ms: i64) -> Result<(), StoreError>;
    /// Revokes a key. `Missing` where there is none; one already revoked keeps its moment.
    fn revoke_key(&self, id: Id, at_ms: i64) -> Result<(), StoreError>;
    /// Revokes every key of a user and says how many that were.
    fn revoke_keys_of(&self, user: Id, at_ms: i64) -> Result<u64, StoreError>;
    /// Notes when keys were last used. Ids that do not exist are passed over. Makes no entry in the change log.
    fn keys_used(&self, used: &[(Id, i64)]) -> Result<(), StoreError>;
}
