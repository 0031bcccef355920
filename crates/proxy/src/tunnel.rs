//! The relay of an upgraded connection: bytes both ways, unchanged, with backpressure.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use portcullis_gate::policy::WebSocketRules;
use tokio::io::AsyncWrite as _;

use crate::buffers::{Buffer, SMALL};
use crate::core::Core;
use crate::deadline::Deadline;
use crate::io::Stream;

/// How long one direction may go on after the other has ended.
const FAREWELL: Duration = Duration::from_secs(10);
/// In place of no end.
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

/// Both ends of an upgraded connection, with what was read of each beyond the handshake.
pub struct Relay<'a> {
    pub core: &'a Rc<Core>,
    pub client: &'a mut Stream,
    pub inbox: &'a mut Buffer,
    pub upstream: Stream,
    pub outbox: Buffer,
    pub rules: WebSocketRules,
}

#[derive(Debug, Default)]
struct Direction {
    ended: bool,
    closed: bool,
    unflushed: bool,
    bytes: u64,
}

impl Relay<'_> {
    /// Relays until both directions have ended, one failed, or nothing moved for the idle time. Returns the
    /// bytes from the client and to it.
    pub async fn run(self, deadline: &mut Deadline) -> (u64, u64) {
        let Relay { core, client, inbox, mut upstream, mut outbox, rules } = self;
        let idle = if rules.idle_ms == 0 { FOREVER } else { Duration::from_millis(rules.idle_ms) };
        let (mut up, mut down) = (Direction::default(), Direction::default());
        deadline.set(idle);
        poll_fn(|cx| {
            let before = up.bytes + down.bytes;
            let sent = up.poll(cx, core, client, inbox, &mut upstream);
            let received = down.poll(cx, core, &mut upstream, &mut outbox, client);
            if matches!(sent, Poll::Ready(false)) || matches!(received, Poll::Ready(false)) {
                return Poll::Ready(());
            }
            if sent.is_ready() && received.is_ready() {
                return Poll::Ready(());
            }
            if up.closed || down.closed {
                deadline.set(FAREWELL.min(idle));
            } else if up.bytes + down.bytes != before {
                deadline.set(idle);
            }
            deadline.poll(cx)
        })
        .await;
        core.buffers.discard(&mut outbox);
        (up.bytes, down.bytes)
    }
}

impl Direction {
    /// Moves bytes as far as they go. Ready with `true` at an orderly end, with `false` when one side is
    /// gone.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        core: &Core,
        from: &mut Stream,
        buffer: &mut Buffer,
        to: &mut Stream,
    ) -> Poll<bool> {
        if self.closed {
            return Poll::Ready(true);
        }
        loop {
            while !buffer.is_empty() {
                match ready!(to.poll_put(cx, buffer.filled())) {
                    Ok(count) => {
                        buffer.consume(count);
                        self.bytes += count as u64;
                        self.unflushed = true;
                    }
                    Err(_) => return Poll::Ready(false),
                }
            }
            if self.unflushed {
                match ready!(std::pin::Pin::new(&mut *to).poll_flush(cx)) {
                    Ok(()) => self.unflushed = false,
                    Err(_) => return Poll::Ready(false),
                }
            }
            if self.ended {
                let _ = ready!(std::pin::Pin::new(&mut *to).poll_shutdown(cx));
                core.buffers.detach(buffer);
                self.closed = true;
                return Poll::Ready(true);
            }
            core.buffers.attach(buffer, SMALL);
            match from.poll_fill(cx, buffer) {
                Poll::Pending => {
                    core.buffers.detach(buffer);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(0)) => self.ended = true,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(false),
            }
        }
    }
}
