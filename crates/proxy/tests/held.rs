//! Bodies that are judged before the application sees them, and WebSockets whose messages are measured: byte for
//! byte, between a client and an application that are both played here.

#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_core::event::{AccessRecord, EventKind, Recorder, SecurityEvent};
use portcullis_core::quota::{LimitTable, Scope};
use portcullis_gate::Gate;
use portcullis_gate::authn::Authn;
use portcullis_gate::edge::{self, Edge};
use portcullis_gate::headers::{self, Headers};
use portcullis_gate::limit::{LimitRule, Mode};
use portcullis_gate::policy::{Parts, Policy, ReplaceErrors, Route, Target, UnknownRoutes, WebSocketRules};
use portcullis_gate::reply::Replies;
use portcullis_gate::validate::{self, Body, Fields, Held, Kind, Object};
use portcullis_proxy::{Bind, Caps, Endpoint, Engine, Listener, Settings, Snapshot, Start, Upstream};

/// More than any of these takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps the events, as `event reason`.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<String>>>);

impl Recorder for Journal {
    fn security(&mut self, event: &SecurityEvent<'_>) {
        assert_eq!(event.kind, EventKind::SuspiciousActivity);
        self.0.lock().expect("journal").push(event.reason.to_owned());
    }
    fn access(&mut self, record: &AccessRecord<'_>) {
        self.0.lock().expect("journal").push(format!("access {}", record.status));
    }
    fn flush(&mut self) {}
}

struct Running {
    _engine: Engine,
    port: u16,
    application: TcpListener,
    journal: Journal,
}

fn route(name: &str, validate: validate::Config, max_message: u64) -> Route {
    let websocket = WebSocketRules { max_message, ..WebSocketRules::default() };
    Route { validate, websocket, ..Route::open(name, Target::Upstream(0)) }
}

fn start(body_timeout: Duration) -> Running {
    let application = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let address = application.local_addr().expect("address");
    let fields = Some(Fields::closed([("on", Kind::Boolean)]));
    let body = Body {
        held: Held::new(100).expect("small"),
        types: Vec::new(),
        json: Some(Object { fields, ..Object::default() }),
        public_urls: Vec::new(),
        form: false,
    };
    let judged = validate::Config { body: Some(body), ..validate::Config::default() };
    let routes = [route("/judged", judged, 0), route("WS /ws", validate::Config::default(), 10)];
    let policy = Policy::new(Parts {
        edge: Edge::new(edge::Config::default()),
        routes: routes.map(|route| (route.name.parse().expect("a pattern"), route)).into(),
        default_route: route("default", validate::Config::default(), 0),
        unknown_routes: UnknownRoutes::Pass,
        cors: None,
        authn: Authn::new(Vec::new()),
        failures: LimitRule::new("failures", "9/hour".parse().expect("a rate"), Scope::Ip, Mode::Enforce),
        headers: Headers::new(headers::Config::default()),
        replies: Replies::default(),
        replace_errors: ReplaceErrors::Never,
        identity: portcullis_gate::onward::Onward::default(),
        urls: None,
    })
    .expect("a policy");
    let endpoint = Endpoint::Tcp(address.ip().to_string(), address.port());
    let caps = Caps { body_timeout, ..Caps::default() };
    let journal = Journal::default();
    let kept = journal.clone();
    let engine = Engine::start(Start {
        listeners: vec![Listener {
            bind: Bind::Tcp((Ipv4Addr::LOCALHOST, 0).into()),
            tls: false,
            proxy_protocol: false,
        }],
        workers: 1,
        gate: Gate::new(LimitTable::new(1 << 20), [1, 2]),
        snapshot: Snapshot {
            policy,
            settings: Settings { caps, upstreams: vec![Upstream::new("app", vec![endpoint])] },
        },
        certificates: None,
        recorder: Arc::new(move || Box::new(kept.clone())),
        seed: [3, 4],
    })
    .expect("an engine");
    let port = engine.addresses()[0].rsplit_once(':').expect("a port").1.parse().expect("a port");
    Running { _engine: engine, port, application, journal }
}

impl Running {
    fn client(&self) -> TcpStream {
        patient(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("connect"))
    }

