//! Single flight: requests for a check that is already under way wait for its answer instead of repeating it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Outcome, Shared};
use crate::cache::{Tag, TagMap};

/// Most requests that wait at a time, over all flights. A waiting request is a connection whose CONNECT was read, so
/// this is far beyond what the pool can answer before they give up.
const MAX_WAITING: usize = 65_536;

/// The checks under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    by_tag: TagMap<Vec<oneshot::Sender<Outcome>>>,
    total: usize,
}

/// How a request got onto a flight.
pub(super) enum Joined {
    /// It is the first one and must start the check.
    First(oneshot::Receiver<Outcome>),
    /// The check is under way.
    Waiting(oneshot::Receiver<Outcome>),
    /// Too many wait already.
    Full,
}

impl Flights {
    pub(super) fn join(&self, tag: Tag) -> Joined {
        let mut waiting = self.0.lock();
        let waiting = &mut *waiting;
        if waiting.total >= MAX_WAITING {
            return Joined::Full;
        }
        let (sender, receiver) = oneshot::channel();
        let Some(senders) = waiting.by_tag.get_mut(&tag) else {
            waiting.by_tag.insert(tag, vec![sender]);
            waiting.total += 1;
            return Joined::First(receiver);
        };
        if senders.len() == senders.capacity() {
            // Before it grows: whoever connects and leaves in a loop must not fill it.
            let before = senders.len();
            senders.retain(|sender| !sender.is_closed());
            waiting.total -= before - senders.len();
        }
        senders.push(sender);
        waiting.total += 1;
        Joined::Waiting(receiver)
    }

    fn take(&self, tag: &Tag) -> Vec<oneshot::Sender<Outcome>> {
        let mut waiting = self.0.lock();
        let senders = waiting.by_tag.remove(tag).unwrap_or_default();
        waiting.total -= senders.len();
        senders
    }

    /// Ends the flight if nobody waits for it any more. Under one lock with [`Flights::join`], so that a request
    /// either keeps the flight or begins a new one.
    fn abandon(&self, tag: &Tag) -> bool {
        let mut waiting = self.0.lock();
        let wanted =
            waiting.by_tag.get(tag).is_some_and(|senders| senders.iter().any(|one| !one.is_closed()));
        if wanted {
            return false;
        }
        let senders = waiting.by_tag.remove(tag).unwrap_or_default();
        waiting.total -= senders.len();
        true
    }
}

/// A check under way. If it is dropped before it landed, everybody who waits for it learns that there is no answer.
pub(super) struct Flight {
    shared: Arc<Shared>,
    tag: Tag,
    ended: bool,
}

impl Flight {
    /// Takes charge of a flight that [`Flights::join`] began.
    pub(super) fn new(shared: Arc<Shared>, tag: Tag) -> Self {
        Self { shared, tag, ended: false }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn tag(&self) -> Tag {
        self.tag
    }

    /// Whether nobody waits any more; the flight has ended then.
    pub(super) fn is_abandoned(&mut self) -> bool {
        self.ended = self.shared.flights.abandon(&self.tag);
        self.ended
    }

    /// Gives the answer to everybody who waits.
    pub(super) fn land(mut self, outcome: Outcome) {
        self.ended = true;
        for sender in self.shared.flights.take(&self.tag) {
            // Whoever has gone away meanwhile needs no answer.
            let _gone = sender.send(outcome);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // An ended flight's tag may belong to a new one by now.
        if !self.ended {
            drop(self.shared.flights.take(&self.tag));
        }
    }
}

#[cfg(test)]
impl Flights {
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().total
    }
}
