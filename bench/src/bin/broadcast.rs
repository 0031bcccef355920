//! Measures a broadcast: one application says the same to thousands of WebSockets, half of them behind the gateway,
//! half of them its own; in turn, and the ratio of the two.
//!
//! `cargo run --release -p portcullis-bench --bin broadcast`

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use portcullis_wire::{Field, Handshake};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::Notify;

/// Opens WebSockets to an application, directly and through the gateway, and times broadcasts to all of them.
#[derive(Debug, Parser)]
struct Options {
    /// WebSockets on each of the two ways; each takes three descriptors of this process
    #[arg(long, default_value_t = 4000)]
    sockets: usize,
    /// Broadcasts on each way
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// Bytes of a message
    #[arg(long, default_value_t = 1024)]
    bytes: usize,
    /// The binary to measure [default: `portcullis` beside this program]
    #[arg(long, value_name = "PATH")]
    portcullis: Option<PathBuf>,
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// Of the gateway; this process knows no other.
const API_KEY: &str = "a-key-of-the-measurement-4pQ0gKpVb0yq";

/// The sockets of the application, by the way they came.
#[derive(Default)]
struct Audience {
    direct: Mutex<Vec<OwnedWriteHalf>>,
    gateway: Mutex<Vec<OwnedWriteHalf>>,
}

/// What the clients of one way have heard.
#[derive(Default)]
struct Heard {
    messages: AtomicUsize,
    changed: Notify,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let (serving, listening) = (on_a_thread()?, on_a_thread()?);
    let audience = Arc::<Audience>::default();
    let address = serving.block_on(application(Arc::clone(&audience)))?;
    let mut gateway = Gateway::start(&options, address)?;
    let direct = Arc::<Heard>::default();
    let through = Arc::<Heard>::default();
    let sockets = options.sockets;
    let message = frame(options.bytes);
    listening.block_on(async {
        for _ in 0..sockets {
            join(address, "/direct", None, message.len(), Arc::clone(&direct)).await?;
            join(gateway.address, "/gateway", Some(API_KEY), message.len(), Arc::clone(&through)).await?;
        }
        anyhow::Ok(())
    })?;
    while lock(&audience.gateway).len() < sockets || lock(&audience.direct).len() < sockets {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    println!("{sockets} WebSockets on each way; the gateway holds {} KiB", gateway.resident_kib()?);
    let (mut times, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    for round in 0..options.rounds {
        let mut pair = [0.0; 2];
        // Who begins changes, so that neither is always measured in the warmth of the other.
        for way in [round % 2, 1 - round % 2] {
            let (to, heard) =
                if way == 0 { (&audience.direct, &direct) } else { (&audience.gateway, &through) };
            let begun = Instant::now();
            serving.block_on(async {
                let mut all = std::mem::take(&mut *lock(to));
                for socket in &mut all {
                    socket.write_all(&message).await?;
                }
                *lock(to) = all;
                anyhow::Ok(())
            })?;
            listening.block_on(heard.until((round + 1) * sockets));
            pair[way] = begun.elapsed().as_secs_f64() * 1000.0;
        }
        for (times, time) in times.iter_mut().zip(pair) {
            times.push(time);
        }
        ratios.push(pair[1] / pair[0]);
    }
    for (name, times) in ["direct", "gateway"].iter().zip(&mut times) {
        let [low, median, high] = spread(times);
        println!("{name:8} {median:7.1} ms a broadcast, median ({low:.1} – {high:.1})");
    }
    let [low, median, high] = spread(&mut ratios);
    println!("ratio    {median:7.2}, median ({low:.2} – {high:.2})");
    gateway.child.kill()?;
    gateway.child.wait()?;
    Ok(())
}

/// A runtime that a thread of its own drives, as long as the process lives.
fn on_a_thread() -> Result<runtime::Handle> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    Ok(handle)
}

/// Accepts WebSockets and keeps what can be said to them.
async fn application(audience: Arc<Audience>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let fields = [("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Version", "13")]
        .map(|(name, value)| Field { name, value: value.as_bytes() });
    let accept = Handshake::read("GET", &fields)?.accept;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (audience, answer) = (Arc::clone(&audience), answer.clone());
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let Ok(head) = head(&mut stream).await else { return };
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                let (mut reading, writing) = stream.into_split();
                let to = if head.contains("/direct") { &audience.direct } else { &audience.gateway };
                lock(to).push(writing);
                // Clients say nothing more; this waits for their end.
                let _ = reading.read(&mut [0; 16]).await;
            });
        }
    });
    Ok(address)
}

