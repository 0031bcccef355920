//! API keys: what they may do, how long, and what becomes of them.

use portcullis_core::Upgrade;
use portcullis_core::port::{ApiKey, Keys, UserChange, Users};
use portcullis_core::route::CanonicalPath;

use super::*;
use crate::service::NewKey;

fn named(name: &str) -> NewKey {
    NewKey { name: name.to_owned(), ..NewKey::default() }
}

fn scoped(scopes: &[&str]) -> NewKey {
    NewKey { scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(), ..named("scoped") }
}

fn judged(house: &House, key: &str, now_ms: i64) -> Judgement {
    house.agrees_with_a_fresh_directory(|directory| directory.api_key(key.as_bytes(), now_ms))
}

#[test]
fn a_key_is_its_users_until_it_is_revoked() {
    let house = House::new();
    let user = house.register("alice");
    let (key, made) = house.accounts.create_key(user.id, named(" ci "), NOW).unwrap();
    let identity = proven(judged(&house, &key, NOW));
    assert_eq!(
        (&*identity.user, identity.role.as_deref(), identity.id),
        ("alice", Some("free"), Some(user.id))
    );
    assert_eq!((&*identity.credential, &identity.grant), (&*made.id.to_string(), &None));
    assert!(Arc::ptr_eq(&identity, &proven(judged(&house, &key, NOW))), "made once");
    assert_eq!(made.name, "ci");
    assert!(key.starts_with(&made.prefix) && !format!("{made:?}").contains(&key));
    let epoch = house.directory.epoch();
    house.accounts.revoke_key(Some(user.id), made.id, NOW).unwrap();
    assert!(house.directory.epoch() > epoch);
    assert_eq!(judged(&house, &key, NOW), Judgement::Rejected);
    assert_eq!(house.directory.still(&identity, NOW), Judgement::Rejected);
    assert_eq!(house.accounts.keys_of(user.id).unwrap()[0].revoked_ms, Some(NOW));
}

#[test]
fn nobody_touches_the_keys_of_others() {
    let house = House::new();
    let (alice, bob) = (house.register("alice"), house.register("bobby"));
    let (key, made) = house.accounts.create_key(alice.id, named("ci"), NOW).unwrap();
    assert_eq!(code(house.accounts.revoke_key(Some(bob.id), made.id, NOW)), "not-found");
    assert_eq!(code(house.accounts.rotate_key(Some(bob.id), made.id, 0, NOW)), "not-found");
    assert_eq!(code(house.accounts.revoke_key(Some(bob.id), nobody(), NOW)), "not-found");
    proven(judged(&house, &key, NOW));
    house.accounts.revoke_key(None, made.id, NOW).unwrap();
    assert_eq!(judged(&house, &key, NOW), Judgement::Rejected);
}

#[test]
fn a_key_ends_by_itself() {
    let house = House::new();
    let user = house.register("alice");
    let new = NewKey { expires_ms: Some(NOW + 1000), ..named("ci") };
    let (key, _) = house.accounts.create_key(user.id, new, NOW).unwrap();
    proven(judged(&house, &key, NOW + 999));
    assert_eq!(house.directory.api_key(key.as_bytes(), NOW + 1000), Judgement::Expired);
    let past = NewKey { expires_ms: Some(NOW), ..named("ci") };
    assert_eq!(code(house.accounts.create_key(user.id, past, NOW)), "invalid-key");
    let lasting = House::with(AccountSettings { key_ttl_ms: Some(5000), ..settings(CHEAP) });
    let user = lasting.register("alice");
    let (_, made) = lasting.accounts.create_key(user.id, named("ci"), NOW).unwrap();
    assert_eq!(made.expires_ms, Some(NOW + 5000));
}

#[test]
fn an_expired_key_counts_for_nothing_and_is_forgotten_after_a_day() {
    let house = House::new();
    let user = house.register("alice");
    for _ in 0..3 {
        let new = NewKey { expires_ms: Some(NOW + 1000), ..named("ci") };
        house.accounts.create_key(user.id, new, NOW).unwrap();
    }
    assert_eq!(code(house.accounts.create_key(user.id, named("ci"), NOW)), "too-many-keys");
    house.accounts.create_key(user.id, named("ci"), NOW + 1000).unwrap();
    house.directory.forget_ended(NOW + 86_400_999);
    assert_eq!(house.directory.sizes(), (1, 4, 0));
    house.directory.forget_ended(NOW + 86_401_000);
    assert_eq!(house.directory.sizes(), (1, 1, 0));
}

