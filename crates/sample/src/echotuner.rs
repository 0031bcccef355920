//! `EchoTuner`: playlists from a prompt, sessions bound to a device. Both versions of its routes.

use crate::fastapi::{Answer, Kind, Model, Pairs, Refusal, optional, required, text};
use crate::identifier::{is_uuid, now, number, token, uuid};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub(crate) const ENDPOINTS: &[&str] = &[
    "GET /",
    "GET /config",
    "GET /config/health",
    "GET /server/mode",
    "GET /auth/mode",
    "POST /auth/init",
    "GET /auth/callback",
    "GET /auth/status",
    "POST /auth/validate",
    "GET /auth/check-session",
    "POST /auth/register-device",
    "POST /auth/logout",
    "GET /auth/account_type/{session_id}",
    "POST /auth/rate-limit-status",
    "POST /playlist/generate",
    "POST /playlist/refine",
    "GET /playlists",
    "POST /playlists",
    "GET /playlists/{id}",
    "PUT /playlists/{id}",
    "DELETE /playlists/{id}",
    "GET /spotify/playlists",
    "GET /personality",
    "PUT /personality",
    "DELETE /personality",
    "GET /personality/artists",
    "POST /user/search-artists",
    "GET /user/profile",
    "GET /user/rate-limit-status",
    "GET /ai/models",
    "POST /ai/test",
];

const MOST_SESSIONS: usize = 1000;
const MOST_DEVICES: usize = 1000;
const MOST_PLAYLISTS: usize = 500;
const MOST_PROMPT: usize = 500;
const MOST_PER_DAY: u64 = 3;

const PROMPT: Model = Model {
    fields: &[
        required("prompt", Kind::Short(MOST_PROMPT)),
        required("session_id", Kind::Word),
        required("device_id", Kind::Word),
    ],
    closed: false,
};
const REFINEMENT: Model = Model {
    fields: &[
        required("prompt", Kind::Short(MOST_PROMPT)),
        required("session_id", Kind::Word),
        required("device_id", Kind::Word),
        optional("playlist_id", Kind::Word),
        optional("current_songs", Kind::List),
    ],
    closed: false,
};
const PLAYLIST: Model = Model {
    fields: &[required("prompt", Kind::Short(MOST_PROMPT)), optional("name", Kind::Short(200))],
    closed: false,
};
const DEVICE: Model = Model {
    fields: &[required("device_id", Kind::Word), optional("platform", Kind::Short(50))],
    closed: false,
};
const SESSION: Model =
    Model { fields: &[required("session_id", Kind::Word), required("device_id", Kind::Word)], closed: false };
const REGISTRATION: Model = Model {
    fields: &[required("platform", Kind::Short(50)), optional("app_version", Kind::Short(50))],
    closed: false,
};
const SEARCH: Model =
    Model { fields: &[required("query", Kind::Short(200)), optional("limit", Kind::Integer)], closed: false };
const PERSONALITY: Model = Model {
    fields: &[
        optional("genres", Kind::List),
        optional("favorite_artists", Kind::List),
        optional("mood", Kind::Short(100)),
    ],
    closed: true,
};

type Shared = State<Arc<Mutex<Book>>>;

#[derive(Default)]
struct Book {
    /// Session and its device, the oldest first.
    sessions: VecDeque<(String, String)>,
    devices: VecDeque<Value>,
    playlists: VecDeque<Value>,
    personality: Map<String, Value>,
    /// Playlists made today, by device.
    made: BTreeMap<String, u64>,
}

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/config", get(config))
        .route("/config/health", get(health))
        .route("/server/mode", get(mode))
        .route("/auth/mode", get(mode))
        .route("/auth/init", post(init))
        .route("/auth/callback", get(callback))
        .route("/auth/status", get(status))
        .route("/auth/validate", post(validate))
        .route("/auth/check-session", get(check))
        .route("/auth/register-device", post(register))
        .route("/auth/logout", post(logout))
        .route("/auth/account_type/{session_id}", get(account_type))
        .route("/auth/rate-limit-status", post(made_by_device))
        .route("/playlist/generate", post(generate))
        .route("/playlist/refine", post(refine))
        .route("/playlists", get(list).post(create))
        .route("/playlists/{id}", get(show).put(rename).delete(remove))
        .route("/spotify/playlists", get(list))
        .route("/personality", put(describe).get(described).delete(forget))
        .route("/personality/artists", get(artists))
        .route("/user/search-artists", post(search))
        .route("/user/profile", get(profile))
        .route("/user/rate-limit-status", get(made_by_user))
        .route("/ai/models", get(models))
        .route("/ai/test", post(ask))
        .with_state(Arc::default())
}

