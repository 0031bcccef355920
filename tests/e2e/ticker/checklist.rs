//! T-CK: the checklist of the guide, as far as `portcullis check` judges it.

use std::io::Read as _;

use portcullis_tests::{Certificate, Launch, Request, Upstream, over_tls};
use rustls::version::TLS13;

use super::{KEY, guarded};

/// Runs the checklist; whether nothing failed, and the items.
fn check(names: &[(&str, &str)]) -> (bool, Vec<serde_json::Value>) {
    let check = Launch::command("check --profile ticker-service --json")
        .env("PORTCULLIS_UPSTREAM", "http://127.0.0.1:9000")
        .env("PORTCULLIS_SERVER__LISTEN", "127.0.0.1:8080");
    let ran = names.iter().fold(check, |check, (name, value)| check.env(name, value)).ran();
    let report: serde_json::Value = serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error} in {}{}", ran.stdout, ran.stderr));
    assert!(!ran.stdout.contains(KEY), "{}", ran.stdout);
    (ran.status.success(), report["items"].as_array().unwrap().clone())
}

fn verdict<'a>(items: &'a [serde_json::Value], id: &str) -> &'a str {
    let item = items.iter().find(|item| item["id"] == id).unwrap_or_else(|| panic!("no {id} in {items:#?}"));
    item["verdict"].as_str().unwrap()
}

fn is_named(items: &[serde_json::Value], id: &str, word: &str) -> bool {
    items.iter().any(|item| item["id"] == id && item.to_string().contains(word))
}

const PRODUCTION: [(&str, &str); 3] =
    [("ENVIRONMENT", "production"), ("API_KEY_ENABLED", "true"), ("API_KEY", KEY)];

#[test]
fn t_ck_01_the_strength_of_the_key_is_judged() {
    assert_eq!(verdict(&check(&PRODUCTION).1, "credential-strength"), "pass");
    let (_, items) = check(&[("API_KEY", "short")]);
    assert_eq!(verdict(&items, "credential-strength"), "warn");
    assert!(is_named(&items, "credential-strength", "generate token"), "the mend: {items:#?}");
}

#[test]
fn t_ck_03_the_environment_and_the_switch_are_reported() {
    let (success, items) = check(&PRODUCTION);
    assert!(success, "{items:#?}");
    assert_eq!(verdict(&items, "environment"), "pass");
    assert_eq!(verdict(&items, "authentication"), "pass");

    let (success, items) =
        check(&[("ENVIRONMENT", "development"), ("API_KEY_ENABLED", "false"), ("API_KEY", KEY)]);
    assert_eq!(verdict(&items, "environment"), "warn");
    assert!(!success && verdict(&items, "authentication") == "fail", "{items:#?}");
    assert!(is_named(&items, "authentication", "API_KEY_ENABLED"), "{items:#?}");

    // Off and in production: it is on, and the switch is named.
    let (_, items) = check(&[("ENVIRONMENT", "production"), ("API_KEY_ENABLED", "false"), ("API_KEY", KEY)]);
    assert_eq!(verdict(&items, "authentication"), "pass");
}

#[test]
fn t_ck_04_a_default_password_that_everybody_knows_is_found() {
    let with = |password: &'static str| {
        let names: Vec<_> = PRODUCTION.into_iter().chain([("INSTRUMENT_DB_PASSWORD", password)]).collect();
        let (_, items) = check(&names);
        assert!(!items.iter().any(|item| item.to_string().contains(password)), "{items:#?}");
        items
    };
    let known = with("stocksblitz123");
    assert_ne!(verdict(&known, "default-passwords"), "pass");
    assert!(is_named(&known, "default-passwords", "INSTRUMENT_DB_PASSWORD"), "{known:#?}");
    assert_eq!(verdict(&with("Vw9xQ2mZ7rTn5sLhEoUaYxG"), "default-passwords"), "pass");
}

#[test]
fn t_ck_05_tls_is_spoken_and_plain_http_beyond_this_machine_is_refused_in_production() {
    let (_, items) = check(&PRODUCTION);
    assert_ne!(verdict(&items, "tls"), "fail", "loopback: {items:#?}");
    let upstream = Upstream::ok();
    let said = Launch::command("run --profile ticker-service --listen 0.0.0.0:0 --upstream")
        .arg(&upstream.url())
        .env("API_KEY", KEY)
        .env("ENVIRONMENT", "production")
        .refused();
    assert!(said.to_lowercase().contains("tls"), "{said}");

    let certificate = Certificate::new();
    let start = guarded(&upstream).env("ENVIRONMENT", "production");
    certificate.write(start.folder());
    let (cert, key) = (start.path("cert.pem"), start.path("key.pem"));
    let gateway =
        start.env("PORTCULLIS_SERVER__TLS__CERT", &cert).env("PORTCULLIS_SERVER__TLS__KEY", &key).start();
    assert!(gateway.is_secure());
    let ask = |headers: &str| {
        let mut stream = certificate.client(&[&TLS13], &[]).connect(gateway.address()).unwrap();
        over_tls(
            &mut stream,
            &format!(
                "GET /trading-accounts HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n{headers}\r\n"
            ),
        )
    };
    assert!(ask("").starts_with("HTTP/1.1 401 "));
    assert!(ask(&format!("X-API-Key: {KEY}\r\n")).starts_with("HTTP/1.1 200 "));
    // The plain request gets no answer of the service.
    let mut plain = portcullis_tests::Connection::open(gateway.address());
    plain.send(Request::get("/health").bytes());
    let mut told = Vec::new();
    let _ = plain.stream().read_to_end(&mut told);
    assert!(!told.starts_with(b"HTTP"), "{told:?}");
    assert_eq!(upstream.count(), 1);
}
