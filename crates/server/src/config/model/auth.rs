//! What callers are asked for, and how an application is told who they are.

use std::path::PathBuf;

use portcullis_core::Secret;
use portcullis_core::identity::Scheme;
use portcullis_core::quota::Rate;
use portcullis_core::secret::Strength;

use crate::config::origin::Origin;

#[derive(Debug, Clone)]
pub struct Auth {
    /// What a route without `auth` asks for; routes have it filled in.
    pub default: RouteAuth,
    pub ingest_token: Option<SchemeConfig>,
    pub api_key: Option<SchemeConfig>,
    /// Schemes without a credential, or switched off, whose routes stand open for it.
    pub unset: Vec<Scheme>,
    /// The name (of the environment, or the key) by which asking for the API key was switched off.
    pub switched_off: Option<&'static str>,
    /// Whether access tokens and sessions are taken: accounts are kept.
    pub users: bool,
    /// Wrong credentials of one address.
    pub failures: Rate,
}

/// A scheme of shared secrets. Without any it takes the API keys of users alone.
#[derive(Debug, Clone)]
pub struct SchemeConfig {
    pub scheme: Scheme,
    pub header: String,
    /// All of them are valid; never empty where `users` is not set.
    pub credentials: Vec<Credential>,
    /// Whether it takes API keys of users too.
    pub users: bool,
    /// The role of who has the shared secret; one of `Config::roles`.
    pub role: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Credential {
    pub secret: Secret,
    pub from: SecretSource,
    pub strength: Strength,
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A name of the process environment.
    Environment(String),
    /// A name of a `.env` file.
    EnvFile(String),
    File(PathBuf),
    /// It stands in the configuration.
    Literal,
}

/// What a route asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteAuth {
    Open,
    /// Any one of these; never empty, each is configured.
    AnyOf(Vec<Scheme>),
    /// Any one of these or none at all; a wrong one is refused. Never empty, each is configured.
    Optional(Vec<Scheme>),
}

/// How an application is told who it is, beside `X-Auth-User`, `X-Auth-Role` and `X-Auth-Method`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Onward {
    /// More headers that carry the user's name; a client's own are taken off.
    pub user_headers: Vec<String>,
    /// The audience of a signed assertion in `X-Auth-Assertion`; nothing: there is none. Needs accounts.
    pub assertion: Option<String>,
}

impl Credential {
    /// What to call it: the name or the file that it comes from, else `what`.
    pub fn words(&self, what: &str) -> String {
        match &self.from {
            SecretSource::Environment(name) | SecretSource::EnvFile(name) => name.clone(),
            SecretSource::File(path) => format!("{what} in {}", path.display()),
            SecretSource::Literal => what.to_owned(),
        }
    }
}

impl Auth {
    pub fn scheme(&self, scheme: Scheme) -> Option<&SchemeConfig> {
        match scheme {
            Scheme::IngestToken => self.ingest_token.as_ref(),
            Scheme::ApiKey => self.api_key.as_ref(),
            Scheme::Bearer | Scheme::Session | Scheme::FirstMessage => None,
        }
    }

    /// Every scheme that stands in a header of its own.
    pub fn schemes(&self) -> impl Iterator<Item = &SchemeConfig> {
        self.ingest_token.iter().chain(&self.api_key)
    }

    /// Whether anybody can prove by this scheme who they are.
    pub fn takes(&self, scheme: Scheme) -> bool {
        match scheme {
            Scheme::IngestToken | Scheme::ApiKey => self.scheme(scheme).is_some(),
            Scheme::Bearer | Scheme::Session => self.users,
            // Where the key is switched off, or none is set and that is allowed, the first message must still be a
            // login, and any will do (T-WS-12).
            Scheme::FirstMessage => {
                self.users || self.api_key.is_some() || self.unset.contains(&Scheme::ApiKey)
            }
        }
    }
}

impl RouteAuth {
    /// The schemes that it takes; empty where it is open.
    pub fn schemes(&self) -> &[Scheme] {
        match self {
            RouteAuth::Open => &[],
            RouteAuth::AnyOf(schemes) | RouteAuth::Optional(schemes) => schemes,
        }
    }

    /// Whether a request without a credential passes.
    pub fn passes_nobody(&self) -> bool {
        !matches!(self, RouteAuth::AnyOf(_))
    }
}
