//! Names of Pump Analyzer Web.

use super::{At, Dialect, Example, Meaning, name};

pub const PUMP_ANALYZER: Dialect = Dialect {
    names: &[
        name(
            "INGEST_TOKEN",
            Meaning::Secret("ingest_token"),
            "open",
            "Token that `POST /live/ingest` asks for in X-Ingest-Token; empty: open",
            Example::Hex,
        ),
        name("API_HOST", Meaning::Host, "127.0.0.1", "Address to listen on", Example::Text("127.0.0.1")),
        name("API_PORT", Meaning::Port, "8000", "Port to listen on", Example::Text("8000")),
        name(
            "INGEST_RATE_LIMIT",
            Meaning::Number { at: At::Limit("ingest"), form: "{}/minute per ip" },
            "60",
            "Requests a minute to `POST /live/ingest` from one address",
            Example::Text("60"),
        ),
        name(
            "API_CORS_ORIGINS",
            Meaning::Set("cors.origins"),
            "http://localhost:5173",
            "Origins of pages that may call, with commas",
            Example::Text("http://localhost:5173"),
        ),
    ],
    unset: &[],
    application: &["DATABASE_URL", "MAX_NONCES", "VITE_API_BASE_URL", "VITE_API_URL"],
};
