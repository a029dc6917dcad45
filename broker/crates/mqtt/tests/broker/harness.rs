//! A whole broker in memory: cores, lanes and clients, driven by bytes and by a clock of the test's own.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use moat_mqtt::codec::{self, Packet, QoS, SubscribeOut, SubscriptionOptions, UserProperties, Version};
use moat_mqtt::core::{Closed, Connecting, ConnectionRef, Core, Mail, Refusal, Settled, Shared, home_core};
use moat_mqtt::guard::{Ended, Guard, OnRevocation, PublishRights, Standing};
use moat_mqtt::limits::Limits;
use moat_mqtt::session::Will;

/// What the test's policy says; all sessions share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// Filters that may not be published to.
    pub(crate) no_publish: Vec<String>,
    /// Filters that may not be subscribed, compared as text.
    pub(crate) no_subscribe: Vec<String>,
    /// Identities that have ended.
    pub(crate) ended: Vec<String>,
    pub(crate) on_revocation: OnRevocation,
}

struct TestGuard {
    rules: Arc<Mutex<Rules>>,
    identity: String,
    mine: Rules,
    ended: bool,
}

impl Guard for TestGuard {
    fn renew(&mut self) -> Standing {
        let newest = self.rules.lock().unwrap().clone();
        self.ended = newest.ended.contains(&self.identity);
        self.mine = newest;
        if self.ended {
            return Standing::Ended(Ended { reason_code: 0x87, text: "gone" });
        }
        Standing::Changed
    }

    fn publish_rights(&self, topic: &str) -> PublishRights {
        let refused = self.mine.no_publish.iter().any(|filter| codec::topic::matches(filter, topic));
        if refused || self.ended { PublishRights::NONE } else { PublishRights::ALL }
    }

    fn may_subscribe(&self, filter: &str, _share: Option<&str>, _qos: QoS) -> bool {
        !self.ended && !self.mine.no_subscribe.iter().any(|refused| refused == filter)
    }

    fn on_revocation(&self) -> OnRevocation {
        self.mine.on_revocation
    }

    fn publish_denied(&self, _topic: &str, _qos: QoS, _retain: bool) {}

    fn subscribe_denied(&self, _filter: &str, _share: Option<&str>, _qos: QoS) {}
}

/// How a test client connects.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) version: Version,
    pub(crate) clean_start: bool,
    pub(crate) session_expiry: u32,
    pub(crate) keep_alive: u16,
    pub(crate) receive_maximum: u16,
    pub(crate) max_packet: Option<NonZeroU32>,
    pub(crate) will: Option<Will>,
    pub(crate) identity: String,
    /// The client was authenticated before the newest policy came.
    pub(crate) judged_before: bool,
}

impl Options {
    pub(crate) fn new(version: Version) -> Self {
        Self {
            version,
            clean_start: true,
            session_expiry: 0,
            keep_alive: 0,
            receive_maximum: u16::MAX,
            max_packet: None,
            will: None,
            identity: "anyone".to_owned(),
            judged_before: false,
        }
    }

    pub(crate) fn persistent(version: Version) -> Self {
        Self { clean_start: false, session_expiry: 3600, ..Self::new(version) }
    }
}

pub(crate) const V4: Version = Version::V311;
pub(crate) const V5: Version = Version::V5;

/// A packet as a test compares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    ConnAck {
        present: bool,
        reason: u8,
    },
    Publish {
        topic: String,
        payload: Vec<u8>,
        qos: u8,
        dup: bool,
        retain: bool,
        id: u16,
        identifiers: Vec<u32>,
    },
    PubAck(u16, u8),
    PubRec(u16, u8),
    PubRel(u16),
    PubComp(u16, u8),
    SubAck(u16, Vec<u8>),
    UnsubAck(u16, Vec<u8>),
    PingResp,
    Disconnect(u8),
}

struct Pipe {
    version: Version,
    bytes: Vec<u8>,
    closed: Option<Closed>,
    /// How many more bytes its socket takes.
    room: usize,
}

pub(crate) struct Broker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) cores: Vec<Core>,
    pub(crate) rules: Arc<Mutex<Rules>>,
    pipes: HashMap<ConnectionRef, Pipe>,
    now: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) connection: ConnectionRef,
    pub(crate) version: Version,
}

impl Broker {
    pub(crate) fn new(cores: u16) -> Self {
        Self::with_limits(cores, Limits::default())
    }

