//! The few MQTT packets that the generator speaks, and the payload by which it checks what comes back.
//!
//! This is on purpose not the broker's codec: a mistake shared by both ends of a race would hide itself.
//! No I/O.

use anyhow::{Result, bail, ensure};

/// MQTT protocol version spoken by the generator, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// MQTT 3.1.1.
    V4 = 4,
    /// MQTT 5.0.
    V5 = 5,
}

/// Smallest payload: the message's identity and its check word.
pub(crate) const MIN_PAYLOAD: usize = 16;

/// Bits of the identity word that hold the sequence number; the rest is the publisher's index.
const SEQUENCE_BITS: u32 = 48;

/// Fills the payload behind the check word, so that truncated or mixed-up bytes are seen.
const PATTERN: [u8; 64] = {
    let mut bytes = [0; 64];
    let mut i = 0;
    while i < bytes.len() {
        bytes[i] = (i as u8).wrapping_mul(37).wrapping_add(11);
        i += 1;
    }
    bytes
};

/// Seconds of keep-alive asked for; longer than any run, because the generator sends no pings, and not
/// zero, because not every peer accepts that.
const KEEP_ALIVE: u16 = 3600;

/// A PUBLISH of one publisher, built once; per message only identity, check word and packet id change.
pub(crate) struct Template {
    frame: Vec<u8>,
    packet_id_at: Option<usize>,
    payload_at: usize,
    publisher: u16,
}

impl Template {
    /// Builds the frame of `publisher` for `topic`, with a payload of `payload` bytes (at least [`MIN_PAYLOAD`]).
    pub(crate) fn new(protocol: Protocol, publisher: u16, topic: &str, qos: u8, payload: usize) -> Self {
        let mut body = Vec::new();
        put_text(&mut body, topic);
        let mut packet_id_at = None;
        if qos > 0 {
            packet_id_at = Some(body.len());
            body.extend([0, 0]);
        }
        if protocol == Protocol::V5 {
            body.push(0);
        }
        let payload_at = body.len();
        body.extend([0; MIN_PAYLOAD]);
        body.extend(PATTERN.iter().cycle().take(payload - MIN_PAYLOAD));
        let frame = packet(0x30 | (qos << 1), &body);
        let header = frame.len() - body.len();
        Self {
            frame,
            packet_id_at: packet_id_at.map(|at| at + header),
            payload_at: payload_at + header,
            publisher,
        }
    }

    /// Bytes of one message on the wire.
    pub(crate) fn len(&self) -> usize {
        self.frame.len()
    }

    /// Appends the message `sequence`; `packet_id` is used only above QoS 0.
    pub(crate) fn append(&self, sequence: u64, packet_id: u16, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.frame);
        if let Some(at) = self.packet_id_at {
            out[start + at..start + at + 2].copy_from_slice(&packet_id.to_be_bytes());
        }
        let identity = (u64::from(self.publisher) << SEQUENCE_BITS) | sequence;
        let at = start + self.payload_at;
        out[at..at + 8].copy_from_slice(&identity.to_le_bytes());
        out[at + 8..at + 16].copy_from_slice(&check_word(identity).to_le_bytes());
    }
}

/// Says which message a payload is, or nothing if a single byte of it is wrong.
pub(crate) fn verify(payload: &[u8], expected_length: usize) -> Option<(u16, u64)> {
    if payload.len() != expected_length {
        return None;
    }
    let (identity, rest) = payload.split_first_chunk::<8>()?;
    let (check, filler) = rest.split_first_chunk::<8>()?;
    let identity = u64::from_le_bytes(*identity);
    let whole = filler.chunks(PATTERN.len()).all(|chunk| chunk == &PATTERN[..chunk.len()]);
    if u64::from_le_bytes(*check) != check_word(identity) || !whole {
        return None;
    }
    Some(((identity >> SEQUENCE_BITS) as u16, identity & ((1 << SEQUENCE_BITS) - 1)))
}

/// Mixes all bits of the identity, so that a payload with another message's identity does not pass.
fn check_word(identity: u64) -> u64 {
    (identity ^ 0x5851_F42D_4C95_7F2D).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A packet as received, as far as the generator cares.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inbound<'a> {
    /// A message with its topic; `packet_id` is zero at QoS 0.
    Publish { packet_id: u16, topic: &'a [u8], payload: &'a [u8] },
    /// The broker took a QoS 1 message, or (`refused`) said why not.
    PubAck { packet_id: u16, refused: bool },
    /// The broker ends the connection, with its reason where the version has one.
    Disconnect(Option<u8>),
    /// Any other packet, by its type.
    Other(u8),
}

/// Reads the first packet of `bytes` and its length; `None` while it is not complete.
pub(crate) fn parse(bytes: &[u8], protocol: Protocol) -> Result<Option<(usize, Inbound<'_>)>> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let Some((length, header)) = remaining_length(&bytes[1..])? else { return Ok(None) };
    let (start, end) = (1 + header, 1 + header + length);
    if bytes.len() < end {
        return Ok(None);
    }
    let body = &bytes[start..end];
    let packet = match first >> 4 {
        3 => publish(body, (first >> 1) & 3, protocol)?,
        4 => {
            ensure!(body.len() >= 2, "a PUBACK is too short");
            let refused = body.get(2).is_some_and(|code| *code >= 0x80);
            Inbound::PubAck { packet_id: u16::from_be_bytes([body[0], body[1]]), refused }
        }
        14 => Inbound::Disconnect(body.first().copied()),
        other => Inbound::Other(other),
    };
    Ok(Some((end, packet)))
}

