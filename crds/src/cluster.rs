//! `MqttCluster`: the brokers, their listeners and what they do when a right is taken away.
#![expect(unreachable_pub, reason = "KubeSchema repeats every type inside a function, with its visibility")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::rule;

/// What the user asks of a cluster of MQTT brokers.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "moat.dev",
    version = "v1alpha1",
    kind = "MqttCluster",
    plural = "mqttclusters",
    namespaced,
    status = "MqttClusterStatus",
    derive = "PartialEq",
    shortname = "mqc",
    category = "moat",
    doc = "A cluster of MQTT brokers: its listeners and how it enforces the policy that Realms, Pipelines, Roles, \
           Permissions and Credentials of its namespace describe. A listener without a Pipeline refuses everyone.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(
        name = "PolicyApplied",
        type_ = "string",
        description = "Pods that enforce the newest policy, and its digest",
        json_path = ".status.conditions[?(@.type=='PolicyApplied')].message"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rule::cluster_name(),
    validation = rule::service_names()
)]
#[serde(rename_all = "camelCase")]
pub struct MqttClusterSpec {
    /// Number of broker pods. Default 1, and 1 is the only value for now: sessions live in the memory of one pod
    /// until clustering exists. A change adds or removes pods and restarts no other.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1000))]
    #[x_kube(validation = rule::one_replica())]
    pub replicas: i32,

    /// The network ports on which clients connect, at least one and at most 16. Names and ports are unique. Hot: a
    /// listener is opened, changed or closed without touching the connections of the others.
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[x_kube(validation = rule::unique_ports())]
    pub listeners: Vec<Listener>,

    /// How the policy is enforced on sessions that are already there. Hot.
    #[serde(default)]
    pub policy: PolicySettings,

    /// Version of the brokers: a tag of the broker image. Unset (default): the version of the operator that first saw
    /// the cluster; it is recorded in `status.version` and stays, whatever becomes of the operator, until this field
    /// says otherwise. A change replaces the pods, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = rule::IMAGE_TAG))]
    pub version: Option<String>,

    /// The volume of each broker pod, on which it keeps the last good policy. Given when the cluster is created, and
    /// fixed from then on. Without Kubernetes there is no volume, and this says nothing.
    #[serde(default)]
    #[x_kube(validation = rule::storage_is_fixed())]
    pub storage: Storage,
}

/// The volume of a broker pod.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Size of the volume: a whole number with M, G or T (powers of 1000) or Mi, Gi or Ti (powers of 1024). Default
    /// 1Gi. Fixed once the cluster exists.
    #[serde(default = "one_gibibyte")]
    #[schemars(length(min = 2, max = 16), regex(pattern = rule::VOLUME_SIZE))]
    pub size: String,

    /// Name of the StorageClass that makes the volume. Default: the one that Kubernetes takes when nothing is said;
    /// `""` asks for a volume that was made by hand and has no class. Fixed once the cluster exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = rule::STORAGE_CLASS))]
    pub storage_class_name: Option<String>,
}

impl Default for Storage {
    fn default() -> Self {
        Self { size: one_gibibyte(), storage_class_name: None }
    }
}

/// One network port and the protocol spoken on it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::mqtts_needs_tls(), validation = rule::mqtt_has_no_tls())]
pub struct Listener {
    /// Name of the listener, unique in the cluster: 1 to 61 of lower-case letters, digits and '-', and with the
    /// cluster's name at most 62, because both together name its Service. A Pipeline names it in `spec.listener`. A
    /// renamed listener is a new one: its port is closed and opened again.
    #[schemars(length(min = 1, max = 63), regex(pattern = rule::DNS_LABEL))]
    pub name: String,

    /// What is spoken on the port: `mqtt` (MQTT 3.1, 3.1.1 and 5.0 over TCP) or `mqtts` (the same over TLS, which
    /// `tls` describes). Hot.
    pub protocol: Protocol,

    /// TCP port, 1 to 65535, unique in the cluster, and not 9400 to 9409, which are the pod's own; usual are 1883
    /// for `mqtt` and 8883 for `mqtts`. Hot: the old port stops accepting.
    #[schemars(range(min = 1, max = 65535))]
    #[x_kube(validation = rule::port_not_reserved())]
    pub port: u16,

