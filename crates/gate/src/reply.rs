//! The only place where a refusal becomes an answer.

mod template;

use std::borrow::Cow;

use portcullis_core::Denial;
use portcullis_core::clock::write_rfc3339;
use portcullis_core::identity::Scheme;
use portcullis_core::quota::Verdict;

use crate::context::RequestContext;
use crate::validate::Invalid;
use crate::validate::one_to_json;
use template::{Slot, fill};

pub use template::{Parting, Template, UnknownPlaceholder};

/// An answer that the gateway gives itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The media type of the body.
    pub content_type: Box<str>,
    /// The body.
    pub body: Vec<u8>,
    /// Fields that belong to this answer (`WWW-Authenticate`, `Retry-After`, `Allow`).
    pub fields: Vec<(Cow<'static, str>, Box<str>)>,
    /// Whether the connection ends with it.
    pub close: bool,
}

impl Reply {
    /// The answer to a preflight; its CORS fields come with the seal.
    pub fn preflight() -> Reply {
        Reply {
            status: 200,
            content_type: "text/plain; charset=utf-8".into(),
            body: b"OK".to_vec(),
            fields: Vec::new(),
            close: false,
        }
    }
}

/// How a refusal is told over an open WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// A text message before the end.
    pub message: Option<Vec<u8>>,
    /// The status code of the close frame.
    pub code: u16,
    /// Its reason.
    pub reason: Box<str>,
}

struct Values<'a> {
    ctx: &'a RequestContext,
    status: u16,
    code: &'a str,
    detail: &'a str,
    verdict: Option<Verdict>,
}

impl Values<'_> {
    /// What is wrong, where that is why it is refused.
    fn invalid(&self) -> Option<&Invalid> {
        self.ctx.invalid.as_ref().filter(|_| self.code == INVALID)
    }

    fn write(&self, slot: Slot, out: &mut String) {
        let number = |out: &mut String, value: u64| out.push_str(itoa::Buffer::new().format(value));
        let verdict = self.verdict;
        match slot {
            Slot::Limit => number(out, verdict.map_or(0, |v| u64::from(v.limit))),
            Slot::Window => window(verdict.map_or(0, |v| v.window_s), out),
            Slot::Remaining => number(out, verdict.map_or(0, |v| u64::from(v.remaining))),
            Slot::Reset => number(out, verdict.map_or(0, |v| reset_unix_s(self.ctx, &v))),
            Slot::RetryAfter => number(out, verdict.map_or(0, |v| retry_after_s(&v))),
            Slot::RequestId => out.push_str(self.ctx.request_id.as_str()),
            Slot::Detail => out.push_str(self.detail),
            Slot::Title => out.push_str(reason_phrase(self.status)),
            Slot::Code => out.push_str(self.code),
            Slot::Status => number(out, u64::from(self.status)),
            Slot::Errors => out.push_str(&self.invalid().map_or("[]".to_owned(), Invalid::to_json)),
            Slot::Timestamp => write_rfc3339(out, self.ctx.now.unix_ms),
            Slot::FastapiErrors => out.push_str(&self.invalid().map_or("[]".to_owned(), Invalid::to_fastapi)),
        }
    }
}

fn values<'a>(denial: &Denial, ctx: &'a RequestContext) -> Values<'a> {
    let verdict = match denial {
        Denial::RateLimited(verdict) | Denial::TooManyFailures(verdict) => Some(*verdict),
        _ => None,
    };
    Values { ctx, status: denial.status(), code: denial.code(), detail: denial.detail(), verdict }
}

/// The window in the words clients of slowapi know: `1 minute`, `5 minute`, `1 hour`.
fn window(seconds: u32, out: &mut String) {
    let (count, unit) = match seconds {
        s if s > 0 && s.is_multiple_of(86_400) => (s / 86_400, " day"),
        s if s > 0 && s.is_multiple_of(3_600) => (s / 3_600, " hour"),
        s if s > 0 && s.is_multiple_of(60) => (s / 60, " minute"),
        s => (s, " second"),
    };
    out.push_str(itoa::Buffer::new().format(count));
    out.push_str(unit);
}

