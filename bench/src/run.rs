//! Runs a case: starts every gateway, checks that it enforces the policy, measures in alternating rounds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::gateway::process::{Bench, Running};
use crate::gateway::{Gateway, Variant};
use crate::load::idle::Idle;
use crate::load::tls::Certificate;
use crate::load::{Connection, Target, Tls};
use crate::plan::{Case, Kind, Times};
use crate::policy::Ask;
use crate::probe;
use crate::procfs::{self, Memory};
use crate::report::{self, ClosedRow, Figures, IdleRow, IdleStep, PacedRow};
use crate::round;
use crate::upstream::Upstream;

/// The name of the contestant without a gateway.
const DIRECT: &str = "direct";
/// The one that the others are compared with.
const BASE: &str = "nginx";
/// How long after the last connection closed memory is read.
const SETTLE: Duration = Duration::from_millis(300);

/// What a run has in common.
pub(crate) struct Run<'a> {
    pub(crate) gateways: &'a [Box<dyn Gateway>],
    pub(crate) upstream: &'a Upstream,
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) dir: &'a Path,
    pub(crate) workers: usize,
    pub(crate) load_threads: usize,
    pub(crate) times: Times,
    /// What an ordinary answer of each looked like.
    pub(crate) shapes: BTreeMap<&'static str, probe::Shape>,
}

/// One that is measured.
struct Contestant {
    name: &'static str,
    target: Target,
    running: Option<Running>,
    memory_start: Option<Memory>,
    logged_before: u64,
}

impl Run<'_> {
    /// Measures one case; what cannot be measured is told in the report.
    pub(crate) fn case(&mut self, case: &Case) -> Result<report::Case> {
        let mut problems = Vec::new();
        let contestants = self.start(case, &mut problems);
        let figures = match &case.kind {
            Kind::Closed { ask, connection, connections, .. } => {
                Figures::Closed(self.closed(&contestants, *ask, *connection, *connections)?)
            }
            Kind::Paced { ask, rate } => Figures::Paced(self.paced(&contestants, *ask, *rate)?),
            Kind::Idle { steps } => Figures::Idle(idle(&contestants, steps, &mut problems)?),
        };
        Ok(report::Case { id: case.id, title: case.title, log: case.log, figures, problems })
    }

    fn start(&mut self, case: &Case, problems: &mut Vec<String>) -> Vec<Contestant> {
        let mut contestants = Vec::new();
        if case.direct {
            let target = Target { address: self.upstream.address, tls: None };
            contestants.push(Contestant {
                name: DIRECT,
                target,
                running: None,
                memory_start: None,
                logged_before: 0,
            });
        }
        for gateway in self.gateways {
            match self.start_one(gateway.as_ref(), case) {
                Ok((contestant, shape)) => {
                    contestants.push(contestant);
                    self.shapes.entry(gateway.name()).or_insert(shape);
                }
                Err(error) => problems.push(format!("{}: {error:#}", gateway.name())),
            }
        }
        contestants
    }

    fn start_one(&self, gateway: &dyn Gateway, case: &Case) -> Result<(Contestant, probe::Shape)> {
        let variant = Variant {
            log: case.log,
            limit: case.limit,
            tls: case.tls.then(|| Arc::clone(&self.certificate)),
        };
        let bench = Bench {
            dir: self.dir,
            upstream: self.upstream.address,
            workers: self.workers,
            connections: case.connections(),
        };
        let running = Running::start(gateway, &variant, &bench)?;
        let resume = matches!(case.kind, Kind::Closed { resume: true, .. });
        let target = Target {
            address: running.address,
            tls: variant.tls.map(|certificate| Tls { certificate, resume }),
        };
        let shape = probe::verify(&target, case.limit)?;
        let memory_start = Some(procfs::memory(running.pid())?);
        let logged_before = running.logged();
        Ok((
            Contestant { name: gateway.name(), target, running: Some(running), memory_start, logged_before },
            shape,
        ))
    }

    fn closed(
        &self,
        contestants: &[Contestant],
        ask: Ask,
        connection: Connection,
        connections: usize,
    ) -> Result<Vec<ClosedRow>> {
        let work = ask.work(connection);
        let shape = round::Shape {
            connections,
            threads: self.load_threads,
            warmup: self.times.warmup,
            window: self.times.window,
        };
        let mut rounds = alternate(contestants, self.times.rounds, |contestant| {
            round::closed(&contestant.target, &work, &shape, self.upstream, contestant.pid())
        })?;
        thread::sleep(SETTLE);
        let nginx = rounds.get(BASE).cloned();
        contestants
            .iter()
            .map(|contestant| {
                let rounds = rounds.remove(contestant.name).unwrap_or_default();
                let answered: u64 = rounds.iter().map(|round| round.answered).sum();
                let mut row = ClosedRow::new(contestant.name, rounds, nginx.as_deref());
                row.memory_start = contestant.memory_start;
                row.memory_after = contestant.pid().map(procfs::memory).transpose()?;
                row.log_bytes_per_request = contestant.running.as_ref().map(|running| {
                    running.logged().saturating_sub(contestant.logged_before) as f64 / answered.max(1) as f64
                });
                Ok(row)
            })
            .collect()
    }

    fn paced(&self, contestants: &[Contestant], ask: Ask, rate: u32) -> Result<Vec<PacedRow>> {
        let work = ask.work(Connection::Kept);
        let mut rounds = alternate(contestants, self.times.paced_rounds, |contestant| {
            round::paced(&contestant.target, &work, rate, self.times.paced, contestant.pid())
        })?;
        let direct = rounds.get(DIRECT).cloned();
        let row = |contestant: &Contestant| {
            let mine = rounds.remove(contestant.name).unwrap_or_default();
            let compared = if contestant.name == DIRECT { None } else { direct.as_deref() };
            PacedRow::new(contestant.name, mine, compared)
        };
        Ok(contestants.iter().map(row).collect())
    }
}

