//! AUTH (specification 3.15), MQTT 5.0 only.

use super::frame::PacketType;
use super::properties::{allowed, put_properties, put_some, read_properties};
use super::wire::{Reader, put_packet};
use super::{DecodeError, EncodeError, Property, UserProperties, Version, reason};

/// A step of enhanced authentication. Its `Debug` does not show the data.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Auth<'a> {
    /// 0x00 success, 0x18 continue, 0x19 re-authenticate.
    pub reason: u8,
    /// Name of the method; `None` only in the shortest form of AUTH, which means success.
    pub method: Option<&'a str>,
    /// Data of the method.
    pub data: Option<&'a [u8]>,
    /// Explanation for humans.
    pub reason_string: Option<&'a str>,
    /// The sender's own pairs.
    pub user_properties: UserProperties<'a>,
}

impl core::fmt::Debug for Auth<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { reason, method, data, reason_string, user_properties } = self;
        f.debug_struct("Auth")
            .field("reason", reason)
            .field("method", method)
            .field("data_len", &data.map(<[u8]>::len))
            .field("reason_string", reason_string)
            .field("user_properties", user_properties)
            .finish()
    }
}

pub(super) fn read_auth(mut body: Reader<'_>, version: Version) -> Result<Auth<'_>, DecodeError> {
    if !version.is_v5() {
        return Err(DecodeError::PacketType(PacketType::Auth as u8));
    }
    let mut auth = Auth::default();
    if body.is_empty() {
        return Ok(auth);
    }
    auth.reason = body.u8()?;
    if !reason::in_auth(auth.reason) {
        return Err(DecodeError::ReasonCode(auth.reason));
    }
    let raw = read_properties(&mut body, allowed::AUTH, |property| match property {
        Property::AuthMethod(method) => auth.method = Some(method),
        Property::AuthData(data) => auth.data = Some(data),
        Property::ReasonString(text) => auth.reason_string = Some(text),
        _ => {}
    })?;
    auth.user_properties = UserProperties::new(raw);
    body.end()?;
    if auth.method.is_none() {
        return Err(DecodeError::AuthMethodMissing);
    }
    Ok(auth)
}

/// Appends an AUTH.
///
/// # Errors
/// [`EncodeError::NotInVersion`] before MQTT 5.0, or a field that is too long; `out` is then as it was.
pub fn encode_auth(out: &mut Vec<u8>, version: Version, auth: &Auth<'_>) -> Result<(), EncodeError> {
    if !version.is_v5() {
        return Err(EncodeError::NotInVersion);
    }
    put_packet(out, PacketType::Auth.first_byte(), |out| {
        if auth.reason == reason::SUCCESS && auth.method.is_none() {
            return Ok(());
        }
        out.push(auth.reason);
        put_properties(out, |out| {
            put_some(out, auth.method.map(Property::AuthMethod))?;
            put_some(out, auth.data.map(Property::AuthData))?;
            put_some(out, auth.reason_string.map(Property::ReasonString))?;
            auth.user_properties.put(out)
        })
    })
}
