//! An application that records the exact bytes it received and answers what the test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use super::wait::PATIENCE;

/// One request as it arrived.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// Every byte, head and body as framed.
    pub bytes: Vec<u8>,
    /// The head, up to and with its blank line.
    pub head: String,
    /// The body, without chunk framing.
    pub body: Vec<u8>,
    /// The connection it came on, counted from 0.
    pub connection: usize,
}

impl Received {
    /// The request line.
    pub fn line(&self) -> &str {
        self.head.split("\r\n").next().unwrap_or_default()
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The value of a field that stands at most once; fails when it stands twice.
    pub fn field(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} stands {} times in {}", all.len(), self.head);
        all.first().copied()
    }
}

/// What the application does with a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Sends these bytes and keeps the connection.
    Bytes(Vec<u8>),
    /// Sends these bytes and closes.
    Last(Vec<u8>),
    /// Never answers, and holds the connection until the test ends.
    Silence,
    /// Closes without a word.
    Close,
}

impl Answer {
    /// A JSON answer with its length.
    pub fn json(status: &str, body: &str) -> Self {
        Self::with(status, "Content-Type: application/json\r\n", body)
    }

    /// An answer with these fields (each ending in CRLF) and a body with its length.
    pub fn with(status: &str, fields: &str, body: &str) -> Self {
        let length = body.len();
        Self::Bytes(
            format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\n\r\n{body}").into_bytes(),
        )
    }
}

type Script = dyn Fn(&Received) -> Answer + Send + Sync;

/// The application, on a free port, until it is dropped.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    script: Box<Script>,
    received: Mutex<Vec<Received>>,
    changed: Condvar,
    connections: Mutex<Vec<TcpStream>>,
    ended: AtomicBool,
}

impl Upstream {
    /// Starts one that answers each request as the script says.
    pub fn start(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1:0", script)
    }

    /// The same on an address of this machine.
    pub fn start_on(address: &str, script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            received: Mutex::default(),
            changed: Condvar::new(),
            connections: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Starts one that answers 200 with a small JSON body.
    pub fn ok() -> Self {
        Self::start(|_| Answer::json("200 OK", r#"{"accepted":true}"#))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a gateway takes it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// How many requests came so far.
    pub fn count(&self) -> usize {
        self.shared.received.lock().unwrap().len()
    }

    /// The only request so far.
    pub fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1, "one request, not {received:#?}");
        received.into_iter().next().unwrap()
    }

    /// The requests, once there are at least so many.
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        let deadline = Instant::now() + PATIENCE;
        let mut received = self.shared.received.lock().unwrap();
        while received.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count} requests came", received.len());
            received = self.shared.changed.wait_timeout(received, left).unwrap().0;
        }
        received.clone()
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.lock().unwrap().len()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; it looks at `ended` first.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for connection in self.shared.connections.lock().unwrap().iter() {
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
            self.connections.lock().unwrap().push(stream.try_clone().unwrap());
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.serve(stream, number));
        }
    }

    fn serve(&self, stream: TcpStream, number: usize) {
        let _ = stream.set_nodelay(true);
        let mut reader = BufReader::new(stream);
        while let Some(mut received) = read_request(&mut reader) {
            received.connection = number;
            let answer = (self.script)(&received);
            self.received.lock().unwrap().push(received);
            self.changed.notify_all();
            let written = match &answer {
                Answer::Bytes(bytes) | Answer::Last(bytes) => reader.get_mut().write_all(bytes),
                Answer::Silence => {
                    // Until the other end or the end of the test closes the connection.
                    let _ = reader.read(&mut [0]);
                    return;
                }
                Answer::Close => Ok(()),
            };
            if written.is_err() || !matches!(answer, Answer::Bytes(_)) {
                let _ = reader.get_ref().shutdown(Shutdown::Both);
                return;
            }
        }
    }
}

/// One request with its body; nothing when the connection ends before it is whole.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut bytes).ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let mut received = Received { bytes, head, ..Received::default() };
    if received.all("transfer-encoding").iter().any(|coding| coding.eq_ignore_ascii_case("chunked")) {
        read_chunks(reader, &mut received)?;
    } else if let Some(length) = received.all("content-length").first().and_then(|length| length.parse().ok())
    {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        received.bytes.extend_from_slice(&body);
        received.body = body;
    }
    Some(received)
}

fn read_chunks(reader: &mut BufReader<TcpStream>, received: &mut Received) -> Option<()> {
    loop {
        let line = read_line(reader, received)?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            break;
        }
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        received.bytes.extend_from_slice(&chunk);
        received.body.extend_from_slice(&chunk[..size]);
    }
    while !read_line(reader, received)?.is_empty() {}
    Some(())
}

fn read_line(reader: &mut BufReader<TcpStream>, received: &mut Received) -> Option<String> {
    let start = received.bytes.len();
    if reader.read_until(b'\n', &mut received.bytes).ok()? == 0 {
        return None;
    }
    Some(String::from_utf8_lossy(&received.bytes[start..]).trim_end().to_owned())
}
