//! The configured key: 32 bytes as they are, or a passphrase that is stretched first.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use portcullis_core::Secret;
use zeroize::{Zeroize, Zeroizing};

use crate::OpenError;

/// What SQLCipher 4 does with a passphrase: PBKDF2-HMAC-SHA512 in 256,000 rounds over the first 16 bytes of
/// the file. The same here, so that the `sqlcipher` shell takes the passphrase as it is.
const ROUNDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(255_999);

/// A salt as SQLCipher has it at the head of a file.
pub(crate) type Salt = [u8; 16];

/// What the configured key is.
pub(crate) enum Material {
    /// 32 bytes: a Fernet-shaped key, or 64 hexadecimal digits.
    Key(Zeroizing<[u8; 32]>),
    /// Any other text.
    Passphrase(Secret),
}

impl Material {
    /// Reads the configured value.
    pub(crate) fn of(secret: &Secret) -> Result<Self, OpenError> {
        let text = secret.expose();
        if text.is_empty() {
            return Err(OpenError::Key("it is empty".to_owned()));
        }
        let decoded = match text.len() {
            44 => base64(text),
            64 => hexadecimal(text),
            _ => None,
        };
        Ok(decoded.map_or_else(|| Self::Passphrase(secret.clone()), Self::Key))
    }

    /// The key for what has that salt. Takes a few tenths of a second for a passphrase.
    pub(crate) fn key(&self, salt: &Salt) -> Zeroizing<[u8; 32]> {
        match self {
            Self::Key(key) => key.clone(),
            Self::Passphrase(text) => {
                let mut key = Zeroizing::new([0; 32]);
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, ROUNDS, salt, text.expose(), key.as_mut());
                key
            }
        }
    }
}

/// The statement that hands SQLCipher key and salt, so that it derives nothing itself.
pub(crate) fn pragma(key: &[u8; 32], salt: &Salt) -> Zeroizing<String> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    // Nothing may move while it grows: a copy left behind would not be overwritten.
    let mut text = Zeroizing::new(String::with_capacity(128));
    text.push_str("PRAGMA key = \"x'");
    for byte in key.iter().chain(salt) {
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text.push_str("'\"");
    text
}

fn base64(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = URL_SAFE.decode(text).or_else(|_| STANDARD.decode(text)).ok()?;
    let key = <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new);
    bytes.zeroize();
    key
}

fn hexadecimal(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut key = Zeroizing::new([0; 32]);
    for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Option<[u8; 32]> {
        match Material::of(&Secret::from(text)).unwrap() {
            Material::Key(key) => Some(*key),
            Material::Passphrase(_) => None,
        }
    }

    #[test]
    fn thirty_two_bytes_are_taken_as_they_are() {
        let bytes: [u8; 32] = std::array::from_fn(|at| at as u8 ^ 0xff);
        assert_eq!(raw(&URL_SAFE.encode(bytes)), Some(bytes), "a Fernet key");
        assert_eq!(raw(&STANDARD.encode(bytes)), Some(bytes), "`openssl rand -base64 32`");
        let hex = bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        assert_eq!(raw(&hex), Some(bytes));
        assert_eq!(raw(&hex.to_uppercase()), Some(bytes));
    }

    #[test]
    fn every_other_text_is_a_passphrase() {
        for text in ["orbit velvet candle", &"z".repeat(64), &"a".repeat(44), &"é".repeat(22), "x"] {
            assert_eq!(raw(text), None, "{text}");
        }
        assert!(matches!(Material::of(&Secret::from("")), Err(OpenError::Key(_))));
    }

    #[test]
    fn a_passphrase_is_stretched_with_the_salt() {
        let material = Material::of(&Secret::from("orbit velvet candle")).unwrap();
        assert_eq!(*material.key(&[1; 16]), *material.key(&[1; 16]));
        assert_ne!(*material.key(&[1; 16]), *material.key(&[2; 16]));
    }

    #[test]
    fn the_pragma_carries_key_and_salt() {
        let text = pragma(&[0xab; 32], &[0x01; 16]);
        let expected = format!("PRAGMA key = \"x'{}{}'\"", "ab".repeat(32), "01".repeat(16));
        assert_eq!(*text, expected);
        assert!(text.capacity() >= text.len() && expected.len() <= 128, "it never grew");
    }
}
