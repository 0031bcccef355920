//! Names of ticker-service; its profile comes with a later version.

use super::{Dialect, later};

pub const TICKER_SERVICE: Dialect = Dialect {
    names: &[
        later("API_KEY", "The shared key; must be set where authentication is on"),
        later("API_KEY_ENABLED", "Whether a key is asked for; production always asks"),
        later("ENVIRONMENT", "Production enforces authentication"),
        later("INSTRUMENT_DB_PASSWORD", "The application's; known defaults are warned of"),
    ],
    application: &["PORT", "LOG_DIR", "REDIS_URL", "ENCRYPTION_KEY", "ACCOUNT_ENCRYPTION_KEY"],
};
