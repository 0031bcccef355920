//! Where accounts are kept.

use std::path::Path;

use portcullis_core::Secret;
use portcullis_core::secret::Flaw;

use super::super::model::{SecretSource, Store, StoreUrl, without_password};
use super::super::origin::{Origin, TextKind};
use super::super::problem::Problem;
use super::super::secret;
use super::super::tree::Node;
use super::super::value::{self, Complaint};
use super::{Reader, secrets};

const MEND: &str = "PORTCULLIS_STORE__URL=sqlite:portcullis.db, or postgres://user@host/database";

pub(super) fn store(root: &Reader<'_>) -> Store {
    let section = root.section("store");
    let default = StoreUrl::Sqlite(section.context.directory.join("portcullis.db"));
    of_section(&section, "store").unwrap_or_else(|| Store {
        url: default,
        encryption_key: None,
        from_application: false,
        origin: section.origin.clone(),
    })
}

/// The store that a section names, where it names one.
pub(super) fn of_section(section: &Reader<'_>, name: &str) -> Option<Store> {
    let url = section.leaf("url", |node| store_url(node, section));
    let encryption_key = secrets::one(section, "encryption_key", "encryption-key");
    // What was written with a key that everybody knows stays readable for everybody.
    if let Some(key) = &encryption_key
        && key.strength.flaws().any(|flaw| flaw == Flaw::Placeholder)
    {
        section.problem(
            Problem::new(
                &key.origin,
                format!("{} encrypts nothing: {}", key.words("the key of the store"), Flaw::Placeholder),
            )
            .mend("`portcullis generate encryption-key` makes one that nobody guesses"),
        );
    }
    let store =
        Store { url: url?, encryption_key, from_application: false, origin: section.origin_of("url") };
    if let StoreUrl::Sqlite(path) = &store.url
        && !path.parent().is_none_or(|parent| parent.as_os_str().is_empty() || parent.is_dir())
    {
        section.problem(
            Problem::new(
                &store.origin,
                format!("`{name}.url`: the directory of {} does not exist", path.display()),
            )
            .mend("make the directory, or name another; an absolute path is sqlite:/var/lib/portcullis.db"),
        );
    }
    Some(store)
}

fn store_url(node: &Node, section: &Reader<'_>) -> Result<StoreUrl, Complaint> {
    let text = value::text(node)?.trim();
    if let Some(name) = text.strip_prefix("env:") {
        let Some(named) = section.context.names.value(name)? else {
            return Err(Complaint::new(format!("{name} is not set, or empty"), format!("set {name}")));
        };
        if let Some(file) = &named.file {
            section.context.watch(file);
        }
        let from = named.file.map_or_else(|| source(&named.origin, name), SecretSource::File);
        return parse(named.value.trim(), from, &named.origin, section);
    }
    if let Some(path) = text.strip_prefix("file:") {
        let path = section.context.resolve(path, &node.origin);
        section.context.watch(&path);
        let url = secret::read(&path)?;
        return parse(url.trim(), SecretSource::File(path), &node.origin, section);
    }
    parse(text, source(&node.origin, "the URL of the store"), &node.origin, section)
}

fn source(origin: &Origin, name: &str) -> SecretSource {
    match origin {
        Origin::Environment(variable) => SecretSource::Environment(variable.to_string()),
        Origin::Text { text, .. } if text.kind == TextKind::EnvFile => SecretSource::EnvFile(name.to_owned()),
        _ => SecretSource::Literal,
    }
}

fn parse(
    text: &str,
    from: SecretSource,
    origin: &Origin,
    section: &Reader<'_>,
) -> Result<StoreUrl, Complaint> {
    let unknown = || {
        let shown = without_password(text);
        Err(Complaint::new(format!("`{shown}` is not where accounts can be kept"), MEND))
    };
    let Some((scheme, rest)) = text.split_once(':') else { return unknown() };
    // SQLAlchemy names its driver behind a plus: `sqlite+aiosqlite`, `postgresql+asyncpg`.
    match scheme.split('+').next().unwrap_or(scheme) {
        "sqlite" => {
            let path = sqlite_path(rest)?;
            Ok(StoreUrl::Sqlite(section.context.resolve(path, origin)))
        }
        "postgres" | "postgresql" => {
            let host = rest.strip_prefix("//").map(|it| it.rsplit_once('@').map_or(it, |(_, host)| host));
            match host {
                Some(host) if !host.is_empty() && !host.starts_with('/') => {
                    Ok(StoreUrl::Postgres { url: Secret::new(format!("postgres:{rest}")), from })
                }
                _ => Err(Complaint::new("the URL of the store names no host", MEND)),
            }
        }
        _ => unknown(),
    }
}

/// `PATH`, or as `SQLAlchemy` writes it: three slashes and a relative path, four and an absolute one.
fn sqlite_path(rest: &str) -> Result<&str, Complaint> {
    let path = rest.strip_prefix("//").map_or(rest, |it| it.strip_prefix('/').unwrap_or(it));
    if path.is_empty() || path == ":memory:" {
        return Err(Complaint::new("a store in memory would be empty after every start", MEND));
    }
    if path.contains(['?', '#']) {
        return Err(Complaint::new(format!("`{path}` is more than a path"), "take away what follows `?`"));
    }
    if Path::new(path).is_dir() || path.ends_with('/') {
        return Err(Complaint::new(
            format!("`{path}` is a directory"),
            format!("sqlite:{path}/portcullis.db"),
        ));
    }
    Ok(path)
}
