//! People who register themselves.

use portcullis_core::Id;
use portcullis_core::port::{Changed, NewUser, User};

use super::{Accounts, Result};
use crate::error::AccountError;
use crate::random;

/// The longest e-mail address (RFC 5321 section 4.5.3.1.3, erratum 1690).
const LONGEST_EMAIL: usize = 254;

/// What somebody registers with.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// The name to log in with.
    pub name: &'a str,
    /// The address.
    pub email: Option<&'a str>,
    /// The password.
    pub password: &'a str,
    /// The role that is asked for.
    pub role: Option<&'a str>,
}

impl Accounts {
    /// Registers somebody. Nobody gets more than the default role by oneself: asking for another is refused.
    pub fn register(&self, asked: &Registration<'_>, now_ms: i64) -> Result<User> {
        let settings = self.settings.load();
        if !settings.registration {
            return Err(AccountError::RegistrationClosed);
        }
        if asked.role.is_some_and(|role| role != settings.default_role) {
            return Err(AccountError::RoleNotAllowed);
        }
        self.make(asked.name, asked.email, &settings.default_role, Some(asked.password), now_ms)
    }

    /// Makes a user; the acts of an administrator come here too.
    pub(super) fn make(
        &self,
        name: &str,
        email: Option<&str>,
        role: &str,
        password: Option<&str>,
        now_ms: i64,
    ) -> Result<User> {
        check_name(name)?;
        email.map_or(Ok(()), check_email)?;
        let hash = password.map(|password| self.hash_of_new(password, name, email)).transpose()?;
        let user = fresh(random::id(now_ms)?, name, email, role, now_ms);
        self.store.create_users(&[NewUser { user: user.clone(), password: hash }])?;
        self.changed(Changed::User, user.id);
        Ok(user)
    }

    /// Judges a new password and hashes it.
    pub(super) fn hash_of_new(&self, password: &str, name: &str, email: Option<&str>) -> Result<String> {
        let settings = self.settings.load();
        let user_data: Vec<&str> = [name].into_iter().chain(email).collect();
        settings.policy.judge(password, &user_data).map_err(AccountError::WeakPassword)?;
        Ok(settings.hasher.hash(password.as_bytes())?)
    }
}

/// A user who was made now and never logged in.
pub(super) fn fresh(id: Id, name: &str, email: Option<&str>, role: &str, now_ms: i64) -> User {
    User {
        id,
        name: name.to_owned(),
        email: email.map(str::to_owned),
        role: role.to_owned(),
        active: true,
        created_ms: now_ms,
        last_login_ms: None,
        valid_from_ms: 0,
    }
}

/// Names can stand in a header, a path and a log as they are.
pub(super) fn check_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@');
    let good = (3..=64).contains(&name.len())
        && name.bytes().all(plain)
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if good { Ok(()) } else { Err(AccountError::InvalidName) }
}

/// The shape of an address: what is left of it to check is whether a letter arrives.
pub(super) fn check_email(email: &str) -> Result<()> {
    let good = email.len() <= LONGEST_EMAIL
        && email.split_once('@').is_some_and(|(local, domain)| is_local_part(local) && is_domain(domain));
    if good { Ok(()) } else { Err(AccountError::InvalidEmail) }
}

/// A dot-string of RFC 5321 section 4.1.2, in ASCII.
fn is_local_part(local: &str) -> bool {
    (1..=64).contains(&local.len())
        && local.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"(),:;<>@[\\]".contains(&byte))
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
}

/// Two labels or more, the last of which is no number.
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.rsplit_once('.').is_some_and(|(_, last)| {
        last.len() >= 2 && !last.bytes().all(|byte| byte.is_ascii_digit()) && domain.split('.').all(is_label)
    })
}
