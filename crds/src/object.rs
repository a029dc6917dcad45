//! What several kinds share: references to objects of the same namespace, and the status of the policy's kinds.
#![expect(unreachable_pub, reason = "KubeSchema repeats every type inside a function, with its visibility")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::rule;

/// The name of an object in the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct LocalRef {
    /// Name of the object; it is looked for in the namespace of the resource that names it.
    #[schemars(length(min = 1, max = 253), regex(pattern = rule::DNS_SUBDOMAIN))]
    pub name: String,
}

/// What is observed of a Realm, Pipeline, Role, Permission or Credential.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Accepted` (the spec and what it names are valid), `Ready` (enforced on all pods), `Reconciling` and
    /// `Stalled`.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
