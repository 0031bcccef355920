//! Phone numbers in national and international forms, told from times, sizes, addresses and versions.
//!
//! | form | rule |
//! |---|---|
//! | `+91 98765 43210`, `+49 30 901820`, `0049 …` | `+` or `00`, country code, 8 to 15 digits in all |
//! | `(555) 123-4567`, `555-123-4567`, `1.555.123.4567` | 3-3-4 with brackets, dashes or dots; area code from 2 on |
//! | `07911 123456`, `020 7946 0958`, `0812-3456-7890`, `030 901820` | trunk zero, 9 to 13 digits, a first group of 3 to 5 |
//! | `98765 43210`, `98765-43210` | 5-5, from 6 on |
//! | `9876543210`, `919876543210` | bare: see below |
//!
//! A bare number of ten digits from 1000000000 to 2200000000 is an epoch second (2001 to 2039), not a phone
//! number. Other bare ten digits are one, unless the word before or after says that something is counted
//! (`bytes=9876543210`, `9876543210 ns`). Where the word before says *phone*, any 7 to 15 digits are.

use super::{Found, PHONE, normalised, unit};

/// Epoch seconds of 2001 to 2039: no phone numbers.
const EPOCH: std::ops::RangeInclusive<u64> = 1_000_000_000..=2_200_000_000;

/// Words before a number that make it a phone number.
const CUES: [&str; 12] = [
    "phone",
    "telephone",
    "tel",
    "mobile",
    "msisdn",
    "whatsapp",
    "sms",
    "fax",
    "call",
    "cell",
    "contact",
    "phonenumber",
];

/// Words beside a number that make it a count; from four letters on also as parts of a name (`bytes_in`).
const COUNTS: [&str; 35] = [
    "byte", "size", "length", "count", "total", "limit", "offset", "position", "sequence", "nonce", "memory",
    "capacity", "time", "epoch", "expire", "duration", "elapsed", "took", "seconds", "millis", "micros",
    "nanos", "request", "record", "packet", "entries", "items", "messages", "version", "port", "len", "max",
    "min", "iat", "exp",
];

/// Units after a number.
const UNITS: [&str; 10] = ["kb", "mb", "gb", "kib", "mib", "gib", "ms", "us", "ns", "rows"];

const MAX_GROUPS: usize = 8;
const MAX_DIGITS: usize = 20;

/// The phone number that begins at `at`, with a digit, a plus or a bracket.
pub(super) fn starting(bytes: &[u8], floor: usize, at: usize) -> Option<Found> {
    if !opens(bytes, floor, at) {
        return None;
    }
    let groups = Groups::read(bytes, at)?;
    let national = || groups.trunk_zero().or_else(|| groups.north_american());
    if bytes[at] == b'(' {
        // Brackets around an area code belong to the number; around a whole number they do not.
        let area = bytes.get(groups.ends[0] - 1) == Some(&b')') && groups.count > 1;
        let count = area.then(national).flatten()?;
        return Some(Found { start: at, end: groups.ends[count - 1], marker: PHONE });
    }
    let count = groups
        .international()
        .or_else(national)
        .or_else(|| groups.in_fives(bytes, floor, at))
        .or_else(|| groups.bare(bytes, floor, at))
        .or_else(|| groups.announced(bytes, floor, at))?;
    groups.complete[count - 1].then_some(Found { start: at, end: groups.ends[count - 1], marker: PHONE })
}

/// Digits in groups, with one sign between each.
struct Groups {
    plus: bool,
    bracket: bool,
    digits: [u8; MAX_DIGITS],
    /// Digits in each group; where each ends; the sign before it.
    sizes: [usize; MAX_GROUPS],
    ends: [usize; MAX_GROUPS],
    signs: [u8; MAX_GROUPS],
    /// Whether a number can end after it.
    complete: [bool; MAX_GROUPS],
    count: usize,
}

