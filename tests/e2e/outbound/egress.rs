//! The way out: every call of the application is judged when it is made.
//!
//! 127.0.0.77 stands for a public address, since the configuration allows it.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use portcullis_tests::{
    Answer, Connection, Gateway, Launch, NameServer, Response, Told, Upstream, free_port, until,
};

use super::table;

const PUBLIC: &str = "127.0.0.77";

struct Ground {
    gateway: Gateway,
    egress: SocketAddr,
    config: String,
    _application: Upstream,
}

impl Ground {
    fn new(names: &NameServer, egress_rules: &str) -> Self {
        let egress = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let application = Upstream::ok();
        let config = format!(
            "upstream = \"{}\"\n[auth]\ndefault = \"none\"\n[outbound]\nresolver = \"{}\"\nallow = [\"{PUBLIC}\"]\n\
             ports = [80, \"1024-65535\"]\n[egress]\nlisten = \"{egress}\"\n{egress_rules}\n",
            application.url(),
            names.address()
        );
        let gateway = Launch::run().config(&config).start();
        Self { gateway, egress, config, _application: application }
    }

    fn ask(&self, target: &str) -> Response {
        Connection::open(self.egress)
            .send(format!("GET {target} HTTP/1.1\r\nHost: other.example\r\n\r\n"))
            .response()
    }

