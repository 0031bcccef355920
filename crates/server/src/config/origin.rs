//! Where a value of the configuration came from: enough to point at it, to list it and to resolve paths beside it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What kind of text a value stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// The configuration file.
    File,
    /// A profile inside the binary.
    Profile,
    /// A `.env` file.
    EnvFile,
}

/// A text that was read, kept so that a problem can show the line.
#[derive(PartialEq, Eq)]
pub struct Text {
    /// As the user named it; for a profile its name.
    pub name: String,
    /// Where it is on disk; nothing for a profile.
    pub path: Option<PathBuf>,
    pub kind: TextKind,
    pub body: String,
}

/// Line and column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A place in a file, a profile or a `.env`; bytes of the body.
    Text { text: Arc<Text>, span: Range<usize> },
    /// A variable of the process environment.
    Environment(Arc<str>),
    /// An option of the command line.
    Flag(&'static str),
}

/// Without the body, in which secrets may stand.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Text {
    pub fn position(&self, offset: usize) -> Position {
        let upto = &self.body[..floor_char(&self.body, offset)];
        let line = upto.bytes().filter(|b| *b == b'\n').count() + 1;
        let start = upto.rfind('\n').map_or(0, |at| at + 1);
        Position { line, column: upto[start..].chars().count() + 1 }
    }

    /// The line (from 1) without its end.
    pub fn line(&self, line: usize) -> &str {
        self.body.split('\n').nth(line.saturating_sub(1)).unwrap_or("").trim_end_matches('\r')
    }

    /// The variable that a line of an environment file sets, where it sets one.
    fn variable(&self, line: usize) -> Option<&str> {
        let (name, _) = self.line(line).split_once('=')?;
        let name = name.trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        valid.then_some(name)
    }
}

impl Origin {
    pub fn text(text: &Arc<Text>, span: Range<usize>) -> Self {
        Origin::Text { text: Arc::clone(text), span }
    }

    pub fn environment(name: &str) -> Self {
        Origin::Environment(name.into())
    }

    /// The file (or profile) and the place in it, where there is one.
    pub fn place(&self) -> Option<(&Text, Position)> {
        match self {
            Origin::Text { text, span } => Some((text, text.position(span.start))),
            _ => None,
        }
    }

    /// Whether the value is plain text by nature (an environment variable, a `.env` line, an option): numbers,
    /// booleans and lists are then read from text.
    pub fn is_plain(&self) -> bool {
        match self {
            Origin::Environment(_) | Origin::Flag(_) => true,
            Origin::Text { text, .. } => text.kind == TextKind::EnvFile,
            Origin::Default => false,
        }
    }

    /// What relative paths of this value are relative to: the directory of the configuration file, or nothing
    /// for the directory of the caller.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Origin::Text { text, .. } if text.kind == TextKind::File => text.path.as_deref()?.parent(),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Text { text, span } => {
                let Position { line, column } = text.position(span.start);
                match text.kind {
                    TextKind::File => write!(f, "{}:{line}:{column}", text.name),
                    TextKind::Profile => write!(f, "profile {}:{line}:{column}", text.name),
                    TextKind::EnvFile => {
                        write!(f, "{}:{line}", text.name)?;
                        // Which name it is: what sets a key of ours need not be called like it.
                        text.variable(line).map_or(Ok(()), |name| write!(f, " {name}"))
                    }
                }
            }
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(name) => write!(f, "option {name}"),
        }
    }
}

fn floor_char(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_survive_the_end() {
        let text = Text {
            name: "a.toml".into(),
            path: None,
            kind: TextKind::File,
            body: "a = 1\r\nü = é\nlast".into(),
        };
        assert_eq!(text.position(0), Position { line: 1, column: 1 });
        assert_eq!(text.position("a = 1\r\nü = ".len()), Position { line: 2, column: 5 });
        assert_eq!(text.position(10_000), Position { line: 3, column: 5 });
        assert_eq!(text.line(1), "a = 1");
        assert_eq!(text.line(9), "");
    }
}
