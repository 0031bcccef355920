//! Whatever is presented as a token: nothing gets in that was not signed, and what was signed gets in only as what
//! it says, the same the second time, and not with one character changed.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use portcullis_accounts::token::{
    Alg, Keyring, LONGEST, Outside, OutsideSettings, TokenError, TokenSettings, Tokens,
};
use portcullis_core::Secret;

const NOW_MS: i64 = 1_800_000_000_000;
const SECRET: [u8; 32] = *b"a secret that only the fuzz has.";

static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    let settings = TokenSettings {
        issuer: "i".to_owned(),
        audience: "a".to_owned(),
        access_ttl_s: 1800,
        refresh_ttl_s: 604_800,
        leeway_s: 0,
    };
    let keyring = Keyring::hs256(&[Secret::new(SECRET.to_vec())]).expect("a ring");
    Tokens::new(settings, keyring).expect("tokens")
});

static OUTSIDE: LazyLock<Outside> = LazyLock::new(|| {
    let key = Keyring::generate(Alg::EdDSA, NOW_MS).expect("a key");
    let keyring = Keyring::from_pkcs8(&[key]).expect("a ring");
    let settings = OutsideSettings {
        issuer: "i".to_owned(),
        audience: "a".to_owned(),
        algorithms: vec![Alg::EdDSA],
        user_claim: "sub".to_owned(),
        role_claim: None,
        roles: Vec::new(),
        default_role: None,
        leeway_s: 0,
    };
    Outside::new(settings, keyring.jwks().to_string().as_bytes()).expect("a provider")
});

/// The header and the claims of a good token, which every input changes a little.
const GOOD: [&str; 2] = [
    r#"{"typ":"at+jwt","alg":"HS256"}"#,
    r#"{"iss":"i","aud":"a","sub":"ann","uid":"0191aabb-ccdd-7fff-bfff-ffffffffffff","sid":"0191aabb-ccdd-7fff-bfff-fffffffffffe","role":"free","type":"access","jti":"0191aabb-ccdd-7fff-bfff-fffffffffffd","iat":1800000000,"nbf":1800000000,"exp":1800001800}"#,
];

fuzz_target!(|input: (&[u8], Vec<(bool, u8, u8, &[u8])>)| {
    let (raw, edits) = input;
    let outside = &*OUTSIDE;
    assert!(TOKENS.access(raw, NOW_MS).is_err(), "nobody signed it");
    assert!(TOKENS.refresh(raw, NOW_MS).is_err(), "nobody signed it");
    assert!(outside.verify(raw, NOW_MS).is_err(), "nobody signed it");
    let _ = outside.names_unknown_key(raw);
    let _ = outside.replace_keys(raw);

    let mut parts = GOOD.map(|part| part.as_bytes().to_vec());
    for (of_claims, at, removed, put) in &edits {
        let part = &mut parts[usize::from(*of_claims)];
        let start = usize::from(*at).min(part.len());
        let end = (start + usize::from(removed % 64)).min(part.len());
        part.splice(start..end, put.iter().copied());
    }
    let message = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &SECRET), message.as_bytes());
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
    let access = TOKENS.access(token.as_bytes(), NOW_MS);
    let refresh = TOKENS.refresh(token.as_bytes(), NOW_MS);
    assert!(access.is_ok() || !edits.is_empty(), "the good one");
    assert!(access.is_err() || refresh.is_err(), "a token is of one kind");
    let Ok(said) = access else { return };
    assert!(token.len() <= LONGEST);
    assert!(said.expires_ms > NOW_MS && said.issued_ms < NOW_MS + 1000);
    assert_eq!(TOKENS.access(token.as_bytes(), NOW_MS).as_ref(), Ok(&said));
    assert_eq!(TOKENS.access(token.as_bytes(), said.expires_ms), Err(TokenError::Expired));
    let at = raw.first().map_or(0, |byte| usize::from(*byte)) % token.len();
    let mut wrong = token.into_bytes();
    wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
    assert!(TOKENS.access(&wrong, NOW_MS).is_err(), "one character is another");
});
