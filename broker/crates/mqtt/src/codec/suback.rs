//! SUBACK and UNSUBACK (specification 3.9 and 3.11).

use super::frame::PacketType;
use super::properties::{allowed, put_properties, put_some, read_properties};
use super::wire::{Reader, put_packet};
use super::{DecodeError, EncodeError, Property, UserProperties, Version, reason};

/// The server's answer to SUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// The SUBSCRIBE's [MQTT-3.8.4-2].
    pub packet_id: u16,
    /// One code for each filter, in their order [MQTT-3.9.3-1]: the granted QoS or a failure (before MQTT 5.0 only 0x80).
    pub reasons: &'a [u8],
    /// Explanation for humans.
    pub reason_string: Option<&'a str>,
    /// The server's own pairs.
    pub user_properties: UserProperties<'a>,
}

/// The server's answer to UNSUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsubAck<'a> {
    /// The UNSUBSCRIBE's [MQTT-3.10.4-5].
    pub packet_id: u16,
    /// One code for each filter, in their order [MQTT-3.11.3-1]; empty before MQTT 5.0.
    pub reasons: &'a [u8],
    /// Explanation for humans.
    pub reason_string: Option<&'a str>,
    /// The server's own pairs.
    pub user_properties: UserProperties<'a>,
}

impl<'a> SubAck<'a> {
    /// A SUBACK with nothing but its codes.
    pub const fn new(packet_id: u16, reasons: &'a [u8]) -> Self {
        Self { packet_id, reasons, reason_string: None, user_properties: UserProperties::EMPTY }
    }
}

impl<'a> UnsubAck<'a> {
    /// An UNSUBACK with nothing but its codes.
    pub const fn new(packet_id: u16, reasons: &'a [u8]) -> Self {
        Self { packet_id, reasons, reason_string: None, user_properties: UserProperties::EMPTY }
    }
}

type Head<'a> = (u16, Option<&'a str>, UserProperties<'a>);

fn read_head<'a>(body: &mut Reader<'a>, version: Version) -> Result<Head<'a>, DecodeError> {
    let packet_id = body.packet_id()?;
    let mut reason_string = None;
    let mut user_properties = UserProperties::EMPTY;
    if version.is_v5() {
        let raw = read_properties(body, allowed::ACK, |property| {
            if let Property::ReasonString(text) = property {
                reason_string = Some(text);
            }
        })?;
        user_properties = UserProperties::new(raw);
    }
    Ok((packet_id, reason_string, user_properties))
}

/// The rest of the body: one code or more, each legal.
fn read_reasons<'a>(body: &Reader<'a>, legal: impl Fn(u8) -> bool) -> Result<&'a [u8], DecodeError> {
    let reasons = body.rest();
    if reasons.is_empty() {
        return Err(DecodeError::EmptyPayload);
    }
    match reasons.iter().find(|code| !legal(**code)) {
        Some(code) => Err(DecodeError::ReasonCode(*code)),
        None => Ok(reasons),
    }
}

pub(super) fn read_suback(mut body: Reader<'_>, version: Version) -> Result<SubAck<'_>, DecodeError> {
    let (packet_id, reason_string, user_properties) = read_head(&mut body, version)?;
    let reasons = read_reasons(&body, |code| match version {
        Version::V5 => reason::in_suback(code),
        Version::V31 | Version::V311 => matches!(code, 0..=2 | 0x80),
    })?;
    Ok(SubAck { packet_id, reasons, reason_string, user_properties })
}

pub(super) fn read_unsuback(mut body: Reader<'_>, version: Version) -> Result<UnsubAck<'_>, DecodeError> {
    let (packet_id, reason_string, user_properties) = read_head(&mut body, version)?;
    if !version.is_v5() {
        body.end()?;
        return Ok(UnsubAck::new(packet_id, &[]));
    }
    let reasons = read_reasons(&body, reason::in_unsuback)?;
    Ok(UnsubAck { packet_id, reasons, reason_string, user_properties })
}

fn put_head(out: &mut Vec<u8>, version: Version, head: Head<'_>) -> Result<(), EncodeError> {
    let (packet_id, reason_string, user_properties) = head;
    out.extend_from_slice(&packet_id.to_be_bytes());
    if !version.is_v5() {
        return Ok(());
    }
    put_properties(out, |out| {
        put_some(out, reason_string.map(Property::ReasonString))?;
        user_properties.put(out)
    })
}

/// Appends a SUBACK. Before MQTT 5.0 every failure becomes 0x80, the only one that exists there, and the properties are
/// left out.
///
/// # Errors
/// [`EncodeError`] if a field is too long; `out` is then as it was.
pub fn encode_suback(out: &mut Vec<u8>, version: Version, suback: &SubAck<'_>) -> Result<(), EncodeError> {
    let SubAck { packet_id, reasons, reason_string, user_properties } = *suback;
    put_packet(out, PacketType::SubAck.first_byte(), |out| {
        put_head(out, version, (packet_id, reason_string, user_properties))?;
        if version.is_v5() {
            out.extend_from_slice(reasons);
        } else {
            out.extend(
                reasons.iter().map(|&code| if code < 0x80 { code } else { reason::UNSPECIFIED_ERROR }),
            );
        }
        Ok(())
    })
}

/// Appends an UNSUBACK. Before MQTT 5.0 it is nothing but the packet identifier.
///
/// # Errors
/// [`EncodeError`] if a field is too long; `out` is then as it was.
pub fn encode_unsuback(
    out: &mut Vec<u8>,
    version: Version,
    unsuback: &UnsubAck<'_>,
) -> Result<(), EncodeError> {
    let UnsubAck { packet_id, reasons, reason_string, user_properties } = *unsuback;
    put_packet(out, PacketType::UnsubAck.first_byte(), |out| {
        put_head(out, version, (packet_id, reason_string, user_properties))?;
        if version.is_v5() {
            out.extend_from_slice(reasons);
        }
        Ok(())
    })
}
