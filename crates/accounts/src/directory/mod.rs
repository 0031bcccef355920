//! Who may come, in memory: what every request is judged from.
//!
//! Loaded from the store once, then kept by following its change log. Nothing here waits for a disk: a key, a
//! session or a token costs one or two look-ups in sharded maps, and no allocation once its identity was made.

mod entry;
mod follow;
mod shards;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use portcullis_core::identity::Scheme;
use portcullis_core::port::KeyDigest;
use portcullis_core::{Id, Identity};

use crate::key;
use crate::random;
use crate::token::AccessClaims;
use entry::{KeyEntry, Remembered, SessionEntry, UserEntry};
pub use follow::Followed;
use shards::Shards;

/// How often it is noted that a credential was used, in milliseconds.
const NOTED_MS: i64 = 60_000;
/// How many uses wait to be noted in the store; more are noted at their next use.
const NOTES: usize = 65_536;
/// How many logins have their identity remembered.
const LOGINS: usize = 65_536;

/// What the directory is told of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectorySettings {
    /// What API keys begin with.
    pub key_prefix: String,
    /// How long a session may go unused, in milliseconds; none for as long as it lives.
    pub session_idle_ms: Option<i64>,
    /// How long an ended login is remembered, in milliseconds: at least as long as an access token lives.
    pub revoked_ms: i64,
    /// Roles from fewest to most rights. One that is not named is above none; `admin` is above all.
    pub roles: Vec<String>,
}

/// What was found about a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It is valid and belongs to this identity.
    Proven(Arc<Identity>),
    /// It was valid and has expired.
    Expired,
    /// It is not valid.
    Rejected,
    /// The directory was not loaded: whether it is valid cannot be told.
    Unavailable,
}

/// Users, keys, sessions and devices in memory. One for the life of the process.
pub struct Directory {
    settings: ArcSwap<DirectorySettings>,
    tables: ArcSwap<Tables>,
    loaded: AtomicBool,
    /// The number of the last change that was applied.
    last_change: AtomicI64,
    /// Grows with every change that ends or limits something.
    epoch: AtomicU64,
    /// Held while something is read from the store and put in, so that the older of two readings never stands.
    applying: Mutex<()>,
    used_keys: Mutex<Vec<(Id, i64)>>,
    seen_sessions: Mutex<Vec<(Id, i64)>>,
}

#[derive(Debug, Default)]
struct Tables {
    users: Shards<Arc<UserEntry>>,
    /// By the first half of their digest.
    keys: Shards<Arc<KeyEntry>>,
    /// The digest's half by the id.
    key_ids: Shards<u128>,
    sessions: Shards<Arc<SessionEntry>>,
    session_ids: Shards<u128>,
    /// The user of each registered device.
    devices: Shards<Id>,
    /// When each ended family ended.
    revoked: Shards<i64>,
    /// The identities of logins that were used lately, by family.
    logins: Shards<Arc<Remembered>>,
}

impl Directory {
    /// An empty directory: until it was loaded, it can judge nothing.
    pub fn new(settings: DirectorySettings) -> Self {
        Self {
            settings: ArcSwap::from_pointee(settings),
            tables: ArcSwap::default(),
            loaded: AtomicBool::new(false),
            last_change: AtomicI64::new(0),
            epoch: AtomicU64::new(0),
            applying: Mutex::new(()),
            used_keys: Mutex::default(),
            seen_sessions: Mutex::default(),
        }
    }

    /// Takes over other settings.
    pub fn replace_settings(&self, settings: DirectorySettings) {
        self.settings.store(Arc::new(settings));
    }

    /// Judges an API key.
    pub fn api_key(&self, presented: &[u8], now_ms: i64) -> Judgement {
        if !self.is_loaded() {
            return Judgement::Unavailable;
        }
        let settings = self.settings.load();
        // A typing error costs no digest. Keys of an earlier prefix go on.
        if presented.starts_with(settings.key_prefix.as_bytes())
            && !key::is_well_formed(presented, &settings.key_prefix)
        {
            return Judgement::Rejected;
        }
        let tables = self.tables.load();
        let Some(entry) = tables.keys.find(half(&key::digest(presented))) else { return Judgement::Rejected };
        let Some(user) = tables.users.find(place(entry.user)).filter(|user| user.active) else {
            return Judgement::Rejected;
        };
        if entry.expires_ms <= now_ms {
            return Judgement::Expired;
        }
        let Some(identity) = entry.identity(&user, |of_user, own| settings.is_within(own, of_user)) else {
            return Judgement::Rejected;
        };
        if entry.used.touch(now_ms, NOTED_MS) {
            note(&self.used_keys, entry.id, now_ms);
        }
        Judgement::Proven(identity)
    }

