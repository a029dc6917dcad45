//! Filters without wildcards: one look-up by the whole topic.

use foldhash::quality::RandomState;

use super::hashed::Hashed;
use super::subscribers::Subscribers;
use super::text::Topic;

#[derive(Debug, Clone, Default)]
pub(super) struct Exact {
    map: Hashed<Topic, Subscribers>,
    filters: usize,
    /// Topics come from clients: a seeded hash of good quality.
    hasher: RandomState,
}

impl Exact {
    /// The number of filters.
    pub(super) fn len(&self) -> usize {
        self.filters
    }

    pub(super) fn get(&self, filter: &str) -> Option<&Subscribers> {
        self.map.get(&self.hasher, filter.as_bytes())
    }

    /// Changes the subscribers of a filter, which begin empty.
    pub(super) fn edit<R>(&mut self, filter: &str, change: impl FnOnce(&mut Subscribers) -> R) -> R {
        let Self { map, filters, hasher } = self;
        map.edit(
            hasher,
            filter.as_bytes(),
            || Topic::new(filter),
            |subscribers| {
                *filters += usize::from(subscribers.is_empty());
                change(subscribers)
            },
        )
    }

    /// Changes the subscribers of a filter if there are any, and drops the filter if none is left.
    pub(super) fn shrink(&mut self, filter: &str, change: impl FnOnce(&mut Subscribers) -> bool) -> bool {
        let Some(subscribers) = self.map.get_mut(&self.hasher, filter.as_bytes()) else { return false };
        let changed = change(subscribers);
        if subscribers.is_empty() {
            self.map.remove(&self.hasher, filter.as_bytes());
            self.filters -= 1;
        }
        changed
    }

    #[cfg(test)]
    pub(super) fn is_bare(&self) -> bool {
        self.filters == 0 && self.map.is_empty()
    }
}
