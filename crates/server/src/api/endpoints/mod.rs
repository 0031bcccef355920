//! Every endpoint of this service, in one table: where it stands, who may have it, what it takes and gives, and
//! what does it. The policy of the gate, the router and `/openapi.json` are made from it.

mod admin;
mod auth;

use portcullis_core::identity::Scheme;

use super::answer::Answer;
use super::bodies::forms::{ANY_NAME, ID};
use super::call::Call;
use super::refusal::Refusal;
use super::service::State;
use super::shape::{Field, Form, Shape, Takes};
use super::{jwks, openapi, page};

/// The largest body of a request, in bytes.
pub const MAX_BODY: u64 = 64 * 1024;

/// What does the work of an endpoint. It may wait: it runs where [`Work`] says.
pub type Handler = fn(&State, &Call) -> Result<Answer, Refusal>;

/// What is moved or switched off as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// What people do for themselves: `/auth`.
    Auth,
    /// What administrators do: `/admin`.
    Admin,
    /// The document for people: `/docs`.
    Docs,
    /// The document for programs: `/openapi.json`.
    OpenApi,
    /// The public keys that tokens and assertions are signed with: `/.well-known/jwks.json`.
    Jwks,
}

/// Where the groups stand: whole paths without a slash at the end (empty for the root), or nothing for a group
/// that is switched off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// For [`Group::Auth`].
    pub auth: Option<String>,
    /// For [`Group::Admin`].
    pub admin: Option<String>,
    /// For [`Group::Docs`].
    pub docs: Option<String>,
    /// For [`Group::OpenApi`].
    pub openapi: Option<String>,
    /// For [`Group::Jwks`].
    pub jwks: Option<String>,
}

/// Who may have an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// Everybody; who presents one of these is known.
    Optional(&'static [Scheme]),
    /// Whoever proves who it is by one of these.
    Authenticated(&'static [Scheme]),
    /// Of those, the ones with the role `admin`.
    Admin(&'static [Scheme]),
}

/// Where the work of an endpoint is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// At once: it waits for nothing.
    Here,
    /// Among what waits for the store.
    Store,
    /// Among what hashes passwords.
    Password,
}

/// What the log says when it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing: nothing was changed.
    Reads,
    /// Somebody proved who it is.
    Authenticates,
    /// An account was changed.
    Changes,
}

/// The body of what an endpoint gives back when all is well.
#[derive(Debug, Clone, Copy)]
pub enum Gives {
    /// None.
    Nothing,
    /// JSON of this shape.
    Json(&'static Shape),
    /// A document of this media type.
    Document(&'static str),
}

/// One endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// Its name: in the document, and as the reason of an event.
    pub id: &'static str,
    /// Its method.
    pub method: &'static str,
    /// The group it belongs to.
    pub group: Group,
    /// Its path below that of its group.
    pub path: &'static str,
    /// Who may have it.
    pub access: Access,
    /// A limit of its own, as configurations write it.
    pub limit: Option<&'static str>,
    /// What its body must be.
    pub takes: Takes,
    /// For a list: what `after` is; it takes `limit` then, too.
    pub pages: Option<&'static Form>,
    /// What else its query may say.
    pub query: &'static [Field],
    /// The status when all is well.
    pub status: u16,
    /// And the body.
    pub gives: Gives,
    /// Where its work is done.
    pub work: Work,
    /// What the log says of it.
    pub act: Act,
    /// One line for people.
    pub summary: &'static str,
    /// What does it.
    pub handler: Handler,
}

/// Credentials of a login: what an API key must not be enough for is for these.
pub const LOGIN: &[Scheme] = &[Scheme::Bearer, Scheme::Session];
/// Every credential of a user.
pub const ANY: &[Scheme] = &[Scheme::Bearer, Scheme::Session, Scheme::ApiKey];

const DOCUMENTS: &[Endpoint] = &[
    Endpoint::get("jwks", Group::Jwks, "", jwks::show)
        .open()
        .gives(&super::bodies::told::JWKS)
        .about("The public keys that tokens and assertions are signed with (RFC 7517)"),
    Endpoint::get("openapi", Group::OpenApi, "", openapi::show)
        .open()
        .document("application/json")
        .about("This document"),
    Endpoint::get("docs", Group::Docs, "", page::show)
        .open()
        .document("text/html; charset=utf-8")
        .about("This document, for people"),
    Endpoint::get("docs_style", Group::Docs, "/style.css", page::style)
        .open()
        .document("text/css; charset=utf-8")
        .about("What that page looks like"),
];

/// Every endpoint, in the order of the document.
pub fn all() -> impl Iterator<Item = &'static Endpoint> {
    auth::ENDPOINTS.iter().chain(admin::ENDPOINTS).chain(DOCUMENTS)
}

