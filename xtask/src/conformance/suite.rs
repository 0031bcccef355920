//! The end-to-end tests and the claims that their names carry: `p_tok_01_missing_header` shows P-TOK-01.

use std::collections::BTreeSet;

use super::claims::Id;
use crate::tree::{Finding, TextFile};

/// One test function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) ids: Vec<Id>,
}

/// Every test that runs, and what keeps others from running.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) tests: Vec<Test>,
    pub(crate) findings: Vec<Finding>,
}

impl Suite {
    /// The tests whose name carries the claim.
    pub(crate) fn tests_of(&self, id: &Id) -> Vec<&Test> {
        self.tests.iter().filter(|test| test.ids.contains(id)).collect()
    }
}

/// Walks the modules from the roots as the compiler does; a file of the folder that no module names is
/// never compiled, and its tests never run.
pub(crate) fn collect(files: &[TextFile], roots: &[&str]) -> Suite {
    let mut suite = Suite::default();
    let mut reached = BTreeSet::new();
    let mut open: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
    while let Some(path) = open.pop() {
        let Some(file) = files.iter().find(|file| file.path == path) else { continue };
        if !reached.insert(path) {
            continue;
        }
        let folder = module_folder(&file.path, roots);
        for name in file.text.lines().filter_map(module) {
            open.push(format!("{folder}/{name}.rs"));
            open.push(format!("{folder}/{name}/mod.rs"));
        }
        let (tests, findings) = tests(file);
        suite.tests.extend(tests);
        suite.findings.extend(findings);
    }
    for file in files.iter().filter(|file| file.path.starts_with("tests/") && file.is_rust()) {
        if !reached.contains(&file.path) {
            suite.findings.push(Finding::at(file, 0, "no module names this file: its tests never run"));
        }
    }
    suite.tests.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    suite
}

/// The folder in which the modules of a file lie.
fn module_folder(path: &str, roots: &[&str]) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    if roots.contains(&path) || path.ends_with("/mod.rs") {
        folder.to_owned()
    } else {
        path.trim_end_matches(".rs").to_owned()
    }
}

fn module(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub ")).unwrap_or(line);
    line.strip_prefix("mod ")?.strip_suffix(';')
}

fn tests(file: &TextFile) -> (Vec<Test>, Vec<Finding>) {
    let mut tests = Vec::new();
    let mut findings = Vec::new();
    let (mut is_test, mut ignored) = (false, false);
    for (index, line) in file.text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("#[") || line.starts_with("//") || line.is_empty() {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
            ignored |= line.starts_with("#[ignore");
            continue;
        }
        if is_test && let Some(name) = function(line) {
            let ids = ids(name);
            if ignored {
                findings.push(Finding::at(file, index + 1, format!("`{name}` is ignored: it shows nothing")));
            } else {
                tests.push(Test { path: file.path.clone(), line: index + 1, name: name.to_owned(), ids });
            }
        }
        (is_test, ignored) = (false, false);
    }
    (tests, findings)
}

fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// The claims a name carries: `letter_group_digits`, or `x_digits` for what spans the five.
fn ids(name: &str) -> Vec<Id> {
    let words: Vec<String> = name.split('_').map(str::to_ascii_uppercase).collect();
    let mut found = Vec::new();
    for start in 0..words.len() {
        for length in [2, 3] {
            let id = words.get(start..start + length).and_then(|words| Id::parse(&words.join("-")));
            // Two words are a claim only for what spans the five: `a_01` elsewhere is just a number.
            found.extend(id.filter(|id| length == 3 || id.system() == "X"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str) -> Vec<String> {
        ids(name).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_may_carry_several_claims() {
        assert_eq!(names("p_tok_01_missing_header"), ["P-TOK-01"]);
        assert_eq!(names("k_rl_01_k_rl_02_loopback_is_limited_after_60"), ["K-RL-01", "K-RL-02"]);
        assert_eq!(names("x_06_p_rl_09"), ["X-06", "P-RL-09"]);
        assert!(names("limits_60_of_70").is_empty());
        assert!(names("a_01").is_empty());
    }

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn modules_are_followed_as_the_compiler_does() {
        let files = [
            file("tests/e2e/main.rs", "mod pump;\n"),
            file("tests/e2e/pump/mod.rs", "mod env;\n"),
            file("tests/e2e/pump/env.rs", "#[test]\nfn p_env_01() {}\n"),
            file("tests/e2e/lost.rs", "#[test]\nfn p_env_02() {}\n"),
        ];
        let suite = collect(&files, &["tests/e2e/main.rs"]);
        assert_eq!(suite.tests.len(), 1);
        assert_eq!(suite.tests[0].name, "p_env_01");
        assert_eq!(suite.findings.len(), 1);
        assert_eq!(suite.findings[0].path, "tests/e2e/lost.rs");
    }

    #[test]
    fn only_tests_that_run_count() {
        let text = "fn p_a_01() {}\n#[test]\n#[ignore = \"x\"]\nfn p_a_02() {}\n#[tokio::test(flavor = \"current_thread\")]\n/// Doc.\nasync fn p_a_03() {}\n";
        let suite = collect(&[file("tests/e2e/main.rs", text)], &["tests/e2e/main.rs"]);
        assert_eq!(suite.tests.iter().map(|test| test.name.as_str()).collect::<Vec<_>>(), ["p_a_03"]);
        assert_eq!(suite.findings.len(), 1);
    }
}
