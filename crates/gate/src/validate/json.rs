//! The JSON object that a body must be, judged while it is parsed and never kept.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::invalid::{Invalid, Place, Problem, shown};

/// What a JSON body may hold: an object with these fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The fields it may have, and their types; nothing for any. A field may be absent or null: whether it
    /// must be there is the application's to say.
    pub fields: Option<Vec<(Box<str>, Kind)>>,
    /// The most levels of arrays and objects in each other; the body itself is the first.
    pub max_depth: usize,
    /// The most fields of any one object.
    pub max_fields: usize,
}

/// Any fields, 8 levels, 100 fields an object.
impl Default for Object {
    fn default() -> Self {
        Self { fields: None, max_depth: 8, max_fields: 100 }
    }
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Any value, arrays and objects too.
    Any,
}

/// A word that names no type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a type is string, number, boolean or any")]
pub struct UnknownKind;

impl Kind {
    /// Every type with its name.
    pub const ALL: [(&'static str, Kind); 4] =
        [("string", Kind::String), ("number", Kind::Number), ("boolean", Kind::Boolean), ("any", Kind::Any)];

    fn expected(self) -> &'static str {
        match self {
            Kind::String => "a string",
            Kind::Number => "a number",
            Kind::Boolean => "true or false",
            Kind::Any => "a value",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind).ok_or(UnknownKind)
    }
}

impl Object {
    /// Judges a whole body.
    pub(super) fn judge(&self, body: &[u8], invalid: &mut Invalid) {
        let mut walk = Walk { rules: self, invalid, pointer: String::new(), ended: false };
        let mut reader = serde_json::Deserializer::from_slice(body);
        let found = Value { walk: &mut walk, depth: 1 }.deserialize(&mut reader);
        let ended = walk.ended;
        match found.and_then(|found| reader.end().map(|()| found)) {
            Ok(Found::Object) => {}
            Ok(_) => {
                // Of what else it is, nothing counts.
                invalid.clear();
                invalid.add(Place::Body, Problem::WrongType { expected: "a JSON object" });
            }
            Err(_) if ended => {}
            Err(error) => {
                invalid.clear();
                invalid.add(Place::Body, Problem::NotJson { line: error.line(), column: error.column() });
            }
        }
    }
}

/// What one value turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Found {
    fn fits(self, kind: Kind) -> bool {
        match kind {
            Kind::Any => true,
            _ if self == Found::Null => true,
            Kind::String => self == Found::String,
            Kind::Number => self == Found::Number,
            Kind::Boolean => self == Found::Boolean,
        }
    }
}

/// The way through the body: where it is, and what was found wrong.
struct Walk<'w> {
    rules: &'w Object,
    invalid: &'w mut Invalid,
    pointer: String,
    /// There is no use in going on; the error that parsing ends with is ours.
    ended: bool,
}

impl Walk<'_> {
    fn add(&mut self, problem: Problem) {
        let pointer = self.pointer.clone();
        self.invalid.add(Place::Pointer(pointer), problem);
    }

    /// Adds a problem and ends the walk.
    fn end<E: de::Error>(&mut self, problem: Problem) -> E {
        self.add(problem);
        self.ended = true;
        E::custom("ended")
    }

    /// Goes one step down (RFC 6901 section 3), and says how to come back.
    fn enter(&mut self, name: &str) -> usize {
        let back = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&shown(name).replace('~', "~0").replace('/', "~1"));
        back
    }

    fn leave(&mut self, back: usize) {
        self.pointer.truncate(back);
    }
}

