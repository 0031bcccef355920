//! E-DEP: what the guide's container and its nginx do, done by the gateway.

use std::time::Duration;

use portcullis_tests::{
    Answer, Application, Certificate, Connection, Launch, Request, System, Upstream, guide_command, over_tls,
};
use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};

use super::{SECRET_KEY, assert_reached, generous, launch};

#[test]
fn e_dep_01_the_secret_comes_from_the_environment_or_a_file_and_is_never_shown() {
    let upstream = Upstream::ok();
    let start = Launch::profile("echotuner", &upstream.url()).file("secret", SECRET_KEY);
    let path = start.path("secret");
    let gateway = start.env("SECRET_KEY_FILE", &path).start();
    assert_reached(&Request::get("/config").send_to(gateway.address()));
    assert!(!gateway.log().contains(SECRET_KEY), "{}", gateway.log());
    for command in ["config show", "config show --json", "check", "check --json"] {
        let ran = gateway.command(command).ran();
        assert!(!ran.stdout.contains(SECRET_KEY) && !ran.stderr.contains(SECRET_KEY), "{command}: {ran:?}");
    }
}

#[test]
fn e_dep_03_the_health_check_of_the_container_passes_and_is_never_limited() {
    let application = Application::start(System::EchoTuner);
    let gateway = launch(application.url()).env("RATE_LIMIT_REQUESTS_PER_MINUTE", "3").start();
    let command = "curl -f http://localhost:8000/config/health || exit 1";
    let answers = guide_command(command, gateway.address());
    assert_eq!(answers[0].status, 200, "{answers:?}");
    assert!(answers[0].body.contains(r#""status":"healthy""#), "{answers:?}");
    let mut connection = Connection::open(gateway.address());
    for _ in 0..150 {
        assert_eq!(Request::get("/config/health").on(&mut connection).status, 200);
    }
    // And takes nothing from anybody's allowance.
    let left: Vec<u16> = (0..4).map(|_| Request::get("/config").on(&mut connection).status).collect();
    assert_eq!(left, [200, 200, 200, 429]);
}

#[test]
fn e_dep_04_e_dep_05_tls_as_nginx_would_end_it() {
    let certificate = Certificate::new();
    let upstream = Upstream::ok();
    let start = launch(&upstream.url());
    certificate.write(start.folder());
    let (cert, key) = (start.path("cert.pem"), start.path("key.pem"));
    let gateway =
        start.env("PORTCULLIS_SERVER__TLS__CERT", &cert).env("PORTCULLIS_SERVER__TLS__KEY", &key).start();
    assert!(gateway.is_secure());
    for (version, spoken) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let mut stream = certificate.client(&[version], &[]).connect(gateway.address()).unwrap();
        // A refusal, on which the headers stand too: `always`.
        let request = "POST /playlist/generate HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let answer = over_tls(&mut stream, request).to_lowercase();
        assert_eq!(stream.conn.protocol_version(), Some(spoken));
        assert!(answer.starts_with("http/1.1 400 "), "{answer}");
        for line in [
            "strict-transport-security: max-age=31536000; includesubdomains",
            "x-frame-options: deny",
            "x-content-type-options: nosniff",
        ] {
            assert_eq!(answer.matches(line).count(), 1, "{line} in {answer}");
        }
    }
    let stream = certificate.client(&[&TLS13], &["h2", "http/1.1"]).connect(gateway.address()).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
    // Nothing older: the hello of TLS 1.1 gets an alert and no handshake.
    let mut old = Connection::open(gateway.address());
    old.send(HELLO_TLS_1_1);
    let mut told = Vec::new();
    let _ = std::io::Read::read_to_end(old.stream(), &mut told);
    assert!(told.is_empty() || told[0] == 0x15, "an alert or nothing: {told:02x?}");
}

/// A hello that knows TLS 1.1 and a suite of its time (RFC 4346 section 7.4.1.2).
const HELLO_TLS_1_1: &[u8] = &[
    0x16, 3, 1, 0, 45, // a handshake record of 45 octets
    1, 0, 0, 41, 3, 2, // the hello, of TLS 1.1
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
    29, 30, 31, 32, // random
    0, 0, 2, 0xc0, 0x14, 1, 0, // no session, ECDHE-RSA-AES256-SHA, no compression
];

#[test]
fn e_dep_07_the_application_is_told_what_nginx_would_tell_it() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let request = Request::get("/config").header("Host", "api.yourdomain.com");
    assert_reached(&request.send_from("127.0.0.6", gateway.address()));
    let received = upstream.only();
    for (name, value) in [
        ("host", "api.yourdomain.com"),
        ("x-real-ip", "127.0.0.6"),
        ("x-forwarded-for", "127.0.0.6"),
        ("x-forwarded-proto", "http"),
    ] {
        assert_eq!(received.field(name), Some(value), "{}", received.head);
    }
    // Behind a proxy that is trusted, its word is taken.
    let gateway = generous(&upstream).env("PORTCULLIS_SERVER__TRUSTED_PROXIES", "127.0.0.6/32").start();
    let request = Request::get("/config")
        .header("X-Forwarded-For", "198.51.100.7")
        .header("X-Forwarded-Proto", "https");
    assert_reached(&request.send_from("127.0.0.6", gateway.address()));
    let received = upstream.received().pop().unwrap();
    assert!(received.field("x-forwarded-for").unwrap().starts_with("198.51.100.7"), "{}", received.head);
    assert_eq!(received.field("x-real-ip"), Some("198.51.100.7"), "{}", received.head);
    assert_eq!(received.field("x-forwarded-proto"), Some("https"), "{}", received.head);
}

#[test]
fn e_dep_08_an_application_that_does_not_answer_is_waited_for_a_minute() {
    // Nobody waits for a minute to see it: the default is read, and another value is tried.
    let schema = Launch::command("config schema").ran().json();
    for key in ["response_timeout", "idle_timeout"] {
        let of = &schema["properties"]["upstreams"]["additionalProperties"]["properties"][key];
        assert_eq!(of["default"], "60s", "{key}: {of}");
    }
    let upstream = Upstream::start(|_| Answer::Silence);
    let text = format!("[upstreams.default]\nurl = {:?}\nresponse_timeout = \"300ms\"\n", upstream.url());
    let gateway = Launch::command("run --listen 127.0.0.1:0 --profile echotuner")
        .env("SECRET_KEY", SECRET_KEY)
        .config(&text)
        .start();
    let began = std::time::Instant::now();
    assert_eq!(Request::get("/config").send_to(gateway.address()).status, 504);
    assert!(began.elapsed() < Duration::from_secs(20), "not a minute, as this one says");
}

#[test]
fn e_dep_09_what_a_client_says_of_itself_is_overwritten() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let request = ["X-Forwarded-For", "X-Real-IP", "X-Forwarded-Host", "Forwarded", "X_Forwarded_For"]
        .into_iter()
        .fold(Request::get("/config"), |request, name| request.header(name, "203.0.113.9"))
        .header("X-Forwarded-Proto", "https");
    assert_reached(&request.send_to(gateway.address()));
    let received = upstream.only();
    assert!(!received.head.contains("203.0.113.9"), "{}", received.head);
    assert_eq!(received.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(received.field("x-forwarded-proto"), Some("http"));
}
