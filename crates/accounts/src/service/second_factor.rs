//! Second factors: an authenticator, and recovery codes for the day it is lost.

use std::net::IpAddr;

use portcullis_core::Id;
use portcullis_core::port::{Account, Totp, UserChange};

use super::{Accounts, Result};
use crate::error::AccountError;
use crate::totp;

/// What a user puts into an authenticator.
pub struct Enrolled {
    /// The secret in base 32.
    pub secret: String,
    /// The same as an `otpauth:` address, for a QR code.
    pub uri: String,
}

impl std::fmt::Debug for Enrolled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enrolled([redacted])")
    }
}

impl Accounts {
    /// Begins to set up a second factor. It is not asked for before a code proved that the user has it; beginning
    /// again forgets the secret of before.
    pub fn totp_enroll(&self, id: Id) -> Result<Enrolled> {
        let _deciding = self.deciding.lock();
        let account = self.account(id)?;
        if account.totp.as_ref().is_some_and(|totp| totp.confirmed) {
            return Err(AccountError::TotpExists);
        }
        let secret = totp::fresh()?;
        let issuer = &self.settings.load().totp_issuer;
        let enrolled =
            Enrolled { secret: totp::base32(&secret), uri: totp::uri(&secret, issuer, &account.user.name) };
        let pending = Totp { secret, confirmed: false, last_step: 0, recovery: Vec::new() };
        self.store.change_user(id, &UserChange::Totp(Some(pending)))?;
        Ok(enrolled)
    }

    /// Proves that the user has it: from now on it is asked for. Returns the recovery codes, shown once.
    pub fn totp_confirm(&self, id: Id, code: &str, now_ms: i64) -> Result<Vec<String>> {
        let _deciding = self.deciding.lock();
        let account = self.account(id)?;
        let pending = account.totp.ok_or(AccountError::NoTotp)?;
        if pending.confirmed {
            return Err(AccountError::TotpExists);
        }
        let step = totp::step_of(&pending.secret, code, now_ms.unsigned_abs() / 1000)
            .ok_or(AccountError::InvalidTotp)?;
        let (codes, recovery): (Vec<_>, Vec<_>) = totp::recovery_codes()?.into_iter().unzip();
        let confirmed = Totp { confirmed: true, last_step: step, recovery, ..pending };
        self.store.change_user(id, &UserChange::Totp(Some(confirmed)))?;
        Ok(codes)
    }

    /// Takes the second factor away from a user who proves it once more.
    pub fn totp_disable(&self, id: Id, code: &str, from: IpAddr, now_ms: i64) -> Result<()> {
        let account = self.account(id)?;
        if account.totp.is_none() {
            return Err(AccountError::NoTotp);
        }
        let counted = self.begin_try(&account.user.name, from, now_ms)?;
        if account.totp.as_ref().is_some_and(|totp| totp.confirmed)
            && !self.take_code(&account, code, now_ms)?
        {
            return Err(AccountError::InvalidTotp);
        }
        self.lockout.succeeded(&counted);
        Ok(self.store.change_user(id, &UserChange::Totp(None))?)
    }

    /// Whether `code` is a code of the authenticator or a recovery code that was not used before. It counts as
    /// used from now on.
    pub(super) fn take_code(&self, account: &Account, code: &str, now_ms: i64) -> Result<bool> {
        let Some(totp) = account.totp.as_ref().filter(|totp| totp.confirmed) else { return Ok(false) };
        if let Some(step) = totp::step_of(&totp.secret, code, now_ms.unsigned_abs() / 1000) {
            return Ok(self.store.take_totp_step(account.user.id, step)?);
        }
        let digest = totp::recovery_digest(code);
        let known = totp.recovery.contains(&digest);
        Ok(known && self.store.take_recovery_code(account.user.id, &digest)?)
    }
}
