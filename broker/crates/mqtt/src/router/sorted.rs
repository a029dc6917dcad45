//! A map in key order that is small when it has few entries and persistent when it has many.
//!
//! Nearly all lists of the router have a handful of entries: those live in one exactly sized allocation and
//! are copied as a whole when a snapshot still shares them. From [`FEW`] on it is a persistent red-black tree,
//! so that the copy stays O(log n) however long the list is.

use std::borrow::Borrow;
use std::fmt::{self, Debug, Formatter};
use std::ops::{Bound, ControlFlow};

use rpds::RedBlackTreeMapSync;

/// Longest list that is kept flat.
const FEW: usize = 16;

pub(crate) enum Sorted<K, V> {
    /// At most [`FEW`] entries, in order.
    Few(Vec<(K, V)>),
    /// More than [`FEW`] / 2: the gap keeps a list at the border from being rebuilt with every change.
    Many(RedBlackTreeMapSync<K, V>),
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<K: Ord + Clone, V: Clone> Clone for Sorted<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Few(few) => Self::Few(few.clone()),
            Self::Many(many) => Self::Many(many.clone()),
        }
    }
}

impl<K: Ord + Clone + Debug, V: Clone + Debug> Debug for Sorted<K, V> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        self.each(|key, value| {
            map.entry(key, value);
        });
        map.finish()
    }
}

impl<K: Ord + Clone, V: Clone> Sorted<K, V> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.size(),
        }
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::Few(few) => Some(&few[place(few, key).ok()?].1),
            Self::Many(many) => many.get(key),
        }
    }

    /// The entry's value, unshared from every snapshot.
    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::Few(few) => {
                let place = place(few, key).ok()?;
                Some(&mut few[place].1)
            }
            Self::Many(many) => {
                // Looked at first: the way down unshares.
                many.get(key)?;
                many.get_mut(key)
            }
        }
    }

    /// Sets an entry and returns the value that it had.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self {
            Self::Few(few) => match place(few, &key) {
                Ok(place) => Some(std::mem::replace(&mut few[place].1, value)),
                Err(place) if few.len() < FEW => {
                    few.reserve_exact(1);
                    few.insert(place, (key, value));
                    None
                }
                Err(_) => {
                    let mut many: RedBlackTreeMapSync<K, V> = std::mem::take(few).into_iter().collect();
                    many.insert_mut(key, value);
                    *self = Self::Many(many);
                    None
                }
            },
            Self::Many(many) => {
                let former = many.get(&key).cloned();
                many.insert_mut(key, value);
                former
            }
        }
    }

    /// Takes an entry out and gives back the memory that it does not need any more.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::Few(few) => {
                let place = place(few, key).ok()?;
                let (_, value) = few.remove(place);
                few.shrink_to_fit();
                Some(value)
            }
            Self::Many(many) => {
                let value = many.get(key)?.clone();
                many.remove_mut(key);
                if many.size() <= FEW / 2 {
                    *self = Self::Few(many.iter().map(|(key, value)| (key.clone(), value.clone())).collect());
                }
                Some(value)
            }
        }
    }

    /// Shows every entry in order. A closure, not an iterator: it compiles to a plain loop for either form.
    pub(crate) fn each<'s>(&'s self, mut show: impl FnMut(&'s K, &'s V)) {
        match self {
            Self::Few(few) => few.iter().for_each(|(key, value)| show(key, value)),
            Self::Many(many) => many.iter().for_each(|(key, value)| show(key, value)),
        }
    }

    /// Shows the entries from `start` on (all if it is `None`) in order, until `show` breaks.
    pub(crate) fn try_each_from<'s, Q: Ord + ?Sized>(
        &'s self,
        start: Option<&Q>,
        mut show: impl FnMut(&'s K, &'s V) -> ControlFlow<()>,
    ) -> ControlFlow<()>
    where
        K: Borrow<Q>,
    {
        match (self, start) {
            (Self::Few(few), start) => {
                let first = start.map_or(0, |start| place(few, start).unwrap_or_else(|place| place));
                few[first..].iter().try_for_each(|(key, value)| show(key, value))
            }
            (Self::Many(many), None) => many.iter().try_for_each(|(key, value)| show(key, value)),
            (Self::Many(many), Some(start)) => many
                .range::<Q, _>((Bound::Included(start), Bound::Unbounded))
                .try_for_each(|(key, value)| show(key, value)),
        }
    }
}

fn place<K: Borrow<Q>, Q: Ord + ?Sized, V>(few: &[(K, V)], key: &Q) -> Result<usize, usize> {
    few.binary_search_by(|(present, _)| present.borrow().cmp(key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::ControlFlow;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::Sorted;

    fn entries(map: &Sorted<u32, u32>) -> Vec<(u32, u32)> {
        let mut entries = Vec::new();
        map.each(|&key, &value| entries.push((key, value)));
        entries
    }

    proptest! {
        /// Sizes go up and down through both forms.
        #[test]
        fn it_behaves_as_a_map_in_order_whatever_its_form(
            steps in vec((0..40u32, any::<u32>(), 0..5u8), 1..300),
            start in 0..45u32,
        ) {
            let (mut map, mut known) = (Sorted::default(), BTreeMap::new());
            for (index, (key, value, kind)) in steps.into_iter().enumerate() {
                // Mostly growing in the first half, mostly shrinking in the second.
                let grow = if index % 200 < 100 { kind > 0 } else { kind == 0 };
                if grow {
                    prop_assert_eq!(map.insert(key, value), known.insert(key, value));
                } else {
                    prop_assert_eq!(map.remove(&key), known.remove(&key));
                }
                prop_assert_eq!(map.len(), known.len());
                prop_assert_eq!(map.get(&key), known.get(&key));
                prop_assert_eq!(map.get_mut(&key).copied(), known.get(&key).copied());
            }
            prop_assert_eq!(entries(&map), known.clone().into_iter().collect::<Vec<_>>());
            let mut tail = Vec::new();
            let flow = map.try_each_from(Some(&start), |&key, _| {
                tail.push(key);
                if tail.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            prop_assert_eq!(&tail, &known.range(start..).map(|(&key, _)| key).take(3).collect::<Vec<_>>());
            prop_assert_eq!(flow.is_break(), tail.len() == 3);
        }
    }

    #[test]
    fn a_copy_does_not_see_later_changes() {
        for len in [3, 100] {
            let mut map: Sorted<u32, u32> = Sorted::default();
            for key in 0..len {
                map.insert(key, key);
            }
            let copy = map.clone();
            for key in 0..len {
                map.remove(&key);
            }
            map.insert(0, 7);
            assert_eq!(entries(&copy), (0..len).map(|key| (key, key)).collect::<Vec<_>>());
            assert_eq!(entries(&map), [(0, 7)]);
        }
    }
}
