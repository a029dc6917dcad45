//! CONNACK (specification 3.2).

use core::num::NonZeroU32;

use super::frame::PacketType;
use super::properties::{allowed, put_properties, put_some, read_properties};
use super::wire::{Reader, put_packet};
use super::{DecodeError, EncodeError, Property, QoS, UserProperties, Version, reason};

/// The server's answer to CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnAck<'a> {
    /// The server goes on with a stored session; false beside any error [MQTT-3.2.2-6]. Always false in MQTT 3.1.
    pub session_present: bool,
    /// Reason code in MQTT 5.0; return code 0 to 5 before (see [`reason::connack_v3`]).
    pub reason: u8,
    /// What the server grants; the defaults before MQTT 5.0.
    pub properties: ConnAckProperties<'a>,
}

/// The properties of a [`ConnAck`]. The default is what a packet without properties means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConnAckProperties<'a> {
    /// Seconds that the session outlives its connection; `None`: as the client asked.
    pub session_expiry: Option<u32>,
    /// QoS 1 and 2 messages that the server takes unacknowledged; not 0; default 65535.
    pub receive_maximum: u16,
    /// The highest QoS that the server takes; default 2.
    pub maximum_qos: QoS,
    /// The server keeps retained messages; default true.
    pub retain_available: bool,
    /// The largest packet in bytes that the server takes; `None`: no limit.
    pub max_packet_size: Option<NonZeroU32>,
    /// The client identifier that the server chose [MQTT-3.2.2-16].
    pub assigned_client_id: Option<&'a str>,
    /// The highest topic alias that the server takes; default 0.
    pub topic_alias_max: u16,
    /// Explanation for humans.
    pub reason_string: Option<&'a str>,
    /// The server's own pairs.
    pub user_properties: UserProperties<'a>,
    /// The server takes wildcards in subscriptions; default true.
    pub wildcard_available: bool,
    /// The server takes subscription identifiers; default true.
    pub identifiers_available: bool,
    /// The server takes shared subscriptions; default true.
    pub shared_available: bool,
    /// Keep alive in seconds that the client must use [MQTT-3.2.2-21]; `None`: its own.
    pub server_keep_alive: Option<u16>,
    /// Basis for response topics, if the client asked for it.
    pub response_info: Option<&'a str>,
    /// Another server to use.
    pub server_reference: Option<&'a str>,
    /// Name of the enhanced authentication method.
    pub auth_method: Option<&'a str>,
    /// Data of the enhanced authentication method; its bytes are not shown by `Debug`.
    pub auth_data: Option<&'a [u8]>,
}

impl core::fmt::Debug for ConnAckProperties<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ConnAckProperties")
            .field("session_expiry", &self.session_expiry)
            .field("receive_maximum", &self.receive_maximum)
            .field("maximum_qos", &self.maximum_qos)
            .field("max_packet_size", &self.max_packet_size)
            .field("assigned_client_id", &self.assigned_client_id)
            .field("topic_alias_max", &self.topic_alias_max)
            .field("reason_string", &self.reason_string)
            .field("server_keep_alive", &self.server_keep_alive)
            .field("auth_method", &self.auth_method)
            .finish_non_exhaustive()
    }
}

impl Default for ConnAckProperties<'_> {
    fn default() -> Self {
        Self {
            session_expiry: None,
            receive_maximum: u16::MAX,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            max_packet_size: None,
            assigned_client_id: None,
            topic_alias_max: 0,
            reason_string: None,
            user_properties: UserProperties::EMPTY,
            wildcard_available: true,
            identifiers_available: true,
            shared_available: true,
            server_keep_alive: None,
            response_info: None,
            server_reference: None,
            auth_method: None,
            auth_data: None,
        }
    }
}