    /// Judges a session by the secret id that its client holds and, where it is bound to one, the device that
    /// the request names.
    pub fn session(&self, presented: &[u8], device: Option<&[u8]>, now_ms: i64) -> Judgement {
        if !self.is_loaded() {
            return Judgement::Unavailable;
        }
        let tables = self.tables.load();
        let Some(entry) = tables.sessions.find(half(&random::digest(presented))) else {
            return Judgement::Rejected;
        };
        let Some(user) = tables.users.find(place(entry.user)).filter(|user| user.active) else {
            return Judgement::Rejected;
        };
        let bound = entry.device.is_none_or(|bound| device.and_then(id_of) == Some(bound));
        if !bound || entry.created_ms < user.valid_from_ms {
            return Judgement::Rejected;
        }
        let idle_ms = self.settings.load().session_idle_ms;
        if entry.expires_ms <= now_ms || idle_ms.is_some_and(|idle| entry.seen.last_ms() + idle <= now_ms) {
            return Judgement::Expired;
        }
        let every_ms = idle_ms.map_or(NOTED_MS, |idle| NOTED_MS.min(idle / 4));
        if entry.seen.touch(now_ms, every_ms) {
            note(&self.seen_sessions, entry.id, now_ms);
        }
        Judgement::Proven(entry.identity(&user))
    }

    /// Judges the user and the login of an access token that was verified. What counts is what the user is now.
    pub fn bearer(&self, claims: &AccessClaims, now_ms: i64) -> Judgement {
        if !self.is_loaded() {
            return Judgement::Unavailable;
        }
        if claims.expires_ms <= now_ms {
            return Judgement::Expired;
        }
        let tables = self.tables.load();
        let Some(user) = tables.users.find(place(claims.id)).filter(|user| user.active) else {
            return Judgement::Rejected;
        };
        if claims.issued_ms < user.valid_from_ms || tables.revoked.has(place(claims.family)) {
            return Judgement::Rejected;
        }
        let key = place(claims.family);
        let remembered = tables.logins.find(key).unwrap_or_else(|| {
            let fresh = Arc::new(Remembered::default());
            tables.logins.remember(key, Arc::clone(&fresh), LOGINS);
            fresh
        });
        Judgement::Proven(remembered.identity(&user, |user| Identity {
            user: user.name.clone(),
            scheme: Scheme::Bearer,
            credential: claims.family.to_string().into(),
            id: Some(user.id),
            role: Some(Arc::clone(&user.role)),
            device: None,
            grant: None,
        }))
    }

    /// The registered device of that name.
    pub fn device(&self, presented: &[u8]) -> Option<Id> {
        id_of(presented).filter(|id| self.tables.load().devices.has(place(*id)))
    }

    /// Grows with every change that ends or limits something: who holds a connection open for a credential
    /// judges it again when this moved.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether it was loaded.
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// How many users, keys and sessions it holds.
    pub fn sizes(&self) -> (usize, usize, usize) {
        let tables = self.tables.load();
        (tables.users.len(), tables.keys.len(), tables.sessions.len())
    }

    /// Takes the uses of keys that wait to be noted in the store.
    pub fn used_keys(&self) -> Vec<(Id, i64)> {
        std::mem::take(&mut *self.used_keys.lock())
    }

    /// Takes the uses of sessions that wait to be noted in the store.
    pub fn seen_sessions(&self) -> Vec<(Id, i64)> {
        std::mem::take(&mut *self.seen_sessions.lock())
    }
}

impl DirectorySettings {
    /// Whether a key with the role `own` may belong to somebody with the role `of_user`.
    pub fn is_within(&self, own: &str, of_user: &str) -> bool {
        let rank = |role: &str| self.roles.iter().position(|known| known == role);
        own == of_user
            || of_user == "admin"
            || rank(own)
                .zip(rank(of_user))
                .is_some_and(|(own, of_user)| own < of_user && own_is_plain(own, self))
    }
}

/// `admin` stands above all, wherever it is written.
fn own_is_plain(rank: usize, settings: &DirectorySettings) -> bool {
    settings.roles.get(rank).is_some_and(|role| role != "admin")
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (users, keys, sessions) = self.sizes();
        f.debug_struct("Directory")
            .field("users", &users)
            .field("keys", &keys)
            .field("sessions", &sessions)
            .finish_non_exhaustive()
    }
}

/// Where a digest stands. 128 bits of SHA-256 are enough to tell a million keys apart, and to find none by trying.
fn half(digest: &KeyDigest) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    u128::from_le_bytes(half)
}

/// Where an id stands: its random half first.
fn place(id: Id) -> u128 {
    u128::from_be_bytes(id.octets())
}

fn id_of(presented: &[u8]) -> Option<Id> {
    std::str::from_utf8(presented).ok()?.parse().ok()
}

fn note(notes: &Mutex<Vec<(Id, i64)>>, id: Id, now_ms: i64) {
    let mut notes = notes.lock();
    if notes.len() < NOTES {
        notes.push((id, now_ms));
    }
}
