//! Texts that go on as code where a string of a script, or a template, was to hold them.

use super::super::Rule;

/// What attacks call, and what they read and write.
const CALLS: [&str; 14] = [
    "alert",
    "confirm",
    "prompt",
    "eval",
    "fetch",
    "import",
    "settimeout",
    "setinterval",
    "function",
    "atob",
    "fromcharcode",
    "constructor",
    "execscript",
    "write",
];
const OBJECTS: [&str; 8] = [
    "document.cookie",
    "document.domain",
    "document.location",
    "window.location",
    "document.body",
    "innerhtml",
    "localstorage",
    "window[",
];

/// A text that ends a string of a script and goes on as code, or a template that runs.
pub(super) fn scripts(text: &str, fire: &mut impl FnMut(Rule)) {
    let bytes = text.as_bytes();
    let acts = || {
        CALLS.iter().any(|word| called(text, word))
            || OBJECTS.iter().any(|word| find_folded(text, word).is_some())
    };
    let broke = |at: usize| {
        let after = bytes[at + 1..].iter().copied().find(|byte| !byte.is_ascii_whitespace());
        let code = matches!(
            after,
            Some(
                b';' | b'+'
                    | b'-'
                    | b'*'
                    | b'/'
                    | b'^'
                    | b'|'
                    | b'&'
                    | b'%'
                    | b')'
                    | b'}'
                    | b','
                    | b'?'
                    | b'<'
                    | b'>'
                    | b'='
            )
        );
        // Nothing or hardly anything stands before it, or it ends a word: `'` within one is an apostrophe.
        code && !(at > 0 && bytes[at - 1].is_ascii_whitespace())
    };
    let out = [b'\'', b'"', b'`'].iter().any(|quote| memchr::memchr(*quote, bytes).is_some_and(broke));
    let template = ["{{", "${", "#{", "<%"].iter().any(|open| text.contains(open));
    if (out || template) && acts() || is_call(text) {
        fire(Rule::HtmlScript);
    } else if text.len() < 200
        && bytes.last().is_some_and(|it| matches!(it, b')' | b';' | b'`' | b'/'))
        && acts()
    {
        fire(Rule::HtmlHint);
    }
}

/// Whether the whole text is a call of what only attacks call.
fn is_call(text: &str) -> bool {
    let text = text.trim();
    let before = text.split(['(', '`']).next().unwrap_or_default();
    text.len() < 200
        && !before.contains(char::is_whitespace)
        && text.ends_with([')', ';', '/', '`'])
        && ["alert", "confirm", "prompt", "eval", "settimeout", "setinterval", "fromcharcode"]
            .iter()
            .any(|word| called(text, word))
}

/// Whether a function of that name is called: `alert(`, `` alert` ``, `(alert)(`.
fn called(text: &str, word: &str) -> bool {
    let mut from = 0;
    while let Some(at) = find_folded(&text[from..], word).map(|at| from + at) {
        let end = at + word.len();
        let whole = at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric() || word == "fromcharcode";
        let rest = text[end..].trim_start_matches([')', ' ', '\'', '"', ']', '.']);
        if whole && rest.starts_with(['(', '`']) {
            return true;
        }
        from = end;
    }
    false
}

fn find_folded(text: &str, word: &str) -> Option<usize> {
    text.as_bytes().windows(word.len()).position(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}
