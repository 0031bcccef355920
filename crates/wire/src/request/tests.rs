//! Tables of requests: what is refused, under which name and at which byte; what is accepted, and as what.

use super::*;
use RequestError as E;

fn caps() -> Caps {
    Caps { head: 600, target: 100, fields: 12 }
}

/// The first answer when the bytes come one at a time, and how many were there.
fn bytewise(bytes: &[u8]) -> (usize, Result<(), E>) {
    for len in 0..=bytes.len() {
        match parse_request(&bytes[..len], &caps(), &mut Scratch::new()) {
            Ok(None) => {}
            Ok(Some(_)) => return (len, Ok(())),
            Err(error) => return (len, Err(error)),
        }
    }
    panic!("undecided: {}", String::from_utf8_lossy(bytes))
}

#[track_caller]
fn refused(bytes: &[u8], error: E) {
    let shown = String::from_utf8_lossy(bytes);
    let whole = parse_request(bytes, &caps(), &mut Scratch::new()).map(|head| head.is_some());
    assert_eq!(whole, Err(error), "{shown}");
    assert_eq!(bytewise(bytes).1, Err(error), "byte by byte: {shown}");
    let more = [bytes, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let longer = parse_request(&more, &caps(), &mut Scratch::new()).map(|head| head.is_some());
    assert_eq!(longer, Err(error), "with more behind: {shown}");
}

/// `line` as the request line of an otherwise good request.
fn with_line(line: &[u8]) -> Vec<u8> {
    [line, b"\r\nHost: a\r\n\r\n"].concat()
}

/// `fields` added to an otherwise good request.
fn with_fields(fields: &[u8]) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\nHost: a\r\n", fields, b"\r\n\r\n"].concat()
}

