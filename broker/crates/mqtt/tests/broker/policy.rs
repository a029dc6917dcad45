//! The policy on the packet path, and its changes while clients are connected.

use moat_mqtt::codec::{self, Packet, QoS};
use moat_mqtt::core::Closed;
use moat_mqtt::guard::OnRevocation;

use crate::harness::{Broker, Options, Seen, V4, V5, publish_bytes, will};

const QOS0: QoS = QoS::AtMostOnce;
const QOS1: QoS = QoS::AtLeastOnce;
const QOS2: QoS = QoS::ExactlyOnce;

#[test]
fn a_refused_publish_is_answered_and_ends_its_connection() {
    for (version, qos, answer) in [
        (V4, QOS0, vec![]),
        (V4, QOS1, vec![]),
        (V4, QOS2, vec![]),
        (V5, QOS0, vec![Seen::Disconnect(0x87)]),
        (V5, QOS1, vec![Seen::PubAck(4, 0x87), Seen::Disconnect(0x87)]),
        (V5, QOS2, vec![Seen::PubRec(4, 0x87), Seen::Disconnect(0x87)]),
    ] {
        let mut broker = Broker::new(1);
        broker.change_rules(|rules| rules.no_publish.push("secret/#".to_owned()));
        let watcher = broker.connect("w", Options::new(V5));
        broker.subscribe(watcher, 1, &[("#", QOS1)]);
        broker.seen(watcher);
        let client = broker.connect("c", Options::new(version));
        broker.seen(client);
        let mut bytes = publish_bytes(version, "open", b"1", QOS0, false, 0);
        bytes.extend(publish_bytes(version, "secret/x", b"2", qos, false, 4));
        bytes.extend(publish_bytes(version, "open", b"3", QOS0, false, 0));
        broker.send_raw(client, &bytes);
        assert_eq!(broker.seen(client), answer, "{version:?} {qos:?}");
        assert_eq!(broker.closed(client), Some(Closed::NotAuthorized));
        let seen = broker.messages(watcher);
        assert_eq!(
            seen,
            [("open".to_owned(), b"1".to_vec())],
            "what came before counts, what comes after does not"
        );
        assert_eq!(broker.stats().denied_publish, 1);
    }
}

#[test]
fn a_refused_retained_publish_leaves_the_stored_message() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options::new(V5));
    broker.publish(client, "r", b"good", QOS1, true, 1);
    broker.change_rules(|rules| rules.no_publish.push("r".to_owned()));
    broker.publish(client, "r", b"evil", QOS1, true, 1);
    assert_eq!(broker.closed(client), Some(Closed::NotAuthorized));
    let reader = broker.connect("d", Options::new(V5));
    broker.subscribe(reader, 1, &[("r", QOS1)]);
    assert_eq!(broker.messages(reader), [("r".to_owned(), b"good".to_vec())]);
}

#[test]
fn a_refused_filter_fails_alone() {
    for (version, code) in [(V4, 0x80), (V5, 0x87)] {
        let mut broker = Broker::new(1);
        broker.change_rules(|rules| rules.no_subscribe.push("secret/#".to_owned()));
        let client = broker.connect("c", Options::new(version));
        broker.seen(client);
        assert_eq!(
            broker.subscribe(client, 1, &[("a", QOS1), ("secret/#", QOS1), ("b", QOS0)]),
            [1, code, 0]
        );
        assert_eq!(broker.closed(client), None);
        broker.publish(client, "secret/x", b"", QOS0, false, 0);
        broker.publish(client, "b", b"", QOS0, false, 0);
        assert_eq!(broker.messages(client).len(), 1);
    }
}

#[test]
fn a_refused_will_refuses_the_connection() {
    let mut broker = Broker::new(1);
    broker.change_rules(|rules| rules.no_publish.push("will".to_owned()));
    let options = Options { will: will("will", b"x", 0), ..Options::new(V5) };
    assert_eq!(broker.try_connect("c", options).unwrap_err().reason_code, 0x87);
    assert_eq!(broker.stats().sessions, 0);
}

#[test]
fn a_will_whose_right_was_revoked_is_never_sent() {
    let mut broker = Broker::new(1);
    let watcher = broker.connect("w", Options::new(V5));
    broker.subscribe(watcher, 1, &[("will", QOS1)]);
    broker.seen(watcher);
    let client = broker.connect("c", Options { will: will("will", b"x", 0), ..Options::new(V5) });
    broker.change_rules(|rules| rules.no_publish.push("will".to_owned()));
    broker.drop_connection(client);
    assert!(broker.messages(watcher).is_empty());
}

#[test]
fn the_next_packet_after_a_change_is_judged_by_the_newer_policy() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options::new(V5));
    broker.publish(client, "t", b"", QOS1, false, 1);
    broker.change_rules(|rules| rules.no_publish.push("t".to_owned()));
    // No sweep has run: the memo itself must notice the new epoch.
    broker.publish(client, "t", b"", QOS1, false, 2);
    assert_eq!(broker.closed(client), Some(Closed::NotAuthorized));
}

