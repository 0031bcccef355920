//! The decision about each request of an HTTP/2 connection.

use std::rc::Rc;
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use portcullis_core::identity::Scheme;
use portcullis_core::{Denial, Field, Head, Upgrade};
use portcullis_gate::context::RequestId;
use portcullis_gate::policy::Target;
use portcullis_gate::trail::Trail;
use portcullis_gate::{Admission, Permit, Reply, RequestContext};
use portcullis_wire::{self as wire, Body};

use super::connection::Active;
use super::exchange::{self, Asked, Relay};
use super::hold;
use super::record::Record;
use crate::core::{Core, Local};
use crate::h1::Caller;
use crate::own;
use crate::toward::Toward;

/// The body of an answer: ours, or the application's as it comes.
pub(super) type Answer = Response<Either<Full<Bytes>, Box<Relay>>>;

/// Decides about one request and answers it.
pub(super) async fn answer(
    core: Rc<Core>,
    caller: Caller,
    request: Request<Incoming>,
    active: Active,
) -> Answer {
    let (parts, body) = request.into_parts();
    let mut body = Some(body);
    let answer = answer_to(core, caller, parts, &mut body, active).await;
    if let Some(body) = body {
        hold::let_go(body);
    }
    answer
}

/// The answer; `body` stays where nobody took it.
async fn answer_to(
    core: Rc<Core>,
    caller: Caller,
    parts: http::request::Parts,
    body: &mut Option<Incoming>,
    active: Active,
) -> Answer {
    let since = Instant::now();
    let local = core.local();
    let mut trail = Trail::default();
    let joined = join_cookies(&parts.headers);
    let fields: Vec<Field<'_>> = fields_of(&parts.headers, joined.as_deref());
    let authority = authority_of(&parts);
    let head = Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        authority: authority.unwrap_or_default(),
        secure: caller.secure,
        upgrade: Upgrade::None,
        fields: &fields,
    };
    trail.keep(&head);
    let id = RequestId::of(&head).unwrap_or_else(|| core.request_id());
    let mut ctx = RequestContext::new(core.now(), caller.peer, caller.secure, id);
    let framing = framing_of(&parts.headers, body.as_ref());
    let decided = match (check(&parts, &head, &local), framing) {
        (Err(denial), _) => Err(denial),
        (Ok(()), None) => Err(Denial::Malformed("invalid-content-length")),
        (Ok(()), Some(framing)) => {
            core.shared.gate.admit(&local.policy, &head, &mut ctx).map(|admission| (admission, framing))
        }
    };
    let mut record = Record::new(Rc::clone(&core), Rc::clone(&local), trail, since, ctx, active);
    let (permit, framing) = match decided {
        Ok((Admission::Forward(permit), framing)) => (permit, framing),
        // No WebSocket is opened over HTTP/2 here, so none can log in.
        Ok((Admission::Login(_), _)) => {
            return refuse(&local, &Denial::MissingCredential(Scheme::FirstMessage), record);
        }
        Ok((Admission::Preflight, _)) => return ours(&local, Reply::preflight(), record, None, true),
        Err(denial) => return refuse(&local, &denial, record),
    };
    let route = permit.route(&local.policy);
    if matches!(framing, Body::Length(length) if length > route.max_body) {
        return refuse(&local, &Denial::BodyTooLarge, record);
    }
    let upstream = match route.target {
        Target::Upstream(index) | Target::Inside(index) => index,
        Target::Own(own) => {
            let reply = own::answer(own, &core, &local, record.ctx.client.address);
            return ours(&local, reply, record, None, false);
        }
    };
    let (body, framing, held) = match permit.holds(&local.policy) {
        None => (body.take(), framing, None),
        Some(most) => match hold::read(body, most, local.settings.caps.body_timeout).await {
            Err(denial) => return refuse(&local, &denial, record),
            Ok(read) => {
                let received = read.len() as u64;
                let (held, urls) = match permit.judge_body(&local.policy, &mut record.ctx, read) {
                    Ok(judged) => judged,
                    Err(denial) => return refuse(&local, &denial, record),
                };
                if let Err(denial) = permit.check_urls(&local.policy, urls, &mut record.ctx).await {
                    return refuse(&local, &denial, record);
                }
                let framing = if framing == Body::Empty { framing } else { Body::Length(held.len() as u64) };
                (None, framing, Some((held, received)))
            }
        },
    };
    let mut out = core.buffers.text();
    write_toward(&core, &local, &head, &permit, &record.ctx, framing, upstream, &mut out);
    out.extend_from_slice(held.as_ref().map_or(&[], |(held, _)| held));
    let asked = Asked {
        out,
        held: held.map_or(0, |(_, received)| received),
        framing,
        upstream,
        max_body: route.max_body,
        head_only: parts.method == http::Method::HEAD,
        idempotent: parts.method.is_idempotent(),
    };
    match exchange::run(Rc::clone(&core), Rc::clone(&local), asked, body, &record.ctx).await {
        Ok(exchange::Answered::Theirs(response, relay)) => {
            response.map(|()| Either::Right(relay.recorded(record)))
        }
        Ok(exchange::Answered::Replaced(status)) => {
            let reply = local.policy.replaced(status, &record.ctx);
            ours(&local, reply, record, None, false)
        }
        Err(denial) => {
            let now_ms = core.now().monotonic_ms;
            record.ctx.notes.extend(local.pools[upstream].upstream().failed(denial, now_ms));
            refuse(&local, &denial, record)
        }
    }
}