#[test]
fn request_lines_are_refused() {
    let table: &[(&[u8], E)] = &[
        (b"\r\nGET / HTTP/1.1", E::LeadingBlankLine),
        (b"\nGET / HTTP/1.1", E::LeadingBlankLine),
        (b"\r\n\r\nGET / HTTP/1.1", E::LeadingBlankLine),
        (b"\x16\x03\x01\x02\x00\x01\x00", E::TlsHandshake),
        (b"PRI * HTTP/2.0", E::Http2Preface),
        (b" GET / HTTP/1.1", E::RequestLineBlanks),
        (b"GET  / HTTP/1.1", E::RequestLineBlanks),
        (b"GET /  HTTP/1.1", E::RequestLineBlanks),
        (b"GET / HTTP/1.1 ", E::RequestLineBlanks),
        (b"GET\t/ HTTP/1.1", E::RequestLineBlanks),
        (b"GET /\tHTTP/1.1", E::RequestLineBlanks),
        (b"GET /a\tb HTTP/1.1", E::RequestLineBlanks),
        (b"GET / HTTP/1.1\t", E::RequestLineBlanks),
        (b"get / HTTP/1.1", E::InvalidMethod),
        (b"Post / HTTP/1.1", E::InvalidMethod),
        (b"GE(T / HTTP/1.1", E::InvalidMethod),
        (b"GET\0 / HTTP/1.1", E::InvalidMethod),
        (b"G\xc3\x84T / HTTP/1.1", E::InvalidMethod),
        (b"GET", E::InvalidMethod),
        (b"{\"a\":1}", E::InvalidMethod),
        (b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1", E::MethodTooLong),
        (b"GET /a\0b HTTP/1.1", E::InvalidTarget),
        (b"GET /a\x7fb HTTP/1.1", E::InvalidTarget),
        (b"GET /a\x0bb HTTP/1.1", E::InvalidTarget),
        (b"GET /\xc3\xa4 HTTP/1.1", E::InvalidTarget),
        (b"GET /\xff HTTP/1.1", E::InvalidTarget),
        (b"GET /a#b HTTP/1.1", E::InvalidTarget),
        (b"GET /", E::InvalidVersion),
        (b"GET /a b HTTP/1.1", E::InvalidVersion),
        (b"GET / HTTP/1.1 HTTP/1.1", E::RequestLineBlanks),
        (b"GET / http/1.1", E::InvalidVersion),
        (b"GET / HTtP/1.1", E::InvalidVersion),
        (b"GET / HTTP/1", E::InvalidVersion),
        (b"GET / HTTP/1,1", E::InvalidVersion),
        (b"GET / HTTP/1.10", E::InvalidVersion),
        (b"GET / HTTP/+1.1", E::InvalidVersion),
        (b"GET / HTTP/ 1.1", E::InvalidVersion),
        (b"GET / HTTPS/1.1", E::InvalidVersion),
        (b"GET / ICY/1.1", E::InvalidVersion),
        (b"GET / HTTP/1.2", E::UnsupportedVersion),
        (b"GET / HTTP/1.9", E::UnsupportedVersion),
        (b"GET / HTTP/0.9", E::UnsupportedVersion),
        (b"GET / HTTP/2.0", E::UnsupportedVersion),
        (b"GET / HTTP/3", E::UnsupportedVersion),
        (b"PRI * HTTP/3.0", E::UnsupportedVersion),
        (b"GET / HTTP/1.1\r", E::BareCr),
    ];
    for (line, error) in table {
        refused(&with_line(line), *error);
    }
    // Long enough that a CRLF stands where the request line would end without them.
    refused(&[&b"\r\n".repeat(20)[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat(), E::LeadingBlankLine);
    refused(&with_line(&[b"GET /", &[b'a'; 100][..], b" HTTP/1.1"].concat()), E::TargetTooLong);
}

#[test]
fn heads_are_refused_for_their_lines() {
    let table: &[(&[u8], E)] = &[
        (b"GET / HTTP/1.1\nHost: a\n\n", E::BareLf),
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", E::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", E::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", E::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", E::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a \t \nX: b\r\n\r\n", E::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX:\n\r\n", E::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \n\r\n", E::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX\n: b\r\n\r\n", E::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", E::BareCr),
        (b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", E::BareCr),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r c\r\n\r\n", E::BareCr),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", E::BareCr),
        (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", E::BlankBeforeFirstField),
        (b"GET / HTTP/1.1\r\n\tX: b\r\nHost: a\r\n\r\n", E::BlankBeforeFirstField),
        (b"GET / HTTP/1.1\r\nHost: a\r\n X: b\r\n\r\n", E::ObsFold),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: b,\r\n\tc\r\n\r\n", E::ObsFold),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n b\r\n\r\n", E::ObsFold),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", E::BlankBeforeColon),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n", E::BlankBeforeColon),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n", E::BlankBeforeColon),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n", E::BlankBeforeColon),
        (b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", E::InvalidFieldName),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", E::InvalidFieldName),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n", E::InvalidFieldName),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", E::InvalidFieldName),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\xe2\x80\x8bX: b\r\n\r\n", E::InvalidFieldName),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\x0bTransfer-Encoding: chunked\r\n\r\n", E::InvalidFieldName),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", E::ControlInValue),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", E::ControlInValue),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n", E::ControlInValue),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x1bb\r\n\r\n", E::ControlInValue),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", E::ControlInValue),
    ];
    for (bytes, error) in table {
        refused(bytes, *error);
    }
}

