//! The ports on maps behind one lock: what the tests of this room and its example read and write.

mod held;
mod silent;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};
use portcullis_core::Id;
use portcullis_core::port::{
    Account, ApiKey, Attempt, Change, Changed, Device, Family, Keys, NewUser, Session, SigningKey, Store,
    StoreError, User, UserChange, UserField, Users,
};

type Done<T> = Result<T, StoreError>;

/// A store that forgets everything with the process.
#[derive(Default)]
pub struct Memory {
    rows: Mutex<Rows>,
    /// While true, nothing answers.
    pub down: AtomicBool,
}

#[derive(Default)]
struct Rows {
    users: BTreeMap<Id, Account>,
    keys: BTreeMap<Id, ApiKey>,
    sessions: BTreeMap<Id, Session>,
    attempts: BTreeMap<Id, Attempt>,
    devices: BTreeMap<Id, Device>,
    families: BTreeMap<Id, Family>,
    signing: Vec<SigningKey>,
    log: Vec<Change>,
    last: i64,
}

impl Memory {
    fn rows(&self) -> Done<MutexGuard<'_, Rows>> {
        if self.down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("switched off".to_owned()));
        }
        Ok(self.rows.lock())
    }

    /// Loses the log up to now, as a process finds it that looked away for too long.
    pub fn lose_log(&self) {
        self.rows.lock().log.clear();
    }
}

impl Rows {
    fn log(&mut self, what: Changed, id: Id) {
        self.last += 1;
        self.log.push(Change { number: self.last, what, id });
    }

    fn user(&mut self, id: Id) -> Done<&mut Account> {
        self.users.get_mut(&id).ok_or(StoreError::Missing("user"))
    }

    fn taken(&self, user: &User, but: Option<Id>) -> Done<()> {
        let others = self.users.values().map(|other| &other.user).filter(|other| Some(other.id) != but);
        for other in others {
            if other.name.eq_ignore_ascii_case(&user.name) {
                return Err(StoreError::Taken(UserField::Name));
            }
            let same = |(one, other): (&String, &String)| one.eq_ignore_ascii_case(other);
            if user.email.as_ref().zip(other.email.as_ref()).is_some_and(same) {
                return Err(StoreError::Taken(UserField::Email));
            }
        }
        Ok(())
    }

    fn end_sessions(&mut self, which: impl Fn(&Session) -> bool) -> Vec<Id> {
        let ids = picked(&self.sessions, which);
        for id in &ids {
            self.sessions.remove(id);
            self.log(Changed::Session, *id);
        }
        ids
    }
}

impl Users for Memory {
    fn create_users(&self, users: &[NewUser]) -> Done<()> {
        let mut rows = self.rows()?;
        // Nobody is taken among nobody; the example fills an empty store, and names are looked for one by one.
        if !rows.users.is_empty() {
            users.iter().try_for_each(|new| rows.taken(&new.user, None))?;
        }
        for NewUser { user, password } in users {
            let account = Account { user: user.clone(), password: password.clone(), totp: None };
            rows.users.insert(user.id, account);
            rows.log(Changed::User, user.id);
        }
        Ok(())
    }

    fn account(&self, id: Id) -> Done<Option<Account>> {
        Ok(self.rows()?.users.get(&id).cloned())
    }

    fn account_by_name(&self, name: &str) -> Done<Option<Account>> {
        let rows = self.rows()?;
        Ok(rows.users.values().find(|account| account.user.name.eq_ignore_ascii_case(name)).cloned())
    }

    fn users(&self, after: Option<&str>, limit: u32) -> Done<Vec<User>> {
        let rows = self.rows()?;
        let mut users: Vec<_> = rows.users.values().map(|account| account.user.clone()).collect();
        users.sort_by_key(|user| user.name.to_ascii_lowercase());
        let after = after.map(str::to_ascii_lowercase);
        users.retain(|user| after.as_ref().is_none_or(|after| user.name.to_ascii_lowercase() > *after));
        users.truncate(limit as usize);
        Ok(users)
    }

    fn each_user(&self, take: &mut dyn FnMut(User)) -> Done<()> {
        self.rows()?.users.values().for_each(|account| take(account.user.clone()));
        Ok(())
    }

    fn count_users(&self) -> Done<u64> {
        Ok(self.rows()?.users.len() as u64)
    }

    fn change_user(&self, id: Id, change: &UserChange) -> Done<()> {
        let mut rows = self.rows()?;
        let mut account = rows.user(id)?.clone();
        match change.clone() {
            UserChange::Role(role) => account.user.role = role,
            UserChange::Active(active) => account.user.active = active,
            UserChange::Email(email) => account.user.email = email,
            UserChange::Password { hash, valid_from_ms } => {
                (account.password, account.user.valid_from_ms) = (Some(hash), valid_from_ms);
            }
            UserChange::Rehash { from, to } => {
                account.password = account.password.map(|hash| if hash == from { to } else { hash });
            }
            UserChange::ValidFrom(at_ms) => account.user.valid_from_ms = at_ms,
            UserChange::LoggedIn(at_ms) => account.user.last_login_ms = Some(at_ms),
            UserChange::Totp(totp) => account.totp = totp,
        }
        rows.taken(&account.user, Some(id))?;
        rows.users.insert(id, account);
        rows.log(Changed::User, id);
        Ok(())
    }

