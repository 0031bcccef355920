//! T-KEY: who is asked for the key, and what one hears without it.

use portcullis_tests::{Answer, Gateway, Request, Upstream, free_port, until};

use super::{
    INVALID, KEY, MISSING, ORDERS, assert_reached, assert_refused, guarded, launch, orders, orders_with,
};

/// Fails unless the refusal asks for the scheme by its name.
#[track_caller]
fn assert_asks_for_a_key(answer: &portcullis_tests::Response) {
    let challenge =
        answer.field("www-authenticate").unwrap_or_else(|| panic!("no challenge in {}", answer.head));
    assert!(challenge == "ApiKey" || challenge.starts_with("ApiKey "), "{challenge}");
}

#[test]
fn t_key_01_a_missing_key_is_refused_in_the_words_of_the_service() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let answer = orders().send_from("127.0.0.5", gateway.address());
    assert_refused(&answer, 401, MISSING);
    assert_asks_for_a_key(&answer);
    let line = gateway.wait_for_log(&["API request rejected: Missing X-API-Key header"]);
    for word in ["WARN", "auth_attempt", "401", "127.0.0.5", ORDERS] {
        assert!(line.contains(word), "{word}: {line}");
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn t_key_02_a_wrong_key_is_refused_and_not_logged() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    for wrong in ["Rt7-presented-key-8c7b6a5d", "short", &KEY[1..], &format!("{KEY}x")] {
        let answer = orders_with(wrong).send_to(gateway.address());
        assert_refused(&answer, 401, INVALID);
        assert_asks_for_a_key(&answer);
    }
    let line = gateway.wait_for_log(&["API request rejected: Invalid API key provided"]);
    for word in ["WARN", "auth_attempt", "401", "127.0.0.1", ORDERS] {
        assert!(line.contains(word), "{word}: {line}");
    }
    // Present and empty is wrong, not missing.
    assert_refused(&orders_with("").send_to(gateway.address()), 401, INVALID);
    gateway.wait_for_log(&["access", "401"]);
    assert!(!gateway.log().contains("presented-key"), "{}", gateway.log());
    assert_eq!(upstream.count(), 0);
}

#[test]
fn t_key_03_the_right_key_reaches_the_service_which_checks_it_too() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    for name in ["X-API-Key", "x-api-key", "X-Api-Key"] {
        assert_reached(&orders().header(name, KEY).send_to(gateway.address()));
    }
    for received in upstream.received() {
        assert_eq!(received.field("x-api-key"), Some(KEY), "{}", received.head);
        assert_eq!(received.field("x-auth-method"), Some("api-key"), "{}", received.head);
        assert_eq!(received.body, super::BATCH.as_bytes());
    }
    // Only there: not in the query, not as a bearer, not twice.
    let before = upstream.count();
    for request in [
        Request::post(&format!("{ORDERS}?api_key={KEY}"), super::BATCH),
        orders().header("Authorization", &format!("ApiKey {KEY}")),
        orders_with(KEY).header("X-API-Key", "another"),
    ] {
        let answer = request.send_to(gateway.address());
        assert!(matches!(answer.status, 400 | 401), "{request:?}: {}", answer.head);
    }
    assert_eq!(upstream.count(), before);
}

/// Says whether the key of its environment is the one of the request, as the service does.
const SERVICE: &str = "\
import hmac, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
key = os.environ['API_KEY']
assert key, 'api_key must be set when api_key_enabled=True'
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        right = hmac.compare_digest(self.headers.get('X-API-Key', ''), key)
        self.send_response(200 if right else 418)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *words): pass
HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
";

#[test]
fn t_key_03_a_service_that_the_gateway_starts_finds_the_key_it_needs() {
    let port = free_port().to_string();
    let start =
        || launch(&format!("http://127.0.0.1:{port}")).application(&["python3", "-c", SERVICE, &port]);
    let file = format!("API_KEY={KEY}\n");
    for start in
        [start().env("API_KEY", KEY), start().file("service.env", &file).arg("--env-file").arg("service.env")]
    {
        let gateway = start.start();
        let answer = Request::get("/trading-accounts").header("X-API-Key", KEY).send_to(gateway.address());
        assert_eq!(answer.status, 200, "{}", gateway.log());
    }
}

/// That the comparison takes the same time is a property of `Secret`, tested where it lives; seen from outside,
/// nothing may tell how much of a guess was right.
#[test]
fn t_key_04_nothing_tells_how_near_a_guess_was() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let alike = |head: &str| -> String {
        // What differs between any two answers: the identifier, the clock, the counters.
        let own = ["x-request-id", "date", "x-ratelimit", "ratelimit", "retry-after"];
        let lines =
            head.lines().filter(|line| !own.iter().any(|name| line.to_ascii_lowercase().starts_with(name)));
        lines.collect::<Vec<_>>().join("\n")
    };
    let far = orders_with("entirely-different").send_to(gateway.address());
    assert_refused(&far, 401, INVALID);
    for guess in [
        format!("{KEY}x"),
        format!("x{KEY}"),
        KEY[..KEY.len() - 1].to_owned(),
        format!("{}x", &KEY[..KEY.len() - 1]),
        KEY.to_lowercase(),
        KEY[..1].to_owned(),
    ] {
        let answer = orders_with(&guess).send_to(gateway.address());
        assert_refused(&answer, 401, INVALID);
        assert_eq!(alike(&answer.head), alike(&far.head), "{guess}");
    }
}

