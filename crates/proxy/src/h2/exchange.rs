//! One HTTP/2 request towards an HTTP/1.1 upstream, both ways at once.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Response, StatusCode};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use portcullis_core::Denial;
use portcullis_gate::RequestContext;
use portcullis_wire::{self as wire, Body, BodyDecoder, Piece, Scratch};

use super::door::append;
use super::record::Record;
use crate::buffers::{Buffer, LARGE, SMALL};
use crate::core::{Core, Local};
use crate::deadline::Deadline;
use crate::pool::Connection;
use crate::toward::{hop_by_hop, put};

/// A request ready to be sent.
pub(super) struct Asked {
    /// The head for the application.
    pub(super) out: Vec<u8>,
    pub(super) framing: Body,
    pub(super) upstream: usize,
    pub(super) max_body: u64,
    pub(super) head_only: bool,
    pub(super) idempotent: bool,
}

/// What came back.
pub(super) enum Answered {
    /// The application's answer: its sealed head, and its body as it comes.
    Theirs(Response<()>, Relay),
    /// An answer with this status that is not shown.
    Replaced(u16),
}

/// Sends a request and waits for the head of its answer.
pub(super) async fn run(
    core: Rc<Core>,
    local: Rc<Local>,
    asked: Asked,
    body: Incoming,
    ctx: &RequestContext,
) -> Result<Answered, Denial> {
    let pool = &local.pools[asked.upstream];
    let mut incoming = Some(body);
    let mut retried = false;
    let head = asked.out;
    loop {
        let taken = if retried { None } else { pool.take() };
        let connection = match taken {
            Some(connection) => connection,
            None => pool.connect().await.map_err(|_| {
                core.shared.reached(asked.upstream, false);
                Denial::UpstreamUnreachable
            })?,
        };
        core.shared.reached(asked.upstream, true);
        let reused = connection.reused;
        let once_more = asked.idempotent && asked.framing == Body::Empty;
        let mut relay = Relay {
            core: Rc::clone(&core),
            local: Rc::clone(&local),
            upstream: asked.upstream,
            connection: Some(connection),
            deadline: Deadline::new(local.settings.caps.body_timeout),
            pending: head.clone(),
            written: 0,
            incoming: incoming.take(),
            chunked: asked.framing == Body::Chunked,
            max_body: asked.max_body,
            sent: false,
            bytes_in: 0,
            status: 0,
            outbox: Buffer::default(),
            decoder: BodyDecoder::new(Body::Empty),
            trailers: None,
            last_chunk: false,
            reusable: false,
            record: None,
        };
        match poll_fn(|cx| relay.poll_head(cx, asked.head_only, ctx)).await {
            Ok(answered) => {
                core.buffers.put_text(head);
                return Ok(match answered {
                    Some(response) => Answered::Theirs(response, relay),
                    None => Answered::Replaced(relay.status),
                });
            }
            Err(Denial::UpstreamMalformed) if reused && !retried && once_more && relay.outbox.is_empty() => {
                retried = true;
            }
            Err(denial) => return Err(denial),
        }
    }
}

/// The body of the application's answer on its way; what of the request is still to be sent goes on beside.
pub(super) struct Relay {
    core: Rc<Core>,
    local: Rc<Local>,
    upstream: usize,
    connection: Option<Connection>,
    deadline: Deadline,
    /// What is to be written to the upstream next.
    pending: Vec<u8>,
    written: usize,
    incoming: Option<Incoming>,
    chunked: bool,
    max_body: u64,
    sent: bool,
    bytes_in: u64,
    status: u16,
    outbox: Buffer,
    decoder: BodyDecoder,
    trailers: Option<HeaderMap>,
    last_chunk: bool,
    reusable: bool,
    record: Option<(Record, RequestContext)>,
}

impl Relay {
    /// Records the request when the body ends.
    pub(super) fn recorded(mut self, mut record: Record, ctx: RequestContext) -> Self {
        record.status = self.status;
        self.record = Some((record, ctx));
        self
    }

