//! What never reaches a log: e-mail addresses, phone numbers, tokens and passwords are found and replaced.
//!
//! Everything a client sent passes here before it is written anywhere: [`text`] for free text (details, user
//! agents, error messages), [`path`] for request paths, [`query`] for query strings. Each appends to a buffer
//! of the caller's, so a line without a finding costs no allocation.
//!
//! No regular expressions: one pass over the bytes with bounded look-ahead and look-back, so the cost is
//! linear whatever a client sends. What is looked for stands in one file each: `email`, `phone`,
//! `token` (opaque strings by their shape), `pair` (`password=…`, `"api_key": …`), `credentials`
//! (`Bearer …`, URL passwords, private keys).
//!
//! Decisions worth knowing:
//! - A UUID stays where it is, in text and in paths: request ids and resource ids are UUIDs. It goes where
//!   its surroundings say it is a credential: `session_id=<uuid>`, or a path below `auth`, `session`, …
//! - A bare number of ten digits is a phone number unless it is a plausible epoch second (2001 to 2039), or
//!   the words beside it say that something is counted. Thirteen digits are epoch milliseconds.
//! - Names of a query are kept where they look like names; every value is replaced.

mod credentials;
mod email;
mod pair;
mod phone;
mod token;

/// Stands for an e-mail address.
pub const EMAIL: &str = "[EMAIL_REDACTED]";
/// Stands for a phone number.
pub const PHONE: &str = "[PHONE_REDACTED]";
/// Stands for a token, key, password, session id.
pub const TOKEN: &str = "[TOKEN_REDACTED]";
/// Stands for the value of a query parameter, and for user and password in a URL.
pub const VALUE: &str = crate::secret::REDACTED;

/// How many parameters of one query are written; the rest is one `…`.
const MAX_PARAMETERS: usize = 64;

/// Appends `input` to `out` with everything secret replaced.
pub fn text(input: &str, out: &mut String) {
    let mut copied = 0;
    for found in Scanner::new(input.as_bytes()) {
        out.push_str(&input[copied..found.start]);
        out.push_str(found.marker);
        copied = found.end;
    }
    out.push_str(&input[copied..]);
}

/// Appends a request path to `out` with everything secret replaced.
///
/// As [`text`], and: percent-encoding is looked through, and below a segment that speaks of sessions or
/// credentials (`/auth/account_type/{session_id}`) an identifier of 16 or more characters goes, UUIDs too.
pub fn path(path: &str, out: &mut String) {
    let mut pending = 0;
    let mut at = 0;
    let mut guarded = false;
    for segment in path.split('/') {
        let end = at + segment.len();
        let marker = if guarded && is_identifier(segment) {
            Some(TOKEN)
        } else if segment.contains('%') {
            encoded(segment, out)
        } else {
            None
        };
        if let Some(marker) = marker {
            text(&path[pending..at], out);
            out.push_str(marker);
            pending = end;
        }
        guarded |= is_guarded(segment);
        at = end + 1;
    }
    text(&path[pending..], out);
}

/// Appends a query string to `out`: names stay where they look harmless, values never.
pub fn query(query: &str, out: &mut String) {
    for (index, parameter) in query.split(['&', ';']).enumerate() {
        if index > 0 {
            out.push('&');
        }
        if index == MAX_PARAMETERS {
            out.push('…');
            return;
        }
        let (name, value) =
            parameter.split_once('=').map_or((parameter, None), |(name, value)| (name, Some(value)));
        // Without a sign of equality it may be a value that lost its name: then only words pass.
        let named = value.is_some() || !name.bytes().any(|byte| byte.is_ascii_digit());
        if named && is_harmless_name(name) {
            out.push_str(name);
        } else {
            out.push_str(VALUE);
        }
        if value.is_some() {
            out.push('=');
            out.push_str(VALUE);
        }
    }
}

/// Whether [`text`] would leave `input` as it is.
pub fn is_clean(input: &str) -> bool {
    Scanner::new(input.as_bytes()).next().is_none()
}

/// Looks at a percent-encoded segment as the application will read it. The end of `out` serves as scratch
/// space, so nothing is allocated.
fn encoded(segment: &str, out: &mut String) -> Option<&'static str> {
    let mark = out.len();
    let mut rest = segment.as_bytes();
    while let Some((byte, width)) = unit(rest, 0) {
        // What is not ASCII is kept as a letter that is part of words: `é` must not cut an address in two.
        out.push(if byte.is_ascii() { char::from(byte) } else { 'é' });
        rest = &rest[width..];
    }
    let marker = Scanner::new(&out.as_bytes()[mark..]).next().map(|found| found.marker);
    out.truncate(mark);
    marker
}

/// Whether what follows this path segment is likely a credential.
fn is_guarded(segment: &str) -> bool {
    const WORDS: [&str; 24] = [
        "auth",
        "oauth",
        "session",
        "sessions",
        "session_id",
        "account_type",
        "token",
        "tokens",
        "login",
        "logout",
        "reset",
        "reset-password",
        "password-reset",
        "verify-email",
        "confirm",
        "activate",
        "invite",
        "invites",
        "magic",
        "magic-link",
        "unsubscribe",
        "key",
        "keys",
        "api-keys",
    ];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(segment))
}

