//! ticker-service: subscriptions, orders in batches, webhooks, and what an operator looks at.

mod calls;
mod orders;
mod webhooks;

use crate::Options;
use crate::fastapi::{Answer, Kind, Model, Refusal, optional, required};
use crate::identifier::{now, uuid};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, delete, get, post};
use axum::{Json, Router};
use calls::Caller;
use orders::Orders;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use webhooks::Webhook;

pub(crate) const ENDPOINTS: &[&str] = &[
    "GET /health",
    "GET /metrics",
    "GET /subscriptions",
    "POST /subscriptions",
    "DELETE /subscriptions/{instrument_token}",
    "POST /admin/instrument-refresh",
    "POST /advanced/batch-orders",
    "GET /advanced/webhooks",
    "POST /advanced/webhooks",
    "DELETE /advanced/webhooks/{webhook_id}",
    "POST /advanced/backpressure/reset-circuit-breaker",
    "GET /advanced/backpressure/status",
    "GET /advanced/mock-data/status",
    "POST /advanced/mock-data/{action}",
    "GET /advanced/rate-limit/stats",
    "GET /advanced/websocket-pool/stats",
    "GET /advanced/ws/stats",
    "WS /advanced/ws/orders/{account_id}",
    "GET /trading-accounts",
    "GET /orders",
    "GET /gtt/triggers",
    "GET /mf/holdings",
    "GET /portfolio/holdings",
    "GET /account/profile",
];

const MOST_SUBSCRIPTIONS: usize = 3000;
const MOST_BATCH: usize = 20;

const SUBSCRIPTION: Model = Model {
    fields: &[
        required("instrument_token", Kind::Integer),
        optional("requested_mode", Kind::Short(10)),
        optional("account_id", Kind::Short(64)),
    ],
    closed: false,
};
const BATCH: Model = Model {
    fields: &[
        required("orders", Kind::List),
        optional("account_id", Kind::Short(64)),
        optional("rollback_on_failure", Kind::Flag),
    ],
    closed: false,
};
/// The service: its state, and the sockets that wait for orders.
#[derive(Clone)]
pub(crate) struct Ticker {
    started: Instant,
    book: Arc<Mutex<Book>>,
    orders: Orders,
    caller: Caller,
}

#[derive(Default)]
struct Book {
    subscriptions: BTreeMap<i64, Value>,
    /// By account.
    webhooks: BTreeMap<String, Vec<Webhook>>,
    refreshed_at: Option<String>,
    mock_running: bool,
    breaker_resets: u64,
    orders_placed: u64,
}

impl Ticker {
    pub(crate) fn new(options: Options) -> Self {
        Ticker {
            started: Instant::now(),
            book: Arc::default(),
            orders: Orders::new(options),
            caller: Caller { proxy: options.proxy },
        }
    }

    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/subscriptions", get(subscriptions).post(subscribe))
            .route("/subscriptions/{instrument_token}", delete(unsubscribe))
            .route("/admin/instrument-refresh", post(refresh))
            .route("/advanced/batch-orders", post(batch))
            .route("/advanced/webhooks", get(webhooks::list).post(webhooks::add))
            .route("/advanced/webhooks/{webhook_id}", delete(webhooks::remove))
            .route("/advanced/backpressure/reset-circuit-breaker", post(reset_breaker))
            .route("/advanced/backpressure/status", get(backpressure))
            .route("/advanced/mock-data/status", get(mock_status))
            .route("/advanced/mock-data/{action}", post(mock))
            .route("/advanced/rate-limit/stats", get(rate_limits))
            .route("/advanced/websocket-pool/stats", get(sockets))
            .route("/advanced/ws/stats", get(sockets))
            .route("/trading-accounts", get(accounts))
            .route("/orders", get(placed))
            .route("/gtt/triggers", get(nothing_yet))
            .route("/mf/holdings", get(nothing_yet))
            .route("/portfolio/holdings", get(nothing_yet))
            .route("/account/profile", get(profile))
            .with_state(self.clone())
            .route("/advanced/ws/orders/{account_id}", any(orders::socket).with_state(self.orders.clone()))
    }

    /// `/health`, which other systems have too.
    pub(crate) fn health(&self) -> MethodRouter {
        get(health).with_state(self.clone())
    }
}

async fn health(State(ticker): State<Ticker>) -> Json<Value> {
    let book = ticker.book.lock();
    Json(json!({
        "status": "ok",
        "environment": "dev",
        "uptime_seconds": ticker.started.elapsed().as_secs(),
        "ticker": { "running": true, "active_subscriptions": book.subscriptions.len() },
        "dependencies": { "redis": "ok", "database": "ok", "instrument_registry": "ok" },
    }))
}

