//! Everything that a connected client sends besides PUBLISH.

use super::turn::{Stop, Turn};
use super::{Core, mark_dirty};
use crate::codec::{self, Ack, AckKind, Packet, reason};
use crate::router::SessionRef;

impl Core {
    /// Handles one packet that is not a PUBLISH.
    pub(super) fn control(&mut self, turn: &mut Turn<'_>, frame: &[u8]) -> Result<(), Stop> {
        let session = turn.session();
        match codec::decode_from_client(frame, turn.version)? {
            Packet::PubAck(ack) => self.confirmed(session, |inflight| inflight.puback(ack.packet_id)),
            Packet::PubRec(ack) => self.pubrec(session, &ack),
            Packet::PubComp(ack) => self.confirmed(session, |inflight| inflight.pubcomp(ack.packet_id)),
            Packet::PubRel(ack) => self.pubrel(session, ack.packet_id),
            Packet::Subscribe(subscribe) => return self.subscribe(turn, &subscribe),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(session, &unsubscribe),
            Packet::PingReq => self.ping(session),
            Packet::Disconnect(disconnect) => {
                self.shorten_expiry(session, disconnect.session_expiry)?;
                let discard_will = disconnect.reason != reason::DISCONNECT_WITH_WILL;
                return Err(Stop::Disconnect { discard_will });
            }
            // A second CONNECT [MQTT-3.1.0-2]; AUTH without enhanced authentication [MQTT-4.12.0-6]; and what only
            // a server sends.
            Packet::Connect(_)
            | Packet::Auth(_)
            | Packet::Publish(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => return Err(Stop::Protocol(reason::PROTOCOL_ERROR)),
        }
        Ok(())
    }

    /// An exchange of the session's window may have ended: there is room for what waits.
    fn confirmed(&mut self, reference: SessionRef, end: impl FnOnce(&mut crate::session::Inflight) -> bool) {
        let Some(session) = self.sessions.get_mut(reference) else { return };
        if !end(&mut session.inflight) {
            return; // An unknown identifier is not an error for PUBACK and PUBCOMP: it may be a late answer.
        }
        if !session.queue.is_empty() {
            self.pump(reference);
            self.relieve(reference);
        } else if session.member.is_some() {
            session.report_load();
        }
    }

    fn pubrec(&mut self, reference: SessionRef, ack: &Ack<'_>) {
        if ack.reason >= reason::UNSPECIFIED_ERROR {
            self.confirmed(reference, |inflight| inflight.pubrec_failed(ack.packet_id));
            return;
        }
        let Some(session) = self.sessions.get_mut(reference) else { return };
        let known = session.inflight.pubrec(ack.packet_id);
        let code = if known { reason::SUCCESS } else { reason::PACKET_IDENTIFIER_NOT_FOUND };
        self.acknowledge(reference, AckKind::PubRel, ack.packet_id, code);
    }

    fn pubrel(&mut self, reference: SessionRef, packet_id: u16) {
        let Some(session) = self.sessions.get_mut(reference) else { return };
        let known = session.unreleased.remove(&packet_id);
        if session.unreleased.is_empty() {
            session.unreleased.shrink_to_fit();
        }
        let code = if known { reason::SUCCESS } else { reason::PACKET_IDENTIFIER_NOT_FOUND };
        self.acknowledge(reference, AckKind::PubComp, packet_id, code);
    }

    fn ping(&mut self, reference: SessionRef) {
        let Some(connection) = self.sessions.get_mut(reference).and_then(|s| s.connection.as_deref_mut())
        else {
            return;
        };
        mark_dirty(&mut self.dirty, &mut self.pool, reference, connection);
        codec::encode_pingresp(connection.output.tail());
    }

    /// The session expiry interval of a DISCONNECT [MQTT-3.14.2-2].
    fn shorten_expiry(&mut self, reference: SessionRef, asked: Option<u32>) -> Result<(), Stop> {
        let Some(asked) = asked else { return Ok(()) };
        let longest = self.longest_expiry();
        let Some(session) = self.sessions.get_mut(reference) else { return Ok(()) };
        if session.expiry == 0 && asked != 0 {
            return Err(Stop::Protocol(reason::PROTOCOL_ERROR));
        }
        session.expiry = asked.min(longest);
        Ok(())
    }
}
