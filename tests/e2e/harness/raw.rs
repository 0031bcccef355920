//! An application given as a function over each connection, for what no well-behaved application does.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::wait::PATIENCE;

/// The application, on a free port, until it is dropped.
pub struct RawUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    serve: Box<dyn Fn(Peer) + Send + Sync>,
    accepted: Mutex<Vec<TcpStream>>,
    changed: Condvar,
    bytes: AtomicU64,
    ended: AtomicBool,
}

/// One connection of the gateway, as the application sees it.
pub struct Peer {
    /// Which connection it is, counted from 0.
    pub number: usize,
    reader: BufReader<Counting>,
}

struct Counting {
    stream: TcpStream,
    shared: Arc<Shared>,
}

impl RawUpstream {
    /// Starts one that treats each connection, on a thread of its own, as the function says. The connection
    /// is closed when the function returns.
    pub fn start(serve: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        Self::start_on(0, serve)
    }

    /// The same, on a port that the test knows beforehand.
    pub fn start_on(port: u16, serve: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            serve: Box::new(serve),
            accepted: Mutex::default(),
            changed: Condvar::new(),
            bytes: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Starts one that reads a head and answers with these bytes, again and again on the same connection.
    pub fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |mut peer| while peer.head().is_some() && peer.write(&answer) {})
    }

    /// Starts one that reads a head, answers with these bytes and closes.
    pub fn answering_once(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |mut peer| {
            if peer.head().is_some() {
                peer.write(&answer);
            }
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a gateway takes it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> usize {
        self.shared.accepted.lock().unwrap().len()
    }

    /// How many bytes were read so far, over all connections.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::SeqCst)
    }

    /// Waits until so many connections were opened.
    pub fn wait_for_connections(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut accepted = self.shared.accepted.lock().unwrap();
        while accepted.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count} connections came", accepted.len());
            accepted = self.shared.changed.wait_timeout(accepted, left).unwrap().0;
        }
    }
}

impl Drop for RawUpstream {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; it looks at `ended` first.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        // A test that failed while it looked there has said so already.
        let accepted = self.shared.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        for connection in accepted.iter() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            self.accepted.lock().unwrap().push(stream.try_clone().unwrap());
            self.changed.notify_all();
            let shared = Arc::clone(self);
            std::thread::spawn(move || {
                let end = stream.try_clone().unwrap();
                let counting = Counting { stream, shared: Arc::clone(&shared) };
                (shared.serve)(Peer { number, reader: BufReader::new(counting) });
                // The list above holds the descriptor: only this closes the connection.
                let _ = end.shutdown(Shutdown::Both);
            });
        }
    }
}

impl Read for Counting {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.stream.read(into)?;
        self.shared.bytes.fetch_add(count as u64, Ordering::SeqCst);
        Ok(count)
    }
}

impl Peer {
    /// Reads a head with its blank line; nothing when the connection ends before it is whole.
    pub fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if self.reader.read_until(b'\n', &mut head).ok()? == 0 {
                return None;
            }
        }
        Some(String::from_utf8_lossy(&head).into_owned())
    }

    /// Reads exactly so many bytes; nothing when the connection ends before.
    pub fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Reads what is there, at least one byte; nothing at the end of the connection.
    pub fn some(&mut self) -> Option<Vec<u8>> {
        let bytes = self.reader.fill_buf().ok()?.to_vec();
        self.reader.consume(bytes.len());
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Reads so many bytes and throws them away; whether they all came.
    pub fn skip(&mut self, count: u64) -> bool {
        std::io::copy(&mut (&mut self.reader).take(count), &mut std::io::sink())
            .is_ok_and(|read| read == count)
    }

    /// Reads until the gateway ends the connection; what came before.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the gateway does not end the connection")
            }
            _ => rest,
        }
    }

    /// Writes; whether it went.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.reader.get_mut().stream.write_all(bytes.as_ref()).is_ok()
    }
}

/// An application on a Unix socket that reads a head and answers with the same bytes, as long as this lives.
pub struct UnixUpstream {
    path: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl UnixUpstream {
    /// Starts it.
    pub fn answering(path: &str, answer: &'static str) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        std::thread::spawn({
            let heads = Arc::clone(&heads);
            move || {
                for stream in listener.incoming().flatten() {
                    let heads = Arc::clone(&heads);
                    std::thread::spawn(move || answer_over_unix(stream, answer, &heads));
                }
            }
        });
        Self { path: path.to_owned(), heads }
    }

    /// Where it listens, as a gateway takes it.
    pub fn url(&self) -> String {
        format!("unix:{}", self.path)
    }

    /// The heads so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn answer_over_unix(stream: UnixStream, answer: &str, heads: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if !reader.read_until(b'\n', &mut head).is_ok_and(|count| count > 0) {
                return;
            }
        }
        heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
