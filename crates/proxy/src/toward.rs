//! The request as the application sees it.
//!
//! Fields are copied through while filtering: hop-by-hop fields end here (RFC 9110 section 7.6.1),
//! credentials and whatever could pretend to be the gateway are taken off, and who it is and where it came
//! from are added. HTTP/1.1 and HTTP/2 clients go through the same function.
//!
//! `X_Forwarded_For` is the same variable as `X-Forwarded-For` for an application behind CGI or WSGI: a field
//! that means something to a proxy is taken off in that spelling.

use portcullis_core::{Field, Head, Identity, Upgrade};
use portcullis_gate::authn::{cookies, protocol};
use portcullis_gate::context::RequestContext;
use portcullis_gate::{Policy, Route};
use portcullis_wire::{Body, Handshake, Known};

/// Everything a request head towards the application is made of.
#[derive(Debug, Clone, Copy)]
pub struct Toward<'a> {
    /// The head as it came.
    pub head: &'a Head<'a>,
    /// What was decided.
    pub policy: &'a Policy,
    /// The route it was admitted on.
    pub route: &'a Route,
    /// Who it is.
    pub identity: Option<&'a Identity>,
    /// The facts of the request.
    pub ctx: &'a RequestContext,
    /// How the body is framed towards the application.
    pub body: Body,
    /// The protocol to upgrade to, as the client named it.
    pub upgrade: Option<&'a str>,
    /// Whether the body was held: whoever waits for `100 Continue` got it from the gateway.
    pub held: bool,
    /// The handshake that the gateway answered itself: the application is asked for no more than was promised.
    pub handshake: Option<&'a Handshake>,
    /// What to name in `Host` when the client named nothing (HTTP/1.0).
    pub fallback_host: &'a str,
}

impl Toward<'_> {
    /// Appends the head to `out`. `trace` is used where the client sent no usable `traceparent`.
    pub fn write(&self, out: &mut Vec<u8>, trace: impl FnOnce() -> (u128, u64)) {
        let head = self.head;
        out.extend_from_slice(head.method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(head.path.as_bytes());
        if let Some(query) = head.query {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
        }
        out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        let host = if head.authority.is_empty() { self.fallback_host } else { head.authority };
        out.extend_from_slice(host.as_bytes());
        out.extend_from_slice(b"\r\n");
        let nominated = nominates(head);
        let metered =
            head.upgrade == Upgrade::WebSocket && (self.route.websocket.meters() || self.handshake.is_some());
        let announced = head.upgrade == Upgrade::WebSocket && self.policy.withholds_protocol(self.route);
        let mut traced = false;
        for field in head.fields {
            if hop_by_hop(field.name)
                || Known::behind_underscores(field.name) != Known::Other
                || (nominated && is_nominated(head, field.name))
                || self.policy.withholds(self.route, field.name)
            {
                continue;
            }
            match field.name.len() {
                6 if self.held && field.name.eq_ignore_ascii_case("expect") => continue,
                // Compressed messages could not be measured.
                24 if metered && field.name.eq_ignore_ascii_case("sec-websocket-extensions") => continue,
                22 if self.handshake.is_some()
                    && field.name.eq_ignore_ascii_case("sec-websocket-protocol") =>
                {
                    continue;
                }
                22 if announced && field.name.eq_ignore_ascii_case(protocol::FIELD) => {
                    put_kept(out, field, |out| protocol::without(field.value, out));
                    continue;
                }
                12 if field.name.eq_ignore_ascii_case("x-request-id") => continue,
                11 if field.name.eq_ignore_ascii_case("traceparent") => {
                    if traced || !is_traceparent(field.value) {
                        continue;
                    }
                    traced = true;
                }
                6 if field.name.eq_ignore_ascii_case("cookie") => {
                    if let Some(cookie) = self.policy.withheld_cookie(self.route) {
                        put_kept(out, field, |out| cookies::without(field.value, cookie, out));
                        continue;
                    }
                }
                _ => {}
            }
            put(out, field.name, field.value);
        }
        if let Some(protocol) = self.handshake.and_then(|handshake| handshake.protocol.as_deref()) {
            put(out, "Sec-WebSocket-Protocol", protocol.as_bytes());
        }
        self.add(out);
        if !traced {
            let (trace_id, span_id) = trace();
            write_traceparent(out, trace_id, span_id);
        }
        self.frame(out);
        out.extend_from_slice(b"\r\n");
    }

    fn add(&self, out: &mut Vec<u8>) {
        portcullis_gate::edge::write_forwarded(&self.ctx.client, self.head, out);
        put(out, "X-Request-Id", self.ctx.request_id.as_bytes());
        self.policy
            .write_identity(self.route, self.identity, self.ctx, &mut |name, value| put(out, name, value));
    }

    fn frame(&self, out: &mut Vec<u8>) {
        match (self.upgrade, self.body) {
            (Some(protocol), _) if self.head.upgrade != Upgrade::None => {
                put(out, "Connection", b"Upgrade");
                put(out, "Upgrade", protocol.as_bytes());
            }
            (_, Body::Length(length)) => {
                put(out, "Content-Length", itoa::Buffer::new().format(length).as_bytes());
            }
            (_, Body::Chunked) => put(out, "Transfer-Encoding", b"chunked"),
            (_, Body::Empty | Body::UntilClose) => {}
        }
    }
}