/// `/`, which other systems have too.
pub(crate) async fn root() -> Json<Value> {
    Json(json!({
        "message": "EchoTuner API - AI-powered playlist generation", "status": "running",
        "endpoints": { "generate": "/playlist/generate", "refine": "/playlist/refine", "health": "/config/health" },
    }))
}

async fn config() -> Json<Value> {
    Json(json!({
        "session_timeout_hours": 24, "max_playlists_per_day": MOST_PER_DAY, "max_prompt_length": MOST_PROMPT,
        "auth_required": true, "debug": false,
    }))
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "healthy", "version": env!("CARGO_PKG_VERSION") }))
}

async fn mode() -> Json<Value> {
    Json(json!({ "mode": "normal", "demo_mode": false, "shared": false }))
}

async fn init(State(book): Shared, headers: HeaderMap, body: Bytes) -> Answer {
    let device = word(&DEVICE.read(&headers, &body)?, "device_id");
    let session = uuid()?;
    remember(&mut book.lock().sessions, (session.clone(), device), MOST_SESSIONS);
    let auth_url = format!("https://accounts.example.com/authorize?response_type=code&state={session}");
    Ok(Json(json!({ "auth_url": auth_url, "session_id": session })))
}

/// Where the provider sends the browser back to; `code` and `state` are secrets in the query.
async fn callback(State(book): Shared, pairs: Pairs) -> Result<Html<&'static str>, Refusal> {
    let (code, state) = (text(&pairs, "code")?, text(&pairs, "state")?);
    let known = book.lock().sessions.iter().any(|(session, _)| session == state);
    if code.is_empty() || !known {
        return Err(Refusal::bad_request("Invalid or expired state"));
    }
    Ok(Html(
        "<!doctype html><html lang=\"en\"><title>EchoTuner</title><p>You can close this window.</p></html>",
    ))
}

async fn status(State(book): Shared, headers: HeaderMap) -> Answer {
    let session = header(&headers, "x-session-uuid")
        .ok_or_else(|| Refusal::bad_request("X-Session-UUID header required"))?;
    if !is_uuid(session) {
        return Err(Refusal::bad_request("Invalid X-Session-UUID format"));
    }
    let completed = book.lock().sessions.iter().any(|(known, _)| known == session);
    Ok(Json(json!({ "status": if completed { "completed" } else { "pending" } })))
}

async fn validate(State(book): Shared, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = SESSION.read(&headers, &body)?;
    let wanted = (word(&fields, "session_id"), word(&fields, "device_id"));
    if !book.lock().sessions.contains(&wanted) {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Invalid or expired session"));
    }
    Ok(Json(json!({ "valid": true })))
}

/// Says whether the device has a session, from header fields with underscores in their names. Which session
/// that is, it keeps to itself: to know a device is not to be it.
async fn check(State(book): Shared, headers: HeaderMap) -> Answer {
    let device =
        header(&headers, "device_id").ok_or_else(|| Refusal::bad_request("device_id header required"))?;
    let claimed = header(&headers, "session_id");
    let book = book.lock();
    let mut of_device = book.sessions.iter().filter(|(_, known)| known == device);
    let authenticated = claimed.is_some_and(|claimed| of_device.any(|(session, _)| session == claimed));
    Ok(Json(json!({ "authenticated": authenticated })))
}

