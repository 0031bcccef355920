//! Connections that have carried one request and now wait.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::runtime;

use super::{Target, Work, source};
use crate::response;

/// Connections that share one source address.
const PER_ADDRESS: usize = 200;

/// Open connections; dropping it closes them.
pub(crate) struct Idle {
    streams: Vec<TcpStream>,
}

impl Idle {
    /// Opens the connections with those numbers, one after the other, each with one request answered.
    pub(crate) fn open(target: &Target, work: &Work, connections: Range<usize>) -> Result<Self> {
        if target.tls.is_some() {
            bail!("idle connections are plain HTTP only");
        }
        // A runtime only because the standard library cannot choose the source address of a connection.
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let streams = runtime.block_on(async {
            let mut streams = Vec::with_capacity(connections.len());
            for index in connections {
                let stream = open(target.address, work, index).await;
                streams.push(stream.with_context(|| format!("connection {index}"))?.into_std()?);
            }
            anyhow::Ok(streams)
        })?;
        Ok(Idle { streams })
    }

    /// How many the server has not closed.
    pub(crate) fn alive(&self) -> usize {
        let open = |stream: &&TcpStream| matches!(stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        self.streams.iter().filter(open).count()
    }
}

async fn open(address: SocketAddr, work: &Work, index: usize) -> Result<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(source(index, PER_ADDRESS), 0))?;
    let mut stream = socket.connect(address).await?;
    stream.write_all(&work.request).await?;
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..]).await?;
        if count == 0 {
            bail!("closed before the answer was complete");
        }
        filled += count;
        if let Some(head) = response::parse(&buffer[..filled])?
            && filled as u64 >= head.bytes as u64 + head.body
        {
            if !work.expect.accepts(head.status, head.body) {
                bail!("status {} with {} bytes", head.status, head.body);
            }
            return Ok(stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::load::{Connection, Expect};
    use crate::upstream::{SMALL, Upstream};

    #[test]
    fn opened_connections_stay_open() {
        let upstream = Upstream::start().unwrap();
        let work = Work {
            request: Arc::from(&b"GET /json HTTP/1.1\r\nHost: localhost\r\n\r\n"[..]),
            expect: Expect::Ok(SMALL as u64),
            connection: Connection::Kept,
        };
        let idle = Idle::open(&Target { address: upstream.address, tls: None }, &work, 0..300).unwrap();
        assert_eq!(idle.alive(), 300);
    }

    #[test]
    fn closed_ones_are_noticed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]).unwrap();
            stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").unwrap();
        });
        let work = Work {
            request: Arc::from(&b"GET / HTTP/1.1\r\n\r\n"[..]),
            expect: Expect::Unauthorized,
            connection: Connection::Kept,
        };
        let idle = Idle::open(&Target { address, tls: None }, &work, 0..1).unwrap();
        server.join().unwrap();
        while idle.alive() > 0 {
            std::thread::yield_now();
        }
    }
}
