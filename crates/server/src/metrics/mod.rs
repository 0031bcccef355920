//! Counters for Prometheus. Each core counts for itself; whoever asks adds them up.
//!
//! Every label has a bound: routes are those of the configuration, events, reasons and classes of status those of
//! the code.

mod text;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use parking_lot::Mutex;
use portcullis_core::event::{AccessRecord, EventKind, Recorder, SecurityEvent};
use portcullis_core::quota::Verdict;
use portcullis_proxy::core::Shared as Engine;

/// Upper ends of the buckets of durations, in microseconds: 5 ms to 10 s.
const BUCKETS_US: [u64; 11] =
    [5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000];
/// Upper ends of the buckets of how much of a limit is used, in hundredths.
const USED: [u64; 6] = [10, 25, 50, 75, 90, 100];
/// Limits that are told apart.
const LIMITS: usize = 200;
/// Routes that are told apart: more than any configuration has that was seen.
const ROUTES: usize = 1000;
/// All others.
const OTHERS: &str = "(others)";

/// The counters of this process.
#[derive(Debug, Clone)]
pub struct Metrics {
    cores: Arc<Mutex<Vec<Arc<Mutex<Counts>>>>>,
    /// Who may read them, beside this machine.
    readers: Arc<ArcSwap<Vec<IpNet>>>,
}

/// What one core counted.
#[derive(Debug, Clone, Default)]
struct Counts {
    routes: HashMap<Box<str>, RouteCounts>,
    refusals: BTreeMap<&'static str, u64>,
    /// By how many in how many seconds.
    limits: BTreeMap<(u32, u32), LimitCounts>,
    /// By name, and for credentials whether they were accepted.
    events: BTreeMap<(&'static str, Option<bool>), u64>,
}

#[derive(Debug, Clone, Default)]
struct RouteCounts {
    /// By the first digit of the status; 0 for no answer.
    classes: [u64; 6],
    /// Answers within each bucket, and none of the next smaller one.
    buckets: [u64; BUCKETS_US.len()],
    sum_us: u64,
}

/// Requests to which a limit applied that was the tightest of them.
#[derive(Debug, Clone, Default)]
struct LimitCounts {
    /// Those within it, by how much of it was used then, as the durations are.
    used: [u64; USED.len()],
    sum_percent: u64,
    refused: u64,
}

impl Metrics {
    /// None counted yet.
    pub fn new(readers: Vec<IpNet>) -> Self {
        Self { cores: Arc::default(), readers: Arc::new(ArcSwap::from_pointee(readers)) }
    }

    /// Others may read them from now on.
    pub fn follow(&self, readers: Vec<IpNet>) {
        self.readers.store(Arc::new(readers));
    }

    /// A recorder of one core that hands everything on.
    pub fn recorder(&self, next: Box<dyn Recorder>) -> Box<dyn Recorder> {
        let counts = Arc::new(Mutex::new(Counts::default()));
        let mut cores = self.cores.lock();
        // Recorders that are gone are one.
        let (gone, mut there): (Vec<_>, Vec<_>) =
            cores.drain(..).partition(|core| Arc::strong_count(core) == 1);
        let mut sum = Counts::default();
        for core in &gone {
            sum.add(core.lock().clone());
        }
        there.extend([Arc::new(Mutex::new(sum)), Arc::clone(&counts)]);
        *cores = there;
        drop(cores);
        Box::new(CoreRecorder { counts, next })
    }

    /// What a reader at this address is given; nothing where it may not read.
    pub fn shown(&self, to: IpAddr, engine: &Engine) -> Option<String> {
        let to = to.to_canonical();
        let may = to.is_loopback() || self.readers.load().iter().any(|network| network.contains(&to));
        may.then(|| text::of(&self.sum(), engine))
    }

    fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        for core in self.cores.lock().iter() {
            sum.add(core.lock().clone());
        }
        sum
    }
}

fn add<const N: usize>(into: &mut [u64; N], from: &[u64; N]) {
    into.iter_mut().zip(from).for_each(|(into, from)| *into += from);
}

struct CoreRecorder {
    counts: Arc<Mutex<Counts>>,
    next: Box<dyn Recorder>,
}

impl Recorder for CoreRecorder {
    fn security(&mut self, event: &SecurityEvent<'_>) {
        self.next.security(event);
        // A rule that only observes refuses nobody.
        if event.observed {
            return;
        }
        let success = match event.kind {
            EventKind::AuthAttempt { success } => Some(success),
            _ => None,
        };
        *self.counts.lock().events.entry((event.kind.name(), success)).or_default() += 1;
    }

    fn access(&mut self, record: &AccessRecord<'_>) {
        self.next.access(record);
        let mut counts = self.counts.lock();
        counts.request(record);
        if let Some(verdict) = &record.verdict {
            counts.limit(verdict);
        }
        if let Some(reason) = record.denial {
            *counts.refusals.entry(reason).or_default() += 1;
        }
    }

    fn flush(&mut self) {
        self.next.flush();
    }
}

