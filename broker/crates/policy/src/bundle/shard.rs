//! A shard: the entries whose key hashes share a prefix, with a digest over their canonical JSON.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{BundleError, Digest, Entry, EntryKey, EntryKind};

/// Above this many bytes of canonical JSON, a shard of two or more entries is split.
pub const TARGET_SHARD_BYTES: usize = 64 * 1024;

/// No entry, and therefore no shard, is larger than this.
pub const MAX_ENTRY_BYTES: usize = 512 * 1024 - 2;

/// Which of the two kinds of object a shard is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Nothing secret: settings, realms, pipelines, roles.
    Plain,
    /// Entries that hold verifiers: credentials.
    Secret,
}

impl Family {
    /// The family of entries of a kind.
    #[must_use]
    pub const fn of(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Credential => Self::Secret,
            EntryKind::Settings | EntryKind::Realm | EntryKind::Pipeline | EntryKind::Role => Self::Plain,
        }
    }
}

/// The leading bits of a key's hash that the entries of a shard share. Prints as `0` and `1`, the root as `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Prefix {
    /// The bits, left-aligned; all others are zero.
    bits: u64,
    /// How many bits count.
    len: u8,
}

impl Prefix {
    /// The longest prefix.
    pub(super) const MAX_LEN: u8 = 64;

    pub(super) const fn child(self, one: bool) -> Self {
        Self { bits: self.bits | (one as u64) << (63 - self.len), len: self.len + 1 }
    }

    pub(super) const fn bits(self) -> u64 {
        self.bits
    }

    pub(super) const fn len(self) -> u8 {
        self.len
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.len == 0 {
            return f.write_str("-");
        }
        (0..self.len).try_for_each(|i| f.write_str(if self.bits << i >> 63 == 1 { "1" } else { "0" }))
    }
}

/// A text is no prefix: `0` and `1`, at most 64 of them, or `-` for the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a prefix must be `-`, or 1 to 64 of `0` and `1`")]
pub struct InvalidPrefix;

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        if text == "-" {
            return Ok(Self::default());
        }
        if text.is_empty() || text.len() > usize::from(Self::MAX_LEN) {
            return Err(InvalidPrefix);
        }
        text.bytes().try_fold(Self::default(), |prefix, bit| match bit {
            b'0' => Ok(prefix.child(false)),
            b'1' => Ok(prefix.child(true)),
            _ => Err(InvalidPrefix),
        })
    }
}

/// The hash that places a key: the first 64 bits of the SHA-256 of `kind NUL realm NUL name`, kind in camel case.
pub(super) fn place(key: &EntryKey) -> u64 {
    let kind = match key.kind {
        EntryKind::Settings => "settings",
        EntryKind::Realm => "realm",
        EntryKind::Pipeline => "pipeline",
        EntryKind::Role => "role",
        EntryKind::Credential => "credential",
    };
    let mut hash = Sha256::new();
    for part in [kind, "\0", &key.realm, "\0", &key.name] {
        hash.update(part);
    }
    hash.finalize().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// One entry with its key, its place and its size in canonical JSON.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) key: Arc<EntryKey>,
    pub(super) entry: Arc<Entry>,
    pub(super) place: u64,
    bytes: usize,
}

/// How a record stands in canonical JSON.
#[derive(Serialize)]
struct RecordOut<'a> {
    key: &'a EntryKey,
    entry: &'a Entry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordIn {
    key: EntryKey,
    entry: Entry,
}

/// Counts what it is given.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Record {
    /// Measures and places an entry.
    ///
    /// # Errors
    /// When the key's kind is not the entry's, or the entry is larger than [`MAX_ENTRY_BYTES`].
    pub(super) fn new(key: EntryKey, entry: Arc<Entry>) -> Result<Self, BundleError> {
        if key.kind != entry.kind() {
            return Err(BundleError::KindMismatch { key, found: entry.kind() });
        }
        let mut counter = Counter(0);
        serde_json::to_writer(&mut counter, &RecordOut { key: &key, entry: &entry })
            .map_err(BundleError::Malformed)?;
        if counter.0 > MAX_ENTRY_BYTES {
            return Err(BundleError::EntryTooLarge { key, bytes: counter.0 });
        }
        Ok(Self { place: place(&key), key: Arc::new(key), entry, bytes: counter.0 })
    }

    pub(super) fn same_content(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.entry, &other.entry) || self.entry == other.entry
    }
}

/// The entries of one prefix, ordered by key.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    records: Vec<Record>,
    bytes: usize,
    digest: OnceLock<Digest>,
}

impl Records {
    pub(super) fn from_sorted(records: Vec<Record>) -> Self {
        let bytes = records.iter().map(|r| r.bytes + 1).sum();
        Self { records, bytes, digest: OnceLock::new() }
    }

    pub(super) fn as_slice(&self) -> &[Record] {
        &self.records
    }

    /// Size of the canonical JSON, short of one byte.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn get(&self, key: &EntryKey) -> Option<&Record> {
        let at = self.records.binary_search_by(|r| (*r.key).cmp(key)).ok()?;
        self.records.get(at)
    }

    pub(super) fn put(&mut self, record: Record) {
        self.digest = OnceLock::new();
        self.bytes += record.bytes + 1;
        match self.records.binary_search_by(|r| r.key.cmp(&record.key)) {
            Ok(at) => {
                self.bytes -= self.records[at].bytes + 1;
                self.records[at] = record;
            }
            Err(at) => self.records.insert(at, record),
        }
    }

    pub(super) fn remove(&mut self, key: &EntryKey) {
        if let Ok(at) = self.records.binary_search_by(|r| (*r.key).cmp(key)) {
            self.digest = OnceLock::new();
            self.bytes -= self.records.remove(at).bytes + 1;
        }
    }

    pub(super) fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| Digest(Sha256::digest(self.to_json()).into()))
    }

    pub(super) fn digest_if_known(&self) -> Option<Digest> {
        self.digest.get().copied()
    }

    fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(self.bytes + 2);
        json.push(b'[');
        for (i, record) in self.records.iter().enumerate() {
            if i > 0 {
                json.push(b',');
            }
            let out = RecordOut { key: &record.key, entry: &record.entry };
            // Measured by the same serialiser when the record was made, and a `Vec` takes every byte: cannot fail.
            let _ = serde_json::to_writer(&mut json, &out);
        }
        json.push(b']');
        json
    }

    /// Reads the canonical JSON of a shard.
    pub(super) fn read(json: &[u8]) -> Result<Vec<Record>, BundleError> {
        let records: Vec<RecordIn> = serde_json::from_slice(json).map_err(BundleError::Malformed)?;
        records.into_iter().map(|RecordIn { key, entry }| Record::new(key, Arc::new(entry))).collect()
    }
}

/// A view of one shard of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct Shard<'a> {
    pub(super) family: Family,
    pub(super) prefix: Prefix,
    pub(super) records: &'a Records,
}

impl Shard<'_> {
    /// Which kind of object the shard is written to.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The prefix that all keys of the shard share.
    #[must_use]
    pub const fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// How many entries it holds; never zero.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.records.records.len()
    }

    /// The keys of its entries, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &EntryKey> {
        self.records.records.iter().map(|record| &*record.key)
    }

    /// SHA-256 over [`Self::to_json`]; computed once per content.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.records.digest()
    }

    /// The canonical content, uncompressed. A secret shard's content is secret.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        self.records.to_json()
    }
}
