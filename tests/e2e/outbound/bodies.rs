//! `public_urls` of routes and `[outbound]`: what is looked at, what else may be called, and what is an error.

use portcullis_tests::{Connection, Launch, Request, Upstream, assert_reached, await_warning, warned};
use serde_json::json;

use super::{HOOK, hook, names};

fn launch(upstream: &Upstream, names: &portcullis_tests::NameServer, rules: &str, routes: &str) -> Launch {
    let config = format!(
        "upstream = \"{}\"\n[outbound]\nresolver = [\"{}\"]\n{rules}\n{routes}",
        upstream.url(),
        names.address()
    );
    Launch::run().config(&config)
}

#[test]
fn every_url_at_its_place_is_judged_and_nothing_else() {
    let (upstream, names) = (Upstream::ok(), names(&[]));
    let routes = "[[routes]]\nmatch = \"/hook\"\nauth = \"none\"\nbody = { public_urls = [\"/url\", \"/hooks/*/target\"] }";
    let gateway = launch(&upstream, &names, "", routes).start();
    let (good, bad) = ("https://hooks.example.com/", "http://127.0.0.1/");
    for body in [
        json!({}),
        json!({ "url": null }),
        json!({ "url": [good, good], "note": bad }),
        json!({ "hooks": [{ "target": good, "from": bad }, {}], "name": "x" }),
    ] {
        assert_reached(&hook(&gateway, &body));
    }
    assert_reached(&Request::new("POST", "/hook").body("").send_to(gateway.address()));
    let reached = upstream.count();
    for (body, place) in [
        (json!({ "url": bad }), "/url"),
        (json!({ "url": [good, bad] }), "/url/1"),
        (json!({ "url": good, "URL": bad }), "/URL"),
        (json!({ "hooks": [{ "target": good }, { "target": bad }] }), "/hooks/1/target"),
        (json!({ "hooks": { "a": { "target": [[bad]] } } }), "/hooks/a/target/0/0"),
        (json!({ "url": 5 }), "/url"),
        (json!({ "url": { "href": good } }), "/url"),
    ] {
        let answer = hook(&gateway, &body);
        assert!(matches!(answer.status, 403 | 422), "{body}: {}", answer.text());
        assert_eq!(answer.json()["errors"][0]["pointer"], place, "{body}");
    }
    // However it travels, and whatever it says of itself.
    let typed = |content_type: &str, body: &str| {
        let request = Request::new("POST", "/hook").header("Content-Type", content_type).body(body);
        request.send_to(gateway.address()).status
    };
    let form = format!("{{\"url\":\"{good}\",\"x\":\"&url=http://127.0.0.1/&\"}}");
    assert_eq!(typed("application/x-www-form-urlencoded", &form), 415, "two readings of the same bytes");
    let utf7 = format!("{{\"url\":\"{good}\",\"x\":\"+ACI-,+ACI-url+ACI-:+ACI-http://127.0.0.1/\"}}");
    assert_eq!(typed("application/json; charset=utf-7", &utf7), 415);
    assert_eq!(typed("application/json", "url=http%3A%2F%2F127.0.0.1%2F"), 422);
    let raw = format!("{{\"url\":\"{good}\",\"url\":\"{bad}\"}}");
    assert_eq!(Request::post("/hook", &raw).send_to(gateway.address()).status, 422, "a field twice");
    let many = json!({ "url": vec![good; 17] });
    assert_eq!(hook(&gateway, &many).status, 422, "more lookups than one request may cause");
    let large = json!({ "url": good, "filler": "x".repeat(70_000) });
    assert_eq!(hook(&gateway, &large).status, 413);
    assert_eq!(upstream.count(), reached);
}

#[test]
fn the_configuration_says_what_else_may_be_called_and_what_not() {
    let (upstream, names) = (
        Upstream::ok(),
        names(&[
            ("http://db.internal/".to_owned(), Some("10.9.9.9".to_owned())),
            ("http://evil.example.com/".to_owned(), Some("8.8.8.8".to_owned())),
            ("http://sneaky.example.com/".to_owned(), Some("10.1.9.9".to_owned())),
        ]),
    );
    let rules = "allow = [\"10.1.0.0/16\", \"db.internal\"]\ndeny = [\"10.1.9.0/24\", \"*.example.net\", \"8.8.8.8\"]\n\
                 ports = [443, \"9000-9100\"]";
    let gateway = launch(&upstream, &names, rules, HOOK).start();
    for url in
        ["https://10.1.2.3/", "https://db.internal/", "http://10.1.0.1:9050/", "https://hooks.example.com/"]
    {
        assert_eq!(hook(&gateway, &json!({ "url": url })).status, 200, "{url}");
    }
    for url in [
        "https://10.2.0.1/",
        "https://10.1.9.1/",
        "https://sneaky.example.com/",
        "https://a.example.net/",
        "https://evil.example.com/",
        "http://hooks.example.com/",
        "https://hooks.example.com:9101/",
        "https://x.internal/",
    ] {
        assert_eq!(hook(&gateway, &json!({ "url": url })).status, 403, "{url}");
    }
    assert_eq!(upstream.count(), 4);
    gateway.wait_for_log(&["ssrf_blocked", "port 80 is not among those that are called"]);
    gateway.wait_for_log(&["ssrf_blocked", "denied by the configuration"]);
}

