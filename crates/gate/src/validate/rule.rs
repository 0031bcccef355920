//! What one field of a JSON body may be: its type, its length, its form, its range, and how it is cleaned before
//! the application sees it. A rule judges what the application will see, not what was sent.

use std::borrow::Cow;
use std::sync::Arc;

use super::invalid::{Bound, Problem};
use super::sanitize::Cleaning;

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// A string.
    String,
    /// A number.
    Number,
    /// A number without a fraction.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list.
    Array,
    /// An object.
    Object,
    /// Any value, arrays and objects too.
    #[default]
    Any,
}

/// A word that names no type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a type is string, number, integer, boolean, array, object or any")]
pub struct UnknownKind;

impl Kind {
    /// Every type with its name.
    pub const ALL: [(&'static str, Kind); 7] = [
        ("string", Kind::String),
        ("number", Kind::Number),
        ("integer", Kind::Integer),
        ("boolean", Kind::Boolean),
        ("array", Kind::Array),
        ("object", Kind::Object),
        ("any", Kind::Any),
    ];

    pub(super) fn expected(self) -> &'static str {
        match self {
            Kind::String => "a string",
            Kind::Number => "a number",
            Kind::Integer => "a whole number",
            Kind::Boolean => "true or false",
            Kind::Array => "a list",
            Kind::Object => "an object",
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

/// The fields of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// Those that are known.
    pub known: Vec<(Box<str>, Rule)>,
    /// Whether others pass too.
    pub open: bool,
}

impl Fields {
    /// These fields and no other.
    pub fn closed<R: Into<Rule>>(known: impl IntoIterator<Item = (&'static str, R)>) -> Self {
        let known = known.into_iter().map(|(name, rule)| (name.into(), rule.into())).collect();
        Self { known, open: false }
    }

    pub(super) fn rule(&self, name: &str) -> Option<&Rule> {
        self.known.iter().find(|(known, _)| **known == *name).map(|(_, rule)| rule)
    }

    /// Whether a body without any of them is not what they are.
    pub(super) fn ask(&self) -> bool {
        self.known.iter().any(|(_, rule)| rule.required)
    }

    /// Whether what was sent may have to be written anew.
    pub(super) fn clean(&self) -> bool {
        self.known
            .iter()
            .any(|(_, rule)| rule.cleaning.is_some() || rule.fields.as_ref().is_some_and(Fields::clean))
    }
}

/// What a field may be. The default takes everything, and its absence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Its type.
    pub kind: Kind,
    /// Whether it must be there and not null; else it may be absent or null.
    pub required: bool,
    /// The fewest characters of a string.
    pub min_length: usize,
    /// The most characters of a string; nothing for any.
    pub max_length: Option<usize>,
    /// The form of a string.
    pub pattern: Option<Form>,
    /// What must not stand in a string.
    pub forbidden: Option<Forbidden>,
    /// The least number.
    pub min: Option<Bound>,
    /// The greatest number.
    pub max: Option<Bound>,
    /// How a string is cleaned before it is judged and goes on.
    pub cleaning: Option<Cleaning>,
    /// The fields of an object.
    pub fields: Option<Fields>,
}

impl From<Kind> for Rule {
    fn from(kind: Kind) -> Self {
        Self { kind, ..Self::default() }
    }
}

/// A regular expression, matched in time linear in the text.
#[derive(Debug, Clone)]
pub struct Form {
    text: Arc<str>,
    expression: regex::Regex,
}

/// The most memory that a compiled expression may take, in bytes: enough for a hundred letters of any script, while a
/// repetition within a repetition costs no gigabyte.
const LARGEST_FORM: usize = 10 * 1024 * 1024;

impl Form {
    /// Compiles an expression. It may match anywhere in a text unless it says otherwise with `^` and `$`, which
    /// stand for the very ends of it.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        let expression = regex::RegexBuilder::new(text).size_limit(LARGEST_FORM).build()?;
        Ok(Self { text: text.into(), expression })
    }
}

impl PartialEq for Form {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Form {}

/// Texts that must not stand in a string, in any letter case, and what is said where one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    /// In small letters.
    words: Box<[Box<str>]>,
    message: Arc<str>,
}

impl Forbidden {
    /// Forbids `words`; `message` tells the client.
    pub fn new<'w>(words: impl IntoIterator<Item = &'w str>, message: &str) -> Self {
        let words = words.into_iter().map(|word| word.to_lowercase().into()).collect();
        Self { words, message: message.into() }
    }
}

