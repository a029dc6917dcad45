//! `Role`: a named set of permissions in a realm.
#![expect(
    clippy::duplicated_attributes,
    reason = "clippy takes the printer columns, each an argument, for one attribute"
)]
#![expect(unreachable_pub, reason = "KubeSchema repeats every type inside a function, with its visibility")]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{LocalRef, PermissionItem, Status};

/// A named set of permissions in a realm. Not RBAC's Role: say `mrole` to kubectl.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "moat.dev",
    version = "v1alpha1",
    kind = "Role",
    plural = "roles",
    namespaced,
    status = "Status",
    derive = "PartialEq",
    shortname = "mrole",
    category = "moat",
    doc = "A named set of permissions in a realm. Not RBAC's Role: say `mrole` to kubectl. A Role without permissions \
           grants nothing.",
    selectable = ".spec.realmRef.name",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Realm", type_ = "string", json_path = ".spec.realmRef.name"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct RoleSpec {
    /// The Realm of type `kubernetes`, in the same namespace, to which the role belongs. Hot.
    pub realm_ref: LocalRef,

    /// Further keys that mean this role, for example the distinguished name of a directory's group; `metadata.name`
    /// always does. At most 64 of 1 to 512 characters; of two Roles of a realm with one key the older counts. Hot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 512)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub role_keys: Vec<String>,

    /// What the role allows: at most 1000 permissions, each the name of a Permission (`ref`) or one in place. Hot:
    /// sessions with the role are judged again at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), extend("x-kubernetes-list-type" = "atomic"))]
    pub permissions: Vec<PermissionItem>,
}
