//! Attack patterns: noticed or refused where a route asks for it, and nowhere else.

use portcullis_tests::{Connection, Gateway, Launch, Request, Upstream, assert_reached, shell};
use serde_json::Value;

/// A form, a JSON body, a route that only watches, and one that asks for nothing.
fn start(upstream: &Upstream) -> Gateway {
    let form = "application/x-www-form-urlencoded";
    Launch::run()
        .config(&format!(
            "upstream = \"{}\"\n[auth]\ndefault = \"none\"\n[log]\nformat = \"json\"\n[patterns]\nmode = \"enforce\"\n\
             [[routes]]\nmatch = \"/watched/{{*rest}}\"\npatterns = \"observe\"\n\
             [[routes]]\nmatch = \"/free/{{*rest}}\"\npatterns = \"off\"\n\
             [[routes]]\nmatch = \"POST /notes\"\nbody = {{ hold = \"4 KiB\" }}\n\
             [[routes]]\nmatch = \"POST /form\"\nbody = {{ content_types = [\"{form}\"], hold = \"4 KiB\" }}\n",
            upstream.url()
        ))
        .start()
}

/// The events of the log with that rule.
fn events(gateway: &Gateway, rule: &str) -> Vec<Value> {
    gateway.wait_for_log(&["suspicious_activity", rule]);
    let log = gateway.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == "suspicious_activity" && line["reason"] == rule).collect()
}

