//! The audit log and the figures of the guide, as its administrators read them.

use portcullis_tests::{Connection, PASSWORD, Request, Response, guide_command, until};
use serde_json::{Value, json};

use super::{Behind, GUIDE_PASSWORD, SECRET, assert_forecast, assert_refused, launch, predict};

impl Behind {
    /// What an administrator is shown.
    #[track_caller]
    fn audit_log(&self, admin: &str, query: &str) -> Vec<Value> {
        let answer = self.admin(admin, &format!("/admin/audit-log?{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["audit_log"].as_array().expect("a list").clone()
    }

    fn admin(&self, admin: &str, path: &str) -> Response {
        self.send(&Request::get(path).bearer(admin))
    }

    /// The newest record that fits, as soon as it is there: what a core saw is written a moment after its answer.
    #[track_caller]
    fn record(&self, admin: &str, query: &str, fits: impl Fn(&Value) -> bool) -> Value {
        until("the record", || self.audit_log(admin, query).into_iter().find(&fits))
    }
}

#[test]
fn b_aud_01_every_request_leaves_one_record_with_everything_in_it() {
    let behind = Behind::start();
    let root = behind.user("root", "admin").access;
    let user = behind.accounts.newcomer("newuser");
    let id = behind.accounts.profile(&user.access).json()["id"].clone();
    let request = predict()
        .bearer(&user.access)
        .header("User-Agent", "curl/8.5")
        .header("X-Request-Id", "forecast-0001");
    assert_forecast(&behind.send(&request));
    let record = behind.record(&root, "user=newuser", |it| it["request_id"] == "forecast-0001");
    for (name, expected) in [
        ("user_id", &id),
        ("username", &json!("newuser")),
        ("endpoint", &json!("/predict")),
        ("method", &json!("POST")),
        ("ip_address", &json!("127.0.0.1")),
        ("user_agent", &json!("curl/8.5")),
        ("request_data", &Value::Null),
        ("response_status", &json!(200)),
        ("event", &json!("request")),
    ] {
        assert_eq!(&record[name], expected, "{name} of {record}");
    }
    assert!(record["id"].as_i64().is_some_and(|id| id > 0), "{record}");
    assert!(record["response_time_ms"].as_f64().is_some_and(|ms| ms > 0.0 && ms < 60_000.0), "{record}");
    let at = record["timestamp"].as_str().unwrap();
    assert!(at.ends_with('Z') && at.starts_with("20"), "{record}");
    // One each: that request, a refused one, one for a path that is not there, a login, a change.
    for (id, request) in [
        ("refused-0001", predict()),
        ("absent-00001", Request::get("/no/such/path").bearer(&user.access)),
        (
            "login-000001",
            behind.accounts.post("/auth/login", &json!({ "username": "newuser", "password": PASSWORD })),
        ),
        ("change-00001", behind.accounts.post("/auth/api-key", &json!({})).bearer(&user.access)),
        ("reads-000001", Request::get("/auth/profile").bearer(&user.access)),
    ] {
        behind.send(&request.header("X-Request-Id", id));
        behind.record(&root, "", |it| it["request_id"] == id);
    }
    let all = behind.audit_log(&root, "limit=1000");
    for id in
        ["forecast-0001", "refused-0001", "absent-00001", "login-000001", "change-00001", "reads-000001"]
    {
        assert_eq!(all.iter().filter(|it| it["request_id"] == id).count(), 1, "{id}");
    }
}

#[test]
fn b_aud_02_the_bodies_of_login_and_register_are_kept_without_their_secrets() {
    let behind = Behind::start();
    let root = behind.user("root", "admin").access;
    let body = json!({ "username": "newuser", "email": "user@example.com", "password": GUIDE_PASSWORD, "role": "free" });
    assert_eq!(behind.send(&behind.accounts.post("/auth/register", &body)).status, 201);
    let login = behind.send(
        &behind.accounts.post("/auth/login", &json!({ "username": "newuser", "password": GUIDE_PASSWORD })),
    );
    let refresh = login.json()["refresh_token"].as_str().unwrap().to_owned();
    behind.accounts.refresh(&refresh);
    behind.send(
        &behind
            .accounts
            .post("/auth/login", &json!({ "username": "newuser", "password": "wrong-planted-1" })),
    );
    // What the judge of bodies refuses, too.
    behind.send(
        &behind.accounts.post("/auth/login", &json!({ "username": "newuser", "pasword": "planted-2" })),
    );
    behind.send(&Request::post("/auth/login", "password=planted-3"));
    let of = |endpoint: &str, status: u16| {
        let fits = |it: &Value| it["endpoint"] == endpoint && it["response_status"] == status;
        behind.record(&root, "", fits)["request_data"].clone()
    };
    let registered = json!({
        "username": "newuser", "email": "[EMAIL_REDACTED]", "password": "[redacted]", "role": "free",
    });
    assert_eq!(of("/auth/register", 201), registered);
    assert_eq!(of("/auth/login", 200), json!({ "username": "newuser", "password": "[redacted]" }));
    assert_eq!(of("/auth/login", 401), json!({ "username": "newuser", "password": "[redacted]" }));
    assert_eq!(of("/auth/refresh", 200), json!({ "refresh_token": "[redacted]" }));
    until("all records", || {
        (behind.audit_log(&root, "limit=1000").iter().filter(|it| it["response_status"] == 422).count() == 2)
            .then_some(())
    });
    let answer = behind.admin(&root, "/admin/audit-log?limit=1000");
    let exported = behind.gateway.command("audit export").ran().succeeded();
    for planted in [
        GUIDE_PASSWORD,
        "wrong-planted-1",
        "planted-2",
        "planted-3",
        "user@example.com",
        &refresh,
        PASSWORD,
        SECRET,
    ] {
        assert!(!answer.text().contains(planted), "{planted} stands in the audit log");
        assert!(!exported.contains(planted), "{planted} stands in what is exported");
    }
}

#[test]
fn b_aud_03_a_failed_login_is_a_security_event_in_log_and_audit_log() {
    let behind = Behind::with(|launch| launch.env("PORTCULLIS_LOG__FORMAT", "json"));
    let root = behind.user("root", "admin").access;
    behind.accounts.register("newuser");
    let request = json!({ "username": "newuser", "password": "not-this-one" });
    let request = behind.accounts.post("/auth/login", &request).header("X-Request-Id", "failed-00001");
    assert_eq!(behind.send(&request).status, 401);
    let line = behind.gateway.wait_for_log(&["\"event\":\"auth_attempt\"", "failed-00001"]);
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["level"], &line["success"], &line["user_id"]),
        (&"warning".into(), &false.into(), &"newuser".into())
    );
    let record = behind.record(&root, "event=auth_attempt", |it| it["request_id"] == "failed-00001");
    assert_eq!((&record["success"], &record["reason"]), (&false.into(), &"invalid-login".into()), "{record}");
    assert_eq!(
        (&record["username"], &record["response_status"]),
        (&"newuser".into(), &401.into()),
        "{record}"
    );
}

