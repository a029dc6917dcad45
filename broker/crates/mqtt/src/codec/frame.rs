//! The fixed header: where a frame ends and what it is (specification 2.1).

use super::wire::{Reader, read_varint};
use super::{DecodeError, Version};

/// Control packet type, the upper half of a frame's first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// A client asks for a connection.
    Connect = 1,
    /// The server's answer to CONNECT.
    ConnAck = 2,
    /// A message.
    Publish = 3,
    /// QoS 1 acknowledgement.
    PubAck = 4,
    /// QoS 2, first answer.
    PubRec = 5,
    /// QoS 2, release.
    PubRel = 6,
    /// QoS 2, last answer.
    PubComp = 7,
    /// A client subscribes.
    Subscribe = 8,
    /// The server's answer to SUBSCRIBE.
    SubAck = 9,
    /// A client unsubscribes.
    Unsubscribe = 10,
    /// The server's answer to UNSUBSCRIBE.
    UnsubAck = 11,
    /// A client shows that it is alive.
    PingReq = 12,
    /// The server's answer to PINGREQ.
    PingResp = 13,
    /// The connection ends.
    Disconnect = 14,
    /// Enhanced authentication, MQTT 5.0 only.
    Auth = 15,
}

impl PacketType {
    /// The type that a frame's first byte names; `None` for the reserved type 0.
    #[inline]
    pub const fn of(first: u8) -> Option<Self> {
        Some(match first >> 4 {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// The first byte of a packet of this type, with its reserved flags (and all flags of PUBLISH 0).
    pub(super) const fn first_byte(self) -> u8 {
        (self as u8) << 4 | self.reserved_flags()
    }

    const fn reserved_flags(self) -> u8 {
        match self {
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            _ => 0,
        }
    }
}

/// Length in bytes, fixed header included, of the frame at the start of `buf`; `None` if `buf` ends within the fixed
/// header. The frame itself may still be incomplete: compare with `buf.len()`.
///
/// The length is checked before the body arrives, so that nobody has to buffer what will be refused.
///
/// # Errors
/// [`DecodeError::PacketType`] for type 0, [`DecodeError::IntegerTooLong`] for a remaining length beyond four bytes,
/// [`DecodeError::PacketTooLarge`] if the frame is longer than `max_packet` bytes.
#[inline]
pub fn frame_len(buf: &[u8], max_packet: u32) -> Result<Option<usize>, DecodeError> {
    let Some((&first, rest)) = buf.split_first() else { return Ok(None) };
    if first >> 4 == 0 {
        return Err(DecodeError::PacketType(0));
    }
    let Some(remaining) = read_varint(rest)? else { return Ok(None) };
    // At most 5 + 268 435 455, so nothing overflows.
    let size = 1 + remaining.width as u32 + remaining.value;
    if size > max_packet {
        return Err(DecodeError::PacketTooLarge { size, limit: max_packet });
    }
    Ok(Some(size as usize))
}

/// A frame cut into its first byte and its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) first: u8,
    pub(super) body: Reader<'a>,
    minimal: bool,
}

impl<'a> Frame<'a> {
    /// Cuts `frame`, which must hold one packet and nothing else.
    #[inline]
    pub(super) fn cut(frame: &'a [u8]) -> Result<Self, DecodeError> {
        let (&first, rest) = frame.split_first().ok_or(DecodeError::Truncated)?;
        let remaining = read_varint(rest)?.ok_or(DecodeError::Truncated)?;
        let body = &rest[remaining.width..];
        let expected = remaining.value as usize;
        if body.len() != expected {
            return Err(if body.len() < expected {
                DecodeError::Truncated
            } else {
                DecodeError::TrailingBytes
            });
        }
        Ok(Self { first, body: Reader::new(body), minimal: remaining.minimal })
    }

    /// A padded remaining length is malformed in MQTT 5.0 [MQTT-1.5.5-1]; MQTT 3.1.1 (2.2.3) does not forbid it.
    #[inline]
    pub(super) const fn check_length_form(&self, version: Version) -> Result<(), DecodeError> {
        if self.minimal || !version.is_v5() { Ok(()) } else { Err(DecodeError::IntegerNotMinimal) }
    }

    /// Checks the reserved flags of every type but PUBLISH [MQTT-2.1.3-1], [MQTT-2.2.2-1] of 3.1.1.
    #[inline]
    pub(super) fn check_flags(&self, kind: PacketType, version: Version) -> Result<(), DecodeError> {
        let mut flags = self.first & 0x0f;
        if version == Version::V31 && kind.reserved_flags() != 0 {
            // MQTT 3.1 lets a sender repeat these three packets with DUP set.
            flags &= !0b1000;
        }
        if flags == kind.reserved_flags() { Ok(()) } else { Err(DecodeError::HeaderFlags) }
    }
}
