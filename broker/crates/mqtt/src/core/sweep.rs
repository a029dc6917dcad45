//! Sessions judged again after a change of policy.
//!
//! An active session notices the new epoch at its next packet; all others are visited by the sweep, a slice at a
//! time, so that traffic goes on between the slices.

use super::connection::ConnectionRef;
use super::lifecycle::Closed;
use super::{Core, mark_dirty};
use crate::codec::reason;
use crate::guard::{Ended, OnRevocation, Standing};
use crate::router::{NewSubscription, SessionRef, Share};
use crate::session::split_share;

/// Where the walk over the sessions stands.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// Epoch that the walk enforces.
    epoch: u64,
    /// Next place to visit; none when the walk is complete.
    next: Option<u32>,
}

impl Core {
    /// Judges up to `sessions` sessions by the newest policy. True while there is more to do: call again after
    /// other work had its turn.
    pub fn sweep(&mut self, sessions: u32) -> bool {
        let epoch = self.shared.policy_epoch();
        if self.sweep.epoch != epoch {
            self.sweep = Sweep { epoch, next: Some(0) };
        }
        let Some(from) = self.sweep.next else { return false };
        let places = self.sessions.places();
        let until = from.saturating_add(sessions).min(places);
        for slot in from..until {
            if let Some(session) = self.sessions.reference(slot) {
                self.judge(session);
            }
        }
        self.sweep.next = (until < places).then_some(until);
        self.sweep.next.is_some()
    }

    /// The newest policy epoch whose sweep is complete on this core.
    #[must_use]
    pub fn swept(&self) -> u64 {
        if self.sweep.next.is_none() { self.sweep.epoch } else { self.sweep.epoch.saturating_sub(1) }
    }

    /// Brings a session's judgement up to date and returns the epoch it holds for; none if its connection ended.
    #[inline]
    pub(super) fn judge(&mut self, reference: SessionRef) -> Option<u64> {
        let epoch = self.shared.policy_epoch();
        let session = self.sessions.get(reference)?;
        if session.judged_at == epoch {
            return Some(epoch);
        }
        self.judge_again(reference, epoch)
    }

    #[inline(never)]
    fn judge_again(&mut self, reference: SessionRef, epoch: u64) -> Option<u64> {
        let session = self.sessions.get_mut(reference)?;
        session.judged_at = epoch;
        match session.guard.renew() {
            Standing::Unchanged => {}
            Standing::Changed => {
                if !self.review_subscriptions(reference) {
                    return None;
                }
            }
            Standing::Ended(ended) => {
                self.stats.revoked += 1;
                self.evict(reference, &ended);
                return None;
            }
        }
        Some(epoch)
    }

    /// Ends the connection of an identity that ended. A session that waits for its client gathers no more messages.
    fn evict(&mut self, reference: SessionRef, ended: &Ended) {
        let Some(session) = self.sessions.get(reference) else { return };
        if let Some(serial) = session.connection.as_deref().map(|connection| connection.serial) {
            let connection = ConnectionRef { session: reference, serial };
            self.end(connection, Closed::Revoked { reason_code: ended.reason_code, text: ended.text });
        } else {
            self.review_subscriptions(reference);
        }
    }

    /// Checks all filters of a session: masks those that are no longer allowed, unmasks those that are again.
    /// False if the session's connection was ended for it.
    pub(super) fn review_subscriptions(&mut self, reference: SessionRef) -> bool {
        let Some(session) = self.sessions.get_mut(reference) else { return false };
        if session.subscriptions.is_empty() {
            return true;
        }
        let on_revocation = session.guard.on_revocation();
        let (mut masked, mut unmasked) = (Vec::new(), Vec::new());
        for (full, subscription) in &mut session.subscriptions {
            let (group, filter) = split_share(full);
            let allowed = session.guard.may_subscribe(filter, group, subscription.options.qos);
            if allowed == subscription.suspended {
                subscription.suspended = !allowed;
                if allowed { unmasked.push(full.clone()) } else { masked.push(full.clone()) }
            }
        }
        self.unmask(reference, &unmasked);
        if masked.is_empty() {
            return true;
        }
        self.mask(reference, &masked);
        match on_revocation {
            OnRevocation::Suspend => true,
            OnRevocation::Unsubscribe => {
                self.drop_subscriptions(reference, &masked);
                true
            }
            OnRevocation::Disconnect => {
                self.drop_subscriptions(reference, &masked);
                self.stats.revoked += 1;
                let text = "a subscription is no longer permitted";
                self.evict(reference, &Ended { reason_code: reason::NOT_AUTHORIZED, text });
                false
            }
        }
    }

    /// Ends delivery for filters and drops their queued messages that no other filter wants.
    fn mask(&mut self, reference: SessionRef, filters: &[Box<str>]) {
        self.stats.suspended += filters.len() as u64;
        let gone = filters.iter().map(|full| {
            let (group, filter) = split_share(full);
            (filter, group)
        });
        self.shared.router.remove_many(reference, gone);
        let Some(session) = self.sessions.get_mut(reference) else { return };
        let allowed: Vec<&str> = session
            .subscriptions
            .iter()
            .filter(|(_, s)| !s.suspended)
            .map(|(full, _)| split_share(full).1)
            .collect();
        self.stats.dropped_revoked += session.queue.retain(|queued| {
            allowed.iter().any(|filter| crate::codec::topic::matches(filter, &queued.message.topic))
        });
        session.report_load();
        if let Some(connection) = session.connection.as_deref_mut() {
            mark_dirty(&mut self.dirty, &mut self.pool, reference, connection);
        }
    }

    fn unmask(&mut self, reference: SessionRef, filters: &[Box<str>]) {
        let Some(session) = self.sessions.get(reference) else { return };
        if filters.is_empty() {
            return;
        }
        self.stats.suspended -= filters.len() as u64;
        let again = filters.iter().filter_map(|full| {
            let subscription = session.subscriptions.get(full)?;
            let (group, filter) = split_share(full);
            let member = session.member.as_ref();
            let share = group.and_then(|group| member.map(|member| Share { group, member }));
            Some(NewSubscription { filter, share, options: subscription.options })
        });
        self.shared.router.subscribe_many(reference, again);
    }

    fn drop_subscriptions(&mut self, reference: SessionRef, filters: &[Box<str>]) {
        let Some(session) = self.sessions.get_mut(reference) else { return };
        for filter in filters {
            if session.subscriptions.remove(filter).is_some() {
                self.stats.subscriptions -= 1;
                self.stats.suspended -= 1;
            }
        }
    }
}
