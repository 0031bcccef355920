//! T-RL: the table of the guide, its answers, and what counts together.

use std::time::{Duration, Instant};

use portcullis_tests::{Connection, Gateway, Request, Response, Upstream};

use super::{KEY, ORDERS, assert_reached, assert_refused, guarded, orders_with};

fn with_key(request: Request) -> Request {
    request.header("X-API-Key", KEY)
}

fn subscribe() -> Request {
    with_key(Request::post("/subscriptions", r#"{"instrument_token":256265,"requested_mode":"FULL"}"#))
}

fn unsubscribe(token: usize) -> Request {
    with_key(Request::new("DELETE", &format!("/subscriptions/{token}")))
}

/// Sends requests one after the other on one connection: the first `limit` of them must reach the application,
/// the next must not. Returns that answer.
#[track_caller]
fn assert_limit(gateway: &Gateway, limit: usize, request: impl Fn(usize) -> Request) -> Response {
    let mut connection = Connection::open(gateway.address());
    for number in 0..limit {
        let answer = request(number).on(&mut connection);
        assert_eq!(answer.status, 200, "number {number}: {}{}", answer.head, answer.text());
        let shown = (answer.number("x-ratelimit-limit"), answer.number("x-ratelimit-remaining"));
        assert_eq!(shown, (limit as u64, (limit - 1 - number) as u64), "{}", answer.head);
    }
    request(limit).on(&mut connection)
}

fn said(limit: u32, unit: &str) -> String {
    format!(r#"{{"error":"Rate limit exceeded: {limit} per 1 {unit}"}}"#)
}

#[test]
fn t_rl_01_t_rl_10_t_rl_11_health_is_limited_and_the_refusal_says_when_to_come_again() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let answer = assert_limit(&gateway, 60, |_| Request::get("/health"));
    assert_refused(&answer, 429, &said(60, "minute"));
    assert!((1..=61).contains(&answer.number("retry-after")), "{}", answer.head);
    assert_eq!(upstream.count(), 60);
}

#[test]
fn t_rl_02_reading_subscriptions_is_limited() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let answer =
        assert_limit(&gateway, 100, |number| Request::get(&format!("/subscriptions?limit={number}")));
    assert_refused(&answer, 429, &said(100, "minute"));
    // Writing has its own.
    assert_reached(&subscribe().send_to(gateway.address()));
}

#[test]
fn t_rl_03_subscribing_is_limited() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let answer = assert_limit(&gateway, 30, |_| subscribe());
    assert_refused(&answer, 429, &said(30, "minute"));
    // Reading has its own.
    assert_reached(&Request::get("/subscriptions").send_to(gateway.address()));
}

/// One row of the guide's table is one counter (ruling R12).
#[test]
fn t_rl_04_subscribing_and_unsubscribing_are_one_row_of_the_table() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let answer =
        assert_limit(&gateway, 30, |number| if number % 2 == 0 { subscribe() } else { unsubscribe(number) });
    assert_refused(&answer, 429, &said(30, "minute"));
    assert_refused(&unsubscribe(31).send_to(gateway.address()), 429, &said(30, "minute"));
}

#[test]
fn t_rl_05_refreshing_the_instruments_is_limited_by_the_hour() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let answer = assert_limit(&gateway, 5, |_| with_key(Request::post("/admin/instrument-refresh", "")));
    assert_refused(&answer, 429, &said(5, "hour"));
    let wait = answer.number("retry-after");
    assert!((3000..=3660).contains(&wait), "an hour, not {wait} s");
}

#[test]
fn t_rl_06_batches_of_orders_are_limited() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let answer = assert_limit(&gateway, 10, |_| orders_with(KEY));
    assert_refused(&answer, 429, &said(10, "minute"));
    assert_eq!(upstream.count(), 10);
    let line = gateway.wait_for_log(&["rate_limit_exceeded", ORDERS]);
    assert!(line.contains("429") && line.contains("127.0.0.1"), "{line}");
}

#[test]
fn t_rl_07_new_webhooks_are_limited() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let webhook =
        r#"{"url":"https://93.184.216.34/orders","account_id":"primary","events":["order_placed"]}"#;
    let answer = assert_limit(&gateway, 20, |_| with_key(Request::post("/advanced/webhooks", webhook)));
    assert_refused(&answer, 429, &said(20, "minute"));
    // Looking at them is not.
    assert_reached(&with_key(Request::get("/advanced/webhooks")).send_to(gateway.address()));
}

