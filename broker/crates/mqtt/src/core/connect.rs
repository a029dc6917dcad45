//! A client that was authenticated gets its session.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::connection::{Connection, ConnectionRef, Pressure};
use super::delivery::seconds_left;
use super::lifecycle::Closed;
use super::memo::Memo;
use super::{Core, mark_dirty};
use crate::codec::{self, AckKind, ConnAck, ConnAckProperties, Version, reason};
use crate::guard::{Guard, Standing};
use crate::router::SessionRef;
use crate::session::{Inflight, NEVER, Queue, Resend, Session, Will};

/// A CONNECT whose sender is known.
#[derive(Debug)]
pub struct Connecting {
    /// The client identifier, the client's or an assigned one; not empty.
    pub client_id: Box<str>,
    /// Whether the broker chose the client identifier [MQTT-3.2.2-16].
    pub assigned: bool,
    /// The protocol version of the connection.
    pub version: Version,
    /// Whether an earlier session is discarded.
    pub clean_start: bool,
    /// Seconds; 0 turns the supervision off.
    pub keep_alive: u16,
    /// Session expiry interval in seconds as asked for; for MQTT 3 it follows from clean session.
    pub session_expiry: u32,
    /// The client's Receive Maximum; 65 535 for MQTT 3.
    pub receive_maximum: u16,
    /// The client's Maximum Packet Size.
    pub max_packet: Option<NonZeroU32>,
    /// Whether reason strings are wanted.
    pub problem_information: bool,
    /// The will, if any.
    pub will: Option<Will>,
    /// Who connects: the session belongs to this identity.
    pub identity: Arc<str>,
    /// Whether the session of another identity may be taken over.
    pub any_identity: bool,
    /// The identity's view of the policy.
    pub guard: Box<dyn Guard>,
    /// Policy epoch that the guard was made under, read before the policy was.
    pub judged_at: u64,
}

/// Why a CONNECT was refused after all; the code of the CONNACK in MQTT 5's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// MQTT 5 reason code.
    pub reason_code: u8,
    /// Text for the log.
    pub text: &'static str,
}

impl Core {
    /// Gives the client its session and queues the CONNACK and what is to be sent again.
    ///
    /// # Errors
    /// [`Refusal`] if the policy refuses the will or, meanwhile, the identity; if the session belongs to another
    /// identity; or if there are too many sessions. Nothing has changed then.
    pub fn connect(&mut self, mut connecting: Connecting) -> Result<ConnectionRef, Refusal> {
        let existing = self.sessions.find(&connecting.client_id);
        self.admit(&mut connecting, existing)?;
        while connecting.judged_at != self.shared.policy_epoch() {
            // The policy changed while this one was being asked: nothing is answered by an older one.
            self.admit(&mut connecting, existing)?;
        }
        let resumed = existing.filter(|session| self.take_over(*session, connecting.clean_start));
        let expiry = connecting.session_expiry.min(self.longest_expiry());
        let mut connection = Box::new(self.open(&connecting));
        self.greet(&mut connection, &connecting, resumed.is_some(), expiry);
        let session = match resumed {
            Some(session) => {
                self.reoccupy(session, connecting, expiry);
                session
            }
            None => self.create(connecting, expiry),
        };
        let reference = ConnectionRef { session, serial: connection.serial };
        mark_dirty(&mut self.dirty, &mut self.pool, session, &mut connection);
        if let Some(session) = self.sessions.get_mut(session) {
            session.connection = Some(connection);
        }
        self.stats.connections += 1;
        if resumed.is_some() {
            self.resume(session);
        }
        Ok(reference)
    }

    /// Whether the policy and the bounds allow the connection.
    fn admit(&mut self, connecting: &mut Connecting, existing: Option<SessionRef>) -> Result<(), Refusal> {
        let epoch = self.shared.policy_epoch();
        if connecting.judged_at != epoch {
            // The policy changed while the client was being authenticated: the newer one decides.
            if let Standing::Ended(ended) = connecting.guard.renew() {
                return Err(Refusal { reason_code: ended.reason_code, text: ended.text });
            }
            connecting.judged_at = epoch;
        }
        if let Some(will) = &connecting.will
            && !connecting.guard.publish_rights(&will.topic).allows(will.qos, will.retain)
        {
            connecting.guard.publish_denied(&will.topic, will.qos, will.retain);
            self.stats.denied_publish += 1;
            return Err(Refusal { reason_code: reason::NOT_AUTHORIZED, text: "the will is not permitted" });
        }
        match existing.and_then(|session| self.sessions.get(session)) {
            Some(session) if !connecting.any_identity && session.identity != connecting.identity => {
                Err(Refusal {
                    reason_code: reason::CLIENT_IDENTIFIER_NOT_VALID,
                    text: "the client identifier belongs to a session of another identity",
                })
            }
            Some(_) => Ok(()),
            None if self.shared.sessions.load(Ordering::Relaxed) >= self.shared.limits.max_sessions => {
                Err(Refusal { reason_code: reason::QUOTA_EXCEEDED, text: "too many sessions" })
            }
            None => Ok(()),
        }
    }

    pub(super) fn longest_expiry(&self) -> u32 {
        u32::try_from(self.shared.limits.max_session_expiry.as_secs()).unwrap_or(NEVER)
    }

