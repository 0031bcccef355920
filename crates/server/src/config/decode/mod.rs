//! From the tree of leaves to the typed configuration. Every error is collected; a value that is wrong is
//! replaced by its default, so that the rest is judged too.

mod access;
mod accounts;
mod audit;
mod cors;
mod endpoints;
mod fields;
mod headers;
mod limits;
mod outbound;
mod patterns;
mod roles;
mod routes;
mod schemes;
mod secrets;
mod server;
mod store;
mod validate;
mod websocket;

pub(super) use server::socket_address;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::dialect::Dialect;
use super::keys::{self, Fallback, Shape};
use super::model::{Config, Environment, ReplaceErrors};
use super::names::Names;
use super::origin::Origin;
use super::problem::{Problem, Warning};
use super::profile;
use super::tree::{Node, Table, Value};
use super::value::{self, Complaint};

/// What decoding needs beside the tree, and where it leaves what it finds.
pub(super) struct Context<'a> {
    pub names: &'a Names,
    /// The names of the profile's system.
    pub dialect: Option<&'static Dialect>,
    /// What relative paths of the environment and of options are relative to.
    pub directory: &'a Path,
    pub problems: RefCell<Vec<Problem>>,
    pub warnings: RefCell<Vec<Warning>>,
    /// Files that were read or must be watched.
    pub files: RefCell<BTreeSet<PathBuf>>,
}

/// Decodes the whole tree; the result counts only where the context has no problem.
pub(super) fn decode(tree: &Table, context: &Context<'_>) -> Config {
    unknown_keys(tree, "", "", context);
    let root = Reader::root(tree, context);
    let environment = match root.choice("environment", &["development", "production"]) {
        Some("production") => Environment::Production,
        _ => Environment::Development,
    };
    let profile = root.text("profile").and_then(|name| profile::find(&name)).map(|profile| profile.name);
    let (upstreams, default_upstream) = server::upstreams(&root);
    let server = server::server(&root, &upstreams);
    let limiter = limiter(&root);
    let roles = roles::roles(&root, limiter);
    let asked_for = accounts::asked_for(&root);
    let kept = asked_for.is_some();
    let around = access::Surroundings { environment, accounts: kept, roles: &roles };
    let auth = access::auth(&root, &around);
    let given = kept || auth.api_key.as_ref().is_some_and(|scheme| scheme.role.is_some());
    roles::reachable(&root, &roles, given);
    let accounts = asked_for.map(|origin| accounts::accounts(&root, origin, environment, &server, &roles));
    let limits = limits::limits(&root, "limits");
    let errors = root.section("errors");
    let in_development = errors.boolean("in_development");
    let replace_errors = match errors.choice("replace", &["never", "5xx", "4xx-5xx"]) {
        _ if environment == Environment::Development && !in_development => ReplaceErrors::Never,
        Some("4xx-5xx") => ReplaceErrors::AllErrors,
        Some("5xx") => ReplaceErrors::ServerErrors,
        _ => ReplaceErrors::Never,
    };
    let endpoints = endpoints::endpoints(&root, kept);
    let query = validate::general(&root);
    let patterns = patterns::general(&root);
    let defaults = routes::Defaults {
        roles: &roles,
        limiter,
        upstream: default_upstream,
        body_max: server.caps.body,
        query: query.as_ref(),
        patterns: &patterns,
    };
    let routes = routes::routes(&root, &auth, &upstreams, &defaults, &endpoints);
    let tests = routes::tests(&root, &routes);
    let egress = outbound::egress(&root, &server.listeners);
    outbound::unused(&root, &routes, egress.is_some());
    limits::by_identity(&limits, &auth, &routes, context);
    Config {
        profile,
        environment,
        server,
        upstreams,
        default_upstream,
        log: server::log(&root, environment),
        audit: audit::audit(&root, kept),
        auth,
        accounts,
        roles,
        identity: endpoints::onward(&root, kept),
        cors: cors::cors(&root),
        headers: headers::headers(&root),
        limiter,
        limits: if limiter { limits } else { Vec::new() },
        routes,
        query,
        outbound: outbound::outbound(&root),
        egress,
        patterns: patterns.default,
        replies: headers::replies(&root),
        replace_errors,
        endpoints,
        tests,
    }
}

