//! What of the configuration this service goes by, made ready: the router and the documents. Swapped whole.

use bytes::Bytes;
use portcullis_core::Upgrade;
use portcullis_core::route::{CanonicalPath, Conflict, PatternError, RouteTable};

use super::endpoints::{self, Endpoint, Places};
use super::refusal::Replies;
use super::{openapi, page};

/// What the configuration says of this service.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where its endpoints stand.
    pub places: Places,
    /// What its refusals say.
    pub replies: Replies,
    /// The cookie of a session in a browser.
    pub cookie: Cookie,
    /// The roles there are, for the document.
    pub roles: Vec<String>,
}

/// The cookie of a session in a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Whether browsers may send it over TLS only.
    pub secure: bool,
}

impl Default for Cookie {
    fn default() -> Self {
        Self { name: "__Host-session".to_owned(), secure: true }
    }
}

/// Settings, made ready.
#[derive(Debug, Default)]
pub struct Live {
    pub(super) replies: Replies,
    pub(super) cookie: Cookie,
    /// `/openapi.json`.
    pub(super) document: Bytes,
    /// `/docs`.
    pub(super) page: Bytes,
    table: RouteTable,
    /// In the order of the patterns of `table`.
    endpoints: Vec<&'static Endpoint>,
    /// What the patterns are called, which is what the gate calls its routes.
    patterns: Vec<String>,
}

/// Places at which endpoints cannot stand.
#[derive(Debug, thiserror::Error)]
pub enum Misplaced {
    /// A place is no path.
    #[error("`{0}`: {1}")]
    Path(String, PatternError),
    /// Two endpoints would be the same.
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

/// Where a request leads.
#[derive(Debug)]
pub enum Found {
    /// To this endpoint, with these parameters of the path.
    Endpoint(&'static Endpoint, Vec<(String, String)>),
    /// To a path that is there for these methods.
    OtherMethods(String),
    /// Nowhere.
    Nothing,
}

impl Live {
    /// Makes settings ready.
    pub fn new(settings: Settings) -> Result<Self, Misplaced> {
        let (mut patterns, mut placed, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (text, endpoint) in endpoints::placed(&settings.places) {
            names.push(text.clone());
            patterns.push(text.parse().map_err(|error| Misplaced::Path(text, error))?);
            placed.push(endpoint);
        }
        let document = openapi::document(&settings.places, &settings.roles);
        let page = page::page(&settings.places);
        Ok(Self {
            replies: settings.replies,
            cookie: settings.cookie,
            document: document.into(),
            page: page.into(),
            table: RouteTable::build(patterns)?,
            endpoints: placed,
            patterns: names,
        })
    }

    /// What the gate calls the route to an endpoint.
    pub(super) fn pattern_of(&self, endpoint: &Endpoint) -> &str {
        let at = self.endpoints.iter().position(|placed| placed.id == endpoint.id);
        at.and_then(|at| self.patterns.get(at)).map_or("", String::as_str)
    }

    /// Where a request leads. The table is the gate's own kind: both read a path in the same way.
    pub(super) fn find(&self, method: &str, path: &str) -> Found {
        let Ok(path) = CanonicalPath::parse(path) else { return Found::Nothing };
        let Ok(found) = self.table.find(method, &path, Upgrade::None) else { return Found::Nothing };
        match found.route.and_then(|route| self.endpoints.get(route)) {
            Some(endpoint) => {
                let decoded = |value: &str| {
                    percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned()
                };
                let params = found.params.iter().map(|(name, value)| (name.to_owned(), decoded(value)));
                Found::Endpoint(endpoint, params.collect())
            }
            None => match self.table.allowed_methods(&path) {
                none if none.is_empty() => Found::Nothing,
                methods => Found::OtherMethods(methods),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> String {
        let live = Live::new(Settings { places: Places::below("/p"), ..Settings::default() }).unwrap();
        match live.find(method, path) {
            Found::Endpoint(endpoint, params) => format!("{} {params:?}", endpoint.id),
            Found::OtherMethods(methods) => methods,
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn a_request_leads_to_its_endpoint() {
        assert_eq!(found("POST", "/p/auth/login"), "login []");
        assert_eq!(found("DELETE", "/p/auth/api-keys/a%20b"), r#"revoke_key [("id", "a b")]"#);
        assert_eq!(found("GET", "/p/admin/users/bob"), r#"show_user [("id", "bob")]"#);
        assert_eq!(found("HEAD", "/p/auth/profile"), "profile []");
        assert_eq!(found("GET", "/p/docs"), "docs []");
    }

    #[test]
    fn other_methods_are_told_those_there_are() {
        assert_eq!(found("GET", "/p/auth/login"), "POST");
        assert_eq!(found("OPTIONS", "/p/auth/sessions"), "GET, HEAD, POST");
        assert_eq!(found("PUT", "/p/admin/users/bob"), "GET, HEAD, PATCH, DELETE");
        for path in ["/auth/login", "/p", "/p/auth", "/p/auth/nothing", "/p/auth/..", "*"] {
            assert_eq!(found("GET", path), "nothing", "{path}");
        }
    }

    #[test]
    fn places_that_cannot_be_are_refused() {
        let at = |places| Live::new(Settings { places, ..Settings::default() });
        assert!(matches!(at(Places::below("no slash")), Err(Misplaced::Path(..))));
        let mut twice = Places::below("");
        twice.admin.clone_from(&twice.auth);
        assert!(matches!(at(twice), Err(Misplaced::Conflict(_))));
    }
}
