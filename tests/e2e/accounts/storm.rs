//! Two hundred logins at once: what is too much is sent away with a word when to come again, and nobody else waits.

use std::time::{Duration, Instant};

use portcullis_tests::{Accounts, Connection, PASSWORD, Upstream};

use serde_json::json;

use super::{started, work};

#[test]
fn a_storm_of_logins_holds_up_nobody_else() {
    let upstream = Upstream::ok();
    // No lockout that would turn them away before.
    let more = "[auth.lockout]\nattempts = 10000\n";
    let (gateway, accounts) = started(&upstream, more);
    let began = Instant::now();
    let login = accounts.newcomer("alice");
    // A registration and a login: two hashes.
    let hash = began.elapsed() / 2;
    let address = gateway.address();
    let mut connection = Connection::open(address);
    let storm: Vec<_> = (0..200)
        .map(|number| {
            let login = accounts.post("/auth/login", &json!({ "username": "alice", "password": PASSWORD }));
            std::thread::spawn(move || {
                // Each from an address of its own: one alone may not try so often.
                let answer = login.send_from(&format!("127.0.1.{}", number + 1), address);
                (answer.status, answer.field("retry-after").map(str::to_owned))
            })
        })
        .collect();
    let mut times: Vec<Duration> = Vec::new();
    while !storm.iter().all(std::thread::JoinHandle::is_finished) || times.len() < 200 {
        let asked = Instant::now();
        assert_eq!(work().bearer(&login.access).on(&mut connection).status, 200);
        times.push(asked.elapsed());
        // As one client among others: it takes not all the time there is from those who hash.
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let answers: Vec<_> = storm.into_iter().map(|one| one.join().unwrap()).collect();
    let of = |status: u16| answers.iter().filter(|answer| answer.0 == status).count();
    assert!(of(200) > 0 && of(503) > 0 && of(200) + of(503) == 200, "{} in, {} sent away", of(200), of(503));
    assert!(
        answers.iter().filter(|answer| answer.0 == 503).all(|answer| answer.1.is_some()),
        "no word when to come"
    );
    times.sort_unstable();
    let slow = times[times.len() * 99 / 100];
    println!("{} requests beside 200 logins: 99 % within {slow:?}; a hash takes {hash:?}", times.len());
    assert!(
        slow < hash.max(Duration::from_millis(100)),
        "99 % within {slow:?}: they wait for hashes of {hash:?}"
    );
    let again = Accounts::of(&gateway).try_login("alice", PASSWORD);
    assert_eq!(again.status, 200, "the storm is over");
}
