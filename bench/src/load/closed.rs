//! The closed loop: so many connections, each sends its next request when the answer to the last is in.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::HandshakeKind;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::{Connection, Target, Work, source, tls};
use crate::procfs;
use crate::response::{self, Malformed};

/// Connections that share one source address.
const PER_ADDRESS: usize = 4;
/// How long an answer may take, and the end of a round: then it counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the load has counted so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Requests answered rightly.
    pub(crate) done: AtomicU64,
    /// Among them, those that a limit admitted although refusals are measured.
    pub(crate) admitted: AtomicU64,
    pub(crate) failed: AtomicU64,
    /// Connections opened.
    pub(crate) opened: AtomicU64,
    /// Among them, those that resumed a TLS session.
    pub(crate) resumed: AtomicU64,
    first_failure: Mutex<Option<String>>,
}

impl Counters {
    /// What went wrong first.
    pub(crate) fn first_failure(&self) -> Option<String> {
        self.first_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, failure: &Failure) {
        self.failed.fetch_add(1, Relaxed);
        let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| failure.to_string());
    }
}

/// Running load; `finish` ends it.
pub(crate) struct Load {
    pub(crate) counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
    threads: Vec<(u32, JoinHandle<()>)>,
}

impl Load {
    /// Starts `connections` connections on `threads` threads.
    pub(crate) fn start(target: &Target, work: &Work, connections: usize, threads: usize) -> Result<Self> {
        let counters = Arc::new(Counters::default());
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = Vec::new();
        for thread in 0..threads {
            let mut clients = Vec::new();
            for index in (thread..connections).step_by(threads) {
                clients.push(Client {
                    index,
                    address: target.address,
                    tls: match target.tls_client()? {
                        Some(client) => Some((client.into(), tls::server_name()?)),
                        None => None,
                    },
                    work: work.clone(),
                    counters: Arc::clone(&counters),
                    stop: Arc::clone(&stop),
                });
            }
            let (told, tell) = std::sync::mpsc::sync_channel(1);
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            let counters = Arc::clone(&counters);
            let handle = thread::Builder::new().name(format!("load-{thread}")).spawn(move || {
                // The receiver waits for exactly this message.
                let _ = told.send(procfs::thread_id());
                runtime.block_on(run(clients, &counters));
            })?;
            running.push((tell.recv().context("the load did not start")??, handle));
        }
        Ok(Load { counters, stop, threads: running })
    }

    /// Microseconds of processor time used so far.
    pub(crate) fn cpu_us(&self) -> u64 {
        self.threads.iter().map(|(tid, _)| procfs::thread_cpu_us(*tid).unwrap_or(0)).sum()
    }

    /// Lets each connection finish its request, closes them and gives the final counts.
    pub(crate) fn finish(self) -> Arc<Counters> {
        self.stop.store(true, Relaxed);
        for (_, thread) in self.threads {
            if thread.join().is_err() {
                self.counters.fail(&Failure::Crashed);
            }
        }
        self.counters
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("connecting: {0}")]
    Connect(io::Error),
    #[error("TLS handshake: {0}")]
    Handshake(io::Error),
    #[error("sending: {0}")]
    Send(io::Error),
    #[error("receiving: {0}")]
    Receive(io::Error),
    #[error("closed before the answer was complete")]
    Closed,
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("status {status} with {body} bytes")]
    Unexpected { status: u16, body: u64 },
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Silence,
    #[error("a load thread crashed")]
    Crashed,
}

struct Client {
    index: usize,
    address: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    work: Work,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
}

async fn run(clients: Vec<Client>, counters: &Counters) {
    let mut tasks = JoinSet::new();
    let mut stops = Vec::new();
    for client in clients {
        stops.push(Arc::clone(&client.stop));
        tasks.spawn(client.run());
    }
    let Some(stop) = stops.pop() else { return };
    while !stop.load(Relaxed) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(PATIENCE, all).await.is_err() {
        counters.fail(&Failure::Silence);
    }
}

