//! Who may come, in memory: what every request is judged from.
//!
//! Loaded from the store once, then kept by following its change log. Nothing here waits for a disk: a key, a
//! session or a token costs one or two look-ups in sharded maps, and no allocation once its identity was made.

mod follow;
mod limits;
mod logins;
mod people;
mod shard;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use parking_lot::{Mutex, RwLock};
use portcullis_core::identity::Scheme;
use portcullis_core::{Id, Identity};

use crate::key;
use crate::random;
use crate::settings;
use crate::token::AccessClaims;
pub use follow::Followed;
use follow::Position;
use limits::{Granted, Known, Limits};
use logins::Logins;
use people::{People, Person, Standing};
use table::{Entry, Table, Use};

/// How often it is noted that a credential was used, in milliseconds.
const NOTED_MS: i64 = 60_000;
/// A key is no longer than this: the longest prefix, and what stands behind it.
const LONGEST_KEY: usize = 16 + key::LENGTH;
/// The length of a session's secret id.
const SESSION_LENGTH: usize = 43;

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
    /// How many identities are kept made, for keys, sessions and logins each; read when the directory is
    /// loaded. One takes about 300 octets. Whose is not among them has it made at each check: with a random one
    /// of a million keys that is 2 µs instead of 0.4.
    pub identities: usize,
    /// Once it follows a store: how long it serves without having heard of it, in milliseconds. After that it
    /// lets nobody in, since a revocation made elsewhere may have been missed.
    pub stale_after_ms: i64,
}

impl Default for DirectorySettings {
    fn default() -> Self {
        Self {
            key_prefix: "pk_".to_owned(),
            session_idle_ms: None,
            revoked_ms: 86_400_000,
            roles: vec!["free".to_owned(), "premium".to_owned(), settings::ADMIN.to_owned()],
            identities: 131_072,
            stale_after_ms: 60_000,
        }
    }
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
    /// The directory was not loaded, or has not heard of the store for too long: whether it is valid cannot
    /// be told.
    Unavailable,
}

/// Users, keys, sessions and devices in memory. One for the life of the process.
pub struct Directory {
    settings: ArcSwap<DirectorySettings>,
    /// Grows with every change of the settings, on which identities depend.
    rules: AtomicU32,
    tables: ArcSwap<Tables>,
    /// Grows with every change that ends or limits something.
    epoch: AtomicU64,
    /// When the store was last heard of; `i64::MAX` as long as nobody follows it.
    heard_ms: AtomicI64,
    /// Held while something is read from the store and put in, so that the older of two readings never stands.
    position: Mutex<Position>,
}

/// Everything that is read from a store. Reading anew makes all of it anew.
#[derive(Debug)]
struct Tables {
    /// False before the first reading.
    loaded: bool,
    people: People,
    keys: Table<Option<Arc<Limits>>>,
    limits: Known,
    sessions: Table<Bound>,
    /// Registered devices and whose they are.
    devices: RwLock<std::collections::HashMap<Id, Arc<Person>>>,
    logins: Logins,
}

/// What only a session has.
#[derive(Debug, PartialEq, Eq)]
struct Bound {
    /// An id in octets: aligned, it would take 32.
    device: Option<[u8; 16]>,
    created_ms: i64,
}

impl Directory {
    /// An empty directory: until it was loaded, it can judge nothing.
    pub fn new(settings: DirectorySettings) -> Self {
        Self {
            settings: ArcSwap::from_pointee(settings),
            rules: AtomicU32::new(0),
            tables: ArcSwap::from_pointee(Tables::new(0)),
            epoch: AtomicU64::new(0),
            heard_ms: AtomicI64::new(i64::MAX),
            position: Mutex::default(),
        }
    }

    /// Takes over other settings.
    pub fn replace_settings(&self, settings: DirectorySettings) {
        self.settings.store(Arc::new(settings));
        // Identities carry the rules they were made under: those read before this are made anew.
        self.rules.fetch_add(1, Ordering::AcqRel);
        self.moved();
    }

    /// Judges an API key.
    pub fn api_key(&self, presented: &[u8], now_ms: i64) -> Judgement {
        let Some(room) = self.room(now_ms) else { return Judgement::Unavailable };
        // A typing error costs no digest. Keys of an earlier prefix go on.
        let prefix = &room.settings.key_prefix;
        if presented.len() > LONGEST_KEY
            || presented.starts_with(prefix.as_bytes()) && !key::is_well_formed(presented, prefix)
        {
            return Judgement::Rejected;
        }
        room.key(&key::digest(presented), now_ms, Some(NOTED_MS))
    }

