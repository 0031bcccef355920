//! What the tests of a proxy need from an application, under `/sample/`, and an echoing WebSocket.

use crate::fastapi::{self, Answer, Pairs, Refusal, integer, integer_within, value};
use crate::identifier::hex;
use crate::stream::{Ending, pattern};
use axum::body::{Body, BodyDataStream};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Request, State};
use axum::http::header::{
    CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, LOCATION, SET_COOKIE, TRAILER, UPGRADE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The echo shows this much of a body as text; its digest is of all of it.
const SHOWN: usize = 64 * 1024;
/// A request that sleeps longer than this is a mistake.
const LONGEST_SLEEP: u64 = 10 * 60 * 1000;

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/echo", any(echo_socket))
        .route("/sample/ws", any(echo_socket))
        .route("/sample/echo", any(echo))
        .route("/sample/echo/{*rest}", any(echo))
        .route("/sample/bytes/{length}", get(bytes))
        .route("/sample/upload", post(upload).put(upload))
        .route("/sample/events", get(events))
        .route("/sample/slow/{milliseconds}", any(slow))
        .route("/sample/status/{code}", any(status))
        .route("/sample/cookies", get(cookies))
        .route("/sample/headers", get(headers))
        .route("/sample/chunked", get(chunked))
        .route("/sample/truncated/{length}", get(truncated))
        .route("/sample/error", any(error))
}

/// Counts the requests that reach the application; `/sample/seen` shows the number and is not counted.
pub(crate) fn counted(router: Router) -> Router {
    let seen = Arc::new(AtomicU64::new(0));
    router
        .fallback(fastapi::not_found)
        .method_not_allowed_fallback(fastapi::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(seen.clone(), count))
        .route("/sample/seen", get(requests_seen).with_state(seen))
}

async fn count(State(seen): State<Arc<AtomicU64>>, request: Request, next: Next) -> Response {
    seen.fetch_add(1, Ordering::Relaxed);
    next.run(request).await
}

async fn requests_seen(State(seen): State<Arc<AtomicU64>>) -> Json<Value> {
    Json(json!({ "requests": seen.load(Ordering::Relaxed) }))
}

/// Everything that arrived. Header names are in lower case; values of one name stand together, in the
/// order of arrival.
async fn echo(request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let headers: Vec<(&str, String)> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let mut hash = Sha256::new();
    let mut shown = Vec::new();
    let length = drain(body, |chunk| {
        hash.update(chunk);
        shown.extend_from_slice(&chunk[..chunk.len().min(SHOWN - shown.len())]);
    })
    .await?;
    Ok(Json(json!({
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query(),
        "version": format!("{:?}", head.version),
        "headers": headers,
        "body": {
            "length": length,
            "sha256": hex(&hash.finalize()),
            "text": String::from_utf8(shown).ok(),
        },
    })))
}

/// A body of any size; `?chunked=1` leaves out the length.
async fn bytes(Path(length): Path<u64>, pairs: Pairs) -> Response {
    let ending = if value(&pairs, "chunked").is_some() { Ending::Chunked } else { Ending::Sized };
    ([(CONTENT_TYPE, "application/octet-stream")], pattern(length, ending)).into_response()
}

/// Reads a body of any size and counts it; `?digest=sha256` hashes it too.
async fn upload(pairs: Pairs, body: Body) -> Answer {
    let mut hash = (value(&pairs, "digest") == Some("sha256")).then(Sha256::new);
    let length = drain(body, |chunk| {
        if let Some(hash) = &mut hash {
            hash.update(chunk);
        }
    })
    .await?;
    Ok(Json(json!({ "bytes": length, "sha256": hash.map(|hash| hex(&hash.finalize())) })))
}

/// `?count=` events, `?interval=` milliseconds apart, the first at once.
async fn events(pairs: Pairs) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let count = integer_within(&pairs, "count", 5, 0, 1_000_000)?;
    let interval = integer_within(&pairs, "interval", 100, 0, LONGEST_SLEEP)?;
    let interval = Duration::from_millis(interval);
    Ok(Sse::new(stream::iter(0..count).then(move |number| async move {
        if number > 0 {
            tokio::time::sleep(interval).await;
        }
        Ok(Event::default()
            .event("tick")
            .id(number.to_string())
            .data(json!({ "number": number }).to_string()))
    })))
}

