//! SUBSCRIBE (specification 3.8).

use core::num::NonZeroU32;

use super::frame::PacketType;
use super::properties::{allowed, put_properties, put_some, read_properties};
use super::wire::{Reader, put_binary, put_packet};
use super::{DecodeError, EncodeError, Property, QoS, UserProperties, Version, topic};

/// Whether retained messages are sent for a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum RetainHandling {
    /// At every SUBSCRIBE; what MQTT 3.1.1 always does.
    #[default]
    Always = 0,
    /// Only if the subscription did not exist [MQTT-3.3.1-10].
    IfNew = 1,
    /// Never [MQTT-3.3.1-11].
    Never = 2,
}

/// Subscription options of one filter. The default is QoS 0 with all options of MQTT 3.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SubscriptionOptions {
    /// The highest QoS that the client wants.
    pub qos: QoS,
    /// Do not send the client its own messages [MQTT-3.8.3-3].
    pub no_local: bool,
    /// Keep the RETAIN flag as it was published [MQTT-3.3.1-13].
    pub retain_as_published: bool,
    /// Whether retained messages are sent now.
    pub retain_handling: RetainHandling,
}

impl SubscriptionOptions {
    /// Options that ask for `qos` and nothing else.
    pub const fn new(qos: QoS) -> Self {
        Self { qos, no_local: false, retain_as_published: false, retain_handling: RetainHandling::Always }
    }

    fn read(byte: u8, version: Version) -> Result<Self, DecodeError> {
        let reserved = if version.is_v5() { 0b1100_0000 } else { 0b1111_1100 };
        if byte & reserved != 0 {
            return Err(DecodeError::SubscriptionOptions);
        }
        let retain_handling = match byte >> 4 & 0b11 {
            0 => RetainHandling::Always,
            1 => RetainHandling::IfNew,
            2 => RetainHandling::Never,
            _ => return Err(DecodeError::RetainHandling),
        };
        Ok(Self {
            qos: QoS::from_bits(byte & 0b11).ok_or(DecodeError::SubscriptionQos)?,
            no_local: byte & 0b100 != 0,
            retain_as_published: byte & 0b1000 != 0,
            retain_handling,
        })
    }

    /// The byte of the wire; before MQTT 5.0 only the QoS.
    const fn to_byte(self, version: Version) -> u8 {
        let qos = self.qos as u8;
        if !version.is_v5() {
            return qos;
        }
        qos | (self.no_local as u8) << 2
            | (self.retain_as_published as u8) << 3
            | (self.retain_handling as u8) << 4
    }
}

/// One filter of a SUBSCRIBE and how it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// The filter as the client wrote it, `$share/name/` included; valid.
    pub full: &'a str,
    /// The share name, for a shared subscription.
    pub share: Option<&'a str>,
    /// The filter that topics are matched against.
    pub filter: &'a str,
    /// How it is wanted.
    pub options: SubscriptionOptions,
}

/// A client subscribes. At least one filter, and every one of them valid [MQTT-3.8.3-2].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Never 0; SUBACK repeats it [MQTT-3.8.4-2].
    pub packet_id: u16,
    /// Number that the server puts into matching messages; 1 to 268 435 455.
    pub subscription_identifier: Option<NonZeroU32>,
    /// The client's own pairs.
    pub user_properties: UserProperties<'a>,
    pub(super) payload: &'a [u8],
    count: usize,
    version: Version,
}

impl<'a> Subscribe<'a> {
    /// The filters in their order, which is the order of SUBACK's codes [MQTT-3.9.3-1].
    pub const fn filters(&self) -> FilterIter<'a> {
        FilterIter { reader: Reader::new(self.payload), version: self.version }
    }

    /// How many filters there are; at least 1.
    pub const fn filter_count(&self) -> usize {
        self.count
    }
}

/// Iterator over the filters of a [`Subscribe`].
#[derive(Debug, Clone)]
pub struct FilterIter<'a> {
    reader: Reader<'a>,
    version: Version,
}

