//! ticker-service: the claims T-* of the contract, against the profile of that name.

use portcullis_tests::{Gateway, Launch, Request, Response, Upstream, until};

mod application;
mod checklist;
mod commands;
mod env;
mod key;
mod logs;
mod open;
mod rate;
mod socket;

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

/// Fails unless the answer is the application's own.
#[track_caller]
fn assert_reached(answer: &Response) {
    assert_eq!((answer.status, answer.text()), (200, r#"{"accepted":true}"#), "{}", answer.head);
}

/// Fails unless the answer is a refusal with exactly this body.
#[track_caller]
fn assert_refused(answer: &Response, status: u16, body: &str) {
    assert_eq!((answer.status, answer.text()), (status, body), "{}", answer.head);
    assert_eq!(answer.field("content-type"), Some("application/json"));
}

/// Whether the start warned about a name; a warning says on its first line what and on its second where.
fn warned(gateway: &Gateway, name: &str) -> bool {
    let log = gateway.log();
    let lines: Vec<&str> = log.lines().collect();
    lines.iter().enumerate().any(|(at, line)| {
        line.to_lowercase().contains("warn") && lines[at..].iter().take(2).any(|line| line.contains(name))
    })
}

/// Waits for a warning that names it: warnings and the address come over two pipes, and the one may be read
/// after the other.
fn await_warning(gateway: &Gateway, name: &str) {
    until(&format!("a warning about {name}"), || warned(gateway, name).then_some(()));
}
