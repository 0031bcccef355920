//! What an administrator does, and what is done now and then.

use portcullis_core::port::{Attempts, ChangeLog, Families, Keys, Sessions, Users};

use super::*;
use crate::service::{Binding, Maintained, NewKey, PatchUser};

#[test]
fn an_administrator_makes_and_changes_users() {
    let house = House::new();
    let user = house.accounts.add_user("root", Some("r@example.com"), "admin", Some(PASSWORD), NOW).unwrap();
    assert_eq!(code(house.accounts.add_user("other", None, "emperor", None, NOW)), "unknown-role");
    assert_eq!(code(house.accounts.add_user("other", None, "free", Some("weak"), NOW)), "weak-password");
    assert_eq!(house.accounts.find_user("ROOT").unwrap(), user);
    assert_eq!(house.accounts.find_user(&user.id.to_string()).unwrap(), user);
    assert_eq!(code(house.accounts.find_user("nobody")), "not-found");
    let patch = PatchUser {
        role: Some("premium".to_owned()),
        active: Some(false),
        email: Some(Some("new@example.com".to_owned())),
    };
    let patched = house.accounts.patch_user(user.id, &patch, NOW).unwrap();
    assert_eq!((patched.role.as_str(), patched.active), ("premium", false));
    assert_eq!(patched.email.as_deref(), Some("new@example.com"));
    let wrong = PatchUser { active: Some(true), email: Some(Some("no".to_owned())), ..PatchUser::default() };
    assert_eq!(code(house.accounts.patch_user(user.id, &wrong, NOW)), "invalid-email");
    assert!(!house.accounts.profile(user.id).unwrap().active, "nothing of it was done");
    assert_eq!(code(house.accounts.set_role(nobody(), "free", NOW)), "not-found");
    house.register("alice");
    let names: Vec<_> =
        house.accounts.list_users(None, 10).unwrap().into_iter().map(|user| user.name).collect();
    assert_eq!(names, ["alice", "root"]);
    assert_eq!(house.accounts.list_users(Some("alice"), 10).unwrap().len(), 1);
}

#[test]
fn a_password_is_reset_without_the_old_one() {
    let house = House::new();
    let user = house.register("alice");
    let granted = house.login("alice", PASSWORD, NOW).unwrap();
    house.accounts.reset_password(user.id, "Another-Harbour-47-lantern", NOW + 1).unwrap();
    assert_eq!(house.bearer(&granted.access.token, NOW + 1), Judgement::Rejected);
    assert_eq!(code(house.login("alice", PASSWORD, NOW + 1)), "invalid-login");
    house.login("alice", "Another-Harbour-47-lantern", NOW + 1).unwrap();
}

#[test]
fn who_is_removed_is_gone_with_everything() {
    let house = House::new();
    let (alice, bob) = (house.register("alice"), house.register("bobby"));
    let key = |user: &User| {
        let new = NewKey { name: "ci".to_owned(), ..NewKey::default() };
        house.accounts.create_key(user.id, new, NOW).unwrap().0
    };
    let (hers, his) = (key(&alice), key(&bob));
    let granted = house.login("alice", PASSWORD, NOW).unwrap();
    let device = house.accounts.start_device("phone", NOW).unwrap();
    let binding = Binding::Device { id: device.id, secret: &device.secret };
    house.accounts.create_session(alice.id, binding, "", NOW).unwrap();
    assert_eq!(house.directory.sizes(), (2, 2, 1));
    house.accounts.delete_user(alice.id, NOW).unwrap();
    assert_eq!(house.directory.sizes(), (1, 1, 0));
    assert_eq!(house.bearer(&granted.access.token, NOW), Judgement::Rejected);
    assert_eq!(house.directory.api_key(hers.as_bytes(), NOW), Judgement::Rejected);
    assert_eq!(house.directory.device(device.id.to_string().as_bytes()), None);
    proven(house.directory.api_key(his.as_bytes(), NOW));
    assert_eq!(code(house.accounts.delete_user(alice.id, NOW)), "not-found");
    // The name is free, and a new user under it is another.
    house.register("alice");
    assert_eq!(house.directory.api_key(hers.as_bytes(), NOW), Judgement::Rejected);
}

