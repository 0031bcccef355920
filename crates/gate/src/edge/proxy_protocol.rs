//! The PROXY protocol, versions 1 and 2: what a proxy in front says before the first byte of the client.
//!
//! Source: "The PROXY protocol", versions 1 & 2, by HAProxy Technologies. Sans-I/O and strict: whoever sends it
//! is a machine, and what is not exactly of the grammar is not read. Only a listener that asks for it reads it,
//! and only from trusted peers; there it is not optional, because a client could write one itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The longest header of version 1, with its line end.
pub const MAX_V1: usize = 107;
/// The longest header of version 2 that is read: 16 bytes, the longest addresses (216 bytes) and TLVs. The
/// protocol asks for 536 bytes; certificates in TLVs need more, and nobody needs more than this.
pub const MAX_V2: usize = 4096;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const START: &[u8; 6] = b"PROXY ";

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The client; `None` where the proxy does not know it, or it came over a Unix socket.
    pub source: Option<SocketAddr>,
    /// What the client connected to.
    pub destination: Option<SocketAddr>,
    /// Whether the proxy speaks for itself, as in a health check.
    pub local: bool,
}

/// Why the bytes are no header. The connection must be closed: nothing on it can be attributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// They begin otherwise.
    #[error("the connection does not begin with a PROXY header")]
    NotProxy,
    /// It is longer than [`MAX_V1`] or [`MAX_V2`].
    #[error("the PROXY header is too long")]
    TooLong,
    /// A line of version 1 that is not of the grammar.
    #[error("the PROXY line is malformed")]
    Line,
    /// A version, command, family or transport that is not known here.
    #[error("the PROXY header is of a kind that is not supported")]
    Unsupported,
    /// Version 2 with lengths that contradict each other.
    #[error("the lengths in the PROXY header do not fit")]
    Length,
}

/// Reads a header from the first bytes of a connection: what it says, and how many bytes it has. `None`: it is
/// not whole yet.
pub fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Error> {
    if begins(bytes, SIGNATURE) {
        parse_v2(bytes)
    } else if begins(bytes, START) {
        parse_v1(bytes)
    } else {
        Err(Error::NotProxy)
    }
}

/// Whether `bytes` begin with `start`, as far as they go.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    let known = bytes.len().min(start.len());
    bytes[..known] == start[..known]
}

fn parse_v1(bytes: &[u8]) -> Result<Option<(Header, usize)>, Error> {
    let window = &bytes[..bytes.len().min(MAX_V1)];
    let Some(end) = window.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if bytes.len() < MAX_V1 { Ok(None) } else { Err(Error::TooLong) };
    };
    match &window[end..] {
        [b'\r', b'\n', ..] => {}
        [b'\r'] if bytes.len() < MAX_V1 => return Ok(None),
        _ => return Err(Error::Line),
    }
    let line =
        std::str::from_utf8(window.get(START.len()..end).ok_or(Error::Line)?).map_err(|_| Error::Line)?;
    let header = if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        // What follows must be ignored (section 2.1).
        Header { source: None, destination: None, local: false }
    } else if let Some(rest) = line.strip_prefix("TCP4 ") {
        parse_line::<Ipv4Addr>(rest)?
    } else if let Some(rest) = line.strip_prefix("TCP6 ") {
        parse_line::<Ipv6Addr>(rest)?
    } else {
        return Err(Error::Line);
    };
    Ok(Some((header, end + 2)))
}

fn parse_line<Address: FromStr + Into<IpAddr>>(rest: &str) -> Result<Header, Error> {
    let mut words = rest.split(' ');
    let mut next = || words.next().ok_or(Error::Line);
    let [source, destination, from, to] = [next()?, next()?, next()?, next()?];
    if words.next().is_some() {
        return Err(Error::Line);
    }
    let address = |text: &str| text.parse::<Address>().map(Into::into).map_err(|_| Error::Line);
    Ok(Header {
        source: Some(SocketAddr::new(address(source)?, port(from)?)),
        destination: Some(SocketAddr::new(address(destination)?, port(to)?)),
        local: false,
    })
}

/// A decimal number without sign or leading zeros.
fn port(text: &str) -> Result<u16, Error> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or(Error::Line)
}

