//! Properties of MQTT 5.0 (specification 2.2.2): every one that exists, and the rule which packet may hold which.

use core::num::NonZeroU32;

use super::wire::{MAX_VARINT, Reader, put_binary, put_varint};
use super::{DecodeError, EncodeError, QoS, topic};

/// Identifiers of the specification's table 2-4.
pub(super) mod id {
    pub(in crate::codec) const PAYLOAD_FORMAT: u8 = 0x01;
    pub(in crate::codec) const MESSAGE_EXPIRY: u8 = 0x02;
    pub(in crate::codec) const CONTENT_TYPE: u8 = 0x03;
    pub(in crate::codec) const RESPONSE_TOPIC: u8 = 0x08;
    pub(in crate::codec) const CORRELATION_DATA: u8 = 0x09;
    pub(in crate::codec) const SUBSCRIPTION_IDENTIFIER: u8 = 0x0b;
    pub(in crate::codec) const SESSION_EXPIRY: u8 = 0x11;
    pub(in crate::codec) const ASSIGNED_CLIENT_ID: u8 = 0x12;
    pub(in crate::codec) const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub(in crate::codec) const AUTH_METHOD: u8 = 0x15;
    pub(in crate::codec) const AUTH_DATA: u8 = 0x16;
    pub(in crate::codec) const REQUEST_PROBLEM_INFO: u8 = 0x17;
    pub(in crate::codec) const WILL_DELAY: u8 = 0x18;
    pub(in crate::codec) const REQUEST_RESPONSE_INFO: u8 = 0x19;
    pub(in crate::codec) const RESPONSE_INFO: u8 = 0x1a;
    pub(in crate::codec) const SERVER_REFERENCE: u8 = 0x1c;
    pub(in crate::codec) const REASON_STRING: u8 = 0x1f;
    pub(in crate::codec) const RECEIVE_MAXIMUM: u8 = 0x21;
    pub(in crate::codec) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub(in crate::codec) const TOPIC_ALIAS: u8 = 0x23;
    pub(in crate::codec) const MAXIMUM_QOS: u8 = 0x24;
    pub(in crate::codec) const RETAIN_AVAILABLE: u8 = 0x25;
    pub(in crate::codec) const USER: u8 = 0x26;
    pub(in crate::codec) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
    pub(in crate::codec) const WILDCARD_AVAILABLE: u8 = 0x28;
    pub(in crate::codec) const IDENTIFIERS_AVAILABLE: u8 = 0x29;
    pub(in crate::codec) const SHARED_AVAILABLE: u8 = 0x2a;
}