#[test]
fn b_aud_04_the_command_of_the_guide_shows_administrators_the_log_and_nobody_else() {
    let behind = Behind::start();
    let root = behind.user("root", "admin").access;
    let user = behind.accounts.newcomer("newuser").access;
    for _ in 0..6 {
        behind.send(&Request::get("/auth/profile").bearer(&user));
    }
    let command = r#"curl "http://localhost:8000/admin/audit-log?limit=100" \
  -H "Authorization: Bearer ADMIN_TOKEN""#;
    let shown = |token: &str| {
        let answers = guide_command(&command.replace("ADMIN_TOKEN", token), behind.gateway.address());
        (answers[0].status, answers[0].body.clone())
    };
    until("its records", || (behind.audit_log(&root, "user=newuser").len() >= 6).then_some(()));
    let (status, body) = shown(&root);
    assert_eq!(status, 200, "{body}");
    let records = serde_json::from_str::<Value>(&body).unwrap()["audit_log"].as_array().unwrap().clone();
    assert!(records.len() <= 100 && records.iter().any(|it| it["username"] == "newuser"), "{body}");
    let ids: Vec<i64> = records.iter().map(|it| it["id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted_by(|one, next| one > next), "newest first: {ids:?}");
    let two = behind.audit_log(&root, "limit=2");
    assert_eq!(two.len(), 2);
    let before = two[1]["id"].as_i64().unwrap();
    let next = behind.audit_log(&root, &format!("limit=2&before={before}"));
    assert_eq!(next[0]["id"].as_i64(), Some(before - 1));
    assert_eq!(shown(&user), (403, r#"{"detail":"Insufficient permissions"}"#.to_owned()));
    assert_refused(&behind.send(&Request::get("/admin/audit-log?limit=100")), 401, "Not authenticated");
    // What was refused is recorded as well, with who it was.
    let refused = behind.record(&root, "event=access_denied", |it| it["endpoint"] == "/admin/audit-log");
    assert_eq!((&refused["username"], &refused["response_status"]), (&"newuser".into(), &403.into()));
}

#[test]
fn b_aud_05_figures_are_true_and_survive_a_start() {
    let behind = Behind::start();
    let root = behind.user("root", "admin").access;
    let user = behind.accounts.newcomer("newuser").access;
    for _ in 0..20 {
        assert_forecast(&behind.send(&predict().bearer(&user)));
    }
    for _ in 0..3 {
        behind.send(&predict());
    }
    let command = r#"curl "http://localhost:8000/admin/metrics?hours=24" \
  -H "Authorization: Bearer ADMIN_TOKEN""#;
    let shown = |behind: &Behind| {
        let answers = guide_command(&command.replace("ADMIN_TOKEN", &root), behind.gateway.address());
        assert_eq!(answers[0].status, 200, "{answers:?}");
        serde_json::from_str::<Value>(&answers[0].body).unwrap()
    };
    let of = |all: &Value, list: &str, name: &str| {
        let entry = all[list].as_array().unwrap().iter().find(|it| it["name"] == name).cloned();
        entry.map_or(0, |it| it["requests"].as_u64().unwrap())
    };
    let all = until("its requests to be counted", || {
        let all = shown(&behind);
        (of(&all, "user_activity", "newuser") >= 20).then_some(all)
    });
    let metrics = &all["metrics"];
    for name in ["avg_cpu", "avg_memory", "avg_disk"] {
        let value = metrics[name].as_f64().unwrap_or_else(|| panic!("{name} in {all}"));
        assert!((0.0..=100.0).contains(&value), "{name} in {all}");
    }
    assert!(metrics["avg_memory"].as_f64() > Some(0.0) && metrics["avg_disk"].as_f64() > Some(0.0), "{all}");
    assert!(metrics["max_connections"].as_u64() >= Some(1), "{all}");
    assert!(metrics["requests"].as_u64() >= Some(25), "{all}");
    let (requests, minutes) = (metrics["requests"].as_f64().unwrap(), metrics["minutes"].as_f64().unwrap());
    assert!(
        (metrics["avg_requests_per_minute"].as_f64().unwrap() - requests / minutes).abs() < 0.01,
        "{all}"
    );
    assert!(metrics["failed_authentications"].as_u64() >= Some(3), "{all}");
    // It is kept: the same after a start, and what a sudden end costs is a few seconds at most.
    let behind = behind.again(|launch| launch);
    let after = shown(&behind);
    assert!(after["metrics"]["requests"].as_f64() >= Some(requests), "{all} and {after}");
    assert_eq!(of(&after, "user_activity", "newuser"), of(&all, "user_activity", "newuser"));
    assert_eq!(behind.admin(&user, "/admin/metrics?hours=24").status, 403);
    assert_eq!(behind.send(&Request::get("/admin/metrics?hours=24")).status, 401);
}

#[test]
fn b_aud_06_what_is_out_of_range_or_text_is_422() {
    let behind = Behind::start();
    let root = behind.user("root", "admin").access;
    for path in [
        "/admin/audit-log?limit=0",
        "/admin/audit-log?limit=1001",
        "/admin/audit-log?limit=-1",
        "/admin/audit-log?limit=ten",
        "/admin/audit-log?limit=",
        "/admin/audit-log?limit=1&limit=2",
        "/admin/audit-log?before=now",
        "/admin/audit-log?from=yesterday",
        "/admin/audit-log?nothing=1",
        "/admin/metrics?hours=0",
        "/admin/metrics?hours=721",
        "/admin/metrics?hours=day",
        "/admin/limits/top?limit=0",
    ] {
        assert_eq!(behind.admin(&root, path).status, 422, "{path}");
    }
    for path in [
        "/admin/audit-log?limit=1",
        "/admin/audit-log?limit=1000",
        "/admin/metrics?hours=720",
        "/admin/metrics",
    ] {
        assert_eq!(behind.admin(&root, path).status, 200, "{path}");
    }
}

#[test]
fn b_aud_07_records_that_are_too_old_are_removed_and_the_rest_is_proven() {
    let behind = Behind::start();
    let root = behind.user("root", "admin").access;
    for _ in 0..5 {
        behind.send(&predict());
    }
    until("their records", || {
        (behind.audit_log(&root, "event=auth_attempt&limit=5").len() == 5).then_some(())
    });
    let oldest = behind.audit_log(&root, "limit=1000").last().unwrap()["id"].clone();
    assert_eq!(oldest, 1);
    let mark =
        behind.gateway.command("audit verify --json").ran().json()["head"].as_str().unwrap().to_owned();
    let behind = behind.again(|launch| launch.env("PORTCULLIS_AUDIT__RETENTION", "10ms"));
    let gateway = &behind.gateway;
    gateway.wait_for_log(&["audit log:", "too old", "removed"]);
    let verified = gateway.command("audit verify --json").ran().json();
    assert_eq!(verified["whole"], true, "{verified}");
    assert!(verified["removed"].as_i64().unwrap() >= 5, "{verified}");
    let exported = gateway.command("audit export").ran().succeeded();
    let first: Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    assert!(first["id"].as_i64().unwrap() > 5, "{exported}");
    assert!(exported.contains("\"audit_pruned\""), "{exported}");
    // Of what is gone nothing can be said, and that is what is said.
    let said = gateway.command("audit verify --expect").arg(&mark).ran();
    assert!(
        said.status.success() || said.stderr.contains("removed for its age"),
        "{}{}",
        said.stdout,
        said.stderr
    );
    // By default it is 90 days.
    let shown = launch("http://127.0.0.1:9").beside("config show").ran().succeeded();
    let line =
        shown.lines().find(|line| line.starts_with("audit.retention")).unwrap_or_else(|| panic!("{shown}"));
    assert!(line.contains("90d"), "{line}");
}

#[test]
fn b_env_12_the_names_switch_what_is_recorded_and_what_is_written() {
    let fails = |behind: &Behind| {
        behind.accounts.register("newuser");
        behind.send(
            &behind.accounts.post("/auth/login", &json!({ "username": "newuser", "password": "not-this" })),
        );
        behind.send(&predict().header("X-Request-Id", "the-last-request"));
        behind.gateway.wait_for_log(&["access", "the-last-request"]);
    };
    let both = Behind::with(|launch| {
        launch.env("AUDIT_LOGGING_ENABLED", "true").env("SECURITY_LOGGING_ENABLED", "true")
    });
    fails(&both);
    both.gateway.wait_for_log(&["auth_attempt", "the-last-request"]);
    let root = both.user("root", "admin").access;
    both.record(&root, "", |it| it["request_id"] == "the-last-request");

    let silent = Behind::with(|launch| launch.env("SECURITY_LOGGING_ENABLED", "false"));
    fails(&silent);
    silent.gateway.wait_for_log(&["SECURITY_LOGGING_ENABLED is false"]);
    assert!(!silent.gateway.log().contains("auth_attempt"), "{}", silent.gateway.log());
    let root = silent.user("root", "admin").access;
    silent.record(&root, "", |it| it["request_id"] == "the-last-request");

    let off = Behind::with(|launch| launch.env("AUDIT_LOGGING_ENABLED", "false"));
    fails(&off);
    off.gateway.wait_for_log(&["AUDIT_LOGGING_ENABLED is false"]);
    off.gateway.wait_for_log(&["auth_attempt", "the-last-request"]);
    let root = off.user("root", "admin").access;
    assert_eq!(off.audit_log(&root, "limit=1000"), Vec::<Value>::new());
    // What was asked for is counted all the same.
    assert!(off.admin(&root, "/admin/metrics").json()["metrics"]["requests"].as_u64() >= Some(3));
}

#[test]
fn b_kpi_01_every_figure_of_the_guide_is_a_ratio_of_what_is_counted() {
    let behind = Behind::start();
    let root = behind.user("root", "admin").access;
    let user = behind.accounts.newcomer("newuser").access;
    for _ in 0..20 {
        assert_forecast(&behind.send(&predict().bearer(&user)));
    }
    behind.send(
        &behind.accounts.post("/auth/login", &json!({ "username": "newuser", "password": "not-this" })),
    );
    // An anonymous address has 60 a minute: more are violations of a limit.
    let refused = (0..80)
        .filter(|_| behind.send(&Request::get("/").header("X-Nobody", "1")).status == 429)
        .count() as u64;
    assert!(refused > 0);
    Connection::open(behind.gateway.address())
        .send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        .response();
    let metrics = until("all of them", || {
        let answer = behind.admin(&root, "/admin/metrics?hours=720").json();
        let metrics = answer["metrics"].clone();
        (metrics["suspicious"].as_u64() >= Some(1) && metrics["rate_limited"].as_u64() >= Some(refused))
            .then_some(metrics)
    });
    let of = |name: &str| metrics[name].as_f64().unwrap_or_else(|| panic!("{name} in {metrics}"));
    let success = of("authenticated") / (of("authenticated") + of("failed_authentications"));
    assert!(success > 0.5 && success < 1.0, "{metrics}");
    let violations = of("rate_limited") / of("requests");
    assert!(violations > 0.0 && violations < 1.0, "{metrics}");
    assert!(of("avg_response_time_ms") > 0.0 && of("slow") <= of("requests"), "{metrics}");
    assert!(of("suspicious") >= 1.0, "incidents of the last 30 days: {metrics}");
}

#[test]
fn b_alert_01_what_an_alert_goes_by_is_counted_or_an_event() {
    let behind =
        Behind::with(|launch| launch.env("PORTCULLIS_LOG__FORMAT", "json").file(".env", "LOG_LEVEL=info\n"));
    let root = behind.user("root", "admin").access;
    let figures = |behind: &Behind| behind.admin(&root, "/admin/metrics?hours=1").json()["metrics"].clone();
    let before = figures(&behind);
    for number in 0..4 {
        let login = behind
            .accounts
            .post("/auth/login", &json!({ "username": format!("nobody{number}"), "password": "x" }));
        behind.send(&login);
    }
    let after = until("the failed logins", || {
        let after = figures(&behind);
        let more = after["failed_authentications"].as_u64()? - before["failed_authentications"].as_u64()?;
        (more >= 4).then_some(after)
    });
    // Unusual usage and performance.
    for name in [
        "requests",
        "client_errors",
        "server_errors",
        "avg_response_time_ms",
        "avg_requests_per_minute",
        "max_connections",
        "avg_cpu",
    ] {
        assert!(after[name].is_number(), "{name} in {after}");
    }
    // A changed configuration is an event, in the log and in the audit log.
    behind.gateway.folder().write(".env", "LOG_LEVEL=info\nRATE_LIMIT_FREE=61\n");
    behind.gateway.wait_for_log(&["\"event\":\"config_changed\"", "applied"]);
    behind.record(&root, "event=config_changed", |it| it["reason"] == "applied");
    // So is a role that somebody was given.
    behind
        .gateway
        .command("users add other --role free --email other@example.com --password-stdin")
        .stdin(PASSWORD)
        .ran()
        .succeeded();
    behind.gateway.command("users role other admin").ran().succeeded();
    behind.record(&root, "event=account_changed", |it| {
        it["details"].as_str().is_some_and(|it| it.contains("role admin"))
    });
}
