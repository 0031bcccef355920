//! P-BP: the practices the guide recommends, judged or enforced.

use portcullis_tests::{Launch, Outcome, Request, ShellAnswer, Upstream, shell};

use super::{TOKEN, assert_reached, ingest, ingest_with, launch};

const STRONG: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn check(names: &[(&str, &str)]) -> (bool, String) {
    let launch =
        Launch::command("check --profile pump-analyzer").env("PORTCULLIS_UPSTREAM", "http://127.0.0.1:9");
    names.iter().fold(launch, |launch, (name, value)| launch.env(name, value)).finish()
}

/// The line of the checklist about a word.
fn item<'a>(report: &'a str, words: &[&str]) -> &'a str {
    let found = report.lines().find(|line| {
        let line = line.to_lowercase();
        ["pass", "warn", "fail"].iter().any(|verdict| line.contains(verdict))
            && words.iter().any(|word| line.contains(word))
    });
    found.unwrap_or_else(|| panic!("nothing about {words:?} in:\n{report}"))
}

#[test]
fn p_bp_01_check_judges_address_token_tls_and_limit() {
    let (_, good) = check(&[("INGEST_TOKEN", STRONG)]);
    assert!(item(&good, &["token"]).to_lowercase().contains("pass"), "{good}");
    assert!(item(&good, &["bind", "listen", "loopback"]).to_lowercase().contains("pass"), "{good}");
    item(&good, &["tls", "https"]);
    assert!(item(&good, &["limit"]).to_lowercase().contains("pass"), "{good}");

    let (_, bad) = check(&[("API_HOST", "0.0.0.0")]);
    assert!(!item(&bad, &["token"]).to_lowercase().contains("pass"), "{bad}");
    assert!(!item(&bad, &["bind", "listen", "loopback"]).to_lowercase().contains("pass"), "{bad}");
    assert!(bad.contains("INGEST_TOKEN"), "the mend names what to set: {bad}");
}

#[test]
fn p_bp_02_a_weak_token_is_warned_about_and_refused_in_production() {
    let upstream = Upstream::ok();
    let warned = |token: &str| {
        let gateway = launch(&upstream).env("INGEST_TOKEN", token).start();
        assert_reached(&ingest_with(token).send_to(gateway.address()));
        let log = gateway.log().to_lowercase();
        log.lines().any(|line| line.contains("warn") && line.contains("ingest_token"))
    };
    assert!(warned("short"));
    assert!(!warned(STRONG));

    let production = |token: &str| {
        launch(&upstream).env("PORTCULLIS_ENVIRONMENT", "production").env("INGEST_TOKEN", token)
    };
    for weak in ["short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "your-secret-token-here", ""] {
        let said = production(weak).refused();
        assert!(said.contains("INGEST_TOKEN"), "{weak:?}: {said}");
    }
    match production(STRONG).outcome() {
        Outcome::Serves(gateway) => assert_reached(&ingest_with(STRONG).send_to(gateway.address())),
        Outcome::Ended { output, .. } => panic!("a strong token is refused:\n{output}"),
    }
}

#[test]
fn p_bp_03_tls_is_ended_by_the_gateway() {
    let upstream = Upstream::ok();
    let text =
        format!("upstream = \"{}\"\n[server.tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n", upstream.url());
    let start = Launch::run().arg("--profile").arg("pump-analyzer").config(&text).env("INGEST_TOKEN", TOKEN);
    let folder = start.path("");
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let gateway = start.start();
    let port = gateway.address().port();
    let answer = |options: &str| {
        let line = format!(
            "curl --noproxy '*' -sS --max-time 30 --cacert cert.pem {options} -o body -w '%{{http_code}}' https://localhost:{port}/live/ingest \
             -H 'X-Ingest-Token: {TOKEN}' -d '{{}}' --resolve localhost:{port}:127.0.0.1"
        );
        let status = shell(&line, gateway.folder()).trim().parse().unwrap();
        ShellAnswer { status, body: gateway.folder().read("body").unwrap() }
    };
    let expected = ShellAnswer { status: 200, body: r#"{"accepted":true}"#.to_owned() };
    assert_eq!(answer("--http1.1 --tlsv1.2"), expected);
    assert_eq!(answer("--http2 --tlsv1.3"), expected);
    assert!(gateway.is_secure(), "the start says https: {}", gateway.log());
    for request in upstream.received() {
        assert_eq!(request.field("x-forwarded-proto"), Some("https"), "{}", request.head);
    }
}

#[test]
fn p_bp_05_access_and_failed_attempts_are_logged_without_being_asked() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).env("INGEST_TOKEN", TOKEN).start();
    Request::get("/live/streams").send_to(gateway.address());
    let access = gateway.wait_for_log(&["/live/streams", "200"]);
    assert!(access.contains("GET") && access.contains("127.0.0.1"), "{access}");
    ingest().send_to(gateway.address());
    let failure = gateway.wait_for_log(&["auth_attempt", "401"]);
    assert!(failure.contains("127.0.0.1"), "{failure}");
}
