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

/// Hashes passwords and verifies them. Either takes 15 ms and 19 MiB with Argon2id, 240 ms with bcrypt at its
/// cost of 12, of one core (`examples/cost.rs`): they belong on a bounded pool.
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
            Algorithm::Bcrypt(cost) if !(LEAST_BCRYPT_COST..=MOST_BCRYPT_COST).contains(&cost) => {
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
                let matches = match Argon2::default().verify_password(password, &*kept) {
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
    Argon2(Box<PasswordHash>, bool),
}

impl Kept {
    fn of(hash: &str) -> Option<Self> {
        if hash.starts_with("$2") {
            // `$2x$` marks hashes of a broken implementation, which this one does not compute.
            let known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix));
            let cost = hash.parse::<bcrypt::HashParts>().ok()?.get_cost();
            return (known && (LEAST_BCRYPT_COST..=MOST_BCRYPT_COST).contains(&cost))
                .then_some(Self::Bcrypt(cost));
        }
        let kept = PasswordHash::new(hash).ok()?;
        let name = kept.algorithm.as_str();
        let latest = name == "argon2id" && kept.version == Some(Version::V0x13.into());
        let whole = kept.hash.as_ref().is_some_and(|output| output.len() >= 16) && kept.salt.is_some();
        let known = matches!(name, "argon2id" | "argon2i" | "argon2d");
        (known && whole && cost_of(&kept).is_some_and(is_sane)).then(|| Self::Argon2(Box::new(kept), latest))
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

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Algorithm = Algorithm::Argon2id(Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 });
    const BCRYPT: Algorithm = Algorithm::Bcrypt(4);

    fn verified(hasher: &Hasher, hash: &str, password: &[u8]) -> (bool, bool) {
        let Verified { matches, outdated } = hasher.verify(hash, password).unwrap();
        (matches, outdated)
    }

    #[test]
    fn a_password_matches_its_hash_and_no_other_does() {
        for algorithm in [CHEAP, BCRYPT] {
            let hasher = Hasher::new(algorithm).unwrap();
            let (one, two) = (hasher.hash(b"correct").unwrap(), hasher.hash(b"correct").unwrap());
            assert_ne!(one, two, "salted");
            assert!(Hasher::accepts(&one));
            assert_eq!(verified(&hasher, &one, b"correct"), (true, false));
            for wrong in [&b"Correct"[..], b"correct ", b"correc", b"", b"correct\0"] {
                assert_eq!(verified(&hasher, &one, wrong), (false, false), "{wrong:?}");
            }
        }
    }

    #[test]
    fn the_forms_are_those_that_others_read() {
        let argon2 = Hasher::new(Algorithm::default()).unwrap().hash(b"x").unwrap();
        assert!(argon2.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{argon2}");
        let bcrypt = Hasher::new(BCRYPT).unwrap().hash(b"x").unwrap();
        assert!(bcrypt.starts_with("$2b$04$") && bcrypt.len() == 60, "{bcrypt}");
    }

    #[test]
    fn hashes_of_others_are_verified() {
        let hasher = Hasher::new(CHEAP).unwrap();
        for (hash, password) in [
            // From the tests of the crates bcrypt (MIT) and argon2 (MIT or Apache-2.0), made by other programs.
            ("$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie", "correctbatteryhorsestapler"),
            ("$2a$04$n4Uy0eSnMfvnESYL.bLwuuj0U/ETSsoTpRT9GVk5bektyVVa5xnIi", "correctbatteryhorsestapler"),
            (
                "$argon2id$v=19$m=262144,t=2,p=1$c29tZXNhbHQ$eP4eyR+zqlZX1y5xCFTkw9m5GYx0L5YWwvCFvtlbLow",
                "password",
            ),
            (
                "$argon2i$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
                "password",
            ),
        ] {
            assert!(Hasher::accepts(hash), "{hash}");
            assert!(verified(&hasher, hash, password.as_bytes()).0, "{hash}");
            assert!(!verified(&hasher, hash, b"other").0, "{hash}");
        }
    }

    #[test]
    fn weaker_hashes_and_other_algorithms_are_outdated_and_stronger_ones_are_not() {
        let cost = |memory_kib, passes| Algorithm::Argon2id(Argon2Cost { memory_kib, passes, lanes: 1 });
        for (kept, wanted, outdated) in [
            (cost(64, 1), cost(64, 1), false),
            (cost(128, 2), cost(64, 1), false),
            (cost(64, 1), cost(128, 1), true),
            (cost(64, 1), cost(64, 2), true),
            (BCRYPT, CHEAP, true),
            (CHEAP, BCRYPT, true),
            (BCRYPT, Algorithm::Bcrypt(5), true),
            (Algorithm::Bcrypt(5), BCRYPT, false),
        ] {
            let hash = Hasher::new(kept).unwrap().hash(b"x").unwrap();
            let hasher = Hasher::new(wanted).unwrap();
            assert_eq!(verified(&hasher, &hash, b"x"), (true, outdated), "{kept:?} {wanted:?}");
        }
        let argon2i = "$argon2i$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
        assert_eq!(verified(&Hasher::new(CHEAP).unwrap(), argon2i, b"password"), (true, true));
    }

    #[test]
    fn bcrypt_never_compares_a_part_of_a_password() {
        let hasher = Hasher::new(BCRYPT).unwrap();
        let whole = [b'a'; LONGEST_BCRYPT];
        let hash = hasher.hash(&whole).unwrap();
        assert_eq!(verified(&hasher, &hash, &whole), (true, false));
        assert_eq!(verified(&hasher, &hash, &[b'a'; LONGEST_BCRYPT + 1]), (false, false));
        assert_eq!(hasher.hash(&[b'a'; LONGEST_BCRYPT + 1]), Err(HashError::Unfit));
        // bcrypt repeats the password with its closing zero: these two would be one to it.
        let hash = hasher.hash(b"abc").unwrap();
        assert_eq!(verified(&hasher, &hash, b"abc\0abc"), (false, false));
        assert_eq!(hasher.hash(b"abc\0abc"), Err(HashError::Unfit));
        let long = [b'a'; 1024];
        let argon2 = Hasher::new(CHEAP).unwrap();
        assert_eq!(verified(&argon2, &argon2.hash(&long).unwrap(), &long), (true, false));
    }

    #[test]
    fn what_is_no_hash_or_costs_too_much_is_refused() {
        let hasher = Hasher::new(CHEAP).unwrap();
        for hash in [
            "",
            "password",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$1$abcdefgh$0123456789abcdefghijkl",
            "$2x$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie",
            "$2b$03$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie",
            "$2b$16$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie",
            "$2b$31$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie",
            "$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxci",
            "$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcié",
            "$argon2id$v=19$m=262145,t=1,p=1$c29tZXNhbHQ$eP4eyR+zqlZX1y5xCFTkw9m5GYx0L5YWwvCFvtlbLow",
            "$argon2id$v=19$m=65536,t=17,p=1$c29tZXNhbHQ$eP4eyR+zqlZX1y5xCFTkw9m5GYx0L5YWwvCFvtlbLow",
            "$argon2id$v=19$m=65536,t=1,p=17$c29tZXNhbHQ$eP4eyR+zqlZX1y5xCFTkw9m5GYx0L5YWwvCFvtlbLow",
            "$argon2id$v=19$m=4,t=1,p=1$c29tZXNhbHQ$eP4eyR+zqlZX1y5xCFTkw9m5GYx0L5YWwvCFvtlbLow",
            "$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$AAAA",
            "$scrypt$ln=14,r=8,p=1$c29tZXNhbHQ$eP4eyR+zqlZX1y5xCFTkw9m5GYx0L5YWwvCFvtlbLow",
        ] {
            assert!(!Hasher::accepts(hash), "{hash}");
            assert_eq!(hasher.verify(hash, b"x"), Err(HashError::Unreadable), "{hash}");
        }
    }

    #[test]
    fn costs_out_of_range_are_refused_at_the_start() {
        let cost = |memory_kib, passes, lanes| Argon2Cost { memory_kib, passes, lanes };
        for wrong in [cost(7, 1, 1), cost(64, 0, 1), cost(64, 1, 0), cost(1 << 20, 1, 1), cost(1 << 17, 9, 1)]
        {
            assert_eq!(
                Hasher::new(Algorithm::Argon2id(wrong)).err(),
                Some(HashError::Cost("argon2id")),
                "{wrong:?}"
            );
        }
        for wrong in [0, 3, 16, 31] {
            assert_eq!(
                Hasher::new(Algorithm::Bcrypt(wrong)).err(),
                Some(HashError::Cost("bcrypt")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn nobody_takes_as_long_as_somebody() {
        for algorithm in [Algorithm::default(), Algorithm::Bcrypt(8)] {
            let hasher = Hasher::new(algorithm).unwrap();
            let hash = hasher.hash(b"somebody's").unwrap();
            let least = |act: &dyn Fn()| {
                let times = (0..7).map(|_| {
                    let start = std::time::Instant::now();
                    act();
                    start.elapsed()
                });
                times.min().unwrap().as_secs_f64()
            };
            let somebody = least(&|| drop(hasher.verify(&hash, b"wrong")));
            let nobody = least(&|| hasher.verify_nobody(b"wrong"));
            // Half and twice: a machine that runs other tests beside; without the work it would be a thousandth.
            assert!((0.5..2.0).contains(&(nobody / somebody)), "{algorithm:?}: {nobody} against {somebody}");
        }
    }
}
