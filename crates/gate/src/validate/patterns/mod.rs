//! Attack patterns: what no honest client sends where an application expects a value.
//!
//! Each value is read on its own, decoded as the application will decode it, and once more where it is still
//! encoded. Every rule has an identifier and a weight; what a request meets is summed up, and a request whose sum
//! reaches the threshold is refused where the route enforces it. Only the identifier and the place are ever told,
//! never the value.
//!
//! This is a second line of defence: statements are written with bound values and pages with escaped ones, or an
//! application is not safe. What it is good for is to notice who tries.

mod html;
mod sql;
mod token;
mod walk;

use std::borrow::Cow;

/// What is inspected for, and what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns {
    /// Whether a request that reaches the threshold is refused; else it is only noticed.
    pub enforce: bool,
    /// The sum of weights at which a request is an attack.
    pub threshold: u32,
    /// Rules that are not applied.
    pub without: Rules,
    /// Texts that the configuration lists, in small letters: rule `listed-text`.
    pub words: Vec<Box<str>>,
}

/// Everything is noticed, nothing refused; one strong rule is an attack.
impl Default for Patterns {
    fn default() -> Self {
        Self { enforce: false, threshold: 5, without: Rules::default(), words: Vec::new() }
    }
}

/// What a text can meet. The names are stable: logs and alerts use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A condition that an attacker chooses: `' or 1=1 --`.
    SqlLogic,
    /// A second query beside the application's: `union select`.
    SqlUnion,
    /// A statement behind the application's, or in its place.
    SqlStatement,
    /// A query in parentheses, or of the catalogue.
    SqlQuery,
    /// A function that waits, reads files or tells by its errors.
    SqlFunction,
    /// `order by 3`, `having 1=1`, `case when`.
    SqlClause,
    /// The rest of the statement taken away: `admin'--`.
    SqlComment,
    /// What SQL and English both have.
    SqlHint,
    /// An element that runs or loads something.
    HtmlTag,
    /// A handler of an event.
    HtmlHandler,
    /// An address that runs: `javascript:`.
    HtmlAddress,
    /// The rest of a string of a script, or a template that runs.
    HtmlScript,
    /// What scripts and English both have.
    HtmlHint,
    /// An entity of XML.
    XmlEntity,
    /// A way up, out of a folder.
    PathTraversal,
    /// A file of the system.
    SystemFile,
    /// A zero byte.
    NullByte,
    /// Another control character.
    ControlCharacter,
    /// A line that begins a header of its own.
    HeaderLine,
    /// A text that the configuration lists.
    ListedText,
}

impl Rule {
    /// Every rule with its name and its weight.
    pub const ALL: [(Rule, &'static str, u32); 20] = [
        (Rule::SqlLogic, "sql-logic", 5),
        (Rule::SqlUnion, "sql-union", 5),
        (Rule::SqlStatement, "sql-statement", 5),
        (Rule::SqlQuery, "sql-query", 5),
        (Rule::SqlFunction, "sql-function", 5),
        (Rule::SqlClause, "sql-clause", 5),
        (Rule::SqlComment, "sql-comment", 5),
        (Rule::SqlHint, "sql-hint", 2),
        (Rule::HtmlTag, "html-tag", 5),
        (Rule::HtmlHandler, "html-handler", 5),
        (Rule::HtmlAddress, "html-address", 5),
        (Rule::HtmlScript, "html-script", 5),
        (Rule::HtmlHint, "html-hint", 2),
        (Rule::XmlEntity, "xml-entity", 5),
        (Rule::PathTraversal, "path-traversal", 5),
        (Rule::SystemFile, "system-file", 5),
        (Rule::NullByte, "null-byte", 5),
        (Rule::ControlCharacter, "control-character", 3),
        (Rule::HeaderLine, "header-line", 5),
        (Rule::ListedText, "listed-text", 5),
    ];

    /// The rule with that name.
    pub fn named(name: &str) -> Option<Rule> {
        Self::ALL.into_iter().find(|(_, known, _)| *known == name).map(|(rule, ..)| rule)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// How much it counts.
    pub fn weight(self) -> u32 {
        Self::ALL[self as usize].2
    }
}

/// A set of rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules(u32);

impl Rules {
    /// Adds a rule; whether it was not there.
    pub fn add(&mut self, rule: Rule) -> bool {
        let bit = 1 << rule as u32;
        let new = self.0 & bit == 0;
        self.0 |= bit;
        new
    }

    /// Whether it is there.
    pub fn has(self, rule: Rule) -> bool {
        self.0 & 1 << rule as u32 != 0
    }
}

/// What a request met so far: each rule once, where it was met first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    rules: Rules,
    score: u32,
    found: Vec<(Rule, String)>,
}

impl Findings {
    /// The sum of the weights.
    pub fn score(&self) -> u32 {
        self.score
    }

