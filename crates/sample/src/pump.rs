//! Pump Analyzer Web: bets come in, live streams are looked at.

use crate::fastapi::{Answer, Kind, Model, Pairs, Refusal, integer, optional, required, text};
use crate::identifier::{fraction, is_uuid, now, uuid, uuid_of};
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

pub(crate) const ENDPOINTS: &[&str] = &[
    "POST /live/ingest",
    "GET /live/streams",
    "GET /live/streams/{id}",
    "PUT /live/streams/{id}",
    "DELETE /live/streams/{id}",
    "GET /live/streams/{id}/bets",
    "GET /live/streams/{id}/tail",
    "GET /live/streams/{id}/export.csv",
    "GET /live/streams/{id}/metrics",
    "GET /live/streams/{id}/hits",
    "GET /live/streams/{id}/bookmarks",
    "POST /live/streams/{id}/bookmarks",
    "GET /live/streams/{id}/snapshots",
    "POST /live/streams/{id}/snapshots",
    "GET /healthz",
    "GET /verify",
    "GET /runs",
    "POST /runs",
    "GET /runs/{id}",
    "DELETE /runs/{id}",
];

// With the longest fields the bets take about 75 MB.
const MOST_STREAMS: usize = 100;
const MOST_BETS: usize = 500;
const MOST_NOTES: usize = 100;
const MOST_RUNS: usize = 500;

const BET: Model = Model {
    fields: &[
        required("id", Kind::Short(200)),
        optional("dateTime", Kind::Short(50)),
        required("nonce", Kind::Integer),
        required("amount", Kind::Number),
        required("payout", Kind::Number),
        required("difficulty", Kind::Short(20)),
        optional("roundTarget", Kind::Number),
        optional("payoutMultiplier", Kind::Number),
        required("roundResult", Kind::Number),
        required("clientSeed", Kind::Short(500)),
        required("serverSeedHashed", Kind::Short(500)),
    ],
    closed: true,
};
const NOTES: Model = Model { fields: &[optional("notes", Kind::Short(2000))], closed: true };
const BOOKMARK: Model =
    Model { fields: &[required("nonce", Kind::Integer), optional("note", Kind::Short(500))], closed: true };
const SNAPSHOT: Model = Model { fields: &[required("name", Kind::Short(200))], closed: true };
const RUN: Model = Model {
    fields: &[
        required("server_seed", Kind::Short(500)),
        required("client_seed", Kind::Short(500)),
        required("start", Kind::Integer),
        required("end", Kind::Integer),
        optional("difficulty", Kind::Short(20)),
        optional("targets", Kind::List),
    ],
    closed: false,
};

type Shared = State<Arc<Mutex<Book>>>;

#[derive(Default)]
struct Book {
    streams: HashMap<String, Stream>,
    /// Ids in the order of creation; the oldest goes when there are too many.
    order: VecDeque<String>,
    runs: VecDeque<Value>,
}

#[derive(Default)]
struct Stream {
    client_seed: String,
    server_seed_hashed: String,
    created_at: String,
    last_seen_at: String,
    notes: Value,
    next_id: u64,
    bets: VecDeque<Bet>,
    known: HashSet<String>,
    bookmarks: VecDeque<Value>,
    snapshots: VecDeque<Value>,
}

struct Bet {
    number: u64,
    fields: Map<String, Value>,
}

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/live/ingest", post(ingest))
        .route("/live/streams", get(list))
        .route("/live/streams/{id}", get(show).put(annotate).delete(remove))
        .route("/live/streams/{id}/bets", get(bets))
        .route("/live/streams/{id}/tail", get(tail))
        .route("/live/streams/{id}/export.csv", get(export))
        .route("/live/streams/{id}/metrics", get(metrics))
        .route("/live/streams/{id}/hits", get(hits))
        .route("/live/streams/{id}/bookmarks", get(bookmarks).post(bookmark))
        .route("/live/streams/{id}/snapshots", get(snapshots).post(snapshot))
        .route("/healthz", get(health))
        .route("/verify", get(verify))
        .route("/runs", get(runs).post(run))
        .route("/runs/{id}", get(show_run).delete(remove_run))
        .with_state(Arc::default())
}

