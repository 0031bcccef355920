//! Connections to one upstream, kept by the core that opened them.

use std::cell::{Cell, RefCell};
use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, timeout};

use crate::io::Stream;
use crate::settings::{Endpoint, Upstream};

/// How many idle connections a core keeps to one endpoint.
const KEPT: usize = 128;
/// How long an endpoint that did not answer is passed over while another one does.
const REST: Duration = Duration::from_secs(2);

/// The connections of one core to one upstream.
#[derive(Debug)]
pub struct Pool {
    upstream: Upstream,
    endpoints: Vec<Idle>,
    next: Cell<usize>,
}

#[derive(Debug, Default)]
struct Idle {
    /// Last in, first out: the connection used last is the likeliest to be open still.
    connections: RefCell<Vec<(Stream, Instant)>>,
    down_until: Cell<Option<Instant>>,
}

/// A connection to an upstream, and where it goes back to.
#[derive(Debug)]
pub struct Connection {
    /// The stream.
    pub stream: Stream,
    /// Whether it served a request before, so that it may turn out dead.
    pub reused: bool,
    /// Which of the endpoints it goes to.
    pub(crate) endpoint: usize,
}

impl Pool {
    /// An empty pool.
    pub fn new(upstream: Upstream) -> Self {
        let endpoints = upstream.endpoints.iter().map(|_| Idle::default()).collect();
        Self { upstream, endpoints, next: Cell::new(0) }
    }

    /// The upstream it connects to.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// An idle connection to the endpoint whose turn it is, if one is still open.
    pub fn take(&self) -> Option<Connection> {
        let endpoint = self.turn();
        let idle = &self.endpoints[endpoint];
        let now = Instant::now();
        loop {
            let (stream, since) = idle.connections.borrow_mut().pop()?;
            if now.duration_since(since) < self.upstream.keep_alive && stream.is_silent() {
                self.advance();
                return Some(Connection { stream, reused: true, endpoint });
            }
        }
    }

    /// A new connection: to the endpoint whose turn it is, or to the next one that answers.
    pub async fn connect(&self) -> io::Result<Connection> {
        let first = self.turn();
        self.advance();
        let count = self.endpoints.len();
        let mut last = io::Error::other("the upstream has no endpoint");
        for endpoint in (0..count).map(|step| (first + step) % count) {
            match timeout(self.upstream.connect_timeout, dial(&self.upstream.endpoints[endpoint])).await {
                Ok(Ok(stream)) => {
                    self.endpoints[endpoint].down_until.set(None);
                    return Ok(Connection { stream, reused: false, endpoint });
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
            self.endpoints[endpoint].down_until.set(Some(Instant::now() + REST));
        }
        Err(last)
    }

    /// Keeps a connection whose answer was read to its end.
    pub fn put(&self, connection: Connection) {
        let mut idle = self.endpoints[connection.endpoint].connections.borrow_mut();
        if idle.len() < KEPT {
            idle.push((connection.stream, Instant::now()));
        }
    }

    /// Closes what was idle for too long; called now and then.
    pub fn sweep(&self) {
        let now = Instant::now();
        for idle in &self.endpoints {
            idle.connections.borrow_mut().retain(|(stream, since)| {
                now.duration_since(*since) < self.upstream.keep_alive && stream.is_silent()
            });
        }
    }

    /// The endpoint whose turn it is, passing over those that did not answer lately.
    fn turn(&self) -> usize {
        let count = self.endpoints.len().max(1);
        let start = self.next.get() % count;
        if count == 1 {
            return 0;
        }
        let now = Instant::now();
        (0..count)
            .map(|step| (start + step) % count)
            .find(|endpoint| self.endpoints[*endpoint].down_until.get().is_none_or(|until| until <= now))
            .unwrap_or(start)
    }

    fn advance(&self) {
        self.next.set(self.next.get().wrapping_add(1));
    }
}

async fn dial(endpoint: &Endpoint) -> io::Result<Stream> {
    match endpoint {
        Endpoint::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
        Endpoint::Inside(service) => Ok(Stream::Unix(UnixStream::from_std(service.connect()?)?)),
        Endpoint::Tcp(host, port) => {
            let stream = match host.parse::<std::net::IpAddr>() {
                Ok(address) => TcpStream::connect((address, *port)).await?,
                Err(_) => dial_name(host, *port).await?,
            };
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        }
    }
}

/// Every address of a name in turn, IPv4 first: `localhost` resolves to `::1` first on many machines where
/// the application listens on 127.0.0.1 only.
async fn dial_name(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut addresses: Vec<_> = lookup_host((host, port)).await?.collect();
    addresses.sort_by_key(std::net::SocketAddr::is_ipv6);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
