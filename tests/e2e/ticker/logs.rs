//! T-LOG: what stands in the log, and what never does.

use portcullis_tests::{Answer, Connection, Gateway, Launch, Request, Upstream, shell, until};

use serde_json::json;

use super::{KEY, ORDERS, guarded, orders, orders_with};

/// A gateway that writes all it has to say.
fn talkative(upstream: &Upstream) -> Gateway {
    guarded(upstream).env("PORTCULLIS_LOG__LEVEL", "debug").start()
}

/// The access line of a request that holds `planted` in its user agent.
fn line_with_agent(gateway: &Gateway, mark: &str, planted: &str) -> String {
    let path = format!("/health?of={mark}");
    let request = Request::get(&path).header("User-Agent", &format!("{mark} {planted} end"));
    assert_eq!(request.send_to(gateway.address()).status, 200);
    gateway.wait_for_log(&["access", mark])
}

/// The text of an error that nobody expected names files, addresses, passwords. In production it stays inside.
#[test]
fn t_log_10_an_unexpected_error_of_the_service_loses_its_text_and_keeps_its_id() {
    let leak = r#"{"error":{"type":"OperationalError","message":"connect to postgresql://trader:s3cret@10.0.0.5 failed"}}"#;
    let upstream = Upstream::start(move |_| Answer::json("500 Internal Server Error", leak));
    let ask = |gateway: &Gateway| orders_with(KEY).send_to(gateway.address());
    let gateway = guarded(&upstream)
        .env("ENVIRONMENT", "production")
        .env("PORTCULLIS_SERVER__LISTEN", "127.0.0.1:0")
        .start();
    let answer = ask(&gateway);
    assert_eq!((answer.status, answer.field("content-type")), (500, Some("application/json")));
    let error = &answer.json()["error"];
    assert_eq!(
        (&error["type"], &error["message"]),
        (&json!("InternalServerError"), &json!("An internal error occurred"))
    );
    assert_eq!(error["request_id"].as_str(), answer.field("x-request-id"));
    let timestamp = error["timestamp"].as_str().unwrap();
    assert!(timestamp.len() == 24 && timestamp.starts_with("20") && timestamp.ends_with('Z'), "{timestamp}");
    assert!(!answer.text().contains("s3cret") && !answer.text().contains("10.0.0.5"), "{}", answer.text());
    assert!(!gateway.log().contains("s3cret"), "{}", gateway.log());
    // Who develops the service wants to see it.
    assert_eq!(ask(&guarded(&upstream).start()).text(), leak);
}

#[test]
fn t_log_01_e_mail_addresses_are_replaced() {
    let upstream = Upstream::ok();
    let gateway = talkative(&upstream);
    for (number, address) in
        ["trader@example.com", "first.last+tag@sub.example.co.in"].into_iter().enumerate()
    {
        let mark = format!("mail{number}");
        let line = line_with_agent(&gateway, &mark, address);
        assert!(line.contains("[EMAIL_REDACTED]"), "{line}");
        assert!(line.contains(&format!("{mark} [EMAIL_REDACTED] end")), "the rest stays: {line}");
        assert!(!gateway.log().contains(address), "{}", gateway.log());
    }
}

#[test]
fn t_log_02_phone_numbers_are_replaced_and_the_time_is_not() {
    let upstream = Upstream::ok();
    let gateway = talkative(&upstream);
    let numbers = ["9876543210", "+91 98765 43210", "+919876543210", "987-654-3210", "(987) 654-3210"];
    for (number, phone) in numbers.into_iter().enumerate() {
        let line = line_with_agent(&gateway, &format!("phone{number}"), phone);
        assert!(line.contains("[PHONE_REDACTED]"), "{phone}: {line}");
        assert!(!line.contains("543210") && !line.contains("43210") && !line.contains("3210"), "{line}");
    }
    let line = line_with_agent(&gateway, "epoch", "1718000000");
    assert!(line.contains("1718000000"), "{line}");
}

#[test]
fn t_log_03_keys_and_tokens_are_replaced_whatever_they_look_like() {
    let upstream = Upstream::ok();
    let gateway = talkative(&upstream);
    let secrets = [
        "0123456789abcdef0123456789abcdef",
        KEY,
        "ech_4pQ0gKpVb0yqXv9dJ8mZbWc2rTn5sLhEoUaYxG7iRkM",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ0cmFkZXIifQ.c2lnbmF0dXJlLW9mLXRoaXM",
        "Bearer Gh4-planted-bearer-2b3c",
        "redis://:Gh4-planted-password@localhost:6379/0",
        "password=Gh4-planted-password",
    ];
    for (number, secret) in secrets.into_iter().enumerate() {
        let line = line_with_agent(&gateway, &format!("token{number}"), secret);
        let kept = secret.rsplit([' ', '=']).next().unwrap();
        assert!(!line.contains(kept) && !line.contains("planted"), "{secret}: {line}");
        assert!(line.contains("[TOKEN_REDACTED]") || line.contains("[redacted]"), "{secret}: {line}");
    }
}

