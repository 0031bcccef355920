//! TLS that the gateway ends: versions, key exchange, protocols, HSTS, and certificates that are renewed.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use portcullis_tests::{
    Certificate, Connection, Gateway, Launch, RawUpstream, Request, TlsClient, Upstream, over_tls, shell,
    until,
};
use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, ProtocolVersion};

/// A request that ends its connection.
const GET: &str = "GET / HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n";

/// A gateway with that certificate; `server` are further lines of `[server]`.
fn secure(certificate: &Certificate, upstream: &str, server: &str) -> Gateway {
    let mut launch = Launch::command("run");
    for (name, pem) in [("cert.pem", certificate.pem()), ("key.pem", certificate.key_pem())] {
        launch = launch.file(name, &pem);
    }
    let listen = if server.contains("listen") { "" } else { "listen = \"127.0.0.1:0\"\n" };
    let (cert, key) = (launch.path("cert.pem"), launch.path("key.pem"));
    launch
        .config(&format!(
            "upstream = {upstream:?}\n[auth]\ndefault = \"none\"\n[server]\n{listen}{server}\n\
             [server.tls]\ncert = {cert:?}\nkey = {key:?}\n",
        ))
        .start()
}

fn client(certificate: &Certificate) -> TlsClient {
    certificate.client(&[&TLS13, &TLS12], &[])
}