/// Whether a guarded segment names something single: long, with a digit, as no word of a route is.
fn is_identifier(segment: &str) -> bool {
    segment.len() >= 16 && segment.bytes().any(|byte| byte.is_ascii_digit())
}

/// Whether a parameter's name is a name and not a value.
fn is_harmless_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']');
    name.len() <= 64 && name.bytes().all(plain) && is_clean(name)
}

/// Something that must not be written, and what stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    start: usize,
    end: usize,
    marker: &'static str,
}

/// Goes through a text once and yields what must be replaced, in order and without overlap.
struct Scanner<'a> {
    bytes: &'a [u8],
    /// The end of the last finding: nothing before it is looked at again.
    floor: usize,
    at: usize,
    /// Up to here the run of token characters was already judged.
    judged: usize,
}

impl<'a> Scanner<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, floor: 0, at: 0, judged: 0 }
    }

    /// What begins at, or is announced by, the byte at `self.at`; always moves on.
    fn step(&mut self, byte: u8) -> Option<Found> {
        let (bytes, at) = (self.bytes, self.at);
        match byte {
            b'@' => {
                self.at += 1;
                email::around(bytes, self.floor, at, 1)
                    .or_else(|| credentials::before_at(bytes, self.floor, at))
            }
            b':' | b'=' => {
                self.at += 1;
                pair::value(bytes, self.floor, at, 1).or_else(|| credentials::userinfo(bytes, at))
            }
            b'%' => self.percent(),
            b'+' | b'(' => {
                self.at += 1;
                self.judge_token().or_else(|| phone::starting(bytes, self.floor, at))
            }
            b'-' if bytes[at..].starts_with(b"-----BEGIN ") => {
                self.at += 11;
                credentials::private_key(bytes, at)
            }
            _ if byte.is_ascii_alphanumeric() => self.word(byte),
            _ => {
                self.at += 1;
                None
            }
        }
    }

    /// A percent-encoded character: it can stand for each of the signs above.
    fn percent(&mut self) -> Option<Found> {
        let (bytes, at) = (self.bytes, self.at);
        let (decoded, width) = unit(bytes, at)?;
        self.at += width;
        match decoded {
            b'@' if width > 1 => email::around(bytes, self.floor, at, width),
            b'%' if bytes[at..].starts_with(b"%2540") => email::around(bytes, self.floor, at, 5),
            b'=' | b':' if width > 1 => pair::value(bytes, self.floor, at, width),
            b'+' if width > 1 => phone::starting(bytes, self.floor, at),
            _ => None,
        }
    }

    /// The beginning of a word: letters and digits after something else.
    fn word(&mut self, first: u8) -> Option<Found> {
        let (bytes, at) = (self.bytes, self.at);
        if token::is_uuid(&bytes[at..]) {
            self.at += token::UUID_LENGTH;
            return None;
        }
        let word = bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        self.at += word;
        let judged = self.judged;
        token::jwt(bytes, at)
            .or_else(|| credentials::scheme(bytes, at, word))
            .or_else(|| if at >= judged { self.judge_token_at(at) } else { None })
            .or_else(|| if first.is_ascii_digit() { phone::starting(bytes, self.floor, at) } else { None })
    }

    /// Judges the run of token characters that begins after a `+`: base64 can begin with one.
    fn judge_token(&mut self) -> Option<Found> {
        let at = self.at - 1;
        if at >= self.judged && self.bytes[at] == b'+' { self.judge_token_at(at) } else { None }
    }

    fn judge_token_at(&mut self, at: usize) -> Option<Found> {
        match token::judge(self.bytes, at) {
            token::Judgement::Token(found) => Some(found),
            token::Judgement::Clear { until } => {
                self.judged = until;
                None
            }
        }
    }
}

impl Iterator for Scanner<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if let Some(found) = self.step(byte) {
                self.floor = found.end;
                self.at = found.end;
                self.judged = found.end;
                return Some(found);
            }
        }
        None
    }
}

/// The character at `at`, percent-decoded, and how many bytes it takes.
fn unit(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let byte = *bytes.get(at)?;
    if byte == b'%'
        && let Some(&[high, low]) = bytes.get(at + 1..at + 3)
        && let (Some(high), Some(low)) = (char::from(high).to_digit(16), char::from(low).to_digit(16))
    {
        return Some(((high * 16 + low) as u8, 3));
    }
    Some((byte, 1))
}

/// Whether the letters and digits of `word`, in lower case and without `_`, `-` and `.`, are handed to
/// `test`; longer words than any that is looked for are `false`.
fn normalised(word: &[u8], test: impl FnOnce(&[u8]) -> bool) -> bool {
    let mut plain = [0_u8; 64];
    let mut length = 0;
    for byte in word.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        let Some(slot) = plain.get_mut(length) else { return false };
        *slot = byte.to_ascii_lowercase();
        length += 1;
    }
    test(&plain[..length])
}

#[cfg(test)]
mod tests;
