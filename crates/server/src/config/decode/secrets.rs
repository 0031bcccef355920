//! Secrets of a section: one, or a list of which all are valid.

use super::super::model::Credential;
use super::super::problem::Problem;
use super::super::secret::{self, Resolved};
use super::super::tree::{Node, Value};
use super::super::value::Complaint;
use super::Reader;

pub(super) use super::super::secret::Carrier;

/// What the texts under one key came to; what is wrong with one was reported.
pub(super) struct Secrets<'a> {
    pub set: Vec<Credential>,
    /// Names of the environment that are not set or empty, and where they are asked for.
    pub unset: Vec<(String, &'a Node)>,
    /// Whether one of them was wrong.
    pub broken: bool,
}

/// Reads one secret or a list of them.
pub(super) fn read<'a>(reader: &Reader<'_>, name: &str, node: &'a Node, carrier: Carrier) -> Secrets<'a> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut secrets = Secrets { set: Vec::new(), unset: Vec::new(), broken: false };
    for item in items {
        match secret::resolve(item, reader.context, carrier) {
            Ok(Resolved::Set(credential)) => secrets.set.push(credential),
            Ok(Resolved::Unset(name)) => secrets.unset.push((name, item)),
            Err(complaint) => {
                secrets.broken = true;
                reader.complain(name, item, complaint);
            }
        }
    }
    if items.is_empty() {
        reader.complain(name, node, Complaint::new("an empty list", "at least one secret"));
    }
    secrets
}

/// Reads the one secret under a key that need not be there; a name that is not set is an error.
pub(super) fn one(reader: &Reader<'_>, name: &str, make: &str) -> Option<Credential> {
    let node = reader.node(name)?;
    if matches!(node.value, Value::List(_)) {
        let complaint = Complaint::new("a list stands where one secret is expected", "keep one of them");
        reader.complain(name, node, complaint);
        return None;
    }
    let Secrets { mut set, unset, .. } = read(reader, name, node, Carrier::Any);
    for (unset, item) in &unset {
        refuse_unset(reader, name, unset, item, make);
    }
    set.pop()
}

/// One of several is not there.
pub(super) fn warn_unset(reader: &Reader<'_>, key: &str, name: &str, item: &Node) {
    reader.warn(unset(reader, key, name, item).mend("set it, or take it out of the list"));
}

/// None is there; `make` is what `generate` calls one. A system that has its own words for it keeps them.
pub(super) fn refuse_unset(reader: &Reader<'_>, key: &str, name: &str, item: &Node, make: &str) {
    let problem = match reader.context.own_words(name) {
        Some(words) => Problem::new(&item.origin, words),
        None => unset(reader, key, name, item),
    };
    reader
        .problem(problem.mend(format!("set {name} or {name}_FILE; `portcullis generate {make}` makes one")));
}

fn unset(reader: &Reader<'_>, key: &str, name: &str, item: &Node) -> Problem {
    Problem::new(&item.origin, format!("`{}`: {name} is not set, or empty", reader.path_of(key)))
}
