//! Stored forms of a password: read, check, make.
//!
//! Two notations, told apart by their first character:
//!
//! | notation | form |
//! |---|---|
//! | PHC | `$argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<hash>` (Base64 without padding) |
//! | ESE | `ese:<ALGORITHM>:<iterations>:<salt>:<hash>` (Base64 with padding; the salt may be empty) |
//!
//! with ALGORITHM one of `PLAIN`, `MD5`, `SHA512`, `PKCS5S2`, `BCRYPT`, `ARGON2ID_<KiB>KB`. What each one computes is
//! in [`Scheme`]. Errors never repeat the text they refuse: somebody may have put the password itself there.

mod argon2id;
mod compute;
mod create;
mod limits;
mod scheme;
mod text;

#[cfg(test)]
mod tests;

use std::fmt;

use subtle::ConstantTimeEq;

pub use crate::entropy::NoEntropy;
pub use compute::Scratch;
pub use create::{NewHash, SALT_BYTES};
pub use limits::Limits;
pub use scheme::{DEFAULT_SCHEME, Scheme, Shape};

use crate::secret::Secret;

/// A verifier: scheme, salt and the expected digest.
///
/// Built by [`StoredHash::parse`] or [`StoredHash::create`]; neither the salt nor the digest is printable.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHash {
    scheme: Scheme,
    salt: Vec<u8>,
    digest: Secret,
}

impl StoredHash {
    /// What has to be computed to check a password against this verifier.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The scheme together with the lengths that also decide how long a check takes.
    #[must_use]
    pub fn shape(&self) -> Shape {
        Shape { scheme: self.scheme, salt: self.salt.len(), digest: self.digest.expose().len() }
    }

    /// Whether `password` is the one that this verifier was made from.
    ///
    /// The comparison takes the same time wherever the first difference is. `scratch` is reused memory; what it
    /// holds has no influence on the answer.
    ///
    /// # Errors
    /// [`HashError::TooExpensive`] before any work is done if the verifier asks for more than `limits` allow, and
    /// [`HashError::OutOfMemory`] if Argon2id's memory cannot be had.
    pub fn verify(&self, password: &[u8], limits: &Limits, scratch: &mut Scratch) -> Result<bool, HashError> {
        limits.check(&self.scheme)?;
        let expected = self.digest.expose();
        let computed = compute::digest(&self.scheme, &self.salt, password, expected.len(), scratch)?;
        Ok(same(&self.scheme, expected, &computed))
    }

    /// A verifier of `password` with a fresh random salt of [`SALT_BYTES`] bytes.
    ///
    /// # Errors
    /// As [`StoredHash::create_with_salt`], and [`HashError::NoEntropy`] if the system has no random bytes.
    pub fn create(scheme: Scheme, password: &[u8], limits: &Limits) -> Result<Self, HashError> {
        let salt = crate::entropy::random::<SALT_BYTES>()?;
        Self::create_with_salt(scheme, salt.to_vec(), password, limits)
    }

    /// A verifier of `password` with the given salt (any length, also empty).
    ///
    /// # Errors
    /// [`HashError::OutOfRange`] if the scheme's parameters make no sense, [`HashError::TooExpensive`] if they are
    /// beyond `limits`, [`HashError::OutOfMemory`] if Argon2id's memory cannot be had.
    pub fn create_with_salt(
        scheme: Scheme,
        salt: Vec<u8>,
        password: &[u8],
        limits: &Limits,
    ) -> Result<Self, HashError> {
        scheme.check()?;
        text::check_salt(&salt)?;
        limits.check(&scheme)?;
        let length = scheme.digest_length().unwrap_or(password.len());
        let digest = compute::digest(&scheme, &salt, password, length, &mut Scratch::default())?;
        Ok(Self { scheme, salt, digest: Secret::new(digest.to_vec()) })
    }

    /// A verifier of the given shape with random salt and digest, which no password is known to match: checking one
    /// against it takes the time of a real check.
    ///
    /// # Errors
    /// [`NoEntropy`] if the system has no random bytes.
    pub fn unmatched(shape: Shape) -> Result<Self, NoEntropy> {
        // A short PLAIN digest could be guessed; how long it is makes no difference in time.
        let digest = Secret::new(random_bytes(shape.digest.max(16))?);
        Ok(Self { scheme: shape.scheme, salt: random_bytes(shape.salt)?, digest })
    }
}

fn random_bytes(length: usize) -> Result<Vec<u8>, NoEntropy> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let block = crate::entropy::random::<32>()?;
        let missing = length - bytes.len();
        bytes.extend(block.into_iter().take(missing));
    }
    Ok(bytes)
}

/// Compares without telling by time where the first difference is.
fn same(scheme: &Scheme, expected: &[u8], computed: &[u8]) -> bool {
    if matches!(scheme, Scheme::Plain) {
        // Lengths differ from password to password, and a comparison of slices would stop at once and tell.
        let (expected, computed) = (compute::sha256(expected), compute::sha256(computed));
        return bool::from(expected.ct_eq(&computed));
    }
    bool::from(expected.ct_eq(computed))
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StoredHash").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// Why a verifier cannot be read, checked or made. No message repeats any part of the refused text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The text has neither of the two notations, or a part of it is missing or is not Base64.
    #[error(
        "the hash must be `$argon2id$v=19$m=..,t=..,p=..$salt$hash` or `ese:ALGORITHM:iterations:salt:hash` \
         ({0}); make one with `kubectl moat hash-password`"
    )]
    Malformed(&'static str),
    /// The algorithm's name is not known.
    #[error(
        "the hash's algorithm is not known: use argon2id, or ese: with PLAIN, MD5, SHA512, PKCS5S2, BCRYPT or \
         ARGON2ID_<KiB>KB"
    )]
    UnknownAlgorithm,
    /// A parameter is outside of what its algorithm defines.
    #[error("the hash's {parameter} is {value}, but must be {minimum} to {maximum}")]
    OutOfRange {
        /// The parameter's name.
        parameter: &'static str,
        /// What was given.
        value: u64,
        /// The smallest value that the algorithm defines.
        minimum: u64,
        /// The largest value that the algorithm defines.
        maximum: u64,
    },
    /// The parameters are valid, but would cost more than is allowed here.
    #[error(
        "the hash's {parameter} is {value}, above the limit of {maximum}: checking it would stall other logins; \
         hash the password again with a lower cost"
    )]
    TooExpensive {
        /// The parameter's name.
        parameter: &'static str,
        /// What was asked for.
        value: u64,
        /// What [`Limits`] allow.
        maximum: u64,
    },
    /// Argon2id's memory could not be allocated.
    #[error(
        "not enough memory for the hash's {kib} KiB; raise the pod's memory limit or lower the hash's memory"
    )]
    OutOfMemory {
        /// What was needed, in KiB.
        kib: u64,
    },
    /// No random bytes for a salt.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

impl HashError {
    /// A stable word for conditions, events and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "HashMalformed",
            Self::UnknownAlgorithm => "HashAlgorithmUnknown",
            Self::OutOfRange { .. } => "HashParameterOutOfRange",
            Self::TooExpensive { .. } => "HashTooExpensive",
            Self::OutOfMemory { .. } => "HashOutOfMemory",
            Self::NoEntropy(_) => "NoEntropy",
        }
    }
}