impl Counts {
    fn add(&mut self, other: Counts) {
        for (route, counts) in other.routes {
            let into = self.routes.entry(route).or_default();
            add(&mut into.classes, &counts.classes);
            add(&mut into.buckets, &counts.buckets);
            into.sum_us = into.sum_us.saturating_add(counts.sum_us);
        }
        for (limit, counts) in other.limits {
            let into = self.limits.entry(limit).or_default();
            add(&mut into.used, &counts.used);
            into.sum_percent += counts.sum_percent;
            into.refused += counts.refused;
        }
        for (reason, count) in other.refusals {
            *self.refusals.entry(reason).or_default() += count;
        }
        for (event, count) in other.events {
            *self.events.entry(event).or_default() += count;
        }
    }

    fn limit(&mut self, verdict: &Verdict) {
        let limit = (verdict.limit, verdict.window_s);
        if self.limits.len() >= LIMITS && !self.limits.contains_key(&limit) {
            return;
        }
        let counts = self.limits.entry(limit).or_default();
        if !verdict.admitted {
            counts.refused += 1;
            return;
        }
        let used = u64::from(verdict.limit.saturating_sub(verdict.remaining));
        let percent = (used * 100).checked_div(u64::from(verdict.limit)).unwrap_or(100).min(100);
        counts.sum_percent += percent;
        if let Some(bucket) = USED.iter().position(|end| percent <= *end) {
            counts.used[bucket] += 1;
        }
    }

    fn request(&mut self, record: &AccessRecord<'_>) {
        let route = if record.subject.route.is_empty() { "-" } else { record.subject.route };
        if !self.routes.contains_key(route) {
            let known = if self.routes.len() < ROUTES { route } else { OTHERS };
            self.routes.entry(known.into()).or_default().count(record);
        } else if let Some(counts) = self.routes.get_mut(route) {
            counts.count(record);
        }
    }
}

impl RouteCounts {
    fn count(&mut self, record: &AccessRecord<'_>) {
        let class = usize::from(record.status / 100).min(5);
        self.classes[class] += 1;
        if let Some(bucket) = BUCKETS_US.iter().position(|end| record.duration_us <= *end) {
            self.buckets[bucket] += 1;
        }
        self.sum_us = self.sum_us.saturating_add(record.duration_us);
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::event::Subject;

    use super::*;

    struct Nobody;

    impl Recorder for Nobody {
        fn security(&mut self, _: &SecurityEvent<'_>) {}
        fn access(&mut self, _: &AccessRecord<'_>) {}
        fn flush(&mut self) {}
    }

    fn record(route: &str, status: u16, duration_us: u64) -> AccessRecord<'_> {
        AccessRecord {
            unix_ms: 0,
            subject: Subject { route, ..Subject::default() },
            status,
            denial: (status == 429).then_some("rate-limited"),
            verdict: None,
            bytes_in: 0,
            bytes_out: 0,
            duration_us,
            aborted: false,
        }
    }

    #[test]
    fn cores_are_added_up_and_routes_are_bounded() {
        let metrics = Metrics::new(Vec::new());
        let (mut one, mut other) = (metrics.recorder(Box::new(Nobody)), metrics.recorder(Box::new(Nobody)));
        one.access(&record("GET /a", 200, 4_000));
        other.access(&record("GET /a", 429, 5_001));
        other.access(&record("GET /a", 200, 99_000_000));
        let sum = metrics.sum();
        let route = &sum.routes["GET /a"];
        assert_eq!((route.classes[2], route.classes[4], route.sum_us), (2, 1, 99_009_001));
        assert_eq!((route.buckets[0], route.buckets[1], route.buckets.iter().sum::<u64>()), (1, 1, 2));
        assert_eq!(sum.refusals["rate-limited"], 1);
        let verdict = |remaining, admitted| Verdict {
            admitted,
            limit: 60,
            window_s: 60,
            remaining,
            reset_ms: 0,
            retry_after_ms: 0,
        };
        for (remaining, admitted) in [(59, true), (30, true), (0, true), (0, false)] {
            let verdict = Some(verdict(remaining, admitted));
            one.access(&AccessRecord { verdict, ..record("GET /a", 200, 1) });
        }
        let limit = &metrics.sum().limits[&(60, 60)];
        assert_eq!((limit.used, limit.refused, limit.sum_percent), ([1, 0, 1, 0, 0, 1], 1, 151));
        drop(other);
        for _ in 0..5 {
            drop(metrics.recorder(Box::new(Nobody)));
        }
        assert_eq!(metrics.cores.lock().len(), 3, "one at work, those that ended, and the last");
        assert_eq!(metrics.sum().routes["GET /a"].classes[2], 6);
        for number in 0..2 * ROUTES {
            one.access(&record(&format!("GET /{number}"), 200, 1));
        }
        let sum = metrics.sum();
        assert_eq!(sum.routes.len(), ROUTES + 1);
        assert_eq!(sum.routes[OTHERS].classes[2], (ROUTES + 1) as u64);
    }
}
