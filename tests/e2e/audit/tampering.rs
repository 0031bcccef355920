//! Somebody has the file of the store in his hands.

use portcullis_tests::{Launch, Upstream, shell};

use super::{await_record, launch, work};

/// A store with a few records, whose gateway has ended.
fn stopped() -> Launch {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream, "").start();
    for number in 0..8 {
        work().header("X-Request-Id", &format!("request-{number}")).send_to(gateway.address());
        await_record(&gateway, &format!("request-{number}"));
    }
    gateway.stop()
}

fn sql(launch: &Launch, statements: &str) {
    let script = format!(
        "import sqlite3\nc = sqlite3.connect('people.db')\nc.executescript(\"\"\"{statements}\"\"\")\nc.commit()\n"
    );
    launch.folder().write("deed.py", &script);
    shell("python3 deed.py", launch.folder());
}

#[test]
fn a_log_that_nobody_touched_is_whole_and_gives_a_mark() {
    let launch = stopped();
    let verified = launch.beside("audit verify --json").ran().json();
    assert_eq!((&verified["whole"], &verified["records"]), (&true.into(), &8.into()), "{verified}");
    let mark = verified["head"].as_str().unwrap();
    assert!(launch.beside("audit verify --expect").arg(mark).ran().succeeded().contains(mark));
    let text = launch.beside("audit verify").ran().succeeded();
    assert!(text.contains("8 records, none changed, missing, moved or put in"), "{text}");
}

#[test]
fn what_was_done_to_it_is_named() {
    for (deed, number, word) in [
        ("UPDATE audit SET status = 200 WHERE number = 3", 3, "changed"),
        ("UPDATE audit SET reason = '' WHERE number = 3", 3, "changed"),
        ("DELETE FROM audit WHERE number = 3", 3, "missing"),
        ("DELETE FROM audit WHERE number > 5", 6, "missing"),
        ("DELETE FROM audit WHERE number < 3", 1, "missing"),
        (
            "UPDATE audit SET number = 99 WHERE number = 3; UPDATE audit SET number = 3 WHERE number = 4; UPDATE audit SET number = 4 WHERE number = 99",
            3,
            "another stands in its place",
        ),
        (
            "INSERT INTO audit SELECT 9, at_ms, event, request_id, username, user_id, ip, method, endpoint, query, route, user_agent, device, request_data, status, duration_us, success, reason, details, hash, hash FROM audit WHERE number = 8",
            9,
            "changed",
        ),
        (
            "DELETE FROM audit WHERE number < 3; UPDATE audit_ends SET cut_number = 2, cut_hash = (SELECT previous FROM audit WHERE number = 3)",
            2,
            "no record says",
        ),
    ] {
        let launch = stopped();
        sql(&launch, deed);
        let ran = launch.beside("audit verify").ran();
        assert_eq!(ran.status.code(), Some(1), "{deed}: {}{}", ran.stdout, ran.stderr);
        let said = ran.failed();
        assert!(
            said.contains(&format!("broken at record {number}")) && said.contains(word),
            "{deed}: {said}"
        );
        let json = launch.beside("audit verify --json").ran();
        let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!((&json["whole"], &json["broken"]), (&false.into(), &number.into()), "{deed}");
    }
}

/// Whoever writes everything anew is found by a mark that was noted elsewhere.
#[test]
fn a_log_that_was_replaced_is_not_the_one_that_was_noted() {
    let (one, other) = (stopped(), stopped());
    let mark = one.beside("audit verify --json").ran().json()["head"].as_str().unwrap().to_owned();
    let said = other.beside("audit verify --expect").arg(&mark).ran().failed();
    assert!(said.contains("record 8 is not the one that was noted"), "{said}");
    let said = other.beside("audit verify --expect 9").ran().failed();
    assert!(said.contains("NUMBER:HASH"), "{said}");
}

#[test]
fn a_log_goes_on_where_it_ended() {
    let gateway = stopped().start();
    work().header("X-Request-Id", "after-the-start").send_to(gateway.address());
    let record = await_record(&gateway, "after-the-start");
    assert_eq!(record["id"], 9);
    assert_eq!(gateway.command("audit verify --json").ran().json()["whole"], true);
}
