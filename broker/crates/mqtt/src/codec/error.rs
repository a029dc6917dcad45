//! Why bytes are not a packet, or a packet cannot become bytes.

use super::reason;
use super::topic::TopicError;

/// The rule that a frame breaks. Any of them ends the connection that sent it [MQTT-4.13.1-1], [MQTT-4.8.0-1] of 3.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A field or the frame itself ends before its stated length.
    #[error("packet must not end within a field")]
    Truncated,
    /// Bytes remain behind the last field.
    #[error("packet must end with its last field")]
    TrailingBytes,
    /// A remaining length or other variable byte integer continues beyond four bytes.
    #[error("variable byte integer must end within four bytes")]
    IntegerTooLong,
    /// A variable byte integer is padded with empty groups, which MQTT 5.0 forbids [MQTT-1.5.5-1].
    #[error("variable byte integer must use as few bytes as possible")]
    IntegerNotMinimal,
    /// The packet is larger than the receiver allows.
    #[error("packet of {size} bytes must not exceed {limit} bytes")]
    PacketTooLarge {
        /// Bytes of the whole packet, fixed header included.
        size: u32,
        /// The receiver's maximum packet size in bytes.
        limit: u32,
    },
    /// Packet type 0, or AUTH before MQTT 5.0.
    #[error("packet type {0} must not be used in this protocol version")]
    PacketType(u8),
    /// Another packet type than the caller asked for, or one that only a server sends.
    #[error("packet type {0} must not be sent here")]
    UnexpectedPacket(u8),
    /// The reserved flags of the fixed header differ from the specification's [MQTT-2.1.3-1].
    #[error("fixed header flags must have their reserved value")]
    HeaderFlags,
    /// QoS 3 in a PUBLISH or a will [MQTT-3.3.1-4], [MQTT-3.1.2-12].
    #[error("qos must be 0, 1 or 2")]
    Qos,
    /// DUP is set on a QoS 0 message [MQTT-3.3.1-2].
    #[error("dup must not be set on qos 0")]
    DupWithoutQos,
    /// A string is not UTF-8, or encodes a surrogate [MQTT-1.5.4-1].
    #[error("string must be well-formed utf-8")]
    Utf8,
    /// A string holds U+0000 [MQTT-1.5.4-2].
    #[error("string must not contain u+0000")]
    NulCharacter,
    /// A topic name is empty or holds a wildcard [MQTT-3.3.2-2], [MQTT-4.7.3-1].
    #[error("topic name {0}")]
    TopicName(TopicError),
    /// A PUBLISH has neither a topic name nor a topic alias.
    #[error("publish must have a topic name or a topic alias")]
    TopicMissing,
    /// A topic filter breaks the rules for wildcards or shared subscriptions [MQTT-4.7.1-1], [MQTT-4.8.2-1].
    #[error("topic filter {0}")]
    TopicFilter(TopicError),
    /// A packet identifier is 0 [MQTT-2.2.1-3].
    #[error("packet identifier must not be 0")]
    PacketIdZero,
    /// CONNECT names another protocol than MQTT [MQTT-3.1.2-1].
    #[error("protocol name must be MQTT")]
    ProtocolName,
    /// CONNECT asks for a protocol level that is not known here; the broker answers before it closes [MQTT-3.1.2-2].
    #[error("protocol level {0} must be 3, 4 or 5 and fit the protocol name")]
    UnsupportedVersion(u8),
    /// The reserved flag of CONNECT is set [MQTT-3.1.2-3].
    #[error("reserved connect flag must be 0")]
    ConnectFlags,
    /// Will QoS or Will Retain is set without the Will Flag [MQTT-3.1.2-11], [MQTT-3.1.2-13].
    #[error("will qos and will retain must be 0 without a will")]
    WillFlags,
    /// A password without a user name, before MQTT 5.0 [MQTT-3.1.2-22] of 3.1.1.
    #[error("password must come with a user name")]
    PasswordWithoutUsername,
    /// An empty client identifier where this version needs one [MQTT-3.1.3-8] of 3.1.1; answered by CONNACK 0x02.
    #[error("client identifier must not be empty without a clean session")]
    ClientIdRequired,
    /// SUBSCRIBE or UNSUBSCRIBE without a topic filter, or SUBACK without a code [MQTT-3.8.3-2], [MQTT-3.10.3-2].
    #[error("payload must have at least one entry")]
    EmptyPayload,
    /// Reserved bits of the subscription options are set [MQTT-3.8.3-5].
    #[error("reserved bits of subscription options must be 0")]
    SubscriptionOptions,
    /// QoS 3 in subscription options.
    #[error("subscription qos must be 0, 1 or 2")]
    SubscriptionQos,
    /// Retain Handling 3 in subscription options.
    #[error("retain handling must be 0, 1 or 2")]
    RetainHandling,
    /// No Local on a shared subscription [MQTT-3.8.3-4].
    #[error("no local must not be set on a shared subscription")]
    NoLocalShared,
    /// A property identifier that is unknown or not allowed in this packet (specification 2.2.2.2).
    #[error("property {0:#04x} must not be in this packet")]
    PropertyNotAllowed(u8),
    /// A property that may occur once occurs again.
    #[error("property {0:#04x} must not be repeated")]
    PropertyRepeated(u8),
    /// A property has a value that is out of its range, such as a boolean of 2 or a receive maximum of 0.
    #[error("property {0:#04x} must have a value of its range")]
    PropertyValue(u8),
    /// A topic alias of 0 [MQTT-3.3.2-8].
    #[error("topic alias must not be 0")]
    TopicAliasZero,
    /// A PUBLISH of a client carries a subscription identifier [MQTT-3.3.4-6].
    #[error("client must not send a subscription identifier in publish")]
    SubscriptionIdentifierFromClient,
    /// Authentication data without an authentication method.
    #[error("authentication data must come with an authentication method")]
    AuthMethodMissing,
    /// A reason or return code that the packet must not carry.
    #[error("reason code {0:#04x} must not be in this packet")]
    ReasonCode(u8),
    /// CONNACK with reserved flags, or with Session Present beside an error [MQTT-3.2.2-1], [MQTT-3.2.2-6].
    #[error("connack flags must be 0, or session present on success")]
    ConnAckFlags,
}

