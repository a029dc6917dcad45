//! The bundle: what `compile` writes and brokers load.
//!
//! A bundle is a persistent map from [`EntryKey`] to [`Entry`], kept in shards so that one edit rewrites one shard.
//! Entries with verifiers and all others stand in separate families of shards. Within a family, shards divide the
//! entries by the leading bits of a hash of their keys; a shard is divided when its canonical JSON outgrows
//! [`TARGET_SHARD_BYTES`] and joined when both halves fit again. Shards, their content and the digest are therefore
//! functions of the entries alone, whatever edits led to them.
//!
//! The canonical JSON of a shard is the array of its `{"key":…,"entry":…}` ordered by key, without white space, fields
//! in the order of the types here. The digest of the bundle is the SHA-256 over, for every shard in the order (family,
//! prefix): one byte for the family (0 plain, 1 secret), one for the length of the prefix in bits, eight for its bits
//! (left-aligned, big-endian), and the 32 of the shard's digest.

mod digest;
mod entry;
mod permission;
mod shard;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};

pub use digest::{Digest, InvalidDigest};
pub use entry::{
    ALL_LISTENERS, AuthenticationManager, AuthorizationManager, CertificateMatch, CredentialEntry,
    CredentialIdentity, Entry, EntryKey, EntryKind, OnRevocation, PipelineEntry, RealmEntry, RoleEntry,
    Settings, SubscriptionMatching,
};
pub use permission::{Activities, Activity, PermissionEntry, QosSet, RetainRule, SharedSubscriptionRule};
pub use shard::{Family, InvalidPrefix, MAX_ENTRY_BYTES, Prefix, Shard, TARGET_SHARD_BYTES};

use shard::{Record, Records, place};
use tree::Node;

/// Why an entry or a shard was not taken.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The entry alone would fill more than one shard may hold.
    #[error(
        "{key:?} takes {bytes} bytes in the bundle and must not take more than {MAX_ENTRY_BYTES}: split it up"
    )]
    EntryTooLarge {
        /// The entry's key.
        key: EntryKey,
        /// Its size in canonical JSON.
        bytes: usize,
    },
    /// The key names another kind than the entry has.
    #[error("{key:?} must hold an entry of its own kind, not {found:?}")]
    KindMismatch {
        /// The entry's key.
        key: EntryKey,
        /// The kind of the entry.
        found: EntryKind,
    },
    /// Two shards hold the same key.
    #[error("{key:?} must stand in one shard only")]
    Duplicate {
        /// The key.
        key: EntryKey,
    },
    /// The JSON is not that of a shard of this schema.
    #[error("a shard must be canonical JSON of this schema")]
    Malformed(#[source] serde_json::Error),
}

impl BundleError {
    /// A stable word for conditions and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::EntryTooLarge { .. } => "EntryTooLarge",
            Self::KindMismatch { .. } => "KindMismatch",
            Self::Duplicate { .. } => "Duplicate",
            Self::Malformed(_) => "MalformedShard",
        }
    }
}

/// A compiled policy. Clones share everything that later edits leave alone.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    plain: Node,
    secret: Node,
    digest: OnceLock<Digest>,
}

