//! Names of KalshiWhale.

use super::{At, Dialect, Example, Meaning, name};

pub const KALSHIWHALE: Dialect = Dialect {
    names: &[
        name(
            "API_KEY",
            Meaning::Secret("api_key"),
            "open",
            "Key that every route asks for in X-API-Key; empty: open",
            Example::UrlSafe,
        ),
        name(
            "ALLOWED_ORIGINS",
            Meaning::Set("cors.origins"),
            "none",
            "Origins of pages that may call, with commas",
            Example::Text("http://localhost:3000"),
        ),
        name(
            "RATE_LIMIT_PER_MINUTE",
            Meaning::Number { at: At::Limit("requests"), form: "{}/minute per ip" },
            "100",
            "Requests a minute from one address",
            Example::Text("100"),
        ),
        name(
            "ENVIRONMENT",
            Meaning::Environment,
            "development",
            "`production` refuses what is unsafe and hides the application's errors",
            Example::Text("development"),
        ),
        name(
            "DEBUG",
            Meaning::Debug,
            "false",
            "Debug mode of the application; refused in production",
            Example::Text("false"),
        ),
        name(
            "RELOAD",
            Meaning::Reload,
            "false",
            "Whether the application reloads its code",
            Example::Text("false"),
        ),
        name(
            "LOG_LEVEL",
            Meaning::LogLevel,
            "INFO",
            "DEBUG, INFO, WARNING, ERROR; security events are always written",
            Example::Text("INFO"),
        ),
        name("HOST", Meaning::Host, "0.0.0.0", "Address to listen on", Example::Text("127.0.0.1")),
        name("PORT", Meaning::Port, "8000", "Port to listen on", Example::Text("8000")),
        name(
            "MAX_CONNECTIONS",
            Meaning::Number {
                at: At::Route { matching: "WS /ws", key: "websocket.connections" },
                form: "{}",
            },
            "1000",
            "Open WebSockets on /ws",
            Example::None,
        ),
        name(
            "WEB_SOCKET_TIMEOUT",
            Meaning::Number {
                at: At::Route { matching: "WS /ws", key: "websocket.idle_timeout" },
                form: "{}s",
            },
            "300",
            "Seconds after which an idle WebSocket on /ws is closed",
            Example::None,
        ),
        name(
            "JWT_SECRET",
            Meaning::Unused("KalshiWhale's template has it, and nothing there issues or checks a JWT"),
            "",
            "In the template; without effect there and here",
            Example::None,
        ),
    ],
    unset: &[],
    application: &[
        "KALSHI_API_BASE",
        "KALSHI_API_KEY",
        "UPDATE_INTERVAL_SECONDS",
        "DATABASE_URL",
        "REDIS_URL",
        "CACHE_TTL",
        "SENTRY_DSN",
        "MONITORING_ENABLED",
    ],
};
