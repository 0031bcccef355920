//! One request to an endpoint, read whole: who asks for what.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use jiff::Timestamp;
use portcullis_core::{Field, Head, Id, Upgrade};
use portcullis_gate::validate;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::caller::{Caller, Proven};
use super::endpoints::Endpoint;
use super::refusal::Refusal;
use super::service::Live;
use super::shape::{self, Kind, Takes};

/// How many entries a page of a list has where nobody says.
const PAGE: u32 = 100;
/// And the most it may have.
pub const LARGEST_PAGE: u32 = 1000;

/// A request that an endpoint may answer.
#[derive(Debug)]
pub struct Call {
    /// Who asks.
    pub caller: Caller,
    /// When, in milliseconds since 1970.
    pub now_ms: i64,
    /// What was in force when it came.
    pub live: Arc<Live>,
    /// The parameters of the path, decoded.
    params: Vec<(String, String)>,
    page: Page,
    /// What else the query says.
    query: Vec<(&'static str, String)>,
    body: Option<Map<String, Value>>,
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The most entries.
    pub limit: u32,
    /// What stands before the first one.
    pub after: Option<String>,
}

/// The parts of a request that are judged.
#[derive(Debug)]
pub struct Sent<'a> {
    /// The query, without its question mark.
    pub query: Option<&'a str>,
    /// The fields.
    pub fields: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

impl Call {
    /// Reads and judges what was sent to `endpoint`.
    pub fn read(
        endpoint: &Endpoint,
        sent: &Sent<'_>,
        caller: Caller,
        params: Vec<(String, String)>,
        now_ms: i64,
        live: Arc<Live>,
    ) -> Result<Self, Refusal> {
        let mut names: Vec<Box<str>> = endpoint.query.iter().map(|field| field.name.into()).collect();
        if endpoint.pages.is_some() {
            names.extend(["limit".into(), "after".into()]);
        }
        let rules = validate::Config {
            query: Some(validate::Query { names: Some(names), ..validate::Query::default() }),
            body: (endpoint.method != "GET").then(|| endpoint.takes.rules()),
            ..validate::Config::default()
        };
        rules
            .judge_head(&head(endpoint, sent, &fields(sent)))
            .and_then(|()| rules.judge_body(sent.body))
            .map_err(|found| Refusal::invalid(&found))?;
        let page = page(endpoint, sent.query.unwrap_or_default())?;
        let query = query(endpoint.query, sent.query.unwrap_or_default())?;
        let body = if endpoint.method == "GET" { None } else { body(&endpoint.takes, sent.body)? };
        Ok(Self { caller, now_ms, live, params, page, query, body })
    }

    /// The body. It was judged; that it cannot be read now is a fault of ours.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let body = self.body.clone().unwrap_or_default();
        serde_json::from_value(Value::Object(body)).map_err(Refusal::internal)
    }

    /// A text of the body, for the log.
    pub fn said(&self, member: &str) -> Option<&str> {
        self.body.as_ref()?.get(member)?.as_str()
    }

    /// The page of a list that is asked for.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// A parameter of the query, judged.
    pub fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// One that is a whole number.
    pub fn asked_number(&self, name: &str) -> Option<i64> {
        self.asked(name)?.parse().ok()
    }

    /// One that is a moment, in milliseconds since 1970.
    pub fn asked_moment(&self, name: &str) -> Option<i64> {
        Some(self.asked(name)?.parse::<Timestamp>().ok()?.as_millisecond())
    }

    /// Who asks, where the endpoint asks for that.
    pub fn proven(&self) -> Result<&Proven, Refusal> {
        self.caller.proven.as_ref().ok_or_else(Refusal::missing_credential)
    }

    /// The user that asks.
    pub fn user(&self) -> Result<Id, Refusal> {
        self.proven()?.id.ok_or_else(Refusal::no_account)
    }

    /// A parameter of the path as it was sent.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The parameter `id` of the path. What is no id is the id of nothing.
    pub fn id(&self) -> Result<Id, Refusal> {
        self.param("id").parse().map_err(|_| Refusal::not_found())
    }

    /// Where it came from.
    pub fn from(&self) -> IpAddr {
        self.caller.address()
    }
}

impl Page {
    /// The id after which the page begins. It was judged to be one.
    pub fn after_id(&self) -> Option<Id> {
        self.after.as_deref().and_then(|text| text.parse().ok())
    }

    /// What to ask for so that it is known whether more follows.
    pub fn and_one(&self) -> u32 {
        self.limit + 1
    }

    /// Cuts what is more than the page off, and says after what the next page begins.
    pub fn cut<T>(&self, entries: &mut Vec<T>, name: impl Fn(&T) -> String) -> Option<String> {
        if entries.len() <= self.limit as usize {
            return None;
        }
        entries.truncate(self.limit as usize);
        entries.last().map(name)
    }
}

