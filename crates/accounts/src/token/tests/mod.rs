//! Tokens as a whole: what is issued comes back, and nothing else gets in.

use std::sync::OnceLock;

use portcullis_core::port::SigningKey;
use portcullis_core::{Id, Secret};
use serde_json::{Value, json};

use super::*;

mod forged;
mod outside;
mod published;
mod strict;

/// 2027-01-15, at 08:00:00.250.
const NOW_MS: i64 = 1_800_000_000_250;
const NOW_S: i64 = 1_800_000_000;

fn settings() -> TokenSettings {
    TokenSettings {
        issuer: "https://gateway.example".to_owned(),
        audience: "portcullis".to_owned(),
        access_ttl_s: 1800,
        refresh_ttl_s: 7 * 86_400,
        leeway_s: 0,
    }
}

fn secret(number: u8) -> Secret {
    Secret::new(vec![number; 32])
}

fn hs256() -> Keyring {
    Keyring::hs256(&[secret(1)]).unwrap()
}

/// A key of each kind, made once: RSA takes a second.
fn made(alg: Alg) -> &'static SigningKey {
    static MADE: OnceLock<[SigningKey; 3]> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        [Alg::RS256, Alg::ES256, Alg::EdDSA].map(|alg| Keyring::generate(alg, NOW_MS).unwrap())
    });
    made.iter().find(|key| key.algorithm == alg.name()).unwrap()
}

fn ring(alg: Alg) -> Keyring {
    match alg {
        Alg::HS256 => hs256(),
        alg => Keyring::from_pkcs8(&[made(alg).clone()]).unwrap(),
    }
}

fn tokens(keyring: Keyring) -> Tokens {
    Tokens::new(settings(), keyring).unwrap()
}

fn id(number: u128) -> Id {
    Id::fresh(NOW_MS as u64, number)
}

fn ann() -> Subject<'static> {
    Subject { user: "ann", id: id(1), family: id(2), role: "free" }
}