fn parse_v2(bytes: &[u8]) -> Result<Option<(Header, usize)>, Error> {
    let Some((fixed, left)) = bytes.split_first_chunk::<16>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let local = match fixed[12] {
        0x20 => true,
        0x21 => false,
        _ => return Err(Error::Unsupported),
    };
    if fixed.len() + length > MAX_V2 {
        return Err(Error::TooLong);
    }
    // What is wrong with the kind is known before the rest has come.
    let addresses = match fixed[13] {
        // The proxy's own connection: the addresses must be ignored (section 2.2).
        _ if local => 0,
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        _ => return Err(Error::Unsupported),
    };
    if length < addresses {
        return Err(Error::Length);
    }
    let Some(body) = left.get(..length) else { return Ok(None) };
    let (addresses, extensions) = body.split_at(addresses);
    if !local && fixed[13] != 0 {
        skip_extensions(extensions)?;
    }
    let (source, destination) = pair(addresses).unzip();
    Ok(Some((Header { source, destination, local }, fixed.len() + length)))
}

/// Type-length-values; their contents are of no use here, their lengths must fit.
fn skip_extensions(mut left: &[u8]) -> Result<(), Error> {
    while !left.is_empty() {
        let [_, high, low, rest @ ..] = left else { return Err(Error::Length) };
        left = rest.get(usize::from(u16::from_be_bytes([*high, *low]))..).ok_or(Error::Length)?;
    }
    Ok(())
}

/// Source and destination of the families that have addresses; `None` for the others.
fn pair(addresses: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    match addresses.len() {
        12 => {
            let (source, rest) = addresses.split_first_chunk::<4>()?;
            let (destination, ports) = rest.split_first_chunk::<4>()?;
            with_ports((*source).into(), (*destination).into(), ports)
        }
        36 => {
            let (source, rest) = addresses.split_first_chunk::<16>()?;
            let (destination, ports) = rest.split_first_chunk::<16>()?;
            with_ports((*source).into(), (*destination).into(), ports)
        }
        _ => None,
    }
}

