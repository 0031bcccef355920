//! The environment the configuration is read from: the names of the process, and those of a `.env` below them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::env_file;
use super::origin::{Origin, Text, TextKind};
use super::problem::{Problem, Problems, Warning};
use super::secret;
use super::value::Complaint;

#[derive(Default)]
pub struct Names {
    table: BTreeMap<String, Named>,
    /// What relative paths in `NAME_FILE` are relative to.
    directory: PathBuf,
    /// The `.env` that was read.
    pub env_file: Option<PathBuf>,
}

/// The value of a name.
#[derive(Clone)]
pub struct Named {
    pub value: String,
    pub origin: Origin,
    /// The file that `NAME_FILE` named.
    pub file: Option<PathBuf>,
}

impl Names {
    /// The names of the process.
    pub fn new(process: &BTreeMap<String, String>, directory: &Path) -> Self {
        let named = |(name, value): (&String, &String)| {
            let origin = Origin::environment(name);
            (name.clone(), Named { value: value.clone(), origin, file: None })
        };
        Self { table: process.iter().map(named).collect(), directory: directory.to_owned(), env_file: None }
    }

    /// Lays a `.env` below the names that are there.
    pub fn add_file(&mut self, path: &Path, shown: &str) -> Result<Vec<Warning>, Problems> {
        let unreadable = |why: String| {
            let origin = Origin::Flag("--env-file");
            Problems::from(
                Problem::new(&origin, format!("{shown} cannot be read: {why}"))
                    .mend("name a file that the gateway may read, as UTF-8 text"),
            )
        };
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let body = String::from_utf8(bytes).map_err(|error| {
            let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|b| *b == b'\n').count();
            unreadable(format!("line {line} is not UTF-8"))
        })?;
        self.env_file = Some(path.to_owned());
        self.add_text(&Arc::new(Text {
            name: shown.to_owned(),
            path: Some(path.to_owned()),
            kind: TextKind::EnvFile,
            body,
        }))
    }

    fn add_text(&mut self, text: &Arc<Text>) -> Result<Vec<Warning>, Problems> {
        let (mut entries, faults) = env_file::parse(&text.body);
        if !faults.is_empty() {
            let problem = |fault: env_file::Fault| {
                Problem::new(&Origin::text(text, fault.span), fault.message).mend(fault.mend)
            };
            return Err(Problems(faults.into_iter().map(problem).collect()));
        }
        env_file::expand(&mut entries, &|name| self.table.get(name).map(|named| named.value.clone()));
        let mut warnings = Vec::new();
        let mut own: BTreeMap<String, Named> = BTreeMap::new();
        for entry in entries {
            let name_origin = Origin::text(text, entry.name_span.clone());
            let Some(value) = entry.value else {
                warnings.push(Warning(
                    Problem::new(&name_origin, format!("`{}` has no value and sets nothing", entry.name))
                        .mend(format!("{}=value, or take the line away", entry.name)),
                ));
                continue;
            };
            let named = Named { value, origin: Origin::text(text, entry.value_span), file: None };
            if let Some(first) = own.insert(entry.name.clone(), named.clone())
                && first.value != named.value
            {
                warnings.push(Warning(
                    Problem::new(&name_origin, format!("`{}` stands twice; this one counts", entry.name))
                        .also(&first.origin, "here is the other"),
                ));
            }
        }
        for (name, named) in own {
            if let Some(process) = self.table.get(&name) {
                if process.value.is_empty() && !named.value.is_empty() {
                    warnings.push(Warning(
                        Problem::new(
                            &named.origin,
                            format!(
                                "`{name}` is empty in the process environment, which wins over this line"
                            ),
                        )
                        .mend(format!("unset {name} where the gateway is started")),
                    ));
                }
                continue;
            }
            self.table.insert(name, named);
        }
        Ok(warnings)
    }

    /// The value of a name, or the content of the file that `NAME_FILE` names. Empty is unset. Both, and not
    /// the same: an error.
    pub fn value(&self, name: &str) -> Result<Option<Named>, Complaint> {
        let own = self.table.get(name).filter(|named| !named.value.is_empty());
        let file_name = format!("{name}_FILE");
        let Some(pointer) = self.table.get(&file_name).filter(|named| !named.value.is_empty()) else {
            return Ok(own.cloned());
        };
        let path = self.directory.join(&pointer.value);
        let value = secret::read(&path).map_err(|complaint| {
            Complaint { message: format!("{file_name}: {}", complaint.message), ..complaint }
                .at(&pointer.origin)
        })?;
        match own {
            Some(own) if own.value != value => Err(Complaint::new(
                format!("{name} and {file_name} are two names for one setting, and they disagree"),
                format!("keep one of {name} and {file_name}"),
            )
            .at(&pointer.origin)),
            _ if value.is_empty() => Ok(None),
            _ => Ok(Some(Named { value, origin: pointer.origin.clone(), file: Some(path) })),
        }
    }

    /// Whether a name is there, whatever its value.
    pub fn origin(&self, name: &str) -> Option<&Origin> {
        self.table.get(name).map(|named| &named.origin)
    }

    /// Every name, sorted; `NAME_FILE` under its own name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Named)> {
        self.table.iter().map(|(name, named)| (name.as_str(), named))
    }

    /// The names that only the `.env` has, with their values: what an application started by the gateway
    /// would miss.
    pub fn of_file(&self) -> impl Iterator<Item = (&str, &str)> {
        self.table
            .iter()
            .filter(|(_, named)| named.origin.place().is_some())
            .map(|(name, named)| (name.as_str(), named.value.as_str()))
    }

    /// The names as a set.
    pub fn set(&self) -> BTreeSet<&str> {
        self.table.keys().map(String::as_str).collect()
    }
}