impl DecodeError {
    /// The MQTT 5.0 reason code to put into DISCONNECT (or CONNACK, before the connection is established). For
    /// [`DecodeError::UnsupportedVersion`] it is 0x84; to a client that speaks an older version answer 0x01.
    pub const fn reason_code(&self) -> u8 {
        match self {
            Self::PacketTooLarge { .. } => reason::PACKET_TOO_LARGE,
            Self::TopicName(_) => reason::TOPIC_NAME_INVALID,
            Self::TopicFilter(_) => reason::TOPIC_FILTER_INVALID,
            Self::TopicAliasZero => reason::TOPIC_ALIAS_INVALID,
            Self::ProtocolName | Self::UnsupportedVersion(_) => reason::UNSUPPORTED_PROTOCOL_VERSION,
            Self::ClientIdRequired => reason::CLIENT_IDENTIFIER_NOT_VALID,
            Self::UnexpectedPacket(_)
            | Self::TopicMissing
            | Self::PacketIdZero
            | Self::EmptyPayload
            | Self::SubscriptionQos
            | Self::RetainHandling
            | Self::NoLocalShared
            | Self::PropertyRepeated(_)
            | Self::PropertyValue(_)
            | Self::SubscriptionIdentifierFromClient
            | Self::AuthMethodMissing
            | Self::ReasonCode(_)
            | Self::ConnAckFlags => reason::PROTOCOL_ERROR,
            Self::Truncated
            | Self::TrailingBytes
            | Self::IntegerTooLong
            | Self::IntegerNotMinimal
            | Self::PacketType(_)
            | Self::HeaderFlags
            | Self::Qos
            | Self::DupWithoutQos
            | Self::Utf8
            | Self::NulCharacter
            | Self::ConnectFlags
            | Self::WillFlags
            | Self::PasswordWithoutUsername
            | Self::SubscriptionOptions
            | Self::PropertyNotAllowed(_) => reason::MALFORMED_PACKET,
        }
    }

    /// Stable name for metrics and logs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Truncated => "Truncated",
            Self::TrailingBytes => "TrailingBytes",
            Self::IntegerTooLong => "IntegerTooLong",
            Self::IntegerNotMinimal => "IntegerNotMinimal",
            Self::PacketTooLarge { .. } => "PacketTooLarge",
            Self::PacketType(_) => "PacketType",
            Self::UnexpectedPacket(_) => "UnexpectedPacket",
            Self::HeaderFlags => "HeaderFlags",
            Self::Qos => "Qos",
            Self::DupWithoutQos => "DupWithoutQos",
            Self::Utf8 => "Utf8",
            Self::NulCharacter => "NulCharacter",
            Self::TopicName(_) => "TopicName",
            Self::TopicMissing => "TopicMissing",
            Self::TopicFilter(_) => "TopicFilter",
            Self::PacketIdZero => "PacketIdZero",
            Self::ProtocolName => "ProtocolName",
            Self::UnsupportedVersion(_) => "UnsupportedVersion",
            Self::ConnectFlags => "ConnectFlags",
            Self::WillFlags => "WillFlags",
            Self::PasswordWithoutUsername => "PasswordWithoutUsername",
            Self::ClientIdRequired => "ClientIdRequired",
            Self::EmptyPayload => "EmptyPayload",
            Self::SubscriptionOptions => "SubscriptionOptions",
            Self::SubscriptionQos => "SubscriptionQos",
            Self::RetainHandling => "RetainHandling",
            Self::NoLocalShared => "NoLocalShared",
            Self::PropertyNotAllowed(_) => "PropertyNotAllowed",
            Self::PropertyRepeated(_) => "PropertyRepeated",
            Self::PropertyValue(_) => "PropertyValue",
            Self::TopicAliasZero => "TopicAliasZero",
            Self::SubscriptionIdentifierFromClient => "SubscriptionIdentifierFromClient",
            Self::AuthMethodMissing => "AuthMethodMissing",
            Self::ReasonCode(_) => "ReasonCode",
            Self::ConnAckFlags => "ConnAckFlags",
        }
    }
}

/// A packet that has no encoding. The output is left as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A string or binary field is longer than its two-byte length can say.
    #[error("field of {0} bytes must not exceed 65535 bytes")]
    FieldTooLong(usize),
    /// The packet is longer than its remaining length can say.
    #[error("packet body of {0} bytes must not exceed 268435455 bytes")]
    PacketTooLong(usize),
    /// A variable byte integer is too large.
    #[error("variable byte integer {0} must not exceed 268435455")]
    IntegerTooLarge(usize),
    /// The packet type does not exist in this protocol version (AUTH before MQTT 5.0).
    #[error("packet must exist in the protocol version")]
    NotInVersion,
}
