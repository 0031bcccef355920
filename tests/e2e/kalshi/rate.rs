//! K-RL: the limit of every address, its answer, and what is not counted.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use portcullis_tests::{Connection, Gateway, Launch, Request, Upstream};

use super::{KEY, LIMITED, assert_reached, assert_refused, guarded, status_with};

fn limited(upstream: &Upstream, limit: u32) -> Gateway {
    guarded(upstream).env("RATE_LIMIT_PER_MINUTE", &limit.to_string()).start()
}

#[test]
fn k_rl_02_loopback_is_limited_under_every_name_it_has() {
    let upstream = Upstream::ok();
    let gateway = limited(&upstream, 3);
    let mut admitted = 0;
    for name in ["localhost", "127.0.0.1", "[::1]", "localhost:8000"] {
        let request = status_with(KEY).header("Host", name).header("X-Forwarded-For", "127.0.0.1");
        admitted += usize::from(request.send_to(gateway.address()).status == 200);
    }
    assert_eq!(admitted, 3);

    // Where the machine speaks IPv6.
    if TcpListener::bind("[::1]:0").is_ok() {
        let gateway = Launch::command("run --listen [::1]:0 --profile kalshiwhale --upstream")
            .arg(&upstream.url())
            .env("API_KEY", KEY)
            .env("RATE_LIMIT_PER_MINUTE", "2")
            .start();
        let statuses: Vec<u16> = (0..3).map(|_| status_with(KEY).send_to(gateway.address()).status).collect();
        assert_eq!(statuses, [200, 200, 429]);
    }
}

#[test]
fn k_rl_03_a_refusal_has_the_body_of_the_application_and_says_when_to_come_again() {
    let upstream = Upstream::ok();
    let gateway = limited(&upstream, 2);
    for remaining in [1, 0] {
        let answer = status_with(KEY).send_to(gateway.address());
        assert_reached(&answer);
        assert_eq!(
            (answer.number("x-ratelimit-limit"), answer.number("x-ratelimit-remaining")),
            (2, remaining)
        );
    }
    let answer = status_with(KEY).send_to(gateway.address());
    assert_refused(&answer, 429, LIMITED);
    assert!((1..=67).contains(&answer.number("retry-after")), "{}", answer.head);
    assert_eq!((answer.number("x-ratelimit-limit"), answer.number("x-ratelimit-remaining")), (2, 0));
    assert_eq!(upstream.count(), 2);
    // Each address has its own.
    assert_reached(&status_with(KEY).send_from("127.0.0.2", gateway.address()));
}

/// Two requests that are N apart were decided at least the window apart, wherever the clock stood: with a window
/// that begins at whole moments, up to twice N would pass around its turn. Reading it off the outside only
/// widens the distances, so a slow machine cannot make it fail; the gateway's clock counts whole milliseconds.
#[test]
fn k_rl_04_the_window_slides_and_all_connections_share_it() {
    const LIMIT: usize = 5;
    const WINDOW: Duration = Duration::from_secs(2);
    let upstream = Upstream::ok();
    let text = "[[limits]]\nname = \"requests\"\nrate = \"5/2s per ip\"\n";
    let gateway = guarded(&upstream).config(text).start();
    // New connections land on every core.
    let ask = |admitted: &mut Vec<(Instant, Instant)>| {
        let sent = Instant::now();
        if status_with(KEY).send_to(gateway.address()).status == 200 {
            admitted.push((sent, Instant::now()));
        }
    };
    let mut admitted = Vec::new();
    // One opens the window; the others come late in it, just before a fixed one would turn.
    ask(&mut admitted);
    std::thread::sleep(WINDOW * 3 / 4);
    let start = Instant::now();
    while admitted.len() < 3 * LIMIT && start.elapsed() < WINDOW * 10 {
        ask(&mut admitted);
    }
    assert!(admitted.len() >= 3 * LIMIT, "only {} were admitted in ten windows", admitted.len());
    for (first, last) in admitted.iter().zip(admitted.iter().skip(LIMIT)) {
        let apart = last.1.duration_since(first.0);
        assert!(apart + Duration::from_millis(1) >= WINDOW, "{} admitted within {apart:?}", LIMIT + 1);
    }
}

#[test]
fn k_rl_05_wrong_keys_are_401_and_not_counted() {
    let upstream = Upstream::ok();
    let gateway = limited(&upstream, 3);
    let mut connection = Connection::open(gateway.address());
    for _ in 0..10 {
        assert_eq!(status_with("wrong").on(&mut connection).status, 401);
    }
    for remaining in [2, 1, 0] {
        assert_eq!(status_with(KEY).on(&mut connection).number("x-ratelimit-remaining"), remaining);
    }
    assert_eq!(status_with(KEY).on(&mut connection).status, 429);
    assert_eq!(status_with("wrong").on(&mut connection).status, 401);
    // Preflights are for nobody's account either.
    let preflight = Request::preflight("/api/status", "https://elsewhere.example", "GET", "");
    assert_ne!(preflight.on(&mut connection).status, 429);
}

#[test]
fn k_rl_06_a_refusal_is_logged_in_the_words_of_the_application() {
    let upstream = Upstream::ok();
    let gateway = limited(&upstream, 1);
    let statuses: Vec<u16> =
        (0..2).map(|_| status_with(KEY).send_from("127.0.0.7", gateway.address()).status).collect();
    assert_eq!(statuses, [200, 429]);
    let line = gateway.wait_for_log(&["Rate limit exceeded for IP: 127.0.0.7"]);
    for word in ["WARN", "rate_limit_exceeded", "429", "/api/status"] {
        assert!(line.contains(word), "{word}: {line}");
    }
}
