//! A body that is judged before the application sees any of it.

use std::future::poll_fn;
use std::task::{Context, Poll};

use portcullis_core::Denial;
use portcullis_wire::{self as wire, Body};

use super::connection::Connection;
use super::decide::Forward;
use super::exchange::Failure;
use super::upload::Upload;
use crate::buffers::SMALL;
use crate::core::Local;
use crate::toward;

impl Connection {
    /// Reads the whole body, judges it, and puts it behind the head, so that both go in one write. No
    /// connection to the application is taken before it passed.
    pub(super) async fn hold(
        &mut self,
        local: &Local,
        forward: &mut Forward,
        upload: &mut Upload,
        most: usize,
    ) -> Result<(), Failure> {
        let caps = &local.settings.caps;
        let mut body = Vec::new();
        upload.take(&mut self.inbox, &mut body, most)?;
        let waits = !upload.is_done() && body.is_empty();
        if std::mem::take(&mut forward.facts.expects) && waits {
            // The application is not asked: it would have to be sent a request that may yet be refused.
            self.reply.clear();
            self.reply.extend_from_slice(wire::write::CONTINUE);
            self.deadline.set(caps.write_timeout);
            if !poll_fn(|cx| self.poll_reply(cx)).await {
                return Err(Failure::ClientGone);
            }
        }
        self.deadline.set(caps.body_timeout);
        poll_fn(|cx| self.poll_hold(cx, local, upload, &mut body, most)).await?;
        let read = body.len();
        let judged = forward.permit.judge_body(&local.policy, &mut forward.ctx, body);
        let (body, urls) = judged.map_err(Failure::Denied)?;
        let checked = forward.permit.check_urls(&local.policy, urls, &mut forward.ctx).await;
        checked.map_err(Failure::Denied)?;
        if body.len() != read && !toward::reframe(&mut self.out, forward.facts.body, body.len()) {
            return Err(Failure::Denied(Denial::Internal));
        }
        // In one chunk, without trailers: those were not judged.
        let chunked = forward.facts.body == Body::Chunked;
        if chunked && !body.is_empty() {
            wire::write::chunk_header(&mut self.out, body.len());
        }
        self.out.extend_from_slice(&body);
        if chunked {
            let end = if body.is_empty() { wire::write::LAST_CHUNK } else { b"\r\n0\r\n\r\n" };
            self.out.extend_from_slice(end);
        }
        Ok(())
    }

    /// Reads until the body is whole, or larger than what is held.
    fn poll_hold(
        &mut self,
        cx: &mut Context<'_>,
        local: &Local,
        upload: &mut Upload,
        body: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<(), Failure>> {
        loop {
            upload.take(&mut self.inbox, body, most)?;
            if upload.is_done() || body.len() > most {
                return Poll::Ready(Ok(()));
            }
            self.core.buffers.attach(&mut self.inbox, SMALL);
            match self.stream.poll_fill(cx, &mut self.inbox) {
                Poll::Ready(Ok(count)) if count > 0 => self.deadline.set(local.settings.caps.body_timeout),
                Poll::Ready(_) => return Poll::Ready(Err(Failure::ClientGone)),
                Poll::Pending => {
                    self.core.buffers.detach(&mut self.inbox);
                    return self.deadline.poll(cx).map(|()| Err(Failure::Denied(Denial::RequestTimeout)));
                }
            }
        }
    }
}
