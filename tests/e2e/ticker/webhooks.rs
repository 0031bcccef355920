//! T-WH: URLs of webhooks, as the profile judges them.

use portcullis_tests::{Gateway, Launch, NameServer, Request, Response, Told, Upstream};

use super::{KEY, assert_reached, assert_refused, guarded};

const INTERNAL: &str = r#"{"detail":"Internal URLs are not allowed for webhooks"}"#;
const PRIVATE: &str = r#"{"detail":"Private network URLs are not allowed for webhooks"}"#;
const WEBHOOKS: &str = "/advanced/webhooks";

/// Every name has a public address, but those that a test names.
fn names() -> NameServer {
    NameServer::start(|name, _| match name {
        "inside.example.com" => Told::addresses(&["10.1.2.3"]),
        "home.example.com" => Told::addresses(&["192.168.1.7"]),
        "mixed.example.com" => Told::addresses(&["93.184.216.34", "127.0.0.1"]),
        "six.example.com" => Told::addresses(&["93.184.216.34", "fd00::1"]),
        "nothing.example.com" => Told::Nothing,
        "broken.example.com" => Told::Failure,
        _ => Told::addresses(&["93.184.216.34", "2606:2800:220:1::1"]),
    })
}

/// The gateway with the key, asking that name server. The limit of 20 a minute is for another test.
fn launch(upstream: &Upstream, names: &NameServer) -> Launch {
    let config = "[[routes]]\nmatch = \"POST /advanced/webhooks\"\nlimits = []\ngeneral_limits = \"off\"\n\
                  body = { public_urls = [\"/url\"] }\n";
    guarded(upstream).env("PORTCULLIS_OUTBOUND__RESOLVER", &names.address()).config(config)
}

fn register(gateway: &Gateway, url: &str) -> Response {
    let body = serde_json::json!({ "url": url, "events": ["order_placed"] }).to_string();
    Request::post(WEBHOOKS, &body).header("X-API-Key", KEY).send_to(gateway.address())
}

#[test]
fn t_wh_01_this_machine_and_the_home_network_are_internal() {
    let (upstream, names) = (Upstream::ok(), names());
    let gateway = launch(&upstream, &names).start();
    for url in ["http://localhost/", "http://127.0.0.1/hook", "http://0.0.0.0/", "https://192.168.1.10/x"] {
        assert_refused(&register(&gateway, url), 400, INTERNAL);
    }
    // Nor by another spelling that the application might take for it.
    let body = r#"{"url":"http://127.0.0.1/","events":[]}"#;
    for path in ["/advanced/webhooks/", "/Advanced/Webhooks", "//advanced/webhooks", "/advanced/%77ebhooks"] {
        let answer = Request::post(path, body).header("X-API-Key", KEY).send_to(gateway.address());
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    }
    assert_eq!(upstream.count(), 0, "nothing of them reached the application");
    let line = gateway.wait_for_log(&["ssrf_blocked"]);
    assert!(line.contains("/url") && line.contains("url-not-public"), "{line}");
    assert_reached(&register(&gateway, "https://hooks.example.com/hook"));
}

