//! K-IN: what a query, a body and a WebSocket message may be.

use std::io::Read;

use portcullis_tests::{
    Application, Connection, Ending, Gateway, Request, Response, Socket, System, Upstream, shell,
};

use super::{KEY, UNAUTHORIZED, assert_reached, assert_refused, guarded, launch};

fn refresh(body: &str) -> Request {
    Request::post("/api/refresh", body).header("X-API-Key", KEY)
}

/// Fails unless the request was refused for what stands in it; the answer names the places and shows no value.
#[track_caller]
fn assert_invalid(answer: &Response, place: &str) {
    assert_eq!(answer.status, 422, "{}{}", answer.head, answer.text());
    answer.json();
    assert!(answer.text().contains(place), "{place}: {}", answer.text());
    assert!(!answer.text().contains("quince"), "{}", answer.text());
}

#[test]
fn k_in_01_ordinary_queries_reach_the_application_as_they_are() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let targets = [
        "/api/markets?limit=5",
        "/api/markets?q=%E2%82%AC+and+%C3%A4&flag&empty=&list=1&list=2",
        "/api/whale-alerts?since=2026-11-21T10:00:00Z",
    ];
    for target in targets {
        assert_reached(&Request::get(target).header("X-API-Key", KEY).send_to(gateway.address()));
    }
    let lines: Vec<String> = upstream.received().iter().map(|request| request.line().to_owned()).collect();
    assert_eq!(lines, targets.map(|target| format!("GET {target} HTTP/1.1")));
}

