//! The one table of special-use addresses: which addresses belong to the public Internet, and what the others
//! are.
//!
//! The ranges are those of the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, as updated; read
//! in 2026), with multicast (RFC 5771, RFC 4291), what was deprecated and is still routed by somebody (site-local,
//! 6to4, IPv4-compatible, IPv4-translated), and the addresses at which clouds tell machines their secrets.
//!
//! A range is refused here even where its registry says "globally reachable" (AS112, AMT, the anycast addresses
//! of PCP and TURN): what answers there stands in the caller's own network or is nobody's server. Of IPv6,
//! whatever is not global unicast (`2000::/3`) is not public, listed or not: what IANA has not given out yet is
//! nobody's either.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether the address belongs to the public Internet: none of the table, and no IPv6 form of one that is.
pub fn is_public(address: IpAddr) -> bool {
    special(address).is_none()
}

/// What is special about an address; nothing where it is public. An IPv6 address that carries an IPv4 address
/// to which it may lead is judged by that one.
pub fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

/// The address that is meant: of an IPv6 address that stands for an IPv4 address, that one; else the address itself.
pub fn meant(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => carried(v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Why an address is not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Special {
    /// What sort of address it is.
    pub kind: Kind,
    /// What the registry calls its range, or how it came to be one.
    pub name: &'static str,
}

/// Sorts of addresses that are not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// This machine.
    Loopback,
    /// No address at all, which systems take for this machine.
    Unspecified,
    /// This link.
    LinkLocal,
    /// Where a cloud tells a machine who it is, its secrets among it.
    Metadata,
    /// A private network: 10.0.0.0/8, 172.16.0.0/12, and the unique local addresses of IPv6.
    PrivateNetwork,
    /// The small private range of homes and offices, 192.168.0.0/16.
    SmallNetwork,
    /// Between a provider and its customers: 100.64.0.0/10.
    Shared,
    /// Many at once.
    Multicast,
    /// Everybody.
    Broadcast,
    /// For examples in documents.
    Documentation,
    /// For measuring devices.
    Benchmarking,
    /// For protocols between machines of a network, never for a server.
    Protocol,
    /// An IPv6 form that leads to some IPv4 address by a relay or a translator of the local network.
    Translated,
    /// Not given out.
    Reserved,
}

impl Kind {
    /// The word for people and logs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Loopback => "loopback",
            Kind::Unspecified => "unspecified",
            Kind::LinkLocal => "link-local",
            Kind::Metadata => "cloud metadata",
            Kind::PrivateNetwork | Kind::SmallNetwork => "private",
            Kind::Shared => "shared",
            Kind::Multicast => "multicast",
            Kind::Broadcast => "broadcast",
            Kind::Documentation => "documentation",
            Kind::Benchmarking => "benchmarking",
            Kind::Protocol => "protocol",
            Kind::Translated => "translated",
            Kind::Reserved => "reserved",
        }
    }
}