/// Whether limits are in force.
fn limiter(root: &Reader<'_>) -> bool {
    let section = root.section("limiter");
    let enabled = section.boolean("enabled");
    if !enabled {
        let name = root.context.name_for("limiter.enabled").unwrap_or("limiter.enabled");
        section.warn(
            Problem::new(
                &section.origin_of("enabled"),
                format!("{name} is false: no limit is in force but that of wrong credentials"),
            )
            .mend(format!("set {name} to true")),
        );
    }
    enabled
}

/// Reads the keys of one section.
pub(super) struct Reader<'a> {
    pub context: &'a Context<'a>,
    table: Option<&'a Table>,
    /// As a user writes it: `routes[2]`.
    path: String,
    /// As the table of keys has it: `routes[]`.
    pattern: String,
    /// Where the section stands.
    pub origin: Origin,
}

impl<'a> Reader<'a> {
    fn root(table: &'a Table, context: &'a Context<'a>) -> Self {
        Self {
            context,
            table: Some(table),
            path: String::new(),
            pattern: String::new(),
            origin: Origin::Default,
        }
    }

    /// Reads a table that stands inside a value, with the keys of `pattern`.
    pub fn nested(&self, node: &'a Node, pattern: &str) -> Reader<'a> {
        Reader {
            context: self.context,
            table: node.as_table(),
            path: self.path.clone(),
            pattern: pattern.to_owned(),
            origin: node.origin.clone(),
        }
    }

    pub fn node(&self, name: &str) -> Option<&'a Node> {
        self.table.and_then(|table| table.get(name))
    }

    /// Where a key of this section stands; the section itself where it is not written.
    pub fn origin_of(&self, name: &str) -> Origin {
        self.node(name).map_or_else(|| self.origin.clone(), |node| node.origin.clone())
    }

    pub fn section(&self, name: &str) -> Reader<'a> {
        let node = self.node(name);
        if let Some(node) = node
            && node.as_table().is_none()
        {
            let path = self.path_of(name);
            let example = keys::names_under(&self.pattern_of(name));
            self.problem(
                Problem::new(
                    &node.origin,
                    format!("{} stands where the section `{path}` is expected", node.kind()),
                )
                .mend(format!("[{path}] with {}", value::quoted(&example))),
            );
        }
        Reader {
            context: self.context,
            table: node.and_then(Node::as_table),
            path: self.path_of(name),
            pattern: self.pattern_of(name),
            origin: node.map_or_else(|| self.origin.clone(), |node| node.key.clone()),
        }
    }

    /// The sections whose names the user chose, by name.
    pub fn sections(&self) -> Vec<(&'a str, Reader<'a>)> {
        let Some(table) = self.table else { return Vec::new() };
        table.keys().map(|name| (name.as_str(), self.section(name))).collect()
    }

    /// The entries of a list of tables.
    pub fn entries(&self, name: &str) -> Vec<Reader<'a>> {
        let Some(node) = self.node(name) else { return Vec::new() };
        let path = self.path_of(name);
        let wrong = |origin: &Origin, kind: &str| {
            self.problem(
                Problem::new(origin, format!("{kind} stands where a list of tables is expected"))
                    .mend(format!("write [[{path}]] above each entry")),
            );
        };
        let Value::List(items) = &node.value else {
            wrong(&node.origin, node.kind());
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (at, item) in items.iter().enumerate() {
            match item.as_table() {
                Some(table) => entries.push(Reader {
                    context: self.context,
                    table: Some(table),
                    path: format!("{path}[{at}]"),
                    pattern: format!("{}[]", self.pattern_of(name)),
                    origin: item.origin.clone(),
                }),
                None => wrong(&item.origin, item.kind()),
            }
        }
        entries
    }

    /// A value as `parse` reads it: from the tree, else the default of the table of keys, else nothing.
    pub fn leaf<T>(&self, name: &str, parse: impl Fn(&Node) -> Result<T, Complaint>) -> Option<T> {
        if let Some(node) = self.node(name) {
            match parse(node) {
                Ok(value) => return Some(value),
                Err(complaint) => self.complain(name, node, complaint),
            }
        }
        let key = keys::find(&self.pattern_of(name))?;
        debug_assert!(key.path.ends_with(name), "{}", key.path);
        parse(&default_node(&key.default)?).ok()
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.leaf(name, |node| value::text(node).map(str::to_owned))
    }

    pub fn boolean(&self, name: &str) -> bool {
        self.leaf(name, value::boolean).unwrap_or_default()
    }

    pub fn choice(&self, name: &str, valid: &'static [&'static str]) -> Option<&'static str> {
        self.leaf(name, |node| value::choice(node, valid))
    }

    pub fn duration(&self, name: &str) -> std::time::Duration {
        self.leaf(name, value::duration).unwrap_or_default()
    }

    pub fn integer(&self, name: &str) -> Option<usize> {
        let (from, to) = match keys::find(&self.pattern_of(name)).map(|key| key.kind) {
            Some(keys::Kind::Integer(from, to)) => (from, to),
            _ => (1, i64::MAX),
        };
        self.leaf(name, |node| value::integer(node, from, to)).and_then(|it| usize::try_from(it).ok())
    }

    pub fn size(&self, name: &str) -> u64 {
        self.leaf(name, value::size).unwrap_or_default()
    }

    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.leaf(name, |node| {
            let text = value::text(node)?;
            if text.trim().is_empty() {
                return Err(Complaint::new("an empty path", "name a file, or take the key away"));
            }
            Ok(self.context.resolve(text, &node.origin))
        })
    }

    /// A list, each entry as `parse` reads it; what is wrong in it is reported entry by entry.
    pub fn list<T>(&self, name: &str, parse: impl Fn(&Node) -> Result<T, Complaint>) -> Vec<T> {
        let Some(items) = self.leaf(name, value::list) else { return Vec::new() };
        let mut values = Vec::new();
        for item in &items {
            match parse(item) {
                Ok(value) => values.push(value),
                Err(complaint) => self.complain(name, item, complaint),
            }
        }
        values
    }

    /// Reports a value that was not taken.
    pub fn complain(&self, name: &str, node: &Node, complaint: Complaint) {
        let message = format!("`{}`: {}", self.path_of(name), complaint.message);
        self.problem(Complaint { message, ..complaint }.problem(&node.origin));
    }

    pub fn problem(&self, problem: Problem) {
        self.context.problems.borrow_mut().push(problem);
    }

    pub fn warn(&self, problem: Problem) {
        self.context.warnings.borrow_mut().push(Warning(problem));
    }

    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn pattern_of(&self, name: &str) -> String {
        keys::child(&self.pattern, name)
    }
}

