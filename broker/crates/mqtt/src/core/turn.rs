//! One turn of one connection: all complete packets of one read.

use std::ops::Range;

use super::connection::ConnectionRef;
use super::memo::Memo;
use super::{Core, publish};
use crate::codec::{self, DecodeError, Version};
use crate::router::SessionRef;

/// The outcome of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes that were handled; the rest is an incomplete packet to be given again with more behind it.
    pub consumed: usize,
    /// Whether the connection has ended; nothing further is to be read from it.
    pub ended: bool,
    /// Whether whole packets are left because their subscribers cannot take them now: give the rest again once
    /// [`Core::settle`] says [`Settled::Go`](super::Settled::Go).
    pub paused: bool,
}

/// Why a turn stops before the end of its input.
#[derive(Debug)]
pub(super) enum Stop {
    /// The session's connection is gone; all was said.
    Ended,
    /// The packet breaks the specification: the connection ends with this reason code.
    Protocol(u8),
    /// The packet may not be sent: the connection ends with 0x87.
    NotAuthorized,
    /// A normal end: DISCONNECT was received.
    Disconnect {
        /// Whether the will is discarded [MQTT-3.14.4-3].
        discard_will: bool,
    },
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Protocol(error.reason_code())
    }
}

/// State of the turn under way.
pub(super) struct Turn<'a> {
    pub(super) input: &'a [u8],
    pub(super) connection: ConnectionRef,
    pub(super) version: Version,
    pub(super) max_packet: u32,
    /// The connection's memo, taken out so that it can be read while subscribers are written to.
    pub(super) memo: Memo,
    /// QoS 0 frames of the memo's topic that were not delivered yet, as a range of `input`, and their number.
    pub(super) run: Option<(Range<usize>, u32)>,
}

impl Turn<'_> {
    pub(super) fn session(&self) -> SessionRef {
        self.connection.session
    }
}

impl Core {
    /// Handles all complete packets at the beginning of `input`.
    pub fn receive(&mut self, reference: ConnectionRef, input: &[u8]) -> Received {
        let now = self.now;
        let max_packet = self.shared.limits.max_packet_size;
        let Some(connection) = self.connection_mut(reference) else {
            return Received { consumed: input.len(), ended: true, paused: false };
        };
        connection.last_seen = now;
        let mut turn = Turn {
            input,
            connection: reference,
            version: connection.version,
            max_packet,
            memo: std::mem::take(&mut connection.memo),
            run: None,
        };
        self.enqueued_behind = false;
        let (consumed, stop) = self.run(&mut turn);
        let paused = stop.is_none() && self.enqueued_behind && consumed < input.len();
        self.deliver_pending(&mut turn);
        let mut touched = std::mem::take(&mut self.touched);
        if let Some(connection) = self.connection_mut(reference) {
            connection.memo = turn.memo;
            connection.pressure.touched.append(&mut touched);
        }
        touched.clear();
        self.touched = touched;
        if let Some(stop) = stop {
            self.stop(reference, stop);
        }
        Received { consumed, ended: self.connection_mut(reference).is_none(), paused }
    }

    fn run(&mut self, turn: &mut Turn<'_>) -> (usize, Option<Stop>) {
        let input = turn.input;
        let mut at = 0;
        loop {
            let rest = &input[at..];
            let length = match codec::frame_len(rest, turn.max_packet) {
                Ok(Some(length)) if length <= rest.len() => length,
                Ok(_) => return (at, None),
                Err(error) => return (input.len(), Some(error.into())),
            };
            let outcome = if rest[0] & 0xF0 == publish::PUBLISH {
                self.publish(turn, at..at + length)
            } else {
                self.deliver_pending(turn);
                self.control(turn, &rest[..length])
            };
            at += length;
            if let Err(stop) = outcome {
                return (input.len(), Some(stop));
            }
            if self.enqueued_behind {
                // What is not handled is not acknowledged, so the queue does not overflow before its publishers
                // have been told to wait.
                return (at, None);
            }
        }
    }
}
