//! What one client can cost: the timeout of every phase, the caps on sizes and connections.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use futures_util::StreamExt as _;
use http_body_util::StreamBody;
use hyper::body::Frame;
use portcullis_tests::{Connection, Gateway, H2Client, RawUpstream, Request, Upstream, until};
use socket2::{Domain, Socket, Type};

use super::gateway;

const HEALTH: &str = "/portcullis/health";

/// Every timeout short but the one under test would race with it; so each test shortens one.
fn with_cap(upstream: &str, key: &str, value: &str) -> Gateway {
    gateway(upstream, &format!("[server.caps]\n{key} = {value}\n"))
}

/// A gateway before `[upstreams.default]` with one more key.
fn with_upstream(url: &str, lines: &str) -> Gateway {
    portcullis_tests::Launch::run()
        .config(&format!("[auth]\ndefault = \"none\"\n[upstreams.default]\nurl = \"{url}\"\n{lines}\n"))
        .start()
}

/// Reads to the end; nothing is expected any more.
fn ends_in_silence(connection: &mut Connection) {
    let mut rest = Vec::new();
    connection.stream().read_to_end(&mut rest).unwrap();
    assert_eq!(String::from_utf8_lossy(&rest), "");
}

#[test]
fn a_head_that_does_not_come_is_408() {
    let upstream = Upstream::ok();
    let gateway = with_cap(&upstream.url(), "header_timeout", "\"200ms\"");
    let mut slow = Connection::open(gateway.address());
    slow.send("GET / HTTP/1.1\r\nHost: gateway.test\r\nX-Half: ");
    let answer = slow.response();
    assert_eq!((answer.status, answer.field("connection")), (408, Some("close")));
    assert!(slow.is_closed());
    // One that drips has no more time than one that is silent.
    let mut dripping = Connection::open(gateway.address());
    let head = b"GET / HTTP/1.1\r\nHost: gateway.test\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let mut clock = Connection::open(gateway.address());
    clock.send("G");
    for byte in head.iter().cycle() {
        dripping.send([*byte]);
        clock.stream().get_ref().set_nonblocking(true).unwrap();
        if clock.stream().get_ref().peek(&mut [0]).is_ok() {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(dripping.response().status, 408);
    // One that says nothing at all needs no answer.
    ends_in_silence(&mut Connection::open(gateway.address()));
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_kept_connection_without_a_request_ends_in_silence() {
    let upstream = Upstream::ok();
    let gateway = with_cap(&upstream.url(), "idle_timeout", "\"200ms\"");
    let mut connection = Connection::open(gateway.address());
    assert_eq!(Request::get("/").on(&mut connection).status, 200);
    assert_eq!(Request::get("/").on(&mut connection).status, 200);
    ends_in_silence(&mut connection);
}

/// HTTP/2 with prior knowledge: the preface and empty settings, nothing else.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[test]
fn http_2_has_no_more_time_to_begin() {
    let gateway = with_cap("http://127.0.0.1:1", "header_timeout", "\"200ms\"");
    // In the preface, behind it, and in the middle of a head.
    let head_without_end = [PREFACE, b"\0\0\x01\x01\0\0\0\0\x01\x82"].concat();
    for bytes in [&PREFACE[..18], PREFACE, &head_without_end] {
        let mut connection = Connection::open(gateway.address());
        connection.send(bytes);
        let mut rest = Vec::new();
        connection.stream().read_to_end(&mut rest).unwrap();
        assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    }
}

#[test]
fn an_http_2_connection_without_requests_ends_too() {
    let (go_on, next) = mpsc::channel::<()>();
    let next = std::sync::Mutex::new(next);
    let upstream = RawUpstream::start(move |mut peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("GET /slow") {
                next.lock().unwrap().recv().unwrap();
            }
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let gateway = with_cap(&upstream.url(), "idle_timeout", "\"200ms\"");
    let client = H2Client::connect(gateway.address());
    let get = |path: &str| {
        let request = http::Request::get(format!("http://gateway.test{path}"));
        request.body(http_body_util::Full::<bytes::Bytes>::default()).unwrap()
    };
    client.run(async |sender| {
        let mut slow = sender.clone();
        let slow = tokio::task::spawn_local(async move { slow.send(get("/slow")).await.unwrap().status() });
        // A second connection that ends for want of requests is the clock.
        let mut clock = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut clock, &Request::get(HEALTH).bytes()).await.unwrap();
        tokio::io::AsyncReadExt::read_to_end(&mut clock, &mut Vec::new()).await.unwrap();
        go_on.send(()).unwrap();
        assert_eq!(slow.await.unwrap(), 200, "with a request under way it is not idle");
        assert_eq!(sender.send(get("/")).await.unwrap().status(), 200);
        while sender.is_open() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn http_2_requests_have_the_same_timeouts() {
    let upstream = RawUpstream::start(|mut peer| while peer.head().is_some() {});
    let gateway = portcullis_tests::Launch::run()
        .config(&format!(
            "[auth]\ndefault = \"none\"\n[upstreams.default]\nurl = \"{}\"\nresponse_timeout = \"200ms\"\n\
             [server.caps]\nbody_timeout = \"200ms\"\n",
            upstream.url()
        ))
        .start();
    let status = |length: &str, body: &'static str| {
        let client = H2Client::connect(gateway.address());
        let first = Ok::<_, std::convert::Infallible>(Frame::data(bytes::Bytes::from(body)));
        let frames = futures_util::stream::iter([first]);
        // With `more` announced the body goes on, and nothing of it comes.
        let frames = if length == "more" {
            frames.chain(futures_util::stream::pending()).left_stream()
        } else {
            frames.right_stream()
        };
        let request = http::Request::post("http://gateway.test/").body(StreamBody::new(frames)).unwrap();
        client.run(async |sender| sender.send(request).await.unwrap().status().as_u16())
    };
    assert_eq!(status("all", "body"), 504);
    assert_eq!(status("more", "body"), 408);
}

#[test]
fn a_body_that_does_not_come_is_408() {
    let upstream = RawUpstream::start(|mut peer| {
        assert!(peer.head().is_some());
        assert_eq!(peer.rest(), b"half", "the request never became whole");
    });
    let gateway = with_cap(&upstream.url(), "body_timeout", "\"200ms\"");
    let mut connection = Connection::open(gateway.address());
    connection.send("POST / HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 10\r\n\r\nhalf");
    assert_eq!(connection.response().status, 408);
    assert!(connection.is_closed());
}

#[test]
fn a_client_that_takes_nothing_is_let_go() {
    let (let_go, told) = mpsc::channel();
    let upstream = RawUpstream::start(move |mut peer| {
        peer.head().unwrap();
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        while peer.write(&chunk) {}
        let_go.send(()).unwrap();
    });
    let gateway = with_cap(&upstream.url(), "body_timeout", "\"200ms\"");
    let mut connection = Connection::open(gateway.address());
    connection.send(Request::get("/").bytes());
    assert_eq!(connection.response_to_head().status, 200);
    told.recv().unwrap();
}

/// A listener that takes no connection: its queue is full, and the kernel drops what else comes.
fn deaf() -> (Socket, Vec<Socket>, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        let _ = client.connect(&address.into());
        waiting.push(client);
    }
    (socket, waiting, address)
}

#[test]
fn an_upstream_that_takes_no_connection_is_502() {
    let (_socket, _waiting, address) = deaf();
    let gateway = with_upstream(&format!("http://{address}"), "connect_timeout = \"200ms\"");
    let mut connection = Connection::open(gateway.address());
    let answer = Request::get("/").on(&mut connection);
    assert_eq!((answer.status, answer.field("connection")), (502, None));
    let health = Request::get(HEALTH).on(&mut connection);
    assert_eq!(health.json()["status"], "degraded", "the connection goes on, and the health says why");
}

#[test]
fn an_upstream_that_does_not_answer_is_504() {
    let upstream = RawUpstream::start(|mut peer| while peer.head().is_some() {});
    let gateway = with_upstream(&upstream.url(), "response_timeout = \"200ms\"");
    let mut connection = Connection::open(gateway.address());
    for round in 1..=2 {
        assert_eq!(Request::get("/").on(&mut connection).status, 504);
        assert_eq!(upstream.connections(), round, "a late answer must meet nobody else's request");
    }
    let answer = Request::new("POST", "/").body("whole").on(&mut connection);
    assert_eq!(answer.status, 504, "the body came: it is not the client who is late");
}

#[test]
fn a_client_that_waits_for_100_in_vain_is_not_to_blame() {
    let upstream = RawUpstream::start(|mut peer| while peer.head().is_some() {});
    let gateway = with_upstream(&upstream.url(), "response_timeout = \"200ms\"");
    let mut connection = Connection::open(gateway.address());
    connection.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(connection.response().status, 504);
}

#[test]
fn an_answer_that_stops_is_cut() {
    let upstream = RawUpstream::start(|mut peer| {
        peer.head().unwrap();
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        assert_eq!(peer.rest(), b"");
    });
    let gateway = with_upstream(&upstream.url(), "idle_timeout = \"200ms\"");
    let mut connection = Connection::open(gateway.address());
    connection.send(Request::get("/").bytes());
    assert_eq!(connection.response_to_head().status, 200);
    let mut rest = String::new();
    connection.stream().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "4\r\nhalf\r\n", "and no last chunk");
}

#[test]
fn a_quiet_stream_lives_as_long_as_its_own_timeout_says() {
    let (go_on, next) = mpsc::channel::<()>();
    let next = std::sync::Mutex::new(next);
    let upstream = RawUpstream::start(move |mut peer| {
        if peer.head().unwrap().starts_with("GET /events") {
            peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
            next.lock().unwrap().recv().unwrap();
            peer.write("3\r\ntwo\r\n0\r\n\r\n");
        } else {
            peer.rest();
        }
    });
    let gateway = with_cap(&upstream.url(), "body_timeout", "\"200ms\"");
    let mut events = Connection::open(gateway.address());
    events.send(Request::get("/events").bytes());
    events.response_to_head();
    // Two requests that time out one after the other are the clock.
    for _ in 0..2 {
        let mut clock = Connection::open(gateway.address());
        clock.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
        assert_eq!(clock.response().status, 408);
    }
    go_on.send(()).unwrap();
    let mut rest = [0; 21];
    events.stream().read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
}

#[test]
fn a_body_beyond_the_cap_is_413() {
    let upstream = RawUpstream::start(|mut peer| {
        peer.head().unwrap();
        let rest = peer.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "the application saw a whole body");
    });
    let tables =
        "[server.caps]\nbody = \"1 KiB\"\n[[routes]]\nmatch = \"POST /large\"\nbody = { max = \"2 KiB\" }\n";
    let gateway = gateway(&upstream.url(), tables);
    // By its length: before anything is read of it, and before the application hears of it.
    let mut connection = Connection::open(gateway.address());
    connection.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n");
    let answer = connection.response();
    assert_eq!((answer.status, answer.field("connection")), (413, Some("close")));
    assert_eq!(upstream.connections(), 0);
    // By counting.
    let mut connection = Connection::open(gateway.address());
    connection.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    upstream.wait_for_connections(1);
    for _ in 0..3 {
        connection.send(format!("180\r\n{}\r\n", "x".repeat(0x180)));
    }
    assert_eq!(connection.response().status, 413);
    assert!(connection.is_closed());
    // A route may say otherwise.
    let mut connection = Connection::open(gateway.address());
    connection.send("POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 2049\r\n\r\n");
    assert_eq!(connection.response().status, 413);
}

#[test]
fn a_body_up_to_the_cap_passes() {
    let upstream = Upstream::ok();
    let tables =
        "[server.caps]\nbody = \"1 KiB\"\n[[routes]]\nmatch = \"POST /large\"\nbody = { max = \"2 KiB\" }\n";
    let gateway = gateway(&upstream.url(), tables);
    let mut connection = Connection::open(gateway.address());
    assert_eq!(Request::new("POST", "/").body(vec![b'x'; 1024]).on(&mut connection).status, 200);
    assert_eq!(Request::new("POST", "/large").body(vec![b'x'; 2048]).on(&mut connection).status, 200);
    connection.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n{}\r\n0\r\n\r\n",
        "x".repeat(1024)
    ));
    assert_eq!(connection.response().status, 200);
}