    /// Certificate of the listener and what it asks of its clients. Required with `protocol: mqtts`, refused with
    /// `mqtt`. Hot: connections that exist keep the certificate with which they began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,

    /// Who may take over a session that is stored under a client identifier: `owner` (default; only the identity,
    /// realm and key, that made it; others are refused with 0x85 Client Identifier not valid) or `any` (whoever
    /// authenticates). Hot: acts at the next connect.
    #[serde(default)]
    pub session_identity: SessionIdentity,
}

/// What is spoken on a listener's port.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// MQTT over TCP.
    Mqtt,
    /// MQTT over TLS.
    Mqtts,
}

/// TLS of one listener.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ListenerTls {
    /// Name of a Secret in the same namespace, labelled `moat.dev/use: listener`, with `tls.crt` (certificate chain,
    /// PEM), `tls.key` (private key, PEM) and, if clients shall show certificates, `ca.crt` (the authorities that
    /// may have issued them, PEM). A changed Secret acts on new connections.
    #[schemars(length(min = 1, max = 253), regex(pattern = rule::DNS_SUBDOMAIN))]
    pub secret_name: String,

    /// Whether clients show a certificate: `none` (default), `optional` (one that is shown must be valid) or
    /// `required` (no connection without one). Other than `none` needs `ca.crt` in the Secret. Hot: acts on new
    /// connections.
    #[serde(default)]
    pub client_auth: ClientAuth,
}

/// Whether clients of a TLS listener show a certificate.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// Clients are not asked.
    #[default]
    None,
    /// Clients are asked; who shows none may authenticate in another way.
    Optional,
    /// No connection without a valid certificate.
    Required,
}

/// Who may take over a stored session.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[serde(rename_all = "lowercase")]
pub enum SessionIdentity {
    /// Only the identity that made it.
    #[default]
    Owner,
    /// Everyone who authenticates on the listener.
    Any,
}

/// How the policy is enforced.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PolicySettings {
    /// What happens to a subscription that its client may no longer have: `suspend` (default; it stays and delivers
    /// nothing until the right returns, because MQTT cannot tell a client that it was unsubscribed), `unsubscribe`
    /// (it is removed) or `disconnect` (the client is disconnected with 0x87 Not authorized and may come back). Hot:
    /// acts on the next revocation.
    #[serde(default)]
    pub on_revocation: OnRevocation,

    /// When a permission covers a requested subscription: `containment` (default; every topic that the requested
    /// filter can match lies in one permission's filter: `a/+` does not allow `a/#`) or `levelByLevel` (the reading
    /// of HiveMQ ESE, which compares the filters level by level and so lets `a/+` allow `a/#`; it grants more than
    /// the permission says, for migrations only). Hot: subscriptions that exist are judged again.
    #[serde(default)]
    pub subscription_matching: SubscriptionMatching,
}

/// What happens to a subscription whose right is gone.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[serde(rename_all = "lowercase")]
pub enum OnRevocation {
    /// Keep it, deliver nothing.
    #[default]
    Suspend,
    /// Remove it.
    Unsubscribe,
    /// Disconnect its client.
    Disconnect,
}

/// When a permission covers a requested subscription.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[serde(rename_all = "camelCase")]
pub enum SubscriptionMatching {
    /// Every topic of the requested filter lies in one permission's filter.
    #[default]
    Containment,
    /// ESE's comparison, which grants more.
    LevelByLevel,
}

/// What is observed of a cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct MqttClusterStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Number of broker pods that exist.
    #[serde(default)]
    pub replicas: i32,

    /// Number of broker pods that are ready: they accept clients and enforce a policy.
    #[serde(default)]
    pub ready_replicas: i32,

    /// Label selector of the broker pods, as text; what `kubectl scale` and autoscalers read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,

    /// The version that the pods have or are being given: `spec.version`, or else the one recorded when the operator
    /// first saw the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,

    /// `Accepted`, `Ready`, `Reconciling`, `Stalled`, `PolicyApplied` ("3/3 pods at sha256:…"), `Available` and
    /// `Progressing`.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

fn one() -> i32 {
    1
}

fn one_gibibyte() -> String {
    "1Gi".to_owned()
}
