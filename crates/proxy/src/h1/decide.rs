//! From the bytes of a head to a decision, without waiting: parse, ask the gate, write the head that the
//! application gets.

use std::net::IpAddr;
use std::time::Instant;

use portcullis_core::identity::Scheme;
use portcullis_core::route::CanonicalPath;
use portcullis_core::{Denial, Field, Head, Upgrade};
use portcullis_gate::context::RequestId;
use portcullis_gate::policy::Target;
use portcullis_gate::trail::Trail;
use portcullis_gate::{Admission, Permit, Reply, RequestContext, Route, Unproven};
use portcullis_wire::{
    self as wire, Body, Handshake, HandshakeError, RequestError, RequestHead, Scratch, Version,
};

use super::exchange::Failure;
use super::login::{Entered, Login};
use crate::core::{Core, Local};
use crate::own;
use crate::settings::Upstream;
use crate::toward::Toward;

/// What the head of a request led to.
#[derive(Debug)]
pub enum Decision {
    /// The head is not complete.
    More,
    /// It is the preface of HTTP/2 (RFC 9113 section 3.4).
    Http2,
    /// The gateway answers by itself.
    Answer(Box<Answered>),
    /// It goes to the application; the head for it was written.
    Forward(Box<Forward>),
    /// A WebSocket that has to log in by its first message.
    Login(Box<Login>),
}

/// A request that the gateway answers.
#[derive(Debug)]
pub struct Answered {
    pub ctx: RequestContext,
    pub reply: Reply,
    pub denial: Option<Denial>,
    pub facts: Facts,
    pub preflight: bool,
}

/// A request that was admitted.
#[derive(Debug)]
pub struct Forward {
    pub ctx: RequestContext,
    pub permit: Permit,
    pub upstream: usize,
    pub facts: Facts,
    /// The path, of an upgrade on a route that counts connections by it.
    pub path: Box<str>,
    /// What came before, where the client's handshake was answered by the gateway.
    pub entered: Option<Entered>,
}

impl Forward {
    /// Notes that the upstream failed in it, where it did.
    pub fn failed(&mut self, upstream: &Upstream, failure: Failure, now_ms: u64) {
        self.ctx.notes.extend(failure.denial().and_then(|denial| upstream.failed(denial, now_ms)));
    }
}

/// What of a head the engine needs after its bytes are gone.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Bytes of the head.
    pub head_len: usize,
    /// How the body is framed.
    pub body: Body,
    /// Whether the method is HEAD.
    pub head_only: bool,
    /// Whether sending it twice does no more than sending it once (RFC 9110 section 9.2.2).
    pub idempotent: bool,
    /// Whether the client keeps the connection.
    pub persistent: bool,
    /// Whether the client speaks HTTP/1.0.
    pub http10: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects: bool,
    /// What it asks the connection to become.
    pub upgrade: Upgrade,
    /// When the head was complete.
    pub since: Instant,
}

impl Facts {
    /// Of a head that could not be read.
    fn unreadable() -> Self {
        Self {
            head_len: 0,
            body: Body::Empty,
            head_only: false,
            idempotent: false,
            persistent: false,
            http10: false,
            expects: false,
            upgrade: Upgrade::None,
            since: Instant::now(),
        }
    }
}

/// Who is on the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Its address.
    pub peer: IpAddr,
    /// Whether it came over TLS that this gateway ended.
    pub secure: bool,
}

/// Reads a head from `bytes` and decides about it. `out` gets the head for the application.
pub fn decide(
    core: &Core,
    local: &Local,
    caller: Caller,
    bytes: &[u8],
    out: &mut Vec<u8>,
    trail: &mut Trail,
) -> Decision {
    let read = view(bytes, &local.settings.caps, caller, |head, request| {
        decide_head(core, local, caller, head, request, out, trail)
    });
    match read {
        Ok(Some(Decision::Login(mut login))) => {
            // It is read again when the client has logged in.
            login.head = bytes[..login.facts.head_len].into();
            Decision::Login(login)
        }
        Ok(Some(decision)) => decision,
        Ok(None) => Decision::More,
        Err(Unread::Http2) => Decision::Http2,
        Err(Unread::Denied(denial)) => refuse_unread(core, local, caller, denial, trail),
    }
}

