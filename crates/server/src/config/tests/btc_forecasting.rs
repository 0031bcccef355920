//! The environment names of BTC Forecasting, claim by claim, as far as the loader decides them.

use std::time::Duration;

use portcullis_core::identity::Scheme;

use super::super::model::{
    Accounts, Environment, GeneralLimits, Origins, PasswordHash, RouteAuth, StoreUrl, TokenAlgorithm,
    TokenKeys,
};
use super::Case;

const SECRET: &str = "5d2f7a90c41be8363f0d9ab27c58e1f46b0792adc3e5184f9a6d2c7be0318f54";
const ENCRYPTION_KEY: &str = "c3VyZWx5LW5vdC1hLXBsYWNlaG9sZGVyLWtleS0zMiE=";

fn btc() -> Case {
    Case::profile("btc-forecasting").env("JWT_SECRET_KEY", SECRET)
}

fn accounts(case: &Case) -> Accounts {
    case.load().config.accounts.expect("accounts")
}

/// As it stands in the guide, with its two placeholders filled in.
fn guide() -> String {
    format!(
        "JWT_SECRET_KEY={SECRET}\nJWT_ALGORITHM=HS256\nACCESS_TOKEN_EXPIRE_MINUTES=30\nREFRESH_TOKEN_EXPIRE_DAYS=7\n\
         RATE_LIMIT_ENABLED=true\nRATE_LIMIT_FREE=60\nRATE_LIMIT_PREMIUM=300\nRATE_LIMIT_ADMIN=1000\n\
         CORS_ORIGINS=[\"https://yourdomain.com\"]\nCORS_ALLOW_CREDENTIALS=true\n\
         DATABASE_URL=sqlite:///btcforecast_production.db\nDATABASE_ENCRYPTION_KEY={ENCRYPTION_KEY}\n\
         AUDIT_LOGGING_ENABLED=true\nSECURITY_LOGGING_ENABLED=true\n"
    )
}

#[test]
fn b_env_01_the_file_of_the_guide_is_read_by_its_name() {
    let case = Case::profile("btc-forecasting")
        .file(".env.production", &guide())
        .file(".env", "JWT_ALGORITHM=none\n");
    let loaded = case.load();
    assert_eq!(loaded.env_file, Some((case.path(".env.production"), true)), "and `.env` is not");
    let config = loaded.config;
    assert_eq!(config.cors.origins, Origins::Exact(vec!["https://yourdomain.com".into()]));
    // In production too: the guide means it.
    let case = Case::profile("btc-forecasting")
        .file(".env.production", &format!("{}ENVIRONMENT=production\n", guide()))
        .env("API_HOST", "127.0.0.1");
    assert_eq!(case.load().config.environment, Environment::Production);
    assert!(case.warnings().contains("easily copied or committed"), "{}", case.warnings());
    // Another one that is named wins, and so does the ordinary one where the profile's is not there.
    let mut named = Case::profile("btc-forecasting")
        .file(".env.production", "JWT_ALGORITHM=none\n")
        .file("own", &guide());
    named.sources.env_file = Some("own".into());
    named.load();
    assert_eq!(btc().file(".env", "RATE_LIMIT_FREE=5\n").load().config.roles[0].limits[0].rate.count(), 5);
}

#[test]
fn b_env_02_a_placeholder_a_short_and_a_known_secret_are_refused_everywhere() {
    for environment in ["development", "production"] {
        for (secret, why) in [
            ("your-super-secret-key-change-this", "it is a placeholder"),
            ("change-me-change-me-change-me-change-me", "it is a placeholder"),
            ("9xk4-qw7v", "it has 9 bytes, and 32 are the least"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "it can be guessed"),
        ] {
            let case = btc().env("JWT_SECRET_KEY", secret).env("ENVIRONMENT", environment);
            let said = case.problems().to_string();
            assert!(said.contains(&format!("JWT_SECRET_KEY signs no tokens: {why}")), "{said}");
            assert!(said.contains("portcullis generate signing-key") && !said.contains(secret), "{said}");
        }
        let said = Case::profile("btc-forecasting").env("ENVIRONMENT", environment).problems().to_string();
        assert!(said.contains("JWT_SECRET_KEY is not set"), "{said}");
    }
    let said = btc().env("DATABASE_ENCRYPTION_KEY", "your-database-encryption-key").problems().to_string();
    assert!(said.contains("DATABASE_ENCRYPTION_KEY encrypts nothing: it is a placeholder"), "{said}");
}

