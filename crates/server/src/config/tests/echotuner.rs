//! The environment names of EchoTuner, claim by claim, as far as the loader decides them.

use std::time::Duration;

use portcullis_core::identity::Scheme;

use super::super::model::{
    Accounts, CorsHeaders, GeneralLimits, HeaderAction, Origins, RouteAuth, TokenAlgorithm, TokenKeys,
};
use super::Case;

/// As `openssl rand -base64 32` makes one.
const SECRET: &str = "b3F0V4yK+8m/Qz1Lr7cXw2Nn5pTj9sHd6gUeAaRiYkE=";

fn echotuner() -> Case {
    Case::profile("echotuner").env("SECRET_KEY", SECRET)
}

fn accounts(case: &Case) -> Accounts {
    case.load().config.accounts.expect("accounts")
}

const HEADERS: [(&str, &str); 6] = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("X-XSS-Protection", "1; mode=block"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    (
        "Content-Security-Policy",
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';",
    ),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
];

#[test]
fn e_env_01_e_hdr_01_to_07_the_headers_and_their_switch() {
    for case in [echotuner(), echotuner().env("SECURE_HEADERS", "true")] {
        let config = case.load().config;
        for (name, wanted) in HEADERS {
            let rules: Vec<_> = config.headers.iter().filter(|rule| rule.name == name).collect();
            let [rule] = rules.as_slice() else { panic!("{name}: {rules:?}") };
            let HeaderAction::Set { value, keep, .. } = &rule.action else { panic!("{name}") };
            assert_eq!((value.as_str(), *keep), (wanted, name == "Content-Security-Policy"), "E-HDR-10");
        }
    }
    let config = echotuner().env("SECURE_HEADERS", "false").load().config;
    assert!(config.headers.iter().all(|rule| rule.action == HeaderAction::Remove), "{:?}", config.headers);
    let own = Case::config("profile = \"echotuner\"\n[headers]\nX-Download-Options = \"noopen\"\n");
    let config = own.env("SECRET_KEY", SECRET).env("SECURE_HEADERS", "false").load().config;
    let set: Vec<_> = config.headers.iter().filter(|rule| rule.action != HeaderAction::Remove).collect();
    assert!(set.len() == 1 && set[0].name == "X-Download-Options", "E-HDR-08: what the user wrote stands");
    let said = echotuner().env("SECURE_HEADERS", "perhaps").problems().to_string();
    assert!(said.contains("SECURE_HEADERS is `perhaps`"), "{said}");
}

#[test]
fn e_env_02_e_env_03_e_cors_which_pages_may_call() {
    let list = "https://yourdomain.com,https://app.yourdomain.com";
    for text in [list, r#"["https://yourdomain.com", "https://app.yourdomain.com"]"#] {
        let cors = echotuner().env("ALLOWED_ORIGINS", text).load().config.cors;
        assert!(cors.enabled && cors.credentials && !cors.reject);
        assert_eq!(cors.origins, Origins::Exact(list.split(',').map(str::to_owned).collect()));
        assert_eq!(
            (cors.methods.join(", "), cors.headers),
            ("GET, POST, PUT, DELETE, OPTIONS".into(), CorsHeaders::Any)
        );
        assert_eq!(
            (cors.expose.join(", "), cors.max_age),
            ("X-Total-Count, X-Page-Count".into(), Duration::from_mins(10))
        );
    }
    assert!(!echotuner().env("CORS_ENABLED", "false").load().config.cors.enabled);
    let said = echotuner().env("CORS_ENABLED", "maybe").problems().to_string();
    assert!(said.contains("CORS_ENABLED") && said.contains("maybe"), "{said}");
}

#[test]
fn e_env_04_every_page_never_comes_with_credentials() {
    let case = echotuner();
    let cors = case.load().config.cors;
    assert_eq!((cors.origins, cors.credentials), (Origins::Any, false));
    let warnings = case.warnings();
    assert!(warnings.contains("every page on the web may call: ALLOWED_ORIGINS is `*`"), "{warnings}");
    let said = echotuner().env("ALLOWED_ORIGINS", "*").problems().to_string();
    assert!(said.contains("`*` together with credentials") && said.contains("ALLOWED_ORIGINS"), "{said}");
}

