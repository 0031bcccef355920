//! A log-bucket histogram of durations: fixed memory, 1/128 relative error at most.

use std::time::Duration;

/// Buckets per power of two.
const SUB: usize = 64;
const SUB_BITS: u32 = SUB.trailing_zeros();
/// Values below `SUB` have a bucket each; every power of two above has `SUB`.
const BUCKETS: usize = SUB * (64 - SUB_BITS as usize + 1);

/// Counts of durations in nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Histogram { counts: vec![0; BUCKETS], total: 0, max: 0 }
    }

    /// Counts one duration.
    pub(crate) fn record(&mut self, duration: Duration) {
        self.record_ns(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds everything another one counted.
    pub(crate) fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// How many were counted.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The longest, in microseconds, exact.
    pub(crate) fn max_us(&self) -> f64 {
        self.max as f64 / 1e3
    }

    /// The value that `fraction` of all counted durations do not exceed, in microseconds: the middle of its
    /// bucket. 0 when nothing was counted.
    pub(crate) fn quantile_us(&self, fraction: f64) -> f64 {
        self.quantile_ns(fraction) / 1e3
    }

    fn record_ns(&mut self, ns: u64) {
        self.counts[bucket(ns)] += 1;
        self.total += 1;
        self.max = self.max.max(ns);
    }

    #[expect(clippy::cast_sign_loss, reason = "the rank is a count")]
    fn quantile_ns(&self, fraction: f64) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        let rank = ((fraction * self.total as f64).ceil() as u64).clamp(1, self.total);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(index).min(self.max as f64);
            }
        }
        self.max as f64
    }
}

fn bucket(ns: u64) -> usize {
    if ns < SUB as u64 {
        return ns as usize;
    }
    let shift = ns.ilog2() - SUB_BITS;
    (shift as usize) * SUB + (ns >> shift) as usize
}

fn middle(index: usize) -> f64 {
    if index < SUB {
        return index as f64;
    }
    let shift = index / SUB - 1;
    let low = ((SUB + index % SUB) as u64) << shift;
    low as f64 + ((1_u64 << shift) - 1) as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_are_gapless_and_ordered() {
        let mut last = 0;
        for ns in 0..100_000 {
            let here = bucket(ns);
            assert!(here == last || here == last + 1, "{ns}: {last} → {here}");
            last = here;
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn an_empty_one_answers_zero() {
        assert!(Histogram::new().quantile_us(0.99).abs() < f64::EPSILON);
    }

    #[test]
    fn merging_counts_both() {
        let (mut a, mut b) = (Histogram::new(), Histogram::new());
        a.record(Duration::from_micros(1));
        b.record(Duration::from_millis(1));
        a.merge(&b);
        assert_eq!(a.total(), 2);
        assert!((a.max_us() - 1000.0).abs() < 1e-9);
        assert!((a.quantile_us(0.5) - 1.0).abs() < 0.02);
    }

    proptest! {
        #[test]
        #[expect(clippy::cast_sign_loss, reason = "the rank is a count")]
        fn quantiles_are_within_the_promised_error(
            mut values in prop::collection::vec(0_u64..10_000_000_000, 1..400),
            fraction in 0.0_f64..=1.0,
        ) {
            let mut histogram = Histogram::new();
            for value in &values {
                histogram.record_ns(*value);
            }
            values.sort_unstable();
            let rank = ((fraction * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1] as f64;
            let told = histogram.quantile_ns(fraction);
            prop_assert!((told - exact).abs() <= exact / 128.0 + 1.0, "{told} for {exact}");
        }
    }
}
