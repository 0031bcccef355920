//! Who stands at the door: the client's address behind trusted proxies, and the prefix it counts under.

use std::net::{IpAddr, Ipv6Addr};

/// The address a request came from, after forwarding by trusted proxies was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// The client itself; the same as `peer` where no trusted proxy stands between.
    pub address: IpAddr,
    /// Whether the client reached the first trusted proxy, or us, over TLS.
    pub secure: bool,
}

impl Client {
    /// A client that connected without a proxy.
    pub fn direct(peer: IpAddr, secure: bool) -> Self {
        let peer = canonical(peer);
        Self { peer, address: peer, secure }
    }

    /// What limits count under: an IPv4 address whole, an IPv6 address by its /64, since one customer
    /// commonly holds all of it.
    pub fn prefix(&self) -> IpAddr {
        prefix(self.address)
    }
}

/// The address with IPv4-mapped IPv6 (`::ffff:a.b.c.d`) turned back into IPv4, so that one client is one
/// address on every kind of socket.
pub fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The prefix an address counts under: IPv4 whole, IPv6 by /64.
pub fn prefix(address: IpAddr) -> IpAddr {
    match canonical(address) {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_is_one_prefix() {
        let of = |text: &str| prefix(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
