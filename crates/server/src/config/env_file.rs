//! `.env` files, read as python-dotenv and pydantic read them. Stands alone, so that it can be fuzzed.
//!
//! The grammar is python-dotenv's: an optional `export`, a name that may stand in single quotes, `=`, and a
//! value that is unquoted (ends at a comment after a blank), in single quotes (`\\` and `\'` are escapes) or in
//! double quotes (`\\ \' \" \a \b \f \n \r \t \v`); quoted values may span lines. `${NAME}` and
//! `${NAME:-default}` are replaced everywhere. Where that library skips a line it cannot read, this is an error.

use std::collections::BTreeMap;
use std::ops::Range;

/// One name with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// Nothing where the line is only a name: python-dotenv then sets nothing.
    pub value: Option<String>,
    /// Bytes of the name in the file.
    pub name_span: Range<usize>,
    /// Bytes of the value in the file, with its quotes.
    pub value_span: Range<usize>,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub span: Range<usize>,
    pub message: &'static str,
    pub mend: &'static str,
}

/// Reads a whole file; every line that cannot be read is reported. Values are not yet expanded.
pub fn parse(body: &str) -> (Vec<Entry>, Vec<Fault>) {
    let mut reader = Reader { body, at: if body.starts_with('\u{feff}') { 3 } else { 0 } };
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    while reader.skip_to_statement() {
        let start = reader.at;
        match reader.binding() {
            Ok(entry) => entries.push(entry),
            Err((at, message, mend)) => {
                reader.at = reader.at.max(start);
                reader.skip_line();
                let end = body[at..].find(['\r', '\n']).map_or(body.len(), |it| at + it);
                faults.push(Fault { span: at..end.max(at), message, mend });
            }
        }
    }
    (entries, faults)
}

/// Replaces `${NAME}` and `${NAME:-default}`. What the process environment has wins over the file, as in
/// python-dotenv when it does not override; a name that nobody knows becomes its default, or nothing.
pub fn expand(entries: &mut [Entry], process: &dyn Fn(&str) -> Option<String>) {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for entry in entries {
        let Some(value) = &entry.value else { continue };
        let expanded = interpolate(value, &|name| process(name).or_else(|| known.get(name).cloned()));
        known.insert(entry.name.clone(), expanded.clone());
        entry.value = Some(expanded);
    }
}

/// Thirty lines of `A=${A}${A}` would make a gigabyte: from here on references stay as they stand.
const LONGEST: usize = 64 * 1024;

fn interpolate(value: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(open) = rest.find("${") {
        out.push_str(&rest[..open]);
        let inner = &rest[open + 2..];
        // python-dotenv: name without `}` and `:`, then optionally `:-` and a default without `}`.
        let Some(close) = inner.find('}') else {
            out.push_str(&rest[open..]);
            return out;
        };
        let (name, default) = match inner[..close].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inner[..close], None),
        };
        if name.contains(':') {
            out.push_str("${");
            rest = inner;
            continue;
        }
        let value = lookup(name).unwrap_or_else(|| default.unwrap_or("").to_owned());
        if out.len() + value.len() > LONGEST {
            out.push_str(&rest[open..]);
            return out;
        }
        out.push_str(&value);
        rest = &inner[close + 1..];
    }
    out.push_str(rest);
    out
}

struct Reader<'a> {
    body: &'a str,
    at: usize,
}

