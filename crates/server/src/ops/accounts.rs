//! The accounts of a process: the store opened, the memory that requests are judged from, what signs tokens.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use portcullis_accounts::password::{Algorithm, Argon2Cost, Breached, Hasher, Policy};
use portcullis_accounts::service::Imported;
use portcullis_accounts::token::{Alg, Keyring, TokenSettings};
use portcullis_accounts::{AccountSettings, Accounts, Directory, DirectorySettings, Tokens};
use portcullis_core::port::{ApiKey, Device, Session, Store, User};
use portcullis_core::{Id, Secret};
use portcullis_store::Options;
use serde::Deserialize;

use crate::config::model::{self, Config, PasswordHash, StoreUrl, TokenAlgorithm, TokenKeys};
use crate::config::{Sources, read};

/// How many rows are read at once.
const PAGE: u32 = 1000;

/// What judges credentials of users: for a policy that decides.
#[derive(Debug, Clone)]
pub struct Judges {
    /// Who may come.
    pub directory: Arc<Directory>,
    /// What verifies tokens.
    pub tokens: Arc<Tokens>,
}

/// Everything of accounts that runs.
#[derive(Debug, Clone)]
pub struct Running {
    /// The acts, with the store, the directory and the tokens.
    pub accounts: Arc<Accounts>,
}

impl Running {
    /// Opens the store, makes it where it is absent, and reads what requests are judged from.
    pub fn start(config: &Config, wanted: &model::Accounts) -> Result<Self> {
        let store = open(wanted, &Options::default())?;
        let accounts = assemble(config, wanted, store)?;
        accounts.directory().load(&**accounts.store(), now_ms()).context("the store cannot be read")?;
        Ok(Self { accounts: Arc::new(accounts) })
    }

    /// What judges.
    pub fn judges(&self) -> Judges {
        Judges {
            directory: Arc::clone(self.accounts.directory()),
            tokens: Arc::clone(self.accounts.tokens()),
        }
    }

    /// Takes over what a changed configuration says. The store stays the one that was opened.
    pub fn follow(&self, config: &Config, wanted: &model::Accounts) -> Result<()> {
        let settings = settings(config, wanted)?;
        self.accounts.tokens().replace_settings(token_settings(wanted))?;
        self.accounts.tokens().replace_keyring(keyring(wanted, &**self.accounts.store())?)?;
        self.accounts.directory().replace_settings(directory_settings(config, wanted));
        self.accounts.replace_settings(settings);
        Ok(())
    }

    /// Reads the signing keys of the store again, and makes a new one where the newest is too old.
    pub fn renew_keys(&self, wanted: &model::Accounts) -> Result<()> {
        Ok(self.accounts.tokens().replace_keyring(keyring(wanted, &**self.accounts.store())?)?)
    }
}

impl Judges {
    /// Of a configuration with accounts, without opening its store for longer than it takes to read it: for
    /// commands that decide and serve nobody. Where there is no store yet, nobody has an account.
    pub fn peek(config: &Config) -> Result<Option<Self>> {
        let Some(wanted) = &config.accounts else { return Ok(None) };
        let options = Options { create: false, read_only: true, ..Options::default() };
        let directory = Directory::new(directory_settings(config, wanted));
        let (store, absent) = match open_store(wanted, &options) {
            Ok(store) => (store, false),
            Err(portcullis_store::OpenError::Absent { .. }) => {
                (portcullis_store::open("memory:", None, &Options::default())?, true)
            }
            Err(error) => return Err(explained(error, &wanted.store)),
        };
        directory.load(&*store, now_ms()).context("the store cannot be read")?;
        let keyring = if absent { fresh_keyring()? } else { kept_keyring(wanted, &*store)? };
        let tokens = Tokens::new(token_settings(wanted), keyring)?;
        Ok(Some(Self { directory: Arc::new(directory), tokens: Arc::new(tokens) }))
    }
}

/// The accounts as a command works on them, beside a running gateway or without one.
pub struct Opened {
    /// The acts.
    pub accounts: Accounts,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Where the audit log is written.
    audit: Option<Arc<dyn Store>>,
}

impl Opened {
    /// Opens the store that the configuration names, and makes it where it is absent.
    pub fn open(sources: &Sources) -> Result<Self> {
        let loaded = read(sources)?;
        let Some(wanted) = &loaded.config.accounts else {
            bail!(
                "this configuration keeps no accounts: [store] url = \"sqlite:portcullis.db\" in portcullis.toml \
                 makes it keep them"
            );
        };
        let store = open(wanted, &Options::default())?;
        let accounts = assemble(&loaded.config, wanted, Arc::clone(&store))?;
        let audit = match &loaded.config.audit {
            audit if !audit.enabled => None,
            audit => Some(match &audit.store {
                Some(own) => open_named(own, &Options::default())?,
                None => Arc::clone(&store),
            }),
        };
        Ok(Self { accounts, store, audit })
    }