#[test]
fn b_env_03_b_env_04_b_env_05_how_tokens_are_signed_and_how_long_they_live() {
    let tokens = accounts(&btc()).tokens;
    assert_eq!(tokens.algorithm, TokenAlgorithm::Hs256);
    assert!(
        matches!(&tokens.keys, TokenKeys::Secrets(secrets) if secrets[0].secret.matches(SECRET.as_bytes()))
    );
    assert_eq!(
        (tokens.access_ttl, tokens.refresh_ttl),
        (Duration::from_mins(30), Duration::from_hours(7 * 24))
    );
    let tokens =
        accounts(&btc().env("ACCESS_TOKEN_EXPIRE_MINUTES", "5").env("REFRESH_TOKEN_EXPIRE_DAYS", "1")).tokens;
    assert_eq!((tokens.access_ttl, tokens.refresh_ttl), (Duration::from_mins(5), Duration::from_hours(24)));
    for wrong in ["none", "HS512", "RS256"] {
        let said = btc().env("JWT_ALGORITHM", wrong).problems().to_string();
        assert!(said.contains(wrong), "{said}");
    }
    for name in ["ACCESS_TOKEN_EXPIRE_MINUTES", "REFRESH_TOKEN_EXPIRE_DAYS"] {
        let said = btc().env(name, "0").problems().to_string();
        assert!(said.contains(&format!("{name} is `0`")), "R6: {said}");
    }
    // Two secrets while one replaces the other.
    let body =
        "profile = \"btc-forecasting\"\n[auth.tokens]\nsecret = [\"env:JWT_SECRET_KEY\", \"env:OLD\"]\n";
    let case = Case::config(body).env("JWT_SECRET_KEY", SECRET).env("OLD", ENCRYPTION_KEY);
    assert!(matches!(accounts(&case).tokens.keys, TokenKeys::Secrets(secrets) if secrets.len() == 2));
}

#[test]
fn b_env_06_b_env_07_what_each_role_has_and_the_switch() {
    let counts = |case: Case| {
        let config = case.load().config;
        let tiers: Vec<String> = config
            .roles
            .iter()
            .map(|role| format!("{} {} per {}", role.name, role.limits[0].rate, role.limits[0].scope))
            .collect();
        (tiers, format!("{} per {}", config.limits[0].rate, config.limits[0].scope))
    };
    let (tiers, anonymous) = counts(btc());
    assert_eq!(
        tiers,
        ["free 60/minute per user", "premium 300/minute per user", "admin 1000/minute per user"]
    );
    assert_eq!(anonymous, "60/minute per anonymous", "B-RL-05");
    let case = btc().env("RATE_LIMIT_FREE", "6").env("RATE_LIMIT_PREMIUM", "9").env("RATE_LIMIT_ADMIN", "12");
    let (tiers, anonymous) = counts(case);
    assert_eq!(tiers, ["free 6/minute per user", "premium 9/minute per user", "admin 12/minute per user"]);
    assert_eq!(anonymous, "6/minute per anonymous");
    for name in ["RATE_LIMIT_FREE", "RATE_LIMIT_PREMIUM", "RATE_LIMIT_ADMIN"] {
        for wrong in ["many", "0", "-1", "1.5"] {
            let said = btc().env(name, wrong).problems().to_string();
            assert!(said.contains(&format!("{name} is `{wrong}`")), "{said}");
        }
    }
    let off = btc().env("RATE_LIMIT_ENABLED", "false");
    assert!(!off.load().config.limiter && off.warnings().contains("RATE_LIMIT_ENABLED is false"));
}

