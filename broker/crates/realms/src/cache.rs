//! Passwords that were verified a moment ago.
//!
//! After a network cut a whole fleet logs in at once; hashing every password again would take minutes. The cache keeps
//! `HMAC-SHA256(process key, credential, verifier, password)` of successful checks for a short time. What it holds
//! cannot be turned into a password or be used in another process, and since the stored verifier is part of it, a
//! changed password never hits, with no invalidation to forget. Wrong passwords are never kept.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::entropy::{NoEntropy, random};

/// How long and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheConfig {
    /// How long a verified password needs no hashing. Default 60 s; zero switches the cache off. It is not prolonged
    /// by use: a password is hashed at least once in this time.
    pub ttl: Duration,
    /// Most entries; the oldest goes first. Default 131 072 (about 15 MB when full).
    pub capacity: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(60), capacity: 131_072 }
    }
}

/// What identifies one check: the keyed digest of credential, verifier and password.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag([u8; 32]);

/// Figures of a cache since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheMetrics {
    /// Gauge: entries, expired ones that were not yet removed included.
    pub entries: u64,
    /// Counter: look-ups that found a live entry.
    pub hits: u64,
    /// Counter: look-ups that did not.
    pub misses: u64,
}

/// Tags are keyed digests already: their first bytes are as good as any hash of them.
#[derive(Default)]
pub(crate) struct TagHasher(u64);

impl Hasher for TagHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // The tag's bytes are written last; the length that comes before them is overwritten.
        for chunk in bytes.chunks_exact(8).take(1) {
            self.0 = chunk.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        }
    }
}

pub(crate) type TagMap<V> = HashMap<Tag, V, BuildHasherDefault<TagHasher>>;

/// The cache of verified credentials.
pub struct Cache {
    key: Hmac<Sha256>,
    ttl: Duration,
    shard_capacity: usize,
    shards: [Mutex<Shard>; SHARDS],
    epoch: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Locks that cores share: with sixteen, two of eight cores rarely meet.
const SHARDS: usize = 16;

#[derive(Default)]
struct Shard {
    expiry: TagMap<Instant>,
    /// The same tags in the order of their expiry; the lifetime is one for all, so that is the order of arrival.
    order: VecDeque<Tag>,
}

/// The state of a cache at one moment; see [`Cache::insert`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheEpoch(u64);

impl Cache {
    /// An empty cache with a fresh key.
    ///
    /// # Errors
    /// [`NoEntropy`] if the system has no random bytes for the key.
    pub fn new(config: CacheConfig) -> Result<Self, NoEntropy> {
        let secret = Zeroizing::new(random::<32>()?);
        // HMAC takes keys of every length; this cannot fail, and if it did there would be no key to use.
        let key = Hmac::<Sha256>::new_from_slice(secret.as_slice()).map_err(|_| NoEntropy)?;
        Ok(Self {
            key,
            ttl: config.ttl,
            shard_capacity: config.capacity.div_ceil(SHARDS),
            shards: std::array::from_fn(|_| Mutex::default()),
            epoch: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// The tag of one check. `parts` (realm, credential, whatever tells them apart) and the verifier are hashed with
    /// their lengths, so that no two different questions have one tag.
    #[must_use]
    pub fn tag(&self, parts: [&str; 2], verifier: Option<&str>, password: &[u8]) -> Tag {
        let mut mac = self.key.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        match verifier {
            Some(text) => {
                mac.update(&[1]);
                mac.update(&Sha256::digest(text.as_bytes()));
            }
            None => mac.update(&[0]),
        }
        mac.update(password);
        Tag(mac.finalize().into_bytes().into())
    }

    /// Whether this very check succeeded less than the lifetime ago.
    #[must_use]
    pub fn contains(&self, tag: &Tag, now: Instant) -> bool {
        let hit = self.shard(tag).lock().expiry.get(tag).is_some_and(|expiry| now < *expiry);
        let counter = if hit { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        hit
    }

    /// The epoch to hand to [`Cache::insert`] with the result of a check that begins now.
    #[must_use]
    pub fn epoch(&self) -> CacheEpoch {
        CacheEpoch(self.epoch.load(Ordering::Acquire))
    }

    /// Keeps a check that succeeded. It is not kept if [`Cache::clear`] came between the beginning of the check
    /// (`since`) and now: whoever cleared the cache wants every later login to be computed.
    pub fn insert(&self, tag: Tag, since: CacheEpoch, now: Instant) {
        if self.ttl.is_zero() || self.shard_capacity == 0 {
            return;
        }
        let mut shard = self.shard(&tag).lock();
        // Read under the lock: `clear` raises the epoch before it takes the lock of any shard.
        if self.epoch() != since {
            return;
        }
        shard.remove_expired(now);
        if shard.expiry.contains_key(&tag) {
            return;
        }
        while shard.order.len() >= self.shard_capacity {
            shard.remove_oldest();
        }
        shard.order.push_back(tag);
        shard.expiry.insert(tag, now + self.ttl);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            *shard.lock() = Shard::default();
        }
    }

    /// Removes what is expired, so that an idle broker does not hold the memory of its last storm.
    pub fn sweep(&self, now: Instant) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.remove_expired(now);
            if shard.order.is_empty() {
                *shard = Shard::default();
            }
        }
    }

    /// The cache's figures.
    #[must_use]
    pub fn metrics(&self) -> CacheMetrics {
        CacheMetrics {
            entries: self.shards.iter().map(|shard| shard.lock().order.len() as u64).sum(),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }

    fn shard(&self, tag: &Tag) -> &Mutex<Shard> {
        // The last byte: the first ones choose the place inside of the shard's map.
        &self.shards[usize::from(tag.0[31]) % SHARDS]
    }
}

impl Shard {
    fn remove_expired(&mut self, now: Instant) {
        while let Some(oldest) = self.order.front() {
            if self.expiry.get(oldest).is_some_and(|expiry| now < *expiry) {
                return;
            }
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        if let Some(tag) = self.order.pop_front() {
            self.expiry.remove(&tag);
        }
    }
}

#[cfg(test)]
mod tests;
