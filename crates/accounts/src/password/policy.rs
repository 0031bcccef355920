//! Which passwords are good enough to be taken: judged once, when one is chosen.

use std::fmt;

use super::common::is_common;
use super::hash::{Algorithm, LONGEST_BCRYPT};
use super::{Breached, BreachedError};

/// Shorter pieces of a name or an address stand in words by chance.
const SHORTEST_DATUM: usize = 4;

/// What a new password must be.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How many characters it has at least.
    pub min_length: usize,
    /// How many bytes it has at most.
    pub max_length: usize,
    /// What zxcvbn must give it at least, of 0 to 4. 3 stands for more than 10^8 guesses.
    pub min_score: u8,
    /// Whether it must have a letter of each case, a digit and a sign.
    pub classes: bool,
    /// Whether common passwords, as they are or dressed up, are refused.
    pub common: bool,
    /// Passwords that were stolen elsewhere.
    pub breached: Option<Breached>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { min_length: 12, max_length: 1024, min_score: 3, classes: true, common: true, breached: None }
    }
}

/// A kind of character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A letter in upper case.
    Upper,
    /// A letter in lower case.
    Lower,
    /// A digit.
    Digit,
    /// Anything that is neither letter nor digit.
    Sign,
}

/// What is wrong with a password. Its `Display` is a sentence for whoever chose it, and never contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weakness {
    /// Too few characters.
    TooShort {
        /// How many it must have.
        least: usize,
    },
    /// Too many bytes.
    TooLong {
        /// How many it may have.
        most: usize,
    },
    /// A kind of character is missing.
    MissingClass(Class),
    /// It has a character that cannot be typed.
    Unprintable,
    /// Everybody tries it.
    Common,
    /// It is found with few guesses.
    Guessable {
        /// What zxcvbn gives it, of 0 to 4.
        score: u8,
        /// Why, where it can be said.
        hint: Option<String>,
    },
    /// It has the user's name or address in it, or is a piece of it.
    ContainsUserData,
    /// It was stolen elsewhere.
    Breached,
    /// The list of stolen ones cannot be read: nothing is taken until it can.
    Unchecked,
}

impl Weakness {
    /// Its stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Weakness::TooShort { .. } => "too-short",
            Weakness::TooLong { .. } => "too-long",
            Weakness::MissingClass(Class::Upper) => "no-upper-case",
            Weakness::MissingClass(Class::Lower) => "no-lower-case",
            Weakness::MissingClass(Class::Digit) => "no-digit",
            Weakness::MissingClass(Class::Sign) => "no-sign",
            Weakness::Unprintable => "unprintable",
            Weakness::Common => "common",
            Weakness::Guessable { .. } => "guessable",
            Weakness::ContainsUserData => "user-data",
            Weakness::Breached => "breached",
            Weakness::Unchecked => "unchecked",
        }
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Weakness::TooShort { least } => write!(f, "The password must have at least {least} characters."),
            Weakness::TooLong { most } => write!(f, "The password must have at most {most} bytes."),
            Weakness::MissingClass(class) => {
                let missing = match class {
                    Class::Upper => "an upper-case letter",
                    Class::Lower => "a lower-case letter",
                    Class::Digit => "a digit",
                    Class::Sign => "a sign that is neither letter nor digit",
                };
                write!(f, "The password must have {missing}.")
            }
            Weakness::Unprintable => f.write_str("The password must not have control characters."),
            Weakness::Common => f.write_str("The password is one of the most common ones, or close to it."),
            Weakness::Guessable { hint: Some(hint), .. } => {
                write!(f, "The password is too easy to guess: {hint}")
            }
            Weakness::Guessable { hint: None, .. } => {
                f.write_str("The password is too easy to guess: a few uncommon words are better.")
            }
            Weakness::ContainsUserData => {
                f.write_str("The password must not contain your user name or e-mail address.")
            }
            Weakness::Breached => f.write_str("The password is known from a breach of another service."),
            Weakness::Unchecked => f.write_str("The password cannot be checked at the moment."),
        }
    }
}

impl Policy {
    /// The policy with no longer passwords than `algorithm` looks at.
    #[must_use]
    pub fn fitting(mut self, algorithm: Algorithm) -> Self {
        if matches!(algorithm, Algorithm::Bcrypt(_)) {
            self.max_length = self.max_length.min(LONGEST_BCRYPT);
        }
        self
    }

