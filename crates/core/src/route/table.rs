//! The matcher: all patterns in one tree of segments.

use std::cmp::Ordering;

use super::matched::{Match, Values};
use super::method::{MethodSet, Methods, Wanted};
use super::path::{CanonicalPath, PathError};
use super::pattern::{Pattern, Segment};
use super::reading::Readings;
use crate::head::Upgrade;

/// Finds the route of a request by specificity, not by order.
///
/// From the left, segment by segment: text before `{param}` before `{*rest}`. Of patterns with the same path:
/// `WS` (for handshakes) before a listed method before, for `HEAD`, `GET` before all methods. Where the closest
/// path is for other methods, the next closest path is looked at.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    nodes: Vec<Node>,
    patterns: Vec<Pattern>,
}

/// Two patterns that cannot both stand. The numbers are places in the list given to [`RouteTable::build`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub struct Conflict {
    /// The pattern that takes the requests.
    pub first: usize,
    /// The pattern that is left without.
    pub second: usize,
    /// `first` as text.
    pub first_pattern: String,
    /// `second` as text.
    pub second_pattern: String,
    /// Whether `second` differs from `first`, but more specific patterns leave it nothing to match.
    pub unreachable: bool,
}

impl Conflict {
    fn message(&self) -> String {
        let Self { first_pattern, second_pattern, .. } = self;
        if self.unreachable {
            format!(
                "`{second_pattern}` can never be reached: `{first_pattern}` and others take all its requests"
            )
        } else {
            format!(
                "`{first_pattern}` and `{second_pattern}` match the same requests (letter case, parameter names and a trailing slash make no difference)"
            )
        }
    }
}

impl RouteTable {
    /// Builds the table. Patterns that match the same requests, or that no request can reach, are refused.
    pub fn build(patterns: Vec<Pattern>) -> Result<Self, Conflict> {
        let mut table = Self { nodes: vec![Node::default()], patterns };
        for route in 0..table.patterns.len() {
            table.insert(route)?;
        }
        for node in &mut table.nodes {
            node.statics.sort_by(|one, two| order(&one.text, &two.text));
        }
        table.check_reachable()?;
        Ok(table)
    }

