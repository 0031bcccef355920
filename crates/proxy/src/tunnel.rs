//! The relay of an upgraded connection: bytes both ways, with backpressure.
//!
//! Bytes go on unchanged. Where the messages of a WebSocket are limited, those of the client are cleared frame
//! by frame before they go on, and both sides are told when the gateway ends it.

mod direction;

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use portcullis_core::event::EventKind;
use portcullis_gate::authn::Tenure;
use portcullis_gate::context::Note;
use portcullis_gate::policy::WebSocketRules;
use portcullis_gate::validate::websocket::{Boundary, CloseFrame, OwnFrame, Violation};
use tokio::io::AsyncWrite as _;
use tokio::time::Instant;

use self::direction::{Direction, End, Guard};
use crate::buffers::Buffer;
use crate::core::Core;
use crate::deadline::Deadline;
use crate::io::Stream;

/// How long one direction may go on after the other has ended, and a farewell may take.
const FAREWELL: Duration = Duration::from_secs(10);
/// In place of no end.
const FOREVER: Duration = Duration::from_secs(365 * 86_400);
/// The endpoint goes away (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;
/// The credential was revoked, or no longer allows this (of the range for applications, as 403 is of HTTP).
const REVOKED: u16 = 4403;

/// Both ends of an upgraded connection, with what was read of each beyond the handshake.
pub struct Relay<'a> {
    pub core: &'a Rc<Core>,
    pub client: &'a mut Stream,
    pub inbox: &'a mut Buffer,
    pub upstream: Stream,
    pub outbox: Buffer,
    pub rules: WebSocketRules,
    /// What the application gets before anything of the client.
    pub preface: Vec<u8>,
    /// Whether it is a WebSocket.
    pub framed: bool,
    /// What it was let in by, where that can end.
    pub tenure: Option<Tenure>,
}

/// What passed.
#[derive(Debug, Clone, Copy)]
pub struct Passed {
    /// Bytes from the client.
    pub sent: u64,
    /// Bytes to the client.
    pub received: u64,
    /// What the client did for which the gateway ended it.
    pub violation: Option<Violation>,
    /// Whether more messages came than a rule allows that refuses nobody.
    pub exceeded: bool,
    /// Whether the gateway ended it, and said so.
    pub ended: bool,
    /// Whether it ended because what it was let in by did.
    pub revoked: bool,
}

/// The event that a violation is.
pub fn note(violation: Violation) -> Note {
    let (kind, reason) = match violation {
        Violation::TooBig => (EventKind::SuspiciousActivity, "websocket-message-too-big"),
        Violation::Protocol(_) => (EventKind::SuspiciousActivity, "websocket-framing"),
        Violation::TooMany => (EventKind::RateLimitExceeded, "websocket-messages"),
    };
    let details = match kind {
        EventKind::SuspiciousActivity => format!("Suspicious activity: WebSocket closed: {violation}"),
        _ => format!("WebSocket closed: {violation}"),
    };
    Note { kind, reason, details: Cow::Owned(details), observed: false }
}

/// The event of a connection that sent more messages than a rule allows that refuses nobody.
pub fn exceeded() -> Note {
    Note {
        kind: EventKind::RateLimitExceeded,
        reason: "websocket-messages",
        details: Cow::Borrowed("more messages than the rule allows, observed only"),
        observed: true,
    }
}

/// The event of a connection whose credential ended, or no longer allows it.
pub fn revoked() -> Note {
    Note {
        kind: EventKind::AccessDenied,
        reason: "revoked",
        details: Cow::Borrowed("an open connection was ended: its credential was revoked, or its role lost"),
        observed: false,
    }
}

/// Why the relay stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Both directions ended, or one side is gone.
    Over,
    /// Nothing moved for the idle time.
    Idle,
    /// The client answers no ping.
    Silent,
    /// The gateway is shutting down.
    Draining,
    /// The client sent what may not go on.
    Violation(Violation),
    /// What it was let in by has ended.
    Revoked,
}

