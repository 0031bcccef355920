//! Why an act on an account was not done.

use std::borrow::Cow;
use std::fmt;

use portcullis_core::port::{StoreError, UserField};

use crate::password::{HashError, Weakness};
use crate::random::RandomError;
use crate::token::SignError;

/// A refusal or a failure. What is told to the client never says which half of a credential was wrong.
#[derive(thiserror::Error)]
pub enum AccountError {
    /// The name belongs to somebody.
    #[error("the user name is taken")]
    NameTaken,
    /// The address belongs to somebody.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// Not a name that can be.
    #[error(
        "a user name has 3 to 64 letters, digits, `.`, `_`, `-` or `@`, and begins with a letter or digit"
    )]
    InvalidName,
    /// Not an address.
    #[error("this is not an e-mail address")]
    InvalidEmail,
    /// A password that is not good enough, with every reason.
    #[error("the password is not strong enough: {}", sentences(.0))]
    WeakPassword(Vec<Weakness>),
    /// People do not register themselves here.
    #[error("registration is closed")]
    RegistrationClosed,
    /// A role that nobody gives oneself.
    #[error("this role is given by an administrator")]
    RoleNotAllowed,
    /// A role that is not configured.
    #[error("there is no role `{0}`")]
    UnknownRole(String),
    /// Unknown name or wrong password: nobody learns which.
    #[error("invalid credentials")]
    InvalidLogin,
    /// The right password of somebody who may not come.
    #[error("the user is disabled")]
    Disabled,
    /// The password was right; the second factor is missing.
    #[error("the second factor is missing")]
    TotpRequired {
        /// What the client goes on with.
        attempt: String,
        /// How long that holds, in seconds.
        expires_in_s: u64,
    },
    /// A wrong, used or late code, or an attempt that ended.
    #[error("the code is not valid")]
    InvalidTotp,
    /// There is a second factor already.
    #[error("a second factor is set up")]
    TotpExists,
    /// There is none that could be confirmed or taken away.
    #[error("no second factor is set up")]
    NoTotp,
    /// Too many failed logins.
    #[error("too many failed logins")]
    LockedOut {
        /// When the next try may succeed, in seconds.
        retry_after_s: u64,
    },
    /// A refresh token that is none, or of a login that ended.
    #[error("the refresh token is not valid")]
    InvalidRefresh,
    /// A refresh token that had been used: its login was ended.
    #[error("a refresh token was used twice")]
    ReusedRefresh {
        /// Whose login it was, for the log.
        user: Box<str>,
    },
    /// As many live keys as a user may have.
    #[error("at most {0} API keys")]
    TooManyKeys(u32),
    /// As many devices as a user may have.
    #[error("at most {0} devices")]
    TooManyDevices(u32),
    /// A device, or its secret, that is not known, or whose registration took too long.
    #[error("the device is not known")]
    UnknownDevice,
    /// A scope or binding that cannot be read.
    #[error("{0}")]
    InvalidScope(String),
    /// A lifetime that ends before it begins, or a name without a character.
    #[error("{0}")]
    InvalidKey(&'static str),
    /// No such thing, or not the caller's.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A row of an import that cannot be taken.
    #[error("row {row}: {why}")]
    Import {
        /// Counted from 1.
        row: usize,
        /// Why.
        why: String,
    },
    /// The store does not answer.
    #[error(transparent)]
    Store(StoreError),
    /// No random numbers, or a hash or signature that could not be made.
    #[error("{0}")]
    Fault(String),
}

