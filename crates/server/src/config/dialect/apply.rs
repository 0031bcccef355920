//! Lays the names of a dialect on the tree, between the configuration file and the `PORTCULLIS_` names.

use std::path::Path;

use portcullis_core::secret::{Flaw, Strength};

use super::super::model::BUILT_IN;
use super::super::names::{Named, Names};
use super::super::origin::{Origin, TextKind};
use super::super::problem::{Problem, Warning, nearest};
use super::super::tree::{Node, Table, Value};
use super::super::value;
use super::place::{find, mentions, set, set_limit, set_route};
use super::{At, Dialect, Meaning, Name};

/// What the environment says about the application, and no key holds.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Where debug mode is switched on.
    pub debug: Option<Origin>,
    /// Where debug mode is switched on, in an application whose default it is.
    pub debug_by_default: Option<Origin>,
    /// Where reloading is switched on.
    pub reload: Option<Origin>,
    /// Passwords of the application that everybody knows: their names, and where they are set.
    pub known_passwords: Vec<(&'static str, Origin)>,
    /// Where the URL of the application's database is set, which is the store's where no other key says one.
    pub database: Option<Origin>,
}

pub(super) struct Applied<'a> {
    pub tree: &'a mut Table,
    pub problems: &'a mut Vec<Problem>,
    pub warnings: &'a mut Vec<Warning>,
    pub facts: Facts,
}

/// A name that is set.
pub(super) type Said = Option<(&'static Name, Named)>;

/// Applies every name of `dialect` that is set; the later of two layers wins, so what it sets replaces the file.
pub(in super::super) fn apply(
    dialect: &Dialect,
    tree: &mut Table,
    names: &Names,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Warning>,
) -> Facts {
    let mut applied = Applied { tree, problems, warnings, facts: Facts::default() };
    let (mut host, mut port, mut tls): (Said, Said, Said) = (None, None, None);
    let (mut count, mut window): (Said, Said) = (None, None);
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
            Meaning::Count(_) => count = Some((name, named)),
            Meaning::Window(_) => window = Some((name, named)),
            // What it needs is said by other names.
            Meaning::Tls => tls = Some((name, named)),
            _ => applied.one(name, &named),
        }
    }
    if host.is_some() || port.is_some() {
        applied.listen(host.as_ref(), port.as_ref());
    }
    applied.window(count.as_ref(), window.as_ref());
    if let Some((name, named)) = &tls {
        applied.tls(name, named, dialect);
    }
    misspelt(dialect, names, applied.warnings);
    applied.facts
}

