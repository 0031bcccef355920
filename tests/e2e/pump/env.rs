//! P-ENV: a `.env` written for the real application, and what each name means.

use std::net::SocketAddr;

use portcullis_tests::{
    Gateway, Launch, Request, Scratch, Upstream, free_port, is_refused, outer_address, shell,
};

use super::{BET, FRONTEND, TOKEN, assert_reached, ingest, ingest_with, launch};

/// Without `--listen`: the address comes from `API_HOST` and `API_PORT`.
fn launch_by_names(upstream: &Upstream, port: u16) -> Launch {
    Launch::command("run --profile pump-analyzer")
        .arg("--upstream")
        .arg(&upstream.url())
        .env("API_PORT", &port.to_string())
}

/// Where one finds the port on another address of this machine.
fn elsewhere(port: u16) -> Vec<SocketAddr> {
    let loopback = Some("127.0.0.2".parse().unwrap());
    loopback.into_iter().chain(outer_address()).map(|address| SocketAddr::new(address, port)).collect()
}

#[test]
fn p_env_01_without_a_token_ingest_is_open_and_the_start_says_so() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).start();
    assert!(gateway.log().contains("Not configured (open access)"), "{}", gateway.log());
    assert_reached(&ingest().send_to(gateway.address()));
}

#[test]
fn p_env_02_an_empty_token_is_no_token() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).env("INGEST_TOKEN", "").start();
    assert!(gateway.log().contains("Not configured (open access)"), "{}", gateway.log());
    assert_reached(&ingest().send_to(gateway.address()));
    assert_reached(&ingest_with("anything").send_to(gateway.address()));
}

#[test]
fn p_env_03_a_token_must_be_presented() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).env("INGEST_TOKEN", TOKEN).start();
    assert!(!gateway.log().contains("open access"), "{}", gateway.log());
    assert_eq!(ingest().send_to(gateway.address()).status, 401);
    assert_eq!(ingest_with("another").send_to(gateway.address()).status, 401);
    assert_eq!(upstream.count(), 0);
    assert_reached(&ingest_with(TOKEN).send_to(gateway.address()));
}

#[test]
fn p_env_04_both_forms_of_the_guide_are_taken_unchanged() {
    let upstream = Upstream::ok();
    let hex = shell("openssl rand -hex 32", &Scratch::new()).trim().to_owned();
    assert_eq!(hex.len(), 64);
    for token in [hex.as_str(), TOKEN] {
        let gateway = launch(&upstream).env("INGEST_TOKEN", token).start();
        assert_reached(&ingest_with(token).send_to(gateway.address()));
        assert_eq!(ingest_with(&token.to_uppercase()).send_to(gateway.address()).status, 401);
        assert_eq!(ingest_with(&token[1..]).send_to(gateway.address()).status, 401);
    }
}

#[test]
fn p_env_05_without_a_host_only_loopback_is_bound() {
    let upstream = Upstream::ok();
    let port = free_port();
    let gateway = launch_by_names(&upstream, port).start();
    assert_eq!(gateway.printed_address(), SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(Request::get("/healthz").send_to(gateway.address()).status, 200);
    for address in elsewhere(port) {
        assert!(is_refused(address), "{address} answers");
    }
}

#[test]
fn p_env_06_p_bp_04_a_loopback_host_is_refused_on_every_other_address() {
    let upstream = Upstream::ok();
    let port = free_port();
    let gateway = launch_by_names(&upstream, port).env("API_HOST", "127.0.0.1").start();
    assert_eq!(Request::get("/healthz").send_to(gateway.address()).status, 200);
    for address in elsewhere(port) {
        assert!(is_refused(address), "{address} answers");
    }
}

#[test]
fn p_env_07_every_interface_is_bound_with_a_warning() {
    let upstream = Upstream::ok();
    let port = free_port();
    let gateway = launch_by_names(&upstream, port).env("API_HOST", "0.0.0.0").start();
    for address in elsewhere(port) {
        assert_eq!(Request::get("/healthz").send_to(address).status, 200, "{address}");
    }
    let log = gateway.log().to_lowercase();
    assert!(log.lines().any(|line| line.contains("warn") && line.contains("0.0.0.0")), "{log}");
}

#[test]
fn p_env_08_p_bp_06_the_port_is_8000_or_the_one_said_and_the_start_states_it() {
    let upstream = Upstream::ok();
    let (success, shown) = Launch::command("config show --profile pump-analyzer")
        .env("PORTCULLIS_UPSTREAM", &upstream.url())
        .finish();
    assert!(success && shown.contains("127.0.0.1:8000"), "{shown}");

    let port = free_port();
    let gateway = launch_by_names(&upstream, port).start();
    assert!(gateway.log().contains(&format!("listening on http://127.0.0.1:{port}")), "{}", gateway.log());
    assert_eq!(Request::get("/healthz").send_to(SocketAddr::from(([127, 0, 0, 1], port))).status, 200);

    for wrong in ["eighty", "70000", "-1", "80.5"] {
        let said = Launch::command("run --profile pump-analyzer")
            .arg("--upstream")
            .arg(&upstream.url())
            .env("API_PORT", wrong)
            .refused();
        assert!(said.contains("API_PORT") && said.contains(wrong), "{said}");
    }
}

#[test]
fn p_env_09_the_limit_is_60_a_minute_when_nothing_is_said() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).start();
    let answer = ingest().send_to(gateway.address());
    assert_eq!((answer.number("x-ratelimit-limit"), answer.number("x-ratelimit-remaining")), (60, 59));
}

