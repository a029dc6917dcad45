//! The answer: facts, judged. Pure.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;
use moat_crds::compile::Kind;
use moat_crds::delivery::names;
use moat_policy::Digest;
use serde::Serialize;

use super::facts::{Cluster, Facts, Fault, ManifestFact, Parent, Resource, faults, remark};
use super::pod;
use crate::connection::Refusal;

/// The answer. Its JSON is what programs read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) verdict: Verdict,
    pub(super) namespaces: Vec<Namespace>,
    /// What could not be read, and why: the answer is silent about it.
    pub(super) unread: Vec<String>,
}

/// The answer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Verdict {
    /// Everything is in force, and there is something.
    Ready,
    NotReady,
    /// What was read is in force, but resources of the policy may not be read.
    Unknown,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Namespace {
    pub(super) name: String,
    pub(super) clusters: Vec<ClusterReport>,
    /// How many resources of each kind are ready, and how many are not.
    pub(super) kinds: Vec<Count>,
    /// The resources of the policy that are not as they should be.
    pub(super) not_ready: Vec<Finding>,
    /// The resources that are in force, but probably not as their authors meant.
    pub(super) remarks: Vec<Remark>,
}

#[derive(Debug, Serialize)]
pub(super) struct Remark {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) message: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Count {
    pub(super) kind: &'static str,
    pub(super) ready: usize,
    pub(super) not_ready: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    pub(super) kind: &'static str,
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) fault: Fault,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClusterReport {
    pub(super) name: String,
    pub(super) ready: bool,
    pub(super) faults: Vec<Fault>,
    /// Why resources stay in force although they cannot be read any more.
    pub(super) held: Option<Fault>,
    /// The version of the brokers.
    pub(super) version: Option<String>,
    pub(super) policy: Policy,
    /// How many pods there shall be.
    pub(super) replicas: Option<i32>,
    /// None: they may not be read.
    pub(super) pods: Option<Vec<PodReport>>,
    pub(super) listeners: Vec<ListenerReport>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    /// Whether all pods enforce the newest policy.
    pub(super) applied: bool,
    /// How many pods enforce which digest, in the operator's words.
    pub(super) pods: Option<String>,
    /// Generation of the newest manifest, if it can be read.
    pub(super) generation: Option<u64>,
    /// Digest of the newest policy, if the manifest can be read.
    pub(super) digest: Option<Digest>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodReport {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) ready: bool,
    pub(super) restarts: i32,
    pub(super) node: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListenerReport {
    pub(super) name: String,
    pub(super) protocol: String,
    /// Name and port of its Service, as they are reached from every namespace.
    pub(super) address: String,
    /// Address of its Service; none: it has no Service, or Services may not be read.
    pub(super) cluster_ip: Option<String>,
}

/// Judges what was read.
pub(super) fn of(facts: &Facts) -> Report {
    let names: BTreeSet<String> = match &facts.namespace {
        Some(namespace) => [namespace.clone()].into(),
        None => {
            let resources = facts.resources.iter().filter_map(|(_, read)| read.as_ref().ok()).flatten();
            let clusters = facts.clusters.iter().map(|cluster| cluster.namespace().unwrap_or_default());
            clusters.chain(resources.map(|resource| resource.namespace.clone())).collect()
        }
    };
    let namespaces: Vec<Namespace> = names.into_iter().map(|name| namespace(facts, name)).collect();
    let ready = |namespace: &Namespace| {
        namespace.not_ready.is_empty() && namespace.clusters.iter().all(|cluster| cluster.ready)
    };
    let refusals = || facts.resources.iter().filter_map(|(_, read)| read.as_ref().err());
    let verdict =
        if facts.clusters.is_empty() || !namespaces.iter().all(ready) || refusals().any(Refusal::is_absent) {
            Verdict::NotReady
        } else if refusals().next().is_some() {
            Verdict::Unknown
        } else {
            Verdict::Ready
        };
    Report { verdict, namespaces, unread: unread(facts) }
}

/// What is missing from the answer.
fn unread(facts: &Facts) -> Vec<String> {
    let kinds = facts.resources.iter().filter_map(|(kind, read)| {
        let refusal = read.as_ref().err()?;
        Some(if refusal.is_absent() {
            format!(
                "{kind}: the API server does not know this kind: its CRD is gone, apply it again (helm upgrade \
                 moat-crds charts/moat-crds, or kubectl apply --server-side -f crds/)"
            )
        } else {
            format!("{kind}: {refusal}")
        })
    });
    let others = [("Pod", facts.pods.as_ref().err()), ("Service", facts.services.as_ref().err())];
    let others = others.into_iter().filter_map(|(kind, refusal)| Some(format!("{kind}: {}", refusal?)));
    let manifests = facts.manifests.iter().filter_map(|((namespace, cluster), manifest)| {
        let why: &dyn std::fmt::Display = match manifest {
            ManifestFact::Read(_) | ManifestFact::Absent => return None,
            ManifestFact::Broken(error) => error,
            ManifestFact::Refused(refusal) => refusal,
        };
        Some(format!("ConfigMap {namespace}/{}: {why}", names::manifest(cluster)))
    });
    kinds.chain(others).chain(manifests).collect()
}

fn namespace(facts: &Facts, name: String) -> Namespace {
    let here = |cluster: &&Cluster| cluster.namespace().unwrap_or_default() == name;
    let mut clusters: Vec<ClusterReport> =
        facts.clusters.iter().filter(here).map(|found| cluster(facts, &name, found)).collect();
    clusters.sort_by(|a, b| a.name.cmp(&b.name));
    let ready = clusters.iter().filter(|cluster| cluster.ready).count();
    let mut kinds =
        vec![Count { kind: Kind::MqttCluster.as_str(), ready, not_ready: clusters.len() - ready }];
    let realms = realms(facts, &name);
    let mut not_ready = Vec::new();
    let mut remarks: Vec<Remark> = facts.clusters.iter().filter(here).filter_map(remark_of).collect();
    for (kind, read) in &facts.resources {
        let Ok(resources) = read else { continue };
        let kind = kind.as_str();
        let mut count = Count { kind, ready: 0, not_ready: 0 };
        for resource in resources.iter().filter(|resource| resource.namespace == name) {
            if facts.cluster.as_deref().is_some_and(|wanted| !may_belong(resource, wanted, &realms)) {
                continue;
            }
            *(if resource.faults.is_empty() { &mut count.ready } else { &mut count.not_ready }) += 1;
            not_ready.extend(resource.faults.iter().map(|fault| Finding {
                kind,
                name: resource.name.clone(),
                fault: fault.clone(),
            }));
            remarks.extend(resource.remark.iter().map(|message| Remark {
                kind,
                name: resource.name.clone(),
                message: message.clone(),
            }));
        }
        kinds.push(count);
    }
    Namespace { name, clusters, kinds, not_ready, remarks }
}

fn remark_of(cluster: &Cluster) -> Option<Remark> {
    let message = remark(&cluster.status.as_ref()?.conditions)?;
    Some(Remark { kind: Kind::MqttCluster.as_str(), name: cluster.name_any(), message })
}

/// Which cluster each realm of a namespace names.
fn realms<'a>(facts: &'a Facts, namespace: &str) -> BTreeMap<&'a str, &'a str> {
    let found = facts.resources.iter().filter(|(kind, _)| *kind == Kind::Realm);
    let found = found.filter_map(|(_, read)| read.as_ref().ok()).flatten();
    found
        .filter(|realm| realm.namespace == namespace)
        .filter_map(|realm| match &realm.parent {
            Parent::Cluster(cluster) => Some((&*realm.name, &**cluster)),
            Parent::Realm(_) | Parent::Nobody => None,
        })
        .collect()
}