    fn accept(&self) -> TcpStream {
        patient(self.application.accept().expect("accept").0)
    }

    /// Whether the gateway has opened a connection to the application.
    fn was_called(&self) -> bool {
        self.application.set_nonblocking(true).expect("nonblocking");
        let called = self.application.accept().is_ok();
        self.application.set_nonblocking(false).expect("blocking");
        called
    }

    /// A WebSocket through the gateway, both ends after the handshake; and the head that the application got.
    fn websocket(&self) -> (TcpStream, TcpStream, String) {
        let mut client = self.client();
        let head = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        client.write_all(head.as_bytes()).expect("write");
        let mut application = self.accept();
        let seen = head_of(&mut application);
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        application.write_all(answer).expect("write");
        assert!(head_of(&mut client).starts_with("HTTP/1.1 101"));
        (client, application, seen)
    }
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream
}

/// Reads byte by byte as far as the end of a head, and no further.
fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(
            stream.read(&mut byte).expect("read"),
            1,
            "ended after {:?}",
            String::from_utf8_lossy(&head)
        );
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}

fn exactly(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).expect("read");
    bytes
}

/// A whole answer: its head in small letters, and its body.
fn answer_of(stream: &mut TcpStream) -> (String, String) {
    let head = head_of(stream).to_ascii_lowercase();
    let length =
        head.split("content-length: ").nth(1).and_then(|it| it.split('\r').next()).expect("a length");
    let body = exactly(stream, length.parse().expect("a number"));
    (head, String::from_utf8(body).expect("text"))
}

fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset after the last byte is as good an end.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[test]
fn who_waits_for_100_gets_it_from_the_gateway_and_the_application_is_not_asked() {
    let running = start(PATIENCE);
    let mut client = running.client();
    client
        .write_all(b"POST /judged HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
        .expect("write");
    assert_eq!(head_of(&mut client), "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(!running.was_called(), "nothing is known of the body yet");
    client.write_all(b"{\"on\":true}").expect("write");
    let mut application = running.accept();
    let head = head_of(&mut application).to_ascii_lowercase();
    assert!(head.contains("content-length: 11") && !head.contains("expect"), "{head}");
    assert_eq!(exactly(&mut application, 11), b"{\"on\":true}");
    application.write_all(OK).expect("write");
    assert!(head_of(&mut client).starts_with("HTTP/1.1 200"));
}

#[test]
fn what_is_refused_never_reaches_the_application_and_the_connection_goes_on() {
    let running = start(PATIENCE);
    let mut client = running.client();
    let bad =
        "POST /judged HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"off\":1}\r\n0\r\n\r\n";
    let good = "POST /judged HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    client.write_all(format!("{bad}{good}").as_bytes()).expect("write");
    let (refused, body) = answer_of(&mut client);
    assert!(refused.starts_with("http/1.1 422") && !refused.contains("connection: close"), "{refused}");
    assert!(body.contains("invalid-request") && body.contains(r#""errors":[{"pointer":"/off""#), "{body}");
    // The first the application hears of is the second one.
    let mut application = running.accept();
    let head = head_of(&mut application);
    assert!(head.contains("Content-Length: 2"), "{head}");
    assert_eq!(exactly(&mut application, 2), b"{}");
    application.write_all(OK).expect("write");
    assert!(head_of(&mut client).starts_with("HTTP/1.1 200"));
}

#[test]
fn chunks_become_one_and_trailers_which_nobody_judged_end_here() {
    let running = start(PATIENCE);
    let mut client = running.client();
    client
        .write_all(b"PUT /judged HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .expect("write");
    for byte in b"{\"on\":false}" {
        client.write_all(format!("1\r\n{}\r\n", char::from(*byte)).as_bytes()).expect("write");
    }
    client.write_all(b"0\r\nX-Late: 1\r\n\r\n").expect("write");
    let mut application = running.accept();
    assert!(head_of(&mut application).contains("Transfer-Encoding: chunked"));
    let framed = b"c\r\n{\"on\":false}\r\n0\r\n\r\n";
    assert_eq!(exactly(&mut application, framed.len()), framed);
    application.write_all(OK).expect("write");
    assert!(head_of(&mut client).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_held_body_can_be_sent_once_more_when_an_idle_connection_was_closed() {
    let running = start(PATIENCE);
    let mut client = running.client();
    let request = b"PUT /judged HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    client.write_all(request).expect("write");
    let mut first = running.accept();
    head_of(&mut first);
    assert_eq!(exactly(&mut first, 2), b"{}");
    first.write_all(OK).expect("write");
    assert!(head_of(&mut client).starts_with("HTTP/1.1 200"));
    client.write_all(request).expect("write");
    head_of(&mut first);
    drop(first);
    let mut second = running.accept();
    head_of(&mut second);
    assert_eq!(exactly(&mut second, 2), b"{}");
    second.write_all(OK).expect("write");
    assert!(head_of(&mut client).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_body_over_what_is_held_is_refused_without_its_end() {
    let running = start(PATIENCE);
    let mut client = running.client();
    client
        .write_all(b"POST /judged HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .expect("write");
    client.write_all(format!("ff\r\n{}", " ".repeat(101)).as_bytes()).expect("write");
    let head = head_of(&mut client).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 413") && head.contains("connection: close"), "{head}");
    assert!(!running.was_called());
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let running = start(Duration::from_millis(200));
    let mut client = running.client();
    client.write_all(b"POST /judged HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n{").expect("write");
    assert!(head_of(&mut client).starts_with("HTTP/1.1 408"));
    assert!(!running.was_called());
}

#[test]
fn a_message_too_big_ends_both_sides_each_between_two_frames() {
    let running = start(PATIENCE);
    let (mut client, mut application, head) = running.websocket();
    assert!(!head.to_ascii_lowercase().contains("sec-websocket-extensions"), "{head}");
    // The application is in the middle of a frame.
    application.write_all(b"\x81\x05hel").expect("write");
    assert_eq!(exactly(&mut client, 5), b"\x81\x05hel");
    // A message of ten bytes, and one of eleven.
    client.write_all(b"\x81\x8amask0123456789\x81\x8bmasksecret").expect("write");
    assert_eq!(exactly(&mut application, 16), b"\x81\x8amask0123456789");
    // The masked close frame, 1001, and the end.
    let close = rest(&mut application);
    assert_eq!((close[0], close[1] & 0x80), (0x88, 0x80));
    let code = [close[6] ^ close[2], close[7] ^ close[3]];
    assert_eq!(u16::from_be_bytes(code), 1001);
    assert_eq!(close.len(), 6 + usize::from(close[1] & 0x7f), "nothing of the message follows: {close:?}");
    // The client hears the end of the frame first, and nothing that the application says after it.
    application.write_all(b"lo\x81\x05later").expect("write");
    let heard = rest(&mut client);
    assert_eq!(&heard[..2], b"lo", "{heard:?}");
    assert_eq!((heard[2], &heard[4..6]), (0x88, &1009_u16.to_be_bytes()[..]), "{heard:?}");
    assert_eq!(heard.len(), 4 + usize::from(heard[3]), "{heard:?}");
    drop((client, application));
    let journal = await_access(&running.journal);
    assert_eq!(journal, ["websocket-message-too-big", "access 101"]);
}

fn await_access(journal: &Journal) -> Vec<String> {
    let start = std::time::Instant::now();
    loop {
        let said = journal.0.lock().expect("journal").clone();
        if said.iter().any(|line| line.starts_with("access")) || start.elapsed() > PATIENCE {
            return said;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_handshake_that_is_answered_like_any_request_is_not_shown() {
    let running = start(PATIENCE);
    let mut client = running.client();
    client
        .write_all(b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .expect("write");
    let mut application = running.accept();
    head_of(&mut application);
    application.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret").expect("write");
    let (head, body) = answer_of(&mut client);
    assert!(head.starts_with("http/1.1 502") && !body.contains("secret"), "{head}{body}");

    // A refusal of the application is.
    let mut client = running.client();
    client
        .write_all(b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .expect("write");
    let mut application = running.accept();
    head_of(&mut application);
    application.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").expect("write");
    assert!(head_of(&mut client).starts_with("HTTP/1.1 403"));
}
