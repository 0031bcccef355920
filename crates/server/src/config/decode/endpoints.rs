//! The gateway's own endpoints, and how it tells the application who it is.

use super::super::model::{Endpoints, Onward};
use super::super::problem::Problem;
use super::super::tree::{Node, Value};
use super::super::value::{self, Complaint};
use super::{Reader, cors, server};

/// Fields that an application reads, and that say something else than a user's name.
const RESERVED: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "origin",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
    "traceparent",
];

pub(super) fn endpoints(root: &Reader<'_>, accounts: bool) -> Endpoints {
    let section = root.section("endpoints");
    let prefix = section.leaf("prefix", |node| {
        let text = value::text(node)?;
        let trimmed = text.trim_end_matches('/');
        if trimmed.is_empty() { Ok(String::new()) } else { plain_path(trimmed) }
    });
    let prefix = prefix.unwrap_or_default();
    let place = |name: &str| section.leaf(name, path_or_off).flatten().map(|path| format!("{prefix}{path}"));
    let of_accounts = |name: &str| {
        if !accounts && let Some(node) = section.node(name).filter(|node| node.value != Value::Bool(false)) {
            section.problem(
                Problem::new(&node.origin, format!("`endpoints.{name}`: the gateway keeps no accounts"))
                    .mend("[store], or any other section of accounts; or take it away"),
            );
        }
        place(name).filter(|_| accounts)
    };
    let metrics = place("metrics");
    let metrics_readers = section.list("metrics_readers", server::network);
    let (health, auth, admin, docs) =
        (place("health"), of_accounts("auth"), of_accounts("admin"), of_accounts("docs"));
    let openapi = docs.as_ref().map(|_| format!("{prefix}/openapi.json"));
    let jwks = accounts.then(|| format!("{prefix}/.well-known/jwks.json"));
    let named =
        [("health", &health), ("metrics", &metrics), ("auth", &auth), ("admin", &admin), ("docs", &docs)];
    for (at, (name, path)) in named.iter().enumerate() {
        let twice = named[..at].iter().find(|(_, other)| path.is_some() && other == path);
        if let Some((other, _)) = twice {
            let written = if section.node(name).is_some() { name } else { other };
            section.problem(
                Problem::new(
                    &section.origin_of(written),
                    format!("`endpoints.{name}` and `endpoints.{other}` are one path"),
                )
                .mend("give one of them another path, or false"),
            );
        }
    }
    Endpoints { prefix, health, metrics, metrics_readers, auth, admin, docs, openapi, jwks }
}

pub(super) fn onward(root: &Reader<'_>, accounts: bool) -> Onward {
    let section = root.section("identity");
    let user_headers = section.list("user_headers", |node| {
        let name = cors::token(node)?;
        let lower = name.to_ascii_lowercase();
        if RESERVED.contains(&lower.as_str()) || lower.starts_with("x-forwarded-") {
            return Err(Complaint::new(format!("`{name}` has another meaning"), "such as \"X-User-ID\""));
        }
        if lower.starts_with("x-auth-") {
            let mend = "X-Auth-User always says it; take it away";
            return Err(Complaint::new(format!("`{name}` is the gateway's own"), mend));
        }
        Ok(name)
    });
    let wanted = section.boolean("assertion");
    if wanted && !accounts {
        section.problem(
            Problem::new(
                &section.origin_of("assertion"),
                "`identity.assertion`: the gateway keeps no accounts, and so has no key to sign with",
            )
            .mend("[auth.tokens]; without a key in it the gateway makes its own"),
        );
    }
    let assertion = section.text("assertion_audience").filter(|_| wanted);
    Onward { user_headers, assertion }
}

fn path_or_off(node: &Node) -> Result<Option<String>, Complaint> {
    match &node.value {
        Value::Bool(false) => Ok(None),
        Value::Bool(true) => Err(Complaint::new("`true` is no path", "a path such as \"/health\", or false")),
        Value::Text(text) if node.origin.is_plain() && value::plain_boolean(text) == Some(false) => Ok(None),
        _ => plain_path(value::text(node)?).map(Some),
    }
}

fn plain_path(text: &str) -> Result<String, Complaint> {
    if text.starts_with('/') && !text.contains(['?', '#', '{', '}', '%', ' ']) && !text.contains("//") {
        Ok(text.to_owned())
    } else {
        Err(Complaint::new(format!("`{text}` is not a path"), "begin with a slash: \"/portcullis\""))
    }
}