    /// Writes down what was done: `act` is its stable word.
    pub fn record(&self, act: &str, details: &str) -> Result<()> {
        let Some(audit) = &self.audit else { return Ok(()) };
        audit
            .append_audit(&[super::audit::of_command(act, details)])
            .context("it was done, and cannot be recorded")?;
        Ok(())
    }

    /// This moment, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        now_ms()
    }

    /// The user with that name or id.
    pub fn user(&self, name: &str) -> Result<User> {
        self.accounts.find_user(name).with_context(|| format!("`{name}`"))
    }

    /// Everybody.
    pub fn users(&self) -> Result<Vec<User>> {
        let mut all: Vec<User> = Vec::new();
        loop {
            let page = self.store.users(all.last().map(|user| user.name.as_str()), PAGE)?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Every key, revoked ones too.
    pub fn keys(&self) -> Result<Vec<ApiKey>> {
        pages(|after| Ok(self.store.keys(after, PAGE)?), |key: &ApiKey| key.id)
    }

    /// Every session.
    pub fn sessions(&self) -> Result<Vec<Session>> {
        pages(|after| Ok(self.store.sessions(after, PAGE)?), |session: &Session| session.id)
    }

    /// Every device.
    pub fn devices(&self) -> Result<Vec<Device>> {
        pages(|after| Ok(self.store.devices(after, PAGE)?), |device: &Device| device.id)
    }

    /// Makes users of the lines of a file, all or none.
    pub fn import(&self, text: &str) -> Result<usize> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Row {
            username: String,
            email: Option<String>,
            role: Option<String>,
            password_hash: Option<String>,
        }
        let default_role = self.accounts.settings().default_role.clone();
        let mut rows = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let row: Row = serde_json::from_str(line).with_context(|| format!("line {}", index + 1))?;
            rows.push(Imported {
                name: row.username,
                email: row.email,
                role: row.role.unwrap_or_else(|| default_role.clone()),
                password_hash: row.password_hash,
            });
        }
        Ok(self.accounts.import_users(&rows, now_ms())?)
    }
}

/// Everything that is read page by page.
fn pages<T>(page: impl Fn(Option<Id>) -> Result<Vec<T>>, id: impl Fn(&T) -> Id) -> Result<Vec<T>> {
    let mut all = Vec::new();
    loop {
        let rows = page(all.last().map(&id))?;
        if rows.is_empty() {
            return Ok(all);
        }
        all.extend(rows);
    }
}

/// This moment, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn open(wanted: &model::Accounts, options: &Options) -> Result<Arc<dyn Store>> {
    open_named(&wanted.store, options)
}

fn open_store(
    wanted: &model::Accounts,
    options: &Options,
) -> Result<Arc<dyn Store>, portcullis_store::OpenError> {
    open_url(&wanted.store, options)
}

/// Opens a store that a section of the configuration names.
pub(super) fn open_named(store: &model::Store, options: &Options) -> Result<Arc<dyn Store>> {
    open_url(store, options).map_err(|error| explained(error, store))
}

pub(super) fn open_url(
    store: &model::Store,
    options: &Options,
) -> Result<Arc<dyn Store>, portcullis_store::OpenError> {
    let key = store.encryption_key.as_ref().map(|key| &key.secret);
    match &store.url {
        StoreUrl::Sqlite(path) => portcullis_store::open(&format!("sqlite:{}", path.display()), key, options),
        StoreUrl::Postgres { url, .. } => {
            portcullis_store::open(&String::from_utf8_lossy(url.expose()), key, options)
        }
    }
}

/// An application's own name for its database is never taken for ours in silence.
fn explained(error: portcullis_store::OpenError, store: &model::Store) -> anyhow::Error {
    let error = anyhow::Error::new(error);
    if store.from_application {
        return error.context(
            "DATABASE_URL names a store that is not the gateway's: set PORTCULLIS_STORE__URL to one that it has \
             for itself",
        );
    }
    error
}

fn assemble(config: &Config, wanted: &model::Accounts, store: Arc<dyn Store>) -> Result<Accounts> {
    let directory = Arc::new(Directory::new(directory_settings(config, wanted)));
    let tokens = Tokens::new(token_settings(wanted), keyring(wanted, &*store)?)?;
    Ok(Accounts::new(store, directory, Arc::new(tokens), settings(config, wanted)?)?)
}

