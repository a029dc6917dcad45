//! SUBSCRIBE and UNSUBSCRIBE, and what retained messages a new subscription gets.

use std::sync::Arc;

use super::delivery::Outgoing;
use super::turn::{Stop, Turn};
use super::{Core, mark_dirty};
use crate::codec::{
    self, QoS, RetainHandling, SubAck, Subscribe, Subscription as Asked, UnsubAck, Unsubscribe, Version,
    reason,
};
use crate::router::{MemberState, NewSubscription, SessionRef, Share, SubscribeOptions, Target};
use crate::session::{Subscription, split_share};

/// Retained messages that are looked up at once for one filter.
const RETAINED_PAGE: usize = 256;

impl Core {
    /// Handles one SUBSCRIBE: judges, registers, answers, and sends retained messages.
    pub(super) fn subscribe(&mut self, turn: &Turn<'_>, subscribe: &Subscribe<'_>) -> Result<(), Stop> {
        let reference = turn.session();
        let asked: Vec<Asked<'_>> = subscribe.filters().collect();
        let existed = self.existing(reference, &asked);
        let codes = loop {
            let epoch = self.judge(reference).ok_or(Stop::Ended)?;
            let mut codes = self.judge_filters(reference, &asked);
            self.withdraw(reference, &asked, &codes, &existed);
            self.register(reference, &asked, &mut codes, subscribe);
            // Registered, so the sweep of a newer policy finds them. One that came meanwhile is seen here, and
            // everything is judged again by it before it is answered.
            if self.shared.policy_epoch() == epoch {
                break codes;
            }
        };
        self.stats.denied_subscribe +=
            codes.iter().filter(|code| **code == reason::NOT_AUTHORIZED).count() as u64;
        if turn.version == Version::V31 && codes.iter().any(|code| is_refused(*code)) {
            // MQTT 3.1 has no failure code in SUBACK.
            return Err(Stop::NotAuthorized);
        }
        self.answer_subscribe(reference, subscribe.packet_id, &codes);
        self.send_retained_for(reference, &asked, &codes, &existed);
        Ok(())
    }

