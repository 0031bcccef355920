//! Patterns as they stand in the configuration: `GET,POST /users/{id}`, `WS /ws`, `/static/{*rest}`.

use std::fmt;
use std::str::FromStr;

use super::method::{MethodSet, Methods};
use super::path;

/// Which requests a route is for: `METHOD[,METHOD] PATH`, `WS PATH`, or `PATH` alone for every method.
///
/// In the path `{name}` stands for one segment that is not empty and `{*rest}`, at the end only, for all that
/// is left, which may be nothing: `/a/{*rest}` matches `/a/x`, `/a/x/y`, `/a/` and, since a trailing slash is
/// ignored, `/a`. Letter case and a trailing slash make no difference to what a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    methods: Methods,
    segments: Vec<Segment>,
    trailing_slash: bool,
}

/// One part of a pattern's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Text, in canonical form.
    Static(Box<str>),
    /// `{name}`.
    Param(Box<str>),
    /// `{*name}`.
    Rest(Box<str>),
}

/// A pattern that cannot be read: what is wrong, where, and how to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {offset}: {}", problem.mend())]
pub struct PatternError {
    /// Where in the pattern, in bytes from its start.
    pub offset: usize,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[expect(missing_docs, reason = "the message beside each says what it is")]
pub enum Problem {
    #[error("there is no path")]
    NoPath,
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    #[error("this is not a method")]
    BadMethod,
    #[error("methods are written in capitals")]
    LowerCaseMethod,
    #[error("the method is there twice")]
    DuplicateMethod,
    #[error("there is no such word for every method")]
    AnyMethod,
    #[error("WS stands with other methods")]
    WebSocketMixed,
    #[error("the bracket is not closed")]
    Unclosed,
    #[error("the bracket was not opened")]
    Unopened,
    #[error("a parameter is only part of its segment")]
    PartialSegment,
    #[error("this is not a parameter name")]
    BadName,
    #[error("the parameter name is there twice")]
    DuplicateName,
    #[error("something follows the parameter that takes the rest")]
    RestNotLast,
    #[error("parameters of this form are not known")]
    ForeignParameter,
    #[error("the segment is empty")]
    EmptySegment,
    #[error("a dot segment never reaches a route")]
    DotSegment,
    #[error("a pattern has no query")]
    Query,
    #[error("no path holds this character")]
    BadCharacter,
    #[error("this is not a valid escape")]
    BadEscape,
    #[error("requests with this character are refused where it matters")]
    Ambiguous,
}

impl Problem {
    /// How to mend it, as one clause.
    pub fn mend(self) -> &'static str {
        match self {
            Problem::NoPath => "write METHOD PATH, for example `GET /users/{id}`",
            Problem::NotAbsolute => "begin the path with `/`, after the methods and one blank",
            Problem::BadMethod => "name methods by letters, separated by commas, for example `GET,POST`",
            Problem::LowerCaseMethod => "write it in capitals, as it is sent",
            Problem::DuplicateMethod => "name each method once",
            Problem::AnyMethod => "leave the method out: a path alone is for all methods",
            Problem::WebSocketMixed => "give the WebSocket a route of its own: `WS PATH`",
            Problem::Unclosed => "close it with `}` before the next slash",
            Problem::Unopened => "write `{name}` for a parameter, or `%7D` for the character",
            Problem::PartialSegment => "let `{name}` be the whole segment between two slashes",
            Problem::BadName => {
                "use letters, digits, `_` and `-`, for example `{id}`; the rest of a path is `{*rest}`"
            }
            Problem::DuplicateName => "give each parameter a name of its own",
            Problem::RestNotLast => "put `{*rest}` at the end",
            Problem::ForeignParameter => "write `{name}` for one segment and `{*rest}` for the rest",
            Problem::EmptySegment => "write one slash between segments",
            Problem::DotSegment => "write the path without `.` and `..`",
            Problem::Query => "leave out the question mark and what follows; routes are found by path alone",
            Problem::BadCharacter => {
                "escape it as `%` and two hexadecimal digits, for example `%20` for a blank"
            }
            Problem::BadEscape => {
                "write `%` and two hexadecimal digits that give UTF-8; a percent sign is `%25`"
            }
            Problem::Ambiguous => "write the path without `\\`, `;`, `%2F`, `%5C` and `%3B`",
        }
    }
}

