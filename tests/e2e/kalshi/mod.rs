//! KalshiWhale: every claim K-* of the contract, against the profile of that name.

use portcullis_tests::{Gateway, Launch, Request, Upstream, assert_reached, assert_refused};

mod checklist;
mod commands;
mod cors;
mod env;
mod input;
mod integration;
mod key;
mod monitoring;
mod rate;
mod response;
mod socket;

/// A key as the guide's generator makes one.
const KEY: &str = "iM0hSTqkKRqQkwHwnAmB7sfEkGqKXC2wL9Dq1kyrqDI";

/// The origin of the guide's frontend.
const FRONTEND: &str = "https://yourdomain.com";

/// The origin that the guide tests with.
const FOREIGN: &str = "https://malicious-site.com";

const UNAUTHORIZED: &str = r#"{"error":"Unauthorized","message":"Valid API key required"}"#;
const LIMITED: &str = r#"{"error":"Rate limit exceeded","message":"Too many requests. Please try again later.","retry_after":60}"#;

/// The gateway with the profile, on a free port; `url` is the application's.
fn launch(url: &str) -> Launch {
    Launch::profile("kalshiwhale", url)
}

/// The same, with the key.
fn guarded(upstream: &Upstream) -> Launch {
    launch(&upstream.url()).env("API_KEY", KEY)
}

/// The same, with the key and the guide's origins.
fn started(upstream: &Upstream) -> Gateway {
    guarded(upstream).env("ALLOWED_ORIGINS", "https://yourdomain.com,https://app.yourdomain.com").start()
}

/// A request for the status, without a key.
fn status() -> Request {
    Request::get("/api/status")
}

/// A request for the status with a key.
fn status_with(key: &str) -> Request {
    status().header("X-API-Key", key)
}

/// The lines of the log about an event.
fn events(gateway: &Gateway, name: &str) -> Vec<String> {
    gateway.log().lines().filter(|line| line.contains(name)).map(str::to_owned).collect()
}
