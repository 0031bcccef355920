//! T-BUG: the gateway in front of a service that fails, and of one that does not start.

use portcullis_tests::{Answer, Application, Request, System, Upstream, free_port};

use super::{KEY, MISSING, ORDERS, assert_refused, guarded, launch, orders, orders_with};

const BROKEN: &str =
    r#"{"error":{"type":"AttributeError","message":"'Request' object has no attribute '__name__'"}}"#;

#[test]
fn t_bug_01_a_service_that_fails_is_passed_on_limited_and_guarded_all_the_same() {
    let upstream = Upstream::start(|_| Answer::json("500 Internal Server Error", BROKEN));
    let gateway = guarded(&upstream).start();
    // From elsewhere: without a key it counts all the same (ruling R4).
    assert_refused(&orders().send_from("127.0.0.2", gateway.address()), 401, MISSING);
    for number in 0..10 {
        let answer = orders_with(KEY).send_to(gateway.address());
        assert_eq!((answer.status, answer.text()), (500, BROKEN), "number {number}");
        assert!(answer.field("x-request-id").is_some() && answer.field("x-content-type-options").is_some());
    }
    assert_eq!(orders_with(KEY).send_to(gateway.address()).status, 429, "failures count too");
    assert_eq!(upstream.count(), 10);

    // In production the text of an exception is nobody's business.
    let gateway = guarded(&upstream).env("ENVIRONMENT", "production").start();
    let answer = orders_with(KEY).send_to(gateway.address());
    assert_eq!(answer.status, 500);
    assert!(
        !answer.text().contains("AttributeError") && !answer.text().contains("__name__"),
        "{}",
        answer.text()
    );
}

#[test]
fn t_bug_02_in_front_of_a_service_that_does_not_start_it_asks_refuses_and_says_so() {
    let gateway = launch(&format!("http://127.0.0.1:{}", free_port())).env("API_KEY", KEY).start();
    assert_refused(&orders().send_to(gateway.address()), 401, MISSING);
    for _ in 0..2 {
        let answer = orders_with(KEY).send_to(gateway.address());
        assert_eq!(answer.status, 502, "{}", answer.head);
        assert!(
            answer.json()["detail"].is_string() && answer.field("x-request-id").is_some(),
            "{}",
            answer.text()
        );
    }
    gateway.wait_for_log(&["access", "502"]);
    let answer = orders_with("wrong").send_to(gateway.address());
    assert_eq!(answer.status, 401, "{}", answer.head);
}

/// The routes of the service through the gateway, each as its sample answers it.
#[test]
fn every_endpoint_of_the_service_passes() {
    let application = Application::start(System::Ticker);
    let gateway = launch(application.url()).env("API_KEY", KEY).start();
    let direct = application.url().trim_start_matches("http://").parse().unwrap();
    let requests = [
        Request::get("/metrics"),
        Request::get("/advanced/ws/stats"),
        Request::get("/advanced/mock-data/status"),
        Request::get("/advanced/rate-limit/stats"),
        Request::get("/advanced/websocket-pool/stats"),
        Request::get("/trading-accounts"),
        Request::get("/gtt/triggers"),
        Request::get("/mf/holdings"),
        Request::get("/portfolio/holdings"),
        Request::post("/subscriptions", r#"{"instrument_token":256265,"requested_mode":"FULL"}"#),
        Request::get("/subscriptions"),
        Request::new("DELETE", "/subscriptions/7"),
        Request::get("/advanced/webhooks"),
        Request::new("DELETE", "/advanced/webhooks/none"),
        Request::post(ORDERS, r#"{"orders":[]}"#),
        Request::post(ORDERS, r#"{"orders":7}"#),
        Request::get("/nothing/here"),
    ];
    for request in requests {
        let request = request.header("X-API-Key", KEY);
        let through = request.send_to(gateway.address());
        let itself = request.send_to(direct);
        assert_eq!(through.status, itself.status, "{request:?}: {}", through.text());
        assert_eq!(through.field("content-type"), itself.field("content-type"), "{request:?}");
        if itself.status >= 400 {
            assert_eq!(through.text(), itself.text(), "{request:?}");
        }
    }
}
