//! Tokens of an outside identity provider, verified by the public keys that it publishes.
//!
//! Fetching those keys is somebody else's; here they are parsed, and what could harm in them is left out:
//! secrets, private parts, short RSA keys, points of small order, keys for other purposes.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;

use super::cache::Cache;
use super::keys::Alg;
use super::members::Members;
use super::verify::{self, Framed, LONGEST, Times, TokenError, VerifyingKey};
use crate::random::RandomError;

/// The largest set of keys that is looked at, in bytes.
pub const LARGEST_SET: usize = 256 * 1024;
/// How many keys of a set are taken.
const MOST_KEYS: usize = 64;
/// The longest name of a user, in bytes: it goes into a header field.
const LONGEST_USER: usize = 256;
/// RSA moduli that can be verified, in bits: shorter ones can be factored, longer ones cost too much.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// What the header may say a token is, in lower case (RFC 7519, section 5.1; RFC 9068, section 2.1).
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// Which tokens of which provider are accepted, and who their bearers are here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideSettings {
    /// The provider, as `iss` has it, to the letter.
    pub issuer: String,
    /// Who we are to it: `aud`, or one of its list.
    pub audience: String,
    /// The algorithms it signs with. [`Alg::HS256`] is never one: its keys are public.
    pub algorithms: Vec<Alg>,
    /// The claim that names the user: `sub`, `email`, or a JSON pointer (`/user/name`).
    pub user_claim: String,
    /// The claim that holds the user's role or roles: a name (`groups`) or a JSON pointer
    /// (`/realm_access/roles`).
    pub role_claim: Option<String>,
    /// The provider's roles and ours for them. Of a user with several, the first that stands here counts.
    pub roles: Vec<(String, String)>,
    /// The role of a user with none of these.
    pub default_role: Option<String>,
    /// By how much the provider's clock may differ, in seconds.
    pub leeway_s: u64,
}

/// What a verified token of the provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideClaims {
    /// The user's name.
    pub user: Box<str>,
    /// The user's role here.
    pub role: Option<Arc<str>>,
    /// When the token ends, in milliseconds since 1970.
    pub expires_ms: i64,
}

