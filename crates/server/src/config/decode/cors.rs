//! Cross-origin requests: which pages may call.

use super::super::model::{Cors, CorsHeaders, Origins};
use super::super::problem::Problem;
use super::super::tree::{Node, Value};
use super::super::value::{self, Complaint};
use super::Reader;

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
