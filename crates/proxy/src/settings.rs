//! What the data plane is told: listeners, caps, timeouts and upstreams.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::breaker::Breaker;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// An address and port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub bind: Bind,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Whether each connection begins with a PROXY protocol header. Only trusted proxies may connect then.
    pub proxy_protocol: bool,
}

/// What one client can cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// From the first byte of a head to its end; also for the TLS handshake and a PROXY header.
    pub header_timeout: Duration,
    /// Bytes of a request head.
    pub headers: usize,
    /// Bytes of a request target.
    pub target: usize,
    /// Without a byte while a body is awaited.
    pub body_timeout: Duration,
    /// Without a request on a kept connection.
    pub idle_timeout: Duration,
    /// Without progress while an answer is written.
    pub write_timeout: Duration,
    /// Connections at once, over all cores.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_ip: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            headers: 16 * 1024,
            target: 8 * 1024,
            body_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
            connections: 10_000,
            connections_per_ip: 256,
        }
    }
}

/// One place an upstream answers at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Host name or address, and port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
    /// A service of this process.
    Inside(Inside),
}

/// Takes connections to a service of this process: each is one end of a pair of sockets that nobody else can
/// reach, so who stands behind it may believe what the gateway writes.
#[derive(Clone)]
pub struct Inside(Arc<dyn Fn(UnixStream) -> io::Result<()> + Send + Sync>);

impl Inside {
    /// A service that takes its end of each connection by `take`.
    pub fn new(take: impl Fn(UnixStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// Connects: hands one end over and returns the other.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        (self.0)(theirs)?;
        Ok(ours)
    }
}

impl PartialEq for Inside {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Inside {}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inside")
    }
}

/// An application behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name in the configuration.
    pub name: String,
    /// Where it answers; requests go round over those that do.
    pub endpoints: Vec<Endpoint>,
    /// Whether it is left alone when it fails again and again.
    pub breaker: Option<Arc<Breaker>>,
    /// To a connection.
    pub connect_timeout: Duration,
    /// To the first byte of the answer.
    pub response_timeout: Duration,
    /// Between two bytes of the answer.
    pub idle_timeout: Duration,
    /// How long an idle connection is kept. Under the five seconds after which common servers close theirs.
    pub keep_alive: Duration,
}

impl Upstream {
    /// Whether it is a service of this process. Those stand behind all others.
    pub fn is_inside(&self) -> bool {
        self.endpoints.iter().any(|endpoint| matches!(endpoint, Endpoint::Inside(_)))
    }

    /// An upstream with the timeouts that fit most applications.
    pub fn new(name: &str, endpoints: Vec<Endpoint>) -> Self {
        Self {
            name: name.to_owned(),
            endpoints,
            breaker: None,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(4),
        }
    }
}

/// Everything of the data plane that a reload may change. Listeners stay as they were at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What one client can cost.
    pub caps: Caps,
    /// The applications; a route's target is an index into them.
    pub upstreams: Vec<Upstream>,
}
