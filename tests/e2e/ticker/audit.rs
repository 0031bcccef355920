//! T-KEY-08, T-KEY-10 and T-CK-08: how old keys are, and who failed to show one: with time, client, route and reason.

use portcullis_tests::{Launch, Request, Upstream, shell, until};
use serde_json::Value;

use super::{ORDERS, guarded, orders, orders_with};

/// An audit log of its own: the profile keeps no accounts.
fn audited(upstream: &Upstream) -> Launch {
    guarded(upstream).env("PORTCULLIS_AUDIT__URL", "sqlite:audit.db")
}

fn records(gateway: &portcullis_tests::Gateway, options: &str) -> Vec<Value> {
    let listed = gateway.command(&format!("audit list --json {options}")).ran().json();
    listed["audit_log"].as_array().unwrap().clone()
}

#[test]
fn t_key_10_t_ck_08_every_refused_key_is_one_record_with_time_client_route_and_reason() {
    let upstream = Upstream::ok();
    let gateway = audited(&upstream).start();
    let sent = [
        ("missing-key-1", orders(), "missing-credential"),
        ("wrong-key-001", orders_with("not-the-key-of-anybody-at-all"), "invalid-credential"),
    ];
    for (id, request, _) in &sent {
        let request = request.clone().header("X-Request-Id", id).header("User-Agent", "probe/1.0");
        assert_eq!(request.send_from("127.0.0.7", gateway.address()).status, 401);
    }
    assert_eq!(orders_with(super::KEY).send_to(gateway.address()).status, 200);
    let found = until("both records", || {
        let found = records(&gateway, "--event auth_attempt");
        (found.len() >= 2).then_some(found)
    });
    assert_eq!(found.len(), 2, "one for each, and none for who has the key: {found:?}");
    for (id, _, reason) in sent {
        let record =
            found.iter().find(|it| it["request_id"] == id).unwrap_or_else(|| panic!("{id}: {found:?}"));
        assert_eq!(record["reason"], reason);
        assert_eq!((&record["response_status"], &record["success"]), (&401.into(), &false.into()));
        assert_eq!((&record["ip_address"], &record["endpoint"]), (&"127.0.0.7".into(), &ORDERS.into()));
        assert!(record["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{record}");
        assert!(record["route"].as_str().is_some_and(|route| !route.is_empty()), "{record}");
    }
    let text = gateway.command("audit export").ran().succeeded();
    assert!(!text.contains(super::KEY) && !text.contains("not-the-key-of-anybody"), "{text}");
    assert!(gateway.command("audit verify").ran().succeeded().contains("none changed"));
}

#[test]
fn t_key_10_without_a_place_for_it_that_is_said() {
    let upstream = Upstream::ok();
    let said = guarded(&upstream).env("PORTCULLIS_AUDIT__ENABLED", "true").refused();
    assert!(said.contains("no place for the audit log") && said.contains("sqlite:audit.db"), "{said}");
    let said = guarded(&upstream).beside("audit list").ran().failed();
    assert!(said.contains("sqlite:audit.db"), "{said}");
}

/// Changes the store of a gateway that has ended.
fn sql(launch: &Launch, statement: &str) {
    let script = format!(
        "import sqlite3\nc = sqlite3.connect('audit.db')\nprint(c.execute(\"{statement}\").rowcount)\nc.commit()\n"
    );
    launch.folder().write("deed.py", &script);
    assert_ne!(shell("python3 deed.py", launch.folder()).trim(), "0", "{statement}");
}

fn item(launch: &Launch) -> Value {
    let ran = launch.beside("check --json").ran();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    report["items"].as_array().unwrap().iter().find(|it| it["id"] == "key-age").unwrap().clone()
}

#[test]
fn t_key_08_a_key_of_the_environment_is_known_by_when_it_was_seen_first() {
    let upstream = Upstream::ok();
    // Without a store nothing is known, and nothing is claimed.
    let unknown = item(&guarded(&upstream));
    assert!(unknown["finding"].as_str().unwrap().contains("not known of 1"), "{unknown}");
    let launch = audited(&upstream);
    assert!(item(&launch)["finding"].as_str().unwrap().contains("not known of 1 yet"), "{}", item(&launch));
    let gateway = launch.start();
    gateway.wait_for_log(&["the mark of the day"]);
    until("it to be noted", || {
        item(&gateway.command("check"))["finding"].as_str().unwrap().contains("none is older").then_some(())
    });
    let launch = gateway.stop();
    sql(&launch, "UPDATE first_seen SET first_ms = first_ms - 91 * 86400000");
    let old = item(&launch);
    assert_eq!(old["verdict"], "warn", "{old}");
    let finding = old["finding"].as_str().unwrap();
    assert!(finding.contains("API_KEY") && finding.contains("at least 91 days old"), "{finding}");
    let gateway = launch.start();
    let line = gateway.wait_for_log(&["API_KEY", "at least 91 days old"]);
    assert!(!line.contains(super::KEY), "{line}");
    // Another key is a young one.
    let launch = gateway.stop().env("API_KEY", "kW3nZ8vLq1TgYb5xRc7mJd0sPf2uHa9eOiXoVtNyCjE");
    let gateway = launch.start();
    gateway.wait_for_log(&["the mark of the day"]);
    until("it to be noted", || {
        item(&gateway.command("check"))["finding"].as_str().unwrap().contains("none is older").then_some(())
    });
}

#[test]
fn t_key_08_a_key_of_a_user_is_as_old_as_its_store_says() {
    let upstream = Upstream::ok();
    let launch = guarded(&upstream).env("PORTCULLIS_STORE__URL", "sqlite:audit.db");
    let gateway = launch.start();
    gateway.add_user("bob", "free");
    let made = gateway.command("keys create --user bob --name feed --json").ran().json();
    let id = made["id"].as_str().unwrap().to_owned();
    gateway.wait_for_log(&["the mark of the day"]);
    let launch = gateway.stop();
    assert_eq!(item(&launch)["verdict"], "pass", "{}", item(&launch));
    sql(&launch, "UPDATE api_keys SET created_ms = created_ms - 100 * 86400000");
    let finding = item(&launch)["finding"].as_str().unwrap().to_owned();
    assert!(finding.contains(&id) && finding.contains("feed") && finding.contains("100 days"), "{finding}");
    let gateway = launch.start();
    gateway.wait_for_log(&[&id, "at least 100 days old"]);
    gateway.command("keys rotate --overlap 0s").arg(&id).ran().succeeded();
    let launch = gateway.stop();
    assert_eq!(item(&launch)["verdict"], "pass", "replaced: {}", item(&launch));
}

#[test]
fn t_log_08_failed_authentications_are_counted_and_a_threshold_raises_an_event() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream)
        .env("PORTCULLIS_ENDPOINTS__METRICS", "/metrics")
        .env("PORTCULLIS_AUTH__FAILURES__LIMIT", "5/minute per ip")
        .start();
    let counted = |line: &str| -> u64 {
        let text = Request::get("/portcullis/metrics").send_to(gateway.address()).text().to_owned();
        let found = text.lines().find_map(|it| it.strip_prefix(line)?.strip_prefix(' ').map(str::to_owned));
        found.map_or(0, |value| value.parse().unwrap())
    };
    let failures = "portcullis_authentication_failures_total";
    assert_eq!(counted(failures), 0);
    let statuses: Vec<u16> = (0..8)
        .map(|_| {
            orders_with("not-the-key-of-anybody-at-all").send_from("127.0.0.8", gateway.address()).status
        })
        .collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    until("all of them", || (counted(failures) == 5).then_some(()));
    // Beyond the threshold it is another event, in the log and counted apart.
    gateway.wait_for_log(&["lockout", "127.0.0.8"]);
    until("the lockouts", || {
        (counted("portcullis_security_events_total{event=\"lockout\"}") == 3).then_some(())
    });
}