/// Why there is no head to decide about.
#[derive(Debug)]
pub enum Unread {
    /// The connection speaks HTTP/2.
    Http2,
    /// What came is refused as it stands.
    Denied(Denial),
}

/// Reads a head from `bytes` and lends it in the form that decisions are made on; `None` when it is not
/// complete.
pub fn view<R>(
    bytes: &[u8],
    caps: &crate::settings::Caps,
    caller: Caller,
    look: impl FnOnce(&Head<'_>, &RequestHead<'_, '_>) -> R,
) -> Result<Option<R>, Unread> {
    let denied = |error: RequestError| match error {
        RequestError::Http2Preface => Unread::Http2,
        error => Unread::Denied(denial_of(error)),
    };
    let caps = wire::Caps { head: caps.headers, target: caps.target, fields: wire::MAX_FIELDS };
    let mut scratch = Scratch::new();
    let Some(request) = wire::parse_request(bytes, &caps, &mut scratch).map_err(denied)? else {
        return Ok(None);
    };
    let target = wire::split_target(request.method, request.target, request.host).map_err(denied)?;
    let mut fields = [Field::EMPTY; wire::MAX_FIELDS];
    for (to, from) in fields.iter_mut().zip(request.fields) {
        *to = Field { name: from.name, value: from.value };
    }
    let head = Head {
        method: request.method,
        path: target.path,
        query: target.query,
        // HTTP/1.0 may name the host in the target alone.
        authority: if request.host.is_empty() { target.authority.unwrap_or_default() } else { request.host },
        secure: caller.secure,
        upgrade: match request.upgrade {
            None => Upgrade::None,
            Some(protocols) if offers_websocket(protocols) => Upgrade::WebSocket,
            Some(_) => Upgrade::Other,
        },
        fields: &fields[..request.fields.len()],
    };
    Ok(Some(look(&head, &request)))
}

/// Whether a WebSocket is among the protocols. The application chooses one of them, and may choose that.
pub fn offers_websocket(protocols: &str) -> bool {
    wire::tokens(protocols.as_bytes())
        .filter_map(|protocol| protocol.split(|byte| *byte == b'/').next())
        .any(|name| name.eq_ignore_ascii_case(b"websocket"))
}

fn decide_head(
    core: &Core,
    local: &Local,
    caller: Caller,
    head: &Head<'_>,
    request: &RequestHead<'_, '_>,
    out: &mut Vec<u8>,
    trail: &mut Trail,
) -> Decision {
    trail.keep(head);
    let id = RequestId::of(head).unwrap_or_else(|| core.request_id());
    let mut ctx = RequestContext::new(core.now(), caller.peer, caller.secure, id);
    let facts = Facts {
        head_len: request.len,
        body: request.body,
        head_only: request.method == "HEAD",
        idempotent: matches!(request.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE"),
        persistent: request.persistent,
        http10: request.version == Version::Http10,
        expects: request.expect_continue,
        upgrade: head.upgrade,
        since: Instant::now(),
    };
    let permit = match core.shared.gate.admit(&local.policy, head, &mut ctx) {
        Ok(Admission::Forward(permit)) => permit,
        Ok(Admission::Login(unproven)) => return login(local, head, request, ctx, unproven, facts),
        Ok(Admission::Preflight) => return answered(ctx, Reply::preflight(), None, facts, true),
        Err(denial) => return refused(local, ctx, denial, facts),
    };
    let route = permit.route(&local.policy);
    if matches!(request.body, Body::Length(length) if length > route.max_body) {
        return refused(local, ctx, Denial::BodyTooLarge, facts);
    }
    let upstream = match route.target {
        Target::Upstream(index) | Target::Inside(index) => index,
        Target::Own(own) => {
            let reply = own::answer(own, core, local, ctx.client.address);
            return answered(ctx, reply, None, facts, false);
        }
    };
    write_toward(core, local, &Asked { head, request, upstream, handshake: None }, &permit, &ctx, out);
    let path = counted_path(route, head);
    Decision::Forward(Box::new(Forward { ctx, permit, upstream, facts, path, entered: None }))
}

/// What is asked of an upstream.
pub struct Asked<'a> {
    pub head: &'a Head<'a>,
    pub request: &'a RequestHead<'a, 'a>,
    pub upstream: usize,
    /// The handshake that the gateway answered itself.
    pub handshake: Option<&'a Handshake>,
}

/// Writes the head for the application into `out`.
pub fn write_toward(
    core: &Core,
    local: &Local,
    asked: &Asked<'_>,
    permit: &Permit,
    ctx: &RequestContext,
    out: &mut Vec<u8>,
) {
    out.clear();
    Toward {
        head: asked.head,
        policy: &local.policy,
        route: permit.route(&local.policy),
        identity: permit.identity(),
        ctx,
        body: asked.request.body,
        upgrade: asked.request.upgrade,
        held: permit.holds(&local.policy).is_some(),
        handshake: asked.handshake,
        fallback_host: &local.settings.upstreams[asked.upstream].name,
    }
    .write(out, || (core.random(), core.random() as u64));
}

/// The path of an upgrade on a route that counts connections by it, in the one spelling that all its spellings have.
pub fn counted_path(route: &Route, head: &Head<'_>) -> Box<str> {
    if head.upgrade == Upgrade::None || route.websocket.connections_per_path == 0 {
        return Box::default();
    }
    CanonicalPath::parse(head.path).map_or(head.path.into(), |path| path.as_str().into())
}

/// Decides about a handshake that the gateway answers itself.
fn login(
    local: &Local,
    head: &Head<'_>,
    request: &RequestHead<'_, '_>,
    ctx: RequestContext,
    unproven: Unproven,
    facts: Facts,
) -> Decision {
    let handshake = match Handshake::read(request.method, request.fields) {
        Ok(handshake) => handshake,
        Err(HandshakeError::Version) => {
            return refused(local, ctx, Denial::WebSocketVersion, facts);
        }
        Err(HandshakeError::Key | HandshakeError::Method | HandshakeError::Protocol) => {
            return refused(local, ctx, Denial::Malformed("websocket-handshake"), facts);
        }
    };
    // What follows the head has to be frames.
    if request.body != Body::Empty {
        return refused(local, ctx, Denial::Malformed("websocket-body"), facts);
    }
    let (Target::Upstream(upstream) | Target::Inside(upstream)) = unproven.route(&local.policy).target else {
        return refused(local, ctx, Denial::MissingCredential(Scheme::FirstMessage), facts);
    };
    let path = counted_path(unproven.route(&local.policy), head);
    let facts = Facts { expects: false, ..facts };
    Decision::Login(Box::new(Login { ctx, unproven, handshake, head: Box::default(), facts, upstream, path }))
}

/// Refuses a request whose head could not be read.
pub fn refuse_unread(
    core: &Core,
    local: &Local,
    caller: Caller,
    denial: Denial,
    trail: &mut Trail,
) -> Decision {
    trail.forget();
    let ctx = RequestContext::new(core.now(), caller.peer, caller.secure, core.request_id());
    refused(local, ctx, denial, Facts::unreadable())
}

fn refused(local: &Local, ctx: RequestContext, denial: Denial, facts: Facts) -> Decision {
    let reply = local.policy.reply(&denial, &ctx);
    answered(ctx, reply, Some(denial), facts, false)
}

fn answered(
    ctx: RequestContext,
    reply: Reply,
    denial: Option<Denial>,
    facts: Facts,
    preflight: bool,
) -> Decision {
    Decision::Answer(Box::new(Answered { ctx, reply, denial, facts, preflight }))
}

fn denial_of(error: RequestError) -> Denial {
    match error.status() {
        414 => Denial::TargetTooLong,
        417 => Denial::ExpectationFailed,
        431 => Denial::HeadersTooLarge,
        501 => Denial::NotImplemented(error.name()),
        505 => Denial::VersionNotSupported(error.name()),
        _ => Denial::Malformed(error.name()),
    }
}
