//! The request target, taken apart.

use crate::error::RequestError;
use crate::host::{is_authority, same_authority};

/// A request target in its parts, as sent: nothing is decoded and no dot segment resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'b> {
    /// The path; begins with `/`, or is `*` (OPTIONS only).
    pub path: &'b str,
    /// What stands behind the first `?`.
    pub query: Option<&'b str>,
    /// Host and port of an absolute target; the same as `Host` where that was sent.
    pub authority: Option<&'b str>,
    /// The scheme of an absolute target.
    pub scheme: Option<Scheme>,
}

/// The scheme of an absolute target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl Scheme {
    /// The port that an authority without one means.
    pub fn default_port(self) -> &'static str {
        match self {
            Scheme::Http => "80",
            Scheme::Https => "443",
        }
    }
}

/// Takes a request target apart (RFC 9112 section 3.2): origin form; absolute form with `http` or `https`,
/// whose authority must be the one in `host`, unless HTTP/1.0 sent none (empty); `*` for OPTIONS only.
///
/// `target` is a [`RequestHead::target`](crate::RequestHead::target), whose characters were checked.
pub fn split_target<'b>(method: &str, target: &'b str, host: &str) -> Result<Target<'b>, RequestError> {
    if method == "CONNECT" {
        return Err(RequestError::ConnectMethod);
    }
    if target == "*" {
        return match method {
            "OPTIONS" => Ok(Target { path: "*", query: None, authority: None, scheme: None }),
            _ => Err(RequestError::InvalidTargetForm),
        };
    }
    if target.starts_with('/') {
        let (path, query) = path_and_query(target)?;
        return Ok(Target { path, query, authority: None, scheme: None });
    }
    let (scheme, rest) = scheme(target).ok_or(RequestError::InvalidTargetForm)?;
    let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if !is_authority(authority) {
        return Err(RequestError::InvalidTargetForm);
    }
    if !host.is_empty() && !same_authority(authority, host, scheme.default_port()) {
        return Err(RequestError::HostMismatch);
    }
    let (path, query) = match path_and_query(rest)? {
        // Section 3.2.4: OPTIONS with neither path nor query is about the server.
        ("", None) if method == "OPTIONS" => ("*", None),
        ("", query) => ("/", query),
        parts => parts,
    };
    Ok(Target { path, query, authority: Some(authority), scheme: Some(scheme) })
}

fn path_and_query(rest: &str) -> Result<(&str, Option<&str>), RequestError> {
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    if path.contains('\\') {
        return Err(RequestError::BackslashInPath);
    }
    Ok((path, query))
}

fn scheme(target: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    if scheme.eq_ignore_ascii_case("http") {
        Some((Scheme::Http, rest))
    } else if scheme.eq_ignore_ascii_case("https") {
        Some((Scheme::Https, rest))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "example.com";

    #[test]
    fn every_form_is_taken_apart() {
        let table = [
            ("GET", "/", "/", None, None),
            ("GET", "/a/b?c=d?e", "/a/b", Some("c=d?e"), None),
            ("GET", "/?", "/", Some(""), None),
            ("GET", "//other.example/x", "//other.example/x", None, None),
            ("GET", "/a/../b%2Fc", "/a/../b%2Fc", None, None),
            ("GET", "/?q=a\\b|{}", "/", Some("q=a\\b|{}"), None),
            ("GET", "/:80/http://x", "/:80/http://x", None, None),
            ("OPTIONS", "*", "*", None, None),
            ("OPTIONS", "/x", "/x", None, None),
            ("GET", "http://example.com/x?y", "/x", Some("y"), Some("example.com")),
            ("GET", "HTTP://EXAMPLE.com:80", "/", None, Some("EXAMPLE.com:80")),
            ("GET", "http://example.com?y", "/", Some("y"), Some("example.com")),
            ("OPTIONS", "http://example.com", "*", None, Some("example.com")),
            ("OPTIONS", "http://example.com/", "/", None, Some("example.com")),
            ("GET", "https://example.com:443/x", "/x", None, Some("example.com:443")),
        ];
        for (method, target, path, query, authority) in table {
            let split = split_target(method, target, HOST).expect(target);
            assert_eq!((split.path, split.query, split.authority), (path, query, authority), "{target}");
        }
        let old = split_target("GET", "http://other.example/x", "").expect("HTTP/1.0 may have no Host");
        assert_eq!((old.authority, old.scheme), (Some("other.example"), Some(Scheme::Http)));
    }

    #[test]
    fn every_other_form_is_refused() {
        let table = [
            ("CONNECT", "example.com:443", RequestError::ConnectMethod),
            ("CONNECT", "/", RequestError::ConnectMethod),
            ("GET", "*", RequestError::InvalidTargetForm),
            ("GET", "example.com:443", RequestError::InvalidTargetForm),
            ("GET", "example.com/x", RequestError::InvalidTargetForm),
            ("GET", "?x", RequestError::InvalidTargetForm),
            ("OPTIONS", "*?x", RequestError::InvalidTargetForm),
            ("GET", "ftp://example.com/", RequestError::InvalidTargetForm),
            ("GET", "http:/example.com/", RequestError::InvalidTargetForm),
            ("GET", "http:///x", RequestError::InvalidTargetForm),
            ("GET", "http://user@example.com/", RequestError::InvalidTargetForm),
            ("GET", "http://example.com@other.example/", RequestError::InvalidTargetForm),
            ("GET", "http://example.com:99999/", RequestError::InvalidTargetForm),
            ("GET", "http://exa%6Dple.com/", RequestError::InvalidTargetForm),
            ("GET", "http://other.example/", RequestError::HostMismatch),
            ("GET", "http://example.com:8080/", RequestError::HostMismatch),
            ("GET", "https://example.com:80/", RequestError::HostMismatch),
            ("GET", "/a\\b", RequestError::BackslashInPath),
            ("GET", "http://example.com\\@other.example/", RequestError::BackslashInPath),
        ];
        for (method, target, error) in table {
            assert_eq!(split_target(method, target, HOST), Err(error), "{method} {target}");
        }
    }
}
