//! What the matcher answers: the route, its parameters, and where others would go.

use super::path::PathError;
use super::pattern::Pattern;

/// Parameters a match holds without allocating.
const INLINE: usize = 8;
/// Different routes that a path may lead to before it is refused.
const OTHERS: usize = 6;
const NONE: u32 = u32::MAX;

/// Where a request goes.
#[derive(Debug, Clone)]
pub struct Match<'a> {
    /// The place of the route's pattern in the list given to [`super::RouteTable::build`]; `None`: no pattern.
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

#[derive(Debug, Clone, Default)]
pub(super) struct Values<'a> {
    inline: [&'a str; INLINE],
    count: usize,
    /// Whether the path may be spelt otherwise than the pattern; never wrongly `false`, apart from slashes.
    pub(super) inexact: bool,
    spill: Vec<&'a str>,
}

impl<'a> Values<'a> {
    pub(super) fn push(&mut self, value: &'a str) {
        match self.inline.get_mut(self.count) {
            Some(place) => *place = value,
            None => self.spill.push(value),
        }
        self.count += 1;
    }

    pub(super) fn pop(&mut self) {
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

impl<'a> Match<'a> {
    pub(super) fn new(route: Option<usize>, pattern: Option<&'a Pattern>, values: Values<'a>) -> Self {
        Self { route, params: Params { pattern, values }, others: Others::default() }
    }

    pub(super) fn add(&mut self, other: Option<usize>) -> Result<(), PathError> {
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