impl Context<'_> {
    /// A path relative to the file that names it, or to the directory of the caller.
    pub fn resolve(&self, path: &str, origin: &Origin) -> PathBuf {
        origin.directory().unwrap_or(self.directory).join(path)
    }

    /// The environment name by which the profile's system knows a key.
    pub fn name_for(&self, key: &str) -> Option<&'static str> {
        self.dialect?.name_of(key)
    }

    /// What the profile's system says where a name is not set that must be.
    pub fn own_words(&self, name: &str) -> Option<&'static str> {
        let words = self.dialect?.unset.iter().find(|(unset, _)| *unset == name);
        words.map(|(_, words)| *words)
    }

    pub fn watch(&self, path: &Path) {
        self.files.borrow_mut().insert(path.to_owned());
    }
}

fn default_node(default: &Fallback) -> Option<Node> {
    let value = match default {
        Fallback::None | Fallback::Computed(_) => return None,
        Fallback::Text(text) => Value::Text((*text).to_owned()),
        Fallback::Integer(number) => Value::Integer(*number),
        Fallback::Bool(value) => Value::Bool(*value),
        Fallback::List(items) => {
            Value::List(items.iter().map(|item| Node::text(*item, Origin::Default)).collect())
        }
    };
    Some(Node::new(value, Origin::Default))
}

/// Reports every name that is not a key, with the nearest that is.
fn unknown_keys(table: &Table, section: &str, path: &str, context: &Context<'_>) {
    for (name, node) in table {
        let pattern = keys::child(section, name);
        let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match keys::shape(&pattern) {
            Shape::Key(_) => {}
            Shape::Section => {
                if let Some(inner) = node.as_table() {
                    unknown_keys(inner, &pattern, &here, context);
                }
            }
            Shape::Tables => {
                if let Value::List(items) = &node.value {
                    for (at, inner) in items.iter().enumerate() {
                        if let Some(inner) = inner.as_table() {
                            unknown_keys(inner, &format!("{pattern}[]"), &format!("{here}[{at}]"), context);
                        }
                    }
                }
            }
            Shape::Later => context.problems.borrow_mut().push(
                Problem::new(&node.key, format!("`{here}` is not in this version"))
                    .mend("take it away; a later version brings it"),
            ),
            Shape::Unknown => {
                let place = if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") };
                context.problems.borrow_mut().push(
                    Problem::new(&node.key, format!("`{name}` is not a key of {place}"))
                        .nearest(name, keys::names_under(section)),
                );
            }
        }
    }
}
