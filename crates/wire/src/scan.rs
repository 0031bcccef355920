//! The slow, exact reader: which byte is wrong, and what that is called.
//!
//! `httparse` says only that something is wrong, and takes a few things that must be refused. So whatever it
//! has not accepted, and whatever was found wrong after it, is read again here, byte by byte in the order of
//! arrival. That way a refusal has the same name however the bytes were split, and comes with the first byte
//! that makes it certain. Well-formed heads that arrive whole never come here.

use crate::error::{RequestError, ResponseError};
use crate::head::Version;
use crate::list::{is_token_byte, is_value_byte, trim};

/// A method longer than this exists nowhere (the longest registered, UPDATEREDIRECTREF, has 17 bytes).
pub(crate) const MAX_METHOD: usize = 32;

/// The request line: the version and its length with CRLF. `None`: more bytes are needed.
pub(crate) fn request_line(
    bytes: &[u8],
    max_target: usize,
) -> Result<Option<(Version, usize)>, RequestError> {
    let Some(method) = method(bytes)? else { return Ok(None) };
    let Some(target) = target(&bytes[method + 1..], max_target)? else { return Ok(None) };
    let http2 = &bytes[..method + 1 + target] == b"PRI *";
    let start = method + target + 2;
    let Some(version) = version(&bytes[start..], http2)? else { return Ok(None) };
    Ok(Some((version, start + b"HTTP/1.1\r\n".len())))
}

/// The status line: the version and its length with CRLF. `None`: more bytes are needed.
pub(crate) fn status_line(bytes: &[u8]) -> Result<Option<(Version, usize)>, ResponseError> {
    let digit = |range: std::ops::RangeInclusive<u8>| move |byte: u8| range.contains(&byte);
    let fixed = |expected: u8| move |byte: u8| byte == expected;
    for (at, byte) in bytes.iter().copied().enumerate() {
        let fits = match at {
            0..7 => fixed(b"HTTP/1."[at])(byte),
            7 => digit(b'0'..=b'1')(byte),
            8 => fixed(b' ')(byte),
            9 => digit(b'1'..=b'9')(byte),
            10 | 11 => digit(b'0'..=b'9')(byte),
            12 if byte == b'\n' => return Err(ResponseError::BareLf),
            // The reason phrase may be missing together with its blank: harmless, and often seen.
            12 => byte == b' ' || byte == b'\r',
            _ if byte == b'\r' => true,
            _ if byte == b'\n' && bytes[at - 1] == b'\r' => {
                let version = if bytes[7] == b'1' { Version::Http11 } else { Version::Http10 };
                return Ok(Some((version, at + 1)));
            }
            _ if byte == b'\n' => return Err(ResponseError::BareLf),
            _ => is_value_byte(byte),
        };
        if at > 12 && bytes[at - 1] == b'\r' {
            return Err(ResponseError::BareCr);
        }
        if !fits {
            return Err(ResponseError::InvalidStatusLine);
        }
    }
    Ok(None)
}

/// The field lines and the empty line behind them; `take` is given each field as its line ends. Gives the
/// length. `None`: more bytes are needed.
pub(crate) fn fields<'b, E: From<Syntax>>(
    bytes: &'b [u8],
    max_fields: usize,
    mut take: impl FnMut(&'b str, &'b [u8]) -> Result<(), E>,
) -> Result<Option<usize>, E> {
    let mut at = 0;
    for count in 0.. {
        match bytes.get(at) {
            None => return Ok(None),
            Some(b'\r') => {
                return match bytes.get(at + 1) {
                    None => Ok(None),
                    Some(b'\n') => Ok(Some(at + 2)),
                    Some(_) => Err(Syntax::BareCr.into()),
                };
            }
            Some(_) if count == max_fields => return Err(Syntax::TooManyFields.into()),
            Some(b' ' | b'\t') if count == 0 => return Err(Syntax::BlankBeforeFirstField.into()),
            Some(_) => {}
        }
        let Some(line) = field(&bytes[at..])? else { return Ok(None) };
        take(line.name, line.value)?;
        at += line.len;
    }
    Ok(None)
}

/// One field line, with CRLF.
pub(crate) struct Line<'b> {
    pub(crate) name: &'b str,
    pub(crate) value: &'b [u8],
    pub(crate) len: usize,
}

/// The field line that `bytes` begin with. `None`: more bytes are needed.
pub(crate) fn field(bytes: &[u8]) -> Result<Option<Line<'_>>, Syntax> {
    let Some(colon) = bytes.iter().position(|byte| !is_token_byte(*byte)) else { return Ok(None) };
    match bytes[colon] {
        b':' if colon > 0 => {}
        b' ' | b'\t' if colon == 0 => return Err(Syntax::ObsFold),
        b' ' | b'\t' => return Err(Syntax::BlankBeforeColon),
        b'\n' => return Err(Syntax::BareLf),
        _ => return Err(Syntax::InvalidFieldName),
    }
    let rest = &bytes[colon + 1..];
    let Some(end) = rest.iter().position(|byte| !is_value_byte(*byte)) else { return Ok(None) };
    match (rest[end], rest.get(end + 1)) {
        (b'\r', None) => return Ok(None),
        (b'\r', Some(b'\n')) => {}
        (b'\r', Some(_)) => return Err(Syntax::BareCr),
        (b'\n', _) => return Err(Syntax::BareLf),
        _ => return Err(Syntax::ControlInValue),
    }
    let name = std::str::from_utf8(&bytes[..colon]).map_err(|_| Syntax::InvalidFieldName)?;
    Ok(Some(Line { name, value: trim(&rest[..end]), len: colon + 1 + end + 2 }))
}

