//! The matcher: all patterns in one tree of segments.

use super::method::{MethodSet, Methods, Wanted};
use super::path::{CanonicalPath, PathError};
use super::pattern::{Pattern, Segment};
use super::reading::Readings;
use crate::head::Upgrade;

/// Parameters a match holds without allocating.
const INLINE: usize = 8;
/// Different routes that a path may lead to before it is refused.
const OTHERS: usize = 6;
const NONE: u32 = u32::MAX;

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

/// Where a request goes.
#[derive(Debug, Clone)]
pub struct Match<'a> {
    /// The place of the route's pattern in the list given to [`RouteTable::build`]; `None`: no pattern.
    pub route: Option<usize>,
    /// The parameters.
    pub params: Params<'a>,
    others: Others,
}

/// The parameters of a match, in canonical form (still percent-encoded where that matters).
#[derive(Debug, Clone, Default)]
pub struct Params<'a> {
    pattern: Option<&'a Pattern>,
    values: Values<'a>,
}

impl Match<'_> {
    /// The routes that applications with other rules of spelling would take for this request: such that tell
    /// `/LIVE/` from `/live`, do not decode `%6c` before they compare, or do not know a method in small
    /// letters. Mostly empty.
    ///
    /// The request may pass only if it meets what each of them asks for, too; where those demands differ and
    /// cannot be met together, refuse it as [`PathError::Ambiguous`].
    pub fn others(&self) -> impl Iterator<Item = Option<usize>> + '_ {
        self.others.routes[..self.others.count].iter().map(|route| unpack(*route))
    }
}

impl<'a> Params<'a> {
    /// The parameter of that name.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Names and values in the order of the pattern.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.pattern.into_iter().flat_map(Pattern::names).zip(self.values.iter())
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
            node.statics.sort_by(|(one, _), (two, _)| order(one, two));
        }
        table.check_reachable(0)?;
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
        let mut found = Match {
            route,
            params: Params { pattern: route.and_then(|route| self.patterns.get(route)), values },
            others: Others::default(),
        };
        if self.patterns.is_empty() {
            return Ok(found);
        }
        self.add_spellings(path.as_str(), wanted, &mut found)?;
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
                Some(route)
            });
        };
        let (segment, next) = cut(tail);
        if let Some(child) = node.child(segment)
            && let Some(route) = self.walk(child, next, text, ask, values)
        {
            return Some(route);
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

    /// Adds where applications go that compare letter case, trailing slashes or both.
    fn add_spellings(&self, path: &str, wanted: Wanted<'_>, found: &mut Match<'_>) -> Result<(), PathError> {
        let exact = match (found.route, Text::of(path)) {
            (Some(route), Some(text)) => {
                self.patterns.get(route).is_none_or(|pattern| deviation(pattern, &text) == 0)
            }
            _ => true,
        };
        // The closest pattern that is exact is also the closest for whoever takes only exact ones.
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
        for text in &readings.structural {
            if self.search(text, &Ask { wanted, refused: 0 }, &mut Values::default()) != found.route {
                return Err(readings.blame);
            }
            self.add_spellings(text, wanted, found)?;
        }
        for text in &readings.literal {
            found.add(self.search(text, &Ask { wanted, refused: 0 }, &mut Values::default()))?;
            self.add_strict(text, wanted, found)?;
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
        if let Some(child) = node.child(segment) {
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
                    let folded = text.to_ascii_lowercase().into_boxed_str();
                    let known = node.statics.iter().find(|(one, _)| *one == folded).map(|(_, child)| *child);
                    known.unwrap_or_else(|| {
                        node.statics.push((folded, next));
                        next
                    })
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
    fn check_reachable(&self, at: usize) -> Result<(), Conflict> {
        for node in &self.nodes[at..] {
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
    /// Text in small letters, sorted by [`order`].
    statics: Vec<(Box<str>, usize)>,
    param: Option<usize>,
    /// Patterns whose path ends here.
    leaf: Vec<u32>,
    /// Patterns whose `{*rest}` begins here.
    rest: Vec<u32>,
}

impl Node {
    fn child(&self, segment: &str) -> Option<usize> {
        let found = self.statics.binary_search_by(|(text, _)| order(text, segment)).ok()?;
        self.statics.get(found).map(|(_, child)| *child)
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

/// Any total order without letter case; by length first, since that settles most comparisons at once.
fn order(one: &str, two: &str) -> std::cmp::Ordering {
    one.len().cmp(&two.len()).then_with(|| {
        let two = two.bytes().map(|byte| byte.to_ascii_lowercase());
        one.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(two)
    })
}

#[derive(Debug, Clone, Default)]
struct Values<'a> {
    inline: [&'a str; INLINE],
    count: usize,
    spill: Vec<&'a str>,
}

impl<'a> Values<'a> {
    fn push(&mut self, value: &'a str) {
        match self.inline.get_mut(self.count) {
            Some(place) => *place = value,
            None => self.spill.push(value),
        }
        self.count += 1;
    }

    fn pop(&mut self) {
        self.count -= 1;
        self.spill.truncate(self.count.saturating_sub(INLINE));
    }

    fn iter(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.inline.iter().take(self.count).chain(&self.spill).copied()
    }
}

#[derive(Debug, Clone)]
struct Others {
    routes: [u32; OTHERS],
    count: usize,
}

impl Default for Others {
    fn default() -> Self {
        Self { routes: [NONE; OTHERS], count: 0 }
    }
}

impl Match<'_> {
    fn add(&mut self, other: Option<usize>) -> Result<(), PathError> {
        if other == self.route || self.others().any(|known| known == other) {
            return Ok(());
        }
        let place = self.others.routes.get_mut(self.others.count).ok_or(PathError::Ambiguous)?;
        *place = other.map_or(NONE, |route| route as u32);
        self.others.count += 1;
        Ok(())
    }
}

fn unpack(route: u32) -> Option<usize> {
    (route != NONE).then_some(route as usize)
}
