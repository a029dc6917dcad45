//! What outlives a connection: sessions, queues, unacknowledged messages, wills.

use moat_mqtt::codec::{self, Packet, QoS};
use moat_mqtt::core::Closed;
use moat_mqtt::limits::Limits;

use crate::harness::{Broker, Options, Seen, V4, V5, will};

const QOS0: QoS = QoS::AtMostOnce;
const QOS1: QoS = QoS::AtLeastOnce;
const QOS2: QoS = QoS::ExactlyOnce;

fn connack(present: bool) -> Seen {
    Seen::ConnAck { present, reason: 0 }
}

#[test]
fn a_session_keeps_subscriptions_and_messages_while_its_client_is_away() {
    for version in [V4, V5] {
        let mut broker = Broker::new(2);
        let client = broker.connect("c", Options::persistent(version));
        assert_eq!(broker.seen(client), [connack(false)]);
        broker.subscribe(client, 1, &[("t", QOS2)]);
        broker.drop_connection(client);
        let publisher = broker.connect("p", Options::new(V5));
        for (n, qos) in [QOS0, QOS1, QOS2, QOS1].into_iter().enumerate() {
            broker.publish(publisher, "t", &[n.to_le_bytes()[0]], qos, false, 1);
            broker.send(publisher, &Packet::PubRel(codec::Ack::new(1, 0)));
        }
        let client = broker.connect("c", Options::persistent(version));
        let seen = broker.seen(client);
        assert_eq!(seen[0], connack(true));
        let payloads: Vec<_> = seen[1..]
            .iter()
            .map(|packet| match packet {
                Seen::Publish { payload, qos, dup: false, .. } => (payload[0], *qos),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(payloads, [(1, 1), (2, 2), (3, 1)], "in order; QoS 0 is not kept");
    }
}

#[test]
fn clean_start_discards_the_session() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options::persistent(V5));
    broker.subscribe(client, 1, &[("t", QOS1)]);
    broker.disconnect(client);
    assert_eq!(broker.stats().subscriptions, 1);
    let client = broker.connect("c", Options { clean_start: true, ..Options::persistent(V5) });
    assert_eq!(broker.seen(client), [connack(false)]);
    assert_eq!(broker.stats().subscriptions, 0);
    broker.publish(client, "t", b"", QOS1, false, 1);
    assert!(broker.messages(client).is_empty());
}

#[test]
fn a_session_ends_when_its_expiry_has_passed() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options { session_expiry: 10, ..Options::persistent(V5) });
    broker.subscribe(client, 1, &[("t", QOS1)]);
    broker.drop_connection(client);
    broker.pass(9_000);
    assert_eq!(broker.stats().sessions, 1);
    broker.pass(2_000);
    assert_eq!((broker.stats().sessions, broker.stats().subscriptions), (0, 0));
    let client = broker.connect("c", Options::persistent(V5));
    assert_eq!(broker.seen(client), [connack(false)]);
}

#[test]
fn a_session_without_expiry_ends_with_its_connection() {
    let mut broker = Broker::new(1);
    for version in [V4, V5] {
        let client = broker.connect("c", Options::new(version));
        broker.subscribe(client, 1, &[("t", QOS1)]);
        broker.drop_connection(client);
        assert_eq!((broker.stats().sessions, broker.stats().subscriptions), (0, 0));
    }
}

#[test]
fn what_was_not_acknowledged_is_sent_again_with_the_same_identifier() {
    for version in [V4, V5] {
        let mut broker = Broker::new(1);
        let client = broker.connect("c", Options::persistent(version));
        broker.subscribe(client, 1, &[("t", QOS2)]);
        let publisher = broker.connect("p", Options::new(V5));
        broker.seen(client);
        broker.publish(publisher, "t", b"one", QOS1, false, 1);
        broker.publish(publisher, "t", b"two", QOS2, false, 2);
        broker.publish(publisher, "t", b"three", QOS2, false, 3);
        let ids: Vec<u16> = broker
            .seen(client)
            .iter()
            .map(|packet| match packet {
                Seen::Publish { id, dup: false, .. } => *id,
                other => panic!("{other:?}"),
            })
            .collect();
        broker.send(client, &Packet::PubRec(codec::Ack::new(ids[2], 0)));
        assert_eq!(broker.seen(client), [Seen::PubRel(ids[2])]);
        broker.drop_connection(client);
        let client = broker.connect("c", Options::persistent(version));
        let seen = broker.seen(client);
        assert_eq!(seen.len(), 4, "{seen:?}");
        for (packet, (expected, wanted_qos)) in seen[1..3].iter().zip([(ids[0], 1), (ids[1], 2)]) {
            let Seen::Publish { id, dup: true, qos, .. } = packet else { panic!("{packet:?}") };
            assert_eq!((*id, *qos), (expected, wanted_qos));
        }
        assert_eq!(seen[3], Seen::PubRel(ids[2]));
    }
}

