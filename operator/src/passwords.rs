//! Passwords become Argon2id verifiers before `compile`. The salt is an HMAC, with a key that only the operator can
//! read, over the Credential's uid and the password: the same password of the same Credential makes the same verifier
//! on every operator, so that a restart or a new label changes nothing, and a verifier that is already in the bundle
//! is recognised by its salt and not computed again.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use moat_crds::compile::{Change, Wanted};
use moat_policy::{Bundle, CredentialIdentity, Entry, SecretString};
use moat_realms::hash::{DEFAULT_SCHEME, HashError, Limits, StoredHash};
use sha2::Sha256;

/// Length of the key in bytes.
pub const KEY_BYTES: usize = 32;

/// Length of a salt in bytes.
const SALT_BYTES: usize = 16;

/// The key of the salts. Does not print.
pub struct SaltKey([u8; KEY_BYTES]);

impl SaltKey {
    /// A key of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    fn salt(&self, wanted: &Wanted) -> [u8; SALT_BYTES] {
        let mut salt = [0; SALT_BYTES];
        // HMAC takes keys of any length: cannot fail.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) {
            let uid = wanted.key.uid.as_deref().unwrap_or_default();
            for part in [uid, &wanted.key.credential.namespace, &wanted.key.credential.name] {
                mac.update(&(part.len() as u64).to_be_bytes());
                mac.update(part.as_bytes());
            }
            mac.update(wanted.password.expose().as_bytes());
            salt.copy_from_slice(&mac.finalize().into_bytes()[..SALT_BYTES]);
        }
        salt
    }
}

/// Verifiers that are in force, by their salts.
#[derive(Default)]
pub struct InForce(HashMap<String, SecretString>);

impl InForce {
    /// Those of a bundle.
    #[must_use]
    pub fn of(bundle: &Bundle) -> Self {
        let verifiers = bundle.iter().filter_map(|(_, entry)| match &**entry {
            Entry::Credential(credential) => match &credential.identity {
                CredentialIdentity::Password { verifier, .. } => verifier.clone(),
                CredentialIdentity::Certificate(_) => None,
            },
            _ => None,
        });
        let by_salt =
            verifiers.filter_map(|verifier| Some((salt_of(verifier.expose())?.to_owned(), verifier)));
        Self(by_salt.collect())
    }
}

impl InForce {
    /// These too.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

/// The salt of a PHC string of Argon2id.
fn salt_of(verifier: &str) -> Option<&str> {
    verifier.strip_prefix("$argon2id$v=19$")?.split('$').nth(1)
}

/// The verifier of one password: what is in force for it, or computed. Takes some ten milliseconds of one core, and
/// the memory that the scheme names.
///
/// # Errors
/// When the hash cannot be computed, which is for want of memory.
pub fn verify(
    wanted: &Wanted,
    key: &SaltKey,
    in_force: &InForce,
    limits: &Limits,
) -> Result<Change, HashError> {
    let salt = key.salt(wanted);
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, salt);
    let verifier = match in_force.0.get(&text) {
        Some(verifier) => verifier.clone(),
        None => {
            let password = wanted.password.expose().as_bytes();
            let hash = StoredHash::create_with_salt(DEFAULT_SCHEME, salt.to_vec(), password, limits)?;
            SecretString::new(hash.to_text().to_string())
        }
    };
    Ok(Change::Verified(wanted.key.clone(), verifier))
}
