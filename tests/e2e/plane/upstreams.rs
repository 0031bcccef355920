//! Several upstreams, Unix sockets on both sides, and proxies in front that speak the PROXY protocol.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use portcullis_tests::{
    Connection, Gateway, Launch, RawUpstream, Request, Scratch, UnixUpstream, Upstream, free_port, is_refused,
};

/// A gateway with these lines before its tables; one core, so that the order of things is seen.
fn with(lines: &str, tables: &str) -> Launch {
    Launch::run().config(&format!("{lines}\n[auth]\ndefault = \"none\"\n[server]\nworkers = 1\n{tables}"))
}

/// An application that answers with its name, on a given port or a free one.
fn named(name: &str) -> RawUpstream {
    RawUpstream::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()))
}

#[test]
fn requests_go_round_over_all_upstreams() {
    let upstreams = ["a", "b", "c"].map(named);
    let urls = upstreams.each_ref().map(RawUpstream::url);
    let gateway = with(&format!("upstream = {urls:?}"), "").start();
    let mut connection = Connection::open(gateway.address());
    let answers: String = (0..9).map(|_| Request::get("/").on(&mut connection).text().to_owned()).collect();
    assert_eq!(answers, "abcabcabc");
    for upstream in &upstreams {
        assert_eq!(upstream.connections(), 1, "each over the same connection");
    }
}

#[test]
fn an_upstream_that_is_down_is_passed_over_and_comes_back() {
    let port = free_port();
    let second = named("b");
    let gateway = with(&format!("upstream = [\"http://127.0.0.1:{port}\", {:?}]", second.url()), "").start();
    let mut connection = Connection::open(gateway.address());
    for _ in 0..10 {
        let answer = Request::new("POST", "/").body("x").on(&mut connection);
        assert_eq!((answer.status, answer.text()), (200, "b"), "nobody notices");
    }
    assert_eq!(second.connections(), 1);
    let first = RawUpstream::start_on(port, |mut peer| {
        while peer.head().is_some() {
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
        }
    });
    portcullis_tests::until("the first to be asked again", || {
        (Request::get("/").on(&mut connection).text() == "a").then_some(())
    });
    drop(first);
    // What it held is gone with it; an idempotent request finds the other one at once.
    for _ in 0..10 {
        assert_eq!(Request::get("/").on(&mut connection).text(), "b");
    }
}

#[test]
fn without_any_upstream_it_is_502_until_one_answers() {
    let port = free_port();
    let gateway = with(&format!("upstream = \"http://127.0.0.1:{port}\""), "").start();
    let mut connection = Connection::open(gateway.address());
    assert_eq!(Request::get("/").on(&mut connection).status, 502);
    assert_eq!(Request::get("/portcullis/health").on(&mut connection).json()["status"], "degraded");
    let _upstream = RawUpstream::start_on(port, |mut peer| {
        while peer.head().is_some() {
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
        }
    });
    assert_eq!(
        Request::get("/").on(&mut connection).text(),
        "a",
        "at once, with one upstream there is no rest"
    );
    assert_eq!(Request::get("/portcullis/health").on(&mut connection).json()["status"], "healthy");
}

#[test]
fn routes_go_to_the_upstream_they_name() {
    let (one, other) = (named("one"), named("other"));
    let gateway = Launch::run()
        .config(&format!(
            "upstream = \"one\"\n[auth]\ndefault = \"none\"\n[upstreams.one]\nurl = {:?}\n[upstreams.other]\nurl = {:?}\n\
             [[routes]]\nmatch = \"/other/{{*rest}}\"\nupstream = \"other\"\n",
            one.url(),
            other.url(),
        ))
        .start();
    let mut connection = Connection::open(gateway.address());
    for (path, name) in [("/", "one"), ("/other/x", "other"), ("/otherwise", "one"), ("/other/", "other")] {
        assert_eq!(Request::get(path).on(&mut connection).text(), name, "{path}");
    }
}

#[test]
fn an_upstream_may_be_a_name() {
    let upstream = Upstream::ok();
    let gateway = with(&format!("upstream = \"http://localhost:{}\"", upstream.address().port()), "").start();
    assert_eq!(Request::get("/").send_to(gateway.address()).status, 200);
}

