//! The one policy that every gateway is configured with, and the requests that exercise it.

use std::sync::Arc;

use crate::load::{Connection, Expect, Work};
use crate::upstream::{LARGE, MIDDLE, RECEIPT, SMALL};

/// The key that clients must show in `X-API-Key`. Not a secret: it guards a benchmark on loopback.
pub(crate) const API_KEY: &str = "bench-4f1c2d7a9e8b6053c1d2e3f4a5b69788";
/// As long as the right one.
const WRONG_KEY: &str = "bench-4f1c2d7a9e8b6053c1d2e3f4a5b69789";

/// Added to every answer. The same as the product adds by default, so that nobody writes fewer.
pub(crate) const SECURITY_HEADERS: [(&str, &str); 5] = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Content-Security-Policy", "frame-ancestors 'none'"),
    ("X-XSS-Protection", "0"),
];

/// The body of a refusal, where a product lets one write it.
pub(crate) const UNAUTHORIZED_BODY: &str =
    r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"Missing or invalid API key"}"#;
/// The same for a limit.
pub(crate) const LIMITED_BODY: &str =
    r#"{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"Rate limit exceeded"}"#;

/// Requests a minute that one client address may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Counted but never reached.
    High,
    /// Reached at once.
    Low,
}

impl Limit {
    pub(crate) fn per_minute(self) -> u32 {
        match self {
            Limit::High => 60_000_000,
            Limit::Low => 60,
        }
    }
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// 128 bytes of JSON.
    Small,
    /// 16 KiB.
    Middle,
    /// 1 MiB.
    Large,
    /// To take 50 KB.
    Post,
    /// 128 bytes of JSON, with a wrong key.
    WrongKey,
    /// 128 bytes of JSON, without a key.
    NoKey,
    /// 128 bytes of JSON, far over the limit.
    OverLimit,
}

/// Bytes of a POST.
const POSTED: usize = 50_000;

impl Ask {
    /// The request, as a small client library would send it.
    pub(crate) fn work(self, connection: Connection) -> Work {
        let (method, path) = match self {
            Ask::Small | Ask::WrongKey | Ask::NoKey | Ask::OverLimit => ("GET", "/json"),
            Ask::Middle => ("GET", "/16k"),
            Ask::Large => ("GET", "/1m"),
            Ask::Post => ("POST", "/post"),
        };
        let key = match self {
            Ask::NoKey => String::new(),
            Ask::WrongKey => format!("X-API-Key: {WRONG_KEY}\r\n"),
            _ => format!("X-API-Key: {API_KEY}\r\n"),
        };
        let body = if self == Ask::Post { "x".repeat(POSTED) } else { String::new() };
        let length = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: application/octet-stream\r\nContent-Length: {}\r\n", body.len())
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: portcullis-bench\r\nAccept: */*\r\n\
             {key}{length}\r\n{body}"
        );
        let expect = match self {
            Ask::Small => Expect::Ok(SMALL as u64),
            Ask::Middle => Expect::Ok(MIDDLE as u64),
            Ask::Large => Expect::Ok(LARGE as u64),
            Ask::Post => Expect::Ok(RECEIPT as u64),
            Ask::WrongKey | Ask::NoKey => Expect::Unauthorized,
            Ask::OverLimit => Expect::Limited,
        };
        Work { request: Arc::from(request.into_bytes()), expect, connection }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_in_content_not_in_length() {
        assert_eq!(API_KEY.len(), WRONG_KEY.len());
        assert_ne!(API_KEY, WRONG_KEY);
    }

    #[test]
    fn a_post_carries_what_it_announces() {
        let work = Ask::Post.work(Connection::Kept);
        let text = std::str::from_utf8(&work.request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Content-Length: 50000"));
        assert_eq!(body.len(), POSTED);
    }

    #[test]
    fn only_the_keyless_request_shows_no_key() {
        let shown =
            |ask: Ask| String::from_utf8_lossy(&ask.work(Connection::Kept).request).contains("X-API-Key");
        assert!(!shown(Ask::NoKey));
        assert!(shown(Ask::WrongKey) && shown(Ask::Small) && shown(Ask::OverLimit));
    }
}