    /// Ends the old connection of a session; true if the session itself lives on [MQTT-3.1.2-5].
    fn take_over(&mut self, session: SessionRef, clean_start: bool) -> bool {
        if let Some(serial) = self.sessions.get(session).and_then(|s| s.connection.as_ref()).map(|c| c.serial)
        {
            self.stats.taken_over += 1;
            // Discarding the session makes a delayed will due at once [MQTT-3.1.3-9].
            self.end(ConnectionRef { session, serial }, Closed::TakenOver);
        }
        if clean_start {
            self.end_session(session);
            return false;
        }
        self.sessions.get(session).is_some()
    }

    fn open(&mut self, connecting: &Connecting) -> Connection {
        self.serial = self.serial.wrapping_add(1);
        let limits = &self.shared.limits;
        let keep_alive = connecting.keep_alive.min(limits.max_keep_alive);
        Connection {
            serial: self.serial,
            version: connecting.version,
            output: self.pool.output(),
            dirty: false,
            patience: u64::from(keep_alive) * 1500,
            last_seen: self.now,
            aliases: Vec::new(),
            max_packet: connecting.max_packet.map_or(u32::MAX, NonZeroU32::get),
            window: connecting.receive_maximum.min(limits.max_inflight),
            problem_information: connecting.problem_information,
            memo: Memo::default(),
            pressure: Pressure::default(),
        }
    }

    /// The first packet of every connection [MQTT-3.2.0-1].
    fn greet(&self, connection: &mut Connection, connecting: &Connecting, present: bool, expiry: u32) {
        let limits = &self.shared.limits;
        let keep_alive = connecting.keep_alive.min(limits.max_keep_alive);
        let answer = ConnAck {
            session_present: present,
            reason: reason::SUCCESS,
            properties: ConnAckProperties {
                session_expiry: (expiry != connecting.session_expiry).then_some(expiry),
                receive_maximum: limits.receive_maximum,
                max_packet_size: NonZeroU32::new(limits.max_packet_size),
                assigned_client_id: connecting.assigned.then_some(&*connecting.client_id),
                topic_alias_max: limits.topic_alias_maximum,
                server_keep_alive: (keep_alive != connecting.keep_alive).then_some(keep_alive),
                ..ConnAckProperties::default()
            },
        };
        // All its fields are the broker's own or came in a packet, so it cannot be too long.
        let _ = codec::encode_connack(connection.output.tail(), connection.version, &answer);
    }

    fn create(&mut self, connecting: Connecting, expiry: u32) -> SessionRef {
        self.shared.sessions.fetch_add(1, Ordering::Relaxed);
        self.sessions.insert(Box::new(Session {
            client_id: connecting.client_id,
            identity: connecting.identity,
            guard: connecting.guard,
            judged_at: connecting.judged_at,
            expiry,
            expires_at: None,
            connection: None,
            subscriptions: HashMap::default(),
            inflight: Inflight::default(),
            queue: Queue::default(),
            unreleased: HashSet::default(),
            will: connecting.will,
            will_at: None,
            member: None,
        }))
    }

    /// The client of a kept session is back.
    fn reoccupy(&mut self, reference: SessionRef, connecting: Connecting, expiry: u32) {
        let Some(session) = self.sessions.get_mut(reference) else { return };
        session.identity = connecting.identity;
        session.guard = connecting.guard;
        session.judged_at = connecting.judged_at;
        session.expiry = expiry;
        session.expires_at = None;
        // A client that is back in time takes its delayed will back [MQTT-3.1.3-9].
        session.will = connecting.will;
        session.will_at = None;
        if let Some(member) = &session.member {
            member.set_online(true);
        }
    }

    /// Brings a resumed session up to date: subscriptions, unacknowledged messages, queue.
    fn resume(&mut self, reference: SessionRef) {
        // Its rights may have changed while it was away, or by its new identity.
        self.review_subscriptions(reference);
        self.resend(reference);
        self.pump(reference);
    }

    /// Sends what was not acknowledged again [MQTT-4.4.0-1].
    fn resend(&mut self, reference: SessionRef) {
        let Some(session) = self.sessions.get_mut(reference) else { return };
        let Some(connection) = session.connection.as_deref_mut() else { return };
        for item in session.inflight.resend() {
            match item {
                Resend::PubRel(id) => {
                    let out = connection.output.tail();
                    codec::encode_ack(out, AckKind::PubRel, connection.version, id, reason::SUCCESS);
                }
                Resend::Publish(id, qos, kept) => {
                    let message = &kept.message;
                    let packet = codec::PublishOut {
                        dup: true,
                        qos,
                        retain: kept.retain,
                        packet_id: id,
                        properties: &message.properties,
                        message_expiry: message.expires_at.map(|at| seconds_left(at, self.now)),
                        subscription_identifiers: &kept.identifiers,
                        ..codec::PublishOut::new(&message.topic, &message.payload)
                    };
                    // It was sent once, so it fits into a packet.
                    let _ = codec::encode_publish(connection.output.tail(), connection.version, &packet);
                    self.stats.sent[qos as usize] += 1;
                }
            }
        }
        mark_dirty(&mut self.dirty, &mut self.pool, reference, connection);
    }
}
