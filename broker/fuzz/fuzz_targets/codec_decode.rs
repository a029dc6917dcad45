//! Arbitrary bytes as a packet of each version: decoding never panics, and what decodes encodes to something that decodes
//! to the same packet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moat_mqtt::codec::{
    Packet, PropertyIter, Version, connect_version, decode, decode_from_client, decode_publish, encode,
    frame_len, topic,
};

const MAX_PACKET: u32 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let _ = connect_version(bytes);
    for version in [Version::V31, Version::V311, Version::V5] {
        // As they come: mostly of a wrong length.
        check(bytes, version);
        // As a broker cuts them from a stream.
        let mut rest = bytes;
        while let Ok(Some(length)) = frame_len(rest, MAX_PACKET) {
            let Some((frame, behind)) = rest.split_at_checked(length) else { break };
            check(frame, version);
            rest = behind;
        }
    }
    // With a true length, so that every input reaches the fields.
    if let Some((&first, body)) = bytes.split_first()
        && body.len() < 0x80
    {
        let frame = [&[first, body.len() as u8], body].concat();
        for version in [Version::V31, Version::V311, Version::V5] {
            check(&frame, version);
        }
    }
});

fn check(frame: &[u8], version: Version) {
    let decoded = decode(frame, version);
    if let Ok(client) = decode_from_client(frame, version) {
        assert_eq!(decoded.as_ref(), Ok(&client));
    }
    let publish = decode_publish(frame, version);
    let Ok(packet) = decoded else {
        assert!(publish.is_err());
        return;
    };
    if let Packet::Publish(expected) = &packet {
        assert_eq!(publish.as_ref(), Ok(expected));
    }
    check_parts(&packet);

    let mut encoded = Vec::new();
    encode(&mut encoded, version, &packet).expect("what was decoded can be encoded");
    assert_eq!(frame_len(&encoded, u32::MAX), Ok(Some(encoded.len())));
    let again = decode(&encoded, version).expect("what was encoded can be decoded");
    assert_eq!(again, packet);
    let mut twice = Vec::new();
    encode(&mut twice, version, &again).expect("what was decoded can be encoded");
    assert_eq!(twice, encoded);
}

/// What a session reads from a packet holds what the codec promised.
fn check_parts(packet: &Packet<'_>) {
    match packet {
        Packet::Publish(publish) => {
            assert!(publish.topic.is_empty() || topic::validate_topic_name(publish.topic).is_ok());
            assert!(!publish.topic.is_empty() || publish.properties.topic_alias.is_some());
            let mut forwarded = Vec::new();
            publish.properties.append_forwardable(&mut forwarded);
            let kept = PropertyIter::new(&forwarded).count();
            assert_eq!(publish.properties.forward_is_raw, kept == publish.properties.iter().count());
        }
        Packet::Connect(connect) => {
            if let Some(will) = &connect.will {
                assert_eq!(topic::validate_topic_name(will.topic), Ok(()));
            }
        }
        Packet::Subscribe(subscribe) => {
            assert_eq!(subscribe.filters().count(), subscribe.filter_count());
            for each in subscribe.filters() {
                assert_eq!(topic::split_share(each.full), Ok((each.share, each.filter)));
            }
        }
        Packet::Unsubscribe(unsubscribe) => {
            assert_eq!(unsubscribe.filters().count(), unsubscribe.filter_count());
            for each in unsubscribe.filters() {
                assert_eq!(topic::validate_topic_filter(each), Ok(()));
            }
        }
        _ => {}
    }
}
