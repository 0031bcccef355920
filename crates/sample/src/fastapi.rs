//! The shapes in which a FastAPI application refuses: `{"detail": …}`, and pydantic's list of errors.

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// What most handlers give back.
pub(crate) type Answer = Result<Json<Value>, Refusal>;

/// The pairs of a query string.
pub(crate) type Pairs = axum::extract::Query<Vec<(String, String)>>;

/// An `HTTPException`.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    detail: Value,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, detail: impl Into<Value>) -> Self {
        Refusal { status, detail: detail.into() }
    }

    pub(crate) fn bad_request(detail: impl Into<Value>) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn not_found(detail: impl Into<Value>) -> Self {
        Refusal::new(StatusCode::NOT_FOUND, detail)
    }

    pub(crate) fn invalid(issues: Vec<Value>) -> Self {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, issues)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "detail": self.detail }))).into_response()
    }
}

/// What the router answers where there is no route.
pub(crate) async fn not_found() -> Refusal {
    Refusal::not_found("Not Found")
}

/// What the router answers where there is a route, but not for this method.
pub(crate) async fn method_not_allowed() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

/// What a field of a request body must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Text of at least one and at most so many characters.
    Short(usize),
    /// `^[a-zA-Z0-9_-]+$`
    Word,
    Integer,
    Number,
    Flag,
    List,
}

/// One field of a request body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    name: &'static str,
    kind: Kind,
    required: bool,
}

/// A field that must be there.
pub(crate) const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true }
}

/// A field that may be absent or null.
pub(crate) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false }
}

/// A request body, as a pydantic model describes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model {
    pub(crate) fields: &'static [Field],
    /// Whether a field that is not listed is an error (`extra = "forbid"`).
    pub(crate) closed: bool,
}

impl Model {
    /// The body as an object that fits the model, or 422 with every error in it.
    pub(crate) fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Refusal> {
        let object = match object(headers, body)? {
            Value::Object(object) => object,
            other => return Err(Refusal::invalid(vec![not_an_object(&other)])),
        };
        let mut issues: Vec<Value> = self.fields.iter().filter_map(|field| field.issue(&object)).collect();
        if self.closed {
            issues.extend(object.iter().filter(|(name, _)| !self.knows(name)).map(|(name, value)| {
                issue("extra_forbidden", name, "Extra inputs are not permitted", value)
            }));
        }
        if issues.is_empty() { Ok(object) } else { Err(Refusal::invalid(issues)) }
    }

    fn knows(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }
}

impl Field {
    fn issue(&self, object: &Map<String, Value>) -> Option<Value> {
        let Some(value) = object.get(self.name) else {
            return self.required.then(|| issue("missing", self.name, "Field required", &json!(object)));
        };
        if value.is_null() && !self.required {
            return None;
        }
        let (kind, message) = self.kind.complaint(value)?;
        Some(issue(kind, self.name, &message, value))
    }
}

impl Kind {
    fn complaint(self, value: &Value) -> Option<(&'static str, String)> {
        let said = |kind, text: &str| Some((kind, text.to_owned()));
        match (self, value) {
            (Kind::Short(_) | Kind::Word, Value::String(text)) => match self {
                Kind::Short(_) if text.is_empty() => {
                    said("string_too_short", "String should have at least 1 character")
                }
                Kind::Short(most) if text.chars().count() > most => {
                    said("string_too_long", &format!("String should have at most {most} characters"))
                }
                Kind::Word if text.is_empty() || !text.bytes().all(is_word) => {
                    said("string_pattern_mismatch", "String should match pattern '^[a-zA-Z0-9_-]+$'")
                }
                _ => None,
            },
            (Kind::Short(_) | Kind::Word, _) => said("string_type", "Input should be a valid string"),
            (Kind::Integer, value) if value.is_i64() || value.is_u64() => None,
            (Kind::Integer, _) => said("int_type", "Input should be a valid integer"),
            (Kind::Number, Value::Number(_))
            | (Kind::Flag, Value::Bool(_))
            | (Kind::List, Value::Array(_)) => None,
            (Kind::Number, _) => said("float_type", "Input should be a valid number"),
            (Kind::Flag, _) => said("bool_type", "Input should be a valid boolean"),
            (Kind::List, _) => said("list_type", "Input should be a valid list"),
        }
    }
}