    fn connect(&self, authority: &str) -> (Connection, Response) {
        let mut connection = Connection::open(self.egress);
        connection.send(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"));
        let answer = connection.response_to_head();
        (connection, answer)
    }
}

fn plain() -> NameServer {
    NameServer::start(|name, _| match name {
        "inside.example.com" => Told::addresses(&["10.1.2.3"]),
        "mixed.example.com" => Told::addresses(&[PUBLIC, "127.0.0.1"]),
        "nothing.example.com" => Told::Nothing,
        _ => Told::addresses(&[PUBLIC]),
    })
}

fn server() -> Upstream {
    let fields = "Content-Type: text/plain\r\nX-Theirs: 1\r\nKeep-Alive: timeout=5\r\n";
    Upstream::start_on(&format!("{PUBLIC}:0"), move |_| Answer::with("200 OK", fields, "from outside"))
}

#[test]
fn a_call_in_clear_is_passed_on_and_its_answer_back() {
    let (names, server) = (plain(), server());
    let ground = Ground::new(&names, "");
    let port = server.address().port();
    let body = "{\"order\":1}";
    let request = format!(
        "POST http://hooks.example.com:{port}/a/b?c=d HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Own: 1\r\nX-Hop: 1\r\n\
         Connection: keep-alive, X-Hop\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nTE: trailers\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = Connection::open(ground.egress);
    let answer = connection.send(&request).response();
    assert_eq!((answer.status, answer.text(), answer.field("x-theirs")), (200, "from outside", Some("1")));
    assert_eq!((answer.field("keep-alive"), answer.field("proxy-status")), (None, None));
    let received = server.only();
    assert_eq!(received.line(), "POST /a/b?c=d HTTP/1.1");
    assert_eq!(received.body, body.as_bytes());
    assert_eq!(
        received.field("host"),
        Some(&*format!("hooks.example.com:{port}")),
        "what was judged, not what was said"
    );
    assert_eq!(received.field("x-own"), Some("1"));
    for gone in ["x-hop", "proxy-connection", "proxy-authorization", "te"] {
        assert_eq!(received.field(gone), None, "{gone}");
    }
    // The connection of the application is kept, and each call judged for itself.
    let answer =
        connection.send(format!("GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n")).response();
    assert_eq!(answer.status, 403);
    let chunked = format!(
        "POST http://hooks.example.com:{port}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    );
    assert_eq!(connection.send(chunked).response().status, 200);
    assert_eq!(server.received()[1].body, b"abc");
    ground.gateway.wait_for_log(&["POST", "hooks.example.com", "200"]);
    assert!(!ground.gateway.log().contains("c=d"), "the query is nobody's business");
}

#[test]
fn a_tunnel_carries_whatever_is_spoken_in_it() {
    let names = plain();
    let server = Upstream::start_on(&format!("{PUBLIC}:0"), |_| {
        Answer::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nfrom outside".to_vec())
    });
    let ground = Ground::new(&names, "");
    let (mut connection, answer) = ground.connect(&format!("hooks.example.com:{}", server.address().port()));
    assert_eq!(answer.status, 200, "{}", answer.head);
    let answer = connection.send("GET /inside HTTP/1.1\r\nHost: x\r\n\r\n").response();
    assert_eq!(answer.text(), "from outside");
    assert_eq!(server.only().line(), "GET /inside HTTP/1.1");
    drop(connection);
    ground.gateway.wait_for_log(&["CONNECT", "hooks.example.com", "200"]);
}

#[test]
fn whom_the_guard_refuses_nobody_calls() {
    let (names, server) = (plain(), server());
    let ground = Ground::new(&names, "");
    let port = server.address().port();
    let canary = Upstream::start_on(&format!("127.0.0.1:{port}"), |_| Answer::json("200 OK", "{}"));
    for (host, status, error) in [
        ("127.0.0.1", 403, "destination_ip_prohibited"),
        ("2130706433", 403, "destination_ip_prohibited"),
        ("[::1]", 403, "destination_ip_prohibited"),
        ("[::ffff:127.0.0.1]", 403, "destination_ip_prohibited"),
        ("inside.example.com", 403, "destination_ip_prohibited"),
        ("mixed.example.com", 403, "destination_ip_prohibited"),
        ("localhost", 403, "http_request_denied"),
        ("metadata.google.internal", 403, "http_request_denied"),
        ("hooks.example.com.", 403, "http_request_denied"),
        ("nothing.example.com", 502, "dns_error"),
    ] {
        let expected = format!("portcullis; error={error}");
        for answer in
            [ground.ask(&format!("http://{host}:{port}/")), ground.connect(&format!("{host}:{port}")).1]
        {
            assert_eq!((answer.status, answer.field("proxy-status")), (status, Some(&*expected)), "{host}");
        }
    }
    for (target, status) in [
        ("http://hooks.example.com:22/", 403),
        ("https://hooks.example.com/", 403),
        ("ftp://hooks.example.com/", 403),
        ("/just/a/path", 400),
    ] {
        assert_eq!(ground.ask(target).status, status, "{target}");
    }
    assert_eq!((server.connections(), canary.connections()), (0, 0));
    let line = ground.gateway.wait_for_log(&["ssrf_blocked", "url-private-network", "inside.example.com"]);
    assert!(!line.contains("10.1.2.3"), "{line}");
    let closed = ground.ask(&format!("http://hooks.example.com:{}/", free_port()));
    assert_eq!(
        (closed.status, closed.field("proxy-status")),
        (502, Some("portcullis; error=connection_refused"))
    );
}

#[test]
fn of_all_hostile_forms_none_is_called() {
    let hostile = table("hostile");
    let known = super::Known::of(&hostile);
    // Whatever the table does not say is at the address that is allowed, where nobody listens.
    let names =
        NameServer::start(move |name, _| known.said(name).unwrap_or_else(|| Told::addresses(&[PUBLIC])));
    let ground = Ground::new(&names, "");
    let mut sent = 0;
    for (url, _) in &hostile {
        let odd_port = url.contains(":5432") || url.contains(":6379") || url.contains("example.com:");
        // What no request line can hold is nobody's target, a fragment is none's part (RFC 9112 section 3.2), and a
        // query without a path before it gets one when it is read: who is called cannot be told otherwise here;
        // other ports are allowed here than in the table.
        if odd_port
            || url.contains('#')
            || url.contains("com?")
            || !url.bytes().all(|byte| byte.is_ascii_graphic())
            || url.is_empty()
        {
            continue;
        }
        sent += 1;
        let mut connection = Connection::open(ground.egress);
        connection.send(format!("GET {url} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let mut said = Vec::new();
        let stream = connection.stream();
        let mut piece = [0; 4096];
        while !said.ends_with(b"}") {
            match stream.read(&mut piece) {
                Ok(count) if count > 0 => said.extend_from_slice(&piece[..count]),
                _ => break,
            }
        }
        let status = String::from_utf8_lossy(&said).split(' ').nth(1).map(str::to_owned);
        assert!(
            status.as_deref().is_none_or(|status| ["400", "403", "502"].contains(&status))
                && !String::from_utf8_lossy(&said).contains("error=connection"),
            "{url}: {}",
            String::from_utf8_lossy(&said)
        );
        assert!(status.as_deref() != Some("502") || url.contains("nothing") || url.contains("gone"), "{url}");
    }
    assert!(sent > 400, "{sent}");
}

#[test]
fn only_the_hosts_that_are_named_are_called_or_the_others_are_noted() {
    let (names, server) = (plain(), server());
    let port = server.address().port();
    let hosts = "hosts = [\"hooks.example.com\", \"*.partner.example\"]";
    let ground = Ground::new(&names, hosts);
    for host in ["hooks.example.com", "a.partner.example"] {
        assert_eq!(ground.ask(&format!("http://{host}:{port}/")).status, 200, "{host}");
    }
    for host in ["other.example.com", "partner.example", PUBLIC] {
        let answer = ground.ask(&format!("http://{host}:{port}/"));
        assert_eq!(
            (answer.status, answer.json()["type"].as_str()),
            (403, Some("/problems/host-not-listed")),
            "{host}"
        );
        assert_eq!(ground.connect(&format!("{host}:{port}")).1.status, 403, "{host}");
    }
    ground.gateway.wait_for_log(&["egress_denied", "other.example.com"]);
    assert_eq!(server.count(), 2);

    // The same, only looking: but never at what the guard refuses.
    ground.gateway.folder().write("portcullis.toml", &format!("{}\nmode = \"observe\"\n", ground.config));
    ground.gateway.ask_to_reload();
    until("the changed rules", || {
        (ground.ask(&format!("http://other.example.com:{port}/")).status == 200).then_some(())
    });
    let line = ground.gateway.wait_for_log(&["egress_denied", "observe"]);
    assert!(line.contains("other.example.com"), "{line}");
    assert_eq!(ground.ask(&format!("http://127.0.0.1:{port}/")).status, 403);
    assert_eq!(ground.ask(&format!("http://inside.example.com:{port}/")).status, 403);
}

#[test]
fn it_is_nobody_elses_proxy() {
    let names = plain();
    let ground = Ground::new(&names, "clients = [\"127.0.0.1\"]");
    let mut stranger = Connection::open_from("127.0.0.2".parse().unwrap(), ground.egress);
    let _ =
        stranger.stream().get_mut().write_all(b"GET http://hooks.example.com/ HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(stranger.is_closed(), "without a word");
    ground.gateway.wait_for_log(&["egress_denied", "127.0.0.2"]);
    assert_eq!(ground.ask("/x").status, 400);
}

#[test]
fn between_the_judgement_and_the_call_nothing_is_asked_again() {
    // Every second answer is this machine.
    let names =
        NameServer::start(|_, before| Told::addresses(&[if before % 2 == 0 { PUBLIC } else { "127.0.0.1" }]));
    let server = server();
    let port = server.address().port();
    let canary = Upstream::start_on(&format!("127.0.0.1:{port}"), |_| Answer::json("200 OK", "{}"));
    let ground = Ground::new(&names, "");
    for round in 0..10 {
        let expected = if round % 2 == 0 { 200 } else { 403 };
        assert_eq!(
            ground.ask(&format!("http://rebinding.example.com:{port}/")).status,
            expected,
            "round {round}"
        );
        assert_eq!(names.asked("rebinding.example.com"), round + 1, "one lookup a call");
    }
    assert_eq!((server.count(), canary.connections()), (5, 0));
}