#[test]
fn heads_are_refused_for_what_their_fields_say() {
    let table: &[(&[u8], E)] = &[
        (b"Host: a", E::DuplicateHost),
        (b"host: b", E::DuplicateHost),
        (b"Content-Length: +5", E::InvalidContentLength),
        (b"Content-Length: -5", E::InvalidContentLength),
        (b"Content-Length: 5 5", E::InvalidContentLength),
        (b"Content-Length: 5, 5", E::InvalidContentLength),
        (b"Content-Length: 5,6", E::InvalidContentLength),
        (b"Content-Length: 0x5", E::InvalidContentLength),
        (b"Content-Length: 5a", E::InvalidContentLength),
        (b"Content-Length: 5.0", E::InvalidContentLength),
        (b"Content-Length: 1_000", E::InvalidContentLength),
        (b"Content-Length: \xd9\xa5", E::InvalidContentLength),
        (b"Content-Length:", E::InvalidContentLength),
        (b"Content-Length: 9223372036854775808", E::ContentLengthTooLarge),
        (b"Content-Length: 18446744073709551621", E::ContentLengthTooLarge),
        (b"Content-Length: 100000000000000000000000000000000", E::ContentLengthTooLarge),
        (b"Content-Length: 5\r\nContent-Length: 5", E::DuplicateContentLength),
        (b"Content-Length: 5\r\nContent-Length: 6", E::DuplicateContentLength),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", E::LengthAndTransferEncoding),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", E::LengthAndTransferEncoding),
        (b"Transfer-Encoding: chunked\r\nX: y\r\ncontent-length: 0", E::LengthAndTransferEncoding),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", E::DuplicateTransferEncoding),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", E::DuplicateTransferEncoding),
        (b"Transfer-Encoding: xchunked", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: chunked, chunked", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: chunked,", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: , chunked", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: chunked, identity", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: identity", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: gzip", E::InvalidTransferEncoding),
        (b"Transfer-Encoding:", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: \"chunked\"", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: chunked;q=1", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: chun ked", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: chunked\xa0", E::InvalidTransferEncoding),
        (b"Transfer-Encoding: gzip, chunked", E::UnsupportedTransferCoding),
        (b"Transfer-Encoding: identity, CHUNKED", E::UnsupportedTransferCoding),
        (b"Content_Length: 5", E::UnderscoredFraming),
        (b"transfer_encoding: chunked", E::UnderscoredFraming),
        (b"Expect: 200-ok", E::ExpectationFailed),
        (b"Expect:", E::ExpectationFailed),
        (b"Expect: 100-continue, x", E::ExpectationFailed),
        (b"Expect: 100-continue\r\nExpect: 100-continue", E::ExpectationFailed),
        (b"Connection: close x", E::InvalidConnection),
        (b"Connection: \"close\"", E::InvalidConnection),
        (b"Connection: a,b,c,d,e,f,g,h,i,j\r\nConnection: k,l,m,n,o,p,q", E::InvalidConnection),
        (b"Connection: host", E::ConnectionNominatesField),
        (b"Connection: Content-Length", E::ConnectionNominatesField),
        (b"Connection: close, Transfer-Encoding", E::ConnectionNominatesField),
        (b"Connection: Authorization", E::ConnectionNominatesField),
        (b"Connection: cookie", E::ConnectionNominatesField),
        (b"Connection: keep-alive, X-Forwarded-For", E::ConnectionNominatesField),
        (b"Connection: x-forwarded-anything", E::ConnectionNominatesField),
        (b"Connection: X-Real-IP", E::ConnectionNominatesField),
        (b"Connection: X-Auth-User", E::ConnectionNominatesField),
        (b"Connection: X-API-Key", E::ConnectionNominatesField),
        (b"Connection: forwarded", E::ConnectionNominatesField),
        (b"Connection: connection", E::ConnectionNominatesField),
        (b"Connection: x-ingest-token\r\nX-Ingest-Token: abc", E::ConnectionNominatesField),
        (
            b"X-Ingest-Token: abc\r\nConnection: close\r\nConnection: te, x-ingest-token",
            E::ConnectionNominatesField,
        ),
        (b"Upgrade:", E::InvalidUpgrade),
        (b"Upgrade: web socket", E::InvalidUpgrade),
        (b"Upgrade: \xff", E::InvalidUpgrade),
        (b"Upgrade: websocket/", E::InvalidUpgrade),
        (b"Upgrade: websocket\r\nUpgrade: h2c", E::DuplicateUpgrade),
    ];
    for (fields, error) in table {
        refused(&with_fields(fields), *error);
    }
    for host in [
        &b""[..],
        b"a b",
        b"a, b",
        b"user@a",
        b"a/b",
        b"http://a",
        b"a:b",
        b"a:80:80",
        b"a\\b",
        b"[::1",
        b"\xff",
    ] {
        refused(&[b"GET / HTTP/1.1\r\nHost: ", host, b"\r\n\r\n"].concat(), E::InvalidHost);
    }
    let table: &[(&[u8], E)] = &[
        (b"GET / HTTP/1.1\r\n\r\n", E::MissingHost),
        (b"GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", E::MissingHost),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", E::TransferEncodingOnHttp10),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", E::DuplicateHost),
    ];
    for (bytes, error) in table {
        refused(bytes, *error);
    }
}

