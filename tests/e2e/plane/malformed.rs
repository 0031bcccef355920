//! Malformed and smuggling requests: each is refused, its connection ends, and the application never hears
//! of it.

use std::io::Read as _;
use std::os::unix::net::UnixListener;

use portcullis_tests::{Connection, Launch, RawUpstream, Request, Scratch, Upstream};

use super::gateway;

/// A request that stands behind each of the bad ones: whoever answers it was fooled.
const BEHIND: &str = "GET /behind HTTP/1.1\r\nHost: gateway.test\r\n\r\n";

/// A route that wants a key, in a world where everything else stands open.
const GUARDED: &str = r#"
[auth.api_key]
value = "gQ7vTz3mXc9LkRb2WnYp5sHd8fJ4aE6u"
[[routes]]
match = "GET /api/admin"
auth  = "api-key"
"#;

/// `GET /` with these field lines beside `Host`.
fn fields(lines: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: gateway.test\r\n{lines}\r\n\r\n").into_bytes()
}

/// `POST /` with these field lines and this body.
fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: gateway.test\r\n{lines}\r\n\r\n{body}").into_bytes()
}

/// `POST /` with a chunked body, as it stands on the wire.
fn chunked(body: &str) -> Vec<u8> {
    post("Transfer-Encoding: chunked", body)
}

/// `GET` of a target.
fn target(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: gateway.test\r\n\r\n").into_bytes()
}

