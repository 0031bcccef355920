//! Pump Analyzer: every claim P-* of the contract, against the profile of that name.

use portcullis_tests::{Launch, Request, Upstream, assert_reached, assert_refused};

mod commands;
mod cors;
mod env;
mod logs;
mod practices;
mod rate;
mod token;

/// A token as the guide writes one.
const TOKEN: &str = "my-secret-ingestion-token";

/// The origin that the guide's frontend has.
const FRONTEND: &str = "http://localhost:5173";

/// What the real application takes.
const BET: &str = r#"{"id":"bet123","nonce":1,"amount":0.5,"payout":1.0,"difficulty":"easy","roundResult":2.5,"clientSeed":"seed","serverSeedHashed":"hash"}"#;

/// The gateway with the profile, on a free port.
fn launch(upstream: &Upstream) -> Launch {
    Launch::profile("pump-analyzer", &upstream.url())
}

/// One bet, without a token.
fn ingest() -> Request {
    Request::post("/live/ingest", BET)
}

/// One bet with a token.
fn ingest_with(token: &str) -> Request {
    ingest().header("X-Ingest-Token", token)
}
