//! What tokens are signed with: keys that are bound to one algorithm each, found by their `kid`.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{error, hmac};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use portcullis_core::Secret;
use portcullis_core::port::SigningKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use super::verify::VerifyingKey;

/// The shortest secret for HS256, in bytes: as long as the hash (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;
/// The shortest modulus for RS256, in bytes (RFC 7518, section 3.3).
const SHORTEST_MODULUS: usize = 256;
/// The modulus of a key that is made here, as strong as 128 bits (NIST SP 800-57, part 1, table 2).
const FRESH_RSA: KeySize = KeySize::Rsa3072;
/// How many keys a ring holds at most: a rotation needs two.
const MOST_KEYS: usize = 16;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alg {
    /// HMAC with SHA-256: who verifies can also sign.
    HS256,
    /// RSA with PKCS #1 v1.5 and SHA-256.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519 (RFC 8037).
    EdDSA,
}

impl Alg {
    /// Every algorithm. There is no `none`.
    pub const ALL: [Alg; 4] = [Alg::HS256, Alg::RS256, Alg::ES256, Alg::EdDSA];

    /// Its name in the header of a token.
    pub fn name(self) -> &'static str {
        match self {
            Alg::HS256 => "HS256",
            Alg::RS256 => "RS256",
            Alg::ES256 => "ES256",
            Alg::EdDSA => "EdDSA",
        }
    }

    /// The algorithm with that name, to the letter.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }

    pub(super) fn library(self) -> jsonwebtoken::Algorithm {
        match self {
            Alg::HS256 => jsonwebtoken::Algorithm::HS256,
            Alg::RS256 => jsonwebtoken::Algorithm::RS256,
            Alg::ES256 => jsonwebtoken::Algorithm::ES256,
            Alg::EdDSA => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// Why keys were not taken. The operator's to mend; never contains key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// None was given.
    #[error("there is no key to sign tokens with")]
    None,
    /// More than a ring holds.
    #[error("there are more than {MOST_KEYS} keys for tokens")]
    TooMany,
    /// A secret that can be guessed.
    #[error(
        "a secret for HS256 has {0} bytes, it must have at least {SHORTEST_SECRET} (RFC 7518, section 3.2)"
    )]
    ShortSecret(usize),
    /// An RSA key that can be factored.
    #[error("an RSA key must have at least 2048 bits (RFC 7518, section 3.3)")]
    ShortRsa,
    /// Not a private key of that algorithm.
    #[error("not a private key for {0} in PKCS #8: {1}")]
    Unreadable(&'static str, String),
    /// An algorithm that is not known.
    #[error("there is no algorithm `{0}` for tokens: RS256, ES256 or EdDSA")]
    UnknownAlgorithm(String),
    /// Keys for HS256 are secrets of the configuration.
    #[error(
        "a key for HS256 is a secret of the configuration; RS256, ES256 and EdDSA have keys that can be made"
    )]
    Symmetric,
    /// Two keys have one name.
    #[error("two keys for tokens have the same name `{0}`")]
    Repeated(String),
    /// The library could not make a key.
    #[error("a key for {0} could not be made")]
    NotMade(&'static str),
}

/// Several keys at once, so that they can be changed without ending tokens: the first signs, all verify.
pub struct Keyring {
    keys: Vec<Key>,
}

