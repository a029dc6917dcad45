//! Malformed packets of MQTT 5.0, each with the reason code that the specification gives for it.

use super::super::topic::TopicError;
use super::super::{DecodeError as E, Version, decode, decode_from_client, decode_publish_from_client};
use super::{Malformed, assert_refused, field, frame, malformed, properties};

fn connect(flags: u8, props: &[u8], rest: &[&[u8]]) -> Vec<u8> {
    frame(0x10, &[&field(b"MQTT"), &[5, flags, 0, 60], &properties(&[props]), &rest.concat()])
}

fn publish(topic: &[u8], props: &[u8]) -> Vec<u8> {
    frame(0x30, &[&field(topic), &properties(&[props]), b"hi"])
}

fn subscribe(props: &[u8], filter: &[u8], options: u8) -> Vec<u8> {
    frame(0x82, &[&[0, 1], &properties(&[props]), &field(filter), &[options]])
}

fn connects() -> Vec<Malformed> {
    let id = field(b"id");
    vec![
        malformed("[MQTT-3.1.2-3] reserved flag", connect(1, &[], &[&id]), E::ConnectFlags, 0x81),
        malformed("[MQTT-3.1.2-11] will qos without will", connect(0x0a, &[], &[&id]), E::WillFlags, 0x81),
        malformed("[MQTT-3.1.2-13] will retain without will", connect(0x22, &[], &[&id]), E::WillFlags, 0x81),
        malformed("[MQTT-3.1.2-12] will qos 3", connect(0x1e, &[], &[&id]), E::Qos, 0x81),
        malformed("[MQTT-3.1.2-17] user name missing", connect(0x82, &[], &[&id]), E::Truncated, 0x81),
        malformed("[MQTT-3.1.2-19] password missing", connect(0x42, &[], &[&id]), E::Truncated, 0x81),
        malformed(
            "[MQTT-3.1.2-16] bytes behind the last field",
            connect(2, &[], &[&id, &[0]]),
            E::TrailingBytes,
            0x81,
        ),
        malformed("[MQTT-3.1.3-4] client id not utf-8", connect(2, &[], &[&field(b"\xff")]), E::Utf8, 0x81),
        malformed(
            "[MQTT-3.1.3-12] user name with nul",
            connect(0x82, &[], &[&id, &field(b"\0")]),
            E::NulCharacter,
            0x81,
        ),
        malformed(
            "[MQTT-3.1.3-11] will topic not utf-8",
            connect(6, &[], &[&id, &[0], &field(b"\xff"), &field(b"")]),
            E::Utf8,
            0x81,
        ),
        malformed(
            "[MQTT-4.7.0-1] will topic with wildcard",
            connect(6, &[], &[&id, &[0], &field(b"+"), &field(b"")]),
            E::TopicName(TopicError::Wildcard),
            0x90,
        ),
        malformed(
            "property length beyond the packet",
            frame(0x10, &[&field(b"MQTT"), &[5, 2, 0, 0, 0x7f]]),
            E::Truncated,
            0x81,
        ),
    ]
}

