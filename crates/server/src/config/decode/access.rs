//! Who may come with a secret that callers share, and what every route asks for.

use std::num::NonZeroU32;

use portcullis_core::identity::Scheme;
use portcullis_core::quota::{Rate, Scope};

use super::super::model::{Auth, Environment, Role, RouteAuth, SchemeConfig};
use super::super::problem::Problem;
use super::super::tree::Node;
use super::super::value::Complaint;
use super::secrets::{self, Carrier, Secrets};
use super::{Reader, cors, limits, schemes};

/// What decides beside the section itself.
pub(super) struct Surroundings<'a> {
    pub environment: Environment,
    /// Whether accounts are kept.
    pub accounts: bool,
    pub roles: &'a [Role],
}

pub(super) fn auth(root: &Reader<'_>, around: &Surroundings<'_>) -> Auth {
    let section = root.section("auth");
    let mut unset = Vec::new();
    let mut switched_off = None;
    let mut scheme = |name: &str, scheme: Scheme| match shared(&section.section(name), scheme, around) {
        Shared::Asked(config) => Some(config),
        Shared::Open(by) => {
            switched_off = switched_off.or(by);
            unset.push(scheme);
            None
        }
        Shared::No => None,
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
        let limit = limits::limit(node, Scope::Ip)?;
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
        switched_off,
        users: around.accounts,
        failures: failures.unwrap_or_else(|| Rate::per_minute(NonZeroU32::MIN)),
    };
    auth.default = match section.node("default") {
        Some(node) => schemes::route_auth(node, &section, "default", &auth),
        // No route gets a login by first message that does not ask for it.
        None => match Scheme::ALL
            .into_iter()
            .filter(|scheme| *scheme != Scheme::FirstMessage && auth.takes(*scheme))
            .collect::<Vec<_>>()
        {
            schemes if schemes.is_empty() => RouteAuth::Open,
            schemes => RouteAuth::AnyOf(schemes),
        },
    };
    auth
}

/// What a section of shared secrets came to.
enum Shared {
    Asked(SchemeConfig),
    /// Routes that ask for it stand open; by a name that switched it off, or because nothing is set.
    Open(Option<&'static str>),
    No,
}

fn shared(reader: &Reader<'_>, scheme: Scheme, around: &Surroundings<'_>) -> Shared {
    let users = around.accounts && scheme == Scheme::ApiKey;
    let header = reader.leaf("header", credential_header).unwrap_or_default();
    if scheme == Scheme::ApiKey
        && let Some(name) = switched_off(reader, around.environment)
    {
        return Shared::Open(Some(name));
    }
    let role = role(reader, around.roles);
    let config = |credentials| SchemeConfig { scheme, header, credentials, users, role };
    let open = reader.choice("when_unset", &["error", "open"]) == Some("open");
    let Some(node) = reader.node("value") else {
        let without = ["header", "when_unset", "role"].into_iter().find(|name| reader.node(name).is_some());
        // Another header is enough for the keys of users; the rest is about a secret that is not there.
        if without.is_some_and(|name| !users || name != "header") {
            reader.problem(
                Problem::new(
                    &reader.origin,
                    format!("`{}` has no `value`", reader.path_of("").trim_end_matches('.')),
                )
                .mend(format!("value = \"env:{}\"", scheme.name().replace('-', "_").to_uppercase())),
            );
        }
        return if users { Shared::Asked(config(Vec::new())) } else { Shared::No };
    };
    let Secrets { set, unset, broken } = secrets::read(reader, "value", node, Carrier::Header);
    for (name, item) in &unset {
        if !set.is_empty() {
            secrets::warn_unset(reader, "value", name, item);
        } else if !open {
            let make = if scheme == Scheme::IngestToken { "token" } else { "api-key" };
            secrets::refuse_unset(reader, "value", name, item, make);
        }
    }
    // A wrong value was reported; the scheme counts as configured, so that nothing else is said about it.
    if !set.is_empty() || broken || users || (!unset.is_empty() && !open) {
        Shared::Asked(config(set))
    } else if open {
        Shared::Open(None)
    } else {
        Shared::No
    }
}

/// The name that switches the key off, where one does: never in production (T-ENV-03, T-ENV-04).
fn switched_off(reader: &Reader<'_>, environment: Environment) -> Option<&'static str> {
    const KEY: &str = "auth.api_key.enabled";
    if reader.boolean("enabled") {
        return None;
    }
    let name = reader.context.name_for(KEY).unwrap_or(KEY);
    if environment == Environment::Development {
        return Some(name);
    }
    reader.warn(
        Problem::new(
            &reader.origin_of("enabled"),
            format!("{name} is false and has no effect: production asks for the key"),
        )
        .mend(format!("set {name} to true, or take it away")),
    );
    None
}

fn role(reader: &Reader<'_>, roles: &[Role]) -> Option<String> {
    // The ingest token has no such key, and none is read.
    reader.node("role")?;
    let name = reader.text("role")?;
    if roles.iter().any(|role| role.name == name) {
        return Some(name);
    }
    let valid = roles.iter().map(|role| role.name.as_str());
    reader.problem(
        Problem::new(&reader.origin_of("role"), format!("there is no role `{name}`")).nearest(&name, valid),
    );
    None
}

fn credential_header(node: &Node) -> Result<String, Complaint> {
    let name = cors::token(node)?;
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