#[test]
fn b_env_08_b_env_09_pages_of_other_origins() {
    for text in [
        r#"["https://yourdomain.com","https://app.yourdomain.com"]"#,
        r#"[ "https://yourdomain.com", "https://app.yourdomain.com" ]"#,
        "https://yourdomain.com, https://app.yourdomain.com",
    ] {
        let cors = btc().env("CORS_ORIGINS", text).load().config.cors;
        let exact = ["https://yourdomain.com", "https://app.yourdomain.com"].map(str::to_owned).to_vec();
        assert_eq!((cors.origins, cors.credentials), (Origins::Exact(exact), true));
        let file = btc().file(".env", &format!("CORS_ORIGINS={text}\n")).load().config.cors;
        assert!(matches!(file.origins, Origins::Exact(origins) if origins.len() == 2), "{text}");
    }
    assert_eq!(btc().load().config.cors.origins, Origins::Exact(Vec::new()));
    assert!(!btc().env("CORS_ALLOW_CREDENTIALS", "false").load().config.cors.credentials);
    for wrong in [
        r#"["https://yourdomain.com""#,
        r#"{"a":1}"#,
        "[1]",
        "yourdomain.com",
        r#"["ftp:"]"#,
        "*",
        r#"["*"]"#,
    ] {
        let said = btc().env("CORS_ORIGINS", wrong).problems().to_string();
        assert!(said.contains("CORS_ORIGINS"), "{wrong}: {said}");
    }
    let any = btc().env("CORS_ORIGINS", "*").env("CORS_ALLOW_CREDENTIALS", "false").load().config.cors;
    assert_eq!(any.origins, Origins::Any);
}

