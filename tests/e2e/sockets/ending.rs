//! What becomes of open WebSockets when the gateway changes, and when it ends.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use portcullis_tests::{EchoServer, Ending, Launch, PATIENCE, RawUpstream, Socket};

use super::{entered, launch, open, started};

/// RFC 6455 section 7.4.1: 1001, the endpoint goes away. Both sides are told, before the process ends.
#[test]
fn a_shutdown_tells_every_socket_that_the_gateway_goes_away() {
    let application = EchoServer::start();
    let gateway = started(&application, "");
    let mut socket = entered(&gateway);
    let mut waiting = open(&gateway);
    gateway.ask_to_stop();
    let away = |reason: &str| Ending::Closed(1001, reason.to_owned());
    assert_eq!(socket.ending(), away("going away"));
    assert_eq!(waiting.ending(), away("draining"));
    application.wait_until_all_ended();
}

#[test]
fn a_reload_leaves_open_sockets_alone_and_judges_new_ones() {
    let application = EchoServer::start();
    let launched = launch(&application.url(), "", "");
    let gateway = launched.clone().start();
    let mut socket = entered(&gateway);
    let text = std::fs::read_to_string(launched.path("portcullis.toml")).unwrap();
    let closed = text.replace("match = \"WS /ws/{account}\"", "match = \"WS /other/{account}\"");
    launched.folder().write("portcullis.toml", &closed);
    gateway.wait_for_log(&["config_changed"]);
    socket.send("still here");
    assert_eq!(socket.receive(), "still here");
    assert_eq!(Socket::open(gateway.address(), "/ws/primary", &[]).map(drop), Err(401));
}

/// Ten seconds of nothing after one side has ended are enough, whoever still holds the other side open.
#[test]
fn half_an_end_is_not_waited_for_for_ever() {
    let upstream = RawUpstream::start(|mut peer| {
        peer.head().unwrap();
        peer.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        // It hears the end of the client and keeps its own side open until the gateway has enough.
        peer.rest();
        std::thread::park_timeout(2 * PATIENCE);
    });
    let gateway = Launch::run()
        .config(&format!("upstream = \"{}\"\n[auth]\ndefault = \"none\"\n", upstream.url()))
        .start();
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut byte).unwrap(), 0);
}