    /// The rules and where they were met.
    pub fn found(&self) -> &[(Rule, String)] {
        &self.found
    }

    /// Whether they make the request an attack, by what `patterns` say.
    pub fn are_attack(&self, patterns: &Patterns) -> bool {
        self.score >= patterns.threshold
    }
}

impl Patterns {
    /// Inspects the path and the query as they were sent.
    pub fn inspect_head(&self, path: &str, query: Option<&str>, findings: &mut Findings) {
        self.inspect_path(path, findings);
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.inspect_pair("query", name, value, findings);
        }
    }

    /// Inspects a whole body: the strings of JSON with the names of their fields, or the pairs of a form.
    pub fn inspect_body(&self, body: &[u8], form: bool, findings: &mut Findings) {
        if form {
            for pair in String::from_utf8_lossy(body).split('&') {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                self.inspect_pair("form", name, value, findings);
            }
        } else {
            walk::strings(body, &mut |place, text| self.inspect(text, findings, || format!("body {place}")));
        }
    }

    /// Inspects one value, decoded.
    pub fn inspect_text(&self, text: &str, findings: &mut Findings) {
        self.inspect(text, findings, || "text".to_owned());
    }

    fn inspect_path(&self, path: &str, findings: &mut Findings) {
        let place = || "path".to_owned();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let bytes = super::query::decode(&segment.replace('+', "%2B")).0.into_owned();
            self.inspect(&String::from_utf8_lossy(&bytes), findings, place);
        }
        if path.contains('.') || path.contains('%') {
            let whole = super::query::decode(&path.replace('+', "%2B")).0.into_owned();
            self.traverse(&String::from_utf8_lossy(&whole), findings, place);
        }
    }

    fn inspect_pair(&self, of: &str, name: &str, value: &str, findings: &mut Findings) {
        let name = String::from_utf8_lossy(&super::query::decode(name).0).into_owned();
        let place = || format!("{of} `{}`", super::invalid::shown(&name));
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')) {
            self.inspect(&name, findings, place);
        }
        self.inspect(&String::from_utf8_lossy(&super::query::decode(value).0), findings, place);
    }

    /// Inspects one value, and what it is where it is still encoded.
    fn inspect(&self, text: &str, findings: &mut Findings, place: impl Fn() -> String) {
        if !self.words.is_empty() {
            let folded = text.to_lowercase();
            if self.words.iter().any(|word| folded.contains(&**word)) {
                self.fire(Rule::ListedText, findings, &place);
            }
        }
        if is_plain(text) {
            return;
        }
        characters(text, &mut |rule| self.fire(rule, findings, &place));
        self.inspect_once(text, findings, &place);
        if let Cow::Owned(decoded) = decoded_again(text) {
            if text.contains("%00") {
                self.fire(Rule::NullByte, findings, &place);
            }
            self.inspect_once(&decoded, findings, &place);
        }
    }

    fn inspect_once(&self, text: &str, findings: &mut Findings, place: &impl Fn() -> String) {
        self.traverse(text, findings, place);
        let mut fire = |rule| self.fire(rule, findings, place);
        sql::inspect(text, &mut fire);
        html::inspect(text, &mut fire);
    }

    fn traverse(&self, text: &str, findings: &mut Findings, place: impl Fn() -> String) {
        traversal(text, &mut |rule| self.fire(rule, findings, &place));
    }

    fn fire(&self, rule: Rule, findings: &mut Findings, place: impl Fn() -> String) {
        if !self.without.has(rule) && findings.rules.add(rule) {
            findings.score += rule.weight();
            findings.found.push((rule, place()));
        }
    }
}

/// Whether a text is made of letters, digits, blanks and full stops within words, so that no rule can be met
/// but by what SQL's keywords alone say; most values are, and cost no more than this.
fn is_plain(text: &str) -> bool {
    text.len() < 24
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' ' | b',' | b'@'))
        && !text.contains("--")
        && !text.as_bytes().windows(6).any(|it| it.eq_ignore_ascii_case(b"select"))
}

