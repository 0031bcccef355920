//! Who may come: schemes and their credentials, and the pages that may call.

use std::num::NonZeroU32;

use portcullis_core::identity::Scheme;
use portcullis_core::quota::{Rate, Scope};

use super::super::model::{Auth, Cors, CorsHeaders, Credential, Origins, RouteAuth, SchemeConfig};
use super::super::problem::{Problem, nearest};
use super::super::secret::{self, Resolved};
use super::super::tree::{Node, Value};
use super::super::value::{self, Complaint};
use super::{Reader, routes};

/// Schemes of the interface that a later version brings.
const LATER_SCHEMES: [&str; 3] = ["bearer", "session", "first-message"];

pub(super) fn auth(root: &Reader<'_>) -> Auth {
    let section = root.section("auth");
    let mut unset = Vec::new();
    let mut missing = Vec::new();
    let mut scheme = |name: &str, scheme: Scheme| {
        let reader = section.section(name);
        let config = credentials(&reader, scheme);
        if config.is_none() {
            let open = reader.choice("when_unset", &["error", "open"]) == Some("open");
            if open { unset.push(scheme) } else { missing.push(scheme) }
        }
        config
    };
    let ingest_token = scheme("ingest_token", Scheme::IngestToken);
    let api_key = scheme("api_key", Scheme::ApiKey);
    if let (Some(one), Some(other)) = (&ingest_token, &api_key)
        && one.header.eq_ignore_ascii_case(&other.header)
    {
        section.problem(
            Problem::new(
                &section.section("api_key").origin_of("header"),
                format!("the ingest token and the API key both stand in `{}`", one.header),
            )
            .mend("give one of them another `header`"),
        );
    }
    let failures = section.section("failures").leaf("limit", |node| {
        let limit = routes::limit(node, "")?;
        match limit.scope {
            Scope::Ip => Ok(limit.rate),
            other => Err(Complaint::new(
                format!("wrong credentials prove nobody to count per {other}"),
                "count `per ip`",
            )),
        }
    });
    let mut auth = Auth {
        default: RouteAuth::Open,
        ingest_token,
        api_key,
        unset,
        failures: failures.unwrap_or_else(|| Rate::per_minute(NonZeroU32::MIN)),
    };
    auth.default = match section.node("default") {
        Some(node) => route_auth(node, &section, "default", &auth),
        None => match auth.schemes().map(|config| config.scheme).collect::<Vec<_>>() {
            schemes if schemes.is_empty() => RouteAuth::Open,
            schemes => RouteAuth::AnyOf(schemes),
        },
    };
    auth
}

/// `none`, a scheme, or a list of schemes of which any one will do.
pub(super) fn route_auth(node: &Node, reader: &Reader<'_>, name: &str, auth: &Auth) -> RouteAuth {
    let items = match value::list(node) {
        Ok(items) => items,
        Err(complaint) => {
            reader.complain(name, node, complaint);
            return RouteAuth::AnyOf(Scheme::ALL.to_vec());
        }
    };
    let open = |item: &Node| item.as_text() == Some("none");
    if items.iter().any(open) {
        if items.len() > 1 {
            reader.complain(
                name,
                node,
                Complaint::new("`none` beside a scheme opens the route", "keep one of the two"),
            );
        }
        return RouteAuth::Open;
    }
    if items.is_empty() {
        reader.complain(
            name,
            node,
            Complaint::new("an empty list says nothing", "write \"none\" to open the route"),
        );
        return RouteAuth::Open;
    }
    let mut schemes = Vec::new();
    let mut opened = false;
    for item in &items {
        match known_scheme(item) {
            Ok(scheme) if auth.scheme(scheme).is_some() => {
                if schemes.contains(&scheme) {
                    reader.complain(
                        name,
                        item,
                        Complaint::new(format!("`{scheme}` stands twice"), "name it once"),
                    );
                }
                schemes.push(scheme);
            }
            Ok(scheme) if auth.unset.contains(&scheme) => opened = true,
            Ok(scheme) => {
                let section = scheme.name().replace('-', "_");
                reader.complain(
                    name,
                    item,
                    Complaint::new(
                        format!("`{scheme}` is not configured"),
                        format!("[auth.{section}] with value = \"env:{}\"", section.to_uppercase()),
                    ),
                );
            }
            Err(complaint) => reader.complain(name, item, complaint),
        }
    }
    if schemes.is_empty() && opened { RouteAuth::Open } else { RouteAuth::AnyOf(schemes) }
}

