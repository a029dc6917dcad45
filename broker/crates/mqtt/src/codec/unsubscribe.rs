//! UNSUBSCRIBE (specification 3.10).

use super::frame::PacketType;
use super::properties::{allowed, put_properties, read_properties};
use super::wire::{Reader, put_binary, put_packet};
use super::{DecodeError, EncodeError, UserProperties, Version, topic};

/// A client unsubscribes. At least one filter, and every one of them valid [MQTT-3.10.3-2].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Never 0; UNSUBACK repeats it [MQTT-3.10.4-5].
    pub packet_id: u16,
    /// The client's own pairs.
    pub user_properties: UserProperties<'a>,
    payload: &'a [u8],
    count: usize,
}

impl<'a> Unsubscribe<'a> {
    /// The filters in their order, as the client wrote them, `$share/name/` included (see [`topic::split_share`]). The
    /// order is that of UNSUBACK's codes [MQTT-3.11.3-1].
    pub fn filters(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut reader = Reader::new(self.payload);
        core::iter::from_fn(move || reader.string().ok())
    }

    /// How many filters there are; at least 1.
    pub const fn filter_count(&self) -> usize {
        self.count
    }
}

pub(super) fn read_unsubscribe(
    mut body: Reader<'_>,
    version: Version,
) -> Result<Unsubscribe<'_>, DecodeError> {
    let packet_id = body.packet_id()?;
    let mut user_properties = UserProperties::EMPTY;
    if version.is_v5() {
        user_properties = UserProperties::new(read_properties(&mut body, allowed::UNSUBSCRIBE, |_| {})?);
    }
    let payload = body.rest();
    let mut count = 0;
    while !body.is_empty() {
        topic::validate_topic_filter(body.string()?).map_err(DecodeError::TopicFilter)?;
        count += 1;
    }
    if count == 0 {
        return Err(DecodeError::EmptyPayload);
    }
    Ok(Unsubscribe { packet_id, user_properties, payload, count })
}

/// An UNSUBSCRIBE to encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsubscribeOut<'a> {
    /// Packet identifier, not 0.
    pub packet_id: u16,
    /// The client's own pairs. MQTT 5.0 only.
    pub user_properties: UserProperties<'a>,
    /// Filters, `$share/name/` included; at least one.
    pub filters: &'a [&'a str],
}

/// Appends an UNSUBSCRIBE.
///
/// # Errors
/// [`EncodeError`] if a field is too long; `out` is then as it was.
pub fn encode_unsubscribe(
    out: &mut Vec<u8>,
    version: Version,
    unsubscribe: &UnsubscribeOut<'_>,
) -> Result<(), EncodeError> {
    let UnsubscribeOut { packet_id, user_properties, filters } = *unsubscribe;
    put_unsubscribe(out, version, (packet_id, user_properties), filters.iter().copied())
}

/// Appends an UNSUBSCRIBE of a packet identifier, user properties and filters.
pub(super) fn put_unsubscribe<'f>(
    out: &mut Vec<u8>,
    version: Version,
    (packet_id, user_properties): (u16, UserProperties<'_>),
    mut filters: impl Iterator<Item = &'f str>,
) -> Result<(), EncodeError> {
    put_packet(out, PacketType::Unsubscribe.first_byte(), |out| {
        out.extend_from_slice(&packet_id.to_be_bytes());
        if version.is_v5() {
            put_properties(out, |out| user_properties.put(out))?;
        }
        filters.try_for_each(|filter| put_binary(out, filter.as_bytes()))
    })
}
