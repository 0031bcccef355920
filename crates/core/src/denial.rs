//! Every way to refuse a request, each with its stable code.

use crate::identity::Scheme;
use crate::quota::Verdict;

/// A refusal by the gateway. Rendered in one place (`gate::reply`), exhaustively.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The request is malformed or ambiguous; the word names how. The connection is closed after it.
    Malformed(&'static str),
    /// The request asks for what no gateway of this kind does (CONNECT, another transfer coding); the word
    /// names what.
    NotImplemented(&'static str),
    /// The request is in a version of HTTP that is not spoken here; the word names how it showed.
    VersionNotSupported(&'static str),
    /// The client did not send its request in time.
    RequestTimeout,
    /// The body is larger than the route allows.
    BodyTooLarge,
    /// The request target is too long.
    TargetTooLong,
    /// The header section is too large.
    HeadersTooLarge,
    /// The query or the body is not what the route takes; the status that says how: 413, 415 or 422.
    Invalid(u16),
    /// The body names a URL that may not be called; how it is wrong.
    Url(UrlFault),
    /// The path, the query or the body holds what looks like an attack.
    AttackPattern,
    /// `Expect` asks for something else than `100-continue`.
    ExpectationFailed,
    /// The configuration closes routes it does not know.
    UnknownRoute,
    /// The configuration closes methods it does not know on this path.
    MethodNotAllowed,
    /// No credential of the accepted kinds; the one to ask for.
    MissingCredential(Scheme),
    /// A credential that is not valid; the kind it was.
    InvalidCredential(Scheme),
    /// A credential that was valid and has expired; the kind it was.
    ExpiredCredential(Scheme),
    /// A WebSocket in another version of the protocol than 13.
    WebSocketVersion,
    /// No first message of a WebSocket came in time.
    LoginTimeout,
    /// The first message of a WebSocket is no JSON object in text.
    LoginMalformed,
    /// The first message of a WebSocket is none that logs in.
    LoginExpected,
    /// A known caller whose role is not one that the route is for.
    InsufficientRole,
    /// A known caller whose API key is not for this route, or not for this value of a path parameter.
    OutOfScope,
    /// A limit counts by device, and the request names none.
    MissingDevice,
    /// A request with a session cookie that a page of another site may have caused.
    CrossSiteRequest,
    /// What is needed to judge the credential cannot be had now.
    AuthenticationUnavailable,
    /// A page of an origin that is not allowed, where the configuration refuses instead of leaving it to
    /// the browser.
    OriginForbidden,
    /// A preflight from an origin that is not allowed.
    PreflightForbidden,
    /// A limit was reached.
    RateLimited(Verdict),
    /// The address presented too many wrong credentials.
    TooManyFailures(Verdict),
    /// The client holds too many connections.
    TooManyConnections,
    /// No upstream could be reached.
    UpstreamUnreachable,
    /// The upstream's answer was not HTTP.
    UpstreamMalformed,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The upstream failed again and again and is left alone; seconds until it is asked again.
    BreakerOpen(u32),
    /// The gateway is shutting down.
    Draining,
    /// A fault of our own. The log says which.
    Internal,
}

/// How a URL in a request is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlFault {
    /// It is no absolute URL.
    Invalid,
    /// Its scheme is neither `http` nor `https`.
    Scheme,
    /// It leads to this machine, its network or its cloud, or not every program reads it alike, or the
    /// configuration forbids it.
    Refused,
    /// It leads to a private network (10.0.0.0/8, 172.16.0.0/12, unique local addresses).
    PrivateNetwork,
    /// Its name has no address that could be judged.
    Unresolved,
}

/// Who is to blame for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The client must change its request.
    Client,
    /// The application behind the gateway.
    Upstream,
    /// The gateway itself.
    Gateway,
}

impl Denial {
    /// The stable codes, for configuration that names them; a test keeps it complete.
    pub const CODES: [&'static str; 40] = [
        "malformed-request",
        "not-implemented",
        "version-not-supported",
        "request-timeout",
        "body-too-large",
        "target-too-long",
        "headers-too-large",
        "invalid-request",
        "invalid-url",
        "url-scheme",
        "url-not-public",
        "url-private-network",
        "url-unresolved",
        "attack-pattern",
        "expectation-failed",
        "unknown-route",
        "method-not-allowed",
        "missing-credential",
        "invalid-credential",
        "expired-credential",
        "websocket-version",
        "login-timeout",
        "login-malformed",
        "login-expected",
        "insufficient-role",
        "out-of-scope",
        "missing-device",
        "cross-site-request",
        "authentication-unavailable",
        "origin-forbidden",
        "preflight-forbidden",
        "rate-limited",
        "too-many-failures",
        "too-many-connections",
        "upstream-unreachable",
        "upstream-malformed",
        "upstream-timeout",
        "breaker-open",
        "draining",
        "internal",
    ];

