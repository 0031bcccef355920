//! Waiting for a future on a thread that belongs to nobody's runtime, and no longer than until a deadline.
//!
//! The connection itself is driven on another thread. So an act may be called from anywhere: a runtime's
//! own `block_on` panics where another runtime is at work.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

/// Wakes one thread.
pub(super) struct Waiter {
    bell: Arc<Bell>,
    waker: Waker,
}

struct Bell {
    thread: Thread,
    rung: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Waiter {
    /// For the calling thread.
    pub(super) fn here() -> Self {
        let bell = Arc::new(Bell { thread: thread::current(), rung: AtomicBool::new(false) });
        Self { waker: Arc::clone(&bell).into(), bell }
    }

    /// What the future comes to; `None` where it does not until the deadline.
    pub(super) fn wait<F: Future>(&self, deadline: Instant, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut context = Context::from_waker(&self.waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Some(output);
            }
            while !self.bell.rung.swap(false, Ordering::Acquire) {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return None;
                }
                thread::park_timeout(left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon(ms: u64) -> Instant {
        Instant::now() + Duration::from_millis(ms)
    }

    #[test]
    fn what_is_ready_is_given_even_when_it_is_late() {
        assert_eq!(Waiter::here().wait(soon(0), std::future::ready(7)), Some(7));
    }

    #[test]
    fn what_never_comes_is_given_up() {
        assert_eq!(Waiter::here().wait(soon(20), std::future::pending::<()>()), None);
    }

    #[test]
    fn what_comes_from_another_thread_wakes_it() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let other = thread::spawn(move || sender.send(7));
        assert_eq!(Waiter::here().wait(soon(10_000), receiver), Some(Ok(7)));
        other.join().unwrap().unwrap();
    }
}