fn connect_properties() -> Vec<Malformed> {
    let with =
        |rule, props: &[u8], error, code| malformed(rule, connect(2, props, &[&field(b"id")]), error, code);
    let will = |rule, props: &[u8], error, code| {
        let will = [field(b"id"), properties(&[props]), field(b"w"), field(b"x")].concat();
        malformed(rule, connect(6, &[], &[&will]), error, code)
    };
    vec![
        with("receive maximum 0", &[0x21, 0, 0], E::PropertyValue(0x21), 0x82),
        with("receive maximum twice", &[0x21, 0, 1, 0x21, 0, 1], E::PropertyRepeated(0x21), 0x82),
        with("maximum packet size 0", &[0x27, 0, 0, 0, 0], E::PropertyValue(0x27), 0x82),
        with("request problem information 2", &[0x17, 2], E::PropertyValue(0x17), 0x82),
        with("request response information 255", &[0x19, 255], E::PropertyValue(0x19), 0x82),
        with("session expiry twice", &[0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1], E::PropertyRepeated(0x11), 0x82),
        with("session expiry cut", &[0x11, 0, 0, 0], E::Truncated, 0x81),
        with("topic alias maximum twice", &[0x22, 0, 1, 0x22, 0, 1], E::PropertyRepeated(0x22), 0x82),
        with("topic alias is not for connect", &[0x23, 0, 1], E::PropertyNotAllowed(0x23), 0x81),
        with("will delay is not for connect", &[0x18, 0, 0, 0, 1], E::PropertyNotAllowed(0x18), 0x81),
        with("unknown property", &[0x7f], E::PropertyNotAllowed(0x7f), 0x81),
        with("property 0", &[0x00], E::PropertyNotAllowed(0), 0x81),
        with("padded property identifier", &[0x91, 0x00, 0, 0, 0, 1], E::PropertyNotAllowed(0x91), 0x81),
        with("authentication data without method", &[0x16, 0, 1, 7], E::AuthMethodMissing, 0x82),
        with(
            "authentication method twice",
            &[0x15, 0, 1, b'a', 0x15, 0, 1, b'a'],
            E::PropertyRepeated(0x15),
            0x82,
        ),
        with("[MQTT-1.5.7-1] user property name", &[0x26, 0, 1, 0xff, 0, 1, b'v'], E::Utf8, 0x81),
        with("[MQTT-1.5.7-1] user property value", &[0x26, 0, 1, b'k', 0, 1, 0], E::NulCharacter, 0x81),
        will("will delay twice", &[0x18, 0, 0, 0, 1, 0x18, 0, 0, 0, 1], E::PropertyRepeated(0x18), 0x82),
        will("will payload format 2", &[0x01, 2], E::PropertyValue(1), 0x82),
        will("session expiry is not for a will", &[0x11, 0, 0, 0, 1], E::PropertyNotAllowed(0x11), 0x81),
        will("topic alias is not for a will", &[0x23, 0, 1], E::PropertyNotAllowed(0x23), 0x81),
        will("will response topic", &[8, 0, 1, b'#'], E::TopicName(TopicError::Wildcard), 0x90),
    ]
}

fn publishes() -> Vec<Malformed> {
    vec![
        malformed("[MQTT-3.3.1-4] qos 3", frame(0x36, &[&field(b"a"), &[0, 1, 0]]), E::Qos, 0x81),
        malformed("[MQTT-3.3.1-2] dup on qos 0", frame(0x38, &[&field(b"a"), &[0]]), E::DupWithoutQos, 0x81),
        malformed(
            "[MQTT-2.2.1-3] packet id 0",
            frame(0x32, &[&field(b"a"), &[0, 0, 0]]),
            E::PacketIdZero,
            0x82,
        ),
        malformed("[MQTT-2.2.2-1] no property length", frame(0x30, &[&field(b"a")]), E::Truncated, 0x81),
        malformed("[MQTT-3.3.2-2] wildcard", publish(b"a/+", &[]), E::TopicName(TopicError::Wildcard), 0x90),
        malformed("[MQTT-1.5.4-1] surrogate", publish(b"\xed\xbf\xbf", &[]), E::Utf8, 0x81),
        malformed("[MQTT-1.5.4-2] nul", publish(b"\0", &[]), E::NulCharacter, 0x81),
        malformed("neither topic nor alias", publish(b"", &[]), E::TopicMissing, 0x82),
        malformed("neither, with properties", publish(b"", &[0x01, 1]), E::TopicMissing, 0x82),
        malformed(
            "[MQTT-1.5.5-1] padded property length",
            frame(0x30, &[&field(b"a"), &[0x80, 0x00]]),
            E::IntegerNotMinimal,
            0x81,
        ),
        malformed(
            "[MQTT-1.5.5-1] padded remaining length",
            vec![0x30, 0x84, 0x00, 0, 1, b'a', 0],
            E::IntegerNotMinimal,
            0x81,
        ),
    ]
}

