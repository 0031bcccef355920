//! P-CORS: which pages of other origins may read the answers.

use portcullis_tests::{Gateway, Request, Response, Upstream};

use super::{FRONTEND, TOKEN, assert_reached, ingest, ingest_with, launch};

const FOREIGN: &str = "http://evil.example";
const EXPOSED: [&str; 4] = ["retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

fn guarded(upstream: &Upstream) -> Gateway {
    launch(upstream).env("INGEST_TOKEN", TOKEN).start()
}

#[track_caller]
fn assert_readable(answer: &Response) {
    assert_eq!(answer.field("access-control-allow-origin"), Some(FRONTEND), "{}", answer.head);
    assert_eq!(answer.field("access-control-allow-credentials"), Some("true"), "{}", answer.head);
    assert!(answer.words("vary").contains(&"origin".to_owned()), "{}", answer.head);
    let exposed = answer.words("access-control-expose-headers");
    assert!(EXPOSED.iter().all(|name| exposed.iter().any(|word| word == name)), "{}", answer.head);
}

#[test]
fn p_cors_01_an_allowed_origin_may_read_answer_and_limit_headers() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    for request in [Request::get("/live/streams"), ingest_with(TOKEN)] {
        let answer = request.header("Origin", FRONTEND).send_to(gateway.address());
        assert_reached(&answer);
        assert_readable(&answer);
    }
    // An answer that was made for no page says that it would be another for one.
    let answer = Request::get("/live/streams").send_to(gateway.address());
    assert_eq!(answer.field("access-control-allow-origin"), None);
    assert!(answer.words("vary").contains(&"origin".to_owned()), "{}", answer.head);
}

#[test]
fn p_cors_02_another_origin_is_answered_and_may_not_read() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    let answer = Request::get("/live/streams").header("Origin", FOREIGN).send_to(gateway.address());
    assert_reached(&answer);
    assert_eq!(answer.field("access-control-allow-origin"), None, "{}", answer.head);
    assert!(!answer.head.contains(FOREIGN), "{}", answer.head);
}

#[test]
fn p_cors_03_p_cors_05_a_preflight_of_an_allowed_origin_is_answered_as_the_application_does() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    let answer = Request::preflight("/live/ingest", FRONTEND, "POST", "x-ingest-token,content-type")
        .send_to(gateway.address());
    assert_eq!((answer.status, answer.text()), (200, "OK"), "{}", answer.head);
    assert_eq!(answer.field("access-control-allow-origin"), Some(FRONTEND));
    assert_eq!(answer.field("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.words("access-control-allow-methods"), ["delete", "get", "options", "post", "put"]);
    assert_eq!(
        answer.words("access-control-allow-headers"),
        [
            "accept",
            "accept-language",
            "authorization",
            "content-language",
            "content-type",
            "origin",
            "referer",
            "user-agent",
            "x-ingest-token",
            "x-requested-with"
        ]
    );
    assert_eq!(answer.field("access-control-max-age"), Some("600"));
    assert!(answer.words("vary").contains(&"origin".to_owned()), "{}", answer.head);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn p_cors_04_a_preflight_of_another_origin_is_refused() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    let answer =
        Request::preflight("/live/ingest", FOREIGN, "POST", "content-type").send_to(gateway.address());
    assert_eq!((answer.status, answer.text()), (400, "Disallowed CORS origin"), "{}", answer.head);
    assert!(
        answer.field("content-type").is_some_and(|kind| kind.starts_with("text/plain")),
        "{}",
        answer.head
    );
    assert_eq!(answer.field("access-control-allow-origin"), None);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn p_cors_06_preflights_carry_no_token_and_are_not_counted() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).env("INGEST_TOKEN", TOKEN).env("INGEST_RATE_LIMIT", "3").start();
    for _ in 0..20 {
        let answer =
            Request::preflight("/live/ingest", FRONTEND, "POST", "x-ingest-token").send_to(gateway.address());
        assert_eq!(answer.status, 200, "{}", answer.head);
    }
    assert_eq!(ingest_with(TOKEN).send_to(gateway.address()).number("x-ratelimit-remaining"), 2);
}

#[test]
fn p_cors_07_refusals_are_readable_to_an_allowed_origin() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).env("INGEST_TOKEN", TOKEN).env("INGEST_RATE_LIMIT", "1").start();
    let page = |request: Request, origin: &str| request.header("Origin", origin).send_to(gateway.address());
    let missing = page(ingest(), FRONTEND);
    assert_eq!(missing.status, 401);
    assert_readable(&missing);
    let limited = (0..3).map(|_| page(ingest_with(TOKEN), FRONTEND)).find(|answer| answer.status == 429);
    assert_readable(&limited.expect("a refusal"));
    assert_eq!(page(ingest(), FOREIGN).field("access-control-allow-origin"), None);
}

#[test]
fn p_cors_09_an_origin_that_is_not_allowed_is_logged() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    Request::get("/live/streams").header("Origin", FOREIGN).send_to(gateway.address());
    gateway.wait_for_log(&["cors_violation", "CORS", "/live/streams"]);
    let violations = || gateway.log().lines().filter(|line| line.contains("cors_violation")).count();
    let before = violations();
    Request::get("/live/streams").header("Origin", FRONTEND).send_to(gateway.address());
    Request::preflight("/live/ingest", FOREIGN, "POST", "").send_to(gateway.address());
    gateway.wait_for_log(&["cors_violation", "/live/ingest"]);
    assert_eq!(violations(), before + 1, "{}", gateway.log());
}
