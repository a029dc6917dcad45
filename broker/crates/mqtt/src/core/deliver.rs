//! From a route to the outputs and queues of its subscribers.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::connection::{Connection, ConnectionRef};
use super::delivery::{Class, Context, Outgoing, Wrapping};
use super::lane::{Batch, Item};
use super::output::SHARE_FROM;
use super::{Core, mark_dirty};
use crate::codec::{self, QoS};
use crate::message::Message;
use crate::router::{Route, SessionRef, SharedGroup, Target};
use crate::session::Queued;

/// QoS 0 frames of one topic that can be passed on as they are.
pub(super) struct Run<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) count: u32,
    pub(super) class: Class,
    pub(super) publisher: SessionRef,
}

impl Core {
    /// Delivers a run to everyone on the route, here and on other cores.
    pub(super) fn deliver_run(&mut self, route: &Arc<Route>, run: &Run<'_>) {
        for targets in &route.cores {
            if targets.core == self.id {
                self.deliver_run_here(route, &targets.targets, run);
            } else if let Some(batch) = self.outbound.get_mut(usize::from(targets.core)) {
                let start = batch.bytes.len();
                batch.bytes.extend_from_slice(run.bytes);
                batch.items.push(Item::Run {
                    route: Arc::clone(route),
                    range: start..batch.bytes.len(),
                    count: run.count,
                    class: run.class,
                    publisher: run.publisher,
                });
            }
        }
    }

    fn deliver_run_here(&mut self, route: &Route, targets: &[Target], run: &Run<'_>) {
        // The run in the other class's form, made for the first subscriber that needs it.
        let mut translated: Option<Vec<u8>> = None;
        for target in targets {
            let Some(connection) =
                self.sessions.get_mut(target.session).and_then(|session| session.connection.as_deref_mut())
            else {
                continue; // QoS 0 is not kept for clients that are away.
            };
            if target.no_local && target.session == run.publisher {
                continue;
            }
            let class = Class::of(connection.version);
            let plain = class == Class::V3 || route.identifiers(target).is_empty();
            if !plain || connection.max_packet < self.shared.limits.max_packet_size {
                self.deliver_run_singly(route, target, run);
                continue;
            }
            let bytes = if class == run.class {
                run.bytes
            } else {
                translated.get_or_insert_with(|| translate(run, class, std::mem::take(&mut self.scratch)))
            };
            if connection.output.len() + bytes.len() > self.shared.limits.output_limit {
                self.stats.dropped_output_full += u64::from(run.count);
                continue;
            }
            mark_dirty(&mut self.dirty, &mut self.pool, target.session, connection);
            connection.output.append(bytes);
            self.stats.sent[0] += u64::from(run.count);
            if connection.output.len() > self.shared.limits.output_high_water {
                self.touched.push(ConnectionRef { session: target.session, serial: connection.serial });
            }
        }
        if let Some(mut scratch) = translated {
            scratch.clear();
            self.scratch = scratch;
        }
    }

