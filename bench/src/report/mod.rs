//! What a run found, as it is written to JSON and rendered as Markdown.

pub(crate) mod markdown;

use serde::Serialize;

use crate::machine::Machine;
use crate::probe;
use crate::procfs::Memory;
use crate::round::{Closed, Paced};
use crate::spread::Spread;

/// Everything.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) mode: &'static str,
    pub(crate) command: String,
    pub(crate) machine: Machine,
    /// Load averages after the last round.
    pub(crate) load_after: String,
    pub(crate) workers: usize,
    pub(crate) load_threads: usize,
    pub(crate) seconds: f64,
    pub(crate) products: Vec<Product>,
    pub(crate) cases: Vec<Case>,
}

/// A product, measured or not.
#[derive(Debug, Serialize)]
pub(crate) struct Product {
    pub(crate) name: &'static str,
    /// What it says of itself, or why it was not measured.
    pub(crate) version: Result<String, String>,
    pub(crate) remark: &'static str,
    pub(crate) answer: Option<probe::Shape>,
}

/// One case.
#[derive(Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) log: bool,
    pub(crate) figures: Figures,
    /// What kept a product from being measured here.
    pub(crate) problems: Vec<String>,
}

/// The figures of a case, one row a contestant.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figures {
    Closed(Vec<ClosedRow>),
    Paced(Vec<PacedRow>),
    Idle(Vec<IdleRow>),
}

/// A contestant under closed load.
#[derive(Debug, Serialize)]
pub(crate) struct ClosedRow {
    pub(crate) name: &'static str,
    /// Processor time in microseconds a request.
    pub(crate) cpu_us: Option<Spread>,
    /// Requests per second of processor time over nginx's, round by round.
    pub(crate) ratio: Option<Spread>,
    pub(crate) per_second: Option<Spread>,
    pub(crate) failed: u64,
    pub(crate) first_failure: Option<String>,
    /// Of all answers while refusals were measured.
    pub(crate) admitted: f64,
    /// Of all connections.
    pub(crate) resumed: f64,
    pub(crate) log_bytes_per_request: Option<f64>,
    pub(crate) memory_start: Option<Memory>,
    /// The most seen at the end of a round, connections open.
    pub(crate) memory_loaded: Option<Memory>,
    /// After the last connection closed.
    pub(crate) memory_after: Option<Memory>,
    pub(crate) rounds: Vec<Closed>,
}

/// A contestant under paced load; times in microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct PacedRow {
    pub(crate) name: &'static str,
    pub(crate) p50: Option<Spread>,
    pub(crate) p99: Option<Spread>,
    pub(crate) p999: Option<Spread>,
    /// Over going direct, round by round.
    pub(crate) added_p50: Option<Spread>,
    pub(crate) added_p99: Option<Spread>,
    pub(crate) lag_p99: Option<Spread>,
    pub(crate) failed: u64,
    pub(crate) first_failure: Option<String>,
    pub(crate) rounds: Vec<Paced>,
}

/// A contestant with waiting connections.
#[derive(Debug, Serialize)]
pub(crate) struct IdleRow {
    pub(crate) name: &'static str,
    /// From the start of the process to the first accepted connection, in milliseconds.
    pub(crate) start_ms: f64,
    pub(crate) memory_start: Memory,
    pub(crate) steps: Vec<IdleStep>,
    pub(crate) memory_after: Memory,
}

/// So many connections wait.
#[derive(Debug, Serialize)]
pub(crate) struct IdleStep {
    pub(crate) connections: usize,
    /// Those that the gateway has not closed meanwhile.
    pub(crate) alive: usize,
    pub(crate) memory: Memory,
}

impl Report {
    /// Requests that failed and products that could not be measured.
    pub(crate) fn faults(&self) -> u64 {
        self.cases.iter().map(|case| case.problems.len() as u64 + case.figures.failed()).sum()
    }
}