/// What comes back for these bytes and all behind them, as text; and whether the connection then ended.
fn exchange(connection: &mut Connection, bytes: &[u8]) -> String {
    connection.send(bytes);
    let mut all = Vec::new();
    // A reset behind the answer ends the connection as well as an orderly end does.
    let _ = connection.stream().read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

type Case = (&'static str, u16, Vec<u8>);

fn lengths() -> Vec<Case> {
    vec![
        ("CL.TE", 400, post("Content-Length: 4\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
        ("TE.CL", 400, post("Transfer-Encoding: chunked\r\nContent-Length: 4", "0\r\n\r\n")),
        (
            "TE.TE, the second obfuscated",
            400,
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "0\r\n\r\n"),
        ),
        (
            "TE.TE, the first obfuscated",
            400,
            post("Transfer-Encoding: x\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ),
        (
            "TE.TE, twice chunked",
            400,
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ),
        ("TE: xchunked", 400, post("Transfer-Encoding: xchunked", "0\r\n\r\n")),
        ("TE: chunked, chunked", 400, post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n")),
        ("TE: chunked, identity", 400, post("Transfer-Encoding: chunked, identity", "0\r\n\r\n")),
        ("TE: identity", 400, post("Transfer-Encoding: identity\r\nContent-Length: 1", "x")),
        ("TE: quoted", 400, post("Transfer-Encoding: \"chunked\"", "0\r\n\r\n")),
        ("TE: with a parameter", 400, post("Transfer-Encoding: chunked;q=1", "0\r\n\r\n")),
        ("TE: behind a vertical tab", 400, post("Transfer-Encoding: \x0bchunked", "0\r\n\r\n")),
        ("TE: empty", 400, post("Transfer-Encoding:", "0\r\n\r\n")),
        ("TE: gzip, chunked", 501, post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n")),
        ("TE: blank before the colon", 400, post("Transfer-Encoding : chunked", "0\r\n\r\n")),
        ("TE: tab before the colon", 400, post("Transfer-Encoding\t: chunked", "0\r\n\r\n")),
        ("TE: folded name", 400, post("Transfer-Encoding\r\n : chunked", "0\r\n\r\n")),
        ("TE: underscored", 400, post("Transfer_Encoding: chunked\r\nContent-Length: 1", "x")),
        (
            "TE: in HTTP/1.0",
            400,
            b"POST / HTTP/1.0\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        ),
        ("CL: twice, the same", 400, post("Content-Length: 1\r\nContent-Length: 1", "x")),
        ("CL: twice, different", 400, post("Content-Length: 1\r\nContent-Length: 2", "xy")),
        ("CL: a list of the same", 400, post("Content-Length: 1, 1", "x")),
        ("CL: a list", 400, post("Content-Length: 1, 2", "xy")),
        ("CL: plus", 400, post("Content-Length: +1", "x")),
        ("CL: minus", 400, post("Content-Length: -1", "x")),
        ("CL: hexadecimal", 400, post("Content-Length: 0x1", "x")),
        ("CL: octal digits of another alphabet", 400, post("Content-Length: \u{661}", "x")),
        ("CL: empty", 400, post("Content-Length:", "x")),
        ("CL: blanks within", 400, post("Content-Length: 1 1", "x")),
        ("CL: a fraction", 400, post("Content-Length: 1.0", "x")),
        ("CL: beyond 64 bits", 400, post("Content-Length: 99999999999999999999", "x")),
        ("CL: beyond 63 bits", 400, post("Content-Length: 9223372036854775808", "x")),
        ("CL: underscored", 400, post("Content_Length: 0\r\nContent-Length: 1", "x")),
        ("CL: blank before the colon", 400, post("Content-Length : 1", "x")),
    ]
}

fn chunks() -> Vec<Case> {
    vec![
        ("chunk: size not hexadecimal", 400, chunked("g\r\nx\r\n0\r\n\r\n")),
        ("chunk: size with 0x", 400, chunked("0x1\r\nx\r\n0\r\n\r\n")),
        ("chunk: size with a sign", 400, chunked("+1\r\nx\r\n0\r\n\r\n")),
        ("chunk: negative size", 400, chunked("-1\r\nx\r\n0\r\n\r\n")),
        ("chunk: blank before the size", 400, chunked(" 1\r\nx\r\n0\r\n\r\n")),
        ("chunk: blank behind the size", 400, chunked("1 \r\nx\r\n0\r\n\r\n")),
        ("chunk: no size", 400, chunked("\r\nx\r\n0\r\n\r\n")),
        ("chunk: size of 17 digits", 400, chunked("00000000000000001\r\nx\r\n0\r\n\r\n")),
        ("chunk: size beyond 63 bits", 400, chunked("8000000000000000\r\nx\r\n0\r\n\r\n")),
        ("chunk: size with an underscore", 400, chunked("1_0\r\nx\r\n0\r\n\r\n")),
        ("chunk: extension", 400, chunked("1;a=b\r\nx\r\n0\r\n\r\n")),
        ("chunk: extension with a bare LF", 400, chunked("1;\nx\r\n0\r\n\r\n")),
        ("chunk: bare LF behind the size", 400, chunked("1\nx\r\n0\r\n\r\n")),
        ("chunk: bare CR behind the size", 400, chunked("1\rx\r\n0\r\n\r\n")),
        ("chunk: bare LF behind the data", 400, chunked("1\r\nx\n0\r\n\r\n")),
        ("chunk: no CRLF behind the data", 400, chunked("1\r\nx0\r\n\r\n")),
        ("chunk: longer than it says", 400, chunked("1\r\nxyz\r\n0\r\n\r\n")),
        ("chunk: bare LF at the end", 400, chunked("1\r\nx\r\n0\r\n\n")),
        ("trailer: Content-Length", 400, chunked("0\r\nContent-Length: 5\r\n\r\n")),
        ("trailer: Transfer-Encoding", 400, chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n")),
        ("trailer: Host", 400, chunked("0\r\nHost: other.test\r\n\r\n")),
        ("trailer: Authorization", 400, chunked("0\r\nAuthorization: Bearer x\r\n\r\n")),
        ("trailer: X-Auth-User", 400, chunked("0\r\nX-Auth-User: admin\r\n\r\n")),
        ("trailer: X_Auth_User", 400, chunked("0\r\nX_Auth_User: admin\r\n\r\n")),
        ("trailer: folded", 400, chunked("0\r\nX-A: b\r\n c\r\n\r\n")),
        ("trailer: blank before the colon", 400, chunked("0\r\nX-A : b\r\n\r\n")),
        ("trailer: NUL", 400, chunked("0\r\nX-A: \0\r\n\r\n")),
        ("trailers: too large", 431, chunked(&format!("0\r\nX-A: {}\r\n\r\n", "a".repeat(5000)))),
    ]
}

fn heads() -> Vec<Case> {
    vec![
        ("obs-fold", 400, fields("X-A: b\r\n c")),
        ("obs-fold with a tab", 400, fields("X-A: b\r\n\tc")),
        ("blank before the first field", 400, b"GET / HTTP/1.1\r\n Host: gateway.test\r\n\r\n".to_vec()),
        ("bare LF behind the request line", 400, b"GET / HTTP/1.1\nHost: gateway.test\r\n\r\n".to_vec()),
        ("bare LF behind a field", 400, b"GET / HTTP/1.1\r\nHost: gateway.test\nX-A: b\r\n\r\n".to_vec()),
        ("bare LF at the end of the head", 400, b"GET / HTTP/1.1\r\nHost: gateway.test\r\n\n".to_vec()),
        ("LF everywhere", 400, b"GET / HTTP/1.1\nHost: gateway.test\n\n".to_vec()),
        ("bare CR in a value", 400, fields("X-A: b\rContent-Length: 5")),
        ("bare CR behind the request line", 400, b"GET / HTTP/1.1\rHost: gateway.test\r\n\r\n".to_vec()),
        ("bare CR in a name", 400, fields("X-\rA: b")),
        ("two CR before LF", 400, fields("X-A: b\r")),
        ("NUL in a value", 400, fields("X-A: b\0c")),
        ("NUL in a name", 400, fields("X-\0A: b")),
        ("control character in a value", 400, fields("X-A: b\x08")),
        ("DEL in a value", 400, fields("X-A: b\x7f")),
        ("empty line first", 400, format!("\r\n{BEHIND}").into_bytes()),
        ("LF first", 400, format!("\n{BEHIND}").into_bytes()),
        ("blank first", 400, format!(" {BEHIND}").into_bytes()),
        ("blank before the colon", 400, fields("X-A : b")),
        ("blank in a name", 400, fields("X A: b")),
        ("no name", 400, fields(": b")),
        ("no colon", 400, fields("X-A")),
        ("name that is no token", 400, fields("X(A): b")),
        ("name beyond ASCII", 400, fields("X-\u{e4}: b")),
        ("Host: missing", 400, b"GET / HTTP/1.1\r\nX-A: b\r\n\r\n".to_vec()),
        ("Host: twice, the same", 400, fields("Host: gateway.test")),
        ("Host: twice, different", 400, fields("Host: other.test")),
        ("Host: empty", 400, b"GET / HTTP/1.1\r\nHost:\r\n\r\n".to_vec()),
        ("Host: a blank within", 400, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_vec()),
        ("Host: a path", 400, b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".to_vec()),
        ("Host: a user", 400, b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n".to_vec()),
        ("Host: a list", 400, b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n".to_vec()),
        ("Host: no port", 400, b"GET / HTTP/1.1\r\nHost: a:port\r\n\r\n".to_vec()),
        ("Host: a port beyond 16 bits", 400, b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n".to_vec()),
        ("Host: a broken IPv6 address", 400, b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n".to_vec()),
        (
            "Connection names Authorization",
            400,
            fields("Authorization: Bearer x\r\nConnection: close, Authorization"),
        ),
        ("Connection names X-API-Key", 400, fields("Connection: X-API-Key")),
        ("Connection names X-Forwarded-For", 400, fields("Connection: X-Forwarded-For")),
        (
            "Connection names Content-Length",
            400,
            post("Connection: Content-Length\r\nContent-Length: 1", "x"),
        ),
        ("Connection names Host", 400, fields("Connection: Host")),
        ("Connection names a field of the request", 400, fields("X-A: b\r\nConnection: X-A")),
        ("Connection that is no list of tokens", 400, fields("Connection: a b")),
        ("Connection with 17 names", 400, fields(&format!("Connection: {}", ["x"; 17].join(", ")))),
        ("Expect that cannot be met", 417, post("Expect: 200-ok\r\nContent-Length: 1", "x")),
        ("Upgrade twice", 400, fields("Connection: Upgrade\r\nUpgrade: a\r\nUpgrade: b")),
        ("Upgrade that is no protocol", 400, fields("Connection: Upgrade\r\nUpgrade: a b")),
        ("head too large", 431, fields(&format!("X-A: {}", "a".repeat(17 * 1024)))),
        ("head too large, in many fields", 431, fields(&["X-A: aaaaaaaaaaaaaaaaaaaaaaaa"; 600].join("\r\n"))),
        ("too many fields", 431, fields(&["X-A: b"; 200].join("\r\n"))),
    ]
}

fn request_lines() -> Vec<Case> {
    let line = |line: &str| format!("{line}\r\nHost: gateway.test\r\n\r\n").into_bytes();
    vec![
        ("HTTP/0.9", 400, b"GET /\r\n".to_vec()),
        ("HTTP/0.9 with fields", 400, line("GET /")),
        ("version 0.9", 505, line("GET / HTTP/0.9")),
        ("version 1.2", 505, line("GET / HTTP/1.2")),
        ("version 2.0 on HTTP/1.1", 505, line("GET / HTTP/2.0")),
        ("version 3.0", 505, line("GET / HTTP/3.0")),
        ("version with two digits", 400, line("GET / HTTP/1.10")),
        ("version in small letters", 400, line("GET / http/1.1")),
        ("version of another protocol", 400, line("GET / RTSP/1.0")),
        ("version with a blank behind", 400, line("GET / HTTP/1.1 ")),
        ("blank in the target", 400, line("GET /a b HTTP/1.1")),
        ("two blanks before the target", 400, line("GET  / HTTP/1.1")),
        ("two blanks behind the target", 400, line("GET /  HTTP/1.1")),
        ("tab in the request line", 400, line("GET\t/ HTTP/1.1")),
        ("method in small letters", 400, line("get / HTTP/1.1")),
        ("method that is no token", 400, line("GE(T / HTTP/1.1")),
        ("method without end", 501, line(&format!("{} / HTTP/1.1", "A".repeat(60)))),
        ("TLS on a plain listener", 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("CONNECT", 501, line("CONNECT gateway.test:443 HTTP/1.1")),
        ("CONNECT of a path", 501, line("CONNECT / HTTP/1.1")),
        ("absolute form of another host", 400, target("http://other.test/")),
        ("absolute form of another port", 400, target("http://gateway.test:81/")),
        ("absolute form with a user", 400, target("http://gateway.test@other.test/")),
        ("absolute form of another scheme", 400, target("ftp://gateway.test/")),
        ("absolute form without a host", 400, target("http:///x")),
        ("authority form of GET", 400, target("gateway.test:80")),
        ("asterisk form of GET", 400, target("*")),
        ("target without a slash", 400, target("x")),
        ("fragment", 400, target("/a#b")),
        ("byte beyond ASCII in the target", 400, target("/\u{e4}")),
        ("control character in the target", 400, target("/a\x01")),
        ("NUL in the target", 400, target("/a\0b")),
        ("target too long", 414, target(&format!("/{}", "a".repeat(9000)))),
        ("query too long", 414, target(&format!("/?{}", "a".repeat(9000)))),
    ]
}

fn paths() -> Vec<Case> {
    vec![
        ("dot segment", 400, target("/open/../api/admin")),
        ("single dot segment", 400, target("/api/./admin")),
        ("dot segment at the end", 400, target("/api/admin/..")),
        ("escaped dot segment", 400, target("/open/%2e%2e/api/admin")),
        ("half escaped dot segment", 400, target("/open/.%2E/api/admin")),
        ("dot segment with a parameter", 400, target("/open/..;/api/admin")),
        ("dot segment behind an encoded slash", 400, target("/open%2f..%2fapi/admin")),
        ("doubly escaped dot segment", 400, target("/open/%252e%252e/api/admin")),
        ("encoded slash that changes the route", 400, target("/api%2fadmin")),
        ("doubly encoded slash that changes the route", 400, target("/api%252Fadmin")),
        ("empty segment that changes the route", 400, target("//api/admin")),
        ("empty segment within that changes the route", 400, target("/api//admin")),
        ("parameter that changes the route", 400, target("/api;x/admin")),
        ("backslash", 400, target("/api\\admin")),
        ("escaped backslash that changes the route", 400, target("/api%5cadmin")),
        ("escaped NUL", 400, target("/api/admin%00")),
        ("escaped CRLF", 400, target("/api/admin%0d%0aX-A:%20b")),
        ("percent sign without digits", 400, target("/api/%zz")),
        ("percent sign at the end", 400, target("/api/%")),
        ("overlong UTF-8", 400, target("/api/%c0%ae%c0%ae/admin")),
    ]
}

#[test]
fn each_is_refused_and_none_reaches_the_application() {
    let upstream = RawUpstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
    let gateway = gateway(&upstream.url(), GUARDED);
    let cases: Vec<Case> = [lengths(), chunks(), heads(), request_lines(), paths()].concat();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for (name, status, bytes) in &cases {
        let mut bytes = bytes.clone();
        bytes.extend_from_slice(BEHIND.as_bytes());
        let answer = exchange(&mut Connection::open(gateway.address()), &bytes);
        let line = answer.split("\r\n").next().unwrap_or_default();
        let closes = answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n");
        let answers = answer.matches("HTTP/1.1 ").count();
        let fits = line.starts_with(&format!("HTTP/1.1 {status} ")) && closes && answers == 1;
        if !fits {
            wrong.push(format!("{name}: {status} expected, {answers} answers, closes {closes}, {line:?}"));
        }
        if upstream.connections() > 0 {
            wrong.push(format!("{name}: reached the application"));
            break;
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!((upstream.connections(), upstream.bytes()), (0, 0));
    // The way is open for the well-formed.
    assert_eq!(Request::get("/fine").send_to(gateway.address()).status, 200);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_refusal_says_that_it_was_suspicious() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream.url(), "");
    let bytes = post("Content-Length: 4\r\nTransfer-Encoding: chunked", "0\r\n\r\n");
    let mut connection = Connection::open(gateway.address());
    let refused = connection.send(&bytes).response();
    assert_eq!(refused.status, 400);
    assert_eq!(refused.field("content-type"), Some("application/problem+json"));
    gateway.wait_for_log(&["suspicious_activity", "length-and-transfer-encoding"]);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_request_behind_a_good_one_is_refused_all_the_same() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    connection.send(format!("{BEHIND}GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{BEHIND}"));
    assert_eq!(connection.response().status, 200);
    assert_eq!(connection.response().status, 400);
    assert!(connection.is_closed(), "nothing is read behind it");
    assert_eq!(upstream.only().line(), "GET /behind HTTP/1.1");
}

#[test]
fn a_body_that_breaks_on_the_way_never_becomes_a_whole_request() {
    let upstream = RawUpstream::start(|mut peer| {
        let head = peer.head().unwrap();
        assert!(head.contains("chunked"), "{head}");
        let rest = peer.rest();
        assert!(
            !rest.ends_with(b"0\r\n\r\n"),
            "the application saw an end: {:?}",
            String::from_utf8_lossy(&rest)
        );
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    connection.send(chunked("5\r\nhello\r\n"));
    upstream.wait_for_connections(1);
    connection.send(format!("zz\r\nx\r\n0\r\n\r\n{BEHIND}"));
    let refused = connection.response();
    assert_eq!(refused.status, 400);
    assert!(connection.is_closed());
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn what_is_left_of_a_body_is_never_a_request() {
    let folder = Scratch::new();
    // It takes connections and reads nothing, so that a body comes to a stop somewhere on the way.
    let deaf = UnixListener::bind(folder.file("deaf.sock")).unwrap();
    let gateway = Launch::run()
        .config(&format!(
            "[auth]\ndefault = \"none\"\n[upstreams.default]\nurl = \"unix:{}\"\nresponse_timeout = \"60ms\"\n\
             [server.caps]\nbody_timeout = \"60ms\"\n",
            folder.file("deaf.sock")
        ))
        .start();
    let mut cut = 0;
    // Over the sizes that end before, in and behind the last piece that the kernel's buffers take.
    for size in (96 << 10..640 << 10).step_by(24 << 10) {
        let mut connection = Connection::open(gateway.address());
        let mut body = BEHIND.repeat(size / BEHIND.len()).into_bytes();
        body.resize(size, b'\n');
        connection.send(post(&format!("Content-Length: {size}"), "")).send(body);
        assert_eq!(connection.response().status, 504, "{size}");
        let health = "GET /portcullis/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let rest = exchange(&mut connection, health.as_bytes());
        cut += usize::from(rest.is_empty());
        let answers = rest.matches("HTTP/1.1 ").count();
        assert!(answers == 0 || (answers == 1 && rest.starts_with("HTTP/1.1 200 ")), "{size}: {rest}");
    }
    assert!(cut > 0, "no body came to a stop");
    drop(deaf);
}

#[test]
fn what_pretends_to_come_from_the_gateway_is_taken_off_in_every_spelling() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream.url(), "");
    let names = [
        "X-Auth-User",
        "X_Auth_User",
        "x_auth-role",
        "X-Forwarded-For",
        "X_Forwarded_For",
        "X-Forwarded_Proto",
        "x_forwarded_host",
        "X-Real-IP",
        "X_Real_IP",
        "X_Request_Id",
        "Forwarded",
        "Content_Type",
        "Proxy_Authorization",
    ];
    let mut request = Request::get("/").header("session_id", "stays");
    for name in names {
        request = request.header(name, "198.51.100.7-pretended");
    }
    assert_eq!(request.send_to(gateway.address()).status, 200);
    let received = upstream.only();
    assert!(!received.head.contains("pretended"), "{}", received.head);
    assert_eq!(received.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(received.field("session_id"), Some("stays"), "an underscore alone is no crime");
}
