//! The canonical form of a request path, and what is refused before any route is looked for.

use std::borrow::Cow;

/// A path as the matcher reads it.
///
/// Escapes of printable ASCII are decoded (`%6c` is `l`), but for `/ \ % ? # ;`, which mean something else
/// raw; all other escapes stay, in upper case; raw bytes above ASCII are escaped. Nothing else is changed:
/// what could be read in several ways is noted and judged by [`RouteTable::find`](super::RouteTable::find).
///
/// A path without `%`, `//`, a segment that begins with a dot, `\`, `;` and bytes above ASCII is neither
/// copied nor looked at twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath<'a> {
    sent: &'a str,
    text: Cow<'a, str>,
    /// `text` with escapes decoded until none is left to decode, where that differs.
    deep: Option<Box<str>>,
    oddities: Oddities,
}

/// Why a path is refused. The name is stable; it is what [`Denial::Malformed`](crate::Denial) carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/` and is not `*`.
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// It holds a raw control, blank, `#` or `?`.
    #[error("the path holds a character that no path can hold")]
    BadCharacter,
    /// A percent sign without two hexadecimal digits.
    #[error("the path holds a percent sign without two hexadecimal digits")]
    BadEscape,
    /// An escaped control character, in one or more layers of escapes.
    #[error("the path holds an escaped control character")]
    Control,
    /// Its escapes are not UTF-8 (overlong forms and surrogates are not).
    #[error("the path is not UTF-8")]
    NotUtf8,
    /// A segment `.` or `..`, raw, escaped, or with a parameter (`..;`).
    #[error("the path holds a dot segment")]
    DotSegment,
    /// An escaped slash that would change the route.
    #[error("an encoded slash would change the route")]
    EncodedSlash,
    /// A backslash, raw or escaped, that would change the route.
    #[error("a backslash would change the route")]
    Backslash,
    /// A parameter (`;…`) that would change the route.
    #[error("a path parameter would change the route")]
    PathParameter,
    /// An empty segment that would change the route.
    #[error("an empty segment would change the route")]
    EmptySegment,
    /// Escapes within escapes that would change the route.
    #[error("a doubly encoded character would change the route")]
    DoubleEncoding,
    /// More ways to read it than are worth following.
    #[error("the path can be read in too many ways")]
    Ambiguous,
}

impl PathError {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            PathError::NotAbsolute => "path-not-absolute",
            PathError::BadCharacter => "path-character",
            PathError::BadEscape => "path-escape",
            PathError::Control => "path-control",
            PathError::NotUtf8 => "path-utf8",
            PathError::DotSegment => "path-dot-segment",
            PathError::EncodedSlash => "path-encoded-slash",
            PathError::Backslash => "path-backslash",
            PathError::PathParameter => "path-parameter",
            PathError::EmptySegment => "path-empty-segment",
            PathError::DoubleEncoding => "path-double-encoding",
            PathError::Ambiguous => "path-ambiguous",
        }
    }
}

impl From<PathError> for crate::Denial {
    fn from(error: PathError) -> Self {
        crate::Denial::Malformed(error.name())
    }
}

/// What in a path can be read in more than one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Oddities(u8);

impl Oddities {
    pub(super) const DEEP: Self = Self(1);
    pub(super) const ENCODED_SLASH: Self = Self(1 << 1);
    pub(super) const BACKSLASH: Self = Self(1 << 2);
    pub(super) const PARAMETER: Self = Self(1 << 3);
    pub(super) const EMPTY: Self = Self(1 << 4);
    /// Printable ASCII was escaped. Not a matter of segments: an application may compare before it decodes.
    pub(super) const ESCAPED: Self = Self(1 << 5);

    /// Those that move the borders of segments or what they hold.
    const STRUCTURAL: [Self; 5] =
        [Self::DEEP, Self::ENCODED_SLASH, Self::BACKSLASH, Self::PARAMETER, Self::EMPTY];

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn none(self) -> bool {
        self.0 == 0
    }

