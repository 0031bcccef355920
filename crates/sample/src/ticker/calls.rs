//! What the service calls: the URLs of webhooks, directly or through the proxy that its environment names.
//!
//! As small as a demonstration may be: HTTP/1.1 in clear, a connection a call, no redirect ever followed. Of an
//! `https` URL the connection alone is tried.

use axum::http::Uri;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// As long as the real service waits for a `HEAD`.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that is read of an answer's head, in bytes.
const MOST: u64 = 16 * 1024;

/// Calls others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) proxy: Option<SocketAddr>,
}

/// Why nobody was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Connection,
    Timeout,
}

impl Failure {
    /// As the real service puts it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Failure::Connection => "Connection failed",
            Failure::Timeout => "Connection timeout",
        }
    }
}

impl Caller {
    /// Whether somebody answers there, whatever the answer.
    pub(super) async fn probe(self, url: &str) -> Result<(), Failure> {
        self.call(url, "HEAD", &[], "").await.map(|_| ())
    }

    /// Posts JSON; the status of the answer.
    pub(super) async fn post(self, url: &str, fields: &[(&str, &str)], body: &str) -> Result<u16, Failure> {
        self.call(url, "POST", fields, body).await
    }

    async fn call(
        self,
        url: &str,
        method: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Result<u16, Failure> {
        timeout(PATIENCE, self.exchange(url, method, fields, body)).await.unwrap_or(Err(Failure::Timeout))
    }

    async fn exchange(
        self,
        url: &str,
        method: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Result<u16, Failure> {
        let uri: Uri = url.parse().map_err(|_| Failure::Connection)?;
        let host = uri.host().ok_or(Failure::Connection)?;
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let authority = format!("{host}:{port}");
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut head = match (self.proxy, secure) {
            (Some(_), true) => format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"),
            (Some(_), false) => {
                format!("{method} http://{authority}{path} HTTP/1.1\r\nHost: {authority}\r\n")
            }
            (None, _) => format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\n"),
        };
        let mut stream = match self.proxy {
            Some(proxy) => TcpStream::connect(proxy).await,
            None => TcpStream::connect((host.trim_matches(['[', ']']), port)).await,
        }
        .map_err(|_| Failure::Connection)?;
        if secure && self.proxy.is_none() {
            return Ok(200);
        }
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method == "POST" {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        head.push_str("Connection: close\r\n\r\n");
        head.push_str(body);
        stream.write_all(head.as_bytes()).await.map_err(|_| Failure::Connection)?;
        status(&mut stream).await
    }
}

/// The status of an answer. One that the proxy gives itself (RFC 9209) is nobody's.
async fn status(stream: &mut TcpStream) -> Result<u16, Failure> {
    let mut answer = Vec::new();
    let mut limited = stream.take(MOST);
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        if limited.read_buf(&mut answer).await.map_err(|_| Failure::Connection)? == 0 {
            break;
        }
    }
    let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    if let Some((_, said)) = head.split_once("\r\nproxy-status:") {
        let line = said.lines().next().unwrap_or_default();
        return Err(if line.contains("timeout") { Failure::Timeout } else { Failure::Connection });
    }
    head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(Failure::Connection)
}