impl Bundle {
    /// An empty bundle: every listener refuses everyone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the shards that [`Self::shards`] wrote, in any order.
    ///
    /// # Errors
    /// When one is not a shard of this schema, or two hold the same key.
    pub fn from_shards<'a>(shards: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, BundleError> {
        let mut bundle = Self::new();
        for json in shards {
            for record in Records::read(json)? {
                if bundle.get(&record.key).is_some() {
                    return Err(BundleError::Duplicate { key: (*record.key).clone() });
                }
                bundle.family_mut(record.key.kind).set(record, 0);
            }
        }
        Ok(bundle)
    }

    /// The bundle without the shards `gone`, and with the entries of the shards `new` (as [`Shard::to_json`] wrote
    /// them). A changed shard is named in `gone` and given in `new`. Costs what changes; whether the outcome is what
    /// was meant is told by its [`Self::digest`].
    ///
    /// # Errors
    /// When one of `new` is not a shard of this schema, or holds a key that is there already.
    pub fn replace<'a>(
        &self,
        gone: &[(Family, Prefix)],
        new: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, BundleError> {
        let mut bundle = self.clone();
        let leaving = self.shards().filter(|shard| gone.contains(&(shard.family(), shard.prefix())));
        // Kept aside: a key that leaves one shard may enter another, equal or not.
        let mut left: HashSet<&EntryKey> =
            leaving.flat_map(|shard| shard.records.as_slice()).map(|r| &*r.key).collect();
        let mut entered = HashSet::new();
        for json in new {
            for record in Records::read(json)? {
                let key = Arc::clone(&record.key);
                if (bundle.get(&key).is_some() && !left.remove(&*key)) || !entered.insert(Arc::clone(&key)) {
                    return Err(BundleError::Duplicate { key: (*key).clone() });
                }
                if bundle.get(&key).is_none_or(|old| *old != record.entry) {
                    bundle.family_mut(key.kind).set(record, 0);
                }
            }
        }
        for key in left {
            bundle.remove(key);
        }
        Ok(bundle)
    }

    /// Adds or replaces an entry. An equal entry changes nothing, so that shards stay shared.
    ///
    /// # Errors
    /// When the entry is larger than [`MAX_ENTRY_BYTES`] or the key is of another kind.
    pub fn set(&mut self, key: EntryKey, entry: Arc<Entry>) -> Result<(), BundleError> {
        if self.get(&key).is_some_and(|old| Arc::ptr_eq(old, &entry) || *old == entry) {
            return Ok(());
        }
        let record = Record::new(key, entry)?;
        self.family_mut(record.key.kind).set(record, 0);
        Ok(())
    }

    /// Removes an entry; tells whether it was there.
    pub fn remove(&mut self, key: &EntryKey) -> bool {
        let there = self.get(key).is_some();
        if there {
            self.family_mut(key.kind).remove(key, place(key), 0);
        }
        there
    }

    /// The entry of a key.
    #[must_use]
    pub fn get(&self, key: &EntryKey) -> Option<&Arc<Entry>> {
        match Family::of(key.kind) {
            Family::Plain => self.plain.get(key),
            Family::Secret => self.secret.get(key),
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plain.count() + self.secret.count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries, shard by shard, within a shard by key. The order depends on the content alone.
    pub fn iter(&self) -> impl Iterator<Item = (&EntryKey, &Arc<Entry>)> {
        let mut records = Vec::with_capacity(self.len());
        self.plain.records(&mut records);
        self.secret.records(&mut records);
        records.into_iter().map(|record| (&*record.key, &record.entry))
    }

    /// All shards in the order (family, prefix); none is empty.
    pub fn shards(&self) -> impl Iterator<Item = Shard<'_>> {
        [(Family::Plain, &self.plain), (Family::Secret, &self.secret)].into_iter().flat_map(
            |(family, node)| {
                let mut shards = Vec::new();
                node.shards(Prefix::default(), &mut shards);
                shards.into_iter().map(move |(prefix, records)| Shard { family, prefix, records })
            },
        )
    }

    /// The digest of the whole. Only shards that changed since the last call (of any clone) are hashed again.
    #[must_use]
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| {
            let mut hash = Sha256::new();
            for shard in self.shards() {
                hash.update([u8::from(shard.family == Family::Secret), shard.prefix.len()]);
                hash.update(shard.prefix.bits().to_be_bytes());
                hash.update(shard.digest().0);
            }
            Digest(hash.finalize().into())
        })
    }

    /// The keys whose entries were added, removed or changed since `older`, in their order. Costs what differs when
    /// one of the two was made from the other, else a comparison of everything.
    #[must_use]
    pub fn diff(&self, older: &Self) -> Vec<EntryKey> {
        let mut keys = Vec::new();
        self.plain.diff(&older.plain, &mut keys);
        self.secret.diff(&older.secret, &mut keys);
        keys.sort_unstable();
        keys
    }

    fn family_mut(&mut self, kind: EntryKind) -> &mut Node {
        self.digest = OnceLock::new();
        match Family::of(kind) {
            Family::Plain => &mut self.plain,
            Family::Secret => &mut self.secret,
        }
    }
}
