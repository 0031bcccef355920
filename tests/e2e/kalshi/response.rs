//! K-HDR, K-ERR and K-APP: what leaves the gateway, whatever the application answered.

use portcullis_tests::{Answer, Application, Gateway, Request, Response, System, Upstream};

use super::{FOREIGN, FRONTEND, KEY, guarded, launch, status, status_with};

const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-xss-protection", "1; mode=block"),
    ("content-security-policy", "default-src 'self'"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
];
const HSTS: &str = "max-age=31536000; includeSubDomains";

const HIDDEN: &str = r#"{"error":"An error occurred","message":"Please check your request and try again"}"#;

#[track_caller]
fn assert_sealed(answer: &Response) {
    for (name, value) in HEADERS {
        assert_eq!(answer.field(name), Some(value), "{}", answer.head);
    }
}

#[test]
fn k_hdr_01_every_answer_carries_each_security_header_once() {
    let upstream = Upstream::start(|received| {
        let own = "X-Frame-Options: SAMEORIGIN\r\nx-content-type-options: sniff\r\nX-XSS-Protection: 0\r\n\
                   Content-Security-Policy: default-src *\r\nReferrer-Policy: unsafe-url\r\n\
                   Strict-Transport-Security: max-age=1\r\n";
        match received.line() {
            line if line.contains("/missing") => Answer::with("404 Not Found", own, "{}"),
            line if line.contains("/plain") => Answer::json("200 OK", "{}"),
            _ => Answer::with("200 OK", own, "{}"),
        }
    });
    let gateway =
        guarded(&upstream).env("ALLOWED_ORIGINS", FRONTEND).env("RATE_LIMIT_PER_MINUTE", "6").start();
    let send = |request: Request| request.send_to(gateway.address());
    let answers = [
        (200, send(status_with(KEY))),
        (200, send(Request::get("/plain").header("X-API-Key", KEY))),
        (404, send(Request::get("/missing").header("X-API-Key", KEY))),
        (401, send(status_with("wrong"))),
        (401, send(status())),
        (403, send(status_with(KEY).header("Origin", FOREIGN))),
        (200, send(Request::preflight("/api/status", FRONTEND, "GET", "x-api-key"))),
        (400, send(Request::get("/a/../../b").header("X-API-Key", KEY))),
    ];
    for (status, answer) in &answers {
        assert_eq!(answer.status, *status, "{}", answer.head);
        assert_sealed(answer);
    }
    let limited = (0..7).map(|_| send(status_with(KEY))).find(|answer| answer.status == 429);
    assert_sealed(&limited.expect("a refusal"));
}

/// Over plain HTTP a browser must ignore it and a server must not send it (RFC 6797 section 7.2): it stands
/// where the client came over TLS, to the gateway or to the proxy in front.
#[test]
fn k_hdr_01_strict_transport_security_stands_wherever_the_client_came_over_tls() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).config("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n").start();
    let forwarded = |request: Request| {
        let request = request.header("X-Forwarded-For", "192.0.2.7").header("X-Forwarded-Proto", "https");
        request.send_to(gateway.address())
    };
    for (status, request) in [(200, status_with(KEY)), (401, status())] {
        let answer = forwarded(request);
        assert_eq!((answer.status, answer.field("strict-transport-security")), (status, Some(HSTS)));
        assert_sealed(&answer);
    }
    let plain = status_with(KEY).send_to(gateway.address());
    assert_eq!((plain.status, plain.field("strict-transport-security")), (200, None));
}

