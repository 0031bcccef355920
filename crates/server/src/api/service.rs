//! The service: an HTTP/1.1 server on a thread of its own, which takes connections from the gate alone.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use portcullis_accounts::Accounts;
use portcullis_core::event::Recorder;
use portcullis_proxy::Inside;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::audit::Audit;

use super::exchange;
pub use super::live::{Live, Misplaced, Settings};
use super::pool::{Pool, Size};

/// How long the end waits for what is running.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long work may stand in a queue.
const WAIT: Duration = Duration::from_secs(10);
/// The most fields of a request: the gate has counted their bytes.
const MOST_FIELDS: usize = 512;

/// What the endpoints work on.
#[derive(Debug)]
pub struct State {
    /// The accounts.
    pub accounts: Arc<Accounts>,
    /// The audit log.
    pub audit: Option<Audit>,
}

/// What the service is started with.
pub struct Start {
    /// What the endpoints work on.
    pub state: State,
    /// What is in force first.
    pub settings: Settings,
    /// Makes the recorder of its thread.
    pub recorder: Arc<dyn Fn() -> Box<dyn Recorder> + Send + Sync>,
    /// Takes what went wrong on our side, for the log.
    pub complain: Arc<dyn Fn(&str) + Send + Sync>,
    /// How many cores there are.
    pub cores: usize,
}

/// The running service. It lives across reloads of the configuration.
#[derive(Debug)]
pub struct Service {
    live: Arc<ArcSwap<Live>>,
    end: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system gives no thread.
    #[error("the service of the accounts cannot be started: {0}")]
    System(#[from] io::Error),
    /// Its endpoints cannot stand where the settings put them.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
}

/// What its thread shares among connections.
pub(super) struct Room {
    pub(super) state: Arc<State>,
    pub(super) live: Arc<ArcSwap<Live>>,
    pub(super) recorder: RefCell<Box<dyn Recorder>>,
    pub(super) complain: Arc<dyn Fn(&str) + Send + Sync>,
    /// When the last complaint was made, in milliseconds since 1970.
    pub(super) complained_ms: Cell<i64>,
    /// For what hashes passwords.
    pub(super) hashing: Pool,
    /// For what waits for the store.
    pub(super) storing: Pool,
}

impl Service {
    /// Starts the service, and says how to connect to it.
    pub fn start(start: Start) -> Result<(Self, Inside), StartError> {
        let live = Arc::new(ArcSwap::from_pointee(Live::new(start.settings)?));
        let hashing = Size { threads: (start.cores / 2).max(1), waiting: 64, patience: WAIT, yields: true };
        let storing = Size { threads: start.cores.clamp(2, 4), waiting: 1024, patience: WAIT, yields: false };
        let hashing = Pool::start("passwords", hashing)?;
        let storing = Pool::start("store", storing)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (connect, connections) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(false);
        let (state, shared) = (Arc::new(start.state), Arc::clone(&live));
        let thread = std::thread::Builder::new().name("accounts".to_owned()).spawn(move || {
            let recorder = RefCell::new((start.recorder)());
            let room = Rc::new(Room {
                state,
                live: shared,
                recorder,
                complain: start.complain,
                complained_ms: Cell::new(0),
                hashing,
                storing,
            });
            LocalSet::new().block_on(&runtime, serve(room, connections, ended));
        })?;
        let inside = Inside::new(move |stream: UnixStream| {
            connect.send(stream).map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))
        });
        Ok((Self { live, end, thread }, inside))
    }

    /// Puts other settings in force; what runs ends under those it began with.
    pub fn replace(&self, settings: Settings) -> Result<(), Misplaced> {
        self.live.store(Arc::new(Live::new(settings)?));
        Ok(())
    }

    /// Takes no more connections, and waits, not for long, until what runs has ended.
    pub fn stop(self) {
        let _ = self.end.send(true);
        let _ = self.thread.join();
    }
}

async fn serve(
    room: Rc<Room>,
    mut connections: mpsc::UnboundedReceiver<UnixStream>,
    mut ended: watch::Receiver<bool>,
) {
    // Every connection holds one end of this; when the last one is gone, so is the channel.
    let (open, mut closed) = mpsc::channel::<Infallible>(1);
    loop {
        let stream = tokio::select! {
            _ = ended.wait_for(|ended| *ended) => break,
            stream = connections.recv() => stream,
        };
        let Some(stream) = stream else { break };
        tokio::task::spawn_local(connection(Rc::clone(&room), stream, ended.clone(), open.clone()));
    }
    connections.close();
    drop(open);
    let _ = tokio::time::timeout(PATIENCE, closed.recv()).await;
}

async fn connection(
    room: Rc<Room>,
    stream: UnixStream,
    mut ended: watch::Receiver<bool>,
    _open: mpsc::Sender<Infallible>,
) {
    let Ok(stream) = tokio::net::UnixStream::from_std(stream) else { return };
    let answer = service_fn(move |request| {
        let room = Rc::clone(&room);
        async move { Ok::<_, Infallible>(exchange::answer(&room, request).await) }
    });
    let mut http = http1::Builder::new();
    http.max_headers(MOST_FIELDS);
    let connection = http.serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = ended.wait_for(|ended| *ended) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start").field("settings", &self.settings).finish_non_exhaustive()
    }
}
