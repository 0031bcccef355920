//! The readings of an odd path: as other servers would cut it into segments.

use super::path::{CanonicalPath, Oddities, PathError, normalize};

/// More oddities than this in one path are refused. An honest path has one, rarely two
/// (`/proxy/https://example.com/a%2Fb`), and each doubles the work.
const MOST: usize = 2;

/// Every reading of a path apart from its canonical one.
pub(super) struct Readings {
    /// Each combination of the oddities that are there. They must lead to the route of the canonical text.
    pub(super) structural: Vec<String>,
    /// The same, and the canonical text too, for applications that compare before they decode escapes of
    /// letters (Express does). They may lead elsewhere: see [`Match::others`](super::Match::others).
    pub(super) literal: Vec<String>,
    /// What to blame where the structural ones differ.
    pub(super) blame: PathError,
}

impl Readings {
    pub(super) fn of(path: &CanonicalPath<'_>) -> Result<Self, PathError> {
        let oddities = path.oddities();
        let kinds: Vec<Oddities> = oddities.structural().collect();
        if kinds.len() > MOST || is_tangled(path) {
            return Err(PathError::Ambiguous);
        }
        let mut structural = Vec::new();
        let mut literal = Vec::new();
        let base = oddities.has(Oddities::ESCAPED).then(|| normalize(path.sent(), false)).transpose()?;
        if let Some((base, _)) = &base {
            literal.push(base.clone());
        }
        for mask in 1_u32..1 << kinds.len() {
            let applied = kinds
                .iter()
                .enumerate()
                .filter(|(at, _)| mask & (1 << at) != 0)
                .fold(Oddities::default(), |all, (_, one)| all.with(*one));
            let deep = applied.has(Oddities::DEEP);
            structural.push(apply(if deep { path.deep() } else { path.as_str() }, applied));
            if let Some((base, _)) = &base {
                // Who decodes twice has no letters left undecoded.
                literal.push(apply(if deep { path.deep() } else { base }, applied));
            }
        }
        Ok(Self { structural, literal, blame: blame(oddities) })
    }
}

/// What no honest client sends, and what would need readings of its own: a parameter beside encoded separators
/// (where it ends depends on what is decoded first), one thing in two spellings (a server may know only one of
/// them), three layers of escapes.
fn is_tangled(path: &CanonicalPath<'_>) -> bool {
    let separators = Oddities::DEEP.with(Oddities::ENCODED_SLASH).with(Oddities::BACKSLASH);
    let text = path.as_str();
    let both = |raw: char, escaped: &str| text.contains(raw) && text.contains(escaped);
    (path.oddities().has(Oddities::PARAMETER) && path.oddities().has(separators))
        || both(';', "%3B")
        || both('\\', "%5C")
        || text.contains("%2525")
}

fn apply(text: &str, applied: Oddities) -> String {
    let mut output = String::with_capacity(text.len());
    let mut in_parameter = false;
    let mut left = text;
    while !left.is_empty() {
        let plain =
            left.bytes().position(|byte| matches!(byte, b'/' | b'\\' | b'%' | b';')).unwrap_or(left.len());
        let (run, rest) = left.split_at(plain);
        if !in_parameter {
            output.push_str(run);
        }
        let (special, after) = rest.split_at(rest.len().min(if rest.starts_with('%') { 3 } else { 1 }));
        left = after;
        let separator = match special {
            "/" => true,
            "%2F" => applied.has(Oddities::ENCODED_SLASH),
            "\\" | "%5C" => applied.has(Oddities::BACKSLASH),
            _ => false,
        };
        if separator {
            in_parameter = false;
            if !(applied.has(Oddities::EMPTY) && output.ends_with('/')) {
                output.push('/');
            }
        } else if matches!(special, ";" | "%3B") && applied.has(Oddities::PARAMETER) {
            in_parameter = true;
        } else if !in_parameter {
            output.push_str(special);
        }
    }
    output
}

fn blame(oddities: Oddities) -> PathError {
    [
        (Oddities::ENCODED_SLASH, PathError::EncodedSlash),
        (Oddities::BACKSLASH, PathError::Backslash),
        (Oddities::PARAMETER, PathError::PathParameter),
        (Oddities::EMPTY, PathError::EmptySegment),
        (Oddities::DEEP, PathError::DoubleEncoding),
    ]
    .into_iter()
    .find(|(oddity, _)| oddities.has(*oddity))
    .map_or(PathError::Ambiguous, |(_, error)| error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(sent: &str) -> Vec<String> {
        Readings::of(&CanonicalPath::parse(sent).unwrap()).unwrap().structural
    }

    #[test]
    fn each_combination_is_a_reading() {
        assert_eq!(readings("/a%2fb"), ["/a/b"]);
        assert_eq!(readings("/a\\b"), ["/a/b"]);
        assert_eq!(readings("/a;v=1/b;c"), ["/a/b"]);
        assert_eq!(readings("/a%3bv/b"), ["/a/b"]);
        assert_eq!(readings("//a"), ["/a"]);
        assert_eq!(readings("/a///b/"), ["/a/b/"]);
        assert_eq!(readings("/;x/b"), ["//b", "/;x/b", "/b"]);
        assert_eq!(readings("/a%2f/b"), ["/a//b", "/a%2F/b", "/a/b"]);
        assert_eq!(readings("/a%252fb"), ["/a%2Fb", "/a%252fb", "/a/b"]);
    }

    #[test]
    fn too_many_are_refused() {
        for sent in ["/a;b%2fc", "/a;b\\c", "/a%2f\\b//c", "/a;%252f", "/a;b/%3bc", "/a\\b%5cc", "/%25256c"] {
            let path = CanonicalPath::parse(sent).unwrap();
            assert_eq!(Readings::of(&path).err(), Some(PathError::Ambiguous), "{sent}");
        }
    }
}
