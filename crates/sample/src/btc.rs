//! BTC Forecasting API: forecasts, users, alerts, and what an administrator looks at.
//!
//! Who may do what is the gateway's business: behind the `btc-forecasting` profile `/auth`, `/admin` and
//! `/health` are answered by the gateway and never get here. Roles are not given away here either: whoever
//! registers is `free`.

mod users;

use crate::fastapi::{Answer, Kind, Model, Pairs, Refusal, integer_within, optional, required};
use crate::identifier::{self, fraction, now, uuid};
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use users::Users;

pub(crate) const ENDPOINTS: &[&str] = &[
    "GET /",
    "GET /health",
    "GET /health/detailed",
    "GET /health/metrics",
    "POST /auth/register",
    "POST /auth/login",
    "GET /auth/profile",
    "POST /auth/api-key",
    "POST /predict",
    "POST /evaluate",
    "GET /status",
    "GET /features",
    "GET /user/predictions",
    "GET /user/analytics",
    "POST /forecast/recursive",
    "POST /forecast/features",
    "GET /realtime/prices",
    "GET /realtime/alerts",
    "POST /realtime/alerts",
    "DELETE /realtime/alerts/{id}",
    "POST /realtime/start",
    "POST /realtime/stop",
    "GET /admin/users",
    "GET /admin/audit-log",
    "GET /admin/metrics",
    "WS /ws",
];

const MOST_RECORDS: usize = 1000;
const MOST_ALERTS: usize = 100;
const FEATURES: [&str; 4] = ["close", "volume", "rsi_14", "sma_20"];

const HORIZON: Model = Model { fields: &[required("days", Kind::Integer)], closed: false };
const ALERT: Model = Model {
    fields: &[required("price", Kind::Number), optional("direction", Kind::Short(10))],
    closed: false,
};

#[derive(Clone, Default)]
struct Forecasting {
    users: Arc<Mutex<Users>>,
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    predictions: VecDeque<Value>,
    alerts: VecDeque<Value>,
    audit: VecDeque<Value>,
    running: bool,
}

/// Everything but `/`, `/health` and `/ws`, which other systems have too.
pub(crate) fn routes() -> Router {
    let state = Forecasting::default();
    Router::new()
        .route("/predict", post(predict))
        .route("/evaluate", post(evaluate))
        .route("/status", get(status))
        .route("/features", get(features))
        .route("/user/predictions", get(predictions))
        .route("/user/analytics", get(analytics))
        .route("/forecast/recursive", post(predict))
        .route("/forecast/features", post(forecast_features))
        .route("/realtime/prices", get(prices))
        .route("/realtime/alerts", get(alerts).post(add_alert))
        .route("/realtime/alerts/{id}", delete(remove_alert))
        .route("/realtime/start", post(start))
        .route("/realtime/stop", post(stop))
        .route("/admin/audit-log", get(audit_log))
        .route("/admin/metrics", get(metrics))
        .route("/health/detailed", get(detailed))
        .route("/health/metrics", get(health_metrics))
        .with_state(state.clone())
        .merge(users::routes(&state.users))
        .layer(axum::middleware::from_fn_with_state(state.book, audit))
}

/// `/`, which other systems have too.
pub(crate) async fn root() -> Json<Value> {
    Json(json!({ "message": "BTC Forecasting API", "version": env!("CARGO_PKG_VERSION"), "docs": "/docs" }))
}

/// `/health`, which other systems have too.
pub(crate) async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `/ws`, which other systems have too: one price for every message.
pub(crate) async fn socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket: WebSocket| async move {
        let mut number: u32 = 0;
        let hello = json!({ "type": "connected", "user_id": null, "timestamp": now() });
        let mut next = Some(hello);
        while let Some(message) = next.take() {
            if socket.send(Message::Text(message.to_string().into())).await.is_err() {
                return;
            }
            next = loop {
                match socket.recv().await {
                    Some(Ok(Message::Text(_) | Message::Binary(_))) => {
                        number = number.wrapping_add(1);
                        break Some(json!({ "type": "price", "price": price(number), "timestamp": now() }));
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break None,
                }
            };
        }
    })
}

