//! The crate's one door to randomness.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::Id;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// The system has no random numbers: nothing that needs to be secret can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers: {0}")]
pub struct RandomError(getrandom::Error);

/// So many random bytes, from the system.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RandomError)?;
    Ok(bytes)
}

/// A fresh id, of that time in milliseconds since 1970.
pub fn id(now_ms: i64) -> Result<Id, RandomError> {
    let random = u128::from_be_bytes(bytes()?);
    Ok(Id::fresh(u64::try_from(now_ms).unwrap_or(0), random))
}

/// A secret of 256 random bits as 43 url-safe characters, and the SHA-256 of that text, which is what may be
/// kept of it.
pub fn secret() -> Result<(String, [u8; 32]), RandomError> {
    let mut random = bytes::<32>()?;
    let text = URL_SAFE_NO_PAD.encode(random);
    random.zeroize();
    let digest = digest(text.as_bytes());
    Ok((text, digest))
}

/// The SHA-256 of a secret as its holder presents it: what [`secret`] returned beside it.
pub fn digest(presented: &[u8]) -> [u8; 32] {
    Sha256::digest(presented).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_43_url_safe_characters_and_never_the_same() {
        let (one, of_one) = secret().unwrap();
        let (two, of_two) = secret().unwrap();
        assert_eq!(one.len(), 43);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{one}");
        assert_ne!(one, two);
        assert_ne!(of_one, of_two);
        assert_eq!(digest(one.as_bytes()), of_one);
    }

    #[test]
    fn ids_carry_their_time_and_differ() {
        let (one, two) = (id(1_700_000_000_000).unwrap(), id(1_700_000_000_000).unwrap());
        assert!(one.to_string().starts_with("018bcfe5-6800-7"), "{one}");
        assert_ne!(one, two);
        assert!(id(-1).unwrap().to_string().starts_with("00000000-0000-7"), "a time before 1970 is 1970");
    }
}
