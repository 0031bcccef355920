//! Many WebSockets at once: an application that echoes, and clients that go on and on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use super::wait::{PATIENCE, until};

/// Lets this process open as many files as it is allowed to at all.
pub fn many_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

/// The application: every WebSocket gets back what it says.
pub struct SocketCrowd {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

impl SocketCrowd {
    /// Starts it on a thread and a free port of its own.
    pub fn echo() -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, address) = std::sync::mpsc::channel();
        let serving = on_a_thread(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            bound.send(listener.local_addr().unwrap()).unwrap();
            let accepting = async {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::task::spawn_local(echo(stream));
                }
            };
            tokio::select! {
                () = accepting => {}
                _ = stopped => {}
            }
        });
        Self { address: address.recv().unwrap(), stop: Some(stop), serving: Some(serving) }
    }

    /// Where it listens, as a gateway takes it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens so many WebSockets through a gateway; when this returns, all are open.
    pub fn join(&self, gateway: SocketAddr, target: &str, count: usize) -> Crowd {
        self.join_after(gateway, target, count, None)
    }

    /// The same, where each has to say `login` first, and is answered.
    pub fn join_after(&self, gateway: SocketAddr, target: &str, count: usize, login: Option<&str>) -> Crowd {
        let login = login.map(str::to_owned);
        let shared = Arc::new(Shared::default());
        let target = format!("ws://{gateway}{target}");
        let talking = on_a_thread({
            let shared = Arc::clone(&shared);
            async move {
                let mut clients = JoinSet::new();
                for number in 0..count {
                    let stream = TcpStream::connect(gateway).await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    let (mut socket, _) = client_async(&target, stream).await.expect("a handshake");
                    if let Some(login) = &login {
                        socket.send(Message::text(login)).await.expect("an open WebSocket");
                        let heard = timeout(PATIENCE, socket.next()).await.expect("an answer to the login");
                        assert!(heard.expect("an open WebSocket").expect("a message").is_text());
                    }
                    shared.open.fetch_add(1, Ordering::SeqCst);
                    clients.spawn_local(talk(socket, number, Arc::clone(&shared)));
                }
                shared.all_open.store(true, Ordering::SeqCst);
                shared.changed.notify_waiters();
                clients.join_all().await;
            }
        });
        until("every WebSocket to be open", || {
            assert!(!talking.is_finished(), "a client failed");
            shared.all_open.load(Ordering::SeqCst).then_some(())
        });
        Crowd { shared, talking, count }
    }
}

impl Drop for SocketCrowd {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

#[derive(Default)]
struct Shared {
    open: AtomicUsize,
    all_open: AtomicBool,
    messages: AtomicUsize,
    leaving: AtomicBool,
    changed: Notify,
}

/// Open WebSockets, each of which says something, waits for its echo and says the next.
pub struct Crowd {
    shared: Arc<Shared>,
    talking: JoinHandle<()>,
    count: usize,
}

/// What a crowd did.
#[derive(Debug, Clone, Copy)]
pub struct Echoed {
    /// How many were open to the end.
    pub open: usize,
    /// How many messages came back, over all.
    pub messages: usize,
}

impl Crowd {
    /// Waits until so many more messages came back for each of them on average.
    pub fn rounds(&self, rounds: usize) {
        let goal = self.shared.messages.load(Ordering::SeqCst) + rounds * self.count;
        until("the echoes", || (self.shared.messages.load(Ordering::SeqCst) >= goal).then_some(()));
    }

    /// Lets each hear its last echo and say goodbye.
    pub fn leave(self) -> Echoed {
        self.shared.leaving.store(true, Ordering::SeqCst);
        self.talking.join().expect("no WebSocket was lost");
        Echoed {
            open: self.shared.open.load(Ordering::SeqCst),
            messages: self.shared.messages.load(Ordering::SeqCst),
        }
    }
}

fn on_a_thread(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, work);
    })
}

async fn echo(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let Ok(mut socket) = accept_async(stream).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn talk(mut socket: WebSocketStream<TcpStream>, number: usize, shared: Arc<Shared>) {
    while !shared.all_open.load(Ordering::SeqCst) {
        // Waiting ones must not take the time of those that shake hands.
        let changed = shared.changed.notified();
        if !shared.all_open.load(Ordering::SeqCst) {
            changed.await;
        }
    }
    for round in 0.. {
        let said = Message::text(format!("{number} says {round} {}", "x".repeat(round % 300)));
        socket.send(said.clone()).await.expect("an open WebSocket");
        let heard = timeout(PATIENCE, socket.next()).await.expect("an echo in time");
        assert_eq!(heard.expect("an open WebSocket").expect("a message"), said);
        shared.messages.fetch_add(1, Ordering::SeqCst);
        if shared.leaving.load(Ordering::SeqCst) {
            break;
        }
        // Two hundred of them shall not take all the time there is from the requests beside them.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    socket.close(None).await.expect("an orderly end");
    while let Some(Ok(_)) = socket.next().await {}
}
