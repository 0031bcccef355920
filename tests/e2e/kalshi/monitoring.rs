//! K-MON: one event for each thing the guide wants to see.

use portcullis_tests::{Application, Connection, Socket, System};

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
