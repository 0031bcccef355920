//! Reloads and the end: what is open stays open, what is asked is answered.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use portcullis_tests::{
    Connection, Gateway, Launch, RawUpstream, Request, SocketCrowd, is_refused, many_descriptors, until,
};

use super::{gateway, launch};

/// Puts a file in place of another in one step, as deployments do.
fn replace(gateway: &Gateway, name: &str, text: &str) {
    let fresh = gateway.folder().write("fresh", text);
    std::fs::rename(fresh, gateway.folder().file(name)).unwrap();
}

/// How often a changed configuration came into force.
fn reloads(gateway: &Gateway) -> usize {
    gateway.log().matches("the changed configuration is in force").count()
}

fn named(name: &str) -> RawUpstream {
    RawUpstream::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()))
}

#[test]
fn a_reload_takes_effect_on_open_connections_and_leaves_running_requests_alone() {
    let (go_on, next) = mpsc::channel::<()>();
    let next = Mutex::new(next);
    let (begun, has_begun) = mpsc::channel();
    let old = RawUpstream::start(move |mut peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("GET /slow") {
                peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nold h");
                begun.send(()).unwrap();
                next.lock().unwrap().recv().unwrap();
                peer.write("alves");
            } else {
                peer.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold");
            }
        }
    });
    let new = named("new");
    let config =
        |url: &str| format!("upstream = \"{url}\"\n[auth]\ndefault = \"none\"\n[headers]\nX-Of = {url:?}\n");
    let gateway = Launch::run().config(&config(&old.url())).start();
    let mut kept = Connection::open(gateway.address());
    assert_eq!(Request::get("/").on(&mut kept).text(), "old");
    let mut slow = Connection::open(gateway.address());
    slow.send(Request::get("/slow").bytes());
    has_begun.recv().unwrap();
    replace(&gateway, "portcullis.toml", &config(&new.url()));
    until("the reload", || (reloads(&gateway) == 1).then_some(()));
    let answer = Request::get("/").on(&mut kept);
    assert_eq!((answer.text(), answer.field("x-of")), ("new", Some(new.url().as_str())));
    go_on.send(()).unwrap();
    assert_eq!(slow.response().text(), "old halves");
    assert_eq!(Request::get("/").on(&mut slow).text(), "new");
}

#[test]
fn a_broken_file_changes_nothing_and_sighup_reads_it_again() {
    let upstream = named("ok");
    let gateway = gateway(&upstream.url(), "[server.caps]\ntarget = \"1 KiB\"\n");
    let mut connection = Connection::open(gateway.address());
    replace(
        &gateway,
        "portcullis.toml",
        "upstream = \"http://127.0.0.1:1\"\n[server.caps]\ntargt = \"2 KiB\"\n",
    );
    gateway.ask_to_reload();
    gateway.wait_for_log(&["refused", "stays in force"]);
    gateway.wait_for_log(&["targt"]);
    assert_eq!(Request::get("/").on(&mut connection).text(), "ok");
    let long = format!("/{}", "a".repeat(1500));
    assert_eq!(Request::get(&long).send_to(gateway.address()).status, 414);
    let mended = format!(
        "upstream = {:?}\n[auth]\ndefault = \"none\"\n[server.caps]\ntarget = \"2 KiB\"\n",
        upstream.url()
    );
    replace(&gateway, "portcullis.toml", &mended);
    gateway.ask_to_reload();
    until("the reload", || (reloads(&gateway) >= 1).then_some(()));
    assert_eq!(
        Request::get(&long).on(&mut connection).status,
        200,
        "on the connection that was open all along"
    );
}

