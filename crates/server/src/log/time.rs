//! Moments as RFC 3339 text, written without allocating.

/// Appends `2026-11-21T10:00:00.123Z`.
pub(super) fn write(out: &mut String, unix_ms: u64) {
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
    fn it_agrees_with_a_calendar_library() {
        // Every 13 days and some odd milliseconds, from 1970 to beyond 2100.
        for step in 0..4000_u64 {
            let unix_ms = step * (13 * 86_400_000 + 3_661_007);
            let mut ours = String::new();
            write(&mut ours, unix_ms);
            let theirs = jiff::Timestamp::from_millisecond(unix_ms.cast_signed()).unwrap();
            assert_eq!(ours, format!("{theirs:.3}"));
        }
    }
}
