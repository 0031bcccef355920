//! Time as a parameter: a moment is read once at the door of a request and handed down.

/// A moment on both clocks: one that only goes forward, for arithmetic, and the calendar, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a clock that never jumps; its zero has no meaning.
    pub monotonic_ms: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
}

impl Now {
    /// The same moment moved by `ms` milliseconds, for tests with a clock moved by hand.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self { monotonic_ms: self.monotonic_ms + ms, unix_ms: self.unix_ms + ms }
    }
}

/// Appends a moment of the calendar as RFC 3339 writes it, `2026-11-21T10:00:00.123Z`, without allocating.
pub fn write_rfc3339(out: &mut String, unix_ms: u64) {
    let (days, in_day) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let (year, month, day) = civil(days);
    digits(out, year, 4);
    out.push('-');
    digits(out, month, 2);
    out.push('-');
    digits(out, day, 2);
    out.push('T');
    digits(out, in_day / 3_600_000, 2);
    out.push(':');
    digits(out, in_day / 60_000 % 60, 2);
    out.push(':');
    digits(out, in_day / 1000 % 60, 2);
    out.push('.');
    digits(out, in_day % 1000, 3);
    out.push('Z');
}

fn digits(out: &mut String, number: u64, count: u32) {
    for place in (0..count).rev() {
        out.push(char::from(b'0' + (number / 10_u64.pow(place) % 10) as u8));
    }
}

/// The civil date of a day since 1970-01-01, in the proleptic Gregorian calendar: years begin in March, so
/// that the leap day is the last of a year (the algorithm of Hinnant's `days_from_civil`, inverted).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_617_296_007, "2026-11-25T14:34:56.007Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            let mut out = String::new();
            write_rfc3339(&mut out, unix_ms);
            assert_eq!(out, text);
        }
    }
}
