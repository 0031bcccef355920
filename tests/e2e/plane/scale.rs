//! Much of it: bodies of 2 GiB, thousands of WebSockets.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_tests::{Connection, Gateway, RawUpstream, Request, SocketCrowd, many_descriptors};

use super::gateway;

const SIZE: u64 = 2 << 30;
const PIECE: usize = 1 << 20;
/// How much the gateway may grow, in KiB.
const GROWTH: u64 = 16 << 10;

/// Looks how much memory the gateway holds more than before, and keeps the most.
struct Watch<'a> {
    gateway: &'a Gateway,
    before: u64,
    most: AtomicU64,
}

impl<'a> Watch<'a> {
    fn new(gateway: &'a Gateway) -> Self {
        Self { gateway, before: gateway.resident_kib(), most: AtomicU64::new(0) }
    }

    fn look(&self) {
        let grown = self.gateway.resident_kib().saturating_sub(self.before);
        self.most.fetch_max(grown, Ordering::Relaxed);
    }

    fn end(self) {
        self.look();
        let most = self.most.into_inner();
        assert!(most < GROWTH, "{most} KiB more");
    }
}

#[test]
fn two_gibibytes_pass_up_and_down_without_being_held() {
    let upstream = RawUpstream::start(|mut peer| {
        let piece = vec![b'y'; PIECE];
        while let Some(head) = peer.head() {
            if head.starts_with("PUT") {
                assert!(peer.skip(SIZE));
                peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            } else {
                peer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
                for _ in 0..SIZE / PIECE as u64 {
                    peer.write(&piece);
                }
            }
        }
    });
    let gateway = gateway(&upstream.url(), "[server.caps]\nbody = \"4 GiB\"\n");
    let mut connection = Connection::open(gateway.address());
    assert_eq!(Request::get("/portcullis/health").on(&mut connection).status, 200);

    let watch = Watch::new(&gateway);
    connection.send(format!("PUT /large HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n"));
    let piece = vec![b'x'; PIECE];
    for count in 0..SIZE / PIECE as u64 {
        connection.stream().get_mut().write_all(&piece).unwrap();
        if count % 64 == 0 {
            watch.look();
        }
    }
    assert_eq!(connection.response().text(), "ok");
    watch.end();

    let watch = Watch::new(&gateway);
    connection.send(Request::get("/large").bytes());
    assert_eq!(connection.response_to_head().number("content-length"), SIZE);
    let (mut left, mut piece) = (SIZE, vec![0; PIECE]);
    while left > 0 {
        let most = left.min(PIECE as u64) as usize;
        let count = connection.stream().read(&mut piece[..most]).unwrap();
        assert!(count > 0, "{left} bytes are missing");
        if left / (64 << 20) != (left - count as u64) / (64 << 20) {
            watch.look();
        }
        left -= count as u64;
    }
    watch.end();
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn two_thousand_websockets_echo() {
    const SOCKETS: usize = 2000;
    const ROUNDS: usize = 3;
    let sockets = SocketCrowd::echo();
    let tables = "[server.caps]\nconnections = 3000\nconnections_per_ip = 3000\n[log]\nlevel = \"error\"\n";
    let gateway = gateway(&sockets.url(), tables);
    // After the start of the gateway: it has to see to its own.
    many_descriptors();
    let before = gateway.resident_kib();
    let crowd = sockets.join(gateway.address(), "/", SOCKETS);
    let open = gateway.resident_kib().saturating_sub(before);
    crowd.rounds(ROUNDS);
    let echoed = crowd.leave();
    assert_eq!(echoed.open, SOCKETS);
    assert!(echoed.messages >= SOCKETS * ROUNDS, "{} messages", echoed.messages);
    // A waiting WebSocket holds no buffer: its two streams and its place in the tables are all there is.
    assert!(open < SOCKETS as u64 * 16, "{open} KiB for {SOCKETS} open WebSockets");
}

#[test]
fn many_short_connections_leave_nothing_behind() {
    const CONNECTIONS: usize = 3000;
    let upstream = RawUpstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let gateway = gateway(&upstream.url(), "");
    let served = Arc::new(AtomicU64::new(0));
    let connect = |count: usize| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (address, served) = (gateway.address(), Arc::clone(&served));
                std::thread::spawn(move || {
                    for _ in 0..count / 4 {
                        let request = Request::get("/").header("Connection", "close");
                        assert_eq!(request.send_to(address).text(), "ok");
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
    };
    connect(CONNECTIONS);
    let after_the_first = gateway.resident_kib();
    connect(CONNECTIONS);
    let grown = gateway.resident_kib().saturating_sub(after_the_first);
    assert_eq!(served.load(Ordering::Relaxed), 2 * CONNECTIONS as u64);
    assert!(grown < 1024, "{grown} KiB more after as many again");
    let open = std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count();
    assert!(open < 200, "{open} descriptors are open");
}
