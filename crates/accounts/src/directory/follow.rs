//! Loading the directory, and following the changes of the store.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use portcullis_core::Id;
use portcullis_core::port::{ApiKey, Change, Changed, Changes, Device, Session, Store, StoreError};

use super::limits::Limits;
use super::people::Person;
use super::table::{New, Put};
use super::{Bound, Directory, Tables};

/// Reading so many rows one by one takes longer than reading everything anew.
const MANY: usize = 50_000;
/// How long an API key that has expired is still answered with that.
const EXPIRED_KEPT_MS: i64 = 86_400_000;

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

/// Where in the change log the directory stands.
#[derive(Debug, Default)]
pub(super) struct Position {
    number: i64,
    /// A change could not be read back: everything has to be read anew.
    doubtful: bool,
}

impl Directory {
    /// Reads everything. What changes meanwhile is found by following from where the log stood before. The
    /// tables of before serve until the new ones are complete.
    pub fn load(&self, store: &dyn Store, now_ms: i64) -> Result<(), StoreError> {
        self.read(&mut self.position.lock(), store, now_ms)
    }

    /// Applies what changed in the store since it was last looked at. Who begins to call this goes on, a few
    /// times a second: see [`super::DirectorySettings::stale_after_ms`].
    pub fn follow(&self, store: &dyn Store, now_ms: i64) -> Result<Followed, StoreError> {
        let mut position = self.position.lock();
        let mut followed = Followed::default();
        let anew = |followed: Followed| Followed { reloaded: true, signing_keys: true, ..followed };
        if position.doubtful || !self.is_loaded() {
            self.read(&mut position, store, now_ms)?;
            followed = anew(followed);
        }
        loop {
            let changes = match store.changes_after(position.number)? {
                Changes::Some(changes) if followed.changes + changes.len() <= MANY || followed.reloaded => {
                    changes
                }
                Changes::Some(_) | Changes::Lost => {
                    self.read(&mut position, store, now_ms)?;
                    followed = anew(followed);
                    continue;
                }
            };
            let Some(last) = changes.last() else { break };
            for Change { what, id, .. } in once_each(&changes) {
                self.apply(store, what, id)?;
                followed.signing_keys |= what == Changed::SigningKey;
            }
            followed.changes += changes.len();
            position.number = last.number;
        }
        self.heard_ms.store(now_ms, Ordering::Relaxed);
        Ok(followed)
    }

    /// Applies a change that this process made, right after it made it, by reading the row back: of two that
    /// change one row at once, what stands last in the store stands last here. What cannot be read back is
    /// refused until everything could be read anew.
    pub fn changed(&self, store: &dyn Store, what: Changed, id: Id) {
        let mut position = self.position.lock();
        let tables = self.tables.load();
        if tables.loaded && self.apply(store, what, id).is_err() {
            position.doubtful = true;
            let ended = match what {
                Changed::User => tables.people.suspend(id),
                Changed::Key => tables.keys.remove(id),
                Changed::Session => tables.sessions.remove(id),
                Changed::Device => tables.devices.write().remove(&id).is_some(),
                Changed::Family => tables.logins.end(id, i64::MAX),
                Changed::SigningKey => false,
            };
            if ended {
                self.moved();
            }
        }
    }

    /// Forgets ended logins whose access tokens have all expired, and API keys that expired a day ago.
    pub fn forget_ended(&self, now_ms: i64) {
        let tables = self.tables.load();
        tables.logins.forget_before(now_ms.saturating_sub(self.settings.load().revoked_ms));
        tables.keys.remove_where(|key| key.expires_ms.saturating_add(EXPIRED_KEPT_MS) <= now_ms);
    }

    fn read(&self, position: &mut Position, store: &dyn Store, now_ms: i64) -> Result<(), StoreError> {
        let number = store.last_change()?;
        let settings = self.settings.load();
        let mut tables = Tables::new(settings.identities);
        store.each_user(&mut |user| {
            tables.people.put(&user);
        })?;
        // Whose user is not there was made after the users were read: the log brings both.
        store.each_key(now_ms, &mut |key| {
            if let Some(person) = tables.people.find(key.user) {
                let new = tables.new_key(&key, person);
                tables.keys.fill(new);
            }
        })?;
        tables.keys.index();
        store.each_session(&mut |session| {
            if let Some(person) = tables.people.find(session.user) {
                tables.sessions.fill(new_session(&session, person));
            }
        })?;
        tables.sessions.index();
        store.each_device(&mut |device| {
            if let Some(person) = device.user.and_then(|user| tables.people.find(user)) {
                tables.devices.get_mut().insert(device.id, person);
            }
        })?;
        let since_ms = now_ms.saturating_sub(settings.revoked_ms);
        store.each_revoked_family(since_ms, &mut |id, at_ms| {
            tables.logins.end(id, at_ms);
        })?;
        tables.loaded = true;
        let old = self.tables.swap(Arc::new(tables));
        *position = Position { number, doubtful: false };
        self.moved();
        self.carry_over(&old);
        // A check that still looks at the old tables would be the one to free them, for a tenth of a second.
        for _ in 0..1000 {
            if Arc::strong_count(&old) == 1 {
                break;
            }
            thread::yield_now();
        }
        Ok(())
    }

