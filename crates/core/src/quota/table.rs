//! The table of all limits: fixed memory, no global lock, shared by all cores.

use std::fmt;

use super::region::{Held, PAGE_BYTES, Region};
use super::window::Log;
use super::{LimitKey, Rate, Verdict};

/// Pages of the last allowance: room for 256 different rates.
const COMMON_PAGES: usize = 4;

/// The part of the pages for allowances shared by network: one in 16.
const SHARED_PART: usize = 16;

/// Who has used how much of which limit.
///
/// A key finds a slot of its own in one set of 16. Where all 16 still count somebody, nobody is evicted: the
/// newcomer counts under its overflow key, together with everybody who shares that, and where that finds no
/// slot either, together with everybody under an equal rate. A key that gets a slot of its own after its set
/// was full begins with what its overflow key has used, so no way through the table is worth more than one
/// allowance.
pub struct LimitTable {
    own: Region,
    shared: Region,
    common: Region,
}

impl LimitTable {
    /// The memory a table may take unless told otherwise: 64 MiB, for 990,000 slots.
    pub const DEFAULT_BYTES: usize = 64 << 20;

    /// A table that never takes more than `bytes` octets (nor less than 30 KiB). Memory is taken a page of
    /// 4 KiB at a time, as keys come.
    pub fn new(bytes: usize) -> Self {
        let pages = (bytes / PAGE_BYTES).saturating_sub(COMMON_PAGES);
        let shared = (pages / SHARED_PART).max(1);
        Self {
            own: Region::new(pages.saturating_sub(shared)),
            shared: Region::new(shared),
            common: Region::new(COMMON_PAGES),
        }
    }

    /// Counts a request at `now_ms`, milliseconds of a monotonic clock, if `rate` allows it.
    ///
    /// `overflow` is what `key` counts under when the table has no room for it: for an address its network
    /// ([`super::KeyPart::Network`]), for anything else the rule alone, always of the same rule as `key`.
    pub fn take(&self, key: LimitKey, overflow: LimitKey, rate: &Rate, now_ms: u64) -> Verdict {
        self.ask(Ask::Take, key, overflow, rate, now_ms)
    }

    /// What a request at `now_ms` would be told, without counting it: `remaining` is how many would be
    /// admitted at this moment.
    pub fn peek(&self, key: LimitKey, overflow: LimitKey, rate: &Rate, now_ms: u64) -> Verdict {
        self.ask(Ask::Peek, key, overflow, rate, now_ms)
    }

    /// Undoes a `take` that admitted a request at `taken_ms`, because another rule refuses it. To be called
    /// once, within the window; a take that has left the window is not there to be undone.
    pub fn give_back(&self, key: LimitKey, overflow: LimitKey, rate: &Rate, taken_ms: u64) {
        if let Some(mut held) = self.path(key, overflow, rate).iter().find_map(Place::known) {
            held.update(|log| log.give_back(taken_ms));
        }
    }

    /// How many keys have a slot of their own at the most.
    pub fn slots(&self) -> usize {
        self.own.slots()
    }

    /// The octets in memory now.
    pub fn resident_bytes(&self) -> usize {
        [&self.own, &self.shared, &self.common].into_iter().map(Region::resident_bytes).sum()
    }

    fn ask(&self, ask: Ask, key: LimitKey, overflow: LimitKey, rate: &Rate, now_ms: u64) -> Verdict {
        match self.own.known(key) {
            Some(held) => ask.of(held, rate, now_ms),
            None => Self::settle(ask, &self.path(key, overflow, rate), rate, now_ms),
        }
    }

    /// Where a key counts, the next where there is no room in the one before.
    fn path(&self, key: LimitKey, overflow: LimitKey, rate: &Rate) -> [Place<'_>; 3] {
        [
            Place { region: &self.own, key },
            Place { region: &self.shared, key: overflow },
            Place { region: &self.common, key: common_key(rate) },
        ]
    }

