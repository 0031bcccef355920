//! What can be done with accounts: what the HTTP endpoints and the command line call.
//!
//! Every act waits, for the store and some for a password hash, and belongs on a bounded pool. What an act
//! changed is in the directory before it returns: in this process it takes effect at once, elsewhere as soon as
//! the change log is followed.

mod devices;
mod import;
mod keys;
mod login;
mod maintain;
mod people;
mod register;
mod second_factor;
mod sessions;
#[cfg(test)]
pub(crate) mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use portcullis_core::Id;
use portcullis_core::port::{Account, Changed, Store, User};

use crate::directory::Directory;
use crate::error::AccountError;
use crate::lockout::{Allowance, Counted, Lockout};
use crate::password::{HashError, Verified};
use crate::random::RandomError;
use crate::settings::{ADMIN, AccountSettings};
use crate::token::Tokens;

pub use devices::StartedDevice;
pub use import::Imported;
pub use keys::NewKey;
pub use login::Granted;
pub use maintain::Maintained;
pub use people::PatchUser;
pub use register::Registration;
pub use second_factor::Enrolled;
pub use sessions::{Binding, StartedSession};

type Result<T> = std::result::Result<T, AccountError>;

/// The acts on accounts. One for the life of the process.
pub struct Accounts {
    store: Arc<dyn Store>,
    directory: Arc<Directory>,
    tokens: Arc<Tokens>,
    settings: ArcSwap<AccountSettings>,
    lockout: Lockout,
    /// Held by what reads a row, decides by it, and writes: two at once in this process cannot both be the last
    /// key that is allowed.
    deciding: Mutex<()>,
}

impl Accounts {
    /// Acts on `store`, keeps `directory` in step and issues by `tokens`.
    pub fn new(
        store: Arc<dyn Store>,
        directory: Arc<Directory>,
        tokens: Arc<Tokens>,
        settings: AccountSettings,
    ) -> std::result::Result<Self, RandomError> {
        let settings = ArcSwap::from_pointee(settings);
        Ok(Self { store, directory, tokens, settings, lockout: Lockout::new()?, deciding: Mutex::new(()) })
    }

    /// Takes over other settings.
    pub fn replace_settings(&self, settings: AccountSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<AccountSettings> {
        self.settings.load_full()
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The directory.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// What issues and verifies tokens.
    pub fn tokens(&self) -> &Arc<Tokens> {
        &self.tokens
    }

    /// The user with that id.
    pub fn profile(&self, id: Id) -> Result<User> {
        Ok(self.account(id)?.user)
    }

    fn account(&self, id: Id) -> Result<Account> {
        self.store.account(id)?.ok_or(AccountError::NotFound("user"))
    }

    /// The password of an account, verified anew for what must not be done with a stolen token alone. Counts
    /// as a login does.
    fn prove(&self, account: &Account, password: &str, from: IpAddr, now_ms: i64) -> Result<()> {
        let counted = self.begin_try(&account.user.name, from, now_ms)?;
        if !self.verify(account.password.as_deref(), password)?.matches {
            return Err(AccountError::InvalidLogin);
        }
        self.lockout.succeeded(&counted);
        Ok(())
    }

    /// Compares a password with a hash, or does the same work where there is none or it cannot be read.
    fn verify(&self, hash: Option<&str>, password: &str) -> Result<Verified> {
        let settings = self.settings.load();
        match hash.map(|hash| settings.hasher.verify(hash, password.as_bytes())) {
            Some(Ok(verified)) => Ok(verified),
            Some(Err(HashError::Unreadable | HashError::Unfit)) | None => {
                settings.hasher.verify_nobody(password.as_bytes());
                Ok(Verified { matches: false, outdated: false })
            }
            Some(Err(fault)) => Err(fault.into()),
        }
    }

    /// Refuses a name or an address that failed too often, and counts this try as failed until it succeeded.
    fn begin_try(&self, name: &str, from: IpAddr, now_ms: i64) -> Result<Counted> {
        let settings = self.settings.load();
        let allowance = Allowance::new(settings.lockout_attempts, settings.lockout_window_s);
        let begun = self.lockout.begin(name, from, allowance, now_ms);
        begun.map_err(|retry_after_s| AccountError::LockedOut { retry_after_s })
    }

    /// Tells the directory what was changed. The change is durable; what cannot be read back now is refused
    /// until following the store brings it.
    fn changed(&self, what: Changed, id: Id) {
        self.directory.changed(&*self.store, what, id);
    }

    fn known_role(&self, role: &str) -> Result<()> {
        let known = role == ADMIN || self.settings.load().roles.iter().any(|one| one == role);
        if known { Ok(()) } else { Err(AccountError::UnknownRole(role.to_owned())) }
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounts").field("directory", &self.directory).finish_non_exhaustive()
    }
}