#[test]
fn every_cap_holds_and_its_last_byte_is_allowed() {
    let of_fields = |count| with_fields(&b"X: y\r\n".repeat(count)[..count * 6 - 2]);
    assert_eq!(bytewise(&of_fields(11)), (of_fields(11).len(), Ok(())));
    refused(&of_fields(12), E::TooManyFields);

    let of_target = |len: usize| with_line(&[b"GET /", &b"a".repeat(len - 1)[..], b" HTTP/1.1"].concat());
    assert!(bytewise(&of_target(100)).1.is_ok());
    refused(&of_target(101), E::TargetTooLong);

    let of_head = |len: usize| {
        let around = with_fields(b"X: ").len();
        with_fields(&[b"X: ", &b"y".repeat(len - around)[..]].concat())
    };
    assert_eq!(of_head(600).len(), 600);
    assert_eq!(bytewise(&of_head(600)), (600, Ok(())));
    refused(&of_head(601), E::HeadTooLarge);
    assert_eq!(bytewise(&of_head(5000)), (600, Err(E::HeadTooLarge)));

    let many = Caps { fields: 10_000, ..Caps::default() };
    let bytes = with_fields(&b"X: y\r\n".repeat(MAX_FIELDS)[..MAX_FIELDS * 6 - 2]);
    assert_eq!(parse_request(&bytes, &many, &mut Scratch::new()).map(|_| ()), Err(E::TooManyFields));
}

#[test]
fn errors_come_with_the_byte_that_makes_them_certain() {
    let table: &[(&[u8], usize, E)] = &[
        (b"\r\n", 1, E::LeadingBlankLine),
        (b"get /", 1, E::InvalidMethod),
        (b"GET  ", 5, E::RequestLineBlanks),
        (b"GET /a#", 7, E::InvalidTarget),
        (b"GET / x", 7, E::InvalidVersion),
        (b"PRI * HTTP/2", 12, E::Http2Preface),
        (b"GET / HTTP/1.1\n", 15, E::BareLf),
        (b"GET / HTTP/1.1\r\nHost ", 21, E::BlankBeforeColon),
        (b"GET / HTTP/1.1\r\nHost: a\r\n ", 26, E::ObsFold),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \0", 29, E::ControlInValue),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 34, E::DuplicateHost),
        (b"GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n", 38, E::InvalidContentLength),
    ];
    for (bytes, len, error) in table {
        assert_eq!(bytewise(bytes), (*len, Err(*error)), "{}", String::from_utf8_lossy(bytes));
    }
}

#[track_caller]
fn accepted<T>(bytes: &[u8], read: impl FnOnce(RequestHead<'_, '_>) -> T) -> T {
    assert_eq!(bytewise(bytes), (bytes.len(), Ok(())), "{}", String::from_utf8_lossy(bytes));
    let more = [bytes, b"\r\n\0 the next bytes do not matter"].concat();
    let mut scratch = Scratch::new();
    let head = parse_request(&more, &caps(), &mut scratch).expect("accepted").expect("whole");
    assert_eq!(head.len, bytes.len());
    read(head)
}

