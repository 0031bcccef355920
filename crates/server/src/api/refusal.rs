//! The one place where a refusal of these endpoints becomes an answer: a problem document (RFC 9457), or the
//! template of the configuration where clients know another form.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::{HeaderName, HeaderValue, Response, StatusCode};
use portcullis_accounts::AccountError;
use portcullis_gate::reply::{Template, reason_phrase};
use portcullis_gate::validate::Invalid;
use serde_json::{Map, Value, json};

use super::answer::{Content, json_answer};

/// Why an act was not done.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The stable word.
    pub code: &'static str,
    /// One sentence for the client.
    pub detail: Cow<'static, str>,
    /// What few refusals have.
    pub more: Box<More>,
}

/// What few refusals have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct More {
    /// What is wrong, place by place, as in the refusals of the gate.
    pub errors: Vec<Value>,
    /// Members of their own that the client needs to go on. With them, no template is used.
    pub members: Vec<(&'static str, Value)>,
    /// Seconds after which another try may succeed.
    pub retry_after_s: Option<u64>,
    /// For `Allow`.
    pub allow: Option<String>,
    /// For the log alone.
    pub fault: Option<String>,
}

/// What refusals say.
#[derive(Debug, Clone, Default)]
pub struct Replies {
    /// Stands before `/problems/…` in the type of a problem document.
    pub base: Box<str>,
    /// The template of the configuration, if there is one.
    pub account: Option<Template>,
}

impl Refusal {
    /// A refusal with its status, code and sentence.
    pub fn new(status: u16, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, detail: detail.into(), more: Box::default() }
    }

    /// There is no such thing here, or it is not the caller's.
    pub fn not_found() -> Self {
        Self::new(404, "not-found", "Not found")
    }

    /// The path is there, for other methods.
    pub fn method_not_allowed(allow: String) -> Self {
        let refusal = Self::new(405, "method-not-allowed", "Method not allowed");
        refusal.with(More { allow: Some(allow), ..More::default() })
    }

    /// The caller has no account in this store: a shared credential, or a user of an outside identity provider.
    pub fn no_account() -> Self {
        Self::new(403, "no-account", "The caller has no account here")
    }

    /// No credential, or one of a kind that this endpoint does not take.
    pub fn missing_credential() -> Self {
        Self::new(401, "missing-credential", "Authentication required")
    }

    /// A known caller without the role.
    pub fn insufficient_role() -> Self {
        Self::new(403, "insufficient-role", "Insufficient permissions")
    }

    /// The query or the body is not what is taken here.
    pub fn invalid(found: &Invalid) -> Self {
        let errors = serde_json::from_str(&found.to_json()).unwrap_or_default();
        Self { status: found.status(), ..Self::invalid_places(errors) }
    }

    /// The same, for places that were found by ourselves.
    pub fn invalid_places(errors: Vec<Value>) -> Self {
        let mut detail = String::from("The request is not what is taken here");
        for (index, error) in errors.iter().enumerate() {
            detail.push_str(if index == 0 { ": " } else { "; " });
            let place = ["pointer", "parameter", "header"].iter().find_map(|name| error[*name].as_str());
            if let Some(place) = place.filter(|place| !place.is_empty()) {
                let _ = write!(detail, "{place}: ");
            }
            detail.push_str(error["detail"].as_str().unwrap_or_default());
        }
        let refusal = Self::new(422, "invalid-request", detail);
        refusal.with(More { errors, ..More::default() })
    }

    /// An act on an account that was refused or failed. `password` is where the body has the new password.
    pub fn of_account(error: &AccountError, password: &str) -> Self {
        let mut refusal = Self::new(error.status(), error.code(), error.detail());
        refusal.more.retry_after_s = error.retry_after_s();
        let mut wrong = |place: &str, detail: String| {
            refusal.more.errors.push(json!({ "pointer": place, "detail": detail }));
        };
        match error {
            AccountError::WeakPassword(reasons) => {
                for reason in reasons {
                    wrong(password, reason.to_string());
                }
            }
            AccountError::InvalidName => wrong("/username", error.to_string()),
            AccountError::InvalidEmail => wrong("/email", error.to_string()),
            AccountError::UnknownRole(_) => wrong("/role", error.to_string()),
            AccountError::InvalidScope(_) => wrong("/scopes", error.to_string()),
            AccountError::TotpRequired { attempt, expires_in_s } => {
                refusal.more.members = vec![("attempt", json!(attempt)), ("expires_in", json!(expires_in_s))];
            }
            _ if refusal.status >= 500 => refusal.more.fault = Some(error.to_string()),
            _ => {}
        }
        refusal
    }

    /// What administrators do to others, asked for on oneself.
    pub fn own_account() -> Self {
        Self::new(409, "own-account", "This is for the accounts of others; your own is yours to change")
    }

    /// The same as a conflict with what there is (RFC 9110 section 15.5.10).
    #[must_use]
    pub fn conflict(self) -> Self {
        Self { status: 409, ..self }
    }

    /// As much work waits as may.
    pub fn too_busy(retry_after_s: u64) -> Self {
        let refusal = Self::new(503, "too-busy", "Too many requests of this kind are waiting");
        refusal.with(More { retry_after_s: Some(retry_after_s), ..More::default() })
    }

    /// A fault of our own; `fault` is for the log.
    pub fn internal(fault: impl std::fmt::Display) -> Self {
        let refusal = Self::new(500, "internal", "Internal error");
        refusal.with(More { fault: Some(fault.to_string()), ..More::default() })
    }

    fn with(self, more: More) -> Self {
        Self { more: Box::new(more), ..self }
    }
}

