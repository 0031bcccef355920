//! Authorization: may this caller have this route.
//!
//! Three questions in this order: could another site have made a browser send this, is the credential for this
//! request at all, and is the route for this role.

use portcullis_core::identity::ADMIN;
use portcullis_core::route::{CanonicalPath, Params, Pattern};
use portcullis_core::{Denial, Head, Upgrade};

use crate::context::RequestContext;
use crate::policy::Route;

/// What is asked for, as the stages after the route see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The head.
    pub head: &'a Head<'a>,
    /// Its path in canonical form.
    pub path: &'a CanonicalPath<'a>,
    /// The path parameters of the route that matched.
    pub params: &'a Params<'a>,
}

/// Judges whether who was proven may have `route`, whose pattern is `pattern` (none for the default route).
pub(crate) fn authorize(
    route: &Route,
    pattern: Option<&Pattern>,
    asked: Asked<'_>,
    ctx: &mut RequestContext,
) -> Result<(), Denial> {
    let Some(identity) = ctx.identity.clone() else {
        // Nobody was asked for (or any key will do, where it is switched off): then nobody has a role either.
        if route.roles.is_empty() {
            return Ok(());
        }
        ctx.step("authorization", false, || format!("nobody is known; it is for {}", route.roles.join(", ")));
        return Err(Denial::InsufficientRole);
    };
    if ctx.ambient && !is_from_here(asked.head, ctx) {
        ctx.step("authorization", false, || "a page of another site may have caused it".to_owned());
        return Err(Denial::CrossSiteRequest);
    }
    if let Some(grant) = &identity.grant {
        if !grant.allows(asked.head.method, asked.path, asked.head.upgrade) {
            ctx.step("authorization", false, || "the scopes of the credential do not name it".to_owned());
            return Err(Denial::OutOfScope);
        }
        // Where the route was reached by another spelling, its parameters are not known: then what is bound is
        // refused.
        let bound = pattern.into_iter().flat_map(Pattern::names).find(|name| {
            grant.names(name)
                && !asked.params.value(name).is_some_and(|value| grant.binds(name, &decoded(value)))
        });
        if let Some(name) = bound {
            ctx.step("authorization", false, || format!("the credential is bound to another `{name}`"));
            return Err(Denial::OutOfScope);
        }
    }
    if route.roles.is_empty() {
        return Ok(());
    }
    let role = identity.role.as_deref();
    let allowed = role.is_some_and(|role| role == ADMIN || route.roles.iter().any(|one| &**one == role));
    ctx.step("authorization", allowed, || match role {
        Some(role) if allowed => format!("the role {role} may"),
        Some(role) => format!("the role {role} may not; it is for {}", route.roles.join(", ")),
        None => format!("the caller has no role; it is for {}", route.roles.join(", ")),
    });
    if allowed { Ok(()) } else { Err(Denial::InsufficientRole) }
}

/// Whether a request with a cookie was caused by a page that may cause it. Browsers say so in `Sec-Fetch-Site`
/// (W3C Fetch Metadata); older ones send `Origin` with every request that changes something (RFC 6454). What
/// sends neither is no browser, and nobody can make it send a cookie.
fn is_from_here(head: &Head<'_>, ctx: &RequestContext) -> bool {
    // Reading changes nothing, and another site cannot see the answer; a WebSocket it could read.
    if matches!(head.method, "GET" | "HEAD" | "OPTIONS") && head.upgrade == Upgrade::None {
        return true;
    }
    if ctx.trusted_origin {
        return true;
    }
    let mut sites = head.all("sec-fetch-site").peekable();
    if sites.peek().is_some() {
        return sites.all(|site| matches!(site, b"same-origin" | b"none"));
    }
    head.field("origin").is_none()
}