    pub(crate) fn with_limits(cores: u16, limits: Limits) -> Self {
        let shared = Arc::new(Shared::new(cores, limits));
        Self {
            cores: (0..cores).map(|id| Core::new(id, Arc::clone(&shared))).collect(),
            shared,
            rules: Arc::default(),
            pipes: HashMap::new(),
            now: 0,
        }
    }

    pub(crate) fn connect(&mut self, client_id: &str, options: Options) -> Client {
        self.try_connect(client_id, options).expect("the connection is accepted")
    }

    pub(crate) fn try_connect(&mut self, client_id: &str, options: Options) -> Result<Client, Refusal> {
        let version = options.version;
        let guard = TestGuard {
            rules: Arc::clone(&self.rules),
            identity: options.identity.clone(),
            mine: self.rules.lock().unwrap().clone(),
            ended: false,
        };
        let connecting = Connecting {
            client_id: client_id.into(),
            assigned: false,
            version,
            clean_start: options.clean_start,
            keep_alive: options.keep_alive,
            session_expiry: options.session_expiry,
            receive_maximum: options.receive_maximum,
            max_packet: options.max_packet,
            problem_information: true,
            will: options.will,
            identity: options.identity.into(),
            any_identity: false,
            guard: Box::new(guard),
            judged_at: self.shared.policy_epoch() - u64::from(options.judged_before),
        };
        let core = home_core(client_id, self.shared.cores);
        let connected = self.cores[usize::from(core)].connect(connecting);
        let connection = connected?;
        self.pipes.insert(connection, Pipe { version, bytes: Vec::new(), closed: None, room: usize::MAX });
        self.settle();
        Ok(Client { connection, version })
    }

    fn core(&mut self, client: Client) -> &mut Core {
        &mut self.cores[usize::from(client.connection.session.core)]
    }

    /// Sends raw bytes and lets everything happen that follows from them.
    pub(crate) fn send_raw(&mut self, client: Client, bytes: &[u8]) {
        let now = self.now;
        let core = self.core(client);
        core.set_now(now);
        let received = core.receive(client.connection, bytes);
        self.settle();
        if received.paused {
            // As the network side does when the core lets it go on.
            return self.send_raw(client, &bytes[received.consumed..]);
        }
        assert!(received.ended || received.consumed == bytes.len(), "tests send whole packets");
    }

    /// Gives the core what it takes of `bytes` at once; says how much that was.
    pub(crate) fn offer(&mut self, client: Client, bytes: &[u8]) -> usize {
        let now = self.now;
        let core = self.core(client);
        core.set_now(now);
        let received = core.receive(client.connection, bytes);
        self.settle();
        received.consumed
    }

    pub(crate) fn send(&mut self, client: Client, packet: &Packet<'_>) {
        let mut out = Vec::new();
        codec::encode(&mut out, client.version, packet).unwrap();
        self.send_raw(client, &out);
    }

    #[expect(clippy::too_many_arguments, reason = "a PUBLISH in one line reads best in a test")]
    pub(crate) fn publish(
        &mut self,
        client: Client,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
        id: u16,
    ) {
        let bytes = publish_bytes(client.version, topic, payload, qos, retain, id);
        self.send_raw(client, &bytes);
    }

    pub(crate) fn subscribe(&mut self, client: Client, id: u16, filters: &[(&str, QoS)]) -> Vec<u8> {
        let filters: Vec<_> = filters.iter().map(|(f, qos)| (*f, SubscriptionOptions::new(*qos))).collect();
        self.subscribe_with(client, id, &filters, None)
    }

    pub(crate) fn subscribe_with(
        &mut self,
        client: Client,
        id: u16,
        filters: &[(&str, SubscriptionOptions)],
        identifier: Option<u32>,
    ) -> Vec<u8> {
        let packet = SubscribeOut {
            packet_id: id,
            subscription_identifier: identifier.and_then(NonZeroU32::new),
            user_properties: UserProperties::EMPTY,
            filters,
        };
        let mut out = Vec::new();
        codec::encode_subscribe(&mut out, client.version, &packet).unwrap();
        self.send_raw(client, &out);
        let seen = self.seen(client);
        let mut codes = None;
        let mut rest = Vec::new();
        for packet in seen {
            match packet {
                Seen::SubAck(answered, granted) if answered == id => codes = Some(granted),
                other => rest.push(other),
            }
        }
        self.unsee(client, &rest);
        codes.unwrap_or_default()
    }

