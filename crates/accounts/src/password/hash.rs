//! How passwords are kept: Argon2id or bcrypt for new ones, either verified always.

use argon2::{Argon2, CustomizedPasswordHasher, Params, PasswordHash, PasswordVerifier, Version};
use zeroize::Zeroizing;

use crate::random::{self, RandomError};

/// The longest password that bcrypt takes whole, in bytes.
pub const LONGEST_BCRYPT: usize = 72;

/// A hash of more work than this was not made for logins, and verifying it would hold up everybody else.
const MOST_BCRYPT_COST: u32 = 15;
const LEAST_BCRYPT_COST: u32 = 4;
/// In KiB: 256 MiB.
const MOST_MEMORY: u32 = 256 * 1024;
/// KiB times passes: 19 MiB twice is 0.04 of it.
const MOST_WORK: u64 = 1024 * 1024;
const MOST_LANES: u32 = 16;
/// What a fresh salt has (RFC 9106, section 3.1).
const SALT: usize = 16;

/// What Argon2id costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// How often the memory is gone through.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Argon2Cost {
    /// 19 MiB, two passes, one lane: the first of the settings that OWASP's password storage cheat sheet
    /// names as a minimum.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

/// How new passwords are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Argon2id (RFC 9106).
    Argon2id(Argon2Cost),
    /// bcrypt, with its cost: a power of two.
    Bcrypt(u32),
}

impl Algorithm {
    /// The cost of bcrypt where none is given.
    pub const BCRYPT_COST: u32 = 12;
}

impl Default for Algorithm {
    fn default() -> Self {
        Self::Argon2id(Argon2Cost::default())
    }
}

/// Why a password was not hashed or verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// No salt can be made.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The configuration asks for work that nobody could wait for, or for none.
    #[error("the cost of {0} for passwords is out of range")]
    Cost(&'static str),
    /// What should be a hash is none, or one of more work than logins can have.
    #[error("a password's hash cannot be read, or costs too much to verify")]
    Unreadable,
    /// bcrypt would not look at all of the password.
    #[error("bcrypt takes passwords of up to {LONGEST_BCRYPT} bytes without a zero byte")]
    Unfit,
    /// The library failed: no memory.
    #[error("a password could not be hashed")]
    Failed,
}

/// What came of comparing a password with a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Whether it is the password.
    pub matches: bool,
    /// Whether the hash is of another algorithm than new ones, or of less work: to be made anew while the
    /// password is at hand.
    pub outdated: bool,
}

/// Hashes passwords and verifies them. Both cost tens of milliseconds and, with Argon2id, tens of megabytes:
/// they belong on a bounded pool.
pub struct Hasher {
    algorithm: Algorithm,
    /// The hash of a password that nobody has.
    nobody: String,
}

impl Hasher {
    /// A hasher for new passwords by that algorithm.
    pub fn new(algorithm: Algorithm) -> Result<Self, HashError> {
        match algorithm {
            Algorithm::Argon2id(cost) if !is_sane(cost) => return Err(HashError::Cost("argon2id")),
            Algorithm::Bcrypt(cost) if !(10..=MOST_BCRYPT_COST).contains(&cost) && !cfg!(test) => {
                return Err(HashError::Cost("bcrypt"));
            }
            _ => {}
        }
        let mut password = Zeroizing::new(random::bytes::<32>()?);
        // bcrypt takes no zero byte.
        password.iter_mut().for_each(|byte| *byte |= 1);
        let nobody = hashed(algorithm, &*password)?;
        Ok(Self { algorithm, nobody })
    }

    /// The algorithm of new hashes.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hash to keep of a password, in PHC form or in that of bcrypt, with a fresh salt.
    pub fn hash(&self, password: &[u8]) -> Result<String, HashError> {
        hashed(self.algorithm, password)
    }

