//! Who was proven to be calling.

use std::fmt;

/// How a caller proved who it is, and what a route can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// The shared token of an ingestion endpoint, in `X-Ingest-Token`.
    IngestToken,
    /// An API key, in `X-API-Key`.
    ApiKey,
}

impl Scheme {
    /// Every scheme, for messages that list them.
    pub const ALL: [Scheme; 2] = [Scheme::IngestToken, Scheme::ApiKey];

    /// The name in configuration, logs and `X-Auth-Method`.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::IngestToken => "ingest-token",
            Scheme::ApiKey => "api-key",
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Who it is, as the application is told in `X-Auth-User`. A shared credential is named by its scheme.
    pub user: Box<str>,
    /// How it was proven.
    pub scheme: Scheme,
    /// The public name of the credential (never the credential): what logs and limits `per key` use.
    pub credential: Box<str>,
}
