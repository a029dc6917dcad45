//! What no good client sends. Each ends its own connection and nothing else.

use moat_mqtt::codec::{self, Packet, QoS};
use moat_mqtt::core::Closed;

use crate::harness::{Broker, Options, Seen, V4, V5, publish_bytes};

#[test]
fn a_forbidden_packet_ends_its_own_connection_with_its_reason() {
    let second_connect: &[u8] = &[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, 0];
    let cases: [(&str, Vec<u8>, u8); 9] = [
        ("a second CONNECT", second_connect.to_vec(), 0x82),
        ("packet type 0", vec![0x00, 0x00], 0x81),
        ("PUBLISH with QoS 3", vec![0x36, 5, 0, 1, b't', 0, 1], 0x81),
        ("a topic name with a wildcard", vec![0x30, 4, 0, 1, b'#', 0], 0x90),
        (
            "an alias above the maximum",
            {
                let mut out = Vec::new();
                let packet =
                    codec::PublishOut { topic_alias: Some(9999), ..codec::PublishOut::new("t", b"") };
                codec::encode_publish(&mut out, V5, &packet).unwrap();
                out
            },
            0x94,
        ),
        ("AUTH without enhanced authentication", vec![0xf0, 0x02, 0x18, 0x00], 0x82),
        ("a packet that only a server sends", vec![0xd0, 0x00], 0x82),
        ("a packet larger than allowed", vec![0x30, 0xff, 0xff, 0xff, 0x7f], 0x95),
        ("SUBSCRIBE without a filter", vec![0x82, 3, 0, 1, 0], 0x82),
    ];
    for (what, bytes, code) in cases {
        let mut broker = Broker::new(1);
        let bystander = broker.connect("b", Options::new(V5));
        broker.subscribe(bystander, 1, &[("t", QoS::AtMostOnce)]);
        let client = broker.connect("c", Options::new(V5));
        broker.seen(client);
        broker.seen(bystander);
        let mut input = publish_bytes(V5, "t", b"before", QoS::AtMostOnce, false, 0);
        input.extend(bytes);
        input.extend(publish_bytes(V5, "t", b"after", QoS::AtMostOnce, false, 0));
        broker.send_raw(client, &input);
        assert_eq!(broker.seen(client), [Seen::Disconnect(code)], "{what}");
        assert_eq!(broker.closed(client), Some(Closed::Protocol(code)), "{what}");
        assert_eq!(broker.messages(bystander), [("t".to_owned(), b"before".to_vec())], "{what}");
        assert_eq!(broker.closed(bystander), None, "{what}");
        assert_eq!(broker.stats().protocol_errors, 1, "{what}");
    }
}

#[test]
fn older_clients_are_closed_without_a_word() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options::new(V4));
    broker.seen(client);
    broker.send_raw(client, &[0x36, 5, 0, 1, b't', 0, 1]);
    assert!(broker.seen(client).is_empty());
    assert_eq!(broker.closed(client), Some(Closed::Protocol(0x81)));
}

#[test]
fn acknowledgements_of_nothing_do_no_harm() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options::new(V5));
    broker.seen(client);
    for packet in [
        Packet::PubAck(codec::Ack::new(77, 0)),
        Packet::PubComp(codec::Ack::new(77, 0)),
        Packet::PubRec(codec::Ack::new(77, 0x80)),
    ] {
        broker.send(client, &packet);
        assert!(broker.seen(client).is_empty());
    }
    broker.send(client, &Packet::PubRec(codec::Ack::new(77, 0)));
    assert_eq!(broker.raw(client)[..2], [0x62, 3], "PUBREL says that the identifier is not known");
    broker.send(client, &Packet::PubRel(codec::Ack::new(77, 0)));
    assert_eq!(broker.seen(client), [Seen::PubComp(77, 0x92)]);
    assert_eq!(broker.closed(client), None);
}

#[test]
fn a_packet_may_come_in_any_number_of_pieces() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options::new(V4));
    broker.subscribe(client, 1, &[("t", QoS::AtMostOnce)]);
    broker.seen(client);
    let bytes = publish_bytes(V4, "t", b"payload", QoS::AtMostOnce, false, 0);
    for cut in 0..bytes.len() {
        let core = &mut broker.cores[0];
        let received = core.receive(client.connection, &bytes[..cut]);
        assert_eq!((received.consumed, received.ended), (0, false), "an incomplete packet waits");
    }
    broker.send_raw(client, &bytes);
    assert_eq!(broker.messages(client).len(), 1);
}

#[test]
fn more_unreleased_messages_than_announced_end_the_connection() {
    let limits = moat_mqtt::limits::Limits { receive_maximum: 3, ..Default::default() };
    let mut broker = Broker::with_limits(1, limits);
    let client = broker.connect("c", Options::new(V5));
    for id in 1..=3 {
        broker.publish(client, "t", b"", QoS::ExactlyOnce, false, id);
    }
    assert_eq!(broker.closed(client), None);
    broker.publish(client, "t", b"", QoS::ExactlyOnce, false, 4);
    assert_eq!(broker.closed(client), Some(Closed::Protocol(0x93)));
}