#[test]
fn p_env_10_the_limit_is_the_one_said() {
    let upstream = Upstream::ok();
    for limit in [30, 60, 120] {
        let gateway = launch(&upstream).env("INGEST_RATE_LIMIT", &limit.to_string()).start();
        let statuses: Vec<u16> = (0..=limit).map(|_| ingest().send_to(gateway.address()).status).collect();
        assert!(statuses[..limit].iter().all(|status| *status == 200), "{limit}: {statuses:?}");
        assert_eq!(statuses[limit], 429, "{limit}");
    }
}

#[test]
fn p_env_11_p_env_12_a_limit_that_is_no_number_or_0_does_not_start() {
    let upstream = Upstream::ok();
    for wrong in ["abc", "0", "-5", "1.5", "60/minute x"] {
        let said = launch(&upstream).env("INGEST_RATE_LIMIT", wrong).refused();
        assert!(said.contains("INGEST_RATE_LIMIT") && said.contains(wrong), "{said}");
    }
}

#[test]
fn p_env_13_the_real_example_file_is_obeyed_and_ours_says_what_the_guide_says() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).file(".env", "INGEST_RATE_LIMIT=1000\n").start();
    assert_eq!(ingest().send_to(gateway.address()).number("x-ratelimit-limit"), 1000);

    let folder = Scratch::new();
    let made = Launch::command("init --profile pump-analyzer --dir").arg(&folder.file("made"));
    let (success, said) = made.finish();
    assert!(success, "{said}");
    let text = folder.read("made/.env.example").unwrap_or_else(|| panic!("no .env.example: {said}"));
    assert!(text.lines().any(|line| line.trim_start_matches(['#', ' ']) == "INGEST_RATE_LIMIT=60"), "{text}");
}

#[test]
fn p_env_14_only_the_frontend_of_the_guide_is_allowed_when_nothing_is_said() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream).start();
    assert_eq!(allowed(&gateway, FRONTEND).as_deref(), Some(FRONTEND));
    for other in ["http://localhost:3000", "http://127.0.0.1:5173", "https://localhost:5173", "null"] {
        assert_eq!(allowed(&gateway, other), None, "{other}");
    }
}

#[test]
fn p_env_15_origins_are_a_list_with_commas() {
    let upstream = Upstream::ok();
    let gateway =
        launch(&upstream).env("API_CORS_ORIGINS", " http://localhost:5173 ,, http://localhost:3000,").start();
    for origin in ["http://localhost:5173", "http://localhost:3000"] {
        assert_eq!(allowed(&gateway, origin).as_deref(), Some(origin));
    }
    assert_eq!(allowed(&gateway, ""), None);
    assert_eq!(allowed(&gateway, "http://localhost:3001"), None);
}

#[test]
fn p_env_16_p_cors_08_scheme_and_port_compare_exactly() {
    let upstream = Upstream::ok();
    let gateway =
        launch(&upstream).env("API_CORS_ORIGINS", "http://localhost:5173,http://127.0.0.1:5173").start();
    for origin in ["http://localhost:5173", "http://127.0.0.1:5173"] {
        assert_eq!(allowed(&gateway, origin).as_deref(), Some(origin));
    }
    for other in [
        "https://localhost:5173",
        "http://localhost:5174",
        "http://localhost",
        "http://localhost:51730",
        "http://localhost:5173.evil.example",
        "http://localhost:5173/",
    ] {
        assert_eq!(allowed(&gateway, other), None, "{other}");
    }
}

#[test]
fn p_env_18_the_env_file_is_read_and_the_process_wins() {
    let upstream = Upstream::ok();
    let file = "# settings of the real application\nexport INGEST_TOKEN=\"from-the-file-0123456789\"\n\
                INGEST_RATE_LIMIT=30   # inline\nDATABASE_URL=sqlite+aiosqlite:///./pump.db\nMAX_NONCES=500000\n";
    let gateway = launch(&upstream).file(".env", file).start();
    let answer = ingest_with("from-the-file-0123456789").send_to(gateway.address());
    assert_reached(&answer);
    assert_eq!(answer.number("x-ratelimit-limit"), 30);
    assert!(!gateway.folder().path().join("pump.db").exists(), "another program's database was touched");

    let gateway = launch(&upstream).file(".env", file).env("INGEST_TOKEN", TOKEN).start();
    assert_eq!(ingest_with("from-the-file-0123456789").send_to(gateway.address()).status, 401);
    let answer = ingest_with(TOKEN).send_to(gateway.address());
    assert_reached(&answer);
    assert_eq!(answer.number("x-ratelimit-limit"), 30);
    assert_eq!(upstream.received().last().unwrap().body, BET.as_bytes());
}

/// What `Access-Control-Allow-Origin` says to a page of that origin.
fn allowed(gateway: &Gateway, origin: &str) -> Option<String> {
    let answer = Request::get("/live/streams").header("Origin", origin).send_to(gateway.address());
    assert_eq!(answer.status, 200);
    answer.field("access-control-allow-origin").map(str::to_owned)
}
