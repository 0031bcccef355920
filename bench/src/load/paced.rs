//! The open loop: requests leave on a schedule, and latency counts from the moment a request was due, so that a
//! stall is charged to every request it delayed (no coordinated omission).

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Target, Work, blocking};
use crate::histogram::Histogram;
use crate::procfs;

/// Connections, each a blocking thread: enough that at the rates in use one is free when a request is due.
pub(crate) const CONNECTIONS: u32 = 16;
/// Requests on each connection that are not counted, so that every pool is warm.
pub(crate) const WARMUP: u32 = 20;

/// What a paced round found.
#[derive(Debug, Clone)]
pub(crate) struct Latency {
    /// From due to complete.
    pub(crate) answer: Histogram,
    /// From due to sent: the generator's own lateness.
    pub(crate) lag: Histogram,
    pub(crate) failed: u64,
    pub(crate) first_failure: Option<String>,
}

/// Sends `rate` requests a second for `duration`.
pub(crate) fn run(target: &Target, work: &Work, rate: u32, duration: Duration) -> Result<Latency> {
    let interval = Duration::from_secs(1) / rate;
    let count = (duration.as_millis() as u32 * rate / 1000).div_ceil(CONNECTIONS);
    let start = Instant::now() + Duration::from_millis(100);
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let schedule =
                Schedule { first: start + interval * number, period: interval * CONNECTIONS, count };
            let (target, work) = (target.clone(), work.clone());
            thread::Builder::new().name(format!("paced-{number}")).spawn(move || schedule.run(&target, &work))
        })
        .collect::<io::Result<_>>()?;
    let mut sum = Latency::new();
    for thread in threads {
        let Ok(one) = thread.join() else { bail!("a load thread crashed") };
        let one = one.context("paced load")?;
        sum.answer.merge(&one.answer);
        sum.lag.merge(&one.lag);
        sum.failed += one.failed;
        sum.first_failure = sum.first_failure.or(one.first_failure);
    }
    Ok(sum)
}

impl Latency {
    fn new() -> Self {
        Latency { answer: Histogram::new(), lag: Histogram::new(), failed: 0, first_failure: None }
    }
}

struct Schedule {
    first: Instant,
    period: Duration,
    count: u32,
}

impl Schedule {
    fn run(&self, target: &Target, work: &Work) -> Result<Latency> {
        sharpen_timer()?;
        let mut latency = Latency::new();
        let mut stream = blocking::connect(target)?;
        for _ in 0..WARMUP {
            blocking::exchange(&mut stream, &work.request)?;
        }
        for number in 0..self.count {
            let due = self.first + self.period * number;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            latency.lag.record(due.elapsed());
            let answer = blocking::exchange(&mut stream, &work.request);
            latency.answer.record(due.elapsed());
            let failure = match answer {
                Ok((head, _)) if work.expect.accepts(head.status, head.body) && !head.close => continue,
                Ok((head, _)) if work.expect.accepts(head.status, head.body) => None,
                Ok((head, _)) => Some(format!("status {} with {} bytes", head.status, head.body)),
                Err(error) => Some(error.to_string()),
            };
            latency.failed += u64::from(failure.is_some());
            latency.first_failure = latency.first_failure.or(failure);
            stream = blocking::connect(target)?;
        }
        Ok(latency)
    }
}

/// The kernel may wake a sleeping thread 50 µs late to save power; here it must not (proc(5), `timerslack_ns`).
fn sharpen_timer() -> io::Result<()> {
    std::fs::write(format!("/proc/{}/timerslack_ns", procfs::thread_id()?), "1")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;

    use super::*;
    use crate::load::{Connection, Expect};
    use crate::upstream::{SMALL, Upstream};

    fn work() -> Work {
        Work {
            request: Arc::from(&b"GET /json HTTP/1.1\r\nHost: localhost\r\n\r\n"[..]),
            expect: Expect::Ok(SMALL as u64),
            connection: Connection::Kept,
        }
    }

    #[test]
    fn every_due_request_is_sent_and_counted() {
        let upstream = Upstream::start().unwrap();
        let target = Target { address: upstream.address, tls: None };
        let latency = run(&target, &work(), 1600, Duration::from_millis(100)).unwrap();
        assert_eq!(latency.answer.total(), 160);
        assert_eq!((latency.failed, latency.first_failure), (0, None));
    }

    #[test]
    fn a_stall_is_charged_to_all_the_requests_it_delayed() {
        // A server that answers each request of one connection at once, except that it stalls before the first
        // measured one until the tenth is overdue.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let period = Duration::from_millis(10);
        let schedule = Schedule { first: Instant::now() + Duration::from_millis(300), period, count: 10 };
        let release = schedule.first + period * 10;
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; work().request.len()];
            for number in 0.. {
                if stream.read_exact(&mut request).is_err() {
                    return;
                }
                if number == WARMUP {
                    thread::sleep(release.saturating_duration_since(Instant::now()));
                }
                let body = "x".repeat(SMALL);
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {SMALL}\r\n\r\n{body}").unwrap();
            }
        });
        let latency = schedule.run(&Target { address, tls: None }, &work()).unwrap();
        assert_eq!((latency.answer.total(), latency.failed), (10, 0));
        // The last was due one period before the release, the first ten: none may look faster than that.
        assert!(latency.answer.quantile_us(0.0) >= 9_900.0);
        assert!(latency.answer.max_us() >= 99_000.0);
        assert!(latency.lag.max_us() >= 80_000.0);
    }
}
