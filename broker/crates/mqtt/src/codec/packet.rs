//! Any packet: one frame in, one [`Packet`] out, and back.

use super::ack::read_ack;
use super::auth::read_auth;
use super::connack::read_connack;
use super::connect::{read_connect, read_version};
use super::disconnect::read_disconnect;
use super::frame::{Frame, PacketType};
use super::publish::read_publish;
use super::suback::{read_suback, read_unsuback};
use super::subscribe::{put_subscribe, read_subscribe};
use super::unsubscribe::{put_unsubscribe, read_unsubscribe};
use super::*;

/// A control packet, borrowed from its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A client asks for a connection.
    Connect(Box<Connect<'a>>),
    /// The server's answer to CONNECT.
    ConnAck(Box<ConnAck<'a>>),
    /// A message.
    Publish(Publish<'a>),
    /// QoS 1 acknowledgement.
    PubAck(Ack<'a>),
    /// QoS 2, first answer.
    PubRec(Ack<'a>),
    /// QoS 2, release.
    PubRel(Ack<'a>),
    /// QoS 2, last answer.
    PubComp(Ack<'a>),
    /// A client subscribes.
    Subscribe(Subscribe<'a>),
    /// The server's answer to SUBSCRIBE.
    SubAck(SubAck<'a>),
    /// A client unsubscribes.
    Unsubscribe(Unsubscribe<'a>),
    /// The server's answer to UNSUBSCRIBE.
    UnsubAck(UnsubAck<'a>),
    /// A client shows that it is alive.
    PingReq,
    /// The server's answer to PINGREQ.
    PingResp,
    /// The connection ends.
    Disconnect(Disconnect<'a>),
    /// Enhanced authentication.
    Auth(Auth<'a>),
}

impl Packet<'_> {
    /// The packet's type.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }

    /// The packet, unless only a server may send it.
    fn check_from_client(self) -> Result<Self, DecodeError> {
        match &self {
            Self::ConnAck(_) | Self::SubAck(_) | Self::UnsubAck(_) | Self::PingResp => {
                Err(DecodeError::UnexpectedPacket(self.packet_type() as u8))
            }
            Self::Publish(publish) if publish.properties.has_subscription_identifier => {
                Err(DecodeError::SubscriptionIdentifierFromClient)
            }
            Self::Disconnect(disconnect) if !reason::in_client_disconnect(disconnect.reason) => {
                Err(DecodeError::ReasonCode(disconnect.reason))
            }
            Self::Disconnect(disconnect) if disconnect.server_reference.is_some() => {
                Err(DecodeError::PropertyNotAllowed(property::id::SERVER_REFERENCE))
            }
            Self::Auth(auth) if auth.reason == reason::SUCCESS => Err(DecodeError::ReasonCode(auth.reason)),
            _ => Ok(self),
        }
    }
}

/// Decodes one whole frame, from either side of a connection that speaks `version`. A CONNECT is read in the version
/// that it names itself.
///
/// # Errors
/// [`DecodeError`] for the first rule that the packet breaks. A frame that is shorter or longer than its remaining length
/// says is [`DecodeError::Truncated`] or [`DecodeError::TrailingBytes`].
pub fn decode(frame: &[u8], version: Version) -> Result<Packet<'_>, DecodeError> {
    let frame = Frame::cut(frame)?;
    let kind = PacketType::of(frame.first).ok_or(DecodeError::PacketType(0))?;
    let mut body = frame.body;
    let version = if kind == PacketType::Connect { read_version(&mut body)? } else { version };
    frame.check_length_form(version)?;
    if kind == PacketType::Publish {
        return read_publish(frame.first, body, version).map(Packet::Publish);
    }
    frame.check_flags(kind, version)?;
    Ok(match kind {
        PacketType::Connect => Packet::Connect(Box::new(read_connect(body, version)?)),
        PacketType::ConnAck => Packet::ConnAck(Box::new(read_connack(body, version)?)),
        PacketType::Publish => Packet::Publish(read_publish(frame.first, body, version)?),
        PacketType::PubAck => Packet::PubAck(read_ack(AckKind::PubAck, body, version)?),
        PacketType::PubRec => Packet::PubRec(read_ack(AckKind::PubRec, body, version)?),
        PacketType::PubRel => Packet::PubRel(read_ack(AckKind::PubRel, body, version)?),
        PacketType::PubComp => Packet::PubComp(read_ack(AckKind::PubComp, body, version)?),
        PacketType::Subscribe => Packet::Subscribe(read_subscribe(body, version)?),
        PacketType::SubAck => Packet::SubAck(read_suback(body, version)?),
        PacketType::Unsubscribe => Packet::Unsubscribe(read_unsubscribe(body, version)?),
        PacketType::UnsubAck => Packet::UnsubAck(read_unsuback(body, version)?),
        PacketType::PingReq => {
            body.end()?;
            Packet::PingReq
        }
        PacketType::PingResp => {
            body.end()?;
            Packet::PingResp
        }
        PacketType::Disconnect => Packet::Disconnect(read_disconnect(body, version)?),
        PacketType::Auth => Packet::Auth(read_auth(body, version)?),
    })
}

/// Decodes one whole frame that a client sent: [`decode`], and refuses what only a server may send: its packet types,
/// subscription identifiers in PUBLISH [MQTT-3.3.4-6], its reason codes in DISCONNECT and AUTH, and server references.
///
/// # Errors
/// As [`decode`].
pub fn decode_from_client(frame: &[u8], version: Version) -> Result<Packet<'_>, DecodeError> {
    decode(frame, version)?.check_from_client()
}

/// Appends any packet as `version` writes it, in its shortest form; a CONNECT in its own version. For single packets the
/// functions `encode_...` take what a sender has at hand; this one is for tools that pass packets on.
///
/// # Errors
/// [`EncodeError`] if the packet has no encoding in `version`; `out` is then as it was.
pub fn encode(out: &mut Vec<u8>, version: Version, packet: &Packet<'_>) -> Result<(), EncodeError> {
    match packet {
        Packet::Connect(connect) => encode_connect(out, connect),
        Packet::ConnAck(connack) => encode_connack(out, version, connack),
        Packet::Publish(publish) => {
            let out_form = PublishOut {
                dup: publish.dup,
                qos: publish.qos,
                retain: publish.retain,
                packet_id: publish.packet_id,
                // All of them as they are, so nothing is added from the fields.
                properties: publish.properties.raw,
                ..PublishOut::new(publish.topic, publish.payload)
            };
            encode_publish(out, version, &out_form).map(|_| ())
        }
        Packet::PubAck(ack) => encode_ack_full(out, AckKind::PubAck, version, ack),
        Packet::PubRec(ack) => encode_ack_full(out, AckKind::PubRec, version, ack),
        Packet::PubRel(ack) => encode_ack_full(out, AckKind::PubRel, version, ack),
        Packet::PubComp(ack) => encode_ack_full(out, AckKind::PubComp, version, ack),
        Packet::Subscribe(subscribe) => put_subscribe(out, version, subscribe),
        Packet::SubAck(suback) => encode_suback(out, version, suback),
        Packet::Unsubscribe(unsubscribe) => {
            let head = (unsubscribe.packet_id, unsubscribe.user_properties);
            put_unsubscribe(out, version, head, unsubscribe.filters())
        }
        Packet::UnsubAck(unsuback) => encode_unsuback(out, version, unsuback),
        Packet::PingReq => {
            encode_pingreq(out);
            Ok(())
        }
        Packet::PingResp => {
            encode_pingresp(out);
            Ok(())
        }
        Packet::Disconnect(disconnect) => encode_disconnect(out, version, disconnect),
        Packet::Auth(auth) => encode_auth(out, version, auth),
    }
}

/// Appends a PINGREQ.
pub fn encode_pingreq(out: &mut Vec<u8>) {
    out.extend_from_slice(&[PacketType::PingReq.first_byte(), 0]);
}

/// Appends a PINGRESP [MQTT-3.12.4-1].
pub fn encode_pingresp(out: &mut Vec<u8>) {
    out.extend_from_slice(&[PacketType::PingResp.first_byte(), 0]);
}
