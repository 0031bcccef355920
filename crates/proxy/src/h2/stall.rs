//! The time of a client that does not take its answer.
//!
//! While a stream's window is closed hyper asks for no more of the body, so the body itself cannot notice; but
//! it knows that it handed something out, and the task of its stream can count from there.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::deadline::Deadline;

thread_local! {
    /// What the body of the stream whose task is being polled said last: whether it waits for its client.
    static AWAITS_CLIENT: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Says of the stream whose task is being polled whether it waits for its client.
pub(super) fn await_client(awaits: bool) {
    AWAITS_CLIENT.set(Some(awaits));
}

/// The task of a stream, ended when the client takes nothing for so long. Dropping it resets the stream.
pub(super) struct Stalling<F> {
    stream: Pin<Box<F>>,
    timeout: Duration,
    awaits_client: bool,
    /// Made when it is first needed: most answers leave at once.
    deadline: Option<Deadline>,
}

impl<F> Stalling<F> {
    pub(super) fn new(stream: F, timeout: Duration) -> Self {
        Self { stream: Box::pin(stream), timeout, awaits_client: false, deadline: None }
    }
}

impl<F: Future> Future for Stalling<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let before = AWAITS_CLIENT.replace(None);
        let polled = this.stream.as_mut().poll(cx);
        let said = AWAITS_CLIENT.replace(before);
        if polled.is_ready() {
            return Poll::Ready(());
        }
        if let Some(awaits_client) = said {
            this.awaits_client = awaits_client;
            if awaits_client {
                this.deadline.get_or_insert_with(|| Deadline::new(this.timeout)).set(this.timeout);
            }
        }
        match &mut this.deadline {
            Some(deadline) if this.awaits_client => deadline.poll(cx),
            _ => Poll::Pending,
        }
    }
}