impl Pattern {
    /// The methods it is for.
    pub fn methods(&self) -> &Methods {
        &self.methods
    }

    /// The parts of its path.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether its path was written with a slash at the end, which only applications that care see.
    pub fn has_trailing_slash(&self) -> bool {
        self.trailing_slash
    }

    /// The names of its parameters, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Param(name) | Segment::Rest(name) => Some(&**name),
            Segment::Static(_) => None,
        })
    }

    /// The same path with other methods.
    fn with(methods: Methods, path: &str, offset: usize) -> Result<Self, PatternError> {
        let error = |at: usize, problem| PatternError { offset: offset + at, problem };
        if !path.starts_with('/') {
            return Err(error(0, Problem::NotAbsolute));
        }
        for (at, byte) in path.bytes().enumerate() {
            match byte {
                b'?' => return Err(error(at, Problem::Query)),
                0..=b' ' | 0x7f | b'#' => return Err(error(at, Problem::BadCharacter)),
                b'\\' | b';' => return Err(error(at, Problem::Ambiguous)),
                _ => {}
            }
        }
        let body = &path[1..];
        let trailing_slash = body.ends_with('/');
        let body = body.strip_suffix('/').unwrap_or(body);
        if body.is_empty() {
            return if trailing_slash {
                Err(error(1, Problem::EmptySegment))
            } else {
                Ok(Self { methods, segments: Vec::new(), trailing_slash })
            };
        }
        let mut segments: Vec<Segment> = Vec::new();
        let mut at = 1;
        for text in body.split('/') {
            if matches!(segments.last(), Some(Segment::Rest(_))) {
                return Err(error(at, Problem::RestNotLast));
            }
            let segment = Segment::parse(text).map_err(|(within, problem)| error(at + within, problem))?;
            if let Segment::Param(name) | Segment::Rest(name) = &segment
                && segments
                    .iter()
                    .any(|other| matches!(other, Segment::Param(one) | Segment::Rest(one) if one == name))
            {
                return Err(error(at, Problem::DuplicateName));
            }
            segments.push(segment);
            at += text.len() + 1;
        }
        if trailing_slash && matches!(segments.last(), Some(Segment::Rest(_))) {
            return Err(error(path.len() - 1, Problem::RestNotLast));
        }
        Ok(Self { methods, segments, trailing_slash })
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let blank = |byte: char| byte == ' ' || byte == '\t';
        let start = text.len() - text.trim_start_matches(blank).len();
        let trimmed = text.trim_matches(blank);
        let split = trimmed.rfind(blank).map_or(0, |at| at + 1);
        let (methods, path) = trimmed.split_at(split);
        let offset = start + split;
        if split == 0
            && (path.is_empty() || path.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b','))
        {
            return Err(PatternError { offset, problem: Problem::NoPath });
        }
        // What stands before a path with a blank in it is no method: blame the blank.
        if let Some(slash) = methods.find('/') {
            let inner = slash + methods[slash..].find(blank).unwrap_or(0);
            let problem = if slash == 0 || methods[..slash].ends_with(blank) {
                Problem::BadCharacter
            } else {
                Problem::BadMethod
            };
            let at = if problem == Problem::BadCharacter { inner } else { 0 };
            return Err(PatternError { offset: start + at, problem });
        }
        let methods = parse_methods(methods.trim_end_matches(blank), start)?;
        Self::with(methods, path, offset)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.methods != Methods::All {
            write!(f, "{} ", self.methods)?;
        }
        for segment in &self.segments {
            match segment {
                Segment::Static(text) => write_static(f, text)?,
                Segment::Param(name) => write!(f, "/{{{name}}}")?,
                Segment::Rest(name) => write!(f, "/{{*{name}}}")?,
            }
        }
        f.write_str(if self.trailing_slash || self.segments.is_empty() { "/" } else { "" })
    }
}

