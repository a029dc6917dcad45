//! The objects that a cluster consists of, complete, as they are applied. Pure: a function of the cluster's resource,
//! its recorded version and where the operator runs; no I/O, no clock.
//!
//! A pod's template is a function of the spec and the recorded version alone: nothing of the operator enters it but
//! the name of the image. What stands in it is therefore fixed for every version that it was once made for, and the
//! snapshots beside the tests hold it.

mod access;
mod network;
mod pod;
#[cfg(test)]
mod tests;
mod workload;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};
use moat_crds::MqttCluster;
use moat_crds::delivery::names::CLUSTER_LABEL;

/// The `app.kubernetes.io/component` of what serves clients: pods, their claims and what stands before them.
pub const BROKER: &str = "broker";

/// The `app.kubernetes.io/component` of what carries the policy to the pods.
pub const POLICY: &str = "policy";

/// The `app.kubernetes.io/component` of certificates that the operator issues.
pub const CERTIFICATES: &str = "certificates";

/// The labels of the operator's own pods, as its chart gives them: who may come to a pod's admin port.
pub const OPERATOR_POD_LABELS: [(&str, &str); 2] =
    [("app.kubernetes.io/name", "moat"), (COMPONENT, "operator")];

const COMPONENT: &str = "app.kubernetes.io/component";

/// What the objects are made of.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The cluster as the API server has it, with namespace and uid.
    pub cluster: &'a MqttCluster,
    /// The brokers' version: a tag of their image. [`version()`], or the operator's for a cluster that is new.
    pub version: &'a str,
    /// The brokers' image without its tag.
    pub image_repository: &'a str,
    /// The namespace of the operator's own pods.
    pub operator_namespace: &'a str,
    /// The ConfigMaps that the pods may read, sorted: manifest and shards.
    pub config_maps: &'a [String],
    /// The Secrets that the pods may read, sorted: shards, the pods' certificate and those of listeners.
    pub secrets: &'a [String],
}

/// The objects of one cluster, in the order in which they are applied: what a pod needs is there before the pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    /// Who the pods are.
    pub service_account: ServiceAccount,
    /// What the pods may read.
    pub role: Role,
    /// That they may.
    pub role_binding: RoleBinding,
    /// Who may come to the pods.
    pub network_policy: NetworkPolicy,
    /// The pods' own names.
    pub headless_service: Service,
    /// One Service per listener, in the order of the listeners.
    pub listener_services: Vec<Service>,
    /// How many pods may be away on purpose.
    pub disruption_budget: PodDisruptionBudget,
    /// The pods and their claims.
    pub stateful_set: StatefulSet,
}

/// The objects of a cluster.
pub fn owned(inputs: &Inputs<'_>) -> Owned {
    Owned {
        service_account: access::service_account(inputs),
        role: access::role(inputs),
        role_binding: access::role_binding(inputs),
        network_policy: network::network_policy(inputs),
        headless_service: network::headless_service(inputs),
        listener_services: network::listener_services(inputs),
        disruption_budget: workload::disruption_budget(inputs),
        stateful_set: workload::stateful_set(inputs),
    }
}

/// The version of a cluster's brokers: what its spec says, or else what was recorded when it was first seen; `None`
/// when it was not seen yet.
pub fn version(cluster: &MqttCluster) -> Option<&str> {
    let recorded = cluster.status.as_ref().and_then(|status| status.version.as_deref());
    cluster.spec.version.as_deref().or(recorded)
}

/// The labels of an object of a cluster.
pub fn labels(cluster: &str, component: &str) -> BTreeMap<String, String> {
    texts([
        ("app.kubernetes.io/name", "moat"),
        ("app.kubernetes.io/instance", cluster),
        ("app.kubernetes.io/managed-by", "moat-operator"),
        (COMPONENT, component),
        (CLUSTER_LABEL, cluster),
    ])
}

/// The labels by which a cluster's pods are found. They can never change: a StatefulSet's selector is fixed.
pub fn selector(cluster: &str) -> BTreeMap<String, String> {
    texts([(COMPONENT, BROKER), (CLUSTER_LABEL, cluster)])
}

/// The same as text, for `status.selector` and for lists.
pub fn selector_text(cluster: &str) -> String {
    format!("{COMPONENT}={BROKER},{CLUSTER_LABEL}={cluster}")
}

/// What makes an object the cluster's: it goes when the cluster goes, and whoever deletes the cluster waits for
/// nothing of it.
pub fn owner_reference(cluster: &MqttCluster) -> OwnerReference {
    OwnerReference {
        api_version: MqttCluster::api_version(&()).into_owned(),
        kind: MqttCluster::kind(&()).into_owned(),
        name: cluster.name_any(),
        uid: cluster.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

/// Name, place, labels and owner of an object of a cluster.
pub fn metadata(cluster: &MqttCluster, name: String, component: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: cluster.namespace(),
        labels: Some(labels(&cluster.name_any(), component)),
        owner_references: Some(vec![owner_reference(cluster)]),
        ..ObjectMeta::default()
    }
}

fn label_selector(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), match_expressions: None }
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