/// Gives a head that is written another length of the body, where it states one: a held body may have changed.
/// `false` where it does not end as [`Toward::write`] ends it.
pub fn reframe(out: &mut Vec<u8>, written: Body, length: usize) -> bool {
    let Body::Length(before) = written else { return written == Body::Chunked };
    let mut end = Vec::new();
    put(&mut end, "Content-Length", itoa::Buffer::new().format(before).as_bytes());
    end.extend_from_slice(b"\r\n");
    if !out.ends_with(&end) {
        return false;
    }
    out.truncate(out.len() - end.len());
    put(out, "Content-Length", itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
    true
}

/// Appends a field line with what `keep` appends of its value; nothing where that is nothing.
fn put_kept(out: &mut Vec<u8>, field: &Field<'_>, keep: impl FnOnce(&mut Vec<u8>)) {
    let before = out.len();
    out.extend_from_slice(field.name.as_bytes());
    out.extend_from_slice(b": ");
    let empty = out.len();
    keep(out);
    if out.len() == empty {
        out.truncate(before);
    } else {
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends one field line.
pub fn put(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The fields that belong to one connection, and those that frame or route a message and are written anew.
pub fn hop_by_hop(name: &str) -> bool {
    let known: &[&str] = match name.len() {
        2 => &["te"],
        4 => &["host"],
        7 => &["upgrade"],
        10 => &["connection", "keep-alive"],
        14 => &["content-length"],
        16 => &["proxy-connection"],
        17 => &["transfer-encoding"],
        18 => &["proxy-authenticate"],
        19 => &["proxy-authorization"],
        _ => return false,
    };
    known.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether `Connection` names fields beside the usual words.
fn nominates(head: &Head<'_>) -> bool {
    tokens(head)
        .any(|token| !["close", "keep-alive", "upgrade"].iter().any(|word| word.eq_ignore_ascii_case(token)))
}

fn is_nominated(head: &Head<'_>, name: &str) -> bool {
    tokens(head).any(|token| token.eq_ignore_ascii_case(name))
}

fn tokens<'a>(head: &Head<'a>) -> impl Iterator<Item = &'a str> {
    head.all("connection")
        .filter_map(|value| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(',').map(str::trim))
        .filter(|token| !token.is_empty())
}

/// Whether a value is a trace context of version 00 (W3C Trace Context, section 3.2).
fn is_traceparent(value: &[u8]) -> bool {
    value.len() == 55
        && value.starts_with(b"00-")
        && value[35] == b'-'
        && value[52] == b'-'
        && value
            .iter()
            .enumerate()
            .all(|(at, byte)| matches!(at, 2 | 35 | 52) || matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && value[3..35].iter().any(|byte| *byte != b'0')
        && value[36..52].iter().any(|byte| *byte != b'0')
}

fn write_traceparent(out: &mut Vec<u8>, trace_id: u128, span_id: u64) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"traceparent: 00-");
    out.extend((0..32).rev().map(|nibble| HEX[(trace_id >> (nibble * 4)) as usize & 0xf]));
    out.push(b'-');
    out.extend((0..16).rev().map(|nibble| HEX[(span_id >> (nibble * 4)) as usize & 0xf]));
    out.extend_from_slice(b"-00\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_trace_context_is_valid() {
        let mut out = Vec::new();
        write_traceparent(&mut out, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 0xb7ad_6b71_6920_3331);
        let line = std::str::from_utf8(&out).unwrap();
        assert_eq!(line, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n");
        assert!(is_traceparent(line["traceparent: ".len()..].trim_end().as_bytes()));
    }

    #[test]
    fn a_broken_trace_context_is_not_passed_on() {
        for bad in [
            "",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert!(!is_traceparent(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_body_that_changed_has_another_length() {
        let mut out = b"POST / HTTP/1.1\r\nX-Content-Length: 12\r\nContent-Length: 12\r\n\r\n".to_vec();
        assert!(reframe(&mut out, Body::Length(12), 9));
        assert_eq!(out, b"POST / HTTP/1.1\r\nX-Content-Length: 12\r\nContent-Length: 9\r\n\r\n");
        assert!(!reframe(&mut out, Body::Length(12), 9), "it says another one");
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let mut out = chunked.clone();
        assert!(reframe(&mut out, Body::Chunked, 9));
        assert_eq!(out, chunked);
        assert!(!reframe(&mut out, Body::Empty, 9), "nothing frames it");
    }

    #[test]
    fn hop_by_hop_fields_end_here() {
        for name in ["Connection", "TE", "upgrade", "Transfer-Encoding", "Content-Length", "HOST"] {
            assert!(hop_by_hop(name), "{name}");
        }
        for name in ["content-type", "session_id", "trailer", "expect"] {
            assert!(!hop_by_hop(name), "{name}");
        }
    }
}
