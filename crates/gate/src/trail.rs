//! What is recorded when the answer, or the caller, is gone.
//!
//! The head of a request lives only as long as its bytes; the trail keeps what the log needs of it.

use std::borrow::Cow;

use portcullis_core::denial::UrlFault;
use portcullis_core::event::{AccessRecord, EventKind, Recorder, SecurityEvent, Subject};
use portcullis_core::identity::Scheme;
use portcullis_core::{Denial, Head};

use crate::context::RequestContext;
use crate::policy::Policy;
use crate::validate::Invalid;

/// The texts of a request that outlive its head: one buffer, reused from request to request.
#[derive(Debug, Default)]
pub struct Trail {
    text: String,
    method: u16,
    path: u16,
    query: Option<u16>,
    device: Option<u16>,
    user_agent: Option<u16>,
}

/// How a request ended, for its access record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ending {
    /// The status of the answer; 0 when there was none.
    pub status: u16,
    /// The code of the denial, where the gateway refused.
    pub denial: Option<&'static str>,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Microseconds from the head read to the last byte written.
    pub duration_us: u64,
    /// Whether the client went away before the answer ended.
    pub aborted: bool,
}

/// The longest text kept of any one part, in bytes.
const LONGEST: usize = 2048;

impl Trail {
    /// Keeps what the log needs of a head. Replaces what was kept before.
    pub fn keep(&mut self, head: &Head<'_>) {
        self.text.clear();
        self.method = self.push(head.method);
        self.path = self.push(head.path);
        self.query = head.query.map(|query| self.push(query));
        self.device = head.text("x-device-id").map(|device| self.push(device));
        self.user_agent = head.text("user-agent").map(|agent| self.push(agent));
    }

    /// Forgets the last request, for one whose head could not be read.
    pub fn forget(&mut self) {
        self.text.clear();
        (self.method, self.path, self.query, self.device, self.user_agent) = (0, 0, None, None, None);
    }

    /// Appends a part and returns where it ends.
    fn push(&mut self, part: &str) -> u16 {
        self.text.push_str(shortened(part));
        self.text.len() as u16
    }

    fn subject<'a>(&'a self, policy: &'a Policy, ctx: &'a RequestContext) -> Subject<'a> {
        let mut from = 0;
        let mut part = |end: u16| {
            let text = &self.text[from..usize::from(end)];
            from = usize::from(end);
            text
        };
        Subject {
            request_id: ctx.request_id.as_str(),
            client: Some(ctx.client),
            method: part(self.method),
            path: part(self.path),
            query: self.query.map(&mut part),
            device: self.device.map(&mut part),
            user_agent: self.user_agent.map(&mut part),
            route: if ctx.route.is_some() { &policy.route(ctx.route).name } else { "" },
            user: ctx.identity.as_ref().map(|identity| &*identity.user),
            user_id: ctx.identity.as_ref().and_then(|identity| identity.id),
        }
    }

    /// Records the events of a decision: the notes of its stages and the denial, if it was one. `status` is
    /// what the client is answered.
    pub fn events(
        &self,
        policy: &Policy,
        ctx: &RequestContext,
        denial: Option<&Denial>,
        status: u16,
        recorder: &mut dyn Recorder,
    ) {
        let subject = self.subject(policy, ctx);
        for note in &ctx.notes {
            recorder.security(&SecurityEvent {
                kind: note.kind,
                unix_ms: ctx.now.unix_ms,
                subject,
                status,
                reason: note.reason,
                details: &note.details,
                observed: note.observed,
            });
        }
        let Some(denial) = denial else { return };
        let Some((kind, details)) = event_of(denial, ctx) else { return };
        // The words of the configuration are about a request, and a WebSocket has been answered by then.
        let words = policy.replies.log(denial.code()).filter(|_| !ctx.awaits_login);
        let details = words.unwrap_or(&details);
        recorder.security(&SecurityEvent {
            kind,
            unix_ms: ctx.now.unix_ms,
            subject,
            status,
            reason: denial.code(),
            details,
            observed: false,
        });
    }

    /// Records how a request ended.
    pub fn access(
        &self,
        policy: &Policy,
        ctx: &RequestContext,
        ending: &Ending,
        recorder: &mut dyn Recorder,
    ) {
        recorder.access(&AccessRecord {
            unix_ms: ctx.now.unix_ms,
            subject: self.subject(policy, ctx),
            status: ending.status,
            denial: ending.denial,
            verdict: ctx.verdict,
            bytes_in: ending.bytes_in,
            bytes_out: ending.bytes_out,
            duration_us: ending.duration_us,
            aborted: ending.aborted,
        });
    }
}