impl Figures {
    fn failed(&self) -> u64 {
        match self {
            Figures::Closed(rows) => rows.iter().map(|row| row.failed).sum(),
            Figures::Paced(rows) => rows.iter().map(|row| row.failed).sum(),
            Figures::Idle(rows) => rows
                .iter()
                .flat_map(|row| &row.steps)
                .map(|step| (step.connections - step.alive) as u64)
                .sum(),
        }
    }
}

impl ClosedRow {
    /// A row from its rounds; `nginx` are the rounds it is compared with, one by one.
    pub(crate) fn new(name: &'static str, rounds: Vec<Closed>, nginx: Option<&[Closed]>) -> Self {
        let cpu = |round: &Closed| round.cpu_us_per_request;
        let sum = |field: fn(&Closed) -> u64| rounds.iter().map(field).sum::<u64>();
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        let pairs = rounds.iter().zip(nginx.unwrap_or_default());
        ClosedRow {
            name,
            cpu_us: Spread::of(rounds.iter().filter_map(cpu)),
            ratio: Spread::of(pairs.filter_map(|(mine, theirs)| Some(cpu(theirs)? / cpu(mine)?))),
            per_second: Spread::of(rounds.iter().map(|round| round.requests as f64 / round.seconds)),
            failed: sum(|round| round.failed),
            first_failure: rounds.iter().find_map(|round| round.first_failure.clone()),
            admitted: share(sum(|round| round.admitted), sum(|round| round.answered)),
            resumed: share(sum(|round| round.resumed), sum(|round| round.opened)),
            log_bytes_per_request: None,
            memory_start: None,
            memory_loaded: rounds.iter().filter_map(|round| round.memory).max_by_key(|memory| memory.rss),
            memory_after: None,
            rounds,
        }
    }
}

impl PacedRow {
    /// A row from its rounds; `direct` are the rounds without a gateway, one by one.
    pub(crate) fn new(name: &'static str, rounds: Vec<Paced>, direct: Option<&[Paced]>) -> Self {
        let spread = |field: fn(&Paced) -> f64| Spread::of(rounds.iter().map(field));
        let added = |field: fn(&Paced) -> f64| {
            let pairs = rounds.iter().zip(direct.unwrap_or_default());
            Spread::of(pairs.map(|(mine, theirs)| field(mine) - field(theirs)))
        };
        PacedRow {
            name,
            p50: spread(|round| round.p50_us),
            p99: spread(|round| round.p99_us),
            p999: spread(|round| round.p999_us),
            added_p50: added(|round| round.p50_us),
            added_p99: added(|round| round.p99_us),
            lag_p99: spread(|round| round.lag_p99_us),
            failed: rounds.iter().map(|round| round.failed).sum(),
            first_failure: rounds.iter().find_map(|round| round.first_failure.clone()),
            rounds,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A round with that processor time a request and nothing else of interest.
    pub(crate) fn round(cpu_us: f64) -> Closed {
        Closed {
            requests: 1000,
            seconds: 0.5,
            cpu_us_per_request: Some(cpu_us),
            upstream_us_per_request: 2.0,
            load_us_per_request: 3.0,
            failed: 0,
            first_failure: None,
            answered: 1200,
            admitted: 1200,
            opened: 64,
            resumed: 0,
            memory: Some(Memory { rss: 10 * 1024, pss: 8 * 1024 }),
            foreign: 0.05,
            steal: 0.01,
        }
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        // The machine was twice as slow in the second round: the ratio must not see it.
        let nginx = [round(10.0), round(20.0)];
        let row = ClosedRow::new("x", vec![round(8.0), round(16.0)], Some(&nginx));
        assert_eq!(row.ratio, Some(Spread { median: 1.25, min: 1.25, max: 1.25 }));
        assert_eq!(row.per_second.map(|spread| spread.median), Some(2000.0));
        assert_eq!(ClosedRow::new("x", vec![round(8.0)], None).ratio, None);
    }
}