async fn metrics(State(ticker): State<Ticker>) -> Response {
    let book = ticker.book.lock();
    let text = format!(
        "# TYPE ticker_active_subscriptions gauge\nticker_active_subscriptions {}\n\
         # TYPE ticker_orders_placed_total counter\nticker_orders_placed_total {}\n\
         # TYPE ticker_websocket_connections gauge\nticker_websocket_connections {}\n",
        book.subscriptions.len(),
        book.orders_placed,
        ticker.orders.connections(),
    );
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn subscriptions(State(ticker): State<Ticker>) -> Json<Value> {
    Json(ticker.book.lock().subscriptions.values().cloned().collect())
}

async fn subscribe(
    State(ticker): State<Ticker>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let mut fields = SUBSCRIPTION.read(&headers, &body)?;
    let token = fields["instrument_token"].as_i64().unwrap_or_default();
    let mode = fields.remove("requested_mode").unwrap_or_else(|| json!("FULL"));
    let subscription = json!({
        "instrument_token": token, "tradingsymbol": format!("SYM{token}"), "segment": "NFO-OPT",
        "status": "active", "requested_mode": mode, "account_id": fields.remove("account_id"),
        "created_at": now(), "updated_at": now(),
    });
    let mut book = ticker.book.lock();
    if book.subscriptions.len() >= MOST_SUBSCRIPTIONS && !book.subscriptions.contains_key(&token) {
        return Err(Refusal::new(StatusCode::CONFLICT, "Subscription capacity reached"));
    }
    book.subscriptions.insert(token, subscription.clone());
    Ok((StatusCode::CREATED, Json(subscription)).into_response())
}

async fn unsubscribe(State(ticker): State<Ticker>, Path(token): Path<String>) -> Answer {
    let token: i64 = token.parse().map_err(|_| {
        Refusal::invalid(vec![json!({
            "type": "int_parsing", "loc": ["path", "instrument_token"],
            "msg": "Input should be a valid integer, unable to parse string as an integer", "input": token,
        })])
    })?;
    let mut subscription = ticker
        .book
        .lock()
        .subscriptions
        .remove(&token)
        .ok_or_else(|| Refusal::not_found("Subscription not found"))?;
    subscription["status"] = json!("inactive");
    Ok(Json(subscription))
}

async fn refresh(State(ticker): State<Ticker>) -> Json<Value> {
    let mut book = ticker.book.lock();
    book.refreshed_at = Some(now());
    Json(
        json!({ "refreshed": true, "started_at": book.refreshed_at, "instruments": book.subscriptions.len() }),
    )
}

async fn batch(State(ticker): State<Ticker>, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = BATCH.read(&headers, &body)?;
    let account = account_of(&fields);
    let orders = fields["orders"].as_array().map(Vec::as_slice).unwrap_or_default();
    if orders.is_empty() || orders.len() > MOST_BATCH {
        return Err(Refusal::bad_request(format!("A batch holds 1 to {MOST_BATCH} orders")));
    }
    let mut results = Vec::with_capacity(orders.len());
    for order in orders {
        let order_id = uuid()?;
        results.push(json!({ "success": true, "order_id": &order_id }));
        let placed = json!({ "order_id": order_id, "status": "OPEN", "order": order });
        ticker.orders.publish(&account, &placed);
        webhooks::deliver(&ticker, "order_placed", &account, &placed);
    }
    ticker.book.lock().orders_placed += orders.len() as u64;
    Ok(Json(json!({
        "success": true, "batch_id": uuid()?, "account_id": account, "total_orders": orders.len(),
        "succeeded": orders.len(), "failed": 0, "results": results, "created_at": now(),
    })))
}

async fn reset_breaker(State(ticker): State<Ticker>) -> Json<Value> {
    let mut book = ticker.book.lock();
    book.breaker_resets += 1;
    Json(
        json!({ "success": true, "message": "Circuit breaker reset", "state": "closed", "timestamp": now() }),
    )
}

async fn backpressure(State(ticker): State<Ticker>) -> Json<Value> {
    let resets = ticker.book.lock().breaker_resets;
    Json(json!({ "level": "healthy", "circuit_breaker": "closed", "resets": resets, "timestamp": now() }))
}

async fn mock_status(State(ticker): State<Ticker>) -> Json<Value> {
    Json(json!({ "running": ticker.book.lock().mock_running }))
}

async fn mock(State(ticker): State<Ticker>, Path(action): Path<String>) -> Answer {
    let running = match action.as_str() {
        "start" => true,
        "stop" => false,
        _ => return Err(Refusal::not_found("Not Found")),
    };
    ticker.book.lock().mock_running = running;
    Ok(Json(json!({ "success": true, "running": running })))
}

async fn rate_limits(State(ticker): State<Ticker>) -> Json<Value> {
    Json(json!({ "orders_placed": ticker.book.lock().orders_placed, "waiting": 0 }))
}

async fn sockets(State(ticker): State<Ticker>) -> Json<Value> {
    Json(json!({ "active_connections": ticker.orders.connections(), "accounts": ticker.orders.accounts() }))
}

async fn accounts(State(ticker): State<Ticker>) -> Json<Value> {
    Json(json!({ "accounts": [{ "account_id": "primary", "connections": ticker.orders.connections() }] }))
}

async fn placed(State(ticker): State<Ticker>) -> Json<Value> {
    Json(json!({ "orders_placed": ticker.book.lock().orders_placed, "timestamp": now() }))
}

async fn nothing_yet() -> Json<Value> {
    Json(json!([]))
}

/// Whom the gateway says it is.
async fn profile(headers: HeaderMap) -> Json<Value> {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    Json(json!({ "account_id": "primary", "user": said("x-auth-user"), "role": said("x-auth-role") }))
}

fn account_of(fields: &Map<String, Value>) -> String {
    fields.get("account_id").and_then(Value::as_str).unwrap_or("primary").to_owned()
}
