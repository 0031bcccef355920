//! What is measured: the cases, and how long each takes in the quick and in the full mode.

use std::time::Duration;

use crate::load::Connection;
use crate::policy::{Ask, Limit};

/// One line of comparison.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// Every gateway writes a JSON line for each request.
    pub(crate) log: bool,
    pub(crate) limit: Limit,
    pub(crate) tls: bool,
    /// The application is also measured without a gateway.
    pub(crate) direct: bool,
    pub(crate) kind: Kind,
}

/// How a case is measured.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// As much as goes, from so many connections: processor time a request.
    Closed { ask: Ask, connection: Connection, connections: usize, resume: bool },
    /// So many requests a second: latency.
    Paced { ask: Ask, rate: u32 },
    /// So many waiting connections, one figure after the other: memory.
    Idle { steps: Vec<usize> },
}

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) rounds: usize,
    /// Load before the window, so that pools and caches are warm.
    pub(crate) warmup: Duration,
    /// What is measured of a closed round.
    pub(crate) window: Duration,
    pub(crate) paced_rounds: usize,
    pub(crate) paced: Duration,
}

impl Times {
    pub(crate) const QUICK: Times = Times {
        rounds: 2,
        warmup: Duration::from_millis(200),
        window: Duration::from_millis(500),
        paced_rounds: 1,
        paced: Duration::from_secs(1),
    };
    pub(crate) const FULL: Times = Times {
        rounds: 5,
        warmup: Duration::from_millis(300),
        window: Duration::from_millis(1_800),
        paced_rounds: 3,
        paced: Duration::from_secs(3),
    };
}

/// The cases of a mode, in the order in which they run.
pub(crate) fn cases(quick: bool) -> Vec<Case> {
    let mut cases = vec![
        Case { direct: true, ..closed("json-64", "128-byte JSON, 64 connections", Ask::Small, 64) },
        Case {
            log: true,
            ..closed("json-64-log", "128-byte JSON, 64 connections, access log on", Ask::Small, 64)
        },
        closed("401-64", "wrong key, 64 connections", Ask::WrongKey, 64),
        Case { limit: Limit::Low, ..closed("429-64", "over the limit, 64 connections", Ask::OverLimit, 64) },
        Case { tls: true, ..closed("tls-64", "128-byte JSON over TLS 1.3, 64 connections", Ask::Small, 64) },
        handshakes("tls-resumed", "TLS 1.3 resumed, a connection a request, 32 at a time", true),
        paced("latency-1000", "128-byte JSON at 1,000 requests a second", 1_000),
        idle(if quick { vec![64, 500] } else { vec![64, 5_000, 10_000] }),
    ];
    if !quick {
        cases.extend([
            closed("json-256", "128-byte JSON, 256 connections", Ask::Small, 256),
            Case {
                log: true,
                ..closed("json-256-log", "128-byte JSON, 256 connections, access log on", Ask::Small, 256)
            },
            closed("16k-64", "16 KiB answer, 64 connections", Ask::Middle, 64),
            Case { direct: true, ..closed("1m-16", "1 MiB answer, 16 connections", Ask::Large, 16) },
            closed("post-64", "50 KB POST, 64 connections", Ask::Post, 64),
            Case {
                log: true,
                ..closed("401-64-log", "wrong key, 64 connections, access log on", Ask::WrongKey, 64)
            },
            Case {
                log: true,
                limit: Limit::Low,
                ..closed("429-64-log", "over the limit, 64 connections, access log on", Ask::OverLimit, 64)
            },
            handshakes("tls-full", "TLS 1.3 full handshake, a connection a request, 32 at a time", false),
            paced("latency-8000", "128-byte JSON at 8,000 requests a second", 8_000),
        ]);
    }
    // Requests that go through, refusals, TLS, latency, memory: as a reader would look for them.
    let place = |case: &Case| match case.kind {
        Kind::Paced { .. } => 4,
        Kind::Idle { .. } => 5,
        Kind::Closed { .. } if case.tls => 3,
        Kind::Closed { ask: Ask::WrongKey | Ask::NoKey | Ask::OverLimit, .. } => 2,
        Kind::Closed { .. } => 1,
    };
    cases.sort_by_key(place);
    cases
}

fn closed(id: &'static str, title: &'static str, ask: Ask, connections: usize) -> Case {
    let kind = Kind::Closed { ask, connection: Connection::Kept, connections, resume: true };
    Case { id, title, log: false, limit: Limit::High, tls: false, direct: false, kind }
}

fn handshakes(id: &'static str, title: &'static str, resume: bool) -> Case {
    let kind = Kind::Closed { ask: Ask::Small, connection: Connection::Fresh, connections: 32, resume };
    Case { tls: true, kind, ..closed(id, title, Ask::Small, 0) }
}

fn paced(id: &'static str, title: &'static str, rate: u32) -> Case {
    Case { direct: true, kind: Kind::Paced { ask: Ask::Small, rate }, ..closed(id, title, Ask::Small, 0) }
}

fn idle(steps: Vec<usize>) -> Case {
    Case { kind: Kind::Idle { steps }, ..closed("idle", "memory with waiting connections", Ask::Small, 0) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_quick_is_part_of_full() {
        let ids = |quick| cases(quick).into_iter().map(|case| case.id).collect::<Vec<_>>();
        let full: HashSet<_> = ids(false).into_iter().collect();
        assert_eq!(full.len(), ids(false).len());
        assert!(ids(true).iter().all(|id| full.contains(id)));
    }

    #[test]
    fn the_modes_keep_their_promise_of_time() {
        let seconds = |quick: bool, times: Times| -> f64 {
            let each = |case: Case| {
                let contestants = if case.direct { 4.0 } else { 3.0 };
                // 300 ms to settle after the rounds, as much to start and probe.
                contestants
                    * match case.kind {
                        Kind::Closed { .. } => {
                            times.rounds as f64 * (times.warmup + times.window).as_secs_f64() + 0.6
                        }
                        Kind::Paced { .. } => {
                            times.paced_rounds as f64 * (times.paced.as_secs_f64() + 0.1) + 0.6
                        }
                        Kind::Idle { steps } => 2.0 + steps.into_iter().sum::<usize>() as f64 * 300e-6,
                    }
            };
            cases(quick).into_iter().map(each).sum()
        };
        assert!(seconds(true, Times::QUICK) < 60.0, "{}", seconds(true, Times::QUICK));
        assert!(seconds(false, Times::FULL) < 720.0, "{}", seconds(false, Times::FULL));
    }
}
