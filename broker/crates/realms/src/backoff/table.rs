//! A table of decaying counts that never grows beyond its capacity.

use std::time::{Duration, Instant};

/// Entries that share a place; a full place gives up its smallest count.
const WAYS: usize = 8;

/// Counts by 64-bit key. The keys must be hashes that nobody outside can aim at one place.
pub(super) struct Table {
    buckets: Vec<Vec<Entry>>,
}

#[derive(Clone, Copy)]
struct Entry {
    key: u64,
    count: f32,
    at: Instant,
}

impl Entry {
    fn decayed(&self, now: Instant, half_life: Duration) -> f32 {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f32();
        self.count * (-elapsed / half_life.as_secs_f32().max(f32::MIN_POSITIVE)).exp2()
    }
}

/// Below this a count stands for nothing any more and its entry can go.
const FORGOTTEN: f32 = 0.05;

impl Table {
    pub(super) fn new(capacity: usize) -> Self {
        Self { buckets: vec![Vec::new(); capacity.div_ceil(WAYS).max(1)] }
    }

    /// Entries, forgotten ones included.
    pub(super) fn len(&self) -> usize {
        self.buckets.iter().map(Vec::len).sum()
    }

    /// When the key's count was raised last.
    pub(super) fn last(&self, key: u64) -> Option<Instant> {
        self.find(key).map(|entry| entry.at)
    }

    /// The key's count at `now`.
    pub(super) fn count(&self, key: u64, now: Instant, half_life: Duration) -> f32 {
        self.find(key).map_or(0.0, |entry| entry.decayed(now, half_life))
    }

    /// Adds one.
    pub(super) fn raise(&mut self, key: u64, now: Instant, half_life: Duration) {
        let bucket = self.bucket(key);
        if let Some(entry) = bucket.iter_mut().find(|entry| entry.key == key) {
            *entry = Entry { key, count: entry.decayed(now, half_life) + 1.0, at: now };
            return;
        }
        bucket.retain(|entry| entry.decayed(now, half_life) >= FORGOTTEN);
        if bucket.len() >= WAYS {
            let weight = |entry: &Entry| entry.decayed(now, half_life);
            let smallest =
                (0..bucket.len()).min_by(|a, b| weight(&bucket[*a]).total_cmp(&weight(&bucket[*b])));
            smallest.map(|index| bucket.swap_remove(index));
        }
        bucket.push(Entry { key, count: 1.0, at: now });
    }

    /// Takes `by` away, without moving the moment of the last raise.
    pub(super) fn lower(&mut self, key: u64, by: f32, now: Instant, half_life: Duration) {
        let bucket = self.bucket(key);
        let Some(index) = bucket.iter().position(|entry| entry.key == key) else { return };
        let entry = &mut bucket[index];
        let decayed = entry.decayed(now, half_life);
        if decayed - by < FORGOTTEN {
            bucket.swap_remove(index);
        } else {
            entry.count *= (decayed - by) / decayed;
        }
    }

    /// Remembers that something happened to the key at `now`; of a full place the longest ago is forgotten.
    pub(super) fn mark(&mut self, key: u64, now: Instant) {
        let bucket = self.bucket(key);
        if let Some(entry) = bucket.iter_mut().find(|entry| entry.key == key) {
            entry.at = now;
            return;
        }
        if bucket.len() >= WAYS {
            let oldest = (0..bucket.len()).min_by_key(|index| bucket[*index].at);
            oldest.map(|index| bucket.swap_remove(index));
        }
        bucket.push(Entry { key, count: 1.0, at: now });
    }

    pub(super) fn remove(&mut self, key: u64) {
        self.bucket(key).retain(|entry| entry.key != key);
    }

    fn find(&self, key: u64) -> Option<&Entry> {
        self.buckets[self.place(key)].iter().find(|entry| entry.key == key)
    }

    fn bucket(&mut self, key: u64) -> &mut Vec<Entry> {
        let place = self.place(key);
        &mut self.buckets[place]
    }

    fn place(&self, key: u64) -> usize {
        (key % self.buckets.len() as u64) as usize
    }
}
