//! X: what spans the five systems: each comes with its own environment file, and gets its own gateway.

use portcullis_tests::{Answer, Connection, Gateway, Launch, Request, Response, Upstream};

/// One system as its users know it.
struct Known {
    profile: &'static str,
    /// The name of its environment file, and the file as its guide writes it, placeholders filled in.
    file: &'static str,
    text: &'static str,
    /// What asks for a credential, without one; and the body of the refusal, where its clients know one.
    bare: fn() -> Request,
    missing: Option<&'static str>,
    /// What is admitted `limit` times, and the body of the refusal after that.
    limited: fn() -> Request,
    limit: usize,
    exceeded: fn(&Response) -> String,
}

const KALSHI_KEY: &str = "iM0hSTqkKRqQkwHwnAmB7sfEkGqKXC2wL9Dq1kyrqDI";
const TICKER_KEY: &str = "4pQ0gKpVb0yqXv9dJ8mZbWc2rTn5sLhEoUaYxG7iRkM";

const FIVE: [Known; 5] = [
    Known {
        profile: "pump-analyzer",
        file: ".env",
        text: "INGEST_TOKEN=my-secret-ingestion-token\nAPI_HOST=127.0.0.1\nAPI_PORT=8000\nINGEST_RATE_LIMIT=60\n\
               API_CORS_ORIGINS=http://localhost:5173\n",
        bare: || Request::post("/live/ingest", "{}"),
        missing: Some(r#"{"detail":"X-Ingest-Token header is required"}"#),
        limited: || Request::post("/live/ingest", "{}").header("X-Ingest-Token", "my-secret-ingestion-token"),
        limit: 60,
        exceeded: |_| {
            r#"{"detail":"Rate limit exceeded. Maximum 60 requests per minute allowed."}"#.to_owned()
        },
    },
    Known {
        profile: "ticker-service",
        file: ".env",
        text: "API_KEY_ENABLED=true\nAPI_KEY=4pQ0gKpVb0yqXv9dJ8mZbWc2rTn5sLhEoUaYxG7iRkM\nENVIRONMENT=development\n\
               LOG_DIR=logs\nDB_PASSWORD=app\nENCRYPTION_KEY=app\nREDIS_URL=redis://localhost:6379/0\n",
        bare: || Request::post("/advanced/batch-orders", "{}"),
        missing: Some(r#"{"detail":"Missing API key. Provide X-API-Key header."}"#),
        limited: || Request::post("/advanced/batch-orders", "{}").header("X-API-Key", TICKER_KEY),
        limit: 10,
        exceeded: |_| r#"{"error":"Rate limit exceeded: 10 per 1 minute"}"#.to_owned(),
    },
    Known {
        profile: "echotuner",
        file: ".env",
        text: "CORS_ENABLED=true\nALLOWED_ORIGINS=https://yourdomain.com,https://app.yourdomain.com\n\
               export SECRET_KEY=\"b3F0V4yK+8m/Qz1Lr7cXw2Nn5pTj9sHd6gUeAaRiYkE=\"\n\
               MAX_SESSION_AGE=86400                     # 24 hours\n\
               SESSION_CLEANUP_INTERVAL=3600             # 1 hour cleanup\n\
               AUTH_ATTEMPT_TIMEOUT=300                  # 5 minutes\n\
               RATE_LIMIT_ENABLED=true\nRATE_LIMIT_REQUESTS_PER_MINUTE=60\nRATE_LIMIT_WINDOW_SECONDS=60\n",
        // Its application knows which routes need somebody; what is shown and wrong is refused here.
        bare: || {
            Request::get("/playlist/library").header("X-Session-ID", "made-up").header("X-Device-ID", "d")
        },
        missing: None,
        limited: || Request::get("/playlist/library"),
        limit: 60,
        exceeded: |_| r#"{"detail":"Rate limit exceeded"}"#.to_owned(),
    },
    Known {
        profile: "kalshiwhale",
        file: ".env",
        text: "ALLOWED_ORIGINS=https://yourdomain.com,https://app.yourdomain.com\n\
               API_KEY=iM0hSTqkKRqQkwHwnAmB7sfEkGqKXC2wL9Dq1kyrqDI\nRATE_LIMIT_PER_MINUTE=60\n\
               ENVIRONMENT=production\nDEBUG=false\nRELOAD=false\nLOG_LEVEL=WARNING\n",
        bare: || Request::get("/api/status"),
        missing: Some(r#"{"error":"Unauthorized","message":"Valid API key required"}"#),
        limited: || Request::get("/api/status").header("X-API-Key", KALSHI_KEY),
        limit: 60,
        exceeded: |_| {
            r#"{"error":"Rate limit exceeded","message":"Too many requests. Please try again later.","retry_after":60}"#
                .to_owned()
        },
    },
    Known {
        profile: "btc-forecasting",
        file: ".env.production",
        text: "JWT_SECRET_KEY=5d2f7a90c41be8363f0d9ab27c58e1f46b0792adc3e5184f9a6d2c7be0318f54\nJWT_ALGORITHM=HS256\n\
               ACCESS_TOKEN_EXPIRE_MINUTES=30\nREFRESH_TOKEN_EXPIRE_DAYS=7\nRATE_LIMIT_ENABLED=true\n\
               RATE_LIMIT_FREE=60\nRATE_LIMIT_PREMIUM=300\nRATE_LIMIT_ADMIN=1000\n\
               CORS_ORIGINS=[\"https://yourdomain.com\"]\nCORS_ALLOW_CREDENTIALS=true\n\
               DATABASE_URL=sqlite:///btcforecast_production.db\n\
               DATABASE_ENCRYPTION_KEY=c3VyZWx5LW5vdC1hLXBsYWNlaG9sZGVyLWtleS0zMiE=\n\
               AUDIT_LOGGING_ENABLED=true\nSECURITY_LOGGING_ENABLED=true\n",
        bare: || Request::post("/predict", r#"{"days":7}"#),
        missing: Some(r#"{"detail":"Not authenticated"}"#),
        limited: || Request::get("/"),
        limit: 60,
        exceeded: |answer| {
            format!(
                r#"{{"detail":{{"error":"Rate limit exceeded","limit":60,"remaining":0,"reset_time":{},"retry_after":{}}}}}"#,
                answer.number("x-ratelimit-reset"),
                answer.number("retry-after")
            )
        },
    },
];

fn launch(known: &Known, upstream: &Upstream) -> Launch {
    let launch = Launch::profile(known.profile, &upstream.url()).file(known.file, known.text);
    // One that says production is read where it is named, and not by itself.
    launch.arg("--env-file").arg(known.file)
}

fn application() -> Upstream {
    Upstream::start(|_| Answer::json("200 OK", r#"{"its":"own"}"#))
}

#[test]
fn x_01_each_unchanged_environment_file_starts_the_gateway_of_its_system() {
    for known in &FIVE {
        let upstream = application();
        let gateway = launch(known, &upstream).start();
        assert_eq!((known.bare)().send_to(gateway.address()).status, 401, "{}", known.profile);
        assert_eq!(upstream.count(), 0, "{}", known.profile);
        let answer = (known.limited)().send_to(gateway.address());
        assert_eq!((answer.status, answer.text()), (200, r#"{"its":"own"}"#), "{}", known.profile);
        assert_eq!(answer.number("x-ratelimit-limit") as usize, known.limit, "{}", known.profile);
    }
}

#[test]
fn x_04_a_missing_credential_is_refused_in_the_words_that_clients_know() {
    for known in &FIVE {
        let Some(body) = known.missing else { continue };
        let upstream = application();
        let gateway = launch(known, &upstream).start();
        let answer = (known.bare)().send_to(gateway.address());
        assert_eq!((answer.status, answer.text()), (401, body), "{}", known.profile);
        assert_eq!(answer.field("content-type"), Some("application/json"), "{}", known.profile);
        assert!(answer.field("www-authenticate").is_some(), "{}: {}", known.profile, answer.head);
    }
}

#[test]
fn x_05_what_is_too_much_is_refused_in_the_words_that_clients_know() {
    for known in &FIVE {
        let upstream = application();
        let gateway = launch(known, &upstream).start();
        let mut connection = Connection::open(gateway.address());
        for number in 0..known.limit {
            assert_eq!((known.limited)().on(&mut connection).status, 200, "{}: {number}", known.profile);
        }
        let answer = (known.limited)().on(&mut connection);
        let expected = (known.exceeded)(&answer);
        assert_eq!((answer.status, answer.text()), (429, expected.as_str()), "{}", known.profile);
        assert_eq!(answer.field("content-type"), Some("application/json"), "{}", known.profile);
        assert!(answer.number("retry-after") >= 1, "{}: {}", known.profile, answer.head);
    }
}

#[test]
fn x_06_the_client_s_address_is_taken_from_trusted_peers_alone_and_rewritten_for_the_application() {
    for known in &FIVE {
        let upstream = application();
        let gateway = launch(known, &upstream).start();
        let left = |gateway: &Gateway, address: &str| {
            let request = (known.limited)()
                .header("X-Forwarded-For", address)
                .header("X-Real-IP", address)
                .header("Forwarded", &format!("for={address}"));
            request.send_to(gateway.address()).number("x-ratelimit-remaining")
        };
        // Another address each time, and always the same allowance.
        let first = left(&gateway, "192.0.2.1");
        assert_eq!(left(&gateway, "192.0.2.2"), first - 1, "{}", known.profile);
        for received in upstream.received() {
            assert_eq!(received.field("x-forwarded-for"), Some("127.0.0.1"), "{}", received.head);
            assert!(matches!(received.field("x-real-ip"), None | Some("127.0.0.1")), "{}", received.head);
            assert_eq!(received.field("forwarded"), None, "{}", received.head);
        }
        drop(gateway);

        let upstream = application();
        let trusting =
            launch(known, &upstream).config("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n").start();
        let first = left(&trusting, "192.0.2.1");
        assert_eq!(left(&trusting, "192.0.2.2"), first, "{}: each client has its own", known.profile);
        assert_eq!(left(&trusting, "192.0.2.1"), first - 1, "{}", known.profile);
        let told: Vec<_> =
            upstream.received().iter().map(|one| one.field("x-forwarded-for").unwrap().to_owned()).collect();
        assert!(told.iter().all(|address| address.starts_with("192.0.2.")), "{told:?}");
    }
}

/// What `config show` prints for a profile with these names set.
fn shown(profile: &str, names: &[(&str, &str)]) -> String {
    let launch = Launch::command("config show --json --profile").arg(profile);
    let launch = launch.env("PORTCULLIS_UPSTREAM", "http://127.0.0.1:9");
    names.iter().fold(launch, |launch, (name, value)| launch.env(name, value)).ran().succeeded()
}

#[test]
fn x_02_a_name_means_what_it_means_to_the_system_of_the_profile() {
    let echotuner = ("SECRET_KEY", "b3F0V4yK+8m/Qz1Lr7cXw2Nn5pTj9sHd6gUeAaRiYkE=");
    let btc = ("JWT_SECRET_KEY", "5d2f7a90c41be8363f0d9ab27c58e1f46b0792adc3e5184f9a6d2c7be0318f54");
    // Where nobody says a host, each has its own default.
    assert!(shown("pump-analyzer", &[]).contains("127.0.0.1:8000"));
    assert!(shown("echotuner", &[echotuner]).contains("0.0.0.0:8000"));
    assert!(shown("btc-forecasting", &[btc]).contains("0.0.0.0:8000"));
    assert!(shown("ticker-service", &[("API_KEY", TICKER_KEY)]).contains("0.0.0.0:8080"));

    let upstream = application();
    let launch = |profile: &str| Launch::profile(profile, &upstream.url());
    // An empty key: one does not start, the other is open.
    let said = launch("ticker-service").env("API_KEY", "").refused();
    assert!(said.contains("api_key must be set when api_key_enabled=True"), "{said}");
    let open = launch("kalshiwhale").env("API_KEY", "").start();
    assert_eq!(Request::get("/api/status").send_to(open.address()).status, 200);
    // No origins: every page without credentials, or none at all.
    let seen = |gateway: &Gateway, path: &str| {
        let answer = Request::get(path).header("Origin", "https://page.example").send_to(gateway.address());
        answer.field("access-control-allow-origin").map(str::to_owned)
    };
    let every = launch("echotuner").env(echotuner.0, echotuner.1).start();
    assert_eq!(seen(&every, "/config/health").as_deref(), Some("*"));
    assert_eq!(seen(&open, "/api/status"), None);
    // A JSON list of origins is one system's; another's application keeps the name for itself.
    let list = ("CORS_ORIGINS", r#"["https://page.example"]"#);
    let listed = launch("btc-forecasting").env(btc.0, btc.1).env(list.0, list.1).start();
    assert_eq!(seen(&listed, "/").as_deref(), Some("https://page.example"));
    let other =
        launch("echotuner").env(echotuner.0, echotuner.1).env("ALLOWED_ORIGINS", "https://other.example");
    assert_eq!(seen(&other.env(list.0, list.1).start(), "/config/health"), None);
    // A secret that signs sessions for one is left to the application of another.
    let said = launch("echotuner").refused();
    assert!(said.contains("SECRET_KEY"), "{said}");
    launch("btc-forecasting").env(btc.0, btc.1).env("SECRET_KEY", "short").start();
    // An application's database is touched by nobody whose profile keeps no accounts.
    let pump = launch("pump-analyzer").env("DATABASE_URL", "sqlite+aiosqlite:///./pump.db").start();
    assert_eq!(Request::get("/healthz").send_to(pump.address()).status, 200);
    assert!(!pump.folder().path().join("pump.db").exists());
}
