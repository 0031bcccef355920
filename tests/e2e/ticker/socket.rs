//! T-WS: the WebSocket of the orders, as far as the service behind the gateway answers for it: it asks for the
//! key in the first message itself, and the gateway passes on what both say.

use portcullis_tests::{Application, Ending, Gateway, Request, Socket, System};
use serde_json::json;

use super::{BATCH, KEY, ORDERS, launch};

const SOCKET: &str = "/advanced/ws/orders/primary";

fn gateway(application: &Application) -> Gateway {
    launch(application.url()).env("API_KEY", KEY).start()
}

fn open(gateway: &Gateway) -> Socket {
    Socket::open(gateway.address(), SOCKET, &[]).unwrap()
}

fn login() -> String {
    json!({ "type": "auth", "api_key": KEY }).to_string()
}

#[test]
fn t_ws_01_t_ws_02_the_handshake_is_accepted_and_the_first_message_logs_in() {
    let application = Application::start(System::Ticker);
    let gateway = gateway(&application);
    let mut socket = open(&gateway);
    // What the service says answers this message, so nothing was said before it.
    socket.send(&login());
    assert_eq!(
        socket.receive_json(),
        json!({ "type": "authenticated", "account_id": "primary", "message": "Successfully authenticated" })
    );
    let connected = socket.receive_json();
    assert_eq!((&connected["type"], &connected["account_id"]), (&json!("connected"), &json!("primary")));
    assert!(connected["timestamp"].is_string(), "{connected}");
    socket.close();
}

#[test]
fn t_ws_04_t_ws_05_t_ws_07_another_first_message_ends_it_with_a_clean_error() {
    let application = Application::start(System::Ticker);
    let gateway = gateway(&application);
    for (first, message, reason) in [
        (
            r#"{"type":"subscribe"}"#,
            "First message must be authentication: {type: 'auth', api_key: 'YOUR_KEY'}",
            "Authentication required",
        ),
        ("not JSON", "Invalid JSON in auth message", "Invalid auth format"),
        (
            "[1, 2]",
            "First message must be authentication: {type: 'auth', api_key: 'YOUR_KEY'}",
            "Authentication required",
        ),
    ] {
        let mut socket = open(&gateway);
        socket.send(first);
        assert_eq!(socket.receive_json(), json!({ "type": "error", "message": message }), "{first}");
        assert_eq!(socket.ending(), Ending::Closed(1008, reason.to_owned()), "{first}");
    }
}

#[test]
fn t_ws_09_t_ws_11_pings_are_answered_and_order_events_arrive_unchanged() {
    let application = Application::start(System::Ticker);
    let gateway = gateway(&application);
    let mut socket = open(&gateway);
    socket.send(&login());
    for expected in ["authenticated", "connected"] {
        assert_eq!(socket.receive_json()["type"], expected);
    }
    socket.send("ping");
    assert_eq!(socket.receive(), "pong");
    let placed = Request::post(ORDERS, BATCH).header("X-API-Key", KEY).send_to(gateway.address());
    assert_eq!(placed.status, 200, "{}", placed.text());
    let update = socket.receive_json();
    assert_eq!((&update["type"], &update["account_id"]), (&json!("order_update"), &json!("primary")));
    assert_eq!(update["data"]["order_id"], placed.json()["results"][0]["order_id"], "{update}");
    assert!(update["timestamp"].is_string(), "{update}");
    socket.close();
}

#[test]
fn t_ws_12_without_a_key_to_ask_for_the_first_message_must_still_be_a_login() {
    let application = Application::start(System::Ticker);
    let gateway =
        launch(application.url()).env("API_KEY_ENABLED", "false").env("ENVIRONMENT", "development").start();
    let mut socket = open(&gateway);
    socket.send(r#"{"type":"auth","api_key":"any at all"}"#);
    assert_eq!(socket.receive_json()["type"], "authenticated");
    socket.close();
    let mut socket = open(&gateway);
    socket.send("ping");
    assert_eq!(socket.ending(), Ending::Closed(1008, "Invalid auth format".to_owned()));
}

#[test]
fn t_ws_13_the_key_of_the_message_stands_in_no_log() {
    let application = Application::start(System::Ticker);
    let gateway = launch(application.url()).env("API_KEY", KEY).env("PORTCULLIS_LOG__LEVEL", "debug").start();
    for key in [KEY, "Bn6-presented-socket-key-7f6e5d"] {
        let mut socket = open(&gateway);
        socket.send(&json!({ "type": "auth", "api_key": key }).to_string());
        let _ = socket.receive_json();
        drop(socket);
    }
    gateway.wait_for_log(&["access", SOCKET]);
    assert_eq!(Request::get("/health").send_to(gateway.address()).status, 200);
    gateway.wait_for_log(&["access", "/health"]);
    for secret in [KEY, "Bn6-presented", "7f6e5d"] {
        assert!(!gateway.log().contains(secret), "{secret} in:\n{}", gateway.log());
    }
}