pub(super) fn cors(root: &Reader<'_>) -> Cors {
    let section = root.section("cors");
    let enabled = match section.node("enabled") {
        Some(_) => section.boolean("enabled"),
        None => root.node("cors").is_some(),
    };
    let credentials = section.boolean("credentials");
    let listed = section.list("origins", |node| origin(node).map(|origin| (origin, node.origin.clone())));
    let any = listed.iter().find(|(origin, _)| origin == "*").map(|(_, at)| at.clone());
    if let Some(at) = &any {
        if credentials {
            section.problem(
                Problem::new(at, "`*` together with credentials lets every page on the web act as the person who looks at it")
                    .mend("list the origins, or set cors.credentials = false"),
            );
        }
        if listed.len() > 1 {
            section.problem(
                Problem::new(at, "`cors.origins`: `*` beside other origins")
                    .mend("keep `*` alone, or take it away"),
            );
        }
    }
    let mut origins: Vec<String> = listed.into_iter().map(|(origin, _)| origin).collect();
    origins.dedup();
    let headers = section.list("headers", token);
    let methods = section.list("methods", |node| {
        let method = token(node)?;
        if method.chars().any(|c| c.is_ascii_lowercase()) {
            let upper = method.to_ascii_uppercase();
            return Err(Complaint::new(
                format!("`{method}`: methods are compared as written"),
                format!("did you mean `{upper}`?"),
            ));
        }
        Ok(method)
    });
    if let Some(node) = section.node("methods")
        && matches!(&node.value, Value::List(items) if items.is_empty())
    {
        let mend = "list methods, or set cors.enabled = false";
        section.complain("methods", node, Complaint::new("an empty list allows nothing", mend));
    }
    Cors {
        enabled,
        origins: if any.is_some() { Origins::Any } else { Origins::Exact(origins) },
        credentials,
        methods,
        headers: if headers.iter().any(|it| it == "*") {
            CorsHeaders::Any
        } else {
            CorsHeaders::List(headers)
        },
        expose: section.list("expose", token),
        max_age: section.duration("max_age"),
        reject: section.boolean("reject"),
        origin: section.origin,
    }
}

fn credentials(reader: &Reader<'_>, scheme: Scheme) -> Option<SchemeConfig> {
    let header = reader.leaf("header", credential_header).unwrap_or_default();
    let node = reader.node("value");
    let open = reader.choice("when_unset", &["error", "open"]) == Some("open");
    let Some(node) = node else {
        if reader.node("header").is_some() || reader.node("when_unset").is_some() {
            reader.problem(
                Problem::new(
                    &reader.origin,
                    format!("`{}` has no `value`", reader.path_of("").trim_end_matches('.')),
                )
                .mend(format!("value = \"env:{}\"", scheme.name().replace('-', "_").to_uppercase())),
            );
        }
        return None;
    };
    let mut credentials: Vec<Credential> = Vec::new();
    let mut names = Vec::new();
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    for item in items {
        match secret::resolve(item, reader.context) {
            Ok(Resolved::Set(credential)) => credentials.push(credential),
            Ok(Resolved::Unset(name)) => names.push((name, item)),
            Err(complaint) => reader.complain("value", item, complaint),
        }
    }
    let broken = credentials.len() + names.len() < items.len();
    for (name, item) in &names {
        let unset =
            Problem::new(&item.origin, format!("`{}`: {name} is not set, or empty", reader.path_of("value")));
        let make = if scheme == Scheme::IngestToken { "token" } else { "api-key" };
        if !credentials.is_empty() {
            reader.warn(unset.mend("set it, or take it out of the list"));
        } else if !open {
            reader.problem(
                unset.mend(format!("set {name} or {name}_FILE; `portcullis generate {make}` makes one")),
            );
        }
    }
    if items.is_empty() {
        reader.complain("value", node, Complaint::new("an empty list", "at least one secret"));
    }
    // A wrong value was reported; the scheme counts as configured, so that nothing else is said about it.
    (!credentials.is_empty() || broken || (!names.is_empty() && !open)).then_some(SchemeConfig {
        scheme,
        header,
        credentials,
    })
}