/// Whether a resource belongs to a cluster, or to none that is known.
fn may_belong(resource: &Resource, cluster: &str, realms: &BTreeMap<&str, &str>) -> bool {
    match &resource.parent {
        Parent::Cluster(name) => name == cluster,
        Parent::Realm(realm) => realms.get(&**realm).is_none_or(|name| *name == cluster),
        Parent::Nobody => true,
    }
}

fn cluster(facts: &Facts, namespace: &str, cluster: &Cluster) -> ClusterReport {
    let name = cluster.name_any();
    let status = cluster.status.clone().unwrap_or_default();
    let faults = faults(
        &["Accepted", "Ready", "Available", "PolicyApplied"],
        cluster.metadata.generation,
        status.observed_generation,
        &status.conditions,
    );
    let condition = |name: &str| status.conditions.iter().find(|condition| condition.type_ == name);
    let held = condition("PolicyHeld").filter(|condition| condition.status == "True").map(Fault::of);
    let manifest = match facts.manifests.get(&(namespace.to_owned(), name.clone())) {
        Some(ManifestFact::Read(manifest)) => Some(manifest),
        _ => None,
    };
    let applied = condition("PolicyApplied");
    let policy = Policy {
        applied: applied.is_some_and(|applied| applied.status == "True"),
        pods: applied.map(|applied| applied.message.clone()),
        generation: manifest.map(|manifest| manifest.generation),
        digest: manifest.map(|manifest| manifest.digest),
    };
    ClusterReport {
        ready: faults.is_empty() && held.is_none(),
        faults,
        held,
        version: status.version,
        policy,
        replicas: cluster.spec.replicas,
        pods: pods(facts, namespace, &name),
        listeners: listeners(facts, namespace, cluster),
        name,
    }
}

fn pods(facts: &Facts, namespace: &str, cluster: &str) -> Option<Vec<PodReport>> {
    let pods = facts.pods.as_ref().ok()?.iter().filter(|pod| {
        pod.namespace().as_deref() == Some(namespace)
            && pod.labels().get(names::CLUSTER_LABEL).is_some_and(|label| label == cluster)
    });
    let mut pods: Vec<PodReport> = pods
        .map(|pod| PodReport {
            name: pod.name_any(),
            state: pod::state(pod),
            ready: pod::is_ready(pod),
            restarts: pod::restarts(pod),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        })
        .collect();
    // fleet-10 comes after fleet-9.
    pods.sort_by(|a, b| (a.name.len(), &a.name).cmp(&(b.name.len(), &b.name)));
    Some(pods)
}

fn listeners(facts: &Facts, namespace: &str, cluster: &Cluster) -> Vec<ListenerReport> {
    let services = facts.services.as_deref().unwrap_or_default();
    let listeners = cluster.spec.listeners.iter();
    listeners
        .map(|listener| {
            let service = names::service(&cluster.name_any(), &listener.name);
            let found = services
                .iter()
                .find(|found| found.name_any() == service && found.namespace().as_deref() == Some(namespace));
            ListenerReport {
                name: listener.name.clone(),
                protocol: listener.protocol.clone(),
                address: format!("{service}.{namespace}.svc:{}", listener.port),
                cluster_ip: found
                    .and_then(|found| found.spec.as_ref())
                    .and_then(|spec| spec.cluster_ip.clone())
                    .filter(|address| !address.is_empty()),
            }
        })
        .collect()
}
