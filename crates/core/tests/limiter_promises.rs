//! The promises of the limiter for one key, as properties under a clock moved by hand.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::num::NonZeroU32;

use portcullis_core::quota::{KeyPart, LimitKey, LimitTable, Rate, Unit, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Groups that a log remembers; a limit up to this is counted exactly.
const MARKS: u32 = 18;

/// One key of a small table.
struct Limit {
    table: LimitTable,
    key: LimitKey,
}

impl Limit {
    fn new() -> Self {
        Self { table: LimitTable::new(0), key: LimitKey::new([1, 2], 3, &[KeyPart::Text("somebody")]) }
    }

    fn take(&self, rate: &Rate, now_ms: u64) -> Verdict {
        self.table.take(self.key, self.key, rate, now_ms)
    }

    fn peek(&self, rate: &Rate, now_ms: u64) -> Verdict {
        self.table.peek(self.key, self.key, rate, now_ms)
    }

    fn give_back(&self, rate: &Rate, taken_ms: u64) {
        self.table.give_back(self.key, self.key, rate, taken_ms);
    }
}

fn rate(count: u32, window_s: u32) -> Rate {
    let number = |number| NonZeroU32::new(number).unwrap();
    Rate::new(number(count), number(window_s), Unit::Second).unwrap()
}

/// The precision of moments in a log: exact up to a window of 65 s.
fn tick_ms(rate: &Rate) -> u64 {
    rate.counted_ms().div_ceil(65_535)
}

fn quantum(count: u32) -> u32 {
    count.div_ceil(MARKS)
}

/// Small limits, limits around the borders of exact counting, and large ones.
fn counts() -> impl Strategy<Value = u32> {
    prop_oneof![1..=10u32, 11..=60u32, select(vec![71, 72, 73, 100, 180, 181, 300, 1000])]
}

fn windows() -> impl Strategy<Value = u32> {
    select(vec![1, 7, 60, 65, 66, 300, 3600, 86_400, 366 * 86_400])
}

/// Gaps between requests: none, a millisecond, around the spacing of the limit, around the window.
fn gaps(count: u32, window_s: u32) -> impl Strategy<Value = Vec<u64>> {
    let window_ms = u64::from(window_s) * 1000;
    let spacing = (window_ms / u64::from(count)).max(1);
    let gap = prop_oneof![
        6 => Just(0),
        2 => 0..=3u64,
        6 => 0..=spacing * 2,
        3 => 0..=spacing * 20,
        1 => 0..=window_ms / 2,
        1 => window_ms - 2..=window_ms + 2,
        1 => 0..=window_ms * 3,
    ];
    vec(gap, 1..=(count as usize * 4).clamp(40, 1500))
}

fn moments(start_ms: u64, gaps: &[u64]) -> Vec<u64> {
    gaps.iter()
        .scan(start_ms, |now_ms, gap| {
            *now_ms += gap;
            Some(*now_ms)
        })
        .collect()
}

fn arrivals() -> impl Strategy<Value = (Rate, Vec<u64>)> {
    (counts(), windows(), 0..=10_000_000_000u64).prop_flat_map(|(count, window_s, start_ms)| {
        gaps(count, window_s).prop_map(move |gaps| (rate(count, window_s), moments(start_ms, &gaps)))
    })
}

/// No `limit + 1` of the moments, which are in order, lie in an interval `[t, t + window)`.
fn within(admitted: &[u64], limit: u32, window_ms: u64) -> Result<(), TestCaseError> {
    for (first, last) in admitted.iter().zip(admitted.iter().skip(limit as usize)) {
        prop_assert!(last - first >= window_ms, "{limit} and one more from {first} to {last}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The first promise.
    #[test]
    fn no_interval_as_long_as_the_window_sees_more_than_the_limit((rate, arrivals) in arrivals()) {
        let limit = Limit::new();
        let admitted: Vec<u64> =
            arrivals.iter().copied().filter(|now_ms| limit.take(&rate, *now_ms).admitted).collect();
        within(&admitted, rate.count(), rate.counted_ms())?;
    }

    /// A limit of 18 or less is counted exactly where a millisecond is: who is refused would have been one too
    /// many.
    #[test]
    fn a_small_limit_is_used_to_the_last(
        count in 1..=MARKS, gaps in gaps(9, 65), start_ms in 0..10_000_000_000u64,
    ) {
        let (limit, rate) = (Limit::new(), rate(count, 65));
        let mut admitted: Vec<u64> = Vec::new();
        for now_ms in moments(start_ms, &gaps) {
            let recent = admitted.iter().filter(|before| now_ms - **before < rate.counted_ms()).count();
            let verdict = limit.take(&rate, now_ms);
            prop_assert_eq!(verdict.admitted, recent < count as usize);
            prop_assert_eq!(verdict.remaining as usize, (count as usize).saturating_sub(recent + 1));
            if verdict.admitted {
                admitted.push(now_ms);
            }
        }
    }

    /// The second promise, for a client of any rhythm: one that leaves a little of its limit unused in every
    /// window, none of it where the limit is 18 or less, is never refused.
    #[test]
    fn who_stays_below_the_limit_is_never_refused((rate, arrivals) in arrivals()) {
        let allowed = rate.count() - (quantum(rate.count()) - 1);
        prop_assert!(f64::from(allowed) > f64::from(rate.count()) * 17.0 / 18.0);
        let window_ms = if tick_ms(&rate) == 1 { rate.counted_ms() } else { rate.counted_ms() + tick_ms(&rate) };
        let limit = Limit::new();
        let mut sent: Vec<u64> = Vec::new();
        for now_ms in arrivals {
            let recent = sent.iter().rev().take_while(|before| now_ms - **before < window_ms).count();
            if recent < allowed as usize {
                sent.push(now_ms);
                let verdict = limit.take(&rate, now_ms);
                prop_assert!(verdict.admitted, "request {} at {now_ms}: {verdict:?}", sent.len());
            }
        }
    }

    /// The second promise, for a client that sends one request every so often.
    #[test]
    fn who_is_steady_below_94_percent_is_never_refused(
        count in prop_oneof![counts(), 1..=5000u32], window_s in windows(), percent in 1..=94u64, start in 0..1_000_000_000u64,
    ) {
        steady(&rate(count, window_s), percent, start);
    }

    /// `Retry-After` is true, and no longer than it must be.
    #[test]
    fn who_waits_as_told_is_admitted((rate, arrivals) in arrivals()) {
        let limit = Limit::new();
        for now_ms in arrivals {
            let verdict = limit.take(&rate, now_ms);
            prop_assert_eq!(verdict.admitted, verdict.retry_after_ms == 0);
            if !verdict.admitted {
                prop_assert!(verdict.retry_after_ms <= rate.counted_ms());
                prop_assert!(verdict.retry_after_ms <= verdict.reset_ms);
                prop_assert_eq!(verdict.remaining, 0);
                prop_assert!(!limit.peek(&rate, now_ms + verdict.retry_after_ms - 1).admitted);
                prop_assert!(limit.peek(&rate, now_ms + verdict.retry_after_ms).admitted);
            }
        }
    }

    /// `remaining` and `reset` are true, and asking counts nothing.
    #[test]
    fn what_is_said_to_remain_is_there((rate, arrivals) in arrivals()) {
        let limit = Limit::new();
        for now_ms in &arrivals {
            let asked = limit.peek(&rate, *now_ms);
            prop_assert_eq!(asked, limit.peek(&rate, *now_ms));
            let taken = limit.take(&rate, *now_ms);
            prop_assert_eq!(asked.admitted, taken.admitted);
            prop_assert_eq!(asked.remaining.saturating_sub(1), taken.remaining);
            let whole = limit.peek(&rate, now_ms + taken.reset_ms);
            prop_assert_eq!((whole.remaining, whole.reset_ms), (rate.count(), 0));
            prop_assert!(limit.peek(&rate, now_ms + taken.reset_ms - 1).remaining < rate.count());
        }
        let now_ms = arrivals.last().unwrap() + rate.counted_ms() / 3;
        let remaining = limit.peek(&rate, now_ms).remaining;
        for left in (0..remaining).rev() {
            prop_assert_eq!(limit.take(&rate, now_ms).remaining, left);
        }
        prop_assert!(!limit.take(&rate, now_ms).admitted);
        let whole = limit.peek(&rate, now_ms).reset_ms + now_ms;
        prop_assert!((0..rate.count()).all(|_| limit.take(&rate, whole).admitted));
        prop_assert!(!limit.take(&rate, whole).admitted);
    }

    /// What was given back is there again, at once; what was not stays counted, however late the other was
    /// given back and whoever was counted in between.
    #[test]
    fn what_is_given_back_was_never_taken(
        (rate, arrivals) in arrivals(), returned in vec((any::<bool>(), 0..12usize), 1500),
    ) {
        let limit = Limit::new();
        let mut kept: Vec<u64> = Vec::new();
        let mut pending: Vec<(usize, u64)> = Vec::new();
        for (index, now_ms) in arrivals.into_iter().enumerate() {
            pending.retain(|(due, taken_ms)| {
                let in_time = now_ms < taken_ms + rate.counted_ms();
                if *due <= index && in_time {
                    let before = limit.peek(&rate, now_ms).remaining;
                    limit.give_back(&rate, *taken_ms);
                    let after = limit.peek(&rate, now_ms).remaining;
                    assert!(after <= before + 1 && after <= rate.count(), "{before} to {after}");
                }
                if !in_time {
                    kept.push(*taken_ms);
                }
                *due > index && in_time
            });
            let before = limit.peek(&rate, now_ms);
            if !limit.take(&rate, now_ms).admitted {
                continue;
            }
            match returned[index] {
                (false, _) => kept.push(now_ms),
                (true, 0) => {
                    limit.give_back(&rate, now_ms);
                    prop_assert_eq!(limit.peek(&rate, now_ms).remaining, before.remaining);
                }
                (true, later) => pending.push((index + later, now_ms)),
            }
        }
        kept.extend(pending.into_iter().map(|(_, taken_ms)| taken_ms));
        kept.sort_unstable();
        within(&kept, rate.count(), rate.counted_ms())?;
    }

    /// A changed count keeps what was counted: at every admission the limit of that moment holds.
    #[test]
    fn a_changed_count_forgets_nothing(
        (first, arrivals) in arrivals(), changes in vec((0..30usize, counts()), 1..8),
    ) {
        let limit = Limit::new();
        let mut admitted: Vec<u64> = Vec::new();
        let mut changes = changes.into_iter();
        let (mut current, mut change_in) = (first, 10);
        for now_ms in arrivals {
            if change_in == 0 && let Some((requests, count)) = changes.next() {
                (current, change_in) = (rate(count, first.window_s()), requests);
            } else {
                change_in = change_in.saturating_sub(1);
            }
            let verdict = limit.take(&current, now_ms);
            if verdict.admitted {
                admitted.push(now_ms);
                let recent = admitted.iter().rev().take_while(|before| now_ms - **before < first.counted_ms());
                prop_assert!(recent.count() <= current.count() as usize);
                prop_assert_eq!(limit.peek(&current, now_ms).remaining, verdict.remaining);
            } else {
                prop_assert!(verdict.retry_after_ms <= current.counted_ms());
                prop_assert!(limit.peek(&current, now_ms + verdict.retry_after_ms).admitted);
            }
        }
    }

    /// A changed window: the limit holds in every interval of the shortest of the windows that were in force.
    #[test]
    fn a_changed_window_is_safe((first, arrivals) in arrivals(), windows in vec(windows(), 1..6)) {
        let limit = Limit::new();
        let rates: Vec<Rate> = windows.iter().map(|window_s| rate(first.count(), *window_s)).collect();
        let mut admitted: Vec<u64> = Vec::new();
        for (index, now_ms) in arrivals.into_iter().enumerate() {
            let current = rates[index / 20 % rates.len()];
            let verdict = limit.take(&current, now_ms);
            if verdict.admitted {
                admitted.push(now_ms);
            } else {
                prop_assert!(limit.peek(&current, now_ms + verdict.retry_after_ms).admitted);
            }
        }
        let shortest = rates.iter().map(Rate::window_ms).min().unwrap();
        within(&admitted, first.count(), shortest)?;
    }

    /// Cores that read the clock before they wait for each other come out of order.
    #[test]
    fn a_little_disorder_is_safe((rate, arrivals) in arrivals(), back in vec(0..5u64, 1500)) {
        let limit = Limit::new();
        let mut decided_ms = 0;
        let mut admitted: Vec<u64> = Vec::new();
        for (now_ms, back) in arrivals.into_iter().zip(back) {
            decided_ms = decided_ms.max(now_ms.saturating_sub(back));
            if limit.take(&rate, now_ms.saturating_sub(back)).admitted {
                admitted.push(decided_ms);
            }
        }
        within(&admitted, rate.count(), rate.counted_ms())?;
    }
}

/// One request every `window * 100 / (percent * count)`, for three windows and at least 20 requests.
fn steady(rate: &Rate, percent: u64, start_ms: u64) {
    let limit = Limit::new();
    let spacing = |request: u64| {
        u128::from(request) * u128::from(rate.counted_ms()) * 100
            / (u128::from(percent) * u128::from(rate.count()))
    };
    for request in 0..(u64::from(rate.count()) * 3).clamp(20, 6000) {
        let now_ms = start_ms + spacing(request) as u64;
        let verdict = limit.take(rate, now_ms);
        assert!(verdict.admitted, "{rate} at {percent} %: request {request} at {now_ms}: {verdict:?}");
    }
}

#[test]
fn every_small_limit_admits_the_steady_client() {
    for count in 1..=400 {
        for window_s in [1, 60, 300, 86_400] {
            for start_ms in [0, 1, 499, 59_999, 123_456_789] {
                steady(&rate(count, window_s), 90, start_ms);
            }
        }
    }
}

#[test]
fn a_burst_of_exactly_the_limit_is_admitted() {
    for count in (1..=400).chain([1000, 4096, 100_000]) {
        let (limit, rate) = (Limit::new(), rate(count, 60));
        let admitted = (0..count + 10).filter(|_| limit.take(&rate, 77).admitted).count();
        assert_eq!(admitted, count as usize);
        assert!(!limit.peek(&rate, 60_077).admitted);
        assert_eq!(limit.peek(&rate, 60_078).remaining, count);
    }
}

#[test]
fn limits_up_to_18_are_counted_exactly() {
    let (limit, rate) = (Limit::new(), rate(18, 60));
    for second in 0..18 {
        assert!(limit.take(&rate, second * 1000).admitted);
    }
    for second in 0..18 {
        let now_ms = 60_001 + second * 1000;
        assert!(!limit.take(&rate, now_ms - 1).admitted);
        assert!(limit.take(&rate, now_ms).admitted);
        assert!(!limit.take(&rate, now_ms).admitted);
    }
}

#[test]
fn the_largest_limit_counts() {
    let (limit, rate) = (Limit::new(), rate(u32::MAX, 1));
    assert_eq!(limit.take(&rate, 5).remaining, u32::MAX - 1);
    assert_eq!(limit.take(&rate, 5).remaining, u32::MAX - 2);
    assert_eq!(limit.peek(&rate, 1006).remaining, u32::MAX);
}

#[test]
fn a_long_running_clock_is_no_different() {
    let (limit, rate) = (Limit::new(), rate(3, 60));
    let start_ms = 100 * 366 * 86_400_000;
    assert_eq!((0..5).filter(|_| limit.take(&rate, start_ms).admitted).count(), 3);
    assert_eq!(limit.take(&rate, start_ms).retry_after_ms, 60_001);
    assert!(limit.take(&rate, start_ms + 60_001).admitted);
}

#[test]
fn what_has_left_the_window_is_not_given_back() {
    let (limit, rate) = (Limit::new(), rate(1, 60));
    assert!(limit.take(&rate, 0).admitted);
    assert!(limit.take(&rate, 60_001).admitted);
    limit.give_back(&rate, 0);
    assert!(!limit.peek(&rate, 60_001).admitted);
}

#[test]
fn a_raised_limit_remembers_groups_by_their_last() {
    let (limit, low, high) = (Limit::new(), rate(18, 60), rate(36, 60));
    for second in 0..18 {
        assert!(limit.take(&low, second * 1000).admitted);
    }
    assert!(limit.take(&high, 18_000).admitted);
    // The first has left the window, the second, in its group, has not.
    assert_eq!(limit.peek(&high, 60_001).remaining, 36 - 19);
    assert_eq!(limit.peek(&high, 61_001).remaining, 36 - 17);
}

#[test]
fn a_shortened_window_forgets_what_is_older() {
    let (limit, long, short) = (Limit::new(), rate(10, 3600), rate(10, 1));
    for minute in 0..9 {
        assert!(limit.take(&long, minute * 65_536).admitted);
    }
    assert_eq!(limit.peek(&short, 8 * 65_536 + 500).remaining, 9);
    assert_eq!(limit.take(&short, 8 * 65_536 + 500).remaining, 8);
}
