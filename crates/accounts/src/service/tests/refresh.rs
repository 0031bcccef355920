//! Going on with refresh tokens, and what becomes of one that is used twice.

use std::thread;

use portcullis_core::port::Users;

use super::*;

#[test]
fn a_refresh_token_gives_a_new_pair_once() {
    let house = House::new();
    house.register("alice");
    let first = house.login("alice", PASSWORD, NOW).unwrap();
    let second = house.accounts.refresh(&first.refresh, NOW + 1).unwrap();
    let third = house.accounts.refresh(&second.refresh, NOW + 2).unwrap();
    proven(house.bearer(&third.access.token, NOW + 2));
    proven(house.bearer(&first.access.token, NOW + 2));
    let reused = house.accounts.refresh(&first.refresh, NOW + 3).unwrap_err();
    assert!(matches!(&reused, AccountError::ReusedRefresh { user } if &**user == "alice"), "{reused:?}");
    // The thief and the robbed both start anew.
    for granted in [&first, &second, &third] {
        assert_eq!(house.bearer(&granted.access.token, NOW + 3), Judgement::Rejected);
        assert_eq!(code(house.accounts.refresh(&granted.refresh, NOW + 3)), "invalid-refresh");
    }
    let anew = house.login("alice", PASSWORD, NOW + 4).unwrap();
    proven(house.bearer(&anew.access.token, NOW + 4));
}

#[test]
fn of_two_at_once_one_wins_and_nobody_stays() {
    let house = House::new();
    house.register("alice");
    for round in 0..20 {
        let granted = house.login("alice", PASSWORD, NOW + round).unwrap();
        let outcomes: Vec<_> = thread::scope(|scope| {
            let both: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| house.accounts.refresh(&granted.refresh, NOW + round)))
                .collect();
            both.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert_eq!(house.bearer(&granted.access.token, NOW + round), Judgement::Rejected);
    }
}

#[test]
fn access_tokens_and_nonsense_are_no_refresh_tokens() {
    let house = House::new();
    house.register("alice");
    let granted = house.login("alice", PASSWORD, NOW).unwrap();
    for token in [granted.access.token.as_str(), "", "a.b.c", &granted.refresh[1..]] {
        assert_eq!(code(house.accounts.refresh(token, NOW)), "invalid-refresh", "{token}");
    }
    let week = 7 * 86_400_000;
    assert_eq!(code(house.accounts.refresh(&granted.refresh, NOW + week + 1000)), "invalid-refresh");
    house.accounts.refresh(&granted.refresh, NOW + week - 2000).unwrap();
}

#[test]
fn the_role_that_counts_is_the_one_of_now() {
    let house = House::new();
    let user = house.register("alice");
    let granted = house.login("alice", PASSWORD, NOW).unwrap();
    let before = proven(house.bearer(&granted.access.token, NOW));
    assert!(Arc::ptr_eq(&before, &proven(house.bearer(&granted.access.token, NOW))), "made once");
    house.accounts.set_role(user.id, "premium", NOW).unwrap();
    assert_eq!(proven(house.bearer(&granted.access.token, NOW)).role.as_deref(), Some("premium"));
    assert_eq!(proven(house.directory.still(&before, NOW)).role.as_deref(), Some("premium"));
    let next = house.accounts.refresh(&granted.refresh, NOW).unwrap();
    let claims = house.accounts.tokens().access(next.access.token.as_bytes(), NOW).unwrap();
    assert_eq!(&*claims.role, "premium");
}

#[test]
fn who_may_not_come_goes_on_with_nothing_not_even_later() {
    let house = House::new();
    let user = house.register("alice");
    let granted = house.login("alice", PASSWORD, NOW).unwrap();
    let identity = proven(house.bearer(&granted.access.token, NOW));
    house.accounts.set_active(user.id, false, NOW).unwrap();
    assert_eq!(house.bearer(&granted.access.token, NOW), Judgement::Rejected);
    assert_eq!(house.directory.still(&identity, NOW), Judgement::Rejected);
    assert_eq!(code(house.accounts.refresh(&granted.refresh, NOW)), "invalid-refresh");
    house.accounts.set_active(user.id, true, NOW).unwrap();
    assert_eq!(house.bearer(&granted.access.token, NOW), Judgement::Rejected);
    assert_eq!(code(house.accounts.refresh(&granted.refresh, NOW)), "invalid-refresh");
    house.login("alice", PASSWORD, NOW).unwrap();
    house.store.delete_user(user.id).unwrap();
    assert_eq!(code(house.login("alice", PASSWORD, NOW)), "invalid-login");
}
