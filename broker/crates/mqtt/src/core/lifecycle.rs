//! How connections and sessions end, and what time does to them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Core;
use super::connection::ConnectionRef;
use super::output::Output;
use super::turn::Stop;
use crate::Millis;
use crate::codec::{self, Disconnect, Version, reason};
use crate::message::Message;
use crate::router::SessionRef;
use crate::session::{NEVER, Will, split_share};

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The client closed it, or the network did, without a DISCONNECT.
    Lost,
    /// The client sent DISCONNECT.
    Disconnected {
        /// Whether the will is discarded [MQTT-3.14.4-3].
        discard_will: bool,
    },
    /// Another connection took the session over.
    TakenOver,
    /// The client broke the protocol; the reason code says how.
    Protocol(u8),
    /// A PUBLISH was not permitted.
    NotAuthorized,
    /// The identity ended, or its rights changed so that the connection cannot stay.
    Revoked {
        /// MQTT 5 reason code of the DISCONNECT.
        reason_code: u8,
        /// Why, for the client that asked for it.
        text: &'static str,
    },
    /// Nothing was heard for one and a half times the keep alive [MQTT-3.1.2-22].
    KeepAlive,
    /// The broker stops.
    Shutdown,
}

impl Closed {
    /// The reason code of the DISCONNECT that an MQTT 5 client gets; none where it needs none.
    fn reason_code(self) -> Option<u8> {
        match self {
            Self::Lost | Self::Disconnected { .. } => None,
            Self::TakenOver => Some(reason::SESSION_TAKEN_OVER),
            Self::Protocol(code) | Self::Revoked { reason_code: code, .. } => Some(code),
            Self::NotAuthorized => Some(reason::NOT_AUTHORIZED),
            Self::KeepAlive => Some(reason::KEEP_ALIVE_TIMEOUT),
            Self::Shutdown => Some(reason::SERVER_SHUTTING_DOWN),
        }
    }
}

/// The last bytes of a connection that the core has ended.
#[derive(Debug)]
pub struct Farewell {
    /// The connection; its session may already serve another one.
    pub connection: ConnectionRef,
    /// What is still to be sent before the socket is closed.
    pub output: Output,
    /// Why it ended, for the log.
    pub cause: Closed,
}

impl Core {
    /// The network side has lost a connection.
    pub fn closed(&mut self, reference: ConnectionRef) {
        self.end(reference, Closed::Lost);
    }

    /// Ends a connection for a reason of the broker's.
    pub fn close(&mut self, reference: ConnectionRef, cause: Closed) {
        self.end(reference, cause);
    }