async fn ingest(State(book): Shared, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = BET.read(&headers, &body)?;
    let said = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (client_seed, server_seed_hashed) = (said("clientSeed"), said("serverSeedHashed"));
    let stream_id = uuid_of(&[&server_seed_hashed, &client_seed]);
    let mut book = book.lock();
    book.make_room_for(&stream_id);
    let stream = book.streams.entry(stream_id.clone()).or_insert_with(|| Stream {
        client_seed,
        server_seed_hashed,
        created_at: now(),
        ..Stream::default()
    });
    stream.last_seen_at = now();
    let accepted = stream.accept(said("id"), fields);
    Ok(Json(json!({ "streamId": stream_id, "accepted": accepted })))
}

async fn list(State(book): Shared, pairs: Pairs) -> Answer {
    let (limit, offset) = page(&pairs)?;
    let book = book.lock();
    let streams: Vec<Value> = book
        .order
        .iter()
        .rev()
        .skip(offset)
        .take(limit)
        .filter_map(|id| book.streams.get(id).map(|stream| stream.summary(id)))
        .collect();
    Ok(Json(json!({ "streams": streams, "total": book.streams.len(), "limit": limit, "offset": offset })))
}

async fn show(State(book): Shared, Path(id): Path<String>) -> Answer {
    book.lock().with(&id, |stream| stream.summary(&id))
}

async fn annotate(State(book): Shared, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let mut fields = NOTES.read(&headers, &body)?;
    book.lock().with(&id, |stream| {
        stream.notes = fields.remove("notes").unwrap_or_default();
        stream.summary(&id)
    })
}

async fn remove(State(book): Shared, Path(id): Path<String>) -> Answer {
    let mut book = book.lock();
    let deleted = book.with(
        &id,
        |stream| json!({ "deleted": true, "stream_id": &id, "bets_deleted": stream.bets.len() }),
    )?;
    book.streams.remove(&id);
    book.order.retain(|known| *known != id);
    Ok(deleted)
}

async fn bets(State(book): Shared, Path(id): Path<String>, pairs: Pairs) -> Answer {
    let (limit, offset) = page(&pairs)?;
    book.lock().with(&id, |stream| {
        let bets: Vec<Value> = stream.bets.iter().skip(offset).take(limit).map(Bet::shown).collect();
        json!({ "bets": bets, "total": stream.bets.len(), "limit": limit, "offset": offset })
    })
}

async fn tail(State(book): Shared, Path(id): Path<String>, pairs: Pairs) -> Answer {
    let since = integer(&pairs, "since_id", 0)?.max(0).unsigned_abs();
    book.lock().with(&id, |stream| {
        let bets: Vec<Value> = stream.bets.iter().filter(|bet| bet.number > since).map(Bet::shown).collect();
        let last_id = stream.bets.back().map_or(since, |bet| bet.number);
        json!({ "bets": bets, "last_id": last_id, "has_more": false })
    })
}

/// The bets as a download, sent line by line without a length.
async fn export(State(book): Shared, Path(id): Path<String>) -> Result<Response, Refusal> {
    let lines: Vec<Result<Bytes, Infallible>> = {
        let mut book = book.lock();
        let stream = book.find(&id)?;
        let head = Bytes::from_static(b"id,nonce,amount,payout,difficulty,round_result\n");
        std::iter::once(head).chain(stream.bets.iter().map(Bet::line)).map(Ok).collect()
    };
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"stream_{id}.csv\"")),
    ];
    Ok((headers, Body::from_stream(stream::iter(lines))).into_response())
}

