//! What an administrator does with users.

use portcullis_core::Id;
use portcullis_core::port::{Changed, NewUser, User, UserChange};

use super::register::{check_email, check_name, fresh};
use super::{Accounts, Result};
use crate::error::AccountError;
use crate::password::Hasher;
use crate::random;

/// A user of another system.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The name.
    pub name: String,
    /// The address.
    pub email: Option<String>,
    /// The role.
    pub role: String,
    /// The hash of the password: bcrypt or argon2.
    pub password_hash: Option<String>,
}

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
            self.changed(Changed::User, id)?;
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
        self.changed(Changed::User, id)
    }

    /// Lets a user come or not. What it holds stays, and counts for nothing while it may not come.
    pub fn set_active(&self, id: Id, active: bool, _now_ms: i64) -> Result<()> {
        self.store.change_user(id, &UserChange::Active(active))?;
        self.changed(Changed::User, id)
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
            self.changed(Changed::Key, key.id)?;
        }
        self.end_logins(id, now_ms)
    }

    /// Removes a user with everything it holds.
    pub fn delete_user(&self, id: Id, _now_ms: i64) -> Result<()> {
        self.store.delete_user(id)?;
        self.changed(Changed::User, id)
    }

    /// Takes users over from another system, all or none. Their hashes go on being verified, and are replaced at
    /// their next login.
    pub fn import_users(&self, rows: &[Imported], now_ms: i64) -> Result<usize> {
        let mut users = Vec::with_capacity(rows.len());
        for (index, row) in rows.iter().enumerate() {
            let wrong = |why: String| AccountError::Import { row: index + 1, why };
            check_name(&row.name).map_err(|error| wrong(error.to_string()))?;
            row.email.as_deref().map_or(Ok(()), check_email).map_err(|error| wrong(error.to_string()))?;
            self.known_role(&row.role).map_err(|error| wrong(error.to_string()))?;
            if row.password_hash.as_deref().is_some_and(|hash| !Hasher::accepts(hash)) {
                return Err(wrong(
                    "the hash is neither bcrypt nor argon2 of a cost that can be verified".into(),
                ));
            }
            let id = random::id(now_ms)?;
            let user = fresh(id, &row.name, row.email.as_deref(), &row.role, now_ms);
            users.push(NewUser { user, password: row.password_hash.clone() });
        }
        self.store.create_users(&users)?;
        // The directory of this process learns of so many by following the store.
        self.directory.follow(&*self.store, now_ms)?;
        Ok(users.len())
    }
}
