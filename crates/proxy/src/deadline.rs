//! One timer a connection, moved without touching the timer wheel.
//!
//! Every phase of a connection has a deadline, and nearly none is reached. Setting one only writes a field;
//! the timer in the wheel stays where it was, and looks, when it fires, whether its time has really come.
//! Only an earlier deadline moves it.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The deadline of a connection's present phase.
#[derive(Debug)]
pub struct Deadline {
    at: Instant,
    armed: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Deadline {
    /// A deadline `after` from now.
    pub fn new(after: Duration) -> Self {
        let at = Instant::now() + after;
        Self { at, armed: at, sleep: Box::pin(sleep_until(at)) }
    }

    /// Moves the deadline to `after` from now.
    pub fn set(&mut self, after: Duration) {
        self.set_at(Instant::now() + after);
    }

    /// Moves the deadline to `at`.
    pub fn set_at(&mut self, at: Instant) {
        self.at = at;
        if at < self.armed {
            self.armed = at;
            self.sleep.as_mut().reset(at);
        }
    }

    /// Ready once the deadline has passed.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.sleep.as_mut().poll(cx).is_ready() {
            if self.at <= Instant::now() {
                return Poll::Ready(());
            }
            self.armed = self.at;
            self.sleep.as_mut().reset(self.at);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test(start_paused = true)]
    async fn it_fires_at_the_last_time_set() {
        let start = Instant::now();
        let mut deadline = Deadline::new(Duration::from_secs(5));
        deadline.set(Duration::from_secs(60));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 60);
        deadline.set(Duration::from_secs(75));
        deadline.set(Duration::from_secs(10));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 70);
    }
}
