//! The stages of the gate never import each other: each can be read, tested and replaced alone.

use crate::tree::{Finding, TextFile};

const STAGES: [&str; 7] = ["edge", "authn", "authz", "limit", "cors", "headers", "validate"];
const GATE: &str = "crates/gate/src/";

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let Some(place) = file.path.strip_prefix(GATE).and_then(|rest| rest.strip_suffix(".rs")) else {
            continue;
        };
        let Some(stage) =
            STAGES.into_iter().find(|stage| place == *stage || place.starts_with(&format!("{stage}/")))
        else {
            continue;
        };
        let depth = place.trim_end_matches("/mod").split('/').count();
        let code = without_comments(&file.text);
        for (line, other) in imports(&code, depth) {
            if other != stage && STAGES.contains(&other.as_str()) {
                findings.push(Finding::at(
                    file,
                    line,
                    format!("stage `{stage}` imports stage `{other}`: stages meet only in gate.rs"),
                ));
            }
        }
    }
    findings
}

/// The modules at the root of the crate that the code names, with their lines: `crate::name`,
/// `crate::{name, …}` and as many `super::` as lead there from a module `depth` levels down.
fn imports(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let climbing = "super::".repeat(depth);
    for root in ["crate::", climbing.as_str()] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            let climbs_on = code[..at].ends_with("super::");
            if climbs_on || before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            let rest = &code[at + root.len()..];
            found.extend(named(rest).into_iter().map(|name| (line, name)));
        }
    }
    found
}

/// The first names of a path or of a group of paths.
fn named(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else { return vec![first_word(rest)] };
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (index, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(first_word(&group[start..index]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(first_word(&group[start..index]));
                start = index + 1;
            }
            _ => {}
        }
    }
    names
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The code with line comments blanked, so that prose may name what it likes.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(path: &str, text: &str) -> Vec<usize> {
        let file = TextFile { path: format!("{GATE}{path}"), text: text.to_owned() };
        check(&[file]).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_stage_that_imports_another_is_found() {
        assert_eq!(stage("authn/mod.rs", "//! x\nuse crate::limit::Config;\n"), [2]);
        assert_eq!(stage("cors.rs", "use crate::{\n  reply::Reply, headers::{A, B},\n};\n"), [1]);
        assert_eq!(stage("edge/forwarded.rs", "use super::super::authz;\n"), [1]);
        assert_eq!(stage("edge/mod.rs", "use super::authz::Rule;\n"), [1]);
    }

    #[test]
    fn its_own_rooms_and_the_shared_words_are_free() {
        assert!(
            stage(
                "limit/mod.rs",
                "use crate::policy::Policy;\nuse crate::limit::table;\nuse portcullis_core::quota;\n"
            )
            .is_empty()
        );
        assert!(stage("authn/bearer.rs", "use super::limit;\n").is_empty());
        assert!(stage("authn/mod.rs", "// as crate::limit does\n").is_empty());
        assert!(stage("gate.rs", "use crate::limit::Limits;\n").is_empty());
    }
}
