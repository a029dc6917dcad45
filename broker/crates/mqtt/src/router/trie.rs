//! Filters with wildcards: a persistent trie, one node per level.
//!
//! A change copies the nodes on its path as far as a snapshot still shares them. Recursion is as deep as the
//! deepest filter, which [`MAX_WILDCARD_LEVELS`](super::MAX_WILDCARD_LEVELS) bounds.

use std::sync::Arc;

use foldhash::quality::RandomState;
use smallvec::SmallVec;

use super::hashed::Hashed;
use super::subscribers::Subscribers;
use super::text::Level;

/// The subscriber lists that match a topic.
pub(super) type Found<'t> = SmallVec<[&'t Subscribers; 8]>;

#[derive(Debug, Clone, Default)]
pub(super) struct Trie {
    root: Arc<Node>,
    filters: usize,
    /// Levels come from clients: a seeded hash of good quality. One for the maps of all nodes.
    hasher: RandomState,
}

#[derive(Debug, Clone, Default)]
struct Node {
    children: Hashed<Level, Arc<Node>>,
    /// The level `+`.
    plus: Option<Arc<Node>>,
    /// Of the filter that ends here.
    here: Subscribers,
    /// Of the filter that ends with `#` one level below.
    rest: Subscribers,
}

impl Trie {
    /// The number of filters.
    pub(super) fn len(&self) -> usize {
        self.filters
    }

    pub(super) fn get(&self, filter: &str) -> Option<&Subscribers> {
        let mut node = &self.root;
        for level in filter.split('/') {
            node = match level {
                "#" => return Some(&node.rest),
                "+" => node.plus.as_ref()?,
                word => node.children.get(&self.hasher, word.as_bytes())?,
            };
        }
        Some(&node.here)
    }

    /// Changes the subscribers of a filter, which begin empty.
    pub(super) fn edit<R>(&mut self, filter: &str, change: impl FnOnce(&mut Subscribers) -> R) -> R {
        let Self { root, filters, hasher } = self;
        Arc::make_mut(root).edit(hasher, Some(filter), |subscribers| {
            *filters += usize::from(subscribers.is_empty());
            change(subscribers)
        })
    }

    /// Changes the subscribers of a filter if there are any, and drops the nodes that nobody needs any more.
    pub(super) fn shrink(&mut self, filter: &str, change: impl FnOnce(&mut Subscribers) -> bool) -> bool {
        // Looked at first: the way down unshares.
        if self.get(filter).is_none_or(Subscribers::is_empty) {
            return false;
        }
        let Self { root, filters, hasher } = self;
        Arc::make_mut(root).shrink(hasher, Some(filter), |subscribers| {
            let changed = change(subscribers);
            *filters -= usize::from(subscribers.is_empty());
            changed
        })
    }

    /// Adds the lists of all filters that match the topic name.
    pub(super) fn matching<'t>(&'t self, topic: &str, found: &mut Found<'t>) {
        if !topic.starts_with('$') {
            self.root.matching(&self.hasher, Some(topic), found);
            return;
        }
        // A filter that begins with a wildcard does not match such a topic [MQTT-4.7.2-1].
        let (first, tail) = first_level(topic);
        if let Some(child) = self.root.children.get(&self.hasher, first.as_bytes()) {
            child.matching(&self.hasher, tail, found);
        }
    }

    #[cfg(test)]
    pub(super) fn is_bare(&self) -> bool {
        self.filters == 0 && self.root.is_empty()
    }
}

/// What is left of a topic or filter below a node is `None` if it ends with the node's level.
impl Node {
    fn is_empty(&self) -> bool {
        self.here.is_empty() && self.rest.is_empty() && self.plus.is_none() && self.children.is_empty()
    }

    fn matching<'t>(&'t self, hasher: &RandomState, topic: Option<&str>, found: &mut Found<'t>) {
        // `#` also stands for no level at all: `a/#` matches `a`.
        if !self.rest.is_empty() {
            found.push(&self.rest);
        }
        let Some(topic) = topic else {
            if !self.here.is_empty() {
                found.push(&self.here);
            }
            return;
        };
        let (level, tail) = first_level(topic);
        if let Some(child) = self.children.get(hasher, level.as_bytes()) {
            child.matching(hasher, tail, found);
        }
        if let Some(plus) = &self.plus {
            plus.matching(hasher, tail, found);
        }
    }

    fn edit<R, F>(&mut self, hasher: &RandomState, filter: Option<&str>, change: F) -> R
    where
        F: FnOnce(&mut Subscribers) -> R,
    {
        let Some(filter) = filter else { return change(&mut self.here) };
        let (level, tail) = first_level(filter);
        match level {
            "#" => change(&mut self.rest),
            "+" => Arc::make_mut(self.plus.get_or_insert_default()).edit(hasher, tail, change),
            word => self.children.edit(
                hasher,
                word.as_bytes(),
                || Level::new(word),
                |child| Arc::make_mut(child).edit(hasher, tail, change),
            ),
        }
    }

    fn shrink<F>(&mut self, hasher: &RandomState, filter: Option<&str>, change: F) -> bool
    where
        F: FnOnce(&mut Subscribers) -> bool,
    {
        let Some(filter) = filter else { return change(&mut self.here) };
        let (level, tail) = first_level(filter);
        match level {
            "#" => change(&mut self.rest),
            "+" => {
                let Some(child) = &mut self.plus else { return false };
                let changed = Arc::make_mut(child).shrink(hasher, tail, change);
                if child.is_empty() {
                    self.plus = None;
                }
                changed
            }
            word => {
                let Some(child) = self.children.get_mut(hasher, word.as_bytes()) else { return false };
                let changed = Arc::make_mut(child).shrink(hasher, tail, change);
                if child.is_empty() {
                    self.children.remove(hasher, word.as_bytes());
                }
                changed
            }
        }
    }
}

fn first_level(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((level, tail)) => (level, Some(tail)),
        None => (text, None),
    }
}
