//! Messages sent to a client with QoS 1 or 2 that it has not acknowledged yet.
//!
//! Packet identifiers are given out in a row, so the window is a ring: finding the message of an acknowledgement
//! is one index, whatever order a client acknowledges in.

use std::collections::VecDeque;

use super::queue::Queued;
use crate::codec::QoS;

/// Where the exchange of one message stands.
#[derive(Debug)]
enum State {
    /// PUBLISH with QoS 1 sent, PUBACK awaited.
    AwaitsPubAck(Option<Queued>),
    /// PUBLISH with QoS 2 sent, PUBREC awaited.
    AwaitsPubRec(Option<Queued>),
    /// PUBREL sent, PUBCOMP awaited.
    AwaitsPubComp,
    /// Acknowledged; its place in the row is not free yet.
    Done,
}

/// What has to be sent again when the client comes back [MQTT-4.4.0-1].
#[derive(Debug)]
pub(crate) enum Resend<'a> {
    /// The PUBLISH, with DUP set.
    Publish(u16, QoS, &'a Queued),
    /// The PUBREL.
    PubRel(u16),
}

/// The window of unacknowledged messages.
#[derive(Debug, Default)]
pub(crate) struct Inflight {
    /// Packet identifier of the ring's first place.
    first: u16,
    ring: VecDeque<State>,
    /// Places that are not `Done`.
    live: usize,
}

impl Inflight {
    /// Messages that still await an acknowledgement.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Whether another message may be sent under a window of `max` messages. A client that leaves its oldest
    /// message unacknowledged stops the window once the row is twice as long as the window.
    #[inline]
    pub(crate) fn has_room(&self, max: u16) -> bool {
        self.live < usize::from(max) && self.ring.len() < (usize::from(max) * 2).clamp(64, 65_535)
    }

    /// Takes the next packet identifier for a message of `qos` (1 or 2). `kept` is what a later resend needs;
    /// none for sessions that end with their connection.
    pub(crate) fn push(&mut self, qos: QoS, kept: Option<Queued>) -> u16 {
        if self.ring.is_empty() {
            self.first = next_id(self.first);
        }
        let id = add_id(self.first, self.ring.len());
        self.ring.push_back(match qos {
            QoS::ExactlyOnce => State::AwaitsPubRec(kept),
            QoS::AtMostOnce | QoS::AtLeastOnce => State::AwaitsPubAck(kept),
        });
        self.live += 1;
        id
    }

    fn at(&mut self, id: u16) -> Option<&mut State> {
        let offset = distance(self.first, id);
        self.ring.get_mut(offset)
    }

    /// PUBACK: true if it ended an exchange.
    pub(crate) fn puback(&mut self, id: u16) -> bool {
        match self.at(id) {
            Some(state @ State::AwaitsPubAck(_)) => *state = State::Done,
            _ => return false,
        }
        self.finish();
        true
    }

    /// PUBREC without error: true if a PUBREL is due, also when the PUBREC was sent twice.
    pub(crate) fn pubrec(&mut self, id: u16) -> bool {
        match self.at(id) {
            Some(state @ State::AwaitsPubRec(_)) => {
                *state = State::AwaitsPubComp;
                true
            }
            Some(State::AwaitsPubComp) => true,
            _ => false,
        }
    }

    /// PUBREC with an error code: the exchange is over [MQTT-4.3.3-4 ff.].
    pub(crate) fn pubrec_failed(&mut self, id: u16) -> bool {
        match self.at(id) {
            Some(state @ State::AwaitsPubRec(_)) => *state = State::Done,
            _ => return false,
        }
        self.finish();
        true
    }

    /// PUBCOMP: true if it ended an exchange.
    pub(crate) fn pubcomp(&mut self, id: u16) -> bool {
        match self.at(id) {
            Some(state @ State::AwaitsPubComp) => *state = State::Done,
            _ => return false,
        }
        self.finish();
        true
    }

    fn finish(&mut self) {
        self.live -= 1;
        while matches!(self.ring.front(), Some(State::Done)) {
            self.ring.pop_front();
            self.first = next_id(self.first);
        }
        if self.ring.is_empty() {
            // `first` becomes the last identifier used, so that the next one follows it.
            self.first = previous_id(self.first);
            if self.ring.capacity() > 64 {
                self.ring = VecDeque::new();
            }
        }
    }

