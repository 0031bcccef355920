//! The way out: a forward proxy (RFC 9110 section 3.7) through which the application calls others.
//!
//! An application that resolves names itself may be told another address than the one that was judged when a URL
//! was registered. Through this proxy it cannot go wrong: every call is judged at the moment it is made, by the
//! same guard, and the connection goes to the addresses that were judged. Redirects are never followed here; where
//! the application follows one, that is a call like any other.

mod relay;
mod serve;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use portcullis_core::client::canonical;
use portcullis_core::event::Recorder;
use portcullis_outbound::{Guard, Place};
use tokio::runtime::LocalOptions;
use tokio::sync::watch;

/// Who may call whom.
#[derive(Debug)]
pub struct Rules {
    /// Judges where a call leads. It always refuses: there is no mode in which it only looks.
    pub guard: Guard,
    /// The only hosts that are called; empty for all that the guard lets pass.
    pub hosts: Vec<Place>,
    /// Whether hosts beside those are called all the same, and only noted.
    pub observe: bool,
    /// Who may call: everybody else is turned away at the door, or the proxy would be anybody's.
    pub clients: Vec<IpNet>,
}

impl Rules {
    fn takes(&self, client: IpAddr) -> bool {
        self.clients.iter().any(|net| net.contains(&canonical(client)))
    }
}

/// What the proxy is started with.
pub struct Start {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The rules in force.
    pub rules: Rules,
    /// Makes its recorder.
    pub recorder: Arc<dyn Fn() -> Box<dyn Recorder> + Send + Sync>,
}

/// A running proxy, on a thread of its own.
pub struct Egress {
    address: SocketAddr,
    rules: Arc<ArcSwap<Rules>>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Egress {
    /// Binds and serves. When this returns, connections are accepted.
    pub fn start(start: Start) -> io::Result<Self> {
        let socket = std::net::TcpListener::bind(start.listen)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let rules = Arc::new(ArcSwap::from_pointee(start.rules));
        let (stop, stopped) = watch::channel(false);
        let (in_force, recorder) = (Arc::clone(&rules), start.recorder);
        let (ready, started) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("egress".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default());
            match runtime {
                Err(error) => drop(ready.send(Err(error))),
                Ok(runtime) => {
                    let _ = ready.send(Ok(()));
                    runtime.block_on(serve::serve(socket, in_force, recorder(), stopped));
                }
            }
        })?;
        started.recv().map_err(|_| io::Error::other("the thread ended at once"))??;
        Ok(Self { address, rules, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts other rules in force; calls under way go on.
    pub fn replace(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
