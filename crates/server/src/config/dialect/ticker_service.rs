//! Names of ticker-service.

use super::{Dialect, Example, Meaning, name};

pub const TICKER_SERVICE: Dialect = Dialect {
    names: &[
        name(
            "API_KEY",
            Meaning::Secret("api_key"),
            "",
            "Key that every route asks for in X-API-Key; must be set where it is asked for",
            Example::UrlSafe,
        ),
        name(
            "API_KEY_ENABLED",
            Meaning::Set("auth.api_key.enabled"),
            "true",
            "Whether the key is asked for; production always asks",
            Example::Text("true"),
        ),
        name(
            "ENVIRONMENT",
            Meaning::Environment,
            "dev",
            "`production`, `prod` and `live` refuse what is unsafe; `staging` is development with a warning",
            Example::Text("development"),
        ),
        name("PORT", Meaning::Port, "8080", "Port to listen on", Example::Text("8080")),
        name(
            "LOG_DIR",
            Meaning::LogDirectory("ticker_service.log"),
            "logs",
            "Directory of the log `ticker_service.log`; made where it is missing",
            Example::Text("logs"),
        ),
        name(
            "INSTRUMENT_DB_PASSWORD",
            Meaning::Password,
            "",
            "The application's; its known default is warned of",
            Example::None,
        ),
    ],
    unset: &[("API_KEY", "api_key must be set when api_key_enabled=True")],
    application: &[
        "REDIS_URL",
        "ENCRYPTION_KEY",
        "ACCOUNT_ENCRYPTION_KEY",
        "DB_PASSWORD",
        "INSTRUMENT_DB_HOST",
        "INSTRUMENT_DB_PORT",
        "INSTRUMENT_DB_NAME",
        "INSTRUMENT_DB_USER",
        "KITE_API_KEY",
        "KITE_API_SECRET",
        "KITE_ACCESS_TOKEN",
        "LOG_LEVEL",
    ],
};
