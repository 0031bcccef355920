//! The login by the first message.

use std::io::{Read as _, Write as _};

use portcullis_tests::{Accounts, Connection, EchoServer, Ending, Launch, Request, Socket};
use serde_json::json;

use super::{KEY, authenticated, entered, launch, login, open, started};

fn closed(code: u16, reason: &str) -> Ending {
    Ending::Closed(code, reason.to_owned())
}

#[test]
fn the_application_sees_an_ordinary_upgrade_of_who_logged_in() {
    let application = EchoServer::start();
    let gateway = started(&application, "");
    let mut socket = entered(&gateway);
    let handshake = application.handshake();
    assert_eq!(handshake.field("x-auth-user"), Some("api-key"));
    assert_eq!(handshake.field("x-auth-method"), Some("api-key"));
    assert!(handshake.field("x-request-id").is_some() && handshake.field("x-forwarded-for").is_some());
    socket.send("hello");
    assert_eq!(socket.receive(), "hello");
    assert_eq!(application.messages(), ["hello"], "the login stays with the gateway");
    socket.close();
    gateway.wait_for_log(&["access", "/ws/primary", "101"]);
}

#[test]
fn nothing_reaches_the_application_before_the_login() {
    let application = EchoServer::start();
    let gateway = started(&application, "");
    for (first, code, reason) in [
        ("not JSON", 4401, "login-malformed"),
        (r#"{"type":"subscribe"}"#, 4401, "login-expected"),
        (r#"{"type":"auth"}"#, 4401, "missing-credential"),
        (r#"{"type":"auth","api_key":"wrong"}"#, 4401, "invalid-credential"),
        // A token, where no tokens are judged.
        (r#"{"type":"auth","token":"eyJhbGciOiJub25lIn0.e30."}"#, 4401, "missing-credential"),
    ] {
        let mut socket = open(&gateway);
        socket.send(first);
        socket.send(r#"{"type":"order","quantity":50}"#);
        assert_eq!(socket.ending(), closed(code, reason), "{first}");
        gateway.wait_for_log(&["ws_auth_failed", reason]);
    }
    assert_eq!(application.connections(), 0, "{:?}", application.handshake());
}

#[test]
fn what_is_said_early_waits_and_is_not_lost() {
    let application = EchoServer::start();
    let gateway = started(&application, "");
    let mut socket = open(&gateway);
    socket.send_in_fragments(&login());
    for number in 0..50 {
        socket.send(&format!("early {number}"));
    }
    assert_eq!(socket.receive_json(), authenticated());
    for number in 0..50 {
        assert_eq!(socket.receive(), format!("early {number}"));
    }
}

#[test]
fn a_login_that_does_not_come_ends_the_socket() {
    let application = EchoServer::start();
    let gateway = Launch::run()
        .config(&format!(
            "upstream = \"{}\"\n[auth.api_key]\nvalue = \"env:API_KEY\"\n[[routes]]\nmatch = \"WS /ws/{{account}}\"\n\
             auth = \"first-message\"\nwebsocket = {{ auth_timeout = \"300ms\" }}\n",
            application.url()
        ))
        .env("API_KEY", KEY)
        .start();
    let mut socket = open(&gateway);
    assert_eq!(socket.ending(), closed(4408, "login-timeout"));
    // A frame that is never whole does not keep it open.
    let mut connection = handshake(&gateway, "");
    assert_eq!(connection.response().status, 101);
    connection.send(b"\x81\xfe\x01\x00mask{".as_slice());
    let mut rest = Vec::new();
    connection.stream().read_to_end(&mut rest).unwrap();
    assert_eq!(&rest[2..4], 4408_u16.to_be_bytes());
    assert_eq!(application.connections(), 0);
}

/// Nothing that a client says but a login moves the time that it has for one.
#[test]
fn a_client_that_never_stops_pinging_has_no_more_time_than_others() {
    let application = EchoServer::start();
    let launched = launch(&application.url(), "", "");
    let text = std::fs::read_to_string(launched.path("portcullis.toml")).unwrap();
    launched
        .folder()
        .write("portcullis.toml", &text.replace("auth_timeout = \"5s\"", "auth_timeout = \"1s\""));
    let gateway = launched.start();
    let mut connection = handshake(&gateway, "");
    assert_eq!(connection.response().status, 101);
    let mut writing = connection.stream().get_ref().try_clone().unwrap();
    let pings = b"\x89\x80mask".repeat(5000);
    let begun = std::time::Instant::now();
    let pinging = std::thread::spawn(move || {
        // Until the gateway has enough, or this test.
        while begun.elapsed() < portcullis_tests::PATIENCE && writing.write_all(&pings).is_ok() {}
    });
    let mut rest = Vec::new();
    // A reset is an end, too: not all that was sent was read.
    let _ = connection.stream().read_to_end(&mut rest);
    assert!(begun.elapsed() < portcullis_tests::PATIENCE / 2, "{:?}", begun.elapsed());
    pinging.join().unwrap();
    assert_eq!(application.connections(), 0);
}

fn handshake(gateway: &portcullis_tests::Gateway, fields: &str) -> Connection {
    let mut connection = Connection::open(gateway.address());
    connection.send(format!(
        "GET /ws/primary HTTP/1.1\r\nHost: gateway.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    ));
    connection
}

#[test]
fn frames_before_the_login_are_judged_as_rfc_6455_says() {
    let application = EchoServer::start();
    let gateway = started(&application, "");
    for (frame, code) in [
        // Not masked, a reserved bit, an unknown opcode, a long control frame, nothing to continue, too big.
        (&b"\x81\x02{}"[..], 1002_u16),
        (b"\xc1\x82mask{}", 1002),
        (b"\x83\x80mask", 1002),
        (b"\x89\xfe\x00\x7emask", 1002),
        (b"\x80\x80mask", 1002),
        (b"\x81\xfe\x20\x01mask", 1009),
        (b"\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xffmask", 1009),
        // Goodbye before anything.
        (b"\x88\x80mask", 1000),
        // Binary, and no UTF-8.
        (b"\x82\x82\0\0\0\0{}", 4401),
        (b"\x81\x82\0\0\0\0\xff\xfe", 4401),
    ] {
        let mut connection = handshake(&gateway, "");
        let answer = connection.response();
        assert_eq!(answer.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        connection.send(frame);
        let mut rest = Vec::new();
        connection.stream().read_to_end(&mut rest).unwrap();
        assert_eq!((rest[0], &rest[2..4]), (0x88, &code.to_be_bytes()[..]), "{frame:x?}: {rest:x?}");
    }
    // A ping is answered while the login is awaited.
    let mut connection = handshake(&gateway, "");
    assert_eq!(connection.response().status, 101);
    connection.send(b"\x89\x82\0\0\0\0hi".as_slice());
    let mut pong = [0; 4];
    connection.stream().read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\x8a\x02hi");
    assert_eq!(application.connections(), 0);
}

#[test]
fn a_handshake_that_is_none_is_refused_as_a_request() {
    let application = EchoServer::start();
    let gateway = started(&application, "");
    for (version, key, status) in [
        ("8", "dGhlIHNhbXBsZSBub25jZQ==", 426),
        ("13", "short", 400),
        ("13", "", 400),
        ("13", "dGhlIHNhbXBsZSBub25jZQ==", 101),
    ] {
        let mut connection = Connection::open(gateway.address());
        connection.send(format!(
            "GET /ws/primary HTTP/1.1\r\nHost: gateway.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        ));
        let answer = connection.response();
        assert_eq!(answer.status, status, "{version} {key}: {}", answer.head);
        if status == 426 {
            assert_eq!(answer.field("sec-websocket-version"), Some("13"));
        }
    }
    // A plain request does not get in either.
    let answer = Request::get("/ws/primary").send_to(gateway.address());
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert_eq!(application.connections(), 0);
}

#[test]
fn extensions_end_here_and_the_first_subprotocol_is_promised_and_kept() {
    let application = EchoServer::start();
    let gateway = started(&application, "");
    let mut connection = handshake(
        &gateway,
        "Sec-WebSocket-Protocol: graphql-ws, chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
    );
    let answer = connection.response();
    assert_eq!(answer.field("sec-websocket-protocol"), Some("graphql-ws"));
    assert_eq!(answer.field("sec-websocket-extensions"), None);
    let message = login();
    let mut frame = vec![0x81, 0x80 | message.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(message.as_bytes());
    connection.stream().get_ref().write_all(&frame).unwrap();
    let mut said = vec![0; 2 + authenticated().to_string().len()];
    connection.stream().read_exact(&mut said).unwrap();
    assert_eq!(&said[2..], authenticated().to_string().as_bytes());
    let handshake = application.handshake();
    assert_eq!(handshake.field("sec-websocket-protocol"), Some("graphql-ws"));
    assert_eq!(handshake.field("sec-websocket-extensions"), None);
}

#[test]
fn an_application_that_is_away_or_takes_no_websocket_ends_it_with_a_reason() {
    let application = EchoServer::start();
    let gateway = launch(&application.url(), "", "").env("PORTCULLIS_UPSTREAM", "http://127.0.0.1:1").start();
    let mut socket = open(&gateway);
    socket.send(&login());
    assert_eq!(socket.ending(), closed(1013, "upstream-unreachable"));

    let refusing = portcullis_tests::Upstream::ok();
    let gateway = launch(&application.url(), "", "").env("PORTCULLIS_UPSTREAM", &refusing.url()).start();
    let mut socket = open(&gateway);
    socket.send(&login());
    assert_eq!(socket.ending(), closed(1011, "upstream-malformed"));
}

/// An application that answers for somebody else's handshake would be taken for one that understood ours.
#[test]
fn an_application_that_does_not_prove_it_understood_is_not_connected() {
    let application = EchoServer::start();
    let liar = portcullis_tests::RawUpstream::start(|mut peer| {
        peer.head().unwrap();
        peer.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        );
        peer.rest();
    });
    let gateway = launch(&application.url(), "", "").env("PORTCULLIS_UPSTREAM", &liar.url()).start();
    let mut socket = open(&gateway);
    socket.send(&login());
    assert_eq!(socket.ending(), closed(1011, "upstream-malformed"));
}

#[test]
fn guesses_over_websockets_are_as_slow_as_everywhere() {
    let application = EchoServer::start();
    let gateway = launch(&application.url(), "", "[auth.failures]\nlimit = \"3/minute per ip\"\n").start();
    for number in 0..3 {
        let mut socket = open(&gateway);
        socket.send(&json!({ "type": "auth", "api_key": format!("guess {number}") }).to_string());
        assert_eq!(socket.ending(), closed(4401, "invalid-credential"));
    }
    let mut socket = open(&gateway);
    socket.send(&json!({ "type": "auth", "api_key": "guess 4" }).to_string());
    assert_eq!(socket.ending(), closed(4429, "too-many-failures"));
    // A right one is answered the same from there, so that a guess that hits does not show.
    let mut socket = open(&gateway);
    socket.send(&login());
    assert_eq!(socket.ending(), closed(4429, "too-many-failures"));
    let answer = Request::get("/").header("X-API-Key", "guess 5").send_to(gateway.address());
    assert_eq!(answer.status, 429, "one counter for both ways");
    assert_eq!(application.connections(), 0);
}

/// With accounts: keys and tokens of users, their roles and bindings, and the end of what they rest on.
#[test]
fn users_log_in_by_key_or_token_and_are_held_to_their_rights() {
    let application = EchoServer::start();
    let gateway = Launch::run()
        .config(&format!(
            "upstream = \"{}\"\n[auth.tokens]\n[store]\nurl = \"sqlite:people.db\"\n\
             [[routes]]\nmatch = \"WS /ws/{{account}}\"\nauth = [\"first-message\", \"bearer\"]\n\
             [[routes]]\nmatch = \"WS /paid/{{account}}\"\nauth = \"first-message\"\nroles = [\"premium\"]\n",
            application.url()
        ))
        .start();
    let accounts = Accounts::of(&gateway);
    let alice = accounts.newcomer("alice");
    let bound =
        accounts.key(&alice.access, &json!({ "name": "bot", "bindings": { "account": ["primary"] } }));
    let say = |target: &str, first: serde_json::Value| {
        let mut socket = Socket::open(gateway.address(), target, &[]).unwrap();
        socket.send(&first.to_string());
        socket
    };
    let by_key = json!({ "type": "auth", "api_key": bound.key });
    let by_token = json!({ "type": "auth", "token": alice.access });

    let mut socket = say("/ws/primary", by_token.clone());
    assert_eq!(socket.receive_json(), authenticated());
    assert_eq!(application.handshake().field("x-auth-user"), Some("alice"));
    assert_eq!(application.handshake().field("x-auth-method"), Some("bearer"));
    assert_eq!(say("/ws/primary", by_key.clone()).receive_json(), authenticated());
    assert_eq!(say("/ws/second", by_key.clone()).ending(), closed(4403, "out-of-scope"));
    assert_eq!(say("/paid/primary", by_token.clone()).ending(), closed(4403, "insufficient-role"));
    let refresh = json!({ "type": "auth", "token": alice.refresh });
    assert_eq!(say("/ws/primary", refresh).ending(), closed(4401, "invalid-credential"));

    // The header of the handshake, for who can send one: nobody is asked again.
    let authorization = format!("Bearer {}", alice.access);
    let mut header =
        Socket::open(gateway.address(), "/ws/primary", &[("Authorization", &authorization)]).unwrap();
    header.send("hello");
    assert_eq!(header.receive(), "hello");

    // What a socket rests on ends: so does the socket.
    let mut keyed = say("/ws/primary", by_key.clone());
    assert_eq!(keyed.receive_json(), authenticated());
    let revoke = accounts.delete(&format!("/auth/api-keys/{}", bound.id)).bearer(&alice.access);
    accounts.done(&revoke);
    assert_eq!(keyed.ending(), closed(4403, "revoked"));
    assert_eq!(say("/ws/primary", by_key).ending(), closed(4401, "invalid-credential"));
    socket.send("still here");
    assert_eq!(socket.receive(), "still here", "the token of the same user holds");
}

#[test]
fn pages_of_other_origins_do_not_get_to_the_login() {
    let application = EchoServer::start();
    let gateway = launch(&application.url(), "", "[cors]\norigins = [\"https://app.example.com\"]\n").start();
    let from = |origin: &str| Socket::open(gateway.address(), "/ws/primary", &[("Origin", origin)]).map(drop);
    assert_eq!(from("https://app.example.com"), Ok(()));
    assert_eq!(from("https://evil.example"), Err(403));
    assert_eq!(from("null"), Err(403));
    gateway.wait_for_log(&["cors_violation", "/ws/primary"]);
}

#[test]
fn a_configuration_that_cannot_log_anybody_in_is_refused() {
    let refused = |text: &str, word: &str| {
        let output = Launch::run().config(&format!("upstream = \"http://127.0.0.1:1\"\n{text}")).refused();
        assert!(output.contains(word), "{word} in\n{output}");
    };
    let key = "[auth.api_key]\nvalue = \"env:API_KEY\"\n";
    refused("[[routes]]\nmatch = \"WS /ws\"\nauth = \"first-message\"\n", "nothing to judge it by");
    refused(
        &format!("{key}[[routes]]\nmatch = \"GET /ws\"\nauth = \"first-message\"\n"),
        "which no WebSocket matches",
    );
    refused(
        &format!("{key}[[routes]]\nmatch = \"WS /ws\"\nauth = \"first-message\"\nmode = \"observe\"\n"),
        "cannot be only observed",
    );
    refused(
        &format!("{key}[[routes]]\nmatch = \"WS /ws\"\nauth = [\"first-message\", \"anonymous\"]\n"),
        "could not be told",
    );
    refused(
        &format!("{key}[[routes]]\nmatch = \"WS /ws\"\nwebsocket = {{ auth_timeout = \"5s\" }}\n"),
        "nothing to wait for",
    );
    refused("[replies.login-timeout]\nwebsocket = { close = 1006 }\n", "may not stand in a close frame");
}

#[test]
fn explain_says_what_the_handshake_leads_to() {
    let application = EchoServer::start();
    let launched = launch(&application.url(), "", "");
    let explained = launched
        .beside("explain GET /ws/primary")
        .arg("-H")
        .arg("Connection: Upgrade")
        .arg("-H")
        .arg("Upgrade: websocket")
        .ran()
        .succeeded();
    assert!(explained.contains("the first message has to log in"), "{explained}");
    let refused = launched.beside("explain GET /ws/primary").ran();
    assert!(refused.stdout.contains("401"), "{}", refused.stdout);
}
