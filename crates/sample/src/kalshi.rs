//! `KalshiWhale` Backend: markets, whale alerts, and a socket that shows both.

use crate::fastapi::{Answer, Kind, Model, Pairs, Refusal, integer_within, optional};
use crate::identifier::{now, number};
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::broadcast;
use tokio::time::sleep;

pub(crate) const ENDPOINTS: &[&str] = &[
    "GET /",
    "GET /api/markets",
    "GET /api/status",
    "GET /api/top-markets",
    "GET /api/markets/top5",
    "GET /api/whale-alerts",
    "GET /api/whale-analytics",
    "POST /api/refresh",
    "GET /static/style.css",
    "WS /ws",
];

const MARKETS: u32 = 20;
/// A trade over this many dollars is a whale's.
const WHALE: f64 = 10_000.0;
const REFRESH: Model = Model { fields: &[optional("force_update", Kind::Flag)], closed: false };

/// The backend: its state, and the sockets it tells about changes.
#[derive(Clone)]
pub(crate) struct Kalshi {
    started: Instant,
    pause: Duration,
    connections: Arc<AtomicUsize>,
    round: Arc<Mutex<Round>>,
    changes: broadcast::Sender<String>,
}

/// How often the markets were fetched; every round has other prices.
struct Round {
    number: u64,
    at: String,
}

impl Kalshi {
    pub(crate) fn new(heartbeat_pause: Duration) -> Self {
        Kalshi {
            started: Instant::now(),
            pause: heartbeat_pause,
            connections: Arc::default(),
            round: Arc::new(Mutex::new(Round { number: 1, at: now() })),
            changes: broadcast::Sender::new(64),
        }
    }

    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/api/markets", get(markets))
            .route("/api/status", get(status))
            .route("/api/top-markets", get(top))
            .route("/api/markets/top5", get(top))
            .route("/api/whale-alerts", get(alerts))
            .route("/api/whale-analytics", get(analytics))
            .route("/api/refresh", post(refresh))
            .route("/static/style.css", get(style))
            .with_state(self.clone())
    }

    /// `/ws`, which another system has too.
    pub(crate) fn socket(&self) -> MethodRouter {
        any(socket).with_state(self.clone())
    }

    fn markets(&self) -> Vec<Value> {
        let round = self.round.lock();
        (0..MARKETS).map(|index| market(index, &round)).collect()
    }

    fn top(&self, count: usize) -> Vec<Value> {
        let mut markets = self.markets();
        markets.sort_by_key(|market| std::cmp::Reverse(market["volume"].as_u64()));
        markets.truncate(count);
        markets
    }

    fn alerts(&self) -> Vec<Value> {
        let at = self.round.lock().at.clone();
        self.markets()
            .iter()
            .filter(|market| market["volume"].as_f64().unwrap_or_default() > WHALE)
            .map(|market| {
                json!({
                    "ticker": market["ticker"], "amount": market["volume"], "side": "yes", "timestamp": at,
                })
            })
            .collect()
    }
}

/// `/`: a page with its style sheet.
pub(crate) async fn root() -> Html<&'static str> {
    Html(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>KalshiWhale</title>\
         <link rel=\"stylesheet\" href=\"/static/style.css\"></head><body><h1>KalshiWhale</h1></body></html>",
    )
}

async fn status(State(kalshi): State<Kalshi>) -> Json<Value> {
    let last_update = kalshi.round.lock().at.clone();
    Json(json!({
        "status": "running",
        "timestamp": now(),
        "uptime_seconds": kalshi.started.elapsed().as_secs(),
        "connections": kalshi.connections.load(Ordering::Relaxed),
        "markets_count": MARKETS,
        "last_update": last_update,
    }))
}

async fn markets(State(kalshi): State<Kalshi>, pairs: Pairs) -> Answer {
    let limit = integer_within(&pairs, "limit", u64::from(MARKETS), 1, 1000)?;
    let mut markets = kalshi.markets();
    markets.truncate(limit as usize);
    Ok(Json(json!({ "count": markets.len(), "markets": markets, "timestamp": now() })))
}