impl Case {
    /// The most client connections it opens at a time.
    fn connections(&self) -> usize {
        match &self.kind {
            Kind::Closed { connections, .. } => *connections,
            Kind::Paced { .. } => 64,
            Kind::Idle { steps } => steps.iter().copied().max().unwrap_or(0),
        }
    }
}

impl Contestant {
    fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Running::pid)
    }
}

/// A B C, B C A, C A B …: so that what disturbs a moment disturbs all alike, and nobody always comes first.
fn alternate<T>(
    contestants: &[Contestant],
    rounds: usize,
    mut measure: impl FnMut(&Contestant) -> Result<T>,
) -> Result<BTreeMap<&'static str, Vec<T>>> {
    let mut found: BTreeMap<&'static str, Vec<T>> = BTreeMap::new();
    for round in 0..rounds {
        for turn in 0..contestants.len() {
            let contestant = &contestants[(round + turn) % contestants.len()];
            found.entry(contestant.name).or_default().push(measure(contestant)?);
        }
    }
    Ok(found)
}

fn idle(contestants: &[Contestant], steps: &[usize], problems: &mut Vec<String>) -> Result<Vec<IdleRow>> {
    let mut rows = Vec::new();
    for contestant in contestants {
        let Some(running) = &contestant.running else { continue };
        match idle_one(contestant, running, steps) {
            Ok(row) => rows.push(row),
            Err(error) => problems.push(format!("{}: {error:#}", contestant.name)),
        }
    }
    ensure!(!rows.is_empty(), "no gateway held the connections: {}", problems.join("; "));
    Ok(rows)
}

fn idle_one(contestant: &Contestant, running: &Running, steps: &[usize]) -> Result<IdleRow> {
    let work = Ask::Small.work(Connection::Kept);
    let mut open: Vec<Idle> = Vec::new();
    let mut held = 0;
    let mut measured = Vec::new();
    for &connections in steps {
        open.push(Idle::open(&contestant.target, &work, held..connections)?);
        held = connections;
        thread::sleep(SETTLE);
        measured.push(IdleStep {
            connections,
            alive: open.iter().map(Idle::alive).sum(),
            memory: procfs::memory(running.pid())?,
        });
    }
    drop(open);
    thread::sleep(SETTLE);
    Ok(IdleRow {
        name: contestant.name,
        start_ms: running.start.as_secs_f64() * 1e3,
        memory_start: contestant.memory_start.unwrap_or_default(),
        steps: measured,
        memory_after: procfs::memory(running.pid())?,
    })
}
