//! Lays the names of a dialect on the tree, between the configuration file and the `PORTCULLIS_` names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::names::{Named, Names};
use super::super::origin::Origin;
use super::super::problem::{Problem, Warning, nearest};
use super::super::tree::{Node, Table, Value};
use super::super::value;
use super::{At, Dialect, Meaning, Name};

/// What the environment says about the application, and no key holds.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Where debug mode is switched on.
    pub debug: Option<Origin>,
    /// Where reloading is switched on.
    pub reload: Option<Origin>,
}

struct Applied<'a> {
    pub tree: &'a mut Table,
    pub problems: &'a mut Vec<Problem>,
    pub warnings: &'a mut Vec<Warning>,
    pub facts: Facts,
}

/// Applies every name of `dialect` that is set; the later of two layers wins, so what it sets replaces the file.
pub(in super::super) fn apply(
    dialect: &Dialect,
    tree: &mut Table,
    names: &Names,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Warning>,
) -> Facts {
    let mut applied = Applied { tree, problems, warnings, facts: Facts::default() };
    let mut host = None;
    let mut port = None;
    for name in dialect.names {
        let named = match names.value(name.name) {
            Ok(Some(named)) => named,
            Ok(None) => continue,
            Err(complaint) => {
                applied.problems.push(complaint.problem(&Origin::environment(name.name)));
                continue;
            }
        };
        match name.meaning {
            Meaning::Host => host = Some((name, named)),
            Meaning::Port => port = Some((name, named)),
            _ => applied.one(name, &named),
        }
    }
    if host.is_some() || port.is_some() {
        applied.listen(host.as_ref(), port.as_ref());
    }
    misspelt(dialect, names, applied.warnings);
    applied.facts
}

