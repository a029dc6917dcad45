//! Tests of the codec: what must be refused, what must come back as it went out, and what must never panic.

mod fields;
mod frames;
mod malformed_v3;
mod malformed_v5;
mod round_trip;
mod topics;
mod values;

use super::{DecodeError, Version, decode};

/// A packet with a one-byte remaining length.
fn frame(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u8::try_from(body.len()).expect("a test packet is short");
    assert!(length < 0x80, "a test packet is short");
    [&[first, length], &body[..]].concat()
}

/// A string or binary field: its length and its bytes.
fn field(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a test field is short");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// Properties behind their length.
fn properties(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[u8::try_from(body.len()).expect("test properties are short")], &body[..]].concat()
}

/// One packet that breaks one rule.
#[derive(Clone)]
struct Malformed {
    /// The rule, with its number where the specification gives one.
    rule: &'static str,
    frame: Vec<u8>,
    error: DecodeError,
    reason_code: u8,
}

fn malformed(rule: &'static str, frame: Vec<u8>, error: DecodeError, reason_code: u8) -> Malformed {
    Malformed { rule, frame, error, reason_code }
}

/// Every packet is refused with its error and its reason code.
fn assert_refused(version: Version, table: &[Malformed]) {
    for case in table {
        let Malformed { rule, frame, error, reason_code } = case;
        assert_eq!(decode(frame, version).err(), Some(*error), "{rule}: {frame:02x?}");
        assert_eq!(error.reason_code(), *reason_code, "{rule}");
    }
}
