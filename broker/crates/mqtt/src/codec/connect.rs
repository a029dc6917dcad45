//! CONNECT (specification 3.1), the packet that decides the version of all others.

use core::num::NonZeroU32;

use super::frame::{Frame, PacketType};
use super::properties::{
    allowed, append_forwardable, is_forwardable, put_properties, put_some, read_properties,
};
use super::wire::{Reader, put_binary, put_packet};
use super::{DecodeError, EncodeError, Property, PropertyIter, QoS, UserProperties, Version, topic};

const RESERVED: u8 = 0x01;
const CLEAN_START: u8 = 0x02;
const WILL: u8 = 0x04;
const WILL_QOS: u8 = 0x18;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USERNAME: u8 = 0x80;

/// A client asks for a connection. Its `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The version that this connection speaks from here on.
    pub version: Version,
    /// Client identifier; empty if the server shall choose one [MQTT-3.1.3-6].
    pub client_id: &'a str,
    /// The client wants no stored session (Clean Session before MQTT 5.0).
    pub clean_start: bool,
    /// Keep alive in seconds; 0 turns it off.
    pub keep_alive: u16,
    /// Message to send when the connection ends without a DISCONNECT.
    pub will: Option<Will<'a>>,
    /// User name.
    pub username: Option<&'a str>,
    /// Password; any bytes.
    pub password: Option<&'a [u8]>,
    /// The properties; before MQTT 5.0 the defaults, but for `session_expiry`.
    pub properties: ConnectProperties<'a>,
}

/// The properties of a [`Connect`]. The default is what a packet without properties means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConnectProperties<'a> {
    /// Seconds that the session outlives the connection; default 0; `u32::MAX`: forever. Before MQTT 5.0 it follows from
    /// Clean Session: 0 if set, else `u32::MAX`, as the specification (3.1.2.4) equates them.
    pub session_expiry: u32,
    /// QoS 1 and 2 messages that the client takes unacknowledged; not 0; default 65535.
    pub receive_maximum: u16,
    /// The largest packet in bytes that the client takes; `None`: no limit.
    pub max_packet_size: Option<NonZeroU32>,
    /// The highest topic alias that the client takes; default 0.
    pub topic_alias_max: u16,
    /// The client wants response information in CONNACK; default false.
    pub request_response_info: bool,
    /// The client wants reason strings and user properties on other packets than PUBLISH, CONNACK and DISCONNECT;
    /// default true [MQTT-3.1.2-29].
    pub request_problem_info: bool,
    /// The client's own pairs.
    pub user_properties: UserProperties<'a>,
    /// Name of the enhanced authentication method.
    pub auth_method: Option<&'a str>,
    /// Data of the enhanced authentication method; its bytes are not shown by `Debug`.
    pub auth_data: Option<&'a [u8]>,
}

impl Default for ConnectProperties<'_> {
    fn default() -> Self {
        Self {
            session_expiry: 0,
            receive_maximum: u16::MAX,
            max_packet_size: None,
            topic_alias_max: 0,
            request_response_info: false,
            request_problem_info: true,
            user_properties: UserProperties::EMPTY,
            auth_method: None,
            auth_data: None,
        }
    }
}

/// The message that a server sends for a client that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will<'a> {
    /// A valid topic name, never empty.
    pub topic: &'a str,
    /// The application's bytes.
    pub payload: &'a [u8],
    /// Delivery guarantee.
    pub qos: QoS,
    /// Keep it as a retained message.
    pub retain: bool,
    /// The properties; empty before MQTT 5.0.
    pub properties: WillProperties<'a>,
}

/// The properties of a [`Will`]. Two are equal if they mean the same, in whatever order `raw` says it.
#[derive(Debug, Clone, Copy, Default)]
pub struct WillProperties<'a> {
    /// All property bytes, checked, without their length.
    pub raw: &'a [u8],
    /// Seconds between the connection's end and the will; default 0.
    pub delay: u32,
    /// Lifetime of the message in seconds from when it is sent.
    pub message_expiry: Option<u32>,
}

impl<'a> WillProperties<'a> {
    /// All properties in their order.
    pub fn iter(&self) -> PropertyIter<'a> {
        PropertyIter::new(self.raw)
    }

    /// Appends the bytes of the properties that belong to the message and go to its subscribers, in their order: all but
    /// delay and expiry.
    pub fn append_forwardable(&self, out: &mut Vec<u8>) {
        append_forwardable(self.raw, out);
    }
}

