//! Malformed packets of MQTT 3.1 and 3.1.1. The reason codes are what an MQTT 5.0 broker would log; those versions close
//! the connection without one. Rule numbers are those of MQTT 3.1.1.

use super::super::topic::TopicError;
use super::super::{DecodeError as E, Version, connect_version, decode};
use super::{Malformed, assert_refused, field, frame, malformed};

/// A CONNECT of MQTT 3.1.1.
fn connect(flags: u8, rest: &[&[u8]]) -> Vec<u8> {
    let rest = rest.concat();
    frame(0x10, &[&field(b"MQTT"), &[4, flags, 0, 60], &rest])
}

fn connects() -> Vec<Malformed> {
    let id = field(b"id");
    vec![
        malformed("[MQTT-3.1.2-3] reserved flag", connect(0x03, &[&id]), E::ConnectFlags, 0x81),
        malformed("[MQTT-3.1.2-13] will qos without will", connect(0x0a, &[&id]), E::WillFlags, 0x81),
        malformed("[MQTT-3.1.2-15] will retain without will", connect(0x22, &[&id]), E::WillFlags, 0x81),
        malformed(
            "[MQTT-3.1.2-14] will qos 3",
            connect(0x1e, &[&id, &field(b"w"), &field(b"")]),
            E::Qos,
            0x81,
        ),
        malformed(
            "[MQTT-3.1.2-22] password without user name",
            connect(0x42, &[&id, &field(b"p")]),
            E::PasswordWithoutUsername,
            0x81,
        ),
        malformed("[MQTT-3.1.2-19] user name missing", connect(0x82, &[&id]), E::Truncated, 0x81),
        malformed(
            "[MQTT-3.1.2-21] password missing",
            connect(0xc2, &[&id, &field(b"u")]),
            E::Truncated,
            0x81,
        ),
        malformed("[MQTT-3.1.2-9] will missing", connect(0x06, &[&id]), E::Truncated, 0x81),
        malformed("[MQTT-3.1.3-3] client id missing", connect(0x02, &[]), E::Truncated, 0x81),
        malformed(
            "[MQTT-3.1.2-18] bytes behind the last field",
            connect(0x02, &[&id, b"u"]),
            E::TrailingBytes,
            0x81,
        ),
        malformed(
            "[MQTT-3.1.3-8] no client id, no clean session",
            connect(0, &[&field(b"")]),
            E::ClientIdRequired,
            0x85,
        ),
    ]
}

fn connect_strings() -> Vec<Malformed> {
    let id = field(b"id");
    vec![
        malformed("[MQTT-3.1.3-4] client id not utf-8", connect(2, &[&field(b"\xff")]), E::Utf8, 0x81),
        malformed("[MQTT-1.5.3-2] client id with nul", connect(2, &[&field(b"a\0")]), E::NulCharacter, 0x81),
        malformed(
            "[MQTT-3.1.3-10] will topic not utf-8",
            connect(0x06, &[&id, &field(b"\xc0\x80"), &field(b"")]),
            E::Utf8,
            0x81,
        ),
        malformed(
            "[MQTT-4.7.1-1] will topic with wildcard",
            connect(0x06, &[&id, &field(b"a/#"), &field(b"")]),
            E::TopicName(TopicError::Wildcard),
            0x90,
        ),
        malformed(
            "[MQTT-4.7.3-1] will topic empty",
            connect(0x06, &[&id, &field(b""), &field(b"")]),
            E::TopicName(TopicError::Empty),
            0x90,
        ),
        malformed(
            "[MQTT-3.1.3-11] user name not utf-8",
            connect(0x82, &[&id, &field(b"\xed\xa0\x80")]),
            E::Utf8,
            0x81,
        ),
        malformed(
            "[MQTT-2.2.2-2] connect with header flags",
            frame(0x11, &[&field(b"MQTT"), &[4, 2, 0, 0], &id]),
            E::HeaderFlags,
            0x81,
        ),
    ]
}