/// The endpoints of the groups that stand somewhere, each with its pattern: `POST /auth/login`.
pub fn placed(places: &Places) -> impl Iterator<Item = (String, &'static Endpoint)> + use<'_> {
    all().filter_map(|endpoint| {
        let path = endpoint.whole_path(places)?;
        Some((format!("{} {path}", endpoint.method), endpoint))
    })
}

/// The paths of those endpoints, each once. Requests for them with other methods belong here too: they are
/// answered 405.
pub fn paths(places: &Places) -> Vec<String> {
    let mut paths: Vec<String> = all().filter_map(|endpoint| endpoint.whole_path(places)).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

impl Places {
    /// All groups below one prefix, which is empty for the root.
    pub fn below(prefix: &str) -> Self {
        let place = |path: &str| Some(format!("{prefix}{path}"));
        Self {
            auth: place("/auth"),
            admin: place("/admin"),
            docs: place("/docs"),
            openapi: place("/openapi.json"),
            jwks: place("/.well-known/jwks.json"),
        }
    }

    /// Where a group stands.
    pub fn of(&self, group: Group) -> Option<&str> {
        match group {
            Group::Auth => self.auth.as_deref(),
            Group::Admin => self.admin.as_deref(),
            Group::Docs => self.docs.as_deref(),
            Group::OpenApi => self.openapi.as_deref(),
            Group::Jwks => self.jwks.as_deref(),
        }
    }
}

impl Endpoint {
    /// Its whole path; nothing where its group is switched off.
    pub fn whole_path(&self, places: &Places) -> Option<String> {
        let path = format!("{}{}", places.of(self.group)?, self.path);
        Some(if path.is_empty() { "/".to_owned() } else { path })
    }

    /// The credentials it takes; none for an open one.
    pub fn schemes(&self) -> &'static [Scheme] {
        match self.access {
            Access::Open => &[],
            Access::Optional(schemes) | Access::Authenticated(schemes) | Access::Admin(schemes) => schemes,
        }
    }

    /// The largest body, in bytes: nothing for methods that have none.
    pub fn max_body(&self) -> u64 {
        if self.method == "GET" { 0 } else { MAX_BODY }
    }

    const fn new(
        id: &'static str,
        method: &'static str,
        group: Group,
        path: &'static str,
        handler: Handler,
    ) -> Self {
        Self {
            id,
            method,
            group,
            path,
            access: match group {
                Group::Admin => Access::Admin(LOGIN),
                _ => Access::Authenticated(LOGIN),
            },
            limit: None,
            takes: Takes::Nothing,
            pages: None,
            query: &[],
            status: 204,
            gives: Gives::Nothing,
            work: Work::Store,
            act: Act::Changes,
            summary: "",
            handler,
        }
    }

    /// One that reads, from memory or the store.
    const fn get(id: &'static str, group: Group, path: &'static str, handler: Handler) -> Self {
        Self { status: 200, act: Act::Reads, ..Self::new(id, "GET", group, path, handler) }
    }

    const fn post(id: &'static str, group: Group, path: &'static str, handler: Handler) -> Self {
        Self::new(id, "POST", group, path, handler)
    }

    const fn delete(id: &'static str, group: Group, path: &'static str, handler: Handler) -> Self {
        Self::new(id, "DELETE", group, path, handler)
    }

    /// For everybody.
    const fn open(self) -> Self {
        let work = match self.group {
            Group::Docs | Group::OpenApi | Group::Jwks => Work::Here,
            _ => self.work,
        };
        Self { access: Access::Open, work, ..self }
    }

    const fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    const fn limit(self, limit: &'static str) -> Self {
        Self { limit: Some(limit), ..self }
    }

    const fn takes(self, shape: &'static Shape) -> Self {
        Self { takes: Takes::One(shape), ..self }
    }

    const fn may_take(self, shape: &'static Shape) -> Self {
        Self { takes: Takes::Maybe(shape), ..self }
    }

    /// A list that is read page by page.
    const fn pages(self, after: &'static Form) -> Self {
        Self { pages: Some(after), ..self }
    }

    /// One that is asked by these parameters, each of which may be left out.
    const fn asks(self, query: &'static [Field]) -> Self {
        Self { query, ..self }
    }

    /// 200 with this body.
    const fn gives(self, shape: &'static Shape) -> Self {
        Self { status: 200, gives: Gives::Json(shape), ..self }
    }

    /// 201 with this body.
    const fn makes(self, shape: &'static Shape) -> Self {
        Self { status: 201, gives: Gives::Json(shape), ..self }
    }

    const fn document(self, media_type: &'static str) -> Self {
        Self { gives: Gives::Document(media_type), ..self }
    }

    const fn hashes(self) -> Self {
        Self { work: Work::Password, ..self }
    }

    const fn authenticates(self) -> Self {
        Self { act: Act::Authenticates, ..self }
    }

    const fn about(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use portcullis_core::quota::{LimitSpec, Scope};
    use portcullis_core::route::RouteTable;

    use super::*;

    #[test]
    fn the_table_is_a_policy() {
        for prefix in ["", "/portcullis"] {
            let places = Places::below(prefix);
            let mut patterns: Vec<_> = placed(&places).map(|(text, _)| text.parse().unwrap()).collect();
            patterns.extend(paths(&places).iter().map(|path| path.parse().unwrap()));
            RouteTable::build(patterns).unwrap();
        }
        assert_eq!(placed(&Places::default()).count(), 0);
        assert_eq!(paths(&Places::default()), [""; 0]);
        let names: HashSet<_> = all().map(|endpoint| endpoint.id).collect();
        assert_eq!(names.len(), all().count(), "a name stands for one endpoint");
        for endpoint in all() {
            if let Some(limit) = endpoint.limit {
                assert_eq!(limit.parse::<LimitSpec>().unwrap().scope, Some(Scope::Ip), "{}", endpoint.id);
            }
            assert!(!endpoint.summary.is_empty(), "{}", endpoint.id);
        }
    }

    #[test]
    fn what_guesses_or_makes_something_without_a_credential_is_limited() {
        for endpoint in all().filter(|endpoint| endpoint.method != "GET") {
            let open = matches!(endpoint.access, Access::Open | Access::Optional(_));
            assert_eq!(endpoint.limit.is_some(), open, "{}", endpoint.id);
        }
    }

    #[test]
    fn an_api_key_is_not_enough_to_change_an_account() {
        for endpoint in all().filter(|endpoint| endpoint.schemes().contains(&Scheme::ApiKey)) {
            assert_eq!((endpoint.method, endpoint.act), ("GET", Act::Reads), "{}", endpoint.id);
        }
    }

    #[test]
    fn the_admin_group_is_for_administrators() {
        for endpoint in all() {
            let admin = matches!(endpoint.access, Access::Admin(_));
            assert_eq!(admin, endpoint.group == Group::Admin, "{}", endpoint.id);
        }
    }
}