/// Adds `X-Response-Time`, in seconds, to every answer.
pub(crate) async fn response_time(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let mut response = next.run(request).await;
    let seconds = format!("{:.6}", started.elapsed().as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(&seconds) {
        response.headers_mut().insert("x-response-time", value);
    }
    response
}

/// Keeps who asked for what; never a body.
async fn audit(State(book): State<Arc<Mutex<Book>>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let user = request.headers().get("x-auth-user").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let record = json!({
        "username": user, "endpoint": path, "method": method, "response_status": response.status().as_u16(),
        "response_time_ms": started.elapsed().as_millis() as u64, "timestamp": now(),
    });
    keep(&mut book.lock().audit, record, MOST_RECORDS);
    response
}

async fn predict(State(state): State<Forecasting>, headers: HeaderMap, body: Bytes) -> Answer {
    let days = days(&headers, &body)?;
    let forecast: Vec<Value> = (1..=days).map(|day| json!({ "day": day, "price": price(day) })).collect();
    let prediction = json!({ "id": uuid()?, "days": days, "predictions": forecast, "timestamp": now() });
    keep(&mut state.book.lock().predictions, prediction.clone(), MOST_ALERTS);
    Ok(Json(prediction))
}

async fn evaluate(headers: HeaderMap, body: Bytes) -> Answer {
    let days = days(&headers, &body)?;
    let error: f64 =
        (1..=days).map(|day| fraction(&["error", &day.to_string()])).sum::<f64>() / f64::from(days);
    Ok(Json(json!({ "days": days, "mape": error, "r2": 1.0 - error })))
}

async fn status(State(state): State<Forecasting>) -> Json<Value> {
    let book = state.book.lock();
    Json(
        json!({ "status": "ready", "model_loaded": true, "predictions": book.predictions.len(), "realtime": book.running }),
    )
}

async fn features() -> Json<Value> {
    Json(json!({ "features": FEATURES }))
}

async fn predictions(State(state): State<Forecasting>) -> Json<Value> {
    Json(json!({ "predictions": state.book.lock().predictions }))
}

async fn analytics(State(state): State<Forecasting>) -> Json<Value> {
    let book = state.book.lock();
    Json(json!({ "total_requests": book.audit.len(), "total_predictions": book.predictions.len() }))
}

async fn forecast_features(headers: HeaderMap, body: Bytes) -> Answer {
    let days = days(&headers, &body)?;
    let importance = FEATURES.map(|name| json!({ "feature": name, "importance": fraction(&[name]) }));
    Ok(Json(json!({ "days": days, "features": importance })))
}

async fn prices(State(state): State<Forecasting>) -> Json<Value> {
    let asked = state.book.lock().audit.len() as u32;
    Json(json!({ "symbol": "BTC-USD", "price": price(asked), "timestamp": now() }))
}

async fn alerts(State(state): State<Forecasting>) -> Json<Value> {
    Json(json!({ "alerts": state.book.lock().alerts }))
}

async fn add_alert(State(state): State<Forecasting>, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = ALERT.read(&headers, &body)?;
    let alert = json!({
        "id": uuid()?, "price": fields["price"], "direction": fields.get("direction"), "created_at": now(),
    });
    keep(&mut state.book.lock().alerts, alert.clone(), MOST_ALERTS);
    Ok(Json(alert))
}

async fn remove_alert(State(state): State<Forecasting>, Path(id): Path<String>) -> Answer {
    let mut book = state.book.lock();
    let before = book.alerts.len();
    book.alerts.retain(|alert| alert["id"] != *id);
    if book.alerts.len() == before {
        return Err(Refusal::not_found("Alert not found"));
    }
    Ok(Json(json!({ "message": "Alert deleted", "id": id })))
}

async fn start(State(state): State<Forecasting>) -> Json<Value> {
    state.book.lock().running = true;
    Json(json!({ "message": "Real-time updates started" }))
}

async fn stop(State(state): State<Forecasting>) -> Json<Value> {
    state.book.lock().running = false;
    Json(json!({ "message": "Real-time updates stopped" }))
}

/// The newest records first.
async fn audit_log(State(state): State<Forecasting>, pairs: Pairs) -> Answer {
    let limit = integer_within(&pairs, "limit", 100, 1, MOST_RECORDS as u64)?;
    let book = state.book.lock();
    let records: Vec<&Value> = book.audit.iter().rev().take(limit as usize).collect();
    Ok(Json(json!({ "audit_log": records })))
}

async fn metrics(State(state): State<Forecasting>, pairs: Pairs) -> Answer {
    let hours = integer_within(&pairs, "hours", 24, 1, 24 * 90)?;
    let book = state.book.lock();
    let failed = book.audit.iter().filter(|record| record["response_status"].as_u64() >= Some(500)).count();
    Ok(Json(json!({
        "hours": hours,
        "metrics": { "requests": book.audit.len(), "failed": failed, "predictions": book.predictions.len() },
    })))
}

async fn detailed(State(state): State<Forecasting>) -> Json<Value> {
    let users = state.users.lock().len();
    let book = state.book.lock();
    Json(json!({
        "status": "healthy", "timestamp": now(), "database": "ok", "model": "ok", "users": users,
        "predictions": book.predictions.len(),
    }))
}

async fn health_metrics(State(state): State<Forecasting>) -> Json<Value> {
    let book = state.book.lock();
    Json(json!({ "requests": book.audit.len(), "predictions": book.predictions.len(), "timestamp": now() }))
}

fn days(headers: &HeaderMap, body: &[u8]) -> Result<u32, Refusal> {
    match HORIZON.read(headers, body)?["days"].as_u64() {
        Some(days @ 1..=365) => Ok(days as u32),
        _ => Err(Refusal::new(StatusCode::BAD_REQUEST, "days must be between 1 and 365")),
    }
}

fn price(number: u32) -> f64 {
    60_000.0 + f64::from(identifier::number(&["price", &number.to_string()], 500_000)) / 100.0
}

fn keep(list: &mut VecDeque<Value>, item: Value, most: usize) {
    if list.len() >= most {
        list.pop_front();
    }
    list.push_back(item);
}
