//! A map that many read and few write, in shards with a lock each: no lock that all cores take.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use parking_lot::RwLock;

/// How many shards; a power of two.
const SHARDS: usize = 64;

/// Values by 128-bit keys that are random already: digests and the random half of ids. Nobody outside chooses
/// what is put in, so the key is its own hash.
#[derive(Debug)]
pub(super) struct Shards<V> {
    shards: Box<[RwLock<HashMap<u128, V, BuildHasherDefault<Random>>>]>,
}

impl<V> Default for Shards<V> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }
}

impl<V: Clone> Shards<V> {
    pub(super) fn find(&self, key: u128) -> Option<V> {
        self.shard(key).read().get(&key).cloned()
    }

    pub(super) fn has(&self, key: u128) -> bool {
        self.shard(key).read().contains_key(&key)
    }

    /// Puts a value in and returns the one that stood there.
    pub(super) fn put(&self, key: u128, value: V) -> Option<V> {
        self.shard(key).write().insert(key, value)
    }

    pub(super) fn remove(&self, key: u128) -> Option<V> {
        self.shard(key).write().remove(&key)
    }

    /// Keeps what `keep` says, and says how many went.
    pub(super) fn retain(&self, mut keep: impl FnMut(&V) -> bool) -> usize {
        let mut gone = 0;
        for shard in &self.shards {
            let mut shard = shard.write();
            let before = shard.len();
            shard.retain(|_, value| keep(value));
            gone += before - shard.len();
        }
        gone
    }

    /// Puts a value in; where the shard holds `most`, it is emptied first.
    pub(super) fn remember(&self, key: u128, value: V, most: usize) {
        let mut shard = self.shard(key).write();
        if shard.len() >= most / SHARDS {
            shard.clear();
        }
        shard.insert(key, value);
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    fn shard(&self, key: u128) -> &RwLock<HashMap<u128, V, BuildHasherDefault<Random>>> {
        // The map takes its place from the low bits and its tag from the high ones of the low half.
        &self.shards[(key >> 32) as usize % SHARDS]
    }
}

/// Takes the low half of a random key as its hash.
#[derive(Debug, Default)]
pub(super) struct Random(u64);

impl Hasher for Random {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_found_until_it_is_removed() {
        let shards = Shards::default();
        for key in 0..1000_u128 {
            assert_eq!(shards.put(key << 30 | key, key), None);
        }
        assert_eq!(shards.len(), 1000);
        assert_eq!(shards.find(7 << 30 | 7), Some(7));
        assert_eq!(shards.put(7 << 30 | 7, 8), Some(7));
        assert_eq!(shards.remove(7 << 30 | 7), Some(8));
        assert!(!shards.has(7 << 30 | 7));
        assert_eq!(shards.retain(|value| value % 2 == 0), 499);
    }

    #[test]
    fn what_is_only_remembered_has_a_bound() {
        let shards = Shards::default();
        for key in 0..100_000_u128 {
            shards.remember(key << 32 | key, (), 6400);
        }
        assert!(shards.len() <= 6400, "{}", shards.len());
    }
}
