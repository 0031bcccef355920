//! Secrets in a database that does not encrypt itself: AES-256-GCM (NIST SP 800-38D) over single values.
//!
//! A PostgreSQL server encrypts no table. What is kept there and is more than a digest (second factors,
//! signing keys) is sealed with the configured key before it leaves this process.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf;
use portcullis_core::Secret;
use portcullis_core::port::StoreError;
use zeroize::Zeroizing;

use crate::key::{Material, Salt};

/// Stands before every sealed value, so that another form can be told apart one day.
const FORM: u8 = 1;

/// What the key is for: a key derived for another purpose from the same secret opens nothing here.
const PURPOSE: &[u8] = b"portcullis store seal v1";

/// What is sealed at creation and opened to try a key.
const PROOF: &[u8] = b"portcullis";

/// Seals and opens values with one key.
pub(crate) struct Seal(RandomizedNonceKey);

impl Seal {
    /// From the configured key and the salt of the database.
    pub(crate) fn new(material: &Material, salt: &Salt) -> Result<Self, StoreError> {
        let key = material.key(salt);
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(key.as_ref());
        let mut bytes = Zeroizing::new([0; 32]);
        derived
            .expand(&[PURPOSE], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(bytes.as_mut()))
            .and_then(|()| RandomizedNonceKey::new(&AES_256_GCM, bytes.as_ref()))
            .map(Self)
            .map_err(|_| broken("no key could be derived"))
    }

    /// A value that only the right key opens.
    pub(crate) fn proof(&self) -> Result<Vec<u8>, StoreError> {
        self.seal("proof", PROOF)
    }

    /// Whether the value was made by [`Seal::proof`] with this key.
    pub(crate) fn proves(&self, proof: &[u8]) -> bool {
        self.open("proof", proof).is_ok_and(|opened| opened.expose() == PROOF)
    }

    /// Seals a value for the place named by `label`: moved to another place, it does not open.
    pub(crate) fn seal(&self, label: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut body = Zeroizing::new(Vec::with_capacity(plain.len() + AES_256_GCM.tag_len()));
        body.extend_from_slice(plain);
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(label.as_bytes()), &mut *body)
            .map_err(|_| broken("a secret could not be sealed"))?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(FORM);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens a value of the place named by `label`.
    pub(crate) fn open(&self, label: &str, sealed: &[u8]) -> Result<Secret, StoreError> {
        let (&FORM, rest) = sealed.split_first().ok_or_else(unreadable)? else { return Err(unreadable()) };
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or_else(unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unreadable())?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain =
            self.0.open_in_place(nonce, Aad::from(label.as_bytes()), &mut body).map_err(|_| unreadable())?;
        Ok(Secret::new(plain.to_vec()))
    }
}

fn unreadable() -> StoreError {
    broken("a sealed secret does not open: it was changed, or sealed with another key")
}

fn broken(why: &str) -> StoreError {
    StoreError::Broken(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(key: &str, salt: u8) -> Seal {
        Seal::new(&Material::of(&Secret::from(key)).unwrap(), &[salt; 16]).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let key = "0f".repeat(32);
        let one = seal(&key, 1);
        let sealed = one.seal("totp/a", b"secret").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(one.open("totp/a", &sealed).unwrap(), Secret::from("secret"));
        assert_ne!(sealed, one.seal("totp/a", b"secret").unwrap(), "a fresh nonce each time");
        assert!(one.open("totp/b", &sealed).is_err());
        assert!(seal(&key, 2).open("totp/a", &sealed).is_err());
        assert!(seal(&"0e".repeat(32), 1).open("totp/a", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(one.open("totp/a", &changed).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(one.open("totp/a", &sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn the_proof_tells_keys_apart() {
        let proof = seal(&"0f".repeat(32), 1).proof().unwrap();
        assert!(seal(&"0f".repeat(32), 1).proves(&proof));
        assert!(!seal(&"0e".repeat(32), 1).proves(&proof));
    }
}
