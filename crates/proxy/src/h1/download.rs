//! The answer on its way to the client.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use portcullis_core::{Denial, Upgrade};
use portcullis_wire::{self as wire, Body, BodyDecoder, Piece, Scratch};

use super::answer::{self, Framing};
use super::decide::offers_websocket;
use super::exchange::{Ended, Exchange, Failure};
use crate::buffers::{Buffer, LARGE, SMALL};
use crate::core::Core;

/// The most interim answers (1xx) that are passed on before a final one.
const INTERIM: u8 = 16;

/// Where the answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its head is awaited.
    Head,
    /// Its body is passing.
    Body,
    /// All of it was read.
    Done,
    /// The connection becomes something else.
    Switched,
}

/// How far the answer came.
#[derive(Debug)]
pub struct Download {
    pub phase: Phase,
    /// Bytes of the upstream that were read and not yet used.
    pub outbox: Buffer,
    decoder: BodyDecoder,
    framing: Framing,
    /// How much of the reply was written.
    written: usize,
    /// How many bytes at the front of the outbox were checked and may go.
    ready: usize,
    unflushed: bool,
    /// Whether the client takes no more for now, and its clock runs instead of the application's.
    blocked: bool,
    large: bool,
    /// Interim answers so far.
    pub interims: u8,
    /// Whether a byte of a final answer was written.
    pub begun: bool,
    /// The status of the final answer.
    pub status: u16,
    /// Payload bytes of the body.
    pub bytes: u64,
    /// Whether the connection to the client goes on.
    pub keep: bool,
    /// Whether the connection to the upstream can serve another request.
    pub reusable: bool,
    /// Whether what the connection became is a WebSocket.
    pub websocket: bool,
}

impl Download {
    /// Awaits an answer.
    pub fn new() -> Self {
        Self {
            phase: Phase::Head,
            outbox: Buffer::default(),
            decoder: BodyDecoder::for_response(Body::Empty),
            framing: Framing::Verbatim,
            written: 0,
            ready: 0,
            unflushed: false,
            blocked: false,
            large: false,
            interims: 0,
            begun: false,
            status: 0,
            bytes: 0,
            keep: false,
            reusable: false,
            websocket: false,
        }
    }

    /// Whether another answer cannot be given any more: a byte of this one went, or half an interim one.
    pub fn is_committed(&self) -> bool {
        self.begun || self.written > 0
    }

    /// Gives the buffer back.
    pub fn release(&mut self, core: &Core) {
        core.buffers.discard(&mut self.outbox);
    }

    /// Checks what is in the outbox. Verbatim, `ready` grows; otherwise the payload is framed into `reply`.
    fn scan(&mut self, reply: &mut Vec<u8>) -> Result<(), Failure> {
        let mut at = self.ready;
        let bytes = self.outbox.filled();
        while at < bytes.len() && !self.decoder.is_done() {
            let broken = Failure::Denied(Denial::UpstreamMalformed);
            let (count, piece) = self.decoder.advance(&bytes[at..]).map_err(|_| broken)?;
            let taken = &bytes[at..at + count];
            if piece == Piece::Data {
                self.bytes += count as u64;
                match self.framing {
                    Framing::Verbatim => {}
                    Framing::Dechunk => reply.extend_from_slice(taken),
                    Framing::Enchunk => {
                        wire::write::chunk_header(reply, count);
                        reply.extend_from_slice(taken);
                        reply.extend_from_slice(b"\r\n");
                    }
                }
            }
            at += count;
            if count == 0 {
                break;
            }
        }
        if self.framing == Framing::Verbatim {
            self.ready = at;
        } else {
            self.outbox.consume(at);
        }
        if self.decoder.is_done() {
            self.finish(reply);
        }
        Ok(())
    }

    fn finish(&mut self, reply: &mut Vec<u8>) {
        self.phase = Phase::Done;
        if self.framing == Framing::Enchunk {
            reply.extend_from_slice(b"0\r\n\r\n");
        }
    }
}