#[test]
fn t_rl_08_resetting_the_circuit_breaker_is_limited() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let reset = "/advanced/backpressure/reset-circuit-breaker";
    let answer = assert_limit(&gateway, 5, |_| with_key(Request::post(reset, "")));
    assert_refused(&answer, 429, &said(5, "minute"));
}

#[test]
fn t_rl_09_endpoints_that_the_table_does_not_name_have_the_default() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let answer = assert_limit(&gateway, 100, |_| with_key(Request::get("/trading-accounts")));
    assert_refused(&answer, 429, &said(100, "minute"));
    // Open ones have it too, and what it counts is the address.
    for path in ["/metrics", "/advanced/ws/stats", "/advanced/webhooks"] {
        let answer = with_key(Request::get(path)).send_from("127.0.0.2", gateway.address());
        assert_reached(&answer);
        assert_eq!(answer.number("x-ratelimit-limit"), 100, "{path}");
    }
}

#[test]
fn t_rl_12_the_address_is_counted_and_nothing_that_the_client_says_of_it() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let mut statuses = Vec::new();
    for number in 0..11 {
        let claimed = format!("203.0.113.{number}");
        let request = orders_with(KEY)
            .header("X-Forwarded-For", &claimed)
            .header("X-Real-IP", &claimed)
            .header("Forwarded", &format!("for={claimed}"));
        statuses.push(request.send_to(gateway.address()).status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 10, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429));
    assert_reached(&orders_with(KEY).send_from("127.0.0.2", gateway.address()));
}

/// The real service counts by the minute of the clock and lets twice the limit through around its turn; here
/// two requests that are N apart were decided at least the window apart (ruling R4). Reading it off the outside
/// only widens the distances, so a slow machine cannot make it fail.
#[test]
fn t_rl_13_no_window_of_that_length_holds_more_than_the_limit() {
    const LIMIT: usize = 3;
    const WINDOW: Duration = Duration::from_secs(1);
    let upstream = Upstream::ok();
    let text =
        "[[routes]]\nmatch = \"GET /health\"\nauth = \"none\"\nlimits = [{ rate = \"3/1s per ip\" }]\n";
    let gateway = guarded(&upstream).config(text).start();
    let mut admitted: Vec<(Instant, Instant)> = Vec::new();
    let start = Instant::now();
    while admitted.len() < 4 * LIMIT && start.elapsed() < WINDOW * 10 {
        let sent = Instant::now();
        if Request::get("/health").send_to(gateway.address()).status == 200 {
            admitted.push((sent, Instant::now()));
        }
    }
    assert!(admitted.len() >= 4 * LIMIT, "only {} were admitted in ten windows", admitted.len());
    for (first, last) in admitted.iter().zip(admitted.iter().skip(LIMIT)) {
        let apart = last.1.duration_since(first.0);
        assert!(apart + Duration::from_millis(1) >= WINDOW, "{} admitted within {apart:?}", LIMIT + 1);
    }
}

#[test]
fn t_rl_15_every_answer_has_a_request_id_and_the_clients_own_is_taken_over() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let requests = || {
        (0..6).map(|_| with_key(Request::post("/admin/instrument-refresh", ""))).chain([
            Request::get("/health"),
            super::orders(),
            orders_with("wrong"),
        ])
    };
    let mut seen = Vec::new();
    let mut statuses = Vec::new();
    for request in requests() {
        let answer = request.send_to(gateway.address());
        statuses.push(answer.status);
        seen.push(
            answer.field("x-request-id").unwrap_or_else(|| panic!("none in {}", answer.head)).to_owned(),
        );
    }
    assert!(statuses.contains(&429) && statuses.contains(&401), "{statuses:?}");
    for id in &seen {
        assert!(is_uuid(id), "{id}");
        assert_eq!(seen.iter().filter(|other| *other == id).count(), 1, "{seen:?}");
    }
    for (number, request) in requests().enumerate() {
        let own = format!("6f9619ff-8b86-4d01-b42d-00c04fc964{number:02}");
        let answer = request.header("X-Request-ID", &own).send_to(gateway.address());
        assert_eq!(answer.field("x-request-id"), Some(&*own), "{}", answer.head);
    }
    // What is no identifier is not repeated to whoever reads answers and logs.
    let answer = Request::get("/health").header("X-Request-ID", "a b\"><script>").send_to(gateway.address());
    assert!(is_uuid(answer.field("x-request-id").unwrap()), "{}", answer.head);
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
