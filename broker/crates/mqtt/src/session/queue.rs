//! Messages that wait for a session: for its client to come back, or for room in its window.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::Millis;
use crate::codec::QoS;
use crate::limits::Limits;
use crate::message::Message;
use crate::router::SharedGroup;

/// One message on its way to one session.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) message: Arc<Message>,
    /// QoS of this delivery: the lower of the message's and the subscription's [MQTT-3.8.4-8].
    pub(crate) qos: QoS,
    /// The RETAIN flag that the subscriber will see.
    pub(crate) retain: bool,
    pub(crate) identifiers: SmallVec<[NonZeroU32; 1]>,
    /// The shared subscription that chose this session, so that the message can go to another member.
    pub(crate) shared: Option<Arc<SharedGroup>>,
}

/// A bounded first-in, first-out queue; see [`Limits::max_queued_messages`] and [`Limits::max_queued_bytes`].
#[derive(Debug, Default)]
pub(crate) struct Queue {
    messages: VecDeque<Queued>,
    bytes: usize,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// What the messages are charged with in all.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a message, or gives it back when the queue is full.
    pub(crate) fn push(&mut self, queued: Queued, limits: &Limits) -> Result<(), Queued> {
        let size = queued.message.size();
        if self.messages.len() >= limits.max_queued_messages
            || self.bytes.saturating_add(size) > limits.max_queued_bytes
        {
            return Err(queued);
        }
        self.bytes += size;
        self.messages.push_back(queued);
        Ok(())
    }

    /// Takes the oldest message that has not expired; counts the expired ones passed over [MQTT-3.3.2-5].
    pub(crate) fn pop(&mut self, now: Millis, expired: &mut u64) -> Option<Queued> {
        while let Some(queued) = self.messages.pop_front() {
            self.bytes -= queued.message.size();
            if queued.message.is_expired(now) {
                *expired += 1;
                continue;
            }
            if self.messages.is_empty() && self.messages.capacity() > 64 {
                self.messages = VecDeque::new();
            }
            return Some(queued);
        }
        None
    }

    /// Drops the messages for which `keep` says no and returns how many.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Queued) -> bool) -> u64 {
        let before = self.messages.len();
        self.messages.retain(|queued| keep(queued));
        self.bytes = self.messages.iter().map(|queued| queued.message.size()).sum();
        (before - self.messages.len()) as u64
    }

    /// Empties the queue.
    pub(crate) fn drain(&mut self) -> Vec<Queued> {
        self.bytes = 0;
        std::mem::take(&mut self.messages).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(payload: &'static [u8], expires_at: Option<Millis>) -> Queued {
        Queued {
            message: Arc::new(Message::for_tests("t", payload, expires_at)),
            qos: QoS::AtLeastOnce,
            retain: false,
            identifiers: SmallVec::new(),
            shared: None,
        }
    }

    #[test]
    fn the_queue_is_bounded_by_count_and_by_bytes() {
        let by_count = Limits { max_queued_messages: 2, ..Limits::default() };
        let mut queue = Queue::default();
        assert!(queue.push(queued(b"1", None), &by_count).is_ok());
        assert!(queue.push(queued(b"2", None), &by_count).is_ok());
        assert!(queue.push(queued(b"3", None), &by_count).is_err());
        let size = queued(b"1", None).message.size();
        let by_bytes = Limits { max_queued_bytes: size * 3, ..Limits::default() };
        assert!(queue.push(queued(b"3", None), &by_bytes).is_ok());
        assert!(queue.push(queued(b"4", None), &by_bytes).is_err());
        assert!(queue.pop(0, &mut 0).is_some());
        assert!(queue.push(queued(b"4", None), &by_bytes).is_ok(), "room returns when a message leaves");
    }

    #[test]
    fn expired_messages_are_passed_over_and_counted() {
        let mut queue = Queue::default();
        for (payload, expiry) in [(&b"old"[..], Some(10)), (b"new", Some(30)), (b"never", None)] {
            assert!(queue.push(queued(payload, expiry), &Limits::default()).is_ok());
        }
        let mut expired = 0;
        let next = queue.pop(10, &mut expired).map(|q| q.message.payload.clone());
        assert_eq!(next.as_deref(), Some(&b"new"[..]));
        assert_eq!(expired, 1);
    }
}
