//! Passwords are hashed before `compile`, which asks for what it lacks and goes on without.
//!
//! Until a password's verifier is there, its Credential lets no one in. Which password a verifier belongs to is told
//! by a digest that never leaves the process: it is fast to compute, so that writing it down would undo what Argon2id
//! is for.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use moat_policy::SecretString;
use sha2::{Digest as _, Sha256};

use super::key::ResourceKey;

/// One version of one Credential's password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    /// The Credential.
    pub credential: ResourceKey,
    /// Its `metadata.uid`; `None` in files.
    pub uid: Option<Arc<str>>,
    digest: PasswordDigest,
}

impl VerifierKey {
    pub(super) fn new(credential: &ResourceKey, uid: Option<&Arc<str>>, password: &SecretString) -> Self {
        Self { credential: credential.clone(), uid: uid.cloned(), digest: PasswordDigest::of(password) }
    }
}

/// Which password. Does not print.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PasswordDigest([u8; 32]);

impl PasswordDigest {
    fn of(password: &SecretString) -> Self {
        Self(Sha256::digest(password.expose()).into())
    }
}

impl fmt::Debug for PasswordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A password that waits to be hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What the verifier is to be handed in for.
    pub key: VerifierKey,
    /// The password.
    pub password: SecretString,
}

/// The verifiers that are known, at most one per Credential: that of a newer password replaces the older.
#[derive(Clone, Debug, Default)]
pub struct Verifiers(HashMap<ResourceKey, (VerifierKey, SecretString)>);

impl Verifiers {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the verifier (a PHC string of Argon2id) of a password.
    pub fn insert(&mut self, key: VerifierKey, verifier: SecretString) {
        self.0.insert(key.credential.clone(), (key, verifier));
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, key: &VerifierKey) -> Option<&SecretString> {
        self.0.get(&key.credential).filter(|(known, _)| known == key).map(|(_, verifier)| verifier)
    }

    pub(super) fn remove(&mut self, credential: &ResourceKey) {
        self.0.remove(credential);
    }
}