/// When the whole allowance is there again, in Unix seconds, rounded up.
pub(crate) fn reset_unix_s(ctx: &RequestContext, verdict: &Verdict) -> u64 {
    (ctx.now.unix_ms + verdict.reset_ms).div_ceil(1000)
}

/// The seconds to wait, rounded up and at least one: a client that waits them is admitted.
pub(crate) fn retry_after_s(verdict: &Verdict) -> u64 {
    verdict.retry_after_ms.div_ceil(1000).max(1)
}

/// What refusals say: RFC 9457 problem documents, or the templates of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Replies {
    templates: Vec<(&'static str, Template)>,
    /// What stands before `/problems/…` in the `type` of a problem document.
    base: Box<str>,
}

/// The code under which a replaced answer of the application finds its template.
pub const UPSTREAM_ERROR: &str = "upstream-error";

/// The code of the refusal that names what is wrong, place by place.
const INVALID: &str = "invalid-request";

impl Replies {
    /// Replies with those templates, by code ([`Denial::CODES`] or [`UPSTREAM_ERROR`]). `base` stands
    /// before `/problems/CODE` in the type of a problem document.
    pub fn new(templates: Vec<(&'static str, Template)>, base: &str) -> Self {
        Self { templates, base: base.into() }
    }

    /// The answer that says `denial`.
    pub fn denial(&self, denial: &Denial, ctx: &RequestContext) -> Reply {
        let values = Values { status: self.status(denial), ..values(denial, ctx) };
        let mut reply = self.render(&values);
        reply.close = denial.closes();
        match denial {
            Denial::MissingCredential(scheme)
            | Denial::InvalidCredential(scheme)
            | Denial::ExpiredCredential(scheme) => {
                reply.fields.push(("WWW-Authenticate".into(), challenge(*scheme).into()));
            }
            Denial::RateLimited(verdict) | Denial::TooManyFailures(verdict) => {
                reply.fields.push(("Retry-After".into(), retry_after_s(verdict).to_string().into()));
            }
            Denial::TooManyConnections | Denial::Draining | Denial::AuthenticationUnavailable => {
                reply.fields.push(("Retry-After".into(), "1".into()));
            }
            Denial::WebSocketVersion => reply.fields.push(("Sec-WebSocket-Version".into(), "13".into())),
            Denial::BreakerOpen(seconds) => {
                reply.fields.push(("Retry-After".into(), seconds.to_string().into()));
            }
            Denial::MethodNotAllowed => reply.fields.push(("Allow".into(), ctx.allow.clone().into())),
            Denial::Malformed(_)
            | Denial::NotImplemented(_)
            | Denial::VersionNotSupported(_)
            | Denial::RequestTimeout
            | Denial::BodyTooLarge
            | Denial::TargetTooLong
            | Denial::HeadersTooLarge
            | Denial::Invalid(_)
            | Denial::Url(_)
            | Denial::AttackPattern
            | Denial::ExpectationFailed
            | Denial::UnknownRoute
            | Denial::LoginTimeout
            | Denial::LoginMalformed
            | Denial::LoginExpected
            | Denial::InsufficientRole
            | Denial::OutOfScope
            | Denial::MissingDevice
            | Denial::CrossSiteRequest
            | Denial::OriginForbidden
            | Denial::PreflightForbidden
            | Denial::UpstreamUnreachable
            | Denial::UpstreamMalformed
            | Denial::UpstreamTimeout
            | Denial::Internal => {}
        }
        reply
    }

    /// How `denial` is told over a WebSocket whose handshake was answered.
    pub fn farewell(&self, denial: &Denial, ctx: &RequestContext) -> Farewell {
        let values = values(denial, ctx);
        let template = self.templates.iter().find(|(code, _)| *code == values.code);
        let parting = template.and_then(|(_, template)| template.parting());
        let message = parting.and_then(|parting| parting.message.as_ref());
        Farewell {
            message: message.map(|pieces| fill(pieces, |slot, out| values.write(slot, out))),
            code: parting.and_then(|parting| parting.code).unwrap_or_else(|| denial.close_code()),
            reason: match parting.and_then(|parting| parting.reason.clone()) {
                Some(reason) => reason,
                None => values.code.into(),
            },
        }
    }

    /// The status of the answer that says `denial`: its own, or what the configuration says.
    pub fn status(&self, denial: &Denial) -> u16 {
        let template = self.templates.iter().find(|(known, _)| *known == denial.code());
        template.and_then(|(_, template)| template.status()).unwrap_or_else(|| denial.status())
    }

    /// What the log says of the refusal with that code, where the configuration says it.
    pub(crate) fn log(&self, code: &str) -> Option<&str> {
        self.templates.iter().find(|(known, _)| *known == code)?.1.log()
    }

    /// The answer that stands for one of the application's that is not shown.
    pub fn replaced(&self, status: u16, ctx: &RequestContext) -> Reply {
        let detail = reason_phrase(status);
        self.render(&Values { ctx, status, code: UPSTREAM_ERROR, detail, verdict: None })
    }

    fn render(&self, values: &Values<'_>) -> Reply {
        let template = self.templates.iter().find(|(code, _)| *code == values.code);
        let (content_type, body) = match template {
            Some((_, Template { content_type, pieces: Some(pieces), .. })) => {
                (content_type.clone(), fill(pieces, |slot, out| values.write(slot, out)))
            }
            Some((_, Template { pieces: None, .. })) | None => {
                ("application/problem+json".into(), self.problem(values))
            }
        };
        let fields = template.map(|(_, template)| template.fields.clone()).unwrap_or_default();
        Reply { status: values.status, content_type, body, fields, close: false }
    }

    /// An RFC 9457 problem document. Every value is a number, a constant of ours or a checked id, so
    /// nothing needs escaping; `errors` comes escaped.
    fn problem(&self, values: &Values<'_>) -> Vec<u8> {
        let mut out = String::with_capacity(220);
        out.push_str(r#"{"type":""#);
        out.push_str(&self.base);
        out.push_str("/problems/");
        out.push_str(values.code);
        out.push_str(r#"","title":""#);
        values.write(Slot::Title, &mut out);
        out.push_str(r#"","status":"#);
        values.write(Slot::Status, &mut out);
        out.push_str(r#","detail":""#);
        out.push_str(values.detail);
        out.push_str(r#"","request_id":""#);
        values.write(Slot::RequestId, &mut out);
        out.push('"');
        if values.verdict.is_some() {
            out.push_str(r#","retry_after":"#);
            values.write(Slot::RetryAfter, &mut out);
        }
        if let Some(invalid) = values.invalid() {
            out.push_str(r#","errors":"#);
            out.push_str(&invalid.to_json());
        }
        if let Some(refused) = values.ctx.refused_url.as_ref().filter(|_| is_about_a_url(values.code)) {
            out.push_str(r#","errors":"#);
            out.push_str(&one_to_json(&refused.pointer, &refused.why));
        }
        out.push('}');
        out.into_bytes()
    }
}

/// Whether a code is one of [`Denial::Url`].
fn is_about_a_url(code: &str) -> bool {
    code == "invalid-url" || code.starts_with("url-")
}

/// The challenge of a scheme (RFC 9110 section 11.6.1).
fn challenge(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::IngestToken => "IngestToken",
        Scheme::ApiKey => "ApiKey",
        Scheme::Bearer => "Bearer",
        Scheme::Session => "Session",
        Scheme::FirstMessage => "FirstMessage",
    }
}

/// The reason phrase of the statuses that the gateway gives or replaces.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        other if other < 500 => "Client Error",
        _ => "Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::RequestId;
    use crate::validate::{Config, Query};
    use portcullis_core::{Head, Now, Upgrade};

    fn ctx() -> RequestContext {
        let now = Now { monotonic_ms: 0, unix_ms: 1_700_000_000_000 };
        RequestContext::new(now, [127, 0, 0, 1].into(), false, RequestId::from_random(7))
    }

    const VERDICT: Verdict = Verdict {
        admitted: false,
        limit: 60,
        window_s: 60,
        remaining: 0,
        reset_ms: 59_001,
        retry_after_ms: 11_001,
    };

    fn body(reply: &Reply) -> &str {
        std::str::from_utf8(&reply.body).unwrap()
    }

    #[test]
    fn a_refusal_is_a_problem_document() {
        let reply = Replies::new(Vec::new(), "/portcullis").denial(&Denial::RateLimited(VERDICT), &ctx());
        assert_eq!(
            body(&reply),
            r#"{"type":"/portcullis/problems/rate-limited","title":"Too Many Requests","status":429,"detail":"Rate limit exceeded","request_id":"00000000-0000-4000-8000-000000000007","retry_after":12}"#
        );
        assert_eq!(reply.fields, [("Retry-After".into(), "12".into())]);
        assert!(serde_json::from_slice::<serde_json::Value>(&reply.body).is_ok());
    }

    #[test]
    fn a_template_speaks_as_the_clients_know() {
        let of = |text: &str| {
            let template = Template::new("application/json", text).unwrap();
            let replies = Replies::new(vec![("rate-limited", template)], "");
            body(&replies.denial(&Denial::RateLimited(VERDICT), &ctx())).to_owned()
        };
        assert_eq!(
            of(r#"{"error":"Rate limit exceeded: {limit} per {window}"}"#),
            r#"{"error":"Rate limit exceeded: 60 per 1 minute"}"#
        );
        assert_eq!(
            of(r#"{"detail":{"limit":{limit},"reset":{reset}}}"#),
            r#"{"detail":{"limit":60,"reset":1700000060}}"#
        );
        assert_eq!(of("{} {Not} {x y} {"), "{} {Not} {x y} {");
    }

    #[test]
    fn a_template_adds_fields_of_its_own() {
        let fields = [("X-Why".to_owned(), "slow down".to_owned())];
        for template in [Template::new("text/plain", "no").unwrap(), Template::problem()] {
            let replies = Replies::new(vec![("rate-limited", template.with_fields(&fields))], "");
            let reply = replies.denial(&Denial::RateLimited(VERDICT), &ctx());
            assert_eq!(reply.fields[0], ("X-Why".into(), "slow down".into()));
            assert_eq!(reply.fields[1], ("Retry-After".into(), "12".into()));
        }
    }

    #[test]
    fn an_invalid_request_is_told_every_place_and_no_value() {
        let rules = Config { query: Some(Query::default()), ..Config::default() };
        let head = Head {
            method: "GET",
            path: "/",
            query: Some("a%22b=quince%00&c=%zz"),
            authority: "",
            secure: false,
            upgrade: Upgrade::None,
            fields: &[],
        };
        let mut ctx = ctx();
        ctx.invalid = rules.judge_head(&head).err();
        let reply = Replies::default().denial(&Denial::Invalid(422), &ctx);
        let value: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, &value["title"]), (422, &"Unprocessable Content".into()));
        assert_eq!(value["errors"][0]["parameter"], "a\"b");
        assert_eq!(value["errors"][1]["parameter"], "c");
        assert!(!body(&reply).contains("quince"));
        // Clients of FastAPI find the same under `detail`.
        let template =
            Template::new("application/json", r#"{"detail":{fastapi_errors},"all":{errors}}"#).unwrap();
        let replies = Replies::new(vec![("invalid-request", template.clone()), ("internal", template)], "");
        let shaped: serde_json::Value =
            serde_json::from_slice(&replies.denial(&Denial::Invalid(422), &ctx).body).unwrap();
        assert_eq!(shaped["detail"][0]["loc"], serde_json::json!(["query", "a\"b"]));
        assert_eq!(shaped["all"], value["errors"]);
        assert_eq!(body(&replies.denial(&Denial::Internal, &ctx)), r#"{"detail":[],"all":[]}"#);
        // Another refusal says nothing of it.
        assert!(!body(&Replies::default().denial(&Denial::Internal, &ctx)).contains("errors"));
    }

    #[test]
    fn every_problem_is_json() {
        let denials = [
            Denial::Malformed("x"),
            Denial::MissingCredential(Scheme::ApiKey),
            Denial::InvalidCredential(Scheme::IngestToken),
            Denial::UpstreamTimeout,
            Denial::Internal,
        ];
        for denial in denials {
            let reply = Replies::default().denial(&denial, &ctx());
            let value: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(value["status"], denial.status());
            assert!(Denial::CODES.contains(&denial.code()));
        }
    }
}
