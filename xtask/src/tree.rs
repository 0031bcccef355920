//! The files of the workspace: what git tracks or would track, so that build folders never count.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// One text file, by its path from the top of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextFile {
    /// Slash-separated path from the top.
    pub(crate) path: String,
    /// What stands in it.
    pub(crate) text: String,
}

impl TextFile {
    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|end| end == "rs")
    }

    /// The part before the tests of the file, which by the rules of the house stand last.
    pub(crate) fn without_tests(&self) -> &str {
        if self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
        {
            return "";
        }
        let start = self.text.find("\n#[cfg(test)]").map_or(self.text.len(), |at| at + 1);
        &self.text[..start]
    }
}

/// Something that is not as it must be, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, from the top of the workspace.
    pub(crate) path: String,
    /// The line, from 1; 0 for the file as a whole.
    pub(crate) line: usize,
    /// What is wrong and how to mend it.
    pub(crate) what: String,
}

impl Finding {
    /// A finding on one line.
    pub(crate) fn at(file: &TextFile, line: usize, what: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, what: what.into() }
    }
}

/// Every text file that git tracks or would track.
pub(crate) fn files(root: &Path) -> Result<Vec<TextFile>, String> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git ls-files does not run: {error}\n"))?;
    if !listing.status.success() {
        return Err(format!("git ls-files failed: {}", String::from_utf8_lossy(&listing.stderr)));
    }
    let mut found = Vec::new();
    for name in listing.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let path = String::from_utf8_lossy(name).into_owned();
        // A file deleted but not yet staged is still listed; a picture is not text. Neither is ours to judge.
        if let Ok(text) = std::fs::read_to_string(root.join(&path)) {
            found.push(TextFile { path, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    Ok(found)
}

/// The findings as lines, sorted, each `path:line: what`.
pub(crate) fn render(mut findings: Vec<Finding>) -> String {
    findings.sort();
    findings.dedup();
    let mut text = String::new();
    for finding in &findings {
        let place = if finding.line == 0 {
            finding.path.clone()
        } else {
            format!("{}:{}", finding.path, finding.line)
        };
        let _ = writeln!(text, "{place}: {}", finding.what);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_at_the_end_of_a_file_are_left_out() {
        let file = |path: &str| TextFile {
            path: path.to_owned(),
            text: "a\n#[cfg(test)]\nmod tests {}\n".to_owned(),
        };
        assert_eq!(file("crates/core/src/head.rs").without_tests(), "a\n");
        assert_eq!(file("tests/e2e/main.rs").without_tests(), "");
    }

    #[test]
    fn findings_are_sorted_and_name_their_line() {
        let finding = |path: &str, line| Finding { path: path.to_owned(), line, what: "no".to_owned() };
        assert_eq!(render(vec![finding("b", 2), finding("a", 0), finding("b", 2)]), "a: no\nb:2: no\n");
    }
}
