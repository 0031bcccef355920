//! A name server that says what the test says: a real one, over UDP (RFC 1035).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

const A: u16 = 1;
const AAAA: u16 = 28;

/// What it says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// These addresses, forgotten at once (TTL 0).
    Addresses(Vec<IpAddr>),
    /// There is no such name (NXDOMAIN).
    Nothing,
    /// It cannot say (SERVFAIL).
    Failure,
    /// Not a word.
    Silence,
}

impl Told {
    /// These addresses.
    pub fn addresses(texts: &[&str]) -> Self {
        Told::Addresses(texts.iter().map(|text| text.parse().unwrap()).collect())
    }
}

type Script = dyn Fn(&str, usize) -> Told + Send + Sync;

/// The server, on a free port of loopback, until it is dropped.
pub struct NameServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: Option<JoinHandle<()>>,
}

struct Shared {
    script: Box<Script>,
    /// How often each name was asked for by its type A.
    asked: Mutex<HashMap<String, usize>>,
    ended: AtomicBool,
}

impl NameServer {
    /// Starts one that says of a name (in lower case) what the script says; the number is how often the name was
    /// asked for before.
    pub fn start(script: impl Fn(&str, usize) -> Told + Send + Sync + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            asked: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let serving = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.serve(&socket)
        });
        Self { address, shared, serving: Some(serving) }
    }

    /// Where it listens, as a configuration takes it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// How often a name was asked for.
    pub fn asked(&self, name: &str) -> usize {
        self.shared.asked.lock().unwrap().get(name).copied().unwrap_or(0)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the serving thread; it looks at `ended` first.
        let _ = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(&[], self.address));
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

impl Shared {
    fn serve(&self, socket: &UdpSocket) {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            if let Some(answer) = self.answer(&buffer[..length]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    }

    /// The answer to a query with one question; nothing to what is none.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = question(query)?;
        let kind = u16::from_be_bytes([query[end], query[end + 1]]);
        let before = {
            let mut asked = self.asked.lock().unwrap();
            let count = asked.entry(name.clone()).or_default();
            let before = *count;
            // Both types are asked for at once; one of them counts.
            *count += usize::from(kind == A);
            before
        };
        let (code, addresses) = match (self.script)(&name, before) {
            Told::Addresses(addresses) => (0, addresses),
            Told::Nothing => (3, Vec::new()),
            Told::Failure => (2, Vec::new()),
            Told::Silence => return None,
        };
        let fitting = addresses
            .iter()
            .filter(|address| (kind == A && address.is_ipv4()) || (kind == AAAA && address.is_ipv6()));
        let records: Vec<_> = fitting.collect();
        let mut out = query[..2].to_vec();
        // An answer, recursion desired and available; one question.
        out.extend_from_slice(&[0x81, 0x80 | code, 0, 1]);
        out.extend_from_slice(&(records.len() as u16).to_be_bytes());
        out.extend_from_slice(&[0, 0, 0, 0]);
        // The question as it was asked, letter by letter: its case is a part of what is asked for.
        out.extend_from_slice(&query[12..end + 4]);
        for record in records {
            out.extend_from_slice(&[0xc0, 12]);
            out.extend_from_slice(&kind.to_be_bytes());
            out.extend_from_slice(&[0, 1, 0, 0, 0, 0]);
            let octets = match record {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            out.extend_from_slice(&(octets.len() as u16).to_be_bytes());
            out.extend_from_slice(&octets);
        }
        Some(out)
    }
}

/// The name of the first question in lower case, and where its type stands.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_lowercase());
        at += length;
    }
    query.get(at + 3)?;
    Some((labels.join("."), at))
}
