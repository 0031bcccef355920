//! Tokens that were verified before: a bounded table without a lock that all share.

use std::sync::Arc;

use parking_lot::Mutex;
use siphasher::sip128::SipHasher24;

use crate::random::{self, RandomError};

/// How many tokens are remembered. A full table takes about 16 MiB.
pub const CAPACITY: usize = 65_536;
/// How many tokens share a lock and displace each other.
const WAYS: usize = 8;

/// What verified tokens say, by a keyed 128-bit hash of the token.
///
/// `SipHash` with a key that nobody outside knows: two tokens with one hash can be found neither by luck
/// (2^-128 for each pair) nor by looking.
pub(super) struct Cache<T> {
    hash: SipHasher24,
    sets: Box<[Mutex<Vec<Entry<T>>>]>,
}

struct Entry<T> {
    tag: u128,
    until_ms: i64,
    value: Arc<T>,
}

impl<T> Cache<T> {
    pub(super) fn new() -> Result<Self, RandomError> {
        let sets = (0..CAPACITY / WAYS).map(|_| Mutex::new(Vec::new())).collect();
        Ok(Self { hash: SipHasher24::new_with_key(&random::bytes()?), sets })
    }

    pub(super) fn tag(&self, token: &[u8]) -> u128 {
        self.hash.hash(token).as_u128()
    }

    /// What the token with that tag says, if it is remembered and its time is not over.
    pub(super) fn find(&self, tag: u128, now_ms: i64) -> Option<Arc<T>> {
        let mut set = self.set(tag).lock();
        let at = set.iter().position(|entry| entry.tag == tag)?;
        if set[at].until_ms <= now_ms {
            set.remove(at);
            return None;
        }
        // The one used last stands first.
        set[..=at].rotate_right(1);
        Some(Arc::clone(&set[0].value))
    }

    /// Remembers a token until it ends; where there is no room, the one used longest ago goes.
    pub(super) fn keep(&self, tag: u128, until_ms: i64, value: Arc<T>) {
        let mut set = self.set(tag).lock();
        set.retain(|entry| entry.tag != tag);
        set.truncate(WAYS - 1);
        set.insert(0, Entry { tag, until_ms, value });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sets.iter().map(|set| set.lock().len()).sum()
    }

    fn set(&self, tag: u128) -> &Mutex<Vec<Entry<T>>> {
        &self.sets[tag as usize % self.sets.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_until_it_ends() {
        let cache = Cache::new().unwrap();
        let tag = cache.tag(b"a.b.c");
        assert!(cache.find(tag, 0).is_none());
        cache.keep(tag, 1000, Arc::new(7));
        assert_eq!(cache.find(tag, 999).as_deref(), Some(&7));
        assert!(cache.find(cache.tag(b"a.b.d"), 999).is_none());
        assert!(cache.find(tag, 1000).is_none());
        assert_eq!(cache.len(), 0, "what has ended is forgotten");
    }

    #[test]
    fn it_never_holds_more_than_its_capacity() {
        let cache = Cache::new().unwrap();
        for number in 0..3 * CAPACITY {
            cache.keep(cache.tag(&number.to_be_bytes()), 1000, Arc::new(()));
        }
        assert!(cache.len() <= CAPACITY, "{}", cache.len());
        assert!(cache.len() > CAPACITY * 9 / 10, "{}", cache.len());
    }

    #[test]
    fn the_one_used_longest_ago_goes_first() {
        let cache = Cache::new().unwrap();
        let tags: Vec<u128> = (0..=WAYS as u128).map(|at| at * cache.sets.len() as u128).collect();
        for tag in &tags[..WAYS] {
            cache.keep(*tag, 1000, Arc::new(()));
        }
        assert!(cache.find(tags[0], 0).is_some());
        cache.keep(tags[WAYS], 1000, Arc::new(()));
        assert!(cache.find(tags[0], 0).is_some(), "used since");
        assert!(cache.find(tags[1], 0).is_none(), "not used since");
    }

    #[test]
    fn two_tables_hash_differently() {
        let (one, two) = (Cache::<()>::new().unwrap(), Cache::<()>::new().unwrap());
        assert_ne!(one.tag(b"a.b.c"), two.tag(b"a.b.c"));
    }
}