#[test]
fn heads_and_targets_have_caps_of_their_own() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream.url(), "[server.caps]\nheaders = \"4 KiB\"\ntarget = \"1 KiB\"\n");
    let status = |target: usize, field: usize| {
        Request::get(&format!("/{}", "a".repeat(target)))
            .header("X-A", &"b".repeat(field))
            .send_to(gateway.address())
            .status
    };
    assert_eq!(status(1023, 1), 200);
    assert_eq!(status(1024, 1), 414);
    assert_eq!(status(1, 3900), 200);
    assert_eq!(status(1, 4100), 431);
}

#[test]
fn a_large_head_passes_where_the_cap_allows_it() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream.url(), "[server.caps]\nheaders = \"64 KiB\"\n");
    let cookie = "c".repeat(60_000);
    let mut connection = Connection::open(gateway.address());
    for _ in 0..2 {
        assert_eq!(Request::get("/").header("Cookie", &cookie).on(&mut connection).status, 200);
    }
    assert_eq!(upstream.received()[0].field("cookie").unwrap().len(), 60_000);
}

/// Whether the gateway serves one more connection. It takes and ends those beyond a cap without a word.
fn is_served(gateway: &Gateway, from: &str) -> Option<Connection> {
    let mut connection = Connection::open_from(from.parse().unwrap(), gateway.address());
    connection.send(Request::get(HEALTH).bytes());
    if connection.is_closed() {
        return None;
    }
    assert_eq!(connection.response().status, 200);
    Some(connection)
}

