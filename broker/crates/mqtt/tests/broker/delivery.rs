//! From a publisher to its subscribers.

use moat_mqtt::codec::{self, Packet, QoS, RetainHandling, SubscriptionOptions};

use crate::harness::{Broker, Options, Seen, V4, V5, publish_bytes};

const QOS0: QoS = QoS::AtMostOnce;
const QOS1: QoS = QoS::AtLeastOnce;
const QOS2: QoS = QoS::ExactlyOnce;

/// Client identifiers spread over the cores, so that both local and remote delivery happen.
fn names() -> impl Iterator<Item = String> {
    (0..).map(|n| format!("client-{n}"))
}

#[test]
fn a_message_reaches_matching_subscribers_of_every_version_on_every_core() {
    for cores in [1, 3] {
        let mut broker = Broker::new(cores);
        let mut names = names();
        let subscribers: Vec<_> = [V4, V5, V4, V5, V5, V4]
            .into_iter()
            .map(|version| {
                let client = broker.connect(&names.next().unwrap(), Options::new(version));
                assert_eq!(broker.subscribe(client, 1, &[("a/+", QOS1)]), [1]);
                broker.seen(client);
                client
            })
            .collect();
        let bystander = broker.connect("bystander", Options::new(V5));
        broker.subscribe(bystander, 1, &[("b/#", QOS1)]);
        broker.seen(bystander);
        for version in [V4, V5] {
            let publisher = broker.connect("publisher", Options::new(version));
            for qos in [QOS0, QOS1, QOS2] {
                broker.publish(publisher, "a/x", b"hello", qos, false, 7);
                for subscriber in &subscribers {
                    let seen = broker.seen(*subscriber);
                    let [Seen::Publish { topic, payload, qos: got, dup, retain, id, identifiers }] =
                        &seen[..]
                    else {
                        panic!("one message expected, not {seen:?}");
                    };
                    assert_eq!((topic.as_str(), payload.as_slice()), ("a/x", &b"hello"[..]));
                    assert_eq!(*got, (qos as u8).min(1), "never above the subscription's [MQTT-3.8.4-8]");
                    assert!(!dup && !retain && identifiers.is_empty());
                    assert_eq!(*id == 0, qos == QOS0);
                }
            }
            assert!(broker.seen(bystander).is_empty());
        }
    }
}

#[test]
fn streamed_messages_keep_their_order_and_content() {
    for cores in [1, 2, 4] {
        let mut broker = Broker::new(cores);
        let subscribers: Vec<_> = [V4, V5]
            .into_iter()
            .enumerate()
            .map(|(n, version)| {
                let client = broker.connect(&format!("sub-{n}"), Options::new(version));
                broker.subscribe(client, 1, &[("s/#", QOS1)]);
                broker.seen(client);
                client
            })
            .collect();
        for version in [V4, V5] {
            let publisher = broker.connect("pub", Options::new(version));
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for n in 0..500u32 {
                // Two topics and two qualities of service mixed: runs begin and end.
                let topic = if n % 7 < 5 { "s/one" } else { "s/two" };
                let qos = if n % 11 == 0 { QOS1 } else { QOS0 };
                let id = if qos == QOS1 { 1 } else { 0 };
                bytes.extend(publish_bytes(version, topic, &n.to_be_bytes(), qos, false, id));
                expected.push((topic.to_owned(), n.to_be_bytes().to_vec()));
            }
            broker.send_raw(publisher, &bytes);
            for subscriber in &subscribers {
                assert_eq!(broker.messages(*subscriber), expected, "{cores} cores");
            }
        }
    }
}

#[test]
fn a_publish_is_answered_by_its_quality_of_service() {
    let mut broker = Broker::new(1);
    let subscriber = broker.connect("s", Options::new(V5));
    broker.subscribe(subscriber, 1, &[("t", QOS2)]);
    let publisher = broker.connect("p", Options::new(V5));
    broker.seen(publisher);
    broker.publish(publisher, "t", b"", QOS0, false, 0);
    assert!(broker.seen(publisher).is_empty());
    broker.publish(publisher, "t", b"", QOS1, false, 9);
    assert_eq!(broker.seen(publisher), [Seen::PubAck(9, 0)]);
    broker.publish(publisher, "nobody", b"", QOS1, false, 10);
    assert_eq!(broker.seen(publisher), [Seen::PubAck(10, 0x10)], "no matching subscribers");
    broker.publish(publisher, "t", b"once", QOS2, false, 11);
    assert_eq!(broker.seen(publisher), [Seen::PubRec(11, 0)]);
    broker.seen(subscriber);
    broker.publish(publisher, "t", b"once", QOS2, false, 11);
    assert_eq!(broker.seen(publisher), [Seen::PubRec(11, 0)]);
    assert!(broker.messages(subscriber).is_empty(), "a repeated QoS 2 message is not delivered twice");
    broker.send(publisher, &Packet::PubRel(codec::Ack::new(11, 0)));
    assert_eq!(broker.seen(publisher), [Seen::PubComp(11, 0)]);
    broker.send(publisher, &Packet::PubRel(codec::Ack::new(11, 0)));
    assert_eq!(broker.seen(publisher), [Seen::PubComp(11, 0x92)]);
    broker.publish(publisher, "t", b"again", QOS2, false, 11);
    assert_eq!(broker.messages(subscriber).len(), 1, "a released identifier is a new message");
}