impl Replies {
    /// The answer that says `refusal`.
    pub fn answer(&self, refusal: &Refusal, request_id: &str) -> Response<Content> {
        let template = self.account.as_ref().filter(|_| refusal.more.members.is_empty());
        let filled = template.and_then(|template| Some((template, fill(template, refusal, request_id)?)));
        let (content_type, body) = match &filled {
            Some((template, body)) => (template.content_type(), body.clone()),
            None => ("application/problem+json", self.problem(refusal, request_id)),
        };
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = json_answer(status, body);
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                answer.headers_mut().insert(name, value);
            }
        };
        put(http::header::CONTENT_TYPE, content_type);
        if let Some(seconds) = refusal.more.retry_after_s {
            put(http::header::RETRY_AFTER, &seconds.to_string());
        }
        if let Some(allow) = &refusal.more.allow {
            put(http::header::ALLOW, allow);
        }
        // RFC 9110 section 15.5.2: whoever says 401 says what it asks for.
        if refusal.status == 401 {
            put(http::header::WWW_AUTHENTICATE, "Bearer");
        }
        for (name, value) in self.account.iter().flat_map(Template::fields) {
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                put(name, value);
            }
        }
        answer
    }

    fn problem(&self, refusal: &Refusal, request_id: &str) -> Vec<u8> {
        let mut problem = Map::new();
        let mut put = |name: &str, value: Value| problem.insert(name.to_owned(), value);
        put("type", format!("{}/problems/{}", self.base, refusal.code).into());
        put("title", reason_phrase(refusal.status).into());
        put("status", refusal.status.into());
        put("detail", refusal.detail.clone().into());
        put("code", refusal.code.into());
        put("request_id", request_id.into());
        if let Some(seconds) = refusal.more.retry_after_s {
            put("retry_after", seconds.into());
        }
        if !refusal.more.errors.is_empty() {
            put("errors", refusal.more.errors.clone().into());
        }
        for (name, value) in &refusal.more.members {
            put(name, value.clone());
        }
        Value::Object(problem).to_string().into_bytes()
    }
}

fn fill(template: &Template, refusal: &Refusal, request_id: &str) -> Option<Vec<u8>> {
    template.body(|name, out| {
        if matches!(name, "errors" | "fastapi_errors") {
            out.push_str(&Value::from(refusal.more.errors.clone()).to_string());
            return;
        }
        let value: Cow<'_, str> = match name {
            "detail" => refusal.detail.as_ref().into(),
            "code" => refusal.code.into(),
            "status" => refusal.status.to_string().into(),
            "title" => reason_phrase(refusal.status).into(),
            "request_id" => request_id.into(),
            "timestamp" => format!("{:.3}", jiff::Timestamp::now()).into(),
            "retry_after" => refusal.more.retry_after_s.unwrap_or(0).to_string().into(),
            // What only a limit has.
            _ => "0".into(),
        };
        out.push_str(&escaped(template.content_type(), &value));
    })
}