    /// What is to be sent again on a resumed session, in the original order [MQTT-4.6.0-1].
    pub(crate) fn resend(&self) -> impl Iterator<Item = Resend<'_>> {
        self.ring.iter().enumerate().filter_map(|(offset, state)| {
            let id = add_id(self.first, offset);
            match state {
                State::AwaitsPubAck(Some(kept)) => Some(Resend::Publish(id, QoS::AtLeastOnce, kept)),
                State::AwaitsPubRec(Some(kept)) => Some(Resend::Publish(id, QoS::ExactlyOnce, kept)),
                State::AwaitsPubComp => Some(Resend::PubRel(id)),
                State::AwaitsPubAck(None) | State::AwaitsPubRec(None) | State::Done => None,
            }
        })
    }

    /// Ends all exchanges and returns the messages whose delivery was not confirmed.
    pub(crate) fn drain(&mut self) -> Vec<Queued> {
        self.live = 0;
        let ring = std::mem::take(&mut self.ring);
        ring.into_iter()
            .filter_map(|state| match state {
                State::AwaitsPubAck(kept) | State::AwaitsPubRec(kept) => kept,
                State::AwaitsPubComp | State::Done => None,
            })
            .collect()
    }
}

/// The identifier after `id`; identifiers run from 1 to 65 535 [MQTT-2.2.1-3].
fn next_id(id: u16) -> u16 {
    if id == u16::MAX { 1 } else { id + 1 }
}

fn previous_id(id: u16) -> u16 {
    if id <= 1 { u16::MAX } else { id - 1 }
}

fn add_id(first: u16, offset: usize) -> u16 {
    let zero_based = (usize::from(first) + 65_534 + offset) % 65_535;
    u16::try_from(zero_based + 1).unwrap_or(1)
}

fn distance(first: u16, id: u16) -> usize {
    (usize::from(id) + 65_535 - usize::from(first)) % 65_535
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_run_from_1_to_65535_and_around() {
        let mut window = Inflight::default();
        for expected in (1..=65_535u16).chain(1..10) {
            let id = window.push(QoS::AtLeastOnce, None);
            assert_eq!(id, expected);
            assert!(window.puback(id));
            assert!(!window.puback(id), "a second PUBACK ends nothing");
        }
        assert_eq!(window.len(), 0);
    }

    #[test]
    fn acknowledgements_may_come_in_any_order() {
        let mut window = Inflight::default();
        let ids: Vec<u16> = (0..100).map(|_| window.push(QoS::AtLeastOnce, None)).collect();
        for id in ids.iter().rev() {
            assert!(window.puback(*id));
        }
        assert_eq!(window.len(), 0);
        assert_eq!(window.push(QoS::AtLeastOnce, None), 101);
    }

    #[test]
    fn qos_2_goes_through_its_four_steps() {
        let mut window = Inflight::default();
        let id = window.push(QoS::ExactlyOnce, None);
        assert!(!window.puback(id), "PUBACK does not answer QoS 2");
        assert!(!window.pubcomp(id), "PUBCOMP before PUBREC ends nothing");
        assert!(window.pubrec(id));
        assert!(window.pubrec(id), "a repeated PUBREC is answered again");
        assert!(matches!(window.resend().next(), Some(Resend::PubRel(i)) if i == id));
        assert!(window.pubcomp(id));
        assert!(!window.pubrec(id));
        assert_eq!(window.len(), 0);
    }

    #[test]
    fn an_identifier_in_use_is_not_given_out_again() {
        let mut window = Inflight::default();
        let stuck = window.push(QoS::AtLeastOnce, None);
        let mut sent = 1;
        while window.has_room(100) {
            let id = window.push(QoS::AtLeastOnce, None);
            assert_ne!(id, stuck);
            assert!(window.puback(id));
            sent += 1;
        }
        assert_eq!(sent, 200, "the row ends at twice the window");
        assert!(window.puback(stuck));
        assert!(window.has_room(100));
    }
}
