//! What is worth recording: security events and access records, as borrowed views for a [`Recorder`].

use crate::client::Client;
use crate::id::Id;
use crate::quota::Verdict;

/// What happened. The name is stable: logs, metrics and alerts use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A credential was presented, or asked for and missing.
    AuthAttempt {
        /// Whether it was accepted.
        success: bool,
    },
    /// A WebSocket did not prove itself in its first message.
    WebSocketAuthFailed,
    /// A known caller asked for what is not its to have.
    AccessDenied,
    /// An account was made or changed, by its user or by an administrator.
    AccountChanged,
    /// A limit was reached.
    RateLimitExceeded,
    /// A browser page of an origin that is not allowed asked for something.
    CorsViolation,
    /// A request that no honest client sends: malformed, ambiguous, smuggled.
    SuspiciousActivity,
    /// A request named a URL that leads to what is not public.
    SsrfBlocked,
    /// The application called a host that is not one of those it may call.
    EgressDenied,
    /// An address guessed too many credentials.
    Lockout,
    /// An upstream failed again and again and is left alone for a while.
    BreakerOpened,
    /// The configuration was changed, or a change was refused.
    ConfigChanged,
}

impl EventKind {
    /// The name in the field `event`.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::AuthAttempt { .. } => "auth_attempt",
            EventKind::WebSocketAuthFailed => "ws_auth_failed",
            EventKind::AccessDenied => "access_denied",
            EventKind::AccountChanged => "account_changed",
            EventKind::RateLimitExceeded => "rate_limit_exceeded",
            EventKind::CorsViolation => "cors_violation",
            EventKind::SuspiciousActivity => "suspicious_activity",
            EventKind::SsrfBlocked => "ssrf_blocked",
            EventKind::EgressDenied => "egress_denied",
            EventKind::Lockout => "lockout",
            EventKind::BreakerOpened => "breaker_opened",
            EventKind::ConfigChanged => "config_changed",
        }
    }
}

impl EventKind {
    /// What a refusal with that code is, where it is more than an answer to an honest mistake.
    pub fn of_denial(code: &str) -> Option<Self> {
        Some(match code {
            "missing-credential" | "invalid-credential" | "expired-credential" => {
                EventKind::AuthAttempt { success: false }
            }
            "insufficient-role" | "out-of-scope" => EventKind::AccessDenied,
            "rate-limited" | "too-many-connections" => EventKind::RateLimitExceeded,
            "too-many-failures" => EventKind::Lockout,
            "origin-forbidden" | "preflight-forbidden" => EventKind::CorsViolation,
            "cross-site-request" | "malformed-request" | "not-implemented" | "version-not-supported" => {
                EventKind::SuspiciousActivity
            }
            _ => return None,
        })
    }
}

/// The request an event belongs to, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// The id that the answer carries in `X-Request-Id`; empty where there was no request.
    pub request_id: &'a str,
    /// Where it came from.
    pub client: Option<Client>,
    /// The method as sent.
    pub method: &'a str,
    /// The path as sent, without the query. Recorders redact it.
    pub path: &'a str,
    /// The query as sent. Recorders write its names only.
    pub query: Option<&'a str>,
    /// The name of the route that matched; empty for the default.
    pub route: &'a str,
    /// Who it was, where that is known.
    pub user: Option<&'a str>,
    /// The user's id.
    pub user_id: Option<Id>,
    /// `X-Device-ID` as sent. Recorders redact it.
    pub device: Option<&'a str>,
    /// `User-Agent` as sent. Recorders redact it.
    pub user_agent: Option<&'a str>,
}

/// One security event.
#[derive(Debug, Clone, Copy)]
pub struct SecurityEvent<'a> {
    /// What happened.
    pub kind: EventKind,
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
    /// The request it belongs to.
    pub subject: Subject<'a>,
    /// The status of the answer; 0 where there was none.
    pub status: u16,
    /// The stable code of the denial, or another stable word.
    pub reason: &'a str,
    /// One sentence for people. Never a secret.
    pub details: &'a str,
    /// Whether the rule only observed: it was evaluated and logged, and refused nobody.
    pub observed: bool,
}

/// One answered (or abandoned) request.
#[derive(Debug, Clone, Copy)]
pub struct AccessRecord<'a> {
    /// When its head was read, in milliseconds since 1970.
    pub unix_ms: u64,
    /// The request.
    pub subject: Subject<'a>,
    /// The status of the answer; 0 when the client left before there was one.
    pub status: u16,
    /// The stable code of the denial, where the gateway refused.
    pub denial: Option<&'static str>,
    /// What the tightest of the limits that applied said.
    pub verdict: Option<Verdict>,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// From the head read to the last byte written, in microseconds.
    pub duration_us: u64,
    /// Whether the client went away before the answer ended.
    pub aborted: bool,
}

/// Takes records without waiting; each core has its own.
pub trait Recorder {
    /// Records a security event.
    fn security(&mut self, event: &SecurityEvent<'_>);
    /// Records an answered request.
    fn access(&mut self, record: &AccessRecord<'_>);
    /// Hands on what is buffered; called when the core is idle and at intervals.
    fn flush(&mut self);
}
