//! A gateway that is killed in the middle of its work: every change that it acknowledged has its record, and the
//! chain is whole.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use portcullis_tests::{Accounts, Upstream, until};
use serde_json::json;

use super::{exported, started, work};

#[test]
fn what_was_acknowledged_is_in_a_whole_log_however_often_it_is_killed() {
    let upstream = Upstream::ok();
    let (mut gateway, mut accounts) = started(&upstream, "[auth.keys]\nmax_per_user = 10000\n");
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..10_u64 {
        let admin = gateway.user(&accounts, &format!("root{round}"), "admin");
        let (told, pid) = (Mutex::new(Vec::new()), gateway.pid());
        std::thread::scope(|scope| {
            for worker in 0..2 {
                let (told, admin) = (&told, &admin);
                scope.spawn(move || {
                    for number in 0.. {
                        let body =
                            json!({ "user": format!("root{round}"), "name": format!("{worker}-{number}") });
                        let request = accounts.post("/admin/keys", &body).bearer(&admin.access);
                        let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                            accounts.send(&request)
                        }));
                        let Ok(answer) = answer else { return };
                        if answer.status != 201 {
                            return;
                        }
                        told.lock().unwrap().push(answer.json()["id"].as_str().unwrap().to_owned());
                    }
                });
            }
            // Beside it, requests of the application, whose records are written in the same transactions.
            scope.spawn(move || {
                let send = || std::panic::catch_unwind(|| work().send_to(accounts.connection_address()));
                while send().is_ok() {}
            });
            let (busy, moment) = (Instant::now(), Duration::from_millis(150 + 41 * round));
            until("the moment", || (busy.elapsed() > moment).then_some(()));
            let killed =
                std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
            assert!(killed.success());
        });
        acknowledged.append(&mut told.into_inner().unwrap());
        gateway = gateway.kill().start();
        accounts = Accounts::of(&gateway);
        let verified = gateway.command("audit verify --json").ran().json();
        assert_eq!(verified["whole"], true, "round {round}: {verified}");
    }
    assert!(acknowledged.len() >= 20, "{}", acknowledged.len());
    let records = exported(&gateway);
    for id in &acknowledged {
        let made = records.iter().filter(|it| {
            it["event"] == "account_changed"
                && it["details"].as_str().is_some_and(|details| details.contains(id))
        });
        assert_eq!(made.count(), 1, "key {id} was acknowledged");
    }
}
