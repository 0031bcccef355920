//! The environment names of the systems, claim by claim, as far as the loader decides them.

use std::time::Duration;

use portcullis_core::identity::Scheme;
use portcullis_core::quota::Scope;
use portcullis_core::secret::Grade;

use super::super::model::{
    CorsHeaders, Environment, HeaderAction, LogLevel, Origins, ReplaceErrors, RouteAuth, SecretSource,
};
use super::super::profile::find;
use super::Case;

const TOKEN: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const KEY: &str = "Zk3vYxN0pQ8sT1uWbRcDfGhJmLnVaXeKi5o7y9A2B4C";

fn pump() -> Case {
    Case::profile("pump-analyzer")
}

fn kalshi() -> Case {
    Case::profile("kalshiwhale")
}

fn exact(origins: &[&str]) -> Origins {
    Origins::Exact(origins.iter().map(|it| (*it).to_owned()).collect())
}

fn listen(case: &Case) -> String {
    case.load().config.server.listeners[0].address.to_string()
}

/// The auth of the one route of Pump Analyzer.
fn ingest(case: &Case) -> RouteAuth {
    case.load().config.routes[0].auth.clone()
}

#[test]
fn p_env_01_p_env_02_no_token_is_open_access_with_a_warning() {
    for case in [pump(), pump().env("INGEST_TOKEN", ""), pump().file(".env", "INGEST_TOKEN=\n")] {
        assert_eq!(ingest(&case), RouteAuth::Open);
        assert!(case.load().config.auth.ingest_token.is_none());
        let warnings = case.warnings();
        let line = warnings.lines().next().unwrap();
        assert!(line.contains("INGEST_TOKEN is not configured (open access)"), "{warnings}");
    }
}

#[test]
fn p_env_03_p_env_04_a_token_is_asked_for_on_ingest_and_nowhere_else() {
    for (token, grade) in [(TOKEN, Grade::Strong), ("my-secret-ingestion-token", Grade::Unusable)] {
        let case = pump().env("INGEST_TOKEN", token);
        assert_eq!(ingest(&case), RouteAuth::AnyOf(vec![Scheme::IngestToken]));
        let config = case.load().config;
        assert_eq!(config.auth.default, RouteAuth::Open);
        let scheme = config.auth.ingest_token.unwrap();
        assert_eq!(scheme.header, "X-Ingest-Token");
        assert!(scheme.credentials[0].secret.matches(token.as_bytes()));
        assert_eq!(scheme.credentials[0].strength.grade(), grade);
        assert_eq!(scheme.credentials[0].from, SecretSource::Environment("INGEST_TOKEN".into()));
    }
}

#[test]
fn p_env_05_to_08_host_and_port() {
    assert_eq!(listen(&pump()), "127.0.0.1:8000");
    assert_eq!(listen(&pump().env("API_HOST", "127.0.0.1")), "127.0.0.1:8000");
    assert_eq!(listen(&pump().env("API_PORT", "8080")), "127.0.0.1:8080");
    assert_eq!(listen(&pump().env("API_HOST", "localhost").env("API_PORT", "1")), "127.0.0.1:1");
    assert_eq!(listen(&pump().env("API_HOST", "::")), "[::]:8000");
    let open = pump().env("API_HOST", "0.0.0.0");
    assert_eq!(listen(&open), "0.0.0.0:8000");
    let warned = open.warnings();
    assert!(
        warned.lines().any(|line| line.starts_with("warning") && line.contains("0.0.0.0:8000")),
        "{warned}"
    );
    for wrong in ["eighty", "70000", "-1", "80.5"] {
        let said = pump().env("API_PORT", wrong).problems().to_string();
        assert!(said.contains("API_PORT") && said.contains(wrong), "{said}");
    }
    let said = pump().env("API_HOST", "example.com").problems().to_string();
    assert!(said.contains("API_HOST") && said.contains("0.0.0.0"), "{said}");
}

