//! The store takes nothing: records are held, then lost and counted, or requests wait; and it is always said.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portcullis_tests::{Connection, Gateway, Request, Upstream, until};

use super::{exported, started, work};

fn health(gateway: &Gateway) -> serde_json::Value {
    Request::get("/portcullis/health").send_to(gateway.address()).json()
}

/// Another program that holds the store, until it is told to let go.
struct Holder(std::process::Child);

impl Holder {
    fn take(gateway: &Gateway) -> Self {
        let script = "import sqlite3, sys\nc = sqlite3.connect('people.db', isolation_level=None)\nc.execute('BEGIN IMMEDIATE')\nopen('held', 'w').close()\nsys.stdin.read()\n";
        gateway.folder().write("hold.py", script);
        let child = std::process::Command::new("python3")
            .arg("hold.py")
            .current_dir(gateway.folder().path())
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        until("it to be held", || gateway.folder().path().join("held").exists().then_some(()));
        Self(child)
    }

    fn let_go(mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn what_a_busy_store_does_not_take_is_held_and_written_later() {
    let upstream = Upstream::ok();
    let (gateway, _) = started(&upstream, "");
    let holder = Holder::take(&gateway);
    for number in 0..20 {
        let request = work().header("X-Request-Id", &format!("while-held-{number}"));
        assert_eq!(request.send_to(gateway.address()).status, 401, "nobody waits for the audit log");
    }
    assert_eq!(health(&gateway)["status"], "healthy");
    holder.let_go();
    let all = until("all records", || {
        let all = exported(&gateway);
        let of = |it: &&serde_json::Value| {
            it["request_id"].as_str().is_some_and(|id| id.starts_with("while-held-"))
        };
        (all.iter().filter(of).count() == 20).then_some(all)
    });
    assert!(!all.iter().any(|it| it["event"] == "audit_lost"));
    assert_eq!(gateway.command("audit verify --json").ran().json()["whole"], true);
}

#[test]
fn health_says_that_requests_are_recorded() {
    let upstream = Upstream::ok();
    let (gateway, _) = started(&upstream, "");
    until("the state", || (health(&gateway)["audit"] == "recording").then_some(()));
    let (gateway, _) = started(&upstream, "[audit]\nenabled = false\n");
    assert_eq!(health(&gateway)["audit"], serde_json::Value::Null);
}

/// Few are held.
const NARROW: &str = "[server]\nworkers = 1\n[log]\nlevel = \"warn\"\n[audit]\nbuffer = \"64 KiB\"\n";

/// More than that.
const MANY: usize = 1500;

fn numbered(number: usize) -> Request {
    work().header("X-Request-Id", &format!("numbered-{number:06}"))
}

fn numbered_ones(all: &[serde_json::Value]) -> usize {
    let of = |it: &serde_json::Value| it["request_id"].as_str().is_some_and(|id| id.starts_with("numbered-"));
    all.iter().filter(|it| of(it)).count()
}

#[test]
fn what_cannot_be_held_is_lost_counted_and_said() {
    let upstream = Upstream::ok();
    let (gateway, _) = started(&upstream, NARROW);
    let holder = Holder::take(&gateway);
    let mut connection = Connection::open(gateway.address());
    for number in 0..MANY {
        assert_eq!(numbered(number).on(&mut connection).status, 401, "nobody waits");
    }
    let health = health(&gateway);
    assert_eq!((&health["audit"], &health["status"]), (&"losing".into(), &"degraded".into()), "{health}");
    gateway.wait_for_log(&["audit log:", "no more records can be held"]);
    assert!(gateway.resident_kib() < 256 * 1024, "{} KiB", gateway.resident_kib());
    holder.let_go();
    let lost = until("every request to be recorded or counted", || {
        let all = exported(&gateway);
        let details =
            all.iter().filter(|it| it["event"] == "audit_lost").map(|it| it["details"].as_str().unwrap());
        let lost: usize = details.map(|it| it.split(' ').next().unwrap().parse::<usize>().unwrap()).sum();
        let looks = all.iter().filter(|it| it["endpoint"] == "/portcullis/health").count();
        (numbered_ones(&all) + looks + lost == MANY + 1).then_some(lost)
    });
    gateway.wait_for_log(&["audit log:", "records were lost"]);
    assert!(lost > 0 && lost < MANY, "{lost}");
    assert_eq!(gateway.command("audit verify --json").ran().json()["whole"], true);
}

#[test]
fn where_it_is_configured_requests_wait_and_nothing_is_lost() {
    let upstream = Upstream::ok();
    let (gateway, _) = started(&upstream, &format!("{NARROW}on_full = \"wait\"\n"));
    let holder = Holder::take(&gateway);
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = Connection::open(gateway.address());
            for number in 0..MANY {
                assert_eq!(numbered(number).on(&mut connection).status, 401);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
        // Until it stands still for a second.
        let (mut last, mut since) = (0, Instant::now());
        until("the requests to wait", || {
            let now = answered.load(Ordering::SeqCst);
            if now != last {
                (last, since) = (now, Instant::now());
            }
            (last > 0 && since.elapsed() > Duration::from_secs(1)).then_some(())
        });
        assert!(last < MANY, "all were answered");
        holder.let_go();
    });
    until("all of them", || (numbered_ones(&exported(&gateway)) == MANY).then_some(()));
    assert!(!exported(&gateway).iter().any(|it| it["event"] == "audit_lost"));
}

/// A store that holds everything up must not hold up the end, too.
#[test]
fn an_end_does_not_wait_for_a_store_that_takes_nothing() {
    let upstream = Upstream::ok();
    let (gateway, _) = started(&upstream, "");
    let holder = Holder::take(&gateway);
    work().header("X-Request-Id", "before-the-end").send_to(gateway.address());
    let folder = gateway.folder().path().to_owned();
    let ended = std::thread::spawn(move || gateway.stop());
    std::thread::park_timeout(Duration::from_millis(500));
    holder.let_go();
    let launch = ended.join().unwrap();
    assert!(folder.join("people.db").exists());
    let found = launch.beside("audit export").ran().succeeded();
    assert!(found.contains("before-the-end"), "{found}");
}