    /// Puts packets back that the test has not looked at yet.
    fn unsee(&mut self, client: Client, packets: &[Seen]) {
        let version = client.version;
        let Some(pipe) = self.pipes.get_mut(&client.connection) else { return };
        let mut bytes = Vec::new();
        for packet in packets {
            packet.encode(&mut bytes, version);
        }
        bytes.append(&mut pipe.bytes);
        pipe.bytes = bytes;
    }

    /// The network drops the connection.
    pub(crate) fn drop_connection(&mut self, client: Client) {
        let now = self.now;
        let core = self.core(client);
        core.set_now(now);
        core.closed(client.connection);
        self.settle();
    }

    pub(crate) fn disconnect(&mut self, client: Client) {
        self.send(client, &Packet::Disconnect(codec::Disconnect::new(0)));
    }

    /// Lets time pass; ticks come as the network side gives them.
    pub(crate) fn pass(&mut self, millis: u64) {
        self.now += millis;
        for core in &mut self.cores {
            core.set_now(self.now);
            core.tick();
            core.check_keep_alive();
        }
        self.settle();
    }

    /// Puts new rules in force, as a policy swap does, and lets the sweep run.
    pub(crate) fn change_rules(&mut self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.rules.lock().unwrap());
        self.shared.policy_changed();
    }

    pub(crate) fn sweep(&mut self) {
        for core in &mut self.cores {
            while core.sweep(1) {}
        }
        self.settle();
    }

    /// The client's socket takes only `room` more bytes.
    pub(crate) fn clog(&mut self, client: Client, room: usize) {
        self.pipes.get_mut(&client.connection).unwrap().room = room;
    }

    /// Whether the client would be read from now.
    pub(crate) fn may_send(&mut self, client: Client) -> bool {
        self.core(client).settle(client.connection) == Settled::Go
    }

    /// Moves bytes and mail until nothing happens any more.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for id in 0..self.cores.len() {
                quiet &= !self.flush(id);
                let mut mail = Vec::new();
                self.shared.lanes.collect(u16::try_from(id).unwrap(), &mut mail);
                for piece in &mail {
                    quiet = false;
                    match piece {
                        Mail::Batch(batch) => self.cores[id].take_batch(batch),
                        Mail::Credit(publisher) => self.cores[id].take_credit(*publisher),
                    }
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// One turn of the network side of one core; false if there was nothing to do.
    fn flush(&mut self, id: usize) -> bool {
        let core = &mut self.cores[id];
        let mut busy = false;
        loop {
            while let Some(farewell) = core.next_farewell() {
                busy = true;
                if let Some(pipe) = self.pipes.get_mut(&farewell.connection) {
                    let mut output = farewell.output;
                    take(&mut output, pipe);
                    pipe.closed = Some(farewell.cause);
                }
            }
            let Some(connection) = core.next_dirty() else { break };
            busy = true;
            let Some(pipe) = self.pipes.get_mut(&connection) else { continue };
            let Some(output) = core.output(connection) else { continue };
            if take(output, pipe) {
                core.sent(connection);
            }
        }
        core.settle_mail();
        core.post();
        while core.next_resumed().is_some() {
            busy = true;
        }
        busy
    }

    /// Lets a clogged socket take bytes again.
    pub(crate) fn unclog(&mut self, client: Client) {
        let pipe = self.pipes.get_mut(&client.connection).unwrap();
        pipe.room = usize::MAX;
        let core = &mut self.cores[usize::from(client.connection.session.core)];
        if let Some(output) = core.output(client.connection) {
            take(output, pipe);
        }
        core.sent(client.connection);
        self.settle();
    }

    /// What the client received since the last look.
    pub(crate) fn seen(&mut self, client: Client) -> Vec<Seen> {
        let Some(pipe) = self.pipes.get_mut(&client.connection) else { return Vec::new() };
        let bytes = std::mem::take(&mut pipe.bytes);
        let mut rest = &bytes[..];
        let mut seen = Vec::new();
        while !rest.is_empty() {
            let length = codec::frame_len(rest, u32::MAX).unwrap().expect("whole packets only");
            let packet =
                codec::decode(&rest[..length], pipe.version).expect("the broker's packets are valid");
            seen.push(Seen::of(&packet));
            rest = &rest[length..];
        }
        seen
    }

    /// The bytes that the client received since the last look.
    pub(crate) fn raw(&mut self, client: Client) -> Vec<u8> {
        self.pipes.get_mut(&client.connection).map(|pipe| std::mem::take(&mut pipe.bytes)).unwrap_or_default()
    }

    /// As [`Broker::seen`], messages only: topic and payload.
    pub(crate) fn messages(&mut self, client: Client) -> Vec<(String, Vec<u8>)> {
        let seen = self.seen(client);
        let message = |packet| match packet {
            Seen::Publish { topic, payload, .. } => Some((topic, payload)),
            _ => None,
        };
        seen.into_iter().filter_map(message).collect()
    }

    /// Why the client's connection ended; none while it lives.
    pub(crate) fn closed(&self, client: Client) -> Option<Closed> {
        self.pipes.get(&client.connection).and_then(|pipe| pipe.closed)
    }

    pub(crate) fn stats(&self) -> moat_mqtt::core::Stats {
        let mut stats = moat_mqtt::core::Stats::default();
        for core in &self.cores {
            stats.add(&core.stats());
        }
        stats
    }
}

