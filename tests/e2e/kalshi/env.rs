//! K-ENV: a `.env` written for the real application, and what each name means.

use std::net::SocketAddr;

use portcullis_tests::{
    Connection, Gateway, Launch, Request, Upstream, await_warning, free_port, is_refused, outer_address,
    warned,
};

use super::{FRONTEND, KEY, assert_reached, guarded, launch, status, status_with};

/// What a page of that origin gets: the status, and what `Access-Control-Allow-Origin` says.
fn seen_from(gateway: &Gateway, origin: &str) -> (u16, Option<String>) {
    let answer = status_with(KEY).header("Origin", origin).send_to(gateway.address());
    (answer.status, answer.field("access-control-allow-origin").map(str::to_owned))
}

#[test]
fn k_env_01_origins_are_a_list_with_commas_and_compare_exactly() {
    let upstream = Upstream::ok();
    for list in [
        "https://yourdomain.com,https://app.yourdomain.com",
        " https://yourdomain.com , https://app.yourdomain.com,",
    ] {
        let gateway = guarded(&upstream).env("ALLOWED_ORIGINS", list).start();
        for origin in [FRONTEND, "https://app.yourdomain.com"] {
            assert_eq!(seen_from(&gateway, origin), (200, Some(origin.to_owned())), "{list}");
        }
        for other in [
            "http://yourdomain.com",
            "https://www.yourdomain.com",
            "https://yourdomain.com:8443",
            "https://yourdomain.com/",
            "https://yourdomain.com.evil.example",
            "https://evilyourdomain.com",
            "https://yourdomain.com,https://app.yourdomain.com",
        ] {
            assert_eq!(seen_from(&gateway, other), (403, None), "{other}");
        }
    }
}

#[test]
fn k_env_02_without_origins_no_page_of_another_is_allowed() {
    let upstream = Upstream::ok();
    for launch in [guarded(&upstream), guarded(&upstream).env("ALLOWED_ORIGINS", "")] {
        let gateway = launch.start();
        // The last three are what the real middleware allows when nobody says anything.
        for origin in
            ["null", "https://localhost", "http://localhost:3000", "http://localhost:8000", FRONTEND]
        {
            assert_eq!(seen_from(&gateway, origin), (403, None), "{origin}");
        }
        assert_reached(&status_with(KEY).send_to(gateway.address()));
    }
}

#[test]
fn k_env_03_the_key_must_be_presented() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    for name in ["X-API-Key", "x-api-key", "X-API-KEY"] {
        assert_reached(&status().header(name, KEY).send_to(gateway.address()));
    }
    let before = upstream.count();
    assert_eq!(status().send_to(gateway.address()).status, 401);
    assert_eq!(status_with("another").send_to(gateway.address()).status, 401);
    // Only there: not in the query, not under another name.
    assert_eq!(Request::get(&format!("/api/status?api_key={KEY}")).send_to(gateway.address()).status, 401);
    assert_eq!(
        status().header("Authorization", &format!("Bearer {KEY}")).send_to(gateway.address()).status,
        401
    );
    assert_eq!(upstream.count(), before);
    assert!(upstream.received().iter().all(|request| request.field("x-api-key").is_none()));
    assert!(!gateway.log().contains(KEY), "{}", gateway.log());
}

#[test]
fn k_env_04_without_a_key_the_gate_is_open_with_a_warning_and_never_in_production() {
    let upstream = Upstream::ok();
    let without = |key: Option<&str>| {
        let launch = launch(&upstream.url());
        key.into_iter().fold(launch, |launch, key| launch.env("API_KEY", key))
    };
    for key in [None, Some("")] {
        let gateway = without(key).start();
        await_warning(&gateway, "API_KEY");
        assert_reached(&status().send_to(gateway.address()));
        assert_reached(&status_with("anything").send_to(gateway.address()));
        let said = without(key).env("ENVIRONMENT", "production").refused();
        assert!(said.contains("API_KEY") && said.contains("production"), "{key:?}: {said}");
    }
    // An example out of the guide is no key either.
    for key in ["your-api-key", "generated-api-key-here", "short"] {
        let said = without(Some(key)).env("ENVIRONMENT", "production").refused();
        assert!(said.contains("API_KEY"), "{key}: {said}");
    }
}

