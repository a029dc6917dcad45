//! A PUBLISH from its packet to the routes: may it, who wants it, and what is answered.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::delivery::{Class, Context, Outgoing};
use super::turn::{Stop, Turn};
use super::{Core, mark_dirty};
use crate::codec::{self, AckKind, Publish, QoS, Version, reason};
use crate::guard::PublishRights;
use crate::message::Message;
use crate::retained;
use crate::router::{Route, SessionRef};

/// The packet type of a PUBLISH in the first byte's high half.
pub(super) const PUBLISH: u8 = 0x30;

impl Core {
    /// Handles one PUBLISH, `frame` being its place in the turn's input.
    pub(super) fn publish(&mut self, turn: &mut Turn<'_>, frame: Range<usize>) -> Result<(), Stop> {
        let input = turn.input;
        let publish = codec::decode_publish_from_client(&input[frame.clone()], turn.version)?;
        self.stats.received[publish.qos as usize] += 1;
        let topic = match publish.properties.topic_alias {
            None => Cow::Borrowed(publish.topic),
            Some(alias) => Cow::Owned(self.resolve_alias(turn, alias, publish.topic)?),
        };
        if !turn.memo.holds(&topic, self.shared.policy_epoch(), self.shared.router.epoch()) {
            self.deliver_pending(turn);
            self.look_up(turn, &topic)?;
        }
        if !turn.memo.rights.allows(publish.qos, publish.retain) {
            self.deliver_pending(turn);
            return Err(self.deny(turn, &publish, &topic));
        }
        let Some(route) = &turn.memo.route else { return Ok(()) };
        if publish.qos == QoS::AtMostOnce
            && !publish.retain
            && publish.properties.forward_is_raw
            && route.shared.is_empty()
        {
            if !route.is_empty() {
                extend_run(turn, frame);
            }
            return Ok(());
        }
        self.deliver_pending(turn);
        self.publish_one(turn, &publish, &topic)
    }

