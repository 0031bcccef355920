//! What a route asks for.

use portcullis_core::identity::Scheme;

use super::super::model::{Auth, Role, RouteAuth};
use super::super::problem::{Problem, nearest};
use super::super::tree::Node;
use super::super::value::{self, Complaint};
use super::Reader;

/// The words of the grammar beside schemes: everybody, and who has no credential.
const NONE: &str = "none";
const ANONYMOUS: &str = "anonymous";
const VALID: [&str; 7] =
    ["none", "ingest-token", "api-key", "bearer", "session", "first-message", "anonymous"];

/// `none`, a scheme, or a list of schemes of which any one will do; with `anonymous` among them none will do too.
pub(super) fn route_auth(node: &Node, reader: &Reader<'_>, name: &str, auth: &Auth) -> RouteAuth {
    let items = match value::list(node) {
        Ok(items) => items,
        Err(complaint) => {
            reader.complain(name, node, complaint);
            return RouteAuth::AnyOf(Scheme::ALL.to_vec());
        }
    };
    let wrong = |message: &str, mend: &str| {
        reader.complain(name, node, Complaint::new(message, mend));
        RouteAuth::Open
    };
    let has = |word: &str| items.iter().any(|item| item.as_text() == Some(word));
    if has(NONE) {
        return match items.len() {
            1 => RouteAuth::Open,
            _ => wrong("`none` beside a scheme opens the route", "keep one of the two"),
        };
    }
    if items.is_empty() {
        return wrong("an empty list says nothing", "write \"none\" to open the route");
    }
    let optional = has(ANONYMOUS);
    let mut schemes = Vec::new();
    let mut opened = false;
    for item in items.iter().filter(|item| item.as_text() != Some(ANONYMOUS)) {
        match known(item) {
            Ok(scheme) if auth.takes(scheme) => {
                if schemes.contains(&scheme) {
                    let complaint = Complaint::new(format!("`{scheme}` stands twice"), "name it once");
                    reader.complain(name, item, complaint);
                }
                schemes.push(scheme);
            }
            Ok(scheme) if auth.unset.contains(&scheme) => opened = true,
            Ok(scheme) => reader.complain(name, item, not_configured(scheme)),
            Err(complaint) => reader.complain(name, item, complaint),
        }
    }
    if optional && schemes.contains(&Scheme::FirstMessage) {
        return wrong(
            "`anonymous` beside `first-message`: a first message that is no login could not be told from one \
             for the application",
            "two routes, or the login alone",
        );
    }
    match schemes.is_empty() {
        true if optional && !opened && items.len() == 1 => wrong(
            "`anonymous` without a scheme opens the route",
            "write \"none\" to open it, or name the schemes that are taken too",
        ),
        true if opened => RouteAuth::Open,
        _ if optional => RouteAuth::Optional(schemes),
        _ => RouteAuth::AnyOf(schemes),
    }
}

/// The roles that a route is for.
pub(super) fn roles(reader: &Reader<'_>, auth: &RouteAuth, roles: &[Role]) -> Vec<String> {
    let named = reader.list("roles", |node| {
        let name = value::text(node)?;
        if roles.iter().any(|role| role.name == name) {
            return Ok(name.to_owned());
        }
        let valid: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
        let mend = match nearest(name, valid.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of {}, or [roles.{name}]", value::quoted(&valid)),
        };
        Err(Complaint::new(format!("there is no role `{name}`"), mend))
    });
    let Some(node) = reader.node("roles") else { return named };
    if auth.passes_nobody() {
        reader.problem(
            Problem::new(
                &node.origin,
                "`roles` on a route that lets everybody pass: nobody is asked who they are",
            )
            .mend("auth = [\"bearer\", \"api-key\"], or take the roles away"),
        );
    }
    named
}

fn known(node: &Node) -> Result<Scheme, Complaint> {
    let name = value::text(node)?;
    if let Some(scheme) = Scheme::from_name(name) {
        return Ok(scheme);
    }
    let mend = match nearest(name, VALID) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of {}", value::quoted(&VALID)),
    };
    Err(Complaint::new(format!("`{name}` is not a way to authenticate"), mend))
}

fn not_configured(scheme: Scheme) -> Complaint {
    let mend = match scheme {
        Scheme::Bearer => "[auth.tokens]; without a key in it the gateway makes its own".to_owned(),
        Scheme::Session => "[auth.sessions], with max_age = \"24h\" say".to_owned(),
        Scheme::FirstMessage => {
            let mend = "[auth.api_key] with value = \"env:API_KEY\", or [auth.tokens] for access tokens";
            return Complaint::new("`first-message` has nothing to judge it by", mend);
        }
        Scheme::IngestToken | Scheme::ApiKey => {
            let section = scheme.name().replace('-', "_");
            format!("[auth.{section}] with value = \"env:{}\"", section.to_uppercase())
        }
    };
    Complaint::new(format!("`{scheme}` is not configured"), mend)
}
