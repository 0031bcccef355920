//! The configuration: layers with origins, decoded into types that cannot be wrong, or a list of every problem.
//!
//! Later wins: defaults, profile, file, `.env`, process environment, command line.

mod decode;
pub mod dialect;
pub mod env_file;
pub mod keys;
pub mod model;
mod names;
pub mod origin;
pub mod problem;
pub mod production;
pub mod profile;
mod secret;
pub mod show;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dialect::Facts;
pub use model::Config;
use names::Names;
pub use origin::Origin;
use origin::{Text, TextKind};
pub use problem::{Problem, Problems, Warning};
use profile::Profile;
use tree::{Node, Table};

/// The name of the file beside the caller.
pub const FILE_NAME: &str = "portcullis.toml";

/// Everything a configuration is read from. The environment is passed in and read nowhere else.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The working directory: where `portcullis.toml` and `.env` are looked for, and what relative paths of
    /// options and of the environment are relative to.
    pub directory: PathBuf,
    /// `--config`.
    pub config_path: Option<PathBuf>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--env-file`.
    pub env_file: Option<PathBuf>,
    /// `--upstream`.
    pub upstream: Option<String>,
    /// `--listen`.
    pub listen: Option<String>,
    /// The process environment.
    pub environment: BTreeMap<String, String>,
}

/// A configuration that was accepted.
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<Warning>,
    /// Files to watch for a reload: configuration, `.env`, secrets, certificate and key. Those that are not
    /// there yet are named too.
    pub files: Vec<PathBuf>,
    /// The configuration file that was read.
    pub config_file: Option<PathBuf>,
    /// The `.env` that was read, and whether it was named, by an option or by the profile.
    pub env_file: Option<(PathBuf, bool)>,
    /// What the environment says about the application.
    pub facts: Facts,
    /// What an application that the gateway starts should find in its environment beside the process
    /// environment: the names of the `.env` that are the application's own, and credentials that the gateway
    /// checks and takes off, emptied, so that the application does not ask for them again.
    pub child_environment: Vec<(String, String)>,
    tree: Table,
}

/// Reads, decodes and judges: what `run`, a reload and every command that decides use. In production what is
/// unsafe is an error.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let loaded = read(sources)?;
    let refusals = production::refusals(&loaded);
    if refusals.is_empty() { Ok(loaded) } else { Err(Problems(refusals)) }
}

/// Reads and decodes, and leaves what production refuses to the caller: `check` lists it, `config show` prints
/// what stands.
pub fn read(sources: &Sources) -> Result<Loaded, Problems> {
    let mut layers = Layers::read(sources)?;
    let mut problems = Vec::new();
    let mut warnings = std::mem::take(&mut layers.warnings);
    let facts = match layers.profile {
        Some(profile) => {
            dialect::apply(profile.dialect, &mut layers.tree, &layers.names, &mut problems, &mut warnings)
        }
        None => Facts::default(),
    };
    dialect::own_names(&mut layers.tree, &layers.names, &mut problems);
    for (key, flag, value) in
        [("upstream", "--upstream", &sources.upstream), ("server.listen", "--listen", &sources.listen)]
    {
        if let Some(value) = value {
            dialect::set(&mut layers.tree, key, Node::text(value, Origin::Flag(flag)));
        }
    }
    let context = decode::Context {
        names: &layers.names,
        dialect: layers.profile.map(|profile| profile.dialect),
        directory: &sources.directory,
        problems: RefCell::new(problems),
        warnings: RefCell::new(warnings),
        files: RefCell::new(layers.files.clone()),
    };
    let mut config = decode::decode(&layers.tree, &context);
    if let Some(accounts) = &mut config.accounts {
        accounts.store.from_application = facts.database.as_ref() == Some(&accounts.store.origin);
    }
    let decode::Context { problems, warnings, files, .. } = context;
    let problems = problems.into_inner();
    if !problems.is_empty() {
        return Err(Problems(in_order(problems)));
    }
    let mut loaded = Loaded {
        child_environment: child_environment(&config, &layers),
        config,
        warnings: warnings.into_inner(),
        files: files.into_inner().into_iter().collect(),
        config_file: layers.config_file,
        env_file: layers.names.env_file.map(|path| {
            let meant = layers.profile.and_then(|profile| profile.env_file);
            let meant = meant.is_some_and(|name| path == sources.directory.join(name));
            (path, meant || sources.env_file.is_some())
        }),
        facts,
        tree: layers.tree,
    };
    let more = production::warnings(&loaded);
    loaded.warnings.extend(more);
    Ok(loaded)
}

impl Loaded {
    /// Where the value of a key (`server.listen`) comes from; the default where nobody set it.
    pub fn origin(&self, path: &str) -> Origin {
        dialect::find(&self.tree, path).map_or(Origin::Default, |node| node.origin.clone())
    }
}

/// Without the tree and the environment of a child, which hold secrets as they were written.
impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("config", &self.config)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// The file, the profile and the environment, before any name is applied.
struct Layers {
    tree: Table,
    profile: Option<&'static Profile>,
    names: Names,
    files: BTreeSet<PathBuf>,
    config_file: Option<PathBuf>,
    warnings: Vec<Warning>,
}

impl Layers {
    fn read(sources: &Sources) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut files = BTreeSet::new();
        let (file, config_file) = match read_file(sources, &mut files) {
            Ok(Some((text, path))) => match tree::parse(&text) {
                Ok(table) => (table, Some(path)),
                Err(errors) => {
                    problems.extend(errors.0);
                    (Table::new(), Some(path))
                }
            },
            Ok(None) => (Table::new(), None),
            Err(problem) => return Err(problem.into()),
        };
        let mut names = Names::new(&sources.environment, &sources.directory);
        let mut warnings = Vec::new();
        // Whether `.env` is read depends on the environment, which process and file decide before it.
        let before = choose_profile(sources, &names, &file).ok().flatten();
        let production = says_production(&names, &file, before);
        let found = env_file(sources, before, production, &mut files);
        if let Some((path, shown)) = &found {
            match names.add_file(path, shown) {
                Ok(more) => warnings.extend(more),
                Err(errors) => problems.extend(errors.0),
            }
        } else if sources.directory.join(".env").is_file() {
            warnings.push(Warning(
                Problem::new(
                    &Origin::Default,
                    "`.env` is here and not read: production does not pick it up by itself",
                )
                .mend("--env-file .env reads it; better, set the names in the process environment"),
            ));
        }
        let profile = match choose_profile(sources, &names, &file) {
            Ok(profile) => profile,
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        let mut tree = match profile.map(Profile::text) {
            Some(text) => tree::parse(&text)?,
            None => Table::new(),
        };
        tree::overlay(&mut tree, file);
        if let Some(profile) = profile {
            let origin = tree.get("profile").map_or(Origin::Flag("--profile"), |node| node.origin.clone());
            tree.insert("profile".into(), Node::text(profile.name, origin));
        }
        if problems.is_empty() {
            Ok(Self { tree, profile, names, files, config_file, warnings })
        } else {
            Err(Problems(problems))
        }
    }
}

/// The environment file and how to call it: the named one, that of the profile's system, else `.env`, which
/// production does not pick up.
fn env_file(
    sources: &Sources,
    profile: Option<&Profile>,
    production: bool,
    files: &mut BTreeSet<PathBuf>,
) -> Option<(PathBuf, String)> {
    let place = |name: &str| (sources.directory.join(name), name.to_owned());
    let mut candidates = Vec::new();
    if let Some(path) = &sources.env_file {
        files.insert(sources.directory.join(path));
        return Some((sources.directory.join(path), path.display().to_string()));
    }
    candidates.extend(profile.and_then(|profile| profile.env_file).map(place));
    if !production {
        candidates.push(place(".env"));
    }
    files.extend(candidates.iter().map(|(path, _)| path.clone()));
    candidates.into_iter().find(|(path, _)| path.is_file())
}

fn read_file(
    sources: &Sources,
    files: &mut BTreeSet<PathBuf>,
) -> Result<Option<(Arc<Text>, PathBuf)>, Problem> {
    let (path, shown, origin) = match &sources.config_path {
        Some(path) => (sources.directory.join(path), path.display().to_string(), Origin::Flag("--config")),
        None => (sources.directory.join(FILE_NAME), FILE_NAME.to_owned(), Origin::Default),
    };
    files.insert(path.clone());
    if sources.config_path.is_none() && !path.exists() {
        return Ok(None);
    }
    let cannot = |why: String| {
        Problem::new(&origin, format!("{shown} cannot be read: {why}")).mend("`portcullis init` writes one")
    };
    let bytes = std::fs::read(&path).map_err(|error| cannot(error.to_string()))?;
    let body = String::from_utf8(bytes).map_err(|_| cannot("it is not UTF-8 text".into()))?;
    let body = body.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(body);
    Ok(Some((Arc::new(Text { name: shown, path: Some(path.clone()), kind: TextKind::File, body }), path)))
}

/// The profile of the command line, else of the environment, else of the file.
fn choose_profile(
    sources: &Sources,
    names: &Names,
    file: &Table,
) -> Result<Option<&'static Profile>, Problem> {
    let variable = names
        .value("PORTCULLIS_PROFILE")
        .map_err(|complaint| complaint.problem(&Origin::environment("PORTCULLIS_PROFILE")))?;
    let (name, origin) = if let Some(name) = &sources.profile {
        (name.clone(), Origin::Flag("--profile"))
    } else if let Some(named) = variable {
        (named.value, named.origin)
    } else if let Some((name, node)) = file.get("profile").and_then(|node| Some((node.as_text()?, node))) {
        (name.to_owned(), node.origin.clone())
    } else {
        return Ok(None);
    };
    profile::named(&name, &origin).map(Some)
}

/// Whether the process environment or the file says production.
fn says_production(names: &Names, file: &Table, profile: Option<&Profile>) -> bool {
    let of =
        |name: &str| names.value(name).ok().flatten().map(|named| named.value.trim().to_ascii_lowercase());
    let dialect = profile
        .and_then(|profile| {
            profile.dialect.names.iter().find(|name| name.meaning == dialect::Meaning::Environment)
        })
        .and_then(|name| of(name.name));
    let file = || file.get("environment").and_then(Node::as_text).map(str::to_owned);
    of("PORTCULLIS_ENVIRONMENT")
        .or(dialect)
        .or_else(file)
        .is_some_and(|word| ["production", "prod", "live"].contains(&word.as_str()))
}

fn child_environment(config: &Config, layers: &Layers) -> Vec<(String, String)> {
    let passes = config.upstreams.iter().any(|upstream| upstream.pass_credentials);
    let secret = |name: &dialect::Name| matches!(name.meaning, dialect::Meaning::Secret(_));
    let ours: Vec<&str> = layers
        .profile
        .iter()
        .flat_map(|profile| profile.dialect.names)
        .filter(|name| !(name.is_shared() || passes && secret(name)))
        .map(|name| name.name)
        .collect();
    let own = |name: &str| name.starts_with("PORTCULLIS_") || ours.contains(&name);
    let mut environment: Vec<(String, String)> = layers
        .names
        .of_file()
        .filter(|(name, _)| !own(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if passes {
        return environment;
    }
    for name in layers.profile.iter().flat_map(|profile| profile.dialect.names) {
        if secret(name) {
            environment.push((name.name.to_owned(), String::new()));
        }
    }
    environment
}

/// Problems of a text in the order of its lines; those without a place first, as they were found.
fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| {
        problem.origin.place().map(|(text, at)| (text.name.clone(), at.line, at.column))
    });
    problems.dedup_by(|one, other| one.message == other.message && one.origin == other.origin);
    problems
}

/// A duration as configurations write it: `90d`, `24h`, `500ms`.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    value::parse_duration(text)
}

/// A path as a user wrote it, for messages.
pub fn shown(path: &Path, directory: &Path) -> String {
    path.strip_prefix(directory).unwrap_or(path).display().to_string()
}
