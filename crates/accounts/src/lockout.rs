//! Failed logins lock out: the name that was tried, whether there is such a user or not, and the address that
//! tries many names.

use std::net::IpAddr;
use std::num::NonZeroU32;

use portcullis_core::quota::{KeyPart, LimitKey, LimitTable, Rate, Unit};

use crate::random::{self, RandomError};

/// How many times the failures of one name an address may have: behind one address there may be many people.
const NAMES_PER_ADDRESS: u32 = 10;
/// The memory of failures, in bytes. When it is full, newcomers of a neighbourhood share an allowance.
const BYTES: usize = 1 << 20;
const NAME: u64 = 1;
const ADDRESS: u64 = 2;

/// Counts failed logins, in memory of a fixed size.
#[derive(Debug)]
pub(crate) struct Lockout {
    table: LimitTable,
    seed: [u64; 2],
}

/// How many failures within how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    by_name: Rate,
    by_address: Rate,
}

/// A try that counts as failed as long as nobody says otherwise.
#[derive(Debug)]
pub(crate) struct Counted {
    places: [(LimitKey, LimitKey, Rate); 2],
    now: u64,
}

impl Allowance {
    /// `attempts` failures of one name within `window_s` seconds. Both are at least 1.
    pub(crate) fn new(attempts: u32, window_s: u32) -> Self {
        let rate = |count: u32| {
            let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
            let window = NonZeroU32::new(window_s).unwrap_or(NonZeroU32::MIN);
            // A window longer than a year is none; a minute is then the nearest that can be.
            Rate::new(count, window, Unit::Second).unwrap_or_else(|_| Rate::per_minute(count))
        };
        Self { by_name: rate(attempts), by_address: rate(attempts.saturating_mul(NAMES_PER_ADDRESS)) }
    }
}

impl Lockout {
    pub(crate) fn new() -> Result<Self, RandomError> {
        let half = |bytes: [u8; 8]| u64::from_le_bytes(bytes);
        Ok(Self { table: LimitTable::new(BYTES), seed: [half(random::bytes()?), half(random::bytes()?)] })
    }

    /// Counts a try as failed before it is made, so that of many at once no more are made than may fail. The
    /// error is after how many seconds the next one may be made.
    pub(crate) fn begin(
        &self,
        name: &str,
        from: IpAddr,
        allowance: Allowance,
        now_ms: i64,
    ) -> Result<Counted, u64> {
        let now = now_ms.unsigned_abs();
        let places = [
            (self.address(from), self.shared(ADDRESS, from), allowance.by_address),
            (self.name(name), self.shared(NAME, from), allowance.by_name),
        ];
        for (place, (key, overflow, rate)) in places.iter().enumerate() {
            let verdict = self.table.take(*key, *overflow, rate, now);
            if !verdict.admitted {
                // A try that is not made has not failed.
                self.give_back(&places[..place], now);
                return Err(verdict.retry_after_ms.div_ceil(1000).max(1));
            }
        }
        Ok(Counted { places, now })
    }

    /// The try did not fail.
    pub(crate) fn succeeded(&self, counted: &Counted) {
        self.give_back(&counted.places, counted.now);
    }

    fn give_back(&self, places: &[(LimitKey, LimitKey, Rate)], now: u64) {
        for (key, overflow, rate) in places {
            self.table.give_back(*key, *overflow, rate, now);
        }
    }

    fn name(&self, name: &str) -> LimitKey {
        LimitKey::new(self.seed, NAME, &[KeyPart::Text(&name.to_ascii_lowercase())])
    }

    fn address(&self, from: IpAddr) -> LimitKey {
        LimitKey::new(self.seed, ADDRESS, &[KeyPart::Address(from)])
    }

    fn shared(&self, rule: u64, from: IpAddr) -> LimitKey {
        LimitKey::new(self.seed, rule, &[KeyPart::Network(from)])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    #[test]
    fn after_five_failures_the_name_is_locked_out_everywhere_until_the_window_is_over() {
        let (lockout, allowance) = (Lockout::new().unwrap(), Allowance::new(5, 300));
        for now_ms in 0..5 {
            lockout.begin(if now_ms % 2 == 0 { "alice" } else { "Alice" }, HERE, allowance, now_ms).unwrap();
        }
        let wait = lockout.begin("alice", THERE, allowance, 5).unwrap_err();
        assert!((299..=301).contains(&wait), "{wait}");
        lockout.begin("bob", HERE, allowance, 5).unwrap();
        lockout.begin("alice", HERE, allowance, 301_000).unwrap();
    }

    #[test]
    fn what_succeeds_and_what_is_refused_counts_for_nothing() {
        let (lockout, allowance) = (Lockout::new().unwrap(), Allowance::new(5, 300));
        for now_ms in 0..1000 {
            let counted = lockout.begin("alice", HERE, allowance, now_ms).unwrap();
            lockout.succeeded(&counted);
        }
        for now_ms in 1000..1005 {
            lockout.begin("alice", HERE, allowance, now_ms).unwrap();
        }
        for now_ms in 1005..1100 {
            lockout.begin("alice", HERE, allowance, now_ms).unwrap_err();
        }
        for name in 0..45 {
            lockout.begin(&format!("user{name}"), HERE, allowance, 1100).unwrap();
        }
        lockout.begin("user45", HERE, allowance, 1100).unwrap_err();
    }

    #[test]
    fn an_address_that_tries_many_names_is_locked_out_for_all() {
        let (lockout, allowance) = (Lockout::new().unwrap(), Allowance::new(5, 300));
        for name in 0..50 {
            lockout.begin(&format!("user{name}"), HERE, allowance, name).unwrap();
        }
        lockout.begin("somebody-new", HERE, allowance, 51).unwrap_err();
        lockout.begin("somebody-new", THERE, allowance, 51).unwrap();
    }

    proptest! {
        #[test]
        fn no_window_has_more_failures_than_are_allowed(
            attempts in 1..12_u32, window_s in 1..600_u32, gaps in prop::collection::vec(0..120_000_i64, 1..60),
        ) {
            let (lockout, allowance) = (Lockout::new().unwrap(), Allowance::new(attempts, window_s));
            let mut now_ms = 1_700_000_000_000;
            let mut failed: Vec<i64> = Vec::new();
            for gap_ms in gaps {
                now_ms += gap_ms;
                let in_window = |at: &&i64| now_ms - **at < i64::from(window_s) * 1000;
                let before = failed.iter().filter(in_window).count();
                match lockout.begin("alice", HERE, allowance, now_ms) {
                    Ok(_) => {
                        prop_assert!(before < attempts as usize);
                        failed.push(now_ms);
                    }
                    Err(wait_s) => {
                        prop_assert!(before + 1 >= attempts as usize || window_s > 65, "refused too early");
                        prop_assert!(wait_s <= u64::from(window_s) + 1);
                    }
                }
            }
        }
    }
}
