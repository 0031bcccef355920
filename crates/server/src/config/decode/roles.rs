//! Roles in the order of their rights, and what everybody of one has.

use portcullis_core::quota::Scope;

use super::super::model::{ADMIN, BUILT_IN, Limit, Role};
use super::super::origin::Origin;
use super::super::problem::Problem;
use super::Reader;
use super::limits;

/// Longer names would not fit in a line of a log.
const LONGEST: usize = 32;

/// Every role, `admin` last; `free`, `premium` and `admin` are always there.
pub(super) fn roles(root: &Reader<'_>, limiter: bool) -> Vec<Role> {
    let section = root.section("roles");
    let mut sections = section.sections();
    sections.retain(|(name, reader)| {
        let valid = is_name(name);
        if !valid {
            section.problem(
                Problem::new(&reader.origin, format!("`{name}` is not the name of a role")).mend(
                    "small letters, digits, dashes and underscores, and a letter first: [roles.read-only]",
                ),
            );
        }
        valid
    });
    in_order(&sections)
        .into_iter()
        .map(|name| match sections.iter().find(|(written, _)| *written == name) {
            None => Role { name, limits: Vec::new(), origin: Origin::Default },
            Some((_, reader)) => {
                let limits = limits_of(reader);
                let limits = if limiter { limits } else { Vec::new() };
                Role { name, limits, origin: reader.origin.clone() }
            }
        })
        .collect()
}

/// A role that nobody can have: neither accounts nor the shared key give one.
pub(super) fn reachable(root: &Reader<'_>, roles: &[Role], given: bool) {
    if given {
        return;
    }
    for role in roles.iter().filter(|role| role.origin != Origin::Default) {
        root.problem(
            Problem::new(
                &role.origin,
                format!("nobody can have the role `{}`: no accounts are kept", role.name),
            )
            .mend("[auth.tokens] or another section of accounts; or auth.api_key.role for the shared key"),
        );
    }
}

/// `free`, `premium`, then the others after what is written above them, or before what is written below them;
/// `admin` above all. A text that comes later adds to what the one before said.
fn in_order(sections: &[(&str, Reader<'_>)]) -> Vec<String> {
    let mut order: Vec<String> = BUILT_IN.map(str::to_owned).to_vec();
    for written in by_text(sections) {
        for (at, name) in written.iter().enumerate() {
            if order.iter().any(|known| known == name) || *name == ADMIN {
                continue;
            }
            let place = |known: &&str| order.iter().position(|other| other == *known);
            let above = written[..at].iter().rev().find_map(place).map(|at| at + 1);
            let below = written[at..].iter().find_map(place);
            order.insert(above.or(below).unwrap_or(order.len()), (*name).to_owned());
        }
    }
    order.push(ADMIN.to_owned());
    order
}

/// The names of each text (a profile, the file) as they are written; those of the environment last.
fn by_text<'a>(sections: &[(&'a str, Reader<'_>)]) -> Vec<Vec<&'a str>> {
    /// A text by its name, and where in it each role stands.
    type Written<'n> = (Option<String>, Vec<(usize, &'n str)>);
    let mut texts: Vec<Written<'_>> = Vec::new();
    for (name, reader) in sections {
        let place = reader.origin.place();
        let text = place.map(|(text, _)| text.name.clone());
        let line = place.map_or(0, |(_, at)| at.line * 1000 + at.column.min(999));
        match texts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, names)) => names.push((line, name)),
            None => texts.push((text, vec![(line, name)])),
        }
    }
    texts.sort_by_key(|(text, _)| text.is_none());
    texts
        .into_iter()
        .map(|(_, mut names)| {
            names.sort_unstable();
            names.into_iter().map(|(_, name)| name).collect()
        })
        .collect()
}

fn limits_of(reader: &Reader<'_>) -> Vec<Limit> {
    let limits = reader.list("limit", |node| {
        if let Some(table) = node.as_table() {
            super::unknown_keys(table, "limits[]", &reader.path_of("limit"), reader.context);
        }
        limits::limit(node, Scope::User)
    });
    for limit in limits.iter().filter(|limit| limit.scope == Scope::Anonymous) {
        reader.problem(
            Problem::new(&limit.origin, "this limit counts per anonymous, and who has a role is known")
                .mend("count `per user`; [[limits]] with `per anonymous` is for those without a credential"),
        );
    }
    limits.into_iter().map(|limit| Limit { shared: None, ..limit }).collect()
}

fn is_name(name: &str) -> bool {
    name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}