fn protocols() -> Vec<Malformed> {
    let with = |name: &[u8], level: u8| frame(0x10, &[&field(name), &[level, 2, 0, 0], &field(b"id")]);
    vec![
        malformed("[MQTT-3.1.2-1] other protocol", with(b"HTTP", 4), E::ProtocolName, 0x84),
        malformed("[MQTT-3.1.2-1] other case", with(b"mqtt", 4), E::ProtocolName, 0x84),
        malformed("[MQTT-3.1.2-1] name not utf-8", with(b"\xff", 4), E::ProtocolName, 0x84),
        malformed("[MQTT-3.1.2-2] level 0", with(b"MQTT", 0), E::UnsupportedVersion(0), 0x84),
        malformed(
            "[MQTT-3.1.2-2] level 3 of the newer name",
            with(b"MQTT", 3),
            E::UnsupportedVersion(3),
            0x84,
        ),
        malformed(
            "[MQTT-3.1.2-2] level 4 of the older name",
            with(b"MQIsdp", 4),
            E::UnsupportedVersion(4),
            0x84,
        ),
        malformed("[MQTT-3.1.2-2] level 6", with(b"MQTT", 6), E::UnsupportedVersion(6), 0x84),
        malformed("[MQTT-3.1.2-2] bridge bit", with(b"MQTT", 0x84), E::UnsupportedVersion(0x84), 0x84),
    ]
}

fn publishes() -> Vec<Malformed> {
    let id1: &[u8] = &[0, 1];
    vec![
        malformed("[MQTT-3.3.1-4] qos 3", frame(0x36, &[&field(b"a"), id1]), E::Qos, 0x81),
        malformed("[MQTT-3.3.1-4] qos 3 with dup", frame(0x3e, &[&field(b"a"), id1]), E::Qos, 0x81),
        malformed("[MQTT-3.3.1-2] dup on qos 0", frame(0x38, &[&field(b"a")]), E::DupWithoutQos, 0x81),
        malformed("[MQTT-2.3.1-1] packet id 0", frame(0x32, &[&field(b"a"), &[0, 0]]), E::PacketIdZero, 0x82),
        malformed(
            "[MQTT-2.3.1-1] packet id 0, qos 2",
            frame(0x34, &[&field(b"a"), &[0, 0]]),
            E::PacketIdZero,
            0x82,
        ),
        malformed("[MQTT-2.3.1-1] packet id missing", frame(0x32, &[&field(b"a"), &[0]]), E::Truncated, 0x81),
        malformed("[MQTT-3.3.2-1] topic missing", frame(0x30, &[&[0]]), E::Truncated, 0x81),
        malformed(
            "[MQTT-3.3.2-1] topic longer than packet",
            frame(0x30, &[&[0, 5], b"abc"]),
            E::Truncated,
            0x81,
        ),
        malformed(
            "[MQTT-4.7.3-1] topic empty",
            frame(0x30, &[&field(b""), b"hi"]),
            E::TopicName(TopicError::Empty),
            0x90,
        ),
        malformed(
            "[MQTT-3.3.2-2] #",
            frame(0x30, &[&field(b"a/#")]),
            E::TopicName(TopicError::Wildcard),
            0x90,
        ),
        malformed(
            "[MQTT-3.3.2-2] + in a long topic",
            frame(0x30, &[&field(b"0123456789/012345+/x")]),
            E::TopicName(TopicError::Wildcard),
            0x90,
        ),
        malformed("[MQTT-4.7.3-2] nul", frame(0x30, &[&field(b"a\0b")]), E::NulCharacter, 0x81),
        malformed(
            "[MQTT-4.7.3-2] nul in a long topic",
            frame(0x30, &[&field(b"0123456789\0bcdef")]),
            E::NulCharacter,
            0x81,
        ),
        malformed("[MQTT-1.5.3-1] surrogate", frame(0x30, &[&field(b"\xed\xa0\x80")]), E::Utf8, 0x81),
        malformed("[MQTT-1.5.3-1] overlong character", frame(0x30, &[&field(b"a\xc0\xafb")]), E::Utf8, 0x81),
        malformed("[MQTT-1.5.3-1] cut character", frame(0x30, &[&field(b"caf\xc3")]), E::Utf8, 0x81),
        malformed(
            "[MQTT-1.5.3-1] beyond u+10ffff",
            frame(0x30, &[&field(b"\xf4\x90\x80\x80")]),
            E::Utf8,
            0x81,
        ),
        malformed("[MQTT-1.5.3-1] ill-formed with wildcard", frame(0x30, &[&field(b"\xff#")]), E::Utf8, 0x81),
    ]
}

