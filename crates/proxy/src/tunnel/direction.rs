//! One direction of a relay: bytes as far as they go, and the guard that says how far.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use portcullis_core::quota::Allowance;
use portcullis_gate::policy::{MessageRule, WebSocketRules};
use portcullis_gate::validate::websocket::{Boundary, Meter, Violation};
use tokio::io::AsyncWrite as _;

use crate::buffers::{Buffer, SMALL};
use crate::core::Core;
use crate::io::Stream;

/// Who says which bytes of a direction may go on.
#[derive(Debug)]
pub enum Guard {
    /// Nobody: all of them. They are no frames.
    None,
    /// They are the client's, and its frames are judged.
    Metered(Meter, Option<Messages>),
    /// Frames that nobody judges: it is only known where they end.
    Framed(Boundary),
}

/// How many messages a client may send, and has sent.
#[derive(Debug)]
pub struct Messages {
    allowance: Allowance,
    observe: bool,
    /// Whether there were more, and the rule refuses nobody.
    pub exceeded: bool,
}

impl Guard {
    /// The guard of what the client of a WebSocket sends.
    pub fn of_client(rules: &WebSocketRules) -> Self {
        let messages = rules.messages.map(|MessageRule { rate, observe }| Messages {
            allowance: Allowance::new(rate),
            observe,
            exceeded: false,
        });
        let most = if rules.max_message == 0 { u64::MAX } else { rules.max_message };
        match (rules.meters(), rules.ping_ms) {
            (true, _) => Guard::Metered(Meter::new(most, false), messages),
            // Only to tell an answer to our pings from what the client says: compressed or not is its business.
            (false, 1..) => Guard::Metered(Meter::new(most, true), None),
            (false, 0) => Guard::Framed(Boundary::default()),
        }
    }
}

impl Messages {
    /// Whether one more may go on.
    fn begins(&mut self, now_ms: u64) -> bool {
        let admitted = self.allowance.take(now_ms).admitted;
        self.exceeded |= !admitted && self.observe;
        admitted || self.observe
    }
}

#[derive(Debug)]
pub struct Direction {
    guard: Guard,
    /// What goes before everything else.
    pub preface: Vec<u8>,
    /// How many bytes at the front of the buffer may go.
    cleared: usize,
    /// Whether the guard has not seen what is in the buffer.
    fresh: bool,
    violation: Option<Violation>,
    ended: bool,
    /// Whether the other side was told that nothing follows.
    pub closed: bool,
    unflushed: bool,
    /// How many went on.
    pub bytes: u64,
}

/// How a direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In order: the other side was told.
    Orderly,
    /// One side is gone.
    Gone,
    /// With bytes that may not go on; those before them went.
    Violation(Violation),
}

impl Direction {
    /// Nothing has come yet.
    pub fn new(guard: Guard) -> Self {
        Self {
            guard,
            preface: Vec::new(),
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
    pub fn poll(
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
                self.clear(core, buffer);
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
            // What comes after the goodbye stays where it is; the other side has the last word.
            if self.is_over() {
                return Poll::Pending;
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
    fn clear(&mut self, core: &Core, buffer: &Buffer) {
        self.fresh = false;
        self.cleared = match &mut self.guard {
            Guard::None => buffer.len(),
            Guard::Metered(meter, messages) => {
                let cleared = match messages {
                    None => meter.clear(buffer.filled()),
                    Some(messages) => {
                        let now_ms = core.now().monotonic_ms;
                        meter.clear_counted(buffer.filled(), || messages.begins(now_ms))
                    }
                };
                self.violation = cleared.violation;
                cleared.bytes
            }
            Guard::Framed(boundary) => {
                boundary.follow(buffer.filled());
                buffer.len()
            }
        };
    }

    /// Moves bytes to the end of the frame under way. Ready with `false` where that cannot be reached.
    pub fn poll_finish(
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
            let Guard::Framed(boundary) = &mut self.guard else { return Poll::Ready(false) };
            if boundary.is_lost() {
                return Poll::Ready(false);
            }
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

    /// Whether a frame of the gateway's own may follow what went on.
    pub fn is_between(&self) -> bool {
        let between = match &self.guard {
            Guard::None => false,
            Guard::Metered(meter, _) => meter.is_between(),
            Guard::Framed(boundary) => boundary.is_between(),
        };
        between && self.preface.is_empty() && self.cleared == 0 && !self.ended
    }

    /// Whether a client has sent its close frame, after which nothing goes on.
    pub fn is_over(&self) -> bool {
        matches!(&self.guard, Guard::Metered(meter, _) if meter.is_over())
    }

    /// How many bytes went on that are no answers to pings.
    pub fn spoken(&self) -> u64 {
        match &self.guard {
            Guard::Metered(meter, _) => self.bytes.saturating_sub(meter.pong_bytes()),
            Guard::None | Guard::Framed(_) => self.bytes,
        }
    }

    /// Whether more messages came than a rule allows that refuses nobody.
    pub fn exceeded(&self) -> bool {
        matches!(&self.guard, Guard::Metered(_, Some(messages)) if messages.exceeded)
    }

    fn poll_cleared(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        to: &mut Stream,
    ) -> Poll<Result<(), ()>> {
        while !self.preface.is_empty() {
            match ready!(to.poll_put(cx, &self.preface)) {
                Ok(count) => drop(self.preface.drain(..count)),
                Err(_) => return Poll::Ready(Err(())),
            }
            self.unflushed = true;
            if self.preface.is_empty() {
                self.preface = Vec::new();
            }
        }
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
