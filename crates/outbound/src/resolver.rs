//! The port to whatever knows which addresses a name has.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

/// A lookup under way.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, LookupError>> + Send + 'a>>;

/// Knows which addresses a name has.
pub trait Resolver: fmt::Debug + Send + Sync {
    /// Every address of a whole name (no search list is gone through), IPv4 and IPv6.
    fn lookup<'a>(&'a self, name: &'a str) -> Lookup<'a>;
}

/// Why a name has no address that could be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// There is no such name, or it has no address.
    #[error("there is no such name")]
    NoSuchName,
    /// Who should know does not answer, or answers that it cannot.
    #[error("the name server gives no answer")]
    Unavailable,
    /// The answer did not come in time.
    #[error("the name server took too long")]
    TimedOut,
}
