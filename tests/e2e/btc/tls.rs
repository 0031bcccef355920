//! B-ENV-13 and B-TLS-01: certificates of the guide's names.

use std::io::Read as _;

use portcullis_tests::{Certificate, Connection, Launch, Request, Upstream, over_tls};
use rustls::version::{TLS12, TLS13};

use super::launch;

const GET: &str = "GET / HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n";

/// The names of the guide, with files that are there.
fn secure(upstream: &Upstream, certificate: &Certificate) -> Launch {
    let launch = launch(&upstream.url())
        .file("tls/certificate.pem", &certificate.pem())
        .file("tls/private-key.pem", &certificate.key_pem());
    let (certificate, key) = (launch.path("tls/certificate.pem"), launch.path("tls/private-key.pem"));
    launch.env("SSL_CERT_PATH", &certificate).env("SSL_KEY_PATH", &key)
}

#[test]
fn b_env_13_b_tls_01_the_port_speaks_tls_and_nothing_else() {
    let (upstream, certificate) = (Upstream::ok(), Certificate::new());
    let gateway = secure(&upstream, &certificate).env("SSL_ENABLED", "true").start();
    assert!(gateway.is_secure(), "{}", gateway.log());
    for version in [&TLS12, &TLS13] {
        let mut stream = certificate.client(&[version], &["http/1.1"]).connect(gateway.address()).unwrap();
        let answer = over_tls(&mut stream, GET);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.to_lowercase().contains("\r\nstrict-transport-security: "), "{answer}");
    }
    let before = upstream.count();
    let mut plain = Connection::open(gateway.address());
    plain.send(Request::get("/").bytes());
    let mut told = Vec::new();
    let _ = plain.stream().read_to_end(&mut told);
    let told = String::from_utf8_lossy(&told);
    assert!(told.is_empty() || !told.contains(" 200 "), "{told}");
    assert_eq!(upstream.count(), before);
}

#[test]
fn b_env_13_without_the_switch_or_without_the_files_there_is_no_half_way() {
    let (upstream, certificate) = (Upstream::ok(), Certificate::new());
    let gateway = secure(&upstream, &certificate).env("SSL_ENABLED", "false").start();
    assert!(!gateway.is_secure(), "{}", gateway.log());
    assert_eq!(Request::get("/").send_to(gateway.address()).status, 200);

    // As the guide writes them: nothing is there.
    let said = launch(&upstream.url())
        .env("SSL_CERT_PATH", "/path/to/your/certificate.pem")
        .env("SSL_KEY_PATH", "/path/to/your/private-key.pem")
        .env("SSL_ENABLED", "true")
        .refused();
    assert!(said.contains("SSL_CERT_PATH") && said.contains("/path/to/your/certificate.pem"), "{said}");
    let said = launch(&upstream.url()).env("SSL_ENABLED", "true").refused();
    assert!(said.contains("SSL_CERT_PATH") && said.contains("SSL_KEY_PATH"), "{said}");
    let said = secure(&upstream, &certificate).env("SSL_ENABLED", "surely").refused();
    assert!(said.contains("SSL_ENABLED") && said.contains("surely"), "{said}");
    let other = Certificate::new();
    let said = secure(&upstream, &certificate)
        .file("tls/private-key.pem", &other.key_pem())
        .env("SSL_ENABLED", "true")
        .refused();
    assert!(said.contains("key"), "{said}");
    assert!(!said.contains("PRIVATE KEY"), "{said}");
}
