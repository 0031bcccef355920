//! The key a limit counts under: a keyed 128-bit hash of the rule and of what it counts by.

use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::client;

/// What a key is made of, beside the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPart<'a> {
    /// A client's address: IPv4 whole, IPv6 by /64, IPv4-mapped as IPv4.
    Address(IpAddr),
    /// The network around an address, for the allowance that newcomers share when the table is full:
    /// IPv4 by /16, IPv6 by /32, which is what registries hand to one provider.
    Network(IpAddr),
    /// A name: a user, a credential, a route.
    Text(&'a str),
    /// Octets, for what must not be kept itself, like a credential as presented.
    Octets(&'a [u8]),
}

/// A 128-bit SipHash-1-3 of a rule and its parts. The seed is drawn at random when the process starts, so
/// nobody outside can choose keys that meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitKey {
    /// Where the key lives.
    pub(super) place: u64,
    /// How it is recognised there.
    pub(super) tag: u64,
}

impl LimitKey {
    /// The key of `parts` under `rule`. Different rules never share a key; without parts it is the key of
    /// everybody together.
    pub fn new(seed: [u64; 2], rule: u64, parts: &[KeyPart<'_>]) -> Self {
        let mut hasher = SipHasher13::new_with_keys(seed[0], seed[1]);
        hasher.write_u64(rule);
        for part in parts {
            part.feed(&mut hasher);
        }
        let hash = hasher.finish128();
        Self { place: hash.h1, tag: hash.h2 }
    }

    /// Its place among `places`, each as likely as the others.
    pub(super) fn index(self, places: usize) -> usize {
        ((u128::from(self.place) * places as u128) >> 64) as usize
    }
}

impl KeyPart<'_> {
    /// Every part begins with its kind and has a length that is fixed or written, so that no two lists of
    /// parts feed the same octets.
    fn feed(&self, hasher: &mut SipHasher13) {
        match *self {
            KeyPart::Address(address) => match client::prefix(address) {
                IpAddr::V4(v4) => hasher.write_u64(1 << 32 | u64::from(u32::from(v4))),
                IpAddr::V6(v6) => {
                    hasher.write_u64(2);
                    hasher.write_u64((u128::from(v6) >> 64) as u64);
                }
            },
            KeyPart::Network(address) => {
                let network = match network(address) {
                    IpAddr::V4(v4) => 3 << 32 | u64::from(u32::from(v4)),
                    IpAddr::V6(v6) => 4 << 32 | (u128::from(v6) >> 96) as u64,
                };
                hasher.write_u64(network);
            }
            KeyPart::Text(text) => feed_octets(hasher, 5, text.as_bytes()),
            KeyPart::Octets(octets) => feed_octets(hasher, 6, octets),
        }
    }
}

fn feed_octets(hasher: &mut SipHasher13, kind: u64, octets: &[u8]) {
    hasher.write_u64(kind << 56 | octets.len() as u64);
    hasher.write(octets);
}

/// The network an address shares an overflow allowance with.
fn network(address: IpAddr) -> IpAddr {
    match client::canonical(address) {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, 0, 0))
        }
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u64; 2] = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];

    fn address(text: &str) -> LimitKey {
        LimitKey::new(SEED, 1, &[KeyPart::Address(text.parse().unwrap())])
    }

    fn network_of(text: &str) -> LimitKey {
        LimitKey::new(SEED, 1, &[KeyPart::Network(text.parse().unwrap())])
    }

    #[test]
    fn one_client_is_one_key() {
        assert_eq!(address("2001:db8:1:2:3:4:5:6"), address("2001:db8:1:2::9"));
        assert_ne!(address("2001:db8:1:2::"), address("2001:db8:1:3::"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
    }

    #[test]
    fn one_network_is_one_key() {
        assert_eq!(network_of("192.0.2.1"), network_of("192.0.77.9"));
        assert_ne!(network_of("192.0.2.1"), network_of("192.1.2.1"));
        assert_eq!(network_of("2001:db8:1::"), network_of("2001:db8:ffff::"));
        assert_ne!(network_of("2001:db8::"), network_of("2001:db9::"));
        assert_ne!(network_of("192.0.0.0"), address("192.0.0.0"));
    }

    #[test]
    fn rules_seeds_and_parts_keep_keys_apart() {
        let of = |seed, rule, parts: &[KeyPart<'_>]| LimitKey::new(seed, rule, parts);
        let text = KeyPart::Text;
        assert_ne!(of(SEED, 1, &[]), of(SEED, 2, &[]));
        assert_ne!(of(SEED, 1, &[]), of([1, 2], 1, &[]));
        assert_ne!(of(SEED, 1, &[text("ab"), text("c")]), of(SEED, 1, &[text("a"), text("bc")]));
        assert_ne!(of(SEED, 1, &[text("")]), of(SEED, 1, &[]));
        assert_ne!(of(SEED, 1, &[text("a")]), of(SEED, 1, &[KeyPart::Octets(b"a")]));
    }
}
