//! One connection and one request at a time, over TLS where asked.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;
use rustls::{ClientConnection, StreamOwned};

use super::{Target, tls};
use crate::response;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection of either kind.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Connects, the TLS handshake left to the first request.
pub(crate) fn connect(target: &Target) -> Result<Stream> {
    let stream = TcpStream::connect(target.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(match target.tls_client()? {
        Some(client) => {
            let session = ClientConnection::new(client, tls::server_name()?)?;
            Stream::Tls(Box::new(StreamOwned::new(session, stream)))
        }
        None => Stream::Plain(stream),
    })
}

/// Sends one request and reads its answer: what the head says, and all the bytes.
pub(crate) fn exchange(stream: &mut Stream, request: &[u8]) -> io::Result<(response::Head, Vec<u8>)> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut bytes = Vec::with_capacity(2048);
    let mut chunk = [0; 16 * 1024];
    loop {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..count]);
        let head =
            response::parse(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if let Some(head) = head
            && bytes.len() as u64 >= head.bytes as u64 + head.body
        {
            return Ok((head, bytes));
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}
