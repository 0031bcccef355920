//! Logging in, going on, and logging out.

use std::net::IpAddr;

use portcullis_core::Id;
use portcullis_core::port::{Account, Attempt, Changed, Family, Rotation, User, UserChange};

use super::{Accounts, Result};
use crate::error::AccountError;
use crate::lockout::Counted;
use crate::random;
use crate::token::{Issued, Subject, TokenError};

/// How many codes may be tried on a login that waits for its second factor.
const CODES: u32 = 5;

/// What a login gives.
#[derive(Debug)]
pub struct Granted {
    /// Whose it is.
    pub user: User,
    /// The token to come in with.
    pub access: Issued,
    /// The token to go on with, once.
    pub refresh: String,
}

impl Accounts {
    /// Logs in. An unknown name costs the same work as a wrong password and gets the same answer; somebody who
    /// is disabled learns so with the right password only. With a second factor set up and no `code`, the error
    /// carries what to go on with.
    pub fn login(
        &self,
        name: &str,
        password: &str,
        code: Option<&str>,
        from: IpAddr,
        now_ms: i64,
    ) -> Result<Granted> {
        let (account, counted) = self.prove_password(name, password, from, now_ms)?;
        if account.totp.as_ref().is_some_and(|totp| totp.confirmed) {
            match code {
                None => {
                    self.lockout.succeeded(&counted);
                    return Err(self.wait_for_code(account.user.id, now_ms)?);
                }
                Some(code) if !self.take_code(&account, code, now_ms)? => {
                    return Err(AccountError::InvalidTotp);
                }
                Some(_) => {}
            }
        }
        self.lockout.succeeded(&counted);
        self.grant(account.user, now_ms)
    }

    /// Completes a login that waited for its second factor. A try is counted before the code is looked at: of
    /// many at once no more are looked at than may be wrong.
    pub fn login_totp(&self, attempt: &str, code: &str, from: IpAddr, now_ms: i64) -> Result<Granted> {
        let digest = random::digest(attempt.as_bytes());
        let attempt = self.store.attempt(&digest, now_ms)?.ok_or(AccountError::InvalidTotp)?;
        let account = self.store.account(attempt.user)?.ok_or(AccountError::InvalidTotp)?;
        let counted = self.begin_try(&account.user.name, from, now_ms)?;
        let tries = self.store.attempt_failed(attempt.id)?;
        let right = tries <= CODES && account.user.active && self.take_code(&account, code, now_ms)?;
        if !right {
            if tries >= CODES {
                self.store.end_attempt(attempt.id)?;
            }
            return Err(AccountError::InvalidTotp);
        }
        if !self.store.end_attempt(attempt.id)? {
            return Err(AccountError::InvalidTotp);
        }
        self.lockout.succeeded(&counted);
        self.grant(account.user, now_ms)
    }

    /// Takes a refresh token, once, for a new pair. One that was used before ends its whole login: two hold it,
    /// and nobody can tell who is the thief.
    pub fn refresh(&self, token: &str, now_ms: i64) -> Result<Granted> {
        let claims = self.tokens.refresh(token.as_bytes(), now_ms).map_err(|error| match error {
            TokenError::Expired | TokenError::Invalid(_) => AccountError::InvalidRefresh,
        })?;
        let account = self.store.account(claims.id)?.ok_or(AccountError::InvalidRefresh)?;
        let user = account.user;
        if !user.active || claims.issued_ms < user.valid_from_ms {
            return Err(AccountError::InvalidRefresh);
        }
        let expires_ms = now_ms + self.refresh_ttl_ms();
        match self.store.rotate_family(claims.family, claims.generation, now_ms, expires_ms)? {
            Rotation::Rotated(generation) => self.issue(user, claims.family, generation, expires_ms, now_ms),
            Rotation::Reused => {
                self.changed(Changed::Family, claims.family);
                Err(AccountError::ReusedRefresh { user: user.name.into() })
            }
            Rotation::Ended => Err(AccountError::InvalidRefresh),
        }
    }

    /// Ends a login: its refresh token and its access tokens, at once. False where it had ended.
    pub fn logout(&self, family: Id, now_ms: i64) -> Result<bool> {
        let ended = self.store.revoke_family(family, now_ms)?;
        self.changed(Changed::Family, family);
        Ok(ended)
    }

