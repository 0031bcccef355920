//! B-ENV: the environment file of the guide.

use portcullis_tests::{Accounts, Application, Launch, Request, System, Upstream, free_port};

use super::{ENCRYPTION_KEY, SECRET, assert_forecast, launch, predict};

/// As it stands in the guide.
const GUIDE: &str = "\
# Security Configuration
JWT_SECRET_KEY=your-super-secret-key-change-this
JWT_ALGORITHM=HS256
ACCESS_TOKEN_EXPIRE_MINUTES=30
REFRESH_TOKEN_EXPIRE_DAYS=7

# Rate Limiting
RATE_LIMIT_ENABLED=true
RATE_LIMIT_FREE=60
RATE_LIMIT_PREMIUM=300
RATE_LIMIT_ADMIN=1000

# CORS Settings
CORS_ORIGINS=[\"https://yourdomain.com\"]
CORS_ALLOW_CREDENTIALS=true

# Database
DATABASE_URL=sqlite:///btcforecast_production.db
DATABASE_ENCRYPTION_KEY=your-database-encryption-key

# Monitoring
AUDIT_LOGGING_ENABLED=true
SECURITY_LOGGING_ENABLED=true
";

fn production(application: &Application, text: &str) -> Launch {
    Launch::profile("btc-forecasting", application.url())
        .file(".env.production", text)
        .env("ENVIRONMENT", "production")
        .arg("--env-file")
        .arg(".env.production")
}

#[test]
fn b_env_01_the_file_of_the_guide_is_read_by_its_name() {
    let application = Application::start(System::Btc);
    // As it stands, with its two placeholders, it is refused and both are named.
    let said = production(&application, GUIDE).refused();
    assert!(said.contains("JWT_SECRET_KEY") && said.contains("DATABASE_ENCRYPTION_KEY"), "{said}");
    assert!(said.contains(".env.production"), "where it stands: {said}");

    let filled = GUIDE
        .replace("your-super-secret-key-change-this", SECRET)
        .replace("your-database-encryption-key", ENCRYPTION_KEY);
    let gateway = production(&application, &filled).start();
    assert!(gateway.folder().path().join("btcforecast_production.db").exists(), "{}", gateway.log());
    let login = Accounts::at_root(&gateway).newcomer("newuser");
    let answer = predict().bearer(&login.access).header("Origin", "https://yourdomain.com");
    let answer = answer.send_to(gateway.address());
    assert_forecast(&answer);
    assert_eq!(answer.number("x-ratelimit-limit"), 60);
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://yourdomain.com"));
    assert_eq!(answer.field("access-control-allow-credentials"), Some("true"));
    for secret in [SECRET, ENCRYPTION_KEY] {
        assert!(!gateway.log().contains(secret), "{}", gateway.log());
    }
    // Commands of an operator read the same file.
    let users = gateway.command("users list --json").ran().json();
    assert_eq!(users["users"][0]["username"], "newuser", "{users}");
    let said = launch(application.url()).arg("--env-file").arg(".env.missing").refused();
    assert!(said.contains(".env.missing"), "{said}");
}

#[test]
fn b_env_14_names_of_the_application_are_left_alone() {
    let upstream = Upstream::ok();
    let names = [
        ("ENABLE_DOCS", "true"),
        ("RETRAIN_ON_STARTUP", "false"),
        ("STRIPE_SECRET_KEY", "Rb2-planted-payment-key-9a8b7c6d"),
        ("STRIPE_WEBHOOK_SECRET", "Rb2-planted-webhook-secret"),
        ("REDIS_URL", "redis://:Rb2-planted-cache@localhost:6379/0"),
        ("CELERY_BROKER_URL", "redis://localhost:6379/1"),
        ("SMTP_HOST", "mail.example.com"),
        ("SMTP_PASSWORD", "Rb2-planted-mail"),
    ];
    let gateway =
        names.iter().fold(launch(&upstream.url()), |launch, (name, value)| launch.env(name, value)).start();
    assert_eq!(Request::get("/").send_to(gateway.address()).status, 200);
    assert!(!gateway.log().contains("Rb2-planted"), "{}", gateway.log());
    for (name, _) in names {
        assert!(!gateway.log().contains(name), "{name}: {}", gateway.log());
    }
}

/// The port that the guide's firewall rule opens.
#[test]
fn b_env_14_b_fw_01_the_api_listens_on_every_interface_on_port_8000_unless_told_otherwise() {
    let shown = Launch::command("config show --profile btc-forecasting")
        .env("JWT_SECRET_KEY", SECRET)
        .env("PORTCULLIS_UPSTREAM", "http://127.0.0.1:9")
        .ran()
        .succeeded();
    assert!(shown.contains("0.0.0.0:8000"), "{shown}");
    let upstream = Upstream::ok();
    let port = free_port();
    let gateway = Launch::command("run --profile btc-forecasting --upstream")
        .arg(&upstream.url())
        .env("JWT_SECRET_KEY", SECRET)
        .env("DATABASE_ENCRYPTION_KEY", ENCRYPTION_KEY)
        .env("API_HOST", "127.0.0.1")
        .env("API_PORT", &port.to_string())
        .start();
    assert_eq!(gateway.printed_address(), std::net::SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(Request::get("/").send_to(gateway.address()).status, 200);
}