async fn slow(Path(milliseconds): Path<u64>) -> Answer {
    if milliseconds > LONGEST_SLEEP {
        return Err(Refusal::bad_request(format!("at most {LONGEST_SLEEP} milliseconds")));
    }
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    Ok(Json(json!({ "slept": milliseconds })))
}

/// An answer with this status; a redirect points to the echo.
async fn status(Path(code): Path<u16>) -> Result<Response, Refusal> {
    let code = StatusCode::from_u16(code)
        .ok()
        .filter(|code| (200..600).contains(&code.as_u16()))
        .ok_or_else(|| Refusal::bad_request("a status from 200 to 599"))?;
    Ok(match code {
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED => code.into_response(),
        _ if code.is_redirection() => (code, [(LOCATION, "/sample/echo")]).into_response(),
        _ => (code, Json(json!({ "detail": code.canonical_reason() }))).into_response(),
    })
}

/// Shows the cookies that came, and sets one for each pair of the query.
async fn cookies(headers: HeaderMap, pairs: Pairs) -> Result<Response, Refusal> {
    let came: Map<String, Value> = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    let mut response = Json(json!({ "cookies": came })).into_response();
    for (name, value) in &pairs.0 {
        let line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax");
        response.headers_mut().append(SET_COOKIE, header_value(&line)?);
    }
    Ok(response)
}

/// Sends one header for each pair of the query, so that a test can see what the gateway does with it.
async fn headers(pairs: Pairs) -> Result<Response, Refusal> {
    let mut response = Json(json!({ "headers": pairs.0.len() })).into_response();
    for (name, value) in &pairs.0 {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Refusal::bad_request(format!("not a header name: {name}")))?;
        response.headers_mut().append(name, header_value(value)?);
    }
    Ok(response)
}

/// `?bytes=` in chunks, then a trailer. A client that does not say `TE: trailers` gets no trailer.
async fn chunked(pairs: Pairs) -> Result<Response, Refusal> {
    let length = integer_within(&pairs, "bytes", 1024, 0, u64::MAX)?;
    let headers = [(CONTENT_TYPE, "application/octet-stream"), (TRAILER, "x-sample-length")];
    Ok((headers, pattern(length, Ending::Trailers)).into_response())
}

/// Announces so many bytes, sends half of them and breaks the connection.
async fn truncated(Path(length): Path<u64>) -> Response {
    pattern(length, Ending::Broken).into_response()
}

/// What an application without an error handler shows: its inside.
async fn error(pairs: Pairs) -> Result<Response, Refusal> {
    let code = integer(&pairs, "status", 500)?;
    let status = u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let trace = "Traceback (most recent call last):\n  File \"/srv/app/main.py\", line 42, in predict\n    \
                 model = load(\"/srv/app/secrets/model.key\")\n\
                 RuntimeError: connection to postgres://app:hunter2@db.internal/app refused\n";
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), headers, trace).into_response())
}

/// Sends back every message. A plain request gets 426.
async fn echo_socket(
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) => upgrade.protocols(["echo"]).on_upgrade(echo_messages),
        Err(_) => {
            (StatusCode::UPGRADE_REQUIRED, [(UPGRADE, "websocket")], "this is a WebSocket\n").into_response()
        }
    }
}

async fn echo_messages(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let sent = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            // Pings and closes are answered by the library.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn drain(body: Body, mut each: impl FnMut(&[u8])) -> Result<u64, Refusal> {
    let mut chunks: BodyDataStream = body.into_data_stream();
    let mut length = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Refusal::bad_request(format!("the body broke off: {error}")))?;
        length += chunk.len() as u64;
        each(&chunk);
    }
    Ok(length)
}

fn header_value(text: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(text).map_err(|_| Refusal::bad_request(format!("not a header value: {text}")))
}
