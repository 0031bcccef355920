//! Secrets: never printed, compared in constant time, judged before they are trusted.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

mod strength;

pub use strength::{Flaw, Grade, Strength};

/// What stands in a log, an error or `config show` where a secret would stand.
pub const REDACTED: &str = "[redacted]";

/// Separates the digest that may be shown from the one that is compared: a fingerprint copied out of a log
/// says nothing about any other hash of the same secret.
const FINGERPRINT_DOMAIN: &[u8] = b"portcullis secret fingerprint v1\0";

/// A secret value: an API key, an ingest token, a password of a store.
///
/// `Debug` and `Display` print `[redacted]`; [`expose`](Secret::expose) is the only way to the value. The
/// memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret {
    value: Zeroizing<Vec<u8>>,
    /// SHA-256 of the value, kept so that a comparison costs one hash of what was presented.
    digest: [u8; 32],
}

impl Secret {
    /// A secret of these bytes; the buffer is taken over, so that no copy is left behind.
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        let value = Zeroizing::new(value.into());
        let digest = Sha256::digest(value.as_slice()).into();
        Self { value, digest }
    }

    /// The value itself. Every use of this method is a place where a secret can leak.
    pub fn expose(&self) -> &[u8] {
        &self.value
    }

    /// How many bytes the value has.
    pub fn len(&self) -> usize {
        self.value.len()
    }

    /// Whether there is no value: nothing matches an empty secret.
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// Whether `presented` is this secret.
    ///
    /// Compares SHA-256 digests in constant time: how long it takes depends on the length of what was
    /// presented, which the caller knows, and on nothing of the secret. An empty secret matches nothing.
    pub fn matches(&self, presented: &[u8]) -> bool {
        let mut digest: [u8; 32] = Sha256::digest(presented).into();
        let equal = bool::from(self.digest.ct_eq(&digest));
        digest.zeroize();
        equal & !self.is_empty()
    }

    /// Eight hexadecimal digits that tell secrets apart in logs without helping to find them.
    pub fn fingerprint(&self) -> String {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut hash = Sha256::new();
        hash.update(FINGERPRINT_DOMAIN);
        hash.update(self.value.as_slice());
        let digest: [u8; 32] = hash.finalize().into();
        let digits = digest.iter().take(4).flat_map(|byte| [byte >> 4, byte & 15]);
        digits.map(|nibble| char::from(HEX[usize::from(nibble)])).collect()
    }

    /// How much the value is worth as a secret.
    pub fn strength(&self) -> Strength {
        Strength::of(&self.value)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.digest.zeroize();
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

impl From<Vec<u8>> for Secret {
    fn from(value: Vec<u8>) -> Self {
        Self::new(value)
    }
}

/// Constant-time, and two empty secrets are equal: this is for configurations, [`Secret::matches`] is for
/// callers.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.digest.ct_eq(&other.digest).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_never_printed() {
        #[derive(Debug)]
        struct Settings {
            #[expect(dead_code, reason = "read by Debug only")]
            token: Secret,
        }
        let secret = Secret::from("hunter2");
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "[redacted] [redacted] [redacted]");
        let printed = format!("{:?}", Settings { token: secret });
        assert_eq!(printed, "Settings { token: [redacted] }");
    }

    #[test]
    fn only_the_same_bytes_match() {
        let secret = Secret::from("my-secret-ingestion-token");
        assert!(secret.matches(b"my-secret-ingestion-token"));
        for wrong in [
            &b""[..],
            b"my-secret-ingestion-toke",
            b"my-secret-ingestion-token ",
            b"MY-SECRET-INGESTION-TOKEN",
        ] {
            assert!(!secret.matches(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn an_empty_secret_lets_nobody_in() {
        let empty = Secret::from("");
        assert!(empty.is_empty());
        assert!(!empty.matches(b""));
        assert!(!empty.matches(b"x"));
    }

    #[test]
    fn fingerprints_tell_apart_and_are_not_the_plain_hash() {
        let one = Secret::from("abc");
        assert_eq!(one.fingerprint().len(), 8);
        assert!(one.fingerprint().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(one.fingerprint(), Secret::new(b"abc".to_vec()).fingerprint());
        assert_ne!(one.fingerprint(), Secret::from("abd").fingerprint());
        // SHA-256("abc") begins so (FIPS 180-2, appendix B.1).
        assert_ne!(one.fingerprint(), "ba7816bf");
    }

    #[test]
    fn equality_is_by_value() {
        assert_eq!(Secret::from("a"), Secret::new(vec![b'a']));
        assert_ne!(Secret::from("a"), Secret::from("b"));
        assert_eq!(Secret::from("a").clone().expose(), b"a");
    }

    proptest! {
        #[test]
        fn matching_is_equality_of_bytes(secret in prop::collection::vec(any::<u8>(), 1..80), other in prop::collection::vec(any::<u8>(), 0..80)) {
            let held = Secret::new(secret.clone());
            prop_assert!(held.matches(&secret));
            prop_assert_eq!(held.matches(&other), secret == other);
        }
    }
}