pub(super) fn read_connack(mut body: Reader<'_>, version: Version) -> Result<ConnAck<'_>, DecodeError> {
    let flags = body.u8()?;
    let code = body.u8()?;
    let legal = if version.is_v5() { reason::in_connack(code) } else { code <= 5 };
    if !legal {
        return Err(DecodeError::ReasonCode(code));
    }
    // In MQTT 3.1 the whole first byte is reserved.
    let session_present = flags == 1 && version != Version::V31;
    if (flags != 0 && !session_present) || (session_present && code != reason::SUCCESS) {
        return Err(DecodeError::ConnAckFlags);
    }
    let properties =
        if version.is_v5() { read_connack_properties(&mut body)? } else { ConnAckProperties::default() };
    body.end()?;
    Ok(ConnAck { session_present, reason: code, properties })
}

fn read_connack_properties<'a>(body: &mut Reader<'a>) -> Result<ConnAckProperties<'a>, DecodeError> {
    let mut out = ConnAckProperties::default();
    let raw = read_properties(body, allowed::CONNACK, |property| match property {
        Property::SessionExpiry(value) => out.session_expiry = Some(value),
        Property::ReceiveMaximum(value) => out.receive_maximum = value,
        Property::MaximumQos(value) => out.maximum_qos = value,
        Property::RetainAvailable(value) => out.retain_available = value,
        Property::MaximumPacketSize(value) => out.max_packet_size = Some(value),
        Property::AssignedClientId(value) => out.assigned_client_id = Some(value),
        Property::TopicAliasMaximum(value) => out.topic_alias_max = value,
        Property::ReasonString(value) => out.reason_string = Some(value),
        Property::WildcardAvailable(value) => out.wildcard_available = value,
        Property::IdentifiersAvailable(value) => out.identifiers_available = value,
        Property::SharedAvailable(value) => out.shared_available = value,
        Property::ServerKeepAlive(value) => out.server_keep_alive = Some(value),
        Property::ResponseInfo(value) => out.response_info = Some(value),
        Property::ServerReference(value) => out.server_reference = Some(value),
        Property::AuthMethod(value) => out.auth_method = Some(value),
        Property::AuthData(value) => out.auth_data = Some(value),
        _ => {}
    })?;
    out.user_properties = UserProperties::new(raw);
    if out.auth_data.is_some() && out.auth_method.is_none() {
        return Err(DecodeError::AuthMethodMissing);
    }
    Ok(out)
}

/// Appends a CONNACK. Before MQTT 5.0 `reason` must be a return code of that version, and the properties are left out.
///
/// # Errors
/// [`EncodeError`] if a field is too long; `out` is then as it was.
pub fn encode_connack(out: &mut Vec<u8>, version: Version, connack: &ConnAck<'_>) -> Result<(), EncodeError> {
    put_packet(out, PacketType::ConnAck.first_byte(), |out| {
        out.push(u8::from(connack.session_present && version != Version::V31));
        out.push(connack.reason);
        if version.is_v5() {
            put_properties(out, |out| put_connack(out, &connack.properties))
        } else {
            Ok(())
        }
    })
}

fn put_connack(out: &mut Vec<u8>, properties: &ConnAckProperties<'_>) -> Result<(), EncodeError> {
    // Whole destructuring: a new field that is not written fails to compile.
    let ConnAckProperties {
        session_expiry,
        receive_maximum,
        maximum_qos,
        retain_available,
        max_packet_size,
        assigned_client_id,
        topic_alias_max,
        reason_string,
        user_properties,
        wildcard_available,
        identifiers_available,
        shared_available,
        server_keep_alive,
        response_info,
        server_reference,
        auth_method,
        auth_data,
    } = *properties;
    let flag = |available: bool, property| if available { None } else { Some(property) };
    let optional = [
        session_expiry.map(Property::SessionExpiry),
        (receive_maximum != u16::MAX).then_some(Property::ReceiveMaximum(receive_maximum)),
        (maximum_qos != QoS::ExactlyOnce).then_some(Property::MaximumQos(maximum_qos)),
        flag(retain_available, Property::RetainAvailable(false)),
        max_packet_size.map(Property::MaximumPacketSize),
        assigned_client_id.map(Property::AssignedClientId),
        (topic_alias_max != 0).then_some(Property::TopicAliasMaximum(topic_alias_max)),
        reason_string.map(Property::ReasonString),
        flag(wildcard_available, Property::WildcardAvailable(false)),
        flag(identifiers_available, Property::IdentifiersAvailable(false)),
        flag(shared_available, Property::SharedAvailable(false)),
        server_keep_alive.map(Property::ServerKeepAlive),
        response_info.map(Property::ResponseInfo),
        server_reference.map(Property::ServerReference),
        auth_method.map(Property::AuthMethod),
        auth_data.map(Property::AuthData),
    ];
    optional.into_iter().try_for_each(|property| put_some(out, property))?;
    user_properties.put(out)
}
