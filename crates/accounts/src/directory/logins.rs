//! Logins: which families of tokens were ended, and who stands behind those that are used.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use portcullis_core::{Id, Identity};

use super::Judgement;
use super::people::{Person, Standing};
use super::shard::{SHARDS, shard_of};

/// Families that were ended, as long as one of their access tokens may live, and identities of those in use.
#[derive(Debug)]
pub(super) struct Logins {
    shards: [RwLock<Shard>; SHARDS],
    /// How many identities a shard keeps.
    most: usize,
}

#[derive(Debug, Default)]
struct Shard {
    ended: HashMap<Id, i64>,
    kept: HashMap<Id, Kept>,
    /// The families that have an identity here; the next to lose it stands at `hand`.
    ring: Vec<Id>,
    hand: usize,
}

#[derive(Debug)]
struct Kept {
    person: Arc<Person>,
    stamp: u64,
    identity: Arc<Identity>,
}

impl Logins {
    pub(super) fn new(identities: usize) -> Self {
        Self { shards: std::array::from_fn(|_| RwLock::default()), most: (identities / SHARDS).max(1) }
    }

    /// Judges a login of `user`: `find` looks the user up where this login was not used before.
    pub(super) fn check(
        &self,
        family: Id,
        user: Id,
        rules: u32,
        find: impl FnOnce() -> Option<Arc<Person>>,
        refuse: impl Fn(&Standing) -> Option<Judgement>,
        make: impl FnOnce(&Person, &Standing) -> Identity,
    ) -> Judgement {
        let shard = &self.shards[shard_of(family)];
        {
            let shard = shard.read();
            if shard.ended.contains_key(&family) {
                return Judgement::Rejected;
            }
            if let Some(kept) = shard.kept.get(&family).filter(|kept| kept.person.id == user) {
                let standing = kept.person.standing();
                if let Some(refusal) = refuse(&standing) {
                    return refusal;
                }
                if kept.stamp == stamp(rules, standing.version) {
                    return Judgement::Proven(Arc::clone(&kept.identity));
                }
            }
        }
        let Some(person) = find() else { return Judgement::Rejected };
        let standing = person.standing();
        if let Some(refusal) = refuse(&standing) {
            return refusal;
        }
        let identity = Arc::new(make(&person, &standing));
        let stamp = stamp(rules, standing.version);
        drop(standing);
        let kept = Kept { person, stamp, identity: Arc::clone(&identity) };
        let mut shard = shard.write();
        // It may have been ended while it was looked at.
        if shard.ended.contains_key(&family) {
            return Judgement::Rejected;
        }
        shard.keep(family, kept, self.most);
        Judgement::Proven(identity)
    }

    pub(super) fn is_ended(&self, family: Id) -> bool {
        self.shards[shard_of(family)].read().ended.contains_key(&family)
    }

    /// Ends a login; false where that was known.
    pub(super) fn end(&self, family: Id, at_ms: i64) -> bool {
        let mut shard = self.shards[shard_of(family)].write();
        shard.kept.remove(&family);
        shard.ended.insert(family, at_ms).is_none()
    }

    /// Forgets those that ended before `since_ms`.
    pub(super) fn forget_before(&self, since_ms: i64) {
        for shard in &self.shards {
            shard.write().ended.retain(|_, at_ms| *at_ms >= since_ms);
        }
    }
}

impl Shard {
    fn keep(&mut self, family: Id, kept: Kept, most: usize) {
        if self.kept.insert(family, kept).is_some() {
            return;
        }
        if self.ring.len() < most {
            self.ring.push(family);
            return;
        }
        self.hand = (self.hand + 1) % self.ring.len();
        let old = std::mem::replace(&mut self.ring[self.hand], family);
        if old != family {
            self.kept.remove(&old);
        }
    }
}

fn stamp(rules: u32, version: u32) -> u64 {
    u64::from(rules) << 32 | u64::from(version)
}
