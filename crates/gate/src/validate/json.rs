//! The JSON object that a body must be, judged while it is parsed and never kept.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::invalid::{Invalid, Place, Problem, shown};
use super::rule::{Fields, Kind, Rule};

/// What a JSON body may hold: an object with these fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The fields it may have; nothing for any.
    pub fields: Option<Fields>,
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

impl Object {
    /// Judges a whole body.
    pub(super) fn judge(&self, body: &[u8], invalid: &mut Invalid) {
        let mut walk = Walk { rules: self, invalid, pointer: String::new(), ended: false };
        let mut reader = serde_json::Deserializer::from_slice(body);
        let fields = self.fields.as_ref();
        let found = Value { walk: &mut walk, depth: 1, rule: None, fields }.deserialize(&mut reader);
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
    /// Without a fraction.
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Found {
    fn fits(self, rule: &Rule) -> bool {
        match rule.kind {
            Kind::Any => true,
            _ if self == Found::Null => !rule.required,
            Kind::String => self == Found::String,
            Kind::Number => matches!(self, Found::Number | Found::Integer),
            Kind::Integer => self == Found::Integer,
            Kind::Boolean => self == Found::Boolean,
            Kind::Array => self == Found::Array,
            Kind::Object => self == Found::Object,
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
    /// What it may be itself.
    rule: Option<&'w Rule>,
    /// What it may hold.
    fields: Option<&'w Fields>,
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

    fn visit_i64<E>(self, number: i64) -> Result<Found, E> {
        Ok(self.number(number as f64, Found::Integer))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Found, E> {
        Ok(self.number(number as f64, Found::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Found, E> {
        // As JSON Schema has it, 1.0 is a whole number.
        let found = if number.fract() == 0.0 { Found::Integer } else { Found::Number };
        Ok(self.number(number, found))
    }

    fn visit_str<E>(self, text: &str) -> Result<Found, E> {
        let text = self.rule.map_or(Cow::Borrowed(text), |rule| rule.clean(text));
        if let Some(problem) = self.rule.and_then(|rule| rule.judge_text(&text)) {
            self.walk.add(problem);
        }
        // Lines and tabs are at home in text; every other control character is not.
        if text.chars().any(|it| it.is_control() && !matches!(it, '\t' | '\n' | '\r')) {
            self.walk.add(Problem::ControlCharacter);
        }
        Ok(Found::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        let Self { walk, depth, .. } = self;
        check_depth(walk, depth)?;
        for index in 0_usize.. {
            let back = walk.enter(&index.to_string());
            let found =
                items.next_element_seed(Value { walk, depth: depth + 1, rule: None, fields: None })?;
            walk.leave(back);
            if found.is_none() {
                break;
            }
        }
        Ok(Found::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Found, A::Error> {
        let Self { walk, depth, fields, .. } = self;
        check_depth(walk, depth)?;
        let mut names = HashSet::new();
        while let Some(name) = entries.next_key::<String>()? {
            if names.len() == walk.rules.max_fields {
                return Err(walk.end(Problem::TooMany { most: walk.rules.max_fields }));
            }
            let back = walk.enter(&name);
            let rule = fields.and_then(|fields| fields.rule(&name));
            if rule.is_none() && fields.is_some_and(|fields| !fields.open) {
                walk.add(Problem::Unknown);
            }
            if name.chars().any(char::is_control) {
                walk.add(Problem::ControlCharacter);
            }
            let fields = rule.and_then(|rule| rule.fields.as_ref());
            let found = entries.next_value_seed(Value { walk, depth: depth + 1, rule, fields })?;
            if let Some(rule) = rule.filter(|rule| !found.fits(rule)) {
                walk.add(Problem::WrongType { expected: rule.kind.expected() });
            }
            // Of two fields with one name, parsers take the first, the last, or both.
            if !names.insert(name) {
                walk.add(Problem::Repeated);
            }
            walk.leave(back);
        }
        for (name, rule) in fields.map_or(&[][..], |fields| &fields.known) {
            if rule.required && !names.contains(&**name) {
                let back = walk.enter(name);
                walk.add(Problem::Missing);
                walk.leave(back);
            }
        }
        Ok(Found::Object)
    }
}

impl Value<'_, '_> {
    fn number(self, number: f64, found: Found) -> Found {
        if let Some(problem) = self.rule.and_then(|rule| rule.judge_number(number)) {
            self.walk.add(problem);
        }
        found
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
        Object { fields: Some(Fields::closed(fields)), max_depth: 3, max_fields: 4 }
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
    fn what_must_be_there_is_missed_at_any_depth() {
        let must = |kind| Rule { required: true, ..Rule::from(kind) };
        let inner = Fields::closed([("id", must(Kind::Integer))]);
        let fields = Fields::closed([
            ("name", must(Kind::String)),
            ("owner", Rule { fields: Some(inner), ..Rule::from(Kind::Object) }),
            ("tags", Rule::from(Kind::Array)),
        ]);
        let rules = Object { fields: Some(Fields { open: true, ..fields }), ..Object::default() };
        assert_eq!(judged(&rules, r#"{"name":"x","more":[1],"owner":{"id":1.0}}"#), "");
        assert_eq!(judged(&rules, r#"{"name":"x","owner":null,"tags":[]}"#), "");
        assert_eq!(judged(&rules, "{}"), "body /name: missing");
        assert_eq!(
            judged(&rules, r#"{"name":null,"owner":{"id":1.5,"of":2},"tags":{}}"#),
            "body /name: not a string; body /owner/id: not a whole number; body /owner/of: unknown; \
             body /tags: not a list"
        );
        assert_eq!(judged(&rules, r#"{"name":"x","owner":{}}"#), "body /owner/id: missing");
        assert_eq!(judged(&rules, r#"{"name":"x","owner":[]}"#), "body /owner: not an object");
    }

    #[test]
    fn texts_and_numbers_are_judged_by_their_rules() {
        let fields = [
            ("name", Rule { max_length: Some(3), ..Rule::from(Kind::String) }),
            ("count", Rule { min: Some(1.into()), ..Rule::from(Kind::Integer) }),
        ];
        let rules = Object { fields: Some(Fields::closed(fields)), ..Object::default() };
        assert_eq!(judged(&rules, r#"{"name":"abc","count":1}"#), "");
        assert_eq!(
            judged(&rules, r#"{"name":"quince","count":0}"#),
            "body /name: longer than 3 characters; body /count: less than 1"
        );
        // What has another type is not judged any further.
        assert_eq!(
            judged(&rules, r#"{"name":0,"count":"quince"}"#),
            "body /name: not a string; body /count: not a whole number"
        );
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
