//! One HTTP/1.1 connection of a client: request after request, until one side has enough.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use portcullis_core::{Denial, Upgrade};
use portcullis_gate::trail::{Ending, Trail};
use portcullis_wire::{Body, BodyDecoder};

use super::answer;
use super::decide::{self, Answered, Caller, Decision, Forward};
use super::download::Download;
use super::exchange::{Ended, Exchange, Failure};
use super::upload::Upload;
use crate::buffers::{Buffer, SMALL};
use crate::core::{Core, Local};
use crate::deadline::Deadline;
use crate::io::Stream;
use crate::tunnel;

/// The most of a body that is read and thrown away to keep a connection whose request was refused, in
/// bytes; more, and the connection is closed instead.
const SKIPPED: u64 = 64 * 1024;
/// How long a closing connection is still read from, so that the client sees the answer and not a reset
/// (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);
/// The most that is read while lingering, in bytes.
const LINGERED: usize = 512 * 1024;

/// Who stands at the other end, and what it has said already.
#[derive(Debug)]
pub struct Door {
    /// The stream.
    pub stream: Stream,
    /// Who it is.
    pub caller: Caller,
    /// Bytes read while looking which protocol it speaks.
    pub inbox: Buffer,
}

/// Serves a connection to its end; or gives it back with what was read of it, when it speaks HTTP/2.
pub async fn serve(core: Rc<Core>, door: Door) -> Option<(Stream, Buffer)> {
    let header_timeout = core.local().settings.caps.header_timeout;
    let mut connection = Connection {
        out: core.buffers.text(),
        reply: core.buffers.text(),
        stream: door.stream,
        caller: door.caller,
        inbox: door.inbox,
        trail: Trail::default(),
        deadline: Deadline::new(header_timeout),
        seen: 0,
        core,
    };
    let slot = poll_fn(|cx| Poll::Ready(connection.core.register(cx.waker()))).await;
    let http2 = connection.run().await;
    connection.core.unregister(slot);
    let Connection { core, mut inbox, out, reply, stream, .. } = connection;
    core.buffers.put_text(out);
    core.buffers.put_text(reply);
    if http2 {
        return Some((stream, inbox));
    }
    core.buffers.discard(&mut inbox);
    None
}

/// A connection, and what is kept of it between two requests.
pub(super) struct Connection {
    pub(super) core: Rc<Core>,
    pub(super) stream: Stream,
    caller: Caller,
    pub(super) inbox: Buffer,
    /// The head for the application.
    pub(super) out: Vec<u8>,
    /// What the client is answered.
    pub(super) reply: Vec<u8>,
    trail: Trail,
    pub(super) deadline: Deadline,
    /// How much of the inbox was looked through for the end of a head.
    seen: usize,
}

/// What follows a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The next one.
    Next,
    /// The end, after what the client still sends was read.
    Linger,
    /// The end.
    Close,
}

impl Connection {
    /// Serves until the end; `true` when the client began to speak HTTP/2.
    async fn run(&mut self) -> bool {
        let mut first = true;
        loop {
            let Some((local, decision)) = poll_fn(|cx| self.poll_decision(cx)).await else { return false };
            self.seen = 0;
            let then = match decision {
                Decision::More => Then::Close,
                Decision::Http2 => return first,
                Decision::Answer(answered) => self.answer(&local, *answered).await,
                Decision::Forward(forward) => {
                    self.inbox.consume(forward.facts.head_len);
                    // Boxed: a connection that waits has no room to carry for an exchange. Measured: 8.7 KiB an
                    // idle connection without the box, and no difference in time with it.
                    Box::pin(self.forward(&local, forward)).await
                }
            };
            match then {
                Then::Next => self.await_next(),
                Then::Linger => {
                    self.linger().await;
                    return false;
                }
                Then::Close => return false,
            }
            first = false;
        }
    }

    /// Between two requests: the buffers go back, the clock of an idle connection runs.
    fn await_next(&mut self) {
        self.core.buffers.detach(&mut self.inbox);
        if self.inbox.is_empty() {
            for text in [&mut self.out, &mut self.reply] {
                self.core.buffers.put_text(std::mem::take(text));
            }
        }
        let caps = &self.core.local().settings.caps;
        self.deadline.set(if self.inbox.is_empty() { caps.idle_timeout } else { caps.header_timeout });
    }

