//! Names of BTC Forecasting.

use super::{At, Dialect, Example, Meaning, Name, name};

pub const BTC_FORECASTING: Dialect = Dialect {
    names: &[
        name(
            "JWT_SECRET_KEY",
            Meaning::SecretAt("auth.tokens.secret"),
            "",
            "Signs tokens; must be set, at least 32 bytes and no placeholder",
            Example::SigningKey,
        ),
        name(
            "JWT_ALGORITHM",
            Meaning::Set("auth.tokens.algorithm"),
            "HS256",
            "How tokens are signed; no other is accepted",
            Example::Text("HS256"),
        ),
        name(
            "ACCESS_TOKEN_EXPIRE_MINUTES",
            Meaning::Number { at: At::Key("auth.tokens.access_ttl"), form: "{}m" },
            "30",
            "Minutes an access token is valid",
            Example::Text("30"),
        ),
        name(
            "REFRESH_TOKEN_EXPIRE_DAYS",
            Meaning::Number { at: At::Key("auth.tokens.refresh_ttl"), form: "{}d" },
            "7",
            "Days a login can be prolonged",
            Example::Text("7"),
        ),
        name(
            "RATE_LIMIT_ENABLED",
            Meaning::Set("limiter.enabled"),
            "true",
            "Whether limits are in force; that of wrong credentials always is",
            Example::Text("true"),
        ),
        tier(
            "RATE_LIMIT_FREE",
            "free",
            "60",
            "Requests a minute of a free user, and of an address without one",
        ),
        tier("RATE_LIMIT_PREMIUM", "premium", "300", "Requests a minute of a premium user"),
        tier("RATE_LIMIT_ADMIN", "admin", "1000", "Requests a minute of an admin"),
        name(
            "CORS_ORIGINS",
            Meaning::Set("cors.origins"),
            "none",
            "Origins of pages that may call, as a JSON list or with commas",
            Example::Text("[\"http://localhost:8501\"]"),
        ),
        name(
            "CORS_ALLOW_CREDENTIALS",
            Meaning::Set("cors.credentials"),
            "true",
            "Whether such pages may send cookies",
            Example::Text("true"),
        ),
        name(
            "DATABASE_URL",
            Meaning::Database,
            "sqlite:portcullis.db",
            "Where accounts are kept, if that is nobody else's database; PORTCULLIS_STORE__URL names another",
            Example::None,
        ),
        name(
            "DATABASE_ENCRYPTION_KEY",
            Meaning::SecretAt("store.encryption_key"),
            "",
            "Encrypts them; production asks for it",
            Example::EncryptionKey,
        ),
        name(
            "AUDIT_LOGGING_ENABLED",
            Meaning::Set("audit.enabled"),
            "true",
            "Whether every request is recorded in the audit log",
            Example::Text("true"),
        ),
        name(
            "SECURITY_LOGGING_ENABLED",
            Meaning::Set("log.security"),
            "true",
            "Whether security events are written",
            Example::Text("true"),
        ),
        name("SSL_CERT_PATH", Meaning::Set("server.tls.cert"), "", "Certificate chain in PEM", Example::None),
        name("SSL_KEY_PATH", Meaning::Set("server.tls.key"), "", "Private key in PEM", Example::None),
        name(
            "SSL_ENABLED",
            Meaning::Tls,
            "true where both files are named",
            "Whether the listener speaks TLS, and nothing else",
            Example::None,
        ),
        name(
            "ENVIRONMENT",
            Meaning::Environment,
            "development",
            "`production` refuses what is unsafe and hides the application's errors",
            Example::Text("development"),
        ),
        name("API_HOST", Meaning::Host, "0.0.0.0", "Address to listen on", Example::Text("127.0.0.1")),
        name("API_PORT", Meaning::Port, "8000", "Port to listen on", Example::Text("8000")),
    ],
    unset: &[],
    application: &[
        "ENABLE_DOCS",
        "LOG_LEVEL",
        "RETRAIN_ON_STARTUP",
        "CREATE_DEFAULT_USERS",
        "SECRET_KEY",
        "REDIS_URL",
        "CELERY_BROKER_URL",
        "STRIPE_SECRET_KEY",
        "SMTP_HOST",
        "SMTP_PASSWORD",
    ],
};

const fn tier(of: &'static str, role: &'static str, default: &'static str, doc: &'static str) -> Name {
    let meaning = Meaning::Number { at: At::Tier(role), form: "{}/minute per user" };
    name(of, meaning, default, doc, Example::Text(default))
}
