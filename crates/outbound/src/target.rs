//! A URL that every program reads alike.
//!
//! It is read twice: strictly, by the grammar of RFC 3986 with the names of RFC 1123, and as the WHATWG URL
//! standard does, which is what browsers and lenient libraries follow. Each forgives other mistakes (a backslash,
//! a tab, `127.1`, a fullwidth digit, two `@`), and what one forgives and another does not is how a checked URL
//! becomes another one at the moment of the call. So nothing is forgiven.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis_core::address;
use url::Url;

use crate::names;
use crate::refusal::Refusal;
use crate::rules::Place;

/// The longest URL that is taken, in bytes: what browsers and pydantic's `HttpUrl` agree on.
pub const LONGEST: usize = 2083;

/// An absolute URL of `http` or `https` that cannot be misread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    host: Host,
    port: u16,
}

/// Where it leads, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// An address.
    Address(IpAddr),
    /// A name, in lower case, without a dot at its end.
    Name(Box<str>),
}

impl Target {
    /// Reads a URL. Where it leads to what is not public in any reading, the refusal says that, even where it
    /// would have been refused for how it is written: who looks through the log sees what was meant.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        strict(text).map_err(|refusal| match refusal {
            Refusal::Ambiguous(_) => meant(text).unwrap_or(refusal),
            other => other,
        })
    }

    /// Reads the target of a `CONNECT` request (RFC 9110 section 9.3.6): a host and a port.
    pub fn of_authority(authority: &str) -> Result<Self, Refusal> {
        let port = authority.rsplit_once(':').is_some_and(|(_, port)| is_number(port));
        if !port || authority.contains(['/', '?', '#']) {
            return Err(Refusal::Malformed("a host and a port are wanted"));
        }
        Self::parse(&format!("https://{authority}/"))
    }

    /// The URL, normalised.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The port, that of the scheme where none is written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host as text: a name in lower case, or an address without brackets.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.to_string(),
        }
    }

    /// Whether it leads into a part of the network, by what is written: a name by its name, an address by itself.
    pub fn is_in(&self, place: &Place) -> bool {
        match &self.host {
            Host::Address(address) => place.holds(*address),
            Host::Name(name) => place.is_named(name),
        }
    }

    pub(crate) fn place(&self) -> &Host {
        &self.host
    }
}

fn strict(text: &str) -> Result<Target, Refusal> {
    if text.len() > LONGEST {
        return Err(Refusal::Malformed("too long"));
    }
    let (scheme, rest) = text.split_once(':').ok_or(Refusal::Malformed("without a scheme"))?;
    if text.chars().any(|it| it.is_control() || it == ' ') {
        return Err(Refusal::Ambiguous("a blank or a control character"));
    }
    let mut letters = scheme.bytes();
    let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
    if !begins || !letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
        return Err(Refusal::Malformed("without a scheme"));
    }
    let default_port = match &*scheme.to_ascii_lowercase() {
        "http" => 80,
        "https" => 443,
        _ => return Err(Refusal::Scheme),
    };
    if rest.contains('\\') {
        return Err(Refusal::Ambiguous("a backslash"));
    }
    let rest = rest.strip_prefix("//").ok_or(Refusal::Ambiguous("not two slashes after the scheme"))?;
    if !text.is_ascii() {
        return Err(Refusal::Ambiguous("characters beyond ASCII"));
    }
    check_characters(rest)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if authority.is_empty() {
        return Err(Refusal::Ambiguous("without a host"));
    }
    if authority.contains('@') {
        return Err(Refusal::Ambiguous("user information before the host"));
    }
    // Programs that know no `?` or `#` without a path before it go on reading to the `@`.
    if !tail.starts_with('/') && tail.contains('@') {
        return Err(Refusal::Ambiguous("an at sign after the host"));
    }
    let (host, port) = split_port(authority)?;
    let host = read_host(host)?;
    let port = port.unwrap_or(default_port);
    let url = Url::parse(text).map_err(|_| Refusal::Ambiguous("refused by the WHATWG standard"))?;
    if !agrees(&url, &host, port) {
        return Err(Refusal::Ambiguous("the WHATWG standard reads it otherwise"));
    }
    Ok(Target { url, host, port })
}