    /// Which filters the session has already.
    fn existing(&self, reference: SessionRef, asked: &[Asked<'_>]) -> Vec<bool> {
        let Some(session) = self.sessions.get(reference) else { return vec![false; asked.len()] };
        asked.iter().map(|asked| session.subscriptions.contains_key(asked.full)).collect()
    }

    /// Takes back what this SUBSCRIBE registered under an older policy and the newest one refuses.
    fn withdraw(&mut self, reference: SessionRef, asked: &[Asked<'_>], codes: &[u8], existed: &[bool]) {
        let Some(session) = self.sessions.get_mut(reference) else { return };
        for ((asked, code), existed) in asked.iter().zip(codes).zip(existed) {
            if is_refused(*code)
                && !existed
                && let Some(entry) = session.subscriptions.remove(asked.full)
            {
                self.stats.subscriptions -= 1;
                self.stats.suspended -= u64::from(entry.suspended);
                self.shared.router.unsubscribe(reference, asked.filter, asked.share);
            }
        }
    }

    /// The SUBACK's code for each filter, in MQTT 5's terms [MQTT-3.9.3-1].
    fn judge_filters(&self, reference: SessionRef, asked: &[Asked<'_>]) -> Vec<u8> {
        let Some(session) = self.sessions.get(reference) else { return Vec::new() };
        let mut room = self.shared.limits.max_subscriptions.saturating_sub(session.subscriptions.len());
        let judge = |asked: &Asked<'_>| {
            let qos = asked.options.qos;
            if !session.guard.may_subscribe(asked.filter, asked.share, qos) {
                session.guard.subscribe_denied(asked.filter, asked.share, qos);
                return reason::NOT_AUTHORIZED;
            }
            if !session.subscriptions.contains_key(asked.full) {
                if room == 0 {
                    return reason::QUOTA_EXCEEDED;
                }
                room -= 1;
            }
            qos as u8
        };
        asked.iter().map(judge).collect()
    }

    /// Enters the granted filters; those that the router refuses get their code changed.
    fn register(
        &mut self,
        reference: SessionRef,
        asked: &[Asked<'_>],
        codes: &mut [u8],
        subscribe: &Subscribe<'_>,
    ) {
        let Some(session) = self.sessions.get_mut(reference) else { return };
        let granted = |codes: &[u8]| {
            let granted =
                asked.iter().enumerate().filter(|(at, _)| codes.get(*at).is_some_and(|c| !is_refused(*c)));
            granted.map(|(at, asked)| (at, *asked)).collect::<Vec<_>>()
        };
        let granted = granted(codes);
        if session.member.is_none() && granted.iter().any(|(_, asked)| asked.share.is_some()) {
            session.member = Some(MemberState::new(true));
        }
        let member = session.member.as_ref();
        let options = |asked: &Asked<'_>| SubscribeOptions {
            qos: asked.options.qos,
            no_local: asked.options.no_local,
            retain_as_published: asked.options.retain_as_published,
            identifier: subscribe.subscription_identifier,
        };
        let new = granted.iter().map(|(_, asked)| NewSubscription {
            filter: asked.filter,
            share: asked.share.and_then(|group| member.map(|member| Share { group, member })),
            options: options(asked),
        });
        let entered = self.shared.router.subscribe_many(reference, new);
        for ((at, asked), entered) in granted.iter().zip(entered) {
            if entered.is_err() {
                codes[*at] = reason::TOPIC_FILTER_INVALID;
                continue;
            }
            let entry = Subscription { options: options(asked), suspended: false };
            match session.subscriptions.insert(asked.full.into(), entry) {
                None => self.stats.subscriptions += 1,
                Some(old) => self.stats.suspended -= u64::from(old.suspended),
            }
        }
    }

    fn answer_subscribe(&mut self, reference: SessionRef, packet_id: u16, codes: &[u8]) {
        let Some(connection) = self.sessions.get_mut(reference).and_then(|s| s.connection.as_deref_mut())
        else {
            return;
        };
        mark_dirty(&mut self.dirty, &mut self.pool, reference, connection);
        // One code for each filter of a packet that was received: it cannot be too long.
        let plain: Vec<u8>;
        let codes = if connection.version == Version::V5 {
            codes
        } else {
            plain = codes.iter().map(|code| if is_refused(*code) { 0x80 } else { *code }).collect();
            &plain
        };
        let answer = SubAck::new(packet_id, codes);
        let _ = codec::encode_suback(connection.output.tail(), connection.version, &answer);
    }

    fn send_retained_for(
        &mut self,
        reference: SessionRef,
        asked: &[Asked<'_>],
        codes: &[u8],
        existed: &[bool],
    ) {
        for ((asked, code), existed) in asked.iter().zip(codes).zip(existed) {
            let wanted = match asked.options.retain_handling {
                RetainHandling::Always => true,
                RetainHandling::IfNew => !existed,
                RetainHandling::Never => false,
            };
            // Shared subscriptions get no retained messages [MQTT-4.8.2].
            if !is_refused(*code) && asked.share.is_none() && wanted {
                self.send_retained(reference, asked.full, asked.options.qos);
            }
        }
    }

    fn send_retained(&mut self, reference: SessionRef, filter: &str, qos: QoS) {
        let Some(session) = self.sessions.get(reference) else { return };
        let Some(subscription) = session.subscriptions.get(filter) else { return };
        let options =
            SubscribeOptions { qos, no_local: false, retain_as_published: true, ..subscription.options };
        let target = Target::new(reference, options);
        let shared = Arc::clone(&self.shared);
        let mut from = None;
        loop {
            let page = shared.retained.collect(filter, from.as_ref(), RETAINED_PAGE, self.now);
            for message in &page.messages {
                let scratch = std::mem::take(&mut self.scratch);
                let mut outgoing = Outgoing::of_message(message, self.now, scratch);
                self.deliver_to(&target, options.identifier.as_slice(), &mut outgoing, None);
                self.scratch = outgoing.into_scratch();
            }
            from = page.next;
            if from.is_none() {
                return;
            }
        }
    }

    /// Handles one UNSUBSCRIBE.
    pub(super) fn unsubscribe(&mut self, reference: SessionRef, unsubscribe: &Unsubscribe<'_>) {
        let Some(session) = self.sessions.get_mut(reference) else { return };
        let mut codes = Vec::with_capacity(unsubscribe.filter_count());
        let mut gone = Vec::with_capacity(unsubscribe.filter_count());
        for filter in unsubscribe.filters() {
            codes.push(match session.subscriptions.remove(filter) {
                Some(subscription) => {
                    self.stats.subscriptions -= 1;
                    self.stats.suspended -= u64::from(subscription.suspended);
                    let (group, filter) = split_share(filter);
                    gone.push((filter, group));
                    reason::SUCCESS
                }
                None => reason::NO_SUBSCRIPTION_EXISTED,
            });
        }
        self.shared.router.remove_many(reference, gone);
        let Some(connection) = session.connection.as_deref_mut() else { return };
        mark_dirty(&mut self.dirty, &mut self.pool, reference, connection);
        let answer = UnsubAck::new(unsubscribe.packet_id, &codes);
        // One code for each filter of a packet that was received: it cannot be too long.
        let _ = codec::encode_unsuback(connection.output.tail(), connection.version, &answer);
    }
}

/// Whether a SUBACK code refuses its filter.
fn is_refused(code: u8) -> bool {
    code >= reason::UNSPECIFIED_ERROR
}