/// A sentence may repeat words of the client: in JSON and in HTML they must stay words.
fn escaped(content_type: &str, text: &str) -> String {
    if content_type.contains("json") {
        let quoted = Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    } else if content_type.contains("html") || content_type.contains("xml") {
        super::page::escaped(text)
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(body: &str) -> Replies {
        let account = Template::new("application/json", body).unwrap();
        Replies { base: "/portcullis".into(), account: Some(account) }
    }

    fn said(replies: &Replies, refusal: &Refusal) -> (u16, String, Value) {
        let answer = replies.answer(refusal, "request-7");
        let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let body = serde_json::from_slice(answer.body().as_ref()).unwrap();
        (answer.status().as_u16(), content_type, body)
    }

    #[test]
    fn a_refusal_is_a_problem_document() {
        let replies = Replies { base: "/portcullis".into(), account: None };
        let mut refusal = Refusal::new(429, "locked-out", "Too many failed attempts");
        refusal.more.retry_after_s = Some(17);
        let (status, content_type, body) = said(&replies, &refusal);
        assert_eq!((status, content_type.as_str()), (429, "application/problem+json"));
        let expected = serde_json::json!({
            "type": "/portcullis/problems/locked-out", "title": "Too Many Requests", "status": 429,
            "detail": "Too many failed attempts", "code": "locked-out", "request_id": "request-7", "retry_after": 17
        });
        assert_eq!(body, expected);
        assert_eq!(replies.answer(&refusal, "").headers()["retry-after"], "17");
    }

    #[test]
    fn a_template_speaks_as_the_clients_know_and_cannot_be_broken_out_of() {
        let replies = replies(r#"{"detail":"{detail}"}"#);
        let refusal = Refusal::new(422, "invalid-request", "a \"quoted\" \u{1} \\ word");
        let (status, content_type, body) = said(&replies, &refusal);
        assert_eq!((status, content_type.as_str()), (422, "application/json"));
        assert_eq!(body, serde_json::json!({ "detail": "a \"quoted\" \u{1} \\ word" }));
        assert_eq!(escaped("text/html", "<a href='x'>&"), "&lt;a href=&#39;x&#39;&gt;&amp;");
    }

    #[test]
    fn what_the_client_needs_to_go_on_is_never_lost_to_a_template() {
        let mut refusal = Refusal::new(401, "totp-required", "A second factor is required");
        refusal.more.members.push(("attempt", "secret".into()));
        let replies = replies(r#"{"detail":"{detail}"}"#);
        let (_, content_type, body) = said(&replies, &refusal);
        assert_eq!((content_type.as_str(), &body["attempt"]), ("application/problem+json", &"secret".into()));
        assert_eq!(replies.answer(&refusal, "").headers()["www-authenticate"], "Bearer");
    }

    #[test]
    fn a_fault_is_for_the_log_alone() {
        let refusal = Refusal::internal("the disk at /var/lib is full");
        let (status, _, body) = said(&Replies::default(), &refusal);
        assert_eq!((status, body["detail"].as_str()), (500, Some("Internal error")));
        assert!(!body.to_string().contains("/var"));
    }

    #[test]
    fn what_is_wrong_is_told_place_by_place_and_in_one_sentence() {
        let places = vec![
            serde_json::json!({ "pointer": "/email", "detail": "not an e-mail address" }),
            serde_json::json!({ "detail": "body: not JSON" }),
        ];
        let refusal = Refusal::invalid_places(places);
        assert_eq!(
            refusal.detail,
            "The request is not what is taken here: /email: not an e-mail address; body: not JSON"
        );
        assert_eq!(said(&Replies::default(), &refusal).2["errors"][0]["pointer"], "/email");
    }
}
