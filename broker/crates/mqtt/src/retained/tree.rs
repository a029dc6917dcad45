//! The trie of retained messages: one node per topic level, children in order so that a walk can be resumed.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Cursor, Page, VISITS_PER_PAGE};
use crate::router::{Level, Sorted};

/// A retained message.
#[derive(Debug, Clone)]
pub(super) struct Entry<M> {
    pub(super) value: M,
    pub(super) bytes: usize,
    pub(super) expires_at: Option<u64>,
}

impl<M> Entry<M> {
    pub(super) fn expired(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|deadline| deadline <= now)
    }
}

#[derive(Debug, Clone)]
struct Node<M> {
    children: Sorted<Level, Arc<Node<M>>>,
    entry: Option<Box<Entry<M>>>,
}

/// Cloning takes a version of it: one reference count.
#[derive(Debug, Clone)]
pub(super) struct Tree<M>(Arc<Node<M>>);

impl<M> Default for Node<M> {
    fn default() -> Self {
        Self { children: Sorted::default(), entry: None }
    }
}

impl<M> Default for Tree<M> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<M: Clone> Tree<M> {
    pub(super) fn get(&self, topic: &str) -> Option<&Entry<M>> {
        let mut node = &self.0;
        for level in topic.split('/') {
            node = node.children.get(level.as_bytes())?;
        }
        node.entry.as_deref()
    }

    /// Sets a topic's message and returns the former one.
    pub(super) fn insert(&mut self, topic: &str, entry: Entry<M>) -> Option<Entry<M>> {
        Arc::make_mut(&mut self.0).insert(Some(topic), entry)
    }

    pub(super) fn remove(&mut self, topic: &str) -> Option<Entry<M>> {
        // Looked at first: the way down unshares.
        self.get(topic)?;
        Arc::make_mut(&mut self.0).remove(Some(topic))
    }

    pub(super) fn collect(&self, filter: &str, from: Option<&Cursor>, limit: usize, now: u64) -> Page<M> {
        let mut walk = Walk {
            page: Page { messages: Vec::new(), next: None },
            path: Vec::new(),
            depth: 0,
            limit: limit.max(1),
            visits: VISITS_PER_PAGE,
            now,
        };
        let from = from.map_or(From::Start, |cursor| From::Below(&cursor.0));
        // A break only says that the page is full; the walk has written down where.
        let _ = walk.children(&self.0, filter, from);
        walk.page
    }

    /// Nodes besides the root.
    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        fn below<M: Clone>(node: &Node<M>) -> usize {
            let mut nodes = 0;
            node.children.each(|_, child| nodes += 1 + below(child));
            nodes
        }
        below(&self.0)
    }
}

impl<M: Clone> Node<M> {
    fn insert(&mut self, topic: Option<&str>, entry: Entry<M>) -> Option<Entry<M>> {
        let Some(topic) = topic else {
            return self.entry.replace(Box::new(entry)).map(|entry| *entry);
        };
        let (level, tail) = first_level(topic);
        if let Some(child) = self.children.get_mut(level.as_bytes()) {
            return Arc::make_mut(child).insert(tail, entry);
        }
        let mut child = Self::default();
        child.insert(tail, entry);
        self.children.insert(Level::new(level), Arc::new(child));
        None
    }

    fn remove(&mut self, topic: Option<&str>) -> Option<Entry<M>> {
        let Some(topic) = topic else { return self.entry.take().map(|entry| *entry) };
        let (level, tail) = first_level(topic);
        let child = Arc::make_mut(self.children.get_mut(level.as_bytes())?);
        let entry = child.remove(tail);
        if child.entry.is_none() && child.children.len() == 0 {
            self.children.remove(level.as_bytes());
        }
        entry
    }
}

/// Where in a subtree a walk begins.
#[derive(Clone, Copy)]
enum From<'c> {
    /// With its root.
    Start,
    /// Below its root, at this path.
    Below(&'c str),
}

/// One page's walk through the trie: a node before its children, children in order.
struct Walk<M> {
    page: Page<M>,
    /// The topic of the node that the walk is at.
    path: Vec<u8>,
    /// The number of its levels; 0 is the root.
    depth: usize,
    limit: usize,
    visits: usize,
    now: u64,
}

impl<M: Clone> Walk<M> {
    /// The children of the node that the walk is at, as far as they match what is left of a filter.
    fn children(&mut self, node: &Node<M>, filter: &str, from: From<'_>) -> ControlFlow<()> {
        let (level, tail) = first_level(filter);
        let (start, below) = match from {
            From::Start => (None, None),
            From::Below(path) => {
                let (first, below) = first_level(path);
                (Some(first.as_bytes()), below)
            }
        };
        let rest = if level == "#" { Some(level) } else { tail };
        let is_root = self.depth == 0;
        let mut visit = |text: &[u8], child: &Node<M>| {
            let from = match below {
                Some(path) if start == Some(text) => From::Below(path),
                _ => From::Start,
            };
            self.visit(text, child, rest, from)
        };
        if level == "#" || level == "+" {
            return node.children.try_each_from(start, |text, child| {
                if is_root && text.as_bytes().starts_with(b"$") {
                    return ControlFlow::Continue(()); // [MQTT-4.7.2-1]
                }
                visit(text.as_bytes(), child)
            });
        }
        match node.children.get(level.as_bytes()) {
            Some(child) if start.is_none_or(|start| start <= level.as_bytes()) => {
                visit(level.as_bytes(), child)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    /// A node whose levels so far match; `filter` is what is left of it, `None` if it ends here.
    fn visit(
        &mut self,
        level: &[u8],
        node: &Node<M>,
        filter: Option<&str>,
        from: From<'_>,
    ) -> ControlFlow<()> {
        let parent = self.path.len();
        if self.depth > 0 {
            self.path.push(b'/');
        }
        self.depth += 1;
        self.path.extend_from_slice(level);
        if matches!(from, From::Start) {
            self.offer(node, filter.is_none_or(|filter| filter == "#"))?;
        }
        if let Some(filter) = filter {
            self.children(node, filter, from)?;
        }
        self.depth -= 1;
        self.path.truncate(parent);
        ControlFlow::Continue(())
    }

    /// Takes the message of the node that the walk is at, or ends the page before it.
    fn offer(&mut self, node: &Node<M>, matches: bool) -> ControlFlow<()> {
        if self.visits == 0 || self.page.messages.len() == self.limit {
            let path = String::from_utf8_lossy(&self.path);
            self.page.next = Some(Cursor(path.into()));
            return ControlFlow::Break(());
        }
        self.visits -= 1;
        let entry = node.entry.as_deref().filter(|entry| matches && !entry.expired(self.now));
        self.page.messages.extend(entry.map(|entry| entry.value.clone()));
        ControlFlow::Continue(())
    }
}

fn first_level(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((level, tail)) => (level, Some(tail)),
        None => (text, None),
    }
}
