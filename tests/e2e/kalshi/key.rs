//! K-KEY: the key that every route asks for.

use portcullis_tests::{Application, Connection, Request, Scratch, Socket, System, Upstream, shell};

use super::{
    FOREIGN, FRONTEND, KEY, UNAUTHORIZED, assert_reached, assert_refused, guarded, launch, started, status,
    status_with,
};

#[test]
fn k_key_03_a_wrong_key_is_401_and_stands_in_no_log() {
    let upstream = Upstream::ok();
    let gateway = started(&upstream);
    let answer = status_with("guess-medlar-with-a-shape-of-its-own").send_to(gateway.address());
    assert_refused(&answer, 401, UNAUTHORIZED);
    assert!(answer.field("www-authenticate").is_some(), "{}", answer.head);
    let line = gateway.wait_for_log(&["Invalid API key attempt from 127.0.0.1"]);
    assert!(line.contains("WARN") && line.contains("auth_attempt") && line.contains("401"), "{line}");
    let empty = Connection::open(gateway.address())
        .send("GET /api/status HTTP/1.1\r\nHost: x\r\nX-API-Key:\r\n\r\n")
        .response();
    assert_refused(&empty, 401, UNAUTHORIZED);
    assert_eq!(upstream.count(), 0);
    assert!(!gateway.log().contains("medlar"), "{}", gateway.log());
}

#[test]
fn k_key_04_every_route_asks_for_the_key() {
    let application = Application::start(System::Kalshi);
    let gateway = launch(application.url()).env("API_KEY", KEY).start();
    let routes = [
        Request::get("/"),
        Request::get("/docs"),
        Request::get("/openapi.json"),
        Request::get("/static/style.css"),
        Request::get("/api/markets?limit=3"),
        Request::get("/api/status"),
        Request::get("/api/top-markets"),
        Request::get("/api/markets/top5"),
        Request::get("/api/whale-alerts"),
        Request::get("/api/whale-analytics"),
        Request::post("/api/refresh", r#"{"force_update":true}"#),
        Request::new("HEAD", "/api/status"),
    ];
    for route in &routes {
        let refused = route.send_to(gateway.address());
        assert_eq!(refused.status, 401, "{route:?}");
        let answer = route.clone().header("x-api-key", KEY).send_to(gateway.address());
        assert_eq!(answer.status, 200, "{route:?}: {}", answer.head);
    }
    // What there is not, and other spellings of what there is, ask for it too.
    for target in
        ["/nothing", "//api/status", "/api/./status", "/%61pi/status", "/api/status/", "/API/STATUS"]
    {
        let answer = Request::get(target).send_to(gateway.address());
        assert!(matches!(answer.status, 400 | 401), "{target}: {}", answer.head);
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        assert_eq!(Request::new(method, "/api/status").send_to(gateway.address()).status, 401, "{method}");
    }
}

#[test]
fn k_key_05_the_handshake_of_a_websocket_asks_for_the_key() {
    let application = Application::start(System::Kalshi);
    let gateway = launch(application.url()).env("API_KEY", KEY).env("ALLOWED_ORIGINS", FRONTEND).start();
    let open = |fields: &[(&'static str, &str)]| Socket::open(gateway.address(), "/ws", fields);
    assert_eq!(open(&[]).err(), Some(401));
    assert_eq!(open(&[("X-API-Key", "wrong")]).err(), Some(401));
    // A page of another origin is refused even with the key: its visitor's browser would send it.
    assert_eq!(open(&[("X-API-Key", KEY), ("Origin", FOREIGN)]).err(), Some(403));
    for fields in [&[("X-API-Key", KEY)][..], &[("X-API-Key", KEY), ("Origin", FRONTEND)]] {
        let mut socket = open(fields).unwrap();
        assert_eq!(socket.receive_json()["type"], "initial_data");
        socket.close();
    }
    gateway.wait_for_log(&["Invalid API key attempt from", "/ws"]);
}

#[test]
fn k_key_06_a_preflight_is_answered_without_a_key() {
    let upstream = Upstream::ok();
    let gateway = started(&upstream);
    let answer = Request::preflight("/api/status", FRONTEND, "GET", "x-api-key").send_to(gateway.address());
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(answer.field("access-control-allow-origin"), Some(FRONTEND));
    assert_eq!(upstream.count(), 0);
    // The page's request after it has the key.
    assert_reached(&status_with(KEY).header("Origin", FRONTEND).send_to(gateway.address()));
}

/// That the comparison takes the same time is a property of `Secret`, tested where it lives; seen from outside,
/// nothing may tell how much of a guess was right.
#[test]
fn k_key_07_nothing_tells_how_near_a_guess_was() {
    let upstream = Upstream::ok();
    let gateway = started(&upstream);
    let nearly = [
        format!("{KEY}x"),
        format!("x{KEY}"),
        KEY[1..].to_owned(),
        KEY[..KEY.len() - 1].to_owned(),
        format!("{}x", &KEY[..KEY.len() - 1]),
        KEY.to_lowercase(),
        format!("Bearer {KEY}"),
        "entirely-different".to_owned(),
    ];
    let alike = |head: &str| -> String {
        // What differs between any two answers: the identifier, the clock, the counters.
        let own = ["x-request-id", "date", "x-ratelimit", "ratelimit", "retry-after"];
        let lines =
            head.lines().filter(|line| !own.iter().any(|name| line.to_ascii_lowercase().starts_with(name)));
        lines.collect::<Vec<_>>().join("\n")
    };
    let missing = status().send_to(gateway.address());
    assert_refused(&missing, 401, UNAUTHORIZED);
    for guess in &nearly {
        let answer = status_with(guess).send_to(gateway.address());
        assert_refused(&answer, 401, UNAUTHORIZED);
        assert_eq!(alike(&answer.head), alike(&missing.head), "{guess}");
    }
    let twice = status_with(KEY).header("X-API-Key", "wrong").send_to(gateway.address());
    assert!(matches!(twice.status, 400 | 401), "two keys are not chosen from: {}", twice.head);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn k_key_08_what_the_generator_of_the_guide_prints_is_accepted() {
    let upstream = Upstream::ok();
    let line = r#"python3 -c "import secrets; print(secrets.token_urlsafe(32))""#;
    let key = shell(line, &Scratch::new()).trim().to_owned();
    assert_eq!(key.len(), 43);
    let gateway = guarded(&upstream).env("ENVIRONMENT", "production").env("API_KEY", &key).start();
    assert_reached(&status_with(&key).send_to(gateway.address()));
    assert_eq!(status_with(KEY).send_to(gateway.address()).status, 401);
}
