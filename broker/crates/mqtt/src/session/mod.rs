//! What the broker remembers of one client: subscriptions, exchanges under way, queued messages, the will.
//!
//! No I/O and no clock: the core (`crate::core`) drives sessions with packets and with the time.

mod inflight;
mod queue;
mod table;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;

use crate::Millis;
use crate::codec::QoS;
use crate::core::Connection;
use crate::guard::Guard;
use crate::limits::Limits;
use crate::router::{MemberState, SubscribeOptions};

pub(crate) use inflight::{Inflight, Resend};
pub(crate) use queue::{Queue, Queued};
pub(crate) use table::SessionTable;

/// A will message as the CONNECT carried it.
#[derive(Clone, Debug)]
pub struct Will {
    /// Topic name, validated by the codec.
    pub topic: Box<str>,
    /// The message.
    pub payload: Bytes,
    /// QoS to publish it with.
    pub qos: QoS,
    /// Whether to retain it.
    pub retain: bool,
    /// The MQTT 5 properties that travel with the message, encoded.
    pub properties: Box<[u8]>,
    /// Message expiry interval in seconds.
    pub expiry: Option<u32>,
    /// Will delay interval in seconds [MQTT-3.1.3.2.2]; 0 for MQTT 3.
    pub delay: u32,
}

/// One subscription of a session.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) options: SubscribeOptions,
    /// A newer policy does not allow the filter: kept, but nothing is delivered.
    pub(crate) suspended: bool,
}

/// Session expiry of "never" [MQTT-3.1.2.11.2].
pub(crate) const NEVER: u32 = u32::MAX;

/// One session, connected or waiting for its client.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client_id: Box<str>,
    /// Who made the session; another identity may not have it.
    pub(crate) identity: Arc<str>,
    pub(crate) guard: Box<dyn Guard>,
    /// Policy epoch of the guard's newest judgement.
    pub(crate) judged_at: u64,
    /// Session expiry interval in seconds, as granted.
    pub(crate) expiry: u32,
    /// When the session ends if its client stays away.
    pub(crate) expires_at: Option<Millis>,
    pub(crate) connection: Option<Box<Connection>>,
    /// By the filter as the client wrote it, `$share/group/` included.
    pub(crate) subscriptions: HashMap<Box<str>, Subscription, RandomState>,
    pub(crate) inflight: Inflight,
    pub(crate) queue: Queue,
    /// Identifiers of QoS 2 messages that were received and not yet released [MQTT-4.3.3-10].
    pub(crate) unreleased: HashSet<u16, RandomState>,
    pub(crate) will: Option<Will>,
    /// When a delayed will fires.
    pub(crate) will_at: Option<Millis>,
    /// Made when the session first joins a shared subscription.
    pub(crate) member: Option<Arc<MemberState>>,
}

impl Session {
    /// Whether the session outlives its connection, so that undelivered messages have to be kept.
    pub(crate) fn is_persistent(&self) -> bool {
        self.expiry > 0
    }

    /// Whether publishers should wait for the session's client: it is there, takes what it gets, and yet more waits
    /// for it than the bounds say; with `relief` than half of what they say.
    pub(crate) fn is_congested(&self, limits: &Limits, relief: bool) -> bool {
        let share = if relief { 2 } else { 1 };
        self.connection.as_deref().is_some_and(|connection| {
            !connection.pressure.slow
                && (connection.output.len() > limits.output_high_water / share
                    || self.queue.len() > limits.queue_high_water / share
                    || self.queue.bytes() > limits.max_queued_bytes / 2 / share)
        })
    }

    /// Tells shared groups how busy the session is.
    pub(crate) fn report_load(&self) {
        if let Some(member) = &self.member {
            let pending = self.queue.len() + self.inflight.len();
            member.set_pending(u32::try_from(pending).unwrap_or(u32::MAX));
        }
    }
}

/// Splits a valid topic filter into its share name, if it has one, and the filter proper.
pub(crate) fn split_share(filter: &str) -> (Option<&str>, &str) {
    match filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')) {
        Some((group, filter)) => (Some(group), filter),
        None => (None, filter),
    }
}

#[cfg(test)]
mod tests {
    use super::split_share;

    #[test]
    fn a_share_name_is_split_off() {
        assert_eq!(split_share("$share/g/a/b"), (Some("g"), "a/b"));
        assert_eq!(split_share("$share/g//b"), (Some("g"), "/b"));
        assert_eq!(split_share("$SYS/a"), (None, "$SYS/a"));
    }
}
