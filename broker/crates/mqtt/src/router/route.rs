//! What a publish asks the router for: who gets the message.
//!
//! In: the subscriber lists that match a topic. Out: a [`Route`], one entry per session, grouped by core.
//! No I/O. A route is made once per topic and epoch and then only read, so it is laid out for iteration.

use std::num::NonZeroU32;
use std::sync::Arc;

use smallvec::SmallVec;

use super::shared::SharedGroup;
use super::subscribers::{Subscribers, Subscription};
use crate::codec::QoS;

/// Names one session on one core, for as long as it lives.
///
/// `generation` tells a slot's present session from an earlier one, so that a route that is still held when
/// a session has ended reaches nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionRef {
    /// The core (runtime) that owns the session; routes are grouped by it.
    pub core: u16,
    /// The session's place in its core's table.
    pub slot: u32,
    /// Which session of that place is meant.
    pub generation: u32,
}

/// The options of one subscription that matter for delivery.
///
/// Retain handling is not among them: it acts once, at the time of the SUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// The highest QoS that was granted.
    pub qos: QoS,
    /// True if the session's own publishes are not wanted.
    pub no_local: bool,
    /// True if a forwarded message keeps the RETAIN flag that it was published with.
    pub retain_as_published: bool,
    /// The subscription identifier (1 to 268,435,455) that goes with each message; `None` if none was given.
    pub identifier: Option<NonZeroU32>,
}

/// One session that gets a message, with all its matching subscriptions merged.
///
/// Small and `Copy`. Its subscription identifiers are read with [`Target::identifier`] or, when several
/// subscriptions overlap, [`Route::identifiers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The session.
    pub session: SessionRef,
    /// The highest QoS of the matching subscriptions `[MQTT-3.3.4-2]`.
    pub qos: QoS,
    /// True only if every matching subscription said No Local: skip if the session is the publisher
    /// `[MQTT-3.8.3-3]`.
    pub no_local: bool,
    /// True if any matching subscription said Retain As Published.
    pub retain_as_published: bool,
    /// The only identifier, or the first one.
    identifier: Option<NonZeroU32>,
    /// Index + 1 of the whole list in the route's `identifiers`; 0 if there is at most one.
    list: u32,
}

impl Target {
    /// The target of a single subscription.
    pub(super) fn of(subscription: &Subscription) -> Self {
        let SubscribeOptions { qos, no_local, retain_as_published, identifier } = subscription.options;
        Self { session: subscription.session, qos, no_local, retain_as_published, identifier, list: 0 }
    }

    /// The target of one known subscription, for messages that no route led to: retained ones.
    pub(crate) fn new(session: SessionRef, options: SubscribeOptions) -> Self {
        Self::of(&Subscription { session, options })
    }

    /// The subscription identifier if there is at most one. A target that a [`SharedGroup`] picked never has
    /// more; for those of a [`Route`] ask [`Route::identifiers`].
    pub fn identifier(&self) -> Option<NonZeroU32> {
        self.identifier
    }
}

/// The targets of one core, in the order of their slots.
#[derive(Debug, Clone)]
pub struct CoreTargets {
    /// The core.
    pub core: u16,
    /// Its sessions, each once.
    pub targets: SmallVec<[Target; 1]>,
}

/// Who gets the messages of one topic. Immutable; hold it in an `Arc` and keep it until its epoch is over.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// The router's epoch before the route was looked up. The route holds as long as
    /// [`Router::epoch`](super::Router::epoch) equals it.
    pub epoch: u64,
    /// The sessions with normal subscriptions, grouped by core, cores ascending.
    pub cores: SmallVec<[CoreTargets; 1]>,
    /// The shared subscriptions that match; each group gets the message once, by
    /// [`SharedGroup::pick`], besides what `cores` says `[MQTT-4.8.2-4]`.
    pub shared: SmallVec<[Arc<SharedGroup>; 1]>,
    /// Lists of the targets with more than one subscription identifier.
    identifiers: Vec<SmallVec<[NonZeroU32; 4]>>,
}

impl Route {
    /// A route to nobody, good until the subscriptions change.
    pub(crate) fn nobody(epoch: u64) -> Self {
        Self { epoch, ..Self::default() }
    }

    /// True if nobody gets the message.
    pub fn is_empty(&self) -> bool {
        self.cores.is_empty() && self.shared.is_empty()
    }

    /// The number of sessions with normal subscriptions, over all cores.
    pub fn sessions(&self) -> usize {
        self.cores.iter().map(|core| core.targets.len()).sum()
    }

    /// The targets of one core; empty if it has none.
    pub fn on(&self, core: u16) -> &[Target] {
        self.cores.iter().find(|targets| targets.core == core).map_or(&[], |targets| &targets.targets)
    }

    /// All subscription identifiers of a target of this route, one per matching subscription that has one
    /// `[MQTT-3.3.4-3]`. For a target that a shared group picked it is that subscription's.
    pub fn identifiers<'a>(&'a self, target: &'a Target) -> &'a [NonZeroU32] {
        let listed = (target.list as usize).checked_sub(1).and_then(|index| self.identifiers.get(index));
        listed.map_or(target.identifier.as_slice(), |list| list)
    }

    /// Merges the matching subscriber lists.
    pub(super) fn merge(epoch: u64, found: &[&Subscribers]) -> Self {
        let mut route = Self { epoch, ..Self::default() };
        let mut single = None;
        let mut lists = 0;
        for subscribers in found {
            subscribers.each_group(|group| route.shared.push(Arc::clone(group)));
            if subscribers.sessions() > 0 {
                single = Some(*subscribers);
                lists += 1;
            }
        }
        match (lists, single) {
            (0, _) | (_, None) => {}
            // By far the most common: one filter matches. Its list is sorted and has each session once.
            (1, Some(subscribers)) => subscribers.each(|subscription| route.push(Target::of(&subscription))),
            _ => route.merge_overlapping(found),
        }
        route
    }

    /// Several filters match: sessions that subscribed to more than one of them get one merged target.
    fn merge_overlapping(&mut self, found: &[&Subscribers]) {
        let total = found.iter().map(|subscribers| subscribers.sessions()).sum();
        let mut all: SmallVec<[Subscription; 16]> = SmallVec::with_capacity(total);
        for subscribers in found {
            subscribers.each(|subscription| all.push(subscription));
        }
        // Stable, because it takes sorted runs, which the lists are, in linear time.
        all.sort_by_key(|subscription| subscription.session);
        for same in all.chunk_by(|a, b| a.session == b.session) {
            let target = self.merge_session(same);
            self.push(target);
        }
    }

    /// One target of all matching subscriptions of one session; `same` is not empty.
    fn merge_session(&mut self, same: &[Subscription]) -> Target {
        let mut target = Target::of(&same[0]);
        let mut identifiers: SmallVec<[NonZeroU32; 4]> = SmallVec::new();
        for Subscription { options, .. } in same {
            target.qos = target.qos.max(options.qos);
            target.no_local &= options.no_local;
            target.retain_as_published |= options.retain_as_published;
            identifiers.extend(options.identifier);
        }
        target.identifier = identifiers.first().copied();
        if identifiers.len() > 1 {
            self.identifiers.push(identifiers);
            // More lists than 2^32 would need as many sessions.
            target.list = self.identifiers.len() as u32;
        }
        target
    }

    /// Appends in session order, which is core order.
    fn push(&mut self, target: Target) {
        match self.cores.last_mut() {
            Some(last) if last.core == target.session.core => last.targets.push(target),
            _ => self
                .cores
                .push(CoreTargets { core: target.session.core, targets: SmallVec::from_buf([target]) }),
        }
    }
}