async fn metrics(State(book): Shared, Path(id): Path<String>) -> Answer {
    book.lock().with(&id, |stream| {
        let results: Vec<f64> = stream.bets.iter().map(|bet| bet.number_of("roundResult")).collect();
        let highest = results.iter().copied().fold(0.0, f64::max);
        let mean = if results.is_empty() { 0.0 } else { results.iter().sum::<f64>() / results.len() as f64 };
        let wagered: f64 = stream.bets.iter().map(|bet| bet.number_of("amount")).sum();
        json!({
            "stream_id": &id, "total_bets": results.len(), "highest_multiplier": highest,
            "average_multiplier": mean, "total_wagered": wagered,
        })
    })
}

async fn hits(State(book): Shared, Path(id): Path<String>, pairs: Pairs) -> Answer {
    let least = integer(&pairs, "min_multiplier", 1)? as f64;
    book.lock().with(&id, |stream| {
        let hits = stream.bets.iter().filter(|bet| bet.number_of("roundResult") >= least);
        let hits: Vec<Value> = hits.map(Bet::shown).collect();
        json!({ "total": hits.len(), "hits": hits })
    })
}

async fn bookmarks(State(book): Shared, Path(id): Path<String>) -> Answer {
    book.lock().with(&id, |stream| json!({ "bookmarks": stream.bookmarks }))
}

async fn bookmark(State(book): Shared, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let kept = with_id(BOOKMARK.read(&headers, &body)?)?;
    book.lock().with(&id, |stream| keep(&mut stream.bookmarks, kept, MOST_NOTES))
}

async fn snapshots(State(book): Shared, Path(id): Path<String>) -> Answer {
    book.lock().with(&id, |stream| json!({ "snapshots": stream.snapshots }))
}

