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

    /// After how many seconds this name may be tried from there; none for now.
    pub(crate) fn locked_s(
        &self,
        name: &str,
        from: IpAddr,
        allowance: Allowance,
        now_ms: i64,
    ) -> Option<u64> {
        let now_ms = now_ms.unsigned_abs();
        let by_name = self.table.peek(self.name(name), self.shared(NAME, from), &allowance.by_name, now_ms);
        let by_address =
            self.table.peek(self.address(from), self.shared(ADDRESS, from), &allowance.by_address, now_ms);
        [by_name, by_address]
            .into_iter()
            .filter(|verdict| !verdict.admitted)
            .map(|verdict| verdict.retry_after_ms.div_ceil(1000).max(1))
            .max()
    }

    /// Counts a failure; true when it is the one that locks out.
    pub(crate) fn failed(&self, name: &str, from: IpAddr, allowance: Allowance, now_ms: i64) -> bool {
        let now = now_ms.unsigned_abs();
        self.table.take(self.name(name), self.shared(NAME, from), &allowance.by_name, now);
        self.table.take(self.address(from), self.shared(ADDRESS, from), &allowance.by_address, now);
        self.locked_s(name, from, allowance, now_ms).is_some()
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
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    #[test]
    fn the_fifth_failure_locks_the_name_out_everywhere_until_the_window_is_over() {
        let (lockout, allowance) = (Lockout::new().unwrap(), Allowance::new(5, 300));
        for try_number in 0..4 {
            assert!(!lockout.failed("alice", HERE, allowance, try_number), "{try_number}");
        }
        assert_eq!(lockout.locked_s("alice", HERE, allowance, 4), None);
        assert!(lockout.failed("Alice", HERE, allowance, 4), "letter case makes no other name");
        let wait = lockout.locked_s("alice", THERE, allowance, 5).unwrap();
        assert!((299..=301).contains(&wait), "{wait}");
        assert_eq!(lockout.locked_s("bob", HERE, allowance, 5), None);
        assert_eq!(lockout.locked_s("alice", HERE, allowance, 301_000), None);
    }

    #[test]
    fn an_address_that_tries_many_names_is_locked_out_for_all() {
        let (lockout, allowance) = (Lockout::new().unwrap(), Allowance::new(5, 300));
        for name in 0..50 {
            lockout.failed(&format!("user{name}"), HERE, allowance, name);
        }
        assert!(lockout.locked_s("somebody-new", HERE, allowance, 51).is_some());
        assert_eq!(lockout.locked_s("somebody-new", THERE, allowance, 51), None);
    }
}