#[test]
fn a_revoked_filter_is_masked_and_comes_back() {
    for version in [V4, V5] {
        let mut broker = Broker::new(2);
        let client = broker.connect("c", Options::new(version));
        broker.subscribe(client, 1, &[("t/#", QOS1), ("u", QOS1)]);
        broker.seen(client);
        let publisher = broker.connect("p", Options::new(V5));
        broker.change_rules(|rules| rules.no_subscribe.push("t/#".to_owned()));
        broker.sweep();
        broker.publish(publisher, "t/x", b"masked", QOS1, false, 1);
        broker.publish(publisher, "u", b"open", QOS1, false, 2);
        assert_eq!(broker.messages(client), [("u".to_owned(), b"open".to_vec())]);
        assert_eq!(broker.stats().suspended, 1);
        assert_eq!(broker.closed(client), None);
        broker.change_rules(|rules| rules.no_subscribe.clear());
        broker.sweep();
        broker.publish(publisher, "t/x", b"back", QOS1, false, 3);
        assert_eq!(broker.messages(client), [("t/x".to_owned(), b"back".to_vec())]);
        assert_eq!(broker.stats().suspended, 0);
    }
}

#[test]
fn queued_messages_of_a_revoked_filter_are_dropped() {
    let mut broker = Broker::new(1);
    let options = Options { receive_maximum: 1, ..Options::new(V5) };
    let client = broker.connect("c", options);
    broker.subscribe(client, 1, &[("t/#", QOS1), ("t/keep", QOS1)]);
    broker.seen(client);
    let publisher = broker.connect("p", Options::new(V5));
    for topic in ["t/sent", "t/queued", "t/keep"] {
        broker.publish(publisher, topic, b"", QOS1, false, 1);
    }
    let [Seen::Publish { topic, id, .. }] = &broker.seen(client)[..] else { panic!() };
    assert_eq!(topic, "t/sent");
    broker.change_rules(|rules| rules.no_subscribe.push("t/#".to_owned()));
    broker.sweep();
    broker.send(client, &Packet::PubAck(codec::Ack::new(*id, 0)));
    let topics: Vec<_> = broker.messages(client).into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(topics, ["t/keep"], "an exchange that began is finished; what another filter wants stays");
    assert_eq!(broker.stats().dropped_revoked, 1);
}

#[test]
fn on_revocation_can_unsubscribe_or_disconnect() {
    for (mode, closed) in [
        (OnRevocation::Unsubscribe, None),
        (
            OnRevocation::Disconnect,
            Some(Closed::Revoked { reason_code: 0x87, text: "a subscription is no longer permitted" }),
        ),
    ] {
        let mut broker = Broker::new(1);
        let client = broker.connect("c", Options::persistent(V5));
        broker.subscribe(client, 1, &[("t", QOS1)]);
        broker.seen(client);
        broker.change_rules(|rules| {
            rules.on_revocation = mode;
            rules.no_subscribe.push("t".to_owned());
        });
        broker.sweep();
        assert_eq!(broker.closed(client), closed);
        assert_eq!((broker.stats().subscriptions, broker.stats().suspended), (0, 0));
        broker.change_rules(|rules| rules.no_subscribe.clear());
        let client = broker.connect("c", Options::persistent(V5));
        broker.seen(client);
        broker.publish(client, "t", b"", QOS1, false, 1);
        assert!(broker.messages(client).is_empty(), "the right returned, the subscription did not");
    }
}

#[test]
fn an_identity_that_ended_loses_its_connections() {
    let mut broker = Broker::new(2);
    let options = |identity: &str| Options { identity: identity.to_owned(), ..Options::persistent(V5) };
    let gone: Vec<_> = (0..5).map(|n| broker.connect(&format!("g{n}"), options("gone"))).collect();
    let stays = broker.connect("s", options("stays"));
    for client in &gone {
        broker.subscribe(*client, 1, &[("t", QOS1)]);
        broker.seen(*client);
    }
    broker.change_rules(|rules| rules.ended.push("gone".to_owned()));
    broker.sweep();
    for client in &gone {
        assert_eq!(broker.seen(*client), [Seen::Disconnect(0x87)]);
    }
    assert_eq!(broker.closed(stays), None);
    assert_eq!(broker.stats().revoked, 5);
    let again = broker.try_connect("g0", Options { judged_before: true, ..options("gone") });
    assert_eq!(again.unwrap_err().reason_code, 0x87, "judged again before the CONNACK");
}

#[test]
fn a_stored_session_is_judged_when_it_is_resumed() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options::persistent(V5));
    broker.subscribe(client, 1, &[("t", QOS1), ("u", QOS1)]);
    broker.drop_connection(client);
    let publisher = broker.connect("p", Options::new(V5));
    for topic in ["t", "u"] {
        broker.publish(publisher, topic, b"", QOS1, false, 1);
    }
    broker.change_rules(|rules| rules.no_subscribe.push("t".to_owned()));
    let client = broker.connect("c", Options::persistent(V5));
    let topics: Vec<_> = broker.messages(client).into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(topics, ["u"]);
}

#[test]
fn a_filter_that_is_refused_again_stays_masked() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options::new(V5));
    broker.subscribe(client, 1, &[("t", QOS1)]);
    broker.change_rules(|rules| rules.no_subscribe.push("t".to_owned()));
    assert_eq!(broker.subscribe(client, 2, &[("t", QOS1)]), [0x87]);
    broker.seen(client);
    broker.publish(client, "t", b"", QOS0, false, 0);
    assert!(broker.messages(client).is_empty());
}