#[test]
fn scopes_and_bindings_limit_a_key() {
    let house = House::new();
    let user = house.register("alice");
    let new = NewKey {
        bindings: vec![("account".to_owned(), "primary".to_owned())],
        ..scoped(&["POST /live/ingest", "GET /runs/{*rest}"])
    };
    let (key, _) = house.accounts.create_key(user.id, new, NOW).unwrap();
    let grant = proven(judged(&house, &key, NOW)).grant.clone().unwrap();
    let allows =
        |method: &str, path: &str| grant.allows(method, &CanonicalPath::parse(path).unwrap(), Upgrade::None);
    assert!(allows("POST", "/live/ingest") && allows("GET", "/runs/7/log") && !allows("GET", "/live/ingest"));
    assert!(grant.binds("account", "primary") && !grant.binds("account", "other"));
    for wrong in [&["live/ingest"][..], &["GET"], &[""], &["GET /a", "GET /a"], &["get /a"]] {
        assert_eq!(
            code(house.accounts.create_key(user.id, scoped(wrong), NOW)),
            "invalid-scope",
            "{wrong:?}"
        );
    }
    let many = vec!["/a"; 65];
    assert_eq!(code(house.accounts.create_key(user.id, scoped(&many), NOW)), "invalid-key");
}

#[test]
fn a_key_whose_scopes_cannot_be_read_is_for_nothing() {
    let house = House::new();
    let user = house.register("alice");
    let (key, made) = house.accounts.create_key(user.id, named("ci"), NOW).unwrap();
    proven(judged(&house, &key, NOW));
    let broken = ApiKey { scopes: vec!["no pattern".to_owned()], ..made };
    house.store.create_keys(&[broken]).unwrap();
    house.directory.follow(&*house.store, NOW).unwrap();
    assert_eq!(judged(&house, &key, NOW), Judgement::Rejected);
}

#[test]
fn a_role_of_its_own_is_never_more_than_its_users_now() {
    let house = House::new();
    let user = house.accounts.add_user("alice", None, "premium", None, NOW).unwrap();
    let with_role = |role: &str| NewKey { role: Some(role.to_owned()), ..named("ci") };
    assert_eq!(code(house.accounts.create_key(user.id, with_role("admin"), NOW)), "role-not-allowed");
    assert_eq!(code(house.accounts.create_key(user.id, with_role("root"), NOW)), "unknown-role");
    let (free, _) = house.accounts.create_key(user.id, with_role("free"), NOW).unwrap();
    let (same, _) = house.accounts.create_key(user.id, with_role("premium"), NOW).unwrap();
    let role = |key: &str| proven(judged(&house, key, NOW)).role.as_deref().map(str::to_owned);
    assert_eq!((role(&free).as_deref(), role(&same).as_deref()), (Some("free"), Some("premium")));
    house.accounts.set_role(user.id, "free", NOW).unwrap();
    assert_eq!((role(&free).as_deref(), role(&same).as_deref()), (Some("free"), Some("free")));
    house.accounts.set_role(user.id, "admin", NOW).unwrap();
    assert_eq!((role(&free).as_deref(), role(&same).as_deref()), (Some("free"), Some("premium")));
}

#[test]
fn rotation_lets_both_live_for_a_while() {
    let house = House::new();
    let user = house.register("alice");
    let limited = NewKey { expires_ms: Some(NOW + 100_000), ..scoped(&["GET /a"]) };
    let (old_key, old) = house.accounts.create_key(user.id, limited, NOW).unwrap();
    let (new_key, new) = house.accounts.rotate_key(Some(user.id), old.id, 5000, NOW + 10).unwrap();
    assert_eq!((&new.name, &new.scopes, new.expires_ms), (&old.name, &old.scopes, Some(NOW + 100_010)));
    proven(house.directory.api_key(old_key.as_bytes(), NOW + 5009));
    assert_eq!(house.directory.api_key(old_key.as_bytes(), NOW + 5010), Judgement::Expired);
    proven(house.directory.api_key(new_key.as_bytes(), NOW + 5010));
    let again = house.accounts.rotate_key(Some(user.id), old.id, 5000, NOW + 10);
    assert_eq!(code(again), "invalid-key", "it is being replaced");
    let kept = house.store.key(old.id).unwrap().unwrap();
    assert_eq!((kept.replaced_by, kept.expires_ms), (Some(new.id), Some(NOW + 5010)));
    let (newest_key, _) = house.accounts.rotate_key(None, new.id, 0, NOW + 20).unwrap();
    assert_eq!(house.directory.api_key(new_key.as_bytes(), NOW + 20), Judgement::Expired);
    proven(house.directory.api_key(newest_key.as_bytes(), NOW + 20));
}

