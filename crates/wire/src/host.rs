//! Host and port, as `Host` and absolute targets name them.

use std::net::Ipv6Addr;

/// Whether `authority` is a host name, an IPv4 address or an IPv6 address in brackets, with an optional port
/// (RFC 9110 section 7.2), and nothing else.
///
/// Narrower than RFC 3986: letters, digits, `-`, `.` and `_` only. Percent-encoding, sub-delimiters, user names
/// and zone identifiers have no use in `Host`, and end up in the links that an application builds from it.
pub fn is_authority(authority: &str) -> bool {
    let (host, port) = split_port(authority);
    is_host(host) && port.is_none_or(is_port)
}

/// Whether two authorities name the same host and port: letter case aside, and with `default_port` where one
/// names none.
pub fn same_authority(one: &str, other: &str, default_port: &str) -> bool {
    let (host, port) = split_port(one);
    let (other_host, other_port) = split_port(other);
    host.eq_ignore_ascii_case(other_host)
        && port.unwrap_or(default_port) == other_port.unwrap_or(default_port)
}

/// Cuts at the colon before the port; colons inside brackets belong to the address.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => {
            (&authority[..colon], Some(&authority[colon + 1..]))
        }
        _ => (authority, None),
    }
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
        }
    }
}

fn is_port(port: &str) -> bool {
    port.len() <= 5
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_an_optional_port_are_accepted() {
        for authority in [
            "example.com",
            "EXAMPLE.com.",
            "localhost:8000",
            "127.0.0.1",
            "127.0.0.1:65535",
            "[::1]",
            "[::1]:8443",
            "[2001:db8::192.0.2.1]:1",
            "my_service.internal",
            "xn--bcher-kva.example",
        ] {
            assert!(is_authority(authority), "{authority}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        for authority in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+80",
            "a:80:80",
            "a:8a",
            "a:000080",
            "user@a",
            "a/b",
            "a?b",
            "a#b",
            "a b",
            "a,b",
            "a\\b",
            "a%41",
            "a'b",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "[]",
            "a]",
            "ä.example",
            "a\"",
            "a<b>",
        ] {
            assert!(!is_authority(authority), "{authority}");
        }
    }

    #[test]
    fn authorities_are_compared_without_letter_case_and_default_port() {
        assert!(same_authority("Example.com", "example.COM:80", "80"));
        assert!(same_authority("[::1]:443", "[::1]", "443"));
        assert!(!same_authority("example.com", "example.com:8080", "80"));
        assert!(!same_authority("example.com", "example.org", "80"));
        assert!(!same_authority("example.com:80", "example.com", "443"));
    }
}
