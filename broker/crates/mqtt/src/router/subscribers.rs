//! Who subscribed to one topic filter: the sessions, and the shared groups.

use std::sync::Arc;

use super::route::{SessionRef, SubscribeOptions};
use super::shared::{Share, SharedGroup};
use super::sorted::Sorted;
use super::text::Level;

/// What a subscribe did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribed {
    /// The session had no such subscription.
    New,
    /// The session had it: its options were replaced `[MQTT-3.8.4-3]`.
    Replaced,
}

/// One session's normal subscription to a filter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subscription {
    pub(super) session: SessionRef,
    pub(super) options: SubscribeOptions,
}

/// The subscribers of one filter. Most filters have one, which then needs no allocation.
#[derive(Debug, Clone, Default)]
pub(super) enum Subscribers {
    #[default]
    Empty,
    One(Subscription),
    Many(Arc<Crowd>),
}

/// More than one session, or a shared group.
#[derive(Debug, Clone, Default)]
pub(super) struct Crowd {
    sessions: Sorted<SessionRef, SubscribeOptions>,
    groups: Sorted<Level, Arc<SharedGroup>>,
}

impl Subscribers {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The number of normal subscriptions.
    pub(super) fn sessions(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(_) => 1,
            Self::Many(crowd) => crowd.sessions.len(),
        }
    }

    /// Shows the normal subscriptions in session order, each session once.
    pub(super) fn each(&self, mut show: impl FnMut(Subscription)) {
        match self {
            Self::Empty => {}
            Self::One(subscription) => show(*subscription),
            Self::Many(crowd) => {
                crowd.sessions.each(|&session, &options| show(Subscription { session, options }));
            }
        }
    }

    /// Shows the shared groups; none is empty.
    pub(super) fn each_group<'s>(&'s self, mut show: impl FnMut(&'s Arc<SharedGroup>)) {
        if let Self::Many(crowd) = self {
            crowd.groups.each(|_, group| show(group));
        }
    }

    pub(super) fn group(&self, name: &str) -> Option<&Arc<SharedGroup>> {
        match self {
            Self::Many(crowd) => crowd.groups.get(name.as_bytes()),
            Self::Empty | Self::One(_) => None,
        }
    }

    /// Whether the session is here, normally or in the given group. Asked before a removal, because a
    /// removal unshares what it walks through.
    pub(super) fn has(&self, session: SessionRef, group: Option<&str>) -> bool {
        match (self, group) {
            (_, Some(name)) => self.group(name).is_some_and(|group| group.has(session)),
            (Self::Empty, None) => false,
            (Self::One(present), None) => present.session == session,
            (Self::Many(crowd), None) => crowd.sessions.get(&session).is_some(),
        }
    }

    pub(super) fn insert(&mut self, new: Subscription) -> Subscribed {
        match self {
            Self::Empty => {
                *self = Self::One(new);
                Subscribed::New
            }
            Self::One(present) if present.session == new.session => {
                *present = new;
                Subscribed::Replaced
            }
            Self::One(_) | Self::Many(_) => {
                match self.in_crowd(|crowd| crowd.sessions.insert(new.session, new.options)) {
                    Some(_) => Subscribed::Replaced,
                    None => Subscribed::New,
                }
            }
        }
    }

    pub(super) fn join(&mut self, filter: &str, share: Share<'_>, new: Subscription) -> Subscribed {
        self.in_crowd(|crowd| crowd.join(filter, share, new))
    }

    /// Takes a session out, normally or from the given group; false if it was not there.
    pub(super) fn remove(&mut self, session: SessionRef, group: Option<&str>) -> bool {
        if !self.has(session, group) {
            return false;
        }
        let smaller = self.in_crowd(|crowd| {
            match group {
                None => drop(crowd.sessions.remove(&session)),
                Some(name) => crowd.leave(session, name),
            }
            crowd.smaller()
        });
        if let Some(smaller) = smaller {
            *self = smaller;
        }
        true
    }

    /// Changes the long form, which is made if it is not there yet and unshared from every snapshot.
    fn in_crowd<R>(&mut self, change: impl FnOnce(&mut Crowd) -> R) -> R {
        let mut crowd = match std::mem::take(self) {
            Self::Empty => Arc::default(),
            Self::One(Subscription { session, options }) => {
                let mut crowd = Crowd::default();
                crowd.sessions.insert(session, options);
                Arc::new(crowd)
            }
            Self::Many(crowd) => crowd,
        };
        let result = change(Arc::make_mut(&mut crowd));
        *self = Self::Many(crowd);
        result
    }
}

impl Crowd {
    fn join(&mut self, filter: &str, share: Share<'_>, new: Subscription) -> Subscribed {
        if let Some(group) = self.groups.get_mut(share.group.as_bytes()) {
            return Arc::make_mut(group).join(new, share.member);
        }
        let mut group = SharedGroup::new(share.group, filter);
        let subscribed = group.join(new, share.member);
        self.groups.insert(Level::new(share.group), Arc::new(group));
        subscribed
    }

    fn leave(&mut self, session: SessionRef, name: &str) {
        let Some(group) = self.groups.get_mut(name.as_bytes()) else { return };
        let group = Arc::make_mut(group);
        group.leave(session);
        if group.is_empty() {
            self.groups.remove(name.as_bytes());
        }
    }

    /// The short form, if the crowd has become small enough for it.
    fn smaller(&self) -> Option<Subscribers> {
        if self.groups.len() > 0 || self.sessions.len() > 1 {
            return None;
        }
        let mut form = Subscribers::Empty;
        self.sessions.each(|&session, &options| form = Subscribers::One(Subscription { session, options }));
        Some(form)
    }
}
