//! P-RL: the limit of the ingest endpoint, its headers, and what must not get around it.

use std::time::{Duration, Instant};

use portcullis_tests::{Connection, Gateway, Launch, Request, Upstream, unix_seconds};

use super::{TOKEN, assert_reached, assert_refused, ingest, ingest_with, launch};

fn limited(upstream: &Upstream, limit: u32) -> Gateway {
    launch(upstream).env("INGEST_RATE_LIMIT", &limit.to_string()).start()
}

fn refusal(limit: u32) -> String {
    format!(r#"{{"detail":"Rate limit exceeded. Maximum {limit} requests per minute allowed."}}"#)
}

#[test]
fn p_rl_01_p_rl_02_p_rl_03_the_61st_in_a_minute_is_429_with_body_and_headers() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).start();
    let mut connection = Connection::open(gateway.address());
    for number in 1..=60 {
        assert_eq!(ingest().on(&mut connection).status, 200, "request {number}");
    }
    let answer = ingest().on(&mut connection);
    assert_refused(&answer, 429, &refusal(60));
    assert_eq!((answer.number("x-ratelimit-limit"), answer.number("x-ratelimit-remaining")), (60, 0));
    let now = unix_seconds();
    assert!((now..=now + 67).contains(&answer.number("x-ratelimit-reset")), "{}", answer.head);
    assert!((1..=67).contains(&answer.number("retry-after")), "{}", answer.head);
    assert_eq!(upstream.count(), 60);
}

#[test]
fn p_rl_04_p_rl_05_accepted_answers_carry_the_headers_and_the_true_reset() {
    let upstream = Upstream::ok();
    let gateway = limited(&upstream, 30);
    let mut resets = Vec::new();
    for number in 1..=30 {
        let before = unix_seconds();
        let answer = ingest().send_to(gateway.address());
        assert_reached(&answer);
        assert_eq!(answer.number("x-ratelimit-limit"), 30);
        assert_eq!(answer.number("x-ratelimit-remaining"), 30 - number);
        let reset = answer.number("x-ratelimit-reset");
        // The window and its last part, rounded up to whole seconds.
        assert!((before..=unix_seconds() + 67).contains(&reset), "{}", answer.head);
        resets.push(reset);
        assert!(
            answer.field("ratelimit").is_some() && answer.field("ratelimit-policy").is_some(),
            "{}",
            answer.head
        );
        assert_eq!(answer.field("retry-after"), None, "only a refusal says when to come again");
    }
    assert!(resets.is_sorted(), "the moment moves forward only: {resets:?}");
}

/// The wait here is the promise itself: the gateway names the seconds, the client waits them and is admitted.
#[test]
fn p_rl_06_a_client_that_waits_retry_after_is_accepted() {
    let upstream = Upstream::ok();
    let text = format!(
        "upstream = \"{}\"\n[[routes]]\nmatch = \"POST /live/ingest\"\nauth = \"none\"\nlimits = [\"3/3s per ip\"]\n",
        upstream.url()
    );
    let gateway = Launch::run().config(&text).start();
    for _ in 0..2 {
        let refused =
            (0..50).map(|_| ingest().send_to(gateway.address())).find(|answer| answer.status == 429);
        let seconds = refused.expect("a refusal").number("retry-after");
        assert!((1..=4).contains(&seconds), "{seconds}");
        std::thread::sleep(Duration::from_secs(seconds));
        assert_reached(&ingest().send_to(gateway.address()));
    }
}

/// Two requests that are N apart were decided at least the window apart, wherever the clock stood: with a window
/// that begins at whole moments, up to twice N would pass around its turn. Reading it off the outside only
/// widens the distances, so a slow machine cannot make it fail.
#[test]
fn p_rl_07_the_window_slides() {
    const LIMIT: usize = 5;
    const WINDOW: Duration = Duration::from_secs(2);
    let upstream = Upstream::ok();
    let text = format!(
        "upstream = \"{}\"\n[[routes]]\nmatch = \"POST /live/ingest\"\nauth = \"none\"\nlimits = [\"5/2s per ip\"]\n",
        upstream.url()
    );
    let gateway = Launch::run().config(&text).start();
    let mut connection = Connection::open(gateway.address());
    let mut admitted: Vec<(Instant, Instant)> = Vec::new();
    let mut ask = |admitted: &mut Vec<(Instant, Instant)>| {
        let sent = Instant::now();
        if ingest().on(&mut connection).status == 200 {
            admitted.push((sent, Instant::now()));
        }
    };
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
        assert!(apart >= WINDOW, "{} admitted within {apart:?}", LIMIT + 1);
    }
}

#[test]
fn p_rl_08_each_address_has_its_own_allowance() {
    let upstream = Upstream::ok();
    let gateway = limited(&upstream, 2);
    for source in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        let statuses: Vec<u16> =
            (0..3).map(|_| ingest().send_from(source, gateway.address()).status).collect();
        assert_eq!(statuses, [200, 200, 429], "{source}");
    }
}

#[test]
fn p_rl_09_what_the_client_says_of_its_address_changes_nothing() {
    let upstream = Upstream::ok();
    let gateway = limited(&upstream, 5);
    let spoofed = |number: u32| {
        ingest()
            .header("X-Forwarded-For", &format!("9.9.9.{number}"))
            .header("X-Real-IP", &format!("8.8.8.{number}"))
            .header("Forwarded", &format!("for=7.7.7.{number}"))
            .header("CF-Connecting-IP", &format!("6.6.6.{number}"))
            .header("True-Client-IP", &format!("5.5.5.{number}"))
    };
    let statuses: Vec<u16> = (0..8).map(|number| spoofed(number).send_to(gateway.address()).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429, 429]);
    for request in upstream.received() {
        assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"), "{}", request.head);
        for invented in ["9.9.9.", "8.8.8.", "7.7.7."] {
            assert!(!request.head.contains(invented), "{invented} reached the application: {}", request.head);
        }
    }
}