/// Why a set of keys, or the settings for them, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutsideError {
    /// Not a JWK set (RFC 7517, section 5).
    #[error("the keys of the identity provider are not a JWK set of at most {LARGEST_SET} bytes")]
    NoSet,
    /// None of its keys can verify.
    #[error("none of the identity provider's {0} keys is for one of the configured algorithms")]
    NoKey(usize),
    /// The settings ask for what cannot be safe.
    #[error("{0}")]
    Settings(&'static str),
    /// There is no randomness for the table of verdicts.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Verifies the tokens of one outside provider. Its keys can be replaced while others use it.
pub struct Outside {
    settings: OutsideSettings,
    keys: ArcSwap<Keys>,
}

/// The keys and the verdicts by them, in one piece.
struct Keys {
    verifying: Vec<VerifyingKey>,
    verified: Cache<OutsideClaims>,
}

impl Outside {
    /// A verifier by those settings and that JWK set.
    pub fn new(settings: OutsideSettings, jwks: &[u8]) -> Result<Self, OutsideError> {
        if settings.issuer.is_empty() || settings.audience.is_empty() || settings.user_claim.is_empty() {
            return Err(OutsideError::Settings(
                "an identity provider needs an issuer, an audience and a claim",
            ));
        }
        if settings.algorithms.is_empty() || settings.algorithms.contains(&Alg::HS256) {
            return Err(OutsideError::Settings(
                "tokens of an identity provider are signed with RS256, ES256 or EdDSA: public keys are no secrets",
            ));
        }
        let keys = ArcSwap::from_pointee(Keys::of(jwks, &settings.algorithms)?);
        Ok(Self { settings, keys })
    }

    /// Takes another JWK set, and says how many keys of it count. Where none does, the old ones stay.
    pub fn replace_keys(&self, jwks: &[u8]) -> Result<usize, OutsideError> {
        let keys = Keys::of(jwks, &self.settings.algorithms)?;
        let count = keys.verifying.len();
        self.keys.store(Arc::new(keys));
        Ok(count)
    }

    /// How many keys count.
    pub fn keys_count(&self) -> usize {
        self.keys.load().verifying.len()
    }

    /// The settings.
    pub fn settings(&self) -> &OutsideSettings {
        &self.settings
    }

    /// Whether a token names a key that is not known: a reason to fetch the keys again, at a bounded rate, as
    /// anybody can write such a token.
    pub fn names_unknown_key(&self, token: &[u8]) -> bool {
        let Ok(framed) = Framed::of(token) else { return false };
        let Some(Header { kid: Some(kid), .. }) = verify::object(&framed.header) else { return false };
        !self.keys.load().verifying.iter().any(|key| *key.kid == *kid)
    }

    /// What a token says, if it is one of the provider's for us and good at `now_ms`.
    pub fn verify(&self, token: &[u8], now_ms: i64) -> Result<Arc<OutsideClaims>, TokenError> {
        let keys = self.keys.load();
        if token.len() > LONGEST {
            return Err(TokenError::Invalid("it is too long"));
        }
        let tag = keys.verified.tag(token);
        if let Some(claims) = keys.verified.find(tag, now_ms) {
            return Ok(claims);
        }
        let framed = Framed::of(token)?;
        let header = Header::of(&framed.header)?;
        let (payload, _) =
            framed.proven(&header.alg, header.kid.as_deref(), keys.verifying.iter(), None, now_ms)?;
        let (claims, times) = self.judged(&payload, now_ms)?;
        let claims = Arc::new(claims);
        keys.verified.keep(tag, times.ends_ms(self.settings.leeway_s), Arc::clone(&claims));
        Ok(claims)
    }

    fn judged(&self, payload: &[u8], now_ms: i64) -> Result<(OutsideClaims, Times), TokenError> {
        let unreadable = TokenError::Invalid("its claims cannot be read");
        let claims = verify::object::<Members>(payload).ok_or(unreadable)?.into_value();
        if claims.get("iss").and_then(Value::as_str) != Some(&self.settings.issuer) {
            return Err(TokenError::Invalid("somebody else issued it"));
        }
        let ours = |audience: &Value| audience.as_str() == Some(&self.settings.audience);
        if !claims
            .get("aud")
            .is_some_and(|aud| ours(aud) || aud.as_array().is_some_and(|all| all.iter().any(ours)))
        {
            return Err(TokenError::Invalid("it is for somebody else"));
        }
        let times = Times {
            issued: moment(&claims, "iat")?,
            not_before: moment(&claims, "nbf")?,
            expires: moment(&claims, "exp")?.ok_or(TokenError::Invalid("it has no end"))?,
        };
        times.judge(now_ms, self.settings.leeway_s)?;
        let user = found(&claims, &self.settings.user_claim).and_then(Value::as_str);
        let user = user.filter(|user| is_name(user)).ok_or(TokenError::Invalid("it names no user"))?;
        Ok((
            OutsideClaims { user: user.into(), role: self.role(&claims), expires_ms: times.expires * 1000 },
            times,
        ))
    }

    fn role(&self, claims: &Value) -> Option<Arc<str>> {
        let held = self.settings.role_claim.as_deref().and_then(|claim| found(claims, claim));
        let holds = |role: &str| match held {
            Some(Value::String(one)) => one == role,
            Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(role)),
            _ => false,
        };
        let mapped = self.settings.roles.iter().find(|(theirs, _)| holds(theirs)).map(|(_, ours)| ours);
        mapped.or(self.settings.default_role.as_ref()).map(|role| role.as_str().into())
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The header of a token of elsewhere, which may say more than ours.
struct Header {
    alg: String,
    kid: Option<String>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let members = Members::deserialize(from)?.into_value();
        let text = |name| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(serde::de::Error::custom("a member of the header is no text")),
        };
        // What would choose the key, or change what is signed: RFC 7515 sections 4.1.2 to 4.1.11, RFC 7797,
        // RFC 7516 section 4.1.
        let chosen = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "enc", "zip"];
        let kind = text("typ")?.is_none_or(|typ| TYPES.contains(&typ.to_ascii_lowercase().as_str()));
        if !kind || chosen.iter().any(|name| members.get(*name).is_some()) {
            return Err(serde::de::Error::custom("the header has what a token here must not have"));
        }
        let alg = text("alg")?.ok_or_else(|| serde::de::Error::missing_field("alg"))?;
        Ok(Self { alg, kid: text("kid")? })
    }
}