impl Keyring {
    /// A ring of secrets, the first of which signs.
    pub fn hs256(secrets: &[Secret]) -> Result<Self, KeyError> {
        let keys = secrets.iter().map(|secret| {
            if secret.len() < SHORTEST_SECRET {
                return Err(KeyError::ShortSecret(secret.len()));
            }
            let signer = Signer::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.expose())));
            let key = DecodingKey::from_secret(secret.expose());
            Ok(Key { signer, jwk: None, verifying: VerifyingKey::new(secret.fingerprint(), Alg::HS256, key) })
        });
        Self::of(keys.collect::<Result<_, _>>()?)
    }

    /// A ring of private keys in PEM: `PRIVATE KEY` (PKCS #8), `RSA PRIVATE KEY` or `EC PRIVATE KEY`. The
    /// first signs; they are named by their thumbprints.
    pub fn from_pem(alg: Alg, pems: &[Secret]) -> Result<Self, KeyError> {
        let unreadable = |why: &dyn fmt::Display| KeyError::Unreadable(alg.name(), why.to_string());
        let keys = pems.iter().map(|pem| {
            let der = PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|error| unreadable(&error))?;
            let signer = match (&der, alg) {
                (PrivateKeyDer::Pkcs8(der), _) => return Key::of_pkcs8(alg, der.secret_pkcs8_der(), None),
                (PrivateKeyDer::Pkcs1(der), Alg::RS256) => {
                    RsaKeyPair::from_der(der.secret_pkcs1_der()).map(Signer::Rsa)
                }
                (PrivateKeyDer::Sec1(der), Alg::ES256) => EcdsaKeyPair::from_private_key_der(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    der.secret_sec1_der(),
                )
                .map(Signer::Ecdsa),
                _ => return Err(unreadable(&"it is for another algorithm")),
            };
            Key::of_pair(alg, signer.map_err(|error| unreadable(&error))?, None)
        });
        Self::of(keys.collect::<Result<_, _>>()?)
    }

    /// A ring of keys as a store keeps them: the newest first, under the names they have there. One with an
    /// end no longer verifies from then on.
    pub fn from_pkcs8(keys: &[SigningKey]) -> Result<Self, KeyError> {
        let keys = keys.iter().map(|key| {
            let alg = Alg::from_name(&key.algorithm)
                .ok_or_else(|| KeyError::UnknownAlgorithm(key.algorithm.clone()))?;
            let mut made = Key::of_pkcs8(alg, key.private.expose(), Some(key.kid.clone()))?;
            made.verifying.expires_ms = key.expires_ms;
            Ok(made)
        });
        Self::of(keys.collect::<Result<_, _>>()?)
    }

    /// A new key to keep: RSA of 3072 bits, P-256 or Ed25519, named by its thumbprint (RFC 7638).
    pub fn generate(alg: Alg, now_ms: i64) -> Result<SigningKey, KeyError> {
        let failed = |error::Unspecified| KeyError::NotMade(alg.name());
        let signer = match alg {
            Alg::HS256 => return Err(KeyError::Symmetric),
            Alg::RS256 => Signer::Rsa(RsaKeyPair::generate(FRESH_RSA).map_err(failed)?),
            Alg::ES256 => {
                Signer::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?)
            }
            Alg::EdDSA => Signer::Ed(Ed25519KeyPair::generate().map_err(failed)?),
        };
        let private = signer.pkcs8().map_err(failed)?;
        let key = Key::of_pair(alg, signer, None)?;
        Ok(SigningKey {
            kid: key.verifying.kid.into(),
            algorithm: alg.name().to_owned(),
            private,
            created_ms: now_ms,
            expires_ms: None,
        })
    }

    /// The public keys as a JWK set (RFC 7517, RFC 8037), for whoever verifies without us. Secrets are never
    /// in it: a ring for HS256 gives an empty set.
    pub fn jwks(&self) -> serde_json::Value {
        let keys = self.keys.iter().filter_map(|key| key.jwk.clone()).collect();
        serde_json::to_value(JwkSet { keys }).unwrap_or_default()
    }

    /// The algorithm that tokens are signed with.
    pub fn algorithm(&self) -> Alg {
        self.signing().verifying.alg
    }

    /// The name of the key that signs.
    pub fn signing_kid(&self) -> &str {
        &self.signing().verifying.kid
    }

    /// The names of all keys, the signing one first.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| &*key.verifying.kid)
    }

    /// The signature of `message`, by the key that signs.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, error::Unspecified> {
        self.signing().signer.sign(message)
    }

    pub(super) fn verifying(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter().map(|key| &key.verifying)
    }

    /// A ring is never empty.
    fn signing(&self) -> &Key {
        &self.keys[0]
    }

    fn of(keys: Vec<Key>) -> Result<Self, KeyError> {
        if keys.is_empty() {
            return Err(KeyError::None);
        }
        if keys.len() > MOST_KEYS {
            return Err(KeyError::TooMany);
        }
        for (at, key) in keys.iter().enumerate() {
            if keys[..at].iter().any(|other| other.verifying.kid == key.verifying.kid) {
                return Err(KeyError::Repeated(key.verifying.kid.to_string()));
            }
        }
        Ok(Self { keys })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| (key.verifying.alg, &key.verifying.kid))).finish()
    }
}

