//! Loading the directory, and following the changes of the store.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use portcullis_core::Id;
use portcullis_core::port::{Changed, Changes, Store, StoreError};

use super::entry::{KeyEntry, SessionEntry, UserEntry};
use super::{Directory, Tables, half, place};

/// What following the store found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Followed {
    /// How many changes were applied.
    pub changes: usize,
    /// Whether a signing key is among them.
    pub signing_keys: bool,
    /// Whether everything was read anew.
    pub reloaded: bool,
}

impl Directory {
    /// Reads everything. What changes meanwhile is found by following from where the log stood before.
    pub fn load(&self, store: &dyn Store, now_ms: i64) -> Result<(), StoreError> {
        let _applying = self.applying.lock();
        let last_change = store.last_change()?;
        let tables = Tables::default();
        store.each_user(&mut |user| {
            tables.users.put(place(user.id), Arc::new(UserEntry::of(&user)));
        })?;
        store.each_key(now_ms, &mut |key| {
            let at = half(&key.digest);
            tables.key_ids.put(place(key.id), at);
            tables.keys.put(at, Arc::new(KeyEntry::of(&key)));
        })?;
        store.each_session(&mut |session| {
            let at = half(&session.digest);
            tables.session_ids.put(place(session.id), at);
            tables.sessions.put(at, Arc::new(SessionEntry::of(&session)));
        })?;
        store.each_device(&mut |device| {
            if let Some(user) = device.user {
                tables.devices.put(place(device.id), user);
            }
        })?;
        let since_ms = now_ms - self.settings.load().revoked_ms;
        store.each_revoked_family(since_ms, &mut |id, at_ms| {
            tables.revoked.put(place(id), at_ms);
        })?;
        self.tables.store(Arc::new(tables));
        self.last_change.store(last_change, Ordering::Release);
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.loaded.store(true, Ordering::Release);
        Ok(())
    }

    /// Applies what changed in the store since it was last looked at.
    pub fn follow(&self, store: &dyn Store, now_ms: i64) -> Result<Followed, StoreError> {
        let mut followed = Followed::default();
        loop {
            let changes = match store.changes_after(self.last_change.load(Ordering::Acquire))? {
                Changes::Some(changes) => changes,
                Changes::Lost => {
                    self.load(store, now_ms)?;
                    return Ok(Followed { reloaded: true, signing_keys: true, ..followed });
                }
            };
            let Some(last) = changes.last() else { return Ok(followed) };
            for change in &changes {
                self.apply(store, change.what, change.id)?;
                followed.signing_keys |= change.what == Changed::SigningKey;
            }
            followed.changes += changes.len();
            self.last_change.store(last.number, Ordering::Release);
        }
    }

    /// Applies one change right after it was made by this process. Doing so twice does no more than once.
    pub fn changed(&self, store: &dyn Store, what: Changed, id: Id) -> Result<(), StoreError> {
        self.apply(store, what, id)
    }

    /// Forgets ended logins whose access tokens have all expired.
    pub fn forget_revoked(&self, now_ms: i64) -> usize {
        let since_ms = now_ms - self.settings.load().revoked_ms;
        self.tables.load().revoked.retain(|at_ms| *at_ms >= since_ms)
    }

    fn apply(&self, store: &dyn Store, what: Changed, id: Id) -> Result<(), StoreError> {
        let _applying = self.applying.lock();
        let tables = self.tables.load();
        let ends = match what {
            Changed::User => apply_user(&tables, store, id)?,
            Changed::Key => apply_key(&tables, store, id)?,
            Changed::Session => apply_session(&tables, store, id)?,
            Changed::Device => apply_device(&tables, store, id)?,
            Changed::Family => apply_family(&tables, store, id)?,
            Changed::SigningKey => false,
        };
        if ends {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }
}

/// Each returns whether something ended or was limited.
fn apply_user(tables: &Tables, store: &dyn Store, id: Id) -> Result<bool, StoreError> {
    let Some(account) = store.account(id)? else {
        if tables.users.remove(place(id)).is_none() {
            return Ok(false);
        }
        tables.keys.retain(|key| key.user != id);
        tables.sessions.retain(|session| session.user != id);
        tables.devices.retain(|user| *user != id);
        tables.key_ids.retain(|at| tables.keys.has(*at));
        tables.session_ids.retain(|at| tables.sessions.has(*at));
        return Ok(true);
    };
    let fresh = Arc::new(UserEntry::of(&account.user));
    let old = tables.users.put(place(id), Arc::clone(&fresh));
    Ok(old.is_some_and(|old| fresh.takes_from(&old)))
}

fn apply_key(tables: &Tables, store: &dyn Store, id: Id) -> Result<bool, StoreError> {
    let Some(key) = store.key(id)?.filter(|key| key.revoked_ms.is_none()) else {
        let at = tables.key_ids.remove(place(id));
        return Ok(at.and_then(|at| tables.keys.remove(at)).is_some());
    };
    let at = half(&key.digest);
    tables.key_ids.put(place(id), at);
    Ok(tables.keys.put(at, Arc::new(KeyEntry::of(&key))).is_some())
}

fn apply_session(tables: &Tables, store: &dyn Store, id: Id) -> Result<bool, StoreError> {
    let Some(session) = store.session(id)? else {
        let at = tables.session_ids.remove(place(id));
        return Ok(at.and_then(|at| tables.sessions.remove(at)).is_some());
    };
    let at = half(&session.digest);
    tables.session_ids.put(place(id), at);
    Ok(tables.sessions.put(at, Arc::new(SessionEntry::of(&session))).is_some())
}

fn apply_device(tables: &Tables, store: &dyn Store, id: Id) -> Result<bool, StoreError> {
    match store.device(id)?.and_then(|device| device.user) {
        Some(user) => {
            tables.devices.put(place(id), user);
            Ok(false)
        }
        None => Ok(tables.devices.remove(place(id)).is_some()),
    }
}

fn apply_family(tables: &Tables, store: &dyn Store, id: Id) -> Result<bool, StoreError> {
    match store.family(id)?.and_then(|family| family.revoked_ms) {
        Some(at_ms) => {
            tables.logins.remove(place(id));
            Ok(tables.revoked.put(place(id), at_ms).is_none())
        }
        None => Ok(false),
    }
}
