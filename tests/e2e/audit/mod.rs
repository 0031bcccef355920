//! The audit log on the real binary: what is done to it is found, what was acknowledged is in it, and it neither
//! grows without bound nor holds anybody up.

use portcullis_tests::{Accounts, Gateway, Launch, Request, Upstream, until};
use serde_json::Value;

mod commands;
mod crash;
mod full;
mod tampering;

/// Accounts on a store in clear, so that a test can look into it and change it.
fn config(upstream: &str, more: &str) -> String {
    format!(
        "upstream = \"{upstream}\"\n[auth]\ndefault = [\"bearer\", \"api-key\"]\n[auth.tokens]\n\
         [auth.passwords]\nmin_score = 0\n[limiter]\nenabled = false\n[store]\nurl = \"sqlite:people.db\"\n{more}"
    )
}

fn launch(upstream: &Upstream, more: &str) -> Launch {
    Launch::run().config(&config(&upstream.url(), more))
}

fn started(upstream: &Upstream, more: &str) -> (Gateway, Accounts) {
    let gateway = launch(upstream, more).start();
    let accounts = Accounts::of(&gateway);
    (gateway, accounts)
}

fn work() -> Request {
    Request::get("/work")
}

/// Every record, oldest first.
fn exported(gateway: &Gateway) -> Vec<Value> {
    let text = gateway.command("audit export").ran().succeeded();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// As soon as the record of that request is there.
#[track_caller]
fn await_record(gateway: &Gateway, request_id: &str) -> Value {
    until("the record", || exported(gateway).into_iter().find(|it| it["request_id"] == request_id))
}
