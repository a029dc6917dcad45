//! What was read of a cluster, and no more of it than the answer needs: a namespace may hold tens of thousands of
//! resources, and a newer operator may say things that this program does not know.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt as _;
use kube::core::Object;
use moat_crds::compile::Kind;
use moat_crds::delivery::{Manifest, ManifestError};
use serde::{Deserialize, Serialize};

use crate::connection::Refusal;

/// Everything that was read.
pub(super) struct Facts {
    /// The namespace that was looked into; none: all.
    pub(super) namespace: Option<String>,
    /// The only cluster that was asked for.
    pub(super) cluster: Option<String>,
    pub(super) clusters: Vec<Cluster>,
    /// Of each kind that makes the policy, in the order of the answer, or why not.
    pub(super) resources: Vec<(Kind, Result<Vec<Resource>, Refusal>)>,
    pub(super) pods: Result<Vec<Pod>, Refusal>,
    pub(super) services: Result<Vec<Service>, Refusal>,
    /// By namespace and name of the cluster.
    pub(super) manifests: BTreeMap<(String, String), ManifestFact>,
}

/// What became of reading a manifest.
pub(super) enum ManifestFact {
    Read(Manifest),
    /// There is none yet.
    Absent,
    Broken(ManifestError),
    Refused(Refusal),
}

/// An MqttCluster as the API server shows it.
pub(super) type Cluster = Object<ClusterSpec, ClusterStatus>;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ClusterSpec {
    pub(super) replicas: Option<i32>,
    pub(super) listeners: Vec<ListenerSpec>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ListenerSpec {
    pub(super) name: String,
    pub(super) protocol: String,
    pub(super) port: u16,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClusterStatus {
    pub(super) observed_generation: Option<i64>,
    pub(super) conditions: Vec<Condition>,
    pub(super) version: Option<String>,
}

/// A resource of the policy as the API server shows it.
pub(super) type PolicyObject = Object<PolicySpec, PolicyStatus>;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PolicySpec {
    cluster_ref: Option<Reference>,
    realm_ref: Option<Reference>,
}

#[derive(Clone, Debug, Deserialize)]
struct Reference {
    name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PolicyStatus {
    pub(super) observed_generation: Option<i64>,
    pub(super) conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) type_: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
}

/// What a resource belongs to, by the name that it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parent {
    Cluster(String),
    Realm(String),
    /// Whoever lists it.
    Nobody,
}

/// A resource of the policy, judged.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) parent: Parent,
    pub(super) faults: Vec<Fault>,
    pub(super) remark: Option<String>,
}

/// Why something is not as it should be, in the operator's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    /// The condition that says so.
    pub(super) condition: String,
    /// What that condition is.
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Resource {
    pub(super) fn of(object: &PolicyObject) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let parent = match (&object.spec.cluster_ref, &object.spec.realm_ref) {
            (Some(cluster), _) => Parent::Cluster(cluster.name.clone()),
            (None, Some(realm)) => Parent::Realm(realm.name.clone()),
            (None, None) => Parent::Nobody,
        };
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            parent,
            remark: remark(&status.conditions),
            faults: faults(
                &["Accepted", "Ready"],
                object.metadata.generation,
                status.observed_generation,
                &status.conditions,
            ),
        }
    }
}

/// What keeps an object from being in force as it stands: each of these conditions that is not true, unless one before
/// it has the same reason.
pub(super) fn faults(
    wanted: &[&str],
    generation: Option<i64>,
    observed: Option<i64>,
    conditions: &[Condition],
) -> Vec<Fault> {
    if observed.is_none() || observed < generation {
        // A new object may begin with a generation that no object ever has.
        return vec![unobserved(observed.is_some_and(|generation| generation > 0))];
    }
    let mut faults: Vec<Fault> = Vec::new();
    for name in wanted {
        let fault = match conditions.iter().find(|condition| condition.type_ == *name) {
            Some(condition) if condition.status == "True" => continue,
            Some(condition) => Fault::of(condition),
            // What is not accepted has nothing more to say.
            None if !faults.is_empty() => continue,
            None => Fault {
                condition: (*name).to_owned(),
                status: "Unknown".to_owned(),
                reason: "NotReported".to_owned(),
                message: "the operator has not told of it yet".to_owned(),
            },
        };
        if faults.iter().all(|known| known.reason != fault.reason) {
            faults.push(fault);
        }
    }
    faults
}

/// What works, but probably not as its author meant, in the operator's words.
pub(super) fn remark(conditions: &[Condition]) -> Option<String> {
    let accepted = conditions.iter().find(|found| found.type_ == "Accepted" && found.status == "True")?;
    Some(accepted.message.strip_prefix("it is valid, but: ")?.to_owned())
}

impl Fault {
    pub(super) fn of(condition: &Condition) -> Self {
        let Condition { type_, status, reason, message } = condition.clone();
        Self { condition: type_, status, reason, message }
    }
}

fn unobserved(known: bool) -> Fault {
    let what = if known { "its last change" } else { "it" };
    Fault {
        condition: "Ready".to_owned(),
        status: "Unknown".to_owned(),
        reason: "NotObserved".to_owned(),
        message: format!(
            "the operator has not looked at {what} yet: if this stays, see whether it runs (kubectl get pods -A -l \
             app.kubernetes.io/name=moat,app.kubernetes.io/component=operator)"
        ),
    }
}
