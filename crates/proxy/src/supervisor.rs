//! Starting the cores, changing what they do, and ending them.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use portcullis_core::Now;
use portcullis_core::event::Recorder;
use portcullis_gate::Gate;
use rustls::ServerConfig;
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::sync::watch;

use crate::certificate::Certificates;
use crate::core::{Core, Shared, Snapshot};
use crate::listen::{self, Bound, Manner};
use crate::settings::{Bind, Listener};

/// How often a core hands on what its recorder holds.
const FLUSH: Duration = Duration::from_millis(100);
/// The shortest time in which the runtime asks the kernel what is new.
const TURN: Duration = Duration::from_millis(1);
/// How often a core looks after its pools and its calendar clock, in flushes.
const SWEEP: u32 = 10;

/// What an engine is started with.
pub struct Start {
    /// Where to listen.
    pub listeners: Vec<Listener>,
    /// How many cores serve.
    pub workers: usize,
    /// The gate.
    pub gate: Gate,
    /// The configuration in force.
    pub snapshot: Snapshot,
    /// The certificate of the TLS listeners.
    pub certificates: Option<Certificates>,
    /// Makes the recorder of a core.
    pub recorder: Arc<dyn Fn() -> Box<dyn Recorder> + Send + Sync>,
    /// A random seed for request ids.
    pub seed: [u64; 2],
}