    /// The structural ones, each alone.
    pub(super) fn structural(self) -> impl Iterator<Item = Self> {
        Self::STRUCTURAL.into_iter().filter(move |one| self.has(*one))
    }
}

impl<'a> CanonicalPath<'a> {
    /// Reads a path as sent: percent-encoded, without the query. `*` (of `OPTIONS *`) is a path that no
    /// pattern matches.
    pub fn parse(sent: &'a str) -> Result<Self, PathError> {
        if !sent.starts_with('/') && sent != "*" {
            return Err(PathError::NotAbsolute);
        }
        if is_plain(sent.as_bytes()) {
            return Ok(Self { sent, text: Cow::Borrowed(sent), deep: None, oddities: Oddities::default() });
        }
        Self::parse_odd(sent)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path as it was sent, which is what is forwarded.
    pub fn sent(&self) -> &'a str {
        self.sent
    }

    pub(super) fn deep(&self) -> &str {
        self.deep.as_deref().unwrap_or(&self.text)
    }

    pub(super) fn oddities(&self) -> Oddities {
        self.oddities
    }

    #[cold]
    fn parse_odd(sent: &'a str) -> Result<Self, PathError> {
        let mut oddities = Oddities::default();
        let text = if sent.bytes().any(|byte| byte == b'%' || !byte.is_ascii()) {
            let (text, escaped) = normalize(sent, true)?;
            if escaped {
                oddities = oddities.with(Oddities::ESCAPED);
            }
            Cow::Owned(text)
        } else if sent.bytes().any(is_bad) {
            return Err(PathError::BadCharacter);
        } else {
            Cow::Borrowed(sent)
        };
        let deep = if text.contains("%25") { decode_deep(&text)? } else { None };
        if deep.is_some() {
            oddities = oddities.with(Oddities::DEEP);
        }
        // The finest reading shows every oddity: separators only become more as more is decoded.
        let oddities = oddities.with(inspect(deep.as_deref().unwrap_or(&text))?);
        Ok(Self { sent, text, deep, oddities })
    }
}

/// The path in canonical form, with (`decode`) or without the escapes of printable ASCII decoded, and whether
/// there were any.
pub(super) fn normalize(sent: &str, decode: bool) -> Result<(String, bool), PathError> {
    let bytes = sent.as_bytes();
    let mut text = String::with_capacity(bytes.len() + 8);
    let mut octets = Vec::new();
    let mut escaped = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte != b'%' {
            if is_bad(byte) {
                return Err(PathError::BadCharacter);
            }
            if byte.is_ascii() {
                check_utf8(&mut octets)?;
                text.push(byte as char);
            } else {
                octets.push(byte);
                push_escape(&mut text, byte);
            }
            continue;
        }
        let value = bytes.get(at..at + 2).and_then(hex_pair).ok_or(PathError::BadEscape)?;
        at += 2;
        if value.is_ascii_control() {
            return Err(PathError::Control);
        }
        if value.is_ascii() {
            check_utf8(&mut octets)?;
        } else {
            octets.push(value);
        }
        if is_decodable(value) {
            escaped = true;
            if decode {
                text.push(value as char);
                continue;
            }
        }
        push_escape(&mut text, value);
    }
    check_utf8(&mut octets)?;
    Ok((text, escaped))
}

/// Whether the path needs no second look: see [`CanonicalPath`].
fn is_plain(bytes: &[u8]) -> bool {
    let mut after_slash = false;
    for &byte in bytes {
        match CLASS[byte as usize] {
            Class::Plain => after_slash = false,
            Class::Slash if !after_slash => after_slash = true,
            Class::Dot if !after_slash => {}
            _ => return false,
        }
    }
    true
}

#[derive(Clone, Copy)]
enum Class {
    Plain,
    Slash,
    Dot,
    Odd,
}

static CLASS: [Class; 256] = {
    let mut classes = [Class::Odd; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        classes[byte] = match byte as u8 {
            b'/' => Class::Slash,
            b'.' => Class::Dot,
            b'%' | b'\\' | b';' | b'#' | b'?' => Class::Odd,
            _ => Class::Plain,
        };
        byte += 1;
    }
    classes
};