#[test]
fn k_env_05_the_limit_is_the_one_said_and_100_when_nothing_is() {
    let upstream = Upstream::ok();
    for (said, limit) in [(None, 100), (Some("60"), 60), (Some("7"), 7)] {
        let launch = guarded(&upstream);
        let gateway =
            said.into_iter().fold(launch, |launch, limit| launch.env("RATE_LIMIT_PER_MINUTE", limit)).start();
        let answer = status_with(KEY).send_to(gateway.address());
        assert_eq!(
            (answer.number("x-ratelimit-limit"), answer.number("x-ratelimit-remaining")),
            (limit, limit - 1),
        );
        let policy = answer.field("ratelimit-policy").unwrap();
        assert!(policy.contains(&format!("q={limit}")) && policy.contains("w=60"), "{policy}");
    }
    for wrong in ["sixty", "0", "-1", "1.5"] {
        let said = guarded(&upstream).env("RATE_LIMIT_PER_MINUTE", wrong).refused();
        assert!(said.contains("RATE_LIMIT_PER_MINUTE") && said.contains(wrong), "{said}");
    }
}

#[test]
fn k_env_06_production_refuses_debug_mode_and_warns_of_reloading() {
    let upstream = Upstream::ok();
    let production = || guarded(&upstream).env("ENVIRONMENT", "production");
    let said = production().env("DEBUG", "true").refused();
    assert!(said.contains("DEBUG") && said.contains("production"), "{said}");
    let gateway = production().env("RELOAD", "true").start();
    await_warning(&gateway, "RELOAD");
    assert_reached(&status_with(KEY).send_to(gateway.address()));
    let said = guarded(&upstream).env("ENVIRONMENT", "prodution").refused();
    assert!(said.contains("ENVIRONMENT") && said.contains("production"), "{said}");
}

#[test]
fn k_env_07_security_events_are_written_at_the_level_of_warnings_and_ordinary_lines_are_not() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream)
        .env("ENVIRONMENT", "production")
        .env("DEBUG", "false")
        .env("RELOAD", "false")
        .env("LOG_LEVEL", "WARNING")
        .env("RATE_LIMIT_PER_MINUTE", "2")
        .start();
    // On one connection: what is logged of it comes in order.
    let mut connection = Connection::open(gateway.address());
    let quiet = Request::get("/api/markets").header("X-API-Key", KEY);
    assert_reached(&quiet.on(&mut connection));
    assert_eq!(status_with("wrong").on(&mut connection).status, 401);
    assert_eq!(
        status_with(KEY).header("Origin", "https://elsewhere.example").on(&mut connection).status,
        403
    );
    assert_reached(&status_with(KEY).on(&mut connection));
    assert_eq!(status_with(KEY).on(&mut connection).status, 429);
    for event in ["auth_attempt", "cors_violation", "rate_limit_exceeded"] {
        gateway.wait_for_log(&[event]);
    }
    assert!(!gateway.log().contains("/api/markets"), "{}", gateway.log());

    for wrong in ["LOUD", "5"] {
        let said = guarded(&upstream).env("LOG_LEVEL", wrong).refused();
        assert!(said.contains("LOG_LEVEL") && said.contains(wrong), "{said}");
    }
    for (name, wrong) in [("DEBUG", "maybe"), ("RELOAD", "perhaps")] {
        let said = guarded(&upstream).env(name, wrong).refused();
        assert!(said.contains(name) && said.contains(wrong), "{said}");
    }
}