/// Where a lenient program would go that is not public; nothing where it would not.
fn meant(text: &str) -> Option<Refusal> {
    match Url::parse(text).ok()?.host()? {
        url::Host::Ipv4(address) => address::special(address.into()).map(Refusal::NotPublic),
        url::Host::Ipv6(address) => address::special(address.into()).map(Refusal::NotPublic),
        url::Host::Domain(name) => names::local(name.trim_end_matches('.')).map(Refusal::LocalName),
    }
}

/// Only the characters of RFC 3986 appendix A, and every `%` with its two digits.
fn check_characters(text: &str) -> Result<(), Refusal> {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let known = byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(byte);
        if !known {
            return Err(Refusal::Ambiguous("a character that is not written in URLs"));
        }
        let digits = bytes.get(at + 1..at + 3);
        if *byte == b'%' && !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(Refusal::Ambiguous("a percent sign without two hexadecimal digits"));
        }
    }
    Ok(())
}

/// The host and the port of an authority without user information.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), Refusal> {
    let after_bracket = authority.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = authority[after_bracket..].find(':') else { return Ok((authority, None)) };
    let (host, port) = authority.split_at(after_bracket + colon);
    let port = &port[1..];
    if !is_number(port) || port.starts_with('0') {
        return Err(Refusal::Ambiguous("a port that is not a plain number"));
    }
    let port = port.parse().map_err(|_| Refusal::Malformed("a port above 65535"))?;
    Ok((host, Some(port)))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn read_host(text: &str) -> Result<Host, Refusal> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner =
            inner.strip_suffix(']').ok_or(Refusal::Ambiguous("a bracket that does not end the host"))?;
        if inner.contains('%') {
            return Err(Refusal::Ambiguous("an address with a zone"));
        }
        let address: Ipv6Addr =
            inner.parse().map_err(|_| Refusal::Ambiguous("brackets around no IPv6 address"))?;
        return Ok(Host::Address(address.into()));
    }
    if text.contains('%') {
        return Err(Refusal::Ambiguous("a percent sign in the host"));
    }
    if text.ends_with('.') {
        return Err(Refusal::Ambiguous("a dot at the end of the host"));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    let last = text.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    if is_number(&last)
        || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
    {
        return Err(Refusal::Ambiguous("a number that is not written as an address"));
    }
    if text.len() > 253 || !text.split('.').all(is_label) {
        return Err(Refusal::Ambiguous("not a host name"));
    }
    Ok(Host::Name(text.to_ascii_lowercase().into()))
}

/// A label as RFC 1123 section 2.1 has it.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn agrees(url: &Url, host: &Host, port: u16) -> bool {
    let same_host = match (url.host(), host) {
        (Some(url::Host::Ipv4(theirs)), Host::Address(ours)) => IpAddr::V4(theirs) == *ours,
        (Some(url::Host::Ipv6(theirs)), Host::Address(ours)) => IpAddr::V6(theirs) == *ours,
        (Some(url::Host::Domain(theirs)), Host::Name(ours)) => *theirs == **ours,
        _ => false,
    };
    let bare = url.username().is_empty() && url.password().is_none();
    same_host && bare && url.port_or_known_default() == Some(port)
}

