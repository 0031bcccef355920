//! The head of an HTTP/1.1 response, as far as the load generator needs it.

use memchr::memmem;

/// What a response head says about how to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Bytes of the head, the empty line included.
    pub(crate) bytes: usize,
    /// Bytes of the body that follows.
    pub(crate) body: u64,
    /// The connection ends after this response.
    pub(crate) close: bool,
}

/// Why a response cannot be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("not an HTTP/1.1 status line")]
    StatusLine,
    #[error("a header line without a colon")]
    Header,
    #[error("Content-Length is not a number")]
    Length,
    #[error("a body that is not framed by Content-Length")]
    Framing,
}

/// Reads a head at the start of `bytes`; `None` while it is incomplete.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = &bytes[..end];
    let line_end = memmem::find(head, b"\r\n").unwrap_or(end);
    let status = status(&head[..line_end])?;
    let mut length = None;
    let mut close = false;
    for (name, value) in fields(&head[line_end..]) {
        let value = value.ok_or(Malformed::Header)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            length = Some(number(value).ok_or(Malformed::Length)?);
        } else if name.eq_ignore_ascii_case(b"connection") {
            close = value.eq_ignore_ascii_case(b"close");
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(Malformed::Framing);
        }
    }
    let body = match (status, length) {
        (204 | 304, _) => 0,
        (_, Some(length)) => length,
        (_, None) => return Err(Malformed::Framing),
    };
    Ok(Some(Head { status, bytes: end + 4, body, close }))
}

/// The value of the first header with that name, in a complete head.
pub(crate) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let start = memmem::find(head, b"\r\n")?;
    let end = memmem::find(head, b"\r\n\r\n").unwrap_or(head.len());
    fields(&head[start..end]).find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))?.1
}

/// How many header lines a complete head has.
pub(crate) fn count(head: &[u8]) -> usize {
    let end = memmem::find(head, b"\r\n\r\n").unwrap_or(head.len());
    memmem::find_iter(&head[..end], b"\r\n").count()
}

/// Name and trimmed value of each line; the value is missing where there is no colon.
fn fields(lines: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).map(|line| {
        match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], Some(line[colon + 1..].trim_ascii())),
            None => (line, None),
        }
    })
}

fn status(line: &[u8]) -> Result<u16, Malformed> {
    let digits =
        line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).ok_or(Malformed::StatusLine)?;
    match number(digits) {
        Some(status @ 100..=599) => Ok(status as u16),
        _ => Err(Malformed::StatusLine),
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\nX-Request-Id:  a:b \r\nConnection: keep-alive\r\n\r\nhello";

    #[test]
    fn reads_status_length_and_size() {
        let head = parse(PLAIN).unwrap().unwrap();
        assert_eq!(head, Head { status: 200, bytes: PLAIN.len() - 5, body: 5, close: false });
    }

    #[test]
    fn waits_for_the_empty_line() {
        for cut in 0..PLAIN.len() - 5 {
            assert_eq!(parse(&PLAIN[..cut]), Ok(None), "{cut}");
        }
    }

    #[test]
    fn sees_the_end_of_the_connection() {
        let head = parse(b"HTTP/1.1 401 Unauthorized\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n");
        assert!(head.unwrap().unwrap().close);
    }

    #[test]
    fn a_304_has_no_body_whatever_its_length_says() {
        let head = parse(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n").unwrap().unwrap();
        assert_eq!(head.body, 0);
    }

    #[test]
    fn refuses_what_it_cannot_frame() {
        let refused = |bytes: &[u8]| parse(bytes).unwrap_err();
        assert_eq!(refused(b"HTTP/1.1 200 OK\r\n\r\n"), Malformed::Framing);
        assert_eq!(refused(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), Malformed::Framing);
        assert_eq!(refused(b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n"), Malformed::Length);
        assert_eq!(refused(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"), Malformed::StatusLine);
        assert_eq!(refused(b"HTTP/1.1 2x0 OK\r\nContent-Length: 5\r\n\r\n"), Malformed::StatusLine);
        assert_eq!(refused(b"HTTP/1.1 200 OK\r\nContent-Length 5\r\n\r\n"), Malformed::Header);
    }

    #[test]
    fn finds_a_header_by_any_case_and_counts_them() {
        assert_eq!(header(PLAIN, "x-request-id"), Some(&b"a:b"[..]));
        assert_eq!(header(PLAIN, "Server"), None);
        assert_eq!(count(PLAIN), 3);
    }
}