    /// Sends the request and reads until the final head is there; `None` for one that is replaced.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        head_only: bool,
        ctx: &RequestContext,
    ) -> Poll<Result<Option<Response<()>>, Denial>> {
        loop {
            if let Poll::Ready(Err(denial)) = self.poll_send(cx) {
                return Poll::Ready(Err(denial));
            }
            if !self.outbox.is_empty() {
                match self.read_head(head_only, ctx) {
                    Ok(Some(found)) => return Poll::Ready(Ok(found)),
                    Ok(None) => {}
                    Err(()) => return Poll::Ready(Err(Denial::UpstreamMalformed)),
                }
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(_) => return Poll::Ready(Err(Denial::UpstreamMalformed)),
                Poll::Pending => {
                    return self.deadline.poll(cx).map(|()| {
                        Err(if self.sent { Denial::UpstreamTimeout } else { Denial::RequestTimeout })
                    });
                }
            }
        }
    }

    /// Reads a head from the outbox. `Ok(None)`: more is needed.
    fn read_head(
        &mut self,
        head_only: bool,
        ctx: &RequestContext,
    ) -> Result<Option<Option<Response<()>>>, ()> {
        let caps = wire::Caps { head: SMALL, target: 0, fields: wire::MAX_FIELDS };
        loop {
            let mut scratch = Scratch::new();
            let method = if head_only { "HEAD" } else { "GET" };
            let parsed =
                wire::parse_response(self.outbox.filled(), &caps, method, &mut scratch).map_err(|_| ())?;
            let Some(head) = parsed else { return Ok(None) };
            let (len, status) = (head.len, head.status);
            if status == 101 {
                return Err(());
            }
            if status < 200 {
                // hyper's server cannot send interim answers; they are advice, and the final one follows.
                self.outbox.consume(len);
                continue;
            }
            self.status = status;
            if self.local.policy.replaces(status) {
                return Ok(Some(None));
            }
            self.reusable = head.persistent;
            self.decoder = BodyDecoder::for_response(head.body);
            let response = sealed(&head, &self.local, ctx);
            self.outbox.consume(len);
            return Ok(Some(Some(response)));
        }
    }

    /// Sends what is due of the request. Ready when all of it went, or the upstream takes no more.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Denial>> {
        loop {
            let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(())) };
            while self.written < self.pending.len() {
                match ready!(connection.stream.poll_put(cx, &self.pending[self.written..])) {
                    Ok(count) => self.written += count,
                    Err(_) => self.pending.clear(),
                }
                self.deadline.set(self.local.settings.caps.body_timeout);
            }
            self.pending.clear();
            self.written = 0;
            let Some(incoming) = &mut self.incoming else {
                if !self.sent {
                    self.sent = true;
                    self.deadline.set(self.local.settings.upstreams[self.upstream].response_timeout);
                }
                return Poll::Ready(Ok(()));
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
    }

    /// Frames a piece of the request's body for HTTP/1.1.
    fn frame(&mut self, frame: Frame<Bytes>) -> Result<(), Denial> {
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                self.bytes_in += data.len() as u64;
                if self.bytes_in > self.max_body {
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

    /// Reads more of the answer.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(0)) };
        self.core.buffers.attach(&mut self.outbox, if self.status == 0 { SMALL } else { LARGE });
        let read = connection.stream.poll_fill(cx, &mut self.outbox);
        if read.is_pending() {
            self.core.buffers.detach(&mut self.outbox);
        }
        read
    }

    /// The next piece of the body from what was read. `Ok(None)`: nothing whole is there.
    fn next_piece(&mut self) -> Result<Option<Bytes>, Cut> {
        while !self.outbox.is_empty() && !self.decoder.is_done() {
            let (count, piece) = self.decoder.advance(self.outbox.filled()).map_err(|_| Cut)?;
            let taken = &self.outbox.filled()[..count];
            match piece {
                Piece::Data => {
                    let data = Bytes::copy_from_slice(taken);
                    self.outbox.consume(count);
                    return Ok(Some(data));
                }
                Piece::Framing => {
                    note_trailer(taken, &mut self.last_chunk, &mut self.trailers);
                    self.outbox.consume(count);
                }
                Piece::End | Piece::More => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Ends the exchange: the connection goes back if it can serve another request, the request is recorded.
    fn finish(&mut self, aborted: bool) {
        if let Some(connection) = self.connection.take() {
            let whole = self.decoder.is_done() && self.outbox.is_empty() && self.sent;
            if !aborted && self.reusable && whole {
                self.local.pools[self.upstream].put(Connection { reused: true, ..connection });
            }
        }
        self.core.buffers.discard(&mut self.outbox);
        if let Some((mut record, ctx)) = self.record.take() {
            record.bytes_in = self.bytes_in;
            record.aborted = aborted;
            record.finish(&ctx, None);
        }
    }
}

impl HttpBody for Relay {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        loop {
            if let Poll::Ready(Err(_)) = this.poll_send(cx) {
                this.finish(true);
                return Poll::Ready(Some(Err(Cut)));
            }
            if let Some(data) = this.next_piece()? {
                if let Some((record, _)) = &mut this.record {
                    record.bytes_out += data.len() as u64;
                }
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if this.decoder.is_done() {
                if let Some(trailers) = this.trailers.take() {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                this.finish(false);
                return Poll::Ready(None);
            }
            match this.poll_read(cx) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    this.deadline.set(this.local.settings.upstreams[this.upstream].idle_timeout);
                }
                Poll::Ready(Ok(_)) if this.decoder.on_eof().is_ok() => this.reusable = false,
                Poll::Ready(_) => {
                    this.finish(true);
                    return Poll::Ready(Some(Err(Cut)));
                }
                Poll::Pending => {
                    ready!(this.deadline.poll(cx));
                    this.finish(true);
                    return Poll::Ready(Some(Err(Cut)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.decoder.is_done() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // hyper drops a body that it need not ask (HEAD, 204) and one whose client went away.
        let aborted = !self.decoder.is_done();
        self.finish(aborted);
    }
}

/// The application broke its answer off; the stream is reset.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the answer was broken off")]
pub(super) struct Cut;

/// The final head, sealed.
fn sealed(head: &wire::ResponseHead<'_, '_>, local: &Local, ctx: &RequestContext) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    let mut sealing = local.policy.seal();
    for field in head.fields {
        let length = field.name.eq_ignore_ascii_case("content-length");
        if (length || !hop_by_hop(field.name)) && sealing.passes(ctx, field.name) {
            append(headers, &field.name.to_ascii_lowercase(), field.value);
        }
    }
    sealing.finish(ctx, |name, value| append(headers, &name.to_ascii_lowercase(), value));
    response
}

/// Notes a trailer field: a line of framing behind the last chunk.
fn note_trailer(line: &[u8], last_chunk: &mut bool, trailers: &mut Option<HeaderMap>) {
    if !*last_chunk {
        // A size line of zero begins the trailer section.
        *last_chunk = line.first() == Some(&b'0')
            && line.iter().take_while(|byte| **byte == b'0').count() > 0
            && !line.iter().take_while(|byte| byte.is_ascii_hexdigit()).any(|byte| *byte != b'0');
        return;
    }
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
    if let Ok(name) = std::str::from_utf8(&line[..colon]) {
        append(trailers.get_or_insert_with(HeaderMap::new), name, line[colon + 1..].trim_ascii());
    }
}

/// Fields that a trailer section must not carry (RFC 9110 section 6.5.1): what frames, routes or proves.
fn forbidden_in_trailers(name: &str) -> bool {
    let names =
        ["authorization", "cookie", "set-cookie", "content-type", "content-encoding", "x-api-key", "trailer"];
    names.iter().any(|known| known.eq_ignore_ascii_case(name)) || portcullis_gate::edge::spoofable(name)
}
