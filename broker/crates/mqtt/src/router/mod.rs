//! The router: which sessions want a message.
//!
//! All subscriptions of all cores stand in one table. The table is persistent: a change makes a new version
//! that shares all but O(log n) of the old one, under one writer lock, and publishes it by one pointer swap.
//! Readers take the newest version without a lock and never wait.
//!
//! # Epoch
//!
//! Each published change raises the [`Router::epoch`], after the swap. [`Router::route`] reads the epoch
//! *before* it takes the table, so a route that races with a change carries the older number: it may be
//! fresher than its epoch says, and is then looked up once more for nothing; it can never be older. Hence a
//! connection may keep a route as long as `route.epoch == router.epoch()`, which costs one atomic load per
//! publish. A subscribe has returned only after the epoch was raised, so whatever is published after its
//! SUBACK finds it.
//!
//! No I/O, no clock.

mod exact;
mod hashed;
mod published;
mod route;
mod shared;
mod sorted;
mod subscribers;
mod table;
mod text;
mod trie;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use route::{CoreTargets, Route, SessionRef, SubscribeOptions, Target};
pub use shared::{MemberState, Share, SharedGroup};
pub(crate) use sorted::Sorted;
pub use subscribers::Subscribed;
pub use table::{Counts, Edit, FilterError};
pub(crate) use text::Level;

use published::Published;
use table::Table;

/// The most levels of a topic filter with a wildcard. Each level is a node of the trie, so a single filter of
/// 65,535 bytes could else take megabytes, and a walk be as deep. Filters without wildcards have no such limit.
pub const MAX_WILDCARD_LEVELS: usize = 200;

/// One subscription to make; see [`Router::subscribe_many`].
#[derive(Debug, Clone, Copy)]
pub struct NewSubscription<'a> {
    /// A valid topic filter, without `$share/{group}/`.
    pub filter: &'a str,
    /// The group if it is a shared subscription.
    pub share: Option<Share<'a>>,
    /// How messages are to be delivered.
    pub options: SubscribeOptions,
}

/// The subscriptions of all sessions of all cores. Shared by `Arc`; every method takes `&self`.
#[derive(Debug)]
pub struct Router {
    table: Published<Table>,
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

impl Router {
    /// A router without subscriptions.
    pub fn new() -> Self {
        Self { table: Published::new() }
    }

    /// The number of published changes. A [`Route`] holds as long as this is its epoch.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.table.epoch()
    }

    /// Who gets the messages of a valid topic name. Lock-free; never waits for a writer.
    pub fn route(&self, topic: &str) -> Route {
        self.table.read(|epoch, table| table.route(epoch, topic))
    }

    /// The newest version of a shared group; `None` if nobody is in it any more. For a message that was
    /// given to a member who could not take it.
    pub fn shared_group(&self, name: &str, filter: &str) -> Option<Arc<SharedGroup>> {
        self.table.read(|_, table| table.subscribers(filter)?.group(name).cloned())
    }

    /// Numbers of filters and subscriptions, for metrics.
    pub fn counts(&self) -> Counts {
        self.table.read(|_, table| table.counts())
    }

    /// Makes a subscription, or replaces the options of the one to the same filter (and the same group).
    pub fn subscribe(
        &self,
        session: SessionRef,
        filter: &str,
        share: Option<Share<'_>>,
        options: SubscribeOptions,
    ) -> Result<Subscribed, FilterError> {
        self.edit(|edit| edit.subscribe(session, NewSubscription { filter, share, options }))
    }

    /// Makes the subscriptions of a whole SUBSCRIBE packet, or of a resumed session, and publishes once. One
    /// result per subscription, in order; a refused one does not stop the others.
    pub fn subscribe_many<'a>(
        &self,
        session: SessionRef,
        subscriptions: impl IntoIterator<Item = NewSubscription<'a>>,
    ) -> Vec<Result<Subscribed, FilterError>> {
        self.edit(|edit| {
            subscriptions.into_iter().map(|subscription| edit.subscribe(session, subscription)).collect()
        })
    }

    /// Ends a subscription; `group` if it is a shared one. False if there was none.
    pub fn unsubscribe(&self, session: SessionRef, filter: &str, group: Option<&str>) -> bool {
        self.edit(|edit| edit.unsubscribe(session, filter, group))
    }

    /// Ends subscriptions (`(filter, group)`), of an UNSUBSCRIBE packet or all of a session, and publishes
    /// once. One result per subscription, in order: false if there was none.
    pub fn remove_many<'a>(
        &self,
        session: SessionRef,
        subscriptions: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Vec<bool> {
        self.edit(|edit| {
            subscriptions
                .into_iter()
                .map(|(filter, group)| edit.unsubscribe(session, filter, group))
                .collect()
        })
    }

    /// Any number of changes, published as one: a route sees all of them or none. If the closure changed
    /// nothing, nothing is published and the epoch stays.
    ///
    /// Runs under the writer lock: the closure must not call the router.
    pub fn edit<R>(&self, change: impl FnOnce(&mut Edit<'_>) -> R) -> R {
        self.table.edit(|table| {
            let mut edit = Edit::new(table);
            let result = change(&mut edit);
            (edit.changed(), result)
        })
    }

    /// True if the table holds neither a subscription nor a node.
    #[cfg(test)]
    fn is_bare(&self) -> bool {
        self.table.read(|_, table| table.is_bare())
    }
}
