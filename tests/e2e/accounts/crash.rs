//! A gateway that is killed in the middle of its work: what it acknowledged is there.

use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_tests::{Accounts, Gateway, Login, Upstream};
use serde_json::json;

use super::{started, work};

/// What was acknowledged before the end.
#[derive(Default)]
struct Acknowledged {
    users: Vec<String>,
    keys: Vec<String>,
    revoked: Vec<String>,
    refresh: Option<String>,
    used: Vec<String>,
}

/// Works until the gateway is gone.
fn toil(gateway: &Gateway, accounts: Accounts, round: usize) -> Acknowledged {
    let admin = gateway.user(&accounts, &format!("root{round}"), "admin");
    let (stop, pid) = (AtomicBool::new(false), gateway.pid());
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let mut done = Acknowledged { refresh: Some(admin.refresh.clone()), ..Acknowledged::default() };
            let (mut login, mut number) = (admin.clone(), 0_usize);
            while !stop.load(Ordering::SeqCst) {
                number += 1;
                let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    one(&accounts, &mut login, &mut done, round, number);
                }));
                if told.is_err() {
                    break;
                }
            }
            done
        });
        // At another moment of the work in each round.
        let busy = std::time::Instant::now();
        let moment = std::time::Duration::from_millis(120 + 37 * round as u64);
        portcullis_tests::until("the moment", || (busy.elapsed() > moment).then_some(()));
        let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
        assert!(killed.success());
        stop.store(true, Ordering::SeqCst);
        work.join().unwrap()
    })
}

/// One turn of making, revoking and refreshing; it fails where the gateway no longer answers.
fn one(accounts: &Accounts, login: &mut Login, done: &mut Acknowledged, round: usize, number: usize) {
    // One address alone may not do so much.
    let elsewhere = accounts.from(number);
    let name = format!("user-{round}-{number}");
    let body = json!({ "user": format!("root{round}"), "name": name });
    let made = accounts.done(&accounts.post("/admin/keys", &body).bearer(&login.access));
    let (key, id) = (made["api_key"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned());
    if number.is_multiple_of(2) {
        let revoke = accounts.delete(&format!("/admin/keys/{id}")).bearer(&login.access);
        if accounts.send(&revoke).status < 300 {
            done.revoked.push(key);
        }
    } else {
        done.keys.push(key);
    }
    if number.is_multiple_of(3) {
        // Whether it was taken is not known until the answer is there.
        let old = done.refresh.take().unwrap();
        *login = Login::of(&elsewhere.refresh(&old));
        done.used.push(old);
        done.refresh = Some(login.refresh.clone());
    }
    if number.is_multiple_of(5) {
        elsewhere.register(&name);
        done.users.push(name);
    }
}

#[test]
fn what_was_acknowledged_is_there_however_often_it_is_killed() {
    let upstream = Upstream::ok();
    let more =
        "[limiter]\nenabled = false\n[auth.passwords]\nmin_score = 0\n[auth.keys]\nmax_per_user = 10000\n";
    let (mut gateway, mut accounts) = started(&upstream, more);
    let mut all = Acknowledged::default();
    for round in 0..8 {
        let mut done = toil(&gateway, accounts, round);
        gateway = gateway.kill().start();
        accounts = Accounts::of(&gateway);
        // Of each round the last token that was given is good, unless the end came while it was being exchanged.
        if let Some(refresh) = done.refresh.take() {
            let pair = Login::of(&accounts.refresh(&refresh));
            assert_eq!(work().bearer(&pair.access).send_to(gateway.address()).status, 200);
        }
        all.users.append(&mut done.users);
        all.keys.append(&mut done.keys);
        all.revoked.append(&mut done.revoked);
        all.used.append(&mut done.used);
    }
    let status = |key: &String| work().header("X-API-Key", key).send_to(gateway.address()).status;
    assert!(all.keys.len() >= 8 && all.revoked.len() >= 4, "{} and {}", all.keys.len(), all.revoked.len());
    for key in &all.keys {
        assert_eq!(status(key), 200);
    }
    let users = gateway.command("users list --json").ran().json().to_string();
    for user in &all.users {
        assert!(users.contains(&format!("\"{user}\"")), "{user} was acknowledged and is gone");
    }
    // Wrong ones count against this address: as many as show it.
    for key in all.revoked.iter().rev().take(12) {
        assert_eq!(status(key), 401, "a revocation was acknowledged and is gone");
    }
    for old in all.used.iter().rev().take(5) {
        assert_eq!(accounts.refresh(old).status, 401, "a rotation was acknowledged and is gone");
    }
}