#[test]
fn nothing_is_lost_while_the_configuration_changes_every_second() {
    const REQUESTS: usize = 100_000;
    const CLIENTS: usize = 8;
    const SOCKETS: usize = 200;
    const RELOADS: usize = 5;
    let upstream = named("ok");
    let sockets = SocketCrowd::echo();
    let config = |generation: usize| {
        format!(
            "upstream = \"app\"\n[auth]\ndefault = \"none\"\n[headers]\nX-Generation = \"{generation}\"\n\
             [upstreams.app]\nurl = {:?}\nresponse_timeout = \"{}s\"\n[upstreams.sockets]\nurl = {:?}\n\
             [server.caps]\nconnections_per_ip = 4000\n[log]\nlevel = \"error\"\n\
             [[routes]]\nmatch = \"WS /socket\"\nupstream = \"sockets\"\n",
            upstream.url(),
            // Another upstream each time, so that its pool is a new one too.
            30 + generation,
            sockets.url(),
        )
    };
    let gateway = Launch::run().config(&config(0)).start();
    many_descriptors();
    let crowd = sockets.join(gateway.address(), "/socket", SOCKETS);
    let answered = Arc::new(AtomicUsize::new(0));
    let changed = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (answered, changed) = (Arc::clone(&answered), Arc::clone(&changed));
            let address = gateway.address();
            std::thread::spawn(move || {
                let mut connection = Connection::open(address);
                let mut seen = std::collections::BTreeSet::new();
                let mut count = 0;
                // As many as were promised, and until the configuration has changed often enough.
                while count < REQUESTS / CLIENTS || !changed.load(Ordering::Relaxed) {
                    let answer = Request::get("/").on(&mut connection);
                    assert_eq!((answer.status, answer.text()), (200, "ok"));
                    assert_eq!(answer.field("connection"), None, "the connection goes on");
                    seen.insert(answer.field("x-generation").unwrap().to_owned());
                    answered.fetch_add(1, Ordering::Relaxed);
                    count += 1;
                }
                seen.len()
            })
        })
        .collect();
    // One change a second, in turns by the file alone and by a signal too.
    let mut due = Instant::now();
    for generation in 1..=RELOADS {
        due += Duration::from_secs(1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        replace(&gateway, "portcullis.toml", &config(generation));
        if generation % 2 == 0 {
            gateway.ask_to_reload();
        }
        until("the new configuration", || {
            let answer = Request::get("/").send_to(gateway.address());
            (answer.field("x-generation") == Some(&generation.to_string())).then_some(())
        });
    }
    changed.store(true, Ordering::Relaxed);
    for client in clients {
        let generations = client.join().expect("no request failed");
        assert!(generations >= 2, "the change is seen on open connections: {generations}");
    }
    assert!(answered.load(Ordering::Relaxed) >= REQUESTS);
    let echoed = crowd.leave();
    assert_eq!(echoed.open, SOCKETS, "every WebSocket is the one it was");
    assert!(echoed.messages >= SOCKETS * RELOADS, "{} messages", echoed.messages);
}

#[test]
fn at_the_end_what_runs_is_finished_and_nothing_new_begins() {
    let (go_on, next) = mpsc::channel::<()>();
    let next = Mutex::new(next);
    let (begun, has_begun) = mpsc::channel();
    let upstream = RawUpstream::start(move |mut peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("GET /slow") {
                begun.send(()).unwrap();
                next.lock().unwrap().recv().unwrap();
            } else if head.starts_with("PUT /slow") {
                begun.send(()).unwrap();
                assert!(peer.skip(1 << 20));
            }
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
        }
    });
    let mut gateway = gateway(&upstream.url(), "");
    let address = gateway.address();
    let mut idle = Connection::open(address);
    assert_eq!(Request::get("/").on(&mut idle).text(), "done");
    let mut waiting = Connection::open(address);
    waiting.send(Request::get("/slow").bytes());
    let mut uploading = Connection::open(address);
    uploading
        .send("PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n")
        .send(vec![b'x'; 1 << 19]);
    (0..2).for_each(|_| has_begun.recv().unwrap());
    gateway.ask_to_stop();
    until("new connections to be refused", || is_refused(address).then_some(()));
    assert!(idle.is_closed(), "a connection without a request has nothing to wait for");
    uploading.send(vec![b'x'; 1 << 19]);
    let answer = uploading.response();
    assert_eq!((answer.text(), answer.field("connection")), ("done", Some("close")));
    go_on.send(()).unwrap();
    let answer = waiting.response();
    assert_eq!((answer.text(), answer.field("connection")), ("done", Some("close")));
    assert!(waiting.is_closed());
    assert_eq!(gateway.wait_for_exit().code(), Some(0));
}

#[test]
fn the_end_waits_only_as_long_as_it_is_told() {
    let upstream = RawUpstream::start(|mut peer| {
        let head = peer.head().unwrap();
        if head.contains("Upgrade: websocket") {
            peer.write(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            );
        }
        peer.rest();
    });
    let mut gateway = launch(&upstream.url(), "[server]\ndrain = \"300ms\"\n").start();
    let mut forever = Connection::open(gateway.address());
    forever.send(Request::get("/").bytes());
    let mut socket = Connection::open(gateway.address());
    socket.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(socket.response().status, 101);
    upstream.wait_for_connections(2);
    gateway.ask_to_stop();
    assert_eq!(gateway.wait_for_exit().code(), Some(0));
    assert!(forever.is_closed());
    // It was told, and had its time.
    let mut farewell = Vec::new();
    socket.stream().read_to_end(&mut farewell).unwrap();
    assert_eq!(farewell, [&[0x88, 12][..], &1001_u16.to_be_bytes(), b"going away"].concat());
}

#[test]
fn those_who_came_before_the_end_are_served() {
    const CLIENTS: usize = 64;
    let upstream = named("done");
    let mut gateway = gateway(&upstream.url(), "");
    // They have connected and sent; whether anybody accepted them yet is left to chance.
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut connection = Connection::open(gateway.address());
            connection.send(Request::get("/").bytes());
            connection
        })
        .collect();
    gateway.ask_to_stop();
    for connection in &mut clients {
        assert_eq!(connection.response().text(), "done");
    }
    assert_eq!(gateway.wait_for_exit().code(), Some(0));
}
