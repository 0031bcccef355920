//! Authentication: who is calling. One file per kind of credential, one arm here.
//!
//! An authenticator answers one of three things: nothing of mine here, this identity, or rejected (which
//! ends the chain: a wrong credential is never outvoted by another one).

mod shared_secret;

use std::sync::Arc;

use portcullis_core::identity::Scheme;
use portcullis_core::{Head, Identity};

pub use shared_secret::SharedSecret;

/// What one authenticator found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// No credential of this kind was presented.
    Absent,
    /// The credential is valid; it belongs to this identity.
    Proven(Arc<Identity>, &'a [u8]),
    /// A credential was presented and is not valid.
    Rejected,
}

/// One way to prove who is calling.
#[derive(Debug)]
pub enum Authenticator {
    /// A secret that every caller shares, in a header of its own.
    SharedSecret(SharedSecret),
}

impl Authenticator {
    /// The scheme this authenticator stands for.
    pub fn scheme(&self) -> Scheme {
        match self {
            Authenticator::SharedSecret(shared) => shared.scheme,
        }
    }

    /// Looks for a credential of this kind and judges it.
    pub fn identify<'a>(&self, head: &Head<'a>) -> Outcome<'a> {
        match self {
            Authenticator::SharedSecret(shared) => shared.identify(head),
        }
    }

    /// The field that carries the credential, in lower case: it is taken off before the application sees
    /// the request.
    pub fn field(&self) -> &str {
        match self {
            Authenticator::SharedSecret(shared) => &shared.field,
        }
    }
}

/// All authenticators of a policy.
#[derive(Debug, Default)]
pub struct Authn {
    authenticators: Vec<Authenticator>,
}

/// What the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// None of the accepted credentials was presented; the scheme to ask for.
    Nothing(Scheme),
    /// Proven, with the credential as presented (for the memory of addresses that succeeded).
    Identity(Arc<Identity>, &'a [u8]),
    /// A credential of this scheme was presented and is not valid.
    Wrong(Scheme),
}

impl Authn {
    /// The chain of those authenticators.
    pub fn new(authenticators: Vec<Authenticator>) -> Self {
        Self { authenticators }
    }

    /// Judges the request by the accepted schemes, in their order. `accepts` must not be empty.
    pub fn identify<'a>(&self, accepts: &[Scheme], head: &Head<'a>) -> Found<'a> {
        for scheme in accepts {
            for authenticator in self.authenticators.iter().filter(|one| one.scheme() == *scheme) {
                match authenticator.identify(head) {
                    Outcome::Absent => {}
                    Outcome::Proven(identity, credential) => return Found::Identity(identity, credential),
                    Outcome::Rejected => return Found::Wrong(*scheme),
                }
            }
        }
        Found::Nothing(accepts.first().copied().unwrap_or(Scheme::ApiKey))
    }

    /// Whether the field `name` carries a credential that this gateway judges.
    pub fn is_credential(&self, name: &str) -> bool {
        self.authenticators.iter().any(|one| one.field().eq_ignore_ascii_case(name))
    }

    /// Whether any authenticator stands for `scheme`.
    pub fn knows(&self, scheme: Scheme) -> bool {
        self.authenticators.iter().any(|one| one.scheme() == scheme)
    }
}