#[test]
fn k_in_01_queries_that_are_no_text_are_refused() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let long = format!("limit=quince{}", "x".repeat(5000));
    let many = vec!["limit=quince"; 200].join("&");
    for query in [
        "limit=quince%00",
        "limit=quince%0d%0aSet-Cookie:%20a=b",
        "limit=quince%1b",
        "limit=quince%ff",
        "limit=quince%C0%AE",
        "limit=quince%zz",
        "limit=quince%",
        &long,
        &many,
    ] {
        let answer = Request::get(&format!("/api/markets?{query}"))
            .header("X-API-Key", KEY)
            .send_to(gateway.address());
        assert_invalid(&answer, if query == many { "query" } else { "limit" });
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn k_in_02_the_field_of_the_guide_passes_and_every_other_is_refused() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    for body in [r#"{"force_update":true}"#, r#"{ "force_update" : false }"#, "{}"] {
        assert_reached(&refresh(body).send_to(gateway.address()));
        assert_eq!(upstream.received().last().unwrap().body, body.as_bytes());
    }
    // It may be left out.
    assert_reached(
        &Request::new("POST", "/api/refresh").header("X-API-Key", KEY).body("").send_to(gateway.address()),
    );
    let reached = upstream.count();
    for (body, place) in [
        (r#"{"force_update":true,"role":"quince"}"#, "/role"),
        (r#"{"force_updat":true}"#, "/force_updat"),
        (r#"{"Force_Update":true}"#, "/Force_Update"),
        (r#"{"force_update":"quince"}"#, "/force_update"),
        (r#"{"force_update":1}"#, "/force_update"),
        (r#"{"force_update":{"quince":true}}"#, "/force_update"),
        (r#"{"force_update":true,"force_update":false}"#, "/force_update"),
        (r#"["quince"]"#, "body"),
        ("quince", "body"),
        (r#"{"force_update":true"#, "body"),
        (r#"{"force_update":true} quince"#, "body"),
    ] {
        assert_invalid(&refresh(body).send_to(gateway.address()), place);
    }
    assert_eq!(upstream.count(), reached, "nothing of them reached the application");
}

#[test]
fn k_in_01_a_body_is_judged_however_it_travels_and_whatever_it_says_of_itself() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let head = format!(
        "POST /api/refresh HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n"
    );
    let chunked = |connection: &mut Connection, body: &str| {
        connection.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
        for byte in body.bytes() {
            connection.send(format!("1\r\n{}\r\n", char::from(byte)));
        }
        connection.send("0\r\n\r\n").response()
    };
    let mut connection = Connection::open(gateway.address());
    assert_reached(&chunked(&mut connection, r#"{"force_update":true}"#));
    assert_eq!(upstream.only().body, br#"{"force_update":true}"#);
    assert_invalid(&chunked(&mut connection, r#"{"role":true}"#), "/role");

    let typed = |field: &str, body: &str| {
        let request = Request::new("POST", "/api/refresh").header("X-API-Key", KEY).body(body);
        let (name, value) = field.split_once(": ").unwrap();
        request.header(name, value).send_to(gateway.address())
    };
    for field in ["Content-Type: text/plain", "Content-Type: application/x-www-form-urlencoded"] {
        assert_eq!(typed(field, r#"{"role":true}"#).status, 415, "{field}");
    }
    let coded = refresh(r#"{"force_update":true}"#).header("Content-Encoding", "gzip");
    assert_eq!(coded.send_to(gateway.address()).status, 415);
    let large = format!(r#"{{"force_update":true{}}}"#, " ".repeat(70_000));
    assert_eq!(refresh(&large).send_to(gateway.address()).status, 413);
    let announced = format!("{head}Content-Length: 70000\r\n\r\n");
    assert_eq!(Connection::open(gateway.address()).send(announced).response().status, 413);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn k_in_01_the_key_is_asked_for_before_the_body_is_looked_at() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    assert_refused(&Request::post("/api/refresh", "{not json").send_to(gateway.address()), 401, UNAUTHORIZED);
    // Not even the body's arrival is waited for.
    let head = "POST /api/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";
    assert_refused(&Connection::open(gateway.address()).send(head).response(), 401, UNAUTHORIZED);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn k_in_02_the_body_of_a_request_over_http2_is_judged_too() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let answer = |body: &str| {
        let line = format!(
            "curl --noproxy '*' -sS --max-time 30 --http2-prior-knowledge -w ' %{{http_version}} %{{http_code}}' \
             -H 'X-API-Key: {KEY}' -H 'Content-Type: application/json' -d '{body}' http://{}/api/refresh",
            gateway.address()
        );
        shell(&line, gateway.folder())
    };
    let refused = answer(r#"{"force_update":true,"role":"quince"}"#);
    assert!(
        refused.ends_with(" 2 422") && refused.contains("/role") && !refused.contains("quince"),
        "{refused}"
    );
    let large = answer(&format!(r#"{{"force_update":true{}}}"#, " ".repeat(70_000)));
    assert!(large.ends_with(" 2 413"), "{large}");
    assert_eq!(upstream.count(), 0);
    let passed = answer(r#"{ "force_update": true }"#);
    assert_eq!(passed, r#"{"accepted":true} 2 200"#);
    assert_eq!(upstream.only().body, br#"{ "force_update": true }"#);
}

/// The application answers each message with one heartbeat: it tells what reached it.
fn open(gateway: &Gateway) -> Socket {
    let mut socket = Socket::open(gateway.address(), "/ws", &[("X-API-Key", KEY)]).unwrap();
    assert_eq!(socket.receive_json()["type"], "initial_data");
    socket
}

#[test]
fn k_in_03_a_message_of_1024_bytes_passes_and_one_more_is_closed_with_1009() {
    let application = Application::start(System::Kalshi);
    let gateway = launch(application.url()).env("API_KEY", KEY).start();
    let mut socket = open(&gateway);
    for length in [0, 1, 125, 126, 1024] {
        socket.send(&"x".repeat(length));
        assert_eq!(socket.receive_json()["type"], "heartbeat", "{length}");
    }
    socket.send_in_fragments(&"x".repeat(1024));
    assert_eq!(socket.receive_json()["type"], "heartbeat");

    for length in [1025, 65_536, 200_000] {
        let mut socket = open(&gateway);
        socket.send("small");
        assert_eq!(socket.receive_json()["type"], "heartbeat");
        socket.send(&"x".repeat(length));
        assert!(matches!(socket.ending(), Ending::Closed(1009, _)), "{length}");
    }
    let mut socket = open(&gateway);
    socket.send_in_fragments(&"x".repeat(1025));
    assert!(matches!(socket.ending(), Ending::Closed(1009, _)));
    // What was closed is over on the other side, too.
    portcullis_tests::until("the application to see the ends", || {
        let status = super::status_with(KEY).send_to(gateway.address()).json();
        (status["connections"] == 1).then_some(())
    });
}

#[test]
fn k_in_03_frames_that_no_client_may_send_are_closed_with_1002() {
    let application = Application::start(System::Kalshi);
    let gateway = launch(application.url()).env("API_KEY", KEY).start();
    let breaches: [&[u8]; 5] = [
        // Unmasked, unknown opcode, reserved bit, nothing to continue, a long ping.
        b"\x81\x05hello",
        b"\x83\x85maskhello",
        b"\xa1\x85maskhello",
        b"\x80\x85maskhello",
        b"\x89\xfe\x00\x7emask",
    ];
    for breach in breaches {
        let mut connection = Connection::open(gateway.address());
        let shaken = Request::get("/ws")
            .header("X-API-Key", KEY)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .on(&mut connection);
        assert_eq!(shaken.status, 101, "{}", shaken.head);
        connection.send(breach);
        let mut said = Vec::new();
        connection.stream().read_to_end(&mut said).unwrap();
        // After the application's own first message: a close frame, and nothing more.
        let close =
            said.windows(4).rposition(|frame| frame[0] == 0x88 && frame[2..] == 1002_u16.to_be_bytes());
        let at = close.unwrap_or_else(|| panic!("{breach:?}: no close frame in {said:?}"));
        assert_eq!(usize::from(said[at + 1]), said.len() - at - 2, "{breach:?}");
    }
}