fn publish_properties() -> Vec<Malformed> {
    let with = |rule, props: &[u8], error, code| malformed(rule, publish(b"a", props), error, code);
    let repeated = |rule, property: &[u8]| {
        malformed(rule, publish(b"a", &[property, property].concat()), E::PropertyRepeated(property[0]), 0x82)
    };
    let foreign = |rule, property: &[u8]| {
        malformed(rule, publish(b"a", property), E::PropertyNotAllowed(property[0]), 0x81)
    };
    vec![
        with("[MQTT-3.3.2-8] topic alias 0", &[0x23, 0, 0], E::TopicAliasZero, 0x94),
        with("payload format 2", &[0x01, 2], E::PropertyValue(1), 0x82),
        with("subscription identifier 0", &[0x0b, 0], E::PropertyValue(0x0b), 0x82),
        with("[MQTT-1.5.5-1] padded subscription identifier", &[0x0b, 0x81, 0], E::IntegerNotMinimal, 0x81),
        with(
            "subscription identifier of five bytes",
            &[0x0b, 0xff, 0xff, 0xff, 0xff, 1],
            E::IntegerTooLong,
            0x81,
        ),
        with(
            "[MQTT-3.3.2-14] wildcard in response topic",
            &[8, 0, 1, b'+'],
            E::TopicName(TopicError::Wildcard),
            0x90,
        ),
        with("[MQTT-4.7.3-1] empty response topic", &[8, 0, 0], E::TopicName(TopicError::Empty), 0x90),
        with("[MQTT-3.3.2-13] response topic not utf-8", &[8, 0, 1, 0xff], E::Utf8, 0x81),
        with("[MQTT-3.3.2-19] content type not utf-8", &[3, 0, 1, 0xff], E::Utf8, 0x81),
        with("property cut in its value", &[0x02, 0, 0], E::Truncated, 0x81),
        with("property cut behind its identifier", &[0x26], E::Truncated, 0x81),
        repeated("payload format twice", &[0x01, 0]),
        repeated("message expiry twice", &[0x02, 0, 0, 0, 1]),
        repeated("topic alias twice", &[0x23, 0, 1]),
        repeated("response topic twice", &[0x08, 0, 1, b'a']),
        repeated("correlation data twice", &[0x09, 0, 0]),
        repeated("content type twice", &[0x03, 0, 0]),
        foreign("session expiry is not for publish", &[0x11, 0, 0, 0, 1]),
        foreign("reason string is not for publish", &[0x1f, 0, 0]),
        foreign("will delay is not for publish", &[0x18, 0, 0, 0, 1]),
        foreign("receive maximum is not for publish", &[0x21, 0, 1]),
    ]
}

fn acknowledgements() -> Vec<Malformed> {
    let mut table = Vec::new();
    for (first, wrong_code) in [(0x40, 0x01), (0x50, 0x92), (0x62, 0x10), (0x70, 0x80)] {
        let ack = |tail: &[u8]| frame(first, &[&[0, 1], tail]);
        let bad = |rule, tail: &[u8], error, code| malformed(rule, ack(tail), error, code);
        table.extend([
            malformed("[MQTT-2.1.3-1] flags", frame(first ^ 0x02, &[&[0, 1]]), E::HeaderFlags, 0x81),
            malformed("[MQTT-2.2.1-5] packet id 0", frame(first, &[&[0, 0]]), E::PacketIdZero, 0x82),
            malformed("packet id cut", frame(first, &[&[1]]), E::Truncated, 0x81),
            bad("[MQTT-3.4.2-1] reason code", &[wrong_code], E::ReasonCode(wrong_code), 0x82),
            bad("unknown reason code", &[0xff], E::ReasonCode(0xff), 0x82),
            bad("reason string twice", &[0, 6, 0x1f, 0, 0, 0x1f, 0, 0], E::PropertyRepeated(0x1f), 0x82),
            bad("property not allowed", &[0, 2, 0x01, 0], E::PropertyNotAllowed(1), 0x81),
            bad("property length beyond", &[0, 1], E::Truncated, 0x81),
            bad("bytes behind the properties", &[0, 0, 0], E::TrailingBytes, 0x81),
        ]);
    }
    table
}

