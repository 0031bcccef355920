//! What is kept of each user, key and session.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwapOption;
use portcullis_core::identity::{Grant, Scheme};
use portcullis_core::port::{ApiKey, Session, User};
use portcullis_core::{Id, Identity};

/// A user as of one moment: another moment is another entry, so that what was made from this one is known to be
/// outdated.
#[derive(Debug)]
pub(super) struct UserEntry {
    pub(super) id: Id,
    pub(super) name: Box<str>,
    pub(super) role: Arc<str>,
    pub(super) active: bool,
    pub(super) valid_from_ms: i64,
}

impl UserEntry {
    pub(super) fn of(user: &User) -> Self {
        Self {
            id: user.id,
            name: user.name.as_str().into(),
            role: user.role.as_str().into(),
            active: user.active,
            valid_from_ms: user.valid_from_ms,
        }
    }

    /// Whether what rested on the old entry must be judged anew.
    pub(super) fn takes_from(&self, old: &UserEntry) -> bool {
        self.role != old.role || !self.active && old.active || self.valid_from_ms > old.valid_from_ms
    }
}

/// An identity, and the user it was made from.
#[derive(Debug)]
pub(super) struct Made {
    user: Arc<UserEntry>,
    identity: Arc<Identity>,
}

/// The identity of a credential, made when it is first used and again when its user changed.
#[derive(Default)]
pub(super) struct Remembered(ArcSwapOption<Made>);

impl Remembered {
    pub(super) fn identity(
        &self,
        user: &Arc<UserEntry>,
        make: impl FnOnce(&UserEntry) -> Identity,
    ) -> Arc<Identity> {
        if let Some(made) = &*self.0.load()
            && Arc::ptr_eq(&made.user, user)
        {
            return Arc::clone(&made.identity);
        }
        let identity = Arc::new(make(user));
        self.0.store(Some(Arc::new(Made { user: Arc::clone(user), identity: Arc::clone(&identity) })));
        identity
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.load().is_some() { "made" } else { "not made" })
    }
}

/// An API key that is not revoked.
#[derive(Debug)]
pub(super) struct KeyEntry {
    pub(super) id: Id,
    pub(super) user: Id,
    /// `i64::MAX` for no end.
    pub(super) expires_ms: i64,
    pub(super) used: Touch,
    /// What few keys have; none for all others.
    limits: Option<Box<KeyLimits>>,
    remembered: Remembered,
}

#[derive(Debug)]
struct KeyLimits {
    role: Option<Arc<str>>,
    /// None where what stands in the store cannot be read: such a key is for nothing.
    grant: Option<Arc<Grant>>,
    unreadable: bool,
}

impl KeyEntry {
    pub(super) fn of(key: &ApiKey) -> Self {
        let plain = key.role.is_none() && key.scopes.is_empty() && key.bindings.is_empty();
        Self {
            id: key.id,
            user: key.user,
            expires_ms: key.expires_ms.unwrap_or(i64::MAX),
            used: Touch::at(key.last_used_ms.unwrap_or(0)),
            limits: (!plain).then(|| Box::new(KeyLimits::of(key))),
            remembered: Remembered::default(),
        }
    }

    /// Who has it; none where its limits cannot be read.
    pub(super) fn identity(
        &self,
        user: &Arc<UserEntry>,
        admits: impl Fn(&str, &str) -> bool,
    ) -> Option<Arc<Identity>> {
        if self.limits.as_ref().is_some_and(|limits| limits.unreadable) {
            return None;
        }
        Some(self.remembered.identity(user, |user| {
            let limits = self.limits.as_deref();
            let own = limits.and_then(|limits| limits.role.as_ref());
            // A role of its own never lifts a key above what its user has now.
            let role = own.filter(|own| admits(&user.role, own)).unwrap_or(&user.role);
            Identity {
                user: user.name.clone(),
                scheme: Scheme::ApiKey,
                credential: self.id.to_string().into(),
                id: Some(user.id),
                role: Some(Arc::clone(role)),
                device: None,
                grant: limits.and_then(|limits| limits.grant.clone()),
            }
        }))
    }
}

impl KeyLimits {
    fn of(key: &ApiKey) -> Self {
        let role = key.role.as_deref().map(Arc::from);
        if key.scopes.is_empty() && key.bindings.is_empty() {
            return Self { role, grant: None, unreadable: false };
        }
        let patterns: Result<Vec<_>, _> = key.scopes.iter().map(|scope| scope.parse()).collect();
        let bindings = key.bindings.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into()));
        let grant = patterns.ok().and_then(|patterns| Grant::new(patterns, bindings.collect()).ok());
        Self { role, unreadable: grant.is_none(), grant: grant.map(Arc::new) }
    }
}

/// A session that has not ended.
#[derive(Debug)]
pub(super) struct SessionEntry {
    pub(super) id: Id,
    pub(super) user: Id,
    pub(super) device: Option<Id>,
    pub(super) created_ms: i64,
    pub(super) expires_ms: i64,
    pub(super) seen: Touch,
    remembered: Remembered,
}

impl SessionEntry {
    pub(super) fn of(session: &Session) -> Self {
        Self {
            id: session.id,
            user: session.user,
            device: session.device,
            created_ms: session.created_ms,
            expires_ms: session.expires_ms,
            seen: Touch::at(session.last_seen_ms),
            remembered: Remembered::default(),
        }
    }

    pub(super) fn identity(&self, user: &Arc<UserEntry>) -> Arc<Identity> {
        self.remembered.identity(user, |user| Identity {
            user: user.name.clone(),
            scheme: Scheme::Session,
            credential: self.id.to_string().into(),
            id: Some(user.id),
            role: Some(Arc::clone(&user.role)),
            device: self.device,
            grant: None,
        })
    }
}

/// When something was last used, to about a minute.
#[derive(Debug)]
pub(super) struct Touch(AtomicI64);

impl Touch {
    fn at(ms: i64) -> Self {
        Self(AtomicI64::new(ms))
    }

    pub(super) fn last_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether it is worth a note that it was used now: not more often than every `every_ms`.
    pub(super) fn touch(&self, now_ms: i64, every_ms: i64) -> bool {
        let last = self.last_ms();
        now_ms - last >= every_ms
            && self.0.compare_exchange(last, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