    /// Gives a user another password who knows the old one. Every other token and session ends, and so does the
    /// login this was done with.
    pub fn change_password(&self, id: Id, old: &str, new: &str, from: IpAddr, now_ms: i64) -> Result<()> {
        let account = self.account(id)?;
        self.prove(&account, old, from, now_ms)?;
        self.put_password(&account, new, now_ms)
    }

    pub(super) fn put_password(&self, account: &Account, new: &str, now_ms: i64) -> Result<()> {
        let user = &account.user;
        let hash = self.hash_of_new(new, &user.name, user.email.as_deref())?;
        self.store.change_user(user.id, &UserChange::Password { hash, valid_from_ms: now_ms })?;
        self.end_logins(user.id, now_ms)
    }

    /// Ends every login and session of a user.
    pub(super) fn end_logins(&self, id: Id, now_ms: i64) -> Result<()> {
        for family in self.store.revoke_families_of(id, now_ms)? {
            self.changed(Changed::Family, family);
        }
        for session in self.store.end_sessions_of(id)? {
            self.changed(Changed::Session, session);
        }
        self.changed(Changed::User, id);
        Ok(())
    }

    /// The account with that name, its password proven.
    fn prove_password(
        &self,
        name: &str,
        password: &str,
        from: IpAddr,
        now_ms: i64,
    ) -> Result<(Account, Counted)> {
        let counted = self.begin_try(name, from, now_ms)?;
        let account = self.store.account_by_name(name)?;
        let hash = account.as_ref().and_then(|account| account.password.as_deref());
        let verified = self.verify(hash, password)?;
        let Some(account) = account.filter(|_| verified.matches) else {
            return Err(AccountError::InvalidLogin);
        };
        if !account.user.active {
            self.lockout.succeeded(&counted);
            return Err(AccountError::Disabled);
        }
        if verified.outdated
            && let Some(from) = account.password.clone()
            // One that bcrypt would cut stays under its old hash.
            && let Ok(to) = self.settings.load().hasher.hash(password.as_bytes())
        {
            self.store.change_user(account.user.id, &UserChange::Rehash { from, to })?;
        }
        Ok((account, counted))
    }

    fn wait_for_code(&self, user: Id, now_ms: i64) -> Result<AccountError> {
        let ttl_ms = self.settings.load().attempt_ttl_ms;
        let (attempt, digest) = random::secret()?;
        self.store.create_attempt(&Attempt {
            id: random::id(now_ms)?,
            digest,
            user,
            created_ms: now_ms,
            expires_ms: now_ms + ttl_ms,
            failures: 0,
        })?;
        Ok(AccountError::TotpRequired { attempt, expires_in_s: ttl_ms.unsigned_abs() / 1000 })
    }

    fn grant(&self, user: User, now_ms: i64) -> Result<Granted> {
        let expires_ms = now_ms + self.refresh_ttl_ms();
        let family = Family {
            id: random::id(now_ms)?,
            user: user.id,
            generation: 0,
            created_ms: now_ms,
            expires_ms,
            revoked_ms: None,
        };
        self.store.create_family(&family)?;
        self.store.change_user(user.id, &UserChange::LoggedIn(now_ms))?;
        // Somebody whom a command or another node made a moment ago is known here from now on: a token that was
        // given must not be refused until the next look at the store.
        self.changed(Changed::User, user.id);
        let user = User { last_login_ms: Some(now_ms), ..user };
        self.issue(user, family.id, 0, expires_ms, now_ms)
    }

    fn issue(
        &self,
        user: User,
        family: Id,
        generation: i64,
        expires_ms: i64,
        now_ms: i64,
    ) -> Result<Granted> {
        let subject = Subject { user: &user.name, id: user.id, family, role: &user.role };
        let access = self.tokens.issue_access(&subject, now_ms)?;
        let refresh = self.tokens.issue_refresh(&subject, generation, now_ms, expires_ms)?;
        Ok(Granted { user, access, refresh })
    }

    fn refresh_ttl_ms(&self) -> i64 {
        i64::try_from(self.tokens.settings().refresh_ttl_s.saturating_mul(1000)).unwrap_or(i64::MAX / 4)
    }
}