/// The text with `%3C`, `\u003c` and `\x3c` decoded; borrowed where there is none of them.
fn decoded_again(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if memchr::memchr2(b'%', b'\\', bytes).is_none() {
        return Cow::Borrowed(text);
    }
    let hex = |from: usize, count: usize| {
        let digits = text.get(from..from + count)?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    };
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut any = false;
    while at < bytes.len() {
        let found = match (bytes[at], bytes.get(at + 1)) {
            (b'%', Some(b'u' | b'U')) | (b'\\', Some(b'u')) => hex(at + 2, 4).map(|code| (code, 6)),
            (b'%', Some(_)) => hex(at + 1, 2).map(|code| (code, 3)),
            (b'\\', Some(b'x')) => hex(at + 2, 2).map(|code| (code, 4)),
            _ => None,
        };
        let Some((code, length)) = found else {
            out.push(bytes[at]);
            at += 1;
            continue;
        };
        any = true;
        if let Ok(byte) = u8::try_from(code) {
            out.push(byte);
        } else {
            let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        at += length;
    }
    if any { Cow::Owned(String::from_utf8_lossy(&out).into_owned()) } else { Cow::Borrowed(text) }
}

/// Control characters, and lines that begin a header.
fn characters(text: &str, fire: &mut impl FnMut(Rule)) {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            0 => fire(Rule::NullByte),
            b'\r' | b'\n' => {
                let line = &text[at + 1..];
                let name =
                    line.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').count();
                let header = ["set-cookie", "location", "content-type", "content-length", "refresh", "link"];
                let named = line
                    .get(..name)
                    .is_some_and(|name| header.iter().any(|it| it.eq_ignore_ascii_case(name)));
                if named && line[name..].starts_with(':') {
                    fire(Rule::HeaderLine);
                }
            }
            b'\t' => {}
            1..=31 | 127 => fire(Rule::ControlCharacter),
            _ => {}
        }
    }
}

/// Files that tell something of a system, behind any folder.
const FILES: [&str; 16] = [
    "etc/passwd",
    "etc/shadow",
    "etc/group",
    "etc/hosts",
    "etc/issue",
    "etc/ssh/",
    "proc/self/",
    "proc/version",
    "boot.ini",
    "win.ini",
    "system32/",
    "web-inf/",
    "var/log/",
    ".ssh/",
    ".aws/credentials",
    ".git/config",
];

/// Ways out of a folder.
fn traversal(text: &str, fire: &mut impl FnMut(Rule)) {
    if memchr::memchr2(b'/', b'\\', text.as_bytes()).is_none() {
        return;
    }
    let is_up = |segment: &str| {
        let segment = segment.split(';').next().unwrap_or(segment).trim_end_matches('\0');
        segment.len() > 1
            && segment.len() < 5
            && segment.bytes().all(|byte| byte == b'.')
            && segment.len() != 3
    };
    // The last segment is a way up only where something was to follow.
    let ups = text
        .split(['/', '\\'])
        .filter(|segment| is_up(segment.trim_matches(['\'', '"', '='])) || segment.ends_with("=.."))
        .count();
    let folded = || text.replace('\\', "/").to_ascii_lowercase();
    let file = || {
        let text = folded();
        FILES.iter().any(|file| {
            let mut from = 0;
            while let Some(at) = text[from..].find(file).map(|at| from + at) {
                // A name of its own, not the end of another one.
                if at == 0 || matches!(text.as_bytes()[at - 1], b'/' | b':' | b'=' | b' ' | b'\'' | b'"') {
                    return at > 0 && text.as_bytes()[at - 1] == b'/';
                }
                from = at + file.len();
            }
            false
        })
    };
    if ups >= 2 && !text.contains(' ') || ups >= 1 && file() {
        fire(Rule::PathTraversal);
    }
    let trimmed = text.trim_start();
    let direct = trimmed.starts_with('/')
        || trimmed.get(..5).is_some_and(|it| it.eq_ignore_ascii_case("file:"))
        || trimmed.get(1..3).is_some_and(|it| it == ":\\" || it == ":/");
    if direct && !trimmed.contains(' ') && file() || ups >= 1 && file() {
        fire(Rule::SystemFile);
    }
}

#[cfg(test)]
mod tests;