#[test]
fn overlapping_filters_bring_one_copy_with_all_identifiers() {
    let mut broker = Broker::new(1);
    let subscriber = broker.connect("s", Options::new(V5));
    let options = SubscriptionOptions::new;
    broker.subscribe_with(subscriber, 1, &[("a/#", options(QOS0))], Some(3));
    broker.subscribe_with(subscriber, 2, &[("a/+", options(QOS1))], Some(268_435_455));
    broker.seen(subscriber);
    let publisher = broker.connect("p", Options::new(V4));
    broker.publish(publisher, "a/b", b"x", QOS1, false, 1);
    broker.publish(publisher, "a/b", b"y", QOS0, false, 0);
    let seen = broker.seen(subscriber);
    for (packet, qos) in seen.iter().zip([1, 0]) {
        let Seen::Publish { qos: got, identifiers, .. } = packet else { panic!("{packet:?}") };
        let mut identifiers = identifiers.clone();
        identifiers.sort_unstable();
        assert_eq!((*got, identifiers), (qos, vec![3, 268_435_455]));
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn no_local_spares_the_publisher_only() {
    let mut broker = Broker::new(2);
    let options = SubscriptionOptions { no_local: true, ..SubscriptionOptions::new(QOS1) };
    let own = broker.connect("own", Options::new(V5));
    let other = broker.connect("other", Options::new(V5));
    for client in [own, other] {
        broker.subscribe_with(client, 1, &[("t", options)], None);
        broker.seen(client);
    }
    for qos in [QOS0, QOS1] {
        broker.publish(own, "t", b"x", qos, false, 5);
        assert!(broker.messages(own).is_empty());
        assert_eq!(broker.messages(other).len(), 1);
    }
}

#[test]
fn retained_messages_come_with_the_subscription() {
    let mut broker = Broker::new(2);
    let publisher = broker.connect("p", Options::new(V4));
    broker.publish(publisher, "r/a", b"old", QOS1, true, 1);
    broker.publish(publisher, "r/a", b"new", QOS1, true, 2);
    broker.publish(publisher, "r/b", b"b", QOS0, true, 0);
    broker.publish(publisher, "r/c", b"c", QOS0, true, 0);
    broker.publish(publisher, "r/c", b"", QOS0, true, 0);
    broker.publish(publisher, "$hidden", b"h", QOS0, true, 0);
    for version in [V4, V5] {
        let subscriber = broker.connect("s", Options::new(version));
        broker.seen(subscriber);
        broker.subscribe(subscriber, 1, &[("#", QOS1)]);
        let mut seen = broker.seen(subscriber);
        seen.sort_by_key(|packet| format!("{packet:?}"));
        let retained = |packet: &Seen| match packet {
            Seen::Publish { topic, payload, retain: true, .. } => (topic.clone(), payload.clone()),
            other => panic!("{other:?}"),
        };
        let seen: Vec<_> = seen.iter().map(retained).collect();
        assert_eq!(seen, [("r/a".to_owned(), b"new".to_vec()), ("r/b".to_owned(), b"b".to_vec())]);
        broker.publish(publisher, "r/b", b"live", QOS0, true, 0);
        let seen = broker.seen(subscriber);
        assert!(matches!(&seen[..], [Seen::Publish { retain: false, .. }]), "live is not retained: {seen:?}");
        broker.publish(publisher, "r/b", b"b", QOS0, true, 0);
    }
}

#[test]
fn retain_options_are_honoured() {
    let mut broker = Broker::new(1);
    let publisher = broker.connect("p", Options::new(V5));
    broker.publish(publisher, "r", b"kept", QOS1, true, 1);
    let subscriber = broker.connect("s", Options::new(V5));
    broker.seen(subscriber);
    let with = |retain_handling, retain_as_published| SubscriptionOptions {
        retain_handling,
        retain_as_published,
        ..SubscriptionOptions::new(QOS1)
    };
    broker.subscribe_with(subscriber, 1, &[("r", with(RetainHandling::Never, false))], None);
    assert!(broker.messages(subscriber).is_empty());
    broker.subscribe_with(subscriber, 2, &[("r", with(RetainHandling::IfNew, false))], None);
    assert!(broker.messages(subscriber).is_empty(), "it existed");
    broker.subscribe_with(subscriber, 3, &[("r", with(RetainHandling::Always, true))], None);
    assert_eq!(broker.messages(subscriber).len(), 1);
    broker.publish(publisher, "r", b"live", QOS1, true, 1);
    let seen = broker.seen(subscriber);
    assert!(matches!(&seen[..], [Seen::Publish { retain: true, .. }]), "as published: {seen:?}");
}

#[test]
fn a_topic_alias_stands_for_its_topic_on_its_connection_only() {
    let mut broker = Broker::new(1);
    let subscriber = broker.connect("s", Options::new(V5));
    broker.subscribe(subscriber, 1, &[("#", QOS1)]);
    broker.seen(subscriber);
    let publisher = broker.connect("p", Options::new(V5));
    let mut bytes = Vec::new();
    for (topic, alias) in [("first", 1), ("second", 2), ("", 1), ("third", 1), ("", 1), ("", 2)] {
        let packet = codec::PublishOut { topic_alias: Some(alias), ..codec::PublishOut::new(topic, b"x") };
        codec::encode_publish(&mut bytes, V5, &packet).unwrap();
    }
    broker.send_raw(publisher, &bytes);
    let topics: Vec<_> = broker.messages(subscriber).into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(topics, ["first", "second", "first", "third", "third", "second"]);
    let stranger = broker.connect("q", Options::new(V5));
    let mut bytes = Vec::new();
    let packet = codec::PublishOut { topic_alias: Some(1), ..codec::PublishOut::new("", b"x") };
    codec::encode_publish(&mut bytes, V5, &packet).unwrap();
    broker.seen(stranger);
    broker.send_raw(stranger, &bytes);
    assert_eq!(broker.seen(stranger), [Seen::Disconnect(0x82)]);
}

#[test]
fn properties_travel_and_expiry_counts_down() {
    let mut broker = Broker::new(1);
    let subscriber = broker.connect("s", Options::persistent(V5));
    broker.subscribe(subscriber, 1, &[("t", QOS1)]);
    broker.drop_connection(subscriber);
    let publisher = broker.connect("p", Options::new(V5));
    let mut properties = Vec::new();
    codec::append_user_property(&mut properties, "k", "v").unwrap();
    for expiry in [10, 100] {
        let packet = codec::PublishOut {
            qos: QOS1,
            packet_id: 1,
            properties: &properties,
            message_expiry: Some(expiry),
            ..codec::PublishOut::new("t", b"x")
        };
        let mut bytes = Vec::new();
        codec::encode_publish(&mut bytes, V5, &packet).unwrap();
        broker.send_raw(publisher, &bytes);
    }
    broker.pass(30_000);
    let subscriber = broker.connect("s", Options::persistent(V5));
    let bytes = broker.raw(subscriber);
    let connack = codec::frame_len(&bytes, u32::MAX).unwrap().unwrap();
    let publish = codec::decode_publish(&bytes[connack..], V5).expect("one message, not two");
    assert_eq!(publish.properties.message_expiry, Some(70));
    let user: Vec<_> =
        publish.properties.iter().filter(|p| matches!(p, codec::Property::User("k", "v"))).collect();
    assert_eq!(user.len(), 1);
    assert_eq!(broker.stats().dropped_expired, 1);
}

#[test]
fn large_payloads_arrive_whole() {
    let mut broker = Broker::new(2);
    let payload: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let subscribers: Vec<_> = (0..4)
        .map(|n| {
            let version = if n % 2 == 0 { V4 } else { V5 };
            let client = broker.connect(&format!("s{n}"), Options::new(version));
            broker.subscribe(client, 1, &[("big", QOS1)]);
            broker.seen(client);
            client
        })
        .collect();
    let publisher = broker.connect("p", Options::new(V4));
    for qos in [QOS0, QOS1] {
        broker.publish(publisher, "big", &payload, qos, false, 1);
        for subscriber in &subscribers {
            let messages = broker.messages(*subscriber);
            assert_eq!(messages.len(), 1);
            assert!(messages[0].1 == payload);
        }
    }
}

#[test]
fn a_client_gets_no_packet_larger_than_it_takes() {
    let mut broker = Broker::new(1);
    let small = Options { max_packet: std::num::NonZeroU32::new(64), ..Options::new(V5) };
    let subscriber = broker.connect("s", small);
    broker.subscribe(subscriber, 1, &[("t", QOS1)]);
    broker.seen(subscriber);
    let publisher = broker.connect("p", Options::new(V5));
    for qos in [QOS0, QOS1] {
        broker.publish(publisher, "t", &[0; 100], qos, false, 1);
        assert!(broker.messages(subscriber).is_empty());
        broker.publish(publisher, "t", &[0; 10], qos, false, 1);
        assert_eq!(broker.messages(subscriber).len(), 1);
    }
    assert_eq!(broker.stats().dropped_too_large, 2);
}

#[test]
fn unsubscribing_ends_delivery_and_says_what_was_there() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options::new(V5));
    broker.subscribe(client, 1, &[("a", QOS0), ("b", QOS0)]);
    broker.seen(client);
    let mut bytes = Vec::new();
    let packet = codec::UnsubscribeOut {
        packet_id: 2,
        user_properties: codec::UserProperties::EMPTY,
        filters: &["a", "nothing"],
    };
    codec::encode_unsubscribe(&mut bytes, V5, &packet).unwrap();
    broker.send_raw(client, &bytes);
    assert_eq!(broker.seen(client), [Seen::UnsubAck(2, vec![0, 0x11])]);
    broker.publish(client, "a", b"", QOS0, false, 0);
    broker.publish(client, "b", b"", QOS0, false, 0);
    assert_eq!(broker.messages(client).len(), 1);
    assert_eq!(broker.stats().subscriptions, 1);
}
