//! What decoded packets say, and what encoders write.

use core::num::NonZeroU32;

use super::super::*;
use super::{field, frame, properties};

fn publish_of(bytes: &[u8]) -> Publish<'_> {
    decode_publish(bytes, Version::V5).expect("a valid publish")
}

#[test]
fn a_publish_shows_its_parts() {
    let props = properties(&[&[0x01, 1, 0x02, 0, 0, 1, 0, 0x23, 0, 7], &[0x26], &field(b"k"), &field(b"v")]);
    let bytes = frame(0x3d, &[&field("é/b".as_bytes()), &[1, 2], &props, b"hi"]);
    let publish = publish_of(&bytes);
    assert!(publish.dup && publish.retain);
    assert_eq!((publish.qos, publish.topic, publish.packet_id), (QoS::ExactlyOnce, "é/b", 258));
    assert_eq!(publish.payload, b"hi");
    assert_eq!(publish.properties.topic_alias, Some(7));
    assert_eq!(publish.properties.message_expiry, Some(256));
    assert_eq!(
        publish.properties.iter().collect::<Vec<_>>(),
        [
            Property::PayloadFormat(true),
            Property::MessageExpiry(256),
            Property::TopicAlias(7),
            Property::User("k", "v")
        ]
    );
}

#[test]
fn only_the_properties_of_the_message_are_forwarded_and_in_their_order() {
    let kept: &[&[u8]] =
        &[&[0x26, 0, 1, b'b', 0, 0], &[0x01, 1], &[0x26, 0, 1, b'a', 0, 0], &[0x09, 0, 1, 9]];
    let props = properties(&[
        kept[0],
        &[0x23, 0, 7],
        kept[1],
        &[0x0b, 5],
        &[0x0b, 0x80, 1],
        kept[2],
        &[0x02, 0, 0, 0, 1],
        kept[3],
    ]);
    let bytes = frame(0x30, &[&field(b"a"), &props]);
    let publish = publish_of(&bytes);
    assert!(!publish.properties.forward_is_raw && publish.properties.has_subscription_identifier);
    let mut forwarded = Vec::new();
    publish.properties.append_forwardable(&mut forwarded);
    assert_eq!(forwarded, kept.concat());

    let bytes = frame(0x30, &[&field(b"a"), &properties(kept)]);
    let publish = publish_of(&bytes);
    assert!(publish.properties.forward_is_raw);
    forwarded.clear();
    publish.properties.append_forwardable(&mut forwarded);
    assert_eq!(forwarded, publish.properties.raw);
}

#[test]
fn a_byte_order_mark_stays_in_a_string() {
    // [MQTT-1.5.4-3]
    let bytes = frame(0x30, &[&field(b"\xef\xbb\xbfa"), &[0]]);
    assert_eq!(publish_of(&bytes).topic, "\u{feff}a");
}

#[test]
fn the_packet_identifier_of_an_encoded_publish_can_be_patched() {
    let identifiers = [NonZeroU32::MIN, NonZeroU32::new(268_435_455).expect("not 0")];
    let raw = [0x01, 1];
    for version in [Version::V31, Version::V311, Version::V5] {
        for payload in [&b""[..], &[7; 300]] {
            let publish = PublishOut {
                qos: QoS::AtLeastOnce,
                properties: &raw,
                message_expiry: Some(30),
                subscription_identifiers: &identifiers,
                ..PublishOut::new("a/b", payload)
            };
            let mut out = b"before".to_vec();
            let at = encode_publish(&mut out, version, &publish).expect("short").expect("qos 1 has one");
            assert_eq!(out.len() - 6, publish.encoded_len(version));
            out[at..at + 2].copy_from_slice(&513u16.to_be_bytes());
            let decoded = decode_publish(&out[6..], version).expect("what was encoded");
            assert_eq!((decoded.packet_id, decoded.topic, decoded.payload), (513, "a/b", payload));
            let expected: &[Property<'_>] = &[
                Property::MessageExpiry(30),
                Property::SubscriptionIdentifier(identifiers[0]),
                Property::SubscriptionIdentifier(identifiers[1]),
                Property::PayloadFormat(true),
            ];
            let expected = if version.is_v5() { expected } else { &[] };
            assert_eq!(decoded.properties.iter().collect::<Vec<_>>(), expected);
        }
    }
    let mut out = Vec::new();
    assert_eq!(encode_publish(&mut out, Version::V5, &PublishOut::new("a", b"")), Ok(None));
}

#[test]
fn dup_is_never_sent_on_qos_0() {
    let mut out = Vec::new();
    let publish = PublishOut { dup: true, retain: true, ..PublishOut::new("a", b"") };
    encode_publish(&mut out, Version::V311, &publish).expect("short");
    assert_eq!(out, [0x31, 3, 0, 1, b'a']);
}

#[test]
fn what_is_too_long_is_refused_and_leaves_the_output_alone() {
    let long = "x".repeat(65_536);
    let mut out = vec![1, 2];
    let error = EncodeError::FieldTooLong(65_536);
    assert_eq!(encode_publish(&mut out, Version::V5, &PublishOut::new(&long, b"")), Err(error));
    let too_large = NonZeroU32::new(268_435_456).expect("not 0");
    let publish = PublishOut { subscription_identifiers: &[too_large], ..PublishOut::new("a", b"") };
    assert_eq!(
        encode_publish(&mut out, Version::V5, &publish),
        Err(EncodeError::IntegerTooLarge(268_435_456))
    );
    let disconnect = Disconnect { reason_string: Some(&long), ..Disconnect::new(0x80) };
    assert_eq!(encode_disconnect(&mut out, Version::V5, &disconnect), Err(error));
    let ack = Ack { reason_string: Some(&long), ..Ack::new(1, 0x80) };
    assert_eq!(encode_ack_full(&mut out, AckKind::PubAck, Version::V5, &ack), Err(error));
    let filters: &[&str] = &["fine", &long];
    let unsubscribe = UnsubscribeOut { packet_id: 1, user_properties: UserProperties::EMPTY, filters };
    assert_eq!(encode_unsubscribe(&mut out, Version::V311, &unsubscribe), Err(error));
    assert_eq!(encode_auth(&mut out, Version::V311, &Auth::default()), Err(EncodeError::NotInVersion));
    assert_eq!(append_user_property(&mut out, "name", &long), Err(error));
    assert_eq!(out, [1, 2]);
}

