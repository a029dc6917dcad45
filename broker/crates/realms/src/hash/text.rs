//! The two notations of a verifier, read and written.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::{HashError, Scheme, StoredHash};
use crate::secret::Secret;

/// ESE's tools write padding, other tools that fill the same columns do not: both are read.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The longest salt that is accepted; published ones have 4 to 64 bytes.
const MAX_SALT: usize = 1024;

/// The longest text that is looked at: Base64 of the longest MQTT password (65 535 bytes) and a long salt fit in.
const MAX_TEXT: usize = 96 * 1024;

/// Digests of a PHC string: below 16 bytes a digest can be guessed, above 64 nobody makes them.
const PHC_DIGEST: std::ops::RangeInclusive<usize> = 16..=64;

impl StoredHash {
    /// Reads a verifier in either notation. White space around it (a Secret's final newline) does not matter.
    ///
    /// Work factors are checked against what the algorithm defines, not against [`super::Limits`].
    ///
    /// # Errors
    /// [`HashError::Malformed`], [`HashError::UnknownAlgorithm`] or [`HashError::OutOfRange`].
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let text = text.trim_ascii();
        if text.len() > MAX_TEXT {
            return Err(HashError::Malformed("it is longer than any hash"));
        }
        let stored = if let Some(rest) = text.strip_prefix("ese:") {
            parse_ese(rest)?
        } else if let Some(rest) = text.strip_prefix('$') {
            parse_phc(rest)?
        } else {
            return Err(HashError::Malformed("it begins with neither `$` nor `ese:`"));
        };
        check_salt(&stored.salt)?;
        stored.scheme.check()?;
        Ok(stored)
    }

    /// The verifier's text, in the notation of its scheme; [`StoredHash::parse`] reads it back to an equal value.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let digest = self.digest.expose();
        let ese = |algorithm: &str, iterations: u32| {
            let digest = Zeroizing::new(STANDARD.encode(digest));
            format!("ese:{algorithm}:{iterations}:{}:{}", STANDARD.encode(&self.salt), *digest)
        };
        Zeroizing::new(match self.scheme {
            Scheme::Plain => ese("PLAIN", 0),
            Scheme::Md5 { iterations } => ese("MD5", iterations),
            Scheme::Sha512 { iterations } => ese("SHA512", iterations),
            Scheme::Pkcs5s2 { iterations } => ese("PKCS5S2", iterations),
            Scheme::Bcrypt { cost } => ese("BCRYPT", cost),
            Scheme::EseArgon2id { memory_kib, passes } => ese(&format!("ARGON2ID_{memory_kib}KB"), passes),
            Scheme::Argon2id { memory_kib, passes, lanes } => format!(
                "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${}${}",
                STANDARD_NO_PAD.encode(&self.salt),
                STANDARD_NO_PAD.encode(digest)
            ),
        })
    }
}

/// Refuses salts that are longer than any tool makes.
pub(super) fn check_salt(salt: &[u8]) -> Result<(), HashError> {
    if salt.len() > MAX_SALT {
        return Err(HashError::Malformed("its salt is longer than 1024 bytes"));
    }
    Ok(())
}

/// Reads an ESE algorithm name with its iterations. `None` if the name is not known.
pub(super) fn ese_scheme(algorithm: &str, iterations: u32) -> Option<Scheme> {
    Some(match algorithm {
        "PLAIN" => Scheme::Plain,
        "MD5" => Scheme::Md5 { iterations },
        "SHA512" => Scheme::Sha512 { iterations },
        "PKCS5S2" => Scheme::Pkcs5s2 { iterations },
        "BCRYPT" => Scheme::Bcrypt { cost: iterations },
        _ => {
            let memory = algorithm.strip_prefix("ARGON2ID_")?.strip_suffix("KB")?;
            Scheme::EseArgon2id { memory_kib: number(memory)?, passes: iterations }
        }
    })
}

fn parse_ese(rest: &str) -> Result<StoredHash, HashError> {
    let mut parts = rest.split(':');
    let (Some(algorithm), Some(iterations), Some(salt), Some(digest), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(HashError::Malformed("an ese: hash has exactly five parts"));
    };
    let iterations =
        number(iterations).ok_or(HashError::Malformed("its iterations are not a number below 2^32"))?;
    let scheme = ese_scheme(algorithm, iterations).ok_or(HashError::UnknownAlgorithm)?;
    let salt = decode(salt, "its salt is not Base64")?;
    let digest = Secret::new(decode(digest, "its hash is not Base64")?);
    let found = digest.expose().len();
    if scheme.digest_length().is_some_and(|length| length != found) {
        return Err(HashError::Malformed("its hash has not the length that its algorithm makes"));
    }
    Ok(StoredHash { scheme, salt, digest })
}

fn parse_phc(rest: &str) -> Result<StoredHash, HashError> {
    let mut parts = rest.split('$');
    if parts.next() != Some("argon2id") {
        return Err(HashError::UnknownAlgorithm);
    }
    if parts.next() != Some("v=19") {
        return Err(HashError::Malformed("its version is not v=19"));
    }
    let (Some(parameters), Some(salt), Some(digest), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(HashError::Malformed("an Argon2id hash has exactly five parts"));
    };
    let scheme = argon2id_parameters(parameters)
        .ok_or(HashError::Malformed("its parameters are not m=<KiB>,t=<passes>,p=<lanes>"))?;
    let salt = decode(salt, "its salt is not Base64")?;
    let digest = Secret::new(decode(digest, "its hash is not Base64")?);
    if !PHC_DIGEST.contains(&digest.expose().len()) {
        return Err(HashError::Malformed("its hash has not 16 to 64 bytes"));
    }
    Ok(StoredHash { scheme, salt, digest })
}

fn argon2id_parameters(text: &str) -> Option<Scheme> {
    let mut parts = text.split(',');
    let memory_kib = number(parts.next()?.strip_prefix("m=")?)?;
    let passes = number(parts.next()?.strip_prefix("t=")?)?;
    let lanes = number(parts.next()?.strip_prefix("p=")?)?;
    parts.next().is_none().then_some(Scheme::Argon2id { memory_kib, passes, lanes })
}

/// Digits only: `parse` alone would also take `+5`.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn decode(text: &str, problem: &'static str) -> Result<Vec<u8>, HashError> {
    LENIENT.decode(text).map_err(|_| HashError::Malformed(problem))
}