/// What the gate's reader looks at. The body is here: its length is what it is.
fn fields<'a>(sent: &'a Sent<'_>) -> Vec<Field<'a>> {
    let all = |name: &'static str| {
        sent.fields.get_all(name).iter().map(move |value| Field { name, value: value.as_bytes() })
    };
    let marker = (!sent.body.is_empty()).then_some(Field { name: "transfer-encoding", value: b"chunked" });
    // No body, no type: what clients put there nevertheless says nothing.
    if sent.body.is_empty() {
        return Vec::new();
    }
    all("content-type").chain(all("content-encoding")).chain(marker).collect()
}

fn head<'a>(endpoint: &'a Endpoint, sent: &Sent<'a>, fields: &'a [Field<'a>]) -> Head<'a> {
    Head {
        method: endpoint.method,
        path: "/",
        query: sent.query,
        authority: "",
        secure: false,
        upgrade: Upgrade::None,
        fields,
    }
}

fn page(endpoint: &Endpoint, query: &str) -> Result<Page, Refusal> {
    let mut page = Page { limit: PAGE, after: None };
    let Some(form) = endpoint.pages else { return Ok(page) };
    let wrong = |name: &str, detail: String| {
        Refusal::invalid_places(vec![json!({ "parameter": name, "detail": detail })])
    };
    let mut seen: Vec<Cow<'_, str>> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if seen.contains(&name) {
            return Err(wrong(&name, "there more than once".to_owned()));
        }
        if name == "limit" {
            let number = value.parse::<u32>().ok().filter(|_| is_digits(&value));
            page.limit = number
                .filter(|number| (1..=LARGEST_PAGE).contains(number))
                .ok_or_else(|| wrong("limit", format!("not a whole number from 1 to {LARGEST_PAGE}")))?;
        } else {
            if let Some(detail) = form.judge(&value) {
                return Err(wrong("after", detail));
            }
            page.after = Some(value.into_owned());
        }
        seen.push(name);
    }
    Ok(page)
}

/// Digits alone: `+1` is a blank and a digit, and no client means it.
fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The parameters that an endpoint knows; that there is no other was judged.
fn query(fields: &'static [shape::Field], query: &str) -> Result<Vec<(&'static str, String)>, Refusal> {
    let mut said: Vec<(&'static str, String)> = Vec::new();
    if fields.is_empty() {
        return Ok(said);
    }
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let wrong = |detail: String| {
            Err(Refusal::invalid_places(vec![json!({ "parameter": &*name, "detail": detail })]))
        };
        let Some(field) = fields.iter().find(|field| field.name == name) else { continue };
        if said.iter().any(|(known, _)| *known == field.name) {
            return wrong("there more than once".to_owned());
        }
        let detail = match field.kind {
            Kind::Integer(least, most) => {
                let number = value.parse::<i64>().ok().filter(|_| is_digits(&value));
                let fits = number.is_some_and(|number| (least..=most).contains(&number));
                (!fits).then(|| format!("not a whole number from {least} to {most}"))
            }
            Kind::Moment => value.parse::<Timestamp>().err().map(|_| "not a moment".to_owned()),
            Kind::Text(form) => form.judge(&value),
            _ => Some("not to be given here".to_owned()),
        };
        if let Some(detail) = detail {
            return wrong(detail);
        }
        said.push((field.name, value.into_owned()));
    }
    Ok(said)
}

fn body(takes: &Takes, bytes: &[u8]) -> Result<Option<Map<String, Value>>, Refusal> {
    let body = if bytes.is_empty() {
        None
    } else {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(mut body)) => {
                body.values_mut().for_each(whole);
                Some(body)
            }
            // The gate's reader let it through: it is an object.
            other => {
                return Err(Refusal::internal(format!("a judged body is no object: {}", other.is_err())));
            }
        }
    };
    let wrong = takes.judge(body.as_ref());
    if wrong.is_empty() { Ok(body) } else { Err(Refusal::invalid_places(wrong)) }
}