impl Groups {
    fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let mut groups = Groups {
            plus: false,
            bracket: false,
            digits: [0; MAX_DIGITS],
            sizes: [0; MAX_GROUPS],
            ends: [0; MAX_GROUPS],
            signs: [0; MAX_GROUPS],
            complete: [false; MAX_GROUPS],
            count: 0,
        };
        let mut next = at;
        if let Some((b'+', width)) = unit(bytes, next) {
            groups.plus = true;
            next += width;
        }
        let mut total = 0;
        let mut sign = 0;
        while groups.count < MAX_GROUPS {
            let bracketed = unit(bytes, next).filter(|(byte, _)| *byte == b'(');
            if let Some((_, width)) = bracketed {
                groups.bracket = true;
                next += width;
            }
            let size =
                bytes[next..].iter().take(MAX_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
            if size == 0 || total + size > MAX_DIGITS {
                break;
            }
            groups.digits[total..total + size].copy_from_slice(&bytes[next..next + size]);
            total += size;
            next += size;
            groups.sizes[groups.count] = size;
            groups.signs[groups.count] = sign;
            groups.count += 1;
            if bracketed.is_some()
                && let Some((b')', width)) = unit(bytes, next)
            {
                next += width;
            }
            groups.ends[groups.count - 1] = next;
            groups.complete[groups.count - 1] = closes(bytes, next);
            (sign, next) = separator(bytes, next);
        }
        (groups.count > 0).then_some(groups)
    }

    fn shape(&self) -> &[usize] {
        &self.sizes[..self.count]
    }

    /// How many groups can be taken without passing `digits`, and how many digits those have. The last one
    /// ends where a number can end.
    fn up_to(&self, digits: usize) -> (usize, usize) {
        let mut taken = (0, 0);
        let mut sum = 0;
        for (index, size) in self.shape().iter().enumerate() {
            sum += size;
            if sum > digits {
                break;
            }
            if self.complete[index] {
                taken = (index + 1, sum);
            }
        }
        taken
    }

    fn international(&self) -> Option<usize> {
        let code = match (self.plus, self.digits) {
            (true, _) => 0,
            (false, [b'0', b'0', b'1'..=b'9', ..]) => 2,
            _ => return None,
        };
        if matches!(self.shape(), [4, 2, 2, ..]) {
            return None; // +2026-11-21, a year of ISO 8601
        }
        // Countries whose numbers have one length, so that the number after them is not taken along.
        let longest = match self.digits.get(code..)? {
            [b'1' | b'7', ..] => 11,
            [b'9', b'1', ..] | [b'4', b'4', ..] => 12,
            [b'1'..=b'9', ..] => 15,
            _ => return None,
        };
        let (count, digits) = self.up_to(code + longest);
        let enough = if self.plus { 8 } else { 11 };
        (digits >= enough).then_some(count)
    }

    fn trunk_zero(&self) -> Option<usize> {
        if !matches!(self.digits, [b'0', b'1'..=b'9', ..]) {
            return None;
        }
        let first = self.sizes[0];
        if (10..=13).contains(&first) {
            return Some(1);
        }
        let second_begins = self.digits[first.min(MAX_DIGITS - 1)];
        let (count, digits) = self.up_to(if first == 4 { 13 } else { 12 });
        let national = (3..=5).contains(&first) && second_begins != b'0' && self.sizes[1] >= 2;
        (national && count >= 2 && digits >= 9).then_some(count)
    }

    fn north_american(&self) -> Option<usize> {
        let skipped = usize::from(self.sizes[0] == 1 && self.digits[0] == b'1');
        let area = self.digits[skipped];
        let [3, 3, 4, ..] = self.shape().get(skipped..)? else { return None };
        let sign = self.signs[skipped + 2];
        let uniform = self.signs[skipped + 1] == sign && sign != b' ' && sign != b'/';
        ((self.bracket || uniform) && (b'2'..=b'9').contains(&area)).then_some(skipped + 3)
    }

    fn in_fives(&self, bytes: &[u8], floor: usize, at: usize) -> Option<usize> {
        let fits = self.shape() == [5, 5] && matches!(self.digits[0], b'6'..=b'9') && self.signs[1] != b'.';
        (fits && !is_counted(bytes, floor, at, self.ends[1])).then_some(2)
    }

