//! PUBACK, PUBREC, PUBREL and PUBCOMP (specification 3.4 to 3.7): one shape, two sets of reason codes.

use super::frame::PacketType;
use super::properties::{allowed, put_properties, put_some, read_properties};
use super::wire::{Reader, put_packet};
use super::{DecodeError, EncodeError, Property, UserProperties, Version, reason};

/// Which acknowledgement of the QoS 1 and 2 exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AckKind {
    /// QoS 1 acknowledgement.
    PubAck,
    /// QoS 2, first answer.
    PubRec,
    /// QoS 2, release.
    PubRel,
    /// QoS 2, last answer.
    PubComp,
}

impl AckKind {
    pub(super) const fn packet_type(self) -> PacketType {
        match self {
            Self::PubAck => PacketType::PubAck,
            Self::PubRec => PacketType::PubRec,
            Self::PubRel => PacketType::PubRel,
            Self::PubComp => PacketType::PubComp,
        }
    }

    const fn may_carry(self, code: u8) -> bool {
        match self {
            Self::PubAck | Self::PubRec => reason::in_puback(code),
            Self::PubRel | Self::PubComp => reason::in_pubrel(code),
        }
    }
}

/// An acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The packet identifier that it answers; never 0.
    pub packet_id: u16,
    /// Reason code; 0x00 (success) where it is left out, and always before MQTT 5.0.
    pub reason: u8,
    /// Explanation for humans.
    pub reason_string: Option<&'a str>,
    /// The sender's own pairs.
    pub user_properties: UserProperties<'a>,
}

impl Ack<'_> {
    /// An acknowledgement with nothing but its reason.
    pub const fn new(packet_id: u16, reason: u8) -> Self {
        Self { packet_id, reason, reason_string: None, user_properties: UserProperties::EMPTY }
    }
}

#[inline]
pub(super) fn read_ack(
    kind: AckKind,
    mut body: Reader<'_>,
    version: Version,
) -> Result<Ack<'_>, DecodeError> {
    let mut ack = Ack::new(body.packet_id()?, reason::SUCCESS);
    if body.is_empty() {
        // Reason code and properties may be left out on success.
        return Ok(ack);
    }
    if !version.is_v5() {
        return Err(DecodeError::TrailingBytes);
    }
    ack.reason = body.u8()?;
    if !kind.may_carry(ack.reason) {
        return Err(DecodeError::ReasonCode(ack.reason));
    }
    if !body.is_empty() {
        let raw = read_properties(&mut body, allowed::ACK, |property| {
            if let Property::ReasonString(text) = property {
                ack.reason_string = Some(text);
            }
        })?;
        ack.user_properties = UserProperties::new(raw);
    }
    body.end()?;
    Ok(ack)
}

/// Appends an acknowledgement without properties: four bytes, or five for an MQTT 5.0 reason other than success.
/// Before MQTT 5.0 the reason is left out, because those versions have none.
#[inline]
pub fn encode_ack(out: &mut Vec<u8>, kind: AckKind, version: Version, packet_id: u16, reason: u8) {
    let first = kind.packet_type().first_byte();
    let [high, low] = packet_id.to_be_bytes();
    if reason == reason::SUCCESS || !version.is_v5() {
        out.extend_from_slice(&[first, 2, high, low]);
    } else {
        out.extend_from_slice(&[first, 3, high, low, reason]);
    }
}

/// Appends an acknowledgement with its properties, in the shortest form.
///
/// # Errors
/// [`EncodeError`] if a field is too long; `out` is then as it was.
pub fn encode_ack_full(
    out: &mut Vec<u8>,
    kind: AckKind,
    version: Version,
    ack: &Ack<'_>,
) -> Result<(), EncodeError> {
    if !version.is_v5() || (ack.reason_string.is_none() && ack.user_properties.is_empty()) {
        encode_ack(out, kind, version, ack.packet_id, ack.reason);
        return Ok(());
    }
    put_packet(out, kind.packet_type().first_byte(), |out| {
        out.extend_from_slice(&ack.packet_id.to_be_bytes());
        out.push(ack.reason);
        put_properties(out, |out| {
            put_some(out, ack.reason_string.map(Property::ReasonString))?;
            ack.user_properties.put(out)
        })
    })
}