fn credential_header(node: &Node) -> Result<String, Complaint> {
    let name = token(node)?;
    let reserved =
        ["host", "content-length", "transfer-encoding", "connection", "cookie", "te", "upgrade", "origin"];
    if reserved.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(Complaint::new(
            format!("`{name}` has another meaning"),
            "a header of its own, such as \"X-API-Key\"",
        ));
    }
    Ok(name)
}

fn known_scheme(node: &Node) -> Result<Scheme, Complaint> {
    let name = value::text(node)?;
    if let Some(scheme) = Scheme::from_name(name) {
        return Ok(scheme);
    }
    if LATER_SCHEMES.contains(&name) {
        return Err(Complaint::new(
            format!("`{name}` is not in this version"),
            "none, ingest-token or api-key",
        ));
    }
    let valid = ["none", "ingest-token", "api-key"];
    let mend = match nearest(name, valid) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of {}", value::quoted(&valid)),
    };
    Err(Complaint::new(format!("`{name}` is not a way to authenticate"), mend))
}

pub(super) fn token(node: &Node) -> Result<String, Complaint> {
    let text = value::text(node)?.trim();
    if value::is_token(text) {
        Ok(text.to_owned())
    } else {
        Err(Complaint::new(
            format!("`{text}` is not a name that HTTP knows"),
            "letters, digits and dashes: \"X-API-Key\"",
        ))
    }
}

/// An origin as browsers write it (RFC 6454 §6.2): lower case, no default port, no path.
fn origin(node: &Node) -> Result<String, Complaint> {
    let text = value::text(node)?.trim();
    if text == "*" {
        return Ok("*".into());
    }
    let wrong = |message: &str, mend: String| Err(Complaint::new(format!("`{text}` {message}"), mend));
    if text == "null" {
        return wrong(
            "is what every sandboxed page and every file sends",
            "name origins: \"https://app.example.com\"".into(),
        );
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return wrong("is not an origin", format!("\"https://{}\"", text.trim_matches('/')));
    };
    let (authority, path) =
        rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
    if path.is_some() || rest.contains(['?', '#']) {
        return wrong(
            "has a path; an origin ends with its host or port",
            format!("\"{scheme}://{authority}\""),
        );
    }
    if authority.contains('*') {
        return wrong("has a wildcard; origins are compared exactly", "list each origin".into());
    }
    let scheme = scheme.to_ascii_lowercase();
    let host_and_port = authority.to_ascii_lowercase();
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (host_and_port.as_str(), None),
    };
    let scheme_ok =
        scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) && !scheme.is_empty();
    let host_ok =
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
    if !scheme_ok || !host_ok {
        return wrong("is not an origin", "\"https://app.example.com\"".into());
    }
    match port {
        None => Ok(format!("{scheme}://{host}")),
        Some(port) if port.parse::<u16>().is_ok_and(|it| it > 0) => {
            let default = matches!((scheme.as_str(), port), ("http", "80") | ("https", "443"));
            Ok(if default { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") })
        }
        Some(port) => wrong("is not an origin", format!("`{port}` is not a port: from 1 to 65535")),
    }
}