#[test]
fn packets_take_their_shortest_form() {
    let mut out = Vec::new();
    encode_ack(&mut out, AckKind::PubAck, Version::V5, 258, 0);
    encode_ack(&mut out, AckKind::PubRec, Version::V5, 1, reason::QUOTA_EXCEEDED);
    encode_ack(&mut out, AckKind::PubRel, Version::V311, 1, reason::PACKET_IDENTIFIER_NOT_FOUND);
    encode_ack(&mut out, AckKind::PubComp, Version::V5, 1, 0);
    assert_eq!(out, [0x40, 2, 1, 2, 0x50, 3, 0, 1, 0x97, 0x62, 2, 0, 1, 0x70, 2, 0, 1]);
    out.clear();
    encode_disconnect(&mut out, Version::V5, &Disconnect::new(0)).expect("short");
    encode_disconnect(&mut out, Version::V5, &Disconnect::new(0x8b)).expect("short");
    encode_disconnect(&mut out, Version::V311, &Disconnect::new(0x8b)).expect("short");
    encode_pingreq(&mut out);
    encode_pingresp(&mut out);
    assert_eq!(out, [0xe0, 0, 0xe0, 1, 0x8b, 0xe0, 0, 0xc0, 0, 0xd0, 0]);
    out.clear();
    encode_connack(&mut out, Version::V311, &ConnAck { reason: 5, ..ConnAck::default() }).expect("short");
    encode_connack(&mut out, Version::V5, &ConnAck::default()).expect("short");
    assert_eq!(out, [0x20, 2, 0, 5, 0x20, 3, 0, 0, 0]);
    out.clear();
    encode_suback(&mut out, Version::V311, &SubAck::new(1, &[0, 2, 0x87])).expect("short");
    encode_unsuback(&mut out, Version::V311, &UnsubAck::new(1, &[0x11])).expect("short");
    assert_eq!(out, [0x90, 5, 0, 1, 0, 2, 0x80, 0xb0, 2, 0, 1]);
}

#[test]
fn a_connect_of_an_older_version_has_the_session_expiry_that_it_means() {
    for (flags, expiry) in [(2, 0), (0, u32::MAX)] {
        let bytes = frame(0x10, &[&field(b"MQTT"), &[4, flags, 0, 9], &field(b"id")]);
        let Ok(Packet::Connect(connect)) = decode(&bytes, Version::V5) else { panic!("a valid connect") };
        assert_eq!((connect.version, connect.keep_alive), (Version::V311, 9));
        assert_eq!(connect.properties.session_expiry, expiry);
    }
}

#[test]
fn a_subscribe_shows_each_filter_with_its_options() {
    let filters = [&field(b"$share/g/a/+")[..], &[0x01], &field(b"b"), &[0x2e]].concat();
    let bytes = frame(0x82, &[&[0, 9], &properties(&[&[0x0b, 0xff, 0x7f]]), &filters]);
    let Ok(Packet::Subscribe(subscribe)) = decode(&bytes, Version::V5) else { panic!("a valid subscribe") };
    assert_eq!(subscribe.subscription_identifier.map(NonZeroU32::get), Some(16_383));
    let found: Vec<_> = subscribe.filters().collect();
    assert_eq!((found[0].share, found[0].filter, found[0].full), (Some("g"), "a/+", "$share/g/a/+"));
    assert_eq!(found[0].options, SubscriptionOptions::new(QoS::AtLeastOnce));
    assert_eq!((found[1].share, found[1].filter), (None, "b"));
    assert_eq!(
        found[1].options,
        SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::Never,
        }
    );
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let connect = Connect {
        version: Version::V5,
        client_id: "id",
        clean_start: true,
        keep_alive: 0,
        will: None,
        username: Some("user"),
        password: Some(b"\x73\x33cr3t"),
        properties: ConnectProperties {
            auth_method: Some("m"),
            auth_data: Some(b"s3cr3t"),
            ..Default::default()
        },
    };
    let auth = Auth { method: Some("m"), data: Some(b"s3cr3t"), ..Auth::default() };
    let properties = ConnAckProperties { auth_data: Some(b"s3cr3t"), ..ConnAckProperties::default() };
    let shown = format!("{connect:?} {auth:?} {properties:?}");
    assert!(shown.contains("user") && shown.contains("\"m\""));
    assert!(!shown.contains("s3cr3t") && !shown.contains("115, 51, 99"), "{shown}");
}

#[test]
fn reason_codes_have_names_and_older_forms() {
    assert_eq!(reason::name(0x87), Some("NOT_AUTHORIZED"));
    assert_eq!(reason::name(0x03), None);
    for (code, older) in
        [(0x00, Some(0)), (0x84, Some(1)), (0x85, Some(2)), (0x88, Some(3)), (0x86, Some(4)), (0x87, Some(5))]
    {
        assert_eq!(reason::connack_v3(code), older);
    }
    assert_eq!(reason::connack_v3(reason::MALFORMED_PACKET), None);
}
