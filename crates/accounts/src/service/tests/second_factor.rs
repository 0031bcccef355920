//! The second factor: asked for when it was confirmed, each code good once, guessing ends.

use portcullis_core::Secret;
use portcullis_core::port::{Attempts, Users};

use super::*;

const STEP_MS: i64 = 30_000;

/// The code of the authenticator at that moment, by RFC 6238 as another implementation has it.
fn code_at(house: &House, user: Id, now_ms: i64) -> String {
    let secret = house.store.account(user).unwrap().unwrap().totp.unwrap().secret;
    code_of(&secret, now_ms)
}

fn code_of(secret: &Secret, now_ms: i64) -> String {
    use aws_lc_rs::hmac;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose());
    let mac = hmac::sign(&key, &(now_ms / STEP_MS).to_be_bytes());
    let mac = mac.as_ref();
    let at = usize::from(mac[19] & 15);
    let number = u32::from_be_bytes(mac[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// Somebody with a confirmed second factor, and the recovery codes.
fn enrolled(house: &House) -> (User, Vec<String>) {
    let user = house.register("alice");
    house.accounts.totp_enroll(user.id).unwrap();
    let codes = house.accounts.totp_confirm(user.id, &code_at(house, user.id, NOW), NOW).unwrap();
    (user, codes)
}

fn with_code(house: &House, code: &str, now_ms: i64) -> Result<Granted, AccountError> {
    house.accounts.login("alice", PASSWORD, Some(code), HERE, now_ms)
}

fn attempt(house: &House, now_ms: i64) -> String {
    match house.login("alice", PASSWORD, now_ms) {
        Err(AccountError::TotpRequired { attempt, expires_in_s: 300 }) => attempt,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_is_asked_for_from_its_confirmation_on() {
    let house = House::new();
    let user = house.register("alice");
    let told = house.accounts.totp_enroll(user.id).unwrap();
    assert!(told.uri.starts_with("otpauth://totp/House:alice?") && told.uri.contains(&told.secret));
    house.login("alice", PASSWORD, NOW).unwrap();
    assert_eq!(code(house.accounts.totp_confirm(user.id, "000000", NOW - 10 * STEP_MS)), "totp-invalid");
    let codes = house.accounts.totp_confirm(user.id, &code_at(&house, user.id, NOW), NOW).unwrap();
    assert_eq!(codes.len(), 10);
    let required = house.login("alice", PASSWORD, NOW).unwrap_err();
    assert_eq!((required.code(), required.status()), ("totp-required", 401));
    assert_eq!(code(house.login("alice", "wrong", NOW)), "invalid-login", "the password comes first");
    assert_eq!(code(house.accounts.totp_enroll(user.id)), "totp-exists");
    assert_eq!(code(house.accounts.totp_confirm(user.id, "1", NOW)), "totp-exists");
}

#[test]
fn a_code_is_good_once_and_so_is_every_older_one() {
    let house = House::new();
    let (user, _) = enrolled(&house);
    let now_ms = NOW + 3 * STEP_MS;
    let (before, present) = (code_at(&house, user.id, now_ms - STEP_MS), code_at(&house, user.id, now_ms));
    assert_eq!(
        code(with_code(&house, &code_at(&house, user.id, NOW), NOW)),
        "totp-invalid",
        "it was confirmed by"
    );
    with_code(&house, &present, now_ms).unwrap();
    assert_eq!(code(with_code(&house, &present, now_ms)), "totp-invalid");
    assert_eq!(code(with_code(&house, &before, now_ms)), "totp-invalid");
    with_code(&house, &code_at(&house, user.id, now_ms + STEP_MS), now_ms + STEP_MS).unwrap();
}

#[test]
fn a_recovery_code_is_good_once_and_leaves_the_others() {
    let house = House::new();
    let (_, codes) = enrolled(&house);
    with_code(&house, &codes[0], NOW).unwrap();
    assert_eq!(code(with_code(&house, &codes[0], NOW)), "totp-invalid");
    with_code(&house, &codes[1].to_uppercase().replace('-', " "), NOW).unwrap();
    let granted = house.accounts.login_totp(&attempt(&house, NOW), &codes[2], HERE, NOW).unwrap();
    proven(house.bearer(&granted.access.token, NOW));
}

#[test]
fn a_login_that_waits_is_completed_once_and_in_time() {
    let house = House::new();
    let (user, _) = enrolled(&house);
    let now_ms = NOW + 2 * STEP_MS;
    let waiting = attempt(&house, now_ms);
    let present = code_at(&house, user.id, now_ms);
    house.accounts.login_totp(&waiting, &present, HERE, now_ms).unwrap();
    let next_ms = now_ms + 2 * STEP_MS;
    let next = code_at(&house, user.id, next_ms);
    assert_eq!(code(house.accounts.login_totp(&waiting, &next, HERE, next_ms)), "totp-invalid");
    let late = attempt(&house, next_ms);
    let after_ms = next_ms + 300_000;
    let right = code_at(&house, user.id, after_ms);
    assert_eq!(code(house.accounts.login_totp(&late, &right, HERE, after_ms)), "totp-invalid");
    assert_eq!(code(house.accounts.login_totp("made up", &right, HERE, after_ms)), "totp-invalid");
}

#[test]
fn wrong_codes_end_the_login_that_waits_and_lock_the_name_out() {
    let house = House::new();
    let (user, _) = enrolled(&house);
    let now_ms = NOW + 2 * STEP_MS;
    let waiting = attempt(&house, now_ms);
    for _ in 0..5 {
        assert_eq!(code(house.accounts.login_totp(&waiting, "not a code", HERE, now_ms)), "totp-invalid");
    }
    let right = code_at(&house, user.id, now_ms);
    assert_eq!(
        code(house.accounts.login_totp(&waiting, &right, HERE, now_ms)),
        "totp-invalid",
        "it has ended"
    );
    assert_eq!(
        code(house.login("alice", PASSWORD, now_ms)),
        "locked-out",
        "another attempt gives no more tries"
    );
    let later_ms = now_ms + 302_000;
    with_code(&house, &code_at(&house, user.id, later_ms), later_ms).unwrap();
}

#[test]
fn wrong_codes_beside_the_password_lock_out_too() {
    let house = House::new();
    let (user, _) = enrolled(&house);
    for _ in 0..5 {
        assert_eq!(code(with_code(&house, "000 000 0", NOW)), "totp-invalid");
    }
    let later_ms = NOW + 2 * STEP_MS;
    assert_eq!(code(with_code(&house, &code_at(&house, user.id, later_ms), later_ms)), "locked-out");
}

#[test]
fn who_was_disabled_meanwhile_does_not_come_in() {
    let house = House::new();
    let (user, codes) = enrolled(&house);
    let waiting = attempt(&house, NOW);
    house.accounts.set_active(user.id, false, NOW).unwrap();
    assert_eq!(code(house.accounts.login_totp(&waiting, &codes[0], HERE, NOW)), "totp-invalid");
}

#[test]
fn it_is_taken_away_by_who_has_it() {
    let house = House::new();
    let (user, codes) = enrolled(&house);
    assert_eq!(code(house.accounts.totp_disable(user.id, "wrong", HERE, NOW)), "totp-invalid");
    attempt(&house, NOW);
    house.accounts.totp_disable(user.id, &codes[3], HERE, NOW).unwrap();
    house.login("alice", PASSWORD, NOW).unwrap();
    assert_eq!(code(house.accounts.totp_disable(user.id, &codes[4], HERE, NOW)), "totp-missing");
}

#[test]
fn nothing_of_an_attempt_is_kept_that_would_complete_it() {
    let house = House::new();
    enrolled(&house);
    let waiting = attempt(&house, NOW);
    let kept = house.store.attempt(&crate::random::digest(waiting.as_bytes()), NOW).unwrap().unwrap();
    assert_eq!(waiting.len(), 43);
    assert!(!format!("{kept:?}").contains(&waiting));
}
