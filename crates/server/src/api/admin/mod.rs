//! What administrators do with the accounts of everybody.

pub mod devices;
pub mod keys;
pub mod recorded;
pub mod sessions;
pub mod users;