    /// Judges a new password of the user whose name, address and the like are `user_data`. Takes one to ten
    /// milliseconds (zxcvbn looks at the first hundred characters only), and reads the list of breached ones, if
    /// there is one, from its disk.
    pub fn judge(&self, password: &str, user_data: &[&str]) -> Result<(), Vec<Weakness>> {
        let mut found = Vec::new();
        if password.len() > self.max_length {
            return Err(vec![Weakness::TooLong { most: self.max_length }]);
        }
        if password.chars().count() < self.min_length {
            found.push(Weakness::TooShort { least: self.min_length });
        }
        if password.chars().any(char::is_control) {
            found.push(Weakness::Unprintable);
        }
        if self.classes {
            found.extend(missing_classes(password));
        }
        if contains_user_data(password, user_data) {
            found.push(Weakness::ContainsUserData);
        }
        found.extend(self.guessed(password, user_data));
        match self.breached.as_ref().map(|list| list.contains(password.as_bytes())) {
            Some(Ok(true)) => found.push(Weakness::Breached),
            Some(Err(BreachedError { .. })) => found.push(Weakness::Unchecked),
            Some(Ok(false)) | None => {}
        }
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    fn guessed(&self, password: &str, user_data: &[&str]) -> Option<Weakness> {
        let estimate = zxcvbn::zxcvbn(password, user_data);
        if self.common && is_common(password) {
            return Some(Weakness::Common);
        }
        let score = u8::from(estimate.score());
        let hint = || Some(estimate.feedback()?.warning()?.to_string());
        (score < self.min_score).then(|| Weakness::Guessable { score, hint: hint() })
    }
}

fn missing_classes(password: &str) -> impl Iterator<Item = Weakness> {
    let has = |class: fn(char) -> bool| password.chars().any(class);
    let present = [
        (Class::Upper, has(char::is_uppercase)),
        (Class::Lower, has(char::is_lowercase)),
        (Class::Digit, has(char::is_numeric)),
        (Class::Sign, has(|char| !char.is_alphanumeric() && !char.is_control())),
    ];
    present.into_iter().filter(|(_, present)| !present).map(|(class, _)| Weakness::MissingClass(class))
}

/// Whether one of the data, or a piece of it, is in the password, forwards or backwards, whatever the case;
/// or the password is a piece of one.
fn contains_user_data(password: &str, user_data: &[&str]) -> bool {
    let password = password.to_lowercase();
    let backwards: String = password.chars().rev().collect();
    let inside = |piece: &str| {
        piece.chars().count() >= SHORTEST_DATUM && (password.contains(piece) || backwards.contains(piece))
    };
    user_data.iter().any(|datum| {
        let datum = datum.to_lowercase();
        let around = !password.is_empty() && (datum.contains(&password) || datum.contains(&backwards));
        around || inside(&datum) || datum.split(|char: char| !char.is_alphanumeric()).any(inside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The user of the registration command that the BTC forecasting guide prints.
    const NEWUSER: [&str; 2] = ["newuser", "user@example.com"];

    fn codes(policy: &Policy, password: &str, user_data: &[&str]) -> Vec<&'static str> {
        policy.judge(password, user_data).err().into_iter().flatten().map(|found| found.code()).collect()
    }

    #[test]
    fn good_passwords_pass() {
        for password in [
            "SecurePassword123!",
            "Correct-Horse-7-Staple",
            "Xk9#mQ2$vL7p",
            "Grünkohl-mit-Pinkel-4",
            "Ein Satz, 3 Wörter lang",
            "正しい馬の電池ホチキス Ab1!",
        ] {
            assert_eq!(codes(&Policy::default(), password, &NEWUSER), [""; 0], "{password}");
        }
    }

    #[test]
    fn bad_passwords_are_refused_for_what_is_bad_about_them() {
        for (password, code) in [
            ("", "too-short"),
            ("Sh0rt!", "too-short"),
            ("Xk9#mQ2$vL7", "too-short"),
            ("Password123!", "common"),
            ("Admin@123456", "common"),
            ("Qwertyuiop1!", "common"),
            ("correct-horse-7-staple", "no-upper-case"),
            ("CORRECT-HORSE-7-STAPLE", "no-lower-case"),
            ("Correct-Horse-X-Staple", "no-digit"),
            ("Correct7Horse8Staple", "no-sign"),
            ("Xk9#mQ2$vL7p\0", "unprintable"),
            ("Xk9#mQ2$vL7p\n", "unprintable"),
        ] {
            let found = codes(&Policy::default(), password, &NEWUSER);
            assert!(found.contains(&code), "{password}: {found:?}");
        }
    }

    #[test]
    fn stolen_passwords_are_refused_and_none_is_taken_unchecked() {
        let path = std::env::temp_dir().join(format!("portcullis-{}-stolen", std::process::id()));
        // SHA-1 of `Xk9#mQ2$vL7p`, alone in its list.
        std::fs::write(&path, "FF4059A728A880234EA877DE2F44E7386A6FF3B8:12\n").unwrap();
        let policy = Policy { breached: Some(Breached::open(&path).unwrap()), ..Policy::default() };
        assert_eq!(codes(&policy, "Xk9#mQ2$vL7p", &[]), ["breached"]);
        assert_eq!(codes(&policy, "Correct-Horse-7-Staple", &[]), [""; 0]);
        std::fs::write(&path, "no longer a list of hashes, but something that somebody put there\n").unwrap();
        assert_eq!(codes(&policy, "Correct-Horse-7-Staple", &[]), ["unchecked"]);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_few_guesses_find_is_refused_with_a_hint() {
        let policy = Policy { common: false, ..Policy::default() };
        let found = policy.judge("Password123!", &[]).unwrap_err();
        let [Weakness::Guessable { score: 1, hint: Some(hint) }] = &found[..] else { panic!("{found:?}") };
        assert!(found[0].to_string().ends_with(hint.as_str()) && hint.contains("common"), "{hint}");
        let strict = Policy { min_score: 4, ..Policy::default() };
        let found = strict.judge("SecurePassword123!", &[]).unwrap_err();
        assert_eq!(found, [Weakness::Guessable { score: 3, hint: None }]);
    }

    #[test]
    fn user_data_is_found_in_both_directions_whatever_the_case() {
        let data = ["Margarethe", "m.tiefensee@example.com"];
        for password in [
            "Xk9#MARGARETHE$vL7p",
            "Xk9#ehteragraM$vL7p",
            "Xk9#Tiefensee$vL7p",
            "Xk9#Example$vL7pqq",
            "m.tiefensee@EXAMPLE.com-9X",
            "Tiefensee@Example",
        ] {
            assert!(codes(&Policy::default(), password, &data).contains(&"user-data"), "{password}");
        }
        assert_eq!(codes(&Policy::default(), "Xk9#mQ2$vL7p", &data), [""; 0]);
        assert_eq!(codes(&Policy::default(), "Xk9#mQ2$vL7p", &["Xk9#mQ2$vL7p-is-my-name"]), ["user-data"]);
        assert_eq!(codes(&Policy::default(), "Xk9#mQ2$vL7p", &["xk9", ""]), [""; 0], "too short to say so");
    }

    #[test]
    fn rules_can_be_relaxed_one_by_one() {
        let relaxed = Policy { classes: false, ..Policy::default() };
        assert_eq!(codes(&relaxed, "correct horse battery staple", &[]), [""; 0]);
        let relaxed = Policy { min_length: 4, min_score: 0, common: false, ..relaxed };
        assert_eq!(codes(&relaxed, "1234", &[]), [""; 0]);
    }

    #[test]
    fn length_counts_characters_below_and_bytes_above() {
        let policy = Policy { classes: false, min_score: 0, common: false, ..Policy::default() };
        assert_eq!(codes(&policy, "äöüßäöüßäöü", &[]), ["too-short"], "eleven characters, 22 bytes");
        assert_eq!(codes(&policy, "äöüßäöüßäöüß", &[]), [""; 0]);
        assert_eq!(codes(&policy, &"a".repeat(1024), &[]), [""; 0]);
        assert_eq!(codes(&policy, &"a".repeat(1025), &[]), ["too-long"]);
        let bcrypt = policy.fitting(Algorithm::Bcrypt(12));
        assert_eq!(codes(&bcrypt, &"ä".repeat(36), &[]), [""; 0]);
        assert_eq!(codes(&bcrypt, &"ä".repeat(37), &[]), ["too-long"]);
        assert_eq!(Policy::default().fitting(Algorithm::default()).max_length, 1024);
    }

    #[test]
    fn a_sentence_says_what_is_wrong_and_never_the_password() {
        let found = Policy::default().judge("Abcabcabcabc1", &[]).unwrap_err();
        for weakness in &found {
            let sentence = weakness.to_string();
            assert!(sentence.starts_with("The password") && sentence.ends_with('.'), "{sentence}");
            assert!(!sentence.contains("Abcabcabcabc1"), "{sentence}");
        }
        assert!(found.len() >= 2, "{found:?}");
    }
}