/// Bytes that a path never holds raw (RFC 3986 section 3.3); a server that lets them through may end the
/// path, or the request line, there.
fn is_bad(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f || byte == b'#' || byte == b'?'
}

/// Printable ASCII that means the same escaped and raw.
fn is_decodable(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'/' | b'\\' | b'%' | b'?' | b'#' | b';')
}

fn check_utf8(octets: &mut Vec<u8>) -> Result<(), PathError> {
    let valid = std::str::from_utf8(octets).is_ok();
    octets.clear();
    if valid { Ok(()) } else { Err(PathError::NotUtf8) }
}

fn push_escape(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(DIGITS[usize::from(byte >> 4)] as char);
    text.push(DIGITS[usize::from(byte & 15)] as char);
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let [high, low] = pair else { return None };
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// `text` with escapes decoded over and over (`%252e` is `%2e` is `.`), where that says something else.
///
/// One pass: each byte is pushed once, and an escape that becomes complete at the end of the output is decoded
/// there, so the work is linear however deep the layers are.
fn decode_deep(text: &str) -> Result<Option<Box<str>>, PathError> {
    let mut output: Vec<u8> = Vec::with_capacity(text.len());
    for &byte in text.as_bytes() {
        output.push(byte);
        while let Some(value) =
            output.last_chunk::<3>().filter(|tail| tail[0] == b'%').and_then(|tail| hex_pair(&tail[1..]))
        {
            if value.is_ascii_control() {
                return Err(PathError::Control);
            }
            let start = output.len() - 3;
            if value == b'%' || is_decodable(value) {
                output.truncate(start);
                output.push(value);
            } else {
                output[start..].make_ascii_uppercase();
                break;
            }
        }
    }
    // What is left as a bare percent sign is one, and is written as in `text`.
    let mut deep = String::with_capacity(text.len());
    for (at, &byte) in output.iter().enumerate() {
        let bare = byte == b'%' && output.get(at + 1..at + 3).and_then(hex_pair).is_none();
        deep.push_str(if bare { "%25" } else { "" });
        if !bare {
            deep.push(byte as char);
        }
    }
    Ok((deep != text).then(|| deep.into_boxed_str()))
}

/// Cuts at everything that anybody takes for a separator, refuses dot segments and reports what it met.
fn inspect(text: &str) -> Result<Oddities, PathError> {
    let bytes = text.as_bytes();
    let mut oddities = Oddities::default();
    let mut start = 1;
    let mut cut = None;
    let mut at = 1;
    while at <= bytes.len() {
        let rest = &bytes[at..];
        let (separator, length) = match rest {
            [] | [b'/', ..] => (Some(Oddities::default()), 1),
            [b'\\', ..] => (Some(Oddities::BACKSLASH), 1),
            [b'%', b'2', b'F', ..] => (Some(Oddities::ENCODED_SLASH), 3),
            [b'%', b'5', b'C', ..] => (Some(Oddities::BACKSLASH), 3),
            [b';', ..] | [b'%', b'3', b'B', ..] => {
                cut.get_or_insert(at);
                oddities = oddities.with(Oddities::PARAMETER);
                (None, if rest[0] == b';' { 1 } else { 3 })
            }
            _ => (None, 1),
        };
        if let Some(separator) = separator {
            oddities = oddities.with(separator);
            let piece = &bytes[start..cut.unwrap_or(at)];
            if piece == b"." || piece == b".." {
                return Err(PathError::DotSegment);
            }
            if piece.is_empty() && !rest.is_empty() {
                oddities = oddities.with(Oddities::EMPTY);
            }
            start = at + length;
            cut = None;
        }
        at += length;
    }
    Ok(oddities)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(sent: &str) -> Result<String, PathError> {
        CanonicalPath::parse(sent).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn plain_paths_are_borrowed() {
        for sent in
            ["/", "/a", "/a/", "/live/ingest", "/a.b/c..d", "/a/b-c_d~e@f:g+h,i=j&k!", "/a/{x}|y", "*"]
        {
            let path = CanonicalPath::parse(sent).unwrap();
            assert!(matches!(path.text, Cow::Borrowed(text) if std::ptr::eq(text, sent)), "{sent}");
            assert!(path.oddities.none(), "{sent}");
        }
        let hidden = CanonicalPath::parse("/.well-known/jwks.json").unwrap();
        assert!(matches!(hidden.text, Cow::Borrowed(_)));
        assert!(hidden.oddities.none());
    }

    #[test]
    fn escapes_have_one_spelling() {
        for (sent, text) in [
            ("/%6cive/%69ngest", "/live/ingest"),
            ("/a%2eb", "/a.b"),
            ("/%7Euser/%40me", "/~user/@me"),
            ("/a%2fb%5cc%3bd%3fe%23f%25g", "/a%2Fb%5Cc%3Bd%3Fe%23f%25g"),
            ("/%c3%bcber", "/%C3%BCber"),
            ("/über", "/%C3%BCber"),
            ("/a%20b", "/a%20b"),
        ] {
            assert_eq!(canonical(sent).as_deref(), Ok(text), "{sent}");
        }
    }

    #[test]
    fn what_no_honest_client_sends_is_refused() {
        use PathError::{BadCharacter, BadEscape, Control, DotSegment, NotAbsolute, NotUtf8};
        for (sent, error) in [
            ("", NotAbsolute),
            ("a", NotAbsolute),
            ("**", NotAbsolute),
            ("/.", DotSegment),
            ("/..", DotSegment),
            ("/a/../b", DotSegment),
            ("/a/./b", DotSegment),
            ("/a/..", DotSegment),
            ("/%2e%2e/", DotSegment),
            ("/.%2E/", DotSegment),
            ("/%2e/a", DotSegment),
            ("/a/..;/b", DotSegment),
            ("/a/..;x=1/b", DotSegment),
            ("/a/..%3bx/b", DotSegment),
            ("/a/..\\b", DotSegment),
            ("/a\\..\\b", DotSegment),
            ("/a%5c..%5cb", DotSegment),
            ("/a%2f..%2fb", DotSegment),
            ("/a%2f%2e%2e/b", DotSegment),
            ("/a;%2f../b", DotSegment),
            ("/%252e%252e/b", DotSegment),
            ("/%25252e./b", DotSegment),
            ("/a%252f..%252fb", DotSegment),
            ("/%25%32%65%2e/b", DotSegment),
            ("/a%00", Control),
            ("/a%0d%0aX", Control),
            ("/a%7f", Control),
            ("/a%2500", Control),
            ("/a\0", BadCharacter),
            ("/a b", BadCharacter),
            ("/a#b", BadCharacter),
            ("/a?b", BadCharacter),
            ("/a%20\t", BadCharacter),
            ("/a\x7f", BadCharacter),
            ("/a%", BadEscape),
            ("/a%2", BadEscape),
            ("/a%zz", BadEscape),
            ("/a%u002f", BadEscape),
            ("/a%+1", BadEscape),
            ("/%c0%af", NotUtf8),
            ("/%c0%ae%c0%ae/", NotUtf8),
            ("/%e0%80%af", NotUtf8),
            ("/%ed%a0%80", NotUtf8),
            ("/%ff", NotUtf8),
            ("/%c3/%bc", NotUtf8),
            ("/é%a9", NotUtf8),
        ] {
            assert_eq!(canonical(sent), Err(error), "{sent:?}");
        }
    }

    #[test]
    fn a_literal_percent_sign_is_no_second_layer() {
        let path = CanonicalPath::parse("/100%25/a%25zz").unwrap();
        assert!(path.oddities.none());
        let path = CanonicalPath::parse("/100%2541").unwrap();
        assert!(path.oddities.has(Oddities::DEEP));
        assert_eq!(path.deep(), "/100A");
    }

    #[test]
    fn layers_of_escapes_cost_linear_work() {
        let sent = format!("/{}2e", "%25".repeat(20_000));
        let path = CanonicalPath::parse(&sent);
        assert!(path.is_ok_and(|path| path.deep().len() < sent.len()));
    }
}