#[test]
fn both_versions_are_spoken_with_hsts() {
    let certificate = Certificate::new();
    let upstream = Upstream::ok();
    let gateway = secure(&certificate, &upstream.url(), "");
    assert!(gateway.is_secure(), "it says so");
    for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let mut stream = certificate.client(&[version], &[]).connect(gateway.address()).unwrap();
        let answer = over_tls(&mut stream, GET).to_ascii_lowercase();
        assert_eq!(stream.conn.protocol_version(), Some(expected));
        assert!(answer.starts_with("http/1.1 200 ok\r\n"), "{answer}");
        assert!(answer.contains("\r\nstrict-transport-security: max-age="), "{answer}");
        assert!(answer.ends_with(r#"{"accepted":true}"#), "{answer}");
    }
    for received in upstream.received() {
        assert_eq!(received.field("x-forwarded-proto"), Some("https"));
    }
}

#[test]
fn hsts_stands_on_tls_alone() {
    let certificate = Certificate::new();
    let upstream = Upstream::ok();
    let listen = "listen = [{ address = \"127.0.0.1:0\" }, { address = \"127.0.0.1:0\", tls = false }]";
    let gateway = secure(&certificate, &upstream.url(), listen);
    let plain = gateway.wait_for_log(&["listening on http://"]);
    let plain: SocketAddr = plain.rsplit("http://").next().unwrap().trim().parse().unwrap();
    let answer = Request::get("/").send_to(plain);
    assert_eq!((answer.status, answer.field("strict-transport-security")), (200, None));
    let mut stream = client(&certificate).connect(gateway.address()).unwrap();
    assert!(over_tls(&mut stream, GET).to_ascii_lowercase().contains("\r\nstrict-transport-security: "));
    assert_eq!(upstream.received()[0].field("x-forwarded-proto"), Some("http"));
}

#[test]
fn the_key_exchange_resists_quantum_computers_where_the_client_can() {
    let certificate = Certificate::new();
    let gateway = secure(&certificate, "http://127.0.0.1:1", "");
    let stream = client(&certificate).connect(gateway.address()).unwrap();
    let group = stream.conn.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
    // One that cannot is served all the same: OpenSSL 3.0 knows the older groups only.
    let certified = gateway.folder().file("cert.pem");
    for arguments in ["-tls1_3 -groups X25519", "-tls1_3 -groups P-256", "-tls1_2"] {
        let line = format!(
            "openssl s_client -connect {} -servername gateway.test -CAfile {certified} -verify_return_error {arguments} \
             </dev/null 2>&1",
            gateway.address()
        );
        let printed = shell(&line, gateway.folder());
        assert!(printed.contains("Verify return code: 0 (ok)"), "{arguments}: {printed}");
    }
}

#[test]
fn http_2_is_chosen_where_both_know_it() {
    let certificate = Certificate::new();
    let gateway = secure(&certificate, "http://127.0.0.1:1", "");
    let agreed = |offered: &[&str]| {
        let stream = certificate.client(&[&TLS13], offered).connect(gateway.address())?;
        Ok::<_, std::io::Error>(
            stream.conn.alpn_protocol().map(|it| String::from_utf8_lossy(it).into_owned()),
        )
    };
    assert_eq!(agreed(&["http/1.1", "h2"]).unwrap().as_deref(), Some("h2"));
    assert_eq!(agreed(&["http/1.1"]).unwrap().as_deref(), Some("http/1.1"));
    assert_eq!(agreed(&[]).unwrap(), None);
    assert!(agreed(&["smtp"]).is_err(), "another protocol's client is sent away (ALPACA)");
}

#[test]
fn what_is_no_tls_is_not_served() {
    let certificate = Certificate::new();
    let upstream = Upstream::ok();
    let gateway = secure(&certificate, &upstream.url(), "caps = { header_timeout = \"300ms\" }");
    let mut plain = Connection::open(gateway.address());
    plain.send(Request::get("/").bytes());
    let mut told = Vec::new();
    let _ = plain.stream().read_to_end(&mut told);
    assert!(!told.starts_with(b"HTTP"), "{told:?}");
    // Nor one that begins and goes no further.
    let mut slow = Connection::open(gateway.address());
    slow.send([0x16, 3, 1]);
    assert!(slow.is_closed());
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn renewed_files_are_picked_up_without_a_restart() {
    let first = Certificate::new();
    let upstream = Upstream::ok();
    let gateway = secure(&first, &upstream.url(), "");
    let mut before = client(&first).connect(gateway.address()).unwrap();
    // Half a file changes nothing.
    gateway.folder().write("cert.pem", &first.pem()[..100]);
    gateway.wait_for_log(&["certificate", "refused"]);
    client(&first).connect(gateway.address()).unwrap();
    let second = Certificate::new();
    second.write(gateway.folder());
    let mut after = until("the new certificate", || client(&second).connect(gateway.address()).ok());
    assert_eq!(after.conn.peer_certificates().unwrap()[0], second.der());
    assert!(client(&first).connect(gateway.address()).is_err(), "the old one is gone");
    for stream in [&mut before, &mut after] {
        assert!(over_tls(stream, GET).starts_with("HTTP/1.1 200 "), "open connections go on");
    }
}

#[test]
fn a_proxy_header_may_come_in_one_packet_with_the_hello() {
    let certificate = Certificate::new();
    let upstream = Upstream::ok();
    let server =
        "trusted_proxies = [\"127.0.0.1\"]\nlisten = { address = \"127.0.0.1:0\", proxy_protocol = true }";
    let gateway = secure(&certificate, &upstream.url(), server);
    let header = b"PROXY TCP4 203.0.113.7 127.0.0.1 54321 443\r\n";
    let stream = TcpStream::connect(gateway.address()).unwrap();
    let mut stream = client(&certificate).over(stream, header).unwrap();
    assert!(over_tls(&mut stream, GET).starts_with("HTTP/1.1 200 "));
    assert_eq!(upstream.only().field("x-forwarded-for"), Some("203.0.113.7"));
}

#[test]
fn bodies_pass_whole_over_tls() {
    const SIZE: usize = 24 << 20;
    let certificate = Certificate::new();
    let upstream = RawUpstream::start(|mut peer| {
        peer.head().unwrap();
        let body = peer.exactly(SIZE).unwrap();
        peer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\nConnection: close\r\n\r\n"));
        peer.write(body);
    });
    let gateway = secure(&certificate, &upstream.url(), "caps = { body = \"32 MiB\" }");
    let body: Vec<u8> = (0..SIZE).map(|at| (at / 11) as u8).collect();
    let mut stream = client(&certificate).connect(gateway.address()).unwrap();
    write!(stream, "PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {SIZE}\r\n\r\n")
        .unwrap();
    stream.write_all(&body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(&body), "{} bytes came back", answer.len());
}

#[test]
fn what_is_small_leaves_at_once_over_tls() {
    let certificate = Certificate::new();
    let upstream = RawUpstream::start(|mut peer| {
        let switches = peer.head().unwrap().contains("Upgrade: websocket");
        peer.write(if switches {
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        } else {
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        });
        // Each byte is sent only after the client has said that it saw the one before.
        peer.write("0");
        while let Some(bytes) = peer.some() {
            peer.write(bytes);
        }
    });
    let gateway = secure(&certificate, &upstream.url(), "");
    let mut stream = client(&certificate).connect(gateway.address()).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n0") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    for _ in 0..50 {
        stream.write_all(b"x").unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }
    let mut events = client(&certificate).connect(gateway.address()).unwrap();
    events.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n1\r\n0\r\n") {
        let mut byte = [0];
        events.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
}

#[test]
fn a_cut_is_seen_over_tls_by_http_1_0_too() {
    let certificate = Certificate::new();
    let upstream =
        RawUpstream::answering_once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf");
    let gateway = secure(&certificate, &upstream.url(), "");
    let mut stream = client(&certificate).connect(gateway.address()).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "without a goodbye: {error}");
}
