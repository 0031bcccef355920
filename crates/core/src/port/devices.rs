//! Devices that sessions are bound to.

use super::StoreError;
use crate::id::Id;

/// A device, registered or about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id, as `X-Device-ID` carries it. Knowing it gives nothing.
    pub id: Id,
    /// SHA-256 of the secret that only the device has.
    pub digest: [u8; 32],
    /// Whose it is, from its first login on; none before: its registration is not complete.
    pub user: Option<Id>,
    /// What it calls itself.
    pub name: String,
    /// When its registration began.
    pub created_ms: i64,
    /// When a registration that is not complete ends.
    pub expires_ms: i64,
    /// When its registration was completed.
    pub registered_ms: Option<i64>,
}

/// What came of completing a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// It is the user's device, now or since before.
    Done,
    /// There is no such device, or its registration took too long.
    Unknown,
    /// It is somebody else's.
    Foreign,
    /// The user has as many devices as it may.
    TooMany,
}

/// Keeps devices.
pub trait Devices: Send + Sync {
    /// Adds a device whose registration begins.
    fn create_device(&self, device: &Device) -> Result<(), StoreError>;
    /// The device with that id.
    fn device(&self, id: Id) -> Result<Option<Device>, StoreError>;
    /// The devices of a user, the newest first.
    fn devices_of(&self, user: Id) -> Result<Vec<Device>, StoreError>;
    /// Up to `limit` devices with ids after `after`, in the order of their ids, pending ones too.
    fn devices(&self, after: Option<Id>, limit: u32) -> Result<Vec<Device>, StoreError>;
    /// Hands over every device whose registration is complete, in no order.
    fn each_device(&self, take: &mut dyn FnMut(Device)) -> Result<(), StoreError>;
    /// Completes the registration of a device for a user who has fewer than `most` others.
    fn register_device(&self, id: Id, user: Id, now_ms: i64, most: u32) -> Result<Registration, StoreError>;
    /// Removes a device and ends its sessions, which are returned. `Missing` where there is none.
    fn remove_device(&self, id: Id) -> Result<Vec<Id>, StoreError>;
    /// Removes those whose registration was not complete at `now_ms` in time, and says which.
    fn expire_devices(&self, now_ms: i64) -> Result<Vec<Id>, StoreError>;
}
