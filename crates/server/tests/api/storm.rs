//! Many logins at once.

use std::io::Write as _;
use std::time::Instant;

use portcullis::api::Replies;
use portcullis_accounts::password::Argon2Cost;
use serde_json::json;

use super::harness::{Api, PASSWORD, Reply};

#[test]
fn a_storm_of_logins_is_refused_in_part_and_keeps_nobody_else_waiting() {
    // About as dear as in production, so that a queue forms.
    let api = Api::with(Replies::default(), Argon2Cost { memory_kib: 19_456, passes: 2, lanes: 1 });
    let bob = api.user("bob");
    let login =
        api.ask("POST", "/auth/login").json(&json!({ "username": "bob", "password": PASSWORD })).bytes();
    let mut waiting: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = api.connect();
            stream.write_all(&login).unwrap();
            stream
        })
        .collect();
    // Meanwhile, what needs no hash is answered beside them.
    let begun = Instant::now();
    assert_eq!(api.get(&bob, "/auth/profile").status, 200);
    let beside = begun.elapsed();
    let replies: Vec<Reply> = waiting.iter_mut().map(Reply::read).collect();
    let whole = begun.elapsed();
    let admitted = replies.iter().filter(|reply| reply.status == 200).count();
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status != 200).collect();
    assert_eq!(admitted + refused.len(), 200);
    assert!((64..200).contains(&admitted), "{admitted} were admitted");
    for reply in refused {
        assert_eq!(reply.refusal(), (503, "too-busy".to_owned()));
        assert!(reply.field("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    }
    assert!(beside * 4 < whole, "{beside:?} beside {whole:?}");
}

#[test]
fn an_act_is_recorded_although_who_asked_has_hung_up() {
    let api = Api::with(Replies::default(), Argon2Cost { memory_kib: 19_456, passes: 2, lanes: 1 });
    api.user("bob");
    api.events();
    let login =
        api.ask("POST", "/auth/login").json(&json!({ "username": "bob", "password": PASSWORD })).bytes();
    let begun = Instant::now();
    let mut seen = Vec::new();
    // The first of these is taken up at once; one that still waits when its client goes may be left undone.
    while seen.is_empty() {
        assert!(begun.elapsed().as_secs() < 30, "no event came");
        let mut stream = api.connect();
        stream.write_all(&login).unwrap();
        let pause = Instant::now() + std::time::Duration::from_millis(5);
        while Instant::now() < pause {
            std::thread::yield_now();
        }
        drop(stream);
        let patience = Instant::now() + std::time::Duration::from_secs(2);
        while seen.is_empty() && Instant::now() < patience {
            seen = api.events();
            std::thread::yield_now();
        }
    }
    assert_eq!(seen, ["auth_attempt true login bob user bob"]);
}
