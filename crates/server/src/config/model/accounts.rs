//! Who may come, where the gateway keeps accounts: the store, passwords, tokens, sessions, devices and keys.

use std::path::PathBuf;
use std::time::Duration;

use portcullis_core::Secret;

use super::{Credential, Limit, SecretSource};
use crate::config::origin::Origin;

/// The role that passes every route; above all others.
pub const ADMIN: &str = "admin";
/// The roles that are always there, below `admin`, in the order of their rights.
pub const BUILT_IN: [&str; 2] = ["free", "premium"];

/// Everything about accounts. It is there where one of the sections stands that need them.
#[derive(Debug, Clone)]
pub struct Accounts {
    pub store: Store,
    pub passwords: Passwords,
    pub tokens: Tokens,
    pub sessions: Sessions,
    pub devices: Devices,
    /// How long a login may wait for its second factor.
    pub attempt_timeout: Duration,
    pub lockout: Lockout,
    pub keys: UserKeys,
    pub registration: Registration,
    /// The section that asked for accounts.
    pub origin: Origin,
}

/// Where accounts are kept.
#[derive(Debug, Clone)]
pub struct Store {
    pub url: StoreUrl,
    /// Nothing: SQLite in clear, which production refuses. PostgreSQL seals with it what must be read again.
    pub encryption_key: Option<Credential>,
    /// Whether the URL came from `DATABASE_URL`, which an application may mean for its own database: one that is
    /// not ours is left alone, and the error names `PORTCULLIS_STORE__URL` (R8).
    pub from_application: bool,
    pub origin: Origin,
}

#[derive(Debug, Clone)]
pub enum StoreUrl {
    /// The file, resolved.
    Sqlite(PathBuf),
    /// The whole URL, which may hold a password.
    Postgres { url: Secret, from: SecretSource },
}

#[derive(Debug, Clone)]
pub struct Passwords {
    pub hash: PasswordHash,
    /// In characters.
    pub min_length: usize,
    /// Whether one of each is asked for: upper case, lower case, digit, other.
    pub complexity: bool,
    /// The least that zxcvbn must think of it, 0 to 4.
    pub min_score: u8,
    /// SHA-1 digests of breached passwords, ordered by digest; it exists.
    pub breached_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordHash {
    Argon2id,
    Bcrypt,
}

#[derive(Debug, Clone)]
pub struct Tokens {
    pub algorithm: TokenAlgorithm,
    pub keys: TokenKeys,
    pub issuer: String,
    pub audience: String,
    pub access_ttl: Duration,
    pub refresh_ttl: Duration,
    pub origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAlgorithm {
    Hs256,
    Rs256,
    Es256,
    EdDsa,
}

/// What signs; in every form the first signs and all verify.
#[derive(Debug, Clone)]
pub enum TokenKeys {
    /// For HS256: at least one, each of at least 32 bytes and no placeholder.
    Secrets(Vec<Credential>),
    /// Private keys in PEM; at least one, each can be read.
    Pem(Vec<PathBuf>),
    /// Keys that the gateway makes, keeps in its store and replaces when they are as old as this.
    Made { rotate: Duration },
}

#[derive(Debug, Clone)]
pub struct Sessions {
    pub max_age: Duration,
    /// Without a request for so long it ends; nothing: it does not.
    pub idle: Option<Duration>,
    /// Between two removals of what has expired: sessions, devices, attempts, token families.
    pub cleanup: Duration,
    pub max_per_user: usize,
    /// The name of the cookie that carries one.
    pub cookie: String,
    /// Whether the cookie is for TLS alone.
    pub secure_cookie: bool,
}

#[derive(Debug, Clone)]
pub struct Devices {
    pub registration_timeout: Duration,
    pub max_per_user: usize,
}

/// Failed logins of one account, or of one address, after which both wait.
#[derive(Debug, Clone)]
pub struct Lockout {
    pub attempts: u32,
    pub window: Duration,
}

/// API keys of users.
#[derive(Debug, Clone)]
pub struct UserKeys {
    /// What a new key begins with.
    pub prefix: String,
    pub max_per_user: usize,
    /// How long a new key lives where its maker says nothing; nothing: until it is revoked.
    pub expires: Option<Duration>,
}

#[derive(Debug, Clone)]
pub struct Registration {
    /// Whether people may register themselves.
    pub enabled: bool,
    /// The role they get; one of `Config::roles`, never `admin`.
    pub role: String,
}

/// A role, with the limits of those who have it, counted over all routes together.
#[derive(Debug, Clone)]
pub struct Role {
    pub name: String,
    pub limits: Vec<Limit>,
    pub origin: Origin,
}

impl StoreUrl {
    /// For people: a path, or a URL without its password.
    pub fn shown(&self) -> String {
        match self {
            StoreUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            StoreUrl::Postgres { url, .. } => without_password(&String::from_utf8_lossy(url.expose())),
        }
    }
}

impl PasswordHash {
    pub fn name(self) -> &'static str {
        match self {
            PasswordHash::Argon2id => "argon2id",
            PasswordHash::Bcrypt => "bcrypt",
        }
    }
}

impl TokenAlgorithm {
    pub const NAMES: [&'static str; 4] = ["HS256", "RS256", "ES256", "EdDSA"];

    /// As in the header of a token (RFC 7518 §3.1, RFC 8037 §3.1).
    pub fn name(self) -> &'static str {
        match self {
            TokenAlgorithm::Hs256 => "HS256",
            TokenAlgorithm::Rs256 => "RS256",
            TokenAlgorithm::Es256 => "ES256",
            TokenAlgorithm::EdDsa => "EdDSA",
        }
    }
}

/// A URL whose password and query, in which another may stand, are left out.
pub fn without_password(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{host}")
        }
        None => url.to_owned(),
    }
}
