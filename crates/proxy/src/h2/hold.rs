//! A body that is judged before the application sees any of it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use portcullis_core::Denial;
use tokio::time::timeout;

/// How long a body that nobody wants is still read, so that the client sees the answer and not a reset.
const LINGER: Duration = Duration::from_secs(2);
/// The most that is read of it, in bytes.
const LINGERED: usize = 512 * 1024;

/// Reads what is left of a body and throws it away: a client that is reset while it sends (RFC 9113 section
/// 8.1) may lose the answer with it.
pub(super) fn let_go(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    tokio::task::spawn_local(async move {
        let mut left = LINGERED;
        let end = poll_fn(|cx| {
            while left > 0 {
                match ready!(Pin::new(&mut body).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        left = left.saturating_sub(frame.data_ref().map_or(1, |data| data.len().max(1)));
                    }
                    Some(Err(_)) | None => break,
                }
            }
            Poll::Ready(())
        });
        // Past that time the reset comes.
        let _ = timeout(LINGER, end).await;
    });
}

/// Reads a whole body, as far as one byte more than `most`. Trailers are left out: they are not judged.
pub(super) async fn read(
    body: &mut Option<Incoming>,
    most: usize,
    patience: Duration,
) -> Result<Vec<u8>, Denial> {
    let mut held = Vec::new();
    let Some(body) = body else { return Ok(held) };
    while held.len() <= most {
        let frame = timeout(patience, poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)));
        let data = match frame.await {
            Err(_) => return Err(Denial::RequestTimeout),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(Denial::Malformed("body-aborted")),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        held.extend_from_slice(&data[..data.len().min(most + 1 - held.len())]);
    }
    Ok(held)
}
