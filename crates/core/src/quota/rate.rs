//! How a limit is written: `COUNT/[N]UNIT [per SCOPE]`, for example `60/minute` or `10/5m per ip`.

use std::fmt;
use std::num::{IntErrorKind, NonZeroU32};
use std::str::FromStr;

use super::Scope;

/// The longest window. One more unit of a window costs precision, and a limit by the year is a quota, which
/// must survive a restart and belongs in a store.
const LONGEST_WINDOW_S: u64 = 366 * 86_400;

/// How many in how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    count: NonZeroU32,
    every: NonZeroU32,
    unit: Unit,
}

impl Rate {
    /// `count` in every `every` units of time. Fails when the window is longer than 366 days.
    pub fn new(count: NonZeroU32, every: NonZeroU32, unit: Unit) -> Result<Self, RateError> {
        // A product of two u32 always fits in a u64.
        if u64::from(every.get()) * u64::from(unit.seconds()) > LONGEST_WINDOW_S {
            return Err(RateError { at: 0, problem: RateProblem::WindowTooLong });
        }
        Ok(Self { count, every, unit })
    }

    /// `count` in every minute, the form most environment names use.
    pub fn per_minute(count: NonZeroU32) -> Self {
        Self { count, every: NonZeroU32::MIN, unit: Unit::Minute }
    }

    /// The same window with `factor` times the count, as far as a count reaches.
    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        Self { count: self.count.saturating_mul(NonZeroU32::new(factor).unwrap_or(NonZeroU32::MIN)), ..self }
    }

    /// Reads the count alone, as environment names hold it: digits only, 1 to 4294967295. Blanks around it
    /// are no part of it.
    pub fn parse_count(text: &str) -> Result<NonZeroU32, RateError> {
        let mut words = Words { text, at: 0 };
        let Some(word) = words.next() else {
            return Err(RateError { at: words.at, problem: RateProblem::MissingCount });
        };
        let number = whole_number(word.text).map_err(|problem| word.error(problem))?;
        match words.next() {
            None => Ok(number),
            Some(rest) => Err(rest.error(RateProblem::Trailing(rest.text.into()))),
        }
    }

    /// How many are admitted in a window.
    pub fn count(&self) -> u32 {
        self.count.get()
    }

    /// The window in seconds.
    pub fn window_s(&self) -> u32 {
        // At most 366 days: it fits.
        self.every.get() * self.unit.seconds()
    }

    /// The window in milliseconds.
    pub fn window_ms(&self) -> u64 {
        u64::from(self.window_s()) * 1000
    }

    /// How long an admission counts, in milliseconds: one longer than the window. Moments are read as whole
    /// milliseconds, so two that differ by the window may in truth lie up to a millisecond closer.
    pub fn counted_ms(&self) -> u64 {
        self.window_ms() + 1
    }

    /// The unit as written, and how many of it make the window.
    pub fn window(&self) -> (u32, Unit) {
        (self.every.get(), self.unit)
    }

    /// The window as slowapi writes it after `per`: `1 minute`, `5 minute`, `1 hour`.
    pub fn window_text(&self) -> String {
        format!("{} {}", self.every, self.unit.name())
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let mut words = Words { text, at: 0 };
        let rate = words.rate()?;
        match words.next() {
            None => Ok(rate),
            Some(rest) => Err(rest.error(RateProblem::Trailing(rest.text.into()))),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.every.get() {
            1 => write!(f, "{}/{}", self.count, self.unit.name()),
            every => write!(f, "{}/{every}{}", self.count, self.unit.letter()),
        }
    }
}

/// A unit of time in a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// `s`, `sec`, `second`, `seconds`.
    Second,
    /// `m`, `min`, `minute`, `minutes`.
    Minute,
    /// `h`, `hour`, `hours`.
    Hour,
    /// `d`, `day`, `days`.
    Day,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Unit; 4] = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day];

    /// Every accepted spelling.
    pub const SPELLINGS: [&'static str; 14] = [
        "s", "sec", "second", "seconds", "m", "min", "minute", "minutes", "h", "hour", "hours", "d", "day",
        "days",
    ];

    /// The unit written that way.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "s" | "sec" | "second" | "seconds" => Unit::Second,
            "m" | "min" | "minute" | "minutes" => Unit::Minute,
            "h" | "hour" | "hours" => Unit::Hour,
            "d" | "day" | "days" => Unit::Day,
            _ => return None,
        })
    }

    /// The word in the singular.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Second => "second",
            Unit::Minute => "minute",
            Unit::Hour => "hour",
            Unit::Day => "day",
        }
    }

    /// The shortest spelling.
    pub fn letter(self) -> char {
        match self {
            Unit::Second => 's',
            Unit::Minute => 'm',
            Unit::Hour => 'h',
            Unit::Day => 'd',
        }
    }

    /// Its length in seconds.
    pub fn seconds(self) -> u32 {
        match self {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3600,
            Unit::Day => 86_400,
        }
    }
}

