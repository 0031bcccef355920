//! What proxies write about the hops before them: `X-Forwarded-For`, `X-Forwarded-Proto`, `Forwarded`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

use portcullis_core::client::canonical;
use portcullis_core::{Denial, Head};

/// One hop, as the next one saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hop {
    /// Its address; `None` where what stands there is none.
    pub(super) address: Option<IpAddr>,
    /// Whether it came over TLS; `None` where nothing is said.
    pub(super) secure: Option<bool>,
}

/// Where following the hops has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walk {
    /// The last address that was an address.
    pub(super) address: IpAddr,
    /// Entries read.
    pub(super) hops: usize,
    /// What the last entry said about TLS.
    pub(super) secure: Option<bool>,
}

/// The entries of all `X-Forwarded-For` lines, from the right. Empty ones are none (RFC 9110 section 5.6.1).
pub(super) fn x_forwarded_for<'a>(head: &Head<'a>) -> impl Iterator<Item = Hop> + use<'a> {
    entries(head, "x-forwarded-for").map(|entry| Hop { address: address(entry), secure: None })
}

/// What `X-Forwarded-Proto` says about the hop `hops` entries from the right. A single value is for the way to
/// the first proxy, which is what inner ones pass on; a list that is too short must agree.
pub(super) fn x_forwarded_proto(head: &Head<'_>, hops: usize) -> Option<bool> {
    const NAME: &str = "x-forwarded-proto";
    let count = entries(head, NAME).count();
    if count >= hops {
        // One value, or one for each hop.
        let from_right = if count == 1 { 0 } else { hops.saturating_sub(1) };
        return entries(head, NAME).nth(from_right).map(is_secure);
    }
    (count > 0).then(|| entries(head, NAME).all(is_secure))
}

/// The elements of all `Forwarded` lines, from the right.
pub(super) fn forwarded(head: &Head<'_>) -> impl Iterator<Item = Result<Hop, Denial>> {
    lines(head, "forwarded").flat_map(|line| {
        let (hops, error) = match elements(line) {
            Some(hops) => (hops, None),
            None => (Vec::new(), Some(Err(Denial::Malformed("forwarded-syntax")))),
        };
        hops.into_iter().rev().map(Ok).chain(error)
    })
}

/// An address as proxies write it: bare, with a port, IPv6 in brackets or not.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let address = if let Some(inner) = text.strip_prefix('[') {
        let (inner, port) = inner.split_once(']')?;
        if !port.is_empty() {
            port_number(port.strip_prefix(':')?)?;
        }
        IpAddr::V6(inner.parse::<Ipv6Addr>().ok()?)
    } else if let Ok(address) = text.parse::<IpAddr>() {
        address
    } else {
        IpAddr::V4(text.parse::<SocketAddrV4>().map(|socket| *socket.ip()).ok()?)
    };
    Some(canonical(address))
}

/// The lines of a field, the last first.
fn lines<'a>(head: &Head<'a>, name: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    head.fields
        .iter()
        .rev()
        .filter(move |field| field.name.eq_ignore_ascii_case(name))
        .map(|field| field.value)
}

/// The entries of a list without quotes, from the right.
fn entries<'a>(head: &Head<'a>, name: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    lines(head, name)
        .flat_map(|line| line.rsplit(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|entry| !entry.is_empty())
}

fn is_secure(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"https") || scheme.eq_ignore_ascii_case(b"wss")
}

/// RFC 7239 section 6: a port is a number, or hidden (`_name`).
fn port_number(port: &str) -> Option<()> {
    let number = !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    (number || is_obfuscated(port)).then_some(())
}

fn is_obfuscated(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.strip_prefix('_').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(known))
}

/// The elements of one `Forwarded` line; `None` where it is not of the grammar of RFC 7239 section 4.
fn elements(line: &[u8]) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    let mut cursor = Cursor { left: line };
    loop {
        let mut element = Element::default();
        loop {
            cursor.blanks();
            // Empty pairs and empty elements are allowed by the list rules.
            if !matches!(cursor.left.first(), None | Some(b',' | b';')) {
                element.add(cursor.pair()?)?;
                cursor.blanks();
            }
            if !cursor.take(b';') {
                break;
            }
        }
        if element.pairs > 0 {
            hops.push(Hop { address: element.address, secure: element.secure });
        }
        if !cursor.take(b',') {
            return cursor.left.is_empty().then_some(hops);
        }
    }
}

#[derive(Default)]
struct Element {
    pairs: usize,
    named: bool,
    address: Option<IpAddr>,
    secure: Option<bool>,
}

