//! Bodies that are made while they are sent: any size, no buffer.

use axum::BoxError;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

/// One period of the pattern is 256 bytes, so blocks of this size join without a seam.
const BLOCK: usize = 64 * 1024;

static PATTERN: LazyLock<Bytes> = LazyLock::new(|| (0..BLOCK).map(|at| at as u8).collect());

/// How a [`Pattern`] ends and what it announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The length is announced, and all of it comes.
    Sized,
    /// Chunked, with the number of bytes in the trailer `x-sample-length`.
    Trailers,
    /// Chunked, without trailers.
    Chunked,
    /// The length is announced, and the connection breaks in the middle.
    Broken,
}

/// A body of so many bytes; byte `i` has the value `i mod 256`.
pub(crate) fn pattern(length: u64, ending: Ending) -> Body {
    let breaks_at = if ending == Ending::Broken { length / 2 } else { length };
    Body::new(Pattern { length, sent: 0, breaks_at, ending, flushed: false, finished: false })
}

#[derive(Debug)]
struct Pattern {
    length: u64,
    sent: u64,
    breaks_at: u64,
    ending: Ending,
    /// Whether what came before the break had its chance to leave.
    flushed: bool,
    finished: bool,
}

impl http_body::Body for Pattern {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let left = self.breaks_at - self.sent;
        if left > 0 {
            let size = left.min(BLOCK as u64);
            self.sent += size;
            return Poll::Ready(Some(Ok(Frame::data(PATTERN.slice(..size as usize)))));
        }
        if self.ending == Ending::Broken && !std::mem::replace(&mut self.flushed, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if std::mem::replace(&mut self.finished, true) {
            return Poll::Ready(None);
        }
        Poll::Ready(match self.ending {
            Ending::Sized | Ending::Chunked => None,
            Ending::Broken => Some(Err(io::Error::from(io::ErrorKind::BrokenPipe).into())),
            Ending::Trailers => Some(Ok(Frame::trailers(HeaderMap::from_iter([(
                axum::http::HeaderName::from_static("x-sample-length"),
                HeaderValue::from(self.length),
            )])))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ending == Ending::Sized && self.sent == self.length
    }

    fn size_hint(&self) -> SizeHint {
        match self.ending {
            Ending::Sized | Ending::Broken => SizeHint::with_exact(self.length - self.sent),
            Ending::Chunked | Ending::Trailers => SizeHint::default(),
        }
    }
}
