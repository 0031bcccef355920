//! An application behind the gateway that takes every WebSocket and says back what it hears, by somebody else's
//! server.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{self, Message};

use super::wait::until;

/// The application, on a free port, as long as the test runs.
#[derive(Debug)]
pub struct EchoServer {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What it has seen.
#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    handshakes: Vec<Vec<(String, String)>>,
    messages: Vec<String>,
    ended: usize,
    /// By their number.
    open: HashMap<usize, TcpStream>,
}

/// One handshake, as the application sees it.
#[derive(Debug, Clone)]
pub struct Handshake(Vec<(String, String)>);

impl Handshake {
    /// The value of a field; fails when it stands more than once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = all.next()?;
        assert!(all.next().is_none(), "{name} stands twice: {self:?}");
        Some(&value.1)
    }
}

impl EchoServer {
    /// Starts it. It agrees to the first subprotocol that it is offered.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        std::thread::spawn({
            let seen = Arc::clone(&seen);
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let number = {
                        let mut seen = lock(&seen);
                        seen.connections += 1;
                        let number = seen.connections;
                        seen.open.insert(number, stream.try_clone().unwrap());
                        number
                    };
                    let seen = Arc::clone(&seen);
                    std::thread::spawn(move || {
                        serve(stream, &seen);
                        let mut seen = lock(&seen);
                        seen.ended += 1;
                        seen.open.remove(&number);
                    });
                }
            }
        });
        Self { address, seen }
    }

    /// Where it stands.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it got.
    pub fn connections(&self) -> usize {
        lock(&self.seen).connections
    }

    /// Every message it heard.
    pub fn messages(&self) -> Vec<String> {
        lock(&self.seen).messages.clone()
    }

    /// The last handshake.
    pub fn handshake(&self) -> Handshake {
        Handshake(lock(&self.seen).handshakes.last().expect("a handshake").clone())
    }

    /// Loses every connection, as when it is killed.
    pub fn cut(&self) {
        for stream in lock(&self.seen).open.values() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Waits until as many connections have ended as began.
    pub fn wait_until_all_ended(&self) {
        until("the application's WebSockets to end", || {
            let seen = lock(&self.seen);
            (seen.ended == seen.connections).then_some(())
        });
    }
}

#[expect(clippy::result_large_err, reason = "the signature of the library")]
fn serve(stream: TcpStream, seen: &Mutex<Seen>) {
    let shake = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let fields = request.headers().iter();
        let text =
            |value: &tungstenite::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        lock(seen)
            .handshakes
            .push(fields.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect());
        if let Some(offered) = request.headers().get("sec-websocket-protocol") {
            let first = text(offered).split(',').next().unwrap_or_default().trim().to_owned();
            response.headers_mut().insert("sec-websocket-protocol", first.parse().unwrap());
        }
        Ok(response)
    };
    let Ok(mut socket) = tungstenite::accept_hdr(stream, shake) else { return };
    while let Ok(message) = socket.read() {
        if let Message::Text(text) = &message {
            lock(seen).messages.push(text.to_string());
        }
        if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
            return;
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