type Failure = (usize, &'static str, &'static str);

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.body[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_while(&mut self, keep: impl Fn(char) -> bool) {
        self.at += self.rest().find(|c| !keep(c)).unwrap_or(self.rest().len());
    }

    fn skip_blanks(&mut self) {
        self.skip_while(is_blank);
    }

    fn skip_line(&mut self) {
        self.skip_while(|c| c != '\r' && c != '\n');
    }

    /// Past blank lines and comments; false at the end.
    fn skip_to_statement(&mut self) -> bool {
        loop {
            self.skip_while(char::is_whitespace);
            match self.peek() {
                None => return false,
                Some('#') => self.skip_line(),
                Some(_) => return true,
            }
        }
    }

    fn binding(&mut self) -> Result<Entry, Failure> {
        let rest = self.rest();
        if let Some(after) = rest.strip_prefix("export").filter(|it| it.starts_with(is_blank)) {
            self.at = self.body.len() - after.len();
            self.skip_blanks();
        }
        let start = self.at;
        let name = self.name()?;
        let name_span = start..self.at;
        self.skip_blanks();
        let at = self.at;
        let (value, value_span) = if self.peek() == Some('=') {
            self.at += 1;
            let before = self.at;
            self.skip_blanks();
            let start = self.at;
            let value = self.value(before < start)?;
            (Some(value), start..self.at)
        } else {
            (None, at..at)
        };
        self.skip_blanks();
        if self.peek() == Some('#') {
            self.skip_line();
        }
        match self.peek() {
            None | Some('\r' | '\n') => {}
            Some(_) if value.is_some() => {
                return Err((
                    self.at,
                    "text follows the closing quote",
                    "put the whole value between one pair of quotes",
                ));
            }
            Some(_) => {
                return Err((
                    name_span.start,
                    "a name and no equals sign",
                    "write NAME=value, or a comment after `#`",
                ));
            }
        }
        if value.as_deref().is_some_and(|it| it.contains('\0')) || name.contains('\0') {
            return Err((name_span.start, "a NUL character", "save the file as UTF-8 text"));
        }
        Ok(Entry { name, value, name_span, value_span })
    }

    fn name(&mut self) -> Result<String, Failure> {
        let start = self.at;
        if self.peek() == Some('\'') {
            let inner = &self.rest()[1..];
            return match inner.find('\'') {
                Some(end) if end > 0 => {
                    self.at += end + 2;
                    Ok(inner[..end].to_owned())
                }
                _ => Err((start, "a quoted name that does not end", "write NAME=value")),
            };
        }
        self.skip_while(|c| c != '=' && c != '#' && !c.is_whitespace());
        if self.at == start {
            return Err((start, "no name before the equals sign", "write NAME=value"));
        }
        Ok(self.body[start..self.at].to_owned())
    }

    fn value(&mut self, after_blank: bool) -> Result<String, Failure> {
        match self.peek() {
            Some(quote @ ('\'' | '"')) => self.quoted(quote),
            _ => Ok(self.unquoted(after_blank)),
        }
    }

    fn unquoted(&mut self, after_blank: bool) -> String {
        let start = self.at;
        self.skip_line();
        let line = &self.body[start..self.at];
        // A comment starts at a `#` after a blank.
        let mut comment = None;
        let mut before = after_blank.then_some(' ');
        for (at, c) in line.char_indices() {
            if c == '#' && before.is_some_and(char::is_whitespace) {
                comment = Some(at);
                break;
            }
            before = Some(c);
        }
        let value = line[..comment.unwrap_or(line.len())].trim_end();
        self.at = start + value.len();
        let value = value.to_owned();
        if comment.is_some() {
            self.skip_line();
        }
        value
    }

    fn quoted(&mut self, quote: char) -> Result<String, Failure> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at += at + 1;
                return Ok(out);
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            match chars.peek().map(|(_, next)| *next).and_then(|next| Some((next, escape(quote, next)?))) {
                Some((_, meaning)) => {
                    out.push(meaning);
                    chars.next();
                }
                None => out.push('\\'),
            }
        }
        Err((start, "a quote that does not end", "close the quote, or take it away"))
    }
}

