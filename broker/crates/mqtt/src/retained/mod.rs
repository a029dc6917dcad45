//! Retained messages: the last one of each topic, for those who subscribe later.
//!
//! In: topics and values of any type `M` (an `Arc` of the message). Out: the values that match a filter, in
//! pages. A trie by topic level, bounded in messages and bytes. No I/O; the clock is the caller's.
//!
//! The trie is persistent, so that a wildcard look-up takes a version of it and walks that without the lock:
//! a subscriber of `#` holds up no publisher. A write changes it in place while no such walk is under way.

mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use parking_lot::RwLock;

use tree::{Entry, Tree};

/// The most levels of a topic that a message can be retained for. Each level is a node of the trie, so a
/// topic of 65,535 bytes could else take megabytes.
pub const MAX_RETAINED_LEVELS: usize = 200;

/// The most nodes that one page looks at. It bounds the time that [`Retained::collect`] takes when little
/// matches, to a few milliseconds.
const VISITS_PER_PAGE: usize = 16_384;

/// How much a store may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Messages.
    pub messages: usize,
    /// The sum of their sizes as the caller gives them, in bytes.
    pub bytes: usize,
}

/// What became of a message that was to be retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is kept; the topic had none.
    Stored,
    /// It is kept instead of the topic's former one `[MQTT-3.3.1-5]`.
    Replaced,
    /// It is not kept, and neither is the topic's former one: no last value is better than an outdated one.
    Refused(Refusal),
}

/// Why a message is not retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The store holds as many messages as it may.
    #[error("the limit of retained messages is reached: clear some or raise it")]
    TooManyMessages,
    /// The store would hold more bytes than it may.
    #[error("the limit of bytes in retained messages is reached: clear some or raise it")]
    TooManyBytes,
    /// The topic has more levels than [`MAX_RETAINED_LEVELS`].
    #[error(
        "a topic with a retained message must not have more than {MAX_RETAINED_LEVELS} levels: shorten it"
    )]
    TooManyLevels,
}

impl Refusal {
    /// A stable word for metrics and logs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooManyMessages => "TooManyMessages",
            Self::TooManyBytes => "TooManyBytes",
            Self::TooManyLevels => "TooManyLevels",
        }
    }
}

/// A part of the messages that match a filter.
#[derive(Debug, Clone)]
pub struct Page<M> {
    /// Messages, ordered by topic level.
    pub messages: Vec<M>,
    /// Where the next page begins; `None` if this was the last. A page may be empty and not the last.
    pub next: Option<Cursor>,
}

/// A place in the order of topics; good for as long as the caller likes, whatever is stored or cleared meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(Box<str>);

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Messages.
    pub messages: usize,
    /// The sum of their sizes, in bytes.
    pub bytes: usize,
}

/// The store. `M` is cloned for each look-up: use an `Arc`. Every method takes `&self`.
///
/// Times (`now`, `expires_at`) are of one clock that the caller chooses, in any unit. A message whose
/// `expires_at` is not later than `now` is not given out, even before [`Retained::expire`] removed it.
#[derive(Debug)]
pub struct Retained<M> {
    bounds: Bounds,
    state: RwLock<State<M>>,
}

#[derive(Debug)]
struct State<M> {
    tree: Tree<M>,
    usage: Usage,
    /// The topics of messages that expire, by time.
    deadlines: BTreeSet<(u64, Box<str>)>,
}

impl<M: Clone> Retained<M> {
    /// An empty store.
    pub fn new(bounds: Bounds) -> Self {
        let state = State { tree: Tree::default(), usage: Usage::default(), deadlines: BTreeSet::new() };
        Self { bounds, state: RwLock::new(state) }
    }

    /// Makes `value` the retained message of a valid topic name. `bytes` is what it counts against the bound.
    pub fn set(&self, topic: &str, value: M, bytes: usize, expires_at: Option<u64>) -> Outcome {
        if topic.split('/').count() > MAX_RETAINED_LEVELS {
            return Outcome::Refused(Refusal::TooManyLevels);
        }
        let mut state = self.state.write();
        let (messages, held) = state.tree.get(topic).map_or((0, 0), |former| (1, former.bytes));
        let refusal = if state.usage.messages - messages >= self.bounds.messages {
            Refusal::TooManyMessages
        } else if bytes > self.bounds.bytes.saturating_sub(state.usage.bytes - held) {
            Refusal::TooManyBytes
        } else {
            let former = state.put(topic, Entry { value, bytes, expires_at });
            drop(state);
            return if former.is_some() { Outcome::Replaced } else { Outcome::Stored };
        };
        let former = state.take(topic);
        drop((state, former));
        Outcome::Refused(refusal)
    }

    /// Removes the retained message of a topic `[MQTT-3.3.1-6]`; false if there was none.
    pub fn clear(&self, topic: &str) -> bool {
        let former = self.state.write().take(topic);
        former.is_some()
    }

    /// The retained message of one topic.
    pub fn get(&self, topic: &str, now: u64) -> Option<M> {
        let state = self.state.read();
        state.tree.get(topic).filter(|entry| !entry.expired(now)).map(|entry| entry.value.clone())
    }

    /// The retained messages that match a valid filter (without `$share/{group}/`), at most `limit` (at
    /// least 1) of them, from the beginning or from where the page before ended. Topics that begin with `$`
    /// match only a filter that names their first level `[MQTT-4.7.2-1]`.
    pub fn collect(&self, filter: &str, from: Option<&Cursor>, limit: usize, now: u64) -> Page<M> {
        let tree = self.state.read().tree.clone();
        tree.collect(filter, from, limit, now)
    }

    /// Removes at most `limit` messages that have expired and returns how many; the rest stays for the next
    /// call, so that the caller decides how long writers wait.
    pub fn expire(&self, now: u64, limit: usize) -> usize {
        let mut state = self.state.write();
        let mut removed = 0;
        while removed < limit {
            match state.deadlines.first() {
                Some((deadline, _)) if *deadline <= now => {}
                _ => break,
            }
            if let Some((_, topic)) = state.deadlines.pop_first() {
                removed += usize::from(state.take(&topic).is_some());
            }
        }
        removed
    }

    /// When the next message expires, if any does.
    pub fn next_expiry(&self) -> Option<u64> {
        self.state.read().deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// What the store holds, with what has expired but was not removed yet.
    pub fn usage(&self) -> Usage {
        self.state.read().usage
    }
}

impl<M: Clone> State<M> {
    fn put(&mut self, topic: &str, entry: Entry<M>) -> Option<Entry<M>> {
        self.usage.messages += 1;
        self.usage.bytes += entry.bytes;
        let deadline = entry.expires_at;
        let former = self.tree.insert(topic, entry);
        if let Some(former) = &former {
            self.forget(topic, former);
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, topic.into()));
        }
        former
    }

    fn take(&mut self, topic: &str) -> Option<Entry<M>> {
        let entry = self.tree.remove(topic)?;
        self.forget(topic, &entry);
        Some(entry)
    }

    /// Takes an entry that has left the tree out of the books.
    fn forget(&mut self, topic: &str, entry: &Entry<M>) {
        self.usage.messages -= 1;
        self.usage.bytes -= entry.bytes;
        if let Some(deadline) = entry.expires_at {
            self.deadlines.remove(&(deadline, topic.into()));
        }
    }
}
