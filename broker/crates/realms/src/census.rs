//! Which schemes the credentials of each realm use.
//!
//! A login with an unknown username must cost what one with a wrong password costs, or the time of the answer tells
//! which usernames exist. So it is checked against a dummy with the work factors that most of the realm's credentials
//! have. In a realm of mixed schemes the credentials of the smaller part can still be told from unknown names: hash
//! them again with the realm's usual scheme.

use std::collections::HashMap;

use crate::hash::{DEFAULT_SCHEME, Limits, Shape, StoredHash};

/// Counts of verifier shapes by realm. Kept up to date by whoever loads credentials.
#[derive(Debug, Clone, Default)]
pub struct Census {
    realms: HashMap<String, HashMap<Shape, u64>>,
}

impl Census {
    /// Counts a credential's verifier. A text that is no verifier counts for nothing.
    pub fn add(&mut self, realm: &str, verifier: &str) {
        let Ok(stored) = StoredHash::parse(verifier) else { return };
        let counts = match self.realms.get_mut(realm) {
            Some(counts) => counts,
            None => self.realms.entry(realm.to_owned()).or_default(),
        };
        *counts.entry(stored.shape()).or_default() += 1;
    }

    /// Takes back one [`Census::add`] of the same text.
    pub fn remove(&mut self, realm: &str, verifier: &str) {
        let (Ok(stored), Some(counts)) = (StoredHash::parse(verifier), self.realms.get_mut(realm)) else {
            return;
        };
        if let Some(count) = counts.get_mut(&stored.shape()) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&stored.shape());
            }
        }
        if counts.is_empty() {
            self.realms.remove(realm);
        }
    }

    /// The realms that have any credential with a verifier.
    pub fn realms(&self) -> impl Iterator<Item = &str> {
        self.realms.keys().map(String::as_str)
    }

    /// The shape that most credentials of the realm have; of equally frequent ones the most expensive. Shapes beyond
    /// `limits` do not count, since nobody logs in with them. A realm without credentials has the default scheme.
    #[must_use]
    pub fn typical(&self, realm: &str, limits: &Limits) -> Shape {
        let counts = self.realms.get(realm).into_iter().flatten();
        counts
            .filter(|(shape, _)| limits.check(&shape.scheme).is_ok())
            .max_by_key(|(shape, count)| (**count, shape.scheme.nominal_cost(), **shape))
            .map_or_else(default_shape, |(shape, _)| *shape)
    }
}

/// The shape of a new hash.
pub(crate) fn default_shape() -> Shape {
    Shape { scheme: DEFAULT_SCHEME, salt: crate::hash::SALT_BYTES, digest: 32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Scheme;

    const CHEAP: &str = "ese:MD5:10:c2FsdA==:FEZXLgoeDSdbbR7FHWHVsQ==";
    const DEAR: &str = "ese:BCRYPT:10:c2FsdA==:9QWSrHiFIROKU05wpfM66ejEgCqhDNTw";
    const BOMB: &str = "ese:MD5:4294967295:c2FsdA==:FEZXLgoeDSdbbR7FHWHVsQ==";

    fn typical(census: &Census, realm: &str) -> Scheme {
        census.typical(realm, &Limits::default()).scheme
    }

    #[test]
    fn the_majority_decides_and_removal_turns_it() {
        let mut census = Census::default();
        for verifier in [CHEAP, CHEAP, DEAR] {
            census.add("devices", verifier);
        }
        assert_eq!(typical(&census, "devices"), Scheme::Md5 { iterations: 10 });
        census.remove("devices", CHEAP);
        assert_eq!(typical(&census, "devices"), Scheme::Bcrypt { cost: 10 }, "of equals the dearer one");
        census.remove("devices", CHEAP);
        census.remove("devices", DEAR);
        assert_eq!(typical(&census, "devices"), DEFAULT_SCHEME);
        assert_eq!(census.realms().count(), 0, "an emptied realm leaves nothing behind");
        census.remove("devices", DEAR);
        census.remove("elsewhere", DEAR);
    }

    #[test]
    fn realms_are_counted_apart() {
        let mut census = Census::default();
        census.add("devices", CHEAP);
        assert_eq!(typical(&census, "people"), DEFAULT_SCHEME);
    }

    #[test]
    fn what_cannot_be_run_or_read_does_not_count() {
        let mut census = Census::default();
        for verifier in [BOMB, BOMB, "hunter2", CHEAP] {
            census.add("devices", verifier);
        }
        assert_eq!(typical(&census, "devices"), Scheme::Md5 { iterations: 10 });
    }
}
