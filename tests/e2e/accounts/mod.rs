//! Who may come, on the real binary without a profile: logins and their end, second factors, devices and sessions,
//! API keys, roles, the commands of an operator, and the store under all of it.

use portcullis_tests::{Accounts, Gateway, Launch, Request, Response, Upstream};

mod commands;
mod cookies;
mod crash;
mod devices;
mod forged;
mod identity;
mod import;
mod keys;
mod lockout;
mod logins;
mod openapi;
mod planted;
mod postgres;
mod refresh;
mod roles;
mod store;
mod storm;
mod totp;

/// A key of the store: 32 bytes in base64.
const STORE_KEY: &str = "VGhpcnR5LXR3by1ieXRlcy1vZi1hLXN0b3JlLWtleSE=";

/// The file of the store.
const STORE: &str = "people.db";

/// Every route asks for one of the three credentials of a user.
fn config(upstream: &str, more: &str) -> String {
    format!(
        "upstream = \"{upstream}\"\n[auth]\ndefault = [\"bearer\", \"api-key\", \"session\"]\n[auth.tokens]\n[auth.sessions]\n\
         [store]\nurl = \"sqlite:{STORE}\"\nencryption_key = \"env:STORE_KEY\"\n{more}"
    )
}

/// A gateway with accounts before an application; `more` stands at the end of its configuration.
fn launch(upstream: &Upstream, more: &str) -> Launch {
    Launch::run().config(&config(&upstream.url(), more)).env("STORE_KEY", STORE_KEY)
}

/// The same, started.
fn started(upstream: &Upstream, more: &str) -> (Gateway, Accounts) {
    let gateway = launch(upstream, more).start();
    let accounts = Accounts::of(&gateway);
    (gateway, accounts)
}

/// A request of the application's, without a credential.
fn work() -> Request {
    Request::get("/work")
}

/// Fails unless the answer is a refusal with this status and code.
#[track_caller]
fn assert_refused(answer: &Response, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}{}", answer.head, answer.text());
    let kind = answer.json()["type"].as_str().unwrap_or_default().to_owned();
    assert!(kind.ends_with(&format!("/problems/{code}")), "{}", answer.text());
}
