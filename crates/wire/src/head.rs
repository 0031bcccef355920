//! What the heads of requests and responses have in common.

use std::mem::MaybeUninit;

/// The most fields a head may have; [`Caps::fields`] can only lower it.
pub const MAX_FIELDS: usize = 128;

/// One header field: `name`, in the letter case it came in, and `value`, without the blanks around it.
///
/// It is `httparse`'s own type, so that reading a head copies no field.
pub type Field<'b> = httparse::Header<'b>;

/// The version a message was sent in. No other is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    pub(crate) fn of_minor(minor: Option<u8>) -> Version {
        if minor == Some(1) { Version::Http11 } else { Version::Http10 }
    }
}

/// How much of a head is read before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Bytes of the whole head, with the empty line that ends it. The caller's buffer must hold as many.
    pub head: usize,
    /// Bytes of the request target.
    pub target: usize,
    /// Fields; more than [`MAX_FIELDS`] counts as [`MAX_FIELDS`].
    pub fields: usize,
}

impl Default for Caps {
    /// 16 KiB of head, 8 KiB of target (RFC 9112 section 3 asks for 8,000 bytes at least), 100 fields.
    fn default() -> Caps {
        Caps { head: 16 * 1024, target: 8 * 1024, fields: 100 }
    }
}

/// Room for the fields of one head, on the stack. Making one costs nothing: it is filled only as far as used.
pub struct Scratch<'b> {
    pub(crate) fields: [MaybeUninit<Field<'b>>; MAX_FIELDS],
}

impl Scratch<'_> {
    /// An empty one.
    pub fn new() -> Self {
        Scratch { fields: [const { MaybeUninit::uninit() }; MAX_FIELDS] }
    }
}

impl Default for Scratch<'_> {
    fn default() -> Self {
        Scratch::new()
    }
}

/// How the end of a message's body is found (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    Empty,
    /// `Content-Length` bytes; may be 0, where the field said so.
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
    /// Everything until the connection closes. Responses only.
    UntilClose,
}

/// `Content-Length` by RFC 9110 section 8.6, digits only: no sign, no blank, no list, no other base.
pub(crate) fn content_length(value: &[u8]) -> Result<u64, LengthFault> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(LengthFault::Invalid);
    }
    value
        .iter()
        .try_fold(0_u64, |length, digit| length.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        // Applications count in signed 64 bits; what is over wraps there to something else than here.
        .filter(|length| i64::try_from(*length).is_ok())
        .ok_or(LengthFault::TooLarge)
}

/// What is wrong with a `Content-Length`.
pub(crate) enum LengthFault {
    Invalid,
    TooLarge,
}

/// Whether every field line ends in CRLF. `httparse` takes a bare LF too; what stands after a value, blanks
/// aside, is the line end, so one byte a field tells.
pub(crate) fn lines_end_in_crlf(bytes: &[u8], fields: &[Field<'_>], len: usize) -> bool {
    let ends = |field: &Field<'_>| {
        let mut at = field.value.as_ptr() as usize - bytes.as_ptr() as usize + field.value.len();
        while matches!(bytes.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        bytes.get(at) == Some(&b'\r')
    };
    len >= 2 && bytes.get(len - 2..len) == Some(b"\r\n") && fields.iter().all(ends)
}

/// Where the first field line, or the empty line, begins: right behind a start line of this length, if that
/// ends in CRLF.
pub(crate) fn start_line_ends_in_crlf(bytes: &[u8], start_line: usize) -> bool {
    bytes.get(start_line..start_line + 2) == Some(b"\r\n")
}