#[test]
fn p_rl_10_wrong_tokens_have_a_limit_of_their_own() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).env("INGEST_TOKEN", TOKEN).env("INGEST_RATE_LIMIT", "1000").start();
    // An address that has shown the right token is known; its later slips do not lock it out.
    assert_reached(&ingest_with(TOKEN).send_from("127.0.0.5", gateway.address()));

    let guess = |source: &str, number: u32| {
        ingest_with(&format!("guess-{number}")).send_from(source, gateway.address())
    };
    let statuses: Vec<u16> = (0..100).map(|number| guess("127.0.0.4", number).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 20, "{statuses:?}");
    assert!(statuses[20..].iter().all(|status| *status == 429), "{statuses:?}");
    let refused = guess("127.0.0.4", 1000);
    assert!(refused.number("retry-after") >= 1, "{}", refused.head);
    // It cannot try the right one by luck either.
    assert_eq!(ingest_with(TOKEN).send_from("127.0.0.4", gateway.address()).status, 429);
    // Nobody else pays for it.
    assert_eq!(guess("127.0.0.6", 0).status, 401);
    for number in 0..40 {
        guess("127.0.0.5", number);
    }
    assert_reached(&ingest_with(TOKEN).send_from("127.0.0.5", gateway.address()));
    assert_eq!(upstream.count(), 2);
}

#[test]
fn p_rl_11_a_limited_client_with_a_wrong_token_gets_401() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).env("INGEST_TOKEN", TOKEN).env("INGEST_RATE_LIMIT", "3").start();
    let statuses: Vec<u16> = (0..4).map(|_| ingest_with(TOKEN).send_to(gateway.address()).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    assert_refused(
        &ingest_with("wrong").send_to(gateway.address()),
        401,
        r#"{"detail":"Invalid ingest token"}"#,
    );
}

#[test]
fn p_rl_12_other_routes_are_not_limited() {
    let upstream = Upstream::ok();
    let gateway = limited(&upstream, 3);
    let mut connection = Connection::open(gateway.address());
    for _ in 0..150 {
        for target in ["/healthz", "/live/streams", "/runs"] {
            let answer = Request::get(target).on(&mut connection);
            assert_eq!((answer.status, answer.field("x-ratelimit-limit")), (200, None), "{target}");
        }
    }
    // Nor do they use up the allowance of the one that is.
    assert_eq!(ingest().on(&mut connection).number("x-ratelimit-remaining"), 2);
}

#[test]
fn p_rl_13_all_cores_share_one_counter_and_a_restart_begins_afresh() {
    let upstream = Upstream::ok();
    for _ in 0..2 {
        let gateway = launch(&upstream).start();
        let address = gateway.address();
        let clients: Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn(move || {
                    (0..25).filter(|_| ingest().send_to(address).status == 200).count()
                })
            })
            .collect();
        let admitted: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
        assert_eq!(admitted, 60, "of 200 on 200 connections");
    }
}

#[test]
fn p_rl_14_clients_that_never_return_cost_no_memory() {
    let upstream = Upstream::ok();
    let text = format!("upstream = \"{}\"\n[server]\ntrusted_proxies = [\"127.0.0.1\"]\n", upstream.url());
    let gateway = Launch::run()
        .arg("--profile")
        .arg("pump-analyzer")
        .config(&text)
        .env("INGEST_TOKEN", TOKEN)
        .env("PORTCULLIS_LOG__LEVEL", "error")
        .start();
    let mut connection = Connection::open(gateway.address());
    let mut flood = |from: u32, to: u32| {
        for batch in (from..to).step_by(100) {
            let requests: Vec<u8> =
                (batch..batch + 100).flat_map(|number| guess_from(number).bytes()).collect();
            connection.send(requests);
            for _ in 0..100 {
                assert_eq!(connection.response().status, 401);
            }
        }
    };
    // So many that every page of a table of fixed size has been touched.
    flood(0, 120_000);
    let settled = gateway.resident_kib();
    flood(120_000, 180_000);
    let grown = gateway.resident_kib().saturating_sub(settled);
    // 60,000 more clients; a map that keeps each would need 5 MiB and more.
    assert!(grown < 3 * 1024, "{grown} KiB more for clients that came once");
}

/// A wrong token of a client behind a proxy, one of 16 million.
fn guess_from(number: u32) -> Request {
    let [_, a, b, c] = number.to_be_bytes();
    ingest_with("guess").header("X-Forwarded-For", &format!("20.{a}.{b}.{c}"))
}

#[test]
fn p_rl_15_a_raised_limit_takes_effect_at_the_next_start() {
    let upstream = Upstream::ok();
    let gateway = limited(&upstream, 2);
    let statuses: Vec<u16> = (0..3).map(|_| ingest().send_to(gateway.address()).status).collect();
    assert_eq!(statuses, [200, 200, 429]);
    drop(gateway);
    let gateway = limited(&upstream, 4);
    let statuses: Vec<u16> = (0..5).map(|_| ingest().send_to(gateway.address()).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 429]);
}
