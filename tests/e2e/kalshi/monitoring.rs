//! K-MON: one event for each thing the guide wants to see.

use portcullis_tests::{Application, Connection, Gateway, Request, Socket, System, until};

use super::{FOREIGN, KEY, events, launch, status_with};

#[test]
fn k_mon_01_each_violation_is_one_event() {
    let application = Application::start(System::Kalshi);
    let gateway = launch(application.url())
        .env("API_KEY", KEY)
        .env("RATE_LIMIT_PER_MINUTE", "3")
        .env("MAX_CONNECTIONS", "1")
        .start();
    let from = |source: &str| Connection::open_from(source.parse().unwrap(), gateway.address());

    assert_eq!(status_with("wrong").on(&mut from("127.0.0.11")).status, 401);
    assert_eq!(status_with(KEY).header("Origin", FOREIGN).on(&mut from("127.0.0.12")).status, 403);
    let statuses: Vec<u16> = (0..4).map(|_| status_with(KEY).on(&mut from("127.0.0.13")).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    let smuggled = "POST /api/refresh HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(from("127.0.0.14").send(smuggled).response().status, 400);
    let socket = Socket::open(gateway.address(), "/ws", &[("X-API-Key", KEY)]).unwrap();
    assert_eq!(Socket::open(gateway.address(), "/ws", &[("X-API-Key", KEY)]).err(), Some(503));

    let expected = [
        ("auth_attempt", "invalid-credential", "127.0.0.11"),
        ("cors_violation", "origin-forbidden", "127.0.0.12"),
        ("rate_limit_exceeded", "rate-limited", "127.0.0.13"),
        ("suspicious_activity", "malformed-request", "127.0.0.14"),
        ("rate_limit_exceeded", "too-many-connections", "127.0.0.1"),
    ];
    for (event, reason, address) in expected {
        let line = gateway.wait_for_log(&[event, reason]);
        assert!(line.contains(address), "{line}");
    }
    // Each has left its access line by now, or will not add an event any more.
    socket.close();
    assert_eq!(status_with(KEY).on(&mut from("127.0.0.15")).status, 200);
    gateway.wait_for_log(&["127.0.0.15", "200"]);
    for (event, reason, _) in expected {
        let lines = events(&gateway, event).into_iter().filter(|line| line.contains(reason)).count();
        assert_eq!(lines, 1, "{event} {reason}: {}", gateway.log());
    }
}

/// What a Prometheus of this machine reads.
fn scraped(gateway: &Gateway) -> String {
    let answer = Request::get("/portcullis/metrics").send_to(gateway.address());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    answer.text().to_owned()
}

/// The value of the one line that begins so.
fn value(text: &str, line: &str) -> u64 {
    let found = text.lines().find_map(|it| it.strip_prefix(line)?.strip_prefix(' '));
    found.map_or(0, |value| value.parse().unwrap_or_else(|_| panic!("{line} {value}")))
}

#[test]
fn k_mon_02_volume_errors_durations_and_violations_are_counted() {
    let application = Application::start(System::Kalshi);
    let gateway = launch(application.url())
        .env("API_KEY", KEY)
        .env("RATE_LIMIT_PER_MINUTE", "5")
        .env("PORTCULLIS_ENDPOINTS__METRICS", "/metrics")
        .start();
    let from = |source: &str| Connection::open_from(source.parse().unwrap(), gateway.address());
    for _ in 0..4 {
        assert_eq!(status_with(KEY).on(&mut from("127.0.0.21")).status, 200);
    }
    assert_eq!(status_with("wrong").on(&mut from("127.0.0.22")).status, 401);
    let limited = (0..9).filter(|_| status_with(KEY).on(&mut from("127.0.0.23")).status == 429).count();
    assert_eq!(limited, 4);
    let text = until("all of them", || {
        let text = scraped(&gateway);
        (value(&text, "portcullis_refusals_total{reason=\"rate-limited\"}") >= 4).then_some(text)
    });
    // Request volume and errors, by endpoint.
    let lines = text.lines().filter(|line| line.starts_with("portcullis_requests_total{"));
    let of = |status: &str| -> u64 {
        let lines = lines.clone().filter(|line| line.contains(&format!("status=\"{status}\"")));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    assert!(of("2xx") >= 9 && of("4xx") >= 5, "{text}");
    assert!(lines.clone().all(|line| line.contains("route=\"")), "{text}");
    // Response time.
    let count: u64 = text
        .lines()
        .filter(|line| line.starts_with("portcullis_request_duration_seconds_count{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert!(count >= 14, "{text}");
    assert!(
        text.contains("portcullis_request_duration_seconds_bucket{") && text.contains("le=\"+Inf\""),
        "{text}"
    );
    // Violations.
    assert_eq!(value(&text, "portcullis_refusals_total{reason=\"invalid-credential\"}"), 1, "{text}");
    assert_eq!(value(&text, "portcullis_security_events_total{event=\"rate_limit_exceeded\"}"), 4, "{text}");
    // Nobody else reads it, and what a client says of itself does not help.
    let elsewhere = Request::get("/portcullis/metrics").header("X-Forwarded-For", "203.0.113.9");
    assert_eq!(elsewhere.send_to(gateway.address()).status, 200, "a proxy that is not trusted names nobody");
    let behind = launch(application.url())
        .env("API_KEY", KEY)
        .env("PORTCULLIS_ENDPOINTS__METRICS", "/metrics")
        .env("PORTCULLIS_ENDPOINTS__METRICS_READERS", "10.1.0.0/16")
        .env("PORTCULLIS_SERVER__TRUSTED_PROXIES", "127.0.0.0/8")
        .start();
    let as_of = |client: &str| {
        Request::get("/portcullis/metrics").header("X-Forwarded-For", client).send_to(behind.address()).status
    };
    assert_eq!((as_of("203.0.113.9"), as_of("10.1.2.3"), as_of("::ffff:203.0.113.9")), (404, 200, 404));
    // Where nobody asked for it there is none.
    let without = launch(application.url()).env("API_KEY", KEY).start();
    assert_eq!(Request::get("/portcullis/metrics").send_to(without.address()).status, 401);
}

#[test]
fn k_mon_03_suspicious_activity_and_the_use_of_each_route_can_be_alerted_on() {
    let application = Application::start(System::Kalshi);
    let gateway = launch(application.url())
        .env("API_KEY", KEY)
        .env("PORTCULLIS_ENDPOINTS__METRICS", "/metrics")
        .start();
    let suspicious = "portcullis_security_events_total{event=\"suspicious_activity\"}";
    assert_eq!(value(&scraped(&gateway), suspicious), 0);
    for _ in 0..3 {
        let smuggled = "POST /api/refresh HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(Connection::open(gateway.address()).send(smuggled).response().status, 400);
    }
    until("them to be counted", || (value(&scraped(&gateway), suspicious) >= 3).then_some(()));
    let text = scraped(&gateway);
    assert_eq!(value(&text, suspicious), 3, "{text}");
    // Each scrape is a request, too: its own route shows how often it was asked for.
    let scrapes = "portcullis_requests_total{route=\"/portcullis/metrics\",status=\"2xx\"}";
    until("the scrapes", || (value(&scraped(&gateway), scrapes) >= 2).then_some(()));
    assert!(value(&text, "portcullis_connections") >= 1, "{text}");
    assert!(!text.contains(KEY) && !text.contains("127.0.0.1"), "{text}");
}