#[test]
fn p_env_09_to_13_the_limit_of_ingest() {
    let limit = |case: Case| {
        let config = case.load().config;
        assert!(config.limits.is_empty(), "other routes have no limit");
        let limit = config.routes[0].limits[0].clone();
        (limit.rate.count(), limit.rate.window_s(), limit.scope)
    };
    assert_eq!(limit(pump()), (60, 60, Scope::Ip));
    for (text, count) in [("30", 30), ("60", 60), ("120", 120), (" 1000 ", 1000)] {
        assert_eq!(limit(pump().env("INGEST_RATE_LIMIT", text)), (count, 60, Scope::Ip));
    }
    assert_eq!(limit(pump().file(".env", "INGEST_RATE_LIMIT=30   # inline\n")), (30, 60, Scope::Ip));
    for wrong in ["abc", "0", "-5", "1.5", "60/minute x", "+60"] {
        let said = pump().env("INGEST_RATE_LIMIT", wrong).problems().to_string();
        assert!(said.contains("INGEST_RATE_LIMIT") && said.contains(wrong), "{said}");
    }
}

#[test]
fn p_env_14_to_16_origins() {
    let origins = |case: Case| case.load().config.cors.origins;
    assert_eq!(origins(pump()), exact(&["http://localhost:5173"]));
    for text in
        ["http://localhost:5173,http://127.0.0.1:5173", " http://localhost:5173 ,, http://127.0.0.1:5173,"]
    {
        assert_eq!(
            origins(pump().env("API_CORS_ORIGINS", text)),
            exact(&["http://localhost:5173", "http://127.0.0.1:5173"])
        );
    }
    let said = pump().env("API_CORS_ORIGINS", "*").problems().to_string();
    assert!(said.contains("`*` together with credentials"), "{said}");
}

#[test]
fn p_env_17_p_env_18_the_env_file_of_the_application_is_read_and_the_process_wins() {
    let file = "# settings of the real application\r\nexport INGEST_TOKEN=\"from-the-file\"\r\nINGEST_RATE_LIMIT=30 # inline\r\nDATABASE_URL=sqlite+aiosqlite:///./pump.db\r\nMAX_NONCES=500000\r\n";
    let case = pump().file(".env", &format!("\u{feff}{file}"));
    let config = case.load().config;
    let token = &config.auth.ingest_token.unwrap().credentials[0];
    assert!(token.secret.matches(b"from-the-file"));
    assert_eq!(token.from, SecretSource::EnvFile("INGEST_TOKEN".into()));
    let case = case.env("INGEST_TOKEN", TOKEN);
    let config = case.load().config;
    assert!(config.auth.ingest_token.unwrap().credentials[0].secret.matches(TOKEN.as_bytes()));
    assert_eq!(config.routes[0].limits[0].rate.count(), 30);
    assert!(!case.path("pump.db").exists());
}

#[test]
fn p_tok_10_a_token_that_no_header_carries_is_refused() {
    for odd in [" surrounded ", "t\u{f6}ken", "tab\tinside", "   ", "line\nend"] {
        let said = pump().env("INGEST_TOKEN", odd).problems().to_string();
        assert!(said.contains("INGEST_TOKEN") && !said.contains("surrounded"), "{said}");
    }
    pump().env("INGEST_TOKEN", "p@ss/w0rd+=!#$%&'()*,;:<>?[]^_`{|}~").load();
}

#[test]
fn p_tok_13_two_tokens_are_valid_at_once() {
    let case = Case::config(
        "profile = \"pump-analyzer\"\n[auth.ingest_token]\nvalue = [\"env:INGEST_TOKEN\", \"env:OLD\"]\n",
    )
    .env("INGEST_TOKEN", TOKEN)
    .env("OLD", KEY);
    assert_eq!(case.load().config.auth.ingest_token.unwrap().credentials.len(), 2);
    // A value that does not name it is overruled, as every name of the environment overrules the file.
    let case = Case::config("profile = \"pump-analyzer\"\n[auth.ingest_token]\nvalue = \"env:OLD\"\n")
        .env("INGEST_TOKEN", TOKEN)
        .env("OLD", KEY);
    assert!(case.load().config.auth.ingest_token.unwrap().credentials[0].secret.matches(TOKEN.as_bytes()));
}

