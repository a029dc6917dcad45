//! A published message as the broker keeps it: shared by all the sessions that it goes to.

use bytes::Bytes;

use crate::Millis;
use crate::codec::QoS;
use crate::router::SessionRef;

/// A message that outlives the packet it came in.
#[derive(Debug)]
pub struct Message {
    /// The topic name.
    pub topic: Box<str>,
    /// The application message.
    pub payload: Bytes,
    /// The MQTT 5 properties that travel with the message, encoded, without topic alias, message expiry interval
    /// and subscription identifiers.
    pub properties: Box<[u8]>,
    /// When the message stops being worth delivering [MQTT-3.3.2-5].
    pub expires_at: Option<Millis>,
    /// The QoS it was published with.
    pub qos: QoS,
    /// The RETAIN flag it was published with.
    pub retain: bool,
    /// The session that published it, for No Local [MQTT-3.8.3-3].
    pub publisher: SessionRef,
}

impl Message {
    /// Bytes that a kept message costs besides its variable parts.
    pub const OVERHEAD: usize = 96;

    /// The bytes that the message is charged with in queues: its variable parts and a fixed overhead.
    #[must_use]
    pub fn size(&self) -> usize {
        self.topic.len() + self.payload.len() + self.properties.len() + Self::OVERHEAD
    }

    /// Whether the message expiry interval has passed.
    #[must_use]
    pub fn is_expired(&self, now: Millis) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    #[cfg(test)]
    pub(crate) fn for_tests(topic: &str, payload: &'static [u8], expires_at: Option<Millis>) -> Self {
        Self {
            topic: topic.into(),
            payload: Bytes::from_static(payload),
            properties: Box::default(),
            expires_at,
            qos: QoS::AtLeastOnce,
            retain: false,
            publisher: SessionRef { core: 0, slot: 0, generation: 0 },
        }
    }
}