impl Applied<'_> {
    fn one(&mut self, name: &Name, named: &Named) {
        match name.meaning {
            Meaning::Set(path) => set(self.tree, path, Node::text(named.value.trim(), named.origin.clone())),
            Meaning::Number { at, form } => self.number(name, named, at, form),
            Meaning::Secret(scheme) => {
                let path = format!("auth.{scheme}.value");
                let reference = format!("env:{}", name.name);
                // A value that names it already (a list for rotation, say) is what the user wants.
                if !find(self.tree, &path).is_some_and(|node| mentions(node, &reference)) {
                    set(self.tree, &path, Node::text(reference, named.origin.clone()));
                }
            }
            Meaning::Environment => self.environment(name, named),
            Meaning::LogLevel => self.log_level(name, named),
            Meaning::Debug | Meaning::Reload => match value::plain_boolean(&named.value) {
                Some(on) => {
                    let origin = on.then(|| named.origin.clone());
                    if name.meaning == Meaning::Debug {
                        self.facts.debug = origin;
                    } else {
                        self.facts.reload = origin;
                    }
                }
                None => self.problem(name, named, "neither true nor false", "write true or false"),
            },
            Meaning::Unused(why) => self.warnings.push(Warning(Problem::new(
                &named.origin,
                format!("{} is read and has no effect: {why}", name.name),
            ))),
            Meaning::Host | Meaning::Port | Meaning::Later => {}
        }
    }

    fn number(&mut self, name: &Name, named: &Named, at: At, form: &str) {
        let text = named.value.trim();
        let number = match text.parse::<u32>() {
            Ok(0) => {
                let mend = "write 1 or more; to lift a limit, take it out of the configuration";
                self.problem(name, named, "0 would refuse everybody", mend);
                return;
            }
            Ok(number) if text.bytes().all(|b| b.is_ascii_digit()) => number,
            _ => {
                self.problem(
                    name,
                    named,
                    "not a number",
                    &format!("write a whole number, such as {}", name.default),
                );
                return;
            }
        };
        let leaf = Node::text(form.replace("{}", &number.to_string()), named.origin.clone());
        let (found, what) = match at {
            At::Limit(limit) => (set_limit(self.tree, limit, &leaf), format!("the limit `{limit}`")),
            At::Route { matching, key } => {
                (set_route(self.tree, matching, key, &leaf), format!("the route `{matching}`"))
            }
        };
        if !found {
            self.warnings.push(Warning(
                Problem::new(
                    &named.origin,
                    format!("{} sets {what}, which the configuration no longer has", name.name),
                )
                .mend(format!("unset {}, or name the rule so again", name.name)),
            ));
        }
    }

    fn environment(&mut self, name: &Name, named: &Named) {
        let word = match named.value.trim().to_ascii_lowercase().as_str() {
            "production" | "prod" | "live" => "production",
            "development" | "dev" | "local" | "test" | "testing" => "development",
            "staging" | "stage" => {
                self.warnings.push(Warning(
                    Problem::new(
                        &named.origin,
                        format!("{} is `staging`, which is treated as development", name.name),
                    )
                    .mend("set it to production to have what is unsafe refused"),
                ));
                "development"
            }
            _ => {
                self.problem(
                    name,
                    named,
                    "neither development nor production",
                    "write development or production",
                );
                return;
            }
        };
        set(self.tree, "environment", Node::text(word, named.origin.clone()));
    }

    fn log_level(&mut self, name: &Name, named: &Named) {
        let level = match named.value.trim().to_ascii_lowercase().as_str() {
            "critical" | "fatal" | "error" => "error",
            "warning" | "warn" => "warn",
            "info" => "info",
            "debug" => "debug",
            "trace" | "notset" => "trace",
            _ => {
                self.problem(name, named, "not a level", "write DEBUG, INFO, WARNING or ERROR");
                return;
            }
        };
        set(self.tree, "log.level", Node::text(level, named.origin.clone()));
    }

    /// `API_HOST` and `API_PORT` are the halves of `server.listen`.
    fn listen(&mut self, host: Option<&(&Name, Named)>, port: Option<&(&Name, Named)>) {
        let Some((said, origin)) = host.or(port).map(|(name, named)| (name.name, named.origin.clone()))
        else {
            return;
        };
        let current = find(self.tree, "server.listen").cloned();
        let current = match current.as_ref().map(|node| (node, node.as_text())) {
            None => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8000),
            Some((node, text)) => match text.map(super::super::decode::socket_address) {
                Some(Ok(address)) => address,
                // A wrong address is reported where it is decoded.
                Some(Err(_)) if !text.is_some_and(|it| it.starts_with("unix:")) => return,
                _ => {
                    self.problems.push(
                        Problem::new(
                            &origin,
                            format!("{said} names one address, and `server.listen` is no single ip:port"),
                        )
                        .also(&node.origin, "here is the other")
                        .mend(format!("unset {said}, or set PORTCULLIS_SERVER__LISTEN")),
                    );
                    return;
                }
            },
        };
        let ip = match host {
            None => current.ip(),
            Some((name, named)) => match host_address(&named.value) {
                Some(ip) => ip,
                None => {
                    return self.problem(
                        name,
                        named,
                        "not an address of this machine",
                        "write 127.0.0.1, 0.0.0.0 or an address of an interface",
                    );
                }
            },
        };
        let number = match port {
            None => current.port(),
            Some((name, named)) => match named.value.trim().parse::<u16>() {
                Ok(number) => number,
                Err(_) => {
                    return self.problem(
                        name,
                        named,
                        "not a port",
                        &format!("write a number from 1 to 65535, such as {}", name.default),
                    );
                }
            },
        };
        set(self.tree, "server.listen", Node::text(SocketAddr::new(ip, number).to_string(), origin));
    }

    fn problem(&mut self, name: &Name, named: &Named, what: &str, mend: &str) {
        let problem =
            Problem::new(&named.origin, format!("{} is `{}`: {what}", name.name, named.value)).mend(mend);
        self.problems.push(problem);
    }
}

