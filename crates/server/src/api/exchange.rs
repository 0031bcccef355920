//! From a request to its answer: find the endpoint, ask who may have it, read, work, record, render.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use portcullis_accounts::AccountError;
use portcullis_core::identity::ADMIN;

use super::answer::Answer;
use super::call::{Call, Sent};
use super::caller::Caller;
use super::endpoints::{Access, Act, Endpoint, Gives, MAX_BODY, Work};
use super::live::Found;
use super::pool::Unworked;
use super::record::{self, Asked};
use super::refusal::Refusal;
use super::sent;
use super::service::{Live, Room, State};
use crate::audit::Audit;

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
    let since = Instant::now();
    let (head, body) = request.into_parts();
    // Whatever the answer is: on a connection with half a request nothing can follow.
    let body = whole(body).await?;
    let (endpoint, params) = match live.find(head.method.as_str(), head.uri.path()) {
        Found::Endpoint(endpoint, params) => (endpoint, params),
        Found::OtherMethods(methods) => return Err(Refusal::method_not_allowed(methods)),
        Found::Nothing => return Err(Refusal::not_found()),
    };
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let noted = Arc::new(Noted {
        path: head.uri.path().to_owned(),
        pattern: live.pattern_of(endpoint).to_owned(),
        data: room.audit().and_then(|_| {
            let shapes: Vec<_> = endpoint.takes.shapes().collect();
            sent::Sent { shapes: &shapes, body: &body }.redacted()
        }),
        since,
    });
    let read = may_have(endpoint, &caller).and_then(|()| {
        let sent = Sent { query: head.uri.query(), fields: &head.headers, body: &body };
        Call::read(endpoint, &sent, caller.clone(), params, now_ms, Arc::clone(live))
    });
    let call = match read {
        Ok(call) => Arc::new(call),
        Err(refusal) => {
            let asked = noted.asked(endpoint, &caller, None, now_ms);
            record::refused(&mut **room.recorder.borrow_mut(), &asked, &refusal);
            room.tell(&asked, Err(&refusal), &noted, false);
            return Err(refusal);
        }
    };
    // An act that was begun is recorded, also when whoever asked for it has hung up. One that was not begun by
    // then is left undone.
    let asker = Arc::new(());
    let work = act(Rc::clone(room), endpoint, call, noted, Arc::downgrade(&asker));
    let outcome = tokio::task::spawn_local(work).await;
    drop(asker);
    outcome.unwrap_or_else(|error| Err(Refusal::internal(error)))
}

/// What is kept of a request for its records.
struct Noted {
    path: String,
    pattern: String,
    /// The body, redacted, where the audit log is written.
    data: Option<String>,
    since: Instant,
}

impl Noted {
    fn asked<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        caller: &'a Caller,
        named: Option<&'a str>,
        now_ms: i64,
    ) -> Asked<'a> {
        Asked { endpoint, caller, named, path: &self.path, pattern: &self.pattern, now_ms }
    }
}

impl Room {
    /// The audit log, where it is written.
    fn audit(&self) -> Option<&Audit> {
        self.state.audit.as_ref().filter(|audit| audit.is_kept())
    }

    /// Tells the audit log what came of a request, unless that is all it will see by itself.
    fn tell(&self, asked: &Asked<'_>, outcome: Result<&Answer, &Refusal>, noted: &Noted, recorded: bool) {
        let Some(audit) = self.audit() else { return };
        if asked.endpoint.act == Act::Reads && outcome.is_ok() {
            return;
        }
        let tale = record::tale(asked, outcome, noted.data.as_deref(), recorded);
        audit.tell(&asked.caller.request_id, asked.caller.address(), tale);
    }
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
    noted: Arc<Noted>,
    asker: Weak<()>,
) -> Result<Answer, Refusal> {
    let outcome = work(&room, endpoint, &call, &noted, asker).await;
    let (outcome, recorded) = match outcome {
        Ok((answer, recorded)) => (as_documented(endpoint, answer), recorded),
        Err(refusal) => (Err(refusal), false),
    };
    let asked = noted.asked(endpoint, &call.caller, call.said("username"), call.now_ms);
    room.tell(&asked, outcome.as_ref(), &noted, recorded);
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

/// Does the work, and says beside its answer whether that stands in the audit log already.
async fn work(
    room: &Room,
    endpoint: &'static Endpoint,
    call: &Arc<Call>,
    noted: &Arc<Noted>,
    asker: Weak<()>,
) -> Result<(Answer, bool), Refusal> {
    let (pool, busy_s) = match endpoint.work {
        Work::Here => {
            let act = AssertUnwindSafe(|| (endpoint.handler)(&room.state, call));
            let outcome = std::panic::catch_unwind(act).unwrap_or_else(|_| Err(Refusal::internal("a panic")));
            return outcome.map(|answer| (answer, false));
        }
        Work::Store => (&room.storing, STORE_BUSY_S),
        Work::Password => (&room.hashing, PASSWORDS_BUSY_S),
    };
    let (state, call, noted) = (Arc::clone(&room.state), Arc::clone(call), Arc::clone(noted));
    let work = move || {
        let answer = (endpoint.handler)(&state, &call)?;
        let recorded = write_down(&state, endpoint, &call, &noted, &answer)?;
        Ok((answer, recorded))
    };
    match pool.run(asker, work).await {
        Ok(outcome) => outcome,
        Err(Unworked::Full | Unworked::Late) => Err(Refusal::too_busy(busy_s)),
        // Nobody reads this.
        Err(Unworked::Withdrawn) => Err(Refusal::new(408, "request-timeout", "The client has gone")),
        Err(error @ Unworked::Broken) => Err(Refusal::internal(error)),
    }
}

/// A change is answered when its record is durable. Where that cannot be, whoever asked is told: the change was made,
/// and its record is kept as any other.
fn write_down(
    state: &State,
    endpoint: &Endpoint,
    call: &Call,
    noted: &Noted,
    answer: &Answer,
) -> Result<bool, Refusal> {
    let Some(audit) = state.audit.as_ref().filter(|audit| audit.is_kept()) else { return Ok(false) };
    if endpoint.act != Act::Changes {
        return Ok(false);
    }
    let asked = noted.asked(endpoint, &call.caller, call.said("username"), call.now_ms);
    let record = record::of_change(&asked, answer, noted.data.clone(), noted.since);
    audit.write(record).map(|()| true).map_err(|error| AccountError::from(error).into())
}
