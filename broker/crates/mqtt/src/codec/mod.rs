//! MQTT 3.1, 3.1.1 and 5.0 packets: bytes to types and back. No I/O, no state, no clock.
//!
//! Decoding is zero-copy: a decoded packet borrows the frame it came from, and everything that a single packet can
//! get wrong is refused here, so that a session only has to ask what a correct packet means in its state. What needs
//! more than one packet (is this packet identifier in use, is that topic alias known) is the session's.
//!
//! A stream is cut into frames by [`frame_len`]; each frame goes to [`decode`] or, where the packet type is known to
//! be PUBLISH, to [`decode_publish`]. A broker uses [`decode_from_client`] and [`decode_publish_from_client`], which
//! also refuse what only a server may send. Encoders append to a `Vec<u8>` and leave it as it was if they fail.

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod error;
mod frame;
mod packet;
mod properties;
mod property;
mod publish;
pub mod reason;
mod suback;
mod subscribe;
pub mod topic;
mod unsubscribe;
mod wire;

#[cfg(test)]
mod tests;

pub use ack::{Ack, AckKind, encode_ack, encode_ack_full};
pub use auth::{Auth, encode_auth};
pub use connack::{ConnAck, ConnAckProperties, encode_connack};
pub use connect::{Connect, ConnectProperties, Will, WillProperties, connect_version, encode_connect};
pub use disconnect::{Disconnect, encode_disconnect};
pub use error::{DecodeError, EncodeError};
pub use frame::{PacketType, frame_len};
pub use packet::{Packet, decode, decode_from_client, encode, encode_pingreq, encode_pingresp};
pub use properties::{UserProperties, append_user_property};
pub use property::{Property, PropertyIter};
pub use publish::{
    Publish, PublishOut, PublishProperties, decode_publish, decode_publish_from_client, encode_publish,
};
pub use suback::{SubAck, UnsubAck, encode_suback, encode_unsuback};
pub use subscribe::{
    FilterIter, RetainHandling, Subscribe, SubscribeOut, Subscription, SubscriptionOptions, encode_subscribe,
};
pub use unsubscribe::{Unsubscribe, UnsubscribeOut, encode_unsubscribe};

/// Delivery guarantee of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum QoS {
    /// Delivered at most once, never acknowledged.
    #[default]
    AtMostOnce = 0,
    /// Delivered at least once, acknowledged by PUBACK.
    AtLeastOnce = 1,
    /// Delivered exactly once, by the PUBREC, PUBREL, PUBCOMP exchange.
    ExactlyOnce = 2,
}

impl QoS {
    /// The level of a two-bit field; `None` for 3, which no packet may carry [MQTT-3.3.1-4].
    #[inline]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// Protocol version that a connection speaks; fixed by its CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1 (protocol name `MQIsdp`, level 3).
    V31,
    /// MQTT 3.1.1 (protocol name `MQTT`, level 4).
    V311,
    /// MQTT 5.0 (protocol name `MQTT`, level 5).
    V5,
}

impl Version {
    /// True for MQTT 5.0, the only version with properties and reason codes.
    #[inline]
    pub const fn is_v5(self) -> bool {
        matches!(self, Self::V5)
    }

    /// The protocol level byte of CONNECT: 3, 4 or 5.
    pub const fn level(self) -> u8 {
        match self {
            Self::V31 => 3,
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }
}