impl Relay<'_> {
    /// Relays until both directions have ended, one failed, nothing moved for the idle time, or the client sent
    /// what is not taken.
    pub async fn run(self, deadline: &mut Deadline) -> Passed {
        let Relay { core, client, inbox, mut upstream, mut outbox, rules, preface, framed, mut tenure } =
            self;
        let idle = if rules.idle_ms == 0 { FOREVER } else { Duration::from_millis(rules.idle_ms) };
        let mut pulse = framed.then(|| Pulse::new(rules.ping_ms)).flatten();
        // A frame of the gateway's own must stand between two others.
        let mut up = Direction::new(if framed { Guard::of_client(&rules) } else { Guard::None });
        up.preface = preface;
        let mut down = Direction::new(if framed { Guard::Framed(Boundary::default()) } else { Guard::None });
        let mut moved = (up.spoken(), down.bytes);
        let mut moved_at = Instant::now();
        let mut parting = false;
        deadline.set(pulse.as_ref().map_or(idle, |pulse| pulse.every.min(idle)));
        let stop = poll_fn(|cx| {
            // The core wakes every connection when something was revoked, and when it drains.
            if tenure.as_mut().is_some_and(|tenure| !tenure.holds(core.now())) {
                return Poll::Ready(Stop::Revoked);
            }
            let before = up.bytes + down.bytes;
            let sent = up.poll(cx, core, client, inbox, &mut upstream);
            // Half a ping must not be followed by something else.
            let pinging = pulse.as_mut().is_some_and(|pulse| pulse.poll_write(cx, client).is_pending());
            let received =
                if pinging { Poll::Pending } else { down.poll(cx, core, &mut upstream, &mut outbox, client) };
            match (sent, received) {
                (Poll::Ready(End::Violation(violation)), _) => {
                    return Poll::Ready(Stop::Violation(violation));
                }
                (Poll::Ready(End::Gone), _)
                | (_, Poll::Ready(End::Gone))
                | (Poll::Ready(_), Poll::Ready(_)) => {
                    return Poll::Ready(Stop::Over);
                }
                // The client had said goodbye, and has heard the answer.
                (Poll::Pending, Poll::Ready(_)) if up.is_over() => return Poll::Ready(Stop::Over),
                _ => {}
            }
            if up.closed || down.closed || up.is_over() {
                // Once, and when something moved: a deadline that every look moves on is never reached.
                if !std::mem::replace(&mut parting, true) || up.bytes + down.bytes != before {
                    deadline.set(FAREWELL.min(idle));
                }
                return deadline.poll(cx).map(|()| Stop::Idle);
            }
            if framed && core.shared.is_draining() {
                return Poll::Ready(Stop::Draining);
            }
            let Some(pulse) = &mut pulse else {
                if up.bytes + down.bytes != before {
                    deadline.set(idle);
                }
                return deadline.poll(cx).map(|()| Stop::Idle);
            };
            if moved != (up.spoken(), down.bytes) {
                moved = (up.spoken(), down.bytes);
                moved_at = Instant::now();
            }
            if up.bytes + down.bytes != before {
                pulse.asked = false;
                deadline.set(pulse.every);
            }
            loop {
                let _ = pulse.poll_write(cx, client);
                if deadline.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                let left = idle.saturating_sub(moved_at.elapsed());
                if left.is_zero() {
                    return Poll::Ready(Stop::Idle);
                }
                if pulse.asked {
                    return Poll::Ready(Stop::Silent);
                }
                if down.is_between() {
                    pulse.ask();
                }
                deadline.set(pulse.every.min(left));
            }
        })
        .await;
        let violation = if let Stop::Violation(violation) = stop { Some(violation) } else { None };
        let farewell = match stop {
            Stop::Violation(violation) => Some((violation.code(), violation.reason())),
            Stop::Idle if framed && !up.closed && !down.closed => Some((GOING_AWAY, "idle")),
            Stop::Revoked if framed && !down.closed => Some((REVOKED, "revoked")),
            Stop::Draining => Some((GOING_AWAY, "going away")),
            Stop::Silent => Some((GOING_AWAY, "no pong")),
            Stop::Over | Stop::Idle | Stop::Revoked => None,
        };
        if let Some((code, reason)) = farewell {
            let mut to_client = Farewell::new(CloseFrame::to_client(code, reason));
            // Nobody gains by foreseeing the key: every byte behind it is the gateway's own.
            let key = (core.random() as u32).to_ne_bytes();
            let mut to_application = Farewell::new(CloseFrame::to_application(GOING_AWAY, reason, key));
            deadline.set(FAREWELL);
            poll_fn(|cx| {
                let told =
                    if up.is_between() { to_application.poll(cx, &mut upstream) } else { Poll::Ready(()) };
                let heard = match down.poll_finish(cx, core, &mut upstream, &mut outbox, client) {
                    Poll::Ready(true) => to_client.poll(cx, client),
                    Poll::Ready(false) => Poll::Ready(()),
                    Poll::Pending => Poll::Pending,
                };
                if told.is_ready() && heard.is_ready() { Poll::Ready(()) } else { deadline.poll(cx) }
            })
            .await;
        }
        core.buffers.discard(&mut outbox);
        Passed {
            sent: up.bytes,
            received: down.bytes,
            violation,
            exceeded: up.exceeded(),
            ended: farewell.is_some(),
            revoked: stop == Stop::Revoked,
        }
    }
}

/// The pings of the gateway: proof that a silent client is still there.
#[derive(Debug)]
struct Pulse {
    every: Duration,
    /// Whether a ping was sent that nothing has followed.
    asked: bool,
    /// What of it is still to be written.
    due: Vec<u8>,
}

impl Pulse {
    fn new(every_ms: u64) -> Option<Self> {
        (every_ms != 0).then(|| Self {
            every: Duration::from_millis(every_ms),
            asked: false,
            due: Vec::new(),
        })
    }

    fn ask(&mut self) {
        self.asked = true;
        self.due = OwnFrame::ping().into_bytes();
    }

    /// Ready when nothing is due. A client that takes not even this is found out by the deadline.
    fn poll_write(&mut self, cx: &mut Context<'_>, client: &mut Stream) -> Poll<()> {
        while !self.due.is_empty() {
            match ready!(client.poll_put(cx, &self.due)) {
                Ok(count) => drop(self.due.drain(..count)),
                Err(_) => self.due.clear(),
            }
            if self.due.is_empty() {
                // What is not flushed now goes with the next bytes.
                let _ = Pin::new(&mut *client).poll_flush(cx);
            }
        }
        Poll::Ready(())
    }
}

/// The last that one side hears.
#[derive(Debug)]
struct Farewell {
    frame: CloseFrame,
    written: usize,
    over: bool,
}

impl Farewell {
    fn new(frame: CloseFrame) -> Self {
        Self { frame, written: 0, over: false }
    }

    /// Says it, and that nothing follows. Ready as well when nobody listens.
    fn poll(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<()> {
        while !self.over && self.written < self.frame.as_bytes().len() {
            match ready!(to.poll_put(cx, &self.frame.as_bytes()[self.written..])) {
                Ok(count) => self.written += count,
                Err(_) => self.over = true,
            }
        }
        if !self.over {
            // Flushes, too.
            let _ = ready!(Pin::new(to).poll_shutdown(cx));
            self.over = true;
        }
        Poll::Ready(())
    }
}
