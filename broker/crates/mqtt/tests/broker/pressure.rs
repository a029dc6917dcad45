//! Slow subscribers, and who waits for them.

use moat_mqtt::codec::{self, Packet, QoS};
use moat_mqtt::limits::Limits;

use crate::harness::{Broker, Client, Options, Seen, V4, V5, publish_bytes};

const QOS0: QoS = QoS::AtMostOnce;
const QOS1: QoS = QoS::AtLeastOnce;

fn limits() -> Limits {
    Limits { output_high_water: 10_000, output_limit: 50_000, ..Limits::default() }
}

fn subscriber(broker: &mut Broker, name: &str, qos: QoS) -> Client {
    let client = broker.connect(name, Options::new(V4));
    broker.subscribe(client, 1, &[("t", qos)]);
    broker.seen(client);
    client
}

fn burst(count: u32, qos: QoS) -> Vec<u8> {
    (0..count).flat_map(|n| publish_bytes(V5, "t", &[n.to_le_bytes()[0]; 100], qos, false, 1)).collect()
}

#[test]
fn a_publisher_waits_for_a_subscriber_that_makes_progress() {
    let mut broker = Broker::with_limits(1, limits());
    let slow = subscriber(&mut broker, "slow", QOS0);
    let publisher = broker.connect("p", Options::new(V5));
    broker.clog(slow, 0);
    broker.send_raw(publisher, &burst(50, QOS0));
    assert!(broker.may_send(publisher), "below the high-water mark");
    broker.send_raw(publisher, &burst(100, QOS0));
    assert!(!broker.may_send(publisher));
    broker.unclog(slow);
    assert!(broker.may_send(publisher));
    assert_eq!(broker.messages(slow).len(), 150, "nothing was lost");
}

#[test]
fn nobody_waits_for_a_dead_subscriber() {
    let mut broker = Broker::with_limits(1, limits());
    let dead = subscriber(&mut broker, "dead", QOS0);
    let alive = subscriber(&mut broker, "alive", QOS0);
    let publisher = broker.connect("p", Options::new(V5));
    broker.clog(dead, 0);
    broker.send_raw(publisher, &burst(150, QOS0));
    assert!(!broker.may_send(publisher));
    broker.pass(100);
    assert!(broker.may_send(publisher), "no progress for the stall time: the others go on");
    for _ in 0..10 {
        broker.send_raw(publisher, &burst(100, QOS0));
        assert!(broker.may_send(publisher));
    }
    assert_eq!(broker.messages(alive).len(), 1150);
    assert!(broker.stats().dropped_output_full > 0, "the dead one loses its own");
    broker.unclog(dead);
    let received = broker.messages(dead).len();
    assert!(received < 600, "and its buffer stayed within the limit: {received}");
}

#[test]
fn publishers_on_other_cores_are_held_as_well() {
    let mut broker =
        Broker::with_limits(2, Limits { output_high_water: 60_000, output_limit: 10 << 20, ..limits() });
    let slow = subscriber(&mut broker, "slow", QOS0);
    let far = (0..)
        .map(|n| format!("p{n}"))
        .find(|name| moat_mqtt::core::home_core(name, 2) != slow.connection.session.core)
        .unwrap();
    let publisher = broker.connect(&far, Options::new(V5));
    broker.clog(slow, 0);
    let mut sent = 0;
    while broker.may_send(publisher) {
        broker.send_raw(publisher, &burst(500, QOS0));
        sent += 500;
        assert!(sent < 100_000, "a publisher on another core is never held");
    }
    broker.unclog(slow);
    assert!(broker.may_send(publisher));
    assert_eq!(broker.messages(slow).len(), sent);
}

#[test]
fn messages_with_acknowledgement_wait_in_the_queue_of_a_slow_subscriber() {
    let mut broker = Broker::with_limits(1, limits());
    let slow = subscriber(&mut broker, "slow", QOS1);
    let publisher = broker.connect("p", Options::new(V5));
    broker.clog(slow, 0);
    broker.send_raw(publisher, &burst(300, QOS1));
    assert_eq!(broker.stats().dropped_queue_full, 0);
    broker.unclog(slow);
    assert_eq!(broker.messages(slow).len(), 300);
}

#[test]
fn nothing_acknowledged_is_lost_for_a_client_that_keeps_up_slowly() {
    for cores in [1, 2] {
        let mut broker = Broker::with_limits(cores, Limits { queue_high_water: 100, ..Limits::default() });
        let slow = broker.connect("slow", Options { receive_maximum: 10, ..Options::new(V5) });
        broker.subscribe(slow, 1, &[("t", QOS1)]);
        broker.seen(slow);
        let publisher = broker.connect("p", Options::new(V5));
        broker.seen(publisher);
        let mut left = burst(5000, QOS1);
        let (mut received, mut held) = (0, 0);
        while received < 5000 {
            if !left.is_empty() && broker.may_send(publisher) {
                let consumed = broker.offer(publisher, &left);
                left.drain(..consumed);
            } else {
                held += 1;
            }
            for packet in broker.seen(slow) {
                let Seen::Publish { id, .. } = packet else { panic!("{packet:?}") };
                received += 1;
                broker.send(slow, &Packet::PubAck(codec::Ack::new(id, 0)));
            }
        }
        assert!(held > 0, "the publisher had to wait");
        assert_eq!(broker.stats().dropped_queue_full, 0);
        assert_eq!(broker.seen(publisher).len(), 5000, "every message was acknowledged");
    }
}

#[test]
fn a_closed_subscriber_lets_its_publishers_go() {
    let mut broker = Broker::with_limits(1, limits());
    let slow = subscriber(&mut broker, "slow", QOS0);
    let publisher = broker.connect("p", Options::new(V5));
    broker.clog(slow, 0);
    broker.send_raw(publisher, &burst(150, QOS0));
    assert!(!broker.may_send(publisher));
    broker.drop_connection(slow);
    assert!(broker.may_send(publisher));
}
