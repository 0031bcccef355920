//! Passwords that everybody tries: one of the thirty thousand most used, dressed up with digits and signs.
//!
//! The list is the one that `zxcvbn` carries, and so are the disguises it sees through: capitals, `@` for `a`,
//! backwards, rows of keys, runs and repeats.

use zxcvbn::matching::patterns::MatchPattern;

/// Up to this rank, a word of the language or a name counts as a common password too: `January2025!!`.
const FREQUENT: usize = 1000;
/// Up to so many guesses, in powers of ten, what stands around the word is dressing: `2024!`, `@123456`, `#1`.
const DRESSING: f64 = 6.0;

/// Whether a password is a common one, as it is or dressed up.
pub(super) fn is_common(password: &str) -> bool {
    let lettered = |at: Option<(usize, char)>| at.map(|(at, char)| (at, at + char.len_utf8()));
    let first = lettered(password.char_indices().find(|(_, char)| char.is_alphabetic()));
    let last = lettered(password.char_indices().rfind(|(_, char)| char.is_alphabetic()));
    let (Some((start, _)), Some((_, end))) = (first, last) else {
        return !password.is_empty() && dressing(password) <= DRESSING;
    };
    // A sign in front may be a letter in disguise: `$unshine`.
    [start, 0].into_iter().any(|start| {
        is_known(&password[start..end])
            && dressing(&password[..start]) + dressing(&password[end..]) <= DRESSING
    })
}

/// Whether a word without dressing is a common password by itself, whatever its case.
fn is_known(word: &str) -> bool {
    let estimate = zxcvbn::zxcvbn(&word.to_lowercase(), &[]);
    let [part] = estimate.sequence() else { return false };
    match &part.pattern {
        // The type of the dictionary's name is not public; how it is written is.
        MatchPattern::Dictionary(found) => {
            format!("{:?}", found.dictionary_name) == "Passwords" || found.rank <= FREQUENT
        }
        MatchPattern::BruteForce => false,
        MatchPattern::Spatial(_)
        | MatchPattern::Repeat(_)
        | MatchPattern::Sequence(_)
        | MatchPattern::Regex(_)
        | MatchPattern::Date(_) => true,
    }
}

fn dressing(around: &str) -> f64 {
    if around.is_empty() { 0.0 } else { zxcvbn::zxcvbn(around, &[]).guesses_log10() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_passwords_are_found_in_their_disguises() {
        for password in [
            "password",
            "123456789012",
            "Password123!",
            "Admin@123456",
            "Qwertyuiop1!",
            "P@ssw0rd1234",
            "Passw0rd!2345",
            "Welcome2024!!",
            "Summer2024!!!",
            "Football2024!",
            "Letmein12345!",
            "ChangeMe123!!",
            "Iloveyou123!!",
            "January2025!!",
            "Company2025!!",
            "Test1234567!",
            "Abcdefgh1234!",
            "Aaaaaaaaaa1!",
            "#1Dragon2024",
            "$unshine2024!",
            "drowssaP123!",
            "Asdfghjkl123!",
        ] {
            assert!(is_common(password), "{password}");
        }
    }

    #[test]
    fn others_are_not() {
        for password in [
            "SecurePassword123!",
            "Correct-Horse-7-Staple",
            "Xk9#mQ2$vL7p",
            "MyDogRex2019!",
            "Dragon8391047265!",
            "Grünkohl-mit-Pinkel-4",
            "",
            "é",
        ] {
            assert!(!is_common(password), "{password}");
        }
    }
}