#[test]
fn t_rl_14_how_much_of_each_limit_is_used_is_a_metric() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).env("PORTCULLIS_ENDPOINTS__METRICS", "/metrics").start();
    let text = || Request::get("/portcullis/metrics").send_to(gateway.address()).text().to_owned();
    let answers: Vec<_> =
        (0..30).map(|_| orders_with(super::KEY).send_from("127.0.0.9", gateway.address())).collect();
    let limit = answers[0].number("x-ratelimit-limit");
    let (within, above): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(within.len() as u64, limit, "the limit of the guide for that route is used up");
    let label = format!("limit=\"{limit}/60s\"");
    let value = |text: &str, name: &str| -> Option<u64> {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("portcullis_{name}{{")) && line.contains(&label))?;
        line.rsplit(' ').next()?.parse().ok()
    };
    let text = until("all of them", || {
        let text = text();
        (value(&text, "limit_refusals_total") == Some(above.len() as u64)).then_some(text)
    });
    assert_eq!(value(&text, "limit_used_ratio_count"), Some(limit), "{text}");
    let half = text.lines().find(|line| line.contains(&label) && line.contains("le=\"0.5\"")).unwrap();
    assert_eq!(half.rsplit(' ').next().unwrap().parse::<u64>().unwrap(), limit / 2, "{text}");
}
