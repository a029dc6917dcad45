//! PUBLISH (specification 3.3), the packet that everything else exists for.

use core::num::NonZeroU32;

use super::frame::{Frame, PacketType};
use super::properties::{allowed, append_forwardable, is_forwardable, read_properties};
use super::property::id;
use super::topic::{self, TopicError};
use super::wire::{MAX_VARINT, Reader, put_varint, varint_bytes, varint_len};
use super::{DecodeError, EncodeError, Property, PropertyIter, QoS, Version};

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The sender may have sent it before; never set on QoS 0 [MQTT-3.3.1-2].
    pub dup: bool,
    /// Delivery guarantee.
    pub qos: QoS,
    /// The server shall keep it (from a client), or it was kept (from a server).
    pub retain: bool,
    /// A valid topic name; empty only in MQTT 5.0, where `properties.topic_alias` then stands for it.
    pub topic: &'a str,
    /// Never 0 on QoS 1 and 2; 0 on QoS 0, which has none [MQTT-2.2.1-2].
    pub packet_id: u16,
    /// The properties; empty before MQTT 5.0.
    pub properties: PublishProperties<'a>,
    /// The application's bytes, as they came.
    pub payload: &'a [u8],
}

/// The properties of a [`Publish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishProperties<'a> {
    /// All property bytes, checked, without their length.
    pub raw: &'a [u8],
    /// Stands for the topic name on this connection; never 0.
    pub topic_alias: Option<u16>,
    /// Lifetime of the message in seconds from its arrival.
    pub message_expiry: Option<u32>,
    /// True if a subscription identifier is among them, which only a server sends [MQTT-3.3.4-6].
    pub has_subscription_identifier: bool,
    /// True if `raw` can go to subscribers unchanged: it holds no alias, expiry or subscription identifier.
    pub forward_is_raw: bool,
}

impl Default for PublishProperties<'_> {
    fn default() -> Self {
        Self {
            raw: &[],
            topic_alias: None,
            message_expiry: None,
            has_subscription_identifier: false,
            forward_is_raw: true,
        }
    }
}

impl<'a> PublishProperties<'a> {
    /// All properties in their order.
    pub fn iter(&self) -> PropertyIter<'a> {
        PropertyIter::new(self.raw)
    }

    /// Appends the bytes of the properties that belong to the message and go to its subscribers, in their order: all but
    /// alias, expiry and subscription identifiers. The same bytes as `raw` if `forward_is_raw`.
    pub fn append_forwardable(&self, out: &mut Vec<u8>) {
        if self.forward_is_raw {
            out.extend_from_slice(self.raw);
        } else {
            append_forwardable(self.raw, out);
        }
    }
}

/// Decodes a frame that is a PUBLISH, from either side.
///
/// # Errors
/// [`DecodeError`] for the first rule that the packet breaks; [`DecodeError::UnexpectedPacket`] for another packet type.
#[inline]
pub fn decode_publish(frame: &[u8], version: Version) -> Result<Publish<'_>, DecodeError> {
    let frame = Frame::cut(frame)?;
    frame.check_length_form(version)?;
    if frame.first >> 4 != PacketType::Publish as u8 {
        return Err(DecodeError::UnexpectedPacket(frame.first >> 4));
    }
    read_publish(frame.first, frame.body, version)
}

/// Decodes a frame that is a PUBLISH of a client: [`decode_publish`] without subscription identifiers.
///
/// # Errors
/// As [`decode_publish`]; [`DecodeError::SubscriptionIdentifierFromClient`] [MQTT-3.3.4-6].
#[inline]
pub fn decode_publish_from_client(frame: &[u8], version: Version) -> Result<Publish<'_>, DecodeError> {
    let publish = decode_publish(frame, version)?;
    if publish.properties.has_subscription_identifier {
        return Err(DecodeError::SubscriptionIdentifierFromClient);
    }
    Ok(publish)
}