fn take(output: &mut moat_mqtt::core::Output, pipe: &mut Pipe) -> bool {
    let mut progress = false;
    while !output.is_empty() && pipe.room > 0 {
        let chunk = output.chunk();
        let n = chunk.len().min(pipe.room);
        pipe.bytes.extend_from_slice(&chunk[..n]);
        output.consume(n);
        pipe.room = if pipe.room == usize::MAX { usize::MAX } else { pipe.room - n };
        progress = true;
    }
    progress && output.is_empty()
}

#[expect(clippy::too_many_arguments, reason = "a PUBLISH in one line reads best in a test")]
pub(crate) fn publish_bytes(
    version: Version,
    topic: &str,
    payload: &[u8],
    qos: QoS,
    retain: bool,
    id: u16,
) -> Vec<u8> {
    let mut out = Vec::new();
    let packet = codec::PublishOut { qos, retain, packet_id: id, ..codec::PublishOut::new(topic, payload) };
    codec::encode_publish(&mut out, version, &packet).unwrap();
    out
}

pub(crate) fn will(topic: &str, payload: &[u8], delay: u32) -> Option<Will> {
    Some(Will {
        topic: topic.into(),
        payload: payload.to_vec().into(),
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: Box::default(),
        expiry: None,
        delay,
    })
}

impl Seen {
    fn of(packet: &Packet<'_>) -> Self {
        match packet {
            Packet::ConnAck(p) => Self::ConnAck { present: p.session_present, reason: p.reason },
            Packet::Publish(p) => Self::Publish {
                topic: p.topic.to_owned(),
                payload: p.payload.to_vec(),
                qos: p.qos as u8,
                dup: p.dup,
                retain: p.retain,
                id: p.packet_id,
                identifiers: p
                    .properties
                    .iter()
                    .filter_map(|property| match property {
                        codec::Property::SubscriptionIdentifier(id) => Some(id.get()),
                        _ => None,
                    })
                    .collect(),
            },
            Packet::PubAck(p) => Self::PubAck(p.packet_id, p.reason),
            Packet::PubRec(p) => Self::PubRec(p.packet_id, p.reason),
            Packet::PubRel(p) => Self::PubRel(p.packet_id),
            Packet::PubComp(p) => Self::PubComp(p.packet_id, p.reason),
            Packet::SubAck(p) => Self::SubAck(p.packet_id, p.reasons.to_vec()),
            Packet::UnsubAck(p) => Self::UnsubAck(p.packet_id, p.reasons.to_vec()),
            Packet::PingResp => Self::PingResp,
            Packet::Disconnect(p) => Self::Disconnect(p.reason),
            other => panic!("a server does not send {other:?}"),
        }
    }

    fn encode(&self, out: &mut Vec<u8>, version: Version) {
        match self {
            Self::ConnAck { present, reason } => {
                let packet = codec::ConnAck {
                    session_present: *present,
                    reason: *reason,
                    properties: codec::ConnAckProperties::default(),
                };
                codec::encode_connack(out, version, &packet).unwrap();
            }
            Self::Publish { topic, payload, qos, dup, retain, id, identifiers } => {
                let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(*qos)];
                let identifiers: Vec<_> = identifiers.iter().filter_map(|id| NonZeroU32::new(*id)).collect();
                let packet = codec::PublishOut {
                    qos,
                    dup: *dup,
                    retain: *retain,
                    packet_id: *id,
                    subscription_identifiers: &identifiers,
                    ..codec::PublishOut::new(topic, payload)
                };
                codec::encode_publish(out, version, &packet).unwrap();
            }
            other => panic!("tests do not put {other:?} back"),
        }
    }
}
