//! One round: one contestant, one case, one window of time.

use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::load::closed::{Counters, Load};
use crate::load::{Target, Work, paced};
use crate::procfs::{self, Cpu, Machine, Memory};
use crate::upstream::Upstream;

/// What one closed round found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Closed {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    /// Of the gateway's process tree, user and system; none without a gateway.
    pub(crate) cpu_us_per_request: Option<f64>,
    pub(crate) upstream_us_per_request: f64,
    pub(crate) load_us_per_request: f64,
    /// Of the whole round, warm-up included, as the following.
    pub(crate) failed: u64,
    pub(crate) first_failure: Option<String>,
    pub(crate) answered: u64,
    pub(crate) admitted: u64,
    pub(crate) opened: u64,
    pub(crate) resumed: u64,
    /// With the connections still open.
    pub(crate) memory: Option<Memory>,
    /// The part of all processor time that neither the gateway nor this program used.
    pub(crate) foreign: f64,
    /// The part of all processor time that the hypervisor took.
    pub(crate) steal: f64,
}

/// What one paced round found, in microseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Paced {
    pub(crate) requests: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
    /// How late the generator itself was.
    pub(crate) lag_p50_us: f64,
    pub(crate) lag_p99_us: f64,
    pub(crate) cpu_us_per_request: Option<f64>,
    pub(crate) failed: u64,
    pub(crate) first_failure: Option<String>,
    pub(crate) steal: f64,
}

/// The shape of a closed round.
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// Of the load generator.
    pub(crate) threads: usize,
    pub(crate) warmup: Duration,
    pub(crate) window: Duration,
}

/// Loads `target` as hard as it goes; `pid` is the root of the gateway's process tree.
pub(crate) fn closed(
    target: &Target,
    work: &Work,
    shape: &Shape,
    upstream: &Upstream,
    pid: Option<u32>,
) -> Result<Closed> {
    let load = Load::start(target, work, shape.connections, shape.threads)?;
    thread::sleep(shape.warmup);
    let before = Sample::take(&load, upstream, pid)?;
    thread::sleep(shape.window);
    let after = Sample::take(&load, upstream, pid)?;
    let memory = pid.map(procfs::memory).transpose()?;
    let counters = load.finish();
    Ok(after.since(&before, &counters, memory))
}

/// Asks `target` on a schedule.
pub(crate) fn paced(
    target: &Target,
    work: &Work,
    rate: u32,
    duration: Duration,
    pid: Option<u32>,
) -> Result<Paced> {
    let cpu = || pid.map(procfs::cpu).transpose();
    let (cpu_before, machine_before) = (cpu()?, procfs::machine()?);
    let latency = paced::run(target, work, rate, duration)?;
    let (cpu_after, machine_after) = (cpu()?, procfs::machine()?);
    let requests = latency.answer.total();
    let all = requests + u64::from(paced::CONNECTIONS * paced::WARMUP);
    Ok(Paced {
        requests,
        p50_us: latency.answer.quantile_us(0.5),
        p99_us: latency.answer.quantile_us(0.99),
        p999_us: latency.answer.quantile_us(0.999),
        max_us: latency.answer.max_us(),
        lag_p50_us: latency.lag.quantile_us(0.5),
        lag_p99_us: latency.lag.quantile_us(0.99),
        cpu_us_per_request: cpu_after.zip(cpu_before).map(|(after, before)| per(after.since(&before), all)),
        failed: latency.failed,
        first_failure: latency.first_failure,
        steal: machine_after.steal_since(&machine_before),
    })
}

struct Sample {
    at: Instant,
    done: u64,
    gateway: Option<Cpu>,
    upstream_us: u64,
    load_us: u64,
    machine: Machine,
}

impl Sample {
    fn take(load: &Load, upstream: &Upstream, pid: Option<u32>) -> Result<Self> {
        Ok(Sample {
            at: Instant::now(),
            gateway: pid.map(procfs::cpu).transpose()?,
            done: load.counters.done.load(Relaxed),
            upstream_us: upstream.cpu_us(),
            load_us: load.cpu_us(),
            machine: procfs::machine()?,
        })
    }

    fn since(&self, before: &Sample, counters: &Counters, memory: Option<Memory>) -> Closed {
        let requests = self.done - before.done;
        let seconds = (self.at - before.at).as_secs_f64();
        let gateway_us = self.gateway.zip(before.gateway).map(|(after, before)| after.since(&before));
        let upstream_us = self.upstream_us - before.upstream_us;
        let load_us = self.load_us - before.load_us;
        let ours_us = gateway_us.unwrap_or(0) + upstream_us + load_us;
        let capacity_us =
            seconds * 1e6 * thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
        let foreign_us = self.machine.busy_us_since(&before.machine).saturating_sub(ours_us);
        Closed {
            requests,
            seconds,
            cpu_us_per_request: gateway_us.map(|us| per(us, requests)),
            upstream_us_per_request: per(upstream_us, requests),
            load_us_per_request: per(load_us, requests),
            failed: counters.failed.load(Relaxed),
            first_failure: counters.first_failure(),
            answered: counters.done.load(Relaxed),
            admitted: counters.admitted.load(Relaxed),
            opened: counters.opened.load(Relaxed),
            resumed: counters.resumed.load(Relaxed),
            memory,
            foreign: foreign_us as f64 / capacity_us,
            steal: self.machine.steal_since(&before.machine),
        }
    }
}

fn per(us: u64, requests: u64) -> f64 {
    us as f64 / requests.max(1) as f64
}
