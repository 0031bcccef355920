//! Every relative link of the repository's pages leads to a file, and to a heading where it names one.

use std::path::{Path, PathBuf};

use super::blocks::{pages, root};

#[test]
fn every_relative_link_leads_somewhere() {
    let mut names: Vec<String> = pages().into_iter().map(|page| page.name).collect();
    names.extend(["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(str::to_owned));
    let mut broken = Vec::new();
    for name in names {
        let file = root().join(&name);
        let text = std::fs::read_to_string(&file).unwrap();
        for target in targets(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if let Err(why) = resolves(&file, &target) {
                broken.push(format!("{name}: {target}: {why}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_page_of_the_manual_is_in_its_index() {
    let index = std::fs::read_to_string(root().join("docs/README.md")).unwrap();
    let listed: Vec<String> = targets(&index).collect();
    for page in pages() {
        let Some(name) = page.name.strip_prefix("docs/").filter(|name| *name != "README.md") else {
            continue;
        };
        assert!(listed.iter().any(|target| target == name), "docs/README.md does not list {name}");
    }
}

/// What `[…](target)` names, outside of fenced blocks.
fn targets(text: &str) -> impl Iterator<Item = String> {
    let mut open = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            open = !open;
        }
        if open {
            continue;
        }
        let plain: String = line.split('`').step_by(2).collect();
        for part in plain.split("](").skip(1) {
            if let Some((target, _)) = part.split_once(')') {
                found.push(target.to_owned());
            }
        }
    }
    found.into_iter()
}

fn resolves(from: &Path, target: &str) -> Result<(), String> {
    let (path, heading) =
        target.split_once('#').map_or((target, None), |(path, heading)| (path, Some(heading)));
    let file: PathBuf = if path.is_empty() { from.to_owned() } else { from.parent().unwrap().join(path) };
    if !file.exists() {
        return Err("there is no such file".to_owned());
    }
    let Some(heading) = heading else { return Ok(()) };
    let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let found = text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
    if found { Ok(()) } else { Err("there is no such heading".to_owned()) }
}

/// The name of a heading, as the forges make it.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

#[test]
fn headings_are_named_as_the_forges_do() {
    assert_eq!(anchor("## `[[limits]]`: how often"), "limits-how-often");
    assert!(resolves(&root().join("README.md"), "#portcullis").is_ok());
    assert!(resolves(&root().join("README.md"), "#no-such-heading").is_err());
    assert_eq!(targets("`[a](b)` [c](d) text [e](f#g)\n```\n[x](y)\n```").collect::<Vec<_>>(), ["d", "f#g"]);
}
