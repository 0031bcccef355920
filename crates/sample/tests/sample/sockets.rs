//! The WebSockets, over real connections.

use super::{Options, System, listen};
use futures_util::{SinkExt, StreamExt};
use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[tokio::test]
async fn kalshiwhale_sends_its_data_and_a_heartbeat_for_each_message() {
    let address = listen(Options { system: System::Kalshi, ..Options::default() }).await;
    let mut socket = open(&address, "/ws").await;
    let first = heard(&mut socket).await;
    assert_eq!(first["type"], "initial_data");
    assert_eq!(first["data"]["markets"].as_array().unwrap().len(), 20);
    for _ in 0..2 {
        socket.send(Message::text("hello")).await.unwrap();
        let beat = heard(&mut socket).await;
        assert_eq!((&beat["type"], &beat["connections"]), (&json!("heartbeat"), &json!(1)));
    }
}

#[tokio::test]
async fn a_refresh_reaches_every_socket() {
    let options = Options { system: System::Kalshi, ..Options::default() };
    let app = super::router_with(options);
    let listener = super::Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.address().unwrap().replace("http://", "");
    tokio::spawn(super::serve(listener, app.clone()));
    let mut socket = open(&address, "/ws").await;
    assert_eq!(heard(&mut socket).await["type"], "initial_data");
    super::ask(&app, "POST /api/refresh", None).await;
    assert_eq!(heard(&mut socket).await["type"], "market_update");
    assert_eq!(heard(&mut socket).await["type"], "whale_alerts");
}

#[tokio::test]
async fn ticker_service_asks_for_the_first_message_and_then_tells_of_orders() {
    let app = super::router(System::Ticker);
    let listener = super::Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.address().unwrap().replace("http://", "");
    tokio::spawn(super::serve(listener, app.clone()));
    let mut socket = open(&address, "/advanced/ws/orders/primary").await;
    socket.send(Message::text(r#"{"type":"auth","api_key":"any"}"#)).await.unwrap();
    assert_eq!(
        heard(&mut socket).await,
        json!({ "type": "authenticated", "account_id": "primary", "message": "Successfully authenticated" })
    );
    assert_eq!(heard(&mut socket).await["type"], "connected");
    socket.send(Message::text("ping")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("pong"));
    super::ask(&app, "POST /advanced/batch-orders", Some(r#"{"orders":[{"symbol":"A"}]}"#)).await;
    let event = heard(&mut socket).await;
    assert_eq!((&event["type"], &event["data"]["order"]["symbol"]), (&json!("order_update"), &json!("A")));
}

#[tokio::test]
async fn ticker_service_refuses_other_first_messages() {
    let address = listen(Options { system: System::Ticker, ..Options::default() }).await;
    let cases = [
        (Message::text(r#"{"type":"auth"}"#), "Invalid API key", "Unauthorized"),
        (
            Message::text(r#"{"type":"subscribe"}"#),
            "First message must be authentication: {type: 'auth', api_key: 'YOUR_KEY'}",
            "Authentication required",
        ),
        (Message::text("no json"), "Invalid JSON in auth message", "Invalid auth format"),
        (Message::binary(vec![1, 2]), "Invalid JSON in auth message", "Invalid auth format"),
        (
            Message::text("[1]"),
            "First message must be authentication: {type: 'auth', api_key: 'YOUR_KEY'}",
            "Authentication required",
        ),
    ];
    for (first, message, reason) in cases {
        let mut socket = open(&address, "/advanced/ws/orders/primary").await;
        socket.send(first).await.unwrap();
        assert_eq!(heard(&mut socket).await, json!({ "type": "error", "message": message }));
        assert_eq!(closed(&mut socket).await, (1008, reason.to_owned()));
    }
}

#[tokio::test]
async fn ticker_service_does_not_wait_for_ever() {
    let options = Options {
        system: System::Ticker,
        auth_timeout: Duration::from_millis(20),
        ping_timeout: Duration::from_millis(20),
        ..Options::default()
    };
    let address = listen(options).await;
    let mut socket = open(&address, "/advanced/ws/orders/primary").await;
    assert_eq!(heard(&mut socket).await["message"], "Authentication timeout (10s)");
    assert_eq!(closed(&mut socket).await, (1008, "Auth timeout".to_owned()));

    let mut socket = open(&address, "/advanced/ws/orders/primary").await;
    assert_eq!(authenticated(&mut socket).await["type"], "connected");
    assert_eq!(closed(&mut socket).await, (1000, "Heartbeat timeout".to_owned()));
}

#[tokio::test]
async fn an_account_holds_a_hundred_sockets_and_gets_the_place_back() {
    let address = listen(Options { system: System::Ticker, ..Options::default() }).await;
    let mut sockets = Vec::new();
    for _ in 0..100 {
        let mut socket = open(&address, "/advanced/ws/orders/a").await;
        assert_eq!(authenticated(&mut socket).await["type"], "connected");
        sockets.push(socket);
    }
    let mut over = open(&address, "/advanced/ws/orders/a").await;
    over.send(Message::text(r#"{"type":"auth","api_key":"any"}"#)).await.unwrap();
    assert_eq!(heard(&mut over).await["type"], "authenticated");
    assert_eq!(closed(&mut over).await, (1008, "Connection limit exceeded".to_owned()));

    let mut leaving = sockets.pop().unwrap();
    leaving.close(None).await.unwrap();
    while leaving.next().await.is_some_and(|message| message.is_ok()) {}
    loop {
        let mut next = open(&address, "/advanced/ws/orders/a").await;
        next.send(Message::text(r#"{"type":"auth","api_key":"any"}"#)).await.unwrap();
        heard(&mut next).await;
        if let Some(Ok(Message::Text(text))) = next.next().await {
            assert!(text.contains("connected"));
            break;
        }
    }
}

#[tokio::test]
async fn the_echo_sends_back_what_came_and_says_426_to_a_plain_request() {
    let address = listen(Options::default()).await;
    for path in ["/echo", "/sample/ws"] {
        let mut socket = open(&address, path).await;
        let large = "x".repeat(1 << 20);
        for message in [Message::text("one"), Message::binary(vec![0, 255]), Message::text(large)] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
        let plain = super::ask(&super::router(System::All), &format!("GET {path}"), None).await;
        assert_eq!(plain.status, 426);
        assert_eq!(plain.header("upgrade"), "websocket");
    }
}

async fn open(address: &str, path: &str) -> Socket {
    connect(format!("ws://{address}{path}").into_client_request().unwrap()).await
}

async fn connect(request: Request<()>) -> Socket {
    connect_async(request).await.unwrap().0
}

async fn heard(socket: &mut Socket) -> Value {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
        other => panic!("a text message, not {other:?}"),
    }
}

async fn authenticated(socket: &mut Socket) -> Value {
    socket.send(Message::text(r#"{"type":"auth","api_key":"any"}"#)).await.unwrap();
    assert_eq!(heard(socket).await["type"], "authenticated");
    heard(socket).await
}

async fn closed(socket: &mut Socket) -> (u16, String) {
    match socket.next().await {
        Some(Ok(Message::Close(Some(frame)))) => (frame.code.into(), frame.reason.as_str().to_owned()),
        other => panic!("a close, not {other:?}"),
    }
}
