//! One cluster as the engine sees it: its worker, its pods, and what its status is made of.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use moat_crds::delivery::{Report, SCHEMA};
use moat_crds::{MqttCluster, MqttClusterStatus};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::News;
use crate::build::selector_text;
use crate::kube::error::Cause;
use crate::kube::poll;
use crate::kube::worker::{self, Access, Outcome, Replace, Wish};
use crate::policy::Verdict;
use crate::roll;
use crate::status::cluster::{ClusterFacts, Desired, HeldKind, PodFacts, Problem, Workload};
use crate::status::{PodTrouble, TroubleReason, trouble};

/// A pod of the cluster.
pub(super) struct PodState {
    pod: Pod,
    report: Option<Report>,
    report_error: Option<String>,
    poller: Option<(IpAddr, JoinHandle<()>)>,
}

impl Drop for PodState {
    fn drop(&mut self) {
        if let Some((_, poller)) = &self.poller {
            poller.abort();
        }
    }
}

pub(super) struct ClusterState {
    pub(super) object: Arc<MqttCluster>,
    pub(super) uid: String,
    pub(super) worker: worker::Handle,
    pub(super) outcome: Outcome,
    /// When the manifest in force was written.
    pub(super) delivered_at: Instant,
    pub(super) pods: BTreeMap<String, PodState>,
    workload: Option<StatefulSet>,
    /// What the API server has as its status.
    pub(super) observed: Option<MqttClusterStatus>,
    /// Whether the status may be due.
    pub(super) dirty: bool,
    /// Whether the status is being written.
    pub(super) flying: bool,
}

impl ClusterState {
    pub(super) fn new(object: Arc<MqttCluster>, worker: worker::Handle) -> Self {
        Self {
            uid: object.uid().unwrap_or_default(),
            observed: object.status.clone(),
            object,
            worker,
            outcome: Outcome::default(),
            delivered_at: Instant::now(),
            pods: BTreeMap::new(),
            workload: None,
            dirty: true,
            flying: false,
        }
    }

    pub(super) fn pod(&mut self, name: String, pod: Option<Pod>) {
        self.dirty = true;
        let Some(pod) = pod else {
            self.pods.remove(&name);
            return;
        };
        match self.pods.get_mut(&name) {
            Some(known) if known.pod.metadata.uid == pod.metadata.uid => known.pod = pod,
            _ => {
                self.pods.insert(name, PodState { pod, report: None, report_error: None, poller: None });
            }
        }
    }

    pub(super) fn workload(&mut self, workload: Option<StatefulSet>) {
        self.workload = workload;
        self.dirty = true;
    }

    pub(super) fn report(&mut self, name: &str, uid: &str, report: Result<Report, String>) -> bool {
        let Some(pod) = self.pods.get_mut(name).filter(|pod| pod.pod.metadata.uid.as_deref() == Some(uid))
        else {
            return false;
        };
        match report {
            Ok(report) => {
                pod.report = Some(report);
                pod.report_error = None;
            }
            Err(error) => pod.report_error = Some(error),
        }
        self.dirty = true;
        true
    }

    /// Asks every pod that can be asked and is not.
    pub(super) fn poll(&mut self, namespace: &Arc<str>, tell: &mpsc::UnboundedSender<News>) {
        let Some(access) = &self.outcome.access else { return };
        for (name, pod) in &mut self.pods {
            let address = pod.pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
            let Some(address) = address.and_then(|address| address.parse().ok()) else { continue };
            if pod.poller.as_ref().is_some_and(|(known, _)| *known == address) {
                continue;
            }
            if let Some((_, poller)) = pod.poller.take() {
                poller.abort();
            }
            let uid = pod.pod.metadata.uid.clone().unwrap_or_default();
            let who = (Arc::clone(namespace), name.clone(), uid);
            let tell = tell.clone();
            let tell = move |report: Result<Report, String>| {
                // The engine outlives its pollers, or the process ends.
                let _ = tell.send(News::Report(who.clone(), report.map(Box::new)));
            };
            let poller = tokio::spawn(poll::follow(access.clone(), address, tell));
            pod.poller = Some((address, poller));
        }
    }

    /// New certificates: every pod is asked anew.
    pub(super) fn access_changed(&mut self, access: &Access) -> bool {
        let same = |known: &Access| Arc::ptr_eq(&known.tls, &access.tls);
        let changed = !self.outcome.access.as_ref().is_some_and(same);
        if changed {
            for pod in self.pods.values_mut() {
                if let Some((_, poller)) = pod.poller.take() {
                    poller.abort();
                }
            }
        }
        changed
    }