#[test]
fn revoking_all_ends_everything_of_one_user() {
    let house = House::new();
    let (alice, _) = (house.register("alice"), house.register("bobby"));
    let hers = house.login("alice", PASSWORD, NOW).unwrap();
    let his = house.login("bobby", PASSWORD, NOW).unwrap();
    let waiting = house.accounts.create_session(alice.id, Binding::Browser, "", NOW).unwrap();
    house.accounts.revoke_all(alice.id, NOW + 1).unwrap();
    assert_eq!(house.bearer(&hers.access.token, NOW + 1), Judgement::Rejected);
    assert_eq!(house.directory.session(waiting.secret.as_bytes(), None, NOW + 1), Judgement::Rejected);
    proven(house.bearer(&his.access.token, NOW + 1));
    let anew = house.login("alice", PASSWORD, NOW + 1).unwrap();
    proven(house.bearer(&anew.access.token, NOW + 1));
}

#[test]
fn what_has_ended_is_removed_and_said_in_short() {
    let house = House::new();
    let user = house.register("alice");
    house.accounts.totp_enroll(user.id).unwrap();
    let idle = house.accounts.create_session(user.id, Binding::Browser, "", NOW).unwrap();
    let used = house.accounts.create_session(user.id, Binding::Browser, "", NOW).unwrap();
    let device = house.accounts.start_device("phone", NOW).unwrap();
    let attempt = portcullis_core::port::Attempt {
        id: Id::fresh(5, 0xabcd_ef01),
        digest: [1; 32],
        user: user.id,
        created_ms: NOW,
        expires_ms: NOW + 300_000,
        failures: 0,
    };
    house.store.create_attempt(&attempt).unwrap();
    proven(house.directory.session(used.secret.as_bytes(), None, NOW + 1_900_000));
    let done = house.accounts.maintain(NOW + 3_600_000).unwrap();
    assert_eq!((&done.sessions[..], &done.attempts[..]), (&[idle.session.id][..], &[attempt.id][..]));
    assert_eq!(done.devices, [device.id]);
    let lines: Vec<_> = done.ended().chain(done.given_up()).collect();
    assert_eq!(lines[0], format!("Cleaned up expired session: {}", idle.session.id.short()));
    assert_eq!(lines[1], "Cleaned up expired auth attempt: abcdef01");
    assert_eq!(lines.len(), 3);
    assert!(
        house.store.session(used.session.id).unwrap().is_some(),
        "it was used, and that was noted in time"
    );
    assert_eq!(house.directory.sizes().2, 1);
    assert_eq!(house.accounts.maintain(NOW + 3_600_000).unwrap(), Maintained::default());
}

#[test]
fn an_ended_login_is_remembered_as_long_as_its_tokens_live() {
    let house = House::new();
    house.register("alice");
    let granted = house.login("alice", PASSWORD, NOW).unwrap();
    let claims = house.accounts.tokens().access(granted.access.token.as_bytes(), NOW).unwrap();
    house.accounts.logout(claims.family, NOW).unwrap();
    house.accounts.maintain(NOW + 1_800_000).unwrap();
    assert_eq!(house.directory.bearer(&claims, NOW + 1_700_000), Judgement::Rejected);
    assert_eq!(house.directory.bearer(&claims, NOW + 1_800_000), Judgement::Expired);
    house.accounts.maintain(NOW + 9 * 86_400_000).unwrap();
    assert!(house.store.family(claims.family).unwrap().is_none());
    assert_eq!(house.store.keys(None, 10).unwrap().len(), 0);
    assert!(house.store.last_change().unwrap() > 0);
    assert_eq!(house.store.count_users().unwrap(), 1);
}