#[test]
fn a_head_is_read_into_its_parts() {
    let bytes = b"M-SEARCH /a?b=%20|{} HTTP/1.1\r\nhOsT: \tExample.com:8080 \t\r\nsession_id:  x y\t\r\nEmpty:\r\nBlank: \t \r\nX: \xc3\xa4\tz\r\n\r\n";
    accepted(bytes, |head| {
        assert_eq!((head.method, head.target), ("M-SEARCH", "/a?b=%20|{}"));
        assert_eq!((head.host, head.version), ("Example.com:8080", Version::Http11));
        let fields: Vec<_> = head.fields.iter().map(|field| (field.name, field.value)).collect();
        assert_eq!(
            fields,
            [
                ("hOsT", &b"Example.com:8080"[..]),
                ("session_id", b"x y"),
                ("Empty", b""),
                ("Blank", b""),
                ("X", b"\xc3\xa4\tz"),
            ]
        );
    });
}

#[test]
fn bodies_are_found_by_their_fields() {
    let table: &[(&[u8], Body)] = &[
        (b"X: y", Body::Empty),
        (b"Content-Length: 0", Body::Length(0)),
        (b"Content-Length: 0012", Body::Length(12)),
        (b"content-length: 9223372036854775807", Body::Length(i64::MAX as u64)),
        (b"Transfer-Encoding: chunked", Body::Chunked),
        (b"transfer-encoding: \tChunKed ", Body::Chunked),
    ];
    for (fields, body) in table {
        accepted(&with_fields(fields), |head| assert_eq!(head.body, *body));
    }
}

#[test]
fn connections_persist_as_the_version_says() {
    let table: &[(&str, &str, bool)] = &[
        ("1.1", "X: y", true),
        ("1.1", "Connection: keep-alive", true),
        ("1.1", "Connection: foo, Close", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close", false),
        ("1.1", "Connection: , te,,trailers", true),
        ("1.0", "X: y", false),
        ("1.0", "Connection: Keep-Alive", true),
        ("1.0", "Connection: keep-alive, close", false),
        ("1.0", "Proxy-Connection: keep-alive", false),
    ];
    for (version, fields, persistent) in table {
        let bytes = format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n\r\n");
        accepted(bytes.as_bytes(), |head| assert_eq!(head.persistent, *persistent, "{bytes}"));
    }
    accepted(b"GET / HTTP/1.0\r\n\r\n", |head| assert_eq!((head.host, head.version), ("", Version::Http10)));
}

#[test]
fn a_client_waits_for_100_only_with_a_body() {
    let expects = |bytes: &[u8]| accepted(bytes, |head| head.expect_continue);
    assert!(expects(&with_fields(b"Expect: 100-Continue\r\nContent-Length: 5")));
    assert!(expects(&with_fields(b"Transfer-Encoding: chunked\r\nExpect: 100-continue")));
    assert!(!expects(&with_fields(b"Content-Length: 5")));
    assert!(!expects(&with_fields(b"Expect: 100-continue\r\nContent-Length: 0")));
    assert!(!expects(&with_fields(b"Expect: 100-continue")));
    assert!(!expects(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
}

#[test]
fn an_upgrade_needs_both_fields_and_no_body() {
    let table: &[(&[u8], Option<&str>)] = &[
        (b"Connection: Upgrade\r\nUpgrade: websocket", Some("websocket")),
        (b"Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\nContent-Length: 0", Some("WebSocket")),
        (b"Connection: upgrade\r\nUpgrade: IRC/6.9, RTA/x11", Some("IRC/6.9, RTA/x11")),
        (b"Upgrade: websocket", None),
        (b"Connection: upgrade", None),
        (b"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1", None),
        (b"Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked", None),
        (b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA", None),
        (b"Connection: Upgrade\r\nUpgrade: websocket, H2C", None),
    ];
    for (fields, upgrade) in table {
        accepted(&with_fields(fields), |head| assert_eq!(head.upgrade, *upgrade));
    }
    let old = b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    accepted(old, |head| assert_eq!(head.upgrade, None));
}

#[test]
fn the_http2_preface_is_told_from_a_request() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for len in 0..preface.len() {
        assert_eq!(http2_preface(&preface[..len]), Preface::Maybe);
    }
    assert_eq!(http2_preface(&[preface, &b"more"[..]].concat()), Preface::Yes);
    for other in [&b"GET"[..], b"PRX", b"PRI * HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nXX"] {
        assert_eq!(http2_preface(other), Preface::No);
    }
}
