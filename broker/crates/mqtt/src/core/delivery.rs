//! One message on its way to its subscribers: encoded at most once per kind of receiver, stored at most once.

use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::Millis;
use crate::codec::{self, QoS, Version};
use crate::message::Message;
use crate::router::SessionRef;

/// Versions whose PUBLISH packets look the same on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// MQTT 3.1 and 3.1.1.
    V3,
    /// MQTT 5: with properties.
    V5,
}

impl Class {
    #[inline]
    pub(crate) fn of(version: Version) -> Self {
        if version == Version::V5 { Self::V5 } else { Self::V3 }
    }

    /// Any version of the class, for encoding.
    #[inline]
    pub(crate) fn version(self) -> Version {
        match self {
            Self::V3 => Version::V311,
            Self::V5 => Version::V5,
        }
    }
}

/// How one receiver is to get a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrapping<'a> {
    pub(crate) class: Class,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) identifiers: &'a [NonZeroU32],
}

/// An encoded PUBLISH within the scratch buffer.
#[derive(Clone, Debug)]
struct Encoded {
    range: Range<usize>,
    packet_id: Option<usize>,
}

/// A message being delivered. Borrows from the packet it came in until somebody has to keep it.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    /// MQTT 5 properties to forward.
    pub(crate) properties: &'a [u8],
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expires_at: Option<Millis>,
    pub(crate) publisher: SessionRef,
    pub(crate) now: Millis,
    stored: Option<Arc<Message>>,
    scratch: Vec<u8>,
    /// By class, QoS and retain.
    encoded: [Option<Encoded>; 12],
}

impl<'a> Outgoing<'a> {
    /// A message from a packet. `scratch` is an empty buffer; take it back with [`Outgoing::into_scratch`].
    pub(crate) fn of_publish(
        publish: &codec::Publish<'a>,
        topic: &'a str,
        properties: &'a [u8],
        context: Context,
    ) -> Self {
        let expiry = publish.properties.message_expiry;
        Self {
            topic,
            payload: publish.payload,
            properties,
            qos: publish.qos,
            retain: publish.retain,
            expires_at: expiry.map(|seconds| context.now + Millis::from(seconds) * 1000),
            publisher: context.publisher,
            now: context.now,
            stored: None,
            scratch: context.scratch,
            encoded: [const { None }; 12],
        }
    }

    /// A message that is stored already.
    pub(crate) fn of_message(message: &'a Arc<Message>, now: Millis, scratch: Vec<u8>) -> Self {
        Self {
            topic: &message.topic,
            payload: &message.payload,
            properties: &message.properties,
            qos: message.qos,
            retain: message.retain,
            expires_at: message.expires_at,
            publisher: message.publisher,
            now,
            stored: Some(Arc::clone(message)),
            scratch,
            encoded: [const { None }; 12],
        }
    }

    /// The message as something that may be kept.
    pub(crate) fn stored(&mut self) -> Arc<Message> {
        let stored = self.stored.get_or_insert_with(|| {
            Arc::new(Message {
                topic: self.topic.into(),
                payload: Bytes::copy_from_slice(self.payload),
                properties: self.properties.into(),
                expires_at: self.expires_at,
                qos: self.qos,
                retain: self.retain,
                publisher: self.publisher,
            })
        });
        Arc::clone(stored)
    }

    pub(crate) fn into_scratch(self) -> Vec<u8> {
        let mut scratch = self.scratch;
        scratch.clear();
        scratch
    }

    /// The encoded packet for one kind of receiver, and where its packet identifier stands. Encoded on first use;
    /// receivers with subscription identifiers have theirs encoded each.
    pub(crate) fn frame(&mut self, wrapping: Wrapping<'_>) -> Option<(&[u8], Option<usize>)> {
        let expiry = self.expires_at.map(|at| seconds_left(at, self.now));
        let cached = wrapping.identifiers.is_empty() || wrapping.class == Class::V3;
        let key = wrapping.class as usize * 6 + wrapping.qos as usize * 2 + usize::from(wrapping.retain);
        if cached && let Some(encoded) = &self.encoded[key] {
            return Some((&self.scratch[encoded.range.clone()], encoded.packet_id));
        }
        let start = self.scratch.len();
        let packet = codec::PublishOut {
            qos: wrapping.qos,
            retain: wrapping.retain,
            properties: self.properties,
            message_expiry: expiry,
            subscription_identifiers: wrapping.identifiers,
            ..codec::PublishOut::new(self.topic, self.payload)
        };
        // Topic and payload came in one packet; with identifiers it may be too long for MQTT, and goes to nobody.
        let encoded = codec::encode_publish(&mut self.scratch, wrapping.class.version(), &packet).ok()?;
        let packet_id = encoded.map(|offset| offset - start);
        let range = start..self.scratch.len();
        if cached {
            self.encoded[key] = Some(Encoded { range: range.clone(), packet_id });
        }
        Some((&self.scratch[range], packet_id))
    }
}

/// Where and when a message is delivered.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) publisher: SessionRef,
    pub(crate) now: Millis,
    /// An empty buffer for encoded packets.
    pub(crate) scratch: Vec<u8>,
}

/// Seconds until `at`, rounded up, so that a message that still lives is not sent with an expiry of 0.
pub(crate) fn seconds_left(at: Millis, now: Millis) -> u32 {
    u32::try_from(at.saturating_sub(now).div_ceil(1000)).unwrap_or(u32::MAX)
}

/// A duration in the core's time.
pub(crate) fn millis(duration: std::time::Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
