//! Heads towards the client: of the gateway's own answers, and of the application's after sealing.

use portcullis_core::Upgrade;
use portcullis_gate::authn::protocol;
use portcullis_gate::context::RequestContext;
use portcullis_gate::{Policy, Reply};
use portcullis_wire::{self as wire, Body, Handshake, ResponseHead};

use super::decide::Facts;
use crate::toward::put;

/// How the body of an answer goes on to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// As it came.
    Verbatim,
    /// The client speaks HTTP/1.0: the payload alone, then the end of the connection.
    Dechunk,
    /// The application ends its body by closing: the client gets chunks, so that it can tell a whole answer
    /// from a broken one.
    Enchunk,
}

/// Appends a whole answer of the gateway. `keep` says whether the connection goes on.
pub fn write_reply(
    out: &mut Vec<u8>,
    reply: &Reply,
    policy: &Policy,
    ctx: &RequestContext,
    facts: &Facts,
    keep: bool,
    preflight: bool,
) {
    wire::write::status_line(out, reply.status);
    put(out, "Content-Type", reply.content_type.as_bytes());
    for (name, value) in &reply.fields {
        put(out, name, value.as_bytes());
    }
    let seal = if preflight { policy.seal_preflight() } else { policy.seal() };
    seal.finish(ctx, |name, value| put(out, name, value));
    wire::write::date(out, ctx.now.unix_ms / 1000);
    put(out, "Content-Length", itoa::Buffer::new().format(reply.body.len()).as_bytes());
    write_connection(out, facts, keep);
    out.extend_from_slice(b"\r\n");
    if !facts.head_only {
        out.extend_from_slice(&reply.body);
    }
}

/// Appends the head of the application's final answer, sealed. Returns how its body goes on.
pub fn write_head(
    out: &mut Vec<u8>,
    head: &ResponseHead<'_, '_>,
    policy: &Policy,
    ctx: &RequestContext,
    facts: &Facts,
    keep: bool,
) -> Framing {
    let mut sealing = policy.seal();
    status_line(out, head);
    let nominating = nominating(head);
    let mut dated = false;
    let mut length: Option<&[u8]> = None;
    for field in head.fields {
        match field.name.len() {
            4 if field.name.eq_ignore_ascii_case("date") => dated = true,
            14 if field.name.eq_ignore_ascii_case("content-length") => length = Some(field.value),
            _ => {}
        }
        if is_hop_by_hop(field.name) || (nominating && is_nominated(head, field.name)) {
            continue;
        }
        if sealing.passes(ctx, field.name) {
            put(out, field.name, field.value);
        }
    }
    if !dated {
        wire::write::date(out, ctx.now.unix_ms / 1000);
    }
    let framing = match head.body {
        Body::Empty => {
            // To HEAD and in a 304 the length tells of a body that is not sent (RFC 9110 section 8.6).
            if let Some(length) = length.filter(|_| facts.head_only || head.status == 304) {
                put(out, "Content-Length", length);
            }
            Framing::Verbatim
        }
        Body::Length(length) => {
            put(out, "Content-Length", itoa::Buffer::new().format(length).as_bytes());
            Framing::Verbatim
        }
        Body::Chunked if facts.http10 => Framing::Dechunk,
        Body::UntilClose if facts.http10 => Framing::Verbatim,
        Body::Chunked => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            Framing::Verbatim
        }
        Body::UntilClose => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            Framing::Enchunk
        }
    };
    match upgrade_of(head) {
        // RFC 9110 section 15.5.22: the answer must say what to upgrade to.
        Some(protocols) if head.status == 426 => {
            put(out, "Upgrade", protocols);
            put(out, "Connection", if keep { b"upgrade" } else { b"upgrade, close" });
        }
        _ => write_connection(out, facts, keep),
    }
    sealing.finish(ctx, |name, value| put(out, name, value));
    out.extend_from_slice(b"\r\n");
    framing
}

