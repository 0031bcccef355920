//! Writing heads: small functions that append to a `Vec<u8>` and allocate nothing else.

mod date;
mod reason;

pub use date::{IMF_FIXDATE_LEN, imf_fixdate};
pub use reason::reason;

/// The interim answer to `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The last chunk, with an empty trailer section.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The empty line that ends a head.
pub const END: &[u8] = b"\r\n";

/// `METHOD target HTTP/1.1`. Both as they were read, or as checked as that: nothing is escaped here.
pub fn request_line(out: &mut Vec<u8>, method: &str, target: &str) {
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// `METHOD path?query HTTP/1.1`: the origin form of a target that was taken apart.
pub fn request_line_of(out: &mut Vec<u8>, method: &str, path: &str, query: Option<&str>) {
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(path.as_bytes());
    if let Some(query) = query {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// `HTTP/1.1 200 OK`, with the reason phrase of the registry. `status` is written as three digits.
pub fn status_line(out: &mut Vec<u8>, status: u16) {
    status_line_with(out, status, reason(status));
}

/// `HTTP/1.1 200 Fine`, with a reason phrase as it was read.
pub fn status_line_with(out: &mut Vec<u8>, status: u16, reason: &str) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend([status / 100 % 10, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8));
    out.push(b' ');
    safe(out, reason.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// `name: value`. NUL, CR and LF in the value become blanks (RFC 9110 section 5.5), so that a value can
/// never begin a field or a response of its own. The name is the caller's, and must be a token.
pub fn field(out: &mut Vec<u8>, name: &str, value: impl AsRef<[u8]>) {
    debug_assert!(crate::list::is_token(name.as_bytes()), "a field name is a token");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    safe(out, value.as_ref());
    out.extend_from_slice(b"\r\n");
}

/// A field as it was read by this crate, without looking at it again.
pub fn field_as_read(out: &mut Vec<u8>, field: &crate::Field<'_>) {
    out.extend_from_slice(field.name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(field.value);
    out.extend_from_slice(b"\r\n");
}

/// `name: number`.
pub fn number_field(out: &mut Vec<u8>, name: &str, number: u64) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    decimal(out, number);
    out.extend_from_slice(b"\r\n");
}

/// `Date: Sun, 06 Nov 1994 08:49:37 GMT`, from seconds since 1970.
pub fn date(out: &mut Vec<u8>, unix_seconds: u64) {
    out.extend_from_slice(b"Date: ");
    out.extend_from_slice(&imf_fixdate(unix_seconds));
    out.extend_from_slice(b"\r\n");
}

/// `number` in decimal digits.
pub fn decimal(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// `number` in lower-case hexadecimal digits.
pub fn hex(out: &mut Vec<u8>, number: u64) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(number >> (place * 4) & 0xF) as usize]);
    }
}

/// The line before a chunk of `size` bytes; a chunk is followed by CRLF. For 0 use [`LAST_CHUNK`].
pub fn chunk_header(out: &mut Vec<u8>, size: usize) {
    hex(out, size as u64);
    out.extend_from_slice(b"\r\n");
}

/// Appends `bytes` with blanks for NUL, CR and LF.
fn safe(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.extend_from_slice(bytes);
    if memchr::memchr3(b'\r', b'\n', 0, bytes).is_some() {
        out[start..]
            .iter_mut()
            .filter(|byte| matches!(byte, b'\r' | b'\n' | 0))
            .for_each(|byte| *byte = b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn lines_are_written_as_they_stand_on_the_wire() {
        assert_eq!(written(|out| request_line(out, "GET", "/a?b")), "GET /a?b HTTP/1.1\r\n");
        assert_eq!(written(|out| request_line_of(out, "GET", "/a", Some("b"))), "GET /a?b HTTP/1.1\r\n");
        assert_eq!(written(|out| request_line_of(out, "GET", "/a", None)), "GET /a HTTP/1.1\r\n");
        assert_eq!(written(|out| status_line(out, 429)), "HTTP/1.1 429 Too Many Requests\r\n");
        assert_eq!(written(|out| status_line(out, 599)), "HTTP/1.1 599 \r\n");
        assert_eq!(written(|out| field(out, "Vary", "Origin")), "Vary: Origin\r\n");
        assert_eq!(written(|out| number_field(out, "Retry-After", 12)), "Retry-After: 12\r\n");
        assert_eq!(written(|out| date(out, 784_111_777)), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        assert_eq!(written(|out| chunk_header(out, 4096)), "1000\r\n");
    }

    #[test]
    fn a_value_cannot_begin_a_field_of_its_own() {
        let split = written(|out| field(out, "Location", "/a\r\nSet-Cookie: x=1\0"));
        assert_eq!(split, "Location: /a  Set-Cookie: x=1 \r\n");
        assert_eq!(written(|out| status_line_with(out, 200, "a\r\nb")), "HTTP/1.1 200 a  b\r\n");
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_the_standard_library(number: u64) {
            prop_assert_eq!(written(|out| decimal(out, number)), number.to_string());
            prop_assert_eq!(written(|out| hex(out, number)), format!("{number:x}"));
            let small = number >> 58;
            prop_assert_eq!(written(|out| hex(out, small)), format!("{small:x}"));
        }
    }
}
