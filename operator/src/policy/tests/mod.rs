//! Tests of a namespace, and the makers of resources that they share.

mod equal;
mod hold;
mod verdict;

use std::sync::Arc;

use moat_crds::compile::{Change, Kind, Resource, ResourceKey};
use serde_json::{Value, json};

use super::*;

/// A resource in namespace `iot`, of the first generation.
pub(super) fn resource(kind: &str, name: &str, spec: Value) -> Resource {
    let uid = format!("uid of {name}");
    of_metadata(kind, json!({ "namespace": "iot", "name": name, "uid": uid, "generation": 1 }), spec)
}

pub(super) fn of_metadata(kind: &str, metadata: Value, spec: Value) -> Resource {
    let api = if kind == "Secret" { "v1" } else { moat_crds::API_VERSION };
    let mut object = json!({ "apiVersion": api, "kind": kind, "metadata": metadata });
    object[if kind == "Secret" { "stringData" } else { "spec" }] = spec;
    match Kind::parse(kind).unwrap() {
        Kind::MqttCluster => Resource::MqttCluster(serde_json::from_value(object).unwrap()),
        Kind::Realm => Resource::Realm(serde_json::from_value(object).unwrap()),
        Kind::Pipeline => Resource::Pipeline(serde_json::from_value(object).unwrap()),
        Kind::Role => Resource::Role(serde_json::from_value(object).unwrap()),
        Kind::Permission => Resource::Permission(serde_json::from_value(object).unwrap()),
        Kind::Credential => Resource::Credential(serde_json::from_value(object).unwrap()),
        Kind::Secret => Resource::Secret(serde_json::from_value(object).unwrap()),
    }
}

pub(super) fn key(kind: Kind, name: &str) -> ResourceKey {
    ResourceKey::new(kind, "iot", name)
}

pub(super) fn cluster(name: &str) -> Resource {
    resource(
        "MqttCluster",
        name,
        json!({ "listeners": [{ "name": "backend", "protocol": "mqtt", "port": 1883 }] }),
    )
}

pub(super) fn realm(name: &str, cluster: &str) -> Resource {
    resource("Realm", name, json!({ "clusterRef": { "name": cluster }, "kubernetes": {} }))
}

pub(super) fn pipeline(name: &str, cluster: &str, realm: &str) -> Resource {
    let stage = json!({ "manager": { "kubernetes": { "realm": realm } } });
    let cluster = json!({ "name": cluster });
    resource(
        "Pipeline",
        name,
        json!({ "clusterRef": cluster, "listener": "ALL", "authentication": stage, "authorization": stage }),
    )
}

pub(super) fn role(name: &str, realm: &str, permissions: Value) -> Resource {
    resource("Role", name, json!({ "realmRef": { "name": realm }, "permissions": permissions }))
}

pub(super) fn permission(name: &str) -> Resource {
    resource("Permission", name, json!({ "topicFilter": name, "activity": ["publish"] }))
}

/// A Credential whose password stands in a Secret of its own name.
pub(super) fn credential(name: &str, realm: &str, roles: &[&str]) -> Resource {
    let spec = json!({
        "realmRef": { "name": realm }, "username": name, "roles": roles, "passwordSecretRef": { "name": name },
    });
    resource("Credential", name, spec)
}

pub(super) fn secret(name: &str, data: Value) -> Resource {
    let labels = json!({ moat_crds::USE_LABEL: "credential" });
    of_metadata("Secret", json!({ "namespace": "iot", "name": name, "labels": labels }), data)
}

pub(super) fn upserts(resources: impl IntoIterator<Item = Resource>) -> Vec<Change> {
    resources.into_iter().map(Change::Upsert).collect()
}

/// A cluster `fleet` with a Realm and a Pipeline, and what is given.
pub(super) fn namespace(resources: impl IntoIterator<Item = Resource>) -> Namespace {
    let mut namespace = Namespace::new(Arc::from("iot"));
    namespace.take(upserts([
        cluster("fleet"),
        realm("devices", "fleet"),
        pipeline("all", "fleet", "devices"),
    ]));
    namespace.take(upserts(resources));
    namespace.compile();
    namespace
}

pub(super) fn digest(namespace: &Namespace, cluster: &str) -> Option<moat_policy::Digest> {
    namespace.cluster(cluster).map(|cluster| cluster.digest)
}