fn subscriptions() -> Vec<Malformed> {
    vec![
        malformed(
            "[MQTT-3.8.1-1] flags",
            frame(0x80, &[&[0, 1, 0], &field(b"a"), &[0]]),
            E::HeaderFlags,
            0x81,
        ),
        malformed(
            "[MQTT-2.2.1-3] packet id 0",
            frame(0x82, &[&[0, 0, 0], &field(b"a"), &[0]]),
            E::PacketIdZero,
            0x82,
        ),
        malformed("[MQTT-3.8.3-2] no filter", frame(0x82, &[&[0, 1, 0]]), E::EmptyPayload, 0x82),
        malformed("options missing", frame(0x82, &[&[0, 1, 0], &field(b"a")]), E::Truncated, 0x81),
        malformed("[MQTT-3.8.3-5] bit 6", subscribe(&[], b"a", 0x40), E::SubscriptionOptions, 0x81),
        malformed("[MQTT-3.8.3-5] bit 7", subscribe(&[], b"a", 0x80), E::SubscriptionOptions, 0x81),
        malformed("retain handling 3", subscribe(&[], b"a", 0x30), E::RetainHandling, 0x82),
        malformed("qos 3", subscribe(&[], b"a", 0x03), E::SubscriptionQos, 0x82),
        malformed(
            "[MQTT-3.8.3-4] no local on shared",
            subscribe(&[], b"$share/g/a", 4),
            E::NoLocalShared,
            0x82,
        ),
        malformed("subscription identifier 0", subscribe(&[0x0b, 0], b"a", 0), E::PropertyValue(0x0b), 0x82),
        malformed(
            "identifier twice",
            subscribe(&[0x0b, 1, 0x0b, 2], b"a", 0),
            E::PropertyRepeated(0x0b),
            0x82,
        ),
        malformed(
            "reason string is not for subscribe",
            subscribe(&[0x1f, 0, 0], b"a", 0),
            E::PropertyNotAllowed(0x1f),
            0x81,
        ),
        malformed("[MQTT-3.8.3-1] filter not utf-8", subscribe(&[], b"\xc3", 0), E::Utf8, 0x81),
        malformed("[MQTT-4.7.3-2] nul", subscribe(&[], b"a\0", 0), E::NulCharacter, 0x81),
    ]
}

fn filters() -> Vec<Malformed> {
    let share =
        |rule, filter: &[u8], error| malformed(rule, subscribe(&[], filter, 0), E::TopicFilter(error), 0x8f);
    let unsubscribe = |props: &[u8], rest: &[u8]| frame(0xa2, &[&[0, 1], &properties(&[props]), rest]);
    vec![
        share("[MQTT-4.7.3-1] empty", b"", TopicError::Empty),
        share("[MQTT-4.7.1-1] # not last", b"#/a", TopicError::MultiLevelWildcard),
        share("[MQTT-4.7.1-2] + in a level", b"a+", TopicError::SingleLevelWildcard),
        share("[MQTT-4.8.2-1] no share name", b"$share//a", TopicError::ShareName),
        share("[MQTT-4.8.2-2] wildcard in share name", b"$share/+/a", TopicError::ShareName),
        share("[MQTT-4.8.2-2] wildcard in share name", b"$share/g#/a", TopicError::ShareName),
        share("[MQTT-4.8.2-2] no slash behind share name", b"$share/g", TopicError::ShareFilter),
        share("[MQTT-4.8.2-2] no filter behind share name", b"$share/g/", TopicError::ShareFilter),
        share("[MQTT-4.7.1-1] shared filter", b"$share/g/a#", TopicError::MultiLevelWildcard),
        malformed("[MQTT-3.10.3-2] no filter", unsubscribe(&[], &[]), E::EmptyPayload, 0x82),
        malformed(
            "unsubscribe property",
            unsubscribe(&[0x0b, 1], &field(b"a")),
            E::PropertyNotAllowed(0x0b),
            0x81,
        ),
        malformed("[MQTT-3.10.3-1] not utf-8", unsubscribe(&[], &field(b"\xff")), E::Utf8, 0x81),
        malformed(
            "[MQTT-4.8.2-1] unsubscribe",
            unsubscribe(&[], &field(b"$share//a")),
            E::TopicFilter(TopicError::ShareName),
            0x8f,
        ),
        malformed("[MQTT-3.10.1-1] flags", frame(0xa3, &[&[0, 1, 0], &field(b"a")]), E::HeaderFlags, 0x81),
    ]
}