/// A rate and, where it is written, the scope it counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitSpec {
    /// How many in how long.
    pub rate: Rate,
    /// What follows `per`; where nothing does, the place the limit stands in decides.
    pub scope: Option<Scope>,
}

impl FromStr for LimitSpec {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let mut words = Words { text, at: 0 };
        let rate = words.rate()?;
        let Some(per) = words.next() else { return Ok(Self { rate, scope: None }) };
        if per.text != "per" {
            return Err(per.error(RateProblem::Trailing(per.text.into())));
        }
        let Some(name) = words.next() else {
            return Err(RateError { at: words.at, problem: RateProblem::MissingScope });
        };
        let Some(scope) = Scope::from_name(name.text) else {
            return Err(name.error(RateProblem::UnknownScope(name.text.into())));
        };
        match words.next() {
            None => Ok(Self { rate, scope: Some(scope) }),
            Some(rest) => Err(rest.error(RateProblem::Trailing(rest.text.into()))),
        }
    }
}

impl fmt::Display for LimitSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rate.fmt(f)?;
        self.scope.map_or(Ok(()), |scope| write!(f, " per {scope}"))
    }
}

/// Why a text is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {problem}")]
pub struct RateError {
    /// Where in the text, in bytes from its start.
    pub at: usize,
    /// What is wrong there, and what would be right.
    pub problem: RateProblem,
}

impl RateError {
    /// The word that is not understood, to look for the nearest of [`RateError::valid`].
    pub fn word(&self) -> Option<&str> {
        match &self.problem {
            RateProblem::UnknownUnit(word) | RateProblem::UnknownScope(word) => Some(word),
            _ => None,
        }
    }

    /// The words that may stand there; empty where it is not a matter of words.
    pub fn valid(&self) -> Vec<&'static str> {
        match &self.problem {
            RateProblem::UnknownUnit(_) | RateProblem::MissingUnit => Unit::SPELLINGS.to_vec(),
            RateProblem::UnknownScope(_) | RateProblem::MissingScope => {
                Scope::ALL.into_iter().map(Scope::name).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// What is wrong with a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateProblem {
    /// Nothing is there.
    #[error("a rate is missing; write COUNT/[N]UNIT [per SCOPE], for example 60/minute or 10/5m per ip")]
    Empty,
    /// No count before the slash.
    #[error("the count is missing; write a whole number from 1 to {} before the slash", u32::MAX)]
    MissingCount,
    /// The count, or the number before the unit, is not a number.
    #[error("`{0}` is not a whole number from 1 to {max}", max = u32::MAX)]
    NotANumber(Box<str>),
    /// The number is larger than can be counted.
    #[error("`{0}` is too large; the largest number is {max}", max = u32::MAX)]
    TooLarge(Box<str>),
    /// A limit of 0, or a window of 0.
    #[error("0 is not allowed; write 1 or more")]
    Zero,
    /// A count with nothing after it.
    #[error("the window is missing; write COUNT/[N]UNIT, for example 60/minute or 10/5m")]
    MissingWindow,
    /// A slash or a number with no unit after it.
    #[error("the unit is missing; valid: {}", Unit::SPELLINGS.join(", "))]
    MissingUnit,
    /// A unit that is not known.
    #[error("`{0}` is not a unit of time; valid: {valid}", valid = Unit::SPELLINGS.join(", "))]
    UnknownUnit(Box<str>),
    /// A window of more than 366 days.
    #[error("the window is too long; the longest is 366 days")]
    WindowTooLong,
    /// `per` with nothing after it.
    #[error("the scope is missing after `per`; valid: {}", Scope::ALL.map(Scope::name).join(", "))]
    MissingScope,
    /// A scope that is not known.
    #[error("`{0}` is not a scope; valid: {valid}", valid = Scope::ALL.map(Scope::name).join(", "))]
    UnknownScope(Box<str>),
    /// Something after the end.
    #[error("`{0}` does not belong here; write COUNT/[N]UNIT [per SCOPE]")]
    Trailing(Box<str>),
}

/// A whole number from 1 to 4294967295.
fn whole_number(text: &str) -> Result<NonZeroU32, RateProblem> {
    // `u32::from_str` would take a sign.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RateProblem::NotANumber(text.into()));
    }
    match text.parse::<u32>() {
        Ok(number) => NonZeroU32::new(number).ok_or(RateProblem::Zero),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Err(RateProblem::TooLarge(text.into())),
        Err(_) => Err(RateProblem::NotANumber(text.into())),
    }
}

/// The words of a text, with their places.
struct Words<'a> {
    text: &'a str,
    at: usize,
}