/// The integer the query names `name`, or `default`; 422 where it is not one.
pub(crate) fn integer(pairs: &Pairs, name: &str, default: i64) -> Result<i64, Refusal> {
    let Some(text) = value(pairs, name) else { return Ok(default) };
    text.trim().parse().map_err(|_| {
        Refusal::invalid(vec![json!({
            "type": "int_parsing", "loc": ["query", name],
            "msg": "Input should be a valid integer, unable to parse string as an integer", "input": text,
        })])
    })
}

/// As [`integer`], and 422 outside `least..=most`.
pub(crate) fn integer_within(
    pairs: &Pairs,
    name: &str,
    default: u64,
    least: u64,
    most: u64,
) -> Result<u64, Refusal> {
    let number = i128::from(integer(pairs, name, i64::try_from(default).unwrap_or(i64::MAX))?);
    let (kind, message) = if number < i128::from(least) {
        ("greater_than_equal", format!("Input should be greater than or equal to {least}"))
    } else if number > i128::from(most) {
        ("less_than_equal", format!("Input should be less than or equal to {most}"))
    } else {
        return Ok(number.unsigned_abs() as u64);
    };
    let issue = json!({ "type": kind, "loc": ["query", name], "msg": message, "input": number.to_string() });
    Err(Refusal::invalid(vec![issue]))
}

/// The text the query gives for `name`; 422 where there is none.
pub(crate) fn text<'a>(pairs: &'a Pairs, name: &str) -> Result<&'a str, Refusal> {
    value(pairs, name).ok_or_else(|| {
        Refusal::invalid(vec![
            json!({ "type": "missing", "loc": ["query", name], "msg": "Field required", "input": null }),
        ])
    })
}

/// The first value the query gives for `name`.
pub(crate) fn value<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn object(headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    if !is_json(headers) {
        return Ok(Value::String(String::from_utf8_lossy(body).into_owned()));
    }
    if body.is_empty() {
        let issue = json!({ "type": "missing", "loc": ["body"], "msg": "Field required", "input": null });
        return Err(Refusal::invalid(vec![issue]));
    }
    serde_json::from_slice(body).map_err(|error| {
        Refusal::invalid(vec![json!({
            "type": "json_invalid", "loc": ["body", error.column()], "msg": "JSON decode error",
            "input": {}, "ctx": { "error": error.to_string() },
        })])
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return true };
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn not_an_object(input: &Value) -> Value {
    json!({
        "type": "model_attributes_type", "loc": ["body"],
        "msg": "Input should be a valid dictionary or object to extract fields from", "input": input,
    })
}

fn issue(kind: &str, name: &str, message: &str, input: &Value) -> Value {
    json!({ "type": kind, "loc": ["body", name], "msg": message, "input": input })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: Model = Model {
        fields: &[
            required("id", Kind::Word),
            required("nonce", Kind::Integer),
            optional("note", Kind::Short(3)),
        ],
        closed: true,
    };

    fn complaints(kind: &str, body: &str) -> Vec<String> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);
        match MODEL.read(&headers, body.as_bytes()) {
            Ok(_) => Vec::new(),
            Err(refusal) => {
                assert_eq!(refusal.status, StatusCode::UNPROCESSABLE_ENTITY);
                let issues = refusal.detail.as_array().unwrap().clone();
                issues.iter().map(|issue| issue["type"].as_str().unwrap().to_owned()).collect()
            }
        }
    }

    #[test]
    fn every_error_of_a_body_is_named() {
        let json = |body| complaints("application/json; charset=utf-8", body);
        assert_eq!(json(r#"{"id":"a-1","nonce":7,"note":null}"#), Vec::<String>::new());
        assert_eq!(json("{}"), ["missing", "missing"]);
        assert_eq!(
            json(r#"{"id":"a b","nonce":1.5,"note":"long"}"#),
            ["string_pattern_mismatch", "int_type", "string_too_long"]
        );
        assert_eq!(json(r#"{"id":1,"nonce":1,"more":2}"#), ["string_type", "extra_forbidden"]);
        assert_eq!(json("[]"), ["model_attributes_type"]);
        assert_eq!(json(r#"{"id": "bet123", "nonce": 1, ...}"#), ["json_invalid"]);
        assert_eq!(json(""), ["missing"]);
    }

    #[test]
    fn a_body_of_another_type_is_not_parsed() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(complaints(form, r#"{"id":"a","nonce":1}"#), ["model_attributes_type"]);
    }
}
