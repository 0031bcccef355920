//! Identifiers and the time, as the applications write them.

use crate::fastapi::Refusal;
use axum::http::StatusCode;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// A random UUID (version 4, RFC 9562).
pub(crate) fn uuid() -> Result<String, Refusal> {
    Ok(shaped(random()?, 4))
}

/// The UUID that these parts always give (version 8, RFC 9562: from a hash).
pub(crate) fn uuid_of(parts: &[&str]) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(parts)[..16]);
    shaped(bytes, 8)
}

/// 32 random hexadecimal characters.
pub(crate) fn token() -> Result<String, Refusal> {
    Ok(hex(&random()?))
}

/// SHA-256 over the parts, each with its length before it so that no two lists collide.
pub(crate) fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// A number in `0..below` that these parts always give.
pub(crate) fn number(parts: &[&str], below: u32) -> u32 {
    let bytes = digest(parts);
    let number = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    ((u64::from(number) * u64::from(below)) >> 32) as u32
}

/// A number in `0.0..1.0` that these parts always give.
pub(crate) fn fraction(parts: &[&str]) -> f64 {
    f64::from(number(parts, u32::MAX)) / f64::from(u32::MAX)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether the text has the form of a UUID.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The time as ISO 8601, in UTC.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().to_string()
}

fn random() -> Result<[u8; 16], Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))?;
    Ok(bytes)
}

fn shaped(mut bytes: [u8; 16], version: u8) -> String {
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let text = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_their_form_and_their_version() {
        let (one, two) = (uuid().unwrap(), uuid().unwrap());
        assert!(is_uuid(&one) && is_uuid(&two) && one != two);
        assert_eq!(&one[14..15], "4");
        assert_eq!(uuid_of(&["a", "b"]), uuid_of(&["a", "b"]));
        assert_ne!(uuid_of(&["a", "b"]), uuid_of(&["ab", ""]));
        assert!(!is_uuid("not-a-uuid"));
    }
}
