//! A part of the table: sets of 16 slots with tagged logs, in pages that come into being when first used.
//!
//! A slot is one cache line with its lock. What a set knows of all its slots stands apart, close together: one
//! octet of each tag, as a hint where to look, until when the set is known to be full, and until when keys that
//! found no room in it count elsewhere. So a look-up reads one line of the hints, which mostly are in the
//! second-level cache, and one slot, and takes no lock but the slot's. Only who holds the set's lock gives a slot
//! to another key, so under it the hints are exact and no key gets two slots.

use std::array;
use std::iter;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::LimitKey;
use super::window::{Log, PACKED};

/// Slots in a set.
const WAYS: usize = 16;

/// Sets in a page, which makes it as large as the page of the machine.
const SETS: usize = 4;

/// Sets whose heads stand together.
const HEADS: usize = 64;

/// Slots in a page.
pub(super) const PAGE_SLOTS: usize = WAYS * SETS;

/// What a page costs: itself, its share of the heads, their places in the directories, and what an allocator
/// adds at the worst (glibc, for memory aligned to 64 octets).
pub(super) const PAGE_BYTES: usize =
    cost::<Page>() + PLACE + (cost::<Heads>() + PLACE).div_ceil(HEADS / SETS);

const PLACE: usize = size_of::<OnceLock<Box<()>>>();

const fn cost<T>() -> usize {
    size_of::<T>() + 96
}

const _: () = assert!(size_of::<Slot>() == 64 && align_of::<Slot>() == 64);
const _: () = assert!(size_of::<Page>() == 4096 && size_of::<Heads>() == 40 * HEADS);

/// A fixed number of sets.
pub(super) struct Region {
    pages: Box<[OnceLock<Box<Page>>]>,
    heads: Box<[OnceLock<Box<Heads>>]>,
}

impl Region {
    /// A region of `pages` pages, at least one, none of them in memory yet.
    pub(super) fn new(pages: usize) -> Self {
        let pages = pages.max(1);
        Self { pages: absent(pages), heads: absent((pages * SETS).div_ceil(HEADS)) }
    }

    /// How many keys find a slot of their own at the most.
    pub(super) fn slots(&self) -> usize {
        self.pages.len() * PAGE_SLOTS
    }

    /// The octets in memory now.
    pub(super) fn resident_bytes(&self) -> usize {
        (self.pages.len() + self.heads.len()) * PLACE
            + present(&self.pages) * cost::<Page>()
            + present(&self.heads) * cost::<Heads>()
    }

    /// The slot of a key that has one. Another core may be giving it one at this moment: `None` is no proof.
    pub(super) fn known(&self, key: LimitKey) -> Option<Held<'_>> {
        let index = self.set_index(key);
        let heads = self.heads[index / HEADS].get()?;
        let page = self.pages[index / SETS].get()?;
        Set::of(heads, page, index).find(key)
    }

    /// The set of a key, locked: until it is let go nobody gives any of its slots to another key.
    pub(super) fn open(&self, key: LimitKey) -> OpenSet<'_> {
        let index = self.set_index(key);
        let heads = self.heads[index / HEADS].get_or_init(Box::default);
        let page = self.pages[index / SETS].get_or_init(Box::default);
        OpenSet { set: Set::of(heads, page, index), times: heads.times[index % HEADS].lock() }
    }

    fn set_index(&self, key: LimitKey) -> usize {
        key.index(self.pages.len() * SETS)
    }
}

fn absent<T>(count: usize) -> Box<[OnceLock<Box<T>>]> {
    iter::repeat_with(OnceLock::new).take(count).collect()
}

fn present<T>(places: &[OnceLock<Box<T>>]) -> usize {
    places.iter().filter(|place| place.get().is_some()).count()
}

/// A slot of a known key, locked.
pub(super) struct Held<'a>(MutexGuard<'a, Entry>);

impl Held<'_> {
    /// The log as it is.
    pub(super) fn log(&self) -> Log {
        Log::unpack(&self.0.log)
    }

    /// Changes the log.
    pub(super) fn update<R>(&mut self, change: impl FnOnce(&mut Log) -> R) -> R {
        let mut log = self.log();
        let result = change(&mut log);
        self.0.log = log.pack();
        result
    }
}

/// A set whose lock is held.
pub(super) struct OpenSet<'a> {
    set: Set<'a>,
    times: MutexGuard<'a, Times>,
}