#[test]
fn t_wh_02_the_larger_private_networks_are_told_apart() {
    let (upstream, names) = (Upstream::ok(), names());
    let gateway = launch(&upstream, &names).start();
    for url in
        ["http://10.0.0.1/", "https://10.255.255.255/x", "http://172.16.0.1/", "http://172.31.255.255:8443/"]
    {
        assert_refused(&register(&gateway, url), 400, PRIVATE);
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn t_wh_03_this_machine_in_other_words_is_this_machine() {
    let (upstream, names) = (Upstream::ok(), names());
    let gateway = launch(&upstream, &names).start();
    for host in ["127.0.0.2", "127.1", "2130706433", "0x7f000001", "0", "localhost."] {
        assert_refused(&register(&gateway, &format!("http://{host}/")), 400, INTERNAL);
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn t_wh_04_so_it_is_over_ipv6() {
    let (upstream, names) = (Upstream::ok(), names());
    let gateway = launch(&upstream, &names).start();
    for host in ["[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "[::]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"] {
        assert_refused(&register(&gateway, &format!("http://{host}/")), 400, INTERNAL);
    }
    for host in ["[fd00::1]", "[::ffff:10.0.0.1]", "[fc00::7]:8443"] {
        assert_refused(&register(&gateway, &format!("http://{host}/")), 400, PRIVATE);
    }
    assert_eq!(upstream.count(), 0);
    assert_reached(&register(&gateway, "https://[2606:4700:4700::1111]/hook"));
}

#[test]
fn t_wh_05_the_metadata_of_a_cloud_is_internal() {
    let (upstream, names) = (Upstream::ok(), names());
    let gateway = launch(&upstream, &names).start();
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://metadata/",
        "http://instance-data/latest/",
        "http://168.63.129.16/",
        "http://[fd00:ec2::254]/",
    ] {
        assert_refused(&register(&gateway, url), 400, INTERNAL);
    }
    assert_eq!((upstream.count(), names.asked("metadata.google.internal")), (0, 0));
}

#[test]
fn t_wh_06_a_name_is_judged_by_every_address_it_has() {
    let (upstream, names) = (Upstream::ok(), names());
    let gateway = launch(&upstream, &names).start();
    assert_refused(&register(&gateway, "https://inside.example.com/"), 400, PRIVATE);
    assert_refused(&register(&gateway, "https://home.example.com/"), 400, INTERNAL);
    assert_refused(&register(&gateway, "https://mixed.example.com/"), 400, INTERNAL);
    assert_refused(&register(&gateway, "https://six.example.com/"), 400, PRIVATE);
    // What cannot be resolved cannot be judged.
    let unreachable = r#"{"detail":"Webhook URL is not accessible: Connection failed"}"#;
    assert_refused(&register(&gateway, "https://nothing.example.com/"), 400, unreachable);
    assert_refused(&register(&gateway, "https://broken.example.com/"), 400, unreachable);
    assert_eq!(upstream.count(), 0);
    let line = gateway.wait_for_log(&["ssrf_blocked", "url-private-network"]);
    assert!(!line.contains("10.1.2.3"), "where a name leads is not told: {line}");
    gateway.wait_for_log(&["ssrf_blocked", "url-unresolved", "no such name"]);
    gateway.wait_for_log(&["ssrf_blocked", "url-unresolved", "gives no answer"]);
}

#[test]
fn t_wh_06_a_name_server_that_is_silent_opens_nothing() {
    let (upstream, names) = (Upstream::ok(), NameServer::start(|_, _| Told::Silence));
    let gateway = launch(&upstream, &names).env("PORTCULLIS_OUTBOUND__TIMEOUT", "700ms").start();
    let answer = register(&gateway, "https://hooks.example.com/");
    assert_eq!(answer.status, 400, "{}", answer.text());
    gateway.wait_for_log(&["ssrf_blocked", "took too long"]);
    assert_eq!(upstream.count(), 0);
    // Nobody else waits for it.
    assert_reached(&Request::get("/metrics").send_to(gateway.address()));
}

#[test]
fn t_wh_07_a_name_that_only_looks_like_an_address_is_a_name() {
    let (upstream, names) = (Upstream::ok(), names());
    let gateway = launch(&upstream, &names).start();
    for host in ["10.example.com", "127.0.0.1.example.com", "192.168.example.com", "localhost.example.com"] {
        assert_reached(&register(&gateway, &format!("https://{host}/hook")));
        assert_eq!(names.asked(host), 1, "{host}");
    }
}

#[test]
fn t_wh_08_the_neighbours_of_private_networks_are_public() {
    let (upstream, names) = (Upstream::ok(), names());
    let gateway = launch(&upstream, &names).start();
    for host in ["172.15.255.255", "172.32.0.1", "11.0.0.1", "192.167.0.1", "169.253.1.1"] {
        assert_reached(&register(&gateway, &format!("http://{host}/hook")));
    }
}

#[test]
fn t_wh_16_another_scheme_is_no_valid_url() {
    let (upstream, names) = (Upstream::ok(), names());
    let gateway = launch(&upstream, &names).start();
    for url in
        ["ftp://example.com/", "gopher://127.0.0.1:6379/_x", "file:///etc/passwd", "javascript:alert(1)"]
    {
        let answer = register(&gateway, url);
        assert_eq!(
            (answer.status, &answer.json()["detail"][0]["type"]),
            (422, &"url_scheme".into()),
            "{url}"
        );
    }
    let answer = register(&gateway, "example.com");
    assert_eq!((answer.status, &answer.json()["detail"][0]["type"]), (422, &"url_parsing".into()));
    gateway.wait_for_log(&["ssrf_blocked", "url-scheme"]);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn t_wh_17_user_information_hides_no_host() {
    let (upstream, names) = (Upstream::ok(), names());
    let gateway = launch(&upstream, &names).start();
    for url in [
        "http://user@127.0.0.1/",
        "http://hooks.example.com@127.0.0.1/",
        "http://hooks.example.com:80@localhost/",
        // Not every program takes the same of these for the host.
        "http://user:password@hooks.example.com/",
        "http://127.0.0.1@hooks.example.com/",
    ] {
        assert_refused(&register(&gateway, url), 400, INTERNAL);
    }
    assert_eq!(upstream.count(), 0);
}