    /// What was used and is not noted in the store yet goes along.
    fn carry_over(&self, old: &Tables) {
        let tables = self.tables.load();
        for (id, used_ms) in old.keys.take_notes() {
            tables.keys.carry(id, used_ms);
        }
        for (id, seen_ms) in old.sessions.take_notes() {
            tables.sessions.carry(id, seen_ms);
        }
    }

    /// Puts in what a row is now. To be called with the position held.
    fn apply(&self, store: &dyn Store, what: Changed, id: Id) -> Result<(), StoreError> {
        let tables = self.tables.load();
        let limited = match what {
            Changed::User => tables.apply_user(store, id)?,
            Changed::Key => tables.apply_key(store, id)?,
            Changed::Session => tables.apply_session(store, id)?,
            Changed::Device => tables.apply_device(store, id)?,
            Changed::Family => tables.apply_family(store, id)?,
            Changed::SigningKey => false,
        };
        if limited {
            self.moved();
        }
        Ok(())
    }
}

/// Each returns whether something ended or was limited.
impl Tables {
    fn apply_user(&self, store: &dyn Store, id: Id) -> Result<bool, StoreError> {
        if let Some(account) = store.account(id)? {
            return Ok(self.people.put(&account.user));
        }
        if !self.people.remove(id) {
            return Ok(false);
        }
        self.keys.remove_where(|key| key.person.is_removed());
        self.sessions.remove_where(|session| session.person.is_removed());
        self.devices.write().retain(|_, person| !person.is_removed());
        Ok(true)
    }

    fn apply_key(&self, store: &dyn Store, id: Id) -> Result<bool, StoreError> {
        let key = store.key(id)?.filter(|key| key.revoked_ms.is_none());
        match key {
            Some(key) => match self.person(store, key.user)? {
                Some(person) => Ok(self.keys.put(self.new_key(&key, person)) == Put::Changed),
                None => Ok(self.keys.remove(id)),
            },
            None => Ok(self.keys.remove(id)),
        }
    }

    fn apply_session(&self, store: &dyn Store, id: Id) -> Result<bool, StoreError> {
        match store.session(id)? {
            Some(session) => match self.person(store, session.user)? {
                Some(person) => Ok(self.sessions.put(new_session(&session, person)) == Put::Changed),
                None => Ok(self.sessions.remove(id)),
            },
            None => Ok(self.sessions.remove(id)),
        }
    }

    fn apply_device(&self, store: &dyn Store, id: Id) -> Result<bool, StoreError> {
        let device: Option<Device> = store.device(id)?;
        let person = match device.and_then(|device| device.user) {
            Some(user) => self.person(store, user)?,
            None => None,
        };
        let mut devices = self.devices.write();
        Ok(match person {
            Some(person) => {
                devices.insert(id, person);
                false
            }
            None => devices.remove(&id).is_some(),
        })
    }

    fn apply_family(&self, store: &dyn Store, id: Id) -> Result<bool, StoreError> {
        let family = store.family(id)?;
        match family {
            Some(family) => Ok(family.revoked_ms.is_some_and(|at_ms| self.logins.end(id, at_ms))),
            // Its user was removed, or it expired so long ago that nothing of it is valid.
            None => Ok(false),
        }
    }

    /// A user, read from the store where its own entry of the log is still to come.
    fn person(&self, store: &dyn Store, id: Id) -> Result<Option<Arc<Person>>, StoreError> {
        if let Some(person) = self.people.find(id) {
            return Ok(Some(person));
        }
        if let Some(account) = store.account(id)? {
            self.people.put(&account.user);
        }
        Ok(self.people.find(id))
    }

    fn new_key(&self, key: &ApiKey, person: Arc<Person>) -> New<Option<Arc<Limits>>> {
        New {
            id: key.id,
            digest: key.digest,
            person,
            expires_ms: key.expires_ms.unwrap_or(i64::MAX),
            used_ms: key.last_used_ms.unwrap_or(0),
            extra: self.limits.of(key),
        }
    }
}

fn new_session(session: &Session, person: Arc<Person>) -> New<Bound> {
    New {
        id: session.id,
        digest: session.digest,
        person,
        expires_ms: session.expires_ms,
        used_ms: session.last_seen_ms,
        extra: Bound { device: session.device.map(Id::octets), created_ms: session.created_ms },
    }
}

/// What changed, each thing once however often: rows are read as they are now.
fn once_each(changes: &[Change]) -> impl Iterator<Item = Change> {
    let mut seen = std::collections::HashSet::with_capacity(changes.len());
    changes.iter().copied().filter(move |change| seen.insert((change.what, change.id)))
}
