//! The environment names of ticker-service, claim by claim, as far as the loader decides them.

use portcullis_core::identity::Scheme;

use super::super::model::{Environment, GeneralLimits, RouteAuth};
use super::Case;

const KEY: &str = "Zk3vYxN0pQ8sT1uWbRcDfGhJmLnVaXeKi5o7y9A2B4C";

fn ticker() -> Case {
    Case::profile("ticker-service").env("API_KEY", KEY)
}

#[test]
fn t_env_01_a_key_is_asked_for_on_all_but_the_open_endpoints() {
    for case in [ticker(), ticker().env("API_KEY_ENABLED", "true"), ticker().env("ENVIRONMENT", "staging")] {
        let config = case.load().config;
        assert_eq!(config.auth.default, RouteAuth::AnyOf(vec![Scheme::ApiKey]));
        let open: Vec<&str> = config
            .routes
            .iter()
            .filter(|route| route.auth == RouteAuth::Open)
            .map(|route| route.pattern.text.as_str())
            .collect();
        // T-KEY-06; the WebSocket asks for the key in its first message.
        assert_eq!(
            open,
            [
                "GET /health",
                "GET /subscriptions",
                "GET /metrics",
                "GET /docs",
                "GET /openapi.json",
                "GET /advanced/ws/stats",
                "GET /advanced/mock-data/status",
                "GET /advanced/backpressure/{*rest}",
                "GET /advanced/rate-limit/{*rest}",
                "GET /advanced/websocket-pool/{*rest}",
            ]
        );
    }
    let said = ticker().env("API_KEY_ENABLED", "perhaps").problems().to_string();
    assert!(said.contains("API_KEY_ENABLED") && said.contains("perhaps"), "{said}");
}

#[test]
fn t_env_02_without_a_key_it_does_not_start() {
    for environment in ["development", "production"] {
        for case in [Case::profile("ticker-service"), ticker().env("API_KEY", "")] {
            let problems = case
                .env("ENVIRONMENT", environment)
                .env("PORTCULLIS_SERVER__LISTEN", "127.0.0.1:1")
                .problems();
            assert_eq!(problems.0.len(), 1, "{problems}");
            assert_eq!(problems.0[0].message, "api_key must be set when api_key_enabled=True");
            assert!(problems.0[0].mend.as_ref().unwrap().contains("set API_KEY or API_KEY_FILE"));
        }
    }
}

#[test]
fn t_env_03_t_env_04_the_switch_opens_development_and_never_production() {
    for case in [ticker(), ticker().env("API_KEY", "")] {
        let case = case.env("API_KEY_ENABLED", "false").env("ENVIRONMENT", "development");
        let config = case.load().config;
        assert_eq!(config.auth.default, RouteAuth::Open);
        // T-WS-12: the first message of the WebSocket must still be a login.
        let socket = RouteAuth::AnyOf(vec![Scheme::FirstMessage]);
        let (sockets, others): (Vec<_>, Vec<_>) =
            config.routes.iter().partition(|route| route.pattern.text.starts_with("WS "));
        assert!(others.iter().all(|route| route.auth == RouteAuth::Open));
        assert!(sockets.len() == 1 && sockets[0].auth == socket);
        assert!(case.warnings().contains("API_KEY_ENABLED is false (open access)"), "{}", case.warnings());
    }
    for environment in ["production", "PRODUCTION", "prod", "Live"] {
        let case = ticker()
            .env("API_KEY_ENABLED", "false")
            .env("ENVIRONMENT", environment)
            .env("PORTCULLIS_SERVER__LISTEN", "127.0.0.1:8080");
        let config = case.load().config;
        assert_eq!(config.environment, Environment::Production);
        assert_eq!(config.auth.default, RouteAuth::AnyOf(vec![Scheme::ApiKey]));
        assert!(
            case.warnings().contains("API_KEY_ENABLED is false and has no effect"),
            "{}",
            case.warnings()
        );
        assert!(case.env("API_KEY", "").problems().to_string().contains("api_key must be set"));
    }
}

#[test]
fn t_env_05_t_env_14_the_environment_and_the_port() {
    let config = ticker().load().config;
    assert_eq!(config.environment, Environment::Development);
    assert_eq!(config.server.listeners[0].address.to_string(), "0.0.0.0:8080");
    let config = ticker().env("PORT", "9090").load().config;
    assert_eq!(config.server.listeners[0].address.to_string(), "0.0.0.0:9090");
    assert!(ticker().env("ENVIRONMENT", "staging").warnings().contains("treated as development"));
    assert!(
        ticker()
            .env("ENVIRONMENT", "prodution")
            .problems()
            .to_string()
            .contains("ENVIRONMENT is `prodution`")
    );
}

