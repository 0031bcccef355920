//! How every answer leaves: security, CORS and limit headers, and the id of the request.

use crate::context::RequestContext;
use crate::policy::Policy;
use crate::reply::reset_unix_s;

/// The sealing of one answer: first every upstream field is asked about, then the rest is added.
#[derive(Debug)]
pub struct Sealing<'p> {
    policy: &'p Policy,
    seen: u64,
    preflight: bool,
}

impl Policy {
    /// Begins to seal an answer.
    pub fn seal(&self) -> Sealing<'_> {
        Sealing { policy: self, seen: 0, preflight: false }
    }

    /// Begins to seal the answer to a preflight.
    pub fn seal_preflight(&self) -> Sealing<'_> {
        Sealing { policy: self, seen: 0, preflight: true }
    }
}

impl Sealing<'_> {
    /// Whether a field of the upstream's answer may leave. Fields that frame the message are not asked
    /// about: the engine writes its own.
    pub fn passes(&mut self, ctx: &RequestContext, name: &str) -> bool {
        let length = name.len();
        // `X-Request-Id` (12) and the limit fields (9, 16, 17, 18, 21): one value each, and it is ours.
        if matches!(length, 9 | 12 | 16 | 17 | 18 | 21) {
            if length == 12 && name.eq_ignore_ascii_case("x-request-id") {
                return false;
            }
            let limits = [
                "ratelimit",
                "ratelimit-policy",
                "x-ratelimit-limit",
                "x-ratelimit-reset",
                "ratelimit-limit",
                "x-ratelimit-remaining",
            ];
            if ctx.verdict.is_some() && limits.iter().any(|limit| limit.eq_ignore_ascii_case(name)) {
                return false;
            }
        }
        if self.policy.cors.is_some() && crate::cors::upstream_field(name) {
            return false;
        }
        self.policy.headers.passes(name, &mut self.seen)
    }

    /// Adds what every answer carries.
    pub fn finish(self, ctx: &RequestContext, mut put: impl FnMut(&str, &[u8])) {
        for (name, value) in self.policy.headers.added(self.seen, ctx.client.secure) {
            put(name, value.as_bytes());
        }
        if let Some(cors) = &self.policy.cors {
            if self.preflight {
                cors.write_preflight(ctx.origin, ctx.requested_headers.as_deref(), &mut put);
            } else {
                cors.write_simple(ctx.origin, &mut put);
            }
        }
        if let Some(verdict) = &ctx.verdict {
            let (limit, remaining) = (u64::from(verdict.limit), u64::from(verdict.remaining));
            let mut number = itoa::Buffer::new();
            put("X-RateLimit-Limit", number.format(limit).as_bytes());
            put("X-RateLimit-Remaining", number.format(remaining).as_bytes());
            put("X-RateLimit-Reset", number.format(reset_unix_s(ctx, verdict)).as_bytes());
            // draft-ietf-httpapi-ratelimit-headers: quota `q` in window `w`, remaining `r`, reset in `t` s.
            let mut line = Line::default();
            line.text(b"\"default\";q=").number(limit).text(b";w=").number(u64::from(verdict.window_s));
            put("RateLimit-Policy", line.as_bytes());
            let mut line = Line::default();
            line.text(b"\"default\";r=")
                .number(remaining)
                .text(b";t=")
                .number(verdict.reset_ms.div_ceil(1000));
            put("RateLimit", line.as_bytes());
        }
        put("X-Request-Id", ctx.request_id.as_bytes());
    }
}

/// A short line built on the stack: two numbers of at most twenty digits and the words between.
struct Line {
    bytes: [u8; 64],
    len: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { bytes: [0; 64], len: 0 }
    }
}

impl Line {
    fn text(&mut self, text: &[u8]) -> &mut Self {
        let end = self.len + text.len();
        if end <= self.bytes.len() {
            self.bytes[self.len..end].copy_from_slice(text);
            self.len = end;
        }
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        let mut buffer = itoa::Buffer::new();
        self.text(buffer.format(number).as_bytes())
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
