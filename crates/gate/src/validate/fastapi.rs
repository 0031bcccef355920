//! What is wrong with a request as FastAPI says it: the list that its clients find under `detail`, each entry with
//! `type`, `loc` and `msg` in the words of pydantic 2. The value itself (`input` there) is left out: it may be a
//! secret.

use std::fmt::Write as _;

use super::invalid::{Invalid, Place, Problem, plural, string};

impl Invalid {
    /// The issues as a JSON array.
    pub fn to_fastapi(&self) -> String {
        let mut out = String::from("[");
        for issue in self.issues() {
            if out.len() > 1 {
                out.push(',');
            }
            let (kind, message) = said(&issue.problem);
            let _ = write!(out, "{{\"type\":\"{kind}\",\"loc\":");
            loc(&mut out, &issue.place);
            out.push_str(",\"msg\":");
            string(&mut out, &message);
            context(&mut out, &issue.problem);
            out.push('}');
        }
        out.push(']');
        out
    }
}

fn loc(out: &mut String, place: &Place) {
    let (first, rest) = match place {
        Place::Header(name) => ("header", Some(*name)),
        Place::Query => ("query", None),
        Place::Parameter(name) => ("query", Some(name.as_str())),
        Place::Body | Place::Pointer(_) => ("body", None),
    };
    let _ = write!(out, "[\"{first}\"");
    if let Some(name) = rest {
        out.push(',');
        string(out, name);
    }
    if let Place::Pointer(pointer) = place {
        for step in pointer.split('/').skip(1) {
            out.push(',');
            // An item of a list is named by its number.
            if !step.is_empty() && step.len() < 10 && step.bytes().all(|byte| byte.is_ascii_digit()) {
                out.push_str(step);
            } else {
                string(out, &step.replace("~1", "/").replace("~0", "~"));
            }
        }
    }
    out.push(']');
}

/// The type of pydantic and its sentence.
fn said(problem: &Problem) -> (&'static str, String) {
    match problem {
        Problem::Unknown => ("extra_forbidden", "Extra inputs are not permitted".to_owned()),
        Problem::Missing => ("missing", "Field required".to_owned()),
        Problem::TooShort { least } => {
            ("string_too_short", format!("String should have at least {least} character{}", plural(*least)))
        }
        Problem::TooManyCharacters { most } => {
            ("string_too_long", format!("String should have at most {most} character{}", plural(*most)))
        }
        Problem::Mismatch { pattern } => {
            ("string_pattern_mismatch", format!("String should match pattern '{pattern}'"))
        }
        Problem::TooSmall { least } => {
            ("greater_than_equal", format!("Input should be greater than or equal to {least}"))
        }
        Problem::TooGreat { most } => {
            ("less_than_equal", format!("Input should be less than or equal to {most}"))
        }
        Problem::WrongType { expected } => {
            let (kind, expected) = match *expected {
                "a string" => ("string_type", "string"),
                "a number" => ("float_type", "number"),
                "a whole number" => ("int_type", "integer"),
                "true or false" => ("bool_type", "boolean"),
                "a list" => ("list_type", "list"),
                "an object" => ("dict_type", "dictionary"),
                _ => ("model_attributes_type", "dictionary or object to extract fields from"),
            };
            (kind, format!("Input should be a valid {expected}"))
        }
        Problem::NotJson { .. } => ("json_invalid", "JSON decode error".to_owned()),
        other => ("value_error", format!("Value error, {other}")),
    }
}

/// What pydantic says beside the sentence, for programs.
fn context(out: &mut String, problem: &Problem) {
    let _ = match problem {
        Problem::TooShort { least } => write!(out, ",\"ctx\":{{\"min_length\":{least}}}"),
        Problem::TooManyCharacters { most } => write!(out, ",\"ctx\":{{\"max_length\":{most}}}"),
        Problem::TooSmall { least } => write!(out, ",\"ctx\":{{\"ge\":{least}}}"),
        Problem::TooGreat { most } => write!(out, ",\"ctx\":{{\"le\":{most}}}"),
        Problem::Mismatch { pattern } => {
            out.push_str(",\"ctx\":{\"pattern\":");
            string(out, pattern);
            out.push('}');
            Ok(())
        }
        Problem::NotJson { line, column } => {
            write!(out, ",\"ctx\":{{\"error\":\"line {line}, column {column}\"}}")
        }
        _ => Ok(()),
    };
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::invalid::Bound;
    use super::*;

    fn listed(place: Place, problem: Problem) -> String {
        let mut invalid = Invalid::default();
        invalid.add(place, problem);
        invalid.to_fastapi()
    }

    #[test]
    fn the_words_are_those_of_pydantic() {
        let prompt = || Place::Pointer("/prompt".to_owned());
        assert_eq!(
            listed(prompt(), Problem::TooManyCharacters { most: 500 }),
            r#"[{"type":"string_too_long","loc":["body","prompt"],"msg":"String should have at most 500 characters","ctx":{"max_length":500}}]"#
        );
        assert_eq!(
            listed(prompt(), Problem::TooShort { least: 1 }),
            r#"[{"type":"string_too_short","loc":["body","prompt"],"msg":"String should have at least 1 character","ctx":{"min_length":1}}]"#
        );
        assert_eq!(
            listed(prompt(), Problem::Forbidden { message: "Invalid prompt content".into() }),
            r#"[{"type":"value_error","loc":["body","prompt"],"msg":"Value error, Invalid prompt content"}]"#
        );
        assert_eq!(
            listed(Place::Body, Problem::NotJson { line: 1, column: 7 }),
            r#"[{"type":"json_invalid","loc":["body"],"msg":"JSON decode error","ctx":{"error":"line 1, column 7"}}]"#
        );
        assert_eq!(
            listed(
                Place::Pointer("/a~1b/0/~0".to_owned()),
                Problem::TooGreat { most: Bound::new(2.5).unwrap() }
            ),
            r#"[{"type":"less_than_equal","loc":["body","a/b",0,"~"],"msg":"Input should be less than or equal to 2.5","ctx":{"le":2.5}}]"#
        );
        assert_eq!(
            listed(Place::Parameter("q".to_owned()), Problem::NotUtf8),
            r#"[{"type":"value_error","loc":["query","q"],"msg":"Value error, not UTF-8"}]"#
        );
        assert_eq!(Invalid::default().to_fastapi(), "[]");
    }

    proptest! {
        #[test]
        fn any_name_and_form_is_escaped(name in any::<String>(), pattern in any::<String>()) {
            let mismatch = Problem::Mismatch { pattern: Arc::from(pattern.as_str()) };
            let list: serde_json::Value =
                serde_json::from_str(&listed(Place::Parameter(name.clone()), mismatch)).unwrap();
            prop_assert_eq!(list[0]["loc"][1].as_str(), Some(name.as_str()));
            prop_assert_eq!(list[0]["ctx"]["pattern"].as_str(), Some(pattern.as_str()));
        }
    }
}