    /// The highest generation of this cluster that a pod has shown.
    pub(super) fn floor(&self) -> u64 {
        let reports = self.pods.values().filter_map(|pod| pod.report.as_ref());
        let ours = reports.filter(|report| report.cluster.as_deref() == Some(&self.uid));
        ours.filter_map(|report| report.generation).max().unwrap_or_default()
    }

    /// The pod that is to be replaced now, with its uid.
    pub(super) fn replace(&self) -> Option<Replace> {
        let pods: Vec<_> = self
            .pods
            .iter()
            .map(|(name, state)| {
                let meta = &state.pod.metadata;
                let labels = meta.labels.as_ref();
                roll::Pod {
                    name,
                    revision: labels
                        .and_then(|labels| labels.get("controller-revision-hash"))
                        .map(String::as_str),
                    ready: is_ready(&state.pod),
                    terminating: meta.deletion_timestamp.is_some(),
                }
            })
            .collect();
        let workload = self.workload.as_ref()?;
        let status = workload.status.as_ref()?;
        let seen = status.observed_generation >= workload.metadata.generation;
        let update_revision = status.update_revision.as_deref().filter(|_| seen);
        let rollout = roll::Rollout { replicas: self.object.spec.replicas, update_revision, pods: &pods };
        match roll::next(&rollout) {
            roll::Step::Replace { pod, reason } => {
                let uid = self.pods.get(pod)?.pod.metadata.uid.clone()?;
                Some(Replace { pod: pod.to_owned(), uid, reason, generation: workload.metadata.generation })
            }
            roll::Step::Wait(_) | roll::Step::Done => None,
        }
    }

    /// Whether the StatefulSet's controller makes fewer pods than there shall be.
    pub(super) fn pods_missing(&self) -> bool {
        let status = self.workload.as_ref().and_then(|workload| {
            let seen =
                |status: &&StatefulSetStatus| status.observed_generation >= workload.metadata.generation;
            workload.status.as_ref().filter(seen)
        });
        status.is_some_and(|status| status.replicas < self.object.spec.replicas)
    }

    /// Everything that the status is made of.
    pub(super) fn facts(&self, verdict: Verdict, held: Vec<HeldKind>, now: Timestamp) -> ClusterFacts {
        let pods = self.pods.values().map(|state| PodFacts {
            name: state.pod.name_any(),
            ready: is_ready(&state.pod),
            terminating: state.pod.metadata.deletion_timestamp.is_some(),
            trouble: trouble(&state.pod, now).map(|trouble| self.with_class(trouble)),
            report: state.report.clone(),
            report_error: state.report_error.clone(),
        });
        let name = self.object.name_any();
        let mut problems: Vec<_> = self
            .outcome
            .problems
            .iter()
            .filter(|problem| problem.cause != Cause::NamespaceTerminating)
            .map(|problem| Problem {
                reason: problem.cause.reason().to_owned(),
                message: problem.message(),
                terminal: problem.cause.needs_a_person(),
            })
            .collect();
        // What a person must mend is told before what passes.
        problems.sort_by_key(|problem| !problem.terminal);
        ClusterFacts {
            namespace: self.object.namespace().unwrap_or_default(),
            generation: self.object.metadata.generation,
            verdict,
            waits: false,
            desired: self.outcome.delivered.as_ref().map(|(delivered, _)| Desired {
                schema: SCHEMA,
                generation: delivered.generation,
                digest: delivered.digest,
            }),
            replicas: self.object.spec.replicas,
            workload: self.workload.as_ref().map(workload_of),
            pods: pods.collect(),
            problems,
            held,
            selector: selector_text(&name),
            name,
            version: self.outcome.version.clone(),
        }
    }

    /// Names the StorageClass that a claim waits for, which a pod does not know.
    fn with_class(&self, mut trouble: PodTrouble) -> PodTrouble {
        let class = self.object.spec.storage.storage_class_name.as_deref();
        if let Some(class) = class.filter(|_| trouble.reason == TroubleReason::VolumeNotBound) {
            trouble.message.push_str(&format!("; spec.storage asks for the StorageClass {class}"));
        }
        trouble
    }

    /// Wishes, if it is another wish than before.
    pub(super) fn wish(&self, change: impl FnOnce(&mut Option<Wish>) -> bool) {
        self.worker.wish.send_if_modified(change);
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn workload_of(workload: &StatefulSet) -> Workload {
    let Some(status) = &workload.status else { return Workload::default() };
    Workload {
        observed: status.observed_generation >= workload.metadata.generation,
        current: status.replicas,
        updated: status.updated_replicas.unwrap_or_default(),
        ready: status.ready_replicas.unwrap_or_default(),
    }
}
