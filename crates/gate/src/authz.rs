//! Authorization: may this caller have this route.
//!
//! Three questions in this order: could another site have made a browser send this, is the credential for this
//! request at all, and is the route for this role.

use portcullis_core::route::{CanonicalPath, Params, Pattern};
use portcullis_core::{Denial, Head, Upgrade};

use crate::context::RequestContext;
use crate::cors::Origin;
use crate::policy::Route;

/// The role that passes every route.
pub const ADMIN: &str = "admin";

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
    let Some(identity) = ctx.identity.clone() else { return Ok(()) };
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
    if ctx.origin == Origin::Same || ctx.trusted_origin {
        return true;
    }
    let mut sites = head.all("sec-fetch-site").peekable();
    if sites.peek().is_some() {
        return sites.all(|site| matches!(site, b"same-origin" | b"none"));
    }
    match head.field("origin") {
        None => true,
        Some(origin) => crate::cors::is_own(origin, head.authority, ctx.client.secure),
    }
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
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high << 4 | low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_or(value.into(), Into::into)
}
