//! Everything at once: clients that come, talk, lie, fall silent and vanish, an application that loses its
//! connections, a configuration that changes. In the end nothing is left.
//!
//! `PORTCULLIS_CHAOS_SECONDS=600` runs it for ten minutes; without, for a few seconds.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portcullis_tests::{EchoServer, Gateway, Socket, until};

use super::{KEY, launch, login};

/// Descriptors of the gateway.
fn descriptors(gateway: &Gateway) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count()
}

/// One client of those that are meant to do harm; `number` says which.
fn visit(gateway: &Gateway, number: usize) {
    let raw = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(gateway.address()).unwrap();
        let handshake = format!(
            "GET /ws/{} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            number % 7
        );
        let _ = stream.write_all(handshake.as_bytes());
        let _ = stream.write_all(bytes);
        stream
    };
    let open = || Socket::open(gateway.address(), &format!("/ws/{}", number % 7), &[]);
    match number % 6 {
        // It logs in, talks and says goodbye.
        0 => {
            let Ok(mut socket) = open() else { return };
            socket.send(&login());
            if socket.first().is_ok() {
                for round in 0..number % 5 {
                    socket.send(&format!("round {round}"));
                    let _ = socket.first();
                }
                socket.close();
            }
        }
        // It logs in and vanishes in the middle of a message.
        1 => {
            let message = login();
            let mut bytes = vec![0x81, 0x80 | message.len() as u8, 0, 0, 0, 0];
            bytes.extend_from_slice(message.as_bytes());
            bytes.extend_from_slice(b"\x81\xfe\x10\x00mask half of it");
            drop(raw(&bytes));
        }
        // It never logs in, and closes its side only.
        2 => {
            let stream = raw(b"");
            let _ = stream.shutdown(Shutdown::Write);
        }
        // It guesses.
        3 => {
            let Ok(mut socket) = open() else { return };
            socket.send(r#"{"type":"auth","api_key":"a guess"}"#);
            let _ = socket.ending();
        }
        // It breaks the rules.
        4 => drop(raw(b"\xff\xff\xff\xff\xff\xff\xff\xff")),
        // It says nothing at all until it is thrown out.
        _ => {
            let Ok(mut socket) = open() else { return };
            let _ = socket.ending();
        }
    }
}

#[test]
fn nothing_is_left_of_a_storm() {
    let seconds =
        std::env::var("PORTCULLIS_CHAOS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let application = EchoServer::start();
    let more =
        "[limiter]\nenabled = false\n[auth.failures]\nlimit = \"1000000/minute\"\n[log]\nlevel = \"error\"\n";
    let launched =
        launch(&application.url(), ", idle_timeout = \"2s\", ping = \"1s\", messages = \"50/minute\"", more);
    let short = |text: &str| text.replace("auth_timeout = \"5s\"", "auth_timeout = \"300ms\"");
    let path = launched.path("portcullis.toml");
    let text = short(&std::fs::read_to_string(&path).unwrap());
    launched.folder().write("portcullis.toml", &text);
    let gateway = launched.clone().start();
    // What it grows to while it works the first time is not a leak.
    for number in 0..200 {
        visit(&gateway, number);
    }
    until("the first to be gone", || (descriptors(&gateway) < 200).then_some(()));
    let (before, before_kib) = (descriptors(&gateway), gateway.resident_kib());
    let (over, visits) = (AtomicBool::new(false), AtomicUsize::new(0));
    let end = Instant::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (gateway, over, visits) = (&gateway, &over, &visits);
            scope.spawn(move || {
                let mut number = worker;
                while !over.load(Ordering::Relaxed) {
                    visit(gateway, number);
                    visits.fetch_add(1, Ordering::Relaxed);
                    number += 8;
                    number += usize::from(number % 13 == 0);
                }
            });
        }
        let mut turn = 0;
        while Instant::now() < end {
            std::thread::park_timeout(Duration::from_millis(300));
            turn += 1;
            application.cut();
            if turn % 3 == 0 {
                launched.folder().write("portcullis.toml", &format!("{text}\n# {turn}\n"));
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    until("every connection to be gone", || (descriptors(&gateway) <= before).then_some(()));
    application.wait_until_all_ended();
    let grown = gateway.resident_kib().saturating_sub(before_kib);
    let visits = visits.into_inner();
    println!("{visits} visits in {seconds} s, {grown} KiB more");
    assert!(visits > 20, "{visits}");
    assert!(grown < 4096, "{grown} KiB more after {visits} visits");
    // And it serves as before.
    let mut socket = Socket::open(gateway.address(), "/ws/primary", &[]).unwrap();
    socket.send(&format!(r#"{{"type":"auth","api_key":"{KEY}"}}"#));
    assert_eq!(socket.receive_json()["type"], "authenticated");
}