/// Text that would be read as a parameter is escaped again.
fn write_static(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("/")?;
    let foreign = Segment::parse(text).is_err();
    for character in text.chars() {
        match character {
            ':' | '*' | '{' | '}' if foreign => write!(f, "%{:02X}", u32::from(character))?,
            '{' | '}' => write!(f, "%{:02X}", u32::from(character))?,
            _ => write!(f, "{character}")?,
        }
    }
    Ok(())
}

impl Segment {
    fn parse(text: &str) -> Result<Self, (usize, Problem)> {
        if text.is_empty() {
            return Err((0, Problem::EmptySegment));
        }
        if text == "*" || text == "**" || text.starts_with(':') {
            return Err((0, Problem::ForeignParameter));
        }
        let Some(open) = text.find('{') else {
            return match text.find('}') {
                Some(at) => Err((at, Problem::Unopened)),
                None => Self::parse_static(text),
            };
        };
        let Some(close) = text.find('}') else { return Err((open, Problem::Unclosed)) };
        if close < open {
            return Err((close, Problem::Unopened));
        }
        if open != 0 || close + 1 != text.len() {
            return Err((open, Problem::PartialSegment));
        }
        let inner = &text[1..close];
        let (name, rest) = inner.strip_prefix('*').map_or((inner, false), |name| (name, true));
        if name.is_empty()
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        {
            return Err((1, Problem::BadName));
        }
        Ok(if rest { Segment::Rest(name.into()) } else { Segment::Param(name.into()) })
    }

    fn parse_static(text: &str) -> Result<Self, (usize, Problem)> {
        let escape = text.find('%').unwrap_or(0);
        let (canonical, _) = path::normalize(text, true).map_err(|_| (escape, Problem::BadEscape))?;
        if canonical == "." || canonical == ".." {
            return Err((0, Problem::DotSegment));
        }
        if ["%2F", "%5C", "%3B"].iter().any(|special| canonical.contains(special)) {
            return Err((escape, Problem::Ambiguous));
        }
        // A literal percent sign is fine; one that begins an escape of its own would never be reached.
        if path::CanonicalPath::parse(&format!("/{canonical}"))
            .is_ok_and(|path| path.oddities().structural().next().is_some())
        {
            return Err((escape, Problem::Ambiguous));
        }
        Ok(Segment::Static(canonical.into_boxed_str()))
    }
}

