//! Values that their name gives away: `token=…`, `api_key: …`, `"password": "…"`, `Cookie: …`.

use super::{Found, TOKEN, normalised, unit};

/// Names that end so hold a secret (letters and digits only, trailing digits removed).
const SECRET_ENDINGS: [&str; 22] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
    "encryptionkey",
    "signingkey",
    "authorization",
    "credential",
    "credentials",
    "sessionid",
    "sessionuuid",
    "session",
    "seed",
    "passwordhash",
    "jwt",
];

/// Names that hold a secret only as a whole: as an ending they are parts of words.
const SECRET_NAMES: [&str; 6] = ["pass", "pin", "otp", "totp", "sid", "codeverifier"];

/// Names whose value is a secret where it looks like one: `code=4/0AX4…` of OAuth, but not `code=401`.
const DOUBTFUL_NAMES: [&str; 7] = ["code", "state", "key", "sig", "signature", "hmac", "auth"];

/// Values that say something about a secret instead of being one.
const STATUS_WORDS: [&str; 36] = [
    "absent",
    "accepted",
    "active",
    "configured",
    "default",
    "denied",
    "disabled",
    "empty",
    "enabled",
    "expired",
    "failed",
    "false",
    "generated",
    "given",
    "hidden",
    "invalid",
    "is",
    "loaded",
    "missing",
    "no",
    "none",
    "not",
    "null",
    "off",
    "ok",
    "on",
    "present",
    "rejected",
    "required",
    "revoked",
    "rotated",
    "set",
    "true",
    "undefined",
    "unknown",
    "unset",
];

enum Name {
    Secret,
    Cookie,
    Doubtful,
}

/// The value behind the `:` or `=` of `width` bytes at `at`, if the name before it calls it a secret.
pub(super) fn value(bytes: &[u8], floor: usize, at: usize, width: usize) -> Option<Found> {
    let name = name_before(bytes, floor, at)?;
    let (start, quote) = value_start(bytes, at + width);
    let end = match (&quote, &name) {
        (Some(quote), _) => closing(bytes, start, quote),
        (None, Name::Cookie) => cookie_end(bytes, start),
        (None, _) => bare_end(bytes, start),
    };
    let value = &bytes[start..end];
    let secret = match name {
        Name::Doubtful => value.len() >= 8 && (value.len() >= 16 || value.iter().any(u8::is_ascii_digit)),
        Name::Secret | Name::Cookie => !value.is_empty(),
    };
    (secret && !is_status(value)).then_some(Found { start, end, marker: TOKEN })
}

/// What the name that ends before `at` promises. Quotes (also escaped ones), blanks and the `]` of
/// `user[password]` may stand between.
fn name_before(bytes: &[u8], floor: usize, at: usize) -> Option<Name> {
    let before = &bytes[floor..at];
    let before = before.trim_ascii_end();
    let before = before.strip_suffix(b"\"").or_else(|| before.strip_suffix(b"'")).unwrap_or(before);
    let before = before.strip_suffix(b"\\").or_else(|| before.strip_suffix(b"]")).unwrap_or(before);
    let before = before.strip_suffix(b"%22").unwrap_or(before);
    let length = before
        .iter()
        .rev()
        .take(64)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        .count();
    let mut name = &before[before.len() - length..];
    while let [shorter @ .., b'0'..=b'9'] = name {
        name = shorter;
    }
    let is = |list: &[&str]| normalised(name, |plain| list.iter().any(|word| word.as_bytes() == plain));
    let ends =
        |list: &[&str]| normalised(name, |plain| list.iter().any(|word| plain.ends_with(word.as_bytes())));
    if is(&["cookie", "setcookie"]) {
        Some(Name::Cookie)
    } else if ends(&SECRET_ENDINGS) || is(&SECRET_NAMES) {
        Some(Name::Secret)
    } else if is(&DOUBTFUL_NAMES) {
        Some(Name::Doubtful)
    } else {
        None
    }
}

/// Where the value begins, and the quote that ends it.
fn value_start(bytes: &[u8], mut at: usize) -> (usize, Option<&'static [u8]>) {
    const QUOTES: [&[u8]; 5] = [b"\\\"", b"\"", b"\\'", b"'", b"%22"];
    if matches!(bytes.get(at), Some(b'=' | b'>')) {
        at += 1;
    }
    while let Some((b' ' | b'\t', width)) = unit(bytes, at) {
        at += width;
    }
    match QUOTES.into_iter().find(|quote| bytes[at..].starts_with(quote)) {
        Some(quote) => (at + quote.len(), Some(quote)),
        None => (at, None),
    }
}

/// The closing quote, or the end of the text: what is cut off in a secret is still a secret.
fn closing(bytes: &[u8], start: usize, quote: &[u8]) -> usize {
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(quote) {
            return at;
        }
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    bytes.len()
}

/// The end of a value without quotes. `Bearer x` and the like are two words.
fn bare_end(bytes: &[u8], start: usize) -> usize {
    const SCHEMES: [&str; 7] = ["bearer", "basic", "digest", "token", "apikey", "negotiate", "key"];
    let end = word_end(bytes, start);
    let scheme =
        normalised(&bytes[start..end], |word| SCHEMES.iter().any(|scheme| scheme.as_bytes() == word));
    if scheme && bytes.get(end) == Some(&b' ') {
        let next = end + bytes[end..].iter().take_while(|byte| **byte == b' ').count();
        return word_end(bytes, next);
    }
    end
}

fn word_end(bytes: &[u8], start: usize) -> usize {
    let stops = |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_control() || b"\"'&,;".contains(byte);
    let mut end = start + bytes[start..].iter().take_while(|byte| !stops(byte)).count();
    while end > start && matches!(bytes[end - 1], b')' | b']' | b'}' | b'.' | b'\\') {
        end -= 1;
    }
    end
}

/// `a=1; b=2`: the cookies of one field belong together.
fn cookie_end(bytes: &[u8], start: usize) -> usize {
    let mut end = word_end(bytes, start);
    while bytes.get(end) == Some(&b';') {
        let next = end + 1 + bytes[end + 1..].iter().take_while(|byte| **byte == b' ').count();
        let after = word_end(bytes, next);
        if after == next {
            break;
        }
        end = after;
    }
    end
}

/// Whether the value is a word about a secret, a marker of ours, or a reference to where it stands.
fn is_status(value: &[u8]) -> bool {
    let marker = |marker: &[u8]| value.starts_with(marker);
    let word = value.trim_ascii_end();
    marker(b"[redacted")
        || marker(b"[TOKEN_")
        || marker(b"[EMAIL_")
        || marker(b"[PHONE_")
        || marker(b"env:")
        || marker(b"file:")
        || (word.iter().all(u8::is_ascii_alphabetic)
            && normalised(word, |plain| STATUS_WORDS.iter().any(|status| status.as_bytes() == plain)))
}
