//! The relay of an upgraded connection: bytes both ways, with backpressure.
//!
//! Bytes go on unchanged. Where the messages of a WebSocket are limited, those of the client are cleared frame
//! by frame before they go on, and both sides are told when the gateway ends it.

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
use portcullis_gate::validate::websocket::{Boundary, CloseFrame, Meter, Violation};
use tokio::io::AsyncWrite as _;

use crate::buffers::{Buffer, SMALL};
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
    /// Why the gateway ended it, if it did.
    pub violation: Option<Violation>,
    /// Whether it ended because what it was let in by did.
    pub revoked: bool,
}

/// The event that a violation is.
pub fn note(violation: Violation) -> Note {
    let reason = match violation {
        Violation::TooBig => "websocket-message-too-big",
        Violation::Protocol(_) => "websocket-framing",
    };
    Note {
        kind: EventKind::SuspiciousActivity,
        reason,
        details: Cow::Owned(format!("Suspicious activity: WebSocket closed: {violation}")),
        observed: false,
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
    /// The client sent what may not go on.
    Violation(Violation),
    /// What it was let in by has ended.
    Revoked,
}

impl Relay<'_> {
    /// Relays until both directions have ended, one failed, nothing moved for the idle time, or the client sent
    /// what is not taken.
    pub async fn run(self, deadline: &mut Deadline) -> Passed {
        let Relay { core, client, inbox, mut upstream, mut outbox, rules, framed, mut tenure } = self;
        let idle = if rules.idle_ms == 0 { FOREVER } else { Duration::from_millis(rules.idle_ms) };
        let metered = framed && rules.max_message != 0;
        let guard = |guard: Guard| if metered { guard } else { Guard::None };
        let mut up = Direction::new(guard(Guard::Client(Meter::new(rules.max_message, false))));
        // Where a farewell may be due, it must stand between two frames of the application.
        let followed = framed && (metered || tenure.is_some());
        let mut down =
            Direction::new(if followed { Guard::Application(Boundary::default()) } else { Guard::None });
        deadline.set(idle);
        let stop = poll_fn(|cx| {
            // The core wakes every connection when something was revoked.
            if tenure.as_mut().is_some_and(|tenure| !tenure.holds(core.now())) {
                return Poll::Ready(Stop::Revoked);
            }
            let before = up.bytes + down.bytes;
            let sent = up.poll(cx, core, client, inbox, &mut upstream);
            let received = down.poll(cx, core, &mut upstream, &mut outbox, client);
            match (sent, received) {
                (Poll::Ready(End::Violation(violation)), _) => {
                    return Poll::Ready(Stop::Violation(violation));
                }
                (Poll::Ready(End::Gone), _)
                | (_, Poll::Ready(End::Gone))
                | (Poll::Ready(_), Poll::Ready(_)) => {
                    return Poll::Ready(Stop::Over);
                }
                _ => {}
            }
            if up.closed || down.closed {
                deadline.set(FAREWELL.min(idle));
            } else if up.bytes + down.bytes != before {
                deadline.set(idle);
            }
            deadline.poll(cx).map(|()| Stop::Idle)
        })
        .await;
        let violation = if let Stop::Violation(violation) = stop { Some(violation) } else { None };
        let farewell = match stop {
            Stop::Violation(violation) => Some((violation.code(), violation.reason())),
            Stop::Idle if metered && !up.closed && !down.closed => Some((GOING_AWAY, "idle")),
            Stop::Revoked if framed && !down.closed => Some((REVOKED, "revoked")),
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
        Passed { sent: up.bytes, received: down.bytes, violation, revoked: stop == Stop::Revoked }
    }
}

/// Who says which bytes of a direction may go on.
#[derive(Debug)]
enum Guard {
    /// Nobody: all of them.
    None,
    /// They are the client's.
    Client(Meter),
    /// They are the application's.
    Application(Boundary),
}

#[derive(Debug)]
struct Direction {
    guard: Guard,
    /// How many bytes at the front of the buffer may go.
    cleared: usize,
    /// Whether the guard has not seen what is in the buffer.
    fresh: bool,
    violation: Option<Violation>,
    ended: bool,
    closed: bool,
    unflushed: bool,
    bytes: u64,
}

/// How a direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// In order: the other side was told.
    Orderly,
    /// One side is gone.
    Gone,
    /// With bytes that may not go on; those before them went.
    Violation(Violation),
}