    /// The stable code: the same in body, log, metric and `explain`.
    pub fn code(&self) -> &'static str {
        match self {
            Denial::Malformed(_) => "malformed-request",
            Denial::NotImplemented(_) => "not-implemented",
            Denial::VersionNotSupported(_) => "version-not-supported",
            Denial::RequestTimeout => "request-timeout",
            Denial::BodyTooLarge => "body-too-large",
            Denial::TargetTooLong => "target-too-long",
            Denial::HeadersTooLarge => "headers-too-large",
            Denial::Invalid(_) => "invalid-request",
            Denial::Url(UrlFault::Invalid) => "invalid-url",
            Denial::Url(UrlFault::Scheme) => "url-scheme",
            Denial::Url(UrlFault::Refused) => "url-not-public",
            Denial::Url(UrlFault::PrivateNetwork) => "url-private-network",
            Denial::Url(UrlFault::Unresolved) => "url-unresolved",
            Denial::AttackPattern => "attack-pattern",
            Denial::ExpectationFailed => "expectation-failed",
            Denial::UnknownRoute => "unknown-route",
            Denial::MethodNotAllowed => "method-not-allowed",
            Denial::MissingCredential(_) => "missing-credential",
            Denial::InvalidCredential(_) => "invalid-credential",
            Denial::ExpiredCredential(_) => "expired-credential",
            Denial::WebSocketVersion => "websocket-version",
            Denial::LoginTimeout => "login-timeout",
            Denial::LoginMalformed => "login-malformed",
            Denial::LoginExpected => "login-expected",
            Denial::InsufficientRole => "insufficient-role",
            Denial::OutOfScope => "out-of-scope",
            Denial::MissingDevice => "missing-device",
            Denial::CrossSiteRequest => "cross-site-request",
            Denial::AuthenticationUnavailable => "authentication-unavailable",
            Denial::OriginForbidden => "origin-forbidden",
            Denial::PreflightForbidden => "preflight-forbidden",
            Denial::RateLimited(_) => "rate-limited",
            Denial::TooManyFailures(_) => "too-many-failures",
            Denial::TooManyConnections => "too-many-connections",
            Denial::UpstreamUnreachable => "upstream-unreachable",
            Denial::UpstreamMalformed => "upstream-malformed",
            Denial::UpstreamTimeout => "upstream-timeout",
            Denial::BreakerOpen(_) => "breaker-open",
            Denial::Draining => "draining",
            Denial::Internal => "internal",
        }
    }

    /// The HTTP status (RFC 9110, RFC 6585).
    pub fn status(&self) -> u16 {
        match self {
            Denial::Malformed(_) | Denial::PreflightForbidden | Denial::MissingDevice => 400,
            Denial::MissingCredential(_)
            | Denial::InvalidCredential(_)
            | Denial::ExpiredCredential(_)
            | Denial::LoginTimeout
            | Denial::LoginMalformed
            | Denial::LoginExpected => 401,
            Denial::OriginForbidden
            | Denial::InsufficientRole
            | Denial::OutOfScope
            | Denial::CrossSiteRequest
            | Denial::Url(UrlFault::Refused | UrlFault::PrivateNetwork)
            | Denial::AttackPattern => 403,
            Denial::UnknownRoute => 404,
            Denial::MethodNotAllowed => 405,
            Denial::RequestTimeout => 408,
            Denial::BodyTooLarge => 413,
            Denial::TargetTooLong => 414,
            Denial::Invalid(status) => *status,
            Denial::Url(UrlFault::Invalid | UrlFault::Scheme | UrlFault::Unresolved) => 422,
            Denial::ExpectationFailed => 417,
            Denial::WebSocketVersion => 426,
            Denial::RateLimited(_) | Denial::TooManyFailures(_) => 429,
            Denial::HeadersTooLarge => 431,
            Denial::Internal => 500,
            Denial::NotImplemented(_) => 501,
            Denial::UpstreamUnreachable | Denial::UpstreamMalformed => 502,
            Denial::TooManyConnections
            | Denial::Draining
            | Denial::AuthenticationUnavailable
            | Denial::BreakerOpen(_) => 503,
            Denial::UpstreamTimeout => 504,
            Denial::VersionNotSupported(_) => 505,
        }
    }

    /// One sentence for the client: never which half of a credential was wrong, never a path of ours.
    pub fn detail(&self) -> &'static str {
        match self {
            Denial::Malformed(_) => "The request is malformed",
            Denial::NotImplemented(_) => "The request asks for what is not done here",
            Denial::VersionNotSupported(_) => "The version of HTTP is not spoken here",
            Denial::RequestTimeout => "The request did not arrive in time",
            Denial::BodyTooLarge => "The request body is too large",
            Denial::TargetTooLong => "The request target is too long",
            Denial::HeadersTooLarge => "The request headers are too large",
            Denial::Invalid(_) => "The query or the body is not what is taken here",
            Denial::Url(UrlFault::Invalid) => "That is not a URL",
            Denial::Url(UrlFault::Scheme) => "The URL must begin with http:// or https://",
            Denial::Url(UrlFault::Refused) => "The URL is not a public one",
            Denial::Url(UrlFault::PrivateNetwork) => "The URL is one of a private network",
            Denial::Url(UrlFault::Unresolved) => "The name in the URL could not be resolved",
            Denial::AttackPattern => "The request looks like an attack",
            Denial::ExpectationFailed => "The expectation cannot be met",
            Denial::UnknownRoute => "Not found",
            Denial::MethodNotAllowed => "Method not allowed",
            Denial::MissingCredential(_) => "Authentication required",
            Denial::InvalidCredential(Scheme::Bearer) => "Invalid token",
            Denial::InvalidCredential(_) => "Invalid credentials",
            Denial::ExpiredCredential(Scheme::Bearer) => "Token has expired",
            Denial::ExpiredCredential(_) => "The credential has expired",
            Denial::WebSocketVersion => "Only version 13 of the WebSocket protocol is spoken here",
            Denial::LoginTimeout => "No login came in time",
            Denial::LoginMalformed => "The first message must be a JSON object",
            Denial::LoginExpected => "The first message must log in",
            Denial::InsufficientRole => "Insufficient permissions",
            Denial::OutOfScope => "The API key is not for this",
            Denial::MissingDevice => "Device ID required",
            Denial::CrossSiteRequest => "The request came from another site",
            Denial::AuthenticationUnavailable => "Credentials cannot be judged at the moment",
            Denial::OriginForbidden => "Origin not allowed",
            Denial::PreflightForbidden => "Disallowed CORS origin",
            Denial::RateLimited(_) => "Rate limit exceeded",
            Denial::TooManyFailures(_) => "Too many failed attempts",
            Denial::TooManyConnections => "Too many connections",
            Denial::UpstreamUnreachable => "The application cannot be reached",
            Denial::UpstreamMalformed => "The application gave no valid answer",
            Denial::UpstreamTimeout => "The application did not answer in time",
            Denial::BreakerOpen(_) => "The application does not answer at the moment",
            Denial::Draining => "The gateway is restarting",
            Denial::Internal => "Internal error",
        }
    }

    /// The status code of the close frame, where it is said over an open WebSocket: of RFC 6455 section 7.4.1 and
    /// the registry it begins, or of the range for applications, with the HTTP status that means the same in the
    /// last digits.
    pub fn close_code(&self) -> u16 {
        match self {
            Denial::LoginTimeout | Denial::RequestTimeout => 4408,
            Denial::RateLimited(_) | Denial::TooManyFailures(_) | Denial::TooManyConnections => 4429,
            Denial::BodyTooLarge => 1009,
            Denial::Malformed(_) => 1002,
            Denial::Draining => 1001,
            // Try again later: nothing is wrong with the client.
            Denial::AuthenticationUnavailable
            | Denial::UpstreamUnreachable
            | Denial::UpstreamTimeout
            | Denial::BreakerOpen(_) => 1013,
            Denial::UpstreamMalformed | Denial::Internal => 1011,
            other => match other.status() {
                401 => 4401,
                403 => 4403,
                _ => 1008,
            },
        }
    }

    /// The stable word for how a request was wrong, where the code does not say it all.
    pub fn how(&self) -> Option<&'static str> {
        match self {
            Denial::Malformed(how) | Denial::NotImplemented(how) | Denial::VersionNotSupported(how) => {
                Some(how)
            }
            _ => None,
        }
    }

    /// Who must act.
    pub fn blame(&self) -> Blame {
        match self {
            Denial::UpstreamUnreachable
            | Denial::UpstreamMalformed
            | Denial::UpstreamTimeout
            | Denial::BreakerOpen(_) => Blame::Upstream,
            Denial::Draining | Denial::Internal | Denial::AuthenticationUnavailable => Blame::Gateway,
            _ => Blame::Client,
        }
    }

    /// Whether the connection must not be used again: what follows on it cannot be trusted to be a request.
    pub fn closes(&self) -> bool {
        matches!(
            self,
            Denial::Malformed(_)
                | Denial::NotImplemented(_)
                | Denial::VersionNotSupported(_)
                | Denial::RequestTimeout
                | Denial::BodyTooLarge
                | Denial::Invalid(413)
                | Denial::TargetTooLong
                | Denial::HeadersTooLarge
                | Denial::ExpectationFailed
                | Denial::TooManyConnections
                | Denial::Draining
                | Denial::Internal
        )
    }
}