#[cfg(test)]
mod tests {
    use portcullis_core::address::{Kind, is_public};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_plain_is_read() {
        let target = Target::parse("HTTPS://Hooks.Example.COM/a%20b/@c?d=e@f&g#h").unwrap();
        assert_eq!((target.host().as_str(), target.port()), ("hooks.example.com", 443));
        assert_eq!(target.url().as_str(), "https://hooks.example.com/a%20b/@c?d=e@f&g#h");
        let target = Target::parse("http://[2606:4700::1111]:8080").unwrap();
        assert_eq!((target.host().as_str(), target.port()), ("2606:4700::1111", 8080));
        assert_eq!(Target::of_authority("example.com:443").unwrap().port(), 443);
        for wrong in ["example.com", "example.com:", "a@b:1", "example.com:80/x", ":80", "[::1", "a b:80"] {
            assert!(Target::of_authority(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_refusal_says_what_was_meant() {
        let kind = |text: &str| match Target::parse(text) {
            Err(Refusal::NotPublic(special)) => Some(special.kind),
            _ => None,
        };
        for text in [
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1",
            "http://017700000001",
            "http://127.0.0.1./",
            "http://①②⑦.⓪.⓪.①/",
            "http://user@127.0.0.1/",
            "http:\\\\127.0.0.1",
            "http:127.0.0.1",
            "http://127。0。0。1",
            "http://%31%32%37.0.0.1",
            "\thttp://127.0.0.1",
            "http://evil@127.0.0.1#@example.com/",
            "http:///127.0.0.1",
        ] {
            assert_eq!(kind(text), Some(Kind::Loopback), "{text}");
        }
        assert_eq!(kind("http://0/"), Some(Kind::Unspecified));
        assert_eq!(Target::parse("http://localhost./"), Err(Refusal::LocalName("this machine")));
        assert_eq!(Target::parse("http://LOCALHOST%2e/"), Err(Refusal::LocalName("this machine")));
        assert_eq!(
            Target::parse("http://user@example.com/"),
            Err(Refusal::Ambiguous("user information before the host"))
        );
        assert_eq!(Target::parse("gopher://127.0.0.1:6379/_x"), Err(Refusal::Scheme));
        assert_eq!(Target::parse("example.com"), Err(Refusal::Malformed("without a scheme")));
        assert_eq!(
            Target::parse(&format!("http://a.b/{}", "x".repeat(LONGEST))),
            Err(Refusal::Malformed("too long"))
        );
    }

    proptest! {
        /// Whatever is written around an address that is not public, as pieces that parsers stumble over.
        #[test]
        fn no_reading_of_what_is_taken_leads_elsewhere(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec![
                    "http:", "https:", "//", "/", "\\", "@", ":", "#", "?", ".", "..", "%", "%2e", "%00", "\t", "\n", " ",
                    "127.0.0.1", "localhost", "0x7f", "1", "017", "[::1]", "[", "]", "example.com", "80", "８", "。", "xn--",
                    "user", "-", "_", "ß", "\u{200d}", "0",
                ]),
                0..12,
            )
        ) {
            let text = pieces.concat();
            if let Ok(target) = Target::parse(&text) {
                let url = Url::parse(&text).unwrap();
                prop_assert_eq!(url.port_or_known_default(), Some(target.port()));
                // The host stands there letter by letter, behind the two slashes.
                let behind = text.split_once("//").unwrap().1.to_ascii_lowercase();
                let written = behind.trim_start_matches('[');
                prop_assert!(written.starts_with(&target.host()), "{} in {}", target.host(), text);
            }
        }

        #[test]
        fn an_address_is_read_in_its_one_form(bits in any::<u32>(), wide in any::<u128>()) {
            let plain = Ipv4Addr::from_bits(bits);
            let target = Target::parse(&format!("http://{plain}/")).unwrap();
            prop_assert_eq!(target.place(), &Host::Address(plain.into()));
            let [a, b, c, d] = plain.octets();
            let odd = [
                format!("{bits}"), format!("0x{bits:x}"), format!("0{bits:o}"), format!("{a}.{}", bits & 0x00ff_ffff),
                format!("{a}.{b}.{}", bits & 0xffff), format!("0x{a:x}.{b}.{c}.{d}"), format!("{a}.{b}.{c}.0{d:o}"),
                format!("{plain}."),
            ];
            for host in odd {
                let refusal = Target::parse(&format!("http://{host}/")).err();
                let expected = if is_public(plain.into()) { "Ambiguous" } else { "NotPublic" };
                prop_assert!(format!("{refusal:?}").contains(expected), "{}: {:?}", host, refusal);
            }
            let v6 = Ipv6Addr::from_bits(wide);
            let target = Target::parse(&format!("http://[{v6}]/")).unwrap();
            prop_assert_eq!(target.place(), &Host::Address(v6.into()));
        }

        #[test]
        fn any_text_is_judged_without_a_panic(text in any::<String>()) {
            let _ = Target::parse(&text);
            let _ = Target::parse(&format!("http://{text}"));
        }
    }
}
