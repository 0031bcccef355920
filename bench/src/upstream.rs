//! The application behind the gateways: an HTTP/1.1 server that does next to nothing, so that what is measured
//! is the gateway.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;

use crate::procfs;

/// Bytes of the small JSON answer.
pub(crate) const SMALL: usize = 128;
/// Bytes of the middle answer.
pub(crate) const MIDDLE: usize = 16 * 1024;
/// Bytes of the large answer.
pub(crate) const LARGE: usize = 1024 * 1024;
/// Bytes of the answer to a POST.
pub(crate) const RECEIPT: usize = 17;

/// A running server; it ends with the process.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    tid: u32,
}

impl Upstream {
    /// Starts it on one thread of its own and a free loopback port.
    pub(crate) fn start() -> Result<Self> {
        let (told, tell) = std::sync::mpsc::sync_channel(1);
        thread::Builder::new().name("upstream".to_owned()).spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
            runtime.block_on(async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                // The receiver waits for exactly this message.
                let _ = told.send((listener.local_addr()?, procfs::thread_id()?));
                serve(listener).await
            })
        })?;
        let (address, tid) = tell.recv().context("the upstream did not start")?;
        Ok(Upstream { address, tid })
    }

    /// Microseconds of processor time used so far.
    pub(crate) fn cpu_us(&self) -> u64 {
        procfs::thread_cpu_us(self.tid).unwrap_or(0)
    }
}

/// The small answer's body: 128 bytes of JSON.
pub(crate) fn small_body() -> Vec<u8> {
    let mut body =
        br#"{"id":4711,"name":"sample","status":"ok","items":[1,2,3,4,5,6,7,8],"padding":""#.to_vec();
    body.resize(SMALL - 2, b'x');
    body.extend_from_slice(b"\"}");
    body
}

async fn serve(listener: TcpListener) -> Result<()> {
    let answers = Arc::new(Answers::new());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = Arc::clone(&answers);
        tokio::spawn(connection(stream, answers));
    }
}

struct Answers {
    small: Vec<u8>,
    middle: Vec<u8>,
    large: Vec<u8>,
    receipt: Vec<u8>,
    missing: Vec<u8>,
}

impl Answers {
    fn new() -> Self {
        let filler = |bytes| vec![b'x'; bytes];
        Answers {
            small: answer("200 OK", "application/json", &small_body()),
            middle: answer("200 OK", "application/octet-stream", &filler(MIDDLE)),
            large: answer("200 OK", "application/octet-stream", &filler(LARGE)),
            receipt: answer("200 OK", "application/json", br#"{"accepted":true}"#),
            missing: answer("404 Not Found", "application/json", b"{}"),
        }
    }

    fn to(&self, head: &[u8]) -> &[u8] {
        let target = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        match target {
            b"/json" => &self.small,
            b"/16k" => &self.middle,
            b"/1m" => &self.large,
            b"/post" => &self.receipt,
            _ => &self.missing,
        }
    }
}

/// With the two headers that a gateway is asked to hide.
fn answer(status: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nServer: bench-upstream/1.0\r\nX-Powered-By: bench\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Answers until the peer leaves; an error of the socket only ends this connection.
async fn connection(mut stream: TcpStream, answers: Arc<Answers>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    loop {
        while let Some(end) = memmem::find(&buffer[..filled], b"\r\n\r\n") {
            let head = &buffer[..end + 4];
            let answer = answers.to(head);
            let mut body = content_length(head);
            let here = body.min(filled - head.len());
            let taken = head.len() + here;
            buffer.copy_within(taken..filled, 0);
            filled -= taken;
            body -= here;
            while body > 0 {
                let room = body.min(buffer.len());
                match stream.read(&mut buffer[..room]).await {
                    Ok(count) if count > 0 => body -= count,
                    _ => return,
                }
            }
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
        match stream.read(&mut buffer[filled..]).await {
            Ok(count) if count > 0 => filled += count,
            _ => return,
        }
    }
}

/// 0 when there is none.
fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"\ncontent-length:";
    if head.starts_with(b"GET ") {
        return 0;
    }
    let line = head
        .windows(NAME.len())
        .position(|window| window[1] | 0x20 == b'c' && window.eq_ignore_ascii_case(NAME))
        .map(|at| &head[at + NAME.len()..]);
    let value = line.and_then(|rest| rest.split(|byte| *byte == b'\r').next()).map(<[u8]>::trim_ascii);
    value
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn the_small_body_is_json_of_the_promised_size() {
        let body = small_body();
        assert_eq!(body.len(), SMALL);
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
    }

    #[test]
    fn finds_the_length_in_any_case() {
        assert_eq!(content_length(b"POST / HTTP/1.1\r\nCONTENT-length: 50\r\n\r\n"), 50);
        assert_eq!(content_length(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    }

    #[test]
    fn answers_several_requests_on_one_connection_and_swallows_bodies() {
        let upstream = Upstream::start().unwrap();
        let mut stream = std::net::TcpStream::connect(upstream.address).unwrap();
        let mut requests = b"POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n".to_vec();
        requests.extend(std::iter::repeat_n(b'z', 100_000));
        requests.extend_from_slice(
            b"GET /16k HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        );
        stream.write_all(&requests).unwrap();
        for (status, body) in [(200, RECEIPT), (200, MIDDLE), (404, 2)] {
            let mut bytes = Vec::new();
            let head = loop {
                if let Some(head) = crate::response::parse(&bytes).unwrap() {
                    break head;
                }
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                bytes.push(byte[0]);
            };
            assert_eq!((head.status, head.body), (status, body as u64));
            stream.read_exact(&mut vec![0; body]).unwrap();
        }
    }
}