impl Rule {
    /// A string as the application will see it.
    pub(super) fn clean<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.cleaning {
            Some(cleaning) if matches!(self.kind, Kind::String | Kind::Any) => cleaning.apply(text),
            _ => Cow::Borrowed(text),
        }
    }

    /// What is wrong with a string, most telling first; one problem is enough.
    pub(super) fn judge_text(&self, text: &str) -> Option<Problem> {
        if !matches!(self.kind, Kind::String | Kind::Any) {
            return None;
        }
        // Bytes are never fewer than characters: most texts are short enough without being counted.
        if text.len() < self.min_length || self.min_length > 1 && text.chars().count() < self.min_length {
            return Some(Problem::TooShort { least: self.min_length });
        }
        if let Some(most) = self.max_length
            && text.len() > most
            && text.chars().count() > most
        {
            return Some(Problem::TooManyCharacters { most });
        }
        if let Some(form) = self.pattern.as_ref().filter(|form| !form.expression.is_match(text)) {
            return Some(Problem::Mismatch { pattern: Arc::clone(&form.text) });
        }
        let forbidden = self.forbidden.as_ref()?;
        let folded = text.to_lowercase();
        let found = forbidden.words.iter().any(|word| folded.contains(&**word));
        found.then(|| Problem::Forbidden { message: Arc::clone(&forbidden.message) })
    }

    /// What is wrong with a number.
    pub(super) fn judge_number(&self, number: f64) -> Option<Problem> {
        if !matches!(self.kind, Kind::Number | Kind::Integer | Kind::Any) {
            return None;
        }
        match (self.min, self.max) {
            (Some(least), _) if number < least.value() => Some(Problem::TooSmall { least }),
            (_, Some(most)) if number > most.value() => Some(Problem::TooGreat { most }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(rule: &Rule, text: &str) -> String {
        rule.judge_text(&rule.clean(text)).map_or_else(String::new, |problem| problem.to_string())
    }

    #[test]
    fn the_length_of_a_string_is_counted_in_characters() {
        let rule = Rule { kind: Kind::String, min_length: 2, max_length: Some(3), ..Rule::default() };
        for text in ["ab", "abc", "äöü", "\u{1f3b5}\u{1f3b5}"] {
            assert_eq!(said(&rule, text), "", "{text}");
        }
        for text in ["", "a", "ä", "\u{1f3b5}"] {
            assert_eq!(said(&rule, text), "shorter than 2 characters", "{text}");
        }
        assert_eq!(said(&rule, "äöüß"), "longer than 3 characters");
        let one = Rule { min_length: 1, max_length: Some(1), ..Rule::default() };
        assert_eq!(said(&one, ""), "shorter than 1 character");
        assert_eq!(said(&one, "ab"), "longer than 1 character");
    }

    #[test]
    fn a_form_is_met_from_end_to_end_where_it_says_so() {
        let rule = Rule { pattern: Some(Form::new("^[a-zA-Z0-9_-]+$").unwrap()), ..Rule::default() };
        assert_eq!(said(&rule, "session-1_A"), "");
        // Python's `$` would let the line end pass.
        for text in ["", "session 1", "session-1\n", "\nsession-1", "sessiön", "a;b"] {
            assert_eq!(said(&rule, text), "not of the form ^[a-zA-Z0-9_-]+$", "{text:?}");
        }
        assert!(Form::new("[").is_err());
        assert!(Form::new("(a{1000}){1000}").is_err(), "too large");
        assert!(Form::new(r"^[\w .'-]{1,100}$").is_ok(), "a name of any script");
        // Backtracking engines take exponential time for this.
        let slow = Rule { pattern: Some(Form::new("^(a+)+$").unwrap()), ..Rule::default() };
        assert_ne!(said(&slow, &format!("{}!", "a".repeat(60_000))), "");
    }

    #[test]
    fn forbidden_texts_are_found_in_any_letter_case() {
        let forbidden = Forbidden::new(["<script", "javascript:", "data:"], "Invalid prompt content");
        let rule = Rule { forbidden: Some(forbidden), ..Rule::default() };
        for text in ["<SCRIPT>", "a jAvaScript:b", "DATA:text/html", "x<script"] {
            assert_eq!(said(&rule, text), "Invalid prompt content", "{text}");
        }
        for text in ["", "script", "java script", "metadata", "< script"] {
            assert_eq!(said(&rule, text), "", "{text}");
        }
    }

    #[test]
    fn numbers_have_a_range() {
        let rule =
            Rule { min: Some(Bound::from(1)), max: Bound::new(2.5), kind: Kind::Number, ..Rule::default() };
        let said = |number| rule.judge_number(number).map_or_else(String::new, |it| it.to_string());
        assert_eq!((said(1.0), said(2.5)), (String::new(), String::new()));
        assert_eq!((&*said(0.9), &*said(-1e300)), ("less than 1", "less than 1"));
        assert_eq!(said(2.6), "greater than 2.5");
        assert_eq!(Bound::new(f64::NAN), None);
    }

    #[test]
    fn what_is_judged_is_what_goes_on() {
        let rule =
            Rule { min_length: 1, max_length: Some(3), cleaning: Some(Cleaning::Trim), ..Rule::default() };
        assert_eq!(said(&rule, "  abc  "), "");
        assert_eq!(said(&rule, "   "), "shorter than 1 character");
    }

    #[test]
    fn types_have_names() {
        for (name, kind) in Kind::ALL {
            assert_eq!(name.parse(), Ok(kind));
        }
        assert_eq!("bool".parse::<Kind>(), Err(UnknownKind));
    }
}