#[test]
fn e_env_05_the_secret_is_required_and_long_enough() {
    for case in [Case::profile("echotuner"), echotuner().env("SECRET_KEY", "")] {
        let problems = case.problems();
        assert_eq!(problems.0.len(), 1, "{problems}");
        assert_eq!(problems.0[0].message, "SECRET_KEY must be set, with at least 32 characters");
    }
    let said = echotuner().env("SECRET_KEY", &SECRET[..31]).problems().to_string();
    assert!(
        said.contains("SECRET_KEY signs no tokens: it has 31 bytes") && !said.contains(&SECRET[..31]),
        "{said}"
    );
    let tokens = accounts(&echotuner().env("SECRET_KEY", &SECRET[..32])).tokens;
    assert_eq!(tokens.algorithm, TokenAlgorithm::Hs256);
    assert!(matches!(tokens.keys, TokenKeys::Secrets(secrets) if secrets.len() == 1));
}

#[test]
fn e_env_06_to_11_ages_attempts_and_devices() {
    let default = accounts(&echotuner());
    assert_eq!(
        (default.sessions.max_age, default.sessions.cleanup),
        (Duration::from_hours(24), Duration::from_hours(1))
    );
    assert_eq!((default.attempt_timeout, default.lockout.attempts), (Duration::from_mins(5), 5));
    assert_eq!(
        (default.devices.registration_timeout, default.devices.max_per_user),
        (Duration::from_mins(30), 10)
    );
    let set = accounts(
        &echotuner()
            .env("MAX_SESSION_AGE", "60")
            .env("SESSION_CLEANUP_INTERVAL", "2")
            .env("AUTH_ATTEMPT_TIMEOUT", "3")
            .env("MAX_AUTH_ATTEMPTS", "4")
            .env("DEVICE_REGISTRATION_TIMEOUT", "6")
            .env("MAX_DEVICES_PER_USER", "7"),
    );
    assert_eq!((set.sessions.max_age.as_secs(), set.sessions.cleanup.as_secs()), (60, 2));
    assert_eq!((set.attempt_timeout.as_secs(), set.lockout.attempts), (3, 4));
    assert_eq!((set.devices.registration_timeout.as_secs(), set.devices.max_per_user), (6, 7));
    for name in [
        "MAX_SESSION_AGE",
        "SESSION_CLEANUP_INTERVAL",
        "AUTH_ATTEMPT_TIMEOUT",
        "MAX_AUTH_ATTEMPTS",
        "DEVICE_REGISTRATION_TIMEOUT",
        "MAX_DEVICES_PER_USER",
    ] {
        for wrong in ["many", "0", "-1", "1.5"] {
            let said = echotuner().env(name, wrong).problems().to_string();
            assert!(said.contains(&format!("{name} is `{wrong}`")), "{said}");
        }
    }
}

#[test]
fn e_env_12_e_env_13_the_general_limit_and_its_switch() {
    let limit = |case: Case| {
        let limit = case.load().config.limits[0].clone();
        (limit.rate.count(), limit.rate.window_s(), limit.scope.name())
    };
    assert_eq!(limit(echotuner()), (60, 60, "ip"));
    assert_eq!(limit(echotuner().env("RATE_LIMIT_REQUESTS_PER_MINUTE", "7")), (7, 60, "ip"));
    assert_eq!(limit(echotuner().env("RATE_LIMIT_WINDOW_SECONDS", "10")), (60, 10, "ip"));
    let both = echotuner().env("RATE_LIMIT_REQUESTS_PER_MINUTE", "7").env("RATE_LIMIT_WINDOW_SECONDS", "90");
    assert_eq!(limit(both), (7, 90, "ip"));
    for name in ["RATE_LIMIT_REQUESTS_PER_MINUTE", "RATE_LIMIT_WINDOW_SECONDS"] {
        for wrong in ["sixty", "0", "-1"] {
            let said = echotuner().env(name, wrong).problems().to_string();
            assert!(said.contains(&format!("{name} is `{wrong}`")), "{said}");
        }
    }
    let off = echotuner().env("RATE_LIMIT_ENABLED", "false");
    let config = off.load().config;
    assert!(config.limits.is_empty() && config.routes.iter().all(|route| route.limits.is_empty()));
    assert!(off.warnings().contains("RATE_LIMIT_ENABLED is false"), "{}", off.warnings());
    let gone = Case::config(
        &super::super::profile::find("echotuner").unwrap().body.replace("name = \"requests\"", ""),
    );
    assert_eq!(gone.env("SECRET_KEY", SECRET).load().config.limits.len(), 1);
}

