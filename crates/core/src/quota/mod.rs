//! Limits: the grammar of a rate, the scopes it counts by, the sliding-window arithmetic and the table.
//!
//! `docs/limiter.md` states what is promised and why it holds.

mod allowance;
mod key;
mod rate;
mod recent;
mod region;
mod table;
mod window;

use std::fmt;

pub use allowance::Allowance;
pub use key::{KeyPart, LimitKey};
pub use rate::{LimitSpec, Rate, RateError, RateProblem, Unit};
pub use recent::RecentSuccess;
pub use table::LimitTable;

/// What a limit counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The client's address, IPv6 by /64.
    Ip,
    /// Everybody together.
    Global,
    /// Everybody together, each route apart.
    Route,
    /// The proven user.
    User,
    /// The proven credential.
    Key,
    /// The device that the client names in `X-Device-ID`: a registered one counts for itself, all others of an
    /// address together. An address ceiling stands above it.
    Device,
    /// The proven session, else the device, else the address. An address ceiling stands above it.
    Session,
    /// The client's address, where nobody was proven.
    Anonymous,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 8] = [
        Scope::Ip,
        Scope::Global,
        Scope::Route,
        Scope::User,
        Scope::Key,
        Scope::Device,
        Scope::Session,
        Scope::Anonymous,
    ];

    /// The word after `per`.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Ip => "ip",
            Scope::Global => "global",
            Scope::Route => "route",
            Scope::User => "user",
            Scope::Key => "key",
            Scope::Device => "device",
            Scope::Session => "session",
            Scope::Anonymous => "anonymous",
        }
    }

    /// The scope with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// Whether it can be counted only after authentication.
    pub fn needs_identity(self) -> bool {
        matches!(self, Scope::User | Scope::Key | Scope::Device | Scope::Session)
    }

    /// Whether the client chooses what it counts by, so that an address ceiling must stand above it.
    pub fn is_chosen_by_client(self) -> bool {
        matches!(self, Scope::Device | Scope::Session)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one check of a limit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the request is within the limit.
    pub admitted: bool,
    /// How many the limit allows in its window.
    pub limit: u32,
    /// The window in seconds.
    pub window_s: u32,
    /// How many more would be admitted at this moment.
    pub remaining: u32,
    /// Milliseconds until the whole allowance is there again.
    pub reset_ms: u64,
    /// Milliseconds after which a refused client is admitted; 0 when admitted.
    pub retry_after_ms: u64,
}
