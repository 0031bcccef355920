//! Threads for work that waits or computes, few in number, with a queue that refuses when it is full.
//!
//! Hashing a password takes 20 to 300 milliseconds of a core, and an act on the store waits for a disk: neither
//! may stand in the way of the threads that forward requests. A storm of logins fills its queue, is refused, and
//! takes nothing from anybody else.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// What a pool is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// How many threads, at least one.
    pub threads: usize,
    /// How many pieces of work may wait for a thread.
    pub waiting: usize,
    /// How long it may wait for one: who would be answered later is refused, and tries again.
    pub patience: Duration,
    /// Whether its threads give way to all others.
    pub yields: bool,
}

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unworked {
    /// As much waits already as may.
    #[error("too much work is waiting")]
    Full,
    /// No thread took it up in time.
    #[error("it waited too long")]
    Late,
    /// Whoever asked was gone before a thread took it up.
    #[error("nobody waits for it any more")]
    Withdrawn,
    /// The work ended without a result: a fault of ours.
    #[error("the work ended without a result")]
    Broken,
}

/// Threads that work a queue off.
#[derive(Debug)]
pub struct Pool {
    patience: Duration,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

type Job = Box<dyn FnOnce() + Send>;

struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    waiting: usize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    ended: bool,
}

/// How far threads that give way stand behind others (`nice`).
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

impl Pool {
    /// Starts the threads; `name` is theirs.
    pub fn start(name: &str, size: Size) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            more: Condvar::new(),
            waiting: size.waiting,
        });
        let mut pool = Self { patience: size.patience, shared: Arc::clone(&shared), threads: Vec::new() };
        for _ in 0..size.threads.max(1) {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                if size.yields {
                    give_way();
                }
                shared.work();
            })?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Runs `work` on one of the threads, unless what `asker` refers to is gone when one takes it up.
    pub async fn run<T: Send + 'static>(
        &self,
        asker: Weak<()>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unworked> {
        let (sender, receiver) = oneshot::channel();
        let (since, patience) = (Instant::now(), self.patience);
        let job = move || {
            let result = if asker.strong_count() == 0 {
                Err(Unworked::Withdrawn)
            } else if since.elapsed() > patience {
                Err(Unworked::Late)
            } else {
                Ok(work())
            };
            let _ = sender.send(result);
        };
        self.shared.add(Box::new(job))?;
        receiver.await.unwrap_or(Err(Unworked::Broken))
    }
}

impl Drop for Pool {
    /// What waits is not begun any more; what runs ends first.
    fn drop(&mut self) {
        let mut queue = self.shared.queue.lock();
        queue.ended = true;
        queue.jobs.clear();
        drop(queue);
        self.shared.more.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn add(&self, job: Job) -> Result<(), Unworked> {
        let mut queue = self.queue.lock();
        if queue.jobs.len() >= self.waiting {
            return Err(Unworked::Full);
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.more.notify_one();
        Ok(())
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            // A panic is a fault of one piece of work; the thread is there for the next one. Whoever waits for
            // the result learns that there is none.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.ended {
                return None;
            }
            self.more.wait(&mut queue);
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// Lets the scheduler prefer every other thread. On Linux a priority is a thread's own, although POSIX gives it
/// to the process (setpriority(2), "C library/kernel differences").
fn give_way() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn work_is_done_elsewhere_and_its_result_comes_back() {
        let pool =
            Pool::start("test", Size { threads: 2, waiting: 4, patience: LONG, yields: true }).unwrap();
        let (here, asker) = (std::thread::current().id(), Arc::new(()));
        let there = pool.run(Arc::downgrade(&asker), || std::thread::current().id());
        assert_ne!(here, runtime().block_on(there).unwrap());
    }

    #[test]
    fn a_full_queue_refuses_at_once_and_what_waited_is_done() {
        let pool =
            Pool::start("test", Size { threads: 1, waiting: 2, patience: LONG, yields: false }).unwrap();
        let (open, closed) = mpsc::channel::<()>();
        let (begun, begins) = mpsc::channel::<()>();
        let asker = Arc::new(());
        runtime().block_on(async {
            let first = pool.run(Arc::downgrade(&asker), move || {
                begun.send(()).unwrap();
                closed.recv().unwrap();
                1
            });
            let run = |number: i32| pool.run(Arc::downgrade(&asker), move || number);
            let (second, third, fourth) = (run(2), run(3), run(4));
            tokio::pin!(first, second, third, fourth);
            assert!(polled(first.as_mut()).await.is_none());
            begins.recv().unwrap();
            assert!(polled(second.as_mut()).await.is_none());
            assert!(polled(third.as_mut()).await.is_none());
            assert_eq!(polled(fourth.as_mut()).await, Some(Err(Unworked::Full)));
            open.send(()).unwrap();
            assert_eq!((first.await, second.await, third.await), (Ok(1), Ok(2), Ok(3)));
        });
    }

    #[test]
    fn what_waited_too_long_is_not_begun() {
        let size = Size { threads: 1, waiting: 2, patience: Duration::ZERO, yields: false };
        let pool = Pool::start("test", size).unwrap();
        let asker = Arc::new(());
        let late = runtime().block_on(pool.run(Arc::downgrade(&asker), || panic!("begun")));
        assert_eq!(late, Err::<(), _>(Unworked::Late));
    }

    #[test]
    fn who_hung_up_costs_nothing_and_a_panic_costs_no_thread() {
        let pool =
            Pool::start("test", Size { threads: 1, waiting: 8, patience: LONG, yields: false }).unwrap();
        let (open, closed) = mpsc::channel::<()>();
        let (done, doing) = mpsc::channel();
        let (asker, gone) = (Arc::new(()), Arc::new(()));
        runtime().block_on(async {
            let busy = pool.run(Arc::downgrade(&asker), move || closed.recv().unwrap());
            let withdrawn = pool.run(Arc::downgrade(&gone), move || done.send(()).unwrap());
            tokio::pin!(busy, withdrawn);
            assert!(polled(busy.as_mut()).await.is_none());
            assert!(polled(withdrawn.as_mut()).await.is_none());
            drop(gone);
            open.send(()).unwrap();
            busy.await.unwrap();
            assert_eq!(withdrawn.await, Err(Unworked::Withdrawn));
            let broken = pool.run(Arc::downgrade(&asker), || std::panic::resume_unwind(Box::new(())));
            assert_eq!(broken.await, Err::<(), _>(Unworked::Broken));
            assert_eq!(pool.run(Arc::downgrade(&asker), || 5).await, Ok(5));
        });
        assert!(doing.recv().is_err(), "what was withdrawn was not done");
    }

    /// Polls a future once.
    async fn polled<F: std::future::Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut future = future;
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match future.as_mut().poll(context) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