    /// Judges a session by the secret id that its client holds and, where it is bound to one, the device that
    /// the request names.
    pub fn session(&self, presented: &[u8], device: Option<&[u8]>, now_ms: i64) -> Judgement {
        let Some(room) = self.room(now_ms) else { return Judgement::Unavailable };
        if presented.len() != SESSION_LENGTH {
            return Judgement::Rejected;
        }
        let idle_ms = room.settings.session_idle_ms;
        let noted_ms = idle_ms.map_or(NOTED_MS, |idle_ms| NOTED_MS.min(idle_ms / 4));
        let by = Use { now_ms, noted_ms: Some(noted_ms), rules: room.rules };
        room.session(&random::digest(presented), device.and_then(id_of), idle_ms, by)
    }

    /// Judges the user and the login of an access token that was verified. What counts is what the user is now.
    pub fn bearer(&self, claims: &AccessClaims, now_ms: i64) -> Judgement {
        let Some(room) = self.room(now_ms) else { return Judgement::Unavailable };
        if claims.expires_ms <= now_ms {
            return Judgement::Expired;
        }
        let refuse = |standing: &Standing| {
            let refused = !standing.active || claims.issued_ms < standing.valid_from_ms;
            refused.then_some(Judgement::Rejected)
        };
        room.tables.logins.check(
            claims.family,
            claims.id,
            room.rules,
            || room.tables.people.find(claims.id),
            refuse,
            |person, standing| Identity {
                user: standing.name.clone(),
                scheme: Scheme::Bearer,
                credential: claims.family.to_string().into(),
                id: Some(person.id),
                role: Some(Arc::clone(&standing.role)),
                device: None,
                grant: None,
            },
        )
    }

    /// Judges a caller again that was proven before and holds a connection open, by what it is known by: is its
    /// key, session or login still there, and what may it do now? That an access token has expired, or that a
    /// session goes unused, ends no connection. Callers without an account stay as they are.
    pub fn still(&self, identity: &Arc<Identity>, now_ms: i64) -> Judgement {
        let Some(user) = identity.id else { return Judgement::Proven(Arc::clone(identity)) };
        let Some(room) = self.room(now_ms) else { return Judgement::Unavailable };
        let Ok(id) = identity.credential.parse::<Id>() else { return Judgement::Rejected };
        match identity.scheme {
            Scheme::ApiKey => match room.tables.keys.digest_of(id) {
                Some(digest) => room.key(&digest, now_ms, None),
                None => Judgement::Rejected,
            },
            Scheme::Session => match room.tables.sessions.digest_of(id) {
                Some(digest) => {
                    let by = Use { now_ms, noted_ms: None, rules: room.rules };
                    room.session(&digest, identity.device, None, by)
                }
                None => Judgement::Rejected,
            },
            Scheme::Bearer | Scheme::IngestToken | Scheme::FirstMessage => room.login(id, user, identity),
        }
    }

    /// The registered device of that name.
    pub fn device(&self, presented: &[u8]) -> Option<Id> {
        let id = id_of(presented)?;
        self.tables.load().devices.read().contains_key(&id).then_some(id)
    }

    /// Grows with every change that ends or limits something: who holds a connection open for a credential
    /// judges it again when this moved.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether it was loaded.
    pub fn is_loaded(&self) -> bool {
        self.tables.load().loaded
    }

    /// How many users, keys and sessions it holds.
    pub fn sizes(&self) -> (usize, usize, usize) {
        let tables = self.tables.load();
        (tables.people.len(), tables.keys.len(), tables.sessions.len())
    }

    /// Takes the uses of keys that wait to be noted in the store.
    pub fn used_keys(&self) -> Vec<(Id, i64)> {
        self.tables.load().keys.take_notes()
    }

    /// Takes the uses of sessions that wait to be noted in the store.
    pub fn seen_sessions(&self) -> Vec<(Id, i64)> {
        self.tables.load().sessions.take_notes()
    }

