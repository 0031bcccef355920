//! `explain` says what happens: 10,000 generated requests are first explained, then sent to a running engine
//! that counts and forwards, and both must agree.

#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Secret;
use portcullis_core::event::{AccessRecord, Recorder, SecurityEvent};
use portcullis_core::identity::Scheme;
use portcullis_core::quota::{LimitSpec, LimitTable, Scope};
use portcullis_gate::Gate;
use portcullis_gate::authn::{Authenticator, Authn, SharedSecret};
use portcullis_gate::cors::{self, Cors};
use portcullis_gate::edge::{self, Edge};
use portcullis_gate::headers::{self, Headers};
use portcullis_gate::limit::{LimitRule, Mode};
use portcullis_gate::policy::{Parts, Policy, ReplaceErrors, Route, Target, UnknownRoutes, WebSocketRules};
use portcullis_gate::reply::Replies;
use portcullis_gate::validate;
use portcullis_proxy::{
    Bind, Caps, Endpoint, Engine, Listener, Outcome, Settings, Snapshot, Start, Upstream, explain,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

const REQUESTS: usize = 10_000;

struct Silent;

impl Recorder for Silent {
    fn security(&mut self, _: &SecurityEvent<'_>) {}
    fn access(&mut self, _: &AccessRecord<'_>) {}
    fn flush(&mut self) {}
}

fn rule(place: &str, text: &str, mode: Mode) -> LimitRule {
    let spec: LimitSpec = text.parse().expect("a rate");
    LimitRule::new(place, spec.rate, spec.scope.unwrap_or(Scope::Ip), mode)
}

fn route(name: &str, accepts: &[Scheme], limits: &[(&str, Mode)]) -> Route {
    let (before_authn, after_authn) = limits
        .iter()
        .map(|(text, mode)| rule(name, text, *mode))
        .partition(|rule: &LimitRule| !rule.scope.needs_identity());
    Route {
        name: name.into(),
        accepts: accepts.to_vec(),
        optional: false,
        roles: Vec::new(),
        observe: name.starts_with("/observed"),
        before_authn,
        after_authn,
        target: Target::Upstream(0),
        pass_credentials: false,
        max_body: 1000,
        validate: validate::Config::default(),
        websocket: WebSocketRules::default(),
    }
}

/// Windows of an hour: none ends between an explanation and the request it is about.
fn policy() -> Policy {
    let routes = [
        route("POST /live/ingest", &[Scheme::IngestToken], &[("7/hour per ip", Mode::Enforce)]),
        route("GET /open", &[], &[("40/hour per ip", Mode::Enforce), ("900/hour per global", Mode::Enforce)]),
        route(
            "GET /either/{id}",
            &[Scheme::IngestToken, Scheme::ApiKey],
            &[("60/hour per key", Mode::Enforce)],
        ),
        route("/observed/{*rest}", &[Scheme::ApiKey], &[("1/hour per ip", Mode::Observe)]),
        route("WS /socket", &[Scheme::ApiKey], &[]),
    ];
    let shared = |scheme, field, secrets: &[&str]| {
        let secrets = secrets.iter().map(|secret| Secret::new((*secret).to_owned())).collect();
        Authenticator::SharedSecret(SharedSecret::new(scheme, field, secrets))
    };
    let routes = routes.map(|mut route| {
        route.validate.query = Some(validate::Query::default());
        route
    });
    Policy::new(Parts {
        edge: Edge::new(edge::Config { trusted_proxies: vec!["127.0.0.0/8".parse().expect("a net")] }),
        routes: routes.map(|route| (route.name.parse().expect("a pattern"), route)).into(),
        default_route: route("default", &[Scheme::ApiKey], &[("30/hour per ip", Mode::Enforce)]),
        unknown_routes: UnknownRoutes::Pass,
        cors: Some(
            Cors::new(cors::Config {
                origins: vec!["https://app.example.com".to_owned()],
                methods: vec!["GET".to_owned(), "POST".to_owned()],
                headers: vec!["X-API-Key".to_owned()],
                ..cors::Config::default()
            })
            .expect("cors"),
        ),
        authn: Authn::new(vec![
            shared(Scheme::ApiKey, "X-API-Key", &["key-one", "key-two"]),
            shared(Scheme::IngestToken, "X-Ingest-Token", &["token"]),
        ]),
        failures: rule("failures", "5/hour per ip", Mode::Enforce),
        headers: Headers::new(headers::Config::default()),
        replies: Replies::default(),
        replace_errors: ReplaceErrors::Never,
        identity: portcullis_gate::onward::Onward::default(),
        urls: None,
    })
    .expect("a policy")
}

fn snapshot(upstream: u16) -> Snapshot {
    let endpoint = Endpoint::Tcp("127.0.0.1".to_owned(), upstream);
    Snapshot {
        policy: policy(),
        settings: Settings { caps: Caps::default(), upstreams: vec![Upstream::new("app", vec![endpoint])] },
    }
}

/// An application that answers every head with 299.
fn application() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut held = Vec::new();
                let mut piece = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut piece) {
                    held.extend_from_slice(&piece[..count]);
                    while let Some(end) = held.windows(4).position(|window| window == b"\r\n\r\n") {
                        held.drain(..end + 4);
                        assert!(held.is_empty(), "no body of the tests is small enough to be forwarded");
                        if stream.write_all(b"HTTP/1.1 299 App\r\nContent-Length: 2\r\n\r\nok").is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    port
}

fn requests() -> impl Strategy<Value = String> {
    let target = prop_oneof![
        6 => Just("/live/ingest"), 2 => Just("/LIVE/ingest/"), 1 => Just("/live%2fingest"), 4 => Just("/open"),
        4 => Just("/either/7?x=1"), 3 => Just("/observed/a/b"), 1 => Just("/socket"), 3 => Just("/elsewhere"),
        1 => Just("/a/../open"), 1 => Just("//open"), 1 => Just("/%6fpen"), 1 => Just("http://other.example/open"),
        1 => Just("/bad%zz"), 2 => Just("/open?x=%00"),
    ];
    let method = prop_oneof![4 => Just("GET"), 4 => Just("POST"), 1 => Just("OPTIONS"), 1 => Just("DELETE")];
    let credential = prop_oneof![
        3 => Just(""),
        6 => Just("X-API-Key: key-one\r\n"),
        2 => Just("x-api-key: key-two\r\n"),
        2 => Just("X-API-Key: wrong\r\n"),
        1 => Just("X-API-Key:\r\n"),
        1 => Just("X-API-Key: key-one\r\nX-API-Key: key-two\r\n"),
        4 => Just("X-Ingest-Token: token\r\n"),
        1 => Just("X-Ingest-Token: nearly\r\nX-API-Key: key-one\r\n"),
    ];
    let origin = prop_oneof![
        6 => Just(""),
        2 => Just("Origin: https://app.example.com\r\n"),
        2 => Just("Origin: https://evil.example\r\n"),
        1 => Just("Origin: https://app.example.com\r\nAccess-Control-Request-Method: POST\r\n"),
        1 => Just("Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n"),
    ];
    let body =
        prop_oneof![8 => Just(""), 1 => Just("Content-Length: 0\r\n"), 1 => Just("Content-Length: 1001\r\n")];
    let extra = prop_oneof![
        12 => Just(""),
        1 => Just("Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        1 => Just("Expect: 200-maybe\r\n"),
        1 => Just("Host: twice\r\n"),
    ];
    let address =
        prop_oneof![Just(String::new()), (0_u8..40).prop_map(|n| format!("X-Forwarded-For: 10.0.0.{n}\r\n"))];
    (method, target, credential, origin, body, extra, address).prop_map(
        |(method, target, credential, origin, body, extra, address)| {
            format!("{method} {target} HTTP/1.1\r\nHost: api.example\r\n{credential}{origin}{body}{extra}{address}\r\n")
        },
    )
}

/// Sends a request on a connection of its own or the kept one, and reads the status and the body.
fn send(kept: &mut Option<TcpStream>, port: u16, request: &str) -> (u16, String) {
    let mut stream =
        kept.take().unwrap_or_else(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connect"));
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
    let body = if request.contains("Content-Length: 1001") { "x".repeat(1001) } else { String::new() };
    stream.write_all(format!("{request}{body}").as_bytes()).expect("write");
    let mut held = Vec::new();
    let mut piece = [0; 4096];
    let end = loop {
        if let Some(end) = held.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        let count = stream.read(&mut piece).expect("read");
        assert!(count > 0, "no answer to {request:?}");
        held.extend_from_slice(&piece[..count]);
    };
    let head = String::from_utf8(held[..end].to_vec()).expect("text").to_ascii_lowercase();
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().expect("a length"));
    while held.len() < end + length {
        let count = stream.read(&mut piece).expect("read");
        assert!(count > 0, "the answer to {request:?} is cut");
        held.extend_from_slice(&piece[..count]);
    }
    if !head.contains("connection: close") && !head.starts_with("http/1.1 101") {
        *kept = Some(stream);
    }
    let status = head[9..12].parse().expect("a status");
    (status, String::from_utf8_lossy(&held[end..]).into_owned())
}

#[test]
fn ten_thousand_requests_are_served_as_explained() {
    let upstream = application();
    let engine = Engine::start(Start {
        listeners: vec![Listener {
            bind: Bind::Tcp((Ipv4Addr::LOCALHOST, 0).into()),
            tls: false,
            proxy_protocol: false,
        }],
        workers: 2,
        gate: Gate::new(LimitTable::new(1 << 20), [11, 12]),
        snapshot: snapshot(upstream),
        certificates: None,
        recorder: Arc::new(|| Box::new(Silent)),
        seed: [13, 14],
    })
    .expect("an engine");
    let port = engine.addresses()[0].rsplit_once(':').expect("a port").1.parse().expect("a port");
    let told = snapshot(upstream);
    let mut runner = TestRunner::deterministic();
    let requests = requests();
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut kept = None;
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..REQUESTS {
        let request = requests.new_tree(&mut runner).expect("a request").current();
        let explained = explain(&engine.shared().gate, &told, request.as_bytes(), peer, false, engine.now());
        let (status, body) = send(&mut kept, port, &request);
        let (expected, word) = match &explained.outcome {
            // What is let in as a WebSocket and answered otherwise is not shown.
            Outcome::Forward(_) if explained.route == "WS /socket" => {
                (502, "/problems/upstream-malformed\"".to_owned())
            }
            Outcome::Forward(_) => (299, "ok".to_owned()),
            Outcome::Own => (200, "\"status\"".to_owned()),
            Outcome::Preflight => (200, "OK".to_owned()),
            Outcome::Login => (101, String::new()),
            Outcome::Denied(denial) => (denial.status(), format!("/problems/{}\"", denial.code())),
        };
        assert_eq!(status, expected, "{request}\nexplained as {explained:#?}\nserved {body}");
        assert!(body.contains(&word), "{request}\nexplained as {explained:#?}\nserved {body}");
        *seen.entry(explained.outcome.code().unwrap_or("passed").to_owned()).or_default() += 1;
    }
    // Every kind of end must have been met, or the agreement says little.
    for code in [
        "passed",
        "malformed-request",
        "expectation-failed",
        "body-too-large",
        "invalid-request",
        "missing-credential",
        "invalid-credential",
        "too-many-failures",
        "rate-limited",
        "preflight-forbidden",
        "origin-forbidden",
    ] {
        assert!(seen.get(code).copied().unwrap_or(0) > 10, "{code} was hardly met: {seen:?}");
    }
    engine.drain(Duration::from_secs(5));
}