fn host_address(text: &str) -> Option<IpAddr> {
    match text.trim() {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        "*" => Some(Ipv4Addr::UNSPECIFIED.into()),
        text => {
            let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
            bare.parse::<Ipv4Addr>()
                .map(IpAddr::V4)
                .or_else(|_| bare.parse::<Ipv6Addr>().map(IpAddr::V6))
                .ok()
        }
    }
}

/// Names that nearly are one of the dialect: a typing error would otherwise leave a route open.
fn misspelt(dialect: &Dialect, names: &Names, warnings: &mut Vec<Warning>) {
    /// `HOST` is one letter from too many honest names.
    const SHORTEST: usize = 7;
    let ours = || dialect.names.iter().filter(|name| name.meaning != Meaning::Later).map(|name| name.name);
    for (name, named) in names.all() {
        let plain = name.strip_suffix("_FILE").unwrap_or(name);
        let known = ours().any(|our| our == name || our == plain) || dialect.application.contains(&name);
        if known || name.len() < SHORTEST || name.starts_with("PORTCULLIS_") {
            continue;
        }
        let near = nearest(name, ours().filter(|our| our.len() >= SHORTEST));
        if let Some(near) = near.filter(|near| strsim::osa_distance(&name.to_ascii_uppercase(), near) <= 2) {
            warnings.push(Warning(
                Problem::new(
                    &named.origin,
                    format!("`{name}` is not a name of this profile, and nearly one"),
                )
                .mend(format!("did you mean `{near}`?")),
            ));
        }
    }
}

/// Sets the leaf at a dotted path; what stands on its way and is no table is left to decoding to report.
pub(in super::super) fn set(tree: &mut Table, path: &str, node: Node) {
    match path.split_once('.') {
        None => {
            tree.insert(path.to_owned(), node);
        }
        Some((section, rest)) => {
            let origin = node.origin.clone();
            let entry = tree
                .entry(section.to_owned())
                .or_insert_with(|| Node::new(Value::Table(Table::new()), origin));
            if let Value::Table(inner) = &mut entry.value {
                set(inner, rest, node);
            }
        }
    }
}

pub(in super::super) fn find<'t>(tree: &'t Table, path: &str) -> Option<&'t Node> {
    match path.split_once('.') {
        None => tree.get(path),
        Some((section, rest)) => find(tree.get(section)?.as_table()?, rest),
    }
}

fn mentions(node: &Node, reference: &str) -> bool {
    match &node.value {
        Value::Text(text) => text == reference,
        Value::List(items) => items.iter().any(|item| mentions(item, reference)),
        _ => false,
    }
}

fn set_limit(tree: &mut Table, limit: &str, leaf: &Node) -> bool {
    let mut found = named_limit(tree, limit, leaf);
    if let Some(Node { value: Value::List(routes), .. }) = tree.get_mut("routes") {
        for route in routes {
            if let Value::Table(route) = &mut route.value {
                found |= named_limit(route, limit, leaf);
            }
        }
    }
    found
}

fn named_limit(table: &mut Table, limit: &str, leaf: &Node) -> bool {
    let Some(Node { value: Value::List(limits), .. }) = table.get_mut("limits") else { return false };
    let mut found = false;
    for entry in limits {
        if let Value::Table(entry) = &mut entry.value
            && entry.get("name").and_then(Node::as_text) == Some(limit)
        {
            entry.insert("rate".into(), leaf.clone());
            found = true;
        }
    }
    found
}

fn set_route(tree: &mut Table, matching: &str, key: &str, leaf: &Node) -> bool {
    let Some(Node { value: Value::List(routes), .. }) = tree.get_mut("routes") else { return false };
    for route in routes {
        if let Value::Table(route) = &mut route.value
            && route.get("match").and_then(Node::as_text) == Some(matching)
        {
            set(route, key, leaf.clone());
            return true;
        }
    }
    false
}