#[test]
fn k_env_08_the_jwt_secret_of_the_template_is_taken_and_said_to_be_without_effect() {
    let upstream = Upstream::ok();
    let secret = "Hq7-planted-jwt-secret-5e4d3c2b1a";
    let gateway = guarded(&upstream).env("JWT_SECRET", secret).start();
    await_warning(&gateway, "JWT_SECRET");
    assert_reached(&status_with(KEY).send_to(gateway.address()));
    let bearer = status().header("Authorization", &format!("Bearer {secret}"));
    assert_eq!(bearer.send_to(gateway.address()).status, 401);
    gateway.wait_for_log(&["auth_attempt", "401"]);
    assert!(!gateway.log().contains("planted-jwt"), "{}", gateway.log());
    let (success, names) = Launch::command("config env --profile kalshiwhale").finish();
    assert!(success && names.contains("JWT_SECRET"), "{names}");
}

/// Without `--listen`: the address comes from `HOST` and `PORT`.
fn launch_by_names(upstream: &Upstream) -> Launch {
    Launch::command("run --profile kalshiwhale --upstream").arg(&upstream.url()).env("API_KEY", KEY)
}

#[test]
fn k_env_10_host_and_port_are_obeyed_and_every_interface_is_the_default() {
    let upstream = Upstream::ok();
    let (success, shown) = Launch::command("config show --profile kalshiwhale").finish();
    assert!(success && shown.contains("0.0.0.0:8000"), "{shown}");

    let port = free_port();
    let elsewhere = |port: u16| {
        let loopback = Some("127.0.0.2".parse().unwrap());
        loopback.into_iter().chain(outer_address()).map(move |address| SocketAddr::new(address, port))
    };
    let gateway = launch_by_names(&upstream).env("PORT", &port.to_string()).start();
    assert_eq!(gateway.printed_address(), SocketAddr::from(([0, 0, 0, 0], port)));
    await_warning(&gateway, "0.0.0.0");
    for address in elsewhere(port) {
        assert_eq!(status_with(KEY).send_to(address).status, 200, "{address}");
    }
    drop(gateway);

    let port = free_port();
    let gateway = launch_by_names(&upstream)
        .env("HOST", "127.0.0.1")
        .env("PORT", &port.to_string())
        // Names of another system.
        .env("API_HOST", "0.0.0.0")
        .env("API_PORT", "1")
        .start();
    assert_eq!(gateway.printed_address(), SocketAddr::from(([127, 0, 0, 1], port)));
    assert_reached(&status_with(KEY).send_to(gateway.address()));
    for address in elsewhere(port) {
        assert!(is_refused(address), "{address} answers");
    }
    for (name, wrong) in [("PORT", "eighty"), ("PORT", "70000"), ("HOST", "not an address")] {
        let said = launch_by_names(&upstream).env(name, wrong).refused();
        assert!(said.contains(name) && said.contains(wrong), "{said}");
    }
}

#[test]
fn k_env_11_names_of_the_application_are_left_alone() {
    let upstream = Upstream::ok();
    let names = [
        ("KALSHI_API_BASE", "https://trading-api.example/v2"),
        ("KALSHI_API_KEY", "Rb2-planted-exchange-key-9a8b7c6d"),
        ("UPDATE_INTERVAL_SECONDS", "120"),
        ("DATABASE_URL", "sqlite:///./kalshi.db"),
        ("REDIS_URL", "redis://localhost:6379"),
        ("CACHE_TTL", "300"),
        ("SENTRY_DSN", "https://public@sentry.example/1"),
        ("MONITORING_ENABLED", "true"),
    ];
    let gateway =
        names.iter().fold(guarded(&upstream), |launch, (name, value)| launch.env(name, value)).start();
    assert_reached(&status_with(KEY).send_to(gateway.address()));
    assert!(names.iter().all(|(name, _)| !warned(&gateway, name)), "{}", gateway.log());
    assert!(!gateway.log().contains("Rb2-planted"), "{}", gateway.log());
    assert!(!gateway.folder().path().join("kalshi.db").exists(), "another program's database was touched");
}
