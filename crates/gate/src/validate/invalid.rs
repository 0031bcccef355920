//! What is wrong with a request, place by place. Names are shown, values never.

use std::fmt::{self, Write as _};
use std::sync::Arc;

/// More than these nobody mends at once.
const MOST_ISSUES: usize = 16;

/// The longest name that is shown, in characters; names come from the client.
const LONGEST_NAME: usize = 64;

/// Everything that was found wrong, at most sixteen issues.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    issues: Vec<Issue>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Where.
    pub place: Place,
    /// What.
    pub problem: Problem,
}

/// A place in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The header with this name.
    Header(&'static str),
    /// The query as a whole.
    Query,
    /// The query parameter with this name.
    Parameter(String),
    /// The body as a whole.
    Body,
    /// The value in the JSON body that this JSON Pointer (RFC 6901) names.
    Pointer(String),
}

/// What is wrong at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The route does not take this name.
    Unknown,
    /// The name stands there more than once.
    Repeated,
    /// More than so many parameters or fields.
    TooMany {
        /// The most there may be.
        most: usize,
    },
    /// A name or value of more than so many bytes.
    TooLong {
        /// The most it may have.
        most: usize,
    },
    /// A percent sign that two hexadecimal digits do not follow (RFC 3986 section 2.1).
    Escape,
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// A control character, NUL among them.
    ControlCharacter,
    /// A body of more than so many bytes.
    TooLarge {
        /// The most it may have.
        most: usize,
    },
    /// A media type that the route does not take.
    UnsupportedType,
    /// A content coding, such as gzip.
    UnsupportedCoding,
    /// Not JSON (RFC 8259), from this place on.
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1; 0 at the end of a line.
        column: usize,
    },
    /// A value of another type.
    WrongType {
        /// The one it must have.
        expected: &'static str,
    },
    /// Arrays and objects in each other deeper than so many levels.
    TooDeep {
        /// The most levels.
        most: usize,
    },
    /// A field that must be there is not.
    Missing,
    /// A string of fewer than so many characters.
    TooShort {
        /// The fewest it must have.
        least: usize,
    },
    /// A string of more than so many characters.
    TooManyCharacters {
        /// The most it may have.
        most: usize,
    },
    /// A string that this regular expression does not match.
    Mismatch {
        /// The expression.
        pattern: Arc<str>,
    },
    /// A string with something in it that must not stand there.
    Forbidden {
        /// What the configuration says of it.
        message: Arc<str>,
    },
    /// A number below a bound.
    TooSmall {
        /// The least it may be.
        least: Bound,
    },
    /// A number above a bound.
    TooGreat {
        /// The greatest it may be.
        most: Bound,
    },
}

/// The end of a range of numbers.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Bound(f64);

impl Bound {
    /// A finite number; nothing for what is none.
    pub fn new(number: f64) -> Option<Self> {
        number.is_finite().then_some(Self(number))
    }

    pub(super) fn value(self) -> f64 {
        self.0
    }
}

impl From<i32> for Bound {
    fn from(number: i32) -> Self {
        Self(number.into())
    }
}

/// It is a number, so it equals itself.
impl Eq for Bound {}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Invalid {
    /// What was found, in the order of the request.
    pub fn issues(&self) -> &[Issue] {
        &self.issues
    }

    /// The status of the answer (RFC 9110): 413 or 415 where the body is of a size or kind that is not
    /// taken, 422 for what stands in it or in the query.
    pub fn status(&self) -> u16 {
        let any = |test: fn(&Problem) -> bool| self.issues.iter().any(|issue| test(&issue.problem));
        if any(|problem| matches!(problem, Problem::TooLarge { .. })) {
            413
        } else if any(|problem| matches!(problem, Problem::UnsupportedType | Problem::UnsupportedCoding)) {
            415
        } else {
            422
        }
    }

    /// Whether no honest client sends such a thing: control characters, or bytes that are no text.
    pub fn is_suspicious(&self) -> bool {
        self.issues.iter().any(|issue| matches!(issue.problem, Problem::ControlCharacter | Problem::NotUtf8))
    }

    /// The place of a text that the configuration forbids, where there is one.
    pub fn forbidden(&self) -> Option<&Place> {
        let found = self.issues.iter().find(|issue| matches!(issue.problem, Problem::Forbidden { .. }));
        found.map(|issue| &issue.place)
    }

    /// The issues as a JSON array, for the member `errors` of a problem document (RFC 9457 section 3):
    /// each an object with `detail` and where, as `pointer`, `parameter` or `header`.
    pub fn to_json(&self) -> String {
        let mut out = String::from("[");
        for issue in &self.issues {
            if out.len() > 1 {
                out.push(',');
            }
            out.push('{');
            match &issue.place {
                Place::Header(name) => member(&mut out, "header", name),
                Place::Query | Place::Body => {}
                Place::Parameter(name) => member(&mut out, "parameter", name),
                Place::Pointer(pointer) => member(&mut out, "pointer", pointer),
            }
            let whole = match &issue.place {
                Place::Query => "query: ",
                Place::Body => "body: ",
                _ => "",
            };
            member(&mut out, "detail", &format!("{whole}{}", issue.problem));
            out.pop();
            out.push('}');
        }
        out.push(']');
        out
    }