#[test]
fn there_are_only_so_many_connections_in_all() {
    let gateway = gateway("http://127.0.0.1:1", "[server.caps]\nconnections = 3\n");
    let mut open: Vec<_> =
        (1..=3).map(|host| is_served(&gateway, &format!("127.0.0.{host}")).unwrap()).collect();
    assert!(is_served(&gateway, "127.0.0.4").is_none());
    open.pop();
    until("the place to be free", || is_served(&gateway, "127.0.0.4"));
}

#[test]
fn there_are_only_so_many_connections_for_one_client() {
    let gateway = gateway("http://127.0.0.1:1", "[server.caps]\nconnections_per_ip = 2\n");
    let mut open: Vec<_> = (1..=2).map(|_| is_served(&gateway, "127.0.0.1").unwrap()).collect();
    assert!(is_served(&gateway, "127.0.0.1").is_none());
    assert!(is_served(&gateway, "127.0.0.2").is_some(), "another client has its own");
    open.pop();
    until("the place to be free", || is_served(&gateway, "127.0.0.1"));
}

#[test]
fn the_websockets_of_a_route_have_a_cap_too() {
    let upstream = RawUpstream::start(|mut peer| {
        peer.head().unwrap();
        peer.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        peer.rest();
    });
    let tables =
        "[[routes]]\nmatch = \"WS /socket\"\nwebsocket = { connections = 2, idle_timeout = \"30s\" }\n";
    let gateway = gateway(&upstream.url(), tables);
    let open = || {
        let mut connection = Connection::open(gateway.address());
        connection.send(
            "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        let answer = connection.response();
        (connection, answer)
    };
    let first = open();
    let second = open();
    assert_eq!((first.1.status, second.1.status), (101, 101));
    let third = open();
    assert_eq!(third.1.status, 503);
    assert!(third.1.field("retry-after").is_some());
    drop(first);
    until("the place to be free", || (open().1.status == 101).then_some(()));
}

#[test]
fn a_websocket_on_which_nothing_passes_is_ended() {
    let upstream = RawUpstream::start(|mut peer| {
        peer.head().unwrap();
        peer.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        peer.rest();
    });
    let tables = "[[routes]]\nmatch = \"WS /socket\"\nwebsocket = { idle_timeout = \"200ms\" }\n";
    let gateway = gateway(&upstream.url(), tables);
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    stream
        .write_all(b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    assert!(all.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&all));
    assert!(all.ends_with(&[&[0x88, 6][..], &1001_u16.to_be_bytes(), b"idle"].concat()), "{all:x?}");
}