/// A token of any header and any claims, signed as ours are.
fn signed(keyring: &Keyring, header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = keyring.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn header(keyring: &Keyring) -> Value {
    json!({ "typ": "at+jwt", "alg": keyring.algorithm().name(), "kid": keyring.signing_kid() })
}

fn claims() -> Value {
    json!({
        "iss": "https://gateway.example",
        "aud": "portcullis",
        "sub": "ann",
        "uid": id(1).to_string(),
        "sid": id(2).to_string(),
        "role": "free",
        "type": "access",
        "jti": id(3).to_string(),
        "iat": NOW_S,
        "nbf": NOW_S,
        "exp": NOW_S + 1800,
    })
}

fn read(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn an_access_token_comes_back_as_it_was_issued() {
    for alg in Alg::ALL {
        let tokens = tokens(ring(alg));
        let issued = tokens.issue_access(&ann(), NOW_MS).unwrap();
        assert_eq!((issued.expires_in_s, issued.expires_ms), (1800, (NOW_S + 1800) * 1000));
        // The first time it is verified, the second time it is remembered.
        for _ in 0..2 {
            let claims = tokens.access(issued.token.as_bytes(), NOW_MS).unwrap();
            let want = AccessClaims {
                user: "ann".into(),
                id: id(1),
                family: id(2),
                role: "free".into(),
                token: issued.id,
                issued_ms: NOW_MS,
                expires_ms: issued.expires_ms,
            };
            assert_eq!(*claims, want, "{alg:?}");
        }
        assert!(!format!("{issued:?}").contains(&issued.token));
    }
}

#[test]
fn a_token_says_what_the_interface_promises() {
    let tokens = tokens(ring(Alg::ES256));
    let token = tokens.issue_access(&ann(), NOW_MS).unwrap().token;
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(read(parts[0]), header(&ring(Alg::ES256)));
    let mut said = read(parts[1]);
    let jti: Id = said["jti"].as_str().unwrap().parse().unwrap();
    said["jti"] = json!(id(3).to_string());
    assert_eq!(said, claims());
    assert_ne!(jti, tokens.issue_access(&ann(), NOW_MS).unwrap().id);

    let refresh = tokens.issue_refresh(&ann(), 4, NOW_MS, NOW_MS + 86_400_000).unwrap();
    let parts: Vec<&str> = refresh.split('.').collect();
    assert_eq!(read(parts[0])["typ"], "rt+jwt");
    let said = read(parts[1]);
    assert_eq!(
        (&said["type"], &said["gen"], &said["exp"]),
        (&json!("refresh"), &json!(4), &json!(NOW_S + 86_400))
    );
    assert!(said.get("role").is_none());
}

#[test]
fn a_refresh_token_comes_back_and_is_no_access_token() {
    for alg in Alg::ALL {
        let tokens = tokens(ring(alg));
        let refresh = tokens.issue_refresh(&ann(), 4, NOW_MS, NOW_MS + 86_400_000).unwrap();
        let said = tokens.refresh(refresh.as_bytes(), NOW_MS).unwrap();
        assert_eq!((&*said.user, said.id, said.family, said.generation), ("ann", id(1), id(2), 4));
        assert_eq!((said.issued_ms, said.expires_ms), (NOW_MS, (NOW_S + 86_400) * 1000));
        assert!(matches!(tokens.access(refresh.as_bytes(), NOW_MS), Err(TokenError::Invalid(_))));
        let access = tokens.issue_access(&ann(), NOW_MS).unwrap().token;
        assert!(matches!(tokens.refresh(access.as_bytes(), NOW_MS), Err(TokenError::Invalid(_))));
    }
}

#[test]
fn a_token_ends_to_the_millisecond_remembered_or_not() {
    let tokens = tokens(hs256());
    let token = tokens.issue_access(&ann(), NOW_MS).unwrap().token;
    let end_ms = (NOW_S + 1800) * 1000;
    assert_eq!(tokens.access(token.as_bytes(), end_ms), Err(TokenError::Expired), "not remembered");
    assert!(tokens.access(token.as_bytes(), end_ms - 1).is_ok());
    assert!(tokens.access(token.as_bytes(), end_ms - 1).is_ok(), "remembered");
    assert_eq!(tokens.access(token.as_bytes(), end_ms), Err(TokenError::Expired), "remembered until then");
    let refresh = tokens.issue_refresh(&ann(), 0, NOW_MS, end_ms).unwrap();
    assert!(tokens.refresh(refresh.as_bytes(), end_ms - 1).is_ok());
    assert_eq!(tokens.refresh(refresh.as_bytes(), end_ms), Err(TokenError::Expired));
}

#[test]
fn the_leeway_counts_on_both_ends() {
    let tokens = Tokens::new(TokenSettings { leeway_s: 5, ..settings() }, hs256()).unwrap();
    let token = tokens.issue_access(&ann(), NOW_MS).unwrap().token;
    let (begin_ms, end_ms) = (NOW_S * 1000, (NOW_S + 1800) * 1000);
    assert!(tokens.access(token.as_bytes(), begin_ms - 5001).is_err());
    assert!(tokens.access(token.as_bytes(), begin_ms - 5000).is_ok());
    assert!(tokens.access(token.as_bytes(), end_ms + 4999).is_ok());
    assert_eq!(tokens.access(token.as_bytes(), end_ms + 5000), Err(TokenError::Expired));
}

#[test]
fn several_keys_verify_and_the_first_signs() {
    for (old, new) in [
        (hs256(), Keyring::hs256(&[secret(2), secret(1)]).unwrap()),
        (
            ring(Alg::EdDSA),
            Keyring::from_pkcs8(&[made(Alg::ES256).clone(), made(Alg::EdDSA).clone()]).unwrap(),
        ),
    ] {
        let tokens = tokens(old);
        let before = tokens.issue_access(&ann(), NOW_MS).unwrap().token;
        tokens.replace_keyring(new).unwrap();
        assert!(tokens.access(before.as_bytes(), NOW_MS).is_ok(), "the old key still verifies");
        let after = tokens.issue_access(&ann(), NOW_MS).unwrap().token;
        assert_ne!(before.split('.').next(), after.split('.').next(), "the new key signs");
        assert!(tokens.access(after.as_bytes(), NOW_MS).is_ok());
    }
}

#[test]
fn a_key_that_is_taken_away_or_ends_takes_its_tokens_along() {
    let tokens = tokens(hs256());
    let token = tokens.issue_access(&ann(), NOW_MS).unwrap().token;
    assert!(tokens.access(token.as_bytes(), NOW_MS).is_ok());
    tokens.replace_keyring(Keyring::hs256(&[secret(2)]).unwrap()).unwrap();
    assert!(
        matches!(tokens.access(token.as_bytes(), NOW_MS), Err(TokenError::Invalid(_))),
        "though it was remembered"
    );

    let ending = SigningKey { expires_ms: Some(NOW_MS + 1000), ..made(Alg::EdDSA).clone() };
    tokens.replace_keyring(ring(Alg::EdDSA)).unwrap();
    let token = tokens.issue_access(&ann(), NOW_MS).unwrap().token;
    tokens.replace_keyring(Keyring::from_pkcs8(&[made(Alg::ES256).clone(), ending]).unwrap()).unwrap();
    assert!(tokens.access(token.as_bytes(), NOW_MS + 999).is_ok());
    assert!(matches!(tokens.access(token.as_bytes(), NOW_MS + 1000), Err(TokenError::Invalid(_))));
}

#[test]
fn other_settings_count_for_tokens_that_were_remembered() {
    let tokens = tokens(hs256());
    let token = tokens.issue_access(&ann(), NOW_MS).unwrap().token;
    assert!(tokens.access(token.as_bytes(), NOW_MS).is_ok());
    tokens.replace_settings(TokenSettings { audience: "another".to_owned(), ..settings() }).unwrap();
    assert!(tokens.access(token.as_bytes(), NOW_MS).is_err());
    assert_eq!(tokens.settings().audience, "another");
}

#[test]
fn any_claims_can_be_signed_but_not_as_one_of_our_tokens() {
    let tokens = tokens(ring(Alg::EdDSA));
    let assertion = tokens.sign(&json!({ "sub": "ann" }), "JWT").unwrap();
    assert_eq!(read(assertion.split('.').next().unwrap())["typ"], "JWT");
    assert!(tokens.access(assertion.as_bytes(), NOW_MS).is_err());
    for typ in ["at+jwt", "rt+jwt"] {
        assert_eq!(tokens.sign(&claims(), typ), Err(SignError::Claims), "{typ}");
    }
}

#[test]
fn a_ring_publishes_its_public_keys_and_nothing_else() {
    let both = Keyring::from_pkcs8(&[made(Alg::ES256).clone(), made(Alg::RS256).clone()]).unwrap();
    let set = both.jwks();
    let keys = set["keys"].as_array().unwrap();
    let names = |key: &Value| key.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys.len(), 2);
    assert_eq!(names(&keys[0]), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!(names(&keys[1]), ["alg", "e", "kid", "kty", "n", "use"]);
    assert_eq!(keys[0]["kid"], made(Alg::ES256).kid.as_str());
    assert_eq!((&keys[0]["use"], &keys[0]["alg"]), (&json!("sig"), &json!("ES256")));
    let ed = ring(Alg::EdDSA).jwks();
    assert_eq!(names(&ed["keys"][0]), ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_eq!(hs256().jwks(), json!({ "keys": [] }), "a secret is never published");
}
