//! The table of hostile URLs and that of benign ones, through the gateway.

use portcullis_tests::{Launch, Upstream, assert_reached, shell};

use super::{HOOK, hook, names, table};

#[test]
fn of_all_hostile_forms_none_reaches_the_application() {
    let (upstream, hostile) = (Upstream::ok(), table("hostile"));
    let names = names(&hostile);
    let config =
        format!("upstream = \"{}\"\n[outbound]\nresolver = \"{}\"\n{HOOK}", upstream.url(), names.address());
    let gateway = Launch::run().config(&config).start();
    assert!(hostile.len() >= 400, "{}", hostile.len());
    for (url, _) in &hostile {
        let answer = hook(&gateway, &serde_json::json!({ "url": url }));
        assert!(matches!(answer.status, 403 | 422), "{url:?}: {} {}", answer.status, answer.text());
        let problem = answer.json();
        assert!(
            problem["type"].as_str().is_some_and(|kind| kind.starts_with("/portcullis/problems/")),
            "{url:?}"
        );
        assert!(problem["errors"][0]["pointer"] == "/url", "{url:?}: {problem}");
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn of_all_benign_forms_every_one_does() {
    let (upstream, benign) = (Upstream::ok(), table("benign"));
    let names = names(&benign);
    let config =
        format!("upstream = \"{}\"\n[outbound]\nresolver = \"{}\"\n{HOOK}", upstream.url(), names.address());
    let gateway = Launch::run().config(&config).start();
    assert!(benign.len() >= 100, "{}", benign.len());
    for (url, _) in &benign {
        let body = serde_json::json!({ "url": url });
        let answer = hook(&gateway, &body);
        assert_eq!(answer.status, 200, "{url:?}: {}", answer.text());
        assert_eq!(upstream.received().last().unwrap().body, body.to_string().into_bytes());
    }
    assert_eq!(upstream.count(), benign.len());
    assert!(!gateway.log().contains("ssrf_blocked"), "{}", gateway.log());
}

#[test]
fn over_http2_urls_are_judged_too() {
    let (upstream, names) = (Upstream::ok(), names(&table("hostile")));
    let config =
        format!("upstream = \"{}\"\n[outbound]\nresolver = \"{}\"\n{HOOK}", upstream.url(), names.address());
    let gateway = Launch::run().config(&config).start();
    let answer = |url: &str| {
        let line = format!(
            "curl --noproxy '*' -sS --max-time 30 --http2-prior-knowledge -w ' %{{http_version}} %{{http_code}}' \
             -H 'Content-Type: application/json' -d '{{\"url\":\"{url}\"}}' http://{}/hook",
            gateway.address()
        );
        shell(&line, gateway.folder())
    };
    for url in ["http://127.0.0.1/", "http://0x7f.1/", "http://private.example.com/", "http://metadata/"] {
        let refused = answer(url);
        assert!(refused.ends_with(" 2 403") && refused.contains("/url"), "{refused}");
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(answer("https://hooks.example.com/"), r#"{"accepted":true} 2 200"#);
    assert_eq!(upstream.count(), 1);
    assert_reached(&hook(&gateway, &serde_json::json!({ "url": "https://hooks.example.com/" })));
}
