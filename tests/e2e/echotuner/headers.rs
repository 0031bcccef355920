//! E-HDR and E-ENV-01: the security headers of the guide, on every answer.

use portcullis_tests::{Answer, Certificate, Gateway, Launch, Request, Response, Upstream, over_tls};
use rustls::version::TLS13;

use super::{FRONTEND, SECRET_KEY, generate, launch};

const CSP: &str = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';";

const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-xss-protection", "1; mode=block"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("content-security-policy", CSP),
];
const HSTS: &str = "max-age=31536000; includeSubDomains";

#[track_caller]
fn assert_sealed(answer: &Response) {
    for (name, value) in HEADERS {
        assert_eq!(answer.field(name), Some(value), "{}", answer.head);
    }
}

/// One answer of each kind: the application's, refusals of the gateway, a preflight, and nobody there.
fn answers(gateway: &Gateway, lonely: &Gateway) -> Vec<Response> {
    let forged = Request::get("/user/profile").header("X-Session-ID", "forged").header("X-Device-ID", "d");
    let answers = vec![
        Request::get("/config").send_to(gateway.address()),
        forged.send_to(gateway.address()),
        generate().send_to(gateway.address()),
        Request::get("/config").send_from("127.0.0.8", gateway.address()),
        Request::get("/config").send_from("127.0.0.8", gateway.address()),
        Request::get("/config").send_from("127.0.0.8", gateway.address()),
        Request::get("/config").send_from("127.0.0.8", gateway.address()),
        Request::preflight("/config", FRONTEND, "POST", "content-type").send_to(gateway.address()),
        Request::get("/config").send_to(lonely.address()),
    ];
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 401, 400, 200, 200, 200, 429, 200, 502]);
    answers
}

fn both(upstream: &Upstream, secure: Option<&str>) -> (Gateway, Gateway) {
    let start = |url: &str| {
        let start = launch(url).env("ALLOWED_ORIGINS", FRONTEND).env("RATE_LIMIT_REQUESTS_PER_MINUTE", "3");
        secure.into_iter().fold(start, |start, on| start.env("SECURE_HEADERS", on)).start()
    };
    (start(&upstream.url()), start("http://127.0.0.1:1"))
}

#[test]
fn e_hdr_01_e_hdr_02_e_hdr_03_e_hdr_04_e_hdr_05_e_hdr_09_every_answer_carries_the_headers() {
    let upstream = Upstream::ok();
    for on in [None, Some("true")] {
        let (gateway, lonely) = both(&upstream, on);
        answers(&gateway, &lonely).iter().for_each(assert_sealed);
    }
}

#[test]
fn e_env_01_the_headers_can_be_switched_off() {
    let upstream = Upstream::ok();
    let (gateway, lonely) = both(&upstream, Some("false"));
    for answer in answers(&gateway, &lonely) {
        for (name, _) in HEADERS {
            assert_eq!(answer.field(name), None, "{}", answer.head);
        }
    }
    let said = launch(&upstream.url()).env("SECURE_HEADERS", "perhaps").refused();
    assert!(said.contains("SECURE_HEADERS") && said.contains("perhaps"), "{said}");
}

const CUSTOM_CSP: &str = "default-src 'self'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; \
    style-src 'self' 'unsafe-inline' https://fonts.googleapis.com; font-src 'self' https://fonts.gstatic.com; \
    img-src 'self' data: https:; connect-src 'self' https://api.spotify.com;";

#[test]
fn e_hdr_06_e_hdr_08_the_headers_can_be_ones_own() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url())
        .config(&format!(
            "[headers]\nContent-Security-Policy = \"{CUSTOM_CSP}\"\nX-Download-Options = \"noopen\"\n"
        ))
        .start();
    let forged = Request::get("/user/profile").header("X-Session-ID", "forged").header("X-Device-ID", "d");
    for request in [Request::get("/config"), forged] {
        let answer = request.send_to(gateway.address());
        assert_eq!(answer.field("content-security-policy"), Some(CUSTOM_CSP), "{}", answer.head);
        assert_eq!(answer.field("x-download-options"), Some("noopen"), "{}", answer.head);
        // The others stay as they are.
        assert_eq!(answer.field("x-frame-options"), Some("DENY"), "{}", answer.head);
        assert_eq!(answer.field("x-xss-protection"), Some("1; mode=block"), "{}", answer.head);
    }
}

/// By its RFC the header is for TLS alone; the real application sends it on plain HTTP too.
#[test]
fn e_hdr_07_over_tls_the_browser_is_told_to_stay_there() {
    let certificate = Certificate::new();
    let upstream = Upstream::ok();
    let start = launch(&upstream.url());
    certificate.write(start.folder());
    let (cert, key) = (start.path("cert.pem"), start.path("key.pem"));
    let gateway =
        start.env("PORTCULLIS_SERVER__TLS__CERT", &cert).env("PORTCULLIS_SERVER__TLS__KEY", &key).start();
    for (path, status) in [("/config", 200), ("/playlist/generate", 400)] {
        let mut stream = certificate.client(&[&TLS13], &[]).connect(gateway.address()).unwrap();
        let method = if status == 200 { "GET" } else { "POST" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let answer = over_tls(&mut stream, &request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let line = format!("strict-transport-security: {}", HSTS.to_lowercase());
        assert_eq!(answer.to_lowercase().matches(&line).count(), 1, "{answer}");
    }
    drop(gateway);
    let plain = launch(&upstream.url()).start();
    assert_eq!(Request::get("/config").send_to(plain.address()).field("strict-transport-security"), None);
}

#[test]
fn e_hdr_10_what_the_application_sends_itself_stands_once_and_its_nonce_stays() {
    let own = "default-src 'self'; style-src 'nonce-r4nd0m'; script-src 'nonce-r4nd0m'";
    let fields = format!(
        "Content-Type: text/html\r\nX-Frame-Options: SAMEORIGIN\r\nx-content-type-options: nosniff\r\n\
         X-XSS-Protection: 1; mode=block\r\nReferrer-Policy: strict-origin-when-cross-origin\r\n\
         Strict-Transport-Security: max-age=31536000; includeSubDomains\r\nContent-Security-Policy: {own}\r\n"
    );
    let upstream = Upstream::start(move |_| Answer::with("200 OK", &fields, "<p>Sign in</p>"));
    let gateway = launch(&upstream.url()).start();
    let answer = Request::get("/auth/callback?code=c&state=s").send_to(gateway.address());
    assert_eq!((answer.status, answer.text()), (200, "<p>Sign in</p>"));
    for (name, value) in HEADERS {
        let expected = if name == "content-security-policy" { own } else { value };
        assert_eq!(answer.all(name), [expected], "{}", answer.head);
    }
    assert!(answer.all("strict-transport-security").len() < 2, "{}", answer.head);
}

/// The name is known where nothing else is set.
#[test]
fn the_names_of_the_profile_are_listed() {
    let (success, names) =
        Launch::command("config env --profile echotuner").env("SECRET_KEY", SECRET_KEY).finish();
    assert!(success, "{names}");
    for name in ["SECURE_HEADERS", "CORS_ENABLED", "ALLOWED_ORIGINS", "SECRET_KEY", "MAX_SESSION_AGE"] {
        assert!(names.contains(name), "{name} is missing in:\n{names}");
    }
}
