//! Back-pressure: publishers stop reading while a subscriber that makes progress has too much to take in.
//!
//! A publisher whose messages went to an output over the high-water mark gets a ticket. It is resumed when all
//! outputs of its ticket have drained, have stopped making progress, or were waited for long enough; such a slow
//! output then holds nobody back until it has caught up, and loses messages instead. Publishers on other cores
//! are held by credits: a core asks for one after each [`LANE_BATCH`] bytes, and has at most [`LANE_CREDITS`] open.

use slab::Slab;

use super::connection::ConnectionRef;
use super::lane::{Item, Mail};
use super::{Core, delivery};
use crate::router::{Route, SessionRef};

/// Bytes to other cores after which a publisher asks for a credit.
const LANE_BATCH: usize = 64 << 10;
/// Credits that a publisher may have asked for without being held.
const LANE_CREDITS: u32 = 16;

/// Whether a connection may go on reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It may.
    Go,
    /// It is held until [`Core::next_resumed`] names it.
    Held,
}

#[derive(Debug)]
struct Ticket {
    holder: Holder,
    /// Outputs that still have to drain.
    waits: u32,
}

#[derive(Clone, Copy, Debug)]
enum Holder {
    /// A publisher of this core.
    Here(ConnectionRef),
    /// A publisher of another core that asked for a credit.
    There(ConnectionRef),
}

/// Publishers that wait, and the outputs that they wait for.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    open: Slab<Ticket>,
    /// Connections that somebody waits for.
    congested: Vec<ConnectionRef>,
    resumed: Vec<ConnectionRef>,
    /// Credits to give once the mail under way has been flushed, and the outputs that it went to.
    owed: Vec<ConnectionRef>,
    mailed: Vec<ConnectionRef>,
}

impl Core {
    /// Notes bytes that a publisher sent to other cores; asks for a credit now and then.
    pub(super) fn note_lanes(&mut self, publisher: ConnectionRef, route: &Route, bytes: usize) {
        let id = self.id;
        let Some(elsewhere) = route.cores.iter().map(|targets| targets.core).find(|core| *core != id) else {
            return;
        };
        let Some(connection) = self.connection_mut(publisher) else { return };
        connection.pressure.lane_debt += bytes;
        if connection.pressure.lane_debt < LANE_BATCH {
            return;
        }
        connection.pressure.lane_debt = 0;
        connection.pressure.lane_credits += 1;
        // One other core stands for all: each of them gets the same messages at the same rate.
        if let Some(batch) = self.outbound.get_mut(usize::from(elsewhere)) {
            batch.items.push(Item::Credit(publisher));
        }
    }

    /// Call before reading, when the last turn's output was flushed: says whether the publisher has to wait.
    pub fn settle(&mut self, publisher: ConnectionRef) -> Settled {
        let Some(connection) = self.connection_mut(publisher) else { return Settled::Go };
        if connection.pressure.touched.is_empty() && connection.pressure.lane_credits < LANE_CREDITS {
            return Settled::Go;
        }
        let mut touched = std::mem::take(&mut connection.pressure.touched);
        let waits = self.open_ticket(Holder::Here(publisher), &mut touched);
        let Some(connection) = self.connection_mut(publisher) else { return Settled::Go };
        if waits || connection.pressure.lane_credits >= LANE_CREDITS {
            connection.pressure.has_ticket = waits;
            connection.pressure.held = true;
            return Settled::Held;
        }
        Settled::Go
    }

    /// Call when the outputs of mail from other cores were flushed.
    pub fn settle_mail(&mut self) {
        let mut touched = std::mem::take(&mut self.tickets.mailed);
        for publisher in std::mem::take(&mut self.tickets.owed) {
            if !self.open_ticket(Holder::There(publisher), &mut touched) {
                self.shared.lanes.post(publisher.session.core, Mail::Credit(publisher));
            }
        }
        touched.clear();
        self.tickets.mailed = touched;
    }

    /// Ends the handling of one piece of mail.
    pub(super) fn mail_taken(&mut self) {
        self.tickets.mailed.append(&mut self.touched);
    }

    pub(super) fn owe_credit(&mut self, publisher: ConnectionRef) {
        self.tickets.owed.push(publisher);
    }

    /// Another core has taken what a publisher of this core sent.
    pub fn take_credit(&mut self, publisher: ConnectionRef) {
        let Some(connection) = self.connection_mut(publisher) else { return };
        connection.pressure.lane_credits = connection.pressure.lane_credits.saturating_sub(1);
        self.try_resume(publisher);
    }

    /// A connection that may be read from again.
    pub fn next_resumed(&mut self) -> Option<ConnectionRef> {
        self.tickets.resumed.pop()
    }