struct Key {
    signer: Signer,
    verifying: VerifyingKey,
    /// Its public part; a secret has none.
    jwk: Option<Jwk>,
}

impl Key {
    fn of_pkcs8(alg: Alg, der: &[u8], kid: Option<String>) -> Result<Self, KeyError> {
        let signer = match alg {
            Alg::HS256 => return Err(KeyError::Symmetric),
            Alg::RS256 => RsaKeyPair::from_pkcs8(der).map(Signer::Rsa),
            Alg::ES256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Signer::Ecdsa),
            Alg::EdDSA => Ed25519KeyPair::from_pkcs8(der).map(Signer::Ed),
        };
        let signer = signer.map_err(|error| KeyError::Unreadable(alg.name(), error.to_string()))?;
        Self::of_pair(alg, signer, kid)
    }

    fn of_pair(alg: Alg, signer: Signer, kid: Option<String>) -> Result<Self, KeyError> {
        let unreadable = |what: &str| KeyError::Unreadable(alg.name(), what.to_owned());
        let key = match &signer {
            Signer::Hmac(_) => return Err(KeyError::Symmetric),
            Signer::Rsa(pair) if pair.public_modulus_len() < SHORTEST_MODULUS => {
                return Err(KeyError::ShortRsa);
            }
            Signer::Rsa(pair) => {
                let public = pair.public_key();
                DecodingKey::from_rsa_raw_components(
                    public.modulus().big_endian_without_leading_zero(),
                    public.exponent().big_endian_without_leading_zero(),
                )
            }
            Signer::Ecdsa(pair) => DecodingKey::from_ec_der(pair.public_key().as_ref()),
            Signer::Ed(pair) => DecodingKey::from_ed_der(pair.public_key().as_ref()),
        };
        let mut jwk = Jwk::from_decoding_key(&key, Some(alg.library()))
            .map_err(|_| unreadable("its public part cannot be written"))?;
        let thumbprint = jwk
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|_| unreadable("its public part has no thumbprint"))?;
        let kid = kid.unwrap_or(thumbprint);
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { signer, jwk: Some(jwk), verifying: VerifyingKey::new(kid, alg, key) })
    }
}

/// A private key as the library holds it, parsed once: reading it anew for each signature would cost ES256
/// and RS256 more than the signature.
enum Signer {
    Hmac(Box<hmac::Key>),
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, error::Unspecified> {
        match self {
            Signer::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Signer::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
            Signer::Ecdsa(pair) => {
                pair.sign(&SystemRandom::new(), message).map(|signature| signature.as_ref().to_vec())
            }
            Signer::Ed(pair) => pair.try_sign(message).map(|signature| signature.as_ref().to_vec()),
        }
    }

    fn pkcs8(&self) -> Result<Secret, error::Unspecified> {
        match self {
            Signer::Hmac(_) => Err(error::Unspecified),
            Signer::Rsa(pair) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| Secret::new(der.as_ref().to_vec()))
            }
            Signer::Ecdsa(pair) => pair.to_pkcs8v1().map(|der| Secret::new(der.as_ref().to_vec())),
            Signer::Ed(pair) => pair.to_pkcs8v1().map(|der| Secret::new(der.as_ref().to_vec())),
        }
    }
}