    /// The connections of this core, for a graceful stop.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionRef> {
        (0..self.sessions.places())
            .filter_map(|slot| {
                let session = self.sessions.reference(slot)?;
                let serial = self.sessions.get(session)?.connection.as_deref()?.serial;
                Some(ConnectionRef { session, serial })
            })
            .collect()
    }

    pub(super) fn stop(&mut self, reference: ConnectionRef, stop: Stop) {
        let cause = match stop {
            Stop::Ended => return,
            Stop::Protocol(code) => {
                self.stats.protocol_errors += 1;
                Closed::Protocol(code)
            }
            Stop::NotAuthorized => Closed::NotAuthorized,
            Stop::Disconnect { discard_will } => Closed::Disconnected { discard_will },
        };
        self.end(reference, cause);
    }

    /// Takes the connection from its session. The session waits for its client, or ends at once.
    pub(super) fn end(&mut self, reference: ConnectionRef, cause: Closed) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(reference.session) else { return };
        if session.connection.as_deref().is_none_or(|connection| connection.serial != reference.serial) {
            return;
        }
        let Some(mut connection) = session.connection.take() else { return };
        self.stats.connections -= 1;
        if let Some(member) = &session.member {
            member.set_online(false);
        }
        if let Some(code) = cause.reason_code().filter(|_| connection.version == Version::V5) {
            let reason_string = match cause {
                Closed::Revoked { text, .. } if connection.problem_information => Some(text),
                _ => None,
            };
            let packet = Disconnect { reason_string, ..Disconnect::new(code) };
            // A code and a short text of the broker's own: it cannot be too long.
            let _ = codec::encode_disconnect(connection.output.tail(), connection.version, &packet);
        }
        let waiting = std::mem::take(&mut connection.pressure.waiting);
        let output = std::mem::take(&mut connection.output);
        self.farewells.push(Farewell { connection: reference, output, cause });
        let discard_will = matches!(cause, Closed::Disconnected { discard_will: true });
        self.settle_will(reference.session, discard_will);
        self.release(&waiting);
        let Some(session) = self.sessions.get_mut(reference.session) else { return };
        if session.expiry == 0 {
            self.end_session(reference.session);
        } else if session.expiry != NEVER {
            let at = now + Millis::from(session.expiry) * 1000;
            session.expires_at = Some(at);
            self.timers.insert((at, reference.session));
        }
    }

    /// Sends the will, discards it, or waits out its delay [MQTT-3.1.2-8].
    fn settle_will(&mut self, reference: SessionRef, discard: bool) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(reference) else { return };
        if discard {
            session.will = None;
            return;
        }
        let Some(will) = &session.will else { return };
        let delay = will.delay.min(session.expiry);
        if delay > 0 {
            let at = now + Millis::from(delay) * 1000;
            session.will_at = Some(at);
            self.timers.insert((at, reference));
        } else {
            self.fire_will(reference);
        }
    }

    /// Publishes a session's will if its identity may still publish it.
    fn fire_will(&mut self, reference: SessionRef) {
        // A will straddles policies by nature: the newest one decides.
        self.renew_for_will(reference);
        let Some(session) = self.sessions.get_mut(reference) else { return };
        session.will_at = None;
        let Some(will) = session.will.take() else { return };
        if !session.guard.publish_rights(&will.topic).allows(will.qos, will.retain) {
            session.guard.publish_denied(&will.topic, will.qos, will.retain);
            self.stats.denied_publish += 1;
            return;
        }
        let message = Arc::new(self.will_message(reference, will));
        self.publish_message(&message);
    }

    /// Brings the guard up to date; the will of an identity that has ended goes with it.
    fn renew_for_will(&mut self, reference: SessionRef) {
        let epoch = self.shared.policy_epoch();
        let Some(session) = self.sessions.get_mut(reference) else { return };
        if session.judged_at != epoch {
            // Subscriptions of a session without connection are reviewed when it is resumed.
            session.judged_at = epoch;
            if let crate::guard::Standing::Ended(_) = session.guard.renew() {
                session.will = None;
            }
        }
    }

    fn will_message(&self, publisher: SessionRef, will: Will) -> Message {
        Message {
            topic: will.topic,
            payload: will.payload,
            properties: will.properties,
            expires_at: will.expiry.map(|seconds| self.now + Millis::from(seconds) * 1000),
            qos: will.qos,
            retain: will.retain,
            publisher,
        }
    }

    /// Ends a session for good: its will fires, its subscriptions go, and what other members of shared
    /// subscriptions can still get goes to them.
    pub(super) fn end_session(&mut self, reference: SessionRef) {
        if self.sessions.get(reference).is_some_and(|session| session.will.is_some()) {
            self.fire_will(reference);
        }
        let Some(mut session) = self.sessions.remove(reference) else { return };
        self.shared.sessions.fetch_sub(1, Ordering::Relaxed);
        self.stats.subscriptions -= session.subscriptions.len() as u64;
        self.stats.suspended -= session.subscriptions.values().filter(|s| s.suspended).count() as u64;
        let filters = session.subscriptions.keys().map(|full| {
            let (group, filter) = split_share(full);
            (filter, group)
        });
        self.shared.router.remove_many(reference, filters);
        let undelivered = session.inflight.drain().into_iter().chain(session.queue.drain());
        for queued in undelivered {
            if let Some(group) = &queued.shared {
                self.redispatch(group, &queued.message, reference);
            }
        }
    }

    /// What is due by now: session expiries, delayed wills, keep alives, slow readers. Call a few times a second.
    pub fn tick(&mut self) {
        self.give_up_on_slow();
        while let Some((at, reference)) = self.timers.first().copied() {
            if at > self.now {
                break;
            }
            self.timers.pop_first();
            let Some(session) = self.sessions.get(reference) else { continue };
            let will_due = session.will_at.is_some_and(|at| at <= self.now);
            let over = session.expires_at.is_some_and(|at| at <= self.now);
            if over {
                self.end_session(reference);
            } else if will_due {
                self.fire_will(reference);
            }
        }
        let expired = self.shared.retained.next_expiry().is_some_and(|at| at <= self.now);
        if expired && self.id == 0 {
            self.shared.retained.expire(self.now, 1000);
        }
    }

    /// Ends connections that were silent for too long. Walks over all sessions: call about once a second.
    pub fn check_keep_alive(&mut self) {
        for slot in 0..self.sessions.places() {
            let Some(session) = self.sessions.reference(slot) else { continue };
            let Some(connection) = self.sessions.get(session).and_then(|s| s.connection.as_deref()) else {
                continue;
            };
            // A connection that is held back by the broker cannot be heard.
            let silent = connection.patience > 0 && self.now > connection.last_seen + connection.patience;
            if silent && !connection.pressure.held {
                let reference = ConnectionRef { session, serial: connection.serial };
                self.stats.keep_alive_timeouts += 1;
                self.end(reference, Closed::KeepAlive);
            }
        }
    }
}
