//! Which statuses of a namespace must be written, and what came of writing them.

use std::time::Duration;

use jiff::Timestamp;
use moat_crds::compile::{Kind, ResourceKey};
use moat_crds::{MqttClusterStatus, Status};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::News;
use super::hear::cluster_key;
use super::space::{Frozen, Space};
use crate::kube::statuses::Written;
use crate::status::cluster::{self, HeldKind, Problem};
use crate::status::{Observed, Phase};

/// Pauses before a status is tried again grow from the first to the second.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Pods that take a policy over within this time are not told of: every edit would cost two statuses.
const SOON: Duration = Duration::from_millis(400);

fn is_lagging(status: &MqttClusterStatus) -> bool {
    let mut conditions = status.conditions.iter();
    conditions.any(|condition| condition.type_ == "PolicyApplied" && condition.status == "False")
}

impl Space {
    pub(super) fn flying(&self) -> usize {
        self.flying.len()
    }

    /// The statuses of clusters that must be written now.
    pub(super) fn due_clusters(
        &mut self,
        now: Timestamp,
    ) -> Vec<(ResourceKey, Option<String>, MqttClusterStatus)> {
        let held: Vec<HeldKind> = self
            .policy
            .held()
            .iter()
            .filter(|(_, held)| held.because.is_some() || !held.gone.is_empty())
            .map(|(kind, held)| HeldKind {
                kind: *kind,
                reason: held.because.as_ref().map(|(reason, _)| reason.clone()),
                message: held.because.as_ref().map(|(_, message)| message.clone()),
                count: held.gone.len(),
            })
            .collect();
        let mut due = Vec::new();
        for (name, state) in &mut self.clusters {
            if !state.dirty || state.flying {
                continue;
            }
            state.dirty = false;
            let key = cluster_key(&self.name, name);
            let Some(verdict) = self.policy.verdict(&key) else { continue };
            let mut facts = state.facts(verdict, held.clone(), now);
            facts.waits = self.enforcement.phase(&key) != Phase::Enforced;
            for Frozen { kind, reason, message } in self.frozen.get(name).into_iter().flatten() {
                let (reason, message) = ((*reason).to_owned(), message.clone());
                facts
                    .problems
                    .insert(0, Problem { reason: reason.clone(), message: message.clone(), terminal: true });
                let kind = kind.unwrap_or(Kind::MqttCluster);
                facts.held.push(HeldKind { kind, reason: Some(reason), message: Some(message), count: 0 });
            }
            if let Some(status) = cluster::due(&facts, state.observed.as_ref(), now) {
                if is_lagging(&status) && state.delivered_at.elapsed() < SOON {
                    state.dirty = true;
                    continue;
                }
                state.flying = true;
                state.observed = Some(status.clone());
                due.push((key, Some(state.uid.clone()), status));
            }
        }
        due
    }

    /// The statuses of other resources that must be written now.
    pub(super) fn due(
        &mut self,
        now: Timestamp,
        budget: &mut usize,
    ) -> Vec<(ResourceKey, Option<String>, Status)> {
        let mut statuses = Vec::new();
        let mut later = Vec::new();
        while *budget > 0 {
            let Some(key) = self.due.pop_first() else { break };
            if self.flying.contains(&key) {
                later.push(key);
                continue;
            }
            let Some(verdict) = self.policy.verdict(&key) else { continue };
            let phase = self.enforcement.phase(&key);
            if let Some(status) = self.ledger.due(&key, &verdict, &phase, now) {
                *budget -= 1;
                self.flying.insert(key.clone());
                statuses.push((key, verdict.version.uid.as_deref().map(str::to_owned), status));
            } else {
                self.failed.remove(&key);
            }
        }
        self.due.extend(later);
        statuses
    }

    /// A status was written, or not.
    pub(super) fn written(&mut self, key: &ResourceKey, written: Written) {
        if key.kind == Kind::MqttCluster {
            if let Some(state) = self.clusters.get_mut(&*key.name) {
                state.flying = false;
                if matches!(written, Written::Done { .. }) {
                    // Something else may have changed meanwhile.
                    state.dirty = true;
                    self.failed.remove(key);
                } else {
                    state.dirty = false;
                    state.observed.clone_from(&state.object.status);
                    self.put_off(key);
                }
            }
            return;
        }
        self.flying.remove(key);
        if matches!(written, Written::Done { .. }) {
            self.failed.remove(key);
        }
        if let Written::Done { resource_version, observed_generation, conditions } = written {
            let resource_version = resource_version.as_deref();
            self.ledger
                .written(key, Observed { resource_version, observed_generation, conditions: &conditions });
        } else {
            self.put_off(key);
        }
    }

    /// A status could not be written: it is tried again later, each time later.
    fn put_off(&mut self, key: &ResourceKey) {
        let (times, again) = self.failed.entry(key.clone()).or_insert((0, Instant::now()));
        *times += 1;
        *again = Instant::now() + (RETRY_MIN * 2_u32.saturating_pow(*times - 1)).min(RETRY_MAX);
    }

    /// What only time changes.
    pub(super) fn tick(&mut self, now: Timestamp, tell: &mpsc::UnboundedSender<News>) {
        let later = Instant::now();
        let again = self.failed.iter().filter(|(_, (_, again))| *again <= later).map(|(key, _)| key.clone());
        self.due.extend(again);
        self.due.extend(self.enforcement.overdue(now));
        for (name, state) in &mut self.clusters {
            let waits =
                self.failed.get(&cluster_key(&self.name, name)).is_some_and(|(_, again)| *again > later);
            state.dirty = !waits;
            state.poll(&self.name, tell);
        }
    }
}
