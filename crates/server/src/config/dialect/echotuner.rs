//! Names of EchoTuner; its profile comes with a later version.

use super::{Dialect, later};

pub const ECHOTUNER: Dialect = Dialect {
    names: &[
        later("SECURE_HEADERS", "Whether security headers are added"),
        later("CORS_ENABLED", "Whether CORS is answered"),
        later("ALLOWED_ORIGINS", "Origins of pages that may call"),
        later("SECRET_KEY", "Key of sessions, at least 32 characters"),
        later("MAX_SESSION_AGE", "Seconds a session lives"),
        later("SESSION_CLEANUP_INTERVAL", "Seconds between two cleanups of sessions"),
        later("AUTH_ATTEMPT_TIMEOUT", "Seconds a started login may take"),
        later("MAX_AUTH_ATTEMPTS", "Attempts before an address is locked out"),
        later("DEVICE_REGISTRATION_TIMEOUT", "Seconds a device's registration may take"),
        later("MAX_DEVICES_PER_USER", "Devices of one user"),
        later("RATE_LIMIT_ENABLED", "Whether limits apply"),
        later("RATE_LIMIT_REQUESTS_PER_MINUTE", "Requests in one window"),
        later("RATE_LIMIT_WINDOW_SECONDS", "Length of the window"),
    ],
    application: &[
        "SPOTIFY_CLIENT_SECRET",
        "OPENAI_API_KEY",
        "CLOUD_API_KEY",
        "DEBUG",
        "API_HOST",
        "API_PORT",
    ],
};