#[test]
fn an_upstream_may_be_a_unix_socket() {
    let folder = Scratch::new();
    let upstream =
        UnixUpstream::answering(&folder.file("app.sock"), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nunix");
    let gateway = with(&format!("upstream = {:?}", upstream.url()), "").start();
    let mut connection = Connection::open(gateway.address());
    for _ in 0..3 {
        assert_eq!(Request::get("/a").on(&mut connection).text(), "unix");
    }
    assert_eq!(upstream.heads().len(), 3);
    assert!(upstream.heads()[0].contains("Host: gateway.test\r\n"), "{:?}", upstream.heads());
}

#[test]
fn a_listener_may_be_a_unix_socket() {
    let upstream = Upstream::ok();
    let folder = Scratch::new();
    let path = folder.file("front.sock");
    // One that a dead process left behind is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let gateway = Launch::command("run")
        .config(&format!(
            "upstream = {:?}\n[auth]\ndefault = \"none\"\n[server]\nlisten = [\"unix:{path}\", \"127.0.0.1:0\"]\n",
            upstream.url(),
        ))
        .start();
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(r#"{"accepted":true}"#),
        "{answer}"
    );
    assert_eq!(Request::get("/").send_to(gateway.address()).status, 200);
    assert_eq!(upstream.received()[0].field("x-forwarded-for"), Some("127.0.0.1"));
}

/// A gateway whose listener asks for a PROXY header, from these peers.
fn behind_proxy(upstream: &Upstream, trusted: &str) -> Gateway {
    Launch::command("run")
        .config(&format!(
            "upstream = {:?}\n[auth]\ndefault = \"none\"\n[server]\ntrusted_proxies = [{trusted:?}]\n\
             listen = {{ address = \"127.0.0.1:0\", proxy_protocol = true }}\n",
            upstream.url(),
        ))
        .start()
}

/// A header of version 2 for a TCP connection from an IPv4 address.
fn version_2(source: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(source);
    header.extend([127, 0, 0, 1, 0xd4, 0x31, 0, 80]);
    header
}

#[test]
fn a_trusted_proxy_names_the_client_in_a_proxy_header() {
    let upstream = Upstream::ok();
    let gateway = behind_proxy(&upstream, "127.0.0.1");
    let headers: [(&str, Vec<u8>, &str); 5] = [
        ("version 1", b"PROXY TCP4 203.0.113.7 127.0.0.1 54321 80\r\n".to_vec(), "203.0.113.7"),
        ("version 1 of IPv6", b"PROXY TCP6 2001:db8::7 ::1 54321 80\r\n".to_vec(), "2001:db8::7"),
        ("version 1 that knows nothing", b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        ("version 2", version_2([203, 0, 113, 8]), "203.0.113.8"),
        ("version 2 of a health check", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), "127.0.0.1"),
    ];
    for (round, (name, header, client)) in headers.iter().enumerate() {
        let mut connection = Connection::open(gateway.address());
        // With the request behind it in one packet, then alone and in pieces.
        if round % 2 == 0 {
            connection.send([header.clone(), Request::get("/").bytes()].concat());
        } else {
            for piece in header.chunks(5) {
                connection.send(piece);
            }
            connection.send(Request::get("/").bytes());
        }
        assert_eq!(connection.response().status, 200, "{name}");
        assert_eq!(Request::get("/").on(&mut connection).status, 200, "{name}: the header stands once");
        let received = upstream.received();
        assert_eq!(received[2 * round].field("x-forwarded-for"), Some(*client), "{name}");
        assert_eq!(received[2 * round + 1].field("x-forwarded-for"), Some(*client), "{name}");
    }
}

#[test]
fn without_a_sound_proxy_header_nobody_is_served() {
    let upstream = Upstream::ok();
    let gateway = behind_proxy(&upstream, "127.0.0.1");
    let request = Request::get("/").bytes();
    for (name, header) in [
        ("none", &b""[..]),
        ("no address", b"PROXY TCP4 nobody 127.0.0.1 1 80\r\n"),
        ("no end", b"PROXY TCP4 203.0.113.7 127.0.0.1 54321 80 and so on without an end and so on without an end and so on\r\n"),
        ("of a version that does not exist", b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0"),
    ] {
        let mut connection = Connection::open(gateway.address());
        connection.send([header, &request].concat());
        assert!(connection.is_closed(), "{name}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn from_an_untrusted_peer_no_proxy_header_is_believed() {
    let upstream = Upstream::ok();
    let gateway = behind_proxy(&upstream, "127.0.0.2");
    let bytes =
        [b"PROXY TCP4 203.0.113.7 127.0.0.1 54321 80\r\n".to_vec(), Request::get("/").bytes()].concat();
    let mut untrusted = Connection::open(gateway.address());
    assert!(untrusted.send(&bytes).is_closed());
    let mut trusted = Connection::open_from("127.0.0.2".parse().unwrap(), gateway.address());
    assert_eq!(trusted.send(&bytes).response().status, 200);
    assert_eq!(upstream.only().field("x-forwarded-for"), Some("203.0.113.7"));
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let upstream = Upstream::ok();
    let first = with(&format!("upstream = {:?}", upstream.url()), "").start();
    let taken = first.address();
    let output = Launch::command("run")
        .config(&format!(
            "upstream = {:?}\n[auth]\ndefault = \"none\"\n[server]\nlisten = \"{taken}\"\n",
            upstream.url()
        ))
        .refused();
    assert!(output.contains(&taken.to_string()), "{output}");
    assert!(!is_refused(taken), "the first one goes on");
}

#[test]
fn a_breaker_opens_after_failures_in_a_row_and_closes_with_the_first_answer() {
    let port = free_port();
    let answers = |port| {
        RawUpstream::start_on(port, |mut peer| {
            while peer.head().is_some() {
                peer.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
            }
        })
    };
    let upstream = answers(port);
    let gateway = Launch::run()
        .config(&format!(
            "upstream = \"app\"\n[auth]\ndefault = \"none\"\n\
             [upstreams.app]\nurl = \"http://127.0.0.1:{port}\"\nbreaker = {{ failures = 3, open = \"2s\" }}\n"
        ))
        .start();
    let ask = || Request::get("/").send_to(gateway.address());
    let health = || Request::get("/portcullis/health").send_to(gateway.address()).json();
    assert_eq!(ask().text(), "a");
    assert_eq!(health()["breakers"]["app"], "closed");

    drop(upstream);
    // Connections come to every core: all count as one.
    for number in 0..3 {
        assert_eq!(ask().status, 502, "number {number}");
    }
    let opened = std::time::Instant::now();
    let refused = ask();
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("/problems/breaker-open"), "{}", refused.text());
    assert!((1..=2).contains(&refused.number("retry-after")), "{}", refused.head);
    assert_eq!(
        (health()["breakers"]["app"].clone(), &health()["status"]),
        ("open".into(), &"degraded".into())
    );
    let line = gateway.wait_for_log(&["breaker_opened"]);
    assert!(line.contains("`app`") && line.contains("upstream-unreachable"), "{line}");

    // Over HTTP/2 it is the same breaker.
    let curl = "curl --noproxy '*' -sS --max-time 30 --http2-prior-knowledge -o /dev/null -w '%{http_version} %{http_code}'";
    let answer = portcullis_tests::shell(&format!("{curl} http://{}/", gateway.address()), gateway.folder());
    assert_eq!(answer.trim(), "2 503");

    // After the rest one request is tried, and the others hear 503 for another one.
    portcullis_tests::until("a probe", || (ask().status == 502).then_some(()));
    assert!(opened.elapsed() >= std::time::Duration::from_millis(1900), "{:?}", opened.elapsed());
    assert_eq!(ask().status, 503);
    assert_eq!(gateway.log().matches("breaker_opened").count(), 1, "it opened once");

    // Within one rest of its return the application is asked again, by everybody.
    let _upstream = answers(port);
    let back = std::time::Instant::now();
    portcullis_tests::until("an answer", || (ask().status == 200).then_some(()));
    assert!(back.elapsed() < std::time::Duration::from_millis(2500), "{:?}", back.elapsed());
    for _ in 0..10 {
        assert_eq!(ask().status, 200);
    }
    assert_eq!(health()["breakers"]["app"], "closed");
}

#[test]
fn a_breaker_opens_for_an_application_that_does_not_answer_and_not_for_one_that_answers_500() {
    let silent = RawUpstream::start(|mut peer| {
        while peer.head().is_some_and(|head| !head.contains("/slow")) {
            peer.write("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
        }
        peer.rest();
    });
    let gateway = Launch::run()
        .config(&format!(
            "upstream = \"app\"\n[auth]\ndefault = \"none\"\n[upstreams.app]\nurl = \"{}\"\n\
             response_timeout = \"100ms\"\nbreaker = {{ failures = 2 }}\n",
            silent.url()
        ))
        .start();
    let status = |path: &str| Request::get(path).send_to(gateway.address()).status;
    for _ in 0..5 {
        assert_eq!(status("/"), 500);
    }
    assert_eq!((status("/slow"), status("/"), status("/slow")), (504, 500, 504), "not in a row");
    assert_eq!((status("/slow"), status("/slow"), status("/")), (504, 503, 503));
    // A client that does not send its request is not the application's failure.
    assert!(gateway.log().contains("upstream-timeout"));
}