impl AccountError {
    /// The stable word.
    pub fn code(&self) -> &'static str {
        match self {
            AccountError::NameTaken => "username-taken",
            AccountError::EmailTaken => "email-taken",
            AccountError::InvalidName => "invalid-username",
            AccountError::InvalidEmail => "invalid-email",
            AccountError::WeakPassword(_) => "weak-password",
            AccountError::RegistrationClosed => "registration-closed",
            AccountError::RoleNotAllowed => "role-not-allowed",
            AccountError::UnknownRole(_) => "unknown-role",
            AccountError::InvalidLogin => "invalid-login",
            AccountError::Disabled => "account-disabled",
            AccountError::TotpRequired { .. } => "totp-required",
            AccountError::InvalidTotp => "totp-invalid",
            AccountError::TotpExists => "totp-exists",
            AccountError::NoTotp => "totp-missing",
            AccountError::LockedOut { .. } => "locked-out",
            AccountError::InvalidRefresh => "invalid-refresh",
            AccountError::ReusedRefresh { .. } => "reused-refresh",
            AccountError::TooManyKeys(_) => "too-many-keys",
            AccountError::TooManyDevices(_) => "too-many-devices",
            AccountError::UnknownDevice => "unknown-device",
            AccountError::InvalidScope(_) => "invalid-scope",
            AccountError::InvalidKey(_) => "invalid-key",
            AccountError::NotFound(_) | AccountError::Store(StoreError::Missing(_)) => "not-found",
            AccountError::Import { .. } => "import",
            AccountError::Store(_) => "store-unavailable",
            AccountError::Fault(_) => "internal",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            AccountError::NameTaken | AccountError::EmailTaken | AccountError::Disabled => 400,
            AccountError::InvalidLogin
            | AccountError::TotpRequired { .. }
            | AccountError::InvalidTotp
            | AccountError::InvalidRefresh
            | AccountError::ReusedRefresh { .. }
            | AccountError::UnknownDevice => 401,
            AccountError::RegistrationClosed
            | AccountError::RoleNotAllowed
            | AccountError::TooManyKeys(_)
            | AccountError::TooManyDevices(_) => 403,
            AccountError::NotFound(_) | AccountError::Store(StoreError::Missing(_)) => 404,
            AccountError::TotpExists | AccountError::NoTotp => 409,
            AccountError::InvalidName
            | AccountError::InvalidEmail
            | AccountError::WeakPassword(_)
            | AccountError::UnknownRole(_)
            | AccountError::InvalidScope(_)
            | AccountError::InvalidKey(_)
            | AccountError::Import { .. } => 422,
            AccountError::LockedOut { .. } => 429,
            AccountError::Fault(_) => 500,
            AccountError::Store(_) => 503,
        }
    }

    /// One sentence for the client, in the words that clients of the guide know.
    pub fn detail(&self) -> Cow<'static, str> {
        match self {
            AccountError::NameTaken => "Username already registered".into(),
            AccountError::EmailTaken => "Email already registered".into(),
            AccountError::WeakPassword(weaknesses) => sentences(weaknesses).into(),
            AccountError::InvalidLogin => "Invalid credentials".into(),
            AccountError::Disabled => "Inactive user".into(),
            AccountError::TotpRequired { .. } => "Second factor required".into(),
            AccountError::InvalidTotp => "Invalid code".into(),
            AccountError::LockedOut { .. } => "Too many failed attempts".into(),
            AccountError::InvalidRefresh | AccountError::ReusedRefresh { .. } => "Invalid token".into(),
            AccountError::UnknownDevice => "Invalid device".into(),
            AccountError::Store(StoreError::Missing(_)) | AccountError::NotFound(_) => "Not found".into(),
            AccountError::Store(_) => "Accounts cannot be reached at the moment".into(),
            AccountError::Fault(_) => "Internal error".into(),
            other => capitalised(&other.to_string()).into(),
        }
    }

    /// After how many seconds another try may succeed.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            AccountError::LockedOut { retry_after_s } => Some(*retry_after_s),
            AccountError::Store(StoreError::Unavailable(_)) => Some(5),
            _ => None,
        }
    }
}

/// What the client goes on with is no more to be seen in a log than a password.
impl fmt::Debug for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({self})", self.code())
    }
}

impl From<StoreError> for AccountError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken(UserField::Name) => AccountError::NameTaken,
            StoreError::Taken(UserField::Email) => AccountError::EmailTaken,
            other => AccountError::Store(other),
        }
    }
}

impl From<RandomError> for AccountError {
    fn from(error: RandomError) -> Self {
        AccountError::Fault(error.to_string())
    }
}

impl From<HashError> for AccountError {
    fn from(error: HashError) -> Self {
        AccountError::Fault(error.to_string())
    }
}

impl From<SignError> for AccountError {
    fn from(error: SignError) -> Self {
        AccountError::Fault(error.to_string())
    }
}

fn sentences(weaknesses: &[Weakness]) -> String {
    weaknesses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        let first = first.to_uppercase();
        first.chain(characters).collect()
    })
}
