//! WebSockets through the gateway.

use super::Behind;
use portcullis_tests::PATIENCE;
use std::net::{SocketAddr, TcpStream};
use tokio_tungstenite::tungstenite::client::{IntoClientRequest, client};
use tokio_tungstenite::tungstenite::handshake::HandshakeError;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket};

/// Everything in this file.
pub(super) fn all(behind: &Behind) {
    echoes(behind);
    the_application_closes(behind);
    the_client_closes(behind);
    the_handshake_is_heard(behind);
    a_refused_handshake(behind);
}

fn echoes(behind: &Behind) {
    let (mut socket, _) = open(behind.address(), "/ws", &[]).unwrap();
    let large = "é".repeat(1 << 19);
    let messages = [
        Message::text("text"),
        Message::text(""),
        Message::binary(vec![0, 1, 254, 255]),
        Message::binary(Vec::new()),
        Message::text(&large),
        Message::binary(vec![7; 1 << 20]),
    ];
    for message in messages {
        socket.send(message.clone()).unwrap();
        assert!(
            socket.read().unwrap() == message,
            "a message of {} bytes comes back as it went",
            message.len()
        );
    }
    // Many at once: the order stays.
    for number in 0..1000 {
        socket.write(Message::text(format!("message {number}"))).unwrap();
    }
    socket.flush().unwrap();
    for number in 0..1000 {
        assert_eq!(socket.read().unwrap(), Message::text(format!("message {number}")));
    }
    socket.send(Message::Ping(b"are you there"[..].into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong(b"are you there"[..].into()));
}

fn the_application_closes(behind: &Behind) {
    let (mut socket, _) = open(behind.address(), "/ws", &[]).unwrap();
    socket.send(Message::text("bye")).unwrap();
    let frame = CloseFrame { code: 4001.into(), reason: "as asked".into() };
    assert_eq!(socket.read().unwrap(), Message::Close(Some(frame)));
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)), "then the connection ends");
}

fn the_client_closes(behind: &Behind) {
    let (mut socket, _) = open(behind.address(), "/ws", &[]).unwrap();
    let frame = CloseFrame { code: 1000.into(), reason: "done".into() };
    socket.close(Some(frame)).unwrap();
    let answer = socket.read().unwrap();
    assert!(matches!(&answer, Message::Close(Some(frame)) if u16::from(frame.code) == 1000), "{answer:?}");
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
}

fn the_handshake_is_heard(behind: &Behind) {
    let fields = [("Cookie", "one=1; two=2")];
    let said = |address| {
        let (mut socket, _) = open(address, "/ws/about?a=1&b=%20", &fields).unwrap();
        let said = socket.read().unwrap();
        assert!(matches!(socket.read(), Ok(Message::Close(_))));
        said.into_text().unwrap()
    };
    assert_eq!(said(behind.address()), said(behind.direct));

    let offered = [("Sec-WebSocket-Protocol", "chat, echo")];
    let (_, answer) = open(behind.address(), "/ws", &offered).unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "echo");
    for name in ["server", "x-powered-by"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
}

fn a_refused_handshake(behind: &Behind) {
    for address in [behind.direct, behind.address()] {
        match open(address, "/ws/refused", &[]) {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), 403),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("the application refuses this one"),
        }
    }
}

/// A handshake on a connection of its own.
fn open(
    address: SocketAddr,
    target: &str,
    fields: &[(&'static str, &str)],
) -> Result<(WebSocket<TcpStream>, Response), Error> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut request = format!("ws://{address}{target}").into_client_request().unwrap();
    for (name, value) in fields {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    client(request, stream).map_err(|error| match error {
        HandshakeError::Failure(error) => error,
        HandshakeError::Interrupted(_) => panic!("no answer to the handshake within {PATIENCE:?}"),
    })
}