#[test]
fn the_newer_connection_of_a_client_identifier_wins() {
    let mut broker = Broker::new(2);
    let old = broker.connect("c", Options::persistent(V5));
    broker.subscribe(old, 1, &[("t", QOS1)]);
    broker.seen(old);
    let new = broker.connect("c", Options::persistent(V5));
    assert_eq!(broker.seen(old), [Seen::Disconnect(0x8e)]);
    assert_eq!(broker.closed(old), Some(Closed::TakenOver));
    assert_eq!(broker.seen(new), [connack(true)]);
    broker.publish(new, "t", b"x", QOS1, false, 1);
    assert_eq!(broker.messages(new).len(), 1);
    assert!(broker.seen(old).is_empty());
    // What the old connection still has in its buffers changes nothing.
    broker.send(old, &Packet::Disconnect(codec::Disconnect::new(0)));
    assert_eq!(broker.closed(new), None);
    assert_eq!(broker.stats().connections, 1);
}

#[test]
fn a_session_belongs_to_the_identity_that_made_it() {
    let mut broker = Broker::new(1);
    let owner = broker.connect("c", Options::persistent(V5));
    let thief = Options { identity: "thief".to_owned(), clean_start: true, ..Options::persistent(V5) };
    let refused = broker.try_connect("c", thief.clone()).unwrap_err();
    assert_eq!(refused.reason_code, 0x85);
    assert_eq!(broker.closed(owner), None, "a stolen client identifier does not even disturb its owner");
    broker.drop_connection(owner);
    assert!(broker.try_connect("c", thief).is_err(), "nor can a stored session be taken or discarded");
    let owner = broker.connect("c", Options::persistent(V5));
    assert_eq!(broker.seen(owner), [connack(true)]);
}

#[test]
fn a_will_speaks_when_the_connection_is_lost_and_is_silent_after_disconnect() {
    for version in [V4, V5] {
        let mut broker = Broker::new(2);
        let watcher = broker.connect("w", Options::new(V5));
        broker.subscribe(watcher, 1, &[("will", QOS1)]);
        broker.seen(watcher);
        let with_will = Options { will: will("will", b"bye", 0), ..Options::new(version) };
        let client = broker.connect("c", with_will.clone());
        broker.drop_connection(client);
        assert_eq!(broker.messages(watcher), [("will".to_owned(), b"bye".to_vec())]);
        let client = broker.connect("c", with_will.clone());
        broker.disconnect(client);
        assert!(broker.messages(watcher).is_empty());
        let client = broker.connect("c", with_will);
        broker.send_raw(client, &[0x00, 0x00]);
        assert_eq!(broker.messages(watcher).len(), 1, "a malformed packet is no DISCONNECT");
    }
}

#[test]
fn disconnect_with_will_message_sends_it() {
    let mut broker = Broker::new(1);
    let watcher = broker.connect("w", Options::new(V5));
    broker.subscribe(watcher, 1, &[("will", QOS1)]);
    broker.seen(watcher);
    let client = broker.connect("c", Options { will: will("will", b"bye", 0), ..Options::new(V5) });
    broker.send(client, &Packet::Disconnect(codec::Disconnect::new(0x04)));
    assert_eq!(broker.messages(watcher).len(), 1);
}

