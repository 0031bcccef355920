//! E-CORS and E-ENV-02 to E-ENV-04: which pages of other origins may read the answers.

use portcullis_tests::{Answer, Gateway, Request, Upstream};

use super::{FOREIGN, FRONTEND, ORIGINS, assert_reached, generate, launch};

fn started(upstream: &Upstream) -> Gateway {
    launch(&upstream.url()).env("CORS_ENABLED", "true").env("ALLOWED_ORIGINS", ORIGINS).start()
}

fn seen_from(gateway: &Gateway, origin: &str) -> Option<String> {
    let answer = Request::get("/config").header("Origin", origin).send_to(gateway.address());
    assert_reached(&answer);
    answer.field("access-control-allow-origin").map(str::to_owned)
}

#[test]
fn e_cors_01_e_cors_03_an_allowed_origin_may_read_with_credentials() {
    let upstream = Upstream::ok();
    let gateway = started(&upstream);
    for (request, status) in [(Request::get("/config"), 200), (generate(), 400)] {
        let answer = request.header("Origin", FRONTEND).send_to(gateway.address());
        assert_eq!(answer.status, status);
        assert_eq!(answer.field("access-control-allow-origin"), Some(FRONTEND), "{}", answer.head);
        assert_eq!(answer.field("access-control-allow-credentials"), Some("true"), "{}", answer.head);
        assert!(answer.words("vary").contains(&"origin".to_owned()), "{}", answer.head);
        let exposed = answer.words("access-control-expose-headers");
        for name in ["x-total-count", "x-page-count"] {
            assert!(exposed.iter().any(|word| word == name), "{name}: {}", answer.head);
        }
    }
}

#[test]
fn e_cors_02_a_preflight_may_ask_for_any_header() {
    let upstream = Upstream::ok();
    let gateway = started(&upstream);
    for headers in ["content-type", "x-session-id, x-device-id", "x-never-heard-of,authorization", ""] {
        let answer =
            Request::preflight("/playlist/generate", FRONTEND, "POST", headers).send_to(gateway.address());
        assert_eq!(answer.status, 200, "{headers}: {}", answer.head);
        assert_eq!(answer.field("access-control-allow-origin"), Some(FRONTEND), "{}", answer.head);
        assert_eq!(answer.field("access-control-allow-credentials"), Some("true"), "{}", answer.head);
        assert_eq!(answer.words("access-control-allow-methods"), ["delete", "get", "options", "post", "put"]);
        assert_eq!(answer.field("access-control-max-age"), Some("600"), "{}", answer.head);
        let allowed = answer.words("access-control-allow-headers");
        for name in headers.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            assert!(allowed.iter().any(|word| word == name), "{name}: {}", answer.head);
        }
    }
    assert_eq!(upstream.count(), 0);
}

/// The real application echoes a foreign origin where a cookie is sent along.
#[test]
fn e_cors_04_another_origin_may_not_read_with_or_without_a_cookie() {
    let fields = "Content-Type: application/json\r\nAccess-Control-Allow-Origin: *\r\n\
                  Access-Control-Allow-Credentials: true\r\n";
    let upstream = Upstream::start(move |_| Answer::with("200 OK", fields, r#"{"accepted":true}"#));
    let gateway = started(&upstream);
    for request in [Request::get("/config"), Request::get("/config").header("Cookie", "theme=dark")] {
        let answer = request.header("Origin", FOREIGN).send_to(gateway.address());
        assert_reached(&answer);
        assert_eq!(answer.field("access-control-allow-origin"), None, "{}", answer.head);
        assert!(!answer.head.contains(FOREIGN), "{}", answer.head);
    }
    let answer = Request::preflight("/config", FOREIGN, "POST", "").send_to(gateway.address());
    assert_eq!((answer.status, answer.field("access-control-allow-origin")), (400, None), "{}", answer.head);
    let line = gateway.wait_for_log(&["cors_violation", "/config"]);
    assert!(line.contains("CORS"), "{line}");
}

#[test]
fn e_cors_05_e_env_03_the_lists_of_the_guide_are_accepted_as_written() {
    let upstream = Upstream::ok();
    for list in [
        "http://localhost:3000,http://127.0.0.1:3000",
        "https://yourdomain.com,https://www.yourdomain.com,https://app.yourdomain.com",
        ORIGINS,
    ] {
        let gateway =
            launch(&upstream.url()).env("CORS_ENABLED", "true").env("ALLOWED_ORIGINS", list).start();
        for origin in list.split(',') {
            assert_eq!(seen_from(&gateway, origin).as_deref(), Some(origin), "{list}");
        }
        for other in
            ["http://yourdomain.com", "http://localhost:3001", "https://yourdomain.com.evil.example", "null"]
        {
            assert_eq!(seen_from(&gateway, other), None, "{other}");
        }
    }
    // The form of the application's head.
    let gateway = launch(&upstream.url()).env("ALLOWED_ORIGINS", r#"["https://yourdomain.com"]"#).start();
    assert_eq!(seen_from(&gateway, FRONTEND).as_deref(), Some(FRONTEND));
}

#[test]
fn e_env_02_cross_origin_answers_can_be_switched_off() {
    let upstream = Upstream::ok();
    let gateway =
        launch(&upstream.url()).env("CORS_ENABLED", "false").env("ALLOWED_ORIGINS", ORIGINS).start();
    let answer = Request::get("/config").header("Origin", FRONTEND).send_to(gateway.address());
    assert_reached(&answer);
    assert!(!answer.head.to_lowercase().contains("access-control-"), "{}", answer.head);
    for on in [None, Some("true")] {
        let start = launch(&upstream.url()).env("ALLOWED_ORIGINS", ORIGINS);
        let gateway = on.into_iter().fold(start, |start, on| start.env("CORS_ENABLED", on)).start();
        assert_eq!(seen_from(&gateway, FRONTEND).as_deref(), Some(FRONTEND));
    }
    let said = launch(&upstream.url()).env("CORS_ENABLED", "maybe").refused();
    assert!(said.contains("CORS_ENABLED") && said.contains("maybe"), "{said}");
}

/// The document's default is every origin, with credentials: the first without the second.
#[test]
fn e_env_04_every_origin_never_comes_with_credentials() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url()).start();
    gateway.wait_for_log(&["every page on the web may call"]);
    for cookie in [None, Some("theme=dark")] {
        let request = Request::get("/config").header("Origin", FOREIGN);
        let request = cookie.into_iter().fold(request, |request, cookie| request.header("Cookie", cookie));
        let answer = request.send_to(gateway.address());
        assert_reached(&answer);
        assert_eq!(answer.field("access-control-allow-origin"), Some("*"), "{}", answer.head);
        assert_eq!(answer.field("access-control-allow-credentials"), None, "{}", answer.head);
    }
    let preflight = Request::preflight("/config", FOREIGN, "POST", "").send_to(gateway.address());
    assert_eq!(preflight.field("access-control-allow-credentials"), None, "{}", preflight.head);
    // Who asks for both is told that there is no such thing.
    let both = "[cors]\norigins = [\"*\"]\ncredentials = true\n";
    for said in [
        launch(&upstream.url()).config(both).refused(),
        launch(&upstream.url()).env("ALLOWED_ORIGINS", "*").refused(),
    ] {
        assert!(said.contains("`*`") && said.contains("credentials"), "{said}");
    }
}
