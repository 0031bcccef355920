//! Writes cleaned strings into a JSON body that was judged: every other byte stays as it was sent.
//!
//! The body is known to be JSON of bounded depth when it comes here, so the scanner only finds where values begin
//! and end. What it cannot follow ends it: then nothing is written.

use std::borrow::Cow;
use std::ops::Range;

use super::rule::Fields;

/// The body with its strings cleaned as `fields` say; nothing where none of them changes.
pub(super) fn cleaned(body: &[u8], fields: &Fields) -> Option<Vec<u8>> {
    let mut scan = Scan { body, at: 0, edits: Vec::new() };
    scan.blanks();
    scan.object(fields)?;
    if scan.edits.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() + 64);
    let mut from = 0;
    for (range, text) in scan.edits {
        out.extend_from_slice(&body[from..range.start]);
        out.extend_from_slice(text.as_bytes());
        from = range.end;
    }
    out.extend_from_slice(&body[from..]);
    Some(out)
}

struct Scan<'b> {
    body: &'b [u8],
    at: usize,
    /// What stands in place of which bytes, in their order.
    edits: Vec<(Range<usize>, String)>,
}

impl<'b> Scan<'b> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Takes one byte, and blanks behind it.
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)?;
        self.blanks();
        Some(())
    }

    /// The bytes of a string, with its quotes.
    fn string(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        (self.peek()? == b'"').then_some(())?;
        self.at += 1;
        while self.peek()? != b'"' {
            self.at += if self.peek()? == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        let range = start..self.at;
        self.blanks();
        Some(range)
    }

    fn text(&self, range: Range<usize>) -> Option<Cow<'b, str>> {
        let raw = &self.body[range];
        let inner = raw.get(1..raw.len() - 1)?;
        if inner.contains(&b'\\') {
            serde_json::from_slice(raw).ok().map(Cow::Owned)
        } else {
            std::str::from_utf8(inner).ok().map(Cow::Borrowed)
        }
    }

    fn object(&mut self, fields: &Fields) -> Option<()> {
        self.expect(b'{')?;
        while self.peek()? != b'}' {
            let name = self.string()?;
            self.expect(b':')?;
            let rule = self.text(name).and_then(|name| fields.rule(&name));
            match (rule, self.peek()?) {
                (Some(rule), b'"') if rule.cleaning.is_some() => {
                    let range = self.string()?;
                    let sent = self.text(range.clone())?;
                    let kept = rule.clean(&sent);
                    if *kept != *sent {
                        self.edits.push((range, serde_json::to_string(&*kept).ok()?));
                    }
                }
                (Some(rule), b'{') if rule.fields.is_some() => self.object(rule.fields.as_ref()?)?,
                _ => self.skip()?,
            }
            if self.peek()? == b',' {
                self.expect(b',')?;
            }
        }
        self.expect(b'}')
    }

    /// Passes over a value of any type.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                _ => self.at += 1,
            }
            self.blanks();
            if depth == 0 && matches!(self.peek()?, b',' | b'}' | b']') {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::super::rule::{Kind, Rule};
    use super::super::sanitize::Cleaning;
    use super::*;

    fn fields() -> Fields {
        let rule = |cleaning| Rule { kind: Kind::String, cleaning: Some(cleaning), ..Rule::default() };
        let inner = Fields::closed([("b", rule(Cleaning::Text))]);
        let nested = Rule { kind: Kind::Object, fields: Some(inner), ..Rule::default() };
        Fields { open: true, ..Fields::closed([("a", rule(Cleaning::Trim)), ("n", nested)]) }
    }

    fn said(body: &str) -> Option<String> {
        cleaned(body.as_bytes(), &fields()).map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn only_what_is_to_be_cleaned_changes() {
        assert_eq!(
            said(
                r#" { "x" : " x " , "a" : "  hi \u00e4\n" , "y":[{"a":" a "},"}"] , "n" : { "b":"<b>" } } "#
            )
            .unwrap(),
            r#" { "x" : " x " , "a" : "hi ä" , "y":[{"a":" a "},"}"] , "n" : { "b":"&lt;b&gt;" } } "#
        );
        assert_eq!(
            said(r#"{"\u0061":" \"q\" ","z":1e5,"w":-0.10}"#).unwrap(),
            r#"{"\u0061":"\"q\"","z":1e5,"w":-0.10}"#
        );
    }

    #[test]
    fn what_is_clean_stays_as_it_was() {
        for body in
            ["{}", r#"{"a":"x","n":{"b":"y"}}"#, r#"{"a":null,"n":[]}"#, r#"{"b":" x "}"#, "[]", "", "{"]
        {
            assert_eq!(said(body), None, "{body}");
        }
    }

    proptest! {
        /// As another parser would do it.
        #[test]
        fn the_same_values_come_out_but_for_those(
            a in r#"[ a"\\\n<>{}\[\],:ä]{0,8}"#,
            other in r#"[ a"\\\n<>{}\[\],:ä]{0,8}"#,
            name in r#"[ax"\\]{1,3}"#,
        ) {
            let mut sent = Map::new();
            sent.insert(name.clone(), Value::Array(vec![other.clone().into(), Value::Null, 1.into()]));
            sent.insert("a".to_owned(), a.clone().into());
            sent.insert("n".to_owned(), serde_json::json!({ "b": other, "c": [{}] }));
            let body = serde_json::to_string(&sent).unwrap();
            let kept = cleaned(body.as_bytes(), &fields()).unwrap_or_else(|| body.clone().into_bytes());
            let kept: Map<String, Value> = serde_json::from_slice(&kept).unwrap();
            sent.insert("a".to_owned(), a.trim().into());
            sent.insert("n".to_owned(), serde_json::json!({ "b": Cleaning::Text.apply(&other), "c": [{}] }));
            prop_assert_eq!(kept, sent);
        }

        #[test]
        fn any_bytes_are_followed_or_left(body in prop::collection::vec(any::<u8>(), 0..100)) {
            cleaned(&body, &fields());
        }
    }
}
