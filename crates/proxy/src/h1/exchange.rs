//! One request and its answer between a client and an upstream, both ways at once.
//!
//! Both directions are driven by one poll function, each with its own backpressure: nothing is read that
//! could not be written on, so no body is ever held.

use std::rc::Rc;
use std::task::{Context, Poll};

use portcullis_core::Denial;

use super::decide::Forward;
use super::download::{Download, Phase};
use super::upload::Upload;
use crate::buffers::Buffer;
use crate::core::{Core, Local};
use crate::deadline::Deadline;
use crate::io::Stream;

/// What both directions work on.
pub struct Exchange<'a> {
    pub core: &'a Rc<Core>,
    pub local: &'a Local,
    pub forward: &'a Forward,
    pub client: &'a mut Stream,
    /// Bytes of the client that were read and not yet used.
    pub inbox: &'a mut Buffer,
    /// The head for the application, and what of the body stood with it.
    pub out: &'a mut Vec<u8>,
    /// What is to be written to the client before anything else.
    pub reply: &'a mut Vec<u8>,
    pub deadline: &'a mut Deadline,
    pub upstream: Stream,
    pub upload: Upload,
    pub download: Download,
}

/// How an exchange ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The answer was written to its end.
    Answered,
    /// The connection now speaks another protocol.
    Switched,
}

/// Why an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The client went away.
    ClientGone,
    /// The answer can still be a refusal: nothing of another one was written.
    Denied(Denial),
    /// The upstream connection ended before a byte of an answer.
    UpstreamSilent,
    /// The answer was begun and cannot be ended.
    Cut,
}

impl Failure {
    /// What the client is told, where it can still be told.
    pub fn denial(self) -> Option<Denial> {
        match self {
            Failure::Denied(denial) => Some(denial),
            Failure::UpstreamSilent => Some(Denial::UpstreamMalformed),
            Failure::ClientGone | Failure::Cut => None,
        }
    }
}

impl Exchange<'_> {
    /// Drives both directions until the answer is written, or one of them fails.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ended, Failure>> {
        match self.poll_upload(cx) {
            Poll::Ready(Err(failure)) => return Poll::Ready(Err(self.after_start(failure))),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        match self.poll_download(cx) {
            Poll::Ready(Ok(ended)) => return Poll::Ready(Ok(ended)),
            Poll::Ready(Err(failure)) => return Poll::Ready(Err(self.after_start(failure))),
            Poll::Pending => {}
        }
        if self.upload.is_done() && self.client_left(cx) {
            return Poll::Ready(Err(Failure::ClientGone));
        }
        if self.deadline.poll(cx).is_ready() {
            if self.download.phase == Phase::Done && self.reply.is_empty() {
                // All is said; only the rest of the request does not come.
                return Poll::Ready(Ok(Ended::Answered));
            }
            let failure = self.overdue();
            return Poll::Ready(Err(self.after_start(failure)));
        }
        Poll::Pending
    }

    /// Whether the client hung up while it waited. Costs no system call while it is silent; what it sends
    /// instead (the next request) stays in the inbox.
    fn client_left(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.inbox.is_empty() || self.client.poll_stir(cx).is_pending() {
            return false;
        }
        self.core.buffers.attach(self.inbox, self.local.settings.caps.headers);
        match self.client.poll_fill(cx, self.inbox) {
            Poll::Pending => {
                self.core.buffers.detach(self.inbox);
                false
            }
            Poll::Ready(read) => !matches!(read, Ok(count) if count > 0),
        }
    }

    /// Who kept whom waiting when the deadline passed.
    fn overdue(&self) -> Failure {
        match self.download.phase {
            Phase::Head if self.waits_for_client() => Failure::Denied(Denial::RequestTimeout),
            Phase::Head => Failure::Denied(Denial::UpstreamTimeout),
            Phase::Body | Phase::Done | Phase::Switched => Failure::Cut,
        }
    }

    /// Whether it is the client that keeps the request waiting: not while it waits for the application's `100`.
    fn waits_for_client(&self) -> bool {
        let waits_for_100 =
            self.forward.facts.expects && self.upload.bytes == 0 && self.download.interims == 0;
        self.upload.waits_for_client(self.out) && !waits_for_100
    }

    /// Once a byte of an answer was written, no other answer can be given.
    fn after_start(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Denied(_) | Failure::UpstreamSilent if self.download.is_committed() => Failure::Cut,
            other => other,
        }
    }
}
