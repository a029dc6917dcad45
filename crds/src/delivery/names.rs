//! The names of the objects that the operator keeps for a cluster, in the cluster's namespace.

use moat_policy::bundle::Family;

use super::{ShardName, Slot};

/// The key of the manifest in its ConfigMap.
pub const MANIFEST_KEY: &str = "manifest.json";
/// The key of a packed shard in its ConfigMap or Secret.
pub const SHARD_KEY: &str = "shard.zst";
/// The key of the authorities in a Secret of certificates.
pub const CA_KEY: &str = "ca.crt";
/// The key of the certificate chain in a Secret of certificates.
pub const CERTIFICATE_KEY: &str = "tls.crt";
/// The key of the private key in a Secret of certificates.
pub const PRIVATE_KEY_KEY: &str = "tls.key";
/// The key of the held resources in their ConfigMap.
pub const HELD_KEY: &str = "held.zst";

/// The label that names the cluster on every object that the operator keeps for it.
pub const CLUSTER_LABEL: &str = "moat.dev/cluster";

/// The common name of the certificate with which the operator comes to a pod's admin port.
pub const OPERATOR_COMMON_NAME: &str = "moat-operator";

/// TCP port of `/livez`, `/readyz` and `/metrics` in pods.
pub const HEALTH_PORT: u16 = 9400;
/// TCP port of a pod's report, for the operator alone.
pub const ADMIN_PORT: u16 = 9401;

/// The ConfigMap of the manifest.
pub fn manifest(cluster: &str) -> String {
    format!("{cluster}-policy")
}

/// The ConfigMap (plain shards) or Secret (secret shards) of a shard's slot.
pub fn shard(cluster: &str, shard: &ShardName, slot: Slot) -> String {
    let family = match shard.family {
        Family::Plain => "policy",
        Family::Secret => "credentials",
    };
    format!("{cluster}-{family}-{}-{slot}", shard.place())
}

/// The Secret with the key of the cluster's own authority; the operator alone reads it.
pub fn authority(cluster: &str) -> String {
    format!("{cluster}-ca")
}

/// The Secret with the certificate of the pods' admin port.
pub fn pods_certificate(cluster: &str) -> String {
    format!("{cluster}-pods")
}

/// The Secret with the certificate that the operator shows to the pods.
pub fn operator_certificate(cluster: &str) -> String {
    format!("{cluster}-operator")
}

/// The name in the certificate of the pods' admin port, which the operator expects.
pub fn pods_dns_name(cluster: &str, namespace: &str) -> String {
    format!("{cluster}.{namespace}.pods.moat.dev")
}

/// The ConfigMap with resources that stay in force although they cannot be read any more.
pub fn held(cluster: &str) -> String {
    format!("{cluster}-held")
}

/// The StatefulSet, its headless Service, the PodDisruptionBudget and the NetworkPolicy.
pub fn workload(cluster: &str) -> String {
    cluster.to_owned()
}

/// The Service of a listener.
pub fn service(cluster: &str, listener: &str) -> String {
    format!("{cluster}-{listener}")
}

/// The ServiceAccount, Role and RoleBinding of the pods.
pub fn account(cluster: &str) -> String {
    format!("{cluster}-broker")
}
