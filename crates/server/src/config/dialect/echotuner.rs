//! Names of EchoTuner.

use super::{At, Dialect, Example, Meaning, Name, name};

pub const ECHOTUNER: Dialect = Dialect {
    names: &[
        name(
            "SECRET_KEY",
            Meaning::SecretAt("auth.tokens.secret"),
            "",
            "Signs tokens; must be set, at least 32 characters",
            Example::SigningKey,
        ),
        name("API_HOST", Meaning::Host, "0.0.0.0", "Address to listen on", Example::Text("127.0.0.1")),
        name("API_PORT", Meaning::Port, "8000", "Port to listen on", Example::Text("8000")),
        name(
            "ALLOWED_ORIGINS",
            Meaning::Origins,
            "*",
            "Origins of pages that may call and send cookies, with commas; without it every page may call, and none may send cookies",
            Example::Text("http://localhost:3000"),
        ),
        name(
            "CORS_ENABLED",
            Meaning::Set("cors.enabled"),
            "true",
            "Whether CORS is answered; `false` leaves it to the application",
            Example::Text("true"),
        ),
        name(
            "SECURE_HEADERS",
            Meaning::SecureHeaders,
            "true",
            "Whether security headers are written",
            Example::Text("true"),
        ),
        seconds("MAX_SESSION_AGE", "auth.sessions.max_age", "86400", "Seconds a session is valid"),
        seconds(
            "SESSION_CLEANUP_INTERVAL",
            "auth.sessions.cleanup",
            "3600",
            "Seconds between two removals of what has expired",
        ),
        seconds(
            "AUTH_ATTEMPT_TIMEOUT",
            "auth.attempts.timeout",
            "300",
            "Seconds a login may wait for its second factor",
        ),
        name(
            "MAX_AUTH_ATTEMPTS",
            Meaning::Number { at: At::Key("auth.lockout.attempts"), form: "{}" },
            "5",
            "Failed logins after which an account waits",
            Example::Text("5"),
        ),
        seconds(
            "DEVICE_REGISTRATION_TIMEOUT",
            "auth.devices.registration_timeout",
            "1800",
            "Seconds a device may take from its registration to its first session",
        ),
        name(
            "MAX_DEVICES_PER_USER",
            Meaning::Number { at: At::Key("auth.devices.max_per_user"), form: "{}" },
            "10",
            "Devices of one user",
            Example::Text("10"),
        ),
        name(
            "RATE_LIMIT_ENABLED",
            Meaning::Set("limiter.enabled"),
            "true",
            "Whether limits are in force; that of wrong credentials always is",
            Example::Text("true"),
        ),
        name(
            "RATE_LIMIT_REQUESTS_PER_MINUTE",
            Meaning::Count("requests"),
            "60",
            "Requests of one address in the window",
            Example::Text("60"),
        ),
        name(
            "RATE_LIMIT_WINDOW_SECONDS",
            Meaning::Window("requests"),
            "60",
            "Seconds of that window",
            Example::Text("60"),
        ),
        name(
            "DEBUG",
            Meaning::DebugByDefault,
            "true",
            "Debug mode of the application; warned of in production",
            Example::Text("false"),
        ),
    ],
    unset: &[("SECRET_KEY", "SECRET_KEY must be set, with at least 32 characters")],
    application: &[
        "SPOTIFY_CLIENT_ID",
        "SPOTIFY_CLIENT_SECRET",
        "SPOTIFY_REDIRECT_URI",
        "GOOGLE_CLIENT_ID",
        "GOOGLE_CLIENT_SECRET",
        "OPENAI_API_KEY",
        "CLOUD_API_KEY",
        "CORS_ORIGINS",
        "SESSION_TIMEOUT",
        "AUTH_REQUIRED",
        "SHARED",
        "DEMO",
        "DATABASE_PATH",
        "MAX_PLAYLISTS_PER_DAY",
        "PLAYLIST_LIMIT_ENABLED",
        "MAX_AUTH_ATTEMPTS_PER_IP",
        "AUTH_ATTEMPT_WINDOW_MINUTES",
        "LOG_LEVEL",
    ],
};

const fn seconds(of: &'static str, key: &'static str, default: &'static str, doc: &'static str) -> Name {
    let meaning = Meaning::Number { at: At::Key(key), form: "{}s" };
    name(of, meaning, default, doc, Example::Text(default))
}