#[test]
fn in_pieces_and_on_one_connection_each_body_is_judged_for_itself() {
    let (upstream, names) = (Upstream::ok(), names(&[]));
    let gateway = launch(&upstream, &names, "", HOOK).start();
    let mut connection = Connection::open(gateway.address());
    let mut chunked = |url: &str, expects: &str| {
        let body = json!({ "url": url }).to_string();
        connection.send(format!(
            "POST /hook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{expects}Transfer-Encoding: chunked\r\n\r\n"
        ));
        if !expects.is_empty() {
            assert_eq!(connection.response().status, 100);
        }
        for byte in body.bytes() {
            connection.send(format!("1\r\n{}\r\n", char::from(byte)));
        }
        connection.send("0\r\n\r\n").response().status
    };
    for (url, status) in [
        ("https://a.example.com/", 200),
        ("http://127.0.0.1/", 403),
        ("https://b.example.com/", 200),
        ("http://[::1]/", 403),
        ("ftp://c.example.com/", 422),
        ("https://c.example.com/", 200),
    ] {
        assert_eq!(chunked(url, ""), status, "{url}");
        assert_eq!(chunked(url, "Expect: 100-continue\r\n"), status, "{url}");
    }
    let bodies: Vec<_> = upstream.received().into_iter().map(|received| received.body).collect();
    assert_eq!(bodies.len(), 6);
    assert!(bodies.iter().all(|body| body.starts_with(b"{\"url\":\"https://")), "{bodies:?}");
}

#[test]
fn many_are_judged_at_once_and_explain_says_what_is() {
    let (upstream, names) = (Upstream::ok(), names(&[]));
    let gateway = launch(&upstream, &names, "", HOOK).start();
    let good = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..100 {
            let (gateway, good) = (&gateway, &good);
            scope.spawn(move || {
                for number in 0..5 {
                    let url = format!("https://a{thread}-{number}.example.com/");
                    let answer = hook(gateway, &json!({ "url": [url, "https://b.example.com/"] }));
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    good.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!((good.into_inner(), upstream.count()), (500, 500));
    let explained = gateway.command("explain POST /hook").ran().succeeded();
    assert!(explained.contains("where its URLs lead"), "{explained}");
}

#[test]
fn a_route_that_observes_notes_and_passes() {
    let (upstream, names) = (Upstream::ok(), names(&[]));
    let routes = HOOK.replace("auth  =", "mode = \"observe\"\nauth  =");
    let gateway = launch(&upstream, &names, "", &routes).start();
    assert_reached(&hook(&gateway, &json!({ "url": "http://127.0.0.1/" })));
    let line = gateway.wait_for_log(&["ssrf_blocked", "/url"]);
    assert!(line.contains("observe"), "{line}");
}

#[test]
fn rules_by_which_nothing_is_judged_are_warned_of() {
    let upstream = Upstream::ok();
    let config =
        |more: &str| format!("upstream = \"{}\"\n[outbound]\ndeny = [\"8.8.8.8\"]\n{more}", upstream.url());
    let gateway = Launch::run().config(&config("")).start();
    await_warning(&gateway, "[outbound]");
    let gateway = Launch::run().config(&config(HOOK)).start();
    assert_eq!(hook(&gateway, &json!({ "url": "http://8.8.8.8/" })).status, 403);
    assert!(!warned(&gateway, "[outbound]"), "{}", gateway.log());
}

#[test]
fn what_cannot_be_right_is_an_error_with_its_place() {
    for (text, said) in [
        ("[outbound]\nallow = [\"10.0.0\"]\n", "neither an address, nor a prefix, nor a host name"),
        ("[outbound]\nports = [\"80-70\"]\n", "neither a port nor a range"),
        ("[outbound]\nresolver = \"dns.example\"\n", "not the address of a name server"),
        ("[outbound]\nalow = []\n", "did you mean `allow`?"),
        ("[[routes]]\nmatch = \"/hook\"\nbody = { public_urls = [\"url\"] }\n", "begins with a slash"),
        ("[egress]\nhosts = [\"example.com\"]\n", "without `egress.listen`"),
        ("[egress]\nlisten = \"3128\"\n", "127.0.0.1:3128"),
        ("[replies.upstream-error]\nstatus = 500\n", "each with its own status"),
        ("[replies.url-not-public]\nstatus = 200\n", "from 400 to 599"),
    ] {
        let config = format!("upstream = \"http://127.0.0.1:9\"\n{text}");
        let output = Launch::run().config(&config).refused();
        assert!(output.contains(said) && output.contains("portcullis.toml:"), "{text}: {output}");
    }
}
