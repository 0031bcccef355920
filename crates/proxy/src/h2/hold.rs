//! A body that is judged before the application sees any of it.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use portcullis_core::Denial;
use tokio::time::timeout;

/// Reads a whole body, as far as one byte more than `most`. Trailers are left out: they are not judged.
pub(super) async fn read(mut body: Incoming, most: usize, patience: Duration) -> Result<Vec<u8>, Denial> {
    let mut held = Vec::new();
    while held.len() <= most {
        let frame = timeout(patience, poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)));
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