/// A path parameter without its escapes; what does not decode to text stays as it is, and matches nothing.
fn decoded(value: &str) -> std::borrow::Cow<'_, str> {
    if !value.contains('%') {
        return value.into();
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            bytes.push((high << 4 | low) as u8);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).map_or(value.into(), Into::into)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_core::identity::{Grant, Scheme};
    use portcullis_core::route::RouteTable;
    use portcullis_core::{Field, Identity, Now};

    use super::*;
    use crate::context::RequestId;
    use crate::policy::Target;

    fn identity(role: Option<&str>, grant: Option<Grant>) -> Arc<Identity> {
        Arc::new(Identity {
            role: role.map(Into::into),
            grant: grant.map(Arc::new),
            ..Identity::shared(Scheme::ApiKey, "one")
        })
    }

    struct Request<'a> {
        pattern: &'a str,
        roles: &'a [&'a str],
        method: &'a str,
        path: &'a str,
        fields: &'a [Field<'a>],
        ambient: bool,
    }

    const PLAIN: Request<'static> =
        Request { pattern: "/{*rest}", roles: &[], method: "GET", path: "/a", fields: &[], ambient: false };

    fn judge(request: &Request<'_>, who: Option<Arc<Identity>>) -> Result<(), Denial> {
        let table = RouteTable::build(vec![request.pattern.parse().unwrap()]).unwrap();
        let path = CanonicalPath::parse(request.path).unwrap();
        let found = table.find(request.method, &path, Upgrade::None).unwrap();
        let route = Route {
            roles: request.roles.iter().map(|role| Arc::from(*role)).collect(),
            ..Route::open("test", Target::Upstream(0))
        };
        let head = Head {
            method: request.method,
            path: request.path,
            query: None,
            authority: "api.example.com",
            secure: true,
            upgrade: Upgrade::None,
            fields: request.fields,
        };
        let now = Now { monotonic_ms: 0, unix_ms: 0 };
        let mut ctx = RequestContext::new(now, [192, 0, 2, 1].into(), true, RequestId::from_random(0));
        ctx.identity = who;
        ctx.ambient = request.ambient;
        let asked = Asked { head: &head, path: &path, params: &found.params };
        authorize(&route, table.patterns().first(), asked, &mut ctx)
    }

    #[test]
    fn a_route_is_for_its_roles_and_the_administrator() {
        let premium = Request { roles: &["premium"], ..PLAIN };
        assert_eq!(judge(&premium, Some(identity(Some("premium"), None))), Ok(()));
        assert_eq!(judge(&premium, Some(identity(Some("admin"), None))), Ok(()));
        assert_eq!(judge(&premium, Some(identity(Some("free"), None))), Err(Denial::InsufficientRole));
        assert_eq!(judge(&premium, Some(identity(None, None))), Err(Denial::InsufficientRole));
        assert_eq!(judge(&PLAIN, Some(identity(None, None))), Ok(()), "no role is asked for");
        assert_eq!(judge(&PLAIN, None), Ok(()));
        assert_eq!(judge(&premium, None), Err(Denial::InsufficientRole), "who is nobody has no role");
    }

    #[test]
    fn a_credential_is_kept_to_its_scopes_and_bindings() {
        let grant = || {
            let routes = vec!["GET /orders/{account}".parse().unwrap(), "GET /a".parse().unwrap()];
            Grant::new(routes, vec![("account".into(), "primary".into())]).unwrap()
        };
        let orders = Request { pattern: "/orders/{account}", path: "/orders/primary", ..PLAIN };
        let with = |request: &Request<'_>| judge(request, Some(identity(Some("admin"), Some(grant()))));
        assert_eq!(with(&orders), Ok(()));
        assert_eq!(with(&Request { path: "/orders/pri%6Dary", ..orders }), Ok(()));
        assert_eq!(with(&Request { path: "/orders/second", ..orders }), Err(Denial::OutOfScope));
        assert_eq!(with(&Request { method: "DELETE", ..orders }), Err(Denial::OutOfScope));
        assert_eq!(with(&Request { path: "/b", ..PLAIN }), Err(Denial::OutOfScope));
        assert_eq!(with(&PLAIN), Ok(()), "a route without the parameter");
    }

    #[test]
    fn a_cookie_counts_only_from_our_own_pages() {
        let field = |name, value: &'static str| Field { name, value: value.as_bytes() };
        let by_cookie = |method: &str, fields: &[Field<'_>]| {
            judge(&Request { method, fields, ambient: true, ..PLAIN }, Some(identity(None, None)))
        };
        let refused = Err(Denial::CrossSiteRequest);
        assert_eq!(by_cookie("POST", &[field("Sec-Fetch-Site", "cross-site")]), refused);
        assert_eq!(by_cookie("POST", &[field("Sec-Fetch-Site", "same-site")]), refused);
        assert_eq!(by_cookie("POST", &[field("Sec-Fetch-Site", "same-origin")]), Ok(()));
        assert_eq!(by_cookie("DELETE", &[field("Origin", "https://evil.example")]), refused);
        assert_eq!(by_cookie("DELETE", &[field("Origin", "null")]), refused);
        let twice = [field("Sec-Fetch-Site", "same-origin"), field("Sec-Fetch-Site", "cross-site")];
        assert_eq!(by_cookie("POST", &twice), refused);
        assert_eq!(by_cookie("GET", &[field("Sec-Fetch-Site", "cross-site")]), Ok(()), "reading");
        assert_eq!(by_cookie("POST", &[]), Ok(()), "no browser");
        let by_header = Request { method: "POST", fields: &[field("Sec-Fetch-Site", "cross-site")], ..PLAIN };
        assert_eq!(judge(&by_header, Some(identity(None, None))), Ok(()), "nothing that a browser adds");
    }
}
