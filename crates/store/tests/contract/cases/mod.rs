//! What every store must do, port by port.

pub mod attempts;
pub mod audit;
pub mod changes;
pub mod devices;
pub mod families;
pub mod keys;
pub mod lasting;
pub mod races;
pub mod sessions;
pub mod signing_keys;
pub mod usage;
pub mod users;
