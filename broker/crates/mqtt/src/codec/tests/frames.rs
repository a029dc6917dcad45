//! Frames: where they end, what happens when they are cut, and bytes that nobody meant.

use proptest::prelude::*;

use super::super::topic;
use super::super::{
    DecodeError, Packet, PacketType, Version, connect_version, decode, decode_from_client, decode_publish,
    encode, frame_len,
};
use super::{field, frame, properties};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// One valid frame of each kind that MQTT 5.0 has, with properties where it can have them.
pub(super) fn samples() -> Vec<Vec<u8>> {
    let user = [&[0x26][..], &field(b"key"), &field(b"value")].concat();
    let reason = [&[0x1f][..], &field(b"because")].concat();
    let ack: &[&[u8]] = &[&[0, 7, 0], &properties(&[&reason, &user, &user])];
    let will = [properties(&[&[0x18, 0, 0, 0, 5], &user]), field(b"w/t"), field(b"gone")].concat();
    let connect = properties(&[&[0x11, 0, 0, 0, 9, 0x21, 0, 3], &user, &[0x15, 0, 1, b'm', 0x16, 0, 1, 7]]);
    let (id, name, secret) = (field(b"id"), field(b"u"), field(b"p"));
    vec![
        frame(0x10, &[&field(b"MQTT"), &[5, 0xee, 0, 60], &connect, &id, &will, &name, &secret]),
        frame(0x20, &[&[1, 0], &properties(&[&[0x24, 1, 0x25, 0], &reason, &user])]),
        frame(0x30, &[&field(b"a/b"), &[0], b"payload"]),
        frame(
            0x3d,
            &[&field(b"a/b"), &[0, 7], &properties(&[&[2, 0, 0, 0, 9, 0x23, 0, 4], &user]), b"payload"],
        ),
        frame(0x40, ack),
        frame(0x50, ack),
        frame(0x62, ack),
        frame(0x70, ack),
        frame(
            0x82,
            &[
                &[0, 7],
                &properties(&[&[0x0b, 0x80, 1], &user]),
                &field(b"a/+"),
                &[1],
                &field(b"$share/g/#"),
                &[2],
            ],
        ),
        frame(0x90, &[&[0, 7], &properties(&[&reason, &user]), &[0, 1, 2, 0x87]]),
        frame(0xa2, &[&[0, 7], &properties(&[&user]), &field(b"a/+"), &field(b"$share/g/#")]),
        frame(0xb0, &[&[0, 7], &properties(&[&reason]), &[0, 0x11]]),
        frame(0xc0, &[]),
        frame(0xd0, &[]),
        frame(0xe0, &[&[4], &properties(&[&[0x11, 0, 0, 0, 9], &reason, &user])]),
        frame(0xf0, &[&[0x18], &properties(&[&[0x15, 0, 1, b'm', 0x16, 0, 2, 1, 2], &user])]),
    ]
}

/// The fuzz target's law: whatever decodes, encodes to something that decodes to the same, and encodes to itself.
fn assert_fixpoint(frame: &[u8], version: Version) {
    let Ok(packet) = decode(frame, version) else { return };
    let mut encoded = Vec::new();
    encode(&mut encoded, version, &packet).expect("what was decoded can be encoded");
    assert_eq!(frame_len(&encoded, u32::MAX), Ok(Some(encoded.len())));
    let again = decode(&encoded, version).expect("what was encoded can be decoded");
    assert_eq!(again, packet, "{frame:02x?} became {encoded:02x?}");
    let mut twice = Vec::new();
    encode(&mut twice, version, &again).expect("what was decoded can be encoded");
    assert_eq!(encoded, twice);
}

#[test]
fn the_samples_cover_every_packet_type() {
    let mut types: Vec<_> = samples().iter().map(|sample| sample[0] >> 4).collect();
    types.dedup();
    assert_eq!(types, (1..=15).collect::<Vec<u8>>());
    for sample in samples() {
        let packet = decode(&sample, Version::V5).expect("a sample is valid");
        assert_eq!(Some(packet.packet_type()), PacketType::of(sample[0]));
        assert_fixpoint(&sample, Version::V5);
    }
}

#[test]
fn a_cut_frame_is_incomplete_and_never_a_packet() {
    for sample in samples() {
        for length in 0..sample.len() {
            let cut = &sample[..length];
            assert_eq!(decode(cut, Version::V5), Err(DecodeError::Truncated), "{cut:02x?}");
            let expected = if length < 2 { None } else { Some(sample.len()) };
            assert_eq!(frame_len(cut, 1024), Ok(expected));
        }
        let longer = [&sample[..], &[0]].concat();
        assert_eq!(decode(&longer, Version::V5), Err(DecodeError::TrailingBytes));
    }
}