    /// Answers in the first place that knows the key or has room for it. Meanwhile the sets before it stay
    /// locked, so that a key cannot count in two places; locks are taken in the order of the path only.
    fn settle(ask: Ask, path: &[Place<'_>], rate: &Rate, now_ms: u64) -> Verdict {
        let Some((place, rest)) = path.split_first() else { return no_room(rate) };
        let mut set = place.region.open(place.key);
        if let Some(held) = set.find(place.key) {
            return ask.of(held, rate, now_ms);
        }
        let Some(vacancy) = set.vacancy(now_ms) else {
            let verdict = Self::settle(ask, rest, rate, now_ms);
            if ask == Ask::Take && verdict.admitted {
                set.note_elsewhere(now_ms + verdict.reset_ms);
            }
            return verdict;
        };
        let elsewhere = || rest.iter().find_map(Place::known).map(|held| held.log());
        let mut log = set.counted_elsewhere(now_ms).then(elsewhere).flatten().unwrap_or(Log::EMPTY);
        match ask {
            Ask::Peek => log.peek(rate, now_ms),
            Ask::Take => {
                let verdict = log.take(rate, now_ms);
                if verdict.admitted {
                    vacancy.fill(place.key, &log);
                }
                verdict
            }
        }
    }
}

impl Default for LimitTable {
    fn default() -> Self {
        Self::new(Self::DEFAULT_BYTES)
    }
}

impl fmt::Debug for LimitTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitTable")
            .field("slots", &self.slots())
            .field("resident_bytes", &self.resident_bytes())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Take,
    Peek,
}

impl Ask {
    fn of(self, mut held: Held<'_>, rate: &Rate, now_ms: u64) -> Verdict {
        match self {
            Ask::Take => held.update(|log| log.take(rate, now_ms)),
            Ask::Peek => held.log().peek(rate, now_ms),
        }
    }
}

/// A key in the region where it may count.
struct Place<'a> {
    region: &'a Region,
    key: LimitKey,
}

impl<'a> Place<'a> {
    fn known(&self) -> Option<Held<'a>> {
        self.region.known(self.key)
    }
}

/// The key of everybody under an equal rate. Rates come from the configuration: nobody outside chooses them.
fn common_key(rate: &Rate) -> LimitKey {
    let rate = u64::from(rate.window_s()) << 32 | u64::from(rate.count());
    // Odd, so no two rates meet; 2^64 / golden ratio spreads them.
    let tag = rate.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    LimitKey { place: tag.rotate_left(32), tag }
}

/// The answer when even the last allowance has no slot: more than 256 different rates overflow at once.
fn no_room(rate: &Rate) -> Verdict {
    Verdict {
        admitted: false,
        limit: rate.count(),
        window_s: rate.window_s(),
        remaining: 0,
        reset_ms: rate.counted_ms(),
        retry_after_ms: rate.counted_ms(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::KeyPart;
    use super::*;

    fn key(name: &str) -> LimitKey {
        LimitKey::new([1, 2], 1, &[KeyPart::Text(name)])
    }

    #[test]
    fn the_guides_loop_of_seventy() {
        let table = LimitTable::new(1 << 20);
        let rate: Rate = "60/minute".parse().unwrap();
        let admitted: Vec<bool> = (0..70u64)
            .map(|request| table.take(key("a"), key("all"), &rate, 5000 + request * 10).admitted)
            .collect();
        assert_eq!(admitted.iter().filter(|admitted| **admitted).count(), 60);
        assert!(admitted[..60].iter().all(|admitted| *admitted));
        let refused = table.take(key("a"), key("all"), &rate, 6000);
        assert_eq!(
            refused,
            Verdict {
                admitted: false,
                limit: 60,
                window_s: 60,
                remaining: 0,
                reset_ms: 5000 + 590 + 60_001 - 6000,
                retry_after_ms: 5000 + 30 + 60_001 - 6000,
            }
        );
        assert!(table.take(key("b"), key("all"), &rate, 6000).admitted);
    }
}
