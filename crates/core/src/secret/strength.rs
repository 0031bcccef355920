//! How much a secret is worth: its length, its entropy as far as it can be told, and known bad choices.

use std::fmt;

/// Below this many bits a secret can be found by trying: production refuses it.
const GUESSABLE_BITS: u32 = 64;

/// From here on there is nothing to say. Sixteen random bytes in hexadecimal, 128 bits, come out between 97
/// and 128 of this low estimate.
const STRONG_BITS: u32 = 96;

/// The shortest secret that production accepts, in characters.
const SHORTEST: usize = 16;

/// Values that stand in the guides of the five systems, in their code, or in everybody's first attempt.
/// Compared without letter case, `_` and blanks as `-`.
const PLACEHOLDERS: [&str; 40] = [
    "your-api-key",
    "your-api-key-here",
    "your-secret-token-here",
    "your-token-here",
    "your-token",
    "your-access-token",
    "your-secret-here",
    "your-key-here",
    "your-secret-key",
    "your-256-bit-secret-key-here",
    "your-super-secret-key-change-this",
    "your-super-secret-key-change-this-in-production",
    "your-secret-key-change-in-production",
    "your-database-encryption-key",
    "my-secret-ingestion-token",
    "generated-api-key-here",
    "stocksblitz123",
    "changeme",
    "change-me",
    "change-this",
    "replace-me",
    "placeholder",
    "secret",
    "secretkey",
    "secret-key",
    "supersecret",
    "super-secret",
    "password",
    "password123",
    "passw0rd",
    "admin",
    "admin123",
    "demo123",
    "default",
    "test",
    "test-token",
    "token",
    "api-key",
    "letmein",
    "qwerty",
];

/// What is wrong with a secret. Its `Display` is a sentence for people that never contains the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// There is no value.
    Empty,
    /// It is an example from a guide, a default, or reads like one.
    Placeholder,
    /// A blank or line end stands before or after it: a copying accident that makes clients fail.
    SurroundingBlanks,
    /// It contains a control character, which no header can carry.
    ControlCharacters,
    /// It has fewer than 16 characters.
    Short,
    /// It can be found by trying (fewer than 64 bits).
    Guessable,
    /// It is weaker than what is recommended (fewer than 96 bits).
    Modest,
}

impl Flaw {
    /// The stable code, as in `check`.
    pub fn code(self) -> &'static str {
        match self {
            Flaw::Empty => "empty",
            Flaw::Placeholder => "placeholder",
            Flaw::SurroundingBlanks => "surrounding-blanks",
            Flaw::ControlCharacters => "control-characters",
            Flaw::Short => "short",
            Flaw::Guessable => "guessable",
            Flaw::Modest => "modest",
        }
    }

    /// What a secret with this flaw is worth at best.
    pub fn grade(self) -> Grade {
        match self {
            Flaw::SurroundingBlanks | Flaw::Modest => Grade::Weak,
            _ => Grade::Unusable,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::Empty => "it is empty",
            Flaw::Placeholder => "it is a placeholder or a default that everybody knows",
            Flaw::SurroundingBlanks => "a blank or line end stands before or after it",
            Flaw::ControlCharacters => "it contains control characters",
            Flaw::Short => "it is shorter than 16 characters",
            Flaw::Guessable => "it can be guessed (fewer than 64 bits of entropy)",
            Flaw::Modest => "it is weaker than the recommended 32 random bytes",
        })
    }
}

/// What a secret is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Production must not start with it.
    Unusable,
    /// It works; `check` warns.
    Weak,
    /// Nothing to say against it.
    Strong,
}

/// The judgement of one secret; holds nothing of its value but figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strength {
    /// Length in characters (bytes, where it is not text).
    pub length: usize,
    /// Estimated entropy in bits, on the low side: what an attacker who knows how people choose has to try.
    pub entropy_bits: u32,
    flaws: [Option<Flaw>; 7],
}

impl Strength {
    /// Judges a secret.
    pub fn of(secret: &[u8]) -> Self {
        let text = std::str::from_utf8(secret).ok();
        let length = text.map_or(secret.len(), |text| text.chars().count());
        let bits = entropy_bits(secret);
        let trimmed = secret.trim_ascii();
        let placeholder = is_placeholder(trimmed);
        let flaw = |there: bool, flaw: Flaw| there.then_some(flaw);
        let empty = secret.is_empty();
        let flaws = [
            flaw(empty, Flaw::Empty),
            flaw(placeholder, Flaw::Placeholder),
            flaw(trimmed.len() != secret.len(), Flaw::SurroundingBlanks),
            flaw(trimmed.iter().any(u8::is_ascii_control), Flaw::ControlCharacters),
            flaw(!empty && length < SHORTEST, Flaw::Short),
            flaw(!empty && bits < GUESSABLE_BITS, Flaw::Guessable),
            flaw((GUESSABLE_BITS..STRONG_BITS).contains(&bits), Flaw::Modest),
        ];
        Self { length, entropy_bits: bits, flaws }
    }