#[test]
fn a_field_cut_by_a_shorter_remaining_length_never_panics() {
    for sample in samples() {
        for remaining in 0..sample.len() - 2 {
            let mut cut = sample[..2 + remaining].to_vec();
            cut[1] = u8::try_from(remaining).expect("samples are short");
            for version in VERSIONS {
                assert_fixpoint(&cut, version);
            }
        }
    }
}

#[test]
fn frame_len_reads_a_remaining_length_of_one_to_four_bytes() {
    for (bytes, length) in [
        (&[0x30, 0x00][..], 2),
        (&[0x30, 0x7f], 129),
        (&[0x30, 0x80, 0x01], 131),
        (&[0x30, 0xff, 0x7f], 16_386),
        (&[0x30, 0x80, 0x80, 0x01], 16_388),
        (&[0x30, 0xff, 0xff, 0x7f], 2_097_155),
        (&[0x30, 0x80, 0x80, 0x80, 0x01], 2_097_157),
        (&[0x30, 0xff, 0xff, 0xff, 0x7f], 268_435_460),
    ] {
        assert_eq!(frame_len(bytes, u32::MAX), Ok(Some(length)));
        for cut in 0..bytes.len() {
            assert_eq!(frame_len(&bytes[..cut], u32::MAX), Ok(None));
        }
    }
}

#[test]
fn frame_len_refuses_before_the_body_arrives() {
    assert_eq!(frame_len(&[0x30, 0xff, 0xff, 0xff, 0xff], u32::MAX), Err(DecodeError::IntegerTooLong));
    assert_eq!(frame_len(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01], u32::MAX), Err(DecodeError::IntegerTooLong));
    assert_eq!(frame_len(&[0x00], u32::MAX), Err(DecodeError::PacketType(0)));
    let too_large = DecodeError::PacketTooLarge { size: 131, limit: 129 };
    assert_eq!(frame_len(&[0x30, 0x80, 0x01], 129), Err(too_large));
    assert_eq!(too_large.reason_code(), 0x95);
    assert_eq!(frame_len(&[0x30, 0x7f], 129), Ok(Some(129)), "the limit itself is allowed");
}

/// Bytes that look like a packet: a valid sample with some bytes replaced, and its length kept true.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (prop::sample::select(samples()), damage, any::<bool>()).prop_map(|(mut bytes, damage, keep)| {
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if keep {
            bytes[1] = u8::try_from(bytes.len() - 2).expect("samples are short");
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), size in any::<bool>()) {
        let mut bytes = bytes;
        if size && bytes.len() >= 2 {
            bytes[1] = (bytes.len() - 2) as u8;
        }
        let _ = connect_version(&bytes);
        for version in VERSIONS {
            assert_fixpoint(&bytes, version);
        }
    }

    #[test]
    fn damaged_packets_never_panic_and_what_passes_is_consistent(bytes in damaged()) {
        for version in VERSIONS {
            assert_fixpoint(&bytes, version);
            let all = decode(&bytes, version);
            if let Ok(client) = decode_from_client(&bytes, version) {
                prop_assert_eq!(Ok(client), all.clone());
            }
            match (decode_publish(&bytes, version), all) {
                (publish, Ok(Packet::Publish(expected))) => prop_assert_eq!(publish, Ok(expected)),
                (publish, Ok(_)) => prop_assert!(publish.is_err()),
                (publish, Err(_)) => prop_assert!(publish.is_err()),
            }
        }
    }

    #[test]
    fn an_accepted_subscribe_has_only_valid_filters(bytes in damaged()) {
        for version in VERSIONS {
            match decode(&bytes, version) {
                Ok(Packet::Subscribe(subscribe)) => {
                    prop_assert_eq!(subscribe.filters().count(), subscribe.filter_count());
                    for each in subscribe.filters() {
                        prop_assert_eq!(topic::split_share(each.full), Ok((each.share, each.filter)));
                    }
                }
                Ok(Packet::Unsubscribe(unsubscribe)) => {
                    prop_assert_eq!(unsubscribe.filters().count(), unsubscribe.filter_count());
                    for each in unsubscribe.filters() {
                        prop_assert_eq!(topic::validate_topic_filter(each), Ok(()));
                    }
                }
                _ => {}
            }
        }
    }
}
