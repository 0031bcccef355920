//! ticker-service: the claims T-* of the contract, against the profile of that name.

use portcullis_tests::{Launch, Request, Upstream, assert_reached, assert_refused, await_warning, warned};

mod application;
mod audit;
mod checklist;
mod commands;
mod env;
mod input;
mod key;
mod logs;
mod open;
mod rate;
mod snippet;
mod socket;
mod webhook_calls;
mod webhooks;

/// A key as the guide's generator makes one.
const KEY: &str = "4pQ0gKpVb0yqXv9dJ8mZbWc2rTn5sLhEoUaYxG7iRkM";

const MISSING: &str = r#"{"detail":"Missing API key. Provide X-API-Key header."}"#;
const INVALID: &str = r#"{"detail":"Invalid API key"}"#;

/// Where the guide sends its test of the key.
const ORDERS: &str = "/advanced/batch-orders";

/// What the real application takes there.
const BATCH: &str =
    r#"{"orders":[{"exchange":"NFO","tradingsymbol":"NIFTY25NOVFUT","quantity":50}],"account_id":"primary"}"#;

/// The gateway with the profile, on a free port; `url` is the application's.
fn launch(url: &str) -> Launch {
    Launch::profile("ticker-service", url)
}

/// The same, with the key.
fn guarded(upstream: &Upstream) -> Launch {
    launch(&upstream.url()).env("API_KEY", KEY)
}

/// A request for what is protected, without a key.
fn orders() -> Request {
    Request::post(ORDERS, BATCH)
}

/// A request for what is protected, with a key.
fn orders_with(key: &str) -> Request {
    orders().header("X-API-Key", key)
}
