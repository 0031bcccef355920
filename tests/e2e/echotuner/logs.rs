//! E-LOG: the events of the guide, with its fields.

use portcullis_tests::{Accounts, Connection, Gateway, Request, Upstream, until};
use serde_json::Value;

use super::{Visitor, generate, generous};

fn started(upstream: &Upstream) -> Gateway {
    generous(upstream).env("PORTCULLIS_LOG__FORMAT", "json").start()
}

/// The first event of that name that fits.
fn event(gateway: &Gateway, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
    until(&format!("an event {name}"), || {
        let log = gateway.log();
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["event"] == name && fits(line))
    })
}

/// Fails unless the fields are there and none of them is empty.
#[track_caller]
fn assert_fields(event: &Value, names: &[&str]) {
    for name in names {
        assert!(!event[name].is_null() && event[name] != "", "no {name} in {event}");
    }
}

#[test]
fn e_log_01_an_attempt_to_authenticate_is_an_event() {
    let upstream = Upstream::ok();
    let gateway = started(&upstream);
    let visitor = Visitor::new(&gateway, "observed");
    let profile = || Request::get("/user/profile").header("User-Agent", "EchoTuner/1.2");
    assert_eq!(visitor.sign(profile()).send_from("127.0.0.31", gateway.address()).status, 200);
    let success =
        event(&gateway, "auth_attempt", |event| event["success"] == true && event["ip"] == "127.0.0.31");
    assert_fields(&success, &["user_id", "user_agent", "timestamp"]);
    assert_eq!((&success["user_id"], &success["level"]), (&"observed".into(), &"info".into()), "{success}");
    assert_eq!(success["user_agent"], "EchoTuner/1.2");

    let forged = profile().header("X-Session-ID", "Wq5-planted-session-9e8d").header("X-Device-ID", "d");
    assert_eq!(forged.send_from("127.0.0.32", gateway.address()).status, 401);
    let failure = event(&gateway, "auth_attempt", |event| event["ip"] == "127.0.0.32");
    assert_fields(&failure, &["user_agent", "timestamp", "reason"]);
    assert_eq!((&failure["success"], &failure["level"]), (&false.into(), &"warning".into()), "{failure}");
    assert_eq!(failure["user_id"], Value::Null, "{failure}");

    // A login is one too.
    let accounts = portcullis_tests::Accounts::of(&gateway);
    assert_eq!(accounts.try_login("observed", "Not-The-Right-1-At-All!").status, 401);
    let login = event(&gateway, "auth_attempt", |event| {
        event["success"] == false
            && event["endpoint"].as_str().is_some_and(|path| path.ends_with("/auth/login"))
    });
    assert_fields(&login, &["ip", "timestamp"]);
    assert!(!gateway.log().contains("planted-session") && !gateway.log().contains(&visitor.session.secret));
}

#[test]
fn e_log_02_a_limit_that_is_reached_is_an_event_with_the_device() {
    let upstream = Upstream::ok();
    let gateway = started(&upstream);
    let visitor = Visitor::new(&gateway, "limited");
    let mut connection = Connection::open(gateway.address());
    let statuses: Vec<u16> = (0..11).map(|_| visitor.sign(generate()).on(&mut connection).status).collect();
    assert_eq!(statuses.last(), Some(&429));
    let exceeded = event(&gateway, "rate_limit_exceeded", |_| true);
    assert_fields(&exceeded, &["timestamp", "details"]);
    assert_eq!(exceeded["endpoint"], "/playlist/generate");
    assert_eq!(exceeded["ip"], "127.0.0.1");
    assert_eq!(exceeded["device_id"], *visitor.device.id);
    assert_eq!(exceeded["level"], "warning");
    assert!(exceeded.to_string().contains("Rate limit exceeded"), "{exceeded}");
}

#[test]
fn e_log_03_suspicious_activity_is_an_event_with_its_reason() {
    let upstream = Upstream::ok();
    let gateway = started(&upstream);
    let mut connection = Connection::open_from("127.0.0.33".parse().unwrap(), gateway.address());
    let smuggled = "POST /playlist/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(connection.send(smuggled).response().status, 400);
    let suspicious = event(&gateway, "suspicious_activity", |_| true);
    assert_fields(&suspicious, &["reason", "details", "timestamp"]);
    assert_eq!(
        (&suspicious["ip"], &suspicious["level"]),
        (&"127.0.0.33".into(), &"error".into()),
        "{suspicious}"
    );
    assert!(suspicious["details"].as_str().unwrap().starts_with("Suspicious activity: "), "{suspicious}");
    assert_eq!(upstream.count(), 0);
}

#[test]
fn e_log_04_who_asks_most_is_shown_first() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let accounts = Accounts::of(&gateway);
    let (busy, other) = (Visitor::new(&gateway, "busy"), Visitor::new(&gateway, "other"));
    let root = gateway.user(&accounts, "root", "admin").access;
    for _ in 0..30 {
        busy.sign(generate()).send_to(gateway.address());
    }
    for _ in 0..7 {
        other.sign(Request::get("/user/profile")).send_to(gateway.address());
    }
    let top = |query: &str| {
        let shown = accounts.done(&accounts.get(&format!("/admin/limits/top{query}")).bearer(&root));
        shown["top"].as_array().unwrap().clone()
    };
    let shown = until("all of them", || {
        let shown = top("");
        (shown.iter().filter(|it| it["requests"] == 30 || it["requests"] == 7).count() == 2).then_some(shown)
    });
    assert!(shown.len() <= 10, "{shown:?}");
    assert!(shown[0]["identifier"].as_str().unwrap().starts_with("busy:"), "{shown:?}");
    assert!(shown[0]["identifier"].as_str().unwrap().contains("/playlist/generate"), "{shown:?}");
    assert_eq!(shown[0]["requests"], 30);
    assert!(shown[0]["last_request"].as_str().is_some_and(|at| at.ends_with('Z')), "{shown:?}");
    let requests: Vec<_> = shown.iter().map(|it| it["requests"].as_u64().unwrap()).collect();
    assert!(requests.is_sorted_by(|one, next| one >= next), "{requests:?}");
    assert_eq!(top("?limit=1").len(), 1);
}