    pub(super) fn add(&mut self, place: Place, problem: Problem) {
        if !self.is_full() {
            self.issues.push(Issue { place, problem });
        }
    }

    /// Whether no more is taken: the search may end.
    pub(super) fn is_full(&self) -> bool {
        self.issues.len() >= MOST_ISSUES
    }

    pub(super) fn clear(&mut self) {
        self.issues.clear();
    }

    pub(super) fn into_result(self) -> Result<(), Invalid> {
        if self.issues.is_empty() { Ok(()) } else { Err(self) }
    }
}

/// The one place of a URL that is refused, and why, as [`Invalid::to_json`] says it.
pub(crate) fn one_to_json(pointer: &str, why: &str) -> String {
    let mut out = String::from("[{");
    member(&mut out, "pointer", pointer);
    member(&mut out, "detail", why);
    out.truncate(out.len() - 1);
    out.push_str("}]");
    out
}

/// A name as it is shown: text without control characters, and not too much of it.
pub(super) fn shown(name: &str) -> String {
    let mut out = String::new();
    for (count, character) in name.chars().enumerate() {
        if count == LONGEST_NAME {
            out.push('…');
            break;
        }
        out.push(if character.is_control() { char::REPLACEMENT_CHARACTER } else { character });
    }
    out
}

/// A member of a JSON object, and a comma.
fn member(out: &mut String, name: &str, text: &str) {
    let _ = write!(out, "\"{name}\":");
    string(out, text);
    out.push(',');
}

/// A JSON string.
pub(super) fn string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            // Where JSON ends up in a page, these end a script or an attribute.
            '<' | '>' | '&' | '\'' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.issues.iter().enumerate() {
            write!(f, "{}{}: {}", if index > 0 { "; " } else { "" }, issue.place, issue.problem)?;
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Header(name) => f.write_str(name),
            Place::Query => f.write_str("query"),
            Place::Parameter(name) => write!(f, "query `{name}`"),
            Place::Body => f.write_str("body"),
            Place::Pointer(pointer) => write!(f, "body {pointer}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Unknown => f.write_str("unknown"),
            Problem::Repeated => f.write_str("there more than once"),
            Problem::TooMany { most } => write!(f, "more than {most}"),
            Problem::TooLong { most } => write!(f, "longer than {most} bytes"),
            Problem::Escape => f.write_str("a percent sign without two hexadecimal digits"),
            Problem::NotUtf8 => f.write_str("not UTF-8"),
            Problem::ControlCharacter => f.write_str("a control character"),
            Problem::TooLarge { most } => write!(f, "larger than {most} bytes"),
            Problem::UnsupportedType => f.write_str("this type of body is not taken"),
            Problem::UnsupportedCoding => f.write_str("a coded body is not taken"),
            Problem::NotJson { line, column } => write!(f, "not JSON at line {line}, column {column}"),
            Problem::WrongType { expected } => write!(f, "not {expected}"),
            Problem::TooDeep { most } => write!(f, "deeper than {most} levels"),
            Problem::Missing => f.write_str("missing"),
            Problem::TooShort { least } => write!(f, "shorter than {least} character{}", plural(*least)),
            Problem::TooManyCharacters { most } => write!(f, "longer than {most} character{}", plural(*most)),
            Problem::Mismatch { pattern } => write!(f, "not of the form {pattern}"),
            Problem::Forbidden { message } => f.write_str(message),
            Problem::TooSmall { least } => write!(f, "less than {least}"),
            Problem::TooGreat { most } => write!(f, "greater than {most}"),
        }
    }
}

pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn issues_are_json_whatever_the_names_are() {
        let mut invalid = Invalid::default();
        invalid.add(Place::Pointer("/a\"b".to_owned()), Problem::Unknown);
        invalid.add(Place::Parameter("</script>".to_owned()), Problem::TooLong { most: 7 });
        invalid.add(Place::Query, Problem::TooMany { most: 3 });
        assert_eq!(
            invalid.to_json(),
            concat!(
                r#"[{"pointer":"/a\"b","detail":"unknown"},"#,
                r#"{"parameter":"\u003c/script\u003e","detail":"longer than 7 bytes"},"#,
                r#"{"detail":"query: more than 3"}]"#
            )
        );
        assert_eq!(Invalid::default().to_json(), "[]");
    }

    #[test]
    fn the_list_has_an_end() {
        let mut invalid = Invalid::default();
        (0..100).for_each(|_| invalid.add(Place::Body, Problem::Unknown));
        assert_eq!(invalid.issues().len(), MOST_ISSUES);
        assert!(invalid.is_full());
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), LONGEST_NAME + 1);
    }

    proptest! {
        #[test]
        fn any_name_is_escaped(name in any::<String>()) {
            let mut invalid = Invalid::default();
            invalid.add(Place::Parameter(name.clone()), Problem::Unknown);
            let parsed: serde_json::Value = serde_json::from_str(&invalid.to_json()).unwrap();
            prop_assert_eq!(parsed[0]["parameter"].as_str(), Some(name.as_str()));
            prop_assert!(!shown(&name).chars().any(char::is_control));
        }
    }
}