#[test]
fn the_replies_of_pump_analyzer_are_those_its_clients_know() {
    let config = pump().load().config;
    let body =
        |code: &str| (config.replies[code].content_type.clone(), config.replies[code].body.clone().unwrap());
    let json = |text: &str| ("application/json".to_owned(), text.to_owned());
    assert_eq!(body("missing-credential"), json(r#"{"detail":"X-Ingest-Token header is required"}"#));
    assert_eq!(body("invalid-credential"), json(r#"{"detail":"Invalid ingest token"}"#));
    assert_eq!(
        body("rate-limited"),
        json(r#"{"detail":"Rate limit exceeded. Maximum {limit} requests per minute allowed."}"#)
    );
    assert_eq!(
        body("preflight-forbidden"),
        ("text/plain; charset=utf-8".into(), "Disallowed CORS origin".into())
    );
    let cors = config.cors;
    assert!(cors.enabled && cors.credentials && !cors.reject);
    assert_eq!(cors.max_age, Duration::from_mins(10));
    assert_eq!(cors.methods.join(", "), "GET, POST, PUT, DELETE, OPTIONS");
    assert_eq!(
        cors.expose.join(", "),
        "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After"
    );
    let CorsHeaders::List(headers) = cors.headers else { panic!("a list") };
    assert_eq!(
        headers.join(", "),
        "Accept, Accept-Language, Authorization, Content-Language, Content-Type, Origin, Referer, User-Agent, X-Ingest-Token, X-Requested-With"
    );
}

#[test]
fn k_env_01_k_env_02_origins() {
    let origins = |case: Case| case.load().config.cors;
    for text in [
        "https://yourdomain.com,https://app.yourdomain.com",
        " https://yourdomain.com , https://app.yourdomain.com ",
    ] {
        let cors = origins(kalshi().env("ALLOWED_ORIGINS", text));
        assert_eq!(cors.origins, exact(&["https://yourdomain.com", "https://app.yourdomain.com"]));
    }
    for case in [kalshi(), kalshi().env("ALLOWED_ORIGINS", "")] {
        let cors = origins(case);
        assert!(cors.enabled && cors.reject, "nothing is allowed, and pages of others are refused");
        assert_eq!(cors.origins, exact(&[]));
        assert_eq!(cors.methods.join(", "), "GET, POST, OPTIONS");
        assert_eq!(
            cors.headers,
            CorsHeaders::List(
                ["Content-Type", "Authorization", "X-API-Key", "Accept"].map(str::to_owned).to_vec()
            )
        );
    }
}

#[test]
fn k_env_03_k_env_04_the_key() {
    let config = kalshi().env("API_KEY", KEY).load().config;
    assert_eq!(config.auth.default, RouteAuth::AnyOf(vec![Scheme::ApiKey]));
    assert!(config.routes.iter().all(|route| route.auth == config.auth.default), "the WebSocket too");
    assert_eq!(config.auth.api_key.unwrap().header, "X-API-Key");
    for open in [kalshi(), kalshi().env("API_KEY", "")] {
        assert_eq!(open.load().config.auth.default, RouteAuth::Open);
        assert!(open.warnings().contains("API_KEY is not configured (open access)"));
        let said = open.env("ENVIRONMENT", "production").problems().to_string();
        assert!(said.contains("production refuses it: API_KEY is not configured"), "{said}");
    }
}

#[test]
fn k_env_05_the_limit_counts_every_route() {
    let limit = |case: Case| {
        let config = case.load().config;
        (config.limits[0].rate.count(), config.limits[0].rate.window_s(), config.limits[0].scope)
    };
    assert_eq!(limit(kalshi()), (100, 60, Scope::Ip));
    assert_eq!(limit(kalshi().env("RATE_LIMIT_PER_MINUTE", "60")), (60, 60, Scope::Ip));
    assert!(
        kalshi()
            .env("RATE_LIMIT_PER_MINUTE", "many")
            .problems()
            .to_string()
            .contains("RATE_LIMIT_PER_MINUTE is `many`")
    );
}

#[test]
fn k_env_06_production() {
    let case = kalshi().env("API_KEY", KEY).env("ENVIRONMENT", "Production").env("HOST", "127.0.0.1");
    let config = case.load().config;
    assert_eq!(config.environment, Environment::Production);
    assert_eq!(config.replace_errors, ReplaceErrors::AllErrors, "K-ERR-01");
    assert_eq!(
        config.replies["upstream-error"].body.as_deref(),
        Some(r#"{"error":"An error occurred","message":"Please check your request and try again"}"#)
    );
    assert_eq!(kalshi().load().config.replace_errors, ReplaceErrors::Never, "K-ERR-03");
    assert!(kalshi().env("ENVIRONMENT", "staging").warnings().contains("treated as development"));
    assert!(kalshi().env("ENVIRONMENT", "prdo").problems().to_string().contains("ENVIRONMENT is `prdo`"));
}

#[test]
fn k_env_07_debug_reload_and_the_level() {
    let production =
        || kalshi().env("API_KEY", KEY).env("ENVIRONMENT", "production").env("HOST", "127.0.0.1");
    let case = production().env("DEBUG", "false").env("RELOAD", "false").env("LOG_LEVEL", "WARNING");
    assert_eq!(case.load().config.log.level, LogLevel::Warn);
    assert!(production().env("DEBUG", "True").problems().to_string().contains("debug mode"));
    assert!(production().env("RELOAD", "1").warnings().contains("reloads its code"));
    assert!(kalshi().env("DEBUG", "perhaps").problems().to_string().contains("DEBUG is `perhaps`"));
    assert!(kalshi().env("LOG_LEVEL", "LOUD").problems().to_string().contains("LOG_LEVEL is `LOUD`"));
}

#[test]
fn k_env_08_jwt_secret_is_read_and_has_no_effect() {
    let case = kalshi().env("JWT_SECRET", "whatever-this-is");
    let warnings = case.warnings();
    assert!(
        warnings.contains("JWT_SECRET is read and has no effect") && !warnings.contains("whatever"),
        "{warnings}"
    );
}

#[test]
fn k_env_09_websockets() {
    let socket = |case: Case| case.load().config.routes[0].websocket.clone();
    let default = socket(kalshi());
    assert_eq!((default.connections, default.idle_timeout), (Some(1000), Some(Duration::from_mins(5))));
    let set = socket(kalshi().env("MAX_CONNECTIONS", "5").env("WEB_SOCKET_TIMEOUT", "60"));
    assert_eq!((set.connections, set.idle_timeout), (Some(5), Some(Duration::from_mins(1))));
    assert!(kalshi().env("MAX_CONNECTIONS", "0").problems().to_string().contains("MAX_CONNECTIONS is `0`"));
}

#[test]
fn k_env_10_host_and_port_have_names_of_their_own() {
    assert_eq!(listen(&kalshi()), "0.0.0.0:8000");
    assert_eq!(listen(&kalshi().env("HOST", "127.0.0.1").env("PORT", "9001")), "127.0.0.1:9001");
    assert_eq!(listen(&kalshi().env("API_HOST", "127.0.0.1").env("API_PORT", "1")), "0.0.0.0:8000");
}

#[test]
fn k_env_11_names_of_the_application_are_left_alone() {
    let names = "KALSHI_API_BASE=https://api\nKALSHI_API_KEY=x\nUPDATE_INTERVAL_SECONDS=120\nDATABASE_URL=sqlite:///x.db\nREDIS_URL=redis://h\nCACHE_TTL=300\nSENTRY_DSN=\nMONITORING_ENABLED=true\n";
    let case = kalshi().env("API_KEY", KEY).env("HOST", "127.0.0.1").file(".env", names);
    assert_eq!(case.warnings(), "");
    assert!(!case.path("x.db").exists(), "R8");
}

#[test]
fn k_int_01_k_int_03_the_template_and_the_exports_of_the_guide() {
    let template = "API_KEY=generated-api-key-here\nALLOWED_ORIGINS=https://yourdomain.com,https://app.yourdomain.com\nRATE_LIMIT_PER_MINUTE=60\nJWT_SECRET=x\n";
    let exports =
        "export ENVIRONMENT=production\nexport DEBUG=false\nexport LOG_LEVEL=WARNING\nexport RELOAD=false\n";
    kalshi().file(".env", template).load();
    let mut case =
        kalshi().file("prod.env", &format!("{}{exports}", template.replace("generated-api-key-here", KEY)));
    case.sources.env_file = Some("prod.env".into());
    case.sources.listen = Some("127.0.0.1:8000".into());
    let config = case.load().config;
    assert_eq!(config.environment, Environment::Production);
    assert_eq!(config.limits[0].rate.count(), 60);
}

#[test]
fn the_replies_and_headers_of_kalshiwhale_are_those_its_clients_know() {
    let config = kalshi().load().config;
    let body = |code: &str| config.replies[code].body.clone().unwrap();
    let unauthorized = r#"{"error":"Unauthorized","message":"Valid API key required"}"#;
    assert_eq!(
        (body("missing-credential").as_str(), body("invalid-credential").as_str()),
        (unauthorized, unauthorized)
    );
    assert_eq!(
        body("rate-limited"),
        r#"{"error":"Rate limit exceeded","message":"Too many requests. Please try again later.","retry_after":60}"#
    );
    let header = |name: &str| {
        let rules: Vec<_> =
            config.headers.iter().filter(|rule| rule.name.eq_ignore_ascii_case(name)).collect();
        assert_eq!(rules.len(), 1, "{name}");
        rules[0].action.clone()
    };
    for (name, value) in [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("X-XSS-Protection", "1; mode=block"),
        ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
        ("Content-Security-Policy", "default-src 'self'"),
        ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ] {
        let tls_only = name == "Strict-Transport-Security";
        assert_eq!(header(name), HeaderAction::Set { value: value.into(), keep: false, tls_only });
    }
    assert_eq!(header("Server"), HeaderAction::Remove);
}

#[test]
fn x_02_a_name_means_what_the_profile_says() {
    let names =
        |case: Case| case.env("API_KEY", KEY).env("API_HOST", "0.0.0.0").env("ENVIRONMENT", "production");
    // Pump Analyzer has no API_KEY and no ENVIRONMENT; KalshiWhale has no API_HOST; without a profile nothing is guessed.
    let config = names(pump()).load().config;
    assert_eq!((config.environment, config.auth.api_key.is_none()), (Environment::Development, true));
    assert_eq!(config.server.listeners[0].address.to_string(), "0.0.0.0:8000");
    let config = names(kalshi().env("HOST", "127.0.0.1")).load().config;
    assert_eq!((config.environment, config.auth.api_key.is_some()), (Environment::Production, true));
    let config = names(Case::config(super::SMALL)).load().config;
    assert_eq!((config.environment, config.auth.api_key.is_none()), (Environment::Development, true));
    assert_eq!(config.server.listeners[0].address.to_string(), "127.0.0.1:8000");
}

#[test]
fn r9_a_name_that_is_nearly_ours_is_reported() {
    for (case, misspelt, near) in [
        (pump(), "INGEST_TOKN", "INGEST_TOKEN"),
        (pump(), "ingest_token", "INGEST_TOKEN"),
        (pump(), "API_CORS_ORIGIN", "API_CORS_ORIGINS"),
        (kalshi(), "RATE_LIMIT_PER_MINUT", "RATE_LIMIT_PER_MINUTE"),
        (kalshi(), "ALLOWED_ORIGIN", "ALLOWED_ORIGINS"),
    ] {
        let warnings = case.file(".env", &format!("\n{misspelt}=x\n")).warnings();
        assert!(
            warnings.contains(&format!("`{misspelt}`"))
                && warnings.contains(&format!("did you mean `{near}`?")),
            "{warnings}"
        );
        assert!(warnings.contains("--> .env:2:"), "{warnings}");
    }
}

#[test]
fn two_names_for_one_setting_that_disagree_are_an_error_that_names_both() {
    let case = pump()
        .file("token", "from-a-file")
        .env("INGEST_TOKEN", "from-the-name")
        .env("INGEST_TOKEN_FILE", "token");
    let said = case.problems().to_string();
    assert!(said.contains("INGEST_TOKEN and INGEST_TOKEN_FILE") && said.contains("disagree"), "{said}");
    assert!(!said.contains("from-"), "{said}");
    pump()
        .file("token", "the-same\n")
        .env("INGEST_TOKEN", "the-same")
        .env("INGEST_TOKEN_FILE", "token")
        .load();
}

#[test]
fn a_name_whose_rule_is_gone_is_reported() {
    let case = Case::config("profile = \"pump-analyzer\"\n[[routes]]\nmatch = \"POST /live/ingest\"\n")
        .env("INGEST_RATE_LIMIT", "5");
    assert!(
        case.warnings()
            .contains("INGEST_RATE_LIMIT sets the limit `ingest`, which the configuration no longer has")
    );
}

#[test]
fn every_name_of_the_interface_is_in_its_dialect() {
    // The table of the interface document, word for word.
    for (profile, names) in [
        ("pump-analyzer", "INGEST_TOKEN API_HOST API_PORT INGEST_RATE_LIMIT API_CORS_ORIGINS"),
        ("ticker-service", "API_KEY API_KEY_ENABLED ENVIRONMENT INSTRUMENT_DB_PASSWORD"),
        (
            "echotuner",
            "SECURE_HEADERS CORS_ENABLED ALLOWED_ORIGINS SECRET_KEY MAX_SESSION_AGE SESSION_CLEANUP_INTERVAL AUTH_ATTEMPT_TIMEOUT MAX_AUTH_ATTEMPTS DEVICE_REGISTRATION_TIMEOUT MAX_DEVICES_PER_USER RATE_LIMIT_ENABLED RATE_LIMIT_REQUESTS_PER_MINUTE RATE_LIMIT_WINDOW_SECONDS",
        ),
        (
            "kalshiwhale",
            "ALLOWED_ORIGINS API_KEY RATE_LIMIT_PER_MINUTE ENVIRONMENT DEBUG RELOAD LOG_LEVEL JWT_SECRET",
        ),
        (
            "btc-forecasting",
            "JWT_SECRET_KEY JWT_ALGORITHM ACCESS_TOKEN_EXPIRE_MINUTES REFRESH_TOKEN_EXPIRE_DAYS RATE_LIMIT_ENABLED RATE_LIMIT_FREE RATE_LIMIT_PREMIUM RATE_LIMIT_ADMIN CORS_ORIGINS CORS_ALLOW_CREDENTIALS DATABASE_URL DATABASE_ENCRYPTION_KEY AUDIT_LOGGING_ENABLED SECURITY_LOGGING_ENABLED SSL_CERT_PATH SSL_KEY_PATH SSL_ENABLED",
        ),
    ] {
        let dialect = find(profile).unwrap().dialect;
        for name in names.split(' ') {
            assert!(dialect.names.iter().any(|it| it.name == name), "{profile}: {name}");
        }
    }
}
