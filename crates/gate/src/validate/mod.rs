//! Validation: whether the query and the body of a request are what its route takes.
//!
//! [`Config::judge_head`] decides before anything of the body is read, [`Config::judge_body`] on the whole
//! body, which is why only small ones can be judged ([`Held`]). Both name everything that is wrong, and both
//! read as the applications behind do not always: what two parsers could take for two different things (a
//! field twice, an escape that is none, another character set) is refused.
//!
//! WebSocket messages have a meter of their own: [`websocket`].

mod fastapi;
mod invalid;
mod json;
pub mod patterns;
mod query;
mod rule;
mod sanitize;
mod splice;
mod urls;
pub mod websocket;

use std::sync::Arc;

use portcullis_core::Head;
use portcullis_core::head::Once;

use patterns::{Findings, Patterns};

pub(crate) use invalid::one_to_json;
pub use invalid::{Bound, Invalid, Issue, Place, Problem};
pub use json::Object;
pub use query::Query;
pub use rule::{Fields, Forbidden, Form, Kind, Rule, UnknownKind};
pub use sanitize::{Cleaning, UnknownCleaning};
pub use urls::{NamedUrl, NotAPointer, UrlPointer};

/// What a route takes. The default takes everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// What its query may hold.
    pub query: Option<Query>,
    /// What its body may be.
    pub body: Option<Body>,
    /// What its path, its query and a held body are inspected for.
    pub patterns: Option<Arc<Patterns>>,
}

/// What a body may be. An empty one passes unless a field must be there: whether it may be left out is the
/// application's to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// The largest one that is held to be judged by `json`.
    pub held: Held,
    /// Media types it may have, in lower case and without parameters (`application/json`); empty for any, or for
    /// `application/json` alone where public URLs must stand in it: an application that reads forms too would find
    /// another URL in the same bytes.
    pub types: Vec<Box<str>>,
    /// The JSON object it must be, whatever its media type says.
    pub json: Option<Object>,
    /// Where public URLs must stand in it. Where one is named, the body must be a JSON object.
    pub public_urls: Vec<UrlPointer>,
    /// Whether it is held as a form, to be inspected; where `json` says nothing.
    pub form: bool,
}

/// What a body must be of which nothing but its URLs is asked.
static ANY_OBJECT: Object = Object { fields: None, max_depth: 8, max_fields: 100 };

/// How many bytes of a body are held until they are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held(u32);

impl Held {
    /// The most that one request may make the gateway hold: 64 KiB.
    pub const MOST: Held = Held(64 * 1024);

    /// So many bytes; nothing above [`Held::MOST`].
    pub fn new(bytes: u64) -> Option<Self> {
        u32::try_from(bytes).ok().map(Held).filter(|held| *held <= Self::MOST)
    }

    /// The number of bytes.
    pub fn bytes(self) -> usize {
        self.0 as usize
    }
}

impl Default for Held {
    fn default() -> Self {
        Self::MOST
    }
}

impl Config {
    /// Whether it takes everything.
    pub fn is_empty(&self) -> bool {
        self.query.is_none() && self.body.is_none() && self.patterns.is_none()
    }

    /// How many bytes of the body to hold for [`Config::judge_body`]; nothing where it is not judged.
    pub fn holds(&self) -> Option<usize> {
        self.body.as_ref().filter(|body| body.is_held()).map(|body| body.held.bytes())
    }

    /// Judges the query and what the head says of the body.
    pub fn judge_head(&self, head: &Head<'_>) -> Result<(), Invalid> {
        let mut invalid = Invalid::default();
        if let Some(rules) = &self.query {
            rules.judge(head.query.unwrap_or_default(), &mut invalid);
        }
        if let Some(rules) = &self.body {
            rules.judge_head(head, &mut invalid);
        }
        invalid.into_result()
    }

    /// Judges the whole body, without its transfer coding. One that is larger than [`Config::holds`] may be
    /// shown as far as it was read.
    pub fn judge_body(&self, body: &[u8]) -> Result<(), Invalid> {
        let mut invalid = Invalid::default();
        if let Some(rules) = self.body.as_ref().filter(|rules| rules.is_held()) {
            if body.len() > rules.held.bytes() {
                invalid.add(Place::Body, Problem::TooLarge { most: rules.held.bytes() });
                return invalid.into_result();
            }
            let Some(object) = rules.object() else { return Ok(()) };
            if !body.is_empty() {
                object.judge(body, &mut invalid);
            } else if object.fields.as_ref().is_some_and(Fields::ask) {
                invalid.add(Place::Body, Problem::Missing);
            }
        }
        invalid.into_result()
    }

