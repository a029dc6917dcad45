//! `Pipeline`: how a client of a listener becomes an authorized session.
#![expect(
    clippy::duplicated_attributes,
    reason = "clippy takes the printer columns, each an argument, for one attribute"
)]
#![expect(unreachable_pub, reason = "KubeSchema repeats every type inside a function, with its visibility")]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{LocalRef, Status, rule};

/// How a client of a listener becomes an authorized session.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "moat.dev",
    version = "v1alpha1",
    kind = "Pipeline",
    plural = "pipelines",
    namespaced,
    status = "Status",
    derive = "PartialEq",
    shortname = "mpipe",
    category = "moat",
    doc = "How a client of a listener becomes an authorized session: who it is (authentication), then what it may do \
           (authorization). One Pipeline per listener; of two for one listener the older counts.",
    selectable = ".spec.clusterRef.name",
    selectable = ".spec.listener",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(name = "Listener", type_ = "string", json_path = ".spec.listener"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct PipelineSpec {
    /// The MqttCluster, in the same namespace, whose listener this is about. Hot.
    pub cluster_ref: LocalRef,

    /// Name of a listener of the cluster, or `ALL` for every listener that has no Pipeline of its own. Hot: acts at
    /// the next connect, and sessions whose listener has no Pipeline any more end.
    #[schemars(length(min = 1, max = 63), regex(pattern = rule::LISTENER_SCOPE))]
    pub listener: String,

    /// Who the client is. Hot: a change acts at the next connect.
    pub authentication: Authentication,

    /// What the client may do. Hot: sessions that exist are judged again.
    pub authorization: Authorization,
}

/// The authentication stage.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// Decides who the client is: exactly one of `kubernetes` and `allowAll`. Hot.
    pub manager: AuthenticationManager,
}

/// Exactly one way to decide who a client is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::one_authentication_manager())]
pub struct AuthenticationManager {
    /// Username and password, or client certificate, as the Credentials of a realm say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesAuthentication>,

    /// Everyone is let in without proof, and nobody is known: no authorization key is found, so that beside it only
    /// the authorization manager `allowAll` grants anything. Has no settings: write `allowAll: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_all: Option<AllowAll>,
}

/// Authentication by the Credentials of a realm.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesAuthentication {
    /// Name of a Realm of type `kubernetes` in the same namespace and cluster. Hot: acts at the next connect.
    #[schemars(length(min = 1, max = 253), regex(pattern = rule::DNS_SUBDOMAIN))]
    pub realm: String,
}

/// The authorization stage.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Authorization {
    /// Decides what the client may do: exactly one of `kubernetes` and `allowAll`. Hot.
    pub manager: AuthorizationManager,
}

/// Exactly one way to decide what a client may do.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::one_authorization_manager())]
pub struct AuthorizationManager {
    /// The permissions that the Credential and its Roles in a realm grant; nothing else is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesAuthorization>,

    /// Everything is allowed to everyone. Has no settings: write `allowAll: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_all: Option<AllowAll>,
}

/// Authorization by the Credentials and Roles of a realm.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesAuthorization {
    /// Name of a Realm of type `kubernetes` in the same namespace and cluster. Hot.
    #[schemars(length(min = 1, max = 253), regex(pattern = rule::DNS_SUBDOMAIN))]
    pub realm: String,

    /// Whether the client's authorization key finds a Credential, whose roles and permissions it gets. Default true.
    /// Hot.
    #[serde(default = "yes")]
    pub use_authorization_key: bool,

    /// Whether the role key that authentication found grants the Role of that name or with that role key. Default
    /// true. Hot.
    #[serde(default = "yes")]
    pub use_authorization_role_key: bool,
}

/// A manager that asks nothing; it has no settings.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct AllowAll {}

fn yes() -> bool {
    true
}
