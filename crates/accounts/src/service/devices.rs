//! Devices of users.

use portcullis_core::Id;
use portcullis_core::port::{Changed, Device, Registration};

use super::{Accounts, Result};
use crate::error::AccountError;
use crate::random;

/// The longest name of a device, in characters.
const LONGEST_NAME: usize = 100;

/// What a device is told when its registration begins.
pub struct StartedDevice {
    /// Its id, which it names in `X-Device-ID`.
    pub id: Id,
    /// What it proves itself by when it first logs in; shown once.
    pub secret: String,
    /// How long that may take, in seconds.
    pub expires_in_s: u64,
}

impl std::fmt::Debug for StartedDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StartedDevice").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Accounts {
    /// Begins the registration of a device, whoever's it will be.
    pub fn start_device(&self, name: &str, now_ms: i64) -> Result<StartedDevice> {
        let ttl_ms = self.settings.load().device_ttl_ms;
        let (secret, digest) = random::secret()?;
        let id = random::id(now_ms)?;
        let name: String = name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        self.store.create_device(&Device {
            id,
            digest,
            user: None,
            name,
            created_ms: now_ms,
            expires_ms: now_ms + ttl_ms,
            registered_ms: None,
        })?;
        Ok(StartedDevice { id, secret, expires_in_s: ttl_ms.unsigned_abs() / 1000 })
    }

    /// The devices of a user, the newest first.
    pub fn devices_of(&self, user: Id) -> Result<Vec<Device>> {
        Ok(self.store.devices_of(user)?)
    }

    /// Removes a device and ends its sessions. With an `owner`, only one of its own.
    pub fn remove_device(&self, owner: Option<Id>, id: Id) -> Result<()> {
        let device = self.store.device(id)?;
        device
            .filter(|device| owner.is_none_or(|owner| device.user == Some(owner)))
            .ok_or(AccountError::NotFound("device"))?;
        for session in self.store.remove_device(id)? {
            self.changed(Changed::Session, session);
        }
        self.changed(Changed::Device, id);
        Ok(())
    }

    /// Makes a device that proves itself the user's. Knowing its id alone gives nothing.
    pub(super) fn register_device(&self, user: Id, id: Id, secret: &str, now_ms: i64) -> Result<()> {
        let device = self.store.device(id)?.ok_or(AccountError::UnknownDevice)?;
        let presented = random::digest(secret.as_bytes());
        if !bool::from(subtle::ConstantTimeEq::ct_eq(&presented[..], &device.digest[..])) {
            return Err(AccountError::UnknownDevice);
        }
        let most = self.settings.load().max_devices;
        match self.store.register_device(id, user, now_ms, most)? {
            Registration::Done => {
                self.changed(Changed::Device, id);
                Ok(())
            }
            Registration::TooMany => Err(AccountError::TooManyDevices(most)),
            Registration::Unknown | Registration::Foreign => Err(AccountError::UnknownDevice),
        }
    }
}