/// What can be wrong with a field line, on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    BareLf,
    BareCr,
    BlankBeforeFirstField,
    ObsFold,
    BlankBeforeColon,
    InvalidFieldName,
    ControlInValue,
    TooManyFields,
}

impl From<Syntax> for RequestError {
    fn from(syntax: Syntax) -> RequestError {
        match syntax {
            Syntax::BareLf => RequestError::BareLf,
            Syntax::BareCr => RequestError::BareCr,
            Syntax::BlankBeforeFirstField => RequestError::BlankBeforeFirstField,
            Syntax::ObsFold => RequestError::ObsFold,
            Syntax::BlankBeforeColon => RequestError::BlankBeforeColon,
            Syntax::InvalidFieldName => RequestError::InvalidFieldName,
            Syntax::ControlInValue => RequestError::ControlInValue,
            Syntax::TooManyFields => RequestError::TooManyFields,
        }
    }
}

impl From<Syntax> for ResponseError {
    fn from(syntax: Syntax) -> ResponseError {
        match syntax {
            Syntax::BareLf => ResponseError::BareLf,
            Syntax::BareCr => ResponseError::BareCr,
            Syntax::BlankBeforeFirstField => ResponseError::BlankBeforeFirstField,
            Syntax::ObsFold => ResponseError::ObsFold,
            Syntax::BlankBeforeColon => ResponseError::BlankBeforeColon,
            Syntax::InvalidFieldName => ResponseError::InvalidFieldName,
            Syntax::ControlInValue => ResponseError::ControlInValue,
            Syntax::TooManyFields => ResponseError::TooManyFields,
        }
    }
}

/// Where the method ends: the index of the blank behind it.
fn method(bytes: &[u8]) -> Result<Option<usize>, RequestError> {
    match bytes.first() {
        Some(b'\r' | b'\n') => return Err(RequestError::LeadingBlankLine),
        Some(b' ' | b'\t') => return Err(RequestError::RequestLineBlanks),
        // A TLS record of type handshake (RFC 8446 section 5.1).
        Some(0x16) => return Err(RequestError::TlsHandshake),
        _ => {}
    }
    for (at, byte) in bytes.iter().copied().enumerate() {
        match byte {
            b' ' => return Ok(Some(at)),
            b'\t' => return Err(RequestError::RequestLineBlanks),
            _ if !is_method_byte(byte) => return Err(RequestError::InvalidMethod),
            _ if at == MAX_METHOD => return Err(RequestError::MethodTooLong),
            _ => {}
        }
    }
    Ok(None)
}

/// Whether `byte` may stand in a method: a token without lower-case letters.
pub(crate) fn is_method_byte(byte: u8) -> bool {
    is_token_byte(byte) && !byte.is_ascii_lowercase()
}

/// The length of the target, up to the blank behind it.
fn target(bytes: &[u8], max: usize) -> Result<Option<usize>, RequestError> {
    for (at, byte) in bytes.iter().copied().enumerate() {
        match byte {
            b' ' if at == 0 => return Err(RequestError::RequestLineBlanks),
            b' ' => return Ok(Some(at)),
            b'\t' => return Err(RequestError::RequestLineBlanks),
            // HTTP/0.9: a line without a version.
            b'\r' | b'\n' => return Err(RequestError::InvalidVersion),
            _ if !is_target_byte(byte) => return Err(RequestError::InvalidTarget),
            _ if at == max => return Err(RequestError::TargetTooLong),
            _ => {}
        }
    }
    Ok(None)
}

/// Whether `byte` may stand in a request target: visible ASCII but `#`, which begins a fragment and is never
/// sent. Wider than RFC 3986, since browsers send `|`, `{` and the like as they are.
pub(crate) fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

/// The version and the CRLF behind it.
fn version(bytes: &[u8], http2: bool) -> Result<Option<Version>, RequestError> {
    if http2 && bytes.starts_with(b"HTTP/2") {
        return Err(RequestError::Http2Preface);
    }
    for (at, byte) in bytes.iter().copied().enumerate().take(10) {
        match (at, byte) {
            (0 | 8, b' ' | b'\t') => return Err(RequestError::RequestLineBlanks),
            (5, b'0' | b'2'..=b'9') | (7, b'2'..=b'9') => return Err(RequestError::UnsupportedVersion),
            (7, b'0' | b'1') | (8, b'\r') => {}
            (8, b'\n') => return Err(RequestError::BareLf),
            (9, b'\n') => {
                return Ok(Some(if bytes[7] == b'1' { Version::Http11 } else { Version::Http10 }));
            }
            (9, _) => return Err(RequestError::BareCr),
            (0..7, _) if byte == b"HTTP/1."[at] => {}
            _ => return Err(RequestError::InvalidVersion),
        }
    }
    Ok(None)
}
