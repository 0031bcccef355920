//! Passwords: which are good enough, how they are kept, how one is verified.

mod breached;
mod common;
mod hash;
mod policy;

pub use breached::{Breached, BreachedError};
pub use hash::{Algorithm, Argon2Cost, HashError, Hasher, LONGEST_BCRYPT, Verified};
pub use policy::{Class, Policy, Weakness};
