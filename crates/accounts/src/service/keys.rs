//! API keys of users.

use portcullis_core::Id;
use portcullis_core::identity::Grant;
use portcullis_core::port::{ApiKey, Changed, User};
use portcullis_core::route::Pattern;

use super::{Accounts, Result};
use crate::error::AccountError;
use crate::key;
use crate::random;
use crate::settings;

/// The longest name of a key, in characters.
const LONGEST_NAME: usize = 100;
/// How long a key that is replaced may stay valid, in milliseconds: 90 days.
const LONGEST_OVERLAP_MS: i64 = 90 * 86_400_000;
/// How many scopes, and how many bindings, a key may have.
const MOST_LIMITS: usize = 64;

/// What a key shall be.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: String,
    /// `METHOD[,METHOD] PATH` patterns; none for all its user may.
    pub scopes: Vec<String>,
    /// Path parameters with the values it is bound to.
    pub bindings: Vec<(String, String)>,
    /// A role below its user's.
    pub role: Option<String>,
    /// When it ends; none for what the configuration says.
    pub expires_ms: Option<i64>,
}

impl Accounts {
    /// Makes a key for a user. The key itself is returned once and kept nowhere.
    pub fn create_key(&self, user: Id, new: NewKey, now_ms: i64) -> Result<(String, ApiKey)> {
        let owner = self.account(user)?.user;
        self.check_key(&owner, &new, now_ms)?;
        let settings = self.settings.load();
        let _deciding = self.deciding.lock();
        self.check_count(user, settings.max_keys, now_ms)?;
        let fresh = key::fresh(&settings.key_prefix)?;
        let made = ApiKey {
            id: random::id(now_ms)?,
            user,
            name: new.name.trim().to_owned(),
            prefix: fresh.prefix,
            digest: fresh.digest,
            scopes: new.scopes,
            bindings: new.bindings,
            role: new.role,
            created_ms: now_ms,
            expires_ms: new.expires_ms.or_else(|| settings.key_ttl_ms.map(|ttl| now_ms + ttl)),
            last_used_ms: None,
            revoked_ms: None,
            replaced_by: None,
        };
        self.store.create_keys(std::slice::from_ref(&made))?;
        self.changed(Changed::Key, made.id);
        Ok((fresh.key, made))
    }

    /// The keys of a user, revoked ones too, the newest first.
    pub fn keys_of(&self, user: Id) -> Result<Vec<ApiKey>> {
        Ok(self.store.keys_of(user)?)
    }

    /// Makes another key in place of one; the old one stays valid for `overlap_ms`. With an `owner`, only of its
    /// own keys.
    pub fn rotate_key(
        &self,
        owner: Option<Id>,
        id: Id,
        overlap_ms: i64,
        now_ms: i64,
    ) -> Result<(String, ApiKey)> {
        let _deciding = self.deciding.lock();
        let old = self.own_key(owner, id)?;
        if !is_live(&old, now_ms) || old.replaced_by.is_some() {
            return Err(AccountError::InvalidKey("a key that ended or is being replaced is not rotated"));
        }
        let settings = self.settings.load();
        // Both count while both are valid: a key that is rotated again and again must not become a hundred.
        self.check_count(old.user, settings.max_keys.saturating_mul(2), now_ms)?;
        let fresh = key::fresh(&settings.key_prefix)?;
        // A new key lives as long as the old one was given.
        let lifetime_ms = old.expires_ms.map(|end| end - old.created_ms);
        let made = ApiKey {
            id: random::id(now_ms)?,
            prefix: fresh.prefix,
            digest: fresh.digest,
            created_ms: now_ms,
            expires_ms: lifetime_ms.map(|lifetime| now_ms + lifetime),
            last_used_ms: None,
            revoked_ms: None,
            replaced_by: None,
            ..old
        };
        self.store.rotate_key(id, &made, now_ms.saturating_add(overlap_ms.clamp(0, LONGEST_OVERLAP_MS)))?;
        self.changed(Changed::Key, id);
        self.changed(Changed::Key, made.id);
        Ok((fresh.key, made))
    }

    /// Ends a key at once. With an `owner`, only one of its own.
    pub fn revoke_key(&self, owner: Option<Id>, id: Id, now_ms: i64) -> Result<()> {
        self.own_key(owner, id)?;
        self.store.revoke_key(id, now_ms)?;
        self.changed(Changed::Key, id);
        Ok(())
    }

    fn check_count(&self, user: Id, most: u32, now_ms: i64) -> Result<()> {
        let live = self.store.keys_of(user)?.into_iter().filter(|key| is_live(key, now_ms)).count();
        if live < most as usize { Ok(()) } else { Err(AccountError::TooManyKeys(most)) }
    }

    fn own_key(&self, owner: Option<Id>, id: Id) -> Result<ApiKey> {
        let key = self.store.key(id)?;
        key.filter(|key| owner.is_none_or(|owner| key.user == owner)).ok_or(AccountError::NotFound("API key"))
    }

    fn check_key(&self, owner: &User, new: &NewKey, now_ms: i64) -> Result<()> {
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(AccountError::InvalidKey("a key has a name of 1 to 100 characters"));
        }
        if new.expires_ms.is_some_and(|end| end <= now_ms) {
            return Err(AccountError::InvalidKey("a key that has ended is of no use"));
        }
        if new.scopes.len() > MOST_LIMITS || new.bindings.len() > MOST_LIMITS {
            return Err(AccountError::InvalidKey("a key has at most 64 scopes and 64 bindings"));
        }
        let mut patterns = Vec::new();
        for scope in &new.scopes {
            let pattern: Pattern = scope
                .parse()
                .map_err(|error| AccountError::InvalidScope(format!("the scope `{scope}`: {error}")))?;
            patterns.push(pattern);
        }
        if Grant::new(patterns, Vec::new()).is_err() {
            return Err(AccountError::InvalidScope("two scopes are for the same requests".to_owned()));
        }
        if let Some(role) = &new.role {
            self.known_role(role)?;
            if !settings::is_within(&self.settings.load().roles, role, &owner.role) {
                return Err(AccountError::RoleNotAllowed);
            }
        }
        Ok(())
    }
}

fn is_live(key: &ApiKey, now_ms: i64) -> bool {
    key.revoked_ms.is_none() && key.expires_ms.is_none_or(|end| end > now_ms)
}