fn endings() -> Vec<Malformed> {
    let disconnect = |rule, body: &[u8], error, code| malformed(rule, frame(0xe0, &[body]), error, code);
    let auth = |rule, body: &[u8], error, code| malformed(rule, frame(0xf0, &[body]), error, code);
    vec![
        malformed("[MQTT-3.14.1-1] flags", frame(0xe1, &[]), E::HeaderFlags, 0x81),
        disconnect("[MQTT-3.14.2-1] reason code", &[0x01], E::ReasonCode(1), 0x82),
        disconnect(
            "session expiry twice",
            &[0, 10, 0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1],
            E::PropertyRepeated(0x11),
            0x82,
        ),
        disconnect(
            "receive maximum is not for disconnect",
            &[0, 3, 0x21, 0, 1],
            E::PropertyNotAllowed(0x21),
            0x81,
        ),
        disconnect("bytes behind the properties", &[0, 0, 0], E::TrailingBytes, 0x81),
        malformed("[MQTT-3.15.1-1] flags", frame(0xf2, &[]), E::HeaderFlags, 0x81),
        auth("[MQTT-3.15.2-1] reason code", &[0x01, 0], E::ReasonCode(1), 0x82),
        auth("no property length", &[0x18], E::Truncated, 0x81),
        auth("no method", &[0x18, 0], E::AuthMethodMissing, 0x82),
        auth("data without method", &[0x18, 4, 0x16, 0, 1, 1], E::AuthMethodMissing, 0x82),
        auth("method twice", &[0x18, 6, 0x15, 0, 0, 0x15, 0, 0], E::PropertyRepeated(0x15), 0x82),
        auth("user name is not for auth", &[0x18, 2, 0x17, 0], E::PropertyNotAllowed(0x17), 0x81),
        malformed("pingreq with body", frame(0xc0, &[&[0]]), E::TrailingBytes, 0x81),
        malformed("[MQTT-2.1.3-1] pingreq flags", frame(0xc2, &[]), E::HeaderFlags, 0x81),
    ]
}