#[test]
fn a_delayed_will_waits_for_its_client() {
    let mut broker = Broker::new(1);
    let watcher = broker.connect("w", Options::new(V5));
    broker.subscribe(watcher, 1, &[("will", QOS1)]);
    broker.seen(watcher);
    let options = Options { will: will("will", b"bye", 5), ..Options::persistent(V5) };
    let client = broker.connect("c", options.clone());
    broker.drop_connection(client);
    broker.pass(4_000);
    assert!(broker.messages(watcher).is_empty());
    let client = broker.connect("c", options.clone());
    broker.pass(60_000);
    assert!(broker.messages(watcher).is_empty(), "back in time [MQTT-3.1.3-9]");
    broker.drop_connection(client);
    broker.pass(5_001);
    assert_eq!(broker.messages(watcher).len(), 1);
    // A session that ends before the delay has passed takes its will with it, aloud.
    let client = broker.connect("d", Options { session_expiry: 2, ..options.clone() });
    broker.drop_connection(client);
    broker.pass(2_001);
    assert_eq!(broker.messages(watcher).len(), 1);
    let client = broker.connect("e", options.clone());
    broker.drop_connection(client);
    broker.connect("e", Options { clean_start: true, ..options });
    assert_eq!(broker.messages(watcher).len(), 1, "a clean start ends the session");
}

#[test]
fn silence_ends_a_connection_after_one_and_a_half_times_the_keep_alive() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options { keep_alive: 10, ..Options::new(V5) });
    broker.seen(client);
    broker.pass(14_000);
    broker.send(client, &Packet::PingReq);
    assert_eq!(broker.seen(client), [Seen::PingResp]);
    broker.pass(15_000);
    assert_eq!(broker.closed(client), None);
    broker.pass(1_000);
    assert_eq!(broker.seen(client), [Seen::Disconnect(0x8d)]);
    assert_eq!(broker.closed(client), Some(Closed::KeepAlive));
    let forever = broker.connect("f", Options::new(V5));
    broker.pass(100_000_000);
    assert_eq!(broker.closed(forever), None, "keep alive 0 never times out");
}

#[test]
fn the_window_holds_messages_back_and_acknowledgements_release_them() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options { receive_maximum: 2, ..Options::new(V5) });
    broker.subscribe(client, 1, &[("t", QOS1)]);
    broker.seen(client);
    let publisher = broker.connect("p", Options::new(V5));
    for n in 0..5u8 {
        broker.publish(publisher, "t", &[n], QOS1, false, 1);
    }
    let mut payloads = Vec::new();
    loop {
        let seen = broker.seen(client);
        if seen.is_empty() {
            break;
        }
        assert!(seen.len() <= 2);
        for packet in seen {
            let Seen::Publish { id, payload, .. } = packet else { panic!("{packet:?}") };
            payloads.push(payload[0]);
            broker.send(client, &Packet::PubAck(codec::Ack::new(id, 0)));
        }
    }
    assert_eq!(payloads, [0, 1, 2, 3, 4]);
}

#[test]
fn a_full_queue_drops_the_newest_and_counts() {
    let limits = Limits { max_queued_messages: 3, ..Limits::default() };
    let mut broker = Broker::with_limits(1, limits);
    let client = broker.connect("c", Options::persistent(V4));
    broker.subscribe(client, 1, &[("t", QOS1)]);
    broker.drop_connection(client);
    let publisher = broker.connect("p", Options::new(V5));
    for n in 0..5u8 {
        broker.publish(publisher, "t", &[n], QOS1, false, 1);
    }
    assert_eq!(broker.stats().dropped_queue_full, 2);
    let client = broker.connect("c", Options::persistent(V4));
    let payloads: Vec<_> = broker.messages(client).into_iter().map(|(_, payload)| payload[0]).collect();
    assert_eq!(payloads, [0, 1, 2]);
}

#[test]
fn sessions_are_bounded() {
    let mut broker = Broker::with_limits(2, Limits { max_sessions: 2, ..Limits::default() });
    broker.connect("a", Options::persistent(V5));
    broker.connect("b", Options::persistent(V5));
    assert_eq!(broker.try_connect("c", Options::new(V5)).unwrap_err().reason_code, 0x97);
    broker.connect("a", Options::persistent(V5));
}

#[test]
fn a_session_moves_between_protocol_versions() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options::persistent(V4));
    broker.subscribe(client, 1, &[("t", QOS1)]);
    broker.drop_connection(client);
    let publisher = broker.connect("p", Options::new(V5));
    broker.publish(publisher, "t", b"x", QOS1, false, 1);
    let client = broker.connect("c", Options::persistent(V5));
    assert_eq!(broker.messages(client).len(), 1);
}
