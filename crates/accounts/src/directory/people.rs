//! Users as the hot path sees them: who is active, under which role, and from when on credentials count.

use std::collections::HashSet;
use std::sync::Arc;

use hashbrown::HashTable;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use portcullis_core::Id;
use portcullis_core::port::User;

use super::shard::{SHARDS, hash_of, shard_of};

/// One user. Credentials hold it, so that a change is seen by the next check of any of them.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) id: Id,
    standing: RwLock<Standing>,
}

/// What can change about a user.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) name: Box<str>,
    pub(super) role: Arc<str>,
    /// False too for a user that was removed, or whose row could not be read.
    pub(super) active: bool,
    removed: bool,
    pub(super) valid_from_ms: i64,
    /// Grows with every change; an identity that was made under another one is made anew.
    pub(super) version: u32,
}

impl Person {
    pub(super) fn standing(&self) -> RwLockReadGuard<'_, Standing> {
        self.standing.read()
    }

    /// Whether it is no longer there: what it held can go.
    pub(super) fn is_removed(&self) -> bool {
        self.standing.read().removed
    }

    fn change(&self, change: impl FnOnce(&mut Standing)) {
        let mut standing = self.standing.write();
        change(&mut standing);
        standing.version = standing.version.wrapping_add(1);
    }
}

/// All users, by id.
#[derive(Debug)]
pub(super) struct People {
    shards: [RwLock<HashTable<Arc<Person>>>; SHARDS],
    /// Every role's name once, however many users have it.
    roles: Mutex<HashSet<Arc<str>>>,
}

impl People {
    pub(super) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| RwLock::default()), roles: Mutex::default() }
    }

    pub(super) fn find(&self, id: Id) -> Option<Arc<Person>> {
        self.shards[shard_of(id)].read().find(hash_of(id), |person| person.id == id).cloned()
    }

    /// Takes a user over as it is now, and says whether that changed what a known one may do.
    pub(super) fn put(&self, user: &User) -> bool {
        let role = self.role(&user.role);
        if let Some(person) = self.find(user.id) {
            return Self::update(&person, user, role);
        }
        let standing = Standing {
            name: user.name.as_str().into(),
            role,
            active: user.active,
            removed: false,
            valid_from_ms: user.valid_from_ms,
            version: 0,
        };
        let person = Arc::new(Person { id: user.id, standing: RwLock::new(standing) });
        let mut shard = self.shards[shard_of(user.id)].write();
        shard.insert_unique(hash_of(user.id), person, |person| hash_of(person.id));
        false
    }

    /// Takes a user out: its credentials are refused from now on. False where there is none.
    pub(super) fn remove(&self, id: Id) -> bool {
        let mut shard = self.shards[shard_of(id)].write();
        let Ok(found) = shard.find_entry(hash_of(id), |person| person.id == id) else { return false };
        let (person, _) = found.remove();
        person.change(|standing| {
            standing.active = false;
            standing.removed = true;
        });
        true
    }

    /// Refuses a user whose row could not be read, until it can be.
    pub(super) fn suspend(&self, id: Id) -> bool {
        let person = self.find(id);
        if let Some(person) = &person {
            person.change(|standing| standing.active = false);
        }
        person.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    fn update(person: &Person, user: &User, role: Arc<str>) -> bool {
        let same = {
            let now = person.standing();
            *now.name == *user.name
                && now.role == role
                && now.active == user.active
                && now.valid_from_ms == user.valid_from_ms
        };
        if same {
            return false;
        }
        person.change(|standing| {
            standing.name = user.name.as_str().into();
            standing.role = role;
            standing.active = user.active;
            standing.valid_from_ms = user.valid_from_ms;
        });
        true
    }

    fn role(&self, name: &str) -> Arc<str> {
        let mut roles = self.roles.lock();
        if let Some(role) = roles.get(name) {
            return Arc::clone(role);
        }
        let role: Arc<str> = name.into();
        roles.insert(Arc::clone(&role));
        role
    }
}
