//! HTTP/2 connections of clients.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::door::answer;
use super::stall::Stalling;
use crate::buffers::Buffer;
use crate::core::Core;
use crate::deadline::Deadline;
use crate::h1::Caller;
use crate::io::Stream;

/// Streams one client may have open at once on a connection.
const STREAMS: u32 = 128;

/// Serves an HTTP/2 connection to its end. One without a request has as little time as in HTTP/1.1: the time of
/// a head to the first one, the idle time after the last.
pub async fn serve(core: Rc<Core>, stream: Stream, caller: Caller, inbox: Buffer) {
    let caps = core.local().settings.caps.clone();
    let requests = Requests::default();
    let service = {
        let (core, requests) = (Rc::clone(&core), requests.clone());
        hyper::service::service_fn(move |request| {
            let (core, active) = (Rc::clone(&core), requests.begin());
            async move { Ok::<_, Infallible>(answer(core, caller, request, active).await) }
        })
    };
    let io = TokioIo::new(Prefixed { inbox, stream, core: Rc::clone(&core) });
    let connection =
        hyper::server::conn::http2::Builder::new(OnThisCore { write_timeout: caps.write_timeout })
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(caps.headers as u32)
            .keep_alive_interval(caps.idle_timeout)
            .keep_alive_timeout(caps.header_timeout)
            .serve_connection(io, service);
    let mut connection = pin!(connection);
    let slot = poll_fn(|cx| Poll::Ready(core.register(cx.waker()))).await;
    let mut deadline = Deadline::new(caps.header_timeout);
    let (mut leaving, mut busy) = (false, false);
    poll_fn(|cx| {
        if core.shared.is_draining() && !leaving {
            leaving = true;
            connection.as_mut().graceful_shutdown();
        }
        loop {
            // Errors of a connection are the client's affair; each request was recorded by itself.
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if requests.any() {
                busy = true;
                return Poll::Pending;
            }
            if std::mem::take(&mut busy) {
                deadline.set(caps.idle_timeout);
            }
            std::task::ready!(deadline.poll(cx));
            if leaving {
                return Poll::Ready(());
            }
            // It is told, and has a moment to hear it.
            leaving = true;
            connection.as_mut().graceful_shutdown();
            deadline.set(caps.header_timeout);
        }
    })
    .await;
    core.unregister(slot);
}

/// How many requests of a connection are under way.
#[derive(Debug, Clone, Default)]
struct Requests(Rc<Cell<usize>>);

impl Requests {
    fn begin(&self) -> Active {
        self.0.set(self.0.get() + 1);
        Active(self.clone())
    }

    fn any(&self) -> bool {
        self.0.get() > 0
    }
}

/// A request that is under way while this lives.
#[derive(Debug)]
pub(super) struct Active(Requests);

impl Drop for Active {
    fn drop(&mut self) {
        let requests = &self.0.0;
        requests.set(requests.get() - 1);
    }
}

/// Runs what hyper spawns on the core that accepted the connection.
#[derive(Debug, Clone, Copy)]
struct OnThisCore {
    write_timeout: Duration,
}

impl<F> hyper::rt::Executor<F> for OnThisCore
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        let timeout = self.write_timeout;
        tokio::task::spawn_local(Stalling::new(future, timeout));
    }
}

/// A stream of which something was read already.
struct Prefixed {
    inbox: Buffer,
    stream: Stream,
    core: Rc<Core>,
}

impl AsyncRead for Prefixed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.inbox.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let count = this.inbox.len().min(buf.remaining());
        buf.put_slice(&this.inbox.filled()[..count]);
        this.inbox.consume(count);
        this.core.buffers.detach(&mut this.inbox);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