/// A word and its place.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    at: usize,
}

impl Word<'_> {
    fn error(self, problem: RateProblem) -> RateError {
        RateError { at: self.at, problem }
    }
}

impl<'a> Words<'a> {
    fn rate(&mut self) -> Result<Rate, RateError> {
        let Some(word) = self.next() else {
            return Err(RateError { at: self.at, problem: RateProblem::Empty });
        };
        let Some((before, window)) = word.text.split_once('/') else {
            let problem = whole_number(word.text).err().unwrap_or(RateProblem::MissingWindow);
            let at = if problem == RateProblem::MissingWindow { self.at } else { word.at };
            return Err(RateError { at, problem });
        };
        if before.is_empty() {
            return Err(word.error(RateProblem::MissingCount));
        }
        let admitted = whole_number(before).map_err(|problem| word.error(problem))?;
        let window = Word { text: window, at: word.at + before.len() + 1 };
        let digits = window.text.bytes().take_while(u8::is_ascii_digit).count();
        let (every, unit) = window.text.split_at(digits);
        let every = match every {
            "" => NonZeroU32::MIN,
            digits => whole_number(digits).map_err(|problem| window.error(problem))?,
        };
        let unit = Word { text: unit, at: window.at + digits };
        if unit.text.is_empty() {
            return Err(unit.error(RateProblem::MissingUnit));
        }
        let Some(known) = Unit::from_name(unit.text) else {
            return Err(unit.error(RateProblem::UnknownUnit(unit.text.into())));
        };
        Rate::new(admitted, every, known).map_err(|error| window.error(error.problem))
    }

    fn next(&mut self) -> Option<Word<'a>> {
        let rest = self.text.get(self.at..)?;
        let start = rest.bytes().position(|byte| !byte.is_ascii_whitespace());
        let Some(start) = start else {
            self.at = self.text.len();
            return None;
        };
        let word = rest.get(start..)?;
        let length = word.bytes().position(|byte| byte.is_ascii_whitespace()).unwrap_or(word.len());
        let at = self.at + start;
        self.at = at + length;
        Some(Word { text: word.get(..length)?, at })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(text: &str) -> LimitSpec {
        text.parse().unwrap()
    }

    #[test]
    fn rates_as_the_manual_writes_them() {
        let limit = spec("60/minute");
        assert_eq!((limit.rate.count(), limit.rate.window_ms(), limit.scope), (60, 60_000, None));
        let limit = spec("10/5m per ip");
        assert_eq!((limit.rate.count(), limit.rate.window_s(), limit.scope), (10, 300, Some(Scope::Ip)));
        assert_eq!(spec("5/hour per user").rate.window_s(), 3600);
        assert_eq!(spec("3/day").rate.window_s(), 86_400);
        assert_eq!(spec(" 1/366d\tper  global ").rate.window_s(), 366 * 86_400);
        assert_eq!(spec("4294967295/s").rate.count(), u32::MAX);
        assert_eq!(spec("007/1min").to_string(), "7/minute");
    }

    #[test]
    fn every_spelling_is_a_unit() {
        for spelling in Unit::SPELLINGS {
            let unit = Unit::from_name(spelling).unwrap();
            assert_eq!(unit.name().chars().next(), spelling.chars().next());
            assert_eq!(spec(&format!("2/3{spelling}")).rate.window_s(), 3 * unit.seconds());
        }
    }

    #[test]
    fn windows_as_slowapi_writes_them() {
        let text = |rate: &str| rate.parse::<Rate>().unwrap().window_text();
        assert_eq!(text("60/minute"), "1 minute");
        assert_eq!(text("60/5m"), "5 minute");
        assert_eq!(text("60/hour"), "1 hour");
        assert_eq!(text("60/60s"), "60 second");
    }