    /// Whether `password` is the one that `hash` was made of, by whatever algorithm.
    ///
    /// A bcrypt hash never matches a password of more than 72 bytes, of which bcrypt would look at the first
    /// 72 only; the work is done all the same, so that the time says nothing.
    pub fn verify(&self, hash: &str, password: &[u8]) -> Result<Verified, HashError> {
        match Kept::of(hash).ok_or(HashError::Unreadable)? {
            Kept::Bcrypt(cost) => {
                let matches = bcrypt::verify(password, hash).map_err(|_| HashError::Unreadable)?;
                let outdated = !matches!(self.algorithm, Algorithm::Bcrypt(wanted) if wanted <= cost);
                Ok(Verified { matches: matches & fits_bcrypt(password), outdated })
            }
            Kept::Argon2(kept, latest) => {
                let matches = match Argon2::default().verify_password(password, &kept) {
                    Ok(()) => true,
                    Err(argon2::password_hash::Error::PasswordInvalid) => false,
                    Err(_) => return Err(HashError::Failed),
                };
                let cost = cost_of(&kept).ok_or(HashError::Unreadable)?;
                let outdated = match self.algorithm {
                    Algorithm::Argon2id(wanted) => {
                        !latest || cost.memory_kib < wanted.memory_kib || cost.passes < wanted.passes
                    }
                    Algorithm::Bcrypt(_) => true,
                };
                Ok(Verified { matches, outdated })
            }
        }
    }

    /// The work of a verification for a name that nobody has, so that the time does not tell it from one that
    /// somebody has.
    pub fn verify_nobody(&self, password: &[u8]) {
        // The dummy is ours: it can be read, and what does not match is no error.
        drop(std::hint::black_box(self.verify(&self.nobody, password)));
    }

    /// Whether a hash of elsewhere can be taken over: Argon2 in PHC form or bcrypt (`$2a$`, `$2b$`, `$2y$`),
    /// of no more work than a login can have.
    pub fn accepts(hash: &str) -> bool {
        Kept::of(hash).is_some()
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A hash that can be verified.
enum Kept {
    /// With its cost.
    Bcrypt(u32),
    /// And whether it is Argon2id of version 1.3.
    Argon2(PasswordHash, bool),
}

impl Kept {
    fn of(hash: &str) -> Option<Self> {
        if hash.starts_with("$2") {
            // `$2x$` marks hashes of a broken implementation, which this one does not compute.
            let known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix));
            let cost = hash.parse::<bcrypt::HashParts>().ok()?.get_cost();
            return (known && (LEAST_BCRYPT_COST..=MOST_BCRYPT_COST).contains(&cost)).then_some(Self::Bcrypt(cost));
        }
        let kept = PasswordHash::new(hash).ok()?;
        let name = kept.algorithm.as_str();
        let latest = name == "argon2id" && kept.version == Some(Version::V0x13.into());
        let whole = kept.hash.as_ref().is_some_and(|output| output.len() >= 16) && kept.salt.is_some();
        let known = matches!(name, "argon2id" | "argon2i" | "argon2d");
        (known && whole && cost_of(&kept).is_some_and(is_sane)).then_some(Self::Argon2(kept, latest))
    }
}

fn cost_of(kept: &PasswordHash) -> Option<Argon2Cost> {
    let params = Params::try_from(kept).ok()?;
    Some(Argon2Cost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() })
}

fn is_sane(cost: Argon2Cost) -> bool {
    let work = u64::from(cost.memory_kib) * u64::from(cost.passes);
    cost.memory_kib <= MOST_MEMORY
        && work <= MOST_WORK
        && cost.lanes <= MOST_LANES
        && Params::new(cost.memory_kib, cost.passes, cost.lanes, None).is_ok()
}

fn hashed(algorithm: Algorithm, password: &[u8]) -> Result<String, HashError> {
    let salt = random::bytes::<SALT>()?;
    let hash = match algorithm {
        Algorithm::Argon2id(cost) => {
            let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None)
                .map_err(|_| HashError::Cost("argon2id"))?;
            let hash: PasswordHash = Argon2::default()
                .hash_password_with_params(password, &salt, params)
                .map_err(|_| HashError::Failed)?;
            hash.to_string()
        }
        Algorithm::Bcrypt(_) if !fits_bcrypt(password) => return Err(HashError::Unfit),
        Algorithm::Bcrypt(cost) => bcrypt::hash_with_salt(password, cost, salt)
            .map_err(|_| HashError::Cost("bcrypt"))?
            .format_for_version(bcrypt::Version::TwoB),
    };
    Ok(hash)
}

/// Whether bcrypt would look at all of it: it ends at 72 bytes, and goes around from where it finds a zero.
fn fits_bcrypt(password: &[u8]) -> bool {
    password.len() <= LONGEST_BCRYPT && !password.contains(&0)
}