#[test]
fn b_env_10_the_database_is_the_store_only_where_it_is_nobody_elses() {
    let case = btc().env("DATABASE_URL", "sqlite:///btcforecast_production.db");
    let store = accounts(&case).store;
    assert!(store.from_application, "what the store finds there decides");
    let StoreUrl::Sqlite(path) = &store.url else { panic!("{store:?}") };
    assert_eq!(*path, case.path("btcforecast_production.db"));
    let case = case.env("PORTCULLIS_STORE__URL", "sqlite:own.db");
    let store = accounts(&case).store;
    assert!(!store.from_application && store.url.shown().ends_with("own.db"), "{store:?}");
    assert!(!accounts(&btc()).store.from_application);
    let said = btc().env("DATABASE_URL", "mysql://u:hunter2@h/d").problems().to_string();
    assert!(said.contains("DATABASE_URL") && said.contains("PORTCULLIS_STORE__URL"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn b_env_11_production_insists_on_the_key_of_the_store() {
    let case = btc().env("ENVIRONMENT", "production").env("API_HOST", "127.0.0.1");
    let said = case.problems().to_string();
    assert!(
        said.contains("production refuses a store in clear: DATABASE_ENCRYPTION_KEY is not set"),
        "{said}"
    );
    let case = case.env("DATABASE_ENCRYPTION_KEY", ENCRYPTION_KEY);
    assert!(accounts(&case).store.encryption_key.unwrap().secret.matches(ENCRYPTION_KEY.as_bytes()));
}

#[test]
fn b_env_12_what_is_written_can_be_switched_off_and_that_is_said() {
    for name in ["AUDIT_LOGGING_ENABLED", "SECURITY_LOGGING_ENABLED"] {
        assert!(!btc().env(name, "true").warnings().contains(name));
        let warnings = btc().env(name, "false").warnings();
        assert!(warnings.contains(&format!("{name} is false: ")), "{warnings}");
        let said = btc().env(name, "rarely").problems().to_string();
        assert!(said.contains("rarely") && said.contains(name), "{said}");
    }
    let written = |case: &Case| {
        let config = case.load().config;
        (config.audit.enabled, config.log.security)
    };
    assert_eq!(written(&btc()), (true, true));
    assert_eq!(written(&btc().env("AUDIT_LOGGING_ENABLED", "false")), (false, true));
    assert_eq!(written(&btc().env("SECURITY_LOGGING_ENABLED", "false")), (true, false));
}

#[test]
fn b_env_13_certificates_by_the_names_of_the_guide() {
    let named = || {
        let case = btc().file("cert.pem", "").file("key.pem", "");
        case.env("SSL_CERT_PATH", "cert.pem").env("SSL_KEY_PATH", "key.pem")
    };
    for case in [named(), named().env("SSL_ENABLED", "true")] {
        let server = case.load().config.server;
        assert!(server.tls.is_some() && server.listeners[0].tls, "nothing but TLS on the port");
    }
    assert!(named().env("SSL_ENABLED", "false").load().config.server.tls.is_none());
    let said = btc().env("SSL_ENABLED", "true").problems().to_string();
    assert!(said.contains("SSL_CERT_PATH is not set") && said.contains("SSL_KEY_PATH is not set"), "{said}");
    let said = named().env("SSL_CERT_PATH", "/path/to/certificate.pem").problems().to_string();
    assert!(
        said.contains("SSL_CERT_PATH") && said.contains("/path/to/certificate.pem cannot be read"),
        "{said}"
    );
    let said = named().env("SSL_ENABLED", "surely").problems().to_string();
    assert!(said.contains("SSL_ENABLED is `surely`"), "{said}");
}

#[test]
fn b_env_14_the_address_and_the_names_of_the_application() {
    let config = btc().load().config;
    assert_eq!(config.server.listeners[0].address.to_string(), "0.0.0.0:8000");
    let case = btc().env("API_HOST", "127.0.0.1").env("API_PORT", "8001").file(
        ".env",
        "ENABLE_DOCS=true\nREDIS_URL=redis://h\nSMTP_PASSWORD=x\nSTRIPE_SECRET_KEY=x\nSECRET_KEY=x\n",
    );
    assert_eq!(case.load().config.server.listeners[0].address.to_string(), "127.0.0.1:8001");
    assert_eq!(case.warnings(), "");
}

#[test]
fn b_role_the_routes_of_the_guide() {
    let config = btc().load().config;
    assert_eq!(config.auth.default, RouteAuth::AnyOf(vec![Scheme::Bearer, Scheme::ApiKey]), "B-KEY-07");
    assert_eq!(config.accounts.as_ref().unwrap().passwords.hash, PasswordHash::Bcrypt, "B-AUTH-07");
    let of = |roles: &[&str]| -> Vec<&str> {
        let routes = config.routes.iter().filter(|route| route.roles == roles && !route.auth.passes_nobody());
        routes.map(|route| route.pattern.text.as_str()).collect()
    };
    assert_eq!(
        of(&["premium"]),
        [
            "/forecast/recursive",
            "/forecast/features",
            "/user/analytics",
            "/realtime/prices",
            "/realtime/alerts/{*rest}"
        ]
    );
    assert_eq!(of(&["admin"]), ["/realtime/start", "/realtime/stop", "/admin/{*rest}"]);
    let open: Vec<_> = config
        .routes
        .iter()
        .filter(|route| route.auth.passes_nobody())
        .map(|route| (route.pattern.text.as_str(), route.general_limits))
        .collect();
    assert_eq!(
        open,
        [
            ("GET /", GeneralLimits::Count),
            ("GET /docs", GeneralLimits::Count),
            ("GET /openapi.json", GeneralLimits::Count),
            ("GET /health/detailed", GeneralLimits::Off),
            ("GET /health/metrics", GeneralLimits::Show),
        ]
    );
    let endpoints = config.endpoints;
    assert_eq!((endpoints.auth.as_deref(), endpoints.admin.as_deref()), (Some("/auth"), Some("/admin")));
    assert_eq!((endpoints.health.as_deref(), endpoints.docs), (Some("/health"), None));
}

#[test]
fn the_replies_of_btc_forecasting_are_those_its_clients_know() {
    let config = btc().load().config;
    let body = |code: &str| config.replies[code].body.clone().unwrap();
    assert_eq!(body("missing-credential"), r#"{"detail":"Not authenticated"}"#);
    assert_eq!(body("invalid-credential"), r#"{"detail":"{detail}"}"#);
    assert_eq!(body("expired-credential"), r#"{"detail":"{detail}"}"#);
    assert_eq!(body("insufficient-role"), r#"{"detail":"Insufficient permissions"}"#);
    assert_eq!(
        body("rate-limited"),
        r#"{"detail":{"error":"Rate limit exceeded","limit":{limit},"remaining":{remaining},"reset_time":{reset},"retry_after":{retry_after}}}"#
    );
    assert_eq!(body("account"), r#"{"detail":"{detail}"}"#);
}
