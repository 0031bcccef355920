//! The request on its way to the application.

use std::task::{Context, Poll, ready};

use portcullis_core::Denial;
use portcullis_wire::{Body, BodyDecoder, BodyError, Piece};

use super::download::Phase;
use super::exchange::{Exchange, Failure};
use crate::buffers::{Buffer, LARGE, SMALL};

/// How far the request went.
#[derive(Debug)]
pub struct Upload {
    decoder: BodyDecoder,
    /// How much of `out` was written.
    written: usize,
    /// How many bytes at the front of the inbox were checked and may go.
    ready: usize,
    /// Whether bytes went that are no longer held, so that the request cannot be sent again.
    spent: bool,
    /// Whether the upstream takes no more. It may have answered all the same.
    broken: bool,
    sent: bool,
    max: u64,
    large: bool,
    /// Payload bytes of the body.
    pub bytes: u64,
}

impl Upload {
    /// The upload of a request with that body, at most `max` bytes of it.
    pub fn new(body: Body, max: u64) -> Self {
        Self {
            decoder: BodyDecoder::new(body),
            written: 0,
            ready: 0,
            spent: false,
            broken: false,
            sent: false,
            max,
            large: matches!(body, Body::Chunked)
                || matches!(body, Body::Length(length) if length > SMALL as u64),
            bytes: 0,
        }
    }

    /// Whether nothing more is to be read from the client for this request.
    pub fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// Whether the inbox holds nothing of the request any more: what stands there is the next one.
    pub fn is_drained(&self) -> bool {
        self.decoder.is_done() && self.ready == 0
    }

    /// Whether the same bytes can be sent once more.
    pub fn can_repeat(&self) -> bool {
        !self.spent && self.decoder.is_done()
    }

    /// Begins anew, towards another connection.
    pub fn restart(&mut self) {
        self.written = 0;
        self.broken = false;
        self.sent = false;
    }

    /// Whether nothing more goes to the upstream: all of it went, or it takes no more.
    pub fn is_over(&self) -> bool {
        self.sent || self.broken
    }

    /// Whether all of the request went to the upstream.
    pub fn is_sent(&self) -> bool {
        self.sent
    }

    /// Whether it is the client that keeps it waiting, not the upstream that does not take what is there.
    pub fn waits_for_client(&self, out: &[u8]) -> bool {
        !self.is_done() && self.ready == 0 && self.written >= out.len() && !self.broken
    }

    /// Moves what of the body already came behind the head, so that both go in one write.
    pub fn join(&mut self, inbox: &mut Buffer, out: &mut Vec<u8>) -> Result<(), Failure> {
        while !self.is_done() && !inbox.is_empty() && out.len() < SMALL {
            self.scan(inbox)?;
            if self.ready == 0 {
                break;
            }
            out.extend_from_slice(&inbox.filled()[..self.ready]);
            inbox.consume(std::mem::take(&mut self.ready));
        }
        Ok(())
    }

    /// Moves the payload of what came into `body`, up to one byte more than `most`.
    pub fn take(&mut self, inbox: &mut Buffer, body: &mut Vec<u8>, most: usize) -> Result<(), Failure> {
        while !self.is_done() && !inbox.is_empty() && body.len() <= most {
            let (count, piece) =
                self.decoder.advance(inbox.filled()).map_err(|error| Failure::Denied(denial_of(error)))?;
            if piece == Piece::Data {
                let taken = &inbox.filled()[..count];
                body.extend_from_slice(&taken[..count.min(most + 1 - body.len())]);
                self.bytes += count as u64;
            }
            inbox.consume(count);
            if count == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Checks what is in the inbox; `ready` grows by what may go.
    fn scan(&mut self, inbox: &Buffer) -> Result<(), Failure> {
        let bytes = inbox.filled();
        while self.ready < bytes.len() && !self.decoder.is_done() {
            let (count, piece) = self
                .decoder
                .advance(&bytes[self.ready..])
                .map_err(|error| Failure::Denied(denial_of(error)))?;
            if piece == Piece::Data {
                self.bytes += count as u64;
                if self.bytes > self.max {
                    return Err(Failure::Denied(Denial::BodyTooLarge));
                }
            }
            self.ready += count;
            if count == 0 {
                break;
            }
        }
        Ok(())
    }
}

impl Exchange<'_> {
    /// Sends the request on. Ready once all of it is written, or the upstream takes no more.
    pub fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.upload.broken || self.upload.sent {
            return Poll::Ready(Ok(()));
        }
        let caps = &self.local.settings.caps;
        loop {
            let upload = &mut self.upload;
            if upload.written < self.out.len() {
                match ready!(self.upstream.poll_put(cx, &self.out[upload.written..])) {
                    Ok(count) => upload.written += count,
                    Err(_) => return self.broke(),
                }
                continue;
            }
            if upload.ready > 0 {
                match ready!(self.upstream.poll_put(cx, &self.inbox.filled()[..upload.ready])) {
                    Ok(count) => {
                        self.inbox.consume(count);
                        upload.ready -= count;
                        upload.spent = true;
                        self.deadline.set(caps.body_timeout);
                    }
                    Err(_) => return self.broke(),
                }
                continue;
            }
            if upload.is_done() {
                upload.sent = true;
                let upstream = &self.local.settings.upstreams[self.forward.upstream];
                self.deadline.set(match self.download.phase {
                    Phase::Head => upstream.response_timeout,
                    Phase::Body | Phase::Done | Phase::Switched => upstream.idle_timeout,
                });
                return Poll::Ready(Ok(()));
            }
            if !self.inbox.is_empty() {
                upload.scan(self.inbox)?;
                if upload.ready > 0 {
                    continue;
                }
            }
            let size = if upload.large { LARGE } else { SMALL };
            if self.inbox.is_empty() && upload.large {
                // A head was read into the small one; the rest of a large body takes fewer, larger reads.
                self.core.buffers.detach(self.inbox);
            }
            self.core.buffers.attach(self.inbox, size);
            match self.client.poll_fill(cx, self.inbox) {
                Poll::Pending => {
                    self.core.buffers.detach(self.inbox);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(count)) if count > 0 => self.deadline.set(caps.body_timeout),
                Poll::Ready(_) => return Poll::Ready(Err(Failure::ClientGone)),
            }
        }
    }

    fn broke(&mut self) -> Poll<Result<(), Failure>> {
        self.upload.broken = true;
        self.deadline.set(self.local.settings.upstreams[self.forward.upstream].response_timeout);
        Poll::Ready(Ok(()))
    }
}

fn denial_of(error: BodyError) -> Denial {
    match error.status() {
        431 => Denial::HeadersTooLarge,
        _ => Denial::Malformed(error.name()),
    }
}