    /// The patterns, in the order they were given.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// The route of a request. The parameters borrow from `path`.
    ///
    /// A WebSocket handshake may be answered like any `GET` by an application that knows no WebSocket: let a
    /// request that matched a `WS` pattern only be answered by 101 or a refusal.
    pub fn find<'a>(
        &'a self,
        method: &str,
        path: &'a CanonicalPath<'_>,
        upgrade: Upgrade,
    ) -> Result<Match<'a>, PathError> {
        let wanted = Wanted::new(method, upgrade);
        let mut values = Values::default();
        let route = self.search(path.as_str(), &Ask { wanted, refused: 0 }, &mut values);
        let pattern = route.and_then(|route| self.patterns.get(route));
        let slash = path.as_str().ends_with('/') || pattern.is_some_and(Pattern::has_trailing_slash);
        let inexact = slash || values.inexact;
        let mut found = Match::new(route, pattern, values);
        if self.patterns.is_empty() {
            return Ok(found);
        }
        if inexact {
            self.add_spellings(path.as_str(), route, wanted, &mut found)?;
        }
        if !path.oddities().none() {
            self.add_readings(path, wanted, &mut found)?;
        }
        if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
            let upper = method.to_ascii_uppercase();
            let other = self.search(
                path.as_str(),
                &Ask { wanted: Wanted::new(&upper, upgrade), refused: 0 },
                &mut Values::default(),
            );
            found.add(other)?;
        }
        Ok(found)
    }

    /// The methods that some pattern of this path is for, in the form of `Allow`; empty where there is none.
    pub fn allowed_methods(&self, path: &CanonicalPath<'_>) -> String {
        let mut set = MethodSet::default();
        if let Some(text) = Text::of(path.as_str()) {
            self.collect(0, text.core, &mut set);
        }
        set.iter().collect::<Vec<_>>().join(", ")
    }

    /// The winner among the patterns that compare as strictly as `ask` wants.
    fn search<'a>(&self, path: &'a str, ask: &Ask<'_>, values: &mut Values<'a>) -> Option<usize> {
        let text = Text::of(path)?;
        self.walk(0, text.core, &text, ask, values)
    }

    fn walk<'a>(
        &self,
        at: usize,
        tail: Option<&'a str>,
        text: &Text<'a>,
        ask: &Ask<'_>,
        values: &mut Values<'a>,
    ) -> Option<usize> {
        let node = self.nodes.get(at)?;
        let Some(tail) = tail else {
            return self.pick(&node.leaf, text, ask).or_else(|| {
                let route = self.pick(&node.rest, text, ask)?;
                values.push("");
                values.inexact = true;
                Some(route)
            });
        };
        let (segment, next) = cut(tail);
        if let Some((child, exact)) = node.child(segment) {
            values.inexact |= !exact;
            if let Some(route) = self.walk(child, next, text, ask, values) {
                return Some(route);
            }
        }
        if let Some(child) = node.param
            && !segment.is_empty()
        {
            values.push(segment);
            if let Some(route) = self.walk(child, next, text, ask, values) {
                return Some(route);
            }
            values.pop();
        }
        let route = self.pick(&node.rest, text, ask)?;
        values.push(text.through_end(tail));
        Some(route)
    }

    /// The closest of the patterns that end here.
    fn pick(&self, leaf: &[u32], text: &Text<'_>, ask: &Ask<'_>) -> Option<usize> {
        leaf.iter()
            .filter_map(|&route| {
                let route = route as usize;
                let pattern = self.patterns.get(route)?;
                let fit = pattern.methods().fit(&ask.wanted)?;
                (ask.refused == 0 || deviation(pattern, text) & ask.refused == 0).then_some((fit, route))
            })
            .max_by_key(|(fit, _)| *fit)
            .map(|(_, route)| route)
    }

    /// Adds where applications go that compare letter case, trailing slashes or both. `winner` is the route
    /// of `path` for those that do not.
    fn add_spellings(
        &self,
        path: &str,
        winner: Option<usize>,
        wanted: Wanted<'_>,
        found: &mut Match<'_>,
    ) -> Result<(), PathError> {
        let pattern = winner.and_then(|route| self.patterns.get(route));
        // The closest pattern that is exact is also the closest for whoever takes only exact ones.
        let exact = pattern.zip(Text::of(path)).is_none_or(|(pattern, text)| deviation(pattern, &text) == 0);
        if exact { Ok(()) } else { self.add_strict(path, wanted, found) }
    }

    #[cold]
    fn add_strict(&self, path: &str, wanted: Wanted<'_>, found: &mut Match<'_>) -> Result<(), PathError> {
        for refused in [CASE, SLASH, CASE | SLASH] {
            found.add(self.search(path, &Ask { wanted, refused }, &mut Values::default()))?;
        }
        Ok(())
    }

    #[cold]
    fn add_readings(
        &self,
        path: &CanonicalPath<'_>,
        wanted: Wanted<'_>,
        found: &mut Match<'_>,
    ) -> Result<(), PathError> {
        let readings = Readings::of(path)?;
        let all = Ask { wanted, refused: 0 };
        for text in &readings.structural {
            if self.search(text, &all, &mut Values::default()) != found.route {
                return Err(readings.blame);
            }
            self.add_spellings(text, found.route, wanted, found)?;
        }
        for text in &readings.literal {
            let winner = self.search(text, &all, &mut Values::default());
            found.add(winner)?;
            self.add_spellings(text, winner, wanted, found)?;
        }
        Ok(())
    }

    fn collect(&self, at: usize, tail: Option<&str>, set: &mut MethodSet) {
        let Some(node) = self.nodes.get(at) else { return };
        let mut allow = |leaf: &[u32]| {
            for pattern in leaf.iter().filter_map(|route| self.patterns.get(*route as usize)) {
                pattern.methods().allow(set);
            }
        };
        allow(&node.rest);
        let Some(tail) = tail else { return allow(&node.leaf) };
        let (segment, next) = cut(tail);
        if let Some((child, _)) = node.child(segment) {
            self.collect(child, next, set);
        }
        if let Some(child) = node.param
            && !segment.is_empty()
        {
            self.collect(child, next, set);
        }
    }

    fn insert(&mut self, route: usize) -> Result<(), Conflict> {
        let mut at = 0;
        let mut rest = false;
        for segment in self.patterns[route].segments().to_vec() {
            let next = self.nodes.len();
            let node = &mut self.nodes[at];
            let child = match &segment {
                Segment::Static(text) => {
                    let folded = text.to_ascii_lowercase();
                    let capitals = folded != **text;
                    if let Some(known) = node.statics.iter_mut().find(|one| *one.text == folded) {
                        known.capitals |= capitals;
                        known.child
                    } else {
                        node.statics.push(Static { text: folded.into(), child: next, capitals });
                        next
                    }
                }
                Segment::Param(_) => *node.param.get_or_insert(next),
                Segment::Rest(_) => {
                    rest = true;
                    break;
                }
            };
            if child == next {
                self.nodes.push(Node::default());
            }
            at = child;
        }
        let leaf = if rest { &self.nodes[at].rest } else { &self.nodes[at].leaf };
        for &other in leaf {
            let other = other as usize;
            if self.patterns[other].methods().conflicts(self.patterns[route].methods()) {
                return Err(self.conflict(other, route, false));
            }
        }
        let node = &mut self.nodes[at];
        let leaf = if rest { &mut node.rest } else { &mut node.leaf };
        leaf.push(route as u32);
        Ok(())
    }

    /// Only `{*rest}` can be shadowed, by a pattern for nothing left and patterns for everything else.
    fn check_reachable(&self) -> Result<(), Conflict> {
        for node in &self.nodes {
            let Some(param) = node.param else { continue };
            for &route in &node.rest {
                let methods = self.patterns[route as usize].methods();
                if self.covers(&node.leaf, methods)
                    && let Some(first) = node.leaf.first()
                    && self.covers_all(param, methods)
                {
                    return Err(self.conflict(*first as usize, route as usize, true));
                }
            }
        }
        Ok(())
    }

    fn covers_all(&self, at: usize, methods: &Methods) -> bool {
        let node = &self.nodes[at];
        self.covers(&node.rest, methods)
            || (self.covers(&node.leaf, methods)
                && node.param.is_some_and(|param| self.covers_all(param, methods)))
    }

    fn covers(&self, leaf: &[u32], methods: &Methods) -> bool {
        let others: Vec<_> = leaf.iter().map(|route| self.patterns[*route as usize].methods()).collect();
        methods.covered_by(&others)
    }

    fn conflict(&self, first: usize, second: usize, unreachable: bool) -> Conflict {
        let text = |route: usize| self.patterns[route].to_string();
        Conflict { first, second, first_pattern: text(first), second_pattern: text(second), unreachable }
    }
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// Sorted by [`order`].
    statics: Vec<Static>,
    param: Option<usize>,
    /// Patterns whose path ends here.
    leaf: Vec<u32>,
    /// Patterns whose `{*rest}` begins here.
    rest: Vec<u32>,
}

