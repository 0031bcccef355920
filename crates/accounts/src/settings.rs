//! What the acts on accounts are told of the configuration.

use crate::password::{Hasher, Policy};

/// The role that may everything.
pub const ADMIN: &str = "admin";

/// Everything that the acts on accounts depend on beside the store.
#[derive(Debug)]
pub struct AccountSettings {
    /// Hashes passwords.
    pub hasher: Hasher,
    /// Judges new passwords.
    pub policy: Policy,
    /// Whether people may register themselves.
    pub registration: bool,
    /// The role of those who do.
    pub default_role: String,
    /// Every role, from fewest to most rights.
    pub roles: Vec<String>,
    /// What API keys begin with.
    pub key_prefix: String,
    /// How many live API keys a user may have.
    pub max_keys: u32,
    /// How long a key lives where its maker says nothing, in milliseconds.
    pub key_ttl_ms: Option<i64>,
    /// How long a session lives, in milliseconds.
    pub session_ttl_ms: i64,
    /// How long a session may go unused, in milliseconds.
    pub session_idle_ms: Option<i64>,
    /// How many sessions a user may have; the one used longest ago ends for a new one.
    pub max_sessions: u32,
    /// How long the registration of a device may take, in milliseconds.
    pub device_ttl_ms: i64,
    /// How many devices a user may have.
    pub max_devices: u32,
    /// How long a login may wait for its second factor, in milliseconds.
    pub attempt_ttl_ms: i64,
    /// How many failed logins lock an account name out.
    pub lockout_attempts: u32,
    /// Within how many seconds.
    pub lockout_window_s: u32,
    /// What authenticator apps show.
    pub totp_issuer: String,
}

/// Whether who has the role `holder` may hand out `role`: the same one, or one that is known to be less. `order`
/// names roles from fewest to most rights; `admin` is above all, wherever it stands.
pub(crate) fn is_within(order: &[String], role: &str, holder: &str) -> bool {
    let rank = |role: &str| match role {
        ADMIN => Some(usize::MAX),
        role => order.iter().position(|known| known == role),
    };
    role == holder
        || holder == ADMIN
        || rank(role).zip(rank(holder)).is_some_and(|(role, holder)| role < holder)
}