impl Header {
    fn of(json: &[u8]) -> Result<Self, TokenError> {
        verify::object(json).ok_or(TokenError::Invalid("its header is not one of a signed token"))
    }
}

impl Keys {
    fn of(jwks: &[u8], algorithms: &[Alg]) -> Result<Self, OutsideError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        if jwks.len() > LARGEST_SET {
            return Err(OutsideError::NoSet);
        }
        let set: Set = verify::object(jwks).ok_or(OutsideError::NoSet)?;
        let count = set.keys.len();
        // RFC 7517, section 5: what is not understood is passed over.
        let usable = set.keys.into_iter().filter_map(|key| usable(key, algorithms));
        let verifying: Vec<_> = usable.take(MOST_KEYS).collect();
        if verifying.is_empty() {
            return Err(OutsideError::NoKey(count));
        }
        Ok(Self { verifying, verified: Cache::new()? })
    }
}

/// The key, if it is a public one that verifies by one of the algorithms.
fn usable(jwk: Value, algorithms: &[Alg]) -> Option<VerifyingKey> {
    // Who publishes the private part has no key any more.
    if jwk.get("d").is_some() {
        return None;
    }
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let verifies = jwk.common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature)
        && jwk.common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    let alg = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            let (modulus, exponent) = (verify::decoded(&rsa.n)?, verify::decoded(&rsa.e)?);
            let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
            let odd = exponent.last()? & 1 == 1 && exponent != [1];
            (RSA_BITS.contains(&bits) && odd).then_some(Alg::RS256)?
        }
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            let whole = |part| verify::decoded(part).is_some_and(|part: Vec<u8>| part.len() == 32);
            (whole(&ec.x) && whole(&ec.y)).then_some(Alg::ES256)?
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            let point: [u8; 32] = verify::decoded(&pair.x)?.try_into().ok()?;
            (!has_small_order(point)).then_some(Alg::EdDSA)?
        }
        _ => return None,
    };
    let meant = jwk.common.key_algorithm.is_none_or(|named| named.to_string() == alg.name());
    if !verifies || !meant || !algorithms.contains(&alg) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(VerifyingKey::new(jwk.common.key_id.unwrap_or_default(), alg, key))
}

/// Whether a point of Ed25519 is one of the eight whose multiples anybody can guess, in whatever encoding: with
/// such a key, a signature that fits any message can be written down without a private key.
fn has_small_order(mut point: [u8; 32]) -> bool {
    // The y of the points, little-endian (RFC 8032, section 5.1.2): 0, 1, the two of order 8, and p - 1; then
    // p and p + 1, which are 0 and 1 not reduced. The topmost bit is the sign of x.
    const LOW: [[u8; 32]; 2] = {
        let mut one = [0; 32];
        one[0] = 1;
        [[0; 32], one]
    };
    const ORDER_EIGHT: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    point[31] &= 0x7f;
    let near_p = point[1..31].iter().all(|byte| *byte == 0xff) && point[31] == 0x7f && point[0] >= 0xec;
    LOW.contains(&point) || ORDER_EIGHT.contains(&point) || near_p
}

/// A moment in seconds; a fraction of one is cut off (RFC 7519, section 2, allows it).
fn moment(claims: &Value, name: &str) -> Result<Option<i64>, TokenError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = value.as_i64().or_else(|| {
        let fraction = value.as_f64().filter(|moment| moment.is_finite() && moment.abs() < 1e15)?;
        Some(fraction.trunc() as i64)
    });
    whole.map(Some).ok_or(TokenError::Invalid("a moment of it is no number"))
}

fn found<'v>(claims: &'v Value, claim: &str) -> Option<&'v Value> {
    claims.get(claim).or_else(|| claims.pointer(claim).filter(|_| claim.starts_with('/')))
}

fn is_name(user: &str) -> bool {
    !user.is_empty() && user.len() <= LONGEST_USER && !user.chars().any(char::is_control)
}
