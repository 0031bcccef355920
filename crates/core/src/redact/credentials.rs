//! `Bearer …` and `Basic …`, user and password in a URL, and private keys in PEM.

use super::{Found, TOKEN, VALUE, normalised, unit};

/// How far is looked for the `@` of a URL whose password contains a slash.
const AUTHORITY: usize = 512;

/// What follows `Bearer` in a sentence rather than in a header.
const ORDINARY: [&str; 28] = [
    "token",
    "tokens",
    "auth",
    "authentication",
    "authorization",
    "scheme",
    "header",
    "headers",
    "credential",
    "credentials",
    "format",
    "realm",
    "required",
    "missing",
    "invalid",
    "expired",
    "expected",
    "and",
    "or",
    "is",
    "was",
    "of",
    "with",
    "for",
    "in",
    "not",
    "prefix",
    "rejected",
];

/// The credentials behind the authentication scheme at `at`, a word of `length` bytes.
pub(super) fn scheme(bytes: &[u8], at: usize, length: usize) -> Option<Found> {
    let word = &bytes[at..at + length];
    let bearer = word.eq_ignore_ascii_case(b"bearer");
    if !bearer && !word.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let mut start = at + length;
    // `+` and `%20` are blanks in a form.
    while let Some((b' ' | b'\t' | b'+', width)) = unit(bytes, start) {
        start += width;
    }
    let stops = |byte: &u8| {
        byte.is_ascii_whitespace() || byte.is_ascii_control() || b"\"',;<>()[]{}\\".contains(byte)
    };
    let end = start + bytes[start..].iter().take_while(|byte| !stops(byte)).count();
    let value = &bytes[start..end];
    let secret = start > at + length
        && if bearer { !value.is_empty() && !is_ordinary(value) } else { is_user_and_password(value) };
    secret.then_some(Found { start, end, marker: TOKEN })
}

/// User and password of the URL whose scheme ends with the `:` at `at`.
pub(super) fn userinfo(bytes: &[u8], at: usize) -> Option<Found> {
    if !bytes[at..].starts_with(b"://") {
        return None;
    }
    let start = at + 3;
    let ends_word =
        |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_control() || b"\"'<>`".contains(byte);
    let length = bytes[start..].iter().take(AUTHORITY).take_while(|byte| !ends_word(byte)).count();
    let word = &bytes[start..start + length];
    let authority_length = word.iter().take_while(|byte| !b"/?#".contains(byte)).count();
    let authority = &word[..authority_length];
    let at_sign = authority.iter().rposition(|byte| *byte == b'@').or_else(|| {
        // No `@` before the first slash: unless what follows the colon is a port, the password has a slash.
        let colon = authority.iter().rposition(|byte| *byte == b':')?;
        let port = authority[colon + 1..].iter().all(u8::is_ascii_digit) && colon + 1 < authority.len();
        if port || authority.starts_with(b"[") { None } else { word.iter().rposition(|byte| *byte == b'@') }
    })?;
    (at_sign > 0).then_some(Found { start, end: start + at_sign, marker: VALUE })
}

/// `user:password` before an `@` that belongs to no e-mail address, in what is no whole URL.
pub(super) fn before_at(bytes: &[u8], floor: usize, at: usize) -> Option<Found> {
    let before = &bytes[floor..at];
    let breaks = |byte: &u8| {
        byte.is_ascii_whitespace() || byte.is_ascii_control() || b"\"'<>/()[]{},;`".contains(byte)
    };
    let length = before.iter().rev().take(256).take_while(|byte| !breaks(byte)).count();
    let word = &before[before.len() - length..];
    let colon = word.iter().position(|byte| *byte == b':')?;
    let joined = bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric);
    (joined && colon + 1 < word.len()).then_some(Found { start: at - length, end: at, marker: VALUE })
}

/// The private key whose first line begins at `at`, to its last line or the end of the text.
pub(super) fn private_key(bytes: &[u8], at: usize) -> Option<Found> {
    let rest = &bytes[at..];
    let label = &rest[..rest.len().min(64)];
    let label_end = memchr::memmem::find(&label[11..], b"-----")? + 11;
    memchr::memmem::find(&label[..label_end], b"PRIVATE KEY")?;
    let end = memchr::memmem::find(rest, b"-----END ").map_or(rest.len(), |last| {
        let closing = memchr::memmem::find(&rest[last + 9..], b"-----").map(|dashes| last + 9 + dashes + 5);
        closing.unwrap_or(rest.len())
    });
    Some(Found { start: at, end: at + end, marker: TOKEN })
}

fn is_ordinary(value: &[u8]) -> bool {
    let word = value.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let rest = &value[word..];
    // `realm=…`, `token.` and `token:` are prose; a value of ours is already replaced.
    let prose = rest.is_empty() || matches!(rest, [b'.' | b':' | b'!' | b'?' | b'='] | [b'=', b'"', ..]);
    (prose
        && normalised(&value[..word], |plain| ORDINARY.iter().any(|ordinary| ordinary.as_bytes() == plain)))
        || word == 0 && !value.iter().any(u8::is_ascii_alphanumeric)
}

/// Whether it is base64 of something with a colon (RFC 7617 section 2).
fn is_user_and_password(value: &[u8]) -> bool {
    let mut bits = 0_u32;
    let mut held = 0_u32;
    let mut colon = false;
    for byte in value.iter().filter(|byte| **byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return false,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            colon |= (bits >> held) as u8 == b':';
        }
    }
    colon
}