/// A range of IPv4: its first address, its prefix length, and what it is.
type V4 = ([u8; 4], u32, Kind, &'static str);

/// The narrower range stands before the wider one that holds it.
#[rustfmt::skip]
const IPV4: &[V4] = &[
    ([169, 254, 169, 254], 32, Kind::Metadata, "metadata of most clouds"),
    ([169, 254, 170, 2], 32, Kind::Metadata, "credentials of ECS tasks"),
    ([169, 254, 170, 23], 32, Kind::Metadata, "credentials of EKS pods"),
    ([100, 100, 100, 200], 32, Kind::Metadata, "metadata of Alibaba Cloud"),
    ([192, 0, 0, 192], 32, Kind::Metadata, "metadata of Oracle Cloud"),
    // Public by its number, and the same machine-local service in every Azure network.
    ([168, 63, 129, 16], 32, Kind::Metadata, "wire server of Azure"),
    ([0, 0, 0, 0], 32, Kind::Unspecified, "this host on this network"),       // RFC 1122
    ([0, 0, 0, 0], 8, Kind::Unspecified, "this network"),                     // RFC 791
    ([10, 0, 0, 0], 8, Kind::PrivateNetwork, "private use"),                  // RFC 1918
    ([100, 64, 0, 0], 10, Kind::Shared, "shared address space"),              // RFC 6598
    ([127, 0, 0, 0], 8, Kind::Loopback, "loopback"),                          // RFC 1122
    ([169, 254, 0, 0], 16, Kind::LinkLocal, "link local"),                    // RFC 3927
    ([172, 16, 0, 0], 12, Kind::PrivateNetwork, "private use"),               // RFC 1918
    // With it the service continuity prefix, the dummy address, the anycast addresses of PCP and TURN, and the
    // discovery of NAT64 (RFC 7335, 7600, 7723, 8155, 7050).
    ([192, 0, 0, 0], 24, Kind::Protocol, "IETF protocol assignments"),        // RFC 6890
    ([192, 0, 2, 0], 24, Kind::Documentation, "TEST-NET-1"),                  // RFC 5737
    ([192, 31, 196, 0], 24, Kind::Protocol, "AS112"),                         // RFC 7535
    ([192, 52, 193, 0], 24, Kind::Protocol, "AMT"),                           // RFC 7450
    ([192, 88, 99, 0], 24, Kind::Translated, "6to4 relay anycast"),           // RFC 7526
    ([192, 168, 0, 0], 16, Kind::SmallNetwork, "private use"),                // RFC 1918
    ([192, 175, 48, 0], 24, Kind::Protocol, "direct delegation AS112"),       // RFC 7534
    ([198, 18, 0, 0], 15, Kind::Benchmarking, "benchmarking"),                // RFC 2544
    ([198, 51, 100, 0], 24, Kind::Documentation, "TEST-NET-2"),               // RFC 5737
    ([203, 0, 113, 0], 24, Kind::Documentation, "TEST-NET-3"),                // RFC 5737
    ([224, 0, 0, 0], 4, Kind::Multicast, "multicast"),                        // RFC 5771
    ([255, 255, 255, 255], 32, Kind::Broadcast, "limited broadcast"),         // RFC 919
    ([240, 0, 0, 0], 4, Kind::Reserved, "reserved"),                          // RFC 1112
];

/// A range of IPv6: its first address, its prefix length, and what it is.
type V6 = ([u16; 8], u32, Kind, &'static str);

/// What is judged by the IPv4 address in it stands in [`carried`], not here.
#[rustfmt::skip]
const IPV6: &[V6] = &[
    ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128, Kind::Metadata, "metadata of AWS"),
    ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23], 128, Kind::Metadata, "credentials of EKS pods"),
    ([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128, Kind::Metadata, "metadata of Google Cloud"),
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, Kind::Unspecified, "unspecified"),        // RFC 4291
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, Kind::Loopback, "loopback"),              // RFC 4291
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, Kind::Translated, "IPv4-compatible"),      // RFC 4291, deprecated
    ([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, Kind::Translated, "IPv4-translated"), // RFC 2765, deprecated
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, Kind::Translated, "local NAT64"),  // RFC 8215
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, Kind::Protocol, "discard-only"),       // RFC 6666
    ([0x100, 0, 0, 1, 0, 0, 0, 0], 64, Kind::Protocol, "dummy prefix"),       // RFC 9780
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, Kind::Translated, "Teredo"),          // RFC 4380
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, Kind::Benchmarking, "benchmarking"),  // RFC 5180
    // With it the anycast addresses of PCP, TURN and DNS-SD, AMT, AS112, ORCHID, ORCHIDv2 and DRIP (RFC 7723,
    // 8155, 9665, 7450, 7535, 4843, 7343, 9374).
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, Kind::Protocol, "IETF protocol assignments"), // RFC 2928
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, Kind::Documentation, "documentation"),    // RFC 3849
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, Kind::Translated, "6to4"),            // RFC 3056
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, Kind::Protocol, "direct delegation AS112"), // RFC 7534
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, Kind::Documentation, "documentation"), // RFC 9637
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, Kind::Protocol, "segment routing"),   // RFC 9602
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Kind::PrivateNetwork, "unique local"), // RFC 4193
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, Kind::LinkLocal, "link local"),       // RFC 4291
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, Kind::LinkLocal, "site local"),       // RFC 3879, deprecated
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Kind::Multicast, "multicast"),         // RFC 4291
];

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    let bits = address.to_bits();
    IPV4.iter()
        .find(|(first, length, ..)| (bits ^ u32::from_be_bytes(*first)).leading_zeros() >= *length)
        .map(|(.., kind, name)| Special { kind: *kind, name })
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    if let Some(inner) = carried(address) {
        return special_v4(inner);
    }
    let bits = address.to_bits();
    let listed = IPV6
        .iter()
        .find(|(first, length, ..)| (bits ^ Ipv6Addr::from(*first).to_bits()).leading_zeros() >= *length)
        .map(|(.., kind, name)| Special { kind: *kind, name });
    let global_unicast = bits >> 125 == 1;
    listed.or_else(|| (!global_unicast).then_some(Special { kind: Kind::Reserved, name: "not given out" }))
}

/// The IPv4 address that an IPv6 address stands for: IPv4-mapped (RFC 4291 section 2.5.5.2), which a socket
/// takes for IPv4, and the well-known prefix of NAT64 (RFC 6052), which is how names without IPv6 resolve in a
/// network that has nothing else.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let [.., high, low] = segments;
    let inner = Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    let mapped = segments[..6] == [0, 0, 0, 0, 0, 0xffff];
    let nat64 = segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    (mapped || nat64).then_some(inner)
}

#[cfg(test)]
mod tests;
