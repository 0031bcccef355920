//! K-CORS: pages of other origins.

use portcullis_tests::{Answer, Request, Upstream};

use super::{FOREIGN, FRONTEND, KEY, assert_reached, events, started, status_with};

#[test]
fn k_cors_01_a_foreign_origin_is_refused_and_learns_nothing() {
    let upstream = Upstream::ok();
    let gateway = started(&upstream);
    for origin in [FOREIGN, "null", "http://yourdomain.com", "https://yourdomain.com.evil.example"] {
        let answer = status_with(KEY).header("Origin", origin).send_to(gateway.address());
        assert_eq!(answer.status, 403, "{origin}: {}", answer.head);
        assert_eq!(answer.field("access-control-allow-origin"), None, "{}", answer.head);
        assert!(!answer.head.contains(origin) && !answer.text().contains(origin), "{}", answer.head);
    }
    assert_eq!(upstream.count(), 0);
    assert_reached(&status_with(KEY).send_to(gateway.address()));
}

/// The page that the application serves itself asks from its own origin, and says so with every POST.
#[test]
fn k_cors_01_the_page_of_the_application_itself_is_not_foreign() {
    let upstream = Upstream::ok();
    let gateway = started(&upstream);
    let own = |origin: &str| {
        let request = Request::post("/api/refresh", r#"{"force_update":true}"#).header("X-API-Key", KEY);
        request.header("Host", "localhost:8000").header("Origin", origin).send_to(gateway.address())
    };
    assert_reached(&own("http://localhost:8000"));
    for other in ["http://localhost:8001", "http://localhost", "http://127.0.0.1:8000"] {
        assert_eq!(own(other).status, 403, "{other}");
    }
}

#[test]
fn k_cors_02_k_cors_03_a_preflight_may_ask_for_the_key_and_for_what_the_guide_allows() {
    let upstream = Upstream::ok();
    let gateway = started(&upstream);
    let preflight = |method: &str, headers: &str| {
        Request::preflight("/api/refresh", FRONTEND, method, headers).send_to(gateway.address())
    };
    for (method, headers) in [
        ("GET", "x-api-key"),
        ("POST", "content-type,x-api-key"),
        ("POST", "Authorization, Content-Type, X-API-Key, Accept"),
        ("GET", ""),
    ] {
        let answer = preflight(method, headers);
        assert_eq!(answer.status, 200, "{method} {headers}: {}", answer.head);
        assert_eq!(answer.field("access-control-allow-origin"), Some(FRONTEND));
        assert_eq!(answer.field("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.words("access-control-allow-methods"), ["get", "options", "post"]);
        let allowed = answer.words("access-control-allow-headers");
        for name in ["accept", "authorization", "content-type", "x-api-key"] {
            assert!(allowed.iter().any(|word| word == name), "{name}: {}", answer.head);
        }
    }
    for (method, headers) in [("DELETE", "x-api-key"), ("PUT", ""), ("GET", "x-something-else")] {
        let answer = preflight(method, headers);
        assert_eq!(answer.status, 400, "{method} {headers}: {}", answer.head);
        assert_eq!(answer.field("access-control-allow-methods"), None, "{}", answer.head);
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn k_cors_04_a_foreign_origin_is_logged_with_every_request() {
    let upstream = Upstream::ok();
    let gateway = started(&upstream);
    status_with(KEY).header("Origin", FOREIGN).send_to(gateway.address());
    let line = gateway.wait_for_log(&["cors_violation", "/api/status"]);
    assert!(line.contains("CORS") && line.contains("403") && line.contains("127.0.0.1"), "{line}");
    Request::preflight("/api/refresh", FOREIGN, "POST", "x-api-key").send_to(gateway.address());
    gateway.wait_for_log(&["cors_violation", "/api/refresh"]);
    Request::get("/ws")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("X-API-Key", KEY)
        .header("Origin", FOREIGN)
        .send_to(gateway.address());
    gateway.wait_for_log(&["cors_violation", "/ws"]);
    status_with(KEY).header("Origin", FRONTEND).send_to(gateway.address());
    gateway.wait_for_log(&["/api/status", "200"]);
    assert_eq!(events(&gateway, "cors_violation").len(), 3, "{}", gateway.log());
    assert_eq!(upstream.count(), 1);
}

/// The application's own layer allows everybody; what a browser sees is the gateway's word alone.
#[test]
fn k_cors_05_one_layer_answers() {
    let fields = "Content-Type: application/json\r\nAccess-Control-Allow-Origin: *\r\n\
                  access-control-allow-credentials: true\r\nAccess-Control-Allow-Methods: DELETE\r\n\
                  Access-Control-Expose-Headers: *\r\nVary: Accept-Encoding\r\n";
    let upstream = Upstream::start(move |_| Answer::with("200 OK", fields, r#"{"accepted":true}"#));
    let gateway = started(&upstream);
    let answer = status_with(KEY).header("Origin", FRONTEND).send_to(gateway.address());
    assert_reached(&answer);
    assert_eq!(answer.field("access-control-allow-origin"), Some(FRONTEND));
    assert_eq!(answer.field("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.field("access-control-allow-methods"), None, "{}", answer.head);
    assert!(!answer.words("access-control-expose-headers").contains(&"*".to_owned()), "{}", answer.head);
    assert_eq!(answer.words("vary"), ["accept-encoding", "origin"]);

    let answer = status_with(KEY).send_to(gateway.address());
    assert_reached(&answer);
    assert!(!answer.head.to_lowercase().contains("access-control-"), "{}", answer.head);
    let answer = status_with(KEY).header("Origin", FOREIGN).send_to(gateway.address());
    assert_eq!((answer.status, answer.all("access-control-allow-origin").len()), (403, 0), "{}", answer.head);
}
