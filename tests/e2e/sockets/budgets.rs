//! What a WebSocket may cost: how many of them, how large and how many their messages, how long they stay silent.

use std::io::Read as _;

use portcullis_tests::{Connection, EchoServer, Ending, Launch, Socket, until};
use serde_json::json;

use super::{entered, launch, login, open, started};

fn closed(code: u16, reason: &str) -> Ending {
    Ending::Closed(code, reason.to_owned())
}

#[test]
fn messages_beyond_the_rate_end_the_socket_before_they_reach_the_application() {
    let application = EchoServer::start();
    let gateway = started(&application, ", messages = \"5/minute\"");
    let mut socket = entered(&gateway);
    for number in 0..5 {
        socket.send(&format!("message {number}"));
        assert_eq!(socket.receive(), format!("message {number}"));
    }
    socket.send("message 5");
    assert_eq!(socket.ending(), closed(4429, "too many messages"));
    assert_eq!(application.messages().len(), 5);
    gateway.wait_for_log(&["rate_limit_exceeded", "websocket-messages", "/ws/primary"]);
    // Each connection counts for itself, fragments and control frames do not.
    let mut other = entered(&gateway);
    other.send_in_fragments("in eleven fragments");
    assert_eq!(other.receive(), "in eleven fragments");
}

#[test]
fn messages_beyond_a_rate_that_is_observed_are_noted_and_pass() {
    let application = EchoServer::start();
    let gateway = started(&application, ", messages = { rate = \"2/minute\", mode = \"observe\" }");
    let mut socket = entered(&gateway);
    for number in 0..5 {
        socket.send(&format!("message {number}"));
        assert_eq!(socket.receive(), format!("message {number}"));
    }
    socket.close();
    gateway.wait_for_log(&["rate_limit_exceeded", "websocket-messages", "observed=true"]);
}

#[test]
fn a_message_over_the_size_ends_the_socket_login_included() {
    let application = EchoServer::start();
    let gateway = started(&application, ", max_message = \"200 B\"");
    let mut socket = entered(&gateway);
    socket.send(&"x".repeat(200));
    assert_eq!(socket.receive().len(), 200);
    socket.send(&"x".repeat(201));
    assert_eq!(socket.ending(), closed(1009, "message too big"));
    let mut socket = open(&gateway);
    socket.send(&json!({ "type": "auth", "api_key": "x".repeat(200) }).to_string());
    assert_eq!(socket.ending(), closed(1009, "body-too-large"));
}

#[test]
fn an_address_a_user_and_a_path_hold_as_many_as_they_may() {
    let application = EchoServer::start();
    let gateway = started(&application, ", connections_per_ip = 4, connections_per_path = 2");
    let at = |path: &str| {
        let mut socket = Socket::open(gateway.address(), path, &[]).unwrap();
        socket.send(&login());
        socket
    };
    let mut held = Vec::new();
    for path in ["/ws/a", "/ws/%61"] {
        let mut socket = at(path);
        assert_eq!(socket.receive_json()["type"], "authenticated");
        held.push(socket);
    }
    // The same path in another spelling is the same path.
    assert_eq!(at("/ws/a").ending(), closed(4429, "too-many-connections"));
    until("the refused one to be gone", || {
        let mut socket = Socket::open(gateway.address(), "/ws/b", &[]).ok()?;
        socket.send(&login());
        held.push(socket);
        Some(())
    });
    // One that has not logged in counts for its address, and for no path.
    let waiting = open(&gateway);
    assert_eq!(Socket::open(gateway.address(), "/ws/c", &[]).map(drop), Err(503));
    drop(waiting);
    until("its place to be free", || {
        let mut socket = Socket::open(gateway.address(), "/ws/c", &[]).ok()?;
        socket.send(&login());
        Some(socket.receive_json()["type"] == "authenticated")
    });
    gateway.wait_for_log(&["rate_limit_exceeded", "too-many-connections"]);

    let gateway = started(&application, ", connections_per_user = 1");
    let first = entered(&gateway);
    let mut second = open(&gateway);
    second.send(&login());
    assert_eq!(second.ending(), closed(4429, "too-many-connections"));
    drop(first);
}

/// Counted on routes that know who it is by the handshake too.
#[test]
fn a_socket_without_a_first_message_is_counted_at_its_handshake() {
    let application = EchoServer::start();
    let gateway = Launch::run()
        .config(&format!(
            "upstream = \"{}\"\n[auth]\ndefault = \"none\"\n[[routes]]\nmatch = \"WS /feed/{{name}}\"\n\
             websocket = {{ connections_per_path = 1 }}\n",
            application.url()
        ))
        .start();
    let first = Socket::open(gateway.address(), "/feed/a", &[]).unwrap();
    assert_eq!(Socket::open(gateway.address(), "/feed/a", &[]).map(drop), Err(503));
    assert!(Socket::open(gateway.address(), "/feed/b", &[]).is_ok());
    first.close();
}

#[test]
fn a_client_that_answers_pings_stays_and_one_that_does_not_is_closed() {
    let application = EchoServer::start();
    let gateway = started(&application, ", ping = \"1s\", idle_timeout = \"4s\"");
    // It reads, and so its library answers: until the idle time, which our own pings do not prolong.
    let begun = std::time::Instant::now();
    let mut socket = entered(&gateway);
    assert_eq!(socket.ending(), closed(1001, "idle"));
    assert!(begun.elapsed().as_secs() >= 4, "{:?}", begun.elapsed());
    // One that never answers.
    let mut connection = Connection::open(gateway.address());
    connection.send(
        "GET /ws/primary HTTP/1.1\r\nHost: gateway.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(connection.response().status, 101);
    let message = login();
    let mut frame = vec![0x81, 0x80 | message.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(message.as_bytes());
    connection.send(frame);
    let mut rest = Vec::new();
    connection.stream().read_to_end(&mut rest).unwrap();
    let ping = rest.windows(2).position(|bytes| bytes == b"\x89\0").expect("a ping");
    assert_eq!(&rest[ping + 2..], [&b"\x88\x09"[..], &1001_u16.to_be_bytes(), b"no pong"].concat());
}

#[test]
fn a_silent_socket_ends_after_its_idle_time_with_a_reason() {
    let application = EchoServer::start();
    let gateway = launch(&application.url(), ", idle_timeout = \"1s\"", "").start();
    let mut socket = entered(&gateway);
    assert_eq!(socket.ending(), closed(1001, "idle"));
    application.wait_until_all_ended();
}
