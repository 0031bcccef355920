//! WebSockets: the login by the first message, and what each of them may cost.

use portcullis_tests::{EchoServer, Gateway, Launch, Socket};
use serde_json::{Value, json};

mod budgets;
mod chaos;
mod conformance;
mod ending;
mod login;
mod protocol;
mod scale;

/// The key that all callers share.
const KEY: &str = "Zx4-an-api-key-that-all-callers-share-9Q2w7";

/// A gateway before that application, whose `/ws/{account}` logs in by the first message; `rules` are more of its
/// `websocket`, `more` is what follows the route.
fn launch(upstream: &str, rules: &str, more: &str) -> Launch {
    Launch::run()
        .config(&format!(
            "upstream = \"{upstream}\"\n[auth.api_key]\nvalue = \"env:API_KEY\"\n\
             [[routes]]\nmatch = \"WS /ws/{{account}}\"\nauth = \"first-message\"\n\
             websocket = {{ auth_timeout = \"5s\"{rules} }}\n{more}"
        ))
        .env("API_KEY", KEY)
}

fn started(application: &EchoServer, rules: &str) -> Gateway {
    launch(&application.url(), rules, "").start()
}

fn open(gateway: &Gateway) -> Socket {
    Socket::open(gateway.address(), "/ws/primary", &[]).unwrap()
}

fn login() -> String {
    json!({ "type": "auth", "api_key": KEY }).to_string()
}

fn authenticated() -> Value {
    json!({ "type": "authenticated" })
}

/// A socket that has logged in.
fn entered(gateway: &Gateway) -> Socket {
    let mut socket = open(gateway);
    socket.send(&login());
    assert_eq!(socket.receive_json(), authenticated());
    socket
}