impl Client {
    async fn run(self) {
        let mut buffer = vec![0; 64 * 1024];
        while !self.stop.load(Relaxed) {
            if let Err(failure) = self.connection(&mut buffer).await {
                self.counters.fail(&failure);
                // A gateway that is down is not hammered.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    async fn connection(&self, buffer: &mut [u8]) -> Result<(), Failure> {
        let stream = self.connect().await.map_err(Failure::Connect)?;
        self.counters.opened.fetch_add(1, Relaxed);
        let Some((connector, name)) = &self.tls else { return self.exchanges(stream, buffer).await };
        let stream = connector.connect(name.clone(), stream).await.map_err(Failure::Handshake)?;
        if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
            self.counters.resumed.fetch_add(1, Relaxed);
        }
        self.exchanges(stream, buffer).await
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.set_nodelay(true)?;
        socket.bind(SocketAddr::new(source(self.index, PER_ADDRESS), 0))?;
        socket.connect(self.address).await
    }

    async fn exchanges<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        buffer: &mut [u8],
    ) -> Result<(), Failure> {
        while !self.stop.load(Relaxed) {
            let answer = exchange(&mut stream, &self.work.request, buffer).await?;
            if !self.work.expect.accepts(answer.status, answer.body) {
                return Err(Failure::Unexpected { status: answer.status, body: answer.body });
            }
            self.counters.done.fetch_add(1, Relaxed);
            if answer.status == 200 {
                self.counters.admitted.fetch_add(1, Relaxed);
            }
            if answer.close {
                return Ok(());
            }
            if self.work.connection == Connection::Fresh {
                // The closing alert of TLS; a peer that has already gone is no failure.
                let _ = stream.shutdown().await;
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Sends one request and reads its answer to the last byte, which must be the last one received.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: &[u8],
    buffer: &mut [u8],
) -> Result<response::Head, Failure> {
    stream.write_all(request).await.map_err(Failure::Send)?;
    stream.flush().await.map_err(Failure::Send)?;
    let mut filled = 0;
    let head = loop {
        let count = stream.read(&mut buffer[filled..]).await.map_err(Failure::Receive)?;
        if count == 0 {
            return Err(Failure::Closed);
        }
        filled += count;
        if let Some(head) = response::parse(&buffer[..filled])? {
            break head;
        }
    };
    let mut missing = head.body.checked_sub((filled - head.bytes) as u64).ok_or(Malformed::Framing)?;
    while missing > 0 {
        let room = buffer.len().min(usize::try_from(missing).unwrap_or(usize::MAX));
        let count = stream.read(&mut buffer[..room]).await.map_err(Failure::Receive)?;
        if count == 0 {
            return Err(Failure::Closed);
        }
        missing -= count as u64;
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Expect;
    use crate::upstream::{LARGE, SMALL, Upstream};

    fn work(path: &str, expect: Expect, connection: Connection) -> Work {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        Work { request: request.into_bytes().into(), expect, connection }
    }

    fn load(work: &Work, enough: u64) -> Arc<Counters> {
        let upstream = Upstream::start().unwrap();
        let target = Target { address: upstream.address, tls: None };
        let load = Load::start(&target, work, 5, 2).unwrap();
        while load.counters.done.load(Relaxed) + load.counters.failed.load(Relaxed) < enough {
            thread::yield_now();
        }
        load.finish()
    }

    #[test]
    fn right_answers_are_counted_on_kept_connections() {
        let counters = load(&work("/1m", Expect::Ok(LARGE as u64), Connection::Kept), 50);
        assert_eq!(counters.failed.load(Relaxed), 0, "{:?}", counters.first_failure());
        assert_eq!(counters.opened.load(Relaxed), 5);
    }

    #[test]
    fn fresh_connections_carry_one_request_each() {
        let counters = load(&work("/json", Expect::Ok(SMALL as u64), Connection::Fresh), 50);
        assert_eq!(counters.failed.load(Relaxed), 0, "{:?}", counters.first_failure());
        assert!(counters.opened.load(Relaxed) >= counters.done.load(Relaxed));
    }

    #[test]
    fn wrong_answers_are_failures_with_a_reason() {
        let counters = load(&work("/nowhere", Expect::Ok(SMALL as u64), Connection::Kept), 3);
        assert_eq!(counters.done.load(Relaxed), 0);
        assert_eq!(counters.first_failure().as_deref(), Some("status 404 with 2 bytes"));
    }

    #[test]
    fn a_closed_port_is_a_failure() {
        let target = Target { address: ([127, 0, 0, 1], 1).into(), tls: None };
        let load = Load::start(&target, &work("/", Expect::Unauthorized, Connection::Kept), 1, 1).unwrap();
        while load.counters.failed.load(Relaxed) == 0 {
            thread::yield_now();
        }
        assert!(load.finish().first_failure().unwrap().starts_with("connecting"));
    }
}