    /// For subscribers whose frames differ from everybody else's.
    fn deliver_run_singly(&mut self, route: &Route, target: &Target, run: &Run<'_>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        each_publish(run, |publish| {
            let context =
                Context { publisher: run.publisher, now: self.now, scratch: std::mem::take(&mut scratch) };
            let mut outgoing = Outgoing::of_publish(publish, publish.topic, publish.properties.raw, context);
            self.deliver_to(target, route.identifiers(target), &mut outgoing, None);
            scratch = outgoing.into_scratch();
        });
        self.scratch = scratch;
    }

    /// Delivers one message to everyone on the route, here and on other cores.
    pub(super) fn deliver(&mut self, route: &Arc<Route>, outgoing: &mut Outgoing<'_>) {
        for targets in &route.cores {
            if targets.core == self.id {
                for target in &targets.targets {
                    self.deliver_to(target, route.identifiers(target), outgoing, None);
                }
            } else if let Some(batch) = self.outbound.get_mut(usize::from(targets.core)) {
                batch.items.push(Item::Message { route: Arc::clone(route), message: outgoing.stored() });
            }
        }
        for group in &route.shared {
            self.deliver_shared(group, outgoing);
        }
    }

    fn deliver_shared(&mut self, group: &Arc<SharedGroup>, outgoing: &mut Outgoing<'_>) {
        let Some(target) = group.pick() else { return };
        if target.session.core == self.id {
            self.deliver_to(&target, target.identifier().as_slice(), outgoing, Some(group));
        } else if let Some(batch) = self.outbound.get_mut(usize::from(target.session.core)) {
            let message = outgoing.stored();
            batch.items.push(Item::Shared { group: Arc::clone(group), target, message });
        }
    }

    /// Gives a message that a member of a shared subscription could not take to another member.
    pub(super) fn redispatch(&mut self, group: &SharedGroup, message: &Arc<Message>, not: SessionRef) {
        let Some(group) = self.shared.router.shared_group(group.name(), group.filter()) else { return };
        let Some(target) = group.pick_where(|session| session != not) else { return };
        if target.session.core == self.id {
            let mut outgoing = Outgoing::of_message(message, self.now, std::mem::take(&mut self.scratch));
            self.deliver_to(&target, target.identifier().as_slice(), &mut outgoing, Some(&group));
            self.scratch = outgoing.into_scratch();
        } else if let Some(batch) = self.outbound.get_mut(usize::from(target.session.core)) {
            batch.items.push(Item::Shared { group, target, message: Arc::clone(message) });
        }
    }

    /// Delivers one message to one session of this core.
    pub(super) fn deliver_to(
        &mut self,
        target: &Target,
        identifiers: &[NonZeroU32],
        outgoing: &mut Outgoing<'_>,
        group: Option<&Arc<SharedGroup>>,
    ) {
        if target.no_local && target.session == outgoing.publisher {
            return;
        }
        let Some(session) = self.sessions.get(target.session) else {
            // The route is older than the session's end; a shared message still has other members.
            if let Some(group) = group {
                let message = outgoing.stored();
                self.redispatch(group, &message, target.session);
            }
            return;
        };
        let class =
            session.connection.as_deref().map_or(Class::V5, |connection| Class::of(connection.version));
        let qos = target.qos.min(outgoing.qos);
        let retain = outgoing.retain && target.retain_as_published;
        let wrapping = Wrapping { class, qos, retain, identifiers };
        if qos == QoS::AtMostOnce {
            self.send_unacknowledged(target.session, outgoing, wrapping);
        } else if !self.send_in_window(target.session, outgoing, wrapping, group) {
            self.enqueue(target.session, outgoing, wrapping, group);
        }
        if group.is_some()
            && let Some(session) = self.sessions.get(target.session)
        {
            session.report_load();
        }
    }

    /// QoS 0: now or never.
    fn send_unacknowledged(&mut self, to: SessionRef, outgoing: &mut Outgoing<'_>, wrapping: Wrapping<'_>) {
        let limits = &self.shared.limits;
        let Some(connection) =
            self.sessions.get_mut(to).and_then(|session| session.connection.as_deref_mut())
        else {
            return; // Not kept for clients that are away.
        };
        if connection.output.len() > limits.output_high_water {
            self.touched.push(ConnectionRef { session: to, serial: connection.serial });
        }
        if connection.output.len() + outgoing.payload.len() > limits.output_limit {
            self.stats.dropped_output_full += 1;
        } else if append(connection, outgoing, wrapping, None) {
            mark_dirty(&mut self.dirty, &mut self.pool, to, connection);
            self.stats.sent[0] += 1;
        } else {
            self.stats.dropped_too_large += 1;
        }
    }

    /// QoS 1 and 2, if the client is there, takes it in, and nothing waits before it. False if it has to wait.
    fn send_in_window(
        &mut self,
        to: SessionRef,
        outgoing: &mut Outgoing<'_>,
        wrapping: Wrapping<'_>,
        group: Option<&Arc<SharedGroup>>,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(to) else { return false };
        let persistent = session.is_persistent();
        let Some(connection) = session.connection.as_deref_mut() else { return false };
        let full = connection.output.len() > self.shared.limits.output_high_water;
        if full || !session.queue.is_empty() || !session.inflight.has_room(connection.window) {
            return false;
        }
        if !fits(connection, outgoing, wrapping) {
            self.stats.dropped_too_large += 1;
            return true;
        }
        let kept = (persistent || group.is_some()).then(|| queued(outgoing, wrapping, group));
        let id = session.inflight.push(wrapping.qos, kept);
        mark_dirty(&mut self.dirty, &mut self.pool, to, connection);
        append(connection, outgoing, wrapping, Some(id));
        self.stats.sent[wrapping.qos as usize] += 1;
        true
    }

    /// Keeps a message until its client is back or has room.
    fn enqueue(
        &mut self,
        to: SessionRef,
        outgoing: &mut Outgoing<'_>,
        wrapping: Wrapping<'_>,
        group: Option<&Arc<SharedGroup>>,
    ) {
        let limits = &self.shared.limits;
        let Some(session) = self.sessions.get_mut(to) else { return };
        if session.queue.push(queued(outgoing, wrapping, group), limits).is_err() {
            self.stats.dropped_queue_full += 1;
        }
        // A client that is there and falls behind holds its publishers back as long as it makes progress.
        if session.is_congested(limits, false)
            && let Some(connection) = session.connection.as_deref()
        {
            self.touched.push(ConnectionRef { session: to, serial: connection.serial });
            self.enqueued_behind = true;
        }
    }

    /// Handles the messages that another core sent for sessions of this one.
    pub fn take_batch(&mut self, batch: &Batch) {
        for item in &batch.items {
            match item {
                Item::Run { route, range, count, class, publisher } => {
                    let run = Run {
                        bytes: &batch.bytes[range.clone()],
                        count: *count,
                        class: *class,
                        publisher: *publisher,
                    };
                    self.deliver_run_here(route, route.on(self.id), &run);
                }
                Item::Message { route, message } => {
                    let scratch = std::mem::take(&mut self.scratch);
                    let mut outgoing = Outgoing::of_message(message, self.now, scratch);
                    for target in route.on(self.id) {
                        self.deliver_to(target, route.identifiers(target), &mut outgoing, None);
                    }
                    self.scratch = outgoing.into_scratch();
                }
                Item::Shared { group, target, message } => {
                    let scratch = std::mem::take(&mut self.scratch);
                    let mut outgoing = Outgoing::of_message(message, self.now, scratch);
                    self.deliver_to(target, target.identifier().as_slice(), &mut outgoing, Some(group));
                    self.scratch = outgoing.into_scratch();
                }
                Item::Credit(publisher) => self.owe_credit(*publisher),
            }
        }
        self.mail_taken();
    }

    /// Sends what waits in a session's queue as far as its window and its output allow.
    pub(super) fn pump(&mut self, reference: SessionRef) {
        let limits = &self.shared.limits;
        let Some(session) = self.sessions.get_mut(reference) else { return };
        let persistent = session.is_persistent();
        let Some(connection) = session.connection.as_deref_mut() else { return };
        while !session.queue.is_empty()
            && session.inflight.has_room(connection.window)
            && connection.output.len() <= limits.output_high_water
        {
            let Some(queued) = session.queue.pop(self.now, &mut self.stats.dropped_expired) else { break };
            let message = Arc::clone(&queued.message);
            let mut outgoing = Outgoing::of_message(&message, self.now, std::mem::take(&mut self.scratch));
            let identifiers = queued.identifiers.clone();
            let wrapping = Wrapping {
                class: Class::of(connection.version),
                qos: queued.qos,
                retain: queued.retain,
                identifiers: &identifiers,
            };
            if !fits(connection, &mut outgoing, wrapping) {
                self.stats.dropped_too_large += 1;
            } else if queued.qos == QoS::AtMostOnce {
                append(connection, &mut outgoing, wrapping, None);
                self.stats.sent[0] += 1;
            } else {
                let kept = (persistent || queued.shared.is_some()).then_some(queued);
                let id = session.inflight.push(wrapping.qos, kept);
                append(connection, &mut outgoing, wrapping, Some(id));
                self.stats.sent[wrapping.qos as usize] += 1;
            }
            self.scratch = outgoing.into_scratch();
            mark_dirty(&mut self.dirty, &mut self.pool, reference, connection);
        }
        session.report_load();
    }
}