fn acknowledgements() -> Vec<Malformed> {
    let mut table = Vec::new();
    for (first, wrong) in [(0x40, 0x42), (0x50, 0x51), (0x62, 0x60), (0x62, 0x6a), (0x70, 0x72)] {
        table.push(malformed("[MQTT-2.2.2-2] header flags", frame(wrong, &[&[0, 1]]), E::HeaderFlags, 0x81));
        table.push(malformed("[MQTT-2.3.1-1] packet id 0", frame(first, &[&[0, 0]]), E::PacketIdZero, 0x82));
        table.push(malformed("remaining length 1", frame(first, &[&[0]]), E::Truncated, 0x81));
        table.push(malformed("remaining length 3", frame(first, &[&[0, 1, 0]]), E::TrailingBytes, 0x81));
    }
    table
}

fn subscriptions() -> Vec<Malformed> {
    let id1: &[u8] = &[0, 1];
    let filter = |filter: &[u8]| frame(0x82, &[&[0, 1], &field(filter), &[0]]);
    let bad = |rule, text: &[u8], error| malformed(rule, filter(text), E::TopicFilter(error), 0x8f);
    vec![
        malformed("[MQTT-3.8.1-1] flags 0", frame(0x80, &[id1, &field(b"a"), &[0]]), E::HeaderFlags, 0x81),
        malformed("[MQTT-3.8.1-1] dup", frame(0x8a, &[id1, &field(b"a"), &[0]]), E::HeaderFlags, 0x81),
        malformed("[MQTT-3.8.3-3] no filter", frame(0x82, &[id1]), E::EmptyPayload, 0x82),
        malformed(
            "[MQTT-2.3.1-1] packet id 0",
            frame(0x82, &[&[0, 0], &field(b"a"), &[0]]),
            E::PacketIdZero,
            0x82,
        ),
        malformed("qos missing", frame(0x82, &[id1, &field(b"a")]), E::Truncated, 0x81),
        malformed(
            "second filter cut",
            frame(0x82, &[id1, &field(b"a"), &[0], &[0, 3], b"b"]),
            E::Truncated,
            0x81,
        ),
        malformed("[MQTT-3-8.3-4] qos 3", frame(0x82, &[id1, &field(b"a"), &[3]]), E::SubscriptionQos, 0x82),
        malformed(
            "[MQTT-3-8.3-4] reserved bit 2",
            frame(0x82, &[id1, &field(b"a"), &[4]]),
            E::SubscriptionOptions,
            0x81,
        ),
        malformed(
            "[MQTT-3-8.3-4] reserved bit 7",
            frame(0x82, &[id1, &field(b"a"), &[0x80]]),
            E::SubscriptionOptions,
            0x81,
        ),
        malformed("[MQTT-3.8.3-1] filter not utf-8", filter(b"a/\x80"), E::Utf8, 0x81),
        malformed("[MQTT-4.7.3-2] nul", filter(b"a/\0"), E::NulCharacter, 0x81),
        bad("[MQTT-4.7.3-1] empty filter", b"", TopicError::Empty),
        bad("[MQTT-4.7.1-2] # not last", b"a/#/b", TopicError::MultiLevelWildcard),
        bad("[MQTT-4.7.1-2] # in a level", b"a/b#", TopicError::MultiLevelWildcard),
        bad("[MQTT-4.7.1-2] ##", b"##", TopicError::MultiLevelWildcard),
        bad("[MQTT-4.7.1-3] + in a level", b"a/b+/c", TopicError::SingleLevelWildcard),
        bad("[MQTT-4.7.1-3] ++", b"++", TopicError::SingleLevelWildcard),
        malformed("[MQTT-3.10.1-1] flags", frame(0xa0, &[id1, &field(b"a")]), E::HeaderFlags, 0x81),
        malformed("[MQTT-3.10.3-2] no filter", frame(0xa2, &[id1]), E::EmptyPayload, 0x82),
        malformed("[MQTT-3.10.3-1] not utf-8", frame(0xa2, &[id1, &field(b"\xfe")]), E::Utf8, 0x81),
        malformed("[MQTT-2.3.1-1] packet id 0", frame(0xa2, &[&[0, 0], &field(b"a")]), E::PacketIdZero, 0x82),
        malformed(
            "[MQTT-4.7.1-2] unsubscribe",
            frame(0xa2, &[id1, &field(b"a#")]),
            E::TopicFilter(TopicError::MultiLevelWildcard),
            0x8f,
        ),
    ]
}