fn parse_methods(text: &str, offset: usize) -> Result<Methods, PatternError> {
    if text.is_empty() {
        return Ok(Methods::All);
    }
    let mut set = MethodSet::default();
    let mut websocket = false;
    let mut at = offset;
    for part in text.split(',') {
        let name = part.trim_matches([' ', '\t']);
        let start = at + part.find(name).unwrap_or(0);
        let error = |problem| Err(PatternError { offset: start, problem });
        at += part.len() + 1;
        if matches!(name, "*" | "ANY" | "ALL" | "any" | "all") {
            return error(Problem::AnyMethod);
        }
        if name.is_empty() || !name.bytes().all(is_token) {
            return error(Problem::BadMethod);
        }
        if name.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return error(Problem::LowerCaseMethod);
        }
        let new = if name == "WS" { !std::mem::replace(&mut websocket, true) } else { set.insert(name) };
        if !new {
            return error(Problem::DuplicateMethod);
        }
        if websocket && set != MethodSet::default() {
            return error(Problem::WebSocketMixed);
        }
    }
    Ok(if websocket { Methods::WebSocket } else { Methods::Listed(set) })
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_form_is_displayed() {
        for (text, canonical) in [
            ("POST /live/ingest", "POST /live/ingest"),
            ("POST,GET /a", "GET,POST /a"),
            ("PURGE, GET  /a", "GET,PURGE /a"),
            ("/", "/"),
            ("GET /", "GET /"),
            ("/a/", "/a/"),
            (" /a ", "/a"),
            ("WS /ws/orders/{account}", "WS /ws/orders/{account}"),
            ("/{*path}", "/{*path}"),
            ("/a/{x}/b/{*rest}", "/a/{x}/b/{*rest}"),
            ("/%6cive/über", "/live/%C3%BCber"),
            ("/v1/items:batch", "/v1/items:batch"),
            ("/.well-known/jwks.json", "/.well-known/jwks.json"),
            ("/100%25", "/100%25"),
            ("/%3Aid/%7bid%7D/%2a/a:b/a%7Bb", "/%3Aid/%7Bid%7D/%2A/a:b/a%7Bb"),
        ] {
            let pattern: Pattern = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(pattern.to_string(), canonical);
            assert_eq!(canonical.parse::<Pattern>().as_ref(), Ok(&pattern), "{text}");
        }
    }

    #[test]
    fn errors_say_where() {
        use Problem as P;
        for (text, offset, problem) in [
            ("", 0, P::NoPath),
            ("  ", 2, P::NoPath),
            ("GET", 0, P::NoPath),
            ("live/ingest", 0, P::NotAbsolute),
            ("GET live", 4, P::NotAbsolute),
            ("get /a", 0, P::LowerCaseMethod),
            ("GET,post /a", 4, P::LowerCaseMethod),
            ("GET POST /a", 0, P::BadMethod),
            ("GET, /a", 4, P::BadMethod),
            ("G@T /a", 0, P::BadMethod),
            ("* /a", 0, P::AnyMethod),
            ("GET,GET /a", 4, P::DuplicateMethod),
            ("WS,WS /a", 3, P::DuplicateMethod),
            ("GET,WS /a", 4, P::WebSocketMixed),
            ("WS,GET /a", 3, P::WebSocketMixed),
            ("GET /a b", 6, P::BadCharacter),
            ("/a b", 2, P::BadCharacter),
            ("GET/a /b", 0, P::BadMethod),
            ("GET /a/{id", 7, P::Unclosed),
            ("GET /a/{id/b}", 7, P::Unclosed),
            ("GET /a/id}", 9, P::Unopened),
            ("GET /a/}{", 7, P::Unopened),
            ("GET /a/x{id}", 8, P::PartialSegment),
            ("GET /a/{id}.json", 7, P::PartialSegment),
            ("GET /a/{}", 8, P::BadName),
            ("GET /a/{*}", 8, P::BadName),
            ("GET /a/{rest:path}", 8, P::BadName),
            ("GET /{id}/{id}", 10, P::DuplicateName),
            ("GET /{id}/{*id}", 10, P::DuplicateName),
            ("GET /{*rest}/a", 13, P::RestNotLast),
            ("GET /{*rest}/", 12, P::RestNotLast),
            ("GET /a/:id", 7, P::ForeignParameter),
            ("GET /a/*", 7, P::ForeignParameter),
            ("GET //a", 5, P::EmptySegment),
            ("GET //", 5, P::EmptySegment),
            ("GET /a//", 7, P::EmptySegment),
            ("GET /a/../b", 7, P::DotSegment),
            ("GET /a/%2e", 7, P::DotSegment),
            ("GET /a?b=c", 6, P::Query),
            ("GET /a#b", 6, P::BadCharacter),
            ("GET /a%", 6, P::BadEscape),
            ("GET /a%ff", 6, P::BadEscape),
            ("GET /a%00", 6, P::BadEscape),
            ("GET /a%2fb", 6, P::Ambiguous),
            ("GET /a%252fb", 6, P::Ambiguous),
            ("GET /a;b", 6, P::Ambiguous),
            ("GET /a\\b", 6, P::Ambiguous),
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(PatternError { offset, problem }), "{text:?}");
        }
    }
}
