//! Refresh tokens: each is good once, and one that is used twice ends everything that came of its login.

use portcullis_tests::{Login, Upstream, until};

use super::{assert_refused, started, work};

#[test]
fn a_refresh_token_that_is_used_twice_ends_its_whole_family_at_once() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let stolen = accounts.newcomer("alice");
    let other = accounts.login("alice");
    let second = Login::of(&accounts.refresh(&stolen.refresh));
    let third = Login::of(&accounts.refresh(&second.refresh));
    for login in [&stolen, &second, &third, &other] {
        assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 200);
    }
    let answer = accounts.refresh(&stolen.refresh);
    assert_eq!(answer.status, 401, "{}", answer.text());
    // Not the thief's and not the victim's goes on; the other login of the same user does.
    for login in [&stolen, &second, &third] {
        assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 401);
    }
    assert_eq!(accounts.refresh(&third.refresh).status, 401);
    assert_eq!(work().bearer(&other.access).send_to(gateway.address()).status, 200);
    Login::of(&accounts.refresh(&other.refresh));
    gateway.wait_for_log(&["reused-refresh", "401"]);
}

#[test]
fn of_many_who_present_the_same_one_at_once_one_is_served() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let all: Vec<_> = (0..8)
        .map(|_| {
            let token = login.refresh.clone();
            std::thread::spawn(move || accounts.refresh(&token))
        })
        .collect();
    let answers: Vec<_> = all.into_iter().map(|one| one.join().unwrap()).collect();
    let served: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(served.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 401)));
    // Seven of the eight were thieves: the login is over.
    let pair = Login::of(served[0]);
    until("the end of the family", || (accounts.refresh(&pair.refresh).status == 401).then_some(()));
}

#[test]
fn a_rotation_that_was_acknowledged_is_known_after_a_restart() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let first = accounts.newcomer("alice");
    let second = Login::of(&accounts.refresh(&first.refresh));
    let gateway = gateway.kill().start();
    let accounts = portcullis_tests::Accounts::of(&gateway);
    assert_eq!(work().bearer(&second.access).send_to(gateway.address()).status, 200);
    let third = Login::of(&accounts.refresh(&second.refresh));
    assert_eq!(accounts.refresh(&first.refresh).status, 401);
    assert_eq!(accounts.refresh(&third.refresh).status, 401);
}

#[test]
fn what_is_no_refresh_token_is_refused_without_a_word_of_why() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let answers = [&login.access[..], "a.b.c", "garbage"].map(|token| accounts.refresh(token));
    for answer in &answers {
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert_eq!(answer.json()["detail"], answers[0].json()["detail"]);
    }
    assert_refused(&accounts.refresh(""), 422, "invalid-request");
    Login::of(&accounts.refresh(&login.refresh));
}
