//! WebSockets, spoken by somebody else's client.

use std::net::{SocketAddr, TcpStream};

use tokio_tungstenite::tungstenite::client::{IntoClientRequest, client};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::HandshakeError;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, WebSocket};

use super::wait::PATIENCE;

/// An open WebSocket.
#[derive(Debug)]
pub struct Socket {
    socket: WebSocket<TcpStream>,
    protocol: Option<String>,
}

/// How a WebSocket came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// With a close frame: its status code (1005 where it has none) and its reason.
    Closed(u16, String),
    /// Without one: the connection was gone.
    Gone,
}

impl Socket {
    /// Shakes hands on a connection of its own; the status of the answer where the server does not agree.
    pub fn open(address: SocketAddr, target: &str, fields: &[(&'static str, &str)]) -> Result<Self, u16> {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = format!("ws://{address}{target}").into_client_request().unwrap();
        for (name, value) in fields {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match client(request, stream) {
            Ok((socket, answer)) => {
                let protocol = answer.headers().get("sec-websocket-protocol");
                let protocol = protocol.map(|value| value.to_str().unwrap().to_owned());
                Ok(Self { socket, protocol })
            }
            Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
            Err(HandshakeError::Failure(error)) => panic!("{error}"),
            Err(HandshakeError::Interrupted(_)) => panic!("no answer to the handshake within {PATIENCE:?}"),
        }
    }

    /// The subprotocol that was agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Sends a text message. A server that has closed already is no error here: what it said tells.
    pub fn send(&mut self, text: &str) {
        let _ = self.socket.send(Message::text(text));
    }

    /// Sends a binary message.
    pub fn send_binary(&mut self, bytes: &[u8]) {
        let _ = self.socket.send(Message::binary(bytes.to_vec()));
    }

    /// Sends a text message in fragments of one byte each.
    pub fn send_in_fragments(&mut self, text: &str) {
        for (index, byte) in text.bytes().enumerate() {
            let opcode = OpCode::Data(if index == 0 { Data::Text } else { Data::Continue });
            let frame = Frame::message(Bytes::copy_from_slice(&[byte]), opcode, index + 1 == text.len());
            if self.socket.send(Message::Frame(frame)).is_err() {
                return;
            }
        }
    }

    /// The next text message; fails when the socket ends before.
    pub fn receive(&mut self) -> String {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return text.to_string(),
                Ok(Message::Close(frame)) => panic!("closed: {frame:?}"),
                Ok(_) => {}
                // A signal of a child that ended elsewhere in this process.
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("no message: {error}"),
            }
        }
    }

    /// The next text message, or how it ended instead.
    pub fn first(&mut self) -> Result<String, Ending> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Ok(text.to_string()),
                Ok(Message::Close(Some(frame))) => {
                    return Err(Ending::Closed(frame.code.into(), frame.reason.to_string()));
                }
                Ok(Message::Close(None)) => return Err(Ending::Closed(1005, String::new())),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Ending::Gone),
            }
        }
    }

    /// The next text message as JSON.
    pub fn receive_json(&mut self) -> serde_json::Value {
        let text = self.receive();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    /// Waits until the server ends it; what comes before is passed over.
    pub fn ending(&mut self) -> Ending {
        loop {
            match self.socket.read() {
                Ok(Message::Close(None)) => return Ending::Closed(1005, String::new()),
                Ok(Message::Close(Some(frame))) => {
                    return Ending::Closed(frame.code.into(), frame.reason.to_string());
                }
                Ok(_) => {}
                Err(
                    Error::ConnectionClosed
                    | Error::AlreadyClosed
                    | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                ) => return Ending::Gone,
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return Ending::Gone;
                }
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("neither a message nor an end: {error}"),
            }
        }
    }

    /// Ends it from this side and waits for the answer.
    pub fn close(mut self) {
        let _ = self.socket.close(None);
        self.ending();
    }
}