async fn top(State(kalshi): State<Kalshi>) -> Json<Value> {
    Json(json!({ "top_markets": kalshi.top(5), "timestamp": now() }))
}

async fn alerts(State(kalshi): State<Kalshi>) -> Json<Value> {
    let alerts = kalshi.alerts();
    Json(json!({ "count": alerts.len(), "alerts": alerts, "timestamp": now() }))
}

async fn analytics(State(kalshi): State<Kalshi>) -> Json<Value> {
    let amounts: Vec<f64> = kalshi.alerts().iter().filter_map(|alert| alert["amount"].as_f64()).collect();
    Json(json!({
        "total_whale_trades": amounts.len(), "total_volume": amounts.iter().sum::<f64>(),
        "largest_trade": amounts.iter().copied().fold(0.0, f64::max), "timestamp": now(),
    }))
}

/// Fetches the markets anew and tells every socket. The body may be left out.
async fn refresh(
    State(kalshi): State<Kalshi>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    if !body.is_empty() {
        REFRESH.read(&headers, &body)?;
    }
    {
        let mut round = kalshi.round.lock();
        *round = Round { number: round.number + 1, at: now() };
    }
    for message in [
        json!({ "type": "market_update", "data": kalshi.markets(), "timestamp": now() }),
        json!({ "type": "whale_alerts", "data": kalshi.alerts(), "timestamp": now() }),
    ] {
        // Without a listener there is nobody to tell.
        drop(kalshi.changes.send(message.to_string()));
    }
    Ok(Json(json!({ "status": "success", "message": "Data refreshed successfully", "timestamp": now() })))
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], "h1 { color: navy }\n").into_response()
}

async fn socket(State(kalshi): State<Kalshi>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |mut socket| async move {
        kalshi.connections.fetch_add(1, Ordering::Relaxed);
        converse(&mut socket, &kalshi).await;
        kalshi.connections.fetch_sub(1, Ordering::Relaxed);
    })
}

/// The markets first; then, after each message of the client, one heartbeat and a pause. The client's end
/// of the connection is seen after the pause, as in the real application.
async fn converse(socket: &mut WebSocket, kalshi: &Kalshi) -> Option<()> {
    let mut changes = kalshi.changes.subscribe();
    let first = json!({
        "type": "initial_data",
        "data": { "markets": kalshi.markets(), "top_markets": kalshi.top(5), "whale_alerts": kalshi.alerts() },
        "timestamp": now(),
    });
    socket.send(Message::Text(first.to_string().into())).await.ok()?;
    loop {
        tokio::select! {
            message = socket.recv() => {
                match message?.ok()? {
                    Message::Text(_) | Message::Binary(_) => {
                        let connections = kalshi.connections.load(Ordering::Relaxed);
                        let beat = json!({ "type": "heartbeat", "timestamp": now(), "connections": connections });
                        socket.send(Message::Text(beat.to_string().into())).await.ok()?;
                        sleep(kalshi.pause).await;
                    }
                    Message::Close(_) => return None,
                    Message::Ping(_) | Message::Pong(_) => {}
                }
            }
            change = changes.recv() => match change {
                Ok(text) => socket.send(Message::Text(text.into())).await.ok()?,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            },
        }
    }
}

fn market(index: u32, round: &Round) -> Value {
    let (index, round_number) = (format!("{index:02}"), round.number.to_string());
    let drawn = |what, below| number(&[what, &index, &round_number], below);
    let price = drawn("price", 98) + 1;
    json!({
        "ticker": format!("SAMPLE-{index}"), "title": format!("Sample market {index}"),
        "yes_bid": price, "no_bid": 100 - price, "volume": drawn("volume", 40_000),
        "status": "open", "updated_at": round.at,
    })
}
