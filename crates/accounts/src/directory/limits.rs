//! What a key is limited to: its scopes, its bindings, its role. Parsed once; equal ones are one in memory.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use portcullis_core::identity::Grant;
use portcullis_core::port::ApiKey;
use sha2::{Digest, Sha256};

/// After this many that are in use no more, they are looked for.
const SLACK: usize = 1024;

/// The limits of a key that has any.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) role: Option<Arc<str>>,
    pub(super) grant: Granted,
}

/// What a key is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Granted {
    /// All that its user may.
    All,
    /// This.
    Some(Arc<Grant>),
    /// What stands in the store cannot be read: the key is for nothing.
    Unreadable,
}

/// Limits in use, by a digest of what they were read from.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    limits: HashMap<[u8; 32], Weak<Limits>>,
    /// How many there were when those that nobody uses were last taken out.
    swept: usize,
}

impl Known {
    /// The limits of a key; none for none.
    pub(super) fn of(&self, key: &ApiKey) -> Option<Arc<Limits>> {
        if key.role.is_none() && key.scopes.is_empty() && key.bindings.is_empty() {
            return None;
        }
        let digest = digest(key);
        let mut state = self.0.lock();
        if let Some(known) = state.limits.get(&digest).and_then(Weak::upgrade) {
            return Some(known);
        }
        let limits = Arc::new(Limits::of(key));
        state.limits.insert(digest, Arc::downgrade(&limits));
        if state.limits.len() > 2 * state.swept + SLACK {
            state.limits.retain(|_, limits| limits.strong_count() > 0);
            state.swept = state.limits.len();
        }
        Some(limits)
    }
}

impl Limits {
    fn of(key: &ApiKey) -> Self {
        Self { role: key.role.as_deref().map(Arc::from), grant: Granted::of(key) }
    }
}

impl Granted {
    fn of(key: &ApiKey) -> Self {
        if key.scopes.is_empty() && key.bindings.is_empty() {
            return Self::All;
        }
        let routes: Result<Vec<_>, _> = key.scopes.iter().map(|scope| scope.parse()).collect();
        let bindings = key.bindings.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into()));
        match routes.ok().and_then(|routes| Grant::new(routes, bindings.collect()).ok()) {
            Some(grant) => Self::Some(Arc::new(grant)),
            None => Self::Unreadable,
        }
    }
}

/// No two different limits are written alike: each text stands behind its length, each list behind its own.
fn digest(key: &ApiKey) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut count = |number: usize| hash.update((number as u64).to_le_bytes());
    count(key.scopes.len());
    count(key.bindings.len());
    count(usize::from(key.role.is_some()));
    let pairs = key.bindings.iter().flat_map(|(name, value)| [name, value]);
    for text in key.scopes.iter().chain(pairs).chain(&key.role) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}
