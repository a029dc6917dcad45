//! The properties of one packet: which it may hold, and the two groups that are handed on, those of a message and the
//! user properties.

use super::property::{Property, PropertyIter, id};
use super::wire::{Reader, put_measured};
use super::{DecodeError, EncodeError};

/// The properties that one kind of packet may hold, as a set of identifiers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed {
    once: u64,
    repeated: u64,
}

impl Allowed {
    const fn new(once: &[u8], repeated: &[u8]) -> Self {
        Self { once: bits(once), repeated: bits(repeated) }
    }
}

const fn bits(ids: &[u8]) -> u64 {
    let mut set = 0;
    let mut index = 0;
    while index < ids.len() {
        set |= 1 << ids[index];
        index += 1;
    }
    set
}

/// The specification's table 2-4, read by packet.
pub(super) mod allowed {
    use super::{Allowed, id::*};

    pub(in crate::codec) const CONNECT: Allowed = Allowed::new(
        &[
            SESSION_EXPIRY,
            RECEIVE_MAXIMUM,
            MAXIMUM_PACKET_SIZE,
            TOPIC_ALIAS_MAXIMUM,
            REQUEST_RESPONSE_INFO,
            REQUEST_PROBLEM_INFO,
            AUTH_METHOD,
            AUTH_DATA,
        ],
        &[USER],
    );
    pub(in crate::codec) const WILL: Allowed = Allowed::new(
        &[WILL_DELAY, PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA],
        &[USER],
    );
    pub(in crate::codec) const CONNACK: Allowed = Allowed::new(
        &[
            SESSION_EXPIRY,
            RECEIVE_MAXIMUM,
            MAXIMUM_QOS,
            RETAIN_AVAILABLE,
            MAXIMUM_PACKET_SIZE,
            ASSIGNED_CLIENT_ID,
            TOPIC_ALIAS_MAXIMUM,
            REASON_STRING,
            WILDCARD_AVAILABLE,
            IDENTIFIERS_AVAILABLE,
            SHARED_AVAILABLE,
            SERVER_KEEP_ALIVE,
            RESPONSE_INFO,
            SERVER_REFERENCE,
            AUTH_METHOD,
            AUTH_DATA,
        ],
        &[USER],
    );
    pub(in crate::codec) const PUBLISH: Allowed = Allowed::new(
        &[PAYLOAD_FORMAT, MESSAGE_EXPIRY, TOPIC_ALIAS, RESPONSE_TOPIC, CORRELATION_DATA, CONTENT_TYPE],
        &[USER, SUBSCRIPTION_IDENTIFIER],
    );
    pub(in crate::codec) const ACK: Allowed = Allowed::new(&[REASON_STRING], &[USER]);
    pub(in crate::codec) const SUBSCRIBE: Allowed = Allowed::new(&[SUBSCRIPTION_IDENTIFIER], &[USER]);
    pub(in crate::codec) const UNSUBSCRIBE: Allowed = Allowed::new(&[], &[USER]);
    pub(in crate::codec) const DISCONNECT: Allowed =
        Allowed::new(&[SESSION_EXPIRY, REASON_STRING, SERVER_REFERENCE], &[USER]);
    pub(in crate::codec) const AUTH: Allowed =
        Allowed::new(&[AUTH_METHOD, AUTH_DATA, REASON_STRING], &[USER]);
}

/// Reads a property length and the properties behind it, shows each to `visit`, and returns their bytes.
#[inline]
pub(super) fn read_properties<'a>(
    reader: &mut Reader<'a>,
    allowed: Allowed,
    mut visit: impl FnMut(Property<'a>),
) -> Result<&'a [u8], DecodeError> {
    let length = reader.varint()?;
    let raw = reader.take(length as usize)?;
    let mut properties = Reader::new(raw);
    let mut seen = 0u64;
    while !properties.is_empty() {
        // The identifier is judged before its value, so that a property in the wrong packet is named as such.
        let id = properties.rest().first().copied().unwrap_or_default();
        let bit = 1u64.checked_shl(u32::from(id)).unwrap_or_default();
        if (allowed.once | allowed.repeated) & bit == 0 {
            return Err(DecodeError::PropertyNotAllowed(id));
        }
        if seen & allowed.once & bit != 0 {
            return Err(DecodeError::PropertyRepeated(id));
        }
        seen |= bit;
        visit(Property::read(&mut properties)?);
    }
    Ok(raw)
}

/// Appends a property length and the properties that `write` appends.
pub(super) fn put_properties(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    put_measured(out, write)
}

/// Appends the property if there is one.
pub(super) fn put_some(out: &mut Vec<u8>, property: Option<Property<'_>>) -> Result<(), EncodeError> {
    property.map_or(Ok(()), |property| property.write(out))
}

/// Appends the properties of `raw` that belong to the message and travel with it unchanged from publisher to
/// subscriber: payload format, content type, response topic, correlation data, user properties
/// [MQTT-3.3.2-4], [MQTT-3.3.2-15], [MQTT-3.3.2-16], [MQTT-3.3.2-17], [MQTT-3.3.2-20].
pub(super) fn append_forwardable(raw: &[u8], out: &mut Vec<u8>) {
    let mut reader = Reader::new(raw);
    loop {
        let before = reader.rest();
        let Ok(property) = Property::read(&mut reader) else { return };
        let length = before.len() - reader.rest().len();
        if is_forwardable(&property) {
            out.extend_from_slice(&before[..length]);
        }
    }
}

/// Whether a property of a message travels with it.
#[inline]
pub(super) const fn is_forwardable(property: &Property<'_>) -> bool {
    !matches!(
        property,
        Property::MessageExpiry(_)
            | Property::TopicAlias(_)
            | Property::SubscriptionIdentifier(_)
            | Property::WillDelay(_)
    )
}

/// The user properties of a packet. They may stand between other properties on the wire; only they are shown.
#[derive(Clone, Copy, Default)]
pub struct UserProperties<'a> {
    raw: &'a [u8],
}

impl<'a> UserProperties<'a> {
    /// No user properties.
    pub const EMPTY: Self = Self { raw: &[] };

    /// The user properties in `raw`, bytes that [`append_user_property`] made or a decoded packet holds.
    pub const fn new(raw: &'a [u8]) -> Self {
        Self { raw }
    }

    /// Names and values in their order [MQTT-3.1.3-10].
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        PropertyIter::new(self.raw).filter_map(|property| match property {
            Property::User(name, value) => Some((name, value)),
            _ => None,
        })
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.iter().try_for_each(|(name, value)| Property::User(name, value).write(out))
    }
}

impl PartialEq for UserProperties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for UserProperties<'_> {}

impl core::fmt::Debug for UserProperties<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Appends one user property to `raw`, for [`UserProperties::new`] or a message's forwardable properties.
///
/// # Errors
/// [`EncodeError::FieldTooLong`] if a side is longer than 65535 bytes; `raw` is then as it was.
pub fn append_user_property(raw: &mut Vec<u8>, name: &str, value: &str) -> Result<(), EncodeError> {
    let start = raw.len();
    let result = Property::User(name, value).write(raw);
    if result.is_err() {
        raw.truncate(start);
    }
    result
}