async fn snapshot(State(book): Shared, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let kept = with_id(SNAPSHOT.read(&headers, &body)?)?;
    book.lock().with(&id, |stream| keep(&mut stream.snapshots, kept, MOST_NOTES))
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The result of one round, a function of the seeds. A seed is a secret, and it stands in the query: what
/// the gateway logs must not show it.
async fn verify(pairs: Pairs) -> Answer {
    let (server, client) = (text(&pairs, "server_seed")?, text(&pairs, "client_seed")?);
    let nonce = integer(&pairs, "nonce", 1)?;
    let difficulty = crate::fastapi::value(&pairs, "difficulty").unwrap_or("expert");
    let result = multiplier(server, client, nonce);
    Ok(Json(json!({ "max_pump": result, "nonce": nonce, "difficulty": difficulty })))
}

async fn runs(State(book): Shared, pairs: Pairs) -> Answer {
    let (limit, offset) = page(&pairs)?;
    let book = book.lock();
    let runs: Vec<&Value> = book.runs.iter().rev().skip(offset).take(limit).collect();
    Ok(Json(json!({ "runs": runs, "total": book.runs.len(), "limit": limit, "offset": offset })))
}

async fn run(State(book): Shared, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = RUN.read(&headers, &body)?;
    let said = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| fields.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (start, end) = (number("start"), number("end"));
    if start < 1 || end < start || end - start >= 10_000 {
        return Err(Refusal::bad_request("start and end must span 1 to 10000 nonces"));
    }
    let (server, client) = (said("server_seed"), said("client_seed"));
    let highest = (start..=end).map(|nonce| multiplier(server, client, nonce)).fold(0.0, f64::max);
    let kept = with_id(Map::from_iter([
        ("client_seed".to_owned(), json!(client)),
        ("start".to_owned(), json!(start)),
        ("end".to_owned(), json!(end)),
        ("max_multiplier".to_owned(), json!(highest)),
    ]))?;
    Ok(Json(keep(&mut book.lock().runs, kept, MOST_RUNS)))
}

async fn show_run(State(book): Shared, Path(id): Path<String>) -> Answer {
    let book = book.lock();
    let run = book.runs.iter().find(|run| run["id"] == *id);
    run.cloned().map(Json).ok_or_else(|| Refusal::not_found("Run not found"))
}

async fn remove_run(State(book): Shared, Path(id): Path<String>) -> Answer {
    let mut book = book.lock();
    let before = book.runs.len();
    book.runs.retain(|run| run["id"] != *id);
    if book.runs.len() == before {
        return Err(Refusal::not_found("Run not found"));
    }
    Ok(Json(json!({ "deleted": true, "id": id })))
}

impl Book {
    fn find(&mut self, id: &str) -> Result<&mut Stream, Refusal> {
        if !is_uuid(id) {
            let issue = json!({
                "type": "uuid_parsing", "loc": ["path", "stream_id"],
                "msg": "Input should be a valid UUID", "input": id,
            });
            return Err(Refusal::invalid(vec![issue]));
        }
        self.streams.get_mut(id).ok_or_else(|| Refusal::not_found(format!("Stream with ID {id} not found")))
    }

    fn with(&mut self, id: &str, shown: impl FnOnce(&mut Stream) -> Value) -> Answer {
        self.find(id).map(|stream| Json(shown(stream)))
    }

    fn make_room_for(&mut self, id: &str) {
        if self.streams.contains_key(id) {
            return;
        }
        if self.order.len() >= MOST_STREAMS
            && let Some(oldest) = self.order.pop_front()
        {
            self.streams.remove(&oldest);
        }
        self.order.push_back(id.to_owned());
    }
}

impl Stream {
    /// Keeps a bet; false where it is known already.
    fn accept(&mut self, id: String, fields: Map<String, Value>) -> bool {
        if !self.known.insert(id) {
            return false;
        }
        self.next_id += 1;
        self.bets.push_back(Bet { number: self.next_id, fields });
        if self.bets.len() > MOST_BETS
            && let Some(Value::String(oldest)) =
                self.bets.pop_front().and_then(|mut bet| bet.fields.remove("id"))
        {
            self.known.remove(&oldest);
        }
        true
    }

    fn summary(&self, id: &str) -> Value {
        json!({
            "id": id, "client_seed": self.client_seed, "server_seed_hashed": self.server_seed_hashed,
            "created_at": self.created_at, "last_seen_at": self.last_seen_at,
            "total_bets": self.bets.len(), "notes": self.notes,
        })
    }
}

impl Bet {
    fn shown(&self) -> Value {
        let mut fields = self.fields.clone();
        let bet_id = fields.insert("id".to_owned(), json!(self.number));
        fields.insert("betId".to_owned(), bet_id.unwrap_or_default());
        Value::Object(fields)
    }

    fn line(&self) -> Bytes {
        let field = |name: &str| match self.fields.get(name) {
            Some(Value::String(text)) => format!("\"{}\"", text.replace('"', "\"\"")),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        let names = ["id", "nonce", "amount", "payout", "difficulty", "roundResult"];
        Bytes::from(names.map(field).join(",") + "\n")
    }

    fn number_of(&self, name: &str) -> f64 {
        self.fields.get(name).and_then(Value::as_f64).unwrap_or_default()
    }
}

fn page(pairs: &Pairs) -> Result<(usize, usize), Refusal> {
    let (limit, offset) = (integer(pairs, "limit", 50)?, integer(pairs, "offset", 0)?);
    let limit = usize::try_from(limit)
        .ok()
        .filter(|limit| (1..=100).contains(limit))
        .ok_or_else(|| Refusal::bad_request("limit must be between 1 and 100"))?;
    let offset = usize::try_from(offset).map_err(|_| Refusal::bad_request("offset must not be negative"))?;
    Ok((limit, offset))
}

fn multiplier(server_seed: &str, client_seed: &str, nonce: i64) -> f64 {
    let share = fraction(&[server_seed, client_seed, &nonce.to_string()]);
    (100.0 / (1.0 - share)).floor() / 100.0
}

fn with_id(mut fields: Map<String, Value>) -> Result<Value, Refusal> {
    fields.insert("id".to_owned(), json!(uuid()?));
    fields.insert("created_at".to_owned(), json!(now()));
    Ok(Value::Object(fields))
}

fn keep(list: &mut VecDeque<Value>, kept: Value, most: usize) -> Value {
    if list.len() >= most {
        list.pop_front();
    }
    list.push_back(kept.clone());
    kept
}
