//! Many of them, and many who never get in.

use std::io::Write as _;
use std::net::TcpStream;

use portcullis_tests::{EchoServer, Gateway, SocketCrowd, many_descriptors};

use super::{KEY, launch};

const ROOM: &str = "[limiter]\nenabled = false\n[log]\nlevel = \"error\"\n\
                    [server.caps]\nconnections = 20000\nconnections_per_ip = 20000\n";

fn spacious(upstream: &str) -> Gateway {
    launch(upstream, "", ROOM).start()
}

/// 9,000, because a process may have no more than 20,000 descriptors on many machines, and each takes two here.
#[test]
fn nine_thousand_sockets_that_have_logged_in_fit_in_80_mb() {
    const SOCKETS: usize = 9000;
    let application = SocketCrowd::echo();
    let gateway = spacious(&application.url());
    // After the start of the gateway: it has to see to its own.
    many_descriptors();
    let before = gateway.resident_kib();
    let login = format!(r#"{{"type":"auth","api_key":"{KEY}"}}"#);
    let crowd = application.join_after(gateway.address(), "/ws/primary", SOCKETS, Some(&login));
    let open = gateway.resident_kib() - before;
    crowd.rounds(1);
    let busy = gateway.resident_kib() - before;
    assert_eq!(crowd.leave().open, SOCKETS);
    println!("{open} KiB open, {busy} KiB after each has echoed");
    assert!(open < 80 << 10 && busy < 80 << 10, "{open} KiB open, {busy} KiB after each has echoed");
}

/// Handshakes without a login, each gone at once: nothing is left of them.
#[test]
fn those_who_never_log_in_leave_nothing_behind() {
    let application = EchoServer::start();
    let gateway = spacious(&application.url());
    let knock = |count: usize| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                let address = gateway.address();
                std::thread::spawn(move || {
                    for _ in 0..count / 2 {
                        let mut stream = TcpStream::connect(address).unwrap();
                        let handshake = "GET /ws/primary HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
                             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
                        stream.write_all(handshake.as_bytes()).unwrap();
                        let mut first = [0; 12];
                        std::io::Read::read_exact(&mut stream, &mut first).unwrap();
                        assert_eq!(&first, b"HTTP/1.1 101");
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
    };
    knock(4000);
    let after_the_first = gateway.resident_kib();
    knock(12_000);
    let grown = gateway.resident_kib().saturating_sub(after_the_first);
    println!("{grown} KiB more after 12,000 more");
    assert!(grown < 2048, "{grown} KiB more after 12,000 more");
    assert_eq!(application.connections(), 0);
}
