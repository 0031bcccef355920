//! `/advanced/webhooks`: URLs that are told of orders.

use super::{Ticker, account_of};
use crate::fastapi::{Answer, Kind, Model, Pairs, Refusal, optional, required, value};
use crate::identifier::{now, uuid};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

const MOST_WEBHOOKS: usize = 10;
const MOST_ACCOUNTS: usize = 100;
const EVENTS: [&str; 5] =
    ["order_placed", "order_completed", "order_failed", "order_cancelled", "order_rejected"];

const WEBHOOK: Model = Model {
    fields: &[
        required("url", Kind::Short(2083)),
        optional("account_id", Kind::Short(64)),
        required("events", Kind::List),
        optional("secret", Kind::Short(200)),
    ],
    closed: false,
};

/// A registered webhook: what of it is shown, and what is not.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    shown: Value,
    secret: Option<String>,
}

pub(super) async fn list(State(ticker): State<Ticker>, pairs: Pairs) -> Json<Value> {
    let book = ticker.book.lock();
    let wanted = value(&pairs, "account_id");
    let shown = book.webhooks.iter().filter(|(account, _)| wanted.is_none_or(|wanted| wanted == *account));
    Json(shown.flat_map(|(_, webhooks)| webhooks.iter().map(|webhook| webhook.shown.clone())).collect())
}

/// Which addresses a webhook may name is the gateway's business; the scheme is checked here.
pub(super) async fn add(
    State(ticker): State<Ticker>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let fields = WEBHOOK.read(&headers, &body)?;
    let url = fields["url"].as_str().unwrap_or_default();
    if !url.starts_with("http://") && !url.starts_with("https://") {
        let issue = json!({
            "type": "url_scheme", "loc": ["body", "url"],
            "msg": "URL scheme should be 'http' or 'https'", "input": url,
        });
        return Err(Refusal::invalid(vec![issue]));
    }
    let events = fields["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let unknown: Vec<&Value> =
        events.iter().filter(|event| !event.as_str().is_some_and(|name| EVENTS.contains(&name))).collect();
    if !unknown.is_empty() {
        let unknown = json!(unknown);
        let valid = EVENTS.join(", ");
        return Err(Refusal::bad_request(format!("Invalid events: {unknown}. Valid events: {valid}")));
    }
    let account = account_of(&fields);
    room(&ticker, &account)?;
    // The real service does this before it looks at the events: behind a gateway that judged the URL it is no probe.
    ticker.caller.probe(url).await.map_err(|failure| {
        Refusal::bad_request(format!("Webhook URL is not accessible: {}", failure.words()))
    })?;
    let webhook = json!({
        "webhook_id": uuid()?, "url": url, "account_id": account, "events": events, "active": true,
        "created_at": now(),
    });
    let secret = fields.get("secret").and_then(Value::as_str).map(str::to_owned);
    // Others may have come meanwhile.
    room(&ticker, &account)?;
    let kept = Webhook { shown: webhook.clone(), secret };
    ticker.book.lock().webhooks.entry(account).or_default().push(kept);
    Ok((StatusCode::CREATED, Json(webhook)).into_response())
}

pub(super) async fn remove(State(ticker): State<Ticker>, Path(id): Path<String>) -> Answer {
    let mut book = ticker.book.lock();
    let known = book.webhooks.values_mut().any(|webhooks| {
        let before = webhooks.len();
        webhooks.retain(|webhook| webhook.shown["webhook_id"] != *id);
        webhooks.len() < before
    });
    book.webhooks.retain(|_, webhooks| !webhooks.is_empty());
    if known {
        Ok(Json(json!({ "success": true, "webhook_id": id })))
    } else {
        Err(Refusal::not_found("Webhook not found"))
    }
}

/// Whether the account may have one more.
fn room(ticker: &Ticker, account: &str) -> Result<(), Refusal> {
    let book = ticker.book.lock();
    if book.webhooks.len() >= MOST_ACCOUNTS && !book.webhooks.contains_key(account) {
        return Err(Refusal::bad_request("Maximum number of accounts reached"));
    }
    if book.webhooks.get(account).is_some_and(|webhooks| webhooks.len() >= MOST_WEBHOOKS) {
        let text = format!("Maximum webhook limit ({MOST_WEBHOOKS}) reached for account '{account}'");
        return Err(Refusal::bad_request(text));
    }
    Ok(())
}

/// Tells whoever asked to be told; what comes of it is nobody's concern.
pub(super) fn deliver(ticker: &Ticker, event: &str, account: &str, data: &Value) {
    let book = ticker.book.lock();
    let Some(webhooks) = book.webhooks.get(account) else { return };
    let wants = |webhook: &&Webhook| {
        webhook.shown["events"].as_array().is_some_and(|events| events.iter().any(|name| name == event))
    };
    for webhook in webhooks.iter().filter(wants) {
        let body =
            json!({ "event": event, "account_id": account, "data": data, "timestamp": now() }).to_string();
        let (caller, webhook) = (ticker.caller, webhook.clone());
        tokio::spawn(async move {
            let url = webhook.shown["url"].as_str().unwrap_or_default();
            let secret = webhook.secret.as_deref().map(|secret| ("X-Webhook-Secret", secret));
            let _ = caller.post(url, secret.as_slice(), &body).await;
        });
    }
}