impl<'a> Iterator for FilterIter<'a> {
    type Item = Subscription<'a>;

    fn next(&mut self) -> Option<Subscription<'a>> {
        // The payload was checked as a whole, so only its end stops this.
        read_subscription(&mut self.reader, self.version).ok()
    }
}

fn read_subscription<'a>(reader: &mut Reader<'a>, version: Version) -> Result<Subscription<'a>, DecodeError> {
    let full = reader.string()?;
    let (share, filter) = topic::split_share(full).map_err(DecodeError::TopicFilter)?;
    let options = SubscriptionOptions::read(reader.u8()?, version)?;
    if options.no_local && share.is_some() {
        return Err(DecodeError::NoLocalShared);
    }
    Ok(Subscription { full, share, filter, options })
}

pub(super) fn read_subscribe(mut body: Reader<'_>, version: Version) -> Result<Subscribe<'_>, DecodeError> {
    let packet_id = body.packet_id()?;
    let mut subscription_identifier = None;
    let mut user_properties = UserProperties::EMPTY;
    if version.is_v5() {
        let raw = read_properties(&mut body, allowed::SUBSCRIBE, |property| {
            if let Property::SubscriptionIdentifier(identifier) = property {
                subscription_identifier = Some(identifier);
            }
        })?;
        user_properties = UserProperties::new(raw);
    }
    let payload = body.rest();
    let mut count = 0;
    while !body.is_empty() {
        read_subscription(&mut body, version)?;
        count += 1;
    }
    if count == 0 {
        return Err(DecodeError::EmptyPayload);
    }
    Ok(Subscribe { packet_id, subscription_identifier, user_properties, payload, count, version })
}

/// A SUBSCRIBE to encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeOut<'a> {
    /// Packet identifier, not 0.
    pub packet_id: u16,
    /// Number for matching messages. MQTT 5.0 only.
    pub subscription_identifier: Option<NonZeroU32>,
    /// The client's own pairs. MQTT 5.0 only.
    pub user_properties: UserProperties<'a>,
    /// Filters (`$share/name/` included) and how they are wanted; at least one.
    pub filters: &'a [(&'a str, SubscriptionOptions)],
}

/// Appends a SUBSCRIBE.
///
/// # Errors
/// [`EncodeError`] if a field is too long; `out` is then as it was.
pub fn encode_subscribe(
    out: &mut Vec<u8>,
    version: Version,
    subscribe: &SubscribeOut<'_>,
) -> Result<(), EncodeError> {
    put_packet(out, PacketType::Subscribe.first_byte(), |out| {
        put_head(out, version, subscribe)?;
        for (filter, options) in subscribe.filters {
            put_binary(out, filter.as_bytes())?;
            out.push(options.to_byte(version));
        }
        Ok(())
    })
}

/// Appends a decoded SUBSCRIBE again.
pub(super) fn put_subscribe(
    out: &mut Vec<u8>,
    version: Version,
    subscribe: &Subscribe<'_>,
) -> Result<(), EncodeError> {
    let Subscribe { packet_id, subscription_identifier, user_properties, .. } = *subscribe;
    let head = SubscribeOut { packet_id, subscription_identifier, user_properties, filters: &[] };
    put_packet(out, PacketType::Subscribe.first_byte(), |out| {
        put_head(out, version, &head)?;
        for Subscription { full, options, .. } in subscribe.filters() {
            put_binary(out, full.as_bytes())?;
            out.push(options.to_byte(version));
        }
        Ok(())
    })
}

fn put_head(out: &mut Vec<u8>, version: Version, head: &SubscribeOut<'_>) -> Result<(), EncodeError> {
    out.extend_from_slice(&head.packet_id.to_be_bytes());
    if !version.is_v5() {
        return Ok(());
    }
    put_properties(out, |out| {
        put_some(out, head.subscription_identifier.map(Property::SubscriptionIdentifier))?;
        head.user_properties.put(out)
    })
}
