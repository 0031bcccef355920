//! Tables of responses: what is refused and under which name; what is accepted, and as what.

use super::*;
use ResponseError as E;
use proptest::prelude::*;

fn caps() -> Caps {
    Caps { head: 400, target: 0, fields: 8 }
}

fn read(bytes: &[u8], method: &str) -> Result<Option<usize>, E> {
    parse_response(bytes, &caps(), method, &mut Scratch::new()).map(|head| head.map(|head| head.len))
}

/// The first decided answer when the bytes come one at a time.
fn read_bytewise(bytes: &[u8], method: &str) -> Result<Option<usize>, E> {
    let steps = (0..bytes.len()).map(|len| read(&bytes[..len], method));
    steps.into_iter().find(|answer| *answer != Ok(None)).unwrap_or_else(|| read(bytes, method))
}

/// The same by the exact reader alone.
fn read_exactly(bytes: &[u8], method: &str) -> Result<Option<usize>, E> {
    let within = &bytes[..bytes.len().min(caps().head)];
    let too_large = if bytes.len() >= caps().head { Err(E::HeadTooLarge) } else { Ok(None) };
    let Some((version, start)) = scan::status_line(within)? else { return too_large };
    let status = std::str::from_utf8(&within[9..12]).expect("digits").parse().expect("digits");
    let mut claims = Claims::new(version, status);
    let len = scan::fields(&within[start..], caps().fields, |name, value| claims.take(name, value))?;
    let Some(len) = len else { return too_large };
    claims.settle(method).map(|_| Some(start + len))
}

#[track_caller]
fn refused(bytes: &[u8], error: E) {
    let shown = String::from_utf8_lossy(bytes);
    assert_eq!(read(bytes, "GET"), Err(error), "{shown}");
    assert_eq!(read_bytewise(bytes, "GET"), Err(error), "byte by byte: {shown}");
}