    /// Everything that is wrong with it, the worst first.
    pub fn flaws(&self) -> impl Iterator<Item = Flaw> + '_ {
        self.flaws.iter().filter_map(|flaw| *flaw)
    }

    /// What it is worth.
    pub fn grade(&self) -> Grade {
        self.flaws().map(Flaw::grade).min().unwrap_or(Grade::Strong)
    }
}

/// Whether it stands in the list, or reads like the examples do.
fn is_placeholder(secret: &[u8]) -> bool {
    let plain: Vec<u8> = secret
        .iter()
        .map(|byte| match byte {
            b'_' | b' ' => b'-',
            other => other.to_ascii_lowercase(),
        })
        .collect();
    let has = |part: &[u8]| plain.windows(part.len()).any(|window| window == part);
    PLACEHOLDERS.iter().any(|known| known.as_bytes() == plain)
        || (plain.starts_with(b"<") && plain.ends_with(b">"))
        || (plain.starts_with(b"${") && plain.ends_with(b"}"))
        || (plain.starts_with(b"$(") && plain.ends_with(b")"))
        || plain.starts_with(b"your-")
        || plain.ends_with(b"-here")
        || ["changeme", "change-me", "change-this", "replace-this", "placeholder", "example"]
            .iter()
            .any(|part| has(part.as_bytes()))
        || (!plain.is_empty() && plain.iter().all(|byte| matches!(byte, b'x' | b'*' | b'.')))
}

/// An estimate of the entropy in bits.
///
/// The least of three views: what each character adds, given words, repetitions and sequences; the number of
/// different characters that occur; and the same for one period of a repeated pattern.
fn entropy_bits(secret: &[u8]) -> u32 {
    let once = &secret[..period(secret)];
    let mut seen = [false; 256];
    for byte in once {
        seen[usize::from(*byte)] = true;
    }
    let different = seen.iter().filter(|there| **there).count();
    let by_variety = once.len() as f64 * (different.max(1) as f64).log2();
    let bits = by_character(once).min(by_variety).max(0.0);
    #[expect(clippy::cast_sign_loss, reason = "made non-negative in the line above")]
    let whole = bits as u32;
    whole
}

/// The length of the shortest pattern that, repeated, is the whole; the whole length where there is none.
/// (The failure function of Knuth, Morris and Pratt: linear.)
fn period(secret: &[u8]) -> usize {
    let mut borders = vec![0_usize; secret.len()];
    for i in 1..secret.len() {
        let mut border = borders[i - 1];
        while border > 0 && secret[i] != secret[border] {
            border = borders[border - 1];
        }
        borders[i] = border + usize::from(secret[i] == secret[border]);
    }
    borders.last().map_or(0, |border| secret.len() - border)
}

/// Bits by character: a run of letters that can be spoken counts as words (12.9 bits each 8 letters, the
/// 7,776 of a diceware list), what parts words, a repetition or the next in a sequence as one bit, all else
/// by its alphabet.
fn by_character(secret: &[u8]) -> f64 {
    const WORD: f64 = 12.9;
    let each = alphabet(secret).log2();
    let mut bits = 0.0;
    let mut rest = secret;
    let mut previous: Option<u8> = None;
    let mut after_word = false;
    while let Some(byte) = rest.first() {
        let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        if letters >= 4 && speakable(&rest[..letters]) {
            bits += (letters as f64 * each).min(WORD * letters.div_ceil(8) as f64);
            previous = rest.get(letters - 1).copied();
            rest = &rest[letters..];
            after_word = true;
            continue;
        }
        let predictable = previous.is_some_and(|before| {
            byte.abs_diff(before) <= 1 || (after_word && matches!(byte, b'-' | b'_' | b' ' | b'.'))
        });
        after_word = false;
        bits += if predictable { 1.0_f64.min(each) } else { each };
        previous = Some(*byte);
        rest = &rest[1..];
    }
    bits
}

/// How many characters the writer chose from.
fn alphabet(secret: &[u8]) -> f64 {
    type Kind = (fn(&u8) -> bool, f64);
    let any = |test: fn(&u8) -> bool| secret.iter().any(test);
    if secret.iter().all(u8::is_ascii_hexdigit) && any(u8::is_ascii_digit) && any(u8::is_ascii_alphabetic) {
        return 16.0;
    }
    let kinds: [Kind; 5] = [
        (u8::is_ascii_lowercase, 26.0),
        (u8::is_ascii_uppercase, 26.0),
        (u8::is_ascii_digit, 10.0),
        (|byte| matches!(byte, b'-' | b'_' | b'+' | b'/' | b'=' | b'.' | b' '), 2.0),
        (
            |byte| {
                !byte.is_ascii_alphanumeric()
                    && !matches!(byte, b'-' | b'_' | b'+' | b'/' | b'=' | b'.' | b' ')
            },
            24.0,
        ),
    ];
    kinds.into_iter().filter(|(test, _)| any(*test)).map(|(_, size)| size).sum::<f64>().max(1.0)
}

