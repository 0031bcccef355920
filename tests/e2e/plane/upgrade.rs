//! WebSockets and other protocols that a connection is upgraded to.

use std::io::{Read as _, Write as _};
use std::sync::mpsc;

use portcullis_tests::{Connection, Launch, RawUpstream, Upstream};

use super::gateway;

/// A handshake for a protocol.
fn handshake(path: &str, protocol: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: gateway.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: {protocol}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// An application that takes every upgrade and sends back what it gets, once with a greeting first.
fn echo(greeting: &'static str) -> RawUpstream {
    RawUpstream::start(move |mut peer| {
        let head = peer.head().unwrap();
        let protocol =
            head.lines().find_map(|line| line.strip_prefix("Upgrade: ")).expect("an upgrade").trim();
        peer.write(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n{greeting}"
        ));
        while let Some(bytes) = peer.some() {
            peer.write(bytes);
        }
    })
}

fn expect(connection: &mut Connection, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    connection.stream().read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
}

#[test]
fn an_upgraded_connection_carries_any_bytes() {
    for protocol in ["websocket", "WebSocket", "tus/1.0", "my-protocol"] {
        let upstream = echo("");
        let gateway = gateway(&upstream.url(), "");
        let mut connection = Connection::open(gateway.address());
        connection.send(handshake("/", protocol));
        let answer = connection.response();
        assert_eq!((answer.status, answer.field("upgrade")), (101, Some(protocol)));
        assert_eq!(answer.field("connection"), Some("Upgrade"));
        assert!(answer.field("x-request-id").is_some(), "sealed as every answer");
        for text in ["\x01\x05abcd12345", "GET / HTTP/1.1\r\n\r\n", "\0\n\r"] {
            connection.send(text);
            expect(&mut connection, text);
        }
    }
}

#[test]
fn what_comes_early_on_either_side_is_not_lost() {
    let upstream = echo("first word of the application");
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    connection.send(handshake("/", "websocket") + "first word of the client");
    assert_eq!(connection.response().status, 101);
    expect(&mut connection, "first word of the applicationfirst word of the client");
}

#[test]
fn large_messages_pass_both_ways_at_once() {
    const SIZE: usize = 16 << 20;
    let upstream = echo("");
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    connection.send(handshake("/", "websocket"));
    assert_eq!(connection.response().status, 101);
    let mut writing = connection.stream().get_ref().try_clone().unwrap();
    let sent: Vec<u8> = (0..SIZE).map(|at| (at / 7) as u8).collect();
    let writer = std::thread::spawn({
        let sent = sent.clone();
        move || writing.write_all(&sent).unwrap()
    });
    let mut received = vec![0; SIZE];
    connection.stream().read_exact(&mut received).unwrap();
    writer.join().unwrap();
    assert!(received == sent, "the bytes are others");
}

#[test]
fn the_end_of_one_side_reaches_the_other() {
    let (ended, end) = mpsc::channel();
    let upstream = RawUpstream::start(move |mut peer| {
        peer.head().unwrap();
        peer.write(SWITCHING);
        ended.send(peer.rest()).unwrap();
        peer.write("last word");
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    connection.send(handshake("/", "websocket"));
    assert_eq!(connection.response().status, 101);
    connection.send("bye").end();
    assert_eq!(end.recv().unwrap(), b"bye");
    expect(&mut connection, "last word");
    assert!(connection.is_closed());
}

#[test]
fn a_refused_upgrade_is_an_ordinary_answer() {
    let upstream = RawUpstream::start(|mut peer| {
        while let Some(head) = peer.head() {
            peer.write(if head.starts_with("GET /426") {
                "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nContent-Length: 3\r\n\r\nold"
            } else {
                "HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\nContent-Length: 2\r\n\r\nno"
            });
        }
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    let answer = connection.send(handshake("/400", "websocket")).response();
    assert_eq!(
        (answer.status, answer.text(), answer.field("sec-websocket-version")),
        (400, "no", Some("13"))
    );
    let mut connection = Connection::open(gateway.address());
    let answer = connection.send(handshake("/426", "websocket")).response();
    assert_eq!((answer.status, answer.text()), (426, "old"));
    // RFC 9110 section 15.5.22: it must say what to upgrade to.
    assert_eq!(answer.field("upgrade"), Some("websocket"));
    assert!(answer.words("connection").contains(&"upgrade".to_owned()), "{}", answer.head);
}

#[test]
fn an_application_without_websockets_answers_as_usual() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    let answer = connection.send(handshake("/", "websocket")).response();
    assert_eq!((answer.status, answer.text()), (200, r#"{"accepted":true}"#));
    assert_eq!(upstream.only().field("upgrade"), Some("websocket"));
}

#[test]
fn what_would_take_requests_past_the_gateway_is_not_upgraded() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream.url(), "");
    // HTTP/2 in clear, a body that could be taken for frames, HTTP/1.0, and a protocol nobody is connected to.
    let with_body = "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx";
    let old = "GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let unlisted = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
    for request in [&handshake("/", "h2c"), with_body, old, unlisted] {
        assert_eq!(Connection::open(gateway.address()).send(request).response().status, 200);
    }
    for received in upstream.received() {
        assert_eq!(
            (received.field("upgrade"), received.field("connection")),
            (None, None),
            "{}",
            received.head
        );
    }
}

#[test]
fn a_websocket_is_one_wherever_it_stands_in_the_list() {
    let upstream = Upstream::ok();
    let gateway = Launch::run()
        .config(&format!(
            "upstream = {:?}\n[auth]\ndefault = \"none\"\n[auth.api_key]\nvalue = \"gQ7vTz3mXc9LkRb2WnYp5sHd8fJ4aE6u\"\n\
             [[routes]]\nmatch = \"WS /socket\"\nauth = \"api-key\"\n",
            upstream.url(),
        ))
        .start();
    for protocol in
        ["websocket", "WEBSOCKET", "other, websocket", "websocket, other", "websocket/13", "a,WebSocket/13"]
    {
        let answer = Connection::open(gateway.address()).send(handshake("/socket", protocol)).response();
        assert_eq!(answer.status, 401, "{protocol}");
    }
    assert_eq!(upstream.connections(), 0);
}
