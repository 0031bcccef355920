//! What an administrator does with users.

use portcullis_core::Id;
use portcullis_core::port::{Changed, User, UserChange};

use super::register::check_email;
use super::{Accounts, Result};
use crate::error::AccountError;

/// What to change of a user; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct PatchUser {
    /// Another role.
    pub role: Option<String>,
    /// May come, or may not.
    pub active: Option<bool>,
    /// Another address; some none for no address.
    pub email: Option<Option<String>>,
}

impl Accounts {
    /// Makes a user with any role.
    pub fn add_user(
        &self,
        name: &str,
        email: Option<&str>,
        role: &str,
        password: Option<&str>,
        now_ms: i64,
    ) -> Result<User> {
        self.known_role(role)?;
        self.make(name, email, role, password, now_ms)
    }

    /// Up to `limit` users whose names come after `after`.
    pub fn list_users(&self, after: Option<&str>, limit: u32) -> Result<Vec<User>> {
        Ok(self.store.users(after, limit)?)
    }

    /// A user by id or name.
    pub fn find_user(&self, id_or_name: &str) -> Result<User> {
        let account = match id_or_name.parse::<Id>() {
            Ok(id) => self.store.account(id)?,
            Err(_) => self.store.account_by_name(id_or_name)?,
        };
        account.map(|account| account.user).ok_or(AccountError::NotFound("user"))
    }

    /// Changes several things of a user.
    pub fn patch_user(&self, id: Id, patch: &PatchUser, now_ms: i64) -> Result<User> {
        if let Some(role) = &patch.role {
            self.known_role(role)?;
        }
        if let Some(Some(email)) = &patch.email {
            check_email(email)?;
        }
        if let Some(email) = &patch.email {
            self.store.change_user(id, &UserChange::Email(email.clone()))?;
            self.changed(Changed::User, id);
        }
        if let Some(role) = &patch.role {
            self.set_role(id, role, now_ms)?;
        }
        if let Some(active) = patch.active {
            self.set_active(id, active, now_ms)?;
        }
        self.profile(id)
    }

    /// Gives a user another role, in force at once for every credential it holds.
    pub fn set_role(&self, id: Id, role: &str, _now_ms: i64) -> Result<()> {
        self.known_role(role)?;
        self.store.change_user(id, &UserChange::Role(role.to_owned()))?;
        self.changed(Changed::User, id);
        Ok(())
    }

    /// Lets a user come or not. Who may not come loses its logins and sessions for good; its API keys count for
    /// nothing until it may come again.
    pub fn set_active(&self, id: Id, active: bool, now_ms: i64) -> Result<()> {
        self.store.change_user(id, &UserChange::Active(active))?;
        self.changed(Changed::User, id);
        if active { Ok(()) } else { self.end_logins(id, now_ms) }
    }

    /// Gives a user another password without the old one; its tokens and sessions end.
    pub fn reset_password(&self, id: Id, new: &str, now_ms: i64) -> Result<()> {
        let account = self.account(id)?;
        self.put_password(&account, new, now_ms)
    }

    /// Ends every token, session and API key of a user.
    pub fn revoke_all(&self, id: Id, now_ms: i64) -> Result<()> {
        self.store.change_user(id, &UserChange::ValidFrom(now_ms))?;
        let keys = self.store.keys_of(id)?;
        self.store.revoke_keys_of(id, now_ms)?;
        for key in keys.iter().filter(|key| key.revoked_ms.is_none()) {
            self.changed(Changed::Key, key.id);
        }
        self.end_logins(id, now_ms)
    }

    /// Removes a user with everything it holds.
    pub fn delete_user(&self, id: Id, _now_ms: i64) -> Result<()> {
        self.store.delete_user(id)?;
        self.changed(Changed::User, id);
        Ok(())
    }
}