    /// The URLs of a body that [`Config::judge_body`] let pass, which must be public.
    pub fn named_urls(&self, body: &[u8]) -> Result<Vec<NamedUrl>, Invalid> {
        let Some(rules) = self.body.as_ref().filter(|rules| !rules.public_urls.is_empty()) else {
            return Ok(Vec::new());
        };
        let mut invalid = Invalid::default();
        let urls = urls::collect(&rules.public_urls, body, &mut invalid);
        invalid.into_result().map(|()| urls)
    }

    /// Whether URLs in its body must be public.
    pub fn judges_urls(&self) -> bool {
        self.body.as_ref().is_some_and(|body| !body.public_urls.is_empty())
    }

    /// Inspects the path and the query; nothing where that is not asked for.
    pub fn inspect_head(&self, head: &Head<'_>, findings: &mut Findings) {
        if let Some(patterns) = &self.patterns {
            patterns.inspect_head(head.path, head.query, findings);
        }
    }

    /// Inspects a body that was held and judged.
    pub fn inspect_body(&self, body: &[u8], findings: &mut Findings) {
        if let (Some(patterns), Some(rules)) = (&self.patterns, &self.body) {
            patterns.inspect_body(body, rules.object().is_none(), findings);
        }
    }

    /// A body that was judged, with its texts as the application is to see them; nothing where it goes on as it
    /// is.
    pub fn clean_body(&self, body: &[u8]) -> Option<Vec<u8>> {
        let fields = self.body.as_ref()?.json.as_ref()?.fields.as_ref()?;
        if fields.clean() { splice::cleaned(body, fields) } else { None }
    }
}

impl Body {
    /// The JSON object it must be.
    fn object(&self) -> Option<&Object> {
        self.json.as_ref().or_else(|| (!self.public_urls.is_empty()).then_some(&ANY_OBJECT))
    }

    /// Whether it takes a body of that `Content-Type`.
    fn takes(&self, content_type: Option<&[u8]>) -> bool {
        let one_of = |types: &[Box<str>]| types.iter().any(|one| content_type.is_some_and(|it| is(it, one)));
        match (&*self.types, self.public_urls.is_empty()) {
            ([], true) => true,
            ([], false) => content_type.is_some_and(|it| is(it, "application/json")),
            (types, _) => one_of(types),
        }
    }

    /// Whether it is held to be judged.
    fn is_held(&self) -> bool {
        self.object().is_some() || self.form
    }

    fn judge_head(&self, head: &Head<'_>, invalid: &mut Invalid) {
        let most = self.held.bytes();
        let length = head.text("content-length").and_then(|text| text.trim().parse::<u64>().ok());
        if self.is_held() && length.is_some_and(|length| length > most as u64) {
            invalid.add(Place::Body, Problem::TooLarge { most });
        }
        let empty = length.unwrap_or(0) == 0 && head.field("transfer-encoding").is_none();
        // A body in another coding would be judged by bytes that the application does not see.
        if head.all("content-encoding").any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            invalid.add(Place::Header("content-encoding"), Problem::UnsupportedCoding);
        }
        let fits = match head.once("content-type") {
            // Over HTTP/2 a body may come without a length; one that has no type is judged by its content.
            Once::Absent => empty || self.takes(None),
            Once::Value(value) => self.takes(Some(value)) && (self.object().is_none() || is_utf8(value)),
            Once::Repeated => false,
        };
        if !fits {
            invalid.add(Place::Header("content-type"), Problem::UnsupportedType);
        }
    }
}

/// Whether a `Content-Type` is this media type, whatever its parameters (RFC 9110 section 8.3.1).
fn is(value: &[u8], media_type: &str) -> bool {
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(media_type.as_bytes())
}

