//! Opaque strings: keys, tokens, hashes and session ids, told from words by their shape.
//!
//! A random string changes between small letters, capitals and digits about every second character; words,
//! slugs, file names and identifiers rarely do. Over 14,535 file names of 32 or more characters of a Linux
//! system and 4,099 identifiers of that length in Rust sources, the rule below takes about one in a thousand
//! file names for a token (`GoogleCloudNetworksecurityV1beta1GrpcEndpoint`), and misses none of a million
//! values of `secrets.token_urlsafe(32)`.

use super::{Found, TOKEN, unit};

/// `8-4-4-4-12`.
pub(super) const UUID_LENGTH: usize = 36;

/// From this length on an opaque string is a token whatever stands around it.
const LONG: usize = 32;
/// From this length on, if it is clearly random or begins like a key (`ech_…`, `sk_live_…`).
const MEDIUM: usize = 20;
/// How far a base64 string that contains slashes is looked at: 64 bytes encode to 88 characters.
const WINDOW: usize = 128;

/// What a run of token characters is.
pub(super) enum Judgement {
    /// It contains a token.
    Token(Found),
    /// It contains none up to here.
    Clear {
        /// The end of what was judged.
        until: usize,
    },
}

/// Judges the run of token characters that begins at `at`, to its next slash, or over slashes where it looks
/// like base64.
pub(super) fn judge(bytes: &[u8], at: usize) -> Judgement {
    let mut shape = Shape::EMPTY;
    let end = extend(&mut shape, bytes, at);
    let token_end = if shape.is_opaque() || is_prefixed(&bytes[at..end], &shape) {
        with_slashes(bytes, shape, end, true).or(Some(end))
    } else if !shape.is_word() {
        with_slashes(bytes, shape, end, false)
    } else {
        None
    };
    match token_end {
        Some(end) => Judgement::Token(Found {
            start: at,
            end: after_padding(bytes, dotted(bytes, end)),
            marker: TOKEN,
        }),
        None => Judgement::Clear { until: end },
    }
}

/// A JSON web token that begins at `at`: `eyJ…` is `{"` in base64, and its parts are joined by dots.
pub(super) fn jwt(bytes: &[u8], at: usize) -> Option<Found> {
    if !bytes[at..].starts_with(b"eyJ") {
        return None;
    }
    let first = bytes[at..].iter().take_while(|byte| is_url_safe(**byte)).count();
    (first >= 10).then(|| {
        let rest = &bytes[at + first..];
        let parts = rest.iter().take_while(|byte| is_url_safe(**byte) || **byte == b'.').count();
        let trailing = rest[..parts].iter().rev().take_while(|byte| **byte == b'.').count();
        Found { start: at, end: after_padding(bytes, at + first + parts - trailing), marker: TOKEN }
    })
}

/// Whether a UUID stands at the beginning, and nothing is joined to its end.
pub(super) fn is_uuid(bytes: &[u8]) -> bool {
    let Some(uuid) = bytes.get(..UUID_LENGTH) else { return false };
    let shaped = uuid.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    shaped && !bytes.get(UUID_LENGTH).is_some_and(u8::is_ascii_alphanumeric)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Small,
    Capital,
    Digit,
    Sign,
}

/// What is counted along a run.
#[derive(Clone, Copy)]
struct Shape {
    characters: usize,
    /// `-`, `_`, `+`, `/` and percent-encoded characters.
    signs: usize,
    /// Changes of class between neighbours; the capital that begins a word is not one.
    changes: usize,
    /// The longest run of hexadecimal digits, and the one that is going on.
    hex: usize,
    hex_now: usize,
    small: bool,
    capital: bool,
    digit: bool,
    last: Class,
    before: Class,
}

impl Shape {
    const EMPTY: Shape = Shape {
        characters: 0,
        signs: 0,
        changes: 0,
        hex: 0,
        hex_now: 0,
        small: false,
        capital: false,
        digit: false,
        last: Class::Sign,
        before: Class::Sign,
    };

    fn push(&mut self, byte: u8) {
        let class = match byte {
            b'a'..=b'z' => Class::Small,
            b'A'..=b'Z' => Class::Capital,
            b'0'..=b'9' => Class::Digit,
            _ => Class::Sign,
        };
        let begins_word =
            self.last == Class::Capital && class == Class::Small && self.before != Class::Capital;
        if class != self.last && class != Class::Sign && self.last != Class::Sign && !begins_word {
            self.changes += 1;
        }
        self.characters += 1;
        self.signs += usize::from(class == Class::Sign);
        self.small |= class == Class::Small;
        self.capital |= class == Class::Capital;
        self.digit |= class == Class::Digit;
        self.hex_now = if byte.is_ascii_hexdigit() { self.hex_now + 1 } else { 0 };
        self.hex = self.hex.max(self.hex_now);
        self.before = self.last;
        self.last = class;
    }

