//! A string that cannot be printed.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A secret such as a password verifier.
///
/// Clones share one allocation, which is wiped when the last clone goes. `Debug` prints a placeholder, there is no
/// `Display`, and it serialises only as a field of a bundle's credential entry.
#[derive(Clone)]
pub struct SecretString(Arc<Zeroizing<String>>);

impl SecretString {
    /// Wraps a secret. The caller's copy, if it kept one, is the caller's to wipe.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(Arc::new(Zeroizing::new(secret)))
    }

    /// The secret itself, for the code that verifies with it. Never log what this returns.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretString {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

impl From<&str> for SecretString {
    fn from(secret: &str) -> Self {
        Self::new(secret.to_owned())
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Equality tells whether two bundles hold the same verifier. It is not the comparison that a login uses.
impl PartialEq for SecretString {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.expose() == other.expose()
    }
}

impl Eq for SecretString {}

/// How an optional secret stands in a bundle (`#[serde(with = …)]`), the only way in or out through serde.
pub(crate) mod in_bundle {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::SecretString;

    pub(crate) fn serialize<S: Serializer>(secret: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(SecretString::expose).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(SecretString::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = SecretString::from("hunter2");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "[secret] Some([secret])");
        assert_eq!(secret.expose(), "hunter2");
    }
}
