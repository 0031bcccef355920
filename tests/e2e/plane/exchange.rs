//! Both directions at once: early answers, cuts, dead connections, clients that hang up or do not read.

use std::io::Read as _;
use std::sync::mpsc;
use std::sync::{Arc, atomic::AtomicU64, atomic::Ordering};

use portcullis_tests::{Connection, RawUpstream, Request, until};

use super::gateway;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Waits until a count has begun and then does not move for many looks; returns it.
fn standstill(what: &str, count: &AtomicU64) -> u64 {
    let (mut last, mut looks) = (0, 0);
    until(what, || {
        let now = count.load(Ordering::SeqCst);
        looks = if now > 0 && now == last { looks + 1 } else { 0 };
        last = now;
        (looks == 40).then_some(now)
    })
}

#[test]
fn an_answer_may_flow_while_the_upload_still_runs() {
    let upstream = RawUpstream::start(|mut peer| {
        peer.head().unwrap();
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        // Each piece goes back before the next one is sent.
        for _ in 0..20 {
            let piece = peer.exactly(b"5\r\nabcde\r\n".len()).unwrap();
            peer.write(piece);
        }
        assert_eq!(peer.exactly(5).unwrap(), b"0\r\n\r\n");
        peer.write("0\r\n\r\n");
        while peer.head().is_some() {
            peer.write(OK);
        }
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    connection.send("POST / HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let head = connection.response_to_head();
    assert_eq!(head.field("transfer-encoding"), Some("chunked"));
    for _ in 0..20 {
        connection.send("5\r\nabcde\r\n");
        let mut piece = [0; 10];
        connection.stream().read_exact(&mut piece).unwrap();
        assert_eq!(&piece, b"5\r\nabcde\r\n");
    }
    connection.send("0\r\n\r\n");
    let mut end = [0; 5];
    connection.stream().read_exact(&mut end).unwrap();
    assert_eq!(&end, b"0\r\n\r\n");
    assert_eq!(Request::get("/next").on(&mut connection).text(), "ok");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn an_application_that_answers_early_still_gets_the_whole_body() {
    const SIZE: usize = 3 << 20;
    let (whole, received) = mpsc::channel();
    let upstream = RawUpstream::start(move |mut peer| {
        peer.head().unwrap();
        peer.write("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok");
        whole.send(peer.skip(SIZE as u64)).unwrap();
        while peer.head().is_some() {
            peer.write(OK);
        }
    });
    let gateway = gateway(&upstream.url(), "[server.caps]\nbody = \"8 MiB\"\n");
    let mut connection = Connection::open(gateway.address());
    connection.send(format!("POST / HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: {SIZE}\r\n\r\n"));
    assert_eq!(connection.response().status, 202);
    connection.send(vec![b'x'; SIZE]);
    assert!(received.recv().unwrap(), "the body was cut");
    assert_eq!(Request::get("/next").on(&mut connection).text(), "ok");
    assert_eq!(upstream.connections(), 1, "both connections are fit for the next request");
}

#[test]
fn an_application_that_refuses_early_and_closes_is_heard() {
    const SIZE: usize = 64 << 20;
    let upstream = RawUpstream::start(move |mut peer| {
        peer.head().unwrap();
        peer.write("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
    });
    let gateway = gateway(&upstream.url(), "[server.caps]\nbody = \"1 GiB\"\n");
    let mut connection = Connection::open(gateway.address());
    connection.send(format!("POST / HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: {SIZE}\r\n\r\n"));
    connection.send(Request::get("/behind").bytes().repeat(2000));
    let answer = connection.response();
    assert_eq!((answer.status, answer.text()), (413, "big"));
    assert!(connection.is_closed(), "the rest of the body cannot be told from a request");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_cut_answer_is_seen_as_cut() {
    let cut = [
        ("by length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        ("in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf"),
        ("between chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        ("before the trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n"),
    ];
    for (name, bytes) in cut {
        let upstream = RawUpstream::answering_once(bytes);
        let gateway = gateway(&upstream.url(), "");
        let mut connection = Connection::open(gateway.address());
        connection.send(Request::get("/").bytes());
        let head = connection.response_to_head();
        assert_eq!(head.status, 200, "{name}");
        let mut rest = String::new();
        let _ = connection.stream().read_to_string(&mut rest);
        assert!(rest.contains("half") && !rest.ends_with("0\r\n\r\n"), "{name}: {rest:?}");
        assert_eq!(upstream.connections(), 1, "{name}: what was begun is not asked for again");
        if name != "by length" {
            // To HTTP/1.0 the end of the connection is the end of the body: only a reset says that it is none.
            let mut old = Connection::open(gateway.address());
            old.send("GET / HTTP/1.0\r\nHost: gateway.test\r\n\r\n");
            let ended = old.stream().read_to_end(&mut Vec::new());
            assert!(ended.is_err(), "{name}: an orderly end of a broken answer");
        }
    }
}

#[test]
fn a_connection_with_bytes_beyond_the_answer_is_not_used_again() {
    let beyond = [
        (
            "behind a body",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        ),
        (
            "behind chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
        ),
        ("behind nothing", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
        ("a body with 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil"),
    ];
    for (name, bytes) in beyond {
        let upstream = RawUpstream::answering(bytes);
        let gateway = gateway(&upstream.url(), "");
        let mut connection = Connection::open(gateway.address());
        for round in 1..=3 {
            let answer = Request::get("/").on(&mut connection);
            assert!(!answer.text().contains("evil"), "{name}: {}", answer.head);
            assert_eq!(upstream.connections(), round, "{name}");
        }
    }
}

#[test]
fn bytes_that_come_when_nobody_asked_end_a_kept_connection() {
    let (poison, when) = mpsc::channel::<()>();
    let when = std::sync::Mutex::new(when);
    let (poisoned, done) = mpsc::channel();
    let upstream = RawUpstream::start(move |mut peer| {
        while peer.head().is_some() {
            peer.write(OK);
            if peer.number == 0 {
                when.lock().unwrap().recv().unwrap();
                peer.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
                poisoned.send(()).unwrap();
            }
        }
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    assert_eq!(Request::get("/").on(&mut connection).text(), "ok");
    poison.send(()).unwrap();
    done.recv().unwrap();
    // What was written on loopback is there to be read.
    assert_eq!(Request::get("/").on(&mut connection).text(), "ok");
    assert_eq!(upstream.connections(), 2);
}

/// An application that answers once on each connection, then takes a second request and closes: as one does
/// that ends an idle connection while a request is on its way.
fn forgetful(methods: mpsc::Sender<String>) -> RawUpstream {
    RawUpstream::start(move |mut peer| {
        let mut count = 0;
        while let Some(head) = peer.head() {
            methods.send(head.split(' ').next().unwrap().to_owned()).unwrap();
            if peer.number == 0 && count == 1 {
                return;
            }
            count += 1;
            peer.write(OK);
        }
    })
}

#[test]
fn a_get_on_a_dead_connection_is_sent_once_more() {
    let (methods, seen) = mpsc::channel();
    let upstream = forgetful(methods);
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    assert_eq!(Request::get("/").on(&mut connection).text(), "ok");
    assert_eq!(Request::get("/").on(&mut connection).text(), "ok");
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["GET", "GET", "GET"]);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_put_with_its_body_at_hand_is_sent_once_more_too() {
    let (methods, seen) = mpsc::channel();
    let upstream = RawUpstream::start(move |mut peer| {
        let mut count = 0;
        while peer.head().is_some() {
            let body = peer.exactly(4).unwrap();
            methods.send(body).unwrap();
            if peer.number == 0 && count == 1 {
                return;
            }
            count += 1;
            peer.write(OK);
        }
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    for _ in 0..2 {
        assert_eq!(Request::new("PUT", "/").body("body").on(&mut connection).text(), "ok");
    }
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [b"body", b"body", b"body"]);
}

#[test]
fn a_post_is_never_sent_twice() {
    let (methods, seen) = mpsc::channel();
    let upstream = forgetful(methods);
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    assert_eq!(Request::get("/").on(&mut connection).text(), "ok");
    let answer = Request::new("POST", "/").body("").on(&mut connection);
    assert_eq!(answer.status, 502);
    assert_eq!(Request::get("/").on(&mut connection).text(), "ok", "the client's connection goes on");
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["GET", "POST", "GET"]);
}

#[test]
fn a_connection_that_the_application_closed_is_found_out_before_it_is_used() {
    let (closed, done) = mpsc::channel();
    let upstream = RawUpstream::start(move |mut peer| {
        peer.head().unwrap();
        peer.write(OK);
        if peer.number == 0 {
            drop(peer);
            closed.send(()).unwrap();
        }
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    assert_eq!(Request::get("/").on(&mut connection).text(), "ok");
    done.recv().unwrap();
    // The end arrives a moment after the thread has let go.
    until("the close to arrive", || {
        let answer = Request::new("POST", "/").body("x").on(&mut Connection::open(gateway.address()));
        (answer.status == 200).then_some(())
    });
}

#[test]
fn a_client_that_does_not_read_costs_no_memory() {
    const SIZE: u64 = 256 << 20;
    let written = Arc::new(AtomicU64::new(0));
    let upstream = RawUpstream::start({
        let written = Arc::clone(&written);
        move |mut peer| {
            peer.head().unwrap();
            peer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
            let piece = vec![b'x'; 1 << 20];
            while written.load(Ordering::SeqCst) < SIZE && peer.write(&piece) {
                written.fetch_add(piece.len() as u64, Ordering::SeqCst);
            }
        }
    });
    let gateway = gateway(&upstream.url(), "");
    assert_eq!(Request::get("/portcullis/health").send_to(gateway.address()).status, 200);
    let before = gateway.resident_kib();
    let mut connection = Connection::open(gateway.address());
    connection.send(Request::get("/").bytes());
    assert_eq!(connection.response_to_head().status, 200);
    // Full buffers of the kernel on both sides, then nothing moves any more.
    let last = standstill("the application to be held back", &written);
    assert!(last < SIZE / 2, "{last} bytes were taken from the application");
    let grown = gateway.resident_kib().saturating_sub(before);
    assert!(grown < 4096, "{grown} KiB for one slow client");
    // And once it reads, all of it comes.
    let mut left = SIZE;
    let mut piece = vec![0; 1 << 20];
    while left > 0 {
        let count = connection.stream().read(&mut piece).unwrap();
        assert!(count > 0, "{left} bytes are missing");
        left -= count as u64;
    }
}

#[test]
fn an_application_that_does_not_read_costs_no_memory() {
    const SIZE: u64 = 64 << 20;
    let (read_on, when) = mpsc::channel::<()>();
    let when = std::sync::Mutex::new(when);
    let upstream = RawUpstream::start(move |mut peer| {
        peer.head().unwrap();
        when.lock().unwrap().recv().unwrap();
        assert!(peer.skip(SIZE));
        peer.write(OK);
    });
    let gateway = gateway(&upstream.url(), "[server.caps]\nbody = \"1 GiB\"\n");
    assert_eq!(Request::get("/portcullis/health").send_to(gateway.address()).status, 200);
    let before = gateway.resident_kib();
    let mut connection = Connection::open(gateway.address());
    connection.send(format!("POST / HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: {SIZE}\r\n\r\n"));
    let sent = Arc::new(AtomicU64::new(0));
    let writer = std::thread::spawn({
        let sent = Arc::clone(&sent);
        move || {
            let piece = vec![b'x'; 1 << 20];
            for _ in 0..SIZE >> 20 {
                connection.send(&piece);
                sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
            }
            connection.response().status
        }
    });
    let last = standstill("the client to be held back", &sent);
    assert!(last < SIZE / 2, "{last} bytes were taken from the client");
    let grown = gateway.resident_kib().saturating_sub(before);
    assert!(grown < 4096, "{grown} KiB for one slow application");
    read_on.send(()).unwrap();
    assert_eq!(writer.join().unwrap(), 200);
}

#[test]
fn a_client_that_hangs_up_ends_its_request() {
    let (ended, end) = mpsc::channel();
    let upstream = RawUpstream::start(move |mut peer| {
        let head = peer.head().unwrap();
        if head.starts_with("GET /download") {
            peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        }
        let rest = peer.rest();
        ended.send((head.split(' ').nth(1).unwrap().to_owned(), rest)).unwrap();
    });
    let gateway = gateway(&upstream.url(), "");
    let open = |bytes: &str| {
        let mut connection = Connection::open(gateway.address());
        connection.send(bytes);
        connection
    };
    let waiting = open("GET /waiting HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.wait_for_connections(1);
    drop(waiting);
    assert_eq!(end.recv().unwrap(), ("/waiting".into(), Vec::new()));

    let uploading = open("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    upstream.wait_for_connections(2);
    drop(uploading);
    assert_eq!(end.recv().unwrap(), ("/upload".into(), b"half".to_vec()));

    let mut downloading = open("GET /download HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(downloading.response_to_head().status, 200);
    drop(downloading);
    assert_eq!(end.recv().unwrap(), ("/download".into(), Vec::new()));
}

#[test]
fn server_sent_events_pass_at_once() {
    let (go_on, next) = mpsc::channel::<()>();
    let next = std::sync::Mutex::new(next);
    let upstream = RawUpstream::start(move |mut peer| {
        peer.head().unwrap();
        peer.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        for number in 0..10 {
            // The next event is sent only after the last one arrived at the client.
            peer.write(format!("data: {number}\n\n"));
            next.lock().unwrap().recv().unwrap();
        }
    });
    let gateway = gateway(&upstream.url(), "");
    let mut connection = Connection::open(gateway.address());
    connection.send(Request::get("/events").header("Accept", "text/event-stream").bytes());
    assert_eq!(connection.response_to_head().field("content-type"), Some("text/event-stream"));
    for number in 0..10 {
        let expected = format!("9\r\ndata: {number}\n\n\r\n");
        let mut event = vec![0; expected.len()];
        connection.stream().read_exact(&mut event).unwrap();
        assert_eq!(String::from_utf8_lossy(&event), expected);
        go_on.send(()).unwrap();
    }
    let mut end = [0; 5];
    connection.stream().read_exact(&mut end).unwrap();
    assert_eq!(&end, b"0\r\n\r\n");
}
