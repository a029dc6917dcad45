//! Random packets of several clients against a model of what MQTT promises.
//!
//! One publisher with QoS 0, 1 or 2 and two subscribers that lose connections, come back, and acknowledge late. The
//! model: every QoS 1 or 2 message that was published while a persistent session was subscribed reaches it, in order,
//! at least once (QoS 1) or exactly once (QoS 2), once the client has stayed long enough; nothing else arrives.

use std::collections::BTreeSet;

use moat_mqtt::codec::{self, Packet, QoS, Version};
use proptest::prelude::*;

use crate::harness::{Broker, Client, Options, Seen, V4, V5};

#[derive(Clone, Debug)]
enum Step {
    Publish(u8),
    /// Subscriber reads and answers up to that many packets.
    Read(usize, usize),
    Drop(usize),
    Reconnect(usize),
    /// A second connection with the same client identifier.
    TakeOver(usize),
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3u8).prop_map(Step::Publish),
        6 => (0..2usize, 1..8usize).prop_map(|(who, n)| Step::Read(who, n)),
        2 => (0..2usize).prop_map(Step::Drop),
        3 => (0..2usize).prop_map(Step::Reconnect),
        1 => (0..2usize).prop_map(Step::TakeOver),
        1 => (1..200u16).prop_map(Step::Pass),
    ]
}

/// A subscriber as the model knows it.
struct Subscriber {
    name: String,
    version: Version,
    qos: u8,
    client: Option<Client>,
    pending: Vec<Seen>,
    /// Identifiers of QoS 2 messages taken and not yet released: a repeated one is no new message.
    taken: BTreeSet<u16>,
    got: Vec<u32>,
    /// Published with at least QoS 1 while subscribed, with the QoS of delivery.
    expected: Vec<(u32, u8)>,
}

impl Subscriber {
    fn options(&self) -> Options {
        Options { receive_maximum: 4, ..Options::persistent(self.version) }
    }

    fn connect(&mut self, broker: &mut Broker) {
        let client = broker.connect(&self.name.clone(), self.options());
        self.client = Some(client);
        // What the lost connection had not read is gone; the broker sends it again.
        self.pending.clear();
    }

    fn read(&mut self, broker: &mut Broker, count: usize) -> bool {
        let Some(client) = self.client else { return false };
        self.pending.extend(broker.seen(client));
        let count = count.min(self.pending.len());
        for packet in self.pending.drain(..count).collect::<Vec<_>>() {
            match packet {
                Seen::Publish { payload, qos, id, .. } => {
                    let number = u32::from_be_bytes(payload.try_into().unwrap());
                    match qos {
                        0 => self.got.push(number),
                        1 => {
                            self.got.push(number);
                            broker.send(client, &Packet::PubAck(codec::Ack::new(id, 0)));
                        }
                        _ => {
                            if self.taken.insert(id) {
                                self.got.push(number);
                            }
                            broker.send(client, &Packet::PubRec(codec::Ack::new(id, 0)));
                        }
                    }
                }
                Seen::PubRel(id) => {
                    self.taken.remove(&id);
                    broker.send(client, &Packet::PubComp(codec::Ack::new(id, 0)));
                }
                Seen::ConnAck { .. } => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        count > 0
    }
}

fn run(cores: u16, steps: &[Step]) {
    let mut broker = Broker::new(cores);
    let publisher = broker.connect("publisher", Options::new(V5));
    let mut subscribers: Vec<_> = [("one", V4, 1u8), ("two", V5, 2)]
        .into_iter()
        .map(|(name, version, qos)| Subscriber {
            name: name.to_owned(),
            version,
            qos,
            client: None,
            pending: Vec::new(),
            taken: BTreeSet::new(),
            got: Vec::new(),
            expected: Vec::new(),
        })
        .collect();
    for subscriber in &mut subscribers {
        subscriber.connect(&mut broker);
        let qos = if subscriber.qos == 1 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
        broker.subscribe(subscriber.client.unwrap(), 1, &[("t/+", qos)]);
    }
    let mut number = 0u32;
    for step in steps {
        match step {
            Step::Publish(qos) => {
                let level = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(*qos)];
                broker.publish(publisher, "t/x", &number.to_be_bytes(), level, false, 1);
                broker.send(publisher, &Packet::PubRel(codec::Ack::new(1, 0)));
                for subscriber in &mut subscribers {
                    if *qos > 0 {
                        subscriber.expected.push((number, (*qos).min(subscriber.qos)));
                    }
                }
                number += 1;
            }
            Step::Read(who, count) => {
                subscribers[*who].read(&mut broker, *count);
            }
            Step::Drop(who) => {
                if let Some(client) = subscribers[*who].client.take() {
                    broker.drop_connection(client);
                }
            }
            Step::Reconnect(who) if subscribers[*who].client.is_none() => {
                subscribers[*who].connect(&mut broker)
            }
            Step::Reconnect(_) => {}
            Step::TakeOver(who) => subscribers[*who].connect(&mut broker),
            Step::Pass(millis) => broker.pass(u64::from(*millis)),
        }
    }
    for subscriber in &mut subscribers {
        if subscriber.client.is_none() {
            subscriber.connect(&mut broker);
        }
        while subscriber.read(&mut broker, usize::MAX) {}
        check(subscriber);
    }
}

fn check(subscriber: &Subscriber) {
    let mut first_seen = Vec::new();
    let mut known = BTreeSet::new();
    for number in &subscriber.got {
        if known.insert(*number) {
            first_seen.push(*number);
        }
    }
    for (number, qos) in &subscriber.expected {
        let times = subscriber.got.iter().filter(|got| *got == number).count();
        match qos {
            1 => assert!(times >= 1, "{}: {number} was lost", subscriber.name),
            _ => assert_eq!(times, 1, "{}: {number} must come exactly once", subscriber.name),
        }
    }
    let reliable: BTreeSet<u32> = subscriber.expected.iter().map(|(number, _)| *number).collect();
    let order: Vec<u32> = first_seen.into_iter().filter(|number| reliable.contains(number)).collect();
    assert!(order.is_sorted(), "{}: order {order:?}", subscriber.name);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn acknowledged_messages_arrive_in_order_whatever_happens_to_connections(
        cores in 1..4u16,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run(cores, &steps);
    }
}
