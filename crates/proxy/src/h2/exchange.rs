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
use super::stall;
use super::upload::Upload;
use crate::buffers::{Buffer, LARGE, SMALL};
use crate::core::{Core, Local};
use crate::h1::{is_nominated, nominating};
use crate::toward::hop_by_hop;

/// A request ready to be sent.
pub(super) struct Asked {
    /// The head for the application, and the body behind it where it was held.
    pub(super) out: Vec<u8>,
    /// Bytes of a held body, as the client sent it.
    pub(super) held: u64,
    pub(super) framing: Body,
    pub(super) upstream: usize,
    pub(super) max_body: u64,
    pub(super) head_only: bool,
    pub(super) idempotent: bool,
}

/// What came back.
pub(super) enum Answered {
    /// The application's answer: its sealed head, and its body as it comes.
    Theirs(Response<()>, Box<Relay>),
    /// An answer with this status that is not shown.
    Replaced(u16),
}

/// Sends a request and waits for the head of its answer.
pub(super) async fn run(
    core: Rc<Core>,
    local: Rc<Local>,
    asked: Asked,
    body: Option<Incoming>,
    ctx: &RequestContext,
) -> Result<Answered, Denial> {
    let pool = &local.pools[asked.upstream];
    pool.upstream().admit(core.now().monotonic_ms)?;
    let mut incoming = body;
    let once_more = asked.idempotent && (incoming.is_none() || asked.framing == Body::Empty);
    let mut retried = false;
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
        let upload = Upload::new(Rc::clone(&local), connection, incoming.take(), &asked);
        let mut relay = Relay {
            core: Rc::clone(&core),
            local: Rc::clone(&local),
            upload: Some(upload),
            status: 0,
            outbox: Buffer::default(),
            decoder: BodyDecoder::new(Body::Empty),
            trailers: None,
            last_chunk: false,
            reusable: false,
            record: None,
        };
        match poll_fn(|cx| relay.poll_head(cx, asked.head_only, ctx)).await {
            Ok(response) => {
                core.buffers.put_text(asked.out);
                return Ok(match response {
                    Some(response) => Answered::Theirs(response, Box::new(relay)),
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
    /// Gone once the exchange is over.
    upload: Option<Upload>,
    status: u16,
    outbox: Buffer,
    decoder: BodyDecoder,
    trailers: Option<HeaderMap>,
    last_chunk: bool,
    reusable: bool,
    record: Option<Record>,
}

/// What stands in the outbox.
enum Found {
    /// Not yet a whole head.
    More,
    /// The final head, sealed.
    Final(Response<()>),
    /// A final head that is not shown.
    Replaced,
}

impl Relay {
    /// Records the request when the body ends.
    pub(super) fn recorded(mut self: Box<Self>, mut record: Record) -> Box<Self> {
        record.status = self.status;
        self.record = Some(record);
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
            if let Poll::Ready(Err(denial)) = self.poll_send(cx, false) {
                return Poll::Ready(Err(denial));
            }
            if !self.outbox.is_empty() {
                match self.read_head(head_only, ctx) {
                    Ok(Found::More) => {}
                    Ok(Found::Final(response)) => return Poll::Ready(Ok(Some(response))),
                    Ok(Found::Replaced) => return Poll::Ready(Ok(None)),
                    Err(_) => return Poll::Ready(Err(Denial::UpstreamMalformed)),
                }
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(_) => return Poll::Ready(Err(Denial::UpstreamMalformed)),
                Poll::Pending => {
                    let Some(upload) = &mut self.upload else { return Poll::Pending };
                    ready!(upload.deadline.poll(cx));
                    return Poll::Ready(Err(if upload.is_over() {
                        Denial::UpstreamTimeout
                    } else {
                        Denial::RequestTimeout
                    }));
                }
            }
        }
    }

    /// Reads a head from the outbox.
    fn read_head(&mut self, head_only: bool, ctx: &RequestContext) -> Result<Found, Cut> {
        let caps = wire::Caps { head: SMALL, target: 0, fields: wire::MAX_FIELDS };
        loop {
            let mut scratch = Scratch::new();
            let method = if head_only { "HEAD" } else { "GET" };
            let parsed = wire::parse_response(self.outbox.filled(), &caps, method, &mut scratch);
            let Some(head) = parsed.map_err(|_| Cut)? else { return Ok(Found::More) };
            let (len, status) = (head.len, head.status);
            if status == 101 {
                return Err(Cut);
            }
            if status < 200 {
                // hyper's server cannot send interim answers; they are advice, and the final one follows.
                self.outbox.consume(len);
                continue;
            }
            self.status = status;
            if let Some(upload) = &self.upload {
                upload.answered();
            }
            if self.local.policy.replaces(ctx, status) {
                return Ok(Found::Replaced);
            }
            self.reusable = head.persistent;
            self.decoder = BodyDecoder::for_response(head.body);
            let response = sealed(&head, &self.local, ctx);
            self.outbox.consume(len);
            if let Some(upload) = self.upload.as_mut().filter(|upload| upload.is_over()) {
                let idle = upload.timeouts().idle_timeout;
                upload.deadline.set(idle);
            }
            return Ok(Found::Final(response));
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, answered: bool) -> Poll<Result<(), Denial>> {
        match &mut self.upload {
            Some(upload) => upload.poll(cx, answered),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Reads more of the answer.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(upload) = &mut self.upload else { return Poll::Ready(Ok(0)) };
        self.core.buffers.attach(&mut self.outbox, if self.status == 0 { SMALL } else { LARGE });
        let read = upload.connection.stream.poll_fill(cx, &mut self.outbox);
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
    /// An application that has answered before it had the whole request is given the rest of it.
    fn finish(&mut self, aborted: bool) {
        let whole = !aborted && self.decoder.is_done() && self.outbox.is_empty();
        self.core.buffers.discard(&mut self.outbox);
        let Some(upload) = self.upload.take() else { return };
        let Some(mut record) = self.record.take() else { return };
        if whole && !upload.is_over() {
            tokio::task::spawn_local(upload.part(self.reusable, record));
            return;
        }
        record.bytes_in = upload.bytes;
        record.aborted = aborted;
        record.finish(None);
        upload.give_back(whole && self.reusable);
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            if let Poll::Ready(Err(_)) = self.poll_send(cx, true) {
                return Poll::Ready(Some(Err(Cut)));
            }
            if let Some(data) = self.next_piece()? {
                if let Some(record) = &mut self.record {
                    record.bytes_out += data.len() as u64;
                }
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if self.decoder.is_done() {
                if let Some(trailers) = self.trailers.take() {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                return Poll::Ready(None);
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    if let Some(upload) = &mut self.upload {
                        let idle = upload.timeouts().idle_timeout;
                        upload.deadline.set(idle);
                    }
                }
                Poll::Ready(Ok(_)) if self.decoder.on_eof().is_ok() => self.reusable = false,
                Poll::Ready(_) => return Poll::Ready(Some(Err(Cut))),
                Poll::Pending => {
                    let Some(upload) = &mut self.upload else { return Poll::Pending };
                    ready!(upload.deadline.poll(cx));
                    return Poll::Ready(Some(Err(Cut)));
                }
            }
        }
    }
}

impl HttpBody for Relay {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        let piece = this.poll_piece(cx);
        match &piece {
            Poll::Ready(None) => this.finish(false),
            Poll::Ready(Some(Err(_))) => this.finish(true),
            // hyper asks again when the client has room for more.
            Poll::Ready(Some(Ok(_))) => stall::await_client(true),
            Poll::Pending => stall::await_client(false),
        }
        piece
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
    let nominating = nominating(head);
    for field in head.fields {
        if field.name.eq_ignore_ascii_case("content-length") {
            continue;
        }
        let ends_here = hop_by_hop(field.name) || (nominating && is_nominated(head, field.name));
        if !ends_here && sealing.passes(ctx, field.name) {
            append(headers, &field.name.to_ascii_lowercase(), field.value);
        }
    }
    // It may stand several times with one value, and never with 204 (RFC 9110 section 8.6).
    if let Some(length) = head.content_length.filter(|_| head.status != 204) {
        append(headers, "content-length", itoa::Buffer::new().format(length).as_bytes());
    }
    sealing.finish(ctx, |name, value| append(headers, &name.to_ascii_lowercase(), value));
    response
}

/// Notes a trailer field: a line of framing behind the last chunk.
fn note_trailer(line: &[u8], last_chunk: &mut bool, trailers: &mut Option<HeaderMap>) {
    if !*last_chunk {
        // A size line of zero begins the trailer section.
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
        *last_chunk = line.first() == Some(&b'0') && digits.into_iter().all(|byte| *byte == b'0');
        return;
    }
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
    if let Ok(name) = std::str::from_utf8(&line[..colon]) {
        append(trailers.get_or_insert_with(HeaderMap::new), name, line[colon + 1..].trim_ascii());
    }
}
