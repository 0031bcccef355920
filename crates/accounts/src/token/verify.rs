//! The strict reading of a token: its shape, its header, its key, its signature. Claims come after.
//!
//! The signature is checked by `jsonwebtoken`; what that library is lenient about is refused before. Nothing
//! of a token chooses how it is verified: the key does, and the key knows its one algorithm.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Deserializer};

use super::keys::Alg;

/// The longest token that is looked at, in bytes: as long as a server lets a header field be.
pub const LONGEST: usize = 8 * 1024;
/// How many keys are tried for a token that names none.
const MOST_TRIED: usize = 4;
/// The last second of the year 9999: later moments are mistakes (milliseconds for seconds) or tricks.
const LAST_SECOND: i64 = 253_402_300_799;

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good, and its time is over.
    #[error("the token has expired")]
    Expired,
    /// It is none of ours, or not for this. The reason is for the log, never for the client.
    #[error("the token is invalid: {0}")]
    Invalid(&'static str),
}

/// A public key or a secret, and the one algorithm it is for.
pub(super) struct VerifyingKey {
    pub(super) kid: Box<str>,
    pub(super) alg: Alg,
    pub(super) key: DecodingKey,
    /// From when on it no longer verifies.
    pub(super) expires_ms: Option<i64>,
}

impl VerifyingKey {
    pub(super) fn new(kid: String, alg: Alg, key: DecodingKey) -> Self {
        Self { kid: kid.into(), alg, key, expires_ms: None }
    }

    /// Whether the signature, in strict base64url, is one of the message by this key.
    pub(super) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        matches!(jsonwebtoken::crypto::verify(signature, message, &self.key, self.alg.library()), Ok(true))
    }
}

/// A token in its three parts, before anything of it is believed.
pub(super) struct Framed<'t> {
    /// The header, decoded.
    pub(super) header: Vec<u8>,
    /// What is signed.
    message: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Framed<'t> {
    /// Takes a token apart: three parts of the base64url alphabet, none empty, without padding.
    pub(super) fn of(token: &'t [u8]) -> Result<Self, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Invalid("it is too long"));
        }
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !token.iter().all(plain) {
            return Err(TokenError::Invalid("it has other characters than base64url"));
        }
        let token = str::from_utf8(token).map_err(|_| TokenError::Invalid("it is not text"))?;
        let shape = TokenError::Invalid("it has not three parts");
        let (message, signature) = token.rsplit_once('.').ok_or(shape)?;
        let (header, payload) = message.split_once('.').ok_or(shape)?;
        if header.is_empty() || payload.is_empty() || signature.is_empty() || payload.contains('.') {
            return Err(shape);
        }
        let header = decoded(header).ok_or(TokenError::Invalid("its header is not base64url"))?;
        Ok(Self { header, message, payload, signature })
    }

    /// The payload, once one of `keys` has proven the signature, and when that key ends.
    ///
    /// A token that names its key is verified by that key or not at all; for one that does not, the first few
    /// of the algorithm `usual` are tried.
    pub(super) fn proven<'k>(
        &self,
        alg: &str,
        kid: Option<&str>,
        keys: impl Iterator<Item = &'k VerifyingKey>,
        usual: Option<Alg>,
        now_ms: i64,
    ) -> Result<(Vec<u8>, Option<i64>), TokenError> {
        let meant = |key: &&VerifyingKey| match kid {
            Some(kid) => *key.kid == *kid,
            None => key.alg.name() == alg && usual.is_none_or(|usual| key.alg == usual),
        };
        let in_use = |key: &&VerifyingKey| key.expires_ms.is_none_or(|end| now_ms < end);
        let mut refused = TokenError::Invalid("there is no key for it");
        for key in keys.filter(meant).filter(in_use).take(MOST_TRIED) {
            if key.alg.name() != alg {
                refused = TokenError::Invalid("its algorithm is not that of the key");
            } else if key.verifies(self.message.as_bytes(), self.signature) {
                let payload =
                    decoded(self.payload).ok_or(TokenError::Invalid("its claims are not base64url"))?;
                return Ok((payload, key.expires_ms));
            } else {
                refused = TokenError::Invalid("its signature is wrong");
            }
        }
        Err(refused)
    }
}

/// Reads a JSON object; the library would take a list of the values too.
pub(super) fn object<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Option<T> {
    let first = json.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// The moments of a token, in seconds since 1970, judged in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) issued: Option<i64>,
    pub(super) not_before: Option<i64>,
    pub(super) expires: i64,
}

impl Times {
    /// Whether a token with these is good at `now_ms`, on clocks that differ by up to `leeway_s`.
    pub(super) fn judge(self, now_ms: i64, leeway_s: u64) -> Result<(), TokenError> {
        let leeway_ms = leeway_ms(leeway_s);
        let begun = |moment: Option<i64>, late: &'static str| match moment {
            Some(second) if !(0..=LAST_SECOND).contains(&second) => {
                Err(TokenError::Invalid("a moment of it is out of range"))
            }
            Some(second) if second * 1000 > now_ms.saturating_add(leeway_ms) => {
                Err(TokenError::Invalid(late))
            }
            _ => Ok(()),
        };
        begun(self.issued, "it was issued in the future")?;
        begun(self.not_before, "it is not yet valid")?;
        if !(0..=LAST_SECOND).contains(&self.expires) {
            return Err(TokenError::Invalid("a moment of it is out of range"));
        }
        if self.ends_ms(leeway_s) <= now_ms {
            return Err(TokenError::Expired);
        }
        Ok(())
    }

    /// When it is over, leeway included.
    pub(super) fn ends_ms(self, leeway_s: u64) -> i64 {
        (self.expires * 1000).saturating_add(leeway_ms(leeway_s))
    }
}

/// For an optional member of a header: present means a value, `null` is a mistake.
pub(super) fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    String::deserialize(value).map(Some)
}

fn leeway_ms(leeway_s: u64) -> i64 {
    i64::try_from(leeway_s.saturating_mul(1000)).unwrap_or(i64::MAX)
}

/// Strict base64url (RFC 7515, section 2): no padding, no line breaks, no bits left over.
pub(super) fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
