//! P-TOK: the ingest token, asked for where the guide asks for it and nowhere else.

use portcullis_tests::{Connection, Gateway, Outcome, Request, Upstream};

use super::{BET, TOKEN, assert_reached, assert_refused, ingest, ingest_with, launch};

const MISSING: &str = r#"{"detail":"X-Ingest-Token header is required"}"#;
const INVALID: &str = r#"{"detail":"Invalid ingest token"}"#;

fn guarded(upstream: &Upstream) -> Gateway {
    launch(upstream).env("INGEST_TOKEN", TOKEN).start()
}

#[test]
fn p_tok_01_a_missing_token_is_401_in_the_words_of_the_application() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    let answer = ingest().send_to(gateway.address());
    assert_refused(&answer, 401, MISSING);
    assert!(answer.field("www-authenticate").is_some(), "{}", answer.head);
    assert_eq!(upstream.count(), 0);
    gateway.wait_for_log(&["auth_attempt", "401", "/live/ingest"]);
}

#[test]
fn p_tok_02_a_wrong_token_is_401_and_stands_in_no_log() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    let wrong = "guess-quince-with-a-shape-of-its-own";
    let answer = ingest_with(wrong).send_to(gateway.address());
    assert_refused(&answer, 401, INVALID);
    assert!(answer.field("www-authenticate").is_some(), "{}", answer.head);
    assert_eq!(upstream.count(), 0);
    gateway.wait_for_log(&["auth_attempt", "401"]);
    // The request after it has its line only when the wrong one has its own.
    Request::get("/healthz").send_to(gateway.address());
    gateway.wait_for_log(&["/healthz", "200"]);
    assert!(!gateway.log().contains("quince"), "{}", gateway.log());
}

#[test]
fn p_tok_03_an_empty_header_is_a_wrong_token() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    for line in ["X-Ingest-Token:\r\n", "X-Ingest-Token: \r\n", "X-Ingest-Token: \t \r\n"] {
        let bytes = format!("POST /live/ingest HTTP/1.1\r\nHost: x\r\n{line}Content-Length: 2\r\n\r\n{{}}");
        let answer = Connection::open(gateway.address()).send(bytes).response();
        assert_refused(&answer, 401, INVALID);
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn p_tok_04_p_tok_05_the_right_token_passes_under_any_letter_case_of_its_name() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    for name in ["X-Ingest-Token", "x-ingest-token", "X-INGEST-TOKEN", "x-InGeSt-ToKeN"] {
        assert_reached(&ingest().header(name, TOKEN).send_to(gateway.address()));
    }
    let received = upstream.received();
    assert_eq!(received.len(), 4);
    assert!(
        received
            .iter()
            .all(|request| request.body == BET.as_bytes() && request.line() == "POST /live/ingest HTTP/1.1")
    );
}

#[test]
fn p_tok_06_without_a_configured_token_any_header_passes() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).start();
    assert_reached(&ingest().send_to(gateway.address()));
    for token in ["", "anything", TOKEN] {
        assert_reached(&ingest_with(token).send_to(gateway.address()));
    }
}

/// That the comparison takes the same time is a property of `Secret`, tested where it lives; seen from outside,
/// nothing may tell how much of a guess was right.
#[test]
fn p_tok_07_nothing_tells_how_near_a_guess_was() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    let nearly = [
        format!("{TOKEN}x"),
        format!("x{TOKEN}"),
        TOKEN[..TOKEN.len() - 1].to_owned(),
        format!("{}x", &TOKEN[..TOKEN.len() - 1]),
        format!("x{}", &TOKEN[1..]),
        TOKEN.to_uppercase(),
        format!("Bearer {TOKEN}"),
        format!("\"{TOKEN}\""),
        "entirely-different".to_owned(),
    ];
    let answers: Vec<String> = nearly
        .iter()
        .map(|guess| {
            let answer = ingest_with(guess).send_to(gateway.address());
            assert_refused(&answer, 401, INVALID);
            let alike: Vec<&str> = answer
                .head
                .lines()
                .filter(|line| {
                    let line = line.to_ascii_lowercase();
                    // What differs between any two answers: the identifier, the clock, the counters.
                    !["x-request-id", "date", "x-ratelimit", "ratelimit", "retry-after"]
                        .iter()
                        .any(|name| line.starts_with(name))
                })
                .collect();
            alike.join("\n")
        })
        .collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    let twice = ingest_with(TOKEN).header("X-Ingest-Token", "wrong").send_to(gateway.address());
    assert!(matches!(twice.status, 400 | 401), "two tokens are not chosen from: {}", twice.head);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn p_tok_08_the_token_is_asked_for_before_the_body_is_looked_at() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    assert_refused(&Request::post("/live/ingest", "{not json").send_to(gateway.address()), 401, MISSING);
    // Not even the body's arrival is waited for.
    let head = "POST /live/ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";
    assert_refused(&Connection::open(gateway.address()).send(head).response(), 401, MISSING);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn p_tok_09_a_token_that_does_not_match_is_401_never_403() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    let origin = |request: Request| request.header("Origin", "http://elsewhere.example");
    let attempts =
        [ingest(), ingest_with(""), ingest_with("wrong"), origin(ingest()), origin(ingest_with("wrong"))];
    for attempt in attempts {
        assert_eq!(attempt.send_to(gateway.address()).status, 401, "{attempt:?}");
    }
}