#[test]
fn e_env_14_e_env_15_the_file_of_the_guide() {
    let file = format!(
        "export SECRET_KEY=\"{SECRET}\"\nMAX_SESSION_AGE=86400                     # 24 hours\nAUTH_ATTEMPT_TIMEOUT=120   # 2 minutes\n"
    );
    let accounts = accounts(&Case::profile("echotuner").file(".env", &file));
    assert_eq!((accounts.sessions.max_age.as_secs(), accounts.attempt_timeout.as_secs()), (86_400, 120));
    let TokenKeys::Secrets(secrets) = accounts.tokens.keys else { panic!("no secret") };
    assert!(secrets[0].secret.matches(SECRET.as_bytes()));
}

#[test]
fn e_env_16_e_env_17_names_of_the_application() {
    let case = echotuner()
        .file(".env", "SPOTIFY_CLIENT_SECRET=theirs\nOPENAI_API_KEY=theirs\nAUTH_REQUIRED=true\nAI_MODEL=x\n")
        .env("ALLOWED_ORIGINS", "https://yourdomain.com")
        .env("API_HOST", "127.0.0.1")
        .env("API_PORT", "8001");
    let loaded = case.load();
    assert_eq!(loaded.config.server.listeners[0].address.to_string(), "127.0.0.1:8001");
    assert!(loaded.child_environment.contains(&("SPOTIFY_CLIENT_SECRET".into(), "theirs".into())));
    assert!(!loaded.child_environment.iter().any(|(name, value)| name == "SECRET_KEY" && !value.is_empty()));
    assert_eq!(case.warnings(), "");
    assert_eq!(echotuner().load().config.server.listeners[0].address.to_string(), "0.0.0.0:8000");
    let production = case
        .env("PORTCULLIS_ENVIRONMENT", "production")
        .env("PORTCULLIS_STORE__ENCRYPTION_KEY", SECRET)
        .env("DEBUG", "true");
    assert!(production.warnings().contains("DEBUG is true in production"), "{}", production.warnings());
    assert!(!production.env("DEBUG", "false").warnings().contains("DEBUG"));
}

#[test]
fn e_rl_e_key_e_dep_the_routes_of_the_guide() {
    let config = echotuner().load().config;
    let schemes = vec![Scheme::Session, Scheme::Bearer, Scheme::ApiKey];
    assert_eq!(config.auth.default, RouteAuth::Optional(schemes));
    let route = |matching: &str| config.routes.iter().find(|route| route.pattern.text == matching).unwrap();
    for (matching, count, window, scope) in [
        ("POST /playlist/generate", 10, 300, "device"),
        ("POST /playlist/refine", 20, 300, "device"),
        ("POST /auth/init", 5, 60, "ip"),
        ("POST /user/search-artists", 100, 60, "session"),
    ] {
        let limit = &route(matching).limits[0];
        assert_eq!((limit.rate.count(), limit.rate.window_s(), limit.scope.name()), (count, window, scope));
    }
    let health = route("GET /config/health");
    assert_eq!((&health.auth, health.general_limits), (&RouteAuth::Open, GeneralLimits::Off));
    assert_eq!(config.accounts.unwrap().keys.prefix, "ech_");
    assert_eq!(config.identity.user_headers, ["X-User-ID"]);
    assert_eq!(config.endpoints.auth.as_deref(), Some("/portcullis/auth"), "/auth is the application's");
    let body = |code: &str| config.replies[code].body.clone().unwrap();
    assert_eq!(body("rate-limited"), r#"{"detail":"Rate limit exceeded"}"#);
    assert_eq!(body("missing-device"), r#"{"detail":"Device ID required"}"#);
}
