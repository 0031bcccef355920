//! An HTTP/2 request on its way to an HTTP/1.1 upstream.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming};
use portcullis_core::Denial;
use portcullis_wire::{self as wire, Body};

use super::exchange::Asked;
use super::record::Record;
use crate::core::Local;
use crate::deadline::Deadline;
use crate::pool::Connection;
use crate::settings::Upstream;
use crate::toward::{hop_by_hop, put};

/// How far the request went.
pub(super) struct Upload {
    local: Rc<Local>,
    upstream: usize,
    pub(super) connection: Connection,
    pub(super) deadline: Deadline,
    /// What is to be written next.
    pending: Vec<u8>,
    written: usize,
    incoming: Option<Incoming>,
    chunked: bool,
    max_body: u64,
    sent: bool,
    /// Whether the upstream takes no more. It may have answered all the same.
    broken: bool,
    /// Payload bytes of the body.
    pub(super) bytes: u64,
}

impl Upload {
    /// The upload of what is asked; `incoming` is what of its body was not yet read.
    pub(super) fn new(
        local: Rc<Local>,
        connection: Connection,
        incoming: Option<Incoming>,
        asked: &Asked,
    ) -> Self {
        let deadline = Deadline::new(local.settings.caps.body_timeout);
        Self {
            local,
            upstream: asked.upstream,
            connection,
            deadline,
            pending: asked.out.clone(),
            written: 0,
            incoming,
            chunked: asked.framing == Body::Chunked,
            max_body: asked.max_body,
            sent: false,
            broken: false,
            bytes: asked.held,
        }
    }

    /// Whether all of the request went to the upstream.
    pub(super) fn is_sent(&self) -> bool {
        self.sent && !self.broken
    }

    /// Whether nothing more goes to the upstream.
    pub(super) fn is_over(&self) -> bool {
        self.sent || self.broken
    }

    /// Notes the head of the answer.
    pub(super) fn answered(&self) {
        self.local.pools[self.upstream].upstream().answered();
    }

    /// The upstream's own timeouts.
    pub(super) fn timeouts(&self) -> &Upstream {
        &self.local.settings.upstreams[self.upstream]
    }

    /// Sends what is due. Ready when all of it went, or the upstream takes no more. `answered` says whether the
    /// head of the answer has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, answered: bool) -> Poll<Result<(), Denial>> {
        while !self.is_over() {
            while self.written < self.pending.len() {
                let Ok(count) = ready!(self.connection.stream.poll_put(cx, &self.pending[self.written..]))
                else {
                    self.broken = true;
                    self.await_answer(answered);
                    return Poll::Ready(Ok(()));
                };
                self.written += count;
                self.deadline.set(self.local.settings.caps.body_timeout);
            }
            self.pending.clear();
            self.written = 0;
            let Some(incoming) = &mut self.incoming else {
                self.sent = true;
                self.await_answer(answered);
                break;
            };
            match ready!(Pin::new(incoming).poll_frame(cx)) {
                None => {
                    if self.chunked {
                        self.pending.extend_from_slice(wire::write::LAST_CHUNK);
                    }
                    self.incoming = None;
                }
                Some(Err(_)) => return Poll::Ready(Err(Denial::Malformed("body-aborted"))),
                Some(Ok(frame)) => self.frame(frame)?,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Goes on sending after the answer has ended, as long as the upstream takes it; then gives the connection
    /// back where it can serve another request.
    pub(super) async fn part(mut self, reusable: bool, mut record: Record) {
        self.deadline.set(self.local.settings.caps.body_timeout);
        poll_fn(|cx| {
            if self.poll(cx, true).is_ready() {
                return Poll::Ready(());
            }
            while self.connection.stream.poll_stir(cx).is_ready() {
                if !self.connection.stream.is_silent() {
                    self.broken = true;
                    return Poll::Ready(());
                }
            }
            self.deadline.poll(cx)
        })
        .await;
        record.bytes_in = self.bytes;
        record.finish(None);
        self.give_back(reusable);
    }

    /// Gives the connection back, where all was sent and it can serve another request.
    pub(super) fn give_back(self, reusable: bool) {
        if reusable && self.is_sent() {
            self.local.pools[self.upstream].put(Connection { reused: true, ..self.connection });
        }
    }

    fn await_answer(&mut self, answered: bool) {
        let timeouts = self.timeouts();
        let timeout = if answered { timeouts.idle_timeout } else { timeouts.response_timeout };
        self.deadline.set(timeout);
    }

    /// Frames a piece of the body for HTTP/1.1.
    fn frame(&mut self, frame: Frame<Bytes>) -> Result<(), Denial> {
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                self.bytes += data.len() as u64;
                if self.bytes > self.max_body {
                    return Err(Denial::BodyTooLarge);
                }
                if self.chunked {
                    wire::write::chunk_header(&mut self.pending, data.len());
                }
                self.pending.extend_from_slice(&data);
                if self.chunked {
                    self.pending.extend_from_slice(b"\r\n");
                }
            }
            // Trailers end the body. Only harmless ones go on, and only where chunks can carry them.
            Err(frame) => {
                self.incoming = None;
                if self.chunked {
                    self.pending.extend_from_slice(b"0\r\n");
                    if let Ok(trailers) = frame.into_trailers() {
                        for (name, value) in &trailers {
                            if !hop_by_hop(name.as_str()) && !forbidden_in_trailers(name.as_str()) {
                                put(&mut self.pending, name.as_str(), value.as_bytes());
                            }
                        }
                    }
                    self.pending.extend_from_slice(b"\r\n");
                }
            }
        }
        Ok(())
    }
}

/// Fields that a trailer section must not carry (RFC 9110 section 6.5.1): what frames, routes or proves, in
/// the spelling of CGI too.
fn forbidden_in_trailers(name: &str) -> bool {
    [wire::Known::of(name), wire::Known::behind_underscores(name)] != [wire::Known::Other; 2]
        || portcullis_gate::edge::spoofable(name)
}
