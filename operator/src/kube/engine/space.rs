//! One namespace as the engine sees it: what is compiled of it, and what its resources wait for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use moat_crds::MqttCluster;
use moat_crds::compile::{Change, Kind, ResourceKey, Wanted};
use moat_crds::delivery::Report;
use moat_crds::delivery::names::CLUSTER_LABEL;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::News;
use super::cluster::ClusterState;
use super::hear::cluster_key;
use crate::bundle;
use crate::kube::Context;
use crate::kube::watch::Seen;
use crate::kube::worker::apply::{Mark, Notice, OwnedKind, Touched};
use crate::kube::worker::{self, Outcome, Policy, Wish};
use crate::policy::Namespace;
use crate::status::cluster;
use crate::status::{Enforcement, Ledger, Observed};

/// A resource that is not enforced for so long says that it waits.
const OVERDUE: SignedDuration = SignedDuration::from_secs(5);

/// On an MqttCluster: the kinds, separated by commas, of which nothing is held any more.
const RELEASE: &str = "moat.dev/release-held";

/// Why nothing new is delivered to a cluster: what is in force there cannot be known, and stays.
#[derive(Clone)]
pub(super) struct Frozen {
    /// The kind that it is about; none if it is about all that was held.
    pub(super) kind: Option<Kind>,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Frozen {
    /// The definition of a kind was replaced while no operator ran.
    pub(super) fn definition(kind: Kind, cluster: &str, namespace: &str) -> Self {
        let message = format!(
            "the CustomResourceDefinition of {kind} was deleted and made anew while no operator ran, so that what is gone \
             cannot be told from what was deleted on purpose; the policy in force stays as it is. Apply your {kind}s \
             again, then `kubectl annotate mqttcluster {cluster} -n {namespace} moat.dev/release-held={kind}`"
        );
        Self { kind: Some(kind), reason: "DefinitionReplaced", message }
    }

    /// What was held cannot be read any more.
    pub(super) fn kept(cluster: &str) -> Self {
        let message = format!(
            "ConfigMap {} was altered and cannot be read: restore it, or delete it to give up what was held, and restart \
             the operator; the policy in force stays as it is",
            moat_crds::delivery::names::held(cluster)
        );
        Self { kind: None, reason: "HeldUnreadable", message }
    }
}

pub(super) struct Space {
    pub(super) name: Arc<str>,
    pub(super) policy: Namespace,
    pub(super) enforcement: Enforcement,
    pub(super) ledger: Ledger,
    pub(super) objects: HashMap<String, Arc<MqttCluster>>,
    pub(super) clusters: BTreeMap<String, ClusterState>,
    /// The StatefulSets, by cluster.
    pub(super) workloads: HashMap<String, StatefulSet>,
    /// Pods whose cluster is not known yet.
    pub(super) strays: HashMap<String, (String, Pod)>,
    pub(super) due: BTreeSet<ResourceKey>,
    pub(super) flying: HashSet<ResourceKey>,
    /// Statuses that could not be written: how often, and when they are tried again.
    pub(super) failed: HashMap<ResourceKey, (u32, Instant)>,
    /// Clusters to which nothing new is delivered.
    pub(super) frozen: BTreeMap<String, Vec<Frozen>>,
    /// The uids of the definitions under which this was compiled.
    pub(super) definitions: BTreeMap<Kind, String>,
    /// Clusters whose wish may be another.
    pub(super) stale: BTreeSet<String>,
    /// Passwords that someone hashes.
    pub(super) hashing: HashSet<ResourceKey>,
    /// Passwords that cannot be hashed.
    pub(super) unhashable: HashSet<ResourceKey>,
    /// Until when the policy waits for verifiers.
    pub(super) patience: Option<Instant>,
    /// Whether every password had its verifier once: until then nothing is delivered.
    pub(super) hashed: bool,
}

impl Space {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            policy: Namespace::new(Arc::clone(&name)),
            name,
            enforcement: Enforcement::new(OVERDUE),
            ledger: Ledger::new(),
            objects: HashMap::new(),
            clusters: BTreeMap::new(),
            workloads: HashMap::new(),
            strays: HashMap::new(),
            due: BTreeSet::new(),
            flying: HashSet::new(),
            failed: HashMap::new(),
            frozen: BTreeMap::new(),
            definitions: BTreeMap::new(),
            stale: BTreeSet::new(),
            hashing: HashSet::new(),
            unhashable: HashSet::new(),
            patience: None,
            hashed: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.policy.is_empty()
            && self.clusters.is_empty()
            && self.strays.is_empty()
            && self.workloads.is_empty()
    }