    #[test]
    fn mistakes_are_placed_and_named() {
        let not_a_number = |text: &str| RateProblem::NotANumber(text.into());
        for (text, at, problem) in [
            ("", 0, RateProblem::Empty),
            ("  ", 2, RateProblem::Empty),
            ("abc", 0, not_a_number("abc")),
            ("60", 2, RateProblem::MissingWindow),
            ("60 per minute", 2, RateProblem::MissingWindow),
            ("/minute", 0, RateProblem::MissingCount),
            ("abc/minute", 0, not_a_number("abc")),
            ("-1/minute", 0, not_a_number("-1")),
            ("+1/minute", 0, not_a_number("+1")),
            ("1.5/minute", 0, not_a_number("1.5")),
            ("١/minute", 0, not_a_number("١")),
            (" 0/minute", 1, RateProblem::Zero),
            ("00/minute", 0, RateProblem::Zero),
            ("4294967296/minute", 0, RateProblem::TooLarge("4294967296".into())),
            ("60/", 3, RateProblem::MissingUnit),
            ("60/ minute", 3, RateProblem::MissingUnit),
            ("60/5", 4, RateProblem::MissingUnit),
            ("60/0m", 3, RateProblem::Zero),
            ("60/-5m", 3, RateProblem::UnknownUnit("-5m".into())),
            ("60/99999999999m", 3, RateProblem::TooLarge("99999999999".into())),
            ("60/minit", 3, RateProblem::UnknownUnit("minit".into())),
            ("60/Minute", 3, RateProblem::UnknownUnit("Minute".into())),
            ("60/5fortnights", 4, RateProblem::UnknownUnit("fortnights".into())),
            ("60/minute/2", 3, RateProblem::UnknownUnit("minute/2".into())),
            ("60/367d", 3, RateProblem::WindowTooLong),
            ("60/4294967295d", 3, RateProblem::WindowTooLong),
            ("60/minute per", 13, RateProblem::MissingScope),
            ("60/minute per planet", 14, RateProblem::UnknownScope("planet".into())),
            ("60/minute ip", 10, RateProblem::Trailing("ip".into())),
            ("60/minute per ip x", 17, RateProblem::Trailing("x".into())),
            ("60/minute,", 3, RateProblem::UnknownUnit("minute,".into())),
        ] {
            assert_eq!(text.parse::<LimitSpec>(), Err(RateError { at, problem }), "{text:?}");
        }
        let error = "60/minute per ip".parse::<Rate>().unwrap_err();
        assert_eq!(error, RateError { at: 10, problem: RateProblem::Trailing("per".into()) });
    }

    #[test]
    fn mistakes_say_what_is_valid() {
        let error = "60/minit".parse::<LimitSpec>().unwrap_err();
        assert_eq!(error.word(), Some("minit"));
        assert!(error.valid().contains(&"minute"));
        assert!(error.to_string().starts_with("at byte 3: `minit` is not a unit of time; valid: s, sec, "));
        let error = "60/m per planet".parse::<LimitSpec>().unwrap_err();
        assert_eq!(error.word(), Some("planet"));
        assert_eq!(error.valid(), Scope::ALL.map(Scope::name));
        assert!(error.to_string().contains("valid: ip, global,"), "{error}");
    }

    #[test]
    fn counts_of_the_environment() {
        assert_eq!(Rate::parse_count(" 60 ").unwrap().get(), 60);
        for text in ["", "0", "abc", "-5", "+5", "6_0", "60 x", "60/minute", "1e3", "4294967296"] {
            assert!(Rate::parse_count(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_the_same(
            count in 1..=u32::MAX, every in 1..=366u32, unit in 0..4usize, scope in 0..=Scope::ALL.len(),
        ) {
            let number = |number| NonZeroU32::new(number).unwrap();
            let rate = Rate::new(number(count), number(every), Unit::ALL[unit]).unwrap();
            let limit = LimitSpec { rate, scope: Scope::ALL.get(scope).copied() };
            prop_assert_eq!(limit.to_string().parse::<LimitSpec>(), Ok(limit));
            prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
        }

        #[test]
        fn no_text_is_too_strange(text in "[0-9a-z/ +\\-.é\u{2003}]{0,16}") {
            match text.parse::<LimitSpec>() {
                Ok(limit) => prop_assert_eq!(limit.to_string().parse::<LimitSpec>(), Ok(limit)),
                Err(error) => prop_assert!(error.at <= text.len() && text.is_char_boundary(error.at)),
            }
        }
    }
}
