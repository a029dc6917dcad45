//! `hash-password`: from a user's options to the line that goes under `hash` in a Secret.
//!
//! Shared by `kubectl moat hash-password` and `moat-broker hash-password`.

use zeroize::Zeroizing;

use super::{DEFAULT_SCHEME, HashError, Limits, Scheme, StoredHash, text};

/// Length of a fresh salt, in bytes.
pub const SALT_BYTES: usize = 16;

/// What a user may choose about a new hash. `NewHash::default()` is what should be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewHash {
    /// `argon2id` (the default), or one of ESE's names: `PLAIN`, `MD5`, `SHA512`, `PKCS5S2`, `BCRYPT`,
    /// `ARGON2ID_<KiB>KB`. Letter case does not matter here.
    pub algorithm: Option<String>,
    /// Iterations, bcrypt's cost, or Argon2id's passes. Default by algorithm: see [`NewHash::scheme`].
    pub iterations: Option<u32>,
    /// Argon2id's memory in KiB; only for `argon2id`. Default 19 456.
    pub memory_kib: Option<u32>,
    /// The salt's bytes. Default: 16 random ones. Only useful to repeat a known hash.
    pub salt: Option<Vec<u8>>,
}

impl NewHash {
    /// The scheme that these options mean. Iterations default to 2 for Argon2id, 12 for `BCRYPT`, 220 000 for
    /// `PKCS5S2` (OWASP's figures or above), 100 000 for `MD5` and `SHA512`.
    ///
    /// # Errors
    /// [`HashError::UnknownAlgorithm`], [`HashError::OutOfRange`], or [`HashError::Malformed`] if memory is given for
    /// an algorithm without such a choice.
    pub fn scheme(&self) -> Result<Scheme, HashError> {
        let name = self.algorithm.as_deref().unwrap_or("argon2id").to_ascii_uppercase();
        let scheme = if name == "ARGON2ID" {
            self.argon2id()
        } else {
            if self.memory_kib.is_some() {
                return Err(HashError::Malformed("memory can be chosen for argon2id only"));
            }
            let iterations = self.iterations.unwrap_or(default_iterations(&name));
            text::ese_scheme(&name, iterations).ok_or(HashError::UnknownAlgorithm)?
        };
        scheme.check()?;
        Ok(scheme)
    }

    /// Makes the verifier's text for `password`.
    ///
    /// # Errors
    /// As [`NewHash::scheme`] and [`StoredHash::create_with_salt`].
    pub fn make(&self, password: &[u8], limits: &Limits) -> Result<Zeroizing<String>, HashError> {
        let scheme = self.scheme()?;
        let stored = match &self.salt {
            Some(salt) => StoredHash::create_with_salt(scheme, salt.clone(), password, limits)?,
            None => StoredHash::create(scheme, password, limits)?,
        };
        Ok(stored.to_text())
    }

    fn argon2id(&self) -> Scheme {
        let Scheme::Argon2id { memory_kib, passes, lanes } = DEFAULT_SCHEME else { return DEFAULT_SCHEME };
        Scheme::Argon2id {
            memory_kib: self.memory_kib.unwrap_or(memory_kib),
            passes: self.iterations.unwrap_or(passes),
            lanes,
        }
    }
}

fn default_iterations(algorithm: &str) -> u32 {
    match algorithm {
        "BCRYPT" => 12,
        "PKCS5S2" => 220_000,
        "MD5" | "SHA512" => 100_000,
        "PLAIN" => 0,
        _ => 2,
    }
}
