//! Passwords that everybody tries: one of the thirty thousand most used, dressed up.
//!
//! The list is the one that `zxcvbn` carries, and so are the disguises it sees through: capitals, `@` for `a`,
//! backwards, rows of keys, runs and repeats.

use zxcvbn::Match;
use zxcvbn::matching::patterns::MatchPattern;

/// How many characters may stand around a common password without making it another: `2024`, `!`, `#1`.
const DRESSING: usize = 4;

/// Whether the parts that a password was found to consist of make it a common one.
pub(super) fn is_common(parts: &[Match]) -> bool {
    let mut words = 0;
    let mut dressing = 0;
    for part in parts {
        let lettered = part.token.chars().any(char::is_alphabetic);
        match &part.pattern {
            MatchPattern::BruteForce if lettered => return false,
            MatchPattern::BruteForce => dressing += part.token.chars().count(),
            MatchPattern::Dictionary(found) if lettered => {
                // The type of the name is not public; its name is.
                if format!("{:?}", found.dictionary_name) != "Passwords" {
                    return false;
                }
                words += 1;
            }
            _ if lettered => words += 1,
            _ => {}
        }
    }
    !parts.is_empty() && words <= 1 && dressing <= DRESSING
}