impl PartialEq for WillProperties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.delay == other.delay
            && self.message_expiry == other.message_expiry
            && self.iter().filter(is_forwardable).eq(other.iter().filter(is_forwardable))
    }
}

impl Eq for WillProperties<'_> {}

impl core::fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { version, client_id, clean_start, keep_alive, will, username, password, properties } = self;
        f.debug_struct("Connect")
            .field("version", version)
            .field("client_id", client_id)
            .field("clean_start", clean_start)
            .field("keep_alive", keep_alive)
            .field("will", will)
            .field("username", username)
            .field("has_password", &password.is_some())
            .field("properties", properties)
            .finish()
    }
}

impl core::fmt::Debug for ConnectProperties<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ConnectProperties")
            .field("session_expiry", &self.session_expiry)
            .field("receive_maximum", &self.receive_maximum)
            .field("max_packet_size", &self.max_packet_size)
            .field("topic_alias_max", &self.topic_alias_max)
            .field("request_response_info", &self.request_response_info)
            .field("request_problem_info", &self.request_problem_info)
            .field("user_properties", &self.user_properties)
            .field("auth_method", &self.auth_method)
            .field("has_auth_data", &self.auth_data.is_some())
            .finish()
    }
}

/// The version that a CONNECT frame names, however broken the rest of it is: what a broker needs to choose the form of
/// its refusal. `None` if it is no CONNECT or names no version that is known here.
pub fn connect_version(frame: &[u8]) -> Option<Version> {
    let frame = Frame::cut(frame).ok()?;
    if PacketType::of(frame.first) != Some(PacketType::Connect) {
        return None;
    }
    read_version(&mut { frame.body }).ok()
}

/// Reads protocol name and level [MQTT-3.1.2-1], [MQTT-3.1.2-2].
pub(super) fn read_version(body: &mut Reader<'_>) -> Result<Version, DecodeError> {
    let name = body.binary()?;
    if !matches!(name, b"MQTT" | b"MQIsdp") {
        return Err(DecodeError::ProtocolName);
    }
    match (name, body.u8()?) {
        (b"MQIsdp", 3) => Ok(Version::V31),
        (b"MQTT", 4) => Ok(Version::V311),
        (b"MQTT", 5) => Ok(Version::V5),
        (_, level) => Err(DecodeError::UnsupportedVersion(level)),
    }
}

/// Reads the body of a CONNECT behind the protocol level.
pub(super) fn read_connect(mut body: Reader<'_>, version: Version) -> Result<Connect<'_>, DecodeError> {
    let flags = body.u8()?;
    check_flags(flags, version)?;
    let clean_start = flags & CLEAN_START != 0;
    let keep_alive = body.u16()?;
    let properties = if version.is_v5() {
        read_connect_properties(&mut body)?
    } else {
        ConnectProperties { session_expiry: if clean_start { 0 } else { u32::MAX }, ..Default::default() }
    };
    let client_id = body.string()?;
    let needs_id = match version {
        Version::V31 => true,
        Version::V311 => !clean_start,
        Version::V5 => false,
    };
    if client_id.is_empty() && needs_id {
        return Err(DecodeError::ClientIdRequired);
    }
    let will = if flags & WILL == 0 { None } else { Some(read_will(&mut body, flags, version)?) };
    let username = if flags & USERNAME == 0 { None } else { Some(body.string()?) };
    let password = if flags & PASSWORD == 0 { None } else { Some(body.binary()?) };
    body.end()?;
    Ok(Connect { version, client_id, clean_start, keep_alive, will, username, password, properties })
}

fn check_flags(flags: u8, version: Version) -> Result<(), DecodeError> {
    // MQTT 3.1 says of these that they are not used, and nothing of a receiver that checks them.
    if version != Version::V31 {
        if flags & RESERVED != 0 {
            return Err(DecodeError::ConnectFlags);
        }
        if flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0 {
            return Err(DecodeError::WillFlags);
        }
    }
    if flags & WILL_QOS == WILL_QOS {
        return Err(DecodeError::Qos);
    }
    if flags & PASSWORD != 0 && flags & USERNAME == 0 && !version.is_v5() {
        return Err(DecodeError::PasswordWithoutUsername);
    }
    Ok(())
}

fn read_connect_properties<'a>(body: &mut Reader<'a>) -> Result<ConnectProperties<'a>, DecodeError> {
    let mut out = ConnectProperties::default();
    let raw = read_properties(body, allowed::CONNECT, |property| match property {
        Property::SessionExpiry(value) => out.session_expiry = value,
        Property::ReceiveMaximum(value) => out.receive_maximum = value,
        Property::MaximumPacketSize(value) => out.max_packet_size = Some(value),
        Property::TopicAliasMaximum(value) => out.topic_alias_max = value,
        Property::RequestResponseInfo(value) => out.request_response_info = value,
        Property::RequestProblemInfo(value) => out.request_problem_info = value,
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

fn read_will<'a>(body: &mut Reader<'a>, flags: u8, version: Version) -> Result<Will<'a>, DecodeError> {
    let mut properties = WillProperties::default();
    if version.is_v5() {
        properties.raw = read_properties(body, allowed::WILL, |property| match property {
            Property::WillDelay(seconds) => properties.delay = seconds,
            Property::MessageExpiry(seconds) => properties.message_expiry = Some(seconds),
            _ => {}
        })?;
    }
    let name = body.string()?;
    topic::validate_topic_name(name).map_err(DecodeError::TopicName)?;
    let payload = body.binary()?;
    let qos = QoS::from_bits((flags & WILL_QOS) >> 3).ok_or(DecodeError::Qos)?;
    Ok(Will { topic: name, payload, qos, retain: flags & WILL_RETAIN != 0, properties })
}