/// A message as a session keeps it.
fn queued(outgoing: &mut Outgoing<'_>, wrapping: Wrapping<'_>, group: Option<&Arc<SharedGroup>>) -> Queued {
    Queued {
        message: outgoing.stored(),
        qos: wrapping.qos,
        retain: wrapping.retain,
        identifiers: wrapping.identifiers.iter().copied().collect(),
        shared: group.map(Arc::clone),
    }
}

/// Whether the client takes packets of this size [MQTT-3.1.2-24].
fn fits(connection: &Connection, outgoing: &mut Outgoing<'_>, wrapping: Wrapping<'_>) -> bool {
    outgoing.frame(wrapping).is_some_and(|(frame, _)| frame.len() <= connection.max_packet as usize)
}

/// Appends the encoded message to a connection's output; false if it is larger than the client takes.
fn append(
    connection: &mut Connection,
    outgoing: &mut Outgoing<'_>,
    wrapping: Wrapping<'_>,
    packet_id: Option<u16>,
) -> bool {
    let max_packet = connection.max_packet as usize;
    let payload = outgoing.payload.len();
    let share = (payload >= SHARE_FROM).then(|| outgoing.stored().payload.clone());
    let Some((frame, id_offset)) = outgoing.frame(wrapping).filter(|(frame, _)| frame.len() <= max_packet)
    else {
        return false;
    };
    let copied = if share.is_some() { frame.len() - payload } else { frame.len() };
    let tail = connection.output.tail();
    let start = tail.len();
    tail.extend_from_slice(&frame[..copied]);
    if let (Some(offset), Some(id)) = (id_offset, packet_id) {
        let at = start + offset;
        tail[at..at + 2].copy_from_slice(&id.to_be_bytes());
    }
    if let Some(payload) = share {
        connection.output.share(payload);
    }
    true
}

/// Calls `each` with every PUBLISH of a run.
fn each_publish<'a>(run: &Run<'a>, mut each: impl FnMut(&codec::Publish<'a>)) {
    let mut rest = run.bytes;
    while let Ok(Some(length)) = codec::frame_len(rest, u32::MAX) {
        let (frame, behind) = rest.split_at(length.min(rest.len()));
        // The frames were decoded once when they came in, so this does not fail.
        let Ok(publish) = codec::decode_publish(frame, run.class.version()) else { return };
        each(&publish);
        rest = behind;
    }
}

/// The run as receivers of another class read it: properties exist in MQTT 5 only.
fn translate(run: &Run<'_>, class: Class, mut out: Vec<u8>) -> Vec<u8> {
    out.clear();
    each_publish(run, |publish| {
        let packet = codec::PublishOut {
            properties: publish.properties.raw,
            ..codec::PublishOut::new(publish.topic, publish.payload)
        };
        // It came in one packet of at most the configured size, which is far below what a packet can hold.
        let _ = codec::encode_publish(&mut out, class.version(), &packet);
    });
    out
}