#[test]
fn rotation_is_no_way_to_a_hundred_keys_or_to_one_without_an_end() {
    let house = House::new();
    let user = house.register("alice");
    let (_, mut last) = house.accounts.create_key(user.id, named("ci"), NOW).unwrap();
    let mut rotations = 0;
    let refused = loop {
        match house.accounts.rotate_key(Some(user.id), last.id, i64::MAX, NOW) {
            Ok((_, next)) => last = next,
            Err(error) => break error,
        }
        rotations += 1;
        assert!(rotations < 100);
    };
    assert_eq!((refused.code(), rotations), ("too-many-keys", 5));
    let ends = house.accounts.keys_of(user.id).unwrap();
    assert_eq!(ends.iter().filter(|key| key.expires_ms == Some(NOW + 90 * 86_400_000)).count(), 5);
}

#[test]
fn only_a_live_user_comes_by_key_and_a_new_password_ends_none() {
    let house = House::new();
    let user = house.register("alice");
    let (key, _) = house.accounts.create_key(user.id, named("ci"), NOW).unwrap();
    house.accounts.reset_password(user.id, "Another-Harbour-47-lantern", NOW + 1).unwrap();
    proven(judged(&house, &key, NOW + 1));
    house.accounts.set_active(user.id, false, NOW + 2).unwrap();
    assert_eq!(judged(&house, &key, NOW + 2), Judgement::Rejected);
    house.accounts.set_active(user.id, true, NOW + 3).unwrap();
    proven(judged(&house, &key, NOW + 3));
    house.accounts.revoke_all(user.id, NOW + 4).unwrap();
    assert_eq!(judged(&house, &key, NOW + 4), Judgement::Rejected);
}

#[test]
fn what_no_key_can_be_is_refused() {
    let house = House::new();
    let user = house.register("alice");
    let (key, _) = house.accounts.create_key(user.id, named("ci"), NOW).unwrap();
    let changed = format!("{}{}", &key[..key.len() - 1], if key.ends_with('A') { 'B' } else { 'A' });
    let other = crate::key::fresh("pk_").unwrap().key;
    for wrong in ["", "pk_", &changed, &other, &key[1..], &format!("{key} "), &"x".repeat(100_000)] {
        assert_eq!(house.directory.api_key(wrong.as_bytes(), NOW), Judgement::Rejected);
    }
    assert_eq!(code(house.accounts.create_key(nobody(), named("ci"), NOW)), "not-found");
    for name in ["", "  ", "a\nb", &"x".repeat(101)] {
        assert_eq!(code(house.accounts.create_key(user.id, named(name), NOW)), "invalid-key", "{name:?}");
    }
    // Keys made under another prefix go on.
    house.directory.replace_settings(DirectorySettings { key_prefix: "ech_".into(), ..Default::default() });
    proven(house.directory.api_key(key.as_bytes(), NOW));
}

#[test]
fn its_last_use_reaches_the_store() {
    let house = House::new();
    let user = house.register("alice");
    let (key, made) = house.accounts.create_key(user.id, named("ci"), NOW).unwrap();
    for at in 0..10 {
        proven(house.directory.api_key(key.as_bytes(), NOW + at * 1000));
    }
    house.accounts.note_uses().unwrap();
    assert_eq!(house.store.key(made.id).unwrap().unwrap().last_used_ms, Some(NOW));
    proven(house.directory.api_key(key.as_bytes(), NOW + 61_000));
    house.accounts.note_uses().unwrap();
    assert_eq!(house.store.key(made.id).unwrap().unwrap().last_used_ms, Some(NOW + 61_000));
    assert!(house.directory.used_keys().is_empty());
}

#[test]
fn a_change_made_elsewhere_arrives_by_the_log() {
    let house = House::new();
    let user = house.register("alice");
    let (key, made) = house.accounts.create_key(user.id, named("ci"), NOW).unwrap();
    house.store.change_user(user.id, &UserChange::Role("premium".to_owned())).unwrap();
    assert_eq!(proven(house.directory.api_key(key.as_bytes(), NOW)).role.as_deref(), Some("free"));
    assert_eq!(proven(judged_after_following(&house, &key)).role.as_deref(), Some("premium"));
    house.store.revoke_key(made.id, NOW).unwrap();
    assert_eq!(judged_after_following(&house, &key), Judgement::Rejected);
}

fn judged_after_following(house: &House, key: &str) -> Judgement {
    house.directory.follow(&*house.store, NOW).unwrap();
    house.directory.api_key(key.as_bytes(), NOW)
}
