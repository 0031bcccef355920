//! The port to whoever knows where a URL leads: a request that names one is judged by it before it goes on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::denial::UrlFault;

/// A judgement under way.
pub type Checking<'a> = Pin<Box<dyn Future<Output = Result<(), RefusedUrl>> + Send + 'a>>;

/// Judges URLs that clients name. It waits for name servers, within a time of its own, and what it cannot judge it
/// refuses.
pub trait UrlGuard: fmt::Debug + Send + Sync {
    /// Whether the URL leads to what may be called.
    fn check<'a>(&'a self, url: &'a str) -> Checking<'a>;
}

/// Why a URL may not be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedUrl {
    /// The sort of refusal.
    pub fault: UrlFault,
    /// The reason in words: no address that a name resolved to, nothing of the URL itself.
    pub why: String,
}
