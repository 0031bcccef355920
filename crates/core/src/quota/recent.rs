//! Who succeeded lately from where: a fixed memory without locks.

use std::fmt;
use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};

use super::LimitKey;

/// How long a success is remembered.
const REMEMBERED_S: u32 = 3600;

/// How often a success that is remembered is written again.
const REFRESHED_S: u32 = 60;

/// Entries of a set: one cache line.
const WAYS: usize = 8;

/// The pairs of an address and a credential that succeeded within the last hour.
///
/// A pair is a [`LimitKey`] of both. It is remembered by 32 bits of it in a set chosen by others, so a pair
/// that never succeeded is taken for one that did once in 500 million. Where a set is full the pair that
/// succeeded longest ago is forgotten; only successes are recorded, so guessing forgets nobody.
pub struct RecentSuccess {
    sets: Box<[Set]>,
}

impl RecentSuccess {
    /// Memory for about `pairs` pairs, at 8 octets each.
    pub fn new(pairs: usize) -> Self {
        Self { sets: iter::repeat_with(Set::default).take(pairs.div_ceil(WAYS).max(1)).collect() }
    }

    /// Remembers that `pair` succeeded at `now_ms` of a monotonic clock. It writes nothing when that is known
    /// of the last minute. Cores that record into one set at once may lose one of their records, until the
    /// next success.
    pub fn record(&self, pair: LimitKey, now_ms: u64) {
        let entry = Entry::of(pair, now_ms);
        let mut oldest = (u32::MAX, None);
        for slot in &self.set(pair).0 {
            let seen = slot.load(Ordering::Relaxed);
            let known = Entry::from_bits(seen);
            if known.mark == entry.mark && known.is_written() {
                if entry.second.saturating_sub(known.second) >= REFRESHED_S {
                    slot.store(entry.bits(), Ordering::Relaxed);
                }
                return;
            }
            if known.second < oldest.0 {
                oldest = (known.second, Some((slot, seen)));
            }
        }
        if let (_, Some((slot, seen))) = oldest {
            let _lost = slot.compare_exchange(seen, entry.bits(), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Whether `pair` succeeded within the hour before `now_ms`.
    pub fn contains(&self, pair: LimitKey, now_ms: u64) -> bool {
        let asked = Entry::of(pair, now_ms);
        self.set(pair).0.iter().any(|slot| {
            let known = Entry::from_bits(slot.load(Ordering::Relaxed));
            known.is_written()
                && known.mark == asked.mark
                && asked.second.saturating_sub(known.second) < REMEMBERED_S
        })
    }

    fn set(&self, pair: LimitKey) -> &Set {
        &self.sets[pair.index(self.sets.len())]
    }
}

impl Default for RecentSuccess {
    /// Memory for 65,536 pairs: 512 KiB.
    fn default() -> Self {
        Self::new(65_536)
    }
}

impl fmt::Debug for RecentSuccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentSuccess").field("pairs", &(self.sets.len() * WAYS)).finish_non_exhaustive()
    }
}

#[repr(align(64))]
#[derive(Default)]
struct Set([AtomicU64; WAYS]);

/// A pair and when it succeeded.
#[derive(Clone, Copy)]
struct Entry {
    mark: u32,
    /// Seconds of the monotonic clock and one, for 136 years; 0 where nothing was written.
    second: u32,
}

impl Entry {
    fn of(pair: LimitKey, now_ms: u64) -> Self {
        Self { mark: pair.tag as u32, second: (now_ms / 1000) as u32 + 1 }
    }

    fn from_bits(bits: u64) -> Self {
        Self { mark: (bits >> 32) as u32, second: bits as u32 }
    }

    fn bits(self) -> u64 {
        u64::from(self.mark) << 32 | u64::from(self.second)
    }

    fn is_written(self) -> bool {
        self.second > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::KeyPart;

    const HOUR_MS: u64 = 3_600_000;

    fn pair(address: u32, credential: &str) -> LimitKey {
        let parts = [KeyPart::Address(std::net::Ipv4Addr::from(address).into()), KeyPart::Text(credential)];
        LimitKey::new([1, 2], 3, &parts)
    }

    #[test]
    fn a_success_is_remembered_for_an_hour_and_no_longer() {
        let recent = RecentSuccess::new(64);
        assert!(!recent.contains(pair(1, "key"), 0));
        recent.record(pair(1, "key"), 0);
        assert!(recent.contains(pair(1, "key"), 0));
        assert!(recent.contains(pair(1, "key"), HOUR_MS - 1));
        assert!(!recent.contains(pair(1, "key"), HOUR_MS));
        assert!(!recent.contains(pair(1, "other"), 0));
        assert!(!recent.contains(pair(2, "key"), 0));
    }

    #[test]
    fn a_new_success_begins_a_new_hour() {
        let recent = RecentSuccess::new(64);
        recent.record(pair(1, "key"), 0);
        recent.record(pair(1, "key"), HOUR_MS / 2);
        assert!(recent.contains(pair(1, "key"), HOUR_MS + HOUR_MS / 2 - 1));
        assert!(!recent.contains(pair(1, "key"), HOUR_MS + HOUR_MS / 2));
        recent.record(pair(1, "key"), 3 * HOUR_MS);
        assert!(recent.contains(pair(1, "key"), 3 * HOUR_MS));
    }

    #[test]
    fn within_a_minute_nothing_is_written() {
        let recent = RecentSuccess::new(1);
        recent.record(pair(1, "key"), 0);
        let before: Vec<u64> = recent.sets[0].0.iter().map(|slot| slot.load(Ordering::Relaxed)).collect();
        recent.record(pair(1, "key"), 59_999);
        let after: Vec<u64> = recent.sets[0].0.iter().map(|slot| slot.load(Ordering::Relaxed)).collect();
        assert_eq!(before, after);
        assert_eq!(before.iter().filter(|bits| **bits != 0).count(), 1);
    }

    #[test]
    fn a_full_set_forgets_the_oldest() {
        let recent = RecentSuccess::new(WAYS);
        for address in 0..=WAYS as u32 {
            recent.record(pair(address, "key"), u64::from(address) * 1000);
        }
        assert!(!recent.contains(pair(0, "key"), 10_000));
        for address in 1..=WAYS as u32 {
            assert!(recent.contains(pair(address, "key"), 10_000), "{address}");
        }
    }

    #[test]
    fn sixty_thousand_pairs_are_kept_apart() {
        let recent = RecentSuccess::default();
        for address in 0..20_000 {
            recent.record(pair(address, "key"), 5);
        }
        let kept = (0..20_000).filter(|address| recent.contains(pair(*address, "key"), 6)).count();
        let taken_for_known =
            (0..100_000).filter(|address| recent.contains(pair(*address, "guess"), 6)).count();
        assert!(kept > 19_800, "{kept} of 20,000");
        assert_eq!(taken_for_known, 0);
    }

    #[test]
    fn cores_record_at_once() {
        let recent = RecentSuccess::default();
        std::thread::scope(|scope| {
            for core in 0..4u32 {
                let recent = &recent;
                scope.spawn(move || {
                    for address in 0..500 {
                        recent.record(pair(core * 1000 + address, "key"), 1);
                    }
                });
            }
        });
        let kept = (0..4000u32).filter(|address| recent.contains(pair(*address, "key"), 2)).count();
        assert!(kept > 1900, "{kept} of 2000");
    }
}
