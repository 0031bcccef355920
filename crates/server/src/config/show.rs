//! The configuration for people and programs: what is in force with its origin, the JSON Schema, the names.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::Loaded;
use super::dialect::Name;
use super::keys::{self, Fallback, KEYS, Key, Kind};
use super::model::{Config, HeaderAction, LogFormat, RouteAuth, without_password};
use super::origin::Origin;
use super::profile::PROFILES;
use super::tree::{Node, Table, Value};

/// What stands where a secret would.
const REDACTED: &str = "[redacted]";

/// One value in force.
struct Shown {
    path: String,
    value: Json,
    origin: Origin,
}

/// `path = value  # origin`, one a line.
pub fn text(loaded: &Loaded) -> String {
    let all = shown(loaded);
    let lines: Vec<String> = all.iter().map(|it| format!("{} = {}", it.path, it.value)).collect();
    // One long value must not push every origin out of sight.
    let width = lines.iter().map(|line| line.chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
    let mut out = String::new();
    for (it, line) in all.iter().zip(lines) {
        let _ = writeln!(out, "{line:width$}  # {}", it.origin);
    }
    out
}

/// A list of `path`, `value` and `origin`.
pub fn json(loaded: &Loaded) -> Json {
    let all: Vec<Json> = shown(loaded)
        .into_iter()
        .map(|it| json!({ "path": it.path, "value": it.value, "origin": it.origin.to_string() }))
        .collect();
    json!({ "values": all })
}

/// The JSON Schema (2020-12) of the configuration file.
pub fn schema() -> Json {
    let mut root = section_schema("");
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("portcullis.toml");
    root
}

/// A name that is understood.
pub struct EnvironmentName {
    pub name: String,
    /// The profile that reads it; nothing: always.
    pub profile: Option<&'static str>,
    pub sets: String,
    pub default: String,
    pub doc: &'static str,
}

/// Every name, those of the profiles first; or those of one profile.
pub fn environment(profile: Option<&str>) -> Vec<EnvironmentName> {
    let of_dialect = |name: &Name, profile| EnvironmentName {
        name: name.name.to_owned(),
        profile: Some(profile),
        sets: name.meaning.key(),
        default: name.default.to_owned(),
        doc: name.doc,
    };
    let mut names: Vec<EnvironmentName> = PROFILES
        .iter()
        .filter(|it| profile.is_none_or(|wanted| wanted == it.name))
        .flat_map(|it| it.dialect.names.iter().map(|name| of_dialect(name, it.name)))
        .collect();
    if profile.is_none() {
        names.extend(KEYS.iter().filter_map(|key| {
            Some(EnvironmentName {
                name: key.environment_name()?,
                profile: None,
                sets: key.path.to_owned(),
                default: key.default.words(),
                doc: key.doc,
            })
        }));
        for (list, doc) in
            [("limits", "Limits of every route"), ("routes", "Routes"), ("tests", "Policy tests")]
        {
            names.push(EnvironmentName {
                name: format!("PORTCULLIS_{}", list.to_uppercase()),
                profile: None,
                sets: list.to_owned(),
                default: "[]".to_owned(),
                doc,
            });
        }
    }
    names
}

pub fn environment_text(names: &[EnvironmentName]) -> String {
    let mut out = String::new();
    let mut section = None;
    for name in names {
        if section != Some(name.profile) {
            section = Some(name.profile);
            let title = name
                .profile
                .map_or("Portcullis, with any profile or none".into(), |it| format!("Profile {it}"));
            let _ = writeln!(out, "{}{title}", if out.is_empty() { "" } else { "\n" });
        }
        let default =
            if name.default.is_empty() { String::new() } else { format!(" [default: {}]", name.default) };
        let _ = writeln!(out, "  {}\n      {} -> {}{default}", name.name, name.doc, name.sets);
    }
    out.push_str("\nNAME_FILE beside any of them reads the value from that file. Later wins: profile, file, .env, process\nenvironment, command line; PORTCULLIS_ names win over those of a profile.\n");
    out
}

pub fn environment_json(names: &[EnvironmentName]) -> Json {
    let one = |it: &EnvironmentName| {
        json!({
            "name": it.name, "profile": it.profile, "sets": it.sets, "default": it.default, "doc": it.doc,
        })
    };
    json!({ "names": names.iter().map(one).collect::<Vec<_>>() })
}

fn shown(loaded: &Loaded) -> Vec<Shown> {
    let mut all = Vec::new();
    let kept = loaded.config.accounts.is_some();
    // A rule is shown as it was written, with its field.
    let whole = |key: &&Key| !key.path.starts_with("routes[].body.fields.");
    for key in KEYS.iter().filter(|key| kept || !is_of_accounts(key)).filter(whole) {
        match key.path {
            "headers.*" => headers(loaded, &mut all),
            _ => expand(key, key.path, "", Some(&loaded.tree), &loaded.config, &mut all),
        }
    }
    all
}

/// Whether a key says nothing where no accounts are kept.
fn is_of_accounts(key: &Key) -> bool {
    let kept = ["endpoints.auth", "endpoints.admin", "endpoints.docs", "identity.assertion_audience"];
    let section = key.path.rsplit_once('.').map_or("", |(section, _)| section);
    kept.contains(&key.path) || section == "store" || section.starts_with("auth.") && !shared(section)
}

fn shared(section: &str) -> bool {
    ["auth.ingest_token", "auth.api_key", "auth.failures"].contains(&section)
}

/// Walks the tree along a pattern; `*` and `[]` stand for everything that is there.
fn expand(key: &Key, rest: &str, path: &str, table: Option<&Table>, config: &Config, all: &mut Vec<Shown>) {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let Some((first, rest)) = rest.split_once('.') else {
        let node = table.and_then(|table| table.get(rest));
        let path = join(rest);
        if let Some(node) = node {
            all.push(Shown { value: value(key.kind, node), origin: node.origin.clone(), path });
        } else {
            let value = computed(&path, config).or_else(|| fallback(&key.default));
            // A section that is not there has no defaults of its own to show.
            if let Some(value) = value.filter(|_| table.is_some() || !key.path.contains(['*', '['])) {
                all.push(Shown { path, value, origin: Origin::Default });
            }
        }
        return;
    };
    if let Some(name) = first.strip_suffix("[]") {
        let Some(Node { value: Value::List(items), .. }) = table.and_then(|table| table.get(name)) else {
            return;
        };
        for (at, item) in items.iter().enumerate() {
            expand(key, rest, &format!("{}[{at}]", join(name)), item.as_table(), config, all);
        }
    } else if first == "*" {
        for (name, node) in table.into_iter().flatten() {
            expand(key, rest, &join(name), node.as_table(), config, all);
        }
    } else {
        let inner = table.and_then(|table| table.get(first)).and_then(Node::as_table);
        expand(key, rest, &join(first), inner, config, all);
    }
}

/// The headers in force, those of the gateway too.
fn headers(loaded: &Loaded, all: &mut Vec<Shown>) {
    for rule in &loaded.config.headers {
        let value = match &rule.action {
            HeaderAction::Remove => json!(false),
            HeaderAction::Set { value, keep: true, .. } => json!({ "value": value, "keep": true }),
            HeaderAction::Set { value, .. } => json!(value),
        };
        let path = format!("headers.{}", rule.name);
        all.push(Shown { value, origin: loaded.origin(&path), path });
    }
}

/// What a key without a value came to.
fn computed(path: &str, config: &Config) -> Option<Json> {
    let route = || {
        let (index, key) = path.strip_prefix("routes[")?.split_once("].")?;
        Some((config.routes.get(index.parse::<usize>().ok()?)?, key))
    };
    match path {
        "auth.default" => Some(schemes(&config.auth.default)),
        "auth.sessions.cookie" => Some(json!(config.accounts.as_ref()?.sessions.cookie)),
        "auth.tokens.algorithm" => Some(json!(config.accounts.as_ref()?.tokens.algorithm.name())),
        "audit.enabled" => Some(json!(config.audit.enabled)),
        "cors.enabled" => Some(json!(config.cors.enabled)),
        "log.format" => Some(json!(if config.log.format == LogFormat::Json { "json" } else { "text" })),
        "server.workers" => Some(json!(std::thread::available_parallelism().map_or(1, usize::from))),
        _ => match route()? {
            (route, "auth") => Some(schemes(&route.auth)),
            (route, "upstream") => Some(json!(config.upstreams.get(route.upstream)?.name)),
            (route, "body.max") => Some(json!(route.body_max)),
            _ => None,
        },
    }
}

fn schemes(auth: &RouteAuth) -> Json {
    match auth {
        RouteAuth::Open => json!("none"),
        RouteAuth::AnyOf(schemes) => json!(schemes.iter().map(|it| it.name()).collect::<Vec<_>>()),
        RouteAuth::Optional(schemes) => {
            json!(schemes.iter().map(|it| it.name()).chain(["anonymous"]).collect::<Vec<_>>())
        }
    }
}

fn fallback(default: &Fallback) -> Option<Json> {
    match default {
        Fallback::None | Fallback::Computed(_) => None,
        Fallback::Text(text) => Some(json!(text)),
        Fallback::Integer(number) => Some(json!(number)),
        Fallback::Bool(value) => Some(json!(value)),
        Fallback::List(items) => Some(json!(items)),
    }
}

/// A value as it was written; a secret only where it is a reference.
fn value(kind: Kind, node: &Node) -> Json {
    match &node.value {
        Value::Text(text) if kind == Kind::Secret => {
            let reference = text.starts_with("env:") || text.starts_with("file:");
            json!(if reference { text } else { REDACTED })
        }
        Value::Text(text) if kind == Kind::StoreUrl => json!(without_password(text)),
        Value::Text(text) | Value::Other(text, _) => json!(text),
        Value::Integer(number) => json!(number),
        Value::Bool(value) => json!(value),
        Value::List(items) => items.iter().map(|item| value(kind, item)).collect(),
        Value::Table(table) => table
            .iter()
            .map(|(name, node)| {
                let credential = kind == Kind::Fields && credential_header(name);
                (name.clone(), if credential { json!(REDACTED) } else { value(kind, node) })
            })
            .collect(),
    }
}

/// Whether the value of a header in a policy test may be a real credential.
fn credential_header(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["token", "key", "auth", "cookie", "secret", "session"].iter().any(|word| lower.contains(word))
}

fn section_schema(section: &str) -> Json {
    let mut properties = serde_json::Map::new();
    let mut others = json!(false);
    for name in keys::names_under(section) {
        let pattern = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        let schema = match keys::shape(&pattern) {
            keys::Shape::Key(path) => keys::find(path).map_or(json!({}), key_schema),
            keys::Shape::Tables => {
                json!({ "type": "array", "items": section_schema(&format!("{pattern}[]")) })
            }
            _ => section_schema(&pattern),
        };
        if name == "*" { others = schema } else { drop(properties.insert(name.to_owned(), schema)) }
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": others })
}

fn key_schema(key: &Key) -> Json {
    let mut schema = kind_schema(key.kind);
    if key.path == "routes[].body.fields" {
        let rule = section_schema("routes[].body.fields.*");
        schema["additionalProperties"] = json!({ "oneOf": [{ "type": "string" }, rule] });
    }
    schema["description"] = json!(key.doc);
    if let Some(default) = fallback(&key.default) {
        schema["default"] = default;
    }
    schema
}

fn kind_schema(kind: Kind) -> Json {
    let text = || json!({ "type": "string" });
    let texts = || json!({ "type": ["string", "array"], "items": { "type": "string" } });
    match kind {
        Kind::Text
        | Kind::Path
        | Kind::StoreUrl
        | Kind::Match
        | Kind::Request
        | Kind::Address
        | Kind::Template => text(),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
        Kind::Status => json!({ "type": "integer", "minimum": 100, "maximum": 599 }),
        Kind::Duration => json!({ "type": "string", "pattern": "^([0-9]+ *(ms|s|m|min|h|d) *)+$" }),
        Kind::Size => json!({ "type": ["string", "integer"], "minimum": 1 }),
        Kind::Rate => json!({ "type": "string", "pattern": "^[0-9]+/[0-9]*[a-z]+( per [a-z]+)?$" }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Secret
        | Kind::Upstream
        | Kind::Schemes
        | Kind::Roles
        | Kind::Paths
        | Kind::Networks
        | Kind::Origins
        | Kind::Methods
        | Kind::HeaderNames
        | Kind::Words => texts(),
        Kind::Ports => {
            json!({ "type": ["string", "integer", "array"], "items": { "type": ["string", "integer"] } })
        }
        Kind::Listen => {
            json!({ "type": ["string", "object", "array"], "items": { "type": ["string", "object"] } })
        }
        Kind::Header => json!({ "type": ["string", "boolean", "object"] }),
        Kind::PathOrOff => json!({ "type": ["string", "boolean"] }),
        Kind::Limits => json!({ "type": ["string", "array"], "items": { "type": ["string", "object"] } }),
        Kind::Fields => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Rules => json!({ "type": "object", "additionalProperties": { "type": ["string", "object"] } }),
    }
}
