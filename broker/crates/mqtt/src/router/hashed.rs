//! A persistent hash map, laid out for a million entries of which one changes at a time.
//!
//! A hash trie of five bits a level. Arrays have exactly the size of their content and keys stand in place, so
//! an entry costs little more than itself, a look-up touches one cache line a level, and up to [`LEAF`]
//! entries are one flat array that is searched without hashing. (A map that keeps 32 slots in each node, taken
//! or not, was measured: three times the memory here, and slower to read for it.)
//!
//! The hasher is the caller's, so that a map in each of a million nodes needs none of its own.

use std::borrow::Borrow;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Most entries of one flat array.
const LEAF: usize = 8;

/// Bits of the hash that choose a child of a branch.
const BITS: u32 = 5;

/// Below this depth the hash is used up, and entries that still collide share a leaf of any length.
const DEEPEST: u32 = u64::BITS / BITS;

#[derive(Debug, Clone, Default)]
pub(super) enum Hashed<K, V> {
    #[default]
    Empty,
    Leaf(Arc<[(K, V)]>),
    /// A bit for each child that is there, and those children in order of their bits.
    Branch(u32, Arc<[Hashed<K, V>]>),
}

impl<K: Borrow<[u8]> + Clone, V: Clone> Hashed<K, V> {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    pub(super) fn get<S: BuildHasher>(&self, hasher: &S, key: &[u8]) -> Option<&V> {
        let mut node = self;
        let mut hash = if matches!(self, Self::Branch(..)) { hasher.hash_one(key) } else { 0 };
        loop {
            match node {
                Self::Empty => return None,
                Self::Leaf(entries) => return Some(&entries[position(entries, key)?].1),
                Self::Branch(present, children) => {
                    let bit = bit(hash);
                    if present & bit == 0 {
                        return None;
                    }
                    node = &children[place(*present, bit)];
                    hash >>= BITS;
                }
            }
        }
    }

    /// Changes the value of a key, which begins with its default; `make` is the key to keep.
    pub(super) fn edit<S: BuildHasher, R>(
        &mut self,
        hasher: &S,
        key: &[u8],
        make: impl FnOnce() -> K,
        change: impl FnOnce(&mut V) -> R,
    ) -> R
    where
        V: Default,
    {
        match self.get_mut(hasher, key) {
            Some(value) => change(value),
            None => {
                let mut value = V::default();
                let result = change(&mut value);
                self.add(hasher, hasher.hash_one(key), 0, (make(), value));
                result
            }
        }
    }

    /// The value, unshared from every snapshot.
    pub(super) fn get_mut<S: BuildHasher>(&mut self, hasher: &S, key: &[u8]) -> Option<&mut V> {
        // Looked at first: the way down unshares.
        self.get(hasher, key)?;
        let mut hash = hasher.hash_one(key);
        let mut node = self;
        loop {
            match node {
                Self::Empty => return None,
                Self::Leaf(entries) => {
                    let position = position(entries, key)?;
                    return Some(&mut Arc::make_mut(entries)[position].1);
                }
                Self::Branch(present, children) => {
                    node = &mut Arc::make_mut(children)[place(*present, bit(hash))];
                    hash >>= BITS;
                }
            }
        }
    }

    pub(super) fn remove<S: BuildHasher>(&mut self, hasher: &S, key: &[u8]) {
        if self.get(hasher, key).is_some() {
            self.take(hasher.hash_one(key), key);
        }
    }

    /// Adds an entry whose key is not there. `hash` is what is left of the key's at this depth.
    fn add<S: BuildHasher>(&mut self, hasher: &S, hash: u64, depth: u32, entry: (K, V)) {
        match self {
            Self::Empty => *self = Self::Leaf(Arc::from([entry])),
            Self::Leaf(entries) if entries.len() < LEAF || depth == DEEPEST => {
                *entries = with(entries, entries.len(), entry);
            }
            Self::Leaf(entries) => {
                let mut branch = Self::Branch(0, Arc::from([]));
                for entry in entries.iter() {
                    let hash = hasher.hash_one(entry.0.borrow()) >> (depth * BITS);
                    branch.add(hasher, hash, depth, entry.clone());
                }
                branch.add(hasher, hash, depth, entry);
                *self = branch;
            }
            Self::Branch(present, children) => {
                let bit = bit(hash);
                let place = place(*present, bit);
                if *present & bit == 0 {
                    *present |= bit;
                    *children = with(children, place, Self::Leaf(Arc::from([entry])));
                } else {
                    Arc::make_mut(children)[place].add(hasher, hash >> BITS, depth + 1, entry);
                }
            }
        }
    }

    /// Takes out an entry that is there.
    fn take(&mut self, hash: u64, key: &[u8]) {
        match self {
            Self::Empty => {}
            Self::Leaf(entries) if entries.len() == 1 => *self = Self::Empty,
            Self::Leaf(entries) => {
                *entries = entries.iter().filter(|(present, _)| present.borrow() != key).cloned().collect();
            }
            Self::Branch(present, children) => {
                let bit = bit(hash);
                let place = place(*present, bit);
                let child = &mut Arc::make_mut(children)[place];
                child.take(hash >> BITS, key);
                if child.is_empty() {
                    *present &= !bit;
                    *children = without(children, place);
                }
                if let Some(smaller) = flat(children) {
                    *self = smaller;
                }
            }
        }
    }
}