impl Exchange<'_> {
    /// Passes the answer on. Ready once all of it is written.
    pub fn poll_download(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ended, Failure>> {
        loop {
            ready!(self.poll_write(cx))?;
            match self.download.phase {
                Phase::Done => {
                    ready!(self.poll_flush(cx))?;
                    if !self.upload.is_over() {
                        ready!(self.poll_parting(cx));
                    }
                    return Poll::Ready(Ok(Ended::Answered));
                }
                Phase::Switched => {
                    ready!(self.poll_flush(cx))?;
                    return Poll::Ready(Ok(Ended::Switched));
                }
                Phase::Head if !self.download.outbox.is_empty() => {
                    if self.read_head()? {
                        continue;
                    }
                }
                Phase::Body if !self.download.outbox.is_empty() => {
                    let had = self.download.outbox.len();
                    self.download.scan(self.reply)?;
                    if self.download.ready > 0
                        || self.download.outbox.len() < had
                        || self.download.phase == Phase::Done
                    {
                        continue;
                    }
                }
                Phase::Head | Phase::Body => {}
            }
            // What a TLS session still holds must not wait for the application's next word.
            let _ = self.poll_flush(cx)?;
            ready!(self.poll_more(cx))?;
        }
    }

    /// Writes what is due to the client. While it takes nothing, it is its time that runs.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let due = self.reply.len() - self.download.written + self.download.ready;
        let written = self.poll_due(cx);
        let download = &mut self.download;
        if download.phase != Phase::Head && written.is_pending() {
            let moved = self.reply.len() - download.written + download.ready != due;
            if moved || !download.blocked {
                self.deadline.set(self.local.settings.caps.write_timeout);
            }
            download.blocked = true;
        } else if download.blocked {
            download.blocked = false;
            self.deadline.set(self.idle_timeout());
        }
        written
    }

    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let download = &mut self.download;
        while download.written < self.reply.len() {
            match ready!(self.client.poll_put(cx, &self.reply[download.written..])) {
                Ok(count) => download.written += count,
                Err(_) => return Poll::Ready(Err(Failure::ClientGone)),
            }
            download.unflushed = true;
            download.begun |= download.phase != Phase::Head;
        }
        if download.written > 0 {
            self.reply.clear();
            download.written = 0;
        }
        while download.ready > 0 {
            match ready!(self.client.poll_put(cx, &download.outbox.filled()[..download.ready])) {
                Ok(count) => {
                    download.outbox.consume(count);
                    download.ready -= count;
                }
                Err(_) => return Poll::Ready(Err(Failure::ClientGone)),
            }
            download.unflushed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn idle_timeout(&self) -> Duration {
        self.local.settings.upstreams[self.forward.upstream].idle_timeout
    }

    /// The application has answered and still takes the request. Ready when it ends the connection, or says
    /// something that nobody asked for: then no more of the request goes there.
    fn poll_parting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.core.buffers.attach(&mut self.download.outbox, SMALL);
        if self.download.outbox.is_empty()
            && self.upstream.poll_fill(cx, &mut self.download.outbox).is_pending()
        {
            self.core.buffers.detach(&mut self.download.outbox);
            return Poll::Pending;
        }
        self.download.reusable = false;
        Poll::Ready(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.download.unflushed {
            ready!(tokio::io::AsyncWrite::poll_flush(std::pin::Pin::new(&mut *self.client), cx))
                .map_err(|_| Failure::ClientGone)?;
            self.download.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads more from the upstream.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let download = &mut self.download;
        let size = if download.large && download.outbox.is_empty() { LARGE } else { SMALL };
        if size == LARGE {
            self.core.buffers.detach(&mut download.outbox);
        }
        self.core.buffers.attach(&mut download.outbox, size);
        let read = self.upstream.poll_fill(cx, &mut download.outbox);
        let count = match read {
            Poll::Pending => {
                self.core.buffers.detach(&mut download.outbox);
                return Poll::Pending;
            }
            Poll::Ready(Ok(count)) => count,
            Poll::Ready(Err(_)) => 0,
        };
        if count > 0 {
            if download.phase == Phase::Body {
                self.deadline.set(self.idle_timeout());
            }
            return Poll::Ready(Ok(()));
        }
        let clean = matches!(read, Poll::Ready(Ok(_)));
        match download.phase {
            Phase::Head if download.outbox.is_empty() && download.interims == 0 => {
                Poll::Ready(Err(Failure::UpstreamSilent))
            }
            Phase::Head => Poll::Ready(Err(Failure::Denied(Denial::UpstreamMalformed))),
            _ if clean && download.decoder.on_eof().is_ok() => {
                download.reusable = false;
                download.finish(self.reply);
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(Err(Failure::Denied(Denial::UpstreamMalformed))),
        }
    }

    /// Reads a head from the outbox; `false` when it is not complete.
    fn read_head(&mut self) -> Result<bool, Failure> {
        let malformed = Failure::Denied(Denial::UpstreamMalformed);
        let facts = &self.forward.facts;
        let (ctx, policy) = (&self.forward.ctx, &self.local.policy);
        let caps = wire::Caps { head: SMALL, target: 0, fields: wire::MAX_FIELDS };
        let mut scratch = Scratch::new();
        let method = if facts.head_only { "HEAD" } else { "GET" };
        let parsed = wire::parse_response(self.download.outbox.filled(), &caps, method, &mut scratch);
        let Some(head) = parsed.map_err(|_| malformed)? else { return Ok(false) };
        let (len, status) = (head.len, head.status);
        match status {
            101 => {
                if facts.upgrade == Upgrade::None || head.upgrade.is_none() {
                    return Err(malformed);
                }
                match &self.forward.entered {
                    None => answer::write_switching(self.reply, &head, policy, ctx),
                    // The client was answered already, and could not be told otherwise.
                    Some(entered) if entered.handshake.is_met_by(head.fields) => {}
                    Some(_) => return Err(malformed),
                }
                self.local.pools[self.forward.upstream].upstream().answered();
                self.download.phase = Phase::Switched;
                self.download.websocket = head.upgrade.is_some_and(offers_websocket);
                self.download.status = status;
            }
            100..=199 => {
                self.download.interims += 1;
                if self.download.interims > INTERIM {
                    return Err(malformed);
                }
                if self.forward.entered.is_none() && !facts.http10 && (status != 100 || facts.expects) {
                    answer::write_interim(self.reply, &head, policy, ctx);
                }
            }
            // The client speaks frames by now.
            _ if self.forward.entered.is_some() => return Err(malformed),
            // Whoever is let in for a WebSocket is let in for nothing else.
            200..=299 if self.forward.permit.is_handshake(policy) => return Err(malformed),
            _ => {
                self.local.pools[self.forward.upstream].upstream().answered();
                let keep = answer::keeps(facts, &head) && !self.core.shared.is_draining();
                self.download.status = status;
                self.download.keep = keep;
                if policy.replaces(ctx, status) {
                    let reply = policy.replaced(status, ctx);
                    answer::write_reply(self.reply, &reply, policy, ctx, facts, keep, false);
                    self.download.bytes = reply.body.len() as u64;
                    self.download.phase = Phase::Done;
                    return Ok(true);
                }
                self.download.reusable = head.persistent;
                self.download.framing = answer::write_head(self.reply, &head, policy, ctx, facts, keep);
                self.download.large = match head.body {
                    Body::Length(length) => length > SMALL as u64,
                    Body::Chunked | Body::UntilClose => true,
                    Body::Empty => false,
                };
                self.download.decoder = BodyDecoder::for_response(head.body);
                self.download.phase = Phase::Body;
                self.deadline.set(self.idle_timeout());
            }
        }
        self.download.outbox.consume(len);
        if self.download.phase == Phase::Body {
            self.join()?;
        }
        Ok(true)
    }

    /// Moves what of the body came with the head behind it, so that both go in one write.
    fn join(&mut self) -> Result<(), Failure> {
        let download = &mut self.download;
        download.scan(self.reply)?;
        if download.decoder.is_done() && download.phase == Phase::Body {
            download.finish(self.reply);
        }
        if download.ready > 0 {
            self.reply.extend_from_slice(&download.outbox.filled()[..download.ready]);
            download.outbox.consume(std::mem::take(&mut download.ready));
        }
        Ok(())
    }
}