impl Direction {
    fn new(guard: Guard) -> Self {
        Self {
            guard,
            cleared: 0,
            fresh: true,
            violation: None,
            ended: false,
            closed: false,
            unflushed: false,
            bytes: 0,
        }
    }

    /// Moves bytes as far as they go.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        core: &Core,
        from: &mut Stream,
        buffer: &mut Buffer,
        to: &mut Stream,
    ) -> Poll<End> {
        if self.closed {
            return Poll::Ready(End::Orderly);
        }
        loop {
            if ready!(self.poll_cleared(cx, buffer, to)).is_err() {
                return Poll::Ready(End::Gone);
            }
            if self.fresh && !buffer.is_empty() && self.violation.is_none() {
                self.clear(buffer);
                continue;
            }
            if ready!(self.poll_flush(cx, to)).is_err() {
                return Poll::Ready(End::Gone);
            }
            if let Some(violation) = self.violation {
                return Poll::Ready(End::Violation(violation));
            }
            if self.ended {
                let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                core.buffers.discard(buffer);
                self.closed = true;
                return Poll::Ready(End::Orderly);
            }
            core.buffers.attach(buffer, SMALL);
            match from.poll_fill(cx, buffer) {
                Poll::Pending => {
                    core.buffers.detach(buffer);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(0)) => self.ended = true,
                Poll::Ready(Ok(_)) => self.fresh = true,
                Poll::Ready(Err(_)) => return Poll::Ready(End::Gone),
            }
        }
    }

    /// Asks the guard how much of what came may go.
    fn clear(&mut self, buffer: &Buffer) {
        self.fresh = false;
        self.cleared = match &mut self.guard {
            Guard::None => buffer.len(),
            Guard::Client(meter) => {
                let cleared = meter.clear(buffer.filled());
                self.violation = cleared.violation;
                cleared.bytes
            }
            Guard::Application(boundary) => boundary.clear(buffer.filled()),
        };
    }

    /// Moves bytes to the end of the frame under way. Ready with `false` where that cannot be reached.
    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        core: &Core,
        from: &mut Stream,
        buffer: &mut Buffer,
        to: &mut Stream,
    ) -> Poll<bool> {
        loop {
            if ready!(self.poll_cleared(cx, buffer, to)).is_err() {
                return Poll::Ready(false);
            }
            let Guard::Application(boundary) = &mut self.guard else { return Poll::Ready(false) };
            self.cleared = boundary.finish(buffer.filled());
            if self.cleared > 0 {
                continue;
            }
            if !buffer.is_empty() || boundary.is_between() || self.ended {
                return Poll::Ready(boundary.is_between() && !self.closed);
            }
            core.buffers.attach(buffer, SMALL);
            match from.poll_fill(cx, buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(false),
                Poll::Ready(Ok(_)) => {}
            }
        }
    }

    /// Whether a frame of the gateway's own may follow what the client sent.
    fn is_between(&self) -> bool {
        self.cleared == 0 && !self.ended && matches!(&self.guard, Guard::Client(meter) if meter.is_between())
    }

    fn poll_cleared(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        to: &mut Stream,
    ) -> Poll<Result<(), ()>> {
        while self.cleared > 0 {
            match ready!(to.poll_put(cx, &buffer.filled()[..self.cleared])) {
                Ok(count) => {
                    buffer.consume(count);
                    self.cleared -= count;
                    self.bytes += count as u64;
                    self.unflushed = true;
                }
                Err(_) => return Poll::Ready(Err(())),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<Result<(), ()>> {
        if self.unflushed {
            if ready!(Pin::new(to).poll_flush(cx)).is_err() {
                return Poll::Ready(Err(()));
            }
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
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
