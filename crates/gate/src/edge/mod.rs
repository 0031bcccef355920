//! Who stands at the door: the client's address behind trusted proxies, and what may not be said about it.
//!
//! Nothing that a client says about its own address counts. Only a peer that the configuration trusts may
//! name another, and what it names is followed from the right, the end that it wrote itself, only as far as
//! every hop is trusted too.

mod forwarded;
mod onward;
pub mod proxy_protocol;
mod spoofable;

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use portcullis_core::client::canonical;
use portcullis_core::head::Once;
use portcullis_core::{Client, Denial, Head};

use forwarded::{Hop, Walk};
pub use onward::write_forwarded;
pub use spoofable::spoofable;

/// The address a peer on a Unix socket counts as; trusted only where loopback is configured to be.
pub const UNIX_PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What the configuration says about proxies in front.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The peers that may name the client.
    pub trusted_proxies: Vec<IpNet>,
}

/// Finds the client of a request.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    trusted: Vec<IpNet>,
}

impl Edge {
    /// An edge that trusts the proxies of `config`.
    pub fn new(config: Config) -> Self {
        Self { trusted: config.trusted_proxies.into_iter().map(canonical_net).collect() }
    }

    /// Whether `address` is a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        self.trusted.iter().any(|net| net.contains(&address))
    }

    /// The client of a request that came from `peer`, over TLS that we ended or not (`secure`).
    ///
    /// From a trusted peer `X-Forwarded-For` or `Forwarded` (RFC 7239) is read from right to left over all its
    /// lines; the first address that is not trusted is the client, and if all are, the leftmost. An entry that
    /// is no address (`unknown`, `_hidden`, anything else) ends the walk, and the hop that wrote it stands for
    /// the client: what a client sends stands left of its own address, which ends the walk first, so such an
    /// entry comes from a trusted proxy, and refusing its requests would only be an outage. A `Forwarded` line
    /// that cannot be read at all is refused, because an open quote may hide what the proxy added. So are the
    /// two fields when they name different clients: most proxies write one of them and pass the other through.
    pub fn client(&self, peer: IpAddr, head: &Head<'_>, secure: bool) -> Result<Client, Denial> {
        let direct = Client::direct(peer, secure);
        if self.trusted.is_empty() || !self.trusts(peer) {
            return Ok(direct);
        }
        let listed = self.walk(direct.peer, forwarded::x_forwarded_for(head).map(Ok))?;
        let elements = self.walk(direct.peer, forwarded::forwarded(head))?;
        let found = match (&listed, &elements) {
            (Some(one), Some(two)) if one.address != two.address => {
                return Err(Denial::Malformed("forwarded-disagree"));
            }
            (Some(one), _) => one.address,
            (None, Some(two)) => two.address,
            (None, None) => real_ip(head).unwrap_or(direct.peer),
        };
        let hops = listed.as_ref().map_or(1, |walk| walk.hops);
        let said = [forwarded::x_forwarded_proto(head, hops), elements.and_then(|walk| walk.secure)];
        // Where two say it, both must: `secure` opens doors, its absence opens none.
        let secure = said.into_iter().flatten().reduce(|one, two| one && two).unwrap_or(secure);
        Ok(Client { peer: direct.peer, address: found, secure })
    }

    /// Follows hops, nearest first, as long as they are trusted. `None`: there are none.
    fn walk(
        &self,
        peer: IpAddr,
        hops: impl Iterator<Item = Result<Hop, Denial>>,
    ) -> Result<Option<Walk>, Denial> {
        let mut walk: Option<Walk> = None;
        for hop in hops {
            let hop = hop?;
            let last = walk.get_or_insert(Walk { address: peer, hops: 0, secure: None });
            last.hops += 1;
            last.secure = hop.secure;
            let Some(address) = hop.address else { break };
            last.address = address;
            if !self.trusts(address) {
                break;
            }
        }
        Ok(walk)
    }
}

/// `X-Real-IP`, which has no history: of use only where it stands alone.
fn real_ip(head: &Head<'_>) -> Option<IpAddr> {
    match head.once("x-real-ip") {
        Once::Value(value) => forwarded::address(value),
        Once::Absent | Once::Repeated => None,
    }
}

/// The net with IPv4-mapped IPv6 turned back into IPv4, as addresses are.
fn canonical_net(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let Some(address) = v6.addr().to_ipv4_mapped() else { return net };
    v6.prefix_len()
        .checked_sub(96)
        .and_then(|length| Ipv4Net::new(address, length).ok())
        .map_or(net, IpNet::V4)
}

#[cfg(test)]
mod tests;
