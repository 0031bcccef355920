//! The shapes of bodies: one description that judges what comes in and that `/openapi.json` shows.

use portcullis_gate::validate;
use serde_json::{Map, Value, json};

/// A JSON object.
#[derive(Debug)]
pub struct Shape {
    /// Its name in the document.
    pub name: &'static str,
    /// What it holds, and nothing else.
    pub fields: &'static [Field],
}

/// One member of an object.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it may be `null`; in a request that is the same as leaving it out, where nothing else is said.
    pub null: bool,
    /// What it means, for people.
    pub about: &'static str,
}

/// What a value is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text of a form.
    Text(&'static Form),
    /// A whole number within these bounds.
    Integer(i64, i64),
    /// A number that need not be whole. In answers.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `true`, and nothing else.
    Yes,
    /// A list of at most so many texts, no two the same.
    Texts(&'static Form, usize),
    /// An object whose members are lists of texts: at most so many members, each at most so long.
    Lists(&'static Form, usize),
    /// A moment (RFC 3339, UTC). In answers.
    Moment,
    /// Another object. In answers.
    Thing(&'static Shape),
    /// A list of objects. In answers.
    Things(&'static Shape),
    /// Anything. In answers.
    Any,
}

/// A form of text.
pub struct Form {
    /// What it is, after "not ": `an e-mail address`.
    pub is: &'static str,
    /// The fewest and the most characters.
    pub length: (usize, usize),
    /// As a regular expression (ECMA 262), for the document; empty for any text.
    pub pattern: &'static str,
    /// The name of the format in the document; empty for none.
    pub format: &'static str,
    /// What the expression says, as it is judged here. The length is judged apart.
    pub fits: fn(&str) -> bool,
}

/// What the body of a request must be.
#[derive(Debug, Clone, Copy)]
pub enum Takes {
    /// Nothing; an empty object passes.
    Nothing,
    /// This, or nothing.
    Maybe(&'static Shape),
    /// This.
    One(&'static Shape),
    /// The second, where this member of it is there, else the first.
    Either(&'static Shape, &'static Shape, &'static str),
}

impl Field {
    /// A member that must be there.
    pub const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, required: true, null: false, about }
    }

    /// The same, but it may be left out or `null`.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { required: false, null: true, ..self }
    }

    /// The same, but it may be left out.
    #[must_use]
    pub const fn omissible(self) -> Self {
        Self { required: false, null: false, ..self }
    }

    /// The same, but it may be `null`.
    #[must_use]
    pub const fn nullable(self) -> Self {
        Self { null: true, ..self }
    }
}

impl Takes {
    /// The shapes there are.
    pub fn shapes(&self) -> impl Iterator<Item = &'static Shape> {
        let (one, other) = match self {
            Takes::Nothing => (None, None),
            Takes::Maybe(shape) | Takes::One(shape) => (Some(*shape), None),
            Takes::Either(one, other, _) => (Some(*one), Some(*other)),
        };
        one.into_iter().chain(other)
    }

    /// Whether a body must be there.
    pub fn is_required(&self) -> bool {
        matches!(self, Takes::One(_) | Takes::Either(..))
    }

    /// What the gate's reader of JSON asks for: it finds what parsers read in different ways.
    pub fn rules(&self) -> validate::Body {
        let fields = self.shapes().flat_map(|shape| shape.fields);
        let object = validate::Object {
            fields: Some(validate::Fields::closed(fields.map(|field| (field.name, field.kind.gate_s())))),
            max_depth: 4,
            max_fields: 64,
        };
        validate::Body {
            held: validate::Held::MOST,
            types: vec!["application/json".into()],
            json: Some(object),
            public_urls: Vec::new(),
            form: false,
        }
    }

    /// Judges what the reader let through; the answer is what is wrong, place by place.
    pub fn judge(&self, body: Option<&Map<String, Value>>) -> Vec<Value> {
        let Some(body) = body else {
            let missing = json!({ "detail": "body: missing" });
            return if self.is_required() { vec![missing] } else { Vec::new() };
        };
        match self {
            Takes::Nothing => Vec::new(),
            Takes::Maybe(shape) | Takes::One(shape) => shape.judge(body),
            Takes::Either(_, other, member) if body.contains_key(*member) => other.judge(body),
            Takes::Either(one, ..) => one.judge(body),
        }
    }
}

impl Shape {
    fn judge(&self, body: &Map<String, Value>) -> Vec<Value> {
        let mut wrong = Vec::new();
        let mut add = |name: &str, below: &str, detail: String| {
            let name = name.replace('~', "~0").replace('/', "~1");
            wrong.push(json!({ "pointer": format!("/{name}{below}"), "detail": detail }));
        };
        for field in self.fields {
            match body.get(field.name) {
                None if field.required => add(field.name, "", "missing".to_owned()),
                Some(Value::Null) if !field.null => add(field.name, "", "null".to_owned()),
                None | Some(Value::Null) => {}
                Some(value) => field.kind.judge(value, &mut |below, detail| add(field.name, below, detail)),
            }
        }
        for name in body.keys().filter(|name| !self.fields.iter().any(|field| field.name == **name)) {
            add(name, "", "unknown".to_owned());
        }
        wrong
    }

    /// Whether an answer is of this shape, and if not, what is wrong with it.
    pub fn admits(&self, value: &Value) -> Result<(), String> {
        let object = value.as_object().ok_or_else(|| format!("{}: not an object: {value}", self.name))?;
        let wrong = self.judge(object);
        if wrong.is_empty() { Ok(()) } else { Err(format!("{}: {}", self.name, json!(wrong))) }
    }
}

impl Kind {
    fn gate_s(self) -> validate::Kind {
        match self {
            Kind::Text(_) | Kind::Moment => validate::Kind::String,
            Kind::Integer(..) | Kind::Number => validate::Kind::Number,
            Kind::Boolean | Kind::Yes => validate::Kind::Boolean,
            _ => validate::Kind::Any,
        }
    }

    /// Judges a value that is not `null`; `wrong` takes the place below it and what is wrong there.
    fn judge(self, value: &Value, wrong: &mut dyn FnMut(&str, String)) {
        let mut other = |expected: &str| wrong("", format!("not {expected}"));
        match self {
            Kind::Text(form) => match value.as_str() {
                None => other("a string"),
                Some(text) => {
                    if let Some(detail) = form.judge(text) {
                        wrong("", detail);
                    }
                }
            },
            Kind::Integer(least, most) => match value.as_i64() {
                Some(number) if (least..=most).contains(&number) => {}
                _ => other(&format!("a whole number from {least} to {most}")),
            },
            Kind::Number if value.is_number() => {}
            Kind::Number => other("a number"),
            Kind::Boolean if value.is_boolean() => {}
            Kind::Boolean => other("true or false"),
            Kind::Yes if *value == Value::Bool(true) => {}
            Kind::Yes => other("true"),
            Kind::Texts(form, most) => texts(value, form, most, "", wrong),
            Kind::Lists(form, most) => match value.as_object() {
                Some(members) if members.len() <= most => {
                    for (name, list) in members {
                        if let Some(detail) = form.judge(name) {
                            wrong("", format!("a name is {detail}"));
                        } else if list.as_array().is_some_and(Vec::is_empty) {
                            wrong(&format!("/{name}"), "empty".to_owned());
                        } else {
                            texts(list, form, most, &format!("/{name}"), wrong);
                        }
                    }
                }
                Some(_) => wrong("", format!("more than {most}")),
                None => other("an object"),
            },
            Kind::Moment => match value.as_str() {
                Some(text) if text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok() => {}
                _ => other("a moment"),
            },
            Kind::Thing(shape) => match value.as_object() {
                Some(object) => hand_on(&shape.judge(object), "", wrong),
                None => other("an object"),
            },
            Kind::Things(shape) => match value.as_array() {
                None => other("a list"),
                Some(items) => {
                    for (index, item) in items.iter().enumerate() {
                        let found = item.as_object().map(|object| shape.judge(object));
                        let found = found.unwrap_or_else(|| vec![json!({ "detail": "not an object" })]);
                        hand_on(&found, &format!("/{index}"), wrong);
                    }
                }
            },
            Kind::Any => {}
        }
    }
}

fn texts(value: &Value, form: &Form, most: usize, place: &str, wrong: &mut dyn FnMut(&str, String)) {
    let Some(items) = value.as_array() else { return wrong(place, "not a list".to_owned()) };
    if items.len() > most {
        return wrong(place, format!("more than {most}"));
    }
    for (index, item) in items.iter().enumerate() {
        if items[..index].contains(item) {
            wrong(&format!("{place}/{index}"), "there more than once".to_owned());
            continue;
        }
        let detail = item.as_str().map_or_else(|| Some("not a string".to_owned()), |text| form.judge(text));
        if let Some(detail) = detail {
            wrong(&format!("{place}/{index}"), detail);
        }
    }
}

fn hand_on(found: &[Value], place: &str, wrong: &mut dyn FnMut(&str, String)) {
    for one in found {
        let below = one["pointer"].as_str().unwrap_or_default();
        wrong(&format!("{place}{below}"), one["detail"].as_str().unwrap_or_default().to_owned());
    }
}

impl Form {
    /// What is wrong with a text.
    pub fn judge(&self, text: &str) -> Option<String> {
        let (least, most) = self.length;
        let length = text.chars().count();
        if length > most {
            Some(format!("longer than {most} characters"))
        } else if length < least {
            Some(if length == 0 { "empty".to_owned() } else { format!("shorter than {least} characters") })
        } else if (self.fits)(text) {
            None
        } else {
            Some(format!("not {}", self.is))
        }
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static WORD: Form = Form {
        is: "a word of small letters",
        length: (2, 5),
        pattern: "^[a-z]*$",
        format: "",
        fits: |text| text.bytes().all(|byte| byte.is_ascii_lowercase()),
    };
    static SHAPE: Shape = Shape {
        name: "Sample",
        fields: &[
            Field::new("word", Kind::Text(&WORD), ""),
            Field::new("count", Kind::Integer(1, 9), "").optional(),
            Field::new("sure", Kind::Yes, "").omissible(),
            Field::new("list", Kind::Texts(&WORD, 3), "").optional(),
            Field::new("lists", Kind::Lists(&WORD, 2), "").optional(),
        ],
    };
    static OTHER: Shape = Shape { name: "Other", fields: &[Field::new("other", Kind::Boolean, "")] };

    fn wrong(takes: Takes, body: &Value) -> Vec<String> {
        let name = |one: &Value| {
            format!("{} {}", one["pointer"].as_str().unwrap_or("-"), one["detail"].as_str().unwrap())
        };
        takes.judge(body.as_object()).iter().map(name).collect()
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let one = Takes::One(&SHAPE);
        assert_eq!(wrong(one, &json!({ "word": "abc", "count": null })), [""; 0]);
        let body =
            json!({ "word": "äbc", "count": 10, "sure": false, "list": ["ab", 7, "toolong", "x"], "x/y": 1 });
        assert_eq!(
            wrong(one, &body),
            [
                "/word not a word of small letters",
                "/count not a whole number from 1 to 9",
                "/sure not true",
                "/list more than 3",
                "/x~1y unknown"
            ]
        );
        let body =
            json!({ "count": 1.5, "sure": null, "list": [7, "a", 7], "lists": { "ab": [], "cd": ["x"] } });
        assert_eq!(
            wrong(one, &body),
            [
                "/word missing",
                "/count not a whole number from 1 to 9",
                "/sure null",
                "/list/0 not a string",
                "/list/1 shorter than 2 characters",
                "/list/2 there more than once",
                "/lists/ab empty",
                "/lists/cd/0 shorter than 2 characters"
            ]
        );
    }

    #[test]
    fn a_body_may_be_left_out_where_it_may() {
        assert_eq!(wrong(Takes::One(&SHAPE), &Value::Null), ["- body: missing"]);
        assert_eq!(wrong(Takes::Maybe(&SHAPE), &Value::Null), [""; 0]);
        assert_eq!(wrong(Takes::Nothing, &Value::Null), [""; 0]);
        assert_eq!(wrong(Takes::Maybe(&SHAPE), &json!({})), ["/word missing"]);
    }

    #[test]
    fn one_of_two_shapes_is_told_by_a_member() {
        let either = Takes::Either(&SHAPE, &OTHER, "other");
        assert_eq!(wrong(either, &json!({ "word": "abc" })), [""; 0]);
        assert_eq!(wrong(either, &json!({ "other": true })), [""; 0]);
        assert_eq!(wrong(either, &json!({ "other": true, "word": "abc" })), ["/word unknown"]);
        assert_eq!(wrong(either, &json!({})), ["/word missing"]);
    }

    #[test]
    fn the_reader_of_the_gate_knows_the_members_and_their_types() {
        let config =
            validate::Config { body: Some(Takes::One(&SHAPE).rules()), ..validate::Config::default() };
        let said = |body: &str| config.judge_body(body.as_bytes()).err().map(|found| found.to_string());
        assert_eq!(said(r#"{"word":"abc","count":1,"sure":true,"list":[]}"#), None);
        assert_eq!(said(r#"{"word":"abc","word":"abd"}"#).unwrap(), "body /word: there more than once");
        assert_eq!(
            said(r#"{"word":1,"role":"admin"}"#).unwrap(),
            "body /word: not a string; body /role: unknown"
        );
        assert!(said("[1]").is_some() && said("{").is_some());
    }
}