    pub(super) fn cluster_names(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    pub(super) fn freeze(&mut self, cluster: &str, frozen: Frozen) {
        tracing::warn!(namespace = %self.name, cluster, "{}", frozen.message);
        self.frozen.entry(cluster.to_owned()).or_default().push(frozen);
    }

    /// Takes an object that came or changed.
    pub(super) fn see(&mut self, seen: Seen) {
        let Seen { key, change, resource_version, observed_generation, conditions, cluster } = seen;
        if let Some(cluster) = cluster {
            self.see_cluster(*cluster);
        } else if key.kind != Kind::Secret {
            let resource_version = resource_version.as_deref();
            let observed = Observed { resource_version, observed_generation, conditions: &conditions };
            if self.ledger.observe(&key, observed) {
                self.due.insert(key.clone());
            }
        }
        self.policy.take([change]);
    }

    fn see_cluster(&mut self, object: MqttCluster) {
        let name = object.name_any();
        let object = Arc::new(object);
        for kind in released(&object) {
            if self.policy.held().get(&kind).is_some_and(|held| held.because.is_none()) {
                self.policy.release(kind);
            }
            if let Some(frozen) = self.frozen.get_mut(&name) {
                frozen.retain(|frozen| frozen.kind != Some(kind));
            }
        }
        self.frozen.retain(|_, frozen| !frozen.is_empty());
        if let Some(state) = self.clusters.get_mut(&name) {
            state.object = Arc::clone(&object);
            if !state.flying {
                state.observed.clone_from(&object.status);
            }
            state.dirty = true;
        }
        self.stale.insert(name.clone());
        self.objects.insert(name, object);
    }

    pub(super) fn gone(&mut self, key: ResourceKey) {
        if key.kind == Kind::MqttCluster {
            self.objects.remove(&*key.name);
        }
        self.ledger.forget(&key);
        self.failed.remove(&key);
        self.policy.take([Change::Delete(key)]);
    }

    pub(super) fn verified(&mut self, changes: Vec<Change>, failed: Vec<ResourceKey>) {
        for change in &changes {
            if let Change::Verified(key, _) = change {
                self.hashing.remove(&key.credential);
                self.unhashable.remove(&key.credential);
            }
        }
        self.unhashable.extend(failed);
        self.policy.take(changes);
    }

    /// Passwords that no one hashes yet.
    pub(super) fn unhashed(&self) -> Vec<Wanted> {
        self.policy
            .wanted()
            .filter(|wanted| !self.hashing.contains(&wanted.key.credential))
            .cloned()
            .collect()
    }

    pub(super) fn hashing(&mut self, wanted: &[Wanted], patience: Duration) {
        self.hashing.extend(wanted.iter().map(|wanted| wanted.key.credential.clone()));
        self.patience = Some(Instant::now() + patience);
    }

    /// Compiles what was taken.
    pub(super) fn compile(
        &mut self,
        context: &Arc<Context>,
        tell: &mpsc::UnboundedSender<News>,
        now: Timestamp,
        definitions: &BTreeMap<Kind, String>,
    ) {
        if self.definitions != *definitions {
            self.definitions.clone_from(definitions);
            self.stale.extend(self.clusters.keys().cloned());
        }
        let applied = self.policy.compile();
        self.employ(context, tell);
        let mut by_cluster: BTreeMap<Arc<str>, Vec<ResourceKey>> = BTreeMap::new();
        for key in applied.touched {
            match self.policy.verdict(&key) {
                None => {
                    self.enforcement.forget(&key);
                    self.due.remove(&key);
                }
                Some(verdict) => {
                    // It may have belonged to another cluster until now.
                    self.enforcement.forget(&key);
                    for cluster in verdict.clusters() {
                        by_cluster.entry(Arc::clone(cluster)).or_default().push(key.clone());
                    }
                    self.mark_due(key);
                }
            }
        }
        for (cluster, keys) in by_cluster {
            self.enforcement.compiled(&cluster, keys, now);
            self.stale.insert(cluster.to_string());
        }
        self.stale.extend(applied.clusters.iter().map(ToString::to_string));
    }

    fn mark_due(&mut self, key: ResourceKey) {
        match key.kind {
            Kind::Secret => {}
            Kind::MqttCluster => {
                if let Some(state) = self.clusters.get_mut(&*key.name) {
                    state.dirty = true;
                }
            }
            _ => {
                self.due.insert(key);
            }
        }
    }

    /// Gives every cluster a worker, and lets those of clusters go that are gone.
    fn employ(&mut self, context: &Arc<Context>, tell: &mpsc::UnboundedSender<News>) {
        let Self { clusters, objects, enforcement, .. } = self;
        clusters.retain(|name, state| {
            let there = objects.get(name).is_some_and(|object| object.uid().unwrap_or_default() == state.uid);
            if !there {
                enforcement.forget_cluster(name);
            }
            there
        });
        for (name, object) in objects {
            if clusters.contains_key(name) || object.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let who = (Arc::clone(&self.name), name.clone(), object.uid().unwrap_or_default());
            let tell = tell.clone();
            let worker = worker::start(Arc::clone(context), object, move |outcome| {
                // The engine outlives its workers, or the process ends.
                let _ = tell.send(News::Outcome(who.clone(), Box::new(outcome)));
            });
            let mut state = ClusterState::new(Arc::clone(object), worker);
            state.workload(self.workloads.get(name).cloned());
            let theirs: Vec<_> = self
                .strays
                .iter()
                .filter(|(_, (cluster, _))| cluster == name)
                .map(|(pod, _)| pod.clone())
                .collect();
            for pod in theirs {
                let stray = self.strays.remove(&pod).map(|(_, pod)| pod);
                state.pod(pod, stray);
            }
            clusters.insert(name.clone(), state);
            self.stale.insert(name.clone());
        }
    }

    /// Wishes what is wished otherwise than before.
    pub(super) fn wish(&mut self, leading: bool) {
        if self.stale.is_empty() {
            return;
        }
        if leading && self.policy.wanted().all(|wanted| self.unhashable.contains(&wanted.key.credential)) {
            (self.hashed, self.patience) = (true, None);
        }
        let waits = self.patience.is_some_and(|until| Instant::now() < until);
        // Who follows wishes no policy: it lacks the verifiers, and would take them from everyone when it leads.
        let deliver = leading && self.hashed && !waits;
        for name in std::mem::take(&mut self.stale) {
            let Some(state) = self.clusters.get(&name) else { continue };
            let policy = self.policy.cluster(&name).map(|policy| Policy {
                wanted: bundle::Wanted {
                    cluster_uid: state.uid.clone(),
                    bundle: policy.bundle.clone(),
                    listeners: policy.listeners.to_vec(),
                },
                mark: self.enforcement.mark(&name),
            });
            let (replace, pods_missing) = (state.replace(), state.pods_missing());
            let facts = self.policy.verdict(&cluster_key(&self.name, &name));
            let enforced = facts.and_then(|verdict| {
                cluster::enforced(&state.facts(verdict, Vec::new(), Timestamp::UNIX_EPOCH))
            });
            let cluster = Arc::clone(&state.object);
            let deliver = deliver && !self.frozen.contains_key(&name);
            let kept = (!self.frozen.contains_key(&name)).then(|| self.policy.kept(&name));
            let (definitions, floor) = (self.definitions.clone(), state.floor());
            state.wish(|wish| {
                let before = wish.take().and_then(|wish| wish.policy);
                let policy = if deliver { policy } else { before };
                *wish =
                    Some(Wish { cluster, policy, kept, definitions, floor, enforced, replace, pods_missing });
                true
            });
            if leading && (waits || !self.hashed) {
                self.stale.insert(name);
            }
        }
    }

    pub(super) fn outcome(
        &mut self,
        name: &str,
        uid: &str,
        outcome: Outcome,
        tell: &mpsc::UnboundedSender<News>,
    ) {
        let Some(state) = self.clusters.get_mut(name).filter(|state| state.uid == uid) else { return };
        if let Some(access) = &outcome.access {
            state.access_changed(access);
        }
        let delivered = outcome.delivered;
        let generation = |outcome: &Outcome| outcome.delivered.map(|(delivered, _)| delivered.generation);
        if generation(&outcome) != generation(&state.outcome) {
            state.delivered_at = Instant::now();
        }
        state.outcome = outcome;
        state.dirty = true;
        state.poll(&self.name, tell);
        if let Some((delivered, mark)) = delivered {
            let due = self.enforcement.published(name, mark, delivered.generation);
            due.into_iter().for_each(|key| self.mark_due(key));
        }
        self.reported(name);
    }

    pub(super) fn report(&mut self, pod: &str, uid: &str, report: Result<Report, String>) {
        let name = self
            .clusters
            .iter_mut()
            .find_map(|(name, state)| state.pods.contains_key(pod).then_some((name.clone(), state)));
        let Some((name, state)) = name else { return };
        if state.report(pod, uid, report) {
            self.reported(&name);
            self.stale.insert(name);
        }
    }

    /// What all pods enforce may be another.
    fn reported(&mut self, name: &str) {
        let Some(state) = self.clusters.get(name) else { return };
        let Some(verdict) = self.policy.verdict(&cluster_key(&self.name, name)) else { return };
        let facts = state.facts(verdict, Vec::new(), Timestamp::UNIX_EPOCH);
        let due = self.enforcement.reported(name, cluster::enforced(&facts));
        due.into_iter().for_each(|key| self.mark_due(key));
    }

    pub(super) fn pod(&mut self, name: String, pod: Option<Box<Pod>>, tell: &mpsc::UnboundedSender<News>) {
        let label = pod.as_ref().and_then(|pod| pod.metadata.labels.as_ref()?.get(CLUSTER_LABEL)).cloned();
        let known = self.clusters.iter().find(|(_, state)| state.pods.contains_key(&name));
        let cluster = label.or_else(|| known.map(|(cluster, _)| cluster.clone()));
        let Some(cluster) = cluster else {
            self.strays.remove(&name);
            return;
        };
        match (self.clusters.get_mut(&cluster), pod) {
            (Some(state), pod) => {
                state.pod(name, pod.map(|pod| *pod));
                state.poll(&self.name, tell);
            }
            (None, Some(pod)) => {
                self.strays.insert(name, (cluster.clone(), *pod));
            }
            (None, None) => {
                self.strays.remove(&name);
            }
        }
        self.reported(&cluster);
        self.stale.insert(cluster);
    }

    /// Forgets pods that a whole list did not show.
    pub(super) fn keep_pods(&mut self, there: &HashSet<(String, String)>) {
        let namespace = self.name.to_string();
        let exists = |pod: &String| there.contains(&(namespace.clone(), pod.clone()));
        self.strays.retain(|pod, _| exists(pod));
        for state in self.clusters.values_mut() {
            let before = state.pods.len();
            state.pods.retain(|pod, _| exists(pod));
            state.dirty |= state.pods.len() != before;
        }
    }

    pub(super) fn workload(&mut self, cluster: &str, workload: Option<Box<StatefulSet>>) {
        let mark = workload.as_ref().map(|workload| Mark::of(&workload.metadata));
        match workload {
            Some(workload) => self.workloads.insert(cluster.to_owned(), *workload),
            None => self.workloads.remove(cluster),
        };
        let Some(state) = self.clusters.get_mut(cluster) else { return };
        state.workload(self.workloads.get(cluster).cloned());
        let touched = Touched { kind: OwnedKind::StatefulSet, name: cluster.to_owned(), mark };
        // A worker that ended has said why.
        let _ = state.worker.notices.send(Notice::Touched(touched));
        self.reported(cluster);
        self.stale.insert(cluster.to_owned());
    }

    pub(super) fn touched(&mut self, cluster: &str, touched: Touched) {
        if let Some(state) = self.clusters.get(cluster) {
            let _ = state.worker.notices.send(Notice::Touched(touched));
        }
    }

    pub(super) fn owned_listed(&mut self, kind: OwnedKind, there: &Arc<HashSet<(String, String)>>) {
        if kind == OwnedKind::StatefulSet {
            let namespace = self.name.to_string();
            self.workloads.retain(|_, workload| there.contains(&(namespace.clone(), workload.name_any())));
        }
        for state in self.clusters.values() {
            let _ = state.worker.notices.send(Notice::Listed(kind, Arc::clone(there)));
        }
    }

    /// Another operator wrote until now.
    pub(super) fn everything_is_due(&mut self) {
        self.hashed = false;
        for kind in [Kind::Realm, Kind::Pipeline, Kind::Role, Kind::Permission, Kind::Credential] {
            self.due.extend(self.policy.keys(kind));
        }
        self.stale.extend(self.clusters.keys().cloned());
        self.dirty_clusters();
    }

    pub(super) fn dirty_clusters(&mut self) {
        self.clusters.values_mut().for_each(|state| state.dirty = true);
    }
}

fn released(cluster: &MqttCluster) -> Vec<Kind> {
    let text = cluster.annotations().get(RELEASE).map(String::as_str).unwrap_or_default();
    text.split(',').filter_map(|kind| Kind::parse(kind.trim())).collect()
}
