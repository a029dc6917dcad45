//! The shard tree of one family: a binary tree over the bits of the keys' hashes.
//!
//! A node is a leaf exactly when its content fits a shard (or cannot be divided), so the tree's shape depends on the
//! content alone and never on the order of edits. Nodes are shared between clones; an edit copies one path.

use std::sync::Arc;

use super::shard::{Prefix, Record, Records, TARGET_SHARD_BYTES, place};
use super::{Entry, EntryKey};

#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Arc<Records>),
    Branch(Arc<Branch>),
}

#[derive(Debug, Clone)]
pub(super) struct Branch {
    bytes: usize,
    count: usize,
    /// The halves whose next bit is 0 and 1.
    children: [Node; 2],
}

impl Default for Node {
    fn default() -> Self {
        Self::Leaf(Arc::default())
    }
}

const fn bit(place: u64, depth: u8) -> usize {
    (place >> (63 - depth) & 1) as usize
}

impl Node {
    fn bytes(&self) -> usize {
        match self {
            Self::Leaf(records) => records.bytes(),
            Self::Branch(branch) => branch.bytes,
        }
    }

    /// How many entries there are.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Leaf(records) => records.as_slice().len(),
            Self::Branch(branch) => branch.count,
        }
    }

    pub(super) fn get(&self, key: &EntryKey) -> Option<&Arc<Entry>> {
        let place = place(key);
        let (mut node, mut depth) = (self, 0);
        loop {
            match node {
                Self::Leaf(records) => return records.get(key).map(|record| &record.entry),
                Self::Branch(branch) => node = &branch.children[bit(place, depth)],
            }
            depth += 1;
        }
    }

    pub(super) fn set(&mut self, record: Record, depth: u8) {
        match self {
            Self::Leaf(records) => Arc::make_mut(records).put(record),
            Self::Branch(branch) => {
                let branch = Arc::make_mut(branch);
                branch.children[bit(record.place, depth)].set(record, depth + 1);
                branch.count_again();
            }
        }
        self.settle(depth);
    }

    pub(super) fn remove(&mut self, key: &EntryKey, place: u64, depth: u8) {
        match self {
            Self::Leaf(records) => Arc::make_mut(records).remove(key),
            Self::Branch(branch) => {
                let branch = Arc::make_mut(branch);
                branch.children[bit(place, depth)].remove(key, place, depth + 1);
                branch.count_again();
            }
        }
        self.settle(depth);
    }

    /// Restores the rule that a node is a branch exactly when its content is too large for a shard and divisible.
    fn settle(&mut self, depth: u8) {
        let divide = self.bytes() > TARGET_SHARD_BYTES && self.count() > 1 && depth < Prefix::MAX_LEN;
        match self {
            Self::Leaf(records) if divide => {
                let (ones, zeros): (Vec<_>, Vec<_>) =
                    records.as_slice().iter().cloned().partition(|record| bit(record.place, depth) == 1);
                let mut children = [zeros, ones].map(|half| Self::Leaf(Arc::new(Records::from_sorted(half))));
                children.iter_mut().for_each(|child| child.settle(depth + 1));
                let mut branch = Branch { bytes: 0, count: 0, children };
                branch.count_again();
                *self = Self::Branch(Arc::new(branch));
            }
            Self::Branch(_) if !divide => {
                let mut records = Vec::with_capacity(self.count());
                self.records(&mut records);
                let mut records: Vec<Record> = records.into_iter().cloned().collect();
                records.sort_unstable_by(|a, b| a.key.cmp(&b.key));
                *self = Self::Leaf(Arc::new(Records::from_sorted(records)));
            }
            Self::Leaf(_) | Self::Branch(_) => {}
        }
    }

    /// All records below, in the order of the tree.
    pub(super) fn records<'a>(&'a self, into: &mut Vec<&'a Record>) {
        match self {
            Self::Leaf(records) => into.extend(records.as_slice()),
            Self::Branch(branch) => branch.children.iter().for_each(|child| child.records(into)),
        }
    }

    /// All shards below that hold something, in the order of their prefixes.
    pub(super) fn shards<'a>(&'a self, prefix: Prefix, into: &mut Vec<(Prefix, &'a Records)>) {
        match self {
            Self::Leaf(records) if records.as_slice().is_empty() => {}
            Self::Leaf(records) => into.push((prefix, records)),
            Self::Branch(branch) => {
                debug_assert!(prefix.len() < Prefix::MAX_LEN);
                let [zeros, ones] = &branch.children;
                zeros.shards(prefix.child(false), into);
                ones.shards(prefix.child(true), into);
            }
        }
    }

    /// The keys whose entries differ. What both trees share is not looked at.
    pub(super) fn diff(&self, older: &Self, into: &mut Vec<EntryKey>) {
        match (self, older) {
            (Self::Leaf(a), Self::Leaf(b)) if Arc::ptr_eq(a, b) => {}
            (Self::Leaf(a), Self::Leaf(b))
                if a.digest_if_known().is_some() && a.digest_if_known() == b.digest_if_known() => {}
            (Self::Branch(a), Self::Branch(b)) if Arc::ptr_eq(a, b) => {}
            (Self::Branch(a), Self::Branch(b)) => {
                a.children.iter().zip(&b.children).for_each(|(a, b)| a.diff(b, into));
            }
            _ => diff_records(self, older, into),
        }
    }
}

impl Branch {
    fn count_again(&mut self) {
        self.bytes = self.children.iter().map(Node::bytes).sum();
        self.count = self.children.iter().map(Node::count).sum();
    }
}

/// The plain way: both sides in full, merged by key.
fn diff_records(new: &Node, old: &Node, into: &mut Vec<EntryKey>) {
    let [new, old] = [new, old].map(|node| {
        let mut records = Vec::with_capacity(node.count());
        node.records(&mut records);
        records.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        records
    });
    let (mut i, mut k) = (0, 0);
    loop {
        let order = match (new.get(i), old.get(k)) {
            (None, None) => return,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => a.key.cmp(&b.key),
        };
        match order {
            std::cmp::Ordering::Less => into.push((*new[i].key).clone()),
            std::cmp::Ordering::Greater => into.push((*old[k].key).clone()),
            std::cmp::Ordering::Equal if !new[i].same_content(old[k]) => into.push((*new[i].key).clone()),
            std::cmp::Ordering::Equal => {}
        }
        i += usize::from(order.is_le());
        k += usize::from(order.is_ge());
    }
}
