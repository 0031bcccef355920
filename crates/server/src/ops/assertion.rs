//! The signed assertion towards the application: who it is, for whoever wants to be sure that a request came
//! through the gateway.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_accounts::Tokens;
use portcullis_core::{Identity, Now};
use portcullis_gate::onward::Assertions;
use serde::Serialize;

/// How long an assertion is good for, in milliseconds: an application verifies it when it gets it.
const LIFE_MS: i64 = 60_000;
/// How long one is used again: signing costs as much as a whole request.
const REUSED_MS: i64 = 30_000;
/// How many are remembered in each shard.
const MOST: usize = 4096;
const SHARDS: usize = 16;
const TYPE: &str = "assertion+jwt";

type Shard = Mutex<HashMap<Box<str>, (Arc<str>, i64)>>;

/// Signs assertions and remembers them for as long as they are fresh.
#[derive(Debug)]
pub struct Signed {
    tokens: Arc<Tokens>,
    audience: String,
    shards: [Shard; SHARDS],
    hasher: RandomState,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    method: &'a str,
    iat: i64,
    exp: i64,
}

impl Signed {
    /// Signs with what signs tokens, for an application that calls itself `audience`.
    pub fn new(tokens: Arc<Tokens>, audience: &str) -> Self {
        Self { tokens, audience: audience.to_owned(), shards: Default::default(), hasher: RandomState::new() }
    }
}

impl Assertions for Signed {
    fn assert(&self, identity: &Identity, now: Now) -> Option<Arc<str>> {
        let now_ms = now.unix_ms.cast_signed();
        let role = identity.role.as_deref();
        let key = format!("{} {} {}", identity.scheme, identity.credential, role.unwrap_or_default());
        let shard = &self.shards[self.hasher.hash_one(&key) as usize % SHARDS];
        let remembered = shard.lock().unwrap_or_else(PoisonError::into_inner).get(&*key).cloned();
        if let Some((assertion, since_ms)) = remembered
            && (0..REUSED_MS).contains(&(now_ms - since_ms))
        {
            return Some(assertion);
        }
        let issuer = self.tokens.settings().issuer;
        let claims = Claims {
            iss: &issuer,
            aud: &self.audience,
            sub: &identity.user,
            uid: identity.id.map(|id| id.to_string()),
            role,
            method: identity.scheme.name(),
            iat: now_ms / 1000,
            exp: (now_ms + LIFE_MS) / 1000,
        };
        let assertion: Arc<str> = self.tokens.sign(&claims, TYPE).ok()?.into();
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= MOST {
            shard.clear();
        }
        shard.insert(key.into(), (Arc::clone(&assertion), now_ms));
        Some(assertion)
    }
}