#[test]
fn p_tok_10_an_odd_token_is_taken_exactly_or_refused_or_warned_about_at_the_start() {
    let upstream = Upstream::ok();
    let special = "p@ss/w0rd+=!#$%&'()*,;:<>?[]^_`{|}~";
    let gateway = launch(&upstream).env("INGEST_TOKEN", special).start();
    assert_reached(&ingest_with(special).send_to(gateway.address()));
    assert_eq!(ingest_with("p@ss/w0rd+=!").send_to(gateway.address()).status, 401);

    // Blanks around a header's value are not part of it: such a token could never match as written.
    for odd in [
        " surrounded-by-blanks-0123456789 ",
        "t\u{f6}ken-0123456789-0123456789",
        "tab\tin-the-middle-0123456789",
        "   ",
    ] {
        match launch(&upstream).env("INGEST_TOKEN", odd).outcome() {
            Outcome::Ended { status, output } => {
                assert!(!status.success() && output.contains("INGEST_TOKEN"), "{odd:?}: {output}");
            }
            Outcome::Serves(gateway) => {
                let log = gateway.log();
                let warned = log
                    .lines()
                    .any(|line| line.to_lowercase().contains("warn") && line.contains("INGEST_TOKEN"));
                assert!(warned, "{odd:?} starts without a word:\n{log}");
                assert_eq!(ingest().send_to(gateway.address()).status, 401, "{odd:?} opens ingest");
            }
        }
    }
}

#[test]
fn p_tok_11_the_token_is_taken_off_unless_the_application_checks_too() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    assert_reached(&ingest_with(TOKEN).send_to(gateway.address()));
    assert_eq!(upstream.only().field("x-ingest-token"), None);
    drop(gateway);

    let text = format!("[upstreams.app]\nurl = \"{}\"\npass_credentials = true\n", upstream.url());
    let gateway = portcullis_tests::Launch::run()
        .arg("--profile")
        .arg("pump-analyzer")
        .config(&text)
        .env("INGEST_TOKEN", TOKEN)
        .start();
    assert_reached(&ingest_with(TOKEN).send_to(gateway.address()));
    assert_eq!(upstream.received()[1].field("x-ingest-token"), Some(TOKEN));
}

#[test]
fn p_tok_12_no_other_route_asks_for_the_token() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    let requests = [
        Request::get("/live/streams?limit=10"),
        Request::get("/live/streams/7d4c1b1e-0000-4000-8000-000000000000"),
        Request::new("DELETE", "/live/streams/7d4c1b1e-0000-4000-8000-000000000000"),
        Request::get("/runs"),
        Request::get("/verify?server_seed=a"),
        Request::get("/healthz"),
        Request::get("/docs"),
        Request::get("/live/ingest/other"),
    ];
    for request in &requests {
        assert_eq!(request.send_to(gateway.address()).status, 200, "{request:?}");
    }
    assert_eq!(upstream.count(), requests.len());
    // Other spellings that an application would read as the guarded path do not slip past it.
    let before = upstream.count();
    for target in [
        "/live/%69ngest",
        "/live/./ingest",
        "/live/%2e/ingest",
        "/x/../live/ingest",
        "/x/%2e%2e/live/ingest",
        "/live%2fingest",
        "/live%2Fingest",
        "http://gateway.test/live/ingest",
    ] {
        let answer = Request::post(target, BET).send_to(gateway.address());
        assert!(matches!(answer.status, 400 | 401), "{target}: {}", answer.head);
    }
    assert_eq!(upstream.count(), before);
}

#[test]
fn p_tok_13_the_token_is_rotated_without_a_restart() {
    let upstream = Upstream::ok();
    let start = launch(&upstream).file("token", "the-old-token-0123456789\n");
    let path = start.path("token");
    let gateway = start.env("INGEST_TOKEN_FILE", &path).start();
    // One connection all along: a reload drops nobody.
    let mut connection = Connection::open(gateway.address());
    assert_reached(&ingest_with("the-old-token-0123456789").on(&mut connection));

    gateway.folder().write("token", "the-new-token-0123456789\n");
    gateway.ask_to_reload();
    gateway.wait_for_log(&["config_changed"]);
    assert_refused(&ingest_with("the-old-token-0123456789").on(&mut connection), 401, INVALID);
    assert_reached(&ingest_with("the-new-token-0123456789").on(&mut connection));
}
