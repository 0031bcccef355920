//! What a query may hold. Read as WHATWG URL section 5.1 reads it: pairs between `&`, `+` for a blank.

use std::borrow::Cow;

use super::invalid::{Invalid, Place, Problem, shown};

/// What a query may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The names it may have; nothing for any.
    pub names: Option<Vec<Box<str>>>,
    /// The most parameters.
    pub max_count: usize,
    /// The longest name or value, in bytes, decoded.
    pub max_length: usize,
}

/// Any names, 100 parameters, 4 KiB each.
impl Default for Query {
    fn default() -> Self {
        Self { names: None, max_count: 100, max_length: 4096 }
    }
}

impl Query {
    /// Judges a query without its question mark.
    pub(super) fn judge(&self, query: &str, invalid: &mut Invalid) {
        let pairs = || query.split('&').filter(|pair| !pair.is_empty());
        if pairs().nth(self.max_count).is_some() {
            invalid.add(Place::Query, Problem::TooMany { most: self.max_count });
        }
        for pair in pairs().take(self.max_count) {
            if invalid.is_full() {
                return;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let parameter = || Place::Parameter(shown(&String::from_utf8_lossy(&decode(name).0)));
            match self.text(name) {
                Err(problem) => invalid.add(parameter(), problem),
                Ok(name) if !self.takes(&name) => invalid.add(parameter(), Problem::Unknown),
                Ok(_) => {
                    if let Err(problem) = self.text(value) {
                        invalid.add(parameter(), problem);
                    }
                }
            }
        }
    }

    fn takes(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.iter().any(|one| **one == *name))
    }

    /// A name or value as the application will read it.
    fn text<'q>(&self, raw: &'q str) -> Result<Cow<'q, str>, Problem> {
        let (bytes, whole) = decode(raw);
        if !whole {
            return Err(Problem::Escape);
        }
        if bytes.len() > self.max_length {
            return Err(Problem::TooLong { most: self.max_length });
        }
        let text = match bytes {
            Cow::Borrowed(_) => Cow::Borrowed(raw),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).map_err(|_| Problem::NotUtf8)?),
        };
        if text.chars().any(char::is_control) { Err(Problem::ControlCharacter) } else { Ok(text) }
    }
}

/// The bytes that the escapes stand for, and whether all of them are escapes. What is none stays as it is.
pub(super) fn decode(raw: &str) -> (Cow<'_, [u8]>, bool) {
    if !raw.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return (Cow::Borrowed(raw.as_bytes()), true);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut whole = true;
    let mut rest = raw.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'+' => out.push(b' '),
            b'%' if let Some(byte) = escaped(after) => {
                out.push(byte);
                rest = &after[2..];
            }
            byte => {
                whole &= *byte != b'%';
                out.push(*byte);
            }
        }
    }
    (Cow::Owned(out), whole)
}

/// The byte that the two digits at the front say.
fn escaped(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    Some((digit(0)? << 4 | digit(1)?) as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judged(rules: &Query, query: &str) -> String {
        let mut invalid = Invalid::default();
        rules.judge(query, &mut invalid);
        invalid.to_string()
    }

    fn any_name(query: &str) -> String {
        judged(&Query::default(), query)
    }

    #[test]
    fn ordinary_queries_pass() {
        for query in [
            "",
            "a=1",
            "a=1&b=two+words&c=%C3%A4%20%26&flag&empty=&=x&&a=again",
            "q=%E2%82%AC&json=%7B%22a%22%3A1%7D",
            "at=2026-11-21T10:00:00Z&list=1,2;3",
        ] {
            assert_eq!(any_name(query), "", "{query}");
        }
    }

    #[test]
    fn what_no_text_holds_is_refused() {
        for (query, problem) in [
            ("a=%00", "query `a`: a control character"),
            ("a=x%0d%0aSet-Cookie:y", "query `a`: a control character"),
            ("a=%7f", "query `a`: a control character"),
            ("a=%C2%85", "query `a`: a control character"),
            ("a=\t", "query `a`: a control character"),
            ("a=%ff", "query `a`: not UTF-8"),
            ("a=%C0%AE", "query `a`: not UTF-8"),
            ("a=%ED%A0%80", "query `a`: not UTF-8"),
            ("a=%", "query `a`: a percent sign without two hexadecimal digits"),
            ("a=%4", "query `a`: a percent sign without two hexadecimal digits"),
            ("a=%zz", "query `a`: a percent sign without two hexadecimal digits"),
            ("a=%+1", "query `a`: a percent sign without two hexadecimal digits"),
            ("a%00b=1", "query `a\u{fffd}b`: a control character"),
            ("%ff=1", "query `\u{fffd}`: not UTF-8"),
        ] {
            assert_eq!(any_name(query), problem, "{query}");
        }
        assert_eq!(any_name("a=%00&b=1&c=%ff"), "query `a`: a control character; query `c`: not UTF-8");
    }

    #[test]
    fn only_names_on_the_list_pass() {
        let rules = Query { names: Some(vec!["limit".into(), "a b".into()]), ..Query::default() };
        for query in ["limit=1", "l%69mit=1", "a+b=1", "a%20b", ""] {
            assert_eq!(judged(&rules, query), "", "{query}");
        }
        assert_eq!(judged(&rules, "Limit=1"), "query `Limit`: unknown");
        assert_eq!(judged(&rules, "limit=1&limit%5B%5D=2"), "query `limit[]`: unknown");
        assert_eq!(judged(&Query { names: Some(Vec::new()), ..Query::default() }, "a"), "query `a`: unknown");
    }

    #[test]
    fn count_and_length_have_an_end() {
        let rules = Query { names: None, max_count: 2, max_length: 3 };
        assert_eq!(judged(&rules, "a=123&&b=%31%32%33"), "");
        assert_eq!(judged(&rules, "a&b&c"), "query: more than 2");
        assert_eq!(judged(&rules, "a=1234"), "query `a`: longer than 3 bytes");
        assert_eq!(judged(&rules, "abcd=1"), "query `abcd`: longer than 3 bytes");
        assert_eq!(judged(&rules, "a=%C3%A4%C3%A4"), "query `a`: longer than 3 bytes");
    }

    proptest! {
        #[test]
        fn any_text_without_control_characters_passes_encoded(text in "\\PC{0,40}") {
            let encoded: Vec<String> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let encoded = encoded.concat();
            prop_assert_eq!(any_name(&format!("{encoded}={encoded}")), "");
        }

        #[test]
        fn any_query_is_judged(query in any::<String>()) {
            any_name(&query);
        }
    }
}