fn with_ports(source: IpAddr, destination: IpAddr, ports: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let [a, b, c, d] = ports else { return None };
    let [from, to] = [u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])];
    Some((SocketAddr::new(source, from), SocketAddr::new(destination, to)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2(command: u8, kind: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend_from_slice(&[command, kind]);
        bytes.extend_from_slice(&(body.len() as u16).to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    fn says(bytes: &[u8]) -> Result<Option<String>, Error> {
        parse(bytes).map(|found| {
            found.map(|(header, consumed)| {
                let address =
                    |address: Option<SocketAddr>| address.map_or("-".to_owned(), |one| one.to_string());
                let local = if header.local { " local" } else { "" };
                format!("{} {}{local} {consumed}", address(header.source), address(header.destination))
            })
        })
    }

    #[test]
    fn version_1() {
        for (line, expected) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nGET /", "192.0.2.1:56324 198.51.100.1:443 45"),
            ("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", "255.255.255.255:65535 0.0.0.0:0 44"),
            ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "[2001:db8::1]:1 [::1]:2 32"),
            ("PROXY UNKNOWN\r\n", "- - 15"),
            ("PROXY UNKNOWN ffff::1 whatever it says\r\nx", "- - 40"),
        ] {
            assert_eq!(says(line.as_bytes()), Ok(Some(expected.to_owned())), "{line}");
        }
        for line in [
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 \r\n",
            "PROXY TCP4  192.0.2.1 198.51.100.1 56324 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\rX",
            "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +1 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 01 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1  443\r\n",
            "PROXY TCP4 192.0.2.01 198.51.100.1 1 443\r\n",
            "PROXY TCP4 ::1 ::1 1 443\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.1 1 443\r\n",
            "PROXY TCP6 fe80::1%lo ::1 1 443\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.1 1 443\r\n",
            "PROXY tcp4 192.0.2.1 198.51.100.1 1 443\r\n",
            "PROXY UNKNOWNX\r\n",
            "PROXY \r\n",
            "PROXY UNKNOWN \u{e9}\r\n\n".trim_end_matches('\n').trim_end_matches('\r'),
        ] {
            let outcome = parse(line.as_bytes());
            assert!(matches!(outcome, Err(Error::Line) | Ok(None)), "{line}: {outcome:?}");
            if line.contains('\n') {
                assert_eq!(outcome, Err(Error::Line), "{line}");
            }
        }
        assert_eq!(parse(b"GET / HTTP/1.1\r\n"), Err(Error::NotProxy));
        assert_eq!(parse(b"PROXX"), Err(Error::NotProxy));
        assert_eq!(parse(b"proxy TCP4"), Err(Error::NotProxy));
        let long = format!("PROXY UNKNOWN {}", "x".repeat(200));
        assert_eq!(parse(long.as_bytes()), Err(Error::TooLong));
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_V1 - 16));
        assert_eq!(says(longest.as_bytes()), Ok(Some("- - 107".to_owned())));
        let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_V1 - 15));
        assert!(parse(longer.as_bytes()).is_err());
    }

    #[test]
    fn version_2() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 4, 1, 187];
        let with = |tail: &[u8]| [&v4[..], tail].concat();
        for (bytes, expected) in [
            (v2(0x21, 0x11, &v4), "192.0.2.1:56324 198.51.100.1:443 28"),
            (v2(0x21, 0x11, &with(&[4, 0, 2, 9, 9, 5, 0, 0])), "192.0.2.1:56324 198.51.100.1:443 36"),
            (v2(0x21, 0x21, &[0; 36]), "[::]:0 [::]:0 52"),
            (v2(0x21, 0x31, &[b'/'; 216]), "- - 232"),
            (v2(0x21, 0x00, &[1, 2, 3]), "- - 19"),
            (v2(0x20, 0x00, &[]), "- - local 16"),
            (v2(0x20, 0x11, &v4), "- - local 28"),
            (v2(0x20, 0xff, &[1]), "- - local 17"),
        ] {
            assert_eq!(says(&bytes), Ok(Some(expected.to_owned())));
        }
        for (bytes, error) in [
            (v2(0x22, 0x11, &v4), Error::Unsupported),
            (v2(0x11, 0x11, &v4), Error::Unsupported),
            (v2(0x21, 0x12, &v4), Error::Unsupported),
            (v2(0x21, 0x41, &v4), Error::Unsupported),
            (v2(0x21, 0x10, &v4), Error::Unsupported),
            (v2(0x21, 0x11, &v4[..11]), Error::Length),
            (v2(0x21, 0x21, &v4), Error::Length),
            (v2(0x21, 0x31, &[0; 215]), Error::Length),
            (v2(0x21, 0x11, &with(&[4, 0])), Error::Length),
            (v2(0x21, 0x11, &with(&[4, 0, 2, 9])), Error::Length),
            (v2(0x20, 0x00, &[0; MAX_V2 - 15]), Error::TooLong),
        ] {
            assert_eq!(parse(&bytes), Err(error));
        }
        assert!(parse(&v2(0x20, 0x00, &[0; MAX_V2 - 16])).is_ok_and(|found| found.is_some()));
    }

    fn headers() -> impl Strategy<Value = (Vec<u8>, Header)> {
        let ports = (any::<u16>(), any::<u16>());
        let v4 = (any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b)));
        let v6 = (any::<[u8; 16]>(), any::<[u8; 16]>()).prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b)));
        let extensions =
            prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..4);
        (prop_oneof![v4, v6], ports, prop::option::of(extensions)).prop_map(
            |((from, to), (from_port, to_port), v2_extensions)| {
                let [source, destination] = [SocketAddr::new(from, from_port), SocketAddr::new(to, to_port)];
                let header = Header { source: Some(source), destination: Some(destination), local: false };
                let Some(extensions) = v2_extensions else {
                    let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
                    return (
                        format!("PROXY {family} {from} {to} {from_port} {to_port}\r\n").into_bytes(),
                        header,
                    );
                };
                let mut body = Vec::new();
                for address in [from, to] {
                    match address {
                        IpAddr::V4(v4) => body.extend_from_slice(&v4.octets()),
                        IpAddr::V6(v6) => body.extend_from_slice(&v6.octets()),
                    }
                }
                body.extend_from_slice(&from_port.to_be_bytes());
                body.extend_from_slice(&to_port.to_be_bytes());
                for (kind, value) in extensions {
                    body.push(kind);
                    body.extend_from_slice(&(value.len() as u16).to_be_bytes());
                    body.extend_from_slice(&value);
                }
                (v2(0x21, if from.is_ipv4() { 0x11 } else { 0x21 }, &body), header)
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read((bytes, header) in headers(), tail in prop::collection::vec(any::<u8>(), 0..20)) {
            let whole = [&bytes[..], &tail].concat();
            prop_assert_eq!(parse(&whole), Ok(Some((header, bytes.len()))));
        }

        /// However the bytes arrive: nothing is decided before the header is whole.
        #[test]
        fn a_part_is_waited_for((bytes, _) in headers(), at in any::<prop::sample::Index>()) {
            prop_assert_eq!(parse(&bytes[..at.index(bytes.len())]), Ok(None));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), start in 0..3_usize) {
            let start: &[u8] = [&b""[..], START, SIGNATURE][start];
            let bytes = [start, &bytes].concat();
            if let Ok(Some((_, consumed))) = parse(&bytes) {
                prop_assert!(consumed <= bytes.len() && consumed <= MAX_V2);
            }
        }
    }
}