fn escape(quote: char, next: char) -> Option<char> {
    match (quote, next) {
        (_, '\\') => Some('\\'),
        (_, '\'') => Some('\''),
        ('"', '"') => Some('"'),
        ('"', 'a') => Some('\u{7}'),
        ('"', 'b') => Some('\u{8}'),
        ('"', 'f') => Some('\u{c}'),
        ('"', 'n') => Some('\n'),
        ('"', 'r') => Some('\r'),
        ('"', 't') => Some('\t'),
        ('"', 'v') => Some('\u{b}'),
        _ => None,
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() && c != '\r' && c != '\n'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(body: &str) -> Vec<(String, Option<String>)> {
        let (mut entries, faults) = parse(body);
        assert_eq!(faults, []);
        expand(&mut entries, &|name| (name == "HOME").then(|| "/home/app".to_owned()));
        entries.into_iter().map(|entry| (entry.name, entry.value)).collect()
    }

    fn one(body: &str) -> String {
        values(body).remove(0).1.unwrap()
    }

    #[test]
    fn values_are_what_python_dotenv_reads() {
        // Each pair was produced by python-dotenv 1.2.4.
        for (body, value) in [
            ("A=b", "b"),
            (" A = b ", "b"),
            ("export A=b", "b"),
            ("export  A='b'", "b"),
            ("'A'=b", "b"),
            ("A=", ""),
            ("A=b # comment", "b"),
            ("A=b#c", "b#c"),
            ("A=#c", "#c"),
            ("A= # c", ""),
            ("A=86400                     # 24 hours", "86400"),
            ("A='b' # c", "b"),
            ("A=\"b # c\"", "b # c"),
            ("A='it\\'s'", "it's"),
            ("A='a\\nb'", "a\\nb"),
            ("A=\"a\\nb\\t\\\"c\\\"\"", "a\nb\t\"c\""),
            ("A=\"a\\qb\"", "a\\qb"),
            ("A=a\\nb", "a\\nb"),
            ("A=b c", "b c"),
            ("A=\"one\ntwo\"", "one\ntwo"),
            ("A=\"b\"\r\nB=c", "b"),
            ("A=b\rB=c", "b"),
            ("\u{feff}A=b", "b"),
            ("A=[\"x\", \"y\"]", "[\"x\", \"y\"]"),
            ("A=$(openssl rand -hex 32)", "$(openssl rand -hex 32)"),
            ("A=${HOME}/x", "/home/app/x"),
            ("A=${NONE:-y}z", "yz"),
            ("A=${NONE}z", "z"),
            ("A=${HOME:-y}", "/home/app"),
            ("A=$HOME", "$HOME"),
            ("A=${HOME", "${HOME"),
            ("A=x=y==", "x=y=="),
        ] {
            assert_eq!(one(body), value, "{body:?}");
        }
    }

    #[test]
    fn doubling_ends() {
        let body = format!("A=0123456789\n{}", "A=${A}${A}\n".repeat(60));
        let (mut entries, _) = parse(&body);
        expand(&mut entries, &|_| None);
        assert!(entries.iter().all(|entry| entry.value.as_ref().is_some_and(|it| it.len() <= LONGEST + 16)));
    }

    #[test]
    fn names_follow_each_other() {
        assert_eq!(
            values("# c\nA=1\n\n  B = ${A}2\r\nC\nexport D=\n"),
            [
                ("A".into(), Some("1".into())),
                ("B".into(), Some("12".into())),
                ("C".into(), None),
                ("D".into(), Some(String::new()))
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_an_error_with_its_place() {
        for (body, line, message) in [
            ("A=1\nthis is no line\nB=2", 2, "no equals sign"),
            ("A=1\n=x\nB=2", 2, "no name"),
            ("A=1\nB='x' y", 2, "follows the closing quote"),
            ("A=1\nB=\"x", 2, "does not end"),
            ("A=\u{0}", 1, "NUL"),
        ] {
            let (entries, faults) = parse(body);
            assert_eq!(faults.len(), 1, "{body:?}");
            assert!(faults[0].message.contains(message), "{body:?}: {}", faults[0].message);
            assert_eq!(body[..faults[0].span.start].matches('\n').count() + 1, line, "{body:?}");
            assert!(entries.iter().all(|entry| entry.name == "A" || entry.name == "B"));
        }
    }

    #[test]
    fn the_line_after_a_broken_one_is_read() {
        let (entries, faults) = parse("A='1' 2\nB=3");
        assert_eq!((entries.len(), faults.len()), (1, 1));
        assert_eq!(entries[0].name, "B");
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(body in "(\\PC|[\n\r'\"\\\\#=$ {}]){0,80}") {
            let (mut entries, faults) = parse(&body);
            for entry in &entries {
                prop_assert!(body.get(entry.name_span.clone()).is_some());
                prop_assert!(body.get(entry.value_span.clone()).is_some());
            }
            for fault in faults {
                prop_assert!(body.get(fault.span).is_some());
            }
            expand(&mut entries, &|_| Some("x".into()));
        }

        #[test]
        fn a_quoted_value_comes_back(value in "[^\\\\\"\u{0}$]{0,40}") {
            prop_assert_eq!(one(&format!("A=\"{value}\"")), value);
        }
    }
}