/// Whether a run of letters could be words: one letter case after the first, vowels often enough.
fn speakable(letters: &[u8]) -> bool {
    let one_case =
        letters.iter().skip(1).all(u8::is_ascii_lowercase) || letters.iter().all(u8::is_ascii_uppercase);
    let mut consonants = 0;
    one_case
        && letters.iter().all(|letter| {
            let vowel = matches!(letter.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
            consonants = if vowel { 0 } else { consonants + 1 };
            consonants < 5
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flaws(secret: &str) -> Vec<Flaw> {
        Strength::of(secret.as_bytes()).flaws().collect()
    }

    #[test]
    fn every_example_of_the_guides_is_known() {
        let guides = [
            "your-api-key",
            "YOUR_API_KEY",
            "YOUR_ACCESS_TOKEN",
            "your-secret-token-here",
            "your-super-secret-key-change-this",
            "your-database-encryption-key",
            "your-256-bit-secret-key-here",
            "my-secret-ingestion-token",
            "your-token-here",
            "your-secret-here",
            "your-key-here",
            "generated-api-key-here",
            "stocksblitz123",
            "changeme",
            "CHANGE_ME",
            "change-me-please-and-soon-enough",
            "secret",
            "password",
            "Password",
            "admin123",
            "<your token>",
            "${API_KEY}",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ];
        for secret in guides {
            assert!(flaws(secret).contains(&Flaw::Placeholder), "{secret}");
            assert_eq!(Strength::of(secret.as_bytes()).grade(), Grade::Unusable, "{secret}");
        }
    }

    #[test]
    fn what_the_guides_generate_is_strong() {
        let generated = [
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "iM0hSTqkKRqQkwHwnAmB7sfEkGqKXC2wL9Dq1kyrqDI",
            "OQfZ5AEE0JXWm8gQXnq0q1w7JtwLdvhZ4sVjUe0sPV8=",
            "ech_iM0hSTqkKRqQkwHwnAmB7sfEkGqKXC2wL9Dq1kyrqDI",
            "5f4dcc3b5aa765d61d8327deb882cf99",
        ];
        for secret in generated {
            let strength = Strength::of(secret.as_bytes());
            assert_eq!(strength.grade(), Grade::Strong, "{secret}: {strength:?}");
        }
    }

    #[test]
    fn long_is_not_strong() {
        for secret in [
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabcabcabcabcabcabcabcabcabc",
            "abcdefghijklmnopqrstuvwxyz0123456789",
            "thisismypassword",
            "correct-horse-battery",
        ] {
            let strength = Strength::of(secret.as_bytes());
            assert_eq!(strength.grade(), Grade::Unusable, "{secret}: {strength:?}");
        }
        // Six words of a diceware list are worth 77 bits: usable, not as good as a generated one.
        let words = Strength::of(b"orbit-velvet-candle-marble-pistol-rhubarb");
        assert_eq!(words.grade(), Grade::Weak, "{words:?}");
    }

    #[test]
    fn accidents_are_named() {
        let good = "iM0hSTqkKRqQkwHwnAmB7sfEkGqKXC2wL9Dq1kyrqDI";
        assert_eq!(flaws(&format!("{good}\n")), [Flaw::SurroundingBlanks]);
        assert_eq!(flaws(&format!(" {good}")), [Flaw::SurroundingBlanks]);
        assert_eq!(flaws(&format!("{good}\u{7}{good}x")), [Flaw::ControlCharacters]);
        assert_eq!(flaws(""), [Flaw::Empty]);
        assert!(flaws("x7Kq2").contains(&Flaw::Short));
    }

    #[test]
    fn no_flaw_has_the_code_of_another() {
        let all = [
            Flaw::Empty,
            Flaw::Placeholder,
            Flaw::SurroundingBlanks,
            Flaw::ControlCharacters,
            Flaw::Short,
            Flaw::Guessable,
            Flaw::Modest,
        ];
        let codes: std::collections::BTreeSet<_> = all.iter().map(|flaw| flaw.code()).collect();
        assert_eq!(codes.len(), all.len());
    }

    proptest! {
        #[test]
        fn thirty_two_random_bytes_are_strong(bytes in prop::array::uniform32(any::<u8>())) {
            let hex: String = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15])
                .filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect();
            // What proptest shrinks to is not random: only values with enough different bytes are.
            prop_assume!(bytes.iter().collect::<std::collections::BTreeSet<_>>().len() > 24);
            prop_assert_eq!(Strength::of(hex.as_bytes()).grade(), Grade::Strong);
        }

        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let strength = Strength::of(&bytes);
            prop_assert!(f64::from(strength.entropy_bits) <= 8.0 * bytes.len() as f64);
        }
    }
}