#[inline]
fn bit(hash: u64) -> u32 {
    1 << (hash & ((1 << BITS) - 1))
}

#[inline]
fn place(present: u32, bit: u32) -> usize {
    (present & (bit - 1)).count_ones() as usize
}

#[inline]
fn position<K: Borrow<[u8]>, V>(entries: &[(K, V)], key: &[u8]) -> Option<usize> {
    entries.iter().position(|(present, _)| present.borrow() == key)
}

fn with<T: Clone>(items: &[T], place: usize, new: T) -> Arc<[T]> {
    let (before, after) = items.split_at(place);
    before.iter().cloned().chain(std::iter::once(new)).chain(after.iter().cloned()).collect()
}

fn without<T: Clone>(items: &[T], place: usize) -> Arc<[T]> {
    let (before, after) = items.split_at(place);
    before.iter().chain(after.iter().skip(1)).cloned().collect()
}

/// The flat form of a branch, if it has become small: half of what makes a branch, so that a map at the
/// border is not rebuilt with every change.
fn flat<K: Clone, V: Clone>(children: &[Hashed<K, V>]) -> Option<Hashed<K, V>> {
    let mut entries = 0;
    for child in children {
        entries += match child {
            Hashed::Empty => 0,
            Hashed::Leaf(leaf) => leaf.len(),
            Hashed::Branch(..) => return None,
        };
        if entries > LEAF / 2 {
            return None;
        }
    }
    if entries == 0 {
        return Some(Hashed::Empty);
    }
    let leaves = children.iter().filter_map(|child| match child {
        Hashed::Leaf(leaf) => Some(leaf.iter().cloned()),
        Hashed::Empty | Hashed::Branch(..) => None,
    });
    Some(Hashed::Leaf(leaves.flatten().collect()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::hash::{BuildHasher, Hasher};

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::Level;
    use super::Hashed;

    /// Keeps only some bits of a good hash: keys collide early, or all the way.
    struct Weak(u64);

    struct WeakHasher(u64, std::hash::DefaultHasher);

    impl BuildHasher for Weak {
        type Hasher = WeakHasher;
        fn build_hasher(&self) -> WeakHasher {
            WeakHasher(self.0, std::hash::DefaultHasher::new())
        }
    }

    impl Hasher for WeakHasher {
        fn write(&mut self, bytes: &[u8]) {
            self.1.write(bytes);
        }
        fn finish(&self) -> u64 {
            self.1.finish() & self.0
        }
    }

    fn agrees(map: &Hashed<Level, u32>, hasher: &Weak, known: &HashMap<u16, u32>, keys: u16) {
        for key in 0..keys {
            assert_eq!(map.get(hasher, key.to_string().as_bytes()), known.get(&key));
        }
        assert_eq!(map.is_empty(), known.is_empty());
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_map_however_keys_collide(
            mask in prop_oneof![Just(u64::MAX), Just(0), Just(0b11), Just(0b11 << 57), Just(1 << 63)],
            steps in vec((0..150u16, any::<u32>(), 0..5u8), 1..600),
        ) {
            let hasher = Weak(mask);
            let (mut map, mut known) = (Hashed::<Level, u32>::default(), HashMap::new());
            let (mut snapshot, mut known_then) = (map.clone(), known.clone());
            for (index, (key, value, kind)) in steps.into_iter().enumerate() {
                let text = key.to_string();
                // Mostly growing, then mostly shrinking.
                if (index % 300 < 150) == (kind > 0) {
                    let former = map.edit(&hasher, text.as_bytes(), || Level::new(&text), |present| {
                        std::mem::replace(present, value)
                    });
                    prop_assert_eq!(former, known.insert(key, value).unwrap_or_default());
                } else {
                    map.remove(&hasher, text.as_bytes());
                    known.remove(&key);
                }
                if index % 100 == 99 {
                    agrees(&map, &hasher, &known, 150);
                    agrees(&snapshot, &hasher, &known_then, 150);
                    (snapshot, known_then) = (map.clone(), known.clone());
                }
            }
            agrees(&map, &hasher, &known, 150);
            agrees(&snapshot, &hasher, &known_then, 150);
            for key in 0..150u16 {
                map.remove(&hasher, key.to_string().as_bytes());
            }
            prop_assert!(map.is_empty());
        }
    }

    #[test]
    fn a_map_that_has_become_small_is_flat_again() {
        let hasher = Weak(u64::MAX);
        let mut map = Hashed::<Level, u32>::default();
        let text = |key: u32| key.to_string();
        for key in 0..10_000 {
            map.edit(&hasher, text(key).as_bytes(), || Level::new(&text(key)), |value| *value = key);
        }
        assert!(matches!(map, Hashed::Branch(..)));
        for key in 3..10_000 {
            map.remove(&hasher, text(key).as_bytes());
        }
        assert!(matches!(&map, Hashed::Leaf(entries) if entries.len() == 3));
    }
}