/// Reads the body of a PUBLISH whose fixed header starts with `first`.
#[inline]
pub(super) fn read_publish(
    first: u8,
    mut body: Reader<'_>,
    version: Version,
) -> Result<Publish<'_>, DecodeError> {
    let qos = QoS::from_bits(first >> 1 & 0b11).ok_or(DecodeError::Qos)?;
    let dup = first & 0b1000 != 0;
    if dup && qos == QoS::AtMostOnce {
        return Err(DecodeError::DupWithoutQos);
    }
    let topic = read_topic(&mut body)?;
    let packet_id = if qos == QoS::AtMostOnce { 0 } else { body.packet_id()? };
    let properties =
        if version.is_v5() { read_publish_properties(&mut body)? } else { PublishProperties::default() };
    if topic.is_empty() && properties.topic_alias.is_none() {
        // Only MQTT 5.0 has aliases; before, an empty topic name is never right [MQTT-4.7.3-1].
        return Err(if version.is_v5() {
            DecodeError::TopicMissing
        } else {
            DecodeError::TopicName(TopicError::Empty)
        });
    }
    Ok(Publish { dup, qos, retain: first & 1 != 0, topic, packet_id, properties, payload: body.rest() })
}

/// Reads a topic name that may be empty: UTF-8 without U+0000 and wildcards [MQTT-3.3.2-1], [MQTT-3.3.2-2].
#[inline]
fn read_topic<'a>(body: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let bytes = body.binary()?;
    if !topic::is_plain(bytes) {
        return Err(name_error(bytes));
    }
    core::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)
}

/// The rule that a name breaks which is not plain.
#[cold]
fn name_error(bytes: &[u8]) -> DecodeError {
    if core::str::from_utf8(bytes).is_err() {
        DecodeError::Utf8
    } else if bytes.contains(&0) {
        DecodeError::NulCharacter
    } else {
        DecodeError::TopicName(TopicError::Wildcard)
    }
}

#[inline]
fn read_publish_properties<'a>(body: &mut Reader<'a>) -> Result<PublishProperties<'a>, DecodeError> {
    if body.rest().first() == Some(&0) {
        body.u8()?;
        return Ok(PublishProperties::default());
    }
    let mut properties = PublishProperties::default();
    properties.raw = read_properties(body, allowed::PUBLISH, |property| {
        properties.forward_is_raw &= is_forwardable(&property);
        match property {
            Property::TopicAlias(alias) => properties.topic_alias = Some(alias),
            Property::MessageExpiry(seconds) => properties.message_expiry = Some(seconds),
            Property::SubscriptionIdentifier(_) => properties.has_subscription_identifier = true,
            _ => {}
        }
    })?;
    Ok(properties)
}

/// A PUBLISH to encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishOut<'a> {
    /// Set DUP. Ignored on QoS 0 [MQTT-3.3.1-2].
    pub dup: bool,
    /// Delivery guarantee.
    pub qos: QoS,
    /// Set RETAIN.
    pub retain: bool,
    /// Topic name; may be empty if `topic_alias` stands for it.
    pub topic: &'a str,
    /// Packet identifier, not 0; may be a place-holder that is patched at the returned offset. Ignored on QoS 0.
    pub packet_id: u16,
    /// Property bytes to pass on as they are: see [`PublishProperties::append_forwardable`]. MQTT 5.0 only.
    pub properties: &'a [u8],
    /// Message expiry to send: what is left of it in seconds [MQTT-3.3.2-6]. MQTT 5.0 only.
    pub message_expiry: Option<u32>,
    /// Topic alias to send; not 0. MQTT 5.0 only.
    pub topic_alias: Option<u16>,
    /// Identifiers of all subscriptions that matched [MQTT-3.3.4-3], [MQTT-3.3.4-4]. MQTT 5.0 only.
    pub subscription_identifiers: &'a [NonZeroU32],
    /// The application's bytes.
    pub payload: &'a [u8],
}

