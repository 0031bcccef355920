//! The acts on a store in memory.

mod devices;
mod import;
mod keys;
mod login;
pub(crate) mod memory;
mod people;
mod refresh;
mod register;
mod second_factor;
mod timing;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use portcullis_core::port::{Changed, User};
use portcullis_core::{Id, Identity, Secret};

use self::memory::Memory;
use super::{Accounts, Granted, Registration};
use crate::directory::{Directory, DirectorySettings, Judgement};
use crate::error::AccountError;
use crate::password::{Algorithm, Argon2Cost, Hasher, Policy};
use crate::settings::AccountSettings;
use crate::token::{Keyring, TokenSettings, Tokens};

pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
pub(crate) const NOW: i64 = 1_790_000_000_000;
pub(crate) const PASSWORD: &str = "Quiet-Harbour-47-lantern";
const CHEAP: Algorithm = Algorithm::Argon2id(Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 });

/// Accounts on a store in memory, with a loaded directory.
pub(crate) struct House {
    pub(crate) store: Arc<Memory>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) accounts: Accounts,
}

pub(crate) fn settings(algorithm: Algorithm) -> AccountSettings {
    AccountSettings {
        hasher: Hasher::new(algorithm).unwrap(),
        policy: Policy::default(),
        registration: true,
        default_role: "free".to_owned(),
        roles: ["free", "premium", "admin"].map(str::to_owned).to_vec(),
        key_prefix: "pk_".to_owned(),
        max_keys: 3,
        key_ttl_ms: None,
        session_ttl_ms: 86_400_000,
        session_idle_ms: Some(3_600_000),
        max_sessions: 3,
        device_ttl_ms: 1_800_000,
        max_devices: 2,
        attempt_ttl_ms: 300_000,
        lockout_attempts: 5,
        lockout_window_s: 300,
        totp_issuer: "House".to_owned(),
    }
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(settings(CHEAP))
    }

    pub(crate) fn with(settings: AccountSettings) -> Self {
        let store = Arc::new(Memory::default());
        let directory = Arc::new(Directory::new(DirectorySettings {
            session_idle_ms: settings.session_idle_ms,
            ..DirectorySettings::default()
        }));
        directory.load(&*store, NOW).unwrap();
        let token = TokenSettings {
            issuer: "house".to_owned(),
            audience: "app".to_owned(),
            access_ttl_s: 1800,
            refresh_ttl_s: 7 * 86_400,
            leeway_s: 0,
        };
        let keyring = Keyring::hs256(&[Secret::new(vec![7; 32])]).unwrap();
        let tokens = Arc::new(Tokens::new(token, keyring).unwrap());
        let accounts = Accounts::new(store.clone(), directory.clone(), tokens, settings).unwrap();
        Self { store, directory, accounts }
    }

    pub(crate) fn register(&self, name: &str) -> User {
        let asked = Registration { name, email: None, password: PASSWORD, role: None };
        self.accounts.register(&asked, NOW).unwrap()
    }

    pub(crate) fn login(&self, name: &str, password: &str, now_ms: i64) -> Result<Granted, AccountError> {
        self.accounts.login(name, password, None, HERE, now_ms)
    }

    pub(crate) fn bearer(&self, token: &str, now_ms: i64) -> Judgement {
        let claims = self.accounts.tokens().access(token.as_bytes(), now_ms).unwrap();
        self.directory.bearer(&claims, now_ms)
    }

    /// Whether nothing is to be found in the log that the directory does not have: it was told of every change
    /// in the act, and following tells it nothing new.
    pub(crate) fn agrees_with_a_fresh_directory(&self, judge: impl Fn(&Directory) -> Judgement) -> Judgement {
        let fresh = Directory::new(DirectorySettings::default());
        fresh.load(&*self.store, NOW).unwrap();
        let here = judge(&self.directory);
        assert_eq!(here, judge(&fresh));
        self.directory.follow(&*self.store, NOW).unwrap();
        assert_eq!(here, judge(&self.directory));
        here
    }
}

pub(crate) fn proven(judgement: Judgement) -> Arc<Identity> {
    match judgement {
        Judgement::Proven(identity) => identity,
        other => panic!("{other:?}"),
    }
}

fn code<T: std::fmt::Debug>(outcome: Result<T, AccountError>) -> &'static str {
    outcome.map_or_else(|error| error.code(), |done| panic!("done: {done:?}"))
}

/// An id that nobody has.
fn nobody() -> Id {
    Id::fresh(1, 1)
}

#[test]
fn what_cannot_be_read_back_is_refused_until_it_can() {
    use std::sync::atomic::Ordering;

    let house = House::new();
    let user = house.register("alice");
    let granted = house.login("alice", PASSWORD, NOW).unwrap();
    proven(house.bearer(&granted.access.token, NOW));
    house.store.down.store(true, Ordering::Relaxed);
    house.directory.changed(&*house.store, Changed::User, user.id);
    assert_eq!(house.bearer(&granted.access.token, NOW), Judgement::Rejected);
    assert_eq!(code(house.login("alice", PASSWORD, NOW)), "store-unavailable");
    house.directory.follow(&*house.store, NOW).unwrap_err();
    house.store.down.store(false, Ordering::Relaxed);
    assert!(house.directory.follow(&*house.store, NOW).unwrap().reloaded);
    proven(house.bearer(&granted.access.token, NOW));
}

#[test]
fn an_error_shows_no_secret_and_has_a_status() {
    let error = AccountError::TotpRequired { attempt: "the-secret".to_owned(), expires_in_s: 300 };
    assert!(!format!("{error:?} {error}").contains("the-secret"));
    let statuses = [
        (AccountError::NameTaken, 400, "Username already registered"),
        (AccountError::EmailTaken, 400, "Email already registered"),
        (AccountError::InvalidLogin, 401, "Invalid credentials"),
        (AccountError::Disabled, 400, "Inactive user"),
        (AccountError::ReusedRefresh { user: "a".into() }, 401, "Invalid token"),
        (AccountError::RoleNotAllowed, 403, "This role is given by an administrator"),
        (AccountError::LockedOut { retry_after_s: 7 }, 429, "Too many failed attempts"),
        (AccountError::NotFound("user"), 404, "Not found"),
    ];
    for (error, status, detail) in statuses {
        assert_eq!((error.status(), &*error.detail()), (status, detail));
    }
}
