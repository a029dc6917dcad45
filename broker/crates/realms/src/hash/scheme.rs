//! Which computation a verifier names, and what it costs.

use std::time::Duration;

use super::HashError;

/// A password scheme with its work factors. P is the password, S the salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// P itself; salt and iterations mean nothing. Only for reading old data.
    Plain,
    /// MD5(S‖P), then the digest hashed again until `iterations` hashes are done (0 and 1 both mean one).
    Md5 {
        /// How many hashes.
        iterations: u32,
    },
    /// SHA-512(S‖P), then as [`Scheme::Md5`].
    Sha512 {
        /// How many hashes.
        iterations: u32,
    },
    /// PBKDF2-HMAC-SHA512 to 32 bytes. As with every PBKDF2, NUL bytes at a short password's end make no difference.
    Pkcs5s2 {
        /// PBKDF2's rounds, at least 1.
        iterations: u32,
    },
    /// The raw bcrypt core over SHA-512(P) (64 bytes, no terminating NUL) with MD5(S) as its salt; all 24 bytes.
    Bcrypt {
        /// The logarithm (base 2) of the number of rounds, 4 to 31.
        cost: u32,
    },
    /// Argon2id 1.3 with one lane and 32 bytes, in ESE's notation.
    EseArgon2id {
        /// Memory in KiB, 8 to 9 999 999 (Argon2 has no meaning below 8).
        memory_kib: u32,
        /// Passes over the memory, at least 1.
        passes: u32,
    },
    /// Argon2id 1.3 in PHC notation.
    Argon2id {
        /// Memory in KiB, at least 8 per lane.
        memory_kib: u32,
        /// Passes over the memory, at least 1.
        passes: u32,
        /// Lanes (computed one after the other), 1 to 16 777 215.
        lanes: u32,
    },
}

/// What new hashes are made with: Argon2id with 19 MiB, two passes, one lane, which is OWASP's recommended minimum.
pub const DEFAULT_SCHEME: Scheme = Scheme::Argon2id { memory_kib: 19_456, passes: 2, lanes: 1 };

/// Everything about a verifier that decides how long a check takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    /// The computation.
    pub scheme: Scheme,
    /// The salt's length in bytes.
    pub salt: usize,
    /// The digest's length in bytes.
    pub digest: usize,
}

const U32_MAX: u64 = u32::MAX as u64;

impl Scheme {
    /// ESE's name of the algorithm, or `argon2id` for PHC; a metric label of seven values.
    #[must_use]
    pub fn family(&self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Md5 { .. } => "MD5",
            Self::Sha512 { .. } => "SHA512",
            Self::Pkcs5s2 { .. } => "PKCS5S2",
            Self::Bcrypt { .. } => "BCRYPT",
            Self::EseArgon2id { .. } => "ARGON2ID",
            Self::Argon2id { .. } => "argon2id",
        }
    }

    /// The digest's length in bytes; `None` for [`Scheme::Plain`], whose digest is as long as the password.
    #[must_use]
    pub fn digest_length(&self) -> Option<usize> {
        match self {
            Self::Plain => None,
            Self::Md5 { .. } => Some(16),
            Self::Sha512 { .. } => Some(64),
            Self::Bcrypt { .. } => Some(24),
            Self::Pkcs5s2 { .. } | Self::EseArgon2id { .. } | Self::Argon2id { .. } => Some(32),
        }
    }

    /// About how long one check takes on one 3 GHz core. Derived from the parameters alone, so that admission to the
    /// pool is the same decision on every machine and in every test.
    #[must_use]
    pub fn nominal_cost(&self) -> Duration {
        // Nanoseconds for one round of each; measured by the `login` benchmark of this crate.
        let nanoseconds: u64 = match *self {
            Self::Plain => 1_000,
            Self::Md5 { iterations } => 1_000 + 100 * u64::from(iterations),
            Self::Sha512 { iterations } => 1_000 + 160 * u64::from(iterations),
            Self::Pkcs5s2 { iterations } => 2_000 + 310 * u64::from(iterations),
            Self::Bcrypt { cost } => 50_000_u64.saturating_mul(1 << u64::from(cost.min(31))),
            Self::EseArgon2id { memory_kib, passes } | Self::Argon2id { memory_kib, passes, .. } => {
                (350 * u64::from(memory_kib)).saturating_mul(u64::from(passes))
            }
        };
        Duration::from_nanos(nanoseconds)
    }

    /// Whether the parameters are within what the algorithm defines.
    ///
    /// # Errors
    /// [`HashError::OutOfRange`] with the parameter and its bounds.
    pub fn check(&self) -> Result<(), HashError> {
        match *self {
            Self::Plain | Self::Md5 { .. } | Self::Sha512 { .. } => Ok(()),
            Self::Pkcs5s2 { iterations } => within("iterations", iterations, 1, U32_MAX),
            Self::Bcrypt { cost } => within("iterations (bcrypt's cost)", cost, 4, 31),
            Self::EseArgon2id { memory_kib, passes } => {
                within("memory in KiB", memory_kib, 8, 9_999_999)?;
                within("iterations", passes, 1, U32_MAX)
            }
            Self::Argon2id { memory_kib, passes, lanes } => {
                within("lanes (p)", lanes, 1, (1 << 24) - 1)?;
                within("memory in KiB (m)", memory_kib, 8 * u64::from(lanes), U32_MAX)?;
                within("passes (t)", passes, 1, U32_MAX)
            }
        }
    }
}

fn within(parameter: &'static str, value: u32, minimum: u64, maximum: u64) -> Result<(), HashError> {
    let value = u64::from(value);
    if (minimum..=maximum).contains(&value) {
        return Ok(());
    }
    Err(HashError::OutOfRange { parameter, value, minimum, maximum })
}
