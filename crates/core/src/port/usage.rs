//! How much was asked for: sums by the minute, and who asked for what by the hour.

use super::StoreError;
use crate::id::Id;

/// One minute of one process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minute {
    /// When it began, in milliseconds since 1970.
    pub minute_ms: i64,
    /// Requests that were answered.
    pub requests: u64,
    /// Answers with 400 to 499.
    pub client_errors: u64,
    /// Answers with 500 to 599.
    pub server_errors: u64,
    /// Requests that the gateway refused.
    pub refused: u64,
    /// Those of them that were above a limit.
    pub limited: u64,
    /// Requests whose caller was known.
    pub proven: u64,
    /// Requests and logins that were refused for their credential.
    pub unproven: u64,
    /// Requests that no honest client sends, and callers that were locked out.
    pub suspicious: u64,
    /// Requests whose answer took half a second or longer.
    pub slow: u64,
    /// From heads read to last bytes written, together, in microseconds.
    pub duration_us: u64,
    /// The most connections that were open when it was looked.
    pub connections: u64,
    /// Use of the processors of the machine, in hundredths of a percent.
    pub cpu: u64,
    /// Use of its memory.
    pub memory: u64,
    /// Use of the file system with the working directory.
    pub disk: u64,
}

/// What a count of an hour is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UsedBy {
    /// A user.
    User,
    /// A route.
    Endpoint,
    /// A user, or an address where there is none, and a route: `alice:GET /work`.
    Caller,
}

impl UsedBy {
    /// Its name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Endpoint => "endpoint",
            Self::Caller => "caller",
        }
    }
}

/// What one of them asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Its name.
    pub name: String,
    /// How many requests.
    pub requests: u64,
    /// How many of them were answered with 400 or above.
    pub errors: u64,
    /// When the last one came, in milliseconds since 1970.
    pub last_ms: i64,
}

/// Sums over minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// How many minutes there is anything of.
    pub minutes: u64,
    /// The sums; of `connections` the most, and of `cpu`, `memory` and `disk` the means. `minute_ms` is that of
    /// the first.
    pub all: Minute,
}

/// Keeps how much was asked for.
pub trait Usage: Send + Sync {
    /// Adds a minute of a process to what is kept of it.
    fn add_minute(&self, node: Id, minute: &Minute) -> Result<(), StoreError>;
    /// Adds what was asked for in the hour that began at `hour_ms`.
    fn add_used(&self, hour_ms: i64, used: &[(UsedBy, Used)]) -> Result<(), StoreError>;
    /// The minutes that began at `from_ms` or later, of all processes together.
    fn span(&self, from_ms: i64) -> Result<Span, StoreError>;
    /// Who asked for most in the hours that ended after `from_ms`, at most `limit` of them.
    fn most_used(&self, by: UsedBy, from_ms: i64, limit: u32) -> Result<Vec<Used>, StoreError>;
    /// When something with that public name was seen first; where it never was, it is from `now_ms` on, if that
    /// is given. It is not forgotten.
    fn first_seen(&self, name: &str, now_ms: Option<i64>) -> Result<Option<i64>, StoreError>;
    /// Forgets what ended before `before_ms`.
    fn forget_usage(&self, before_ms: i64) -> Result<(), StoreError>;
}