    /// What a check needs, where there is anything to check with.
    fn room(&self, now_ms: i64) -> Option<Room> {
        // Rules before settings: an identity made from newer settings under an older number is only made again.
        let rules = self.rules.load(Ordering::Acquire);
        let settings = self.settings.load();
        if now_ms.saturating_sub(self.heard_ms.load(Ordering::Relaxed)) > settings.stale_after_ms {
            return None;
        }
        let tables = self.tables.load();
        tables.loaded.then_some(Room { tables, settings, rules })
    }

    fn moved(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

/// What one check sees.
struct Room {
    tables: Guard<Arc<Tables>>,
    settings: Guard<Arc<DirectorySettings>>,
    rules: u32,
}

impl Room {
    fn key(&self, digest: &[u8; 32], now_ms: i64, noted_ms: Option<i64>) -> Judgement {
        let by = Use { now_ms, noted_ms, rules: self.rules };
        let refuse = |entry: &Entry<Option<Arc<Limits>>>, standing: &Standing| {
            let unreadable = entry.extra.as_ref().is_some_and(|limits| limits.grant == Granted::Unreadable);
            if !standing.active || unreadable {
                return Some(Judgement::Rejected);
            }
            (entry.expires_ms <= now_ms).then_some(Judgement::Expired)
        };
        self.tables.keys.check(digest, by, refuse, |entry, standing| {
            let limits = entry.extra.as_deref();
            let own = limits.and_then(|limits| limits.role.as_ref());
            let within = |own: &&Arc<str>| settings::is_within(&self.settings.roles, own, &standing.role);
            let grant = limits.and_then(|limits| match &limits.grant {
                Granted::Some(grant) => Some(Arc::clone(grant)),
                Granted::All | Granted::Unreadable => None,
            });
            Identity {
                user: standing.name.clone(),
                scheme: Scheme::ApiKey,
                credential: entry.id().to_string().into(),
                id: Some(entry.person.id),
                // A role of its own never lifts a key above what its user has now.
                role: Some(Arc::clone(own.filter(within).unwrap_or(&standing.role))),
                device: None,
                grant,
            }
        })
    }

    fn session(&self, digest: &[u8; 32], device: Option<Id>, idle_ms: Option<i64>, by: Use) -> Judgement {
        let refuse = |entry: &Entry<Bound>, standing: &Standing| {
            let bound = entry.extra.device.is_none_or(|bound| device.map(Id::octets) == Some(bound));
            if !standing.active || !bound || entry.extra.created_ms < standing.valid_from_ms {
                return Some(Judgement::Rejected);
            }
            let idle = idle_ms.is_some_and(|idle_ms| entry.used_ms().saturating_add(idle_ms) <= by.now_ms);
            (entry.expires_ms <= by.now_ms || idle).then_some(Judgement::Expired)
        };
        self.tables.sessions.check(digest, by, refuse, |entry, standing| Identity {
            user: standing.name.clone(),
            scheme: Scheme::Session,
            credential: entry.id().to_string().into(),
            id: Some(entry.person.id),
            role: Some(Arc::clone(&standing.role)),
            device: entry.extra.device.map(Id::from_octets),
            grant: None,
        })
    }

    fn login(&self, family: Id, user: Id, identity: &Arc<Identity>) -> Judgement {
        let Some(person) = self.tables.people.find(user) else { return Judgement::Rejected };
        let standing = person.standing();
        if !standing.active || self.tables.logins.is_ended(family) || born_ms(family) < standing.valid_from_ms
        {
            return Judgement::Rejected;
        }
        if identity.role.as_ref() == Some(&standing.role) && identity.user == standing.name {
            return Judgement::Proven(Arc::clone(identity));
        }
        let (user, role) = (standing.name.clone(), Some(Arc::clone(&standing.role)));
        Judgement::Proven(Arc::new(Identity { user, role, ..Identity::clone(identity) }))
    }
}

impl Tables {
    fn new(identities: usize) -> Self {
        Self {
            loaded: false,
            people: People::new(),
            keys: Table::new(identities),
            limits: Known::default(),
            sessions: Table::new(identities),
            devices: RwLock::default(),
            logins: Logins::new(identities),
        }
    }
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

fn id_of(presented: &[u8]) -> Option<Id> {
    std::str::from_utf8(presented).ok()?.parse().ok()
}

/// When an id was made, in milliseconds since 1970 (RFC 9562 section 5.7).
fn born_ms(id: Id) -> i64 {
    let mut time = [0; 8];
    time[2..].copy_from_slice(&id.octets()[..6]);
    i64::from_be_bytes(time)
}
