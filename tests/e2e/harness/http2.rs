//! HTTP/2: a client that speaks it well, and frames by hand for what no such client sends.

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::LocalSet;

use super::wait::PATIENCE;

/// One connection, and the thread's own runtime it lives on.
pub struct H2Client {
    runtime: tokio::runtime::Runtime,
    tasks: LocalSet,
    address: SocketAddr,
    sender: RefCell<Option<Box<dyn std::any::Any>>>,
}

/// Sends requests on the connection.
pub struct Sender<B> {
    inner: SendRequest<B>,
}

impl<B> Clone for Sender<B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<B> Sender<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Whether the connection still takes requests, as far as is known here.
    pub fn is_open(&self) -> bool {
        !self.inner.is_closed()
    }

    /// Sends a request once the connection has room for it; the head of its answer.
    pub async fn send(&mut self, request: Request<B>) -> hyper::Result<Response<Incoming>> {
        self.inner.ready().await?;
        self.inner.send_request(request).await
    }
}

impl H2Client {
    /// A client with prior knowledge; it connects with the first request.
    pub fn connect(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, tasks: LocalSet::new(), address, sender: RefCell::new(None) }
    }

    /// Runs with the connection, which is the same for all runs with the same kind of body.
    pub fn run<B, T>(&self, work: impl AsyncFnOnce(&mut Sender<B>) -> T) -> T
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.tasks.block_on(&self.runtime, async {
            let known = self.sender.borrow().as_ref().and_then(|it| it.downcast_ref::<Sender<B>>()).cloned();
            let mut sender = if let Some(sender) = known {
                sender
            } else {
                let stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let builder = Builder::new(OnThisThread);
                let (inner, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
                tokio::task::spawn_local(connection);
                let sender = Sender { inner };
                *self.sender.borrow_mut() = Some(Box::new(sender.clone()));
                sender
            };
            tokio::time::timeout(PATIENCE, work(&mut sender)).await.expect("an answer in time")
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct OnThisThread;

impl<F> hyper::rt::Executor<F> for OnThisThread
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// What became of a request in frames made by hand.
#[derive(Debug)]
pub enum H2Outcome {
    /// An answer; the first byte of its fields says its status (RFC 7541, appendix A).
    Answer(u8),
    /// Its stream was reset.
    Reset,
    /// The connection was ended.
    Ended,
}

impl H2Outcome {
    /// Whether it was not served. 0x88 is `:status: 200`, 0x89 and 0x8a are 204 and 206.
    pub fn is_refused(&self) -> bool {
        !matches!(self, H2Outcome::Answer(0x88..=0x8a))
    }
}

/// Sends one request without a body on a connection of its own, its fields exactly as given.
pub fn h2_outcome(address: SocketAddr, fields: &[(&str, &str)]) -> H2Outcome {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    const END_STREAM_AND_HEADERS: u8 = 0x5;
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal field that is not indexed, without Huffman coding; all are shorter than 127 bytes.
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "{text}");
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frame(HEADERS, END_STREAM_AND_HEADERS, 1, &block));
    stream.write_all(&bytes).unwrap();
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            return H2Outcome::Ended;
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).is_err() {
            return H2Outcome::Ended;
        }
        match (head[3], head[8]) {
            (HEADERS, 1) => return H2Outcome::Answer(payload.first().copied().unwrap_or_default()),
            (RST_STREAM, 1) => return H2Outcome::Reset,
            (GOAWAY, _) => return H2Outcome::Ended,
            _ => {}
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut frame =
        vec![(length >> 16) as u8, (length >> 8) as u8, length as u8, kind, flags, 0, 0, 0, stream];
    frame.extend_from_slice(payload);
    frame
}
