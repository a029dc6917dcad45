//! A session's connection while there is one.

use smallvec::SmallVec;

use super::memo::Memo;
use super::output::Output;
use crate::Millis;
use crate::codec::Version;
use crate::router::SessionRef;

/// Names one network connection of a core for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionRef {
    /// The session that it serves.
    pub session: SessionRef,
    /// Tells the session's present connection from those before.
    pub serial: u32,
}

/// State that ends with the network connection.
#[derive(Debug)]
pub struct Connection {
    pub(crate) serial: u32,
    pub(crate) version: Version,
    pub(crate) output: Output,
    /// Whether the connection is in the core's list of those with something to send.
    pub(crate) dirty: bool,
    /// One and a half times the keep alive, in milliseconds [MQTT-3.1.2-22]; 0: none.
    pub(crate) patience: Millis,
    pub(crate) last_seen: Millis,
    /// Topics behind the client's aliases; place 0 is alias 1.
    pub(crate) aliases: Vec<Option<Box<str>>>,
    /// The largest packet that the client takes [MQTT-3.1.2-24].
    pub(crate) max_packet: u32,
    /// Unacknowledged messages that the client takes at once.
    pub(crate) window: u16,
    /// Whether reason strings may be sent [MQTT-3.1.2-29].
    pub(crate) problem_information: bool,
    pub(crate) memo: Memo,
    pub(crate) pressure: Pressure,
}

/// Back-pressure, both as one who waits for others and as one that others wait for.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    /// Tickets of publishers that wait until this output has drained.
    pub(crate) waiting: SmallVec<[u32; 2]>,
    /// Since when somebody waits, and when the output last got shorter.
    pub(crate) since: Millis,
    pub(crate) progress_at: Millis,
    /// Nobody waits for this connection any more until it has caught up.
    pub(crate) slow: bool,
    /// Outputs over the high-water mark that this connection's last publishes went to.
    pub(crate) touched: Vec<ConnectionRef>,
    /// Bytes sent to other cores since the last credit was asked for.
    pub(crate) lane_debt: usize,
    /// Credits asked for and not yet given by other cores.
    pub(crate) lane_credits: u32,
    /// Whether a ticket of this connection is open.
    pub(crate) has_ticket: bool,
    /// Whether this connection is not read from until it is resumed.
    pub(crate) held: bool,
}
