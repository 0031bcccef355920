//! JSON Web Tokens and one-time codes made by hand: what an attacker, a careful client and an authenticator app do.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A token, taken apart without asking whether it is genuine.
#[derive(Debug, Clone, PartialEq)]
pub struct Jwt {
    /// What it says of itself.
    pub header: Value,
    /// What it says of somebody.
    pub claims: Value,
}

impl Jwt {
    /// Takes a token apart; fails when it is none.
    pub fn read(token: &str) -> Self {
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parts.len(), 3, "three parts: {token}");
        let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        Self { header: json(parts[0]), claims: json(parts[1]) }
    }

    /// Changes what it says of itself.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// Changes a claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// Takes a claim away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().unwrap().remove(name);
        self
    }

    /// A claim that is text.
    pub fn text(&self, name: &str) -> &str {
        self.claims[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.claims))
    }

    /// A claim that is a whole number.
    pub fn number(&self, name: &str) -> i64 {
        self.claims[name].as_i64().unwrap_or_else(|| panic!("no {name} in {}", self.claims))
    }

    /// Signed with HMAC and SHA-256, whatever its header says.
    pub fn signed(&self, secret: impl AsRef<[u8]>) -> String {
        self.with(|signed| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref());
            hmac::sign(&key, signed).as_ref().to_vec()
        })
    }

    /// Signed with HMAC and SHA-512, whatever its header says.
    pub fn signed_512(&self, secret: impl AsRef<[u8]>) -> String {
        self.with(|signed| {
            let key = hmac::Key::new(hmac::HMAC_SHA512, secret.as_ref());
            hmac::sign(&key, signed).as_ref().to_vec()
        })
    }

    /// Without a signature.
    pub fn unsigned(&self) -> String {
        self.with(|_| Vec::new())
    }

    fn with(&self, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&self.header), part(&self.claims));
        let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// The code that an authenticator app shows (RFC 6238: SHA-1, 6 digits, 30 seconds) for a secret in base32, so many
/// steps away from the present one.
pub fn totp(secret: &str, unix_s: u64, steps: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &base32(secret));
    let step = (unix_s / 30).checked_add_signed(steps).unwrap();
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[tag.len() - 1] & 0xf);
    let number = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// RFC 4648 section 6, with or without padding.
fn base32(text: &str) -> Vec<u8> {
    let (mut bytes, mut buffer, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.trim_end_matches('=').chars() {
        let value = match letter.to_ascii_uppercase() {
            letter @ 'A'..='Z' => letter as u32 - 'A' as u32,
            digit @ '2'..='7' => digit as u32 - '2' as u32 + 26,
            other => panic!("{other:?} is not of base32: {text}"),
        };
        buffer = (buffer << 5 | value) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
        }
    }
    bytes
}
