//! T-WS: the WebSocket of the orders. The gateway judges the first message; the service behind it asks for it
//! too, gets the same, and says that the client is in.

use portcullis_tests::{Application, EchoServer, Ending, Gateway, Request, Socket, System, until};
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
fn t_ws_03_t_ws_13_a_wrong_or_missing_key_ends_it_and_is_logged_with_the_account() {
    let application = EchoServer::start();
    let gateway = launch(&application.url()).env("API_KEY", KEY).start();
    for first in [
        json!({ "type": "auth", "api_key": "Bn6-wrong-socket-key-7f6e5d" }),
        json!({ "type": "auth", "api_key": "" }),
        json!({ "type": "auth" }),
        json!({ "type": "auth", "api_key": 5 }),
    ] {
        let mut socket = open(&gateway);
        socket.send(&first.to_string());
        assert_eq!(
            socket.receive_json(),
            json!({ "type": "error", "message": "Invalid API key" }),
            "{first}"
        );
        assert_eq!(socket.ending(), Ending::Closed(1008, "Unauthorized".to_owned()), "{first}");
    }
    for reason in ["invalid-credential", "missing-credential"] {
        gateway.wait_for_log(&["WARN", "ws_auth_failed", "401", SOCKET, reason]);
    }
    assert!(!gateway.log().contains("7f6e5d"), "{}", gateway.log());
    assert_eq!(application.connections(), 0);
}

#[test]
fn t_ws_04_t_ws_05_t_ws_07_another_first_message_ends_it_with_a_clean_error() {
    let application = EchoServer::start();
    let gateway = launch(&application.url()).env("API_KEY", KEY).start();
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
    // A binary first frame.
    let mut socket = open(&gateway);
    socket.send_binary(login().as_bytes());
    assert_eq!(socket.receive_json()["message"], "Invalid JSON in auth message");
    assert_eq!(socket.ending(), Ending::Closed(1008, "Invalid auth format".to_owned()));
    assert_eq!(application.connections(), 0);
}

#[test]
fn t_ws_06_a_client_that_says_nothing_for_ten_seconds_is_told_so() {
    let application = EchoServer::start();
    let gateway = launch(&application.url()).env("API_KEY", KEY).start();
    let begun = std::time::Instant::now();
    let mut socket = open(&gateway);
    assert_eq!(socket.receive_json(), json!({ "type": "error", "message": "Authentication timeout (10s)" }));
    assert_eq!(socket.ending(), Ending::Closed(1008, "Auth timeout".to_owned()));
    assert!(begun.elapsed().as_secs() >= 10, "{:?}", begun.elapsed());
    assert_eq!(application.connections(), 0);
}

#[test]
fn t_ws_08_no_frame_before_the_login_reaches_the_service() {
    let application = EchoServer::start();
    let gateway = launch(&application.url()).env("API_KEY", KEY).start();
    let mut socket = open(&gateway);
    socket.send("ping");
    socket.send(&login());
    socket.send(r#"{"type":"order"}"#);
    let _ = socket.ending();
    let mut silent = open(&gateway);
    assert_eq!((application.connections(), application.messages()), (0, Vec::new()));
    // After it, everything does, the login first: this service asks for it too.
    silent.send(&login());
    silent.send("ping");
    assert_eq!((silent.receive(), silent.receive()), (login(), "ping".to_owned()));
    assert_eq!(application.messages(), [login(), "ping".to_owned()]);
    assert_eq!(application.handshake().field("x-auth-method"), Some("api-key"));
}

#[test]
fn t_ws_10_an_account_has_a_hundred_connections() {
    let application = EchoServer::start();
    let gateway = launch(&application.url())
        .env("API_KEY", KEY)
        // All of them come from one address, which has a limit of its own.
        .env("PORTCULLIS_LIMITER__ENABLED", "false")
        .start();
    let enter = |account: &str| {
        let mut socket =
            Socket::open(gateway.address(), &format!("/advanced/ws/orders/{account}"), &[]).unwrap();
        socket.send(&login());
        socket
    };
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut socket = enter("primary");
        assert_eq!(socket.receive(), login());
        held.push(socket);
    }
    let over = || Ending::Closed(1008, "Connection limit exceeded".to_owned());
    assert_eq!(enter("primary").ending(), over());
    assert_eq!(application.connections(), 100);
    assert_eq!(enter("second").receive(), login(), "another account");
    held.pop().unwrap().close();
    until("the place of the one that left", || match enter("primary").first() {
        Ok(message) => {
            assert_eq!(message, login());
            Some(())
        }
        Err(ending) => {
            assert_eq!(ending, over());
            None
        }
    });
    gateway.wait_for_log(&["rate_limit_exceeded", "too-many-connections", SOCKET]);
}

/// One key opens only the accounts that it is bound to: here with keys of users beside the one that all share.
#[test]
fn t_ws_14_a_key_is_good_for_its_accounts_alone() {
    let application = EchoServer::start();
    let launched =
        launch(&application.url()).env("API_KEY", KEY).env("PORTCULLIS_STORE__URL", "sqlite:people.db");
    let added = launched.beside("users add trader --role free --email t@example.com --password-stdin");
    added.stdin("Quiet-Harbour-47-Lanterns!\n").ran().succeeded();
    let made =
        launched.beside("keys create --user trader --name bot --bind account=primary --json").ran().json();
    let key = made["api_key"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let gateway = launched.start();
    let enter = |account: &str| {
        let mut socket =
            Socket::open(gateway.address(), &format!("/advanced/ws/orders/{account}"), &[]).unwrap();
        let first = json!({ "type": "auth", "api_key": key }).to_string();
        socket.send(&first);
        socket.first().map(|message| assert_eq!(message, first))
    };
    assert_eq!(enter("primary"), Ok(()));
    assert_eq!(application.handshake().field("x-auth-user"), Some("trader"));
    for other in ["second", "primary2", "Primary", "primary%20"] {
        assert_eq!(enter(other), Err(Ending::Closed(4403, "out-of-scope".to_owned())), "{other}");
    }
    assert_eq!(application.connections(), 1);
}

/// With the origins named; without CORS in the configuration any page may knock, and needs the key.
#[test]
fn t_ws_15_a_page_of_a_foreign_origin_gets_no_handshake() {
    let application = EchoServer::start();
    let gateway = launch(&application.url())
        .env("API_KEY", KEY)
        .env("PORTCULLIS_CORS__ORIGINS", "https://app.example.com")
        .start();
    let from = |fields: &[(&'static str, &str)]| Socket::open(gateway.address(), SOCKET, fields).map(drop);
    assert_eq!(from(&[("Origin", "https://app.example.com")]), Ok(()));
    assert_eq!(from(&[]), Ok(()), "no browser");
    for foreign in
        ["https://evil.example", "http://app.example.com", "https://app.example.com.evil.example", "null"]
    {
        assert_eq!(from(&[("Origin", foreign)]), Err(403), "{foreign}");
    }
    gateway.wait_for_log(&["CORS", SOCKET]);
    assert_eq!(application.connections(), 0);
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
