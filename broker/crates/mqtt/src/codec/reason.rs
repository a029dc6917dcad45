//! Reason codes of MQTT 5.0 and return codes of MQTT 3.1.1, and which packet may carry which.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        $($(#[$doc])* pub const $name: u8 = $value;)*
        /// The specification's name of an MQTT 5.0 reason code other than 0x00 to 0x02; `None` if there is none.
        pub const fn name(code: u8) -> Option<&'static str> {
            match code { $($value => Some(stringify!($name)),)* _ => None }
        }
    };
}

/// Success (also Normal disconnection).
pub const SUCCESS: u8 = 0x00;
/// Normal disconnection.
pub const NORMAL_DISCONNECTION: u8 = 0x00;
/// Granted QoS 0.
pub const GRANTED_QOS_0: u8 = 0x00;
/// Granted QoS 1.
pub const GRANTED_QOS_1: u8 = 0x01;
/// Granted QoS 2.
pub const GRANTED_QOS_2: u8 = 0x02;

codes! {
    /// Disconnect with Will Message.
    DISCONNECT_WITH_WILL = 0x04;
    /// No matching subscribers.
    NO_MATCHING_SUBSCRIBERS = 0x10;
    /// No subscription existed.
    NO_SUBSCRIPTION_EXISTED = 0x11;
    /// Continue authentication.
    CONTINUE_AUTHENTICATION = 0x18;
    /// Re-authenticate.
    RE_AUTHENTICATE = 0x19;
    /// Unspecified error.
    UNSPECIFIED_ERROR = 0x80;
    /// Malformed packet.
    MALFORMED_PACKET = 0x81;
    /// Protocol error.
    PROTOCOL_ERROR = 0x82;
    /// Implementation specific error.
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83;
    /// Unsupported protocol version.
    UNSUPPORTED_PROTOCOL_VERSION = 0x84;
    /// Client identifier not valid.
    CLIENT_IDENTIFIER_NOT_VALID = 0x85;
    /// Bad user name or password.
    BAD_USER_NAME_OR_PASSWORD = 0x86;
    /// Not authorized.
    NOT_AUTHORIZED = 0x87;
    /// Server unavailable.
    SERVER_UNAVAILABLE = 0x88;
    /// Server busy.
    SERVER_BUSY = 0x89;
    /// Banned.
    BANNED = 0x8a;
    /// Server shutting down.
    SERVER_SHUTTING_DOWN = 0x8b;
    /// Bad authentication method.
    BAD_AUTHENTICATION_METHOD = 0x8c;
    /// Keep alive timeout.
    KEEP_ALIVE_TIMEOUT = 0x8d;
    /// Session taken over.
    SESSION_TAKEN_OVER = 0x8e;
    /// Topic filter invalid.
    TOPIC_FILTER_INVALID = 0x8f;
    /// Topic name invalid.
    TOPIC_NAME_INVALID = 0x90;
    /// Packet identifier in use.
    PACKET_IDENTIFIER_IN_USE = 0x91;
    /// Packet identifier not found.
    PACKET_IDENTIFIER_NOT_FOUND = 0x92;
    /// Receive maximum exceeded.
    RECEIVE_MAXIMUM_EXCEEDED = 0x93;
    /// Topic alias invalid.
    TOPIC_ALIAS_INVALID = 0x94;
    /// Packet too large.
    PACKET_TOO_LARGE = 0x95;
    /// Message rate too high.
    MESSAGE_RATE_TOO_HIGH = 0x96;
    /// Quota exceeded.
    QUOTA_EXCEEDED = 0x97;
    /// Administrative action.
    ADMINISTRATIVE_ACTION = 0x98;
    /// Payload format invalid.
    PAYLOAD_FORMAT_INVALID = 0x99;
    /// Retain not supported.
    RETAIN_NOT_SUPPORTED = 0x9a;
    /// QoS not supported.
    QOS_NOT_SUPPORTED = 0x9b;
    /// Use another server.
    USE_ANOTHER_SERVER = 0x9c;
    /// Server moved.
    SERVER_MOVED = 0x9d;
    /// Shared subscriptions not supported.
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9e;
    /// Connection rate exceeded.
    CONNECTION_RATE_EXCEEDED = 0x9f;
    /// Maximum connect time.
    MAXIMUM_CONNECT_TIME = 0xa0;
    /// Subscription identifiers not supported.
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xa1;
    /// Wildcard subscriptions not supported.
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xa2;
}

/// The CONNACK return code of MQTT 3.1 and 3.1.1 that comes nearest to an MQTT 5.0 reason code; `None` where the
/// older versions just close the connection (malformed packets and protocol errors).
pub const fn connack_v3(code: u8) -> Option<u8> {
    match code {
        SUCCESS => Some(0x00),
        UNSUPPORTED_PROTOCOL_VERSION => Some(0x01),
        CLIENT_IDENTIFIER_NOT_VALID => Some(0x02),
        UNSPECIFIED_ERROR
        | IMPLEMENTATION_SPECIFIC_ERROR
        | SERVER_UNAVAILABLE
        | SERVER_BUSY
        | QUOTA_EXCEEDED
        | USE_ANOTHER_SERVER
        | SERVER_MOVED
        | CONNECTION_RATE_EXCEEDED => Some(0x03),
        BAD_USER_NAME_OR_PASSWORD => Some(0x04),
        NOT_AUTHORIZED | BANNED | BAD_AUTHENTICATION_METHOD => Some(0x05),
        _ => None,
    }
}

/// Codes of CONNACK in MQTT 5.0 [MQTT-3.2.2-8].
pub(super) const fn in_connack(code: u8) -> bool {
    matches!(code, 0x00 | 0x80..=0x8a | 0x8c | 0x90 | 0x95 | 0x97 | 0x99 | 0x9a | 0x9b | 0x9c | 0x9d | 0x9f)
}

/// Codes of PUBACK and PUBREC [MQTT-3.4.2-1], [MQTT-3.5.2-1].
pub(super) const fn in_puback(code: u8) -> bool {
    matches!(code, 0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99)
}

/// Codes of PUBREL and PUBCOMP [MQTT-3.6.2-1], [MQTT-3.7.2-1].
pub(super) const fn in_pubrel(code: u8) -> bool {
    matches!(code, 0x00 | 0x92)
}

/// Codes of SUBACK in MQTT 5.0 [MQTT-3.9.3-2].
pub(super) const fn in_suback(code: u8) -> bool {
    matches!(code, 0x00..=0x02 | 0x80 | 0x83 | 0x87 | 0x8f | 0x91 | 0x97 | 0x9e | 0xa1 | 0xa2)
}

/// Codes of UNSUBACK [MQTT-3.11.3-2].
pub(super) const fn in_unsuback(code: u8) -> bool {
    matches!(code, 0x00 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8f | 0x91)
}

/// Codes of DISCONNECT [MQTT-3.14.2-1].
pub(super) const fn in_disconnect(code: u8) -> bool {
    in_client_disconnect(code) || matches!(code, 0x87 | 0x89 | 0x8b | 0x8d | 0x8e | 0x8f | 0x9a..=0xa2)
}

/// Codes of DISCONNECT that the specification's table lets a client send.
pub(super) const fn in_client_disconnect(code: u8) -> bool {
    matches!(code, 0x00 | 0x04 | 0x80..=0x83 | 0x90 | 0x93..=0x99)
}

/// Codes of AUTH [MQTT-3.15.2-1].
pub(super) const fn in_auth(code: u8) -> bool {
    matches!(code, 0x00 | 0x18 | 0x19)
}
