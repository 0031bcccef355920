//! Where a message ends: every framing, through the gateway and back, byte by byte.

use std::sync::mpsc;

use portcullis_tests::{Answer, Connection, RawUpstream, Request, Upstream};

use super::gateway;

/// A request in HTTP/1.0 with these further lines.
fn old(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.0\r\nHost: gateway.test\r\n{lines}\r\n")
}

#[test]
fn answers_without_a_body_end_where_they_should() {
    let upstream = RawUpstream::start(|mut peer| {
        while let Some(head) = peer.head() {
            peer.write(match head.split(' ').nth(1).unwrap() {
                "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: \"h\"\r\n\r\n",
                "/head-chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: \"n\"\r\n\r\n",
                "/empty" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
            });
        }
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    for round in 0..3 {
        let head = Request::new("HEAD", "/head").on(&mut connection);
        assert_eq!(
            (head.status, head.field("content-length"), head.field("etag")),
            (200, Some("1234"), Some("\"h\""))
        );
        let head = Request::new("HEAD", "/head-chunked").on(&mut connection);
        assert_eq!((head.status, head.field("content-length")), (200, None));
        let none = Request::get("/204").on(&mut connection);
        assert_eq!(
            (none.status, none.field("content-length"), none.field("transfer-encoding")),
            (204, None, None)
        );
        let unchanged = Request::get("/304").on(&mut connection);
        assert_eq!((unchanged.status, unchanged.field("content-length")), (304, Some("1234")));
        let empty = Request::get("/empty").on(&mut connection);
        assert_eq!((empty.status, empty.field("content-length"), empty.text()), (200, Some("0"), ""));
        assert_eq!(Request::get("/body").on(&mut connection).text(), "body", "round {round}");
    }
    assert_eq!(upstream.connections(), 1, "each answer left the connection fit for the next");
}

#[test]
fn a_client_that_expects_100_gets_it_from_the_application() {
    let (asked, until) = mpsc::channel();
    let upstream = RawUpstream::start(move |mut peer| {
        let head = peer.head().unwrap();
        assert!(head.to_ascii_lowercase().contains("\r\nexpect: 100-continue\r\n"), "{head}");
        asked.send(()).unwrap();
        peer.write("HTTP/1.1 100 Continue\r\n\r\n");
        let body = peer.exactly(5).unwrap();
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        peer.write(body);
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    connection
        .send("POST / HTTP/1.1\r\nHost: gateway.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    until.recv().unwrap();
    assert_eq!(connection.response().status, 100);
    connection.send("hello");
    assert_eq!(connection.response().text(), "hello");
}

#[test]
fn a_client_that_expects_100_may_get_the_final_answer_at_once() {
    let upstream = RawUpstream::start(|mut peer| {
        peer.head().unwrap();
        peer.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        peer.rest();
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    connection
        .send("POST / HTTP/1.1\r\nHost: gateway.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let answer = connection.response();
    assert_eq!((answer.status, answer.text()), (403, "no"));
}

#[test]
fn early_hints_pass_and_a_100_that_nobody_asked_for_does_not() {
    let upstream = RawUpstream::start(|mut peer| {
        while peer.head().is_some() {
            peer.write("HTTP/1.1 100 Continue\r\n\r\n");
            peer.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nServer: secret\r\n\r\n");
            peer.write("HTTP/1.1 103 Early Hints\r\nLink: </b.css>; rel=preload\r\n\r\n");
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
        }
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    connection.send(Request::get("/").bytes());
    let hints = connection.response();
    assert_eq!((hints.status, hints.field("link")), (103, Some("</a.css>; rel=preload")));
    assert_eq!(hints.field("server"), None, "what the application says of itself stays here");
    assert_eq!(connection.response().field("link"), Some("</b.css>; rel=preload"));
    assert_eq!(connection.response().text(), "done");
    // HTTP/1.0 knows no interim answers.
    let mut connection = Connection::open(gateway.address());
    connection.send(old("/", "Connection: keep-alive\r\n"));
    assert_eq!(connection.response().text(), "done");
}

#[test]
fn chunks_and_trailers_pass_both_ways() {
    let upstream = Upstream::start(|_| {
        Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
              3\r\nabc\r\n00a\r\n0123456789\r\n0\r\nX-Sum: 42\r\n\r\n"
                .to_vec(),
        )
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    for _ in 0..2 {
        connection.send(
            "POST / HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\n\
             6\r\nhello \r\n5\r\nworld\r\n0\r\nX-Check: 1\r\n\r\n",
        );
        let answer = connection.response();
        assert_eq!(answer.text(), "abc0123456789");
        assert_eq!(answer.trailers, [("X-Sum".to_owned(), "42".to_owned())]);
        assert_eq!(answer.field("content-length"), None);
    }
    let received = upstream.received();
    assert_eq!(received.len(), 2);
    for received in received {
        assert_eq!(received.body, b"hello world");
        assert_eq!(received.field("content-length"), None);
        assert_eq!(received.field("transfer-encoding"), Some("chunked"));
        assert!(received.bytes.ends_with(b"0\r\nX-Check: 1\r\n\r\n"), "the trailer came through");
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_body_that_ends_with_the_connection_becomes_chunks_for_those_who_know_them() {
    let upstream = RawUpstream::answering_once("HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nuntil the end");
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    for _ in 0..2 {
        let answer = Request::get("/").on(&mut connection);
        assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
        assert_eq!(answer.text(), "until the end", "and the connection goes on");
    }
    let mut connection = Connection::open(gateway.address());
    connection.send(old("/", "Connection: keep-alive\r\n"));
    let answer = connection.response();
    assert_eq!((answer.field("transfer-encoding"), answer.text()), (None, "until the end"));
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(connection.is_closed());
}

#[test]
fn chunks_become_a_plain_body_for_a_client_of_http_1_0() {
    let upstream = RawUpstream::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 1\r\n\r\n",
    );
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    connection.send(old("/", "Connection: keep-alive\r\n"));
    let answer = connection.response();
    assert_eq!((answer.field("transfer-encoding"), answer.field("content-length")), (None, None));
    assert_eq!(answer.text(), "abcdefg");
    assert!(connection.is_closed());
}

#[test]
fn a_client_of_http_1_0_keeps_its_connection_only_if_it_asks() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    for _ in 0..2 {
        connection.send(old("/kept", "Connection: keep-alive\r\n"));
        let answer = connection.response();
        assert_eq!((answer.status, answer.field("connection")), (200, Some("keep-alive")));
    }
    connection.send(old("/last", ""));
    let answer = connection.response();
    assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    assert!(connection.is_closed());
    // One that names no host is let through with a name for the application.
    let answer = Connection::open(gateway.address()).send("GET /nameless HTTP/1.0\r\n\r\n").response();
    assert_eq!(answer.status, 200);
    let received = upstream.received();
    assert_eq!(received.iter().filter(|received| received.line().ends_with("HTTP/1.1")).count(), 4);
    assert!(!received[3].field("host").unwrap().is_empty(), "{}", received[3].head);
}

#[test]
fn a_client_that_closes_gets_the_last_answer_and_the_end() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    let answer = Request::get("/").header("Connection", "close").on(&mut connection);
    assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    assert!(connection.is_closed());
    assert_eq!(
        upstream.only().field("connection"),
        None,
        "the upstream's connection is the gateway's affair"
    );
}

#[test]
fn an_application_of_http_1_0_is_understood() {
    let upstream = RawUpstream::answering_once("HTTP/1.0 200 Fine\r\nContent-Length: 3\r\n\r\nold");
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    for _ in 0..2 {
        let answer = Request::get("/").on(&mut connection);
        assert_eq!((answer.status, answer.text()), (200, "old"));
        assert!(answer.head.starts_with("HTTP/1.1 200 Fine\r\n"), "{}", answer.head);
    }
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start(|received| {
        Answer::json(
            "200 OK",
            &format!("{:?}", [received.line(), std::str::from_utf8(&received.body).unwrap()]),
        )
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    let mut bytes = Vec::new();
    for number in 0..50 {
        bytes.extend(match number % 3 {
            0 => Request::get(&format!("/{number}")).bytes(),
            1 => Request::new("PUT", &format!("/{number}")).body(format!("body {number}")).bytes(),
            _ => format!(
                "POST /{number} HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            )
            .into_bytes(),
        });
    }
    // In pieces that have nothing to do with the borders of the messages.
    for piece in bytes.chunks(97) {
        connection.send(piece);
    }
    for number in 0..50 {
        let answer = connection.response();
        let expected = match number % 3 {
            0 => format!(r#"["GET /{number} HTTP/1.1", ""]"#),
            1 => format!(r#"["PUT /{number} HTTP/1.1", "body {number}"]"#),
            _ => format!(r#"["POST /{number} HTTP/1.1", "abc"]"#),
        };
        assert_eq!(answer.text(), expected);
    }
}

#[test]
fn an_absolute_target_becomes_a_path() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream.url(), "");
    let address = gateway.address();
    assert_eq!(Request::get("http://gateway.test/a?b=c").send_to(address).status, 200);
    let received = upstream.only();
    assert_eq!((received.line(), received.field("host")), ("GET /a?b=c HTTP/1.1", Some("gateway.test")));
    // HTTP/1.0 may name the host there alone.
    Connection::open(address).send("GET http://old.test/d HTTP/1.0\r\n\r\n").response();
    let received = upstream.received().pop().unwrap();
    assert_eq!((received.line(), received.field("host")), ("GET /d HTTP/1.1", Some("old.test")));
}

#[test]
fn hop_by_hop_fields_end_here_and_the_others_pass_unchanged() {
    let upstream = Upstream::start(|_| {
        Answer::with(
            "200 OK",
            "Connection: X-Internal\r\nX-Internal: no\r\nKeep-Alive: timeout=5\r\nX-Kept: yes\r\n\
             Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nProxy-Authenticate: Basic\r\n",
            "{}",
        )
    });
    let gateway = gateway(&upstream.url(), "");
    let answer = Request::get("/a%20b?c=%41&d")
        .header("Connection", "keep-alive, TE")
        .header("TE", "trailers")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Authorization", "Basic eDp5")
        .header("X-Kept", "yes, \"quoted\"")
        .send_to(gateway.address());
    assert_eq!(answer.field("x-kept"), Some("yes"));
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
    for gone in ["x-internal", "keep-alive", "connection", "proxy-authenticate"] {
        assert_eq!(answer.field(gone), None, "{gone}");
    }
    let received = upstream.only();
    assert_eq!(received.line(), "GET /a%20b?c=%41&d HTTP/1.1", "the target as it came");
    assert_eq!(received.field("x-kept"), Some("yes, \"quoted\""));
    for gone in ["te", "keep-alive", "connection", "proxy-authorization"] {
        assert_eq!(received.field(gone), None, "{gone}");
    }
}

#[test]
fn what_is_no_answer_is_502() {
    let broken = [
        ("no HTTP at all", "SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        (
            "both lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("bare LF", "HTTP/1.1 200 OK\nContent-Length: 1\n\na"),
        ("folded", "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 1\r\n\r\na"),
        ("NUL", "HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 1\r\n\r\na"),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-Le"),
        (
            "a switch nobody asked for",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        ),
        ("a broken first chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        ("nothing", ""),
    ];
    for (name, bytes) in broken {
        let upstream = RawUpstream::answering_once(bytes);
        let gateway = gateway(&upstream.url(), "");
        let answer = Request::get("/").send_to(gateway.address());
        assert_eq!(answer.status, 502, "{name}");
        assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{name}");
        assert_eq!(upstream.connections(), 1, "{name}: it was fresh, so it is not asked again");
    }
}
