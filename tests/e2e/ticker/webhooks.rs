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
    assert_eq!(upstream.count(), 0, "nothing of them reached the application");
    let line = gateway.wait_for_log(&["ssrf_blocked"]);
    assert!(line.contains("/url") && line.contains("url-not-public"), "{line}");
    assert_reached(&register(&gateway, "https://hooks.example.com/hook"));
}
