//! What else may be called, what may not, and on which ports.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;
use portcullis_core::address::meant;

/// What of the public Internet is called, and what beside it. The default is the public Internet on the usual
/// ports of the web.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Called although it is not public. Where a name stands here, its addresses are not asked to be public.
    pub allow: Vec<Place>,
    /// Never called, not even where `allow` names it.
    pub deny: Vec<Place>,
    /// On which ports.
    pub ports: Ports,
}

impl Rules {
    pub(crate) fn allows_name(&self, name: &str) -> bool {
        self.allow.iter().any(|place| place.is_named(name))
    }

    pub(crate) fn allows_address(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|place| place.holds(address))
    }

    pub(crate) fn denies_name(&self, name: &str) -> bool {
        self.deny.iter().any(|place| place.is_named(name))
    }

    pub(crate) fn denies_address(&self, address: IpAddr) -> bool {
        self.deny.iter().any(|place| place.holds(address))
    }
}

/// A part of the network: `10.1.0.0/16`, `192.0.2.7`, `hooks.example.com`, or `*.example.com` for every name
/// under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Addresses.
    Net(IpNet),
    /// One name, in lower case.
    Name(Box<str>),
    /// Every name under this one, in lower case and with a dot before it.
    Under(Box<str>),
}

/// A text that is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither an address, nor a prefix, nor a host name")]
pub struct NotAPlace;

impl Place {
    /// Whether it names this host (in lower case).
    pub fn is_named(&self, name: &str) -> bool {
        match self {
            Place::Net(_) => false,
            Place::Name(own) => **own == *name,
            Place::Under(suffix) => name.ends_with(&**suffix) && name.len() > suffix.len(),
        }
    }

    /// Whether it holds this address, or the IPv4 address that it stands for (IPv4-mapped, NAT64).
    pub fn holds(&self, address: IpAddr) -> bool {
        match self {
            Place::Net(net) => net.contains(&meant(address)) || net.contains(&address),
            Place::Name(_) | Place::Under(_) => false,
        }
    }
}

impl FromStr for Place {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Place::Net(net.trunc()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Place::Net(address.into()));
        }
        let name = text.to_ascii_lowercase();
        let (under, bare) = match name.strip_prefix("*.") {
            Some(bare) => (true, bare),
            None => (false, &*name),
        };
        let label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        // What ends in a number is an address that somebody mistyped.
        let numeric =
            bare.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if numeric || !bare.split('.').all(label) {
            return Err(NotAPlace);
        }
        Ok(if under { Place::Under(format!(".{bare}").into()) } else { Place::Name(bare.into()) })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Net(net) => net.fmt(f),
            Place::Name(name) => f.write_str(name),
            Place::Under(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// Ports that are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

/// A text that names no ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a port nor a range of ports")]
pub struct NotPorts;

impl Ports {
    /// These ranges, and no other port.
    pub fn new(ranges: Vec<RangeInclusive<u16>>) -> Self {
        Self(ranges)
    }

    /// A range as written: `443` or `8000-8999`.
    pub fn range(text: &str) -> Result<RangeInclusive<u16>, NotPorts> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port != 0);
        match (port(from), port(to)) {
            (Some(from), Some(to)) if from <= to => Ok(from..=to),
            _ => Err(NotPorts),
        }
    }

    /// Whether it is called.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }
}

/// Those of the web: 80 and 443, and where services that are no service of the machine itself listen,
/// 8080 and 8443.
impl Default for Ports {
    fn default() -> Self {
        Self([80, 443, 8080, 8443].map(|port| port..=port).to_vec())
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            if range.start() == range.end() {
                write!(f, "{comma}{}", range.start())?;
            } else {
                write!(f, "{comma}{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for text in
            ["10.0.0.0/8", "fd00::/8", "192.0.2.7/32", "hooks.example.com", "*.example.com", "intranet"]
        {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        assert_eq!("10.1.2.3/8".parse::<Place>().unwrap().to_string(), "10.0.0.0/8");
        for text in
            ["", "*", "*.", "a..b", ".a", "10.0.0", "10.0.0.0/33", "a b", "http://a", "a:80", "1.2.3.4.5"]
        {
            assert_eq!(text.parse::<Place>(), Err(NotAPlace), "{text}");
        }
    }

    #[test]
    fn names_and_addresses_are_found_in_their_places() {
        let under: Place = "*.Example.com".parse().unwrap();
        assert!(under.is_named("a.example.com") && under.is_named("b.a.example.com"));
        assert!(!under.is_named("example.com") && !under.is_named("badexample.com"));
        let name: Place = "example.com".parse().unwrap();
        assert!(name.is_named("example.com") && !name.is_named("a.example.com"));
        let net: Place = "10.0.0.0/8".parse().unwrap();
        assert!(net.holds("10.1.2.3".parse().unwrap()) && net.holds("::ffff:10.1.2.3".parse().unwrap()));
        assert!(net.holds("64:ff9b::10.1.2.3".parse().unwrap()), "by another way to the same place");
        assert!(!net.holds("11.0.0.0".parse().unwrap()) && !net.is_named("10.1.2.3"));
    }

    #[test]
    fn ports_are_those_named() {
        assert_eq!(Ports::range("443"), Ok(443..=443));
        assert_eq!(Ports::range("8000-8999"), Ok(8000..=8999));
        for text in ["", "0", "65536", "9-8", "-1", "80-", "http"] {
            assert_eq!(Ports::range(text), Err(NotPorts), "{text}");
        }
        let ports = Ports::new(vec![443..=443, 8000..=8999]);
        assert!(ports.contains(443) && ports.contains(8000) && ports.contains(8999) && !ports.contains(80));
        assert_eq!(ports.to_string(), "443, 8000-8999");
        assert!(
            Ports::default().contains(80)
                && !Ports::default().contains(22)
                && !Ports::default().contains(6379)
        );
    }
}