async fn register(State(book): Shared, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = REGISTRATION.read(&headers, &body)?;
    let device = json!({
        "device_id": token()?, "platform": fields["platform"], "registration_timestamp": now(), "success": true,
    });
    remember(&mut book.lock().devices, device.clone(), MOST_DEVICES);
    Ok(Json(device))
}

async fn logout(State(book): Shared, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = SESSION.read(&headers, &body)?;
    let ended = (word(&fields, "session_id"), word(&fields, "device_id"));
    book.lock().sessions.retain(|session| *session != ended);
    Ok(Json(json!({ "message": "Logged out successfully", "success": true })))
}

async fn account_type(State(book): Shared, Path(session): Path<String>) -> Answer {
    let known = book.lock().sessions.iter().any(|(id, _)| *id == session);
    if !known {
        return Err(Refusal::not_found("Session not found"));
    }
    Ok(Json(json!({ "account_type": "normal" })))
}

async fn made_by_device(State(book): Shared, headers: HeaderMap, body: Bytes) -> Answer {
    let device = word(&DEVICE.read(&headers, &body)?, "device_id");
    Ok(Json(book.lock().allowance(&device)))
}

async fn made_by_user(State(book): Shared, headers: HeaderMap) -> Json<Value> {
    Json(book.lock().allowance(header(&headers, "x-device-id").unwrap_or("unknown")))
}

/// A playlist that the prompt decides. How many a device may have is the gateway's business.
async fn generate(State(book): Shared, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = PROMPT.read(&headers, &body)?;
    let prompt = clean(&fields)?;
    let playlist = json!({
        "id": uuid()?, "songs": songs(&prompt, ""), "generated_from": prompt, "total_count": SONGS,
        "is_refinement": false, "created_at": now(),
    });
    let mut book = book.lock();
    book.count(&word(&fields, "device_id"));
    remember(&mut book.playlists, playlist.clone(), MOST_PLAYLISTS);
    Ok(Json(playlist))
}

async fn refine(headers: HeaderMap, body: Bytes) -> Answer {
    let fields = REFINEMENT.read(&headers, &body)?;
    let prompt = clean(&fields)?;
    Ok(Json(json!({
        "id": uuid()?, "songs": songs(&prompt, "refined"), "generated_from": prompt, "total_count": SONGS,
        "is_refinement": true, "created_at": now(),
    })))
}

async fn list(State(book): Shared) -> Json<Value> {
    Json(json!({ "playlists": book.lock().playlists }))
}

async fn create(State(book): Shared, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let fields = PLAYLIST.read(&headers, &body)?;
    let prompt = clean(&fields)?;
    let playlist = json!({
        "id": uuid()?, "name": fields.get("name"), "songs": songs(&prompt, ""), "generated_from": prompt,
        "created_at": now(),
    });
    remember(&mut book.lock().playlists, playlist.clone(), MOST_PLAYLISTS);
    Ok((StatusCode::CREATED, Json(playlist)).into_response())
}

async fn show(State(book): Shared, Path(id): Path<String>) -> Answer {
    let book = book.lock();
    let playlist = book.playlists.iter().find(|playlist| playlist["id"] == *id);
    playlist.cloned().map(Json).ok_or_else(|| Refusal::not_found("Playlist not found"))
}

async fn rename(State(book): Shared, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = PLAYLIST.read(&headers, &body)?;
    let prompt = clean(&fields)?;
    let mut book = book.lock();
    let playlist = book.playlists.iter_mut().find(|playlist| playlist["id"] == *id);
    let playlist = playlist.ok_or_else(|| Refusal::not_found("Playlist not found"))?;
    playlist["name"] = json!(fields.get("name"));
    playlist["songs"] = json!(songs(&prompt, ""));
    playlist["generated_from"] = json!(prompt);
    Ok(Json(playlist.clone()))
}