impl Element {
    /// A parameter stands once in an element: `None` where it does not.
    fn add(&mut self, (name, value): (&[u8], Vec<u8>)) -> Option<()> {
        self.pairs += 1;
        let repeated = if name.eq_ignore_ascii_case(b"for") {
            self.address = node(&value);
            std::mem::replace(&mut self.named, true)
        } else if name.eq_ignore_ascii_case(b"proto") {
            self.secure.replace(is_secure(&value)).is_some()
        } else {
            false
        };
        (!repeated).then_some(())
    }
}

/// A node (RFC 7239 section 6): IPv6 stands in brackets, any address may have a port.
fn node(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?;
    if text.starts_with('[') {
        return address(value);
    }
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    if let Some(port) = port {
        port_number(port)?;
    }
    name.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

struct Cursor<'a> {
    left: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn blanks(&mut self) {
        let count = self.left.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.left = &self.left[count..];
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.left.first() == Some(&byte);
        self.left = &self.left[usize::from(found)..];
        found
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        let count = self.left.iter().take_while(|byte| is_token(**byte)).count();
        let (token, left) = self.left.split_at(count);
        self.left = left;
        (count > 0).then_some(token)
    }

    fn pair(&mut self) -> Option<(&'a [u8], Vec<u8>)> {
        let name = self.token()?;
        if !self.take(b'=') {
            return None;
        }
        if !self.take(b'"') {
            // The grammar wants quotes around a colon and brackets; proxies leave them out.
            let count = self.left.iter().take_while(|byte| is_token(**byte) || b":[]".contains(byte)).count();
            let (value, left) = self.left.split_at(count);
            self.left = left;
            return (count > 0).then(|| (name, value.to_vec()));
        }
        let mut value = Vec::new();
        loop {
            let (&byte, left) = self.left.split_first()?;
            self.left = left;
            match byte {
                b'"' => return Some((name, value)),
                b'\\' => {
                    let (&escaped, left) = self.left.split_first()?;
                    self.left = left;
                    value.push(escaped);
                }
                _ => value.push(byte),
            }
        }
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_proxies_write_them() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:443", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("[::ffff:192.0.2.1]:1", Some("192.0.2.1")),
            ("", None),
            ("unknown", None),
            ("192.0.2", None),
            ("192.0.2.01", None),
            ("192.0.2.1:", None),
            ("192.0.2.1:x", None),
            ("[192.0.2.1]", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]443", None),
            ("[2001:db8::1]:123456", None),
            ("fe80::1%eth0", None),
            ("0x7f.1", None),
            ("\u{ff11}92.0.2.1", None),
        ] {
            assert_eq!(address(text.as_bytes()), expected.map(|text| text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn forwarded_lines() {
        let read = |line: &str| {
            elements(line.as_bytes()).map(|hops| {
                let hop = |hop: &Hop| {
                    let address = hop.address.map_or("-".to_owned(), |address| address.to_string());
                    format!(
                        "{address}{}",
                        hop.secure.map_or("", |secure| if secure { " tls" } else { " plain" })
                    )
                };
                hops.iter().map(hop).collect::<Vec<_>>().join(", ")
            })
        };
        for (line, expected) in [
            ("", Some("")),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", Some("192.0.2.60 plain")),
            ("For=\"[2001:db8:cafe::17]:4711\"", Some("2001:db8:cafe::17")),
            ("for=192.0.2.43, for=198.51.100.17 ; PROTO=HTTPS", Some("192.0.2.43, 198.51.100.17 tls")),
            ("for=192.0.2.43:80,for=[2001:db8::1]", Some("192.0.2.43, 2001:db8::1")),
            ("for=\"192.0.2.43:_port\"", Some("192.0.2.43")),
            ("for=unknown, for=_hidden, for=\"_SEVKISEK\"", Some("-, -, -")),
            ("for=2001:db8::1", Some("-")),
            ("proto=https", Some("- tls")),
            (",, for=192.0.2.1;; ,", Some("192.0.2.1")),
            ("for=\"192.0.2.\\1\"", Some("192.0.2.1")),
            ("for=\"a,b;c\"; x=\"\\\"\", for=192.0.2.1", Some("-, 192.0.2.1")),
            ("for=192.0.2.1;for=192.0.2.2", None),
            ("proto=http;proto=https", None),
            ("for=\"192.0.2.1", None),
            ("for=\"192.0.2.1\\", None),
            ("for", None),
            ("for=", None),
            ("=192.0.2.1", None),
            ("for =192.0.2.1", None),
            ("for= 192.0.2.1", None),
            ("for=192.0.2.1 for=192.0.2.2", None),
            ("for=\"192.0.2.1\"x", None),
            ("192.0.2.1", None),
        ] {
            assert_eq!(read(line).as_deref(), expected, "{line}");
        }
    }
}