fn rest() -> Vec<Malformed> {
    vec![
        malformed("packet type 0", frame(0x00, &[]), E::PacketType(0), 0x81),
        malformed("packet type 15 is reserved", frame(0xf0, &[]), E::PacketType(15), 0x81),
        malformed("[MQTT-2.2.2-2] pingreq flags", frame(0xc1, &[]), E::HeaderFlags, 0x81),
        malformed("pingreq with body", frame(0xc0, &[&[0]]), E::TrailingBytes, 0x81),
        malformed("[MQTT-2.2.2-2] pingresp flags", frame(0xd8, &[]), E::HeaderFlags, 0x81),
        malformed("pingresp with body", frame(0xd0, &[&[0]]), E::TrailingBytes, 0x81),
        malformed("[MQTT-3.14.1-1] disconnect flags", frame(0xe2, &[]), E::HeaderFlags, 0x81),
        malformed("disconnect with body", frame(0xe0, &[&[0]]), E::TrailingBytes, 0x81),
        malformed("connack flags", frame(0x20, &[&[2, 0]]), E::ConnAckFlags, 0x82),
        malformed(
            "[MQTT-3.2.2-4] session present on refusal",
            frame(0x20, &[&[1, 5]]),
            E::ConnAckFlags,
            0x82,
        ),
        malformed("connack code 6 is reserved", frame(0x20, &[&[0, 6]]), E::ReasonCode(6), 0x82),
        malformed("connack with more", frame(0x20, &[&[0, 0, 0]]), E::TrailingBytes, 0x81),
        malformed("[MQTT-3.9.3-2] suback code 3", frame(0x90, &[&[0, 1, 3]]), E::ReasonCode(3), 0x82),
        malformed("suback without code", frame(0x90, &[&[0, 1]]), E::EmptyPayload, 0x82),
        malformed("unsuback with payload", frame(0xb0, &[&[0, 1, 0]]), E::TrailingBytes, 0x81),
    ]
}

#[test]
fn every_malformed_packet_of_mqtt_3_1_1_is_refused() {
    for table in
        [connects(), connect_strings(), protocols(), publishes(), acknowledgements(), subscriptions(), rest()]
    {
        assert_refused(Version::V311, &table);
    }
}

#[test]
fn mqtt_3_1_refuses_the_same_but_for_what_it_leaves_open() {
    assert_refused(Version::V31, &publishes());
    assert_refused(Version::V31, &rest());
    // MQTT 3.1 repeats these three with DUP.
    for first in [0x6a, 0x8a, 0xaa] {
        let body: &[u8] = if first == 0x6a { &[0, 1] } else { &[0, 1, 0, 1, b'a', 0] };
        let frame = frame(first, &[if first == 0xaa { &body[..5] } else { body }]);
        assert!(decode(&frame, Version::V31).is_ok(), "{frame:02x?}");
        assert_eq!(decode(&frame, Version::V311), Err(E::HeaderFlags));
    }
    let connect = |flags: u8, rest: &[u8]| frame(0x10, &[&field(b"MQIsdp"), &[3, flags, 0, 0], rest]);
    let id = field(b"id");
    assert_refused(
        Version::V5,
        &[
            malformed("client id empty", connect(2, &field(b"")), E::ClientIdRequired, 0x85),
            malformed(
                "password alone",
                connect(0x42, &[id.clone(), id.clone()].concat()),
                E::PasswordWithoutUsername,
                0x81,
            ),
            malformed("bytes behind", connect(2, &[id.clone(), id.clone()].concat()), E::TrailingBytes, 0x81),
        ],
    );
    assert!(decode(&connect(0x2b, &id), Version::V5).is_ok(), "bits that MQTT 3.1 does not use");
}

#[test]
fn a_client_id_needs_no_characters_with_a_clean_session() {
    assert!(decode(&connect(2, &[&field(b"")]), Version::V311).is_ok());
}

#[test]
fn the_version_of_a_broken_connect_is_known_for_the_refusal() {
    for case in connects().into_iter().chain(connect_strings()) {
        assert_eq!(connect_version(&case.frame), Some(Version::V311), "{}", case.rule);
    }
    for case in protocols() {
        assert_eq!(connect_version(&case.frame), None, "{}", case.rule);
    }
    assert_eq!(connect_version(&frame(0xc0, &[])), None);
    assert_eq!(connect_version(&[0x10]), None);
}

#[test]
fn a_padded_remaining_length_is_no_fault_before_mqtt_5() {
    assert!(decode(&[0xc0, 0x80, 0x00], Version::V311).is_ok());
    assert_eq!(decode(&[0xc0, 0x80, 0x00], Version::V5), Err(E::IntegerNotMinimal));
}
