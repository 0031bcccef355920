//! Who was proven to be calling.

use std::fmt;
use std::sync::Arc;

use crate::id::Id;
use crate::route::Pattern;

/// How a caller proved who it is, and what a route can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// The shared token of an ingestion endpoint, in `X-Ingest-Token`.
    IngestToken,
    /// An API key, in `X-API-Key`: one that every caller shares, or one of a user.
    ApiKey,
    /// An access token of a user, in `Authorization: Bearer` (RFC 6750).
    Bearer,
    /// A session of a user, in `X-Session-ID` with `X-Device-ID`, or in the cookie `__Host-session`.
    Session,
}

impl Scheme {
    /// Every scheme, for messages that list them.
    pub const ALL: [Scheme; 4] = [Scheme::IngestToken, Scheme::ApiKey, Scheme::Bearer, Scheme::Session];

    /// The name in configuration, logs and `X-Auth-Method`.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::IngestToken => "ingest-token",
            Scheme::ApiKey => "api-key",
            Scheme::Bearer => "bearer",
            Scheme::Session => "session",
        }
    }

    /// The scheme with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == name)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A caller whose credential was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who it is, as the application is told in `X-Auth-User`. A shared credential is named by its scheme.
    pub user: Box<str>,
    /// How it was proven.
    pub scheme: Scheme,
    /// The public name of the credential (never the credential): what logs and limits `per key` use. The id of
    /// a key, of a session, of a family of tokens; the fingerprint of a shared secret.
    pub credential: Box<str>,
    /// The user's id; none for a shared credential and for a user of an outside identity provider.
    pub id: Option<Id>,
    /// The name of its role; none for a shared credential that was given none.
    pub role: Option<Arc<str>>,
    /// The device that its session is bound to.
    pub device: Option<Id>,
    /// What the credential is limited to, beside what its user may do; none for no such limit.
    pub grant: Option<Arc<Grant>>,
}

impl Identity {
    /// Whoever has a secret that callers share.
    pub fn shared(scheme: Scheme, credential: &str) -> Self {
        Self {
            user: scheme.name().into(),
            scheme,
            credential: credential.into(),
            id: None,
            role: None,
            device: None,
            grant: None,
        }
    }
}

/// What a credential is limited to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant {
    /// It is for requests that match one of these; none for all.
    pub routes: Vec<Pattern>,
    /// Path parameters with the values it is bound to: a route that has a parameter of such a name is its own
    /// only with one of the values that stand beside it.
    pub bindings: Vec<(Box<str>, Box<str>)>,
}
