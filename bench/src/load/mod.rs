//! The load: what is sent and expected, and the three ways to send it.

pub(crate) mod blocking;
pub(crate) mod closed;
pub(crate) mod idle;
pub(crate) mod paced;
pub(crate) mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::ClientConfig;

/// What one request is and which answers are right.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// The whole request, head and body.
    pub(crate) request: Arc<[u8]>,
    pub(crate) expect: Expect,
    pub(crate) connection: Connection,
}

/// Which answers count; everything else is a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// 200 with a body of so many bytes.
    Ok(u64),
    /// 401.
    Unauthorized,
    /// 429, or 200 for the few that the limit still admits.
    Limited,
}

/// How long a connection lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    /// As long as the server lets it.
    Kept,
    /// One request.
    Fresh,
}

/// Where the load goes and how it gets there.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Tls>,
}

/// How the client side speaks TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) certificate: Arc<tls::Certificate>,
    /// Whether a later connection may resume an earlier session.
    pub(crate) resume: bool,
}

impl Target {
    /// A TLS client of its own for one simulated client, so that no two share their tickets.
    pub(crate) fn tls_client(&self) -> anyhow::Result<Option<Arc<ClientConfig>>> {
        self.tls.as_ref().map(|tls| tls.certificate.client(tls.resume)).transpose()
    }
}

impl Expect {
    /// Whether an answer is one of the right ones.
    pub(crate) fn accepts(self, status: u16, body: u64) -> bool {
        match self {
            Expect::Ok(length) => status == 200 && body == length,
            Expect::Unauthorized => status == 401,
            Expect::Limited => status == 429 || status == 200,
        }
    }
}

/// The loopback address that client number `index` comes from, `per_address` clients sharing one.
pub(crate) fn source(index: usize, per_address: usize) -> IpAddr {
    let number = index / per_address;
    IpAddr::V4(Ipv4Addr::new(127, 1, (number / 250) as u8, (number % 250 + 1) as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_right_answers_are_accepted() {
        assert!(Expect::Ok(128).accepts(200, 128));
        assert!(!Expect::Ok(128).accepts(200, 127));
        assert!(!Expect::Ok(128).accepts(502, 128));
        assert!(!Expect::Unauthorized.accepts(200, 0));
        assert!(Expect::Limited.accepts(429, 0) && !Expect::Limited.accepts(503, 0));
    }

    #[test]
    fn sources_are_loopback_and_shared_as_said() {
        assert_eq!(source(0, 4), source(3, 4));
        assert_ne!(source(3, 4), source(4, 4));
        assert!((0..20_000).all(|index| source(index, 1).is_loopback()));
    }
}