    /// Whether a run without slashes is random enough for its length.
    fn is_opaque(&self) -> bool {
        if self.hex >= LONG {
            return true;
        }
        if self.characters >= LONG {
            // No word is so long in capitals; base32, as secrets of TOTP are written, has few digits and may have none.
            if !self.small && self.signs == 0 {
                return true;
            }
            // Names made of many short parts (dates, targets, versions) must change more often.
            let every = match (self.signs * 6 > self.characters, self.digit) {
                (true, _) => 4,
                (false, true) => 8,
                (false, false) => 6,
            };
            return self.changes * every >= self.characters;
        }
        self.characters >= MEDIUM
            && self.small
            && self.capital
            && self.digit
            && self.changes * 3 >= self.characters
    }

    /// Whether several pieces with slashes between them are one base64 string. `padded` with `=` says so
    /// almost by itself; without, words in camel case between slashes must not pass for one.
    fn is_base64(&self, padded: bool) -> bool {
        let every = if padded { 8 } else { 4 };
        let length = if padded { MEDIUM } else { LONG };
        self.characters >= length && self.small && self.capital && self.changes * every >= self.characters
    }

    fn is_word(&self) -> bool {
        self.characters >= 3 && !self.capital && !self.digit
    }
}

/// Counts from `at` to the next slash or the end of the run, and says where that is. UUIDs count for nothing.
fn extend(shape: &mut Shape, bytes: &[u8], mut at: usize) -> usize {
    while let Some((byte, width)) = unit(bytes, at) {
        if byte == b'/' || !(width > 1 || byte == b'+' || is_url_safe(byte)) {
            break;
        }
        if shape.last == Class::Sign && byte.is_ascii_hexdigit() && is_uuid(&bytes[at..]) {
            at += UUID_LENGTH;
            continue;
        }
        // A percent-encoded character is a sign, whatever it stands for: `%D0%BF` is a letter of a word.
        shape.push(if width > 1 { b'%' } else { byte });
        at += width;
    }
    at
}

/// How wide the slash at `at` is, if there is one and the run goes on behind it.
fn separator(bytes: &[u8], at: usize) -> Option<usize> {
    match unit(bytes, at) {
        Some((b'/', width)) if at + width < bytes.len() => Some(width),
        _ => None,
    }
}

/// The end of a base64 string that contains slashes and whose first part ends at `end`. Where that part is a
/// token by itself, only the sign of equality at the end of base64 makes what follows a part of it.
fn with_slashes(bytes: &[u8], mut shape: Shape, mut end: usize, only_padded: bool) -> Option<usize> {
    let mut found = None;
    while let Some(width) = separator(bytes, end) {
        if shape.characters > WINDOW {
            break;
        }
        shape.push(b'/');
        end = extend(&mut shape, bytes, end + width);
        let padded =
            bytes.get(end) == Some(&b'=') && !bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric);
        if (padded || !only_padded) && shape.is_base64(padded) {
            found = Some(end);
        }
    }
    found
}

/// Whether it begins like a key of some service: a short word and `_`, or a prefix that is well known.
fn is_prefixed(piece: &[u8], shape: &Shape) -> bool {
    const KNOWN: [&[u8]; 13] = [
        b"ech_", b"sk-", b"sk_", b"pk_", b"rk_", b"ghp_", b"gho_", b"ghs_", b"glpat-", b"xoxb-", b"xoxp-",
        b"whsec_", b"npm_",
    ];
    if let Some(prefix) = KNOWN.iter().find(|prefix| piece.starts_with(prefix)) {
        return piece.len() - prefix.len() >= 12 && shape.digit && shape.changes >= 3;
    }
    if piece.starts_with(b"AKIA") || piece.starts_with(b"ASIA") || piece.starts_with(b"AIza") {
        return piece.len() >= MEDIUM && shape.signs <= 1;
    }
    let word = piece.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let underscore = (2..=10).contains(&word) && piece.get(word) == Some(&b'_');
    underscore && piece.len() >= MEDIUM && shape.digit && shape.changes * 4 >= shape.characters
}

/// Where a token with dots ends: each further part must be long itself.
fn dotted(bytes: &[u8], mut end: usize) -> usize {
    while bytes.get(end) == Some(&b'.') {
        let part = bytes[end + 1..].iter().take_while(|byte| is_url_safe(**byte)).count();
        if part < 16 {
            break;
        }
        end += 1 + part;
    }
    end
}

/// Takes the `=` of base64 along, plain or percent-encoded.
fn after_padding(bytes: &[u8], mut end: usize) -> usize {
    for _ in 0..2 {
        match unit(bytes, end) {
            Some((b'=', width)) => end += width,
            _ => break,
        }
    }
    end
}

fn is_url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
