//! `PORTCULLIS_` and the key's path with `__`: `PORTCULLIS_SERVER__LISTEN` wins over the file and every dialect.

use super::super::keys::{self, Kind, Shape};
use super::super::names::Names;
use super::super::origin::Origin;
use super::super::problem::Problem;
use super::super::tree::{Node, Table, parse_value};
use super::place::set;

const PREFIX: &str = "PORTCULLIS_";

/// Lays every `PORTCULLIS_` name on the tree.
pub(in super::super) fn own_names(tree: &mut Table, names: &Names, problems: &mut Vec<Problem>) {
    for name in names.set() {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if of_kubernetes(rest) {
            continue;
        }
        let (name, rest) = match (path(rest), name.strip_suffix("_FILE"), rest.strip_suffix("_FILE")) {
            (None, Some(name), Some(rest)) if path(rest).is_some() => (name, rest),
            _ => (name, rest),
        };
        let origin = names.origin(name).cloned().unwrap_or_else(|| Origin::environment(name));
        let Some((path, pattern)) = path(rest) else {
            problems.push(unknown(name, &origin));
            continue;
        };
        match names.value(name) {
            Ok(Some(named)) => set(tree, &path, leaf(&named.value, &pattern, name, &named.origin)),
            Ok(None) => {}
            Err(complaint) => problems.push(complaint.problem(&origin)),
        }
    }
}

/// The path of a key in the tree, and its pattern.
fn path(rest: &str) -> Option<(String, String)> {
    let mut path = String::new();
    let mut pattern = String::new();
    for part in rest.split("__") {
        let lower = part.to_ascii_lowercase();
        let next = keys::child(&pattern, &lower);
        // Names of headers and codes of refusals are written with dashes.
        let written = if next.ends_with('*') && (pattern == "headers" || pattern == "replies") {
            lower.replace('_', "-")
        } else {
            lower
        };
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&written);
        pattern = next;
    }
    matches!(keys::shape(&pattern), Shape::Key(_) | Shape::Tables).then_some((path, pattern))
}

fn leaf(value: &str, pattern: &str, name: &str, origin: &Origin) -> Node {
    let kind = keys::find(pattern).map(|key| key.kind);
    match kind {
        // The secret itself, or where it is.
        Some(Kind::Secret) if !value.starts_with("env:") && !value.starts_with("file:") => {
            Node::text(format!("env:{name}"), origin.clone())
        }
        // Tables have no plain form: they are written as in the file.
        None | Some(Kind::Header | Kind::Limits | Kind::Fields | Kind::Rules | Kind::Listen)
            if value.trim_start().starts_with(['[', '{']) || value == "false" =>
        {
            parse_value(value.trim(), origin).unwrap_or_else(|| Node::text(value, origin.clone()))
        }
        _ => Node::text(value, origin.clone()),
    }
}

fn unknown(name: &str, origin: &Origin) -> Problem {
    let known: Vec<String> = keys::KEYS
        .iter()
        .filter_map(keys::Key::environment_name)
        .chain(["PORTCULLIS_LIMITS", "PORTCULLIS_ROUTES", "PORTCULLIS_TESTS"].map(str::to_owned))
        .collect();
    let problem = Problem::new(origin, format!("`{name}` names no key of the configuration"));
    match super::super::problem::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => problem.mend(format!("did you mean `{near}`?")),
        None => problem.mend("`portcullis config env` lists every name"),
    }
}

/// Kubernetes sets `PORTCULLIS_PORT=tcp://…` and others in every pod beside a service named `portcullis`.
fn of_kubernetes(rest: &str) -> bool {
    rest == "PORT" || rest == "SERVICE_HOST" || rest.starts_with("SERVICE_PORT") || {
        rest.strip_prefix("PORT_").is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()))
    }
}
