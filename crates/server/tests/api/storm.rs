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
