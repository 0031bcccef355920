//! Addresses that run, however they are written.

use std::borrow::Cow;

use super::super::Rule;

/// Whether an address runs: in small letters, without blanks.
pub(super) fn is_active(address: &str) -> bool {
    ["javascript:", "vbscript:", "livescript:", "mocha:"].iter().any(|scheme| address.starts_with(scheme))
        || address.strip_prefix("data:").is_some_and(|media| {
            [
                "text/html",
                "image/svg",
                "application/xhtml",
                "text/xml",
                "application/xml",
                "text/javascript",
                ";",
                ",",
            ]
            .iter()
            .any(|kind| media.starts_with(kind))
        })
}

/// A value as a browser reads an address: entities decoded, blanks and control characters away, in small letters.
pub(super) fn squeezed(value: &str) -> String {
    let decoded = decoded(value);
    let mut out = String::with_capacity(decoded.len());
    out.extend(
        decoded
            .chars()
            .filter(|it| !it.is_whitespace() && !it.is_control())
            .map(|it| it.to_ascii_lowercase()),
    );
    out
}

/// Entities as the characters they stand for, as far as attacks hide behind them.
fn decoded(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'&', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (character, length) = entity(rest).unwrap_or(('&', 1));
        out.push(character);
        rest = &rest[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that the entity at the front stands for, and its length.
fn entity(text: &str) -> Option<(char, usize)> {
    const NAMED: [(&str, char); 10] = [
        ("&colon;", ':'),
        ("&lpar;", '('),
        ("&rpar;", ')'),
        ("&Tab;", '\t'),
        ("&NewLine;", '\n'),
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&quot;", '"'),
        ("&apos;", '\''),
        ("&amp;", '&'),
    ];
    if let Some(number) = text.strip_prefix("&#") {
        let (radix, digits) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (16, digits),
            None => (10, number),
        };
        let count = digits.bytes().take_while(|byte| char::from(*byte).is_digit(radix)).count();
        let code = u32::from_str_radix(digits.get(..count)?.trim_start_matches('0'), radix).ok()?;
        let semicolon = usize::from(digits.as_bytes().get(count) == Some(&b';'));
        return Some((char::from_u32(code)?, text.len() - digits.len() + count + semicolon));
    }
    NAMED.iter().find(|(name, _)| text.starts_with(name)).map(|(name, it)| (*it, name.len()))
}

/// A text that is an address, or holds one in Markdown or CSS.
pub(super) fn addresses(text: &str, fire: &mut impl FnMut(Rule)) {
    // What is long is no address.
    let head = &text[..text.char_indices().nth(200).map_or(text.len(), |(at, _)| at)];
    let address = squeezed(head.trim_start_matches(['\'', '"', '`']));
    if is_active(&address) && runs(&address) {
        fire(Rule::HtmlAddress);
        return;
    }
    for colon in memchr::memchr_iter(b':', text.as_bytes()) {
        let before = &text.as_bytes()[..colon];
        let Some(scheme) = ["javascript", "vbscript"].iter().find(|scheme| ends_with_folded(before, scheme))
        else {
            continue;
        };
        let placed =
            matches!(before[..colon - scheme.len()].last(), Some(b'(' | b'"' | b'\'' | b'=' | b'<' | b'`'));
        let rest = &text[colon + 1..];
        let end = rest.char_indices().nth(80).map_or(rest.len(), |(at, _)| at);
        if placed && runs(&rest[..end]) {
            fire(Rule::HtmlAddress);
            return;
        }
    }
}

fn ends_with_folded(text: &[u8], word: &str) -> bool {
    text.len() >= word.len() && text[text.len() - word.len()..].eq_ignore_ascii_case(word.as_bytes())
}

/// Whether something is called or set in it: a title has no such signs.
fn runs(code: &str) -> bool {
    code.contains(['(', '`', '=', '%', '\\', '[']) || code.contains("//") || code.starts_with("data:")
}
