//! API keys: how they are made, told from typing errors, and kept.
//!
//! A key is a prefix and 43 characters of the base64url alphabet. The first 37 are random (222 bits), the last
//! six are a CRC-32 over the prefix and the 37: scanners find leaked keys with hardly a false alarm, and what
//! cannot be a key is refused without a look-up. A checksum proves nothing; only the digest does.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::port::KeyDigest;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::random::{self, RandomError};

/// How many characters stand behind the prefix.
pub const LENGTH: usize = 43;
/// How many of them are random.
const RANDOM: usize = 37;
/// How many of the random ones the owner sees in lists, beside the prefix: 186 bits stay unknown.
const SHOWN: usize = 6;
/// The longest prefix.
const LONGEST_PREFIX: usize = 16;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A key that was just made.
pub struct FreshKey {
    /// The key, to be shown once and kept nowhere.
    pub key: String,
    /// Its first characters, by which its owner recognises it.
    pub prefix: String,
    /// What is kept of it.
    pub digest: KeyDigest,
}

impl fmt::Debug for FreshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreshKey").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// A new key with a prefix that [`valid_prefix`] accepts.
pub fn fresh(prefix: &str) -> Result<FreshKey, RandomError> {
    let mut random = random::bytes::<28>()?;
    let mut text = URL_SAFE_NO_PAD.encode(random);
    random.zeroize();
    // 28 bytes make 38 characters; the last one carries two bits only.
    text.truncate(RANDOM);
    let check = checksum(prefix.as_bytes(), text.as_bytes());
    let mut key = String::with_capacity(prefix.len() + LENGTH);
    key.push_str(prefix);
    key.push_str(&text);
    key.extend(check.map(char::from));
    text.zeroize();
    let shown = key[..prefix.len() + SHOWN].to_owned();
    let digest = digest(key.as_bytes());
    Ok(FreshKey { key, prefix: shown, digest })
}

/// Whether this can be a key with that prefix: its length, its alphabet, its checksum.
///
/// Finds every changed character and every two exchanged ones among the 37, as the polynomial guarantees; of
/// other mistakes one in four thousand million passes, to be refused by the look-up.
pub fn is_well_formed(key: &[u8], prefix: &str) -> bool {
    let Some(body) = key.strip_prefix(prefix.as_bytes()) else { return false };
    let Some((random, check)) = body.split_at_checked(RANDOM) else { return false };
    body.len() == LENGTH
        && random.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && checksum(prefix.as_bytes(), random) == check
}

/// What is kept of a key, and it is found by. With [`is_well_formed`] 0.2 µs.
pub fn digest(key: &[u8]) -> KeyDigest {
    Sha256::digest(key).into()
}

/// Whether keys may begin like this: a letter, then letters, digits and `_`, ending with `_`; at most 16
/// characters.
pub fn valid_prefix(prefix: &str) -> bool {
    let bytes = prefix.as_bytes();
    bytes.len() <= LONGEST_PREFIX
        && bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last() == Some(&b'_')
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// The CRC-32 of prefix and random part, most significant bits first, six to a character.
fn checksum(prefix: &[u8], random: &[u8]) -> [u8; LENGTH - RANDOM] {
    let crc = prefix.iter().chain(random).fold(!0, |crc: u32, byte| {
        let at = usize::from(crc as u8 ^ byte);
        crc >> 8 ^ CRC_TABLE[at]
    });
    let crc = !crc;
    [30, 24, 18, 12, 6, 0].map(|shift| ALPHABET[(crc >> shift & 63) as usize])
}

/// The reflected polynomial of IEEE 802.3, as zip and PNG have it.
const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = at as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fresh_key_is_well_formed_and_new() {
        let mut seen = HashSet::new();
        for _ in 0..1000 {
            let fresh = fresh("pk_").unwrap();
            assert_eq!(fresh.key.len(), 3 + LENGTH);
            assert!(is_well_formed(fresh.key.as_bytes(), "pk_"), "{}", fresh.key);
            assert!(!is_well_formed(fresh.key.as_bytes(), "ech_"));
            assert!(fresh.key.starts_with(&fresh.prefix) && fresh.prefix.len() == 9, "{fresh:?}");
            assert_eq!(fresh.digest, digest(fresh.key.as_bytes()));
            assert!(!format!("{fresh:?}").contains(&fresh.key));
            assert!(seen.insert(fresh.key));
        }
    }

    #[test]
    fn every_random_character_takes_every_value() {
        let mut seen = vec![HashSet::new(); RANDOM];
        for _ in 0..3000 {
            let key = fresh("pk_").unwrap().key;
            for (at, byte) in key.bytes().skip(3).take(RANDOM).enumerate() {
                seen[at].insert(byte);
            }
        }
        assert!(seen.iter().all(|values| values.len() == 64));
    }

    #[test]
    fn the_checksum_is_the_crc_that_others_compute() {
        // CRC-32 of "123456789" is 0xCBF43926 (the check value of every catalogue of CRCs).
        let crc = 0xcbf4_3926_u32;
        let want = [30, 24, 18, 12, 6, 0].map(|shift| ALPHABET[(crc >> shift & 63) as usize]);
        assert_eq!(checksum(b"1234", b"56789"), want);
        assert_eq!(checksum(b"", b""), *b"AAAAAA");
    }

    #[test]
    fn every_single_changed_character_is_found() {
        let key = fresh("ech_").unwrap().key.into_bytes();
        for at in 4..key.len() {
            for byte in 0..=u8::MAX {
                let mut wrong = key.clone();
                wrong[at] = byte;
                assert_eq!(is_well_formed(&wrong, "ech_"), byte == key[at], "character {at} as {byte}");
            }
        }
    }

    #[test]
    fn lengths_and_prefixes_count() {
        let key = fresh("pk_").unwrap().key.into_bytes();
        for wrong in [&b""[..], b"pk_", b"pk", &key[..key.len() - 1], &key[1..], &[&key[..], b"A"].concat()] {
            assert!(!is_well_formed(wrong, "pk_"), "{wrong:?}");
        }
        assert!(!is_well_formed(&key[3..], "pk_"), "without its prefix");
        for (prefix, valid) in [
            ("pk_", true),
            ("ech_", true),
            ("sk_live_", true),
            ("A_", true),
            ("abcdefghijklmno_", true),
            ("abcdefghijklmnop_", false),
            ("", false),
            ("_", false),
            ("pk", false),
            ("1k_", false),
            ("p-k_", false),
            ("pk _", false),
            ("é_", false),
        ] {
            assert_eq!(valid_prefix(prefix), valid, "{prefix}");
        }
    }

    proptest! {
        #[test]
        fn exchanged_characters_are_found(one in 3_usize..46, other in 3_usize..46) {
            let key = fresh("pk_").unwrap().key.into_bytes();
            let mut wrong = key.clone();
            wrong.swap(one, other);
            prop_assert_eq!(is_well_formed(&wrong, "pk_"), key[one] == key[other]);
        }

        #[test]
        fn anything_else_is_no_key(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(!is_well_formed(&bytes, "pk_"));
            prop_assert!(!is_well_formed(&[b"pk_", &bytes[..]].concat(), "pk_"));
        }
    }
}