fn answers() -> Vec<Malformed> {
    let connack = |rule, head: [u8; 2], props: &[u8], error, code| {
        malformed(rule, frame(0x20, &[&head, &properties(&[props])]), error, code)
    };
    vec![
        connack("[MQTT-3.2.2-1] flags", [2, 0], &[], E::ConnAckFlags, 0x82),
        connack("[MQTT-3.2.2-6] session present on refusal", [1, 0x87], &[], E::ConnAckFlags, 0x82),
        connack("[MQTT-3.2.2-8] reason code", [0, 0x01], &[], E::ReasonCode(1), 0x82),
        connack("maximum qos 2", [0, 0], &[0x24, 2], E::PropertyValue(0x24), 0x82),
        connack("retain available 2", [0, 0], &[0x25, 2], E::PropertyValue(0x25), 0x82),
        connack("wildcard available 2", [0, 0], &[0x28, 2], E::PropertyValue(0x28), 0x82),
        connack("identifiers available 2", [0, 0], &[0x29, 2], E::PropertyValue(0x29), 0x82),
        connack("shared available 2", [0, 0], &[0x2a, 2], E::PropertyValue(0x2a), 0x82),
        connack("receive maximum 0", [0, 0], &[0x21, 0, 0], E::PropertyValue(0x21), 0x82),
        connack(
            "server keep alive twice",
            [0, 0],
            &[0x13, 0, 1, 0x13, 0, 1],
            E::PropertyRepeated(0x13),
            0x82,
        ),
        connack(
            "will delay is not for connack",
            [0, 0],
            &[0x18, 0, 0, 0, 1],
            E::PropertyNotAllowed(0x18),
            0x81,
        ),
        connack("authentication data without method", [0, 0], &[0x16, 0, 0], E::AuthMethodMissing, 0x82),
        malformed("connack without properties", frame(0x20, &[&[0, 0]]), E::Truncated, 0x81),
        malformed("[MQTT-3.9.3-2] suback code", frame(0x90, &[&[0, 1, 0, 0x03]]), E::ReasonCode(3), 0x82),
        malformed("suback without code", frame(0x90, &[&[0, 1, 0]]), E::EmptyPayload, 0x82),
        malformed(
            "[MQTT-3.11.3-2] unsuback code",
            frame(0xb0, &[&[0, 1, 0, 0x97]]),
            E::ReasonCode(0x97),
            0x82,
        ),
        malformed("unsuback without code", frame(0xb0, &[&[0, 1, 0]]), E::EmptyPayload, 0x82),
    ]
}

#[test]
fn every_malformed_packet_of_mqtt_5_is_refused() {
    let publishes = [publishes(), publish_properties()].concat();
    let subscriptions = [subscriptions(), filters()].concat();
    for table in
        [connects(), connect_properties(), publishes, acknowledgements(), subscriptions, endings(), answers()]
    {
        assert_refused(Version::V5, &table);
    }
}

#[test]
fn a_password_without_a_user_name_is_allowed_in_mqtt_5() {
    assert!(decode(&connect(0x42, &[], &[&field(b"id"), &field(b"p")]), Version::V5).is_ok());
}

#[test]
fn what_only_a_server_may_send_is_refused_from_a_client() {
    let table = [
        malformed("[MQTT-3.3.4-6]", publish(b"a", &[0x0b, 1]), E::SubscriptionIdentifierFromClient, 0x82),
        malformed("connack", frame(0x20, &[&[0, 0, 0]]), E::UnexpectedPacket(2), 0x82),
        malformed("suback", frame(0x90, &[&[0, 1, 0, 0]]), E::UnexpectedPacket(9), 0x82),
        malformed("unsuback", frame(0xb0, &[&[0, 1, 0, 0]]), E::UnexpectedPacket(11), 0x82),
        malformed("pingresp", frame(0xd0, &[]), E::UnexpectedPacket(13), 0x82),
        malformed("disconnect: server shutting down", frame(0xe0, &[&[0x8b]]), E::ReasonCode(0x8b), 0x82),
        malformed(
            "disconnect: reference",
            frame(0xe0, &[&[0, 3, 0x1c, 0, 0]]),
            E::PropertyNotAllowed(0x1c),
            0x81,
        ),
        malformed("auth: success", frame(0xf0, &[]), E::ReasonCode(0), 0x82),
    ];
    for Malformed { rule, frame, error, reason_code } in table {
        assert!(decode(&frame, Version::V5).is_ok(), "{rule}");
        assert_eq!(decode_from_client(&frame, Version::V5).err(), Some(error), "{rule}");
        assert_eq!(error.reason_code(), reason_code, "{rule}");
    }
    let frame = publish(b"a", &[0x0b, 1]);
    assert_eq!(decode_publish_from_client(&frame, Version::V5), Err(E::SubscriptionIdentifierFromClient));
}
