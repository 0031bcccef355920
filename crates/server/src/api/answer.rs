//! What an endpoint gives back, before it is bytes.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::refusal::Refusal;

/// The body of an answer, whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content(Bytes);

/// What was done, or what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
    cookie: Option<String>,
    policy: Option<&'static str>,
    /// How long it may be kept, in seconds; nothing for not at all.
    cached_s: Option<u32>,
    /// What the log says of it, for people: which thing of whose. Never a secret.
    pub details: String,
}

impl Answer {
    /// A value as JSON.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Self, Refusal> {
        let body = serde_json::to_vec(value).map_err(Refusal::internal)?;
        Ok(Self { status, content_type: "application/json", body: body.into(), ..Self::done() })
    }

    /// It is done, and there is nothing to say.
    pub fn done() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            content_type: "",
            body: Bytes::new(),
            cookie: None,
            policy: None,
            cached_s: None,
            details: String::new(),
        }
    }

    /// A document that is the same for everybody.
    pub fn document(content_type: &'static str, body: Bytes, cached_s: u32) -> Self {
        Self { status: StatusCode::OK, content_type, body, cached_s: Some(cached_s), ..Self::done() }
    }

    /// The same with a `Content-Security-Policy`.
    #[must_use]
    pub fn under(self, policy: &'static str) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// The same with a `Set-Cookie`.
    #[must_use]
    pub fn with_cookie(self, cookie: String) -> Self {
        Self { cookie: Some(cookie), ..self }
    }

    /// The same with what the log says of it.
    #[must_use]
    pub fn about(self, details: impl Into<String>) -> Self {
        Self { details: details.into(), ..self }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The answer as it is sent.
    pub fn into_response(self) -> Response<Content> {
        let mut answer = json_answer(self.status, self.body);
        let fields = answer.headers_mut();
        fields.remove(http::header::CONTENT_TYPE);
        if !self.content_type.is_empty() {
            fields.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        if let Some(policy) = self.policy {
            fields.insert(http::header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        }
        if let Some(seconds) = self.cached_s {
            put(fields, http::header::CACHE_CONTROL, &format!("public, max-age={seconds}"));
        }
        if let Some(cookie) = self.cookie {
            put(fields, http::header::SET_COOKIE, &cookie);
        }
        answer
    }
}

impl Content {
    /// The body as hyper sends it.
    pub fn into_body(self) -> Full<Bytes> {
        Full::new(self.0)
    }
}

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn put(fields: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        fields.insert(name, value);
    }
}

/// A JSON answer that nobody may keep: it speaks of one caller.
pub fn json_answer(status: StatusCode, body: impl Into<Bytes>) -> Response<Content> {
    let mut answer = Response::new(Content(body.into()));
    *answer.status_mut() = status;
    let fields = answer.headers_mut();
    fields.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_of_a_caller_is_kept_by_nobody() {
        let answer =
            Answer::json(StatusCode::CREATED, &serde_json::json!({ "a": 1 })).unwrap().into_response();
        assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (201, &br#"{"a":1}"#[..]));
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["content-type"], "application/json");
        let empty = Answer::done().with_cookie("a=b; Path=/".to_owned()).into_response();
        assert_eq!((empty.status().as_u16(), empty.headers().get("content-type")), (204, None));
        assert_eq!(empty.headers()["cache-control"], "no-store");
        assert_eq!(empty.headers()["set-cookie"], "a=b; Path=/");
    }

    #[test]
    fn a_document_may_be_kept_for_a_while() {
        let answer =
            Answer::document("text/css", Bytes::from_static(b"a{}"), 300).under("default-src 'self'");
        let answer = answer.into_response();
        assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
        assert_eq!(answer.headers()["content-security-policy"], "default-src 'self'");
    }
}