impl<'a> OpenSet<'a> {
    /// The slot of a key, if it has one.
    pub(super) fn find(&self, key: LimitKey) -> Option<Held<'a>> {
        self.set.find(key)
    }

    /// A slot that no key uses, or whose key has nothing in its window.
    pub(super) fn vacancy(&mut self, now_ms: u64) -> Option<Vacancy<'a>> {
        let set = self.set;
        if let Some(way) = set.hints.ways_with(0).next() {
            return Some(Vacancy { set, way, entry: set.slots[way].0.lock() });
        }
        if now_ms < self.times.full_until_ms {
            return None;
        }
        let mut full_until_ms = u64::MAX;
        for (way, slot) in set.slots.iter().enumerate() {
            let entry = slot.0.lock();
            let log = Log::unpack(&entry.log);
            if log.is_idle(now_ms) {
                return Some(Vacancy { set, way, entry });
            }
            full_until_ms = full_until_ms.min(log.idle_from_ms());
        }
        // Logs only grow later, so this stays true; a log that was given back to nothing waits a little.
        self.times.full_until_ms = full_until_ms;
        None
    }

    /// Notes that a key of this set was counted elsewhere and lies in a window there until `until_ms`.
    pub(super) fn note_elsewhere(&mut self, until_ms: u64) {
        self.times.elsewhere_until_ms = self.times.elsewhere_until_ms.max(until_ms);
    }

    /// Whether a key of this set may have been counted elsewhere and still lie in a window there.
    pub(super) fn counted_elsewhere(&self, now_ms: u64) -> bool {
        now_ms < self.times.elsewhere_until_ms
    }
}

/// A slot that may be given to a key, locked.
pub(super) struct Vacancy<'a> {
    set: Set<'a>,
    way: usize,
    entry: MutexGuard<'a, Entry>,
}

impl Vacancy<'_> {
    /// Gives the slot to `key`. The set's lock is held, for the vacancy came from an [`OpenSet`].
    pub(super) fn fill(mut self, key: LimitKey, log: &Log) {
        self.entry.tag = key.tag.to_le_bytes();
        self.entry.log = log.pack();
        self.set.hints.note(self.way, fingerprint(key));
    }
}

#[derive(Default)]
struct Page {
    slots: [[Slot; WAYS]; SETS],
}

/// What sets know of their slots.
#[repr(align(64))]
struct Heads {
    hints: [Hints; HEADS],
    /// The lock is the set's.
    times: [Mutex<Times>; HEADS],
}

impl Default for Heads {
    fn default() -> Self {
        Self { hints: array::from_fn(|_| Hints::default()), times: array::from_fn(|_| Mutex::default()) }
    }
}

#[derive(Default)]
struct Times {
    /// Before this moment no slot becomes free.
    full_until_ms: u64,
    /// From this moment nothing counts that a key of this set was counted elsewhere for.
    elsewhere_until_ms: u64,
}

#[derive(Clone, Copy)]
struct Set<'a> {
    hints: &'a Hints,
    slots: &'a [Slot; WAYS],
}

impl<'a> Set<'a> {
    fn of(heads: &'a Heads, page: &'a Page, index: usize) -> Self {
        Self { hints: &heads.hints[index % HEADS], slots: &page.slots[index % SETS] }
    }

    fn find(self, key: LimitKey) -> Option<Held<'a>> {
        let tag = key.tag.to_le_bytes();
        self.hints.ways_with(fingerprint(key)).find_map(|way| {
            let entry = self.slots[way].0.lock();
            (entry.tag == tag).then_some(Held(entry))
        })
    }
}

/// An octet for each slot: 0 when it was never used, else the fingerprint of its key.
#[derive(Default)]
struct Hints([AtomicU64; WAYS / 8]);

impl Hints {
    /// The slots whose hint is `wanted`, and now and then one above such a slot whose hint differs in its
    /// lowest bit: eight octets are compared at once, and the borrow of a match goes on to its neighbour.
    /// The first is always right.
    fn ways_with(&self, wanted: u8) -> impl Iterator<Item = usize> + use<> {
        const ONES: u64 = 0x0101_0101_0101_0101;
        // One mask of all slots: which word holds the match the processor could only guess.
        let mut mask = self.0.iter().rev().fold(0, |mask, word| {
            let difference = word.load(Ordering::Acquire) ^ (u64::from(wanted) * ONES);
            let matches = difference.wrapping_sub(ONES) & !difference & (ONES << 7);
            // The highest bits of the octets, moved together.
            mask << 8 | matches.wrapping_mul(0x0002_0408_1020_4081) >> 56
        });
        iter::from_fn(move || {
            let way = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
            mask &= mask - 1;
            Some(way)
        })
    }

    /// Notes the fingerprint of a slot. Only with the set's lock held: nobody else writes meanwhile.
    fn note(&self, way: usize, fingerprint: u8) {
        let shift = way % 8 * 8;
        let word = &self.0[way / 8];
        let others = word.load(Ordering::Relaxed) & !(0xff << shift);
        word.store(others | u64::from(fingerprint) << shift, Ordering::Release);
    }
}

/// A log with its key and its lock.
#[repr(align(64))]
#[derive(Default)]
struct Slot(Mutex<Entry>);

struct Entry {
    tag: [u8; 8],
    log: [u8; PACKED],
}

impl Default for Entry {
    fn default() -> Self {
        Self { tag: [0; 8], log: Log::EMPTY.pack() }
    }
}

fn fingerprint(key: LimitKey) -> u8 {
    ((key.tag >> 56) as u8).max(1)
}