fn settings(config: &Config, wanted: &model::Accounts) -> Result<AccountSettings> {
    let algorithm = match wanted.passwords.hash {
        PasswordHash::Argon2id => Algorithm::Argon2id(Argon2Cost::default()),
        PasswordHash::Bcrypt => Algorithm::Bcrypt(Algorithm::BCRYPT_COST),
    };
    let breached = match &wanted.passwords.breached_file {
        Some(path) => Some(Breached::open(path).with_context(|| path.display().to_string())?),
        None => None,
    };
    let policy = Policy {
        min_length: wanted.passwords.min_length,
        min_score: wanted.passwords.min_score,
        classes: wanted.passwords.complexity,
        breached,
        ..Policy::default()
    };
    let ms = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4);
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(AccountSettings {
        hasher: Hasher::new(algorithm)?,
        policy: policy.fitting(algorithm),
        registration: wanted.registration.enabled,
        default_role: wanted.registration.role.clone(),
        roles: roles(config),
        key_prefix: wanted.keys.prefix.clone(),
        max_keys: count(wanted.keys.max_per_user),
        key_ttl_ms: wanted.keys.expires.map(ms),
        session_ttl_ms: ms(wanted.sessions.max_age),
        session_idle_ms: wanted.sessions.idle.map(ms),
        max_sessions: count(wanted.sessions.max_per_user),
        device_ttl_ms: ms(wanted.devices.registration_timeout),
        max_devices: count(wanted.devices.max_per_user),
        attempt_ttl_ms: ms(wanted.attempt_timeout),
        lockout_attempts: wanted.lockout.attempts,
        lockout_window_s: u32::try_from(wanted.lockout.window.as_secs()).unwrap_or(u32::MAX).max(1),
        totp_issuer: wanted.tokens.issuer.clone(),
    })
}

fn roles(config: &Config) -> Vec<String> {
    config.roles.iter().map(|role| role.name.clone()).collect()
}

fn token_settings(wanted: &model::Accounts) -> TokenSettings {
    TokenSettings {
        issuer: wanted.tokens.issuer.clone(),
        audience: wanted.tokens.audience.clone(),
        access_ttl_s: wanted.tokens.access_ttl.as_secs(),
        refresh_ttl_s: wanted.tokens.refresh_ttl.as_secs(),
        leeway_s: 0,
    }
}

fn directory_settings(config: &Config, wanted: &model::Accounts) -> DirectorySettings {
    let ms = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4);
    let defaults = DirectorySettings::default();
    DirectorySettings {
        key_prefix: wanted.keys.prefix.clone(),
        session_idle_ms: wanted.sessions.idle.map(ms),
        revoked_ms: defaults.revoked_ms.max(ms(wanted.tokens.access_ttl)),
        roles: roles(config),
        ..defaults
    }
}

/// The keys that tokens are signed with. One that the gateway makes itself is made where there is none, or where
/// the newest is too old; the others verify until everything that was signed with them has expired.
fn keyring(wanted: &model::Accounts, store: &dyn Store) -> Result<Keyring> {
    if let TokenKeys::Made { rotate } = &wanted.tokens.keys {
        let (algorithm, now_ms) = (alg(wanted.tokens.algorithm), now_ms());
        let kept = store.signing_keys(now_ms)?;
        let newest =
            kept.iter().filter(|key| key.algorithm == algorithm.name()).map(|key| key.created_ms).max();
        let old_ms = i64::try_from(rotate.as_millis()).unwrap_or(i64::MAX);
        if newest.is_none_or(|made_ms| now_ms.saturating_sub(made_ms) >= old_ms) {
            let expire_ms = i64::try_from(wanted.tokens.refresh_ttl.as_millis()).unwrap_or(i64::MAX / 4);
            let fresh = Keyring::generate(algorithm, now_ms)?;
            store.create_signing_key(&fresh, now_ms.saturating_add(expire_ms), newest.is_none())?;
        }
    }
    kept_keyring(wanted, store)
}

/// The keys as they are, without making any.
fn kept_keyring(wanted: &model::Accounts, store: &dyn Store) -> Result<Keyring> {
    let algorithm = alg(wanted.tokens.algorithm);
    match &wanted.tokens.keys {
        TokenKeys::Secrets(secrets) => {
            let secrets: Vec<Secret> = secrets.iter().map(|secret| secret.secret.clone()).collect();
            Ok(Keyring::hs256(&secrets)?)
        }
        TokenKeys::Pem(paths) => {
            let mut pems = Vec::new();
            for path in paths {
                let pem = std::fs::read(path).with_context(|| path.display().to_string())?;
                pems.push(Secret::new(pem));
            }
            Ok(Keyring::from_pem(algorithm, &pems)?)
        }
        TokenKeys::Made { .. } => {
            let kept: Vec<_> = store
                .signing_keys(now_ms())?
                .into_iter()
                .filter(|key| key.algorithm == algorithm.name())
                .collect();
            if kept.is_empty() { fresh_keyring() } else { Ok(Keyring::from_pkcs8(&kept)?) }
        }
    }
}

/// A key that nobody else has: no token is verified by it.
fn fresh_keyring() -> Result<Keyring> {
    Ok(Keyring::from_pkcs8(&[Keyring::generate(Alg::EdDSA, now_ms())?])?)
}

fn alg(algorithm: TokenAlgorithm) -> Alg {
    match algorithm {
        TokenAlgorithm::Hs256 => Alg::HS256,
        TokenAlgorithm::Rs256 => Alg::RS256,
        TokenAlgorithm::Es256 => Alg::ES256,
        TokenAlgorithm::EdDsa => Alg::EdDSA,
    }
}
