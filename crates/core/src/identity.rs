//! Who was proven to be calling.

use std::fmt;
use std::sync::Arc;

use crate::head::Upgrade;
use crate::id::Id;
use crate::route::{CanonicalPath, Conflict, Pattern, RouteTable};

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
    /// An API key or an access token in the first message of a WebSocket, for clients that can send no header
    /// with the handshake. Who came by it is known by the scheme of what the message holds.
    FirstMessage,
}

impl Scheme {
    /// Every scheme, for messages that list them.
    pub const ALL: [Scheme; 5] =
        [Scheme::IngestToken, Scheme::ApiKey, Scheme::Bearer, Scheme::Session, Scheme::FirstMessage];

    /// The name in configuration, logs and `X-Auth-Method`.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::IngestToken => "ingest-token",
            Scheme::ApiKey => "api-key",
            Scheme::Bearer => "bearer",
            Scheme::Session => "session",
            Scheme::FirstMessage => "first-message",
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

/// The role that passes every route; above all others.
pub const ADMIN: &str = "admin";

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
#[derive(Debug)]
pub struct Grant {
    /// The requests it is for; none for all.
    routes: Option<RouteTable>,
    bindings: Vec<(Box<str>, Box<str>)>,
}

impl Grant {
    /// Limits a credential to requests that match one of `routes` (none: all), and each path parameter that is
    /// named in `bindings` to the values that stand beside its name.
    pub fn new(routes: Vec<Pattern>, bindings: Vec<(Box<str>, Box<str>)>) -> Result<Self, Conflict> {
        let routes = if routes.is_empty() { None } else { Some(RouteTable::build(routes)?) };
        Ok(Self { routes, bindings })
    }

    /// Whether it is for this request, in every spelling in which an application might read it.
    pub fn allows(&self, method: &str, path: &CanonicalPath<'_>, upgrade: Upgrade) -> bool {
        let Some(routes) = &self.routes else { return true };
        let Ok(found) = routes.find(method, path, upgrade) else { return false };
        found.route.is_some() && found.others().all(|other| other.is_some())
    }

    /// Whether a path parameter may have this value.
    pub fn binds(&self, name: &str, value: &str) -> bool {
        let mut of_name = self.bindings.iter().filter(|(bound, _)| &**bound == name).peekable();
        of_name.peek().is_none() || of_name.any(|(_, allowed)| &**allowed == value)
    }

    /// Whether values of a path parameter of this name are limited.
    pub fn names(&self, name: &str) -> bool {
        self.bindings.iter().any(|(bound, _)| &**bound == name)
    }

    fn patterns(&self) -> &[Pattern] {
        self.routes.as_ref().map_or(&[], RouteTable::patterns)
    }
}

impl PartialEq for Grant {
    fn eq(&self, other: &Self) -> bool {
        self.patterns() == other.patterns() && self.bindings == other.bindings
    }
}

impl Eq for Grant {}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(routes: &[&str], bindings: &[(&str, &str)]) -> Grant {
        let routes = routes.iter().map(|route| route.parse().unwrap()).collect();
        let bindings = bindings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Grant::new(routes, bindings).unwrap()
    }

    fn allows(grant: &Grant, method: &str, path: &str) -> bool {
        grant.allows(method, &CanonicalPath::parse(path).unwrap(), Upgrade::None)
    }

    #[test]
    fn a_credential_is_for_the_routes_of_its_grant_alone() {
        let grant = grant(&["POST /live/ingest", "GET /runs/{*rest}"], &[]);
        assert!(allows(&grant, "POST", "/live/ingest"));
        assert!(allows(&grant, "GET", "/runs/1/export.csv"));
        assert!(!allows(&grant, "GET", "/live/ingest"), "another method");
        assert!(!allows(&grant, "POST", "/live/streams"), "another path");
        assert!(!allows(&grant, "POST", "/LIVE/ingest"), "an exact application would take it for another");
    }

    #[test]
    fn a_grant_without_routes_is_for_all() {
        assert!(allows(&grant(&[], &[]), "DELETE", "/anything"));
    }

    #[test]
    fn a_bound_parameter_has_its_values_and_others_are_free() {
        let grant = grant(&[], &[("account", "primary"), ("account", "second")]);
        assert!(grant.binds("account", "primary") && grant.binds("account", "second"));
        assert!(!grant.binds("account", "third") && !grant.binds("account", ""));
        assert!(grant.binds("order", "17"));
    }
}
