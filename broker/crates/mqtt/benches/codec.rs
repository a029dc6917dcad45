//! Time of one packet: decode and encode of PUBLISH, which a broker does for every message, and of an acknowledgement.
//!
//! `decode` hands a whole packet to a consumer that the compiler cannot see through, so it includes writing the packet to
//! memory; `route` uses it in place, as the broker does.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use moat_mqtt::codec::{
    self, AckKind, PublishOut, QoS, Version, append_user_property, decode, decode_publish_from_client,
    encode_ack, encode_publish, frame_len,
};

const TOPIC: &str = "fleet/car-17/status/gps";
const PAYLOAD: [u8; 64] = [0x55; 64];
const MAX_PACKET: u32 = 1 << 20;

struct Case {
    name: &'static str,
    version: Version,
    qos: QoS,
    /// Content type, user property and message expiry.
    properties: bool,
}

const CASES: [Case; 4] = [
    Case { name: "v311-qos0-64B", version: Version::V311, qos: QoS::AtMostOnce, properties: false },
    Case { name: "v311-qos1-64B", version: Version::V311, qos: QoS::AtLeastOnce, properties: false },
    Case { name: "v5-qos0-64B", version: Version::V5, qos: QoS::AtMostOnce, properties: false },
    Case { name: "v5-qos1-64B-3-properties", version: Version::V5, qos: QoS::AtLeastOnce, properties: true },
];

fn publish<'a>(case: &Case, raw: &'a mut Vec<u8>) -> PublishOut<'a> {
    if case.properties {
        raw.extend_from_slice(&[0x03, 0, 10]);
        raw.extend_from_slice(b"text/plain");
        append_user_property(raw, "trace", "0123456789").expect("short");
    }
    PublishOut {
        qos: case.qos,
        packet_id: 7,
        properties: raw,
        message_expiry: case.properties.then_some(3600),
        ..PublishOut::new(TOPIC, &PAYLOAD)
    }
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    for case in &CASES {
        let mut raw = Vec::new();
        let packet = publish(case, &mut raw);
        let mut frame = Vec::new();
        encode_publish(&mut frame, case.version, &packet).expect("short");
        group.bench_function(format!("decode/{}", case.name), |bencher| {
            bencher.iter(|| {
                let bytes = black_box(&frame[..]);
                let length = frame_len(bytes, MAX_PACKET).expect("valid").expect("whole");
                black_box(decode_publish_from_client(&bytes[..length], case.version).expect("valid"))
            });
        });
        group.bench_function(format!("route/{}", case.name), |bencher| {
            bencher.iter(|| {
                let bytes = black_box(&frame[..]);
                let length = frame_len(bytes, MAX_PACKET).expect("valid").expect("whole");
                let publish = decode_publish_from_client(&bytes[..length], case.version).expect("valid");
                (publish.topic.len(), publish.payload.len(), publish.qos, publish.retain)
            });
        });
        group.bench_function(format!("encode/{}", case.name), |bencher| {
            let mut out = Vec::with_capacity(1 << 20);
            bencher.iter(|| {
                if out.len() > (1 << 20) - 1024 {
                    out.clear();
                }
                encode_publish(&mut out, case.version, black_box(&packet))
            });
        });
    }
    group.bench_function("decode/puback", |bencher| {
        let mut frame = Vec::new();
        encode_ack(&mut frame, AckKind::PubAck, Version::V311, 7, codec::reason::SUCCESS);
        bencher.iter(|| black_box(decode(black_box(&frame), Version::V311)).is_ok());
    });
    group.bench_function("topic/validate", |bencher| {
        bencher.iter(|| codec::topic::validate_topic_name(black_box(TOPIC)));
    });
    group.finish();
}

criterion_group!(codec_benches, benches);
criterion_main!(codec_benches);