#[test]
fn t_env_08_the_key_is_a_docker_secret() {
    let case =
        Case::profile("ticker-service").file("api_key", &format!("{KEY}\n")).env("API_KEY_FILE", "api_key");
    assert!(case.load().config.auth.api_key.unwrap().credentials[0].secret.matches(KEY.as_bytes()));
    let said =
        Case::profile("ticker-service").env("API_KEY_FILE", "/run/secrets/none").problems().to_string();
    assert!(said.contains("API_KEY_FILE") && said.contains("/run/secrets/none"), "{said}");
}

#[test]
fn t_env_09_the_default_password_of_the_application_is_warned_of_and_passed_on() {
    let file = "INSTRUMENT_DB_PASSWORD=stocksblitz123\nKITE_API_KEY=theirs\n";
    let case = ticker().file(".env", file);
    let loaded = case.load();
    assert_eq!(loaded.facts.known_passwords[0].0, "INSTRUMENT_DB_PASSWORD");
    assert!(loaded.child_environment.contains(&("INSTRUMENT_DB_PASSWORD".into(), "stocksblitz123".into())));
    assert!(loaded.child_environment.contains(&("KITE_API_KEY".into(), "theirs".into())));
    let warnings = case.warnings();
    assert!(
        warnings.contains("INSTRUMENT_DB_PASSWORD is a default") && !warnings.contains("blitz"),
        "{warnings}"
    );
    let own = ticker().env("INSTRUMENT_DB_PASSWORD", "Vw9-of-their-own-3e2d1c");
    assert!(!own.warnings().contains("INSTRUMENT_DB_PASSWORD"), "{}", own.warnings());
}

#[test]
fn t_env_10_the_log_stands_in_its_directory() {
    let case = ticker();
    let log = case.load().config.log;
    assert_eq!(log.file, Some(case.path("logs/ticker_service.log")));
    assert_eq!((log.rotate, log.keep.as_secs()), (100_000_000, 7 * 86_400));
    let case = case.env("LOG_DIR", "elsewhere/deep");
    assert_eq!(case.load().config.log.file, Some(case.path("elsewhere/deep/ticker_service.log")));
    assert!(!case.path("logs").exists() && !case.path("elsewhere").exists(), "reading makes nothing");
}

#[test]
fn t_env_11_t_env_12_t_env_13_names_of_the_application_are_left_alone() {
    let file = "LOG_DIR=logs\nDB_PASSWORD=planted-password-9f8e\nENCRYPTION_KEY=planted\nACCOUNT_ENCRYPTION_KEY=planted\nREDIS_URL=redis://h\nSOMETHING_ELSE=1\n";
    let case = ticker().file(".env", file).env("PORTCULLIS_SERVER__LISTEN", "127.0.0.1:8080");
    assert_eq!(case.warnings(), "");
}

#[test]
fn t_rl_01_to_t_rl_09_the_rows_of_the_table() {
    let config = ticker().load().config;
    let row = |matching: &str| {
        let route = config.routes.iter().find(|route| route.pattern.text == matching).unwrap();
        assert_eq!(route.general_limits, GeneralLimits::Off, "{matching}");
        assert_eq!(route.limits.len(), 1);
        format!("{} per {}", route.limits[0].rate, route.limits[0].scope)
    };
    for (matching, limit) in [
        ("GET /health", "60/minute per ip"),
        ("GET /subscriptions", "100/minute per ip"),
        ("POST /subscriptions", "30/minute per ip"),
        ("DELETE /subscriptions/{instrument_token}", "30/minute per ip"),
        ("POST /admin/instrument-refresh", "5/hour per ip"),
        ("POST /advanced/batch-orders", "10/minute per ip"),
        ("POST /advanced/webhooks", "20/minute per ip"),
        ("POST /advanced/backpressure/reset-circuit-breaker", "5/minute per ip"),
        ("GET /metrics", "100/minute per ip"),
    ] {
        assert_eq!(row(matching), limit);
    }
    assert_eq!((config.limits[0].rate.to_string(), config.limits.len()), ("100/minute".into(), 1));
    // R12: one row, one counter.
    let shared: Vec<_> = config
        .routes
        .iter()
        .flat_map(|route| &route.limits)
        .filter_map(|limit| limit.shared.as_deref())
        .collect();
    assert_eq!(shared, ["subscriptions", "subscriptions"]);
}

#[test]
fn the_replies_of_ticker_service_are_those_its_clients_know() {
    let config = ticker().load().config;
    let body = |code: &str| config.replies[code].body.clone().unwrap();
    assert_eq!(body("missing-credential"), r#"{"detail":"Missing API key. Provide X-API-Key header."}"#);
    assert_eq!(body("invalid-credential"), r#"{"detail":"Invalid API key"}"#);
    assert_eq!(body("rate-limited"), r#"{"error":"Rate limit exceeded: {limit} per {window}"}"#);
    assert!(config.accounts.is_none(), "a shared key needs no store");
}
