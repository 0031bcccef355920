//! The URLs that stand in a body, at the places where a route says they must be public.
//!
//! Where they lead is not judged here: that waits for name servers. What is found is handed to whoever can wait.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::invalid::{Invalid, Place, Problem, shown};

/// More URLs than these in one body would make the gateway ask too much of others for one request.
const MOST_URLS: usize = 16;

/// A JSON Pointer (RFC 6901) to what must be a public URL, or a list of them. `*` stands for every name and every
/// index.
///
/// Names are compared as loosely as any parser does: Go's `encoding/json` takes `URL` for `url`, and `ſ` for `s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlPointer {
    text: Box<str>,
    /// Folded.
    tokens: Vec<Box<str>>,
}

/// A text that is no pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a JSON pointer begins with a slash, and its `~` are `~0` or `~1`")]
pub struct NotAPointer;

impl FromStr for UrlPointer {
    type Err = NotAPointer;

    fn from_str(text: &str) -> Result<Self, NotAPointer> {
        let rest = text.strip_prefix('/').ok_or(NotAPointer)?;
        if rest.replace("~0", "").replace("~1", "").contains('~') {
            return Err(NotAPointer);
        }
        let tokens = rest.split('/').map(|token| folded(&token.replace("~1", "/").replace("~0", "~")).into());
        Ok(Self { text: text.into(), tokens: tokens.collect() })
    }
}

impl fmt::Display for UrlPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A URL that a body names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedUrl {
    /// Where it stands: a JSON Pointer, its names shortened for display.
    pub pointer: String,
    /// What stands there.
    pub url: String,
}

/// The URLs of a body that was judged to be a JSON object. Nothing and null stand for no URL: whether there must be
/// one is the application's to say. What is neither text nor a list of texts is wrong.
pub(super) fn collect(pointers: &[UrlPointer], body: &[u8], invalid: &mut Invalid) -> Vec<NamedUrl> {
    let mut found = Vec::new();
    // The judge has read it already, and refused what is not JSON.
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return found };
    for pointer in pointers {
        walk(&pointer.tokens, &value, &mut String::new(), &mut found, invalid);
    }
    found.dedup();
    if found.len() > MOST_URLS {
        invalid.add(Place::Body, Problem::TooMany { most: MOST_URLS });
    }
    found
}

fn walk(
    tokens: &[Box<str>],
    value: &Value,
    pointer: &mut String,
    found: &mut Vec<NamedUrl>,
    invalid: &mut Invalid,
) {
    let Some((token, rest)) = tokens.split_first() else {
        return take(value, pointer, found, invalid);
    };
    let mut step = |name: &str, value: &Value| {
        if **token == *"*" || folded(name) == **token {
            let back = pointer.len();
            pointer.push('/');
            pointer.push_str(&shown(name).replace('~', "~0").replace('/', "~1"));
            walk(rest, value, pointer, found, invalid);
            pointer.truncate(back);
        }
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| step(name, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| step(&index.to_string(), value));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A URL, a list of them (however deep), or nothing.
fn take(value: &Value, pointer: &mut String, found: &mut Vec<NamedUrl>, invalid: &mut Invalid) {
    match value {
        Value::Null => {}
        Value::String(url) => found.push(NamedUrl { pointer: pointer.clone(), url: url.clone() }),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let back = pointer.len();
                pointer.push_str(&format!("/{index}"));
                take(item, pointer, found, invalid);
                pointer.truncate(back);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            invalid.add(Place::Pointer(pointer.clone()), Problem::WrongType { expected: "a URL" });
        }
    }
}

/// Letters without their case, as Unicode's simple folding has it: `ſ` is `s`, the Kelvin sign `k`.
fn folded(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pointers: &[&str], body: &str) -> (Vec<String>, String) {
        let pointers: Vec<UrlPointer> = pointers.iter().map(|pointer| pointer.parse().unwrap()).collect();
        let mut invalid = Invalid::default();
        let urls = collect(&pointers, body.as_bytes(), &mut invalid);
        let told = urls.into_iter().map(|named| format!("{} {}", named.pointer, named.url)).collect();
        (told, invalid.to_string())
    }

    fn urls(pointers: &[&str], body: &str) -> Vec<String> {
        let (urls, invalid) = found(pointers, body);
        assert_eq!(invalid, "", "{body}");
        urls
    }

    #[test]
    fn urls_are_found_where_they_are_said_to_be() {
        assert_eq!(urls(&["/url"], r#"{"url":"http://a","other":"http://b"}"#), ["/url http://a"]);
        assert_eq!(urls(&["/a/b"], r#"{"a":{"b":"x"},"b":"y"}"#), ["/a/b x"]);
        assert_eq!(urls(&["/urls"], r#"{"urls":["x",["y",null]]}"#), ["/urls/0 x", "/urls/1/0 y"]);
        assert_eq!(
            urls(&["/hooks/*/url"], r#"{"hooks":[{"url":"x"},{"url":"y"}]}"#),
            ["/hooks/0/url x", "/hooks/1/url y"]
        );
        assert_eq!(urls(&["/a~1b/0"], r#"{"a/b":["x","y"]}"#), ["/a~1b/0 x"]);
        assert_eq!(urls(&["/url"], r#"{"url":null}"#), [""; 0]);
        assert_eq!(urls(&["/url"], "{}"), [""; 0]);
        assert_eq!(urls(&["/a/b"], r#"{"a":"text"}"#), [""; 0]);
        assert_eq!(urls(&["/url"], ""), [""; 0]);
    }

    #[test]
    fn a_name_that_a_loose_parser_takes_for_it_is_it() {
        assert_eq!(urls(&["/url"], r#"{"url":"a","URL":"b","Url":"c"}"#), ["/URL b", "/Url c", "/url a"]);
        assert_eq!(urls(&["/URL"], r#"{"url":"a"}"#), ["/url a"]);
        assert_eq!(urls(&["/links"], "{\"link\u{17f}\":\"a\"}"), ["/link\u{17f} a"]);
        assert_eq!(urls(&["/link"], "{\"lin\u{212a}\":\"a\"}"), ["/lin\u{212a} a"]);
    }

    #[test]
    fn what_cannot_be_a_url_is_wrong() {
        for body in [r#"{"url":1}"#, r#"{"url":true}"#, r#"{"url":{"href":"x"}}"#] {
            assert_eq!(found(&["/url"], body), (Vec::new(), "body /url: not a URL".to_owned()), "{body}");
        }
        let many = format!("{{\"url\":[{}]}}", vec!["\"x\""; 17].join(","));
        assert_eq!(found(&["/url"], &many).1, "body: more than 16");
    }

    #[test]
    fn a_pointer_begins_with_a_slash() {
        for text in ["", "url", "#/url", "/a~", "/a~2", "/~~0"] {
            assert_eq!(text.parse::<UrlPointer>(), Err(NotAPointer), "{text}");
        }
        assert_eq!("/a~0b/c".parse::<UrlPointer>().unwrap().to_string(), "/a~0b/c");
    }
}