    /// Makes `holder` wait for the touched outputs that are still too long; false if there are none.
    fn open_ticket(&mut self, holder: Holder, touched: &mut Vec<ConnectionRef>) -> bool {
        if touched.is_empty() {
            return false;
        }
        touched.sort_unstable_by_key(|c| (c.session, c.serial));
        touched.dedup();
        let entry = self.tickets.open.vacant_entry();
        let Ok(ticket) = u32::try_from(entry.key()) else { return false };
        entry.insert(Ticket { holder, waits: 0 });
        let now = self.now;
        let mut waits = 0;
        for reference in &*touched {
            if matches!(holder, Holder::Here(publisher) if publisher == *reference) {
                continue; // Who fills his own output must go on reading to empty it.
            }
            let congested = self
                .sessions
                .get(reference.session)
                .is_some_and(|s| s.is_congested(&self.shared.limits, true));
            let Some(connection) = self.connection_mut(*reference) else { continue };
            if !congested {
                continue;
            }
            if connection.pressure.waiting.is_empty() {
                connection.pressure.since = now;
                connection.pressure.progress_at = now;
                self.tickets.congested.push(*reference);
            }
            if let Some(connection) = self.connection_mut(*reference) {
                connection.pressure.waiting.push(ticket);
                waits += 1;
            }
        }
        if waits == 0 {
            self.tickets.open.remove(ticket as usize);
            return false;
        }
        if let Some(ticket) = self.tickets.open.get_mut(ticket as usize) {
            ticket.waits = waits;
        }
        true
    }

    /// Call after a socket took bytes of a connection's output.
    pub fn sent(&mut self, reference: ConnectionRef) {
        let Some(session) = self.sessions.get_mut(reference.session) else { return };
        let queue_waits = !session.queue.is_empty();
        let Some(connection) = session.connection.as_deref_mut() else { return };
        if connection.serial != reference.serial {
            return;
        }
        if connection.output.is_empty() {
            connection.output.release(&mut self.pool);
        }
        if queue_waits {
            self.pump(reference.session);
        }
        self.relieve(reference.session);
    }

    /// A session's client has taken or acknowledged something: who waited for that goes on.
    pub(super) fn relieve(&mut self, reference: SessionRef) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(reference) else { return };
        let Some(connection) = session.connection.as_deref_mut() else { return };
        connection.pressure.progress_at = now;
        if connection.pressure.waiting.is_empty() && !connection.pressure.slow {
            return;
        }
        let was_slow = std::mem::take(&mut connection.pressure.slow);
        if session.is_congested(&self.shared.limits, true) {
            if let Some(connection) = session.connection.as_deref_mut() {
                connection.pressure.slow = was_slow;
            }
            return;
        }
        let Some(connection) = session.connection.as_deref_mut() else { return };
        let waiting = std::mem::take(&mut connection.pressure.waiting);
        self.release(&waiting);
    }

    /// Ends the wait of those tickets for one output.
    pub(super) fn release(&mut self, tickets: &[u32]) {
        for key in tickets {
            let Some(ticket) = self.tickets.open.get_mut(*key as usize) else { continue };
            ticket.waits = ticket.waits.saturating_sub(1);
            if ticket.waits > 0 {
                continue;
            }
            match self.tickets.open.remove(*key as usize).holder {
                Holder::Here(publisher) => {
                    if let Some(connection) = self.connection_mut(publisher) {
                        connection.pressure.has_ticket = false;
                    }
                    self.try_resume(publisher);
                }
                Holder::There(publisher) => {
                    self.shared.lanes.post(publisher.session.core, Mail::Credit(publisher));
                }
            }
        }
    }

    fn try_resume(&mut self, publisher: ConnectionRef) {
        let Some(connection) = self.connection_mut(publisher) else { return };
        if connection.pressure.held
            && !connection.pressure.has_ticket
            && connection.pressure.lane_credits < LANE_CREDITS
        {
            connection.pressure.held = false;
            self.tickets.resumed.push(publisher);
        }
    }

    /// Stops waiting for outputs that make no progress, or that were waited for long enough.
    pub(super) fn give_up_on_slow(&mut self) {
        let (stall, hold) = (self.shared.limits.stall, self.shared.limits.max_hold);
        let (stall, hold) = (delivery::millis(stall), delivery::millis(hold));
        let now = self.now;
        let mut congested = std::mem::take(&mut self.tickets.congested);
        congested.retain(|reference| {
            let Some(connection) = self.connection_mut(*reference) else { return false };
            let pressure = &mut connection.pressure;
            if pressure.waiting.is_empty() {
                return false;
            }
            if now < pressure.progress_at + stall && now < pressure.since + hold {
                return true;
            }
            pressure.slow = true;
            let waiting = std::mem::take(&mut pressure.waiting);
            self.release(&waiting);
            false
        });
        congested.append(&mut self.tickets.congested);
        self.tickets.congested = congested;
    }
}
