//! Shared subscriptions.

use std::collections::BTreeMap;

use moat_mqtt::codec::{self, Packet, QoS};

use crate::harness::{Broker, Client, Options, Seen, V4, V5};

const QOS0: QoS = QoS::AtMostOnce;
const QOS1: QoS = QoS::AtLeastOnce;

fn group(broker: &mut Broker, size: usize, options: &Options) -> Vec<Client> {
    (0..size)
        .map(|n| {
            let client = broker.connect(&format!("member-{n}"), options.clone());
            assert_eq!(broker.subscribe(client, 1, &[("$share/g/t/#", QOS1)]), [1]);
            broker.seen(client);
            client
        })
        .collect()
}

#[test]
fn each_message_goes_to_one_member_and_to_all_ordinary_subscribers() {
    for cores in [1, 3] {
        let mut broker = Broker::new(cores);
        let members = group(&mut broker, 4, &Options::new(V5));
        let ordinary = broker.connect("ordinary", Options::new(V4));
        broker.subscribe(ordinary, 1, &[("t/+", QOS1)]);
        broker.seen(ordinary);
        let publisher = broker.connect("p", Options::new(V5));
        for n in 0..400u32 {
            let qos = if n % 2 == 0 { QOS0 } else { QOS1 };
            broker.publish(publisher, "t/x", &n.to_be_bytes(), qos, false, 1);
        }
        assert_eq!(broker.messages(ordinary).len(), 400);
        let mut all = BTreeMap::new();
        for member in &members {
            let messages = broker.messages(*member);
            assert!(messages.len() > 40, "fair enough: {}", messages.len());
            for (_, payload) in messages {
                *all.entry(payload).or_insert(0) += 1;
            }
        }
        assert!(all.len() == 400 && all.values().all(|count| *count == 1), "{cores} cores");
    }
}

#[test]
fn a_member_that_left_for_good_leaves_its_messages_to_the_others() {
    let mut broker = Broker::new(2);
    let members = group(&mut broker, 2, &Options::new(V5));
    let publisher = broker.connect("p", Options::new(V5));
    for n in 0..20u8 {
        broker.publish(publisher, "t/x", &[n], QOS1, false, 1);
    }
    let kept: Vec<u8> = broker.messages(members[0]).into_iter().map(|(_, payload)| payload[0]).collect();
    // Nothing was acknowledged by the second member, whose session ends with its connection.
    broker.drop_connection(members[1]);
    let mut all = kept;
    all.extend(broker.messages(members[0]).into_iter().map(|(_, payload)| payload[0]));
    all.sort_unstable();
    assert_eq!(all, (0..20).collect::<Vec<_>>());
}

#[test]
fn members_that_are_online_come_first() {
    let mut broker = Broker::new(1);
    let members = group(&mut broker, 3, &Options::persistent(V5));
    broker.drop_connection(members[0]);
    broker.drop_connection(members[2]);
    let publisher = broker.connect("p", Options::new(V5));
    for _ in 0..30 {
        broker.publish(publisher, "t/x", b"", QOS1, false, 1);
        for packet in broker.seen(members[1]) {
            let Seen::Publish { id, .. } = packet else { panic!("{packet:?}") };
            broker.send(members[1], &Packet::PubAck(codec::Ack::new(id, 0)));
        }
    }
    assert_eq!(broker.stats().sent[1], 30);
    broker.drop_connection(members[1]);
    broker.publish(publisher, "t/x", b"kept", QOS1, false, 1);
    let mut kept = 0;
    for n in 0..3 {
        let client = broker.connect(&format!("member-{n}"), Options::persistent(V5));
        kept += broker.messages(client).len();
    }
    assert_eq!(kept, 1, "with nobody online one session keeps the message");
}

#[test]
fn groups_and_names_are_separate() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options::new(V5));
    broker.subscribe(client, 1, &[("$share/a/t", QOS0), ("$share/b/t", QOS0), ("t", QOS0)]);
    broker.seen(client);
    broker.publish(client, "t", b"", QOS0, false, 0);
    assert_eq!(broker.messages(client).len(), 3);
}

#[test]
fn shared_subscriptions_get_no_retained_messages() {
    let mut broker = Broker::new(1);
    let client = broker.connect("c", Options::new(V5));
    broker.publish(client, "t/r", b"kept", QOS1, true, 1);
    broker.seen(client);
    broker.subscribe(client, 1, &[("$share/g/t/#", QOS1)]);
    assert!(broker.seen(client).is_empty());
}