async fn remove(State(book): Shared, Path(id): Path<String>) -> Answer {
    let mut book = book.lock();
    let before = book.playlists.len();
    book.playlists.retain(|playlist| playlist["id"] != *id);
    if book.playlists.len() == before {
        return Err(Refusal::not_found("Playlist not found"));
    }
    Ok(Json(json!({ "message": "Playlist deleted", "success": true })))
}

async fn describe(State(book): Shared, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = PERSONALITY.read(&headers, &body)?;
    book.lock().personality = fields;
    Ok(Json(json!({ "success": true, "message": "Personality saved" })))
}

async fn described(State(book): Shared) -> Json<Value> {
    Json(json!({ "personality": book.lock().personality }))
}

async fn forget(State(book): Shared) -> Json<Value> {
    book.lock().personality.clear();
    Json(json!({ "success": true, "message": "Personality cleared" }))
}

async fn artists(State(book): Shared) -> Json<Value> {
    let artists = book.lock().personality.get("favorite_artists").cloned();
    Json(json!({ "artists": artists.unwrap_or_else(|| json!([])) }))
}

async fn search(headers: HeaderMap, body: Bytes) -> Answer {
    let fields = SEARCH.read(&headers, &body)?;
    let query = fields["query"].as_str().unwrap_or_default();
    let limit = fields.get("limit").and_then(Value::as_i64).unwrap_or(5).clamp(1, 50);
    let artists: Vec<Value> = (1..=limit)
        .map(|place| {
            let name = format!("{query} {place}");
            json!({ "popularity": number(&[&name], 100), "name": name })
        })
        .collect();
    Ok(Json(json!({ "artists": artists })))
}

/// Whom the gateway says it is; a name that the client sent does not reach this far.
async fn profile(headers: HeaderMap) -> Json<Value> {
    Json(json!({ "user_id": header(&headers, "x-auth-user").or(header(&headers, "x-user-id")) }))
}

async fn models() -> Json<Value> {
    Json(json!({ "models": { "sample": { "endpoint": "local", "default": true } } }))
}

async fn ask(headers: HeaderMap, body: Bytes) -> Answer {
    let prompt = clean(&PLAYLIST.read(&headers, &body)?)?;
    Ok(Json(json!({ "success": true, "prompt": prompt, "response": songs(&prompt, "test")[0] })))
}

const SONGS: usize = 10;

fn songs(prompt: &str, salt: &str) -> Vec<Value> {
    (0..SONGS)
        .map(|place| {
            let place = place.to_string();
            let drawn = |what, below| number(&[prompt, salt, &place, what], below);
            json!({
                "title": format!("Song {:03}", drawn("title", 1000)),
                "artist": format!("Artist {:02}", drawn("artist", 97)), "popularity": drawn("popularity", 100),
            })
        })
        .collect()
}

fn clean(fields: &Map<String, Value>) -> Result<String, Refusal> {
    let prompt = fields["prompt"].as_str().unwrap_or_default().trim();
    let folded = prompt.to_lowercase();
    if ["<script", "javascript:", "data:"].iter().any(|bad| folded.contains(bad)) {
        let issue = json!({
            "type": "value_error", "loc": ["body", "prompt"],
            "msg": "Value error, Invalid prompt content", "input": prompt,
        });
        return Err(Refusal::invalid(vec![issue]));
    }
    Ok(prompt.to_owned())
}

impl Book {
    fn count(&mut self, device: &str) {
        if self.made.len() >= MOST_DEVICES && !self.made.contains_key(device) {
            self.made.pop_first();
        }
        *self.made.entry(device.to_owned()).or_default() += 1;
    }

    fn allowance(&self, device: &str) -> Value {
        json!({
            "device_id": device, "requests_made_today": self.made.get(device).copied().unwrap_or_default(),
            "max_requests_per_day": MOST_PER_DAY, "refinements_used": 0, "reset_time": "00:00",
        })
    }
}

fn word(fields: &Map<String, Value>, name: &str) -> String {
    fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn remember<T>(list: &mut VecDeque<T>, item: T, most: usize) {
    if list.len() >= most {
        list.pop_front();
    }
    list.push_back(item);
}