/// One value, to be judged while it is read.
struct Value<'v, 'w> {
    walk: &'v mut Walk<'w>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = Found;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(Found::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found, E> {
        Ok(Found::Boolean)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found, E> {
        Ok(Found::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found, E> {
        Ok(Found::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found, E> {
        Ok(Found::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Found, E> {
        // Lines and tabs are at home in text; every other control character is not.
        if text.chars().any(|it| it.is_control() && !matches!(it, '\t' | '\n' | '\r')) {
            self.walk.add(Problem::ControlCharacter);
        }
        Ok(Found::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        let Self { walk, depth } = self;
        check_depth(walk, depth)?;
        for index in 0_usize.. {
            let back = walk.enter(&index.to_string());
            let found = items.next_element_seed(Value { walk, depth: depth + 1 })?;
            walk.leave(back);
            if found.is_none() {
                break;
            }
        }
        Ok(Found::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Found, A::Error> {
        let Self { walk, depth } = self;
        check_depth(walk, depth)?;
        let mut names = HashSet::new();
        while let Some(name) = entries.next_key::<String>()? {
            if names.len() == walk.rules.max_fields {
                return Err(walk.end(Problem::TooMany { most: walk.rules.max_fields }));
            }
            let back = walk.enter(&name);
            let kind = if depth == 1 { walk.rules.kind(&name) } else { Some(Kind::Any) };
            if kind.is_none() {
                walk.add(Problem::Unknown);
            }
            if name.chars().any(char::is_control) {
                walk.add(Problem::ControlCharacter);
            }
            let found = entries.next_value_seed(Value { walk, depth: depth + 1 })?;
            if let Some(kind) = kind.filter(|kind| !found.fits(*kind)) {
                walk.add(Problem::WrongType { expected: kind.expected() });
            }
            // Of two fields with one name, parsers take the first, the last, or both.
            if !names.insert(name) {
                walk.add(Problem::Repeated);
            }
            walk.leave(back);
        }
        Ok(Found::Object)
    }
}

impl Object {
    /// The type that a field of the body itself must have; nothing where there is no such field.
    fn kind(&self, name: &str) -> Option<Kind> {
        match &self.fields {
            None => Some(Kind::Any),
            Some(fields) => fields.iter().find(|(known, _)| **known == *name).map(|(_, kind)| *kind),
        }
    }
}

fn check_depth<E: de::Error>(walk: &mut Walk<'_>, depth: usize) -> Result<(), E> {
    if depth > walk.rules.max_depth {
        return Err(walk.end(Problem::TooDeep { most: walk.rules.max_depth }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judged(rules: &Object, body: impl AsRef<[u8]>) -> String {
        let mut invalid = Invalid::default();
        rules.judge(body.as_ref(), &mut invalid);
        invalid.to_string()
    }

    fn order() -> Object {
        let fields =
            [("name", Kind::String), ("count", Kind::Number), ("now", Kind::Boolean), ("extra", Kind::Any)];
        let fields = fields.into_iter().map(|(name, kind)| (name.into(), kind)).collect();
        Object { fields: Some(fields), max_depth: 3, max_fields: 4 }
    }

    #[test]
    fn what_the_route_takes_passes() {
        for body in [
            "{}",
            r#" {"name":"x","count":-1.5e3,"now":true,"extra":[1,{"a":null}]} "#,
            r#"{"name":null,"count":null,"now":null,"extra":null}"#,
            r#"{"na\u006de":"two\nlines\t\u00e4","count":0}"#,
            r#"{"extra":{"count":"of another object"}}"#,
        ] {
            assert_eq!(judged(&order(), body), "", "{body}");
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        assert_eq!(
            judged(&order(), r#"{"role":"admin","name":1,"now":"yes"}"#),
            "body /role: unknown; body /name: not a string; body /now: not true or false"
        );
        assert_eq!(judged(&order(), r#"{"count":"1"}"#), "body /count: not a number");
        assert_eq!(judged(&order(), r#"{"name":["x"]}"#), "body /name: not a string");
        assert_eq!(judged(&order(), r#"{"Name":"x"}"#), "body /Name: unknown");
        assert_eq!(judged(&order(), r#"{"a/b~c":1,"":2}"#), "body /a~1b~0c: unknown; body /: unknown");
    }

    #[test]
    fn what_parsers_disagree_about_is_refused() {
        assert_eq!(judged(&order(), r#"{"now":true,"now":false}"#), "body /now: there more than once");
        assert_eq!(
            judged(&order(), r#"{"now":true,"n\u006fw":1}"#),
            "body /now: not true or false; body /now: there more than once"
        );
        assert_eq!(
            judged(&order(), r#"{"extra":[0,{"a":1,"a":2}]}"#),
            "body /extra/1/a: there more than once"
        );
        for body in [
            "{\"count\":NaN}",
            "{\"count\":Infinity}",
            "{\"count\":01}",
            "{\"count\":1e999}",
            "{'name':'x'}",
            "{\"name\":\"x\",}",
            "{\"name\":\"x\"} {}",
            "{\"name\":\"x\"}\0",
            "\u{feff}{}",
            "// comment\n{}",
            "{\"name\":\"\\ud800\"}",
            "{\"name\":\"raw\nline\"}",
            "{\"id\": \"bet123\", \"nonce\": 1, ...}",
            "{",
            " ",
            "force_update=true",
        ] {
            assert!(
                judged(&order(), body).starts_with("body: not JSON at line "),
                "{body}: {}",
                judged(&order(), body)
            );
        }
        assert!(judged(&order(), b"{\"name\":\"\xff\"}").starts_with("body: not JSON"));
        // UTF-16, which some parsers detect.
        assert!(judged(&order(), b"{\0}\0").starts_with("body: not JSON"));
    }

    #[test]
    fn only_an_object_is_an_object() {
        for body in ["[]", "null", "true", "1", "\"text\"", "[{\"role\":1,\"role\":2}]"] {
            assert_eq!(judged(&order(), body), "body: not a JSON object", "{body}");
        }
    }

    #[test]
    fn control_characters_are_found_at_any_depth() {
        assert_eq!(judged(&order(), r#"{"name":"a\u0000b"}"#), "body /name: a control character");
        assert_eq!(judged(&order(), r#"{"extra":["\u001b[31m"]}"#), "body /extra/0: a control character");
        assert_eq!(
            judged(&order(), r#"{"extra":{"a\u0000":1}}"#),
            "body /extra/a\u{fffd}: a control character"
        );
    }

    #[test]
    fn depth_and_width_have_an_end() {
        assert_eq!(judged(&order(), r#"{"extra":[[1]]}"#), "");
        assert_eq!(judged(&order(), r#"{"extra":[[[1]]]}"#), "body /extra/0/0: deeper than 3 levels");
        assert_eq!(judged(&order(), r#"{"extra":{"a":1,"b":2,"c":3,"d":4}}"#), "");
        assert_eq!(
            judged(&order(), r#"{"extra":{"a":1,"b":2,"c":3,"d":4,"e":5}}"#),
            "body /extra: more than 4"
        );
        let deep = format!("{{\"extra\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(judged(&order(), &deep).ends_with("deeper than 3 levels"));
        let many: Vec<String> = (0..50).map(|at| format!("\"x{at}\":{at},")).collect();
        let many = many.concat();
        let rules = Object { max_fields: 100, ..order() };
        assert_eq!(judged(&rules, format!("{{{many}\"name\":\"\"}}")).matches("unknown").count(), 16);
    }

    #[test]
    fn types_have_names() {
        for (name, kind) in Kind::ALL {
            assert_eq!(name.parse(), Ok(kind));
        }
        assert_eq!("bool".parse::<Kind>(), Err(UnknownKind));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(body in prop::collection::vec(any::<u8>(), 0..200)) {
            judged(&order(), body);
        }

        /// What passes is what another parser reads as such an object.
        #[test]
        fn what_passes_is_such_an_object(body in r#"\{("(name|count|now|extra|role)":("x"|1|true|null|\[\]|\{\}),?){0,3}\}"#) {
            let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&body).ok();
            let pairs = body.matches(':').count();
            let fits = parsed.is_some_and(|object| {
                object.len() == pairs && object.iter().all(|(name, value)| match name.as_str() {
                    "name" => value.is_null() || value.is_string(),
                    "count" => value.is_null() || value.is_number(),
                    "now" => value.is_null() || value.is_boolean(),
                    name => name == "extra",
                })
            });
            prop_assert_eq!(judged(&order(), &body).is_empty(), fits, "{}", judged(&order(), &body));
        }
    }
}
