//! Heads, lengths and leftovers: what every file must have and what none may hold.

use crate::tree::{Finding, TextFile};

/// A file that grows past this is two rooms in one.
const LONGEST: usize = 500;

/// Folders that exist on one machine only. Written in halves, so that this file does not find itself.
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tm", "p/")];

/// The macro that stands for code nobody wrote yet.
const UNWRITTEN: [&str; 2] = [concat!("to", "do!("), concat!("unimple", "mented!(")];

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    files.iter().flat_map(check_file).collect()
}

fn check_file(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.is_rust() {
        findings.extend(head(file));
        findings.extend(length(file));
        findings.extend(unwritten(file));
    }
    if is_source(&file.path) {
        findings.extend(machine_paths(file));
    }
    findings.extend(registries(file));
    findings
}

fn head(file: &TextFile) -> Option<Finding> {
    let first = file.text.lines().next().unwrap_or_default();
    let says_something = first.strip_prefix("//!").is_some_and(|rest| !rest.trim().is_empty());
    (!says_something).then(|| Finding::at(file, 1, "begins without a `//!` line that says what it is"))
}

fn length(file: &TextFile) -> Option<Finding> {
    let lines = file.text.lines().count();
    (lines > LONGEST)
        .then(|| Finding::at(file, 0, format!("{lines} lines, {LONGEST} is the most: split the room")))
}

fn unwritten(file: &TextFile) -> Vec<Finding> {
    on_lines(file, &file.text, &UNWRITTEN, |word| format!("`{word}…)` stands for code that is not written"))
}

fn machine_paths(file: &TextFile) -> Vec<Finding> {
    on_lines(file, file.without_tests(), &MACHINE_PATHS, |word| {
        format!("`{word}` is a folder of one machine: take it from the configuration or the environment")
    })
}

/// Crates, packages and modules come from the public registries by their names: a host of a registry or a
/// mirror in a committed file binds every clone to one network.
fn registries(file: &TextFile) -> Vec<Finding> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let line = line.trim();
        let bad = match name {
            "Cargo.lock" => line
                .strip_prefix("source = ")
                .is_some_and(|source| !source.trim_matches('"').starts_with("registry+")),
            "package-lock.json" => line.starts_with("\"resolved\""),
            ".npmrc" => line.contains("registry"),
            "config.toml" if file.path.ends_with(".cargo/config.toml") => {
                line.starts_with("[source") || line.starts_with("[registr")
            }
            _ if name.starts_with("requirements") => {
                line.contains("index-url") || line.contains("--find-links")
            }
            _ => false,
        };
        if bad {
            findings.push(Finding::at(
                file,
                index + 1,
                "names where a package is fetched from: names and checksums are enough",
            ));
        }
    }
    findings
}

fn is_source(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    path.starts_with("scripts/")
        || path.starts_with(".ci/")
        || ["rs", "toml", "sh", "py", "js"]
            .iter()
            .any(|end| name.rsplit_once('.').is_some_and(|(_, e)| e == *end))
}

fn on_lines(file: &TextFile, text: &str, words: &[&str], what: impl Fn(&str) -> String) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in words.iter().filter(|word| line.contains(**word)) {
            findings.push(Finding::at(file, index + 1, what(word)));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<usize> {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        check(&[file]).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_head_says_what_the_file_is() {
        assert!(found("crates/core/src/a.rs", "//! What it is.\nfn a() {}\n").is_empty());
        assert_eq!(found("crates/core/src/a.rs", "fn a() {}\n"), [1]);
        assert_eq!(found("crates/core/src/a.rs", "//!\nfn a() {}\n"), [1]);
        assert_eq!(found("crates/core/src/a.rs", ""), [1]);
    }

    #[test]
    fn five_hundred_lines_are_the_most() {
        let of = |lines: usize| format!("//! x\n{}", "\n".repeat(lines - 1));
        assert!(found("xtask/src/a.rs", &of(500)).is_empty());
        assert_eq!(found("xtask/src/a.rs", &of(501)), [0]);
    }

    #[test]
    fn unwritten_code_is_found_in_tests_too() {
        let text = format!("//! x\n#[cfg(test)]\nmod t {{ fn f() {{ {}) }} }}\n", UNWRITTEN[0]);
        assert_eq!(found("crates/core/src/a.rs", &text), [3]);
    }

    #[test]
    fn folders_of_one_machine_are_found_outside_of_tests() {
        for folder in MACHINE_PATHS {
            let text = format!("//! x\nconst A: &str = \"{folder}x\";\n");
            assert_eq!(found("crates/core/src/a.rs", &text), [2], "{folder}");
            assert!(found("tests/e2e/a.rs", &text).is_empty(), "{folder}");
            assert_eq!(found("scripts/test", &text), [2], "{folder}");
        }
    }

    #[test]
    fn where_packages_are_fetched_from_is_not_written_down() {
        assert!(found("Cargo.lock", "source = \"registry+https://index.example\"\n").is_empty());
        assert_eq!(found("Cargo.lock", "source = \"git+https://code.example/x\"\n"), [1]);
        assert_eq!(found(".cargo/config.toml", "[alias]\n[source.mirror]\n"), [2]);
        assert_eq!(found("bench/package-lock.json", "\"resolved\": \"https://mirror.example/x.tgz\"\n"), [1]);
        assert_eq!(found("tests/requirements.txt", "--index-url https://mirror.example\n"), [1]);
    }
}