#[test]
fn responses_are_refused() {
    let lines: &[(&[u8], E)] = &[
        (b"\r\nHTTP/1.1 200 OK", E::InvalidStatusLine),
        (b"\nHTTP/1.1 200 OK", E::InvalidStatusLine),
        (b"HTTP/1.2 200 OK", E::InvalidStatusLine),
        (b"HTTP/2 200", E::InvalidStatusLine),
        (b"HTTP/2.0 200 OK", E::InvalidStatusLine),
        (b"http/1.1 200 OK", E::InvalidStatusLine),
        (b"ICY 200 OK", E::InvalidStatusLine),
        (b"HTTP/1.1  200 OK", E::InvalidStatusLine),
        (b"HTTP/1.1\t200 OK", E::InvalidStatusLine),
        (b"HTTP/1.1 20 OK", E::InvalidStatusLine),
        (b"HTTP/1.1 2000 OK", E::InvalidStatusLine),
        (b"HTTP/1.1 099 OK", E::InvalidStatusLine),
        (b"HTTP/1.1 +20 OK", E::InvalidStatusLine),
        (b"HTTP/1.1 200\tOK", E::InvalidStatusLine),
        (b"HTTP/1.1 200 O\0K", E::InvalidStatusLine),
        (b"HTTP/1.1 200 O\x7fK", E::InvalidStatusLine),
        (b"HTTP/1.1 200 O\rK", E::BareCr),
        (b"HTTP/1.1 200\rOK", E::BareCr),
        (b"HTTP/1.1 200 O\nK", E::BareLf),
        (b"HTTP/1.1 200\nX: y", E::BareLf),
        (b"<html>", E::InvalidStatusLine),
    ];
    for (line, error) in lines {
        refused(&[line, &b"\r\nContent-Length: 0\r\n\r\n"[..]].concat(), *error);
    }
    let fields: &[(&[u8], E)] = &[
        (b" X: y", E::BlankBeforeFirstField),
        (b"X: y\r\n z", E::ObsFold),
        (b"X : y", E::BlankBeforeColon),
        (b"X", E::InvalidFieldName),
        (b"X: y\0", E::ControlInValue),
        (b"X: y\nSet-Cookie: z", E::BareLf),
        (b"X: y\rSet-Cookie: z", E::BareCr),
        (b"Content-Length: x", E::InvalidContentLength),
        (b"Content-Length: 5, 5", E::InvalidContentLength),
        (b"Content-Length: -1", E::InvalidContentLength),
        (b"Content-Length: 9223372036854775808", E::ContentLengthTooLarge),
        (b"Content-Length: 5\r\nContent-Length: 6", E::DifferingContentLength),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", E::LengthAndTransferEncoding),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", E::LengthAndTransferEncoding),
        (b"Transfer-Encoding: gzip, chunked", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: xchunked", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: identity", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", E::InvalidTransferEncoding),
        (b"A:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:", E::TooManyFields),
    ];
    for (fields, error) in fields {
        refused(&[b"HTTP/1.1 200 OK\r\n", *fields, b"\r\n\r\n"].concat(), *error);
    }
    refused(b"\r\n\r\n\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", E::InvalidStatusLine);
    refused(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", E::TransferEncodingOnHttp10);
    refused(&[b"HTTP/1.1 200 ", &[b'a'; 400][..], b"\r\n\r\n"].concat(), E::HeadTooLarge);
    for switch in
        ["", "Upgrade: websocket\r\n", "Connection: upgrade\r\n", "Connection: upgrade\r\nUpgrade:\r\n"]
    {
        refused(format!("HTTP/1.1 101 Switching Protocols\r\n{switch}\r\n").as_bytes(), E::InvalidSwitch);
    }
    refused(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n", E::InvalidSwitch);
    refused(b"HTTP/1.0 101 X\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n", E::InvalidSwitch);
}

#[test]
fn bodies_and_connections_are_as_the_rfc_says() {
    /// Status, method of the request, fields; body, whether the connection goes on, `Content-Length`.
    type Row = (u16, &'static str, &'static str, Body, bool, Option<u64>);
    let table: &[Row] = &[
        (200, "GET", "Content-Length: 5", Body::Length(5), true, Some(5)),
        (200, "GET", "Content-Length: 0", Body::Length(0), true, Some(0)),
        (200, "GET", "Content-Length: 5\r\ncontent-length: 05", Body::Length(5), true, Some(5)),
        (200, "GET", "Transfer-Encoding: Chunked", Body::Chunked, true, None),
        (200, "GET", "Transfer-Encoding: chunked\r\nConnection: close", Body::Chunked, false, None),
        (200, "GET", "X: y", Body::UntilClose, false, None),
        (200, "GET", "Connection: keep-alive", Body::UntilClose, false, None),
        (404, "POST", "Content-Length: 3", Body::Length(3), true, Some(3)),
        (999, "GET", "Content-Length: 3", Body::Length(3), true, Some(3)),
        (200, "HEAD", "Content-Length: 5", Body::Empty, true, Some(5)),
        (200, "HEAD", "Transfer-Encoding: chunked", Body::Empty, true, None),
        (200, "HEAD", "X: y", Body::Empty, true, None),
        (304, "GET", "Content-Length: 5", Body::Empty, true, Some(5)),
        (304, "GET", "X: y", Body::Empty, true, None),
        (204, "GET", "X: y", Body::Empty, true, None),
        (204, "GET", "Content-Length: 0", Body::Empty, true, Some(0)),
        (204, "GET", "Content-Length: 5", Body::Empty, false, Some(5)),
        (204, "GET", "Transfer-Encoding: chunked", Body::Empty, false, None),
        (100, "POST", "X: y", Body::Empty, true, None),
        (103, "GET", "Link: </a>", Body::Empty, true, None),
        (103, "GET", "Transfer-Encoding: chunked", Body::Empty, false, None),
        (205, "GET", "Content-Length: 0", Body::Length(0), true, Some(0)),
    ];
    for (status, method, fields, body, persistent, length) in table {
        let bytes = format!("HTTP/1.1 {status} Some Words\r\n{fields}\r\n\r\nHTTP/1.1");
        let mut scratch = Scratch::new();
        let head =
            parse_response(bytes.as_bytes(), &caps(), method, &mut scratch).expect(&bytes).expect(&bytes);
        assert_eq!((head.status, head.reason, head.len), (*status, "Some Words", bytes.len() - 8));
        let read = (head.body, head.persistent, head.content_length);
        assert_eq!(read, (*body, *persistent, *length), "{method}: {bytes}");
    }
    let old = |fields: &str| {
        let bytes = format!("HTTP/1.0 200 OK\r\n{fields}\r\n\r\n");
        let mut scratch = Scratch::new();
        let head =
            parse_response(bytes.as_bytes(), &caps(), "GET", &mut scratch).expect("good").expect("whole");
        (head.version, head.body, head.persistent)
    };
    assert_eq!(old("Content-Length: 1"), (Version::Http10, Body::Length(1), false));
    assert_eq!(old("Content-Length: 1\r\nConnection: keep-alive"), (Version::Http10, Body::Length(1), true));
    assert_eq!(old("X: y"), (Version::Http10, Body::UntilClose, false));
}

#[test]
fn a_switch_names_its_protocol() {
    let bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n\x81";
    let mut scratch = Scratch::new();
    let head = parse_response(bytes, &caps(), "GET", &mut scratch).expect("good").expect("whole");
    assert_eq!((head.upgrade, head.body, head.len), (Some("websocket"), Body::Empty, bytes.len() - 1));
}

#[test]
fn the_reason_may_be_missing_or_foreign() {
    for (line, reason) in [
        (&b"HTTP/1.1 200"[..], ""),
        (b"HTTP/1.1 200 ", ""),
        (b"HTTP/1.1 200 All is well", "All is well"),
        (b"HTTP/1.1 200 G\xe4nge", ""),
    ] {
        let bytes = [line, b"\r\n\r\n"].concat();
        assert_eq!(read_bytewise(&bytes, "GET"), Ok(Some(bytes.len())));
        let mut scratch = Scratch::new();
        let head = parse_response(&bytes, &caps(), "GET", &mut scratch).expect("good").expect("whole");
        assert_eq!(head.reason, reason);
    }
}

/// Responses near the border between good and bad.
fn near_responses() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 404\r\n",
        "HTTP/1.1 204 \r\n",
        "HTTP/1.1 101 Switching Protocols\r\n",
    ]);
    let field = prop::sample::select(vec![
        "Content-Length: 5\r\n",
        "Content-Length: 5 \t\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close, upgrade\r\n",
        "Upgrade: websocket\r\n",
        "Server:\r\n",
        "X: \u{e4} y\r\n",
    ]);
    let byte = prop::sample::select(b"\r\n \t:\0,;H/.012aZ\x7f\x80\xff".to_vec());
    let edit = (any::<prop::sample::Index>(), 0..4_u8, byte);
    (line, prop::collection::vec(field, 0..10), prop::collection::vec(edit, 0..3)).prop_map(
        |(line, fields, edits)| {
            let mut bytes = [line, &fields.concat(), "\r\n"].concat().into_bytes();
            for (at, kind, byte) in edits {
                let at = at.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    2 => drop(bytes.remove(at)),
                    _ => bytes.truncate(at + 1),
                }
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_readers_agree_and_no_split_changes_anything(bytes in near_responses(), head: bool) {
        let method = if head { "HEAD" } else { "GET" };
        prop_assert_eq!(read(&bytes, method), read_exactly(&bytes, method));
        prop_assert_eq!(read(&bytes, method), read_bytewise(&bytes, method));
    }
}