    /// Reads until a head is complete and decides about it; `None` ends the connection in silence.
    fn poll_decision(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Rc<Local>, Decision)>> {
        loop {
            // A head ends with a line feed: without a new one there is nothing to parse.
            let news = &self.inbox.filled()[self.seen..];
            let local = self.core.local();
            for text in [&mut self.out, &mut self.reply] {
                if text.capacity() == 0 && !news.is_empty() {
                    *text = self.core.buffers.text();
                }
            }
            let full = self.inbox.len() >= local.settings.caps.headers.min(SMALL);
            if full || memchr::memchr(b'\n', news).is_some() {
                let decision = decide::decide(
                    &self.core,
                    &local,
                    self.caller,
                    self.inbox.filled(),
                    &mut self.out,
                    &mut self.trail,
                );
                if !matches!(decision, Decision::More) {
                    return Poll::Ready(Some((local, decision)));
                }
            }
            self.seen = self.inbox.len();
            let size = local.settings.caps.headers;
            self.core.buffers.attach(&mut self.inbox, size);
            if self.inbox.room().is_empty() {
                self.inbox.grow(size + 1);
            }
            let begins = self.inbox.is_empty();
            match self.stream.poll_fill(cx, &mut self.inbox) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    if begins {
                        self.deadline.set(local.settings.caps.header_timeout);
                    }
                }
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending => {
                    self.core.buffers.detach(&mut self.inbox);
                    // What was sent before the client could know is answered; nothing else is waited for.
                    if self.inbox.is_empty() && self.core.shared.is_draining() {
                        return Poll::Ready(None);
                    }
                    if self.deadline.poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    if self.inbox.is_empty() {
                        return Poll::Ready(None);
                    }
                    let denial = Denial::RequestTimeout;
                    let decision =
                        decide::refuse_unread(&self.core, &local, self.caller, denial, &mut self.trail);
                    return Poll::Ready(Some((local, decision)));
                }
            }
        }
    }

    /// Gives an answer of the gateway's own.
    async fn answer(&mut self, local: &Local, answered: Answered) -> Then {
        let Answered { ctx, reply, denial, facts, preflight } = answered;
        let broken = denial.is_some_and(|denial| denial.closes());
        let mut body = BodyDecoder::new(facts.body);
        let short = match facts.body {
            Body::Empty => true,
            Body::Length(length) => length <= SKIPPED && !facts.expects,
            Body::Chunked | Body::UntilClose => false,
        };
        let keep = facts.persistent && short && !broken && !reply.close && !self.core.shared.is_draining();
        self.trail.events(
            &local.policy,
            &ctx,
            denial.as_ref(),
            reply.status,
            &mut **self.core.recorder.borrow_mut(),
        );
        self.inbox.consume(facts.head_len);
        self.reply.clear();
        answer::write_reply(&mut self.reply, &reply, &local.policy, &ctx, &facts, keep, preflight);
        self.deadline.set(local.settings.caps.write_timeout);
        let written = poll_fn(|cx| self.poll_reply(cx)).await;
        self.trail.access(
            &local.policy,
            &ctx,
            &Ending {
                status: reply.status,
                denial: denial.map(|denial| denial.code()),
                bytes_out: reply.body.len() as u64,
                duration_us: facts.since.elapsed().as_micros() as u64,
                aborted: !written,
                bytes_in: 0,
            },
            &mut **self.core.recorder.borrow_mut(),
        );
        match (written, keep) {
            (false, _) => Then::Close,
            (true, false) => Then::Linger,
            (true, true) if body.is_done() => Then::Next,
            (true, true) => {
                self.deadline.set(local.settings.caps.body_timeout);
                if poll_fn(|cx| self.poll_skip(cx, &mut body)).await { Then::Next } else { Then::Close }
            }
        }
    }

    /// Writes the reply; `false` when the client is gone or too slow.
    pub(super) fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut written = 0;
        while written < self.reply.len() {
            match self.stream.poll_put(cx, &self.reply[written..]) {
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => {
                    self.reply.drain(..written);
                    return self.deadline.poll(cx).map(|()| false);
                }
            }
        }
        self.reply.clear();
        match tokio::io::AsyncWrite::poll_flush(std::pin::Pin::new(&mut self.stream), cx) {
            Poll::Ready(flushed) => Poll::Ready(flushed.is_ok()),
            Poll::Pending => self.deadline.poll(cx).map(|()| false),
        }
    }

    /// Reads the rest of a body and throws it away; `false` when it cannot be.
    fn poll_skip(&mut self, cx: &mut Context<'_>, body: &mut BodyDecoder) -> Poll<bool> {
        loop {
            while !self.inbox.is_empty() && !body.is_done() {
                match body.advance(self.inbox.filled()) {
                    Ok((0, _)) => break,
                    Ok((count, _)) => self.inbox.consume(count),
                    Err(_) => return Poll::Ready(false),
                }
            }
            if body.is_done() {
                return Poll::Ready(true);
            }
            self.core.buffers.attach(&mut self.inbox, SMALL);
            match self.stream.poll_fill(cx, &mut self.inbox) {
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(_) => return Poll::Ready(false),
                Poll::Pending => {
                    self.core.buffers.detach(&mut self.inbox);
                    return self.deadline.poll(cx).map(|()| false);
                }
            }
        }
    }

    /// Says that nothing more comes, then reads for a moment, so that the answer is not lost to a reset.
    async fn linger(&mut self) {
        self.deadline.set(LINGER);
        self.inbox.consume(usize::MAX);
        let mut left = LINGERED;
        let mut said = false;
        poll_fn(|cx| {
            if !said {
                match tokio::io::AsyncWrite::poll_shutdown(std::pin::Pin::new(&mut self.stream), cx) {
                    Poll::Ready(Ok(())) => said = true,
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => return self.deadline.poll(cx),
                }
            }
            loop {
                self.core.buffers.attach(&mut self.inbox, SMALL);
                let read = self.stream.poll_fill(cx, &mut self.inbox);
                self.inbox.consume(usize::MAX);
                match read {
                    Poll::Ready(Ok(count)) if count > 0 && count < left => left -= count,
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => {
                        self.core.buffers.detach(&mut self.inbox);
                        return self.deadline.poll(cx);
                    }
                }
            }
        })
        .await;
    }

    /// Sends an admitted request on and passes the answer back.
    async fn forward(&mut self, local: &Rc<Local>, mut forward: Box<Forward>) -> Then {
        let core = Rc::clone(&self.core);
        let route = forward.permit.route(&local.policy);
        let pool = &local.pools[forward.upstream];
        let tunneled = match forward.facts.upgrade {
            Upgrade::None => None,
            Upgrade::WebSocket | Upgrade::Other => {
                match core.shared.open_tunnel(&route.name, route.websocket.connections) {
                    Some(tunneled) => Some(tunneled),
                    None => {
                        return self
                            .fail(local, &forward, Failure::Denied(Denial::TooManyConnections), false)
                            .await;
                    }
                }
            }
        };
        let mut upload = Upload::new(forward.facts.body, route.max_body);
        let joined = match forward.permit.holds(&local.policy) {
            Some(most) => self.hold(local, &mut forward, &mut upload, most).await,
            None => upload.join(&mut self.inbox, &mut self.out),
        };
        let forward = &mut *forward;
        if let Err(failure) = joined {
            if failure == Failure::ClientGone {
                self.record(local, forward, &upload, &Download::new(), true);
            }
            return self.fail(local, forward, failure, upload.is_drained()).await;
        }
        if let Err(denial) = pool.upstream().admit(core.now().monotonic_ms) {
            return self.fail(local, forward, Failure::Denied(denial), upload.is_drained()).await;
        }
        let mut retried = false;
        loop {
            let connected = match if retried { None } else { pool.take() } {
                Some(connection) => Ok(connection),
                None => pool.connect().await,
            };
            let Ok(connection) = connected else {
                core.shared.reached(forward.upstream, false);
                let failure = Failure::Denied(Denial::UpstreamUnreachable);
                forward.failed(pool.upstream(), failure, core.now().monotonic_ms);
                return self.fail(local, forward, failure, upload.is_drained()).await;
            };
            core.shared.reached(forward.upstream, true);
            self.deadline.set(if forward.facts.expects {
                pool.upstream().response_timeout
            } else {
                local.settings.caps.body_timeout
            });
            let crate::pool::Connection { stream, reused, endpoint } = connection;
            let mut exchange = Exchange {
                core: &core,
                local,
                forward,
                client: &mut self.stream,
                inbox: &mut self.inbox,
                out: &mut self.out,
                reply: &mut self.reply,
                deadline: &mut self.deadline,
                upstream: stream,
                upload,
                download: Download::new(),
            };
            let result = poll_fn(|cx| exchange.poll(cx)).await;
            let Exchange { upstream: stream, upload: sent, mut download, .. } = exchange;
            upload = sent;
            match result {
                Ok(Ended::Answered) => {
                    if download.reusable && download.outbox.is_empty() && upload.is_sent() {
                        pool.put(crate::pool::Connection { stream, reused: true, endpoint });
                    }
                    download.release(&core);
                    self.record(local, forward, &upload, &download, false);
                    return match (download.keep, upload.is_sent()) {
                        (true, true) => Then::Next,
                        _ => Then::Linger,
                    };
                }
                Ok(Ended::Switched) => {
                    let relay = tunnel::Relay {
                        core: &core,
                        client: &mut self.stream,
                        inbox: &mut self.inbox,
                        upstream: stream,
                        outbox: std::mem::take(&mut download.outbox),
                        rules: route.websocket,
                        framed: forward.facts.upgrade == Upgrade::WebSocket,
                        tenure: forward.permit.tenure(&local.policy),
                    };
                    let passed = relay.run(&mut self.deadline).await;
                    drop(tunneled);
                    upload.bytes += passed.sent;
                    download.bytes += passed.received;
                    forward.ctx.notes.extend(passed.violation.map(tunnel::note));
                    forward.ctx.notes.extend(passed.revoked.then(tunnel::revoked));
                    self.record(local, forward, &upload, &download, false);
                    return if passed.violation.is_some() || passed.revoked {
                        Then::Linger
                    } else {
                        Then::Close
                    };
                }
                Err(Failure::UpstreamSilent)
                    if reused && !retried && forward.facts.idempotent && upload.can_repeat() =>
                {
                    // The application closed an idle connection while the request was on its way.
                    download.release(&core);
                    upload.restart();
                    retried = true;
                }
                Err(failure) => {
                    download.release(&core);
                    if failure == Failure::Cut || failure == Failure::ClientGone {
                        self.record(local, forward, &upload, &download, true);
                        if failure == Failure::Cut && forward.facts.http10 {
                            // Without chunks an orderly end would make the broken answer a whole one.
                            self.stream.reset_on_close();
                        }
                        return Then::Close;
                    }
                    forward.failed(pool.upstream(), failure, core.now().monotonic_ms);
                    return self.fail(local, forward, failure, upload.is_drained()).await;
                }
            }
        }
    }

    /// Answers with a refusal where the application's answer could not be had.
    async fn fail(&mut self, local: &Local, forward: &Forward, failure: Failure, drained: bool) -> Then {
        let Some(denial) = failure.denial() else { return Then::Close };
        let reply = local.policy.reply(&denial, &forward.ctx);
        // The head was used already. What of the body is still to come cannot be told from a next request.
        let facts = decide::Facts {
            head_len: 0,
            body: Body::Empty,
            persistent: forward.facts.persistent && drained,
            ..forward.facts
        };
        let ctx = forward.ctx.clone();
        let answered = Answered { reply, ctx, denial: Some(denial), facts, preflight: false };
        self.answer(local, answered).await
    }

    fn record(&self, local: &Local, forward: &Forward, upload: &Upload, download: &Download, aborted: bool) {
        let recorder = &mut **self.core.recorder.borrow_mut();
        if !forward.ctx.notes.is_empty() {
            self.trail.events(&local.policy, &forward.ctx, None, download.status, recorder);
        }
        self.trail.access(
            &local.policy,
            &forward.ctx,
            &Ending {
                status: download.status,
                denial: None,
                bytes_in: upload.bytes,
                bytes_out: download.bytes,
                duration_us: forward.facts.since.elapsed().as_micros() as u64,
                aborted,
            },
            recorder,
        );
    }
}
