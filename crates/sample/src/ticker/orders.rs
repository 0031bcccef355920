//! `/advanced/ws/orders/{account_id}`: order events to whoever is authenticated.
//!
//! The service asks by itself, as it does with authentication switched off: the first message must be
//! `{"type":"auth",…}`, with any key. Whether the key is right, the gateway in front of it has judged.

use crate::Options;
use crate::identifier::now;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until, timeout};

const MOST_PER_ACCOUNT: usize = 100;
const MOST_ACCOUNTS: usize = 1000;
/// A socket that falls further behind than this misses events.
const BACKLOG: usize = 256;
const POLICY: u16 = 1008;
const NORMAL: u16 = 1000;

/// The sockets that wait for orders, by account.
#[derive(Clone)]
pub(super) struct Orders {
    auth_timeout: Duration,
    ping_timeout: Duration,
    accounts: Arc<Mutex<HashMap<String, Account>>>,
}

struct Account {
    events: broadcast::Sender<String>,
    connections: usize,
}

/// What ends a conversation: an error message where there is one, then a close with its reason.
struct Farewell {
    message: Option<&'static str>,
    code: u16,
    reason: &'static str,
}

impl Orders {
    pub(super) fn new(options: Options) -> Self {
        Orders {
            auth_timeout: options.auth_timeout,
            ping_timeout: options.ping_timeout,
            accounts: Arc::default(),
        }
    }

    /// Tells every socket of the account about an order.
    pub(super) fn publish(&self, account: &str, order: &Value) {
        let event = json!({
            "type": "order_update", "account_id": account, "data": order, "timestamp": now(),
        });
        if let Some(known) = self.accounts.lock().get(account) {
            // No receiver is left when the last socket closes at this moment.
            drop(known.events.send(event.to_string()));
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.accounts.lock().values().map(|account| account.connections).sum()
    }

    pub(super) fn accounts(&self) -> usize {
        self.accounts.lock().len()
    }

    fn join(&self, name: &str) -> Option<Seat> {
        let mut accounts = self.accounts.lock();
        if accounts.len() >= MOST_ACCOUNTS && !accounts.contains_key(name) {
            return None;
        }
        let account = accounts
            .entry(name.to_owned())
            .or_insert_with(|| Account { events: broadcast::Sender::new(BACKLOG), connections: 0 });
        if account.connections >= MOST_PER_ACCOUNT {
            return None;
        }
        account.connections += 1;
        Some(Seat { orders: self.clone(), account: name.to_owned(), events: account.events.subscribe() })
    }
}

/// A place among the connections of an account, given back when dropped.
struct Seat {
    orders: Orders,
    account: String,
    events: broadcast::Receiver<String>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut accounts = self.orders.accounts.lock();
        if let Some(account) = accounts.get_mut(&self.account) {
            account.connections -= 1;
            if account.connections == 0 {
                accounts.remove(&self.account);
            }
        }
    }
}

pub(super) async fn socket(
    State(orders): State<Orders>,
    Path(account): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(move |mut socket| async move {
        if let Some(farewell) = converse(&mut socket, &orders, account).await {
            part(&mut socket, farewell).await;
        }
    })
}

/// Everything between the handshake and the close; nothing to say where the client has gone.
async fn converse(socket: &mut WebSocket, orders: &Orders, account: String) -> Option<Farewell> {
    if let Err(farewell) = authenticate(socket, orders.auth_timeout).await {
        return farewell;
    }
    say(
        socket,
        json!({ "type": "authenticated", "account_id": account, "message": "Successfully authenticated" }),
    )
    .await?;
    let Some(mut seat) = orders.join(&account) else {
        return Some(Farewell { message: None, code: POLICY, reason: "Connection limit exceeded" });
    };
    say(socket, json!({ "type": "connected", "account_id": account, "timestamp": now() })).await?;
    let mut deadline = Instant::now() + orders.ping_timeout;
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) if text.as_str() == "ping" => {
                    deadline = Instant::now() + orders.ping_timeout;
                    socket.send(Message::Text("pong".into())).await.ok()?;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            },
            event = seat.events.recv() => match event {
                Ok(event) => socket.send(Message::Text(event.into())).await.ok()?,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            },
            () = sleep_until(deadline) => {
                return Some(Farewell { message: None, code: NORMAL, reason: "Heartbeat timeout" });
            }
        }
    }
}

async fn authenticate(socket: &mut WebSocket, within: Duration) -> Result<(), Option<Farewell>> {
    let refuse = |message, reason| Err(Some(Farewell { message: Some(message), code: POLICY, reason }));
    let first = match timeout(within, first_message(socket)).await {
        Ok(Some(first)) => first,
        Ok(None) => return Err(None),
        Err(_) => return refuse("Authentication timeout (10s)", "Auth timeout"),
    };
    let Some(first) = first.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
        return refuse("Invalid JSON in auth message", "Invalid auth format");
    };
    if first["type"] != "auth" {
        return refuse(
            "First message must be authentication: {type: 'auth', api_key: 'YOUR_KEY'}",
            "Authentication required",
        );
    }
    match first["api_key"].as_str() {
        Some(key) if !key.is_empty() => Ok(()),
        _ => refuse("Invalid API key", "Unauthorized"),
    }
}

/// The first frame with data: its text, or nothing readable; `None` where the client left.
async fn first_message(socket: &mut WebSocket) -> Option<Option<String>> {
    loop {
        match socket.recv().await?.ok()? {
            Message::Text(text) => return Some(Some(text.as_str().to_owned())),
            Message::Binary(_) => return Some(None),
            Message::Close(_) => return None,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

async fn say(socket: &mut WebSocket, message: Value) -> Option<()> {
    socket.send(Message::Text(message.to_string().into())).await.ok()
}

async fn part(socket: &mut WebSocket, farewell: Farewell) {
    if let Some(message) = farewell.message
        && say(socket, json!({ "type": "error", "message": message })).await.is_none()
    {
        return;
    }
    let frame = CloseFrame { code: farewell.code, reason: farewell.reason.into() };
    if socket.send(Message::Close(Some(frame))).await.is_ok() {
        // The client's own close ends the conversation; a client that sends none is not waited for long.
        drop(timeout(Duration::from_secs(5), async { while let Some(Ok(_)) = socket.recv().await {} }).await);
    }
}
