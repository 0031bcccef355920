//! What is wrong with a configuration: where, what, and how to mend it; rendered like a compiler does.

use std::fmt::{self, Write as _};

use super::origin::{Origin, Text, TextKind};

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Problem {
    pub origin: Origin,
    pub message: String,
    pub mend: Option<String>,
    /// Other places that belong to it, each with what stands there.
    pub also: Vec<(Origin, String)>,
}

/// Something that works and should be looked at.
#[derive(Debug, Clone)]
pub struct Warning(pub Problem);

/// Everything that is wrong, in the order it was found.
#[derive(Debug, Clone, Default, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    pub fn new(origin: &Origin, message: impl Into<String>) -> Self {
        Self { origin: origin.clone(), message: message.into(), mend: None, also: Vec::new() }
    }

    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    #[must_use]
    pub fn also(mut self, origin: &Origin, note: impl Into<String>) -> Self {
        self.also.push((origin.clone(), note.into()));
        self
    }

    /// The nearest of the valid words, as the mend; all of them where none is near.
    #[must_use]
    pub fn nearest<'a>(self, word: &str, valid: impl IntoIterator<Item = &'a str>) -> Self {
        let valid: Vec<&str> = valid.into_iter().collect();
        match nearest(word, valid.iter().copied()) {
            Some(near) => self.mend(format!("did you mean `{near}`?")),
            None if valid.is_empty() => self,
            None => {
                let list: Vec<String> = valid.iter().map(|v| format!("`{v}`")).collect();
                self.mend(format!("valid: {}", list.join(", ")))
            }
        }
    }

    /// For `--json`.
    pub fn json(&self) -> serde_json::Value {
        let place = self.origin.place();
        serde_json::json!({
            "message": self.message,
            "mend": self.mend,
            "origin": self.origin.to_string(),
            "file": place.map(|(text, _)| text.name.as_str()),
            "line": place.map(|(_, at)| at.line),
            "column": place.map(|(_, at)| at.column),
        })
    }

    fn render(&self, label: &str, out: &mut String) {
        let _ = writeln!(out, "{label}: {}", self.message);
        let gutter = std::iter::once(&self.origin)
            .chain(self.also.iter().map(|(origin, _)| origin))
            .filter_map(|origin| origin.place().map(|(_, at)| at.line.to_string().len()))
            .max()
            .unwrap_or(1);
        snippet(&self.origin, "", gutter, out);
        for (origin, note) in &self.also {
            snippet(origin, note, gutter, out);
        }
        if let Some(mend) = &self.mend {
            let _ = writeln!(out, "{:gutter$} = mend: {mend}", "");
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.render("error", &mut out);
        f.write_str(&out)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.0.render("warning", &mut out);
        f.write_str(&out)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        for problem in &self.0 {
            problem.render("error", &mut out);
            out.push('\n');
        }
        let count = self.0.len();
        let _ = write!(
            out,
            "the configuration was not accepted: {count} {}",
            if count == 1 { "error" } else { "errors" }
        );
        f.write_str(&out)
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// The nearest of the valid words, where one is near enough to be meant.
pub fn nearest<'a>(word: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase().replace('-', "_");
    valid
        .into_iter()
        .map(|candidate| {
            (strsim::osa_distance(&lower, &candidate.to_ascii_lowercase().replace('-', "_")), candidate)
        })
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn snippet(origin: &Origin, note: &str, gutter: usize, out: &mut String) {
    let Origin::Text { text, span } = origin else {
        if *origin != Origin::Default {
            let _ = write!(out, "{:gutter$}--> {origin}", "");
            let _ = writeln!(out, "{}{note}", if note.is_empty() { "" } else { ": " });
        } else if !note.is_empty() {
            let _ = writeln!(out, "{:gutter$} = note: {note}", "");
        }
        return;
    };
    let at = text.position(span.start);
    let name =
        if text.kind == TextKind::Profile { format!("profile {}", text.name) } else { text.name.clone() };
    let _ = writeln!(out, "{:gutter$}--> {name}:{}:{}", "", at.line, at.column);
    let line = masked(text, at.line);
    let whole = line.chars().count();
    let width = text
        .body
        .get(span.clone())
        .map_or(1, |spanned| spanned.split('\n').next().unwrap_or("").trim_end().chars().count());
    let start = (at.column - 1).min(whole);
    let width = width.clamp(1, (whole - start).max(1));
    let line = line.replace('\t', " ");
    let _ = writeln!(out, "{:gutter$} |", "");
    let _ = writeln!(out, "{:>gutter$} | {line}", at.line);
    let _ = write!(out, "{:gutter$} | {:start$}{}", "", "", "^".repeat(width));
    let _ = writeln!(out, "{}{note}", if note.is_empty() { "" } else { " " });
}

/// The line, with what may be a secret taken out: an error message ends up in logs and in tickets.
fn masked(text: &Text, line: usize) -> String {
    let raw = text.line(line);
    let shown = masked_line(text, line, raw);
    // A password stands between the user and the host of a URL, whatever the key is called.
    let at = shown.find("://").map(|at| at + "://".len());
    let Some((at, user)) = at.and_then(|at| Some((at, shown[at..].split(['"', '\'', ' ']).next()?))) else {
        return shown;
    };
    match (user.split_once(':'), user.rfind('@')) {
        (Some((name, _)), Some(end)) if name.len() < end => {
            let (from, to) = (at + name.len() + 1, at + end);
            format!("{}{}{}", &shown[..from], "·".repeat(shown[from..to].chars().count()), &shown[to..])
        }
        _ => shown,
    }
}

fn masked_line(text: &Text, line: usize, raw: &str) -> String {
    match text.kind {
        TextKind::Profile => raw.into(),
        TextKind::EnvFile => match raw.split_once('=') {
            Some((name, value)) if secretive(name) && !value.trim().is_empty() => format!("{name}=…"),
            // Inside a value that spans lines nothing says what it is.
            None if !raw.trim_start().starts_with('#') => "…".into(),
            _ => raw.into(),
        },
        TextKind::File => {
            // A list may span lines: the key that rules this one stands above it.
            let ruled = (1..=line).rev().find_map(|above| keys_of(text.line(above)));
            if ruled.is_some_and(|keys| keys.iter().any(|key| secretive(key))) {
                mask_literals(raw)
            } else {
                raw.into()
            }
        }
    }
}

/// The names that stand before an equals sign, where the line has one outside quotes.
fn keys_of(line: &str) -> Option<Vec<String>> {
    let pieces: Vec<&str> = line.split('=').collect();
    let balanced = pieces.first().is_some_and(|first| first.matches('"').count() % 2 == 0);
    (pieces.len() > 1 && balanced).then(|| {
        let last = |piece: &&str| {
            let name = piece.trim().rsplit(['{', ',', ' ']).next().unwrap_or("");
            name.trim_matches(['"', '\'']).to_ascii_lowercase()
        };
        pieces[..pieces.len() - 1].iter().map(last).collect()
    })
}

fn secretive(name: &str) -> bool {
    let lower = name.trim().to_ascii_lowercase();
    // `key` alone is the path of a certificate's key.
    lower != "key"
        && (lower.rsplit('.').next() == Some("value")
            || ["token", "secret", "password", "passwd", "key", "dsn", "credential", "_url"]
                .iter()
                .any(|word| lower.contains(word)))
}

/// Every quoted literal that is not a reference (`env:`, `file:`) replaced by dots of the same length, so that
/// the caret still points at it.
fn mask_literals(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(open) = rest.find(['"', '\'']) {
        let quote = rest[open..].chars().next().unwrap_or('"');
        let inner = &rest[open + 1..];
        let end = inner.find(quote).unwrap_or(inner.len());
        let literal = &inner[..end];
        out.push_str(&rest[..=open]);
        if literal.starts_with("env:") || literal.starts_with("file:") {
            out.push_str(literal);
        } else {
            out.extend(std::iter::repeat_n('·', literal.chars().count()));
        }
        match inner[end..].chars().next() {
            Some(closing) => out.push(closing),
            None => return out,
        }
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn at(kind: TextKind, body: &str, needle: &str) -> Origin {
        let start = body.find(needle).unwrap();
        let text = Text { name: "x".into(), path: None, kind, body: body.into() };
        Origin::text(&Arc::new(text), start..start + needle.len())
    }

    #[test]
    fn a_problem_points_at_its_line() {
        let origin = at(TextKind::File, "[server]\nlisen = \"127.0.0.1:1\"\n", "lisen");
        let shown = Problem::new(&origin, "`lisen` is not a key of [server]")
            .nearest("lisen", ["listen"])
            .to_string();
        assert_eq!(
            shown,
            "error: `lisen` is not a key of [server]\n --> x:2:1\n  |\n2 | lisen = \"127.0.0.1:1\"\n  | ^^^^^\n  = mend: did you mean `listen`?\n"
        );
    }

    #[test]
    fn a_problem_never_shows_a_secret() {
        for (kind, body) in [
            (TextKind::File, "value = \"hunter2hunter2\""),
            (TextKind::File, "value = [\"env:A\", \"hunter2hunter2\"]"),
            (TextKind::File, "value = \"hunter2hunter2"),
            (TextKind::File, "api_key = { value = 'hunter2hunter2' }"),
            (TextKind::File, "auth = { api_key = { value = 'hunter2hunter2' } }"),
            (TextKind::EnvFile, "INGEST_TOKEN=hunter2hunter2"),
            (TextKind::EnvFile, "REDIS_URL=redis://:hunter2hunter2@h"),
            (TextKind::EnvFile, "\"hunter2hunter2"),
        ] {
            let shown = Problem::new(&at(kind, body, &body[..1]), "no").to_string();
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn a_list_of_secrets_over_lines_is_masked() {
        let body = "value = [\n  \"hunter2hunter2=\",\n]";
        let shown = Problem::new(&at(TextKind::File, body, "hunter2"), "no").to_string();
        assert!(shown.contains("·····") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn only_what_is_near_is_suggested() {
        assert_eq!(nearest("header-timout", ["header_timeout", "headers"]), Some("header_timeout"));
        assert_eq!(nearest("colour", ["header_timeout", "headers"]), None);
    }
}