#[test]
fn t_log_04_neither_fields_nor_values_of_the_query_are_logged() {
    let upstream = Upstream::ok();
    let gateway = talkative(&upstream);
    let target = format!("{ORDERS}?account=quince&api_key=medlar&note=sloe");
    let fields = [
        ("Authorization", "Bearer damson"),
        ("Cookie", "session=bullace"),
        ("X-Access-Token", "rowan"),
        ("X-Anything", "hawthorn"),
        ("Referer", "https://broker.example/login?token=whitebeam"),
    ];
    for key in [KEY, "wrong-blackthorn"] {
        let request = Request::post(&target, r#"{"orders":"juniper"}"#).header("X-API-Key", key);
        fields
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value))
            .send_to(gateway.address());
    }
    assert!(upstream.only().line().contains(&target), "the application has it whole");
    let line = gateway.wait_for_log(&["access", ORDERS, "401"]);
    assert!(line.contains("api_key=[redacted]"), "{line}");
    for planted in [
        "quince",
        "medlar",
        "sloe",
        "damson",
        "bullace",
        "rowan",
        "hawthorn",
        "whitebeam",
        "blackthorn",
        "juniper",
        KEY,
    ] {
        assert!(!gateway.log().contains(planted), "{planted} in:\n{}", gateway.log());
    }
}

/// The line of the access log, the only one of a request: it says what the two lines of the real service do.
#[test]
fn each_request_has_its_line_with_method_path_status_and_id() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let mut connection = Connection::open(gateway.address());
    for (request, method, path, status) in [
        (Request::get("/health"), "GET", "/health", 200),
        (orders(), "POST", ORDERS, 401),
        (
            Request::new("DELETE", "/subscriptions/7").header("X-API-Key", KEY),
            "DELETE",
            "/subscriptions/7",
            200,
        ),
    ] {
        let answer = request.on(&mut connection);
        assert_eq!(answer.status, status, "{}", answer.head);
        let id = answer.field("x-request-id").unwrap();
        let line = gateway.wait_for_log(&["access", id]);
        assert!(line.contains(&format!("\"{method} {path}\" {status}")), "{line}");
    }
}

/// The filter that the manual gives to fail2ban, read by the regular expressions it is written for.
#[test]
fn t_log_09_the_filter_of_the_manual_finds_the_address_of_every_failure_and_nothing_else() {
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/logs.md")).unwrap();
    let filter =
        manual.split("failregex =").nth(1).and_then(|rest| rest.split("datepattern").next()).unwrap();
    let upstream = Upstream::ok();
    for format in ["text", "json"] {
        let gateway = guarded(&upstream)
            .env("PORTCULLIS_LOG__FORMAT", format)
            .env("PORTCULLIS_LOG__FILE", "server.log")
            .file("filter", filter)
            .start();
        let agent = "\" 401 203.0.113.1 \"\nWARN auth_attempt 401 203.0.113.2 \"".replace('\n', " ");
        for (source, key) in [("127.0.0.21", "wrong"), ("127.0.0.22", "other"), ("127.0.0.23", KEY)] {
            orders_with(key).header("User-Agent", &agent).send_from(source, gateway.address());
        }
        // Each core writes in its own time, so lines come in any order.
        for (event, address) in
            [("auth_attempt", "127.0.0.21"), ("auth_attempt", "127.0.0.22"), ("access", "127.0.0.23")]
        {
            until(&format!("{event} of {address} in the file"), || {
                let text = gateway.folder().read("server.log")?;
                text.lines().any(|line| line.contains(event) && line.contains(address)).then_some(())
            });
        }
        let found = shell(
            r#"python3 -c "
import re
filters = [line.strip().replace('<HOST>', r'(\S+?)') for line in open('filter') if line.strip()]
for line in open('server.log'):
    found = [match.group(1) for match in (re.search(it, line) for it in filters) if match]
    if found: print(*found)
""#,
            gateway.folder(),
        );
        let mut found: Vec<&str> = found.lines().collect();
        found.sort_unstable();
        assert_eq!(found, ["127.0.0.21", "127.0.0.22"], "{format}: {}", gateway.log());
    }
}

/// A store that cannot be reached, with its password in its address, and an application that cannot: what goes
/// wrong inside is told without it.
#[test]
fn t_log_07_what_goes_wrong_is_told_without_secrets() {
    let said = Launch::command("users list")
        .env("PORTCULLIS_PROFILE", "ticker-service")
        .env("PORTCULLIS_STORE__URL", "postgres://gateway:Fd8-planted-password@127.0.0.1:1/none")
        .env("API_KEY", KEY)
        .refused();
    assert!(said.contains("127.0.0.1") || said.contains("store"), "{said}");
    assert!(!said.contains("planted"), "{said}");

    let gateway = super::launch("http://127.0.0.1:1").env("API_KEY", KEY).start();
    let answer =
        orders_with(KEY).header("User-Agent", "Fd8-planted-agent@example.com").send_to(gateway.address());
    assert_eq!(answer.status, 502);
    gateway.wait_for_log(&["access", "502"]);
    for planted in [KEY, "Fd8-planted-agent@example.com"] {
        assert!(!gateway.log().contains(planted), "{}", gateway.log());
    }
}