    fn take_totp_step(&self, id: Id, step: i64) -> Done<bool> {
        let mut rows = self.rows()?;
        let Some(totp) = &mut rows.user(id)?.totp else { return Ok(false) };
        let later = step > totp.last_step;
        totp.last_step = totp.last_step.max(step);
        Ok(later)
    }

    fn take_recovery_code(&self, id: Id, digest: &[u8; 32]) -> Done<bool> {
        let mut rows = self.rows()?;
        let Some(totp) = &mut rows.user(id)?.totp else { return Ok(false) };
        let before = totp.recovery.len();
        totp.recovery.retain(|code| code != digest);
        Ok(totp.recovery.len() < before)
    }

    fn delete_user(&self, id: Id) -> Done<()> {
        let mut rows = self.rows()?;
        rows.user(id)?;
        rows.users.remove(&id);
        rows.keys.retain(|_, key| key.user != id);
        rows.sessions.retain(|_, session| session.user != id);
        rows.devices.retain(|_, device| device.user != Some(id));
        rows.families.retain(|_, family| family.user != id);
        rows.log(Changed::User, id);
        Ok(())
    }
}

impl Keys for Memory {
    fn create_keys(&self, keys: &[ApiKey]) -> Done<()> {
        let mut rows = self.rows()?;
        for key in keys {
            rows.user(key.user)?;
        }
        for key in keys {
            rows.keys.insert(key.id, key.clone());
            rows.log(Changed::Key, key.id);
        }
        Ok(())
    }

    fn key(&self, id: Id) -> Done<Option<ApiKey>> {
        Ok(self.rows()?.keys.get(&id).cloned())
    }

    fn keys_of(&self, user: Id) -> Done<Vec<ApiKey>> {
        Ok(self.rows()?.keys.values().rev().filter(|key| key.user == user).cloned().collect())
    }

    fn keys(&self, after: Option<Id>, limit: u32) -> Done<Vec<ApiKey>> {
        Ok(page(&self.rows()?.keys, after, limit))
    }

    fn each_key(&self, now_ms: i64, take: &mut dyn FnMut(ApiKey)) -> Done<()> {
        let rows = self.rows()?;
        let live = |key: &&ApiKey| key.revoked_ms.is_none() && key.expires_ms.is_none_or(|end| end >= now_ms);
        rows.keys.values().filter(live).for_each(|key| take(key.clone()));
        Ok(())
    }

    fn rotate_key(&self, old: Id, new: &ApiKey, old_expires_ms: i64) -> Done<()> {
        let mut rows = self.rows()?;
        let key = rows.keys.get_mut(&old).filter(|key| key.revoked_ms.is_none());
        let key = key.ok_or(StoreError::Missing("API key"))?;
        key.expires_ms = Some(key.expires_ms.map_or(old_expires_ms, |end| end.min(old_expires_ms)));
        key.replaced_by = Some(new.id);
        rows.keys.insert(new.id, new.clone());
        rows.log(Changed::Key, old);
        rows.log(Changed::Key, new.id);
        Ok(())
    }

    fn revoke_key(&self, id: Id, at_ms: i64) -> Done<()> {
        let mut rows = self.rows()?;
        rows.keys.get_mut(&id).ok_or(StoreError::Missing("API key"))?.revoked_ms.get_or_insert(at_ms);
        rows.log(Changed::Key, id);
        Ok(())
    }

    fn revoke_keys_of(&self, user: Id, at_ms: i64) -> Done<u64> {
        let mut rows = self.rows()?;
        let ids = picked(&rows.keys, |key| key.user == user && key.revoked_ms.is_none());
        for id in &ids {
            rows.keys.entry(*id).and_modify(|key| key.revoked_ms = Some(at_ms));
            rows.log(Changed::Key, *id);
        }
        Ok(ids.len() as u64)
    }

    fn keys_used(&self, used: &[(Id, i64)]) -> Done<()> {
        let mut rows = self.rows()?;
        for (id, at_ms) in used {
            rows.keys.entry(*id).and_modify(|key| key.last_used_ms = Some(*at_ms));
        }
        Ok(())
    }
}

impl Store for Memory {
    fn ping(&self) -> Done<()> {
        self.rows().map(drop)
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}

fn picked<T>(rows: &BTreeMap<Id, T>, which: impl Fn(&T) -> bool) -> Vec<Id> {
    rows.iter().filter(|(_, row)| which(row)).map(|(id, _)| *id).collect()
}

fn page<T: Clone>(rows: &BTreeMap<Id, T>, after: Option<Id>, limit: u32) -> Vec<T> {
    let later = rows.iter().filter(|(id, _)| after.is_none_or(|after| **id > after));
    later.take(limit as usize).map(|(_, row)| row.clone()).collect()
}
