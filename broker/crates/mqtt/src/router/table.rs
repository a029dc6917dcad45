//! One version of all subscriptions, and the changes that make the next.

use thiserror::Error;

use super::exact::Exact;
use super::route::{Route, SessionRef};
use super::subscribers::{Subscribed, Subscribers, Subscription};
use super::trie::{Found, Trie};
use super::{MAX_WILDCARD_LEVELS, NewSubscription};

/// Why a filter cannot be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FilterError {
    /// More levels than [`MAX_WILDCARD_LEVELS`].
    #[error("a topic filter with wildcards must not have more than {MAX_WILDCARD_LEVELS} levels: shorten it")]
    TooManyLevels,
}

impl FilterError {
    /// A stable word for metrics and logs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooManyLevels => "TooManyLevels",
        }
    }
}

/// How much is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Filters without wildcards that have a subscriber.
    pub exact_filters: usize,
    /// Filters with wildcards that have a subscriber.
    pub wildcard_filters: usize,
    /// Normal subscriptions.
    pub subscriptions: usize,
    /// Shared subscriptions (members of groups).
    pub shared_subscriptions: usize,
}

/// A version of the table. Cloning costs a few reference counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    exact: Exact,
    wildcard: Trie,
    subscriptions: usize,
    shared_subscriptions: usize,
}

impl Table {
    pub(super) fn route(&self, epoch: u64, topic: &str) -> Route {
        let mut found = Found::new();
        found.extend(self.exact.get(topic));
        self.wildcard.matching(topic, &mut found);
        Route::merge(epoch, &found)
    }

    pub(super) fn subscribers(&self, filter: &str) -> Option<&Subscribers> {
        if has_wildcard(filter) { self.wildcard.get(filter) } else { self.exact.get(filter) }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            exact_filters: self.exact.len(),
            wildcard_filters: self.wildcard.len(),
            subscriptions: self.subscriptions,
            shared_subscriptions: self.shared_subscriptions,
        }
    }

    #[cfg(test)]
    pub(super) fn is_bare(&self) -> bool {
        self.exact.is_bare() && self.wildcard.is_bare()
    }
}

/// A change of the table that is being made; see [`Router::edit`](super::Router::edit).
#[derive(Debug)]
pub struct Edit<'t> {
    table: &'t mut Table,
    changed: bool,
}

impl<'t> Edit<'t> {
    pub(super) fn new(table: &'t mut Table) -> Self {
        Self { table, changed: false }
    }

    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    /// As [`Router::subscribe`](super::Router::subscribe).
    pub fn subscribe(
        &mut self,
        session: SessionRef,
        new: NewSubscription<'_>,
    ) -> Result<Subscribed, FilterError> {
        let NewSubscription { filter, share, options } = new;
        let wildcard = has_wildcard(filter);
        if wildcard && filter.split('/').count() > MAX_WILDCARD_LEVELS {
            return Err(FilterError::TooManyLevels);
        }
        let subscription = Subscription { session, options };
        let add = |subscribers: &mut Subscribers| match share {
            Some(share) => subscribers.join(filter, share, subscription),
            None => subscribers.insert(subscription),
        };
        let table = &mut *self.table;
        let subscribed =
            if wildcard { table.wildcard.edit(filter, add) } else { table.exact.edit(filter, add) };
        if subscribed == Subscribed::New {
            *self.count(share.is_some()) += 1;
        }
        self.changed = true;
        Ok(subscribed)
    }

    /// As [`Router::unsubscribe`](super::Router::unsubscribe).
    pub fn unsubscribe(&mut self, session: SessionRef, filter: &str, group: Option<&str>) -> bool {
        // Looked at first: a removal unshares what it walks through, and would publish nothing new.
        if !self.table.subscribers(filter).is_some_and(|subscribers| subscribers.has(session, group)) {
            return false;
        }
        let take = |subscribers: &mut Subscribers| subscribers.remove(session, group);
        let table = &mut *self.table;
        let removed = if has_wildcard(filter) {
            table.wildcard.shrink(filter, take)
        } else {
            table.exact.shrink(filter, take)
        };
        *self.count(group.is_some()) -= usize::from(removed);
        self.changed |= removed;
        removed
    }

    fn count(&mut self, shared: bool) -> &mut usize {
        if shared { &mut self.table.shared_subscriptions } else { &mut self.table.subscriptions }
    }
}

fn has_wildcard(filter: &str) -> bool {
    filter.bytes().any(|byte| byte == b'+' || byte == b'#')
}
