//! Names of BTC Forecasting; its profile comes with a later version.

use super::{Dialect, later};

pub const BTC_FORECASTING: Dialect = Dialect {
    names: &[
        later("JWT_SECRET_KEY", "Key that signs tokens"),
        later("JWT_ALGORITHM", "The only algorithm accepted"),
        later("ACCESS_TOKEN_EXPIRE_MINUTES", "Minutes an access token lives"),
        later("REFRESH_TOKEN_EXPIRE_DAYS", "Days a refresh token lives"),
        later("RATE_LIMIT_ENABLED", "Whether limits apply"),
        later("RATE_LIMIT_FREE", "Requests a minute of a free user"),
        later("RATE_LIMIT_PREMIUM", "Requests a minute of a premium user"),
        later("RATE_LIMIT_ADMIN", "Requests a minute of an admin"),
        later("CORS_ORIGINS", "Origins of pages that may call, as JSON"),
        later("CORS_ALLOW_CREDENTIALS", "Whether such pages may send cookies"),
        later("DATABASE_URL", "The store, only where the file is absent or the gateway's own"),
        later("DATABASE_ENCRYPTION_KEY", "Key of the store"),
        later("AUDIT_LOGGING_ENABLED", "Whether the audit log is written"),
        later("SECURITY_LOGGING_ENABLED", "Whether security events are written"),
        later("SSL_CERT_PATH", "Certificate chain in PEM"),
        later("SSL_KEY_PATH", "Private key in PEM"),
        later("SSL_ENABLED", "Whether the listener speaks TLS"),
    ],
    application: &[
        "ENABLE_DOCS",
        "API_HOST",
        "API_PORT",
        "LOG_LEVEL",
        "RETRAIN_ON_STARTUP",
        "CREATE_DEFAULT_USERS",
    ],
};