/// What the guide calls protected and sensitive: the routes its text and table name, and those that act or
/// tell in somebody's account.
const PROTECTED: [(&str, &str); 27] = [
    ("POST", "/advanced/batch-orders"),
    ("GET", "/advanced/batch-orders"),
    ("GET", "/advanced/webhooks"),
    ("POST", "/advanced/webhooks"),
    ("DELETE", "/advanced/webhooks/3f0c"),
    ("POST", "/advanced/backpressure/reset-circuit-breaker"),
    ("POST", "/advanced/mock-data/start"),
    ("POST", "/advanced/mock-data/stop"),
    ("GET", "/trading-accounts"),
    ("POST", "/trading-accounts"),
    ("DELETE", "/trading-accounts/primary"),
    ("POST", "/subscriptions"),
    ("DELETE", "/subscriptions/256265"),
    ("POST", "/admin/instrument-refresh"),
    ("GET", "/admin/anything"),
    ("GET", "/orders"),
    ("POST", "/orders/regular"),
    ("PUT", "/orders/regular/1"),
    ("GET", "/gtt/triggers"),
    ("POST", "/gtt/triggers"),
    ("GET", "/mf/holdings"),
    ("POST", "/mf/orders"),
    ("GET", "/portfolio/holdings"),
    ("GET", "/portfolio/positions"),
    ("GET", "/account/profile"),
    ("GET", "/account/margins"),
    // Whatever nobody thought of.
    ("POST", "/anything/else"),
];

#[test]
fn t_key_05_every_protected_endpoint_asks_for_the_key() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    for (method, path) in PROTECTED {
        let before = upstream.count();
        let request = Request::new(method, path).body("");
        let refused = request.send_to(gateway.address());
        assert_eq!((refused.status, refused.text()), (401, MISSING), "{method} {path}");
        assert_eq!(upstream.count(), before, "{method} {path}");
        let answer = request.header("X-API-Key", KEY).send_to(gateway.address());
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.head);
    }
    // Other spellings of what is protected find no way around.
    for target in [
        "//advanced/webhooks",
        "/advanced/./webhooks",
        "/%61dvanced/webhooks",
        "/advanced/webhooks/",
        "/Orders",
    ] {
        let answer = Request::get(target).send_to(gateway.address());
        assert!(matches!(answer.status, 400 | 401), "{target}: {}", answer.head);
    }
}

#[test]
fn t_key_06_open_endpoints_ask_for_nothing() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    for path in [
        "/health",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/subscriptions",
        "/advanced/ws/stats",
        "/advanced/mock-data/status",
        "/advanced/backpressure/status",
        "/advanced/backpressure/metrics",
        "/advanced/rate-limit/stats",
        "/advanced/websocket-pool/stats",
    ] {
        let answer = Request::get(path).send_to(gateway.address());
        assert_eq!((answer.status, answer.text()), (200, r#"{"accepted":true}"#), "{path}: {}", answer.head);
    }
    // Open for reading.
    for path in ["/subscriptions", "/advanced/ws/stats", "/advanced/mock-data/status"] {
        let answer = Request::new("POST", path).body("").send_to(gateway.address());
        assert_eq!(answer.status, 401, "{path}: {}", answer.head);
    }
}

#[test]
fn t_key_07_the_token_that_the_service_checks_itself_passes_and_so_does_its_refusal() {
    let body = r#"{"detail":"Not authenticated"}"#;
    let upstream = Upstream::start(|received| match received.field("authorization") {
        Some("Bearer of-the-user-service") => Answer::json("200 OK", "{}"),
        _ => Answer::json("403 Forbidden", r#"{"detail":"Not authenticated"}"#),
    });
    let gateway = guarded(&upstream).start();
    let refresh = || Request::post("/admin/instrument-refresh", "").header("X-API-Key", KEY);
    let answer = refresh().send_to(gateway.address());
    assert_eq!((answer.status, answer.text()), (403, body), "{}", answer.head);
    let answer = refresh().bearer("of-the-user-service").send_to(gateway.address());
    assert_eq!((answer.status, answer.text()), (200, "{}"), "{}", answer.head);
    // It is no replacement for the key.
    let without = Request::post("/admin/instrument-refresh", "").bearer("of-the-user-service");
    assert_eq!(without.send_to(gateway.address()).status, 401);
}

const NEW_KEY: &str = "nZr2vQ8xKpLw5tYbHc9eJdGf0sAiUoMm7XyTqWlE3Dk";

#[track_caller]
fn assert_only(gateway: &Gateway, right: &str, wrong: &str) {
    assert_reached(&orders_with(right).send_to(gateway.address()));
    assert_refused(&orders_with(wrong).send_to(gateway.address()), 401, INVALID);
}

#[test]
fn t_key_09_t_cmd_08_after_a_restart_the_new_key_passes_and_the_old_does_not() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    assert_only(&gateway, KEY, NEW_KEY);
    // As compose does it: the same service, started again with what its environment says now.
    let gateway = gateway.stop().env("API_KEY", NEW_KEY).start();
    assert_only(&gateway, NEW_KEY, KEY);
}

#[test]
fn t_key_09_a_key_in_a_file_is_replaced_without_a_restart() {
    let upstream = Upstream::ok();
    let start = launch(&upstream.url()).file("api_key", KEY);
    let path = start.path("api_key");
    let gateway = start.env("API_KEY_FILE", &path).start();
    assert_only(&gateway, KEY, NEW_KEY);
    gateway.folder().write("api_key", NEW_KEY);
    gateway.ask_to_reload();
    // Asked from elsewhere: here the answers are what is judged.
    until("the new key to be taken", || {
        (orders_with(NEW_KEY).send_from("127.0.0.9", gateway.address()).status == 200).then_some(())
    });
    assert_only(&gateway, NEW_KEY, KEY);
}