impl Applied<'_> {
    fn one(&mut self, name: &'static Name, named: &Named) {
        match name.meaning {
            Meaning::Set(path) => set(self.tree, path, Node::text(named.value.trim(), named.origin.clone())),
            Meaning::Number { at, form } => self.number(name, named, at, form),
            Meaning::Secret(scheme) => self.secret(name, named, &format!("auth.{scheme}.value")),
            Meaning::SecretAt(path) => self.secret(name, named, path),
            Meaning::Origins => {
                set(self.tree, "cors.origins", Node::text(named.value.trim(), named.origin.clone()));
                if of_profile(find(self.tree, "cors.credentials")) {
                    let leaf = Node::new(Value::Bool(true), named.origin.clone());
                    set(self.tree, "cors.credentials", leaf);
                }
            }
            Meaning::Database => {
                self.facts.database = Some(named.origin.clone());
                set(self.tree, "store.url", Node::text(named.value.trim(), named.origin.clone()));
            }
            Meaning::LogDirectory(file) => {
                let path = Path::new(named.value.trim()).join(file);
                let leaf = Node::text(path.to_string_lossy().into_owned(), named.origin.clone());
                set(self.tree, "log.file", leaf);
            }
            Meaning::SecureHeaders => self.secure_headers(name, named),
            Meaning::Password => self.password(name, named),
            Meaning::Environment => self.environment(name, named),
            Meaning::LogLevel => self.log_level(name, named),
            Meaning::Debug | Meaning::DebugByDefault | Meaning::Reload => {
                let origin = self.boolean(name, named).unwrap_or_default().then(|| named.origin.clone());
                match name.meaning {
                    Meaning::Debug => self.facts.debug = origin,
                    Meaning::Reload => self.facts.reload = origin,
                    _ => self.facts.debug_by_default = origin,
                }
            }
            Meaning::Unused(why) => self.warnings.push(Warning(Problem::new(
                &named.origin,
                format!("{} is read and has no effect: {why}", name.name),
            ))),
            Meaning::Host | Meaning::Port | Meaning::Tls | Meaning::Count(_) | Meaning::Window(_) => {}
        }
    }

    fn secret(&mut self, name: &Name, named: &Named, path: &str) {
        let reference = format!("env:{}", name.name);
        // A value that names it already (a list for rotation, say) is what the user wants.
        if !find(self.tree, path).is_some_and(|node| mentions(node, &reference)) {
            set(self.tree, path, Node::text(reference, named.origin.clone()));
        }
    }

    fn secure_headers(&mut self, name: &Name, named: &Named) {
        let Some(on) = self.boolean(name, named) else { return };
        if !on && let Some(Value::Table(headers)) = self.tree.get_mut("headers").map(|it| &mut it.value) {
            // What the user wrote stands.
            headers.retain(|_, node| !of_profile(Some(node)));
        }
        let leaf = Node::new(Value::Bool(on), named.origin.clone());
        set(self.tree, "headers.secure", leaf);
    }

    /// T-ENV-09: the default in the code of the application is public.
    fn password(&mut self, name: &'static Name, named: &Named) {
        if !Strength::of(named.value.as_bytes()).flaws().any(|flaw| flaw == Flaw::Placeholder) {
            return;
        }
        self.facts.known_passwords.push((name.name, named.origin.clone()));
        self.warnings.push(Warning(
            Problem::new(&named.origin, format!("{} is a default that everybody knows", name.name))
                .mend("change it where it is set and in the database"),
        ));
    }

    /// True or false, or a problem that says what stands there instead.
    pub fn boolean(&mut self, name: &Name, named: &Named) -> Option<bool> {
        let value = value::plain_boolean(&named.value);
        if value.is_none() {
            self.problem(name, named, "neither true nor false", "write true or false");
        }
        value
    }

    fn number(&mut self, name: &Name, named: &Named, at: At, form: &str) {
        let Some(number) = self.whole(name, named) else { return };
        let leaf = Node::text(form.replace("{}", &number.to_string()), named.origin.clone());
        let (found, what) = match at {
            At::Key(path) => {
                set(self.tree, path, leaf);
                return;
            }
            At::Tier(role) => {
                set(self.tree, &format!("roles.{role}.limit"), leaf);
                // B-RL-05: who is nobody has what the lowest role has, each address for itself.
                if role == BUILT_IN[0] {
                    let rate = form.replace("{}", &number.to_string()).replace("per user", "per anonymous");
                    set_limit(self.tree, "anonymous", &Node::text(rate, named.origin.clone()));
                }
                return;
            }
            At::Limit(limit) => (set_limit(self.tree, limit, &leaf), format!("the limit `{limit}`")),
            At::Route { matching, key } => {
                (set_route(self.tree, matching, key, &leaf), format!("the route `{matching}`"))
            }
        };
        if !found {
            self.gone(name, named, &what);
        }
    }

    /// A whole number from 1 on, or a problem that says what stands there instead.
    pub fn whole(&mut self, name: &Name, named: &Named) -> Option<u32> {
        let text = named.value.trim();
        match text.parse::<u32>() {
            Ok(0) => {
                let (what, mend) = match name.meaning {
                    Meaning::Number { at: At::Key(_), .. } | Meaning::Window(_) => {
                        ("0 leaves no room for anything", "write 1 or more")
                    }
                    _ => (
                        "0 would refuse everybody",
                        "write 1 or more; to lift a limit, take it out of the configuration",
                    ),
                };
                self.problem(name, named, what, mend);
                None
            }
            Ok(number) if text.bytes().all(|b| b.is_ascii_digit()) => Some(number),
            _ => {
                let mend = format!("write a whole number, such as {}", name.default);
                self.problem(name, named, "not a number", &mend);
                None
            }
        }
    }

    /// What a name sets is not there any more.
    pub fn gone(&mut self, name: &Name, named: &Named, what: &str) {
        self.warnings.push(Warning(
            Problem::new(
                &named.origin,
                format!("{} sets {what}, which the configuration no longer has", name.name),
            )
            .mend(format!("unset {}, or name the rule so again", name.name)),
        ));
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

    pub fn problem(&mut self, name: &Name, named: &Named, what: &str, mend: &str) {
        let problem =
            Problem::new(&named.origin, format!("{} is `{}`: {what}", name.name, named.value)).mend(mend);
        self.problems.push(problem);
    }
}

/// Whether nobody said anything but the profile.
fn of_profile(node: Option<&Node>) -> bool {
    node.is_none_or(|node| node.origin.place().is_some_and(|(text, _)| text.kind == TextKind::Profile))
}

/// Names that nearly are one of the dialect: a typing error would otherwise leave a route open.
fn misspelt(dialect: &Dialect, names: &Names, warnings: &mut Vec<Warning>) {
    /// `HOST` is one letter from too many honest names.
    const SHORTEST: usize = 7;
    let ours = || dialect.names.iter().map(|name| name.name);
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
