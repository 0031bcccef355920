//! P-LOG: what stands in the log, where the guide looks for it, and what never does.

use portcullis_tests::{Gateway, Request, Upstream, shell, until};

use super::{FRONTEND, TOKEN, ingest, ingest_with, launch};

/// The line the guide's `grep` finds for a word, in the file it looks into.
fn grepped(gateway: &Gateway, word: &str) -> String {
    until(&format!("{word} in server.log"), || {
        let found = shell("cat server.log | grep -E \"(401|429|CORS)\" || true", gateway.folder());
        found.lines().find(|line| line.contains(word)).map(str::to_owned)
    })
}

#[test]
fn p_log_01_p_log_02_p_log_03_p_log_04_the_command_of_the_guide_finds_every_violation() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream)
        .env("INGEST_TOKEN", TOKEN)
        .env("INGEST_RATE_LIMIT", "2")
        .env("PORTCULLIS_LOG__FILE", "server.log")
        .start();
    assert_eq!(ingest_with("wrong").send_to(gateway.address()).status, 401);
    assert!(grepped(&gateway, "auth_attempt").contains("401"));

    while ingest_with(TOKEN).send_to(gateway.address()).status != 429 {}
    assert!(grepped(&gateway, "rate_limit_exceeded").contains("429"));

    Request::get("/healthz").header("Origin", "http://evil.example").send_to(gateway.address());
    assert!(grepped(&gateway, "cors_violation").contains("CORS"));
    // What goes to the file goes to the terminal too.
    gateway.wait_for_log(&["cors_violation"]);
}

#[test]
fn p_log_05_the_token_stands_in_no_log_and_no_banner() {
    let upstream = Upstream::ok();
    let secret = "Zk3-planted-ingest-token-0f9e8d7c6b5a";
    let presented = "Qw8-presented-token-1a2b3c4d5e6f7a8b";
    let gateway = launch(&upstream)
        .env("INGEST_TOKEN", secret)
        .env("PORTCULLIS_LOG__FILE", "server.log")
        .env("PORTCULLIS_LOG__LEVEL", "debug")
        .start();
    ingest_with(secret).send_to(gateway.address());
    ingest_with(presented).send_to(gateway.address());
    // Where people put it by mistake.
    Request::get(&format!("/live/streams?token={secret}&x-ingest-token={presented}"))
        .send_to(gateway.address());
    ingest().header("Authorization", &format!("Bearer {presented}")).send_to(gateway.address());
    gateway.ask_to_reload();
    ingest().send_to(gateway.address());
    Request::get("/healthz").send_to(gateway.address());
    gateway.wait_for_log(&["/healthz", "200"]);
    let everything = gateway.log() + &gateway.folder().read("server.log").unwrap();
    for part in [secret, presented, "Zk3-planted", "0f9e8d7c6b5a", "Qw8-presented", "1a2b3c4d5e6f7a8b"] {
        assert!(!everything.contains(part), "{part} in:\n{everything}");
    }
}

#[test]
fn p_log_06_the_start_shows_the_settings_in_force() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream)
        .env("INGEST_TOKEN", TOKEN)
        .env("INGEST_RATE_LIMIT", "45")
        .env("API_CORS_ORIGINS", "http://localhost:5173,http://localhost:3000")
        .start();
    let banner = gateway.log();
    let address = gateway.printed_address();
    for shown in [
        &*address.ip().to_string(),
        &*address.port().to_string(),
        FRONTEND,
        "http://localhost:3000",
        "45",
        "Configured",
    ] {
        assert!(banner.contains(shown), "{shown} is missing in:\n{banner}");
    }
    assert!(!banner.contains("Not configured (open access)"), "{banner}");
    assert!(!banner.contains(TOKEN), "{banner}");
}

#[test]
fn p_app_07_values_of_the_query_are_redacted_in_the_log_and_reach_the_application() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).env("PORTCULLIS_LOG__LEVEL", "debug").start();
    let target = "/verify?server_seed=planted-quince&client_seed=other-medlar&note=sloe-berry";
    assert_eq!(Request::get(target).send_to(gateway.address()).status, 200);
    assert_eq!(upstream.only().line(), format!("GET {target} HTTP/1.1"));
    gateway.wait_for_log(&["/verify", "200"]);
    for planted in ["quince", "medlar", "sloe"] {
        assert!(!gateway.log().contains(planted), "{planted} in:\n{}", gateway.log());
    }
}