/// What hyper lets through and the HTTP/1.1 engine would not: the application must see nothing over HTTP/2 that
/// it could not have been sent without it.
fn check(parts: &http::request::Parts, head: &Head<'_>, local: &Local) -> Result<(), Denial> {
    let malformed = |error: wire::RequestError| Denial::Malformed(error.name());
    if head.method == "CONNECT" {
        return Err(Denial::NotImplemented(wire::RequestError::ConnectMethod.name()));
    }
    if head.method.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(malformed(wire::RequestError::InvalidMethod));
    }
    if authority_of(parts).is_none() {
        return Err(Denial::Malformed("authority-disagrees"));
    }
    if head.authority.is_empty() {
        return Err(malformed(wire::RequestError::MissingHost));
    }
    if !wire::is_authority(head.authority) {
        return Err(malformed(wire::RequestError::InvalidHost));
    }
    let target = parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    if target.len() > local.settings.caps.target {
        return Err(Denial::TargetTooLong);
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(malformed(wire::RequestError::InvalidTarget));
    }
    wire::split_target(head.method, target, head.authority).map_err(malformed)?;
    if head.all("expect").any(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
        return Err(Denial::ExpectationFailed);
    }
    Ok(())
}

#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one head, none of which belong together elsewhere"
)]
fn write_toward(
    core: &Core,
    local: &Local,
    head: &Head<'_>,
    permit: &Permit,
    ctx: &RequestContext,
    body: Body,
    upstream: usize,
    out: &mut Vec<u8>,
) {
    Toward {
        handshake: None,
        head,
        policy: &local.policy,
        route: permit.route(&local.policy),
        identity: permit.identity(),
        ctx,
        body,
        upgrade: None,
        held: permit.holds(&local.policy).is_some(),
        fallback_host: &local.settings.upstreams[upstream].name,
    }
    .write(out, || (core.random(), core.random() as u64));
}

fn refuse(local: &Local, denial: &Denial, record: Record) -> Answer {
    let reply = local.policy.reply(denial, &record.ctx);
    ours(local, reply, record, Some(denial), false)
}

/// An answer of the gateway's own.
fn ours(local: &Local, reply: Reply, mut record: Record, denial: Option<&Denial>, preflight: bool) -> Answer {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    append(headers, "content-type", reply.content_type.as_bytes());
    for (name, value) in &reply.fields {
        append(headers, name, value.as_bytes());
    }
    let seal = if preflight { local.policy.seal_preflight() } else { local.policy.seal() };
    seal.finish(&record.ctx, |name, value| append(headers, name, value));
    record.status = reply.status;
    record.bytes_out = reply.body.len() as u64;
    record.finish(denial);
    response.map(|()| Either::Left(Full::new(Bytes::from(reply.body))))
}

/// Appends a field whose name and value may come from configuration or from the application.
pub(super) fn append(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
        headers.append(name, value);
    }
}

/// HTTP/2 may split `Cookie` into crumbs; towards HTTP/1.1 they are one field (RFC 9113 section 8.2.3).
fn join_cookies(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut crumbs = headers.get_all(http::header::COOKIE).iter();
    let mut joined = crumbs.next()?.as_bytes().to_vec();
    for crumb in crumbs {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    Some(joined)
}

fn fields_of<'a>(headers: &'a HeaderMap, cookie: Option<&'a [u8]>) -> Vec<Field<'a>> {
    headers
        .iter()
        .filter(|(name, _)| *name != http::header::COOKIE)
        .map(|(name, value)| Field { name: name.as_str(), value: value.as_bytes() })
        .chain(cookie.map(|value| Field { name: "cookie", value }))
        .collect()
}

/// The authority; `None` where `:authority` and `Host` name two.
fn authority_of(parts: &http::request::Parts) -> Option<&str> {
    let named = parts.uri.authority().map_or("", http::uri::Authority::as_str);
    let mut hosts = parts.headers.get_all(http::header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Some(named),
        (Some(host), None) => {
            let host = host.to_str().ok()?;
            (named.is_empty() || named.eq_ignore_ascii_case(host)).then_some(host)
        }
        (Some(_), Some(_)) => None,
    }
}

/// How the body goes on; `None` where its length is not one.
fn framing_of(headers: &HeaderMap, body: Option<&Incoming>) -> Option<Body> {
    let mut lengths = headers.get_all(http::header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) if body.is_none_or(Incoming::is_end_stream) => Some(Body::Empty),
        (None, _) => Some(Body::Chunked),
        (Some(length), None) => {
            let text = length.to_str().ok()?;
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok().map(Body::Length))?
        }
        (Some(_), Some(_)) => None,
    }
}