    fn bare(&self, bytes: &[u8], floor: usize, at: usize) -> Option<usize> {
        let number = self.digits[..self.sizes[0]]
            .iter()
            .fold(0_u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
        let fits = match self.sizes[0] {
            10 => !EPOCH.contains(&number),
            12 => self.digits.starts_with(b"91") && matches!(self.digits[2], b'6'..=b'9'),
            _ => false,
        };
        (fits && !is_counted(bytes, floor, at, self.ends[0])).then_some(1)
    }

    fn announced(&self, bytes: &[u8], floor: usize, at: usize) -> Option<usize> {
        let (count, digits) = self.up_to(15);
        let cue = |word: &[u8]| CUES.iter().any(|cue| cue.as_bytes() == word);
        (digits >= 7 && normalised(word_before(bytes, floor, at), cue)).then_some(count)
    }
}

/// The sign between two groups: a blank, `-`, `.`, `/`, each also percent-encoded, or a typographic blank or
/// hyphen. Zero, and the same place, where there is none.
fn separator(bytes: &[u8], at: usize) -> (u8, usize) {
    for (typographic, sign) in [("\u{a0}", b' '), ("\u{202f}", b' '), ("\u{2011}", b'-'), ("\u{2013}", b'-')]
    {
        if bytes[at..].starts_with(typographic.as_bytes()) {
            return (sign, at + typographic.len());
        }
    }
    match unit(bytes, at) {
        Some((sign @ (b' ' | b'-' | b'.' | b'/'), width)) => (sign, at + width),
        Some((b'(', _)) => (b' ', at),
        // After a bracket the next group may follow at once.
        Some((b'0'..=b'9', _)) if at > 0 && bytes[at - 1] == b')' => (b' ', at),
        _ => (0, bytes.len()),
    }
}

/// Whether a number can begin at `at`: not inside a word, a decimal fraction or a longer number.
fn opens(bytes: &[u8], floor: usize, at: usize) -> bool {
    let Some(before) = bytes[floor..at].last().filter(|_| bytes[at] != b'(') else { return true };
    let digit_earlier = at >= floor + 2 && bytes[at - 2].is_ascii_digit();
    match before {
        b'_' => false,
        b'.' | b'-' | b',' => !digit_earlier,
        b'+' => bytes[at] != b'+',
        // The last digit of a percent-encoded character is no part of the number.
        byte if byte.is_ascii_alphanumeric() => {
            at >= floor + 3 && unit(bytes, at - 3).is_some_and(|(_, width)| width == 3)
        }
        _ => true,
    }
}

/// Whether a number can end at `end`.
fn closes(bytes: &[u8], end: usize) -> bool {
    let digit_later = bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
    match bytes.get(end) {
        None => true,
        Some(b'.' | b'-' | b',') => !digit_later,
        Some(byte) => !byte.is_ascii_alphanumeric() && *byte != b'_',
    }
}

/// Whether the word before or after says that the number is a count, a size or a time.
fn is_counted(bytes: &[u8], floor: usize, at: usize, end: usize) -> bool {
    let rest = bytes[end..].strip_prefix(b" ").unwrap_or(&bytes[end..]);
    let length = rest.iter().take(16).take_while(|byte| byte.is_ascii_alphabetic()).count();
    // `9876543210 size=1` is a number and then a name of something else.
    let is_name = matches!(rest.get(length), Some(b'=' | b':' | b'_' | b'-' | b'0'..=b'9'));
    let after = if is_name { &[][..] } else { &rest[..length] };
    let is_part = |word: &[u8], count: &[u8]| count.len() >= 4 && memchr::memmem::find(word, count).is_some();
    let counts = |word: &[u8]| {
        COUNTS.iter().map(|count| count.as_bytes()).any(|count| word == count || is_part(word, count))
    };
    let measures = |word: &[u8]| counts(word) || UNITS.iter().any(|measure| measure.as_bytes() == word);
    normalised(after, measures) || normalised(word_before(bytes, floor, at), counts)
}

/// The word that stands directly before, over blanks, signs of equality and quotes.
fn word_before(bytes: &[u8], floor: usize, at: usize) -> &[u8] {
    let before = &bytes[floor..at];
    let gap = before.iter().rev().take(4).take_while(|byte| b" =:\"'.".contains(byte)).count();
    let before = &before[..before.len() - gap];
    let length = before
        .iter()
        .rev()
        .take(32)
        .take_while(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-'))
        .count();
    &before[before.len() - length..]
}
