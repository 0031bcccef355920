//! `docs/conformance.toml`: one line for every claim that no test of ours can show, or that none shows yet.
//!
//! The file is TOML; read here is the one form of line it may hold, so that the housekeeping needs no crate:
//! `"ID" = { owner = "application", why = "…" }` or `"ID" = { not_yet = "…" }`.

use std::collections::BTreeMap;

use super::claims::Id;

/// Where a claim stands that is not tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The application behind the gateway answers for it.
    Application,
    /// Whoever runs the gateway answers for it.
    Operator,
    /// We shall; the line says what brings it.
    NotYet,
}

impl Standing {
    /// The word people read.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Standing::Application => "application",
            Standing::Operator => "operator",
            Standing::NotYet => "not yet",
        }
    }
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) standing: Standing,
    /// What the product does for it, or what brings it.
    pub(crate) why: String,
    /// The line of the file, from 1.
    pub(crate) number: usize,
}

/// The whole ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) lines: BTreeMap<Id, Line>,
}

/// Reads the ledger; anything that is not a line of the known form, a comment or blank is an error.
pub(crate) fn parse(text: &str) -> Result<Ledger, String> {
    let mut ledger = Ledger::default();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (id, standing, why) =
            entry(line).map_err(|what| format!("docs/conformance.toml:{number}: {what}\n"))?;
        let entry = Line { standing, why, number };
        if ledger.lines.insert(id.clone(), entry).is_some() {
            return Err(format!("docs/conformance.toml:{number}: {id} stands there twice\n"));
        }
    }
    Ok(ledger)
}

fn entry(line: &str) -> Result<(Id, Standing, String), String> {
    let form = || {
        "wants `\"ID\" = { owner = \"application\" | \"operator\", why = \"…\" }` or `{ not_yet = \"…\" }`"
            .to_owned()
    };
    let (name, table) = line.split_once(" = {").ok_or_else(form)?;
    let id = Id::parse(name.trim().trim_matches('"'))
        .ok_or_else(|| format!("{name} is not the name of a claim"))?;
    let table = table.trim().strip_suffix('}').ok_or_else(form)?.trim();

    let (key, rest) = string(table).ok_or_else(form)?;
    match key {
        ("not_yet", why) if rest.is_empty() => Ok((id, Standing::NotYet, said(why)?)),
        ("owner", owner) => {
            let standing = match owner {
                "application" => Standing::Application,
                "operator" => Standing::Operator,
                other => return Err(format!("nobody is called `{other}`: application or operator")),
            };
            match string(rest).ok_or_else(form)? {
                (("why", why), "") => Ok((id, standing, said(why)?)),
                _ => Err(form()),
            }
        }
        _ => Err(form()),
    }
}

/// The first `key = "value"` of an inline table, and what comes after its comma.
fn string(table: &str) -> Option<((&str, &str), &str)> {
    let (key, rest) = table.split_once('=')?;
    let rest = rest.trim().strip_prefix('"')?;
    let (value, rest) = rest.split_once('"')?;
    Some(((key.trim(), value), rest.trim().trim_start_matches(',').trim()))
}

fn said(why: &str) -> Result<String, String> {
    if why.trim().is_empty() { Err("says nothing".to_owned()) } else { Ok(why.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let text = "# x\n\n\"P-APP-01\" = { owner = \"application\", why = \"passed, unchanged\" }\n\"X-01\" = { not_yet = \"users\" }\n";
        let ledger = parse(text).unwrap();
        let of = |id: &str| ledger.lines.get(&Id::parse(id).unwrap()).cloned().unwrap();
        assert_eq!(
            of("P-APP-01"),
            Line { standing: Standing::Application, why: "passed, unchanged".to_owned(), number: 3 }
        );
        assert_eq!(of("X-01").standing, Standing::NotYet);
    }

    #[test]
    fn anything_else_is_an_error_with_its_line() {
        for bad in [
            "\"P-APP-01\" = \"x\"",
            "\"P-APP-01\" = { owner = \"somebody\", why = \"w\" }",
            "\"P-APP-01\" = { owner = \"operator\" }",
            "\"P-APP-01\" = { owner = \"operator\", why = \"\" }",
            "\"P-APP-01\" = { not_yet = \" \" }",
            "\"P-APP-1\" = { not_yet = \"x\" }",
            "\"X-01\" = { not_yet = \"x\" }\n\"X-01\" = { not_yet = \"y\" }",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.starts_with("docs/conformance.toml:"), "{bad}: {error}");
        }
    }
}
