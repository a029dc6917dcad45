//! DISCONNECT (specification 3.14).

use super::frame::PacketType;
use super::properties::{allowed, put_properties, put_some, read_properties};
use super::wire::{Reader, put_packet};
use super::{DecodeError, EncodeError, Property, UserProperties, Version, reason};

/// The end of a connection, from either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disconnect<'a> {
    /// Reason code; 0x00 (normal) where it is left out, and always before MQTT 5.0.
    pub reason: u8,
    /// A new session expiry in seconds; a client only, and not to turn 0 into more [MQTT-3.14.2-2].
    pub session_expiry: Option<u32>,
    /// Explanation for humans.
    pub reason_string: Option<&'a str>,
    /// Another server to use; a server only.
    pub server_reference: Option<&'a str>,
    /// The sender's own pairs.
    pub user_properties: UserProperties<'a>,
}

impl Disconnect<'_> {
    /// A DISCONNECT with nothing but its reason.
    pub const fn new(reason: u8) -> Self {
        Self {
            reason,
            session_expiry: None,
            reason_string: None,
            server_reference: None,
            user_properties: UserProperties::EMPTY,
        }
    }
}

pub(super) fn read_disconnect(mut body: Reader<'_>, version: Version) -> Result<Disconnect<'_>, DecodeError> {
    let mut disconnect = Disconnect::default();
    if body.is_empty() {
        return Ok(disconnect);
    }
    if !version.is_v5() {
        return Err(DecodeError::TrailingBytes);
    }
    disconnect.reason = body.u8()?;
    if !reason::in_disconnect(disconnect.reason) {
        return Err(DecodeError::ReasonCode(disconnect.reason));
    }
    if !body.is_empty() {
        let raw = read_properties(&mut body, allowed::DISCONNECT, |property| match property {
            Property::SessionExpiry(seconds) => disconnect.session_expiry = Some(seconds),
            Property::ReasonString(text) => disconnect.reason_string = Some(text),
            Property::ServerReference(server) => disconnect.server_reference = Some(server),
            _ => {}
        })?;
        disconnect.user_properties = UserProperties::new(raw);
    }
    body.end()?;
    Ok(disconnect)
}

/// Appends a DISCONNECT in its shortest form. Before MQTT 5.0 it is two bytes without a reason, and only a client may
/// send it.
///
/// # Errors
/// [`EncodeError`] if a field is too long; `out` is then as it was.
pub fn encode_disconnect(
    out: &mut Vec<u8>,
    version: Version,
    disconnect: &Disconnect<'_>,
) -> Result<(), EncodeError> {
    let Disconnect { reason, session_expiry, reason_string, server_reference, user_properties } = disconnect;
    put_packet(out, PacketType::Disconnect.first_byte(), |out| {
        let bare = session_expiry.is_none()
            && reason_string.is_none()
            && server_reference.is_none()
            && user_properties.is_empty();
        if !version.is_v5() || (bare && *reason == reason::NORMAL_DISCONNECTION) {
            return Ok(());
        }
        out.push(*reason);
        if bare {
            return Ok(());
        }
        put_properties(out, |out| {
            put_some(out, session_expiry.map(Property::SessionExpiry))?;
            put_some(out, reason_string.map(Property::ReasonString))?;
            put_some(out, server_reference.map(Property::ServerReference))?;
            user_properties.put(out)
        })
    })
}