/// Appends an interim answer (1xx) other than 101.
pub fn write_interim(out: &mut Vec<u8>, head: &ResponseHead<'_, '_>, policy: &Policy, ctx: &RequestContext) {
    let mut sealing = policy.seal();
    status_line(out, head);
    for field in head.fields {
        if !is_hop_by_hop(field.name) && sealing.passes(ctx, field.name) {
            put(out, field.name, field.value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the answer that turns the connection into another protocol.
pub fn write_switching(
    out: &mut Vec<u8>,
    head: &ResponseHead<'_, '_>,
    policy: &Policy,
    ctx: &RequestContext,
) {
    let mut sealing = policy.seal();
    status_line(out, head);
    let chosen = head.fields.iter().any(|field| field.name.eq_ignore_ascii_case(protocol::FIELD));
    if ctx.announced && !chosen {
        put(out, "Sec-WebSocket-Protocol", protocol::NAME.as_bytes());
    }
    for field in head.fields {
        if !is_hop_by_hop(field.name) && sealing.passes(ctx, field.name) {
            put(out, field.name, field.value);
        }
    }
    put(out, "Connection", b"Upgrade");
    if let Some(protocol) = head.upgrade {
        put(out, "Upgrade", protocol.as_bytes());
    }
    sealing.finish(ctx, |name, value| put(out, name, value));
    out.extend_from_slice(b"\r\n");
}

/// Appends the answer to a handshake that the gateway gives itself (RFC 6455 section 4.2.2).
pub fn write_accepted(out: &mut Vec<u8>, handshake: &Handshake, policy: &Policy, ctx: &RequestContext) {
    wire::write::status_line(out, 101);
    put(out, "Connection", b"Upgrade");
    put(out, "Upgrade", b"websocket");
    put(out, "Sec-WebSocket-Accept", handshake.accept.as_bytes());
    if let Some(protocol) = &handshake.protocol {
        put(out, "Sec-WebSocket-Protocol", protocol.as_bytes());
    }
    policy.seal().finish(ctx, |name, value| put(out, name, value));
    out.extend_from_slice(b"\r\n");
}

/// Whether the connection can go on after the answer to this request.
pub fn keeps(facts: &Facts, head: &ResponseHead<'_, '_>) -> bool {
    let delimited = match head.body {
        Body::Chunked | Body::UntilClose => !facts.http10,
        Body::Empty | Body::Length(_) => true,
    };
    facts.persistent && delimited && facts.upgrade == Upgrade::None
}

fn status_line(out: &mut Vec<u8>, head: &ResponseHead<'_, '_>) {
    if head.reason.is_empty() {
        wire::write::status_line(out, head.status);
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(head.status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.reason.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn write_connection(out: &mut Vec<u8>, facts: &Facts, keep: bool) {
    if !keep {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if facts.http10 {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
}

fn upgrade_of<'a>(head: &ResponseHead<'a, '_>) -> Option<&'a [u8]> {
    head.fields.iter().find(|field| field.name.eq_ignore_ascii_case("upgrade")).map(|field| field.value)
}

fn is_hop_by_hop(name: &str) -> bool {
    crate::toward::hop_by_hop(name) && name.len() != 4
}

/// Whether `Connection` names fields beside the usual words.
pub fn nominating(head: &ResponseHead<'_, '_>) -> bool {
    tokens(head)
        .any(|token| !["close", "keep-alive", "upgrade"].iter().any(|word| word.eq_ignore_ascii_case(token)))
}

/// Whether `Connection` names this field, so that it ends here.
pub fn is_nominated(head: &ResponseHead<'_, '_>, name: &str) -> bool {
    tokens(head).any(|token| token.eq_ignore_ascii_case(name))
}

fn tokens<'a>(head: &'a ResponseHead<'_, '_>) -> impl Iterator<Item = &'a str> {
    head.fields
        .iter()
        .filter(|field| field.name.len() == 10 && field.name.eq_ignore_ascii_case("connection"))
        .filter_map(|field| std::str::from_utf8(field.value).ok())
        .flat_map(|value| value.split(',').map(str::trim))
}