fn publish(body: &[u8], qos: u8, protocol: Protocol) -> Result<Inbound<'_>> {
    ensure!(body.len() >= 2, "a PUBLISH ends within its topic's length");
    let mut at = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
    ensure!(body.len() >= at, "a PUBLISH ends within its topic");
    let topic = &body[2..at];
    let mut packet_id = 0;
    if qos > 0 {
        ensure!(body.len() >= at + 2, "a PUBLISH ends within its packet identifier");
        packet_id = u16::from_be_bytes([body[at], body[at + 1]]);
        at += 2;
    }
    if protocol == Protocol::V5 {
        let Some((length, header)) = remaining_length(&body[at..])? else {
            bail!("a PUBLISH ends within its properties' length");
        };
        at += header + length;
        ensure!(body.len() >= at, "a PUBLISH ends within its properties");
    }
    Ok(Inbound::Publish { packet_id, topic, payload: &body[at..] })
}

/// Reads a variable byte integer: its value and its own length.
pub(crate) fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let mut value = 0;
    for (i, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(Some((value, i + 1)));
        }
    }
    ensure!(bytes.len() < 4, "a packet's length has more than four bytes");
    Ok(None)
}

/// A CONNECT with a clean session and, if given, username and password.
pub(crate) fn connect(protocol: Protocol, client_id: &str, login: Option<(&str, &str)>) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, "MQTT");
    body.push(protocol as u8);
    body.push(if login.is_some() { 0b1100_0010 } else { 0b0000_0010 });
    body.extend(KEEP_ALIVE.to_be_bytes());
    if protocol == Protocol::V5 {
        body.push(0);
    }
    put_text(&mut body, client_id);
    if let Some((username, password)) = login {
        put_text(&mut body, username);
        put_text(&mut body, password);
    }
    packet(0x10, &body)
}

/// A SUBSCRIBE to one filter, with packet identifier 1.
pub(crate) fn subscribe(protocol: Protocol, filter: &str, qos: u8) -> Vec<u8> {
    let mut body = vec![0, 1];
    if protocol == Protocol::V5 {
        body.push(0);
    }
    put_text(&mut body, filter);
    body.push(qos);
    packet(0x82, &body)
}

/// A PUBACK with reason "success", which is the same four bytes in both versions.
pub(crate) fn puback(packet_id: u16) -> [u8; 4] {
    let [high, low] = packet_id.to_be_bytes();
    [0x40, 2, high, low]
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut rest = body.len();
    loop {
        let low = (rest & 0x7F) as u8;
        rest >>= 7;
        out.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    out.extend(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(protocol: Protocol, qos: u8, payload: usize) -> Vec<u8> {
        let mut out = Vec::new();
        Template::new(protocol, 7, "race/p7", qos, payload).append(123_456, 99, &mut out);
        out
    }

    #[test]
    fn a_message_comes_back_as_itself_in_both_versions() {
        for protocol in [Protocol::V4, Protocol::V5] {
            for (qos, payload) in [(0, 16), (0, 64), (1, 64), (1, 1024)] {
                let bytes = message(protocol, qos, payload);
                let (length, packet) = parse(&bytes, protocol).unwrap().unwrap();
                assert_eq!(length, bytes.len());
                let Inbound::Publish { packet_id, topic, payload: body } = packet else {
                    panic!("{packet:?}")
                };
                assert_eq!((packet_id, topic), (if qos > 0 { 99 } else { 0 }, b"race/p7".as_slice()));
                assert_eq!(verify(body, payload), Some((7, 123_456)));
            }
        }
    }

    #[test]
    fn every_flipped_payload_byte_is_noticed() {
        let bytes = message(Protocol::V4, 0, 200);
        let payload_at = bytes.len() - 200;
        for at in payload_at..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert_eq!(verify(&damaged[payload_at..], 200), None, "byte {at}");
        }
        assert_eq!(verify(&bytes[payload_at..bytes.len() - 1], 200), None);
    }

    #[test]
    fn an_incomplete_packet_waits_for_more() {
        let bytes = message(Protocol::V5, 1, 300);
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end], Protocol::V5).unwrap(), None);
        }
    }

    #[test]
    fn a_refusal_is_told_from_an_acknowledgement() {
        let refused = parse(&[0x40, 3, 0, 9, 0x87], Protocol::V5).unwrap();
        assert_eq!(refused, Some((5, Inbound::PubAck { packet_id: 9, refused: true })));
        let sent = puback(9);
        let taken = parse(&sent, Protocol::V4).unwrap();
        assert_eq!(taken, Some((4, Inbound::PubAck { packet_id: 9, refused: false })));
    }
}
