//! `Realm`: where identities and rights come from.
#![expect(
    clippy::duplicated_attributes,
    reason = "clippy takes the printer columns, each an argument, for one attribute"
)]
#![expect(unreachable_pub, reason = "KubeSchema repeats every type inside a function, with its visibility")]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{LocalRef, Status, rule};

/// Where identities and rights come from; exactly one type per realm.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "moat.dev",
    version = "v1alpha1",
    kind = "Realm",
    plural = "realms",
    namespaced,
    status = "Status",
    derive = "PartialEq",
    shortname = "mrealm",
    category = "moat",
    doc = "A source of identities and rights. Pipelines name it; Roles and Credentials belong to a realm of type \
           `kubernetes`.",
    selectable = ".spec.clusterRef.name",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(name = "Enabled", type_ = "boolean", json_path = ".spec.enabled"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::one_realm_type())]
pub struct RealmSpec {
    /// The MqttCluster, in the same namespace, that may use this realm. Hot.
    pub cluster_ref: LocalRef,

    /// Whether the realm answers. Default true. With false every Pipeline that names it refuses its clients, and
    /// sessions that came through it end. Hot.
    #[serde(default = "yes")]
    pub enabled: bool,

    /// What the realm is for, in the words of its owner; at most 1024 characters. Means nothing to Moat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,

    /// The type whose users and rights are the Roles, Permissions and Credentials of this namespace. Has no settings
    /// yet: write `kubernetes: {}`. Exactly one type must be given, and it is the only one for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesRealm>,
}

/// Settings of a realm of Kubernetes resources; there are none yet.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesRealm {}

fn yes() -> bool {
    true
}