/// Why an engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket cannot be bound.
    #[error("cannot listen on {place}")]
    Bind {
        /// Where.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// A thread or runtime cannot be made.
    #[error("cannot start a worker")]
    Worker(#[from] io::Error),
    /// A listener speaks TLS and there is no certificate.
    #[error("{0} speaks TLS, and no certificate is configured")]
    NoCertificate(String),
}

/// A running engine.
pub struct Engine {
    shared: Arc<Shared>,
    zero: Instant,
    addresses: Vec<String>,
    phase: watch::Sender<Phase>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining { until: Instant },
}

impl Engine {
    /// Binds every listener, then starts the cores. When this returns, connections are accepted.
    pub fn start(start: Start) -> Result<Self, StartError> {
        allow_descriptors();
        let workers = start.workers.max(1);
        let mut per_core: Vec<Vec<(Bound, Manner)>> = (0..workers).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for listener in &start.listeners {
            let tls = tls_of(listener, start.certificates.as_ref())?;
            let manner = Manner { tls, proxy_protocol: listener.proxy_protocol };
            addresses.push(bind(listener, &manner, &mut per_core)?);
        }
        let shared = Arc::new(Shared::new(start.gate, start.snapshot));
        let (phase, watched) = watch::channel(Phase::Serving);
        let zero = Instant::now();
        let mut threads = Vec::new();
        for (index, bound) in per_core.into_iter().enumerate() {
            let (shared, watched) = (Arc::clone(&shared), watched.clone());
            let recorder = Arc::clone(&start.recorder);
            let seed =
                [start.seed[0] ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15), start.seed[1]];
            let runtime = |options: LocalOptions| -> io::Result<LocalRuntime> {
                tokio::runtime::Builder::new_current_thread().enable_all().build_local(options)
            };
            let (ready, started) = std::sync::mpsc::sync_channel(1);
            let thread = std::thread::Builder::new().name(format!("core-{index}")).spawn(move || {
                let runtime = match runtime(LocalOptions::default()) {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        let _ = ready.send(Err(error));
                        return;
                    }
                };
                let core = Rc::new(Core::new(shared, recorder(), seed, zero));
                let _ = ready.send(Ok(()));
                runtime.block_on(serve(core, bound, watched));
            })?;
            started.recv().map_err(|_| io::Error::other("the worker ended at once"))??;
            threads.push(thread);
        }
        Ok(Self { shared, zero, addresses, phase, threads })
    }

    /// Where it listens, as URLs or `unix:` paths.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// This moment on the clock that its cores count by.
    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            monotonic_ms: self.zero.elapsed().as_millis() as u64,
            unix_ms: unix.map_or(0, |since| since.as_millis() as u64),
        }
    }

    /// What all cores share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Puts another configuration in force without dropping anything.
    pub fn replace(&self, snapshot: Snapshot) {
        self.shared.replace(snapshot);
    }

    /// Stops accepting, lets what is running end within `patience`, then ends the cores.
    pub fn drain(self, patience: Duration) {
        self.shared.drain();
        let _ = self.phase.send(Phase::Draining { until: Instant::now() + patience });
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// Takes all the file descriptors that the system allows. The usual soft limit of 1,024 is for programs that
/// call select(2); here it would end at five hundred connections.
fn allow_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, accepting waits when they run out.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The life of one core.
async fn serve(core: Rc<Core>, bound: Vec<(Bound, Manner)>, mut watched: watch::Receiver<Phase>) {
    let accepting: Vec<_> = bound
        .into_iter()
        .map(|(bound, manner)| {
            let mut watched = watched.clone();
            let ended = async move {
                // An engine that was dropped ends too.
                let _ = watched.wait_for(|phase| *phase != Phase::Serving).await;
                // A turn of the runtime, so that it knows of everybody who stands in the queue.
                tokio::time::sleep(TURN).await;
            };
            tokio::task::spawn_local(listen::accept(Rc::clone(&core), bound, manner, ended))
        })
        .collect();
    let mut ticks = tokio::time::interval(FLUSH);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0_u32;
    let until = loop {
        tokio::select! {
            _ = ticks.tick() => {
                count = count.wrapping_add(1);
                look_after(&core, count.is_multiple_of(SWEEP));
            }
            changed = watched.changed() => {
                let phase = *watched.borrow();
                match (changed, phase) {
                    (Ok(()), Phase::Serving) => {}
                    (Ok(()), Phase::Draining { until }) => break until,
                    (Err(_), _) => break Instant::now(),
                }
            }
        }
    };
    for task in accepting {
        let _ = task.await;
    }
    while core.connections() > 0 && Instant::now() < until {
        core.wake_all();
        ticks.tick().await;
        look_after(&core, false);
    }
    core.recorder.borrow_mut().flush();
}

fn look_after(core: &Core, sweep: bool) {
    core.recorder.borrow_mut().flush();
    core.wake_after_revocation();
    if sweep {
        core.set_clock();
        core.local().pools.iter().for_each(|pool| pool.sweep());
    }
}

fn tls_of(
    listener: &Listener,
    certificates: Option<&Certificates>,
) -> Result<Option<Arc<ServerConfig>>, StartError> {
    match (listener.tls, certificates) {
        (false, _) => Ok(None),
        (true, Some(certificates)) => Ok(Some(certificates.server_config())),
        (true, None) => Err(StartError::NoCertificate(format!("{:?}", listener.bind))),
    }
}

/// Binds one listener for every core and says where it listens.
fn bind(
    listener: &Listener,
    manner: &Manner,
    per_core: &mut [Vec<(Bound, Manner)>],
) -> Result<String, StartError> {
    match &listener.bind {
        Bind::Tcp(address) => {
            let failed = |source| StartError::Bind { place: address.to_string(), source };
            let mut address: SocketAddr = *address;
            if address.port() != 0 {
                listen::check_free(address).map_err(failed)?;
            }
            for core in per_core {
                let socket = listen::bind_tcp(address).map_err(failed)?;
                address = socket.local_addr().map_err(failed)?;
                core.push((Bound::Tcp(socket), manner.clone()));
            }
            let scheme = if listener.tls { "https" } else { "http" };
            Ok(format!("{scheme}://{address}"))
        }
        Bind::Unix(path) => {
            let failed = |source| StartError::Bind { place: path.display().to_string(), source };
            let socket = listen::bind_unix(path).map_err(failed)?;
            for core in per_core {
                let socket = socket.try_clone().map_err(failed)?;
                core.push((Bound::Unix(socket), manner.clone()));
            }
            Ok(format!("unix:{}", path.display()))
        }
    }
}
