//! `portcullis audit`, beside a running gateway and on a stopped one; and what commands leave behind themselves.

use portcullis_tests::{PASSWORD, Upstream, until};
use serde_json::Value;

use super::{await_record, exported, started, work};

#[test]
fn records_are_listed_and_exported_from_a_running_and_a_stopped_gateway() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    work().bearer(&login.access).header("X-Request-Id", "request-of-alice").send_to(gateway.address());
    work()
        .header("X-Request-Id", "request-of-nobody")
        .header("User-Agent", "=cmd|' /C calc'!A0,\"x\"")
        .send_to(gateway.address());
    await_record(&gateway, "request-of-nobody");
    let launch = gateway.stop();
    for beside in [launch.clone(), launch.clone()] {
        let table = beside.beside("audit list --user alice").ran().succeeded();
        assert!(table.starts_with("ID") && table.contains("GET /work") && table.contains("alice"), "{table}");
        let listed = beside.beside("audit list --json --event auth_attempt --limit 1").ran().json();
        assert_eq!(listed["audit_log"].as_array().unwrap().len(), 1, "{listed}");
        assert_eq!(listed["audit_log"][0]["request_id"], "request-of-nobody");
    }
    let csv = launch.beside("audit export --format csv").ran().succeeded();
    let mut lines = csv.lines();
    assert!(
        lines.next().unwrap().starts_with("id,timestamp,event,user_id,username,method,endpoint"),
        "{csv}"
    );
    let line = lines.find(|line| line.contains("request-of-nobody")).unwrap();
    assert!(line.contains("\"'=cmd|' /C calc'!A0,\"\"x\"\"\""), "a formula is text: {line}");
    let later = launch.beside("audit export --from 2099-01-01T00:00:00Z").ran().succeeded();
    assert_eq!(later, "");
    assert!(!launch.beside("audit export --to 2099-01-01T00:00:00Z").ran().succeeded().is_empty());
}

#[test]
fn a_tail_shows_what_comes() {
    let upstream = Upstream::ok();
    let (gateway, _) = started(&upstream, "");
    for number in 0..3 {
        work().header("X-Request-Id", &format!("before-{number}")).send_to(gateway.address());
        await_record(&gateway, &format!("before-{number}"));
    }
    let binary = portcullis_tests::binary();
    let mut tail = std::process::Command::new(binary)
        .args(["audit", "tail", "--lines", "2", "--json"])
        .current_dir(gateway.folder().path())
        .env_clear()
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(tail.stdout.take().unwrap()));
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["request_id"], "before-1");
    assert_eq!(next()["request_id"], "before-2");
    for number in 0..3 {
        work().header("X-Request-Id", &format!("meanwhile-{number}")).send_to(gateway.address());
        assert_eq!(next()["request_id"], format!("meanwhile-{number}"));
    }
    let _ = tail.kill();
    let _ = tail.wait();
}

#[test]
fn what_commands_do_to_accounts_is_recorded() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    gateway.add_user("bob", "free");
    gateway.command("users role bob premium").ran().succeeded();
    gateway.command("users disable bob").ran().succeeded();
    gateway.command("users enable bob").ran().succeeded();
    let made = gateway.command("keys create --user bob --name ci --json").ran().json();
    let id = made["id"].as_str().unwrap();
    gateway.command(&format!("keys revoke {id}")).ran().succeeded();
    accounts.login("bob");
    gateway.command("sessions revoke --user bob").ran().succeeded();
    gateway.command("users delete bob").ran().succeeded();
    let acts: Vec<_> = exported(&gateway)
        .into_iter()
        .filter(|it| {
            it["details"].as_str().is_some_and(|details| details.contains("at the command line, by uid"))
        })
        .map(|it| {
            (
                it["event"].clone(),
                it["reason"].as_str().unwrap().to_owned(),
                it["details"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let reasons: Vec<&str> = acts.iter().map(|(_, reason, _)| reason.as_str()).collect();
    let expected = [
        "add_user",
        "change_user",
        "change_user",
        "change_user",
        "create_key_of",
        "revoke_key_of",
        "end_session_of",
        "delete_user",
    ];
    assert_eq!(reasons, expected);
    assert!(acts.iter().all(|(event, ..)| event == "account_changed"));
    assert!(acts[1].2.contains("user bob, role premium") && acts[4].2.contains(id), "{acts:?}");
    assert!(acts.iter().all(|(_, _, details)| !details.contains(PASSWORD)));
    // Nothing that only looks leaves a record.
    let before = exported(&gateway).len();
    gateway.command("users list").ran().succeeded();
    gateway.command("users role nobody premium").ran().failed();
    assert_eq!(exported(&gateway).len(), before);
}

#[test]
fn a_changed_configuration_is_recorded() {
    let upstream = Upstream::ok();
    let (gateway, _) = started(&upstream, "");
    gateway
        .folder()
        .write("portcullis.toml", &super::config(&upstream.url(), "[audit]\nretention = \"30d\"\n"));
    let applied = |count: usize| {
        until("the record", || {
            let all = exported(&gateway);
            let applied =
                all.iter().filter(|it| it["event"] == "config_changed" && it["reason"] == "applied");
            (applied.count() == count).then_some(all.len())
        })
    };
    applied(1);
    // That it is switched off is the last that is recorded.
    let off = super::config(&upstream.url(), "[audit]\nenabled = false\n");
    gateway.folder().write("portcullis.toml", &off);
    let before = applied(2);
    work().send_to(gateway.address());
    gateway.command("users list").ran().succeeded();
    assert_eq!(exported(&gateway).len(), before);
}
