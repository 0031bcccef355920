//! Why a URL is not called.

use portcullis_core::address::{Kind, Special};
use portcullis_core::denial::UrlFault;

use crate::resolver::LookupError;

/// Why a URL is not called. Its words are for logs and for whoever wrote the URL: they show no address that a
/// name resolved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not an absolute URL as RFC 3986 writes it.
    #[error("not a URL: {0}")]
    Malformed(&'static str),
    /// A scheme beside `http` and `https`.
    #[error("a scheme other than http and https")]
    Scheme,
    /// Two programs could take it for two places.
    #[error("not every program reads it alike: {0}")]
    Ambiguous(&'static str),
    /// A port that is not called.
    #[error("port {0} is not among those that are called")]
    Port(u16),
    /// A name that belongs to this machine, to the local network or to a cloud's metadata service.
    #[error("a name of this machine or its network: {0}")]
    LocalName(&'static str),
    /// It is, or resolves to, an address that is not public.
    #[error("an address that is not public ({})", .0.kind.name())]
    NotPublic(Special),
    /// The configuration says no.
    #[error("denied by the configuration")]
    Denied,
    /// Its name means no address that could be judged.
    #[error("its name could not be resolved: {0}")]
    Unresolved(#[from] LookupError),
}

impl Refusal {
    /// The sort of refusal, as a client is told it.
    pub fn fault(&self) -> UrlFault {
        match self {
            Refusal::Malformed(_) => UrlFault::Invalid,
            Refusal::Scheme => UrlFault::Scheme,
            Refusal::NotPublic(Special { kind: Kind::PrivateNetwork, .. }) => UrlFault::PrivateNetwork,
            Refusal::Ambiguous(_)
            | Refusal::Port(_)
            | Refusal::LocalName(_)
            | Refusal::NotPublic(_)
            | Refusal::Denied => UrlFault::Refused,
            Refusal::Unresolved(_) => UrlFault::Unresolved,
        }
    }
}