/// Appends a CONNECT in the version that it names; before MQTT 5.0 the properties are left out.
///
/// # Errors
/// [`EncodeError`] if a field is too long; `out` is then as it was.
pub fn encode_connect(out: &mut Vec<u8>, connect: &Connect<'_>) -> Result<(), EncodeError> {
    let version = connect.version;
    put_packet(out, PacketType::Connect.first_byte(), |out| {
        put_binary(out, if version == Version::V31 { b"MQIsdp" } else { b"MQTT" })?;
        out.push(version.level());
        out.push(flags_of(connect));
        out.extend_from_slice(&connect.keep_alive.to_be_bytes());
        if version.is_v5() {
            put_properties(out, |out| put_connect_properties(out, &connect.properties))?;
        }
        put_binary(out, connect.client_id.as_bytes())?;
        if let Some(will) = &connect.will {
            if version.is_v5() {
                put_properties(out, |out| put_will_properties(out, &will.properties))?;
            }
            put_binary(out, will.topic.as_bytes())?;
            put_binary(out, will.payload)?;
        }
        if let Some(username) = connect.username {
            put_binary(out, username.as_bytes())?;
        }
        connect.password.map_or(Ok(()), |password| put_binary(out, password))
    })
}

fn flags_of(connect: &Connect<'_>) -> u8 {
    let mut flags = 0;
    if connect.clean_start {
        flags |= CLEAN_START;
    }
    if let Some(will) = &connect.will {
        flags |= WILL | (will.qos as u8) << 3;
        if will.retain {
            flags |= WILL_RETAIN;
        }
    }
    if connect.username.is_some() {
        flags |= USERNAME;
    }
    if connect.password.is_some() {
        flags |= PASSWORD;
    }
    flags
}

fn put_connect_properties(out: &mut Vec<u8>, properties: &ConnectProperties<'_>) -> Result<(), EncodeError> {
    let ConnectProperties {
        session_expiry,
        receive_maximum,
        max_packet_size,
        topic_alias_max,
        request_response_info,
        request_problem_info,
        user_properties,
        auth_method,
        auth_data,
    } = *properties;
    let optional = [
        (session_expiry != 0).then_some(Property::SessionExpiry(session_expiry)),
        (receive_maximum != u16::MAX).then_some(Property::ReceiveMaximum(receive_maximum)),
        max_packet_size.map(Property::MaximumPacketSize),
        (topic_alias_max != 0).then_some(Property::TopicAliasMaximum(topic_alias_max)),
        request_response_info.then_some(Property::RequestResponseInfo(true)),
        (!request_problem_info).then_some(Property::RequestProblemInfo(false)),
        auth_method.map(Property::AuthMethod),
        auth_data.map(Property::AuthData),
    ];
    optional.into_iter().try_for_each(|property| put_some(out, property))?;
    user_properties.put(out)
}

/// Writes `delay` and `message_expiry` from their fields and everything else from `raw`, so that a will can be built from
/// either.
fn put_will_properties(out: &mut Vec<u8>, properties: &WillProperties<'_>) -> Result<(), EncodeError> {
    let WillProperties { raw, delay, message_expiry } = *properties;
    put_some(out, (delay != 0).then_some(Property::WillDelay(delay)))?;
    put_some(out, message_expiry.map(Property::MessageExpiry))?;
    append_forwardable(raw, out);
    Ok(())
}