/// An application that answers errors as the real one does, and worse.
fn failing() -> Upstream {
    Upstream::start(|received| {
        let path = received.line().split(' ').nth(1).unwrap_or_default();
        match path {
            "/bad" => Answer::json("400 Bad Request", r#"{"error":"ticker KX-7 is not yours","message":"see db.py"}"#),
            "/missing" => Answer::json("404 Not Found", r#"{"detail":"no row in table markets_v2"}"#),
            "/unprocessable" => Answer::json("422 Unprocessable Entity", r#"{"detail":[{"loc":["body","x"]}]}"#),
            "/trace" => Answer::with(
                "500 Internal Server Error",
                "Content-Type: text/html\r\nX-Debug: /srv/app/main.py\r\n",
                "Traceback (most recent call last):\n  File \"/srv/app/main.py\", line 7\nKeyError: 'secret'",
            ),
            "/chunked" => Answer::Bytes(
                b"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nTraceback\r\n0\r\n\r\n".to_vec(),
            ),
            "/coded" => Answer::with("500 Internal Server Error", "Content-Encoding: gzip\r\n", "Traceback"),
            "/closing" => Answer::Last(b"HTTP/1.1 500 Oops: KeyError at main.py\r\n\r\nTraceback to the end".to_vec()),
            _ => Answer::json("200 OK", r#"{"accepted":true}"#),
        }
    })
}

fn fetch(gateway: &Gateway, path: &str) -> Response {
    Request::get(path).header("X-API-Key", KEY).send_to(gateway.address())
}

#[test]
fn k_err_01_in_production_an_error_keeps_its_status_and_loses_its_words() {
    let upstream = failing();
    let gateway = guarded(&upstream).env("ENVIRONMENT", "production").start();
    for (path, status) in [("/bad", 400), ("/missing", 404), ("/unprocessable", 422), ("/trace", 500)] {
        let answer = fetch(&gateway, path);
        assert_eq!((answer.status, answer.text()), (status, HIDDEN), "{path}: {}", answer.head);
        assert_eq!(answer.field("content-type"), Some("application/json"), "{}", answer.head);
    }
    assert_eq!(fetch(&gateway, "/fine").text(), r#"{"accepted":true}"#);
    // Outside of production the application's words pass: they are what its developers look for.
    let gateway = guarded(&upstream).start();
    let answer = fetch(&gateway, "/bad");
    assert_eq!(
        (answer.status, answer.text()),
        (400, r#"{"error":"ticker KX-7 is not yours","message":"see db.py"}"#)
    );
}

#[test]
fn k_err_02_k_env_06_in_production_no_answer_shows_the_inside() {
    let upstream = failing();
    let gateway = guarded(&upstream).env("ENVIRONMENT", "production").start();
    for path in ["/bad", "/missing", "/unprocessable", "/trace", "/chunked", "/coded", "/closing"] {
        let answer = fetch(&gateway, path);
        assert!(answer.status >= 400, "{path}: {}", answer.head);
        assert_eq!(answer.text(), HIDDEN, "{path}");
        assert_eq!(answer.field("content-encoding"), None, "{}", answer.head);
        let all = format!("{}{}", answer.head, answer.text());
        for inside in ["Traceback", "KeyError", "main.py", "db.py", "/srv", "markets_v2"] {
            assert!(!all.contains(inside), "{inside} in {all}");
        }
        // The connection goes on whole.
        assert_eq!(fetch(&gateway, "/fine").status, 200);
    }
    // What the gateway says of its own troubles shows as little.
    let gone = upstream.url();
    drop(upstream);
    let gateway = launch(&gone).env("API_KEY", KEY).env("ENVIRONMENT", "production").start();
    let answer = fetch(&gateway, "/fine");
    assert_eq!(answer.status, 502, "{}", answer.head);
    let port = gone.rsplit(':').next().unwrap();
    for inside in [port, "127.0.0.1", "refused", "os error", ".rs"] {
        assert!(!answer.text().contains(inside), "{inside} in {}", answer.text());
    }
}

#[test]
fn k_app_03_an_application_that_stalls_is_504_and_holds_up_nobody_else() {
    let upstream = Upstream::start(|received| {
        if received.line().contains("/stalled") { Answer::Silence } else { Answer::json("200 OK", "{}") }
    });
    let text = format!("[upstreams.app]\nurl = \"{}\"\nresponse_timeout = \"2s\"\n", upstream.url());
    let gateway = portcullis_tests::Launch::run()
        .arg("--profile")
        .arg("kalshiwhale")
        .config(&text)
        .env("API_KEY", KEY)
        .start();
    let address = gateway.address();
    let stalled =
        std::thread::spawn(move || Request::get("/stalled").header("X-API-Key", KEY).send_to(address));
    upstream.wait_for(1);
    for _ in 0..20 {
        assert_eq!(fetch(&gateway, "/other").status, 200);
    }
    let answer = stalled.join().unwrap();
    assert_eq!(answer.status, 504, "{}", answer.head);
    assert_sealed(&answer);
}

/// The real application blocks up to ten seconds while it fetches its markets: that is slow, and no failure.
#[test]
fn k_app_03_an_answer_that_takes_ten_seconds_still_comes() {
    let application = Application::start(System::Kalshi);
    let gateway = launch(application.url()).env("API_KEY", KEY).start();
    let answer = fetch(&gateway, "/sample/slow/10000");
    assert_eq!(answer.status, 200, "{}", answer.head);
}
