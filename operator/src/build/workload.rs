//! The pods as a set: how many, what each keeps, and how many may be away.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use moat_crds::delivery::names;

use super::{BROKER, Inputs, label_selector, labels, metadata, pod, selector};

/// The name of the claim's template: the claim of `fleet-0` is `data-fleet-0`.
pub(super) const CLAIM: &str = "data";

/// The StatefulSet replaces no pod by itself (`OnDelete`): the operator does, one after the other.
pub(super) fn stateful_set(inputs: &Inputs<'_>) -> StatefulSet {
    let cluster = inputs.cluster.name_any();
    let retain = || Some("Retain".to_owned());
    StatefulSet {
        metadata: metadata(inputs.cluster, names::workload(&cluster), BROKER),
        spec: Some(StatefulSetSpec {
            replicas: Some(inputs.cluster.spec.replicas),
            service_name: Some(names::workload(&cluster)),
            selector: label_selector(selector(&cluster)),
            // A pod that cannot start must not keep the others from starting.
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                rolling_update: None,
            }),
            revision_history_limit: Some(3),
            // A deleted cluster that is applied again finds what it had.
            persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: retain(),
                when_scaled: retain(),
            }),
            template: pod::template(inputs),
            volume_claim_templates: Some(vec![claim(inputs)]),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

/// One pod at a time may be evicted; one that serves nobody anyway may always be.
pub(super) fn disruption_budget(inputs: &Inputs<'_>) -> PodDisruptionBudget {
    let cluster = inputs.cluster.name_any();
    PodDisruptionBudget {
        metadata: metadata(inputs.cluster, names::workload(&cluster), BROKER),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(label_selector(selector(&cluster))),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}

/// No owner: the claim outlives the cluster. A StatefulSet refuses every change of it, so what stands here is the same
/// for all versions of the operator.
fn claim(inputs: &Inputs<'_>) -> PersistentVolumeClaim {
    let storage = &inputs.cluster.spec.storage;
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(CLAIM.to_owned()),
            labels: Some(labels(&inputs.cluster.name_any(), BROKER)),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: storage.storage_class_name.clone(),
            volume_mode: Some("Filesystem".to_owned()),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), Quantity(storage.size.clone()))])),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