/// Text that leads on.
#[derive(Debug, Clone)]
struct Static {
    /// In small letters.
    text: Box<str>,
    child: usize,
    /// Whether some pattern writes it otherwise.
    capitals: bool,
}

impl Node {
    /// The child for a segment, and whether it is surely written as in the patterns.
    fn child(&self, segment: &str) -> Option<(usize, bool)> {
        // Most paths are sent in small letters, and comparing bytes is fast.
        let small = self.statics.binary_search_by(|one| order(&one.text, segment));
        let found = small.or_else(|none| {
            let capitals = segment.bytes().any(|byte| byte.is_ascii_uppercase());
            if capitals {
                self.statics.binary_search_by(|one| folded_order(&one.text, segment))
            } else {
                Err(none)
            }
        });
        let known = self.statics.get(found.ok()?)?;
        Some((known.child, small.is_ok() && !known.capitals))
    }
}

/// What is asked of the tree.
struct Ask<'a> {
    wanted: Wanted<'a>,
    /// Deviations that are not accepted.
    refused: u8,
}

const CASE: u8 = 1;
const SLASH: u8 = 2;

/// A path without its first and one last slash.
struct Text<'a> {
    full: &'a str,
    /// `None`: no segment at all.
    core: Option<&'a str>,
    trailing_slash: bool,
}

impl<'a> Text<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let full = path.strip_prefix('/')?;
        let core = full.strip_suffix('/');
        let trailing_slash = core.is_some();
        let core = core.unwrap_or(full);
        Some(Self { full, core: (!core.is_empty()).then_some(core), trailing_slash })
    }

    /// A tail of `core`, with the last slash.
    fn through_end(&self, tail: &str) -> &'a str {
        let start = self.full.len() - usize::from(self.trailing_slash) - tail.len();
        &self.full[start..]
    }
}

/// In what the spelling of a path differs from the pattern it matched.
fn deviation(pattern: &Pattern, text: &Text<'_>) -> u8 {
    let mut found = 0;
    let mut tail = text.core;
    for segment in pattern.segments() {
        let Some(left) = tail else {
            // `/a` against `/a/{*rest}`
            return if text.trailing_slash || pattern.segments().len() == 1 { found } else { found | SLASH };
        };
        let (sent, next) = cut(left);
        match segment {
            Segment::Static(exact) if **exact != *sent => found |= CASE,
            Segment::Rest(_) => return found,
            _ => {}
        }
        tail = next;
    }
    if text.core.is_some() && pattern.has_trailing_slash() != text.trailing_slash {
        found | SLASH
    } else {
        found
    }
}

fn cut(tail: &str) -> (&str, Option<&str>) {
    match memchr::memchr(b'/', tail.as_bytes()) {
        Some(at) => (&tail[..at], Some(&tail[at + 1..])),
        None => (tail, None),
    }
}

/// Any total order; by length first, since that settles most comparisons at once.
fn order(one: &str, two: &str) -> Ordering {
    one.len().cmp(&two.len()).then_with(|| one.cmp(two))
}

/// The same order for a segment that is not in small letters.
fn folded_order(text: &str, segment: &str) -> Ordering {
    let folded = segment.bytes().map(|byte| byte.to_ascii_lowercase());
    text.len().cmp(&segment.len()).then_with(|| text.bytes().cmp(folded))
}
