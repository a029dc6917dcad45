//! How much work a stored verifier may ask for.

use super::{HashError, Scheme};

/// Upper bounds on a verifier's work factors. Whoever may write a Secret (or, later, a database row) chooses these
/// numbers, and one verifier with 2³¹ iterations would hold a hashing thread for hours; so a verifier above them is
/// refused with [`HashError::TooExpensive`] and not computed.
///
/// Each default is worth about one and a half seconds of one 3 GHz core and is far above every published recommendation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most iterations of `MD5` and `SHA512`. Default 10 000 000.
    pub digest_iterations: u32,
    /// Most iterations of `PKCS5S2`. Default 5 000 000 (OWASP recommends 220 000).
    pub pbkdf2_iterations: u32,
    /// Highest cost of `BCRYPT`. Default 15 (OWASP recommends 10 or more).
    pub bcrypt_cost: u32,
    /// Most memory of Argon2id in KiB. Default 262 144 (256 MiB); each hashing thread may hold this much at a time.
    pub argon2_memory_kib: u32,
    /// Most memory times passes of Argon2id, in KiB. Default 4 194 304 (4 GiB).
    pub argon2_work_kib: u64,
    /// Most lanes of Argon2id. Default 64. Lanes are computed one after the other and cost nothing extra.
    pub argon2_lanes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            digest_iterations: 10_000_000,
            pbkdf2_iterations: 5_000_000,
            bcrypt_cost: 15,
            argon2_memory_kib: 256 * 1024,
            argon2_work_kib: 4 * 1024 * 1024,
            argon2_lanes: 64,
        }
    }
}

impl Limits {
    /// Whether a check of this scheme may be run.
    ///
    /// # Errors
    /// [`HashError::TooExpensive`] naming the first parameter that is too large.
    pub fn check(&self, scheme: &Scheme) -> Result<(), HashError> {
        match *scheme {
            Scheme::Plain => Ok(()),
            Scheme::Md5 { iterations } | Scheme::Sha512 { iterations } => {
                at_most("iterations", iterations, self.digest_iterations)
            }
            Scheme::Pkcs5s2 { iterations } => at_most("iterations", iterations, self.pbkdf2_iterations),
            Scheme::Bcrypt { cost } => at_most("iterations (bcrypt's cost)", cost, self.bcrypt_cost),
            Scheme::EseArgon2id { memory_kib, passes } => self.check_argon2id(memory_kib, passes, 1),
            Scheme::Argon2id { memory_kib, passes, lanes } => self.check_argon2id(memory_kib, passes, lanes),
        }
    }

    fn check_argon2id(&self, memory_kib: u32, passes: u32, lanes: u32) -> Result<(), HashError> {
        at_most("memory in KiB", memory_kib, self.argon2_memory_kib)?;
        at_most("lanes", lanes, self.argon2_lanes)?;
        let work = u64::from(memory_kib).saturating_mul(u64::from(passes));
        at_most("memory in KiB times passes", work, self.argon2_work_kib)
    }
}

fn at_most(parameter: &'static str, value: impl Into<u64>, maximum: impl Into<u64>) -> Result<(), HashError> {
    let (value, maximum) = (value.into(), maximum.into());
    if value <= maximum {
        return Ok(());
    }
    Err(HashError::TooExpensive { parameter, value, maximum })
}