/// One property of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property<'a> {
    /// True if the payload is UTF-8 text.
    PayloadFormat(bool),
    /// Lifetime of the message in seconds.
    MessageExpiry(u32),
    /// What the payload is, in the applications' words.
    ContentType(&'a str),
    /// Topic name for a response; a valid one [MQTT-3.3.2-14].
    ResponseTopic(&'a str),
    /// The requester's mark on the response.
    CorrelationData(&'a [u8]),
    /// The number of the subscription, 1 to 268 435 455.
    SubscriptionIdentifier(NonZeroU32),
    /// Seconds that a session outlives its connection; `u32::MAX` means forever.
    SessionExpiry(u32),
    /// The client identifier that the server chose.
    AssignedClientId(&'a str),
    /// Keep alive in seconds that the client must use instead of its own.
    ServerKeepAlive(u16),
    /// Name of the enhanced authentication method.
    AuthMethod(&'a str),
    /// Data of the enhanced authentication method.
    AuthData(&'a [u8]),
    /// True if the client wants reason strings and user properties on failures.
    RequestProblemInfo(bool),
    /// Seconds between the connection's end and the will.
    WillDelay(u32),
    /// True if the client wants response information in CONNACK.
    RequestResponseInfo(bool),
    /// Basis for response topics.
    ResponseInfo(&'a str),
    /// Another server to use.
    ServerReference(&'a str),
    /// Explanation for humans.
    ReasonString(&'a str),
    /// QoS 1 and 2 messages that the sender takes unacknowledged; never 0.
    ReceiveMaximum(u16),
    /// The highest topic alias that the sender takes.
    TopicAliasMaximum(u16),
    /// Number that stands for the topic name; never 0.
    TopicAlias(u16),
    /// The highest QoS that the server takes: 0 or 1.
    MaximumQos(QoS),
    /// True if the server keeps retained messages.
    RetainAvailable(bool),
    /// A pair of the applications' own; may repeat, and its order counts [MQTT-3.3.2-18].
    User(&'a str, &'a str),
    /// The largest packet in bytes that the sender takes; never 0.
    MaximumPacketSize(NonZeroU32),
    /// True if the server takes wildcards in subscriptions.
    WildcardAvailable(bool),
    /// True if the server takes subscription identifiers.
    IdentifiersAvailable(bool),
    /// True if the server takes shared subscriptions.
    SharedAvailable(bool),
}

impl<'a> Property<'a> {
    /// The property's identifier.
    pub const fn id(&self) -> u8 {
        match self {
            Self::PayloadFormat(_) => id::PAYLOAD_FORMAT,
            Self::MessageExpiry(_) => id::MESSAGE_EXPIRY,
            Self::ContentType(_) => id::CONTENT_TYPE,
            Self::ResponseTopic(_) => id::RESPONSE_TOPIC,
            Self::CorrelationData(_) => id::CORRELATION_DATA,
            Self::SubscriptionIdentifier(_) => id::SUBSCRIPTION_IDENTIFIER,
            Self::SessionExpiry(_) => id::SESSION_EXPIRY,
            Self::AssignedClientId(_) => id::ASSIGNED_CLIENT_ID,
            Self::ServerKeepAlive(_) => id::SERVER_KEEP_ALIVE,
            Self::AuthMethod(_) => id::AUTH_METHOD,
            Self::AuthData(_) => id::AUTH_DATA,
            Self::RequestProblemInfo(_) => id::REQUEST_PROBLEM_INFO,
            Self::WillDelay(_) => id::WILL_DELAY,
            Self::RequestResponseInfo(_) => id::REQUEST_RESPONSE_INFO,
            Self::ResponseInfo(_) => id::RESPONSE_INFO,
            Self::ServerReference(_) => id::SERVER_REFERENCE,
            Self::ReasonString(_) => id::REASON_STRING,
            Self::ReceiveMaximum(_) => id::RECEIVE_MAXIMUM,
            Self::TopicAliasMaximum(_) => id::TOPIC_ALIAS_MAXIMUM,
            Self::TopicAlias(_) => id::TOPIC_ALIAS,
            Self::MaximumQos(_) => id::MAXIMUM_QOS,
            Self::RetainAvailable(_) => id::RETAIN_AVAILABLE,
            Self::User(..) => id::USER,
            Self::MaximumPacketSize(_) => id::MAXIMUM_PACKET_SIZE,
            Self::WildcardAvailable(_) => id::WILDCARD_AVAILABLE,
            Self::IdentifiersAvailable(_) => id::IDENTIFIERS_AVAILABLE,
            Self::SharedAvailable(_) => id::SHARED_AVAILABLE,
        }
    }

    /// Reads the property at the reader's position and checks its value.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        // Identifiers are variable byte integers, but all that exist are one byte: a first byte of 0x80 and above is an
        // unknown or a padded one, and not allowed either way.
        let id = reader.u8()?;
        Ok(match id {
            id::PAYLOAD_FORMAT => Self::PayloadFormat(boolean(reader, id)?),
            id::MESSAGE_EXPIRY => Self::MessageExpiry(reader.u32()?),
            id::CONTENT_TYPE => Self::ContentType(reader.string()?),
            id::RESPONSE_TOPIC => {
                let name = reader.string()?;
                topic::validate_topic_name(name).map_err(DecodeError::TopicName)?;
                Self::ResponseTopic(name)
            }
            id::CORRELATION_DATA => Self::CorrelationData(reader.binary()?),
            id::SUBSCRIPTION_IDENTIFIER => Self::SubscriptionIdentifier(nonzero(reader.varint()?, id)?),
            id::SESSION_EXPIRY => Self::SessionExpiry(reader.u32()?),
            id::ASSIGNED_CLIENT_ID => Self::AssignedClientId(reader.string()?),
            id::SERVER_KEEP_ALIVE => Self::ServerKeepAlive(reader.u16()?),
            id::AUTH_METHOD => Self::AuthMethod(reader.string()?),
            id::AUTH_DATA => Self::AuthData(reader.binary()?),
            id::REQUEST_PROBLEM_INFO => Self::RequestProblemInfo(boolean(reader, id)?),
            id::WILL_DELAY => Self::WillDelay(reader.u32()?),
            id::REQUEST_RESPONSE_INFO => Self::RequestResponseInfo(boolean(reader, id)?),
            id::RESPONSE_INFO => Self::ResponseInfo(reader.string()?),
            id::SERVER_REFERENCE => Self::ServerReference(reader.string()?),
            id::REASON_STRING => Self::ReasonString(reader.string()?),
            id::RECEIVE_MAXIMUM => match reader.u16()? {
                0 => return Err(DecodeError::PropertyValue(id)),
                value => Self::ReceiveMaximum(value),
            },
            id::TOPIC_ALIAS_MAXIMUM => Self::TopicAliasMaximum(reader.u16()?),
            id::TOPIC_ALIAS => match reader.u16()? {
                0 => return Err(DecodeError::TopicAliasZero),
                value => Self::TopicAlias(value),
            },
            id::MAXIMUM_QOS => {
                Self::MaximumQos(if boolean(reader, id)? { QoS::AtLeastOnce } else { QoS::AtMostOnce })
            }
            id::RETAIN_AVAILABLE => Self::RetainAvailable(boolean(reader, id)?),
            id::USER => Self::User(reader.string()?, reader.string()?),
            id::MAXIMUM_PACKET_SIZE => Self::MaximumPacketSize(nonzero(reader.u32()?, id)?),
            id::WILDCARD_AVAILABLE => Self::WildcardAvailable(boolean(reader, id)?),
            id::IDENTIFIERS_AVAILABLE => Self::IdentifiersAvailable(boolean(reader, id)?),
            id::SHARED_AVAILABLE => Self::SharedAvailable(boolean(reader, id)?),
            _ => return Err(DecodeError::PropertyNotAllowed(id)),
        })
    }

    /// Appends identifier and value. The value is taken as it is: a caller who builds a receive maximum of 0 gets one.
    ///
    /// # Errors
    /// [`EncodeError::FieldTooLong`] for text or data beyond 65535 bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.push(self.id());
        match *self {
            Self::PayloadFormat(value)
            | Self::RequestProblemInfo(value)
            | Self::RequestResponseInfo(value)
            | Self::RetainAvailable(value)
            | Self::WildcardAvailable(value)
            | Self::IdentifiersAvailable(value)
            | Self::SharedAvailable(value) => out.push(u8::from(value)),
            Self::MaximumQos(value) => out.push(value as u8),
            Self::MessageExpiry(value) | Self::SessionExpiry(value) | Self::WillDelay(value) => {
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::MaximumPacketSize(value) => out.extend_from_slice(&value.get().to_be_bytes()),
            Self::ServerKeepAlive(value)
            | Self::ReceiveMaximum(value)
            | Self::TopicAliasMaximum(value)
            | Self::TopicAlias(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::SubscriptionIdentifier(value) => {
                let value = value.get() as usize;
                if value > MAX_VARINT {
                    return Err(EncodeError::IntegerTooLarge(value));
                }
                put_varint(out, value);
            }
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientId(text)
            | Self::AuthMethod(text)
            | Self::ResponseInfo(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => put_binary(out, text.as_bytes())?,
            Self::CorrelationData(data) | Self::AuthData(data) => put_binary(out, data)?,
            Self::User(name, value) => {
                put_binary(out, name.as_bytes())?;
                put_binary(out, value.as_bytes())?;
            }
        }
        Ok(())
    }
}

fn boolean(reader: &mut Reader<'_>, id: u8) -> Result<bool, DecodeError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::PropertyValue(id)),
    }
}

fn nonzero(value: u32, id: u8) -> Result<NonZeroU32, DecodeError> {
    NonZeroU32::new(value).ok_or(DecodeError::PropertyValue(id))
}

/// Iterator over the properties in a packet's property bytes, in their order.
#[derive(Debug, Clone)]
pub struct PropertyIter<'a> {
    reader: Reader<'a>,
}

impl<'a> PropertyIter<'a> {
    /// Iterates over `raw`, the property bytes of a decoded packet (without their length). On bytes that are no
    /// properties the iterator ends early.
    pub const fn new(raw: &'a [u8]) -> Self {
        Self { reader: Reader::new(raw) }
    }
}

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        let property = Property::read(&mut self.reader).ok();
        if property.is_none() {
            self.reader = Reader::new(&[]);
        }
        property
    }
}
