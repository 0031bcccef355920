//! People and their credentials.

use std::fmt;

use super::StoreError;
use crate::Secret;
use crate::id::Id;

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id; never changes.
    pub id: Id,
    /// The name to log in with, as written; unique whatever the case of its ASCII letters.
    pub name: String,
    /// Unique whatever the case of its ASCII letters.
    pub email: Option<String>,
    /// The name of its role.
    pub role: String,
    /// Whether it may come at all.
    pub active: bool,
    /// When it was made.
    pub created_ms: i64,
    /// When it last logged in.
    pub last_login_ms: Option<i64>,
    /// Tokens and sessions made before this moment are refused: set by a new password and by `revoke-all`.
    pub valid_from_ms: i64,
}

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The user.
    pub user: User,
    /// The hash of its password in PHC or bcrypt form; `None` for one that cannot log in with a password.
    pub password: Option<String>,
}

/// A user with what it proves itself by.
#[derive(Debug, Clone)]
pub struct Account {
    /// The user.
    pub user: User,
    /// The hash of its password, in PHC or bcrypt form.
    pub password: Option<String>,
    /// Its second factor, confirmed or not.
    pub totp: Option<Totp>,
}

/// A second factor (RFC 6238).
#[derive(Debug, Clone)]
pub struct Totp {
    /// The shared secret, at least 20 bytes.
    pub secret: Secret,
    /// Whether a code proved that the user has it; before, it is not asked for.
    pub confirmed: bool,
    /// The last time step whose code was used; it and older ones are refused (RFC 6238 section 5.2).
    pub last_step: i64,
    /// SHA-256 of each recovery code that was not used yet.
    pub recovery: Vec<[u8; 32]>,
}

/// A value of a user that must be its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserField {
    /// The name.
    Name,
    /// The e-mail address.
    Email,
}

impl fmt::Display for UserField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UserField::Name => "user name",
            UserField::Email => "e-mail address",
        })
    }
}

/// One change of a user.
#[derive(Debug, Clone)]
pub enum UserChange {
    /// Another role.
    Role(String),
    /// May come, or may not.
    Active(bool),
    /// Another address.
    Email(Option<String>),
    /// Another password: tokens and sessions made before `valid_from_ms` end.
    Password {
        /// Its hash.
        hash: String,
        /// From when on tokens and sessions are valid.
        valid_from_ms: i64,
    },
    /// The same password under another hash, only where the hash is still `from`; ends nothing.
    Rehash {
        /// The hash that was verified.
        from: String,
        /// The hash to keep.
        to: String,
    },
    /// Every token and session made before this moment ends.
    ValidFrom(i64),
    /// It logged in at this moment.
    LoggedIn(i64),
    /// Another second factor, or none.
    Totp(Option<Totp>),
}

/// Keeps users.
pub trait Users: Send + Sync {
    /// Makes users, all or none. The error names the first value that is taken.
    fn create_users(&self, users: &[NewUser]) -> Result<(), StoreError>;
    /// The user with that id.
    fn account(&self, id: Id) -> Result<Option<Account>, StoreError>;
    /// The user with that name, whatever the case of its ASCII letters.
    fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreError>;
    /// Up to `limit` users whose names come after `after`, in the order of their names in lower case.
    fn users(&self, after: Option<&str>, limit: u32) -> Result<Vec<User>, StoreError>;
    /// Hands every user over, in no order.
    fn each_user(&self, take: &mut dyn FnMut(User)) -> Result<(), StoreError>;
    /// How many there are.
    fn count_users(&self) -> Result<u64, StoreError>;
    /// Changes a user. `Missing` where there is none.
    fn change_user(&self, id: Id, change: &UserChange) -> Result<(), StoreError>;
    /// Takes a time step of the second factor: true for the one call that comes first, for a step later than
    /// every one taken before.
    fn take_totp_step(&self, id: Id, step: i64) -> Result<bool, StoreError>;
    /// Takes a recovery code by its SHA-256: true for the one call that comes first.
    fn take_recovery_code(&self, id: Id, digest: &[u8; 32]) -> Result<bool, StoreError>;
    /// Removes a user with its keys, sessions, devices and token families. `Missing` where there is none.
    fn delete_user(&self, id: Id) -> Result<(), StoreError>;
}
