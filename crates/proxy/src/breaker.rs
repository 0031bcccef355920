//! Whether an upstream is asked at all: one that fails again and again is left alone for a while, so that its clients
//! hear so at once instead of waiting, and it can come back without all of them.
//!
//! The state is two numbers that all cores share without a lock. Closed, failures in a row are counted. Open, nobody
//! passes; after the rest one request passes as a probe, and the rest begins anew for all others. The first answer
//! closes it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use portcullis_core::Denial;
use portcullis_core::event::EventKind;
use portcullis_gate::context::Note;

use crate::settings::Upstream;

/// The breaker of one upstream. Two are equal if they go by the same rules: a reload that changes nothing keeps the
/// connections, and with them the state.
#[derive(Debug)]
pub struct Breaker {
    failures: u32,
    rest: Duration,
    in_a_row: AtomicU32,
    /// When the next probe may pass, in milliseconds of the monotonic clock; 0 while it is closed.
    probe_ms: AtomicU64,
}

impl PartialEq for Breaker {
    fn eq(&self, other: &Self) -> bool {
        (self.failures, self.rest) == (other.failures, other.rest)
    }
}

impl Eq for Breaker {}

impl Breaker {
    /// A closed breaker that opens after so many failures in a row, at least one, and lets a probe pass after each
    /// rest.
    pub fn new(failures: u32, rest: Duration) -> Self {
        let (in_a_row, probe_ms) = (AtomicU32::new(0), AtomicU64::new(0));
        Self { failures: failures.max(1), rest, in_a_row, probe_ms }
    }

    /// Whether it is open: only probes pass.
    pub fn is_open(&self) -> bool {
        self.probe_ms.load(Ordering::Relaxed) != 0
    }

    /// Lets a request pass, or says in how many milliseconds to come again. Of those that come when a rest is over,
    /// one passes.
    fn admit(&self, now_ms: u64) -> Result<(), u64> {
        let probe_ms = self.probe_ms.load(Ordering::Acquire);
        if probe_ms == 0 {
            return Ok(());
        }
        if now_ms < probe_ms {
            return Err(probe_ms - now_ms);
        }
        let next = self.end_of_rest(now_ms);
        match self.probe_ms.compare_exchange(probe_ms, next, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(0) => Ok(()),
            Err(next) => Err(next.saturating_sub(now_ms)),
        }
    }

    fn answered(&self) {
        // Written only where something changes: every request of every core comes by.
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
        if self.is_open() {
            self.probe_ms.store(0, Ordering::Release);
        }
    }

    /// Counts a failure; whether it opened with it.
    fn failed(&self, now_ms: u64) -> bool {
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if in_a_row < self.failures {
            return false;
        }
        let next = self.end_of_rest(now_ms);
        self.probe_ms.compare_exchange(0, next, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn end_of_rest(&self, now_ms: u64) -> u64 {
        (now_ms + self.rest.as_millis() as u64).max(1)
    }
}

impl Upstream {
    /// Whether it may be asked now.
    pub(crate) fn admit(&self, now_ms: u64) -> Result<(), Denial> {
        let Some(breaker) = &self.breaker else { return Ok(()) };
        breaker.admit(now_ms).map_err(|wait_ms| {
            Denial::BreakerOpen(u32::try_from(wait_ms.div_ceil(1000).max(1)).unwrap_or(u32::MAX))
        })
    }

    /// Notes the head of an answer.
    pub(crate) fn answered(&self) {
        if let Some(breaker) = &self.breaker {
            breaker.answered();
        }
    }

    /// Notes that a request was refused for its sake; what is to be recorded where the breaker opened with it.
    pub(crate) fn failed(&self, denial: Denial, now_ms: u64) -> Option<Note> {
        let theirs = matches!(
            denial,
            Denial::UpstreamUnreachable | Denial::UpstreamMalformed | Denial::UpstreamTimeout
        );
        let breaker = self.breaker.as_ref().filter(|breaker| theirs && breaker.failed(now_ms))?;
        Some(Note {
            kind: EventKind::BreakerOpened,
            reason: denial.code(),
            details: format!(
                "The breaker of upstream `{}` opened after {} failures in a row",
                self.name, breaker.failures
            )
            .into(),
            observed: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn failures_in_a_row_open_it_and_the_first_answer_closes_it() {
        let breaker = Breaker::new(3, Duration::from_secs(10));
        assert!(!breaker.failed(0) && !breaker.failed(0));
        breaker.answered();
        assert!(!breaker.failed(0) && !breaker.failed(0), "an answer begins the count anew");
        assert_eq!(breaker.admit(0), Ok(()));
        assert!(breaker.failed(1000));
        assert!(!breaker.failed(1500), "it opens once");
        assert_eq!(breaker.admit(1001), Err(9999));
        assert_eq!(breaker.admit(10_999), Err(1));
        // One probe, and then nobody until the next.
        assert_eq!(breaker.admit(11_000), Ok(()));
        assert_eq!(breaker.admit(11_000), Err(10_000));
        assert!(!breaker.failed(12_000) && breaker.is_open());
        assert_eq!(breaker.admit(21_500), Ok(()));
        breaker.answered();
        assert!(!breaker.is_open());
        assert_eq!(breaker.admit(21_501), Ok(()));
        assert!(!breaker.failed(21_502), "the count begins anew");
    }

    #[test]
    fn of_all_that_come_at_once_one_probe_passes() {
        let breaker = Arc::new(Breaker::new(1, Duration::from_millis(5)));
        assert!(breaker.failed(0));
        let ask = |_| {
            let breaker = Arc::clone(&breaker);
            std::thread::spawn(move || breaker.admit(100).is_ok())
        };
        let threads: Vec<_> = (0..8).map(ask).collect();
        let passed =
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|passed| *passed).count();
        assert_eq!(passed, 1);
    }

    #[test]
    fn only_what_the_application_fails_in_counts() {
        let breaker = Some(Arc::new(Breaker::new(1, Duration::from_secs(1))));
        let upstream = Upstream { breaker, ..Upstream::new("app", Vec::new()) };
        assert!(upstream.failed(Denial::RequestTimeout, 0).is_none());
        assert!(upstream.failed(Denial::BreakerOpen(1), 0).is_none());
        assert_eq!(upstream.admit(0), Ok(()));
        let note = upstream.failed(Denial::UpstreamTimeout, 0).unwrap();
        assert_eq!(note.details, "The breaker of upstream `app` opened after 1 failures in a row");
        assert_eq!(upstream.admit(1), Err(Denial::BreakerOpen(1)));
    }
}