/// The beginning of a text that is too long, up to the last whole word: half a secret would not be recognised
/// as one by who redacts it.
fn shortened(part: &str) -> &str {
    if part.len() <= LONGEST {
        return part;
    }
    let mut end = LONGEST;
    while !part.is_char_boundary(end) {
        end -= 1;
    }
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+/=@%~".contains(&byte);
    let whole = part.as_bytes()[..end].iter().rposition(|byte| !word(*byte)).map_or(0, |at| at + 1);
    if part.is_char_boundary(whole) { &part[..whole] } else { "" }
}

/// Which denials are security events, and the sentence for people.
pub(crate) fn event_of(denial: &Denial, ctx: &RequestContext) -> Option<(EventKind, Cow<'static, str>)> {
    let address = ctx.client.address;
    let event = match denial {
        Denial::MissingCredential(_)
        | Denial::InvalidCredential(_)
        | Denial::ExpiredCredential(_)
        | Denial::LoginTimeout
        | Denial::LoginMalformed
        | Denial::LoginExpected
            if ctx.awaits_login =>
        {
            let how = denial.detail();
            (EventKind::WebSocketAuthFailed, format!("WebSocket login failed from {address}: {how}").into())
        }
        // The words of the applications: whoever searches for them finds missing ones too.
        Denial::MissingCredential(scheme) => (
            EventKind::AuthAttempt { success: false },
            format!("Invalid {} attempt from {address}: none presented", spoken(*scheme)).into(),
        ),
        Denial::InvalidCredential(scheme) => (
            EventKind::AuthAttempt { success: false },
            format!("Invalid {} attempt from {address}", spoken(*scheme)).into(),
        ),
        Denial::ExpiredCredential(scheme) => (
            EventKind::AuthAttempt { success: false },
            format!("Expired {} from {address}", spoken(*scheme)).into(),
        ),
        Denial::InsufficientRole => {
            (EventKind::AccessDenied, format!("A role that is not allowed there, from {address}").into())
        }
        Denial::OutOfScope => {
            (EventKind::AccessDenied, format!("A credential beyond its scope, from {address}").into())
        }
        Denial::CrossSiteRequest => (
            EventKind::SuspiciousActivity,
            "Suspicious activity: a session cookie came with a request of another site".into(),
        ),
        Denial::RateLimited(verdict) => (
            EventKind::RateLimitExceeded,
            format!("Rate limit exceeded for IP: {address} ({} in {} s)", verdict.limit, verdict.window_s)
                .into(),
        ),
        Denial::TooManyConnections => {
            (EventKind::RateLimitExceeded, format!("Connection limit reached for IP: {address}").into())
        }
        Denial::TooManyFailures(_) => {
            (EventKind::Lockout, format!("Too many wrong credentials from {address}").into())
        }
        Denial::OriginForbidden | Denial::PreflightForbidden => {
            (EventKind::CorsViolation, "CORS: the origin is not allowed".into())
        }
        Denial::Malformed(how) | Denial::NotImplemented(how) | Denial::VersionNotSupported(how) => {
            (EventKind::SuspiciousActivity, format!("Suspicious activity: malformed request ({how})").into())
        }
        Denial::Invalid(_) if let Some(place) = ctx.invalid.as_ref().and_then(Invalid::forbidden) => {
            (EventKind::SuspiciousActivity, format!("Suspicious activity: forbidden-text in {place}").into())
        }
        Denial::Invalid(_) if ctx.invalid.as_ref().is_some_and(Invalid::is_suspicious) => (
            EventKind::SuspiciousActivity,
            "Suspicious activity: control characters or broken text in the query or the body".into(),
        ),
        Denial::Url(
            UrlFault::Scheme | UrlFault::Refused | UrlFault::PrivateNetwork | UrlFault::Unresolved,
        ) => {
            let (at, why) = ctx.refused_url.as_ref().map_or(("", ""), |it| (&*it.pointer, &*it.why));
            (EventKind::SsrfBlocked, format!("SSRF: a URL is refused (body {at}: {why})").into())
        }
        // What was found is noted rule by rule.
        Denial::AttackPattern
        | Denial::Invalid(_)
        | Denial::Url(UrlFault::Invalid)
        | Denial::RequestTimeout
        | Denial::BodyTooLarge
        | Denial::TargetTooLong
        | Denial::HeadersTooLarge
        | Denial::ExpectationFailed
        | Denial::UnknownRoute
        | Denial::MethodNotAllowed
        | Denial::WebSocketVersion
        | Denial::LoginTimeout
        | Denial::LoginMalformed
        | Denial::LoginExpected
        | Denial::MissingDevice
        | Denial::AuthenticationUnavailable
        | Denial::UpstreamUnreachable
        | Denial::UpstreamMalformed
        | Denial::UpstreamTimeout
        | Denial::BreakerOpen(_)
        | Denial::Draining
        | Denial::Internal => return None,
    };
    Some(event)
}

fn spoken(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::ApiKey => "API key",
        Scheme::Bearer => "access token",
        Scheme::Session => "session",
        Scheme::IngestToken => "ingest token",
        Scheme::FirstMessage => "first message",
    }
}
