//! A part of the table: sets of 16 slots with tagged logs, in pages that come into being when first used.
//!
//! A slot is one cache line with its lock. What a set knows of all its slots stands apart in its head: one octet
//! of each tag, as a hint where to look, until when the set is known to be full, and until when keys that found no
//! room in it count elsewhere. Looking up a known key takes no lock but the slot's. Only who holds the set's lock gives a slot to another key, so under
//! it the hints are exact and no key gets two slots.

use std::iter;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::LimitKey;
use super::window::{Log, PACKED};

/// Slots in a set.
const WAYS: usize = 16;

/// Sets in a page, which makes it a little larger than the page of the machine.
const SETS: usize = 4;

/// Slots in a page.
pub(super) const PAGE_SLOTS: usize = WAYS * SETS;

/// What a page costs: itself, its place in the directory, and what an allocator adds at the worst (glibc, for
/// memory aligned to 64 octets).
pub(super) const PAGE_BYTES: usize = size_of::<Page>() + size_of::<OnceLock<Box<Page>>>() + 96;

const _: () = assert!(size_of::<Slot>() == 64 && align_of::<Slot>() == 64);
const _: () = assert!(size_of::<Head>() == 40);

/// A fixed number of sets.
pub(super) struct Region {
    pages: Box<[OnceLock<Box<Page>>]>,
}

impl Region {
    /// A region of `pages` pages, at least one, none of them in memory yet.
    pub(super) fn new(pages: usize) -> Self {
        Self { pages: iter::repeat_with(OnceLock::new).take(pages.max(1)).collect() }
    }

    /// How many keys find a slot of their own at the most.
    pub(super) fn slots(&self) -> usize {
        self.pages.len() * PAGE_SLOTS
    }

    /// The octets in memory now.
    pub(super) fn resident_bytes(&self) -> usize {
        let used = self.pages.iter().filter(|page| page.get().is_some()).count();
        size_of_val(&*self.pages) + used * (PAGE_BYTES - size_of::<OnceLock<Box<Page>>>())
    }

    /// The slot of a key that has one. Another core may be giving it one at this moment: `None` is no proof.
    pub(super) fn known(&self, key: LimitKey) -> Option<Held<'_>> {
        let (page, set) = self.place(key);
        self.pages[page].get()?.set(set).find(key)
    }

    /// The set of a key, locked: until it is let go nobody gives any of its slots to another key.
    pub(super) fn open(&self, key: LimitKey) -> OpenSet<'_> {
        let (page, set) = self.place(key);
        let set = self.pages[page].get_or_init(Box::default).set(set);
        OpenSet { set, times: set.head.times.lock() }
    }

    fn place(&self, key: LimitKey) -> (usize, usize) {
        let index = key.index(self.pages.len() * SETS);
        (index / SETS, index % SETS)
    }
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
        if let Some(way) = set.head.ways_with(0).next() {
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
        self.set.head.hint(self.way, fingerprint(key));
    }
}

#[derive(Default)]
struct Page {
    heads: [Head; SETS],
    slots: [[Slot; WAYS]; SETS],
}

impl Page {
    fn set(&self, set: usize) -> Set<'_> {
        Set { head: &self.heads[set], slots: &self.slots[set] }
    }
}

#[derive(Clone, Copy)]
struct Set<'a> {
    head: &'a Head,
    slots: &'a [Slot; WAYS],
}

impl<'a> Set<'a> {
    fn find(self, key: LimitKey) -> Option<Held<'a>> {
        let tag = key.tag.to_le_bytes();
        self.head.ways_with(fingerprint(key)).find_map(|way| {
            let entry = self.slots[way].0.lock();
            (entry.tag == tag).then_some(Held(entry))
        })
    }
}

/// What a set knows of its slots.
#[derive(Default)]
struct Head {
    /// An octet for each slot: 0 when it was never used, else the fingerprint of its key.
    hints: [AtomicU64; WAYS / 8],
    /// The lock is the set's.
    times: Mutex<Times>,
}

#[derive(Default)]
struct Times {
    /// Before this moment no slot becomes free.
    full_until_ms: u64,
    /// From this moment nothing counts that a key of this set was counted elsewhere for.
    elsewhere_until_ms: u64,
}

impl Head {
    /// The slots whose hint is `wanted`, and now and then one above such a slot whose hint differs in its
    /// lowest bit: eight octets are compared at once, and the borrow of a match goes on to its neighbour.
    /// The first is always right.
    fn ways_with(&self, wanted: u8) -> impl Iterator<Item = usize> + use<> {
        const ONES: u64 = 0x0101_0101_0101_0101;
        let words = self.hints.each_ref().map(|word| word.load(Ordering::Acquire));
        words.into_iter().enumerate().flat_map(move |(index, word)| {
            let difference = word ^ (u64::from(wanted) * ONES);
            let mut matches = difference.wrapping_sub(ONES) & !difference & (ONES << 7);
            iter::from_fn(move || {
                let bit = (matches != 0).then(|| matches.trailing_zeros())?;
                matches &= matches - 1;
                Some(index * 8 + bit as usize / 8)
            })
        })
    }

    /// Notes the fingerprint of a slot. Only with the set's lock held: nobody else writes meanwhile.
    fn hint(&self, way: usize, fingerprint: u8) {
        let shift = way % 8 * 8;
        let word = &self.hints[way / 8];
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