/// Opens a WebSocket and listens for messages of that many bytes on the wire.
async fn join(
    address: SocketAddr,
    path: &str,
    login: Option<&str>,
    size: usize,
    heard: Arc<Heard>,
) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let handshake = format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes()).await?;
    let head = head(&mut stream).await?;
    ensure!(head.starts_with("HTTP/1.1 101 "), "{head}");
    if let Some(key) = login {
        let message = format!(r#"{{"type":"auth","api_key":"{key}"}}"#);
        let mut bytes = vec![0x81, 0x80 | u8::try_from(message.len())?, 0, 0, 0, 0];
        bytes.extend_from_slice(message.as_bytes());
        stream.write_all(&bytes).await?;
        let mut answer = [0; 26];
        stream.read_exact(&mut answer).await.context("no answer to the login")?;
        ensure!(answer.ends_with(br#"{"type":"authenticated"}"#), "{}", String::from_utf8_lossy(&answer));
    }
    tokio::spawn(async move {
        let mut message = vec![0; size];
        while stream.read_exact(&mut message).await.is_ok() {
            heard.messages.fetch_add(1, Ordering::Relaxed);
            heard.changed.notify_one();
        }
    });
    Ok(())
}

async fn head(stream: &mut TcpStream) -> Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head)?)
}

/// A text message of that many bytes, as a server sends it.
fn frame(bytes: usize) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u16::try_from(bytes) {
        Ok(short @ ..=125) => frame.push(short as u8),
        Ok(long) => {
            frame.push(126);
            frame.extend_from_slice(&long.to_be_bytes());
        }
        Err(_) => {
            frame.push(127);
            frame.extend_from_slice(&(bytes as u64).to_be_bytes());
        }
    }
    frame.resize(frame.len() + bytes, b'x');
    frame
}

impl Heard {
    async fn until(&self, count: usize) {
        while self.messages.load(Ordering::Relaxed) < count {
            let _ = tokio::time::timeout(Duration::from_millis(50), self.changed.notified()).await;
        }
    }
}

/// The smallest, the median, the largest.
fn spread(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}

fn lock<T>(guarded: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    guarded.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Gateway {
    child: Child,
    address: SocketAddr,
}

impl Gateway {
    fn start(options: &Options, application: SocketAddr) -> Result<Self> {
        let beside = || Some(std::env::current_exe().ok()?.with_file_name("portcullis"));
        let binary = options.portcullis.clone().or_else(beside).context("no binary")?;
        let folder = std::env::temp_dir().join(format!("portcullis-broadcast-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let config = folder.join("portcullis.toml");
        let mut file = std::fs::File::create(&config)?;
        write!(
            file,
            "upstream = \"http://{application}\"\n[auth.api_key]\nvalue = \"env:API_KEY\"\n[log]\nlevel = \"error\"\n\
             [server.caps]\nconnections = 100000\nconnections_per_ip = 100000\n\
             [[routes]]\nmatch = \"WS /gateway\"\nauth = \"first-message\"\n\
             websocket = {{ max_message = \"64 KiB\", messages = \"600/minute\", idle_timeout = \"10m\" }}\n"
        )?;
        let mut child = Command::new(binary)
            .args(["run", "--listen", "127.0.0.1:0", "--config"])
            .arg(&config)
            // What else stands in the environment is not measured.
            .env_clear()
            .env("API_KEY", API_KEY)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let printed = BufReader::new(child.stdout.take().context("no output")?);
        let listening = "listening on http://";
        for line in printed.lines() {
            if let Some(address) = line?.strip_prefix(listening) {
                std::fs::remove_dir_all(&folder)?;
                return Ok(Self { address: address.parse()?, child });
            }
        }
        anyhow::bail!("the gateway does not start")
    }

    fn resident_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        Ok(line.split_whitespace().nth(1).context("no figure")?.parse()?)
    }
}
