//! From a request to its answer: find the endpoint, ask who may have it, read, work, record, render.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use portcullis_core::identity::ADMIN;

use super::answer::Answer;
use super::call::{Call, Sent};
use super::caller::Caller;
use super::endpoints::{Access, Endpoint, Gives, MAX_BODY, Work};
use super::live::Found;
use super::pool::Unworked;
use super::record::{self, Asked};
use super::refusal::Refusal;
use super::service::{Live, Room};

/// Seconds after which a pool that is full has worked off what waits, more or less.
const PASSWORDS_BUSY_S: u64 = 5;
const STORE_BUSY_S: u64 = 1;
/// Milliseconds between two complaints.
const COMPLAINT_MS: i64 = 1000;

/// Answers a request of the gate.
pub async fn answer(room: &Rc<Room>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let live = room.live.load_full();
    let caller = Caller::of(request.headers());
    let request_id = caller.as_ref().map(|caller| caller.request_id.clone()).unwrap_or_default();
    let outcome = match caller {
        Ok(caller) => attend(room, &live, caller, request).await,
        Err(error) => Err(Refusal::internal(error)),
    };
    let response = match outcome {
        Ok(answer) => answer.into_response(),
        Err(refusal) => {
            complain(room, &refusal);
            live.replies.answer(&refusal, &request_id)
        }
    };
    response.map(super::answer::Content::into_body)
}

/// A fault is said once a second: a store that is away would fill the log otherwise.
fn complain(room: &Room, refusal: &Refusal) {
    let Some(fault) = &refusal.more.fault else { return };
    let now_ms = jiff::Timestamp::now().as_millisecond();
    if (now_ms - room.complained_ms.get()).abs() >= COMPLAINT_MS {
        room.complained_ms.set(now_ms);
        (room.complain)(&format!("accounts: {fault}"));
    }
}

async fn attend(
    room: &Rc<Room>,
    live: &Arc<Live>,
    caller: Caller,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    // Whatever the answer is: on a connection with half a request nothing can follow.
    let body = whole(body).await?;
    let (endpoint, params) = match live.find(head.method.as_str(), head.uri.path()) {
        Found::Endpoint(endpoint, params) => (endpoint, params),
        Found::OtherMethods(methods) => return Err(Refusal::method_not_allowed(methods)),
        Found::Nothing => return Err(Refusal::not_found()),
    };
    let path = head.uri.path().to_owned();
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let read = may_have(endpoint, &caller).and_then(|()| {
        let sent = Sent { query: head.uri.query(), fields: &head.headers, body: &body };
        Call::read(endpoint, &sent, caller.clone(), params, now_ms, Arc::clone(live))
    });
    let call = match read {
        Ok(call) => Arc::new(call),
        Err(refusal) => {
            let asked = Asked { endpoint, caller: &caller, named: None, path: &path, now_ms };
            record::refused(&mut **room.recorder.borrow_mut(), &asked, &refusal);
            return Err(refusal);
        }
    };
    // An act that was begun is recorded, also when whoever asked for it has hung up. One that was not begun by
    // then is left undone.
    let asker = Arc::new(());
    let work = act(Rc::clone(room), endpoint, call, path, Arc::downgrade(&asker));
    let outcome = tokio::task::spawn_local(work).await;
    drop(asker);
    outcome.unwrap_or_else(|error| Err(Refusal::internal(error)))
}

async fn whole(body: Incoming) -> Result<Bytes, Refusal> {
    let body = Limited::new(body, MAX_BODY as usize).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Refusal::new(413, "body-too-large", "The request body is too large")
        } else {
            Refusal::new(400, "malformed-request", "The request body did not arrive whole")
        }
    })?;
    Ok(body.to_bytes())
}

/// Does what is asked for and records it.
async fn act(
    room: Rc<Room>,
    endpoint: &'static Endpoint,
    call: Arc<Call>,
    path: String,
    asker: Weak<()>,
) -> Result<Answer, Refusal> {
    let outcome = work(&room, endpoint, &call, asker).await;
    let outcome = outcome.and_then(|answer| as_documented(endpoint, answer));
    let named = call.said("username");
    let asked = Asked { endpoint, caller: &call.caller, named, path: &path, now_ms: call.now_ms };
    let mut recorder = room.recorder.borrow_mut();
    match &outcome {
        Ok(answer) => record::done(&mut **recorder, &asked, answer.status(), &answer.details),
        Err(refusal) => record::refused(&mut **recorder, &asked, refusal),
    }
    drop(recorder);
    outcome
}

/// In builds for development and tests, an answer that is not what the document says is a fault.
fn as_documented(endpoint: &Endpoint, answer: Answer) -> Result<Answer, Refusal> {
    if !cfg!(debug_assertions) {
        return Ok(answer);
    }
    let body = serde_json::from_slice(answer.body()).unwrap_or_default();
    let wrong = match endpoint.gives {
        _ if answer.status() != endpoint.status => Err(format!("the status {}", answer.status())),
        Gives::Json(shape) => shape.admits(&body),
        Gives::Nothing if !answer.body().is_empty() => Err("a body".to_owned()),
        Gives::Nothing | Gives::Document(_) => Ok(()),
    };
    wrong.map_err(|wrong| {
        Refusal::internal(format!("{} gives what is not documented: {wrong}", endpoint.id))
    })?;
    Ok(answer)
}

/// The gate has asked this before. It is asked again where the act is: a route that is missing in the policy must
/// not open anything.
fn may_have(endpoint: &Endpoint, caller: &Caller) -> Result<(), Refusal> {
    let proven = caller.proven.as_ref();
    let is_one_of = |schemes: &[_]| proven.is_some_and(|proven| schemes.contains(&proven.scheme));
    match endpoint.access {
        Access::Open => Ok(()),
        Access::Optional(schemes) if proven.is_none() || is_one_of(schemes) => Ok(()),
        Access::Authenticated(schemes) if is_one_of(schemes) => Ok(()),
        Access::Admin(schemes) if is_one_of(schemes) => {
            let role = proven.and_then(|proven| proven.role.as_deref());
            if role == Some(ADMIN) { Ok(()) } else { Err(Refusal::insufficient_role()) }
        }
        _ => Err(Refusal::missing_credential()),
    }
}

async fn work(
    room: &Room,
    endpoint: &'static Endpoint,
    call: &Arc<Call>,
    asker: Weak<()>,
) -> Result<Answer, Refusal> {
    let (pool, busy_s) = match endpoint.work {
        Work::Here => {
            let act = AssertUnwindSafe(|| (endpoint.handler)(&room.state, call));
            return std::panic::catch_unwind(act).unwrap_or_else(|_| Err(Refusal::internal("a panic")));
        }
        Work::Store => (&room.storing, STORE_BUSY_S),
        Work::Password => (&room.hashing, PASSWORDS_BUSY_S),
    };
    let (state, call) = (Arc::clone(&room.state), Arc::clone(call));
    match pool.run(asker, move || (endpoint.handler)(&state, &call)).await {
        Ok(outcome) => outcome,
        Err(Unworked::Full | Unworked::Late) => Err(Refusal::too_busy(busy_s)),
        // Nobody reads this.
        Err(Unworked::Withdrawn) => Err(Refusal::new(408, "request-timeout", "The client has gone")),
        Err(error @ Unworked::Broken) => Err(Refusal::internal(error)),
    }
}