/// Whether a `Content-Type` names no character set but UTF-8, which JSON always is (RFC 8259 section 8.1): in UTF-7
/// the same bytes hold other fields.
fn is_utf8(value: &[u8]) -> bool {
    value.split(|byte| *byte == b';').skip(1).all(|parameter| {
        let mut halves = parameter.splitn(2, |byte| *byte == b'=');
        let name = halves.next().unwrap_or_default().trim_ascii();
        let set = halves.next().unwrap_or_default().trim_ascii();
        let set = set.strip_prefix(b"\"").and_then(|set| set.strip_suffix(b"\"")).unwrap_or(set);
        !name.eq_ignore_ascii_case(b"charset")
            || [&b"utf-8"[..], b"utf8", b"us-ascii"].iter().any(|known| set.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use portcullis_core::{Field, Upgrade};

    use super::*;

    fn head<'a>(query: Option<&'a str>, fields: &'a [Field<'a>]) -> Head<'a> {
        Head {
            method: "POST",
            path: "/api/refresh",
            query,
            authority: "example.com",
            secure: false,
            upgrade: Upgrade::None,
            fields,
        }
    }

    fn refresh() -> Config {
        let body = Body {
            held: Held::new(100).unwrap(),
            types: vec!["application/json".into()],
            json: Some(Object {
                fields: Some(Fields::closed([("force_update", Kind::Boolean)])),
                ..Object::default()
            }),
            public_urls: Vec::new(),
            form: false,
        };
        let query = Query { names: Some(Vec::new()), ..Query::default() };
        Config { query: Some(query), body: Some(body), patterns: None }
    }

    /// The status and what is wrong; empty where nothing is.
    fn said(judgement: Result<(), Invalid>) -> String {
        judgement.err().map_or_else(String::new, |invalid| format!("{} {invalid}", invalid.status()))
    }

    fn of_head(fields: &[(&'static str, &'static str)]) -> String {
        let fields: Vec<Field<'_>> =
            fields.iter().map(|(name, value)| Field { name, value: value.as_bytes() }).collect();
        said(refresh().judge_head(&head(None, &fields)))
    }

    #[test]
    fn nothing_is_asked_where_nothing_is_said() {
        let config = Config::default();
        let odd = [
            Field { name: "Content-Type", value: b"text/odd" },
            Field { name: "Content-Encoding", value: b"br" },
        ];
        assert_eq!(config.judge_head(&head(Some("%zz=\u{0}"), &odd)), Ok(()));
        assert_eq!(config.judge_body(&vec![0xff; 1 << 20]), Ok(()));
        assert_eq!(config.holds(), None);
    }

    #[test]
    fn the_type_of_a_body_must_be_one_of_those_taken() {
        let json = ("Content-Type", "application/json");
        let length = ("Content-Length", "2");
        let wrong = "415 content-type: this type of body is not taken";
        assert_eq!(of_head(&[json, length]), "");
        assert_eq!(of_head(&[("content-type", "Application/JSON ; charset=utf-8"), length]), "");
        assert_eq!(of_head(&[("Content-Type", "application/jsonp"), length]), wrong);
        assert_eq!(of_head(&[("Content-Type", "text/plain"), length]), wrong);
        assert_eq!(of_head(&[("Content-Type", ""), length]), wrong);
        assert_eq!(of_head(&[json, json, length]), wrong);
        assert_eq!(of_head(&[length]), wrong);
        assert_eq!(of_head(&[("Transfer-Encoding", "chunked")]), wrong);
        // No body, no type.
        assert_eq!(of_head(&[]), "");
        assert_eq!(of_head(&[("Content-Length", "0")]), "");
    }

    #[test]
    fn json_is_utf8_whatever_its_type_says() {
        let length = ("Content-Length", "2");
        for utf8 in ["", ";charset=utf-8", "; Charset=\"UTF-8\"", "; charset=us-ascii", "; version=1"] {
            let field: &'static str = format!("application/json{utf8}").leak();
            assert_eq!(of_head(&[("Content-Type", field), length]), "", "{utf8}");
        }
        for other in ["utf-7", "utf-16", "iso-8859-1", "", "\"utf-7\"", "utf-8; charset=utf-7"] {
            let field: &'static str = format!("application/json; charset={other}").leak();
            assert_eq!(
                of_head(&[("Content-Type", field), length]),
                "415 content-type: this type of body is not taken",
                "{other}"
            );
        }
    }

    #[test]
    fn a_body_with_public_urls_is_of_the_type_json() {
        let body = Body { public_urls: vec!["/url".parse().unwrap()], ..Body::default() };
        let config = Config { query: None, body: Some(body), patterns: None };
        let of = |content_type: Option<&str>| {
            let length = Field { name: "content-length", value: b"2" };
            let typed = content_type.map(|it| Field { name: "content-type", value: it.as_bytes() });
            let fields: Vec<Field<'_>> = typed.into_iter().chain([length]).collect();
            said(config.judge_head(&head(None, &fields)))
        };
        assert_eq!(of(Some("application/json")), "");
        for other in [
            None,
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=x"),
            Some("text/plain"),
        ] {
            assert_eq!(of(other), "415 content-type: this type of body is not taken", "{other:?}");
        }
        assert_eq!(config.holds(), Some(Held::MOST.bytes()));
    }

    #[test]
    fn a_coded_body_is_not_judged_by_its_code() {
        let json = ("Content-Type", "application/json");
        let coded = "415 content-encoding: a coded body is not taken";
        assert_eq!(of_head(&[json, ("Content-Encoding", "gzip")]), coded);
        assert_eq!(of_head(&[json, ("Content-Encoding", "identity"), ("content-encoding", "br")]), coded);
        assert_eq!(of_head(&[json, ("Content-Encoding", "Identity")]), "");
    }

    #[test]
    fn a_body_over_the_cap_is_refused_before_and_after_it_came() {
        let json = ("Content-Type", "application/json");
        assert_eq!(of_head(&[json, ("Content-Length", "100")]), "");
        let large = "413 body: larger than 100 bytes";
        assert_eq!(of_head(&[json, ("Content-Length", "101")]), large);
        assert_eq!(said(refresh().judge_body(&[b' '; 101])), large);
        assert_eq!(refresh().holds(), Some(100));
        assert_eq!(Held::new(64 * 1024), Some(Held::MOST));
        assert_eq!(Held::new(64 * 1024 + 1), None);
        assert_eq!(Held::new(u64::MAX), None);
    }

    #[test]
    fn a_body_of_which_only_the_type_counts_is_not_held() {
        let body = Body { types: vec!["image/png".into()], ..Body::default() };
        let config = Config { body: Some(body), ..Config::default() };
        assert_eq!(config.holds(), None);
        let large = [
            Field { name: "Content-Type", value: b"image/png" },
            Field { name: "Content-Length", value: b"1000000" },
        ];
        assert_eq!(config.judge_head(&head(None, &large)), Ok(()));
        assert_eq!(config.judge_body(&vec![0; 100_000]), Ok(()));
    }

    #[test]
    fn a_form_is_held_to_be_inspected_and_not_judged_otherwise() {
        let body = Body { held: Held::new(100).unwrap(), form: true, ..Body::default() };
        let patterns = Some(Arc::new(Patterns::default()));
        let config = Config { body: Some(body), patterns, ..Config::default() };
        assert_eq!(config.holds(), Some(100));
        assert_eq!(config.judge_body(b"name=x&note=' or 1=1 --"), Ok(()));
        assert_eq!(said(config.judge_body(&[b'x'; 101])), "413 body: larger than 100 bytes");
        let mut findings = Findings::default();
        config.inspect_body(b"name=x&note=%27+or+1%3D1+--+", &mut findings);
        assert_eq!(findings.found()[0].1, "form `note`");
        config.inspect_head(&head(Some("q=<script>"), &[]), &mut findings);
        assert_eq!(findings.found()[1].1, "query `q`");
    }

    #[test]
    fn a_body_that_must_hold_something_cannot_be_left_out() {
        let rule = Rule { required: true, cleaning: Some(Cleaning::Trim), ..Rule::from(Kind::String) };
        let object = Object { fields: Some(Fields::closed([("a", rule)])), ..Object::default() };
        let config =
            Config { body: Some(Body { json: Some(object), ..Body::default() }), ..Config::default() };
        assert_eq!(said(config.judge_body(b"")), "422 body: missing");
        assert_eq!(config.judge_body(br#"{"a":" x "}"#), Ok(()));
        assert_eq!(config.clean_body(br#"{"a":" x "}"#).as_deref(), Some(&br#"{"a":"x"}"#[..]));
        assert_eq!(refresh().clean_body(br#"{"force_update":true}"#), None);
    }

    #[test]
    fn the_query_and_the_body_are_judged_by_their_rules() {
        assert_eq!(said(refresh().judge_head(&head(Some("debug=1"), &[]))), "422 query `debug`: unknown");
        assert_eq!(refresh().judge_body(b""), Ok(()));
        assert_eq!(refresh().judge_body(br#"{"force_update":true}"#), Ok(()));
        let wrong = refresh().judge_body(br#"{"force_update":true,"role":"admin"}"#);
        assert_eq!(said(wrong), "422 body /role: unknown");
    }
}