    /// A PUBLISH that cannot be passed on as it is: with QoS, retained, shared, or with properties of its hop.
    fn publish_one(&mut self, turn: &mut Turn<'_>, publish: &Publish<'_>, topic: &str) -> Result<(), Stop> {
        let session = turn.session();
        if publish.qos == QoS::ExactlyOnce && !self.accept_exactly_once(turn, publish.packet_id)? {
            return Ok(());
        }
        let Some(route) = turn.memo.route.clone() else { return Ok(()) };
        let properties: Cow<'_, [u8]> = if publish.properties.forward_is_raw {
            Cow::Borrowed(publish.properties.raw)
        } else {
            let mut forwardable = Vec::with_capacity(publish.properties.raw.len());
            publish.properties.append_forwardable(&mut forwardable);
            Cow::Owned(forwardable)
        };
        let context =
            Context { publisher: session, now: self.now, scratch: std::mem::take(&mut self.scratch) };
        let mut outgoing = Outgoing::of_publish(publish, topic, &properties, context);
        if publish.retain {
            self.retain(&mut outgoing);
        }
        self.deliver(&route, &mut outgoing);
        self.scratch = outgoing.into_scratch();
        self.note_lanes(turn.connection, &route, publish.payload.len() + topic.len() + Message::OVERHEAD);
        let answer = match publish.qos {
            QoS::AtMostOnce => return Ok(()),
            QoS::AtLeastOnce => AckKind::PubAck,
            QoS::ExactlyOnce => AckKind::PubRec,
        };
        // The publisher learns that nobody listens only by MQTT 5's success code "no matching subscribers".
        let code = if route.is_empty() { reason::NO_MATCHING_SUBSCRIBERS } else { reason::SUCCESS };
        self.acknowledge(session, answer, publish.packet_id, code);
        Ok(())
    }

    /// Notes a QoS 2 identifier; false if the message was received before and is only answered again
    /// [MQTT-4.3.3-10].
    fn accept_exactly_once(&mut self, turn: &mut Turn<'_>, packet_id: u16) -> Result<bool, Stop> {
        let session_ref = turn.session();
        let maximum = usize::from(self.shared.limits.receive_maximum);
        let Some(session) = self.sessions.get_mut(session_ref) else { return Err(Stop::Ended) };
        if session.unreleased.contains(&packet_id) {
            self.acknowledge(session_ref, AckKind::PubRec, packet_id, reason::SUCCESS);
            return Ok(false);
        }
        if session.unreleased.len() >= maximum {
            return Err(Stop::Protocol(reason::RECEIVE_MAXIMUM_EXCEEDED));
        }
        session.unreleased.insert(packet_id);
        Ok(true)
    }

    /// The topic behind an alias; a topic name that comes with one replaces it [MQTT-3.3.2-12].
    fn resolve_alias(&mut self, turn: &Turn<'_>, alias: u16, topic: &str) -> Result<String, Stop> {
        if alias > self.shared.limits.topic_alias_maximum {
            return Err(Stop::Protocol(reason::TOPIC_ALIAS_INVALID));
        }
        let Some(connection) = self.connection_mut(turn.connection) else { return Err(Stop::Ended) };
        let place = usize::from(alias) - 1;
        if topic.is_empty() {
            let known = connection.aliases.get(place).and_then(Option::as_deref);
            return known.map(str::to_owned).ok_or(Stop::Protocol(reason::PROTOCOL_ERROR));
        }
        if connection.aliases.len() <= place {
            connection.aliases.resize(place + 1, None);
        }
        connection.aliases[place] = Some(topic.into());
        Ok(topic.to_owned())
    }

    /// Asks for rights and route of a topic that the memo does not hold.
    #[inline(never)]
    fn look_up(&mut self, turn: &mut Turn<'_>, topic: &str) -> Result<(), Stop> {
        let epoch = self.judge(turn.session()).ok_or(Stop::Ended)?;
        let rights = if turn.memo.holds_rights(topic, epoch) {
            turn.memo.rights
        } else {
            let session = self.sessions.get(turn.session()).ok_or(Stop::Ended)?;
            session.guard.publish_rights(topic)
        };
        // Who may not publish there needs no route, and must not fill the cache with topics of his making.
        let route = if rights == PublishRights::NONE {
            Arc::new(Route::nobody(self.shared.router.epoch()))
        } else {
            self.routes.get(&self.shared.router, topic)
        };
        turn.memo.remember(topic, epoch, rights, route);
        Ok(())
    }

    /// Answers a refused PUBLISH; the caller ends the connection.
    #[cold]
    fn deny(&mut self, turn: &Turn<'_>, publish: &Publish<'_>, topic: &str) -> Stop {
        self.stats.denied_publish += 1;
        if let Some(session) = self.sessions.get(turn.session()) {
            session.guard.publish_denied(topic, publish.qos, publish.retain);
        }
        if turn.version == Version::V5 {
            let kind = match publish.qos {
                QoS::AtMostOnce => None,
                QoS::AtLeastOnce => Some(AckKind::PubAck),
                QoS::ExactlyOnce => Some(AckKind::PubRec),
            };
            if let Some(kind) = kind {
                self.acknowledge(turn.session(), kind, publish.packet_id, reason::NOT_AUTHORIZED);
            }
        }
        Stop::NotAuthorized
    }

    /// Stores or removes a retained message [MQTT-3.3.1-5, MQTT-3.3.1-6].
    fn retain(&mut self, outgoing: &mut Outgoing<'_>) {
        if outgoing.payload.is_empty() {
            self.shared.retained.clear(outgoing.topic);
            return;
        }
        let message = outgoing.stored();
        let (size, expires_at) = (message.size(), message.expires_at);
        let outcome = self.shared.retained.set(outgoing.topic, message, size, expires_at);
        if matches!(outcome, retained::Outcome::Refused(_)) {
            self.stats.dropped_retained_full += 1;
        }
    }

    /// Publishes a message of the broker's keeping (a will) to everyone who subscribed.
    pub(super) fn publish_message(&mut self, message: &Arc<Message>) {
        let scratch = std::mem::take(&mut self.scratch);
        let mut outgoing = Outgoing::of_message(message, self.now, scratch);
        if message.retain {
            self.retain(&mut outgoing);
        }
        let route = self.routes.get(&self.shared.router, &message.topic);
        self.deliver(&route, &mut outgoing);
        self.scratch = outgoing.into_scratch();
    }

    /// Appends an acknowledgement to a session's own output.
    #[inline]
    pub(super) fn acknowledge(&mut self, session: SessionRef, kind: AckKind, packet_id: u16, code: u8) {
        let Some(connection) = self.sessions.get_mut(session).and_then(|s| s.connection.as_deref_mut())
        else {
            return;
        };
        mark_dirty(&mut self.dirty, &mut self.pool, session, connection);
        codec::encode_ack(connection.output.tail(), kind, connection.version, packet_id, code);
    }

    /// Delivers the frames that the turn has gathered.
    #[inline]
    pub(super) fn deliver_pending(&mut self, turn: &mut Turn<'_>) {
        let Some((range, count)) = turn.run.take() else { return };
        let Some(route) = &turn.memo.route else { return };
        let run = super::deliver::Run {
            bytes: &turn.input[range],
            count,
            class: Class::of(turn.version),
            publisher: turn.connection.session,
        };
        self.deliver_run(route, &run);
        self.note_lanes(turn.connection, route, run.bytes.len());
    }
}

#[inline]
fn extend_run(turn: &mut Turn<'_>, frame: Range<usize>) {
    match &mut turn.run {
        Some((range, count)) => {
            debug_assert_eq!(range.end, frame.start, "frames of a run follow each other");
            range.end = frame.end;
            *count += 1;
        }
        None => turn.run = Some((frame, 1)),
    }
}
