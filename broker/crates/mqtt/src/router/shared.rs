//! Shared subscriptions: which member of a group gets a message.
//!
//! A group is an immutable list, replaced as a whole when members come and go. What changes with every
//! message (whose turn it is, how loaded a member is) is atomic, so any core may pick at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};

use super::route::{SessionRef, Target};
use super::sorted::Sorted;
use super::subscribers::{Subscribed, Subscription};

/// How many online members are compared by load before one is chosen.
const CANDIDATES: usize = 4;

/// How many members are looked at for one pick. It bounds what a publish costs when nearly all members of a
/// large group are offline: after so many, an offline one gets the message although an online one may exist.
const LOOKED_AT: usize = 256;

/// What a group must know of a session to choose well. One per session that has shared subscriptions, common
/// to all its groups; its core keeps it up to date.
///
/// All of it is advice: a stale value makes a choice less even, never wrong.
#[derive(Debug, Default)]
pub struct MemberState {
    online: AtomicBool,
    pending: AtomicU32,
}

impl MemberState {
    /// The state of a session that is connected (`online`) or kept for a client that is away.
    pub fn new(online: bool) -> Arc<Self> {
        Arc::new(Self { online: AtomicBool::new(online), pending: AtomicU32::new(0) })
    }

    /// Says whether the client is connected. Members that are not get messages only if no other can.
    pub fn set_online(&self, online: bool) {
        self.online.store(online, Relaxed);
    }

    /// Says how many messages wait in the session (queued or not yet acknowledged).
    ///
    /// A pick counts one up, so that a burst spreads before the session's core has seen any of it; this call
    /// overwrites the guess by the truth. Call it once per turn for each session that a shared message came to or left.
    pub fn set_pending(&self, messages: u32) {
        self.pending.store(messages, Relaxed);
    }

    /// Whether the client is connected.
    pub fn is_online(&self) -> bool {
        self.online.load(Relaxed)
    }

    /// The messages that wait, with those that were assigned since the last [`MemberState::set_pending`].
    pub fn pending(&self) -> u32 {
        self.pending.load(Relaxed)
    }
}

/// The shared part of a subscription to `$share/{group}/{filter}`.
#[derive(Debug, Clone, Copy)]
pub struct Share<'a> {
    /// The ShareName.
    pub group: &'a str,
    /// The session's state, the same `Arc` for all its shared subscriptions.
    pub member: &'a Arc<MemberState>,
}

#[derive(Debug, Clone)]
struct Member {
    subscription: Subscription,
    state: Arc<MemberState>,
}

/// The members of one ShareName and topic filter, as they were when the route was made.
#[derive(Debug, Clone)]
pub struct SharedGroup {
    name: Arc<str>,
    filter: Arc<str>,
    /// Whose turn it is; the same counter in all versions of the group.
    turn: Arc<AtomicUsize>,
    /// By place, 0 to len - 1 without gaps, so that a turn finds its member in O(log n).
    members: Sorted<u32, Member>,
    /// Each session's place.
    places: Sorted<SessionRef, u32>,
}

impl SharedGroup {
    pub(super) fn new(name: &str, filter: &str) -> Self {
        Self {
            name: name.into(),
            filter: filter.into(),
            turn: Arc::default(),
            members: Sorted::default(),
            places: Sorted::default(),
        }
    }

    /// The ShareName.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The topic filter, without `$share/{name}/`. With the name it finds the group's newest version
    /// ([`Router::shared_group`](super::Router::shared_group)).
    pub fn filter(&self) -> &Arc<str> {
        &self.filter
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// True if nobody is left. A route never holds such a group.
    pub fn is_empty(&self) -> bool {
        self.members.len() == 0
    }

    /// The member that gets the next message: the online one with the fewest pending messages of the next
    /// few in turn; if none is online, one that is away (its session keeps the message). `None` only if the
    /// group is empty.
    pub fn pick(&self) -> Option<Target> {
        self.pick_where(|_| true)
    }

    /// As [`SharedGroup::pick`], of the members for which `eligible` says yes: for a message that a member
    /// could not take (session ended, queue full, right revoked) and that another one shall get.
    pub fn pick_where(&self, eligible: impl Fn(SessionRef) -> bool) -> Option<Target> {
        let len = self.members.len();
        if len == 0 {
            return None;
        }
        let turn = self.turn.fetch_add(1, Relaxed);
        let choice = self.choose(turn, &eligible)?;
        // The next turn begins behind the chosen one. Without this, the members that stand behind offline
        // ones would get their turns too.
        if choice.step > 0 {
            self.turn.fetch_add(choice.step, Relaxed);
        }
        choice.member.state.pending.fetch_add(1, Relaxed);
        Some(Target::of(&choice.member.subscription))
    }

    fn choose(&self, turn: usize, eligible: &impl Fn(SessionRef) -> bool) -> Option<Choice<'_>> {
        let len = self.members.len();
        let mut best: Option<Choice<'_>> = None;
        let mut away: Option<Choice<'_>> = None;
        let mut candidates = 0;
        for step in 0..len.min(LOOKED_AT) {
            let place = (turn.wrapping_add(step) % len) as u32;
            let Some(member) = self.members.get(&place) else { continue };
            if !eligible(member.subscription.session) {
                continue;
            }
            let choice = Choice { member, step, pending: member.state.pending() };
            if !member.state.is_online() {
                away = Some(fewer(away, choice));
                continue;
            }
            if choice.pending == 0 {
                return Some(choice);
            }
            best = Some(fewer(best, choice));
            candidates += 1;
            if candidates == CANDIDATES {
                break;
            }
        }
        best.or(away)
    }

    /// The group with a member more, or with the options of one replaced.
    pub(super) fn join(&mut self, subscription: Subscription, state: &Arc<MemberState>) -> Subscribed {
        let member = Member { subscription, state: Arc::clone(state) };
        if let Some(&place) = self.places.get(&subscription.session) {
            self.members.insert(place, member);
            return Subscribed::Replaced;
        }
        // Sessions are numbered by 32 bits, so are places.
        let place = self.members.len() as u32;
        self.members.insert(place, member);
        self.places.insert(subscription.session, place);
        Subscribed::New
    }

    /// Takes a member out; the last one moves to its place. False if the session is no member.
    pub(super) fn leave(&mut self, session: SessionRef) -> bool {
        let Some(place) = self.places.remove(&session) else { return false };
        let last = self.members.len().saturating_sub(1) as u32;
        if let Some(moved) = self.members.remove(&last)
            && last != place
        {
            self.places.insert(moved.subscription.session, place);
            self.members.insert(place, moved);
        }
        true
    }

    pub(super) fn has(&self, session: SessionRef) -> bool {
        self.places.get(&session).is_some()
    }
}

#[derive(Clone, Copy)]
struct Choice<'a> {
    member: &'a Member,
    step: usize,
    pending: u32,
}

/// The less loaded one; the earlier in turn if they are equal.
fn fewer<'a>(earlier: Option<Choice<'a>>, later: Choice<'a>) -> Choice<'a> {
    match earlier {
        Some(earlier) if earlier.pending <= later.pending => earlier,
        _ => later,
    }
}
