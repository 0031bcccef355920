//! A tunnel between a client and whom it called: bytes, both ways at once.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::time::{Instant, timeout_at};

/// A tunnel on which nothing passes for so long is closed.
const IDLE: Duration = Duration::from_secs(300);
/// The same once one side has said all it has to say: the other may be gone without a word.
const HALF_IDLE: Duration = Duration::from_secs(60);
/// Bytes that are read at once.
const PIECE: usize = 16 * 1024;

/// How much passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Passed {
    /// From the client.
    pub(super) sent: u64,
    /// To the client.
    pub(super) received: u64,
}

/// Passes bytes on until both sides have ended, one breaks, or nothing passes for too long.
pub(super) async fn run(
    client: impl AsyncRead + AsyncWrite + Unpin,
    called: impl AsyncRead + AsyncWrite + Unpin,
) -> Passed {
    let (client_in, client_out) = split(client);
    let (called_in, called_out) = split(called);
    let stirred = Stirred { last: Cell::new(Instant::now()), idle: Cell::new(IDLE) };
    let (sent, received) = (Cell::new(0), Cell::new(0));
    // Whichever way ended, the counts stand.
    let _ = tokio::try_join!(
        pump(client_in, called_out, &stirred, &sent),
        pump(called_in, client_out, &stirred, &received)
    );
    Passed { sent: sent.get(), received: received.get() }
}

/// When something last passed, either way, and how long nothing may.
struct Stirred {
    last: Cell<Instant>,
    idle: Cell<Duration>,
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    stirred: &Stirred,
    count: &Cell<u64>,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = loop {
            match timeout_at(stirred.last.get() + stirred.idle.get(), from.read(&mut piece)).await {
                Ok(read) => break read?,
                // The other way may have stirred meanwhile.
                Err(_) if stirred.last.get().elapsed() < stirred.idle.get() => {}
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        };
        if read == 0 {
            stirred.last.set(Instant::now());
            stirred.idle.set(HALF_IDLE);
            return to.shutdown().await;
        }
        stirred.last.set(Instant::now());
        to.write_all(&piece[..read]).await?;
        count.set(count.get() + read as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap().block_on(future)
    }

    #[test]
    fn bytes_pass_both_ways_to_both_ends() {
        block_on(async {
            let (mut near, client) = tokio::io::duplex(64);
            let (mut far, called) = tokio::io::duplex(64);
            let talk = async {
                near.write_all(b"question").await.unwrap();
                near.shutdown().await.unwrap();
                let mut asked = Vec::new();
                far.read_to_end(&mut asked).await.unwrap();
                far.write_all(b"the answer").await.unwrap();
                drop(far);
                let mut answered = Vec::new();
                near.read_to_end(&mut answered).await.unwrap();
                (asked, answered)
            };
            let (passed, (asked, answered)) = tokio::join!(run(client, called), talk);
            assert_eq!((&*asked, &*answered), (&b"question"[..], &b"the answer"[..]));
            assert_eq!(passed, Passed { sent: 8, received: 10 });
        });
    }

    #[test]
    fn who_is_half_gone_is_not_waited_for_as_long() {
        block_on(async {
            let (near, client) = tokio::io::duplex(64);
            let (_far, called) = tokio::io::duplex(64);
            let since = Instant::now();
            drop(near);
            run(client, called).await;
            // The other way looks when its time, set before, is over.
            assert!((HALF_IDLE..=IDLE).contains(&since.elapsed()), "{:?}", since.elapsed());
        });
    }

    #[test]
    fn a_tunnel_on_which_nothing_passes_ends() {
        block_on(async {
            let (_near, client) = tokio::io::duplex(64);
            let (_far, called) = tokio::io::duplex(64);
            let since = Instant::now();
            assert_eq!(run(client, called).await, Passed::default());
            assert!(since.elapsed() >= IDLE);
        });
    }
}