/// `7.0` is the whole number 7 (JSON Schema 2020-12, core, section 4.2.3), and some clients write it so.
fn whole(value: &mut Value) {
    /// Above it not every whole number is one of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(number) = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < EXACT) {
        *value = Value::from(number as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::super::endpoints;
    use super::*;

    fn read(
        id: &str,
        query: Option<&str>,
        content_type: Option<&'static str>,
        body: &str,
    ) -> Result<Call, Refusal> {
        let endpoint = endpoints::all().find(|endpoint| endpoint.id == id).unwrap();
        let mut fields = HeaderMap::new();
        fields.insert("x-auth-client", "192.0.2.1".parse().unwrap());
        fields.insert("x-auth-secure", "0".parse().unwrap());
        if let Some(content_type) = content_type {
            fields.insert("content-type", content_type.parse().unwrap());
        }
        let caller = Caller::of(&fields).unwrap();
        let sent = Sent { query, fields: &fields, body: body.as_bytes() };
        Call::read(endpoint, &sent, caller, Vec::new(), 0, Arc::new(Live::default()))
    }

    fn refused(
        id: &str,
        query: Option<&str>,
        content_type: Option<&'static str>,
        body: &str,
    ) -> (u16, String) {
        let refusal = read(id, query, content_type, body).unwrap_err();
        (refusal.status, refusal.more.errors.iter().map(ToString::to_string).collect())
    }

    const JSON: Option<&str> = Some("application/json");

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        for (body, overlap) in
            [(r#"{"overlap":60}"#, 60), (r#"{"overlap":60.0}"#, 60), (r#"{"overlap":6e1}"#, 60)]
        {
            let rotate: super::super::bodies::asked::Rotate =
                read("rotate_key", None, JSON, body).unwrap().body().unwrap();
            assert_eq!(rotate.overlap, Some(overlap), "{body}");
        }
        assert_eq!(refused("rotate_key", None, JSON, r#"{"overlap":60.5}"#).0, 422);
    }

    #[test]
    fn a_body_that_fits_is_read() {
        let call = read("login", None, JSON, r#"{"username":"bob","password":"x"}"#).unwrap();
        let login: super::super::bodies::asked::Login = call.body().unwrap();
        assert_eq!((login.username.as_str(), login.totp), ("bob", None));
        assert_eq!(call.said("username"), Some("bob"));
        // A body that may be left out, with and without the type that some clients send anyway.
        for content_type in [None, JSON, Some("text/plain")] {
            read("create_key", None, content_type, "").unwrap();
        }
        read("logout", None, JSON, "{}").unwrap();
    }

    #[test]
    fn a_body_that_does_not_fit_is_refused_with_every_place() {
        assert_eq!(refused("login", None, Some("text/plain"), "{}").0, 415);
        assert_eq!(refused("login", None, None, "{}").0, 415);
        assert_eq!(refused("login", None, JSON, "{").0, 422);
        assert_eq!(refused("login", None, JSON, "").0, 422);
        let (status, errors) = refused("login", None, JSON, r#"{"username":""}"#);
        assert_eq!(status, 422);
        assert!(errors.contains(r#""/username""#) && errors.contains(r#""/password""#), "{errors}");
        assert_eq!(refused("logout", None, JSON, r#"{"all":true}"#).0, 422);
    }

    #[test]
    fn a_page_has_a_cap_and_a_query_no_other_names() {
        let page = |query| read("all_keys", Some(query), None, "").map(|call| call.page().clone());
        assert_eq!(page("limit=1000").unwrap().limit, 1000);
        assert_eq!(page("").unwrap(), Page { limit: 100, after: None });
        let id = "0199aabb-ccdd-7fff-bfff-ffffffffffff";
        assert_eq!(page(&format!("after={id}")).unwrap().after_id().unwrap().to_string(), id);
        for query in
            ["limit=0", "limit=1001", "limit=", "limit=%2B1", "limit=1&limit=2", "after=x", "debug=1"]
        {
            assert_eq!(refused("all_keys", Some(query), None, "").0, 422, "{query}");
        }
        assert_eq!(refused("login", Some("debug=1"), JSON, "{}").0, 422);
    }

    #[test]
    fn b_aud_06_what_is_asked_of_the_log_is_judged() {
        let ask = |id, query| read(id, Some(query), None, "");
        let call = ask("audit_log", "limit=5&before=9&event=auth_attempt&user=bob&from=2026-01-02T03:04:05Z")
            .unwrap();
        assert_eq!((call.asked_number("limit"), call.asked_number("before")), (Some(5), Some(9)));
        assert_eq!((call.asked("event"), call.asked("to")), (Some("auth_attempt"), None));
        assert_eq!(call.asked_moment("from"), Some(1_767_323_045_000));
        for query in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=ten",
            "limit=",
            "limit=1.0",
            "limit=+1",
            "limit=1&limit=2",
            "before=0",
            "before=x",
            "event=Auth",
            "event=",
            "user=",
            "from=yesterday",
            "to=2026-13-01T00:00:00Z",
            "hours=1",
            "after=1",
        ] {
            assert_eq!(refused("audit_log", Some(query), None, "").0, 422, "{query}");
        }
        for query in ["hours=0", "hours=721", "hours=day", "hours=24&hours=24", "limit=1"] {
            assert_eq!(refused("metrics", Some(query), None, "").0, 422, "{query}");
        }
        assert_eq!(ask("metrics", "hours=24").unwrap().asked_number("hours"), Some(24));
    }

    #[test]
    fn a_page_says_what_follows() {
        let page = Page { limit: 2, after: None };
        let mut entries = vec![1, 2, 3];
        assert_eq!(page.cut(&mut entries, ToString::to_string), Some("2".to_owned()));
        assert_eq!(entries, [1, 2]);
        assert_eq!(page.cut(&mut entries, ToString::to_string), None);
    }
}