impl<'a> PublishOut<'a> {
    /// A QoS 0 message with nothing but a topic and a payload.
    pub const fn new(topic: &'a str, payload: &'a [u8]) -> Self {
        Self {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic,
            packet_id: 0,
            properties: &[],
            message_expiry: None,
            topic_alias: None,
            subscription_identifiers: &[],
            payload,
        }
    }

    /// Bytes of the whole packet, fixed header included: what a receiver's maximum packet size bounds
    /// [MQTT-3.1.2-24].
    #[inline]
    pub fn encoded_len(&self, version: Version) -> usize {
        let remaining = self.remaining_len(version, self.properties_len());
        1 + varint_len(remaining) + remaining
    }

    #[inline]
    fn properties_len(&self) -> usize {
        let mut length = self.properties.len();
        if self.message_expiry.is_some() {
            length += 5;
        }
        if self.topic_alias.is_some() {
            length += 3;
        }
        for identifier in self.subscription_identifiers {
            length += 1 + varint_len(identifier.get() as usize);
        }
        length
    }

    #[inline]
    fn remaining_len(&self, version: Version, properties: usize) -> usize {
        let packet_id = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        let properties = if version.is_v5() { varint_len(properties) + properties } else { 0 };
        2 + self.topic.len() + packet_id + properties + self.payload.len()
    }
}

/// Appends a PUBLISH and returns the position in `out` of its packet identifier (two bytes, big-endian), so that one
/// encoded packet can be copied to many subscribers and get each one's identifier; `None` on QoS 0.
///
/// # Errors
/// [`EncodeError`] if the topic, a subscription identifier or the packet is too long; `out` is then as it was.
#[inline]
pub fn encode_publish(
    out: &mut Vec<u8>,
    version: Version,
    publish: &PublishOut<'_>,
) -> Result<Option<usize>, EncodeError> {
    let topic_len = u16::try_from(publish.topic.len())
        .map_err(|_| EncodeError::FieldTooLong(publish.topic.len()))?
        .to_be_bytes();
    let properties = publish.properties_len();
    let remaining = publish.remaining_len(version, properties);
    if remaining > MAX_VARINT {
        return Err(EncodeError::PacketTooLong(remaining));
    }
    if let Some(identifier) =
        publish.subscription_identifiers.iter().find(|id| id.get() as usize > MAX_VARINT)
    {
        return Err(EncodeError::IntegerTooLarge(identifier.get() as usize));
    }
    out.reserve(5 + remaining);

    let quality = publish.qos != QoS::AtMostOnce;
    let flags = u8::from(publish.dup && quality) << 3 | (publish.qos as u8) << 1 | u8::from(publish.retain);
    let (length, width) = varint_bytes(remaining);
    let mut head = [0; 7];
    head[0] = (PacketType::Publish as u8) << 4 | flags;
    head[1..=width].copy_from_slice(&length[..width]);
    head[width + 1..width + 3].copy_from_slice(&topic_len);
    out.extend_from_slice(&head[..width + 3]);
    out.extend_from_slice(publish.topic.as_bytes());
    let packet_id_at = quality.then_some(out.len());
    if quality {
        out.extend_from_slice(&publish.packet_id.to_be_bytes());
    }
    if version.is_v5() {
        put_publish_properties(out, publish, properties);
    }
    out.extend_from_slice(publish.payload);
    Ok(packet_id_at)
}

#[inline]
fn put_publish_properties(out: &mut Vec<u8>, publish: &PublishOut<'_>, length: usize) {
    put_varint(out, length);
    if let Some(seconds) = publish.message_expiry {
        out.push(id::MESSAGE_EXPIRY);
        out.extend_from_slice(&seconds.to_be_bytes());
    }
    if let Some(alias) = publish.topic_alias {
        out.push(id::TOPIC_ALIAS);
        out.extend_from_slice(&alias.to_be_bytes());
    }
    for identifier in publish.subscription_identifiers {
        out.push(id::SUBSCRIPTION_IDENTIFIER);
        put_varint(out, identifier.get() as usize);
    }
    out.extend_from_slice(publish.properties);
}