#[test]
fn attacks_in_path_query_and_body_are_refused_by_name_and_never_shown() {
    let upstream = Upstream::ok();
    let gateway = start(&upstream);
    let get = |target: &str| Request::get(target);
    let json = |body: &str| Request::post("/notes", body);
    let form = |body: &str| {
        Request::new("POST", "/form").header("Content-Type", "application/x-www-form-urlencoded").body(body)
    };
    let cases = [
        (get("/users/1%27%20or%201=1%20--%20"), "sql-logic", "path"),
        (get("/search?q=quince%27+union+select+1,2--+"), "sql-union", "query `q`"),
        (get("/search?a=1&q=%3Csvg+onload=quince()%3E"), "html-handler", "query `q`"),
        (get("/search?q=%253Cscript%253Equince"), "html-tag", "query `q`"),
        (get("/search?f=..%2f..%2fquince"), "path-traversal", "query `f`"),
        (get("/search?f=quince%00.png"), "null-byte", "query `f`"),
        (json(r#"{"a":{"b":["x","quince'; drop table users; --"]}}"#), "sql-statement", "body /a/b/1"),
        (json(r#"{"a":"\u003cscript\u003equince"}"#), "html-tag", "body /a"),
        (json(r#"{"javascript:quince()":1}"#), "html-address", "body /javascript:quince()"),
        (form("name=x&note=quince%27+and+sleep(5)%23"), "sql-function", "form `note`"),
    ];
    for (number, (request, rule, place)) in cases.into_iter().enumerate() {
        let id = format!("attack-number-{number}");
        let answer = request.clone().header("X-Request-Id", &id).send_to(gateway.address());
        assert_eq!(answer.status, 403, "{request:?}: {}", answer.text());
        assert_eq!(answer.json()["detail"], "The request looks like an attack");
        assert!(answer.text().contains("/problems/attack-pattern"), "{}", answer.text());
        assert!(!answer.text().contains("quince"), "{}", answer.text());
        let line = gateway.wait_for_log(&["suspicious_activity", &id]);
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["details"], format!("Suspicious activity: {rule} in {place}"));
        let told = (&event["reason"], &event["status"], event.get("observed"));
        assert_eq!(told, (&rule.into(), &403.into(), None), "{event}");
    }
    assert_eq!(upstream.count(), 0);
    // The names of fields are the client's too, and nothing else of it is in the log.
    let log = gateway.log();
    assert!(!log.lines().any(|line| line.contains("quince") && !line.contains("html-address")), "{log}");
}

#[test]
fn what_honest_clients_send_reaches_the_application() {
    let upstream = Upstream::ok();
    let gateway = start(&upstream);
    let mut connection = Connection::open(gateway.address());
    let prompt =
        r#"{"prompt":"O'Reilly -- rock 'n' roll & \"soul\" (2 < 3); select one from many","n":[1,null]}"#;
    for request in [
        Request::get("/users/ann%20o%27neill?q=C%23+or+F%23&limit=5&at=2026-11-25T13:00:00Z"),
        Request::post("/notes", prompt),
        Request::new("POST", "/form")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("name=Tom+%26+Jerry&note=it%27s+a+%3C3"),
    ] {
        assert_reached(&request.on(&mut connection));
    }
    assert_eq!(upstream.received()[1].body, prompt.as_bytes());
    assert!(!gateway.log().contains("suspicious_activity"));
}

#[test]
fn a_route_that_watches_refuses_nothing_and_one_that_asks_for_nothing_is_not_inspected() {
    let upstream = Upstream::ok();
    let gateway = start(&upstream);
    let attack = "?q=1+or+1=1&r=1+or+1=1&s=%3Cscript%3E";
    assert_reached(&Request::get(&format!("/watched/x{attack}")).send_to(gateway.address()));
    for rule in ["sql-logic", "html-tag"] {
        let found = events(&gateway, rule);
        assert_eq!(found.len(), 1, "each rule once: {found:?}");
        assert_eq!(found[0]["observed"], true, "{}", found[0]);
    }
    let before = gateway.log().matches("suspicious_activity").count();
    assert_reached(&Request::get(&format!("/free/x{attack}")).send_to(gateway.address()));
    // One sign alone is told and not refused.
    assert_reached(&Request::get("/search?q=%08").send_to(gateway.address()));
    assert_eq!(events(&gateway, "control-character").len(), 1);
    assert_eq!(gateway.log().matches("suspicious_activity").count(), before + 1);
    assert_eq!(upstream.count(), 3);
}

#[test]
fn patterns_hold_over_http2_and_are_explained() {
    let upstream = Upstream::ok();
    let gateway = start(&upstream);
    let curl = |rest: &str| {
        let line = format!(
            "curl --noproxy '*' -sS --max-time 30 --http2-prior-knowledge -w ' %{{http_version}} %{{http_code}}' {rest}"
        );
        shell(&line.replace("GATEWAY", &format!("http://{}", gateway.address())), gateway.folder())
    };
    let json = "-H 'Content-Type: application/json'";
    assert!(curl("'GATEWAY/search?q=1+or+1=1'").ends_with(" 2 403"));
    assert!(curl(&format!("{json} -d '{{\"a\":\"<script>\"}}' GATEWAY/notes")).ends_with(" 2 403"));
    assert_eq!(upstream.count(), 0);
    assert!(curl(&format!("{json} -d '{{\"a\":\"x\"}}' GATEWAY/notes")).ends_with(" 2 200"));
    let explained = gateway.command("explain GET /search?q=1+or+1=1").ran().stdout;
    assert!(explained.contains("sql-logic in query `q`: 5 of 5"), "{explained}");
    assert!(explained.contains("403 attack-pattern"), "{explained}");
}

#[test]
fn a_route_in_observe_mode_notes_a_wrong_body_and_lets_it_pass() {
    let upstream = Upstream::ok();
    let gateway = Launch::run()
        .config(&format!(
            "upstream = \"{}\"\n[auth]\ndefault = \"none\"\n[[routes]]\nmatch = \"POST /notes\"\nmode = \"observe\"\n\
             patterns = \"enforce\"\nbody = {{ max = 100, fields = {{ note = {{ forbid = [\"<script\"] }} }} }}\n",
            upstream.url()
        ))
        .start();
    let mut connection = Connection::open(gateway.address());
    let forbidden = r#"{"note":"<script>","more":1}"#;
    assert_reached(&Request::post("/notes", forbidden).on(&mut connection));
    assert_eq!(upstream.received()[0].body, forbidden.as_bytes());
    gateway.wait_for_log(&["suspicious_activity", "forbidden-text", "observed=true"]);
    assert_reached(&Request::post("/notes", r#"{"note":"x' or 1=1 --"}"#).on(&mut connection));
    gateway.wait_for_log(&["suspicious_activity", "sql-logic", "observed=true"]);
    // What was not read to its end cannot go on.
    let large = format!(r#"{{"note":"{}"}}"#, "x".repeat(100));
    assert_eq!(Request::post("/notes", &large).send_to(gateway.address()).status, 413);
    assert_eq!(upstream.count(), 2);
}
