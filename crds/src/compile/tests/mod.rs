//! Tests of the compile as its callers see it, and the makers of resources that they share.

mod conflict;
mod every;
mod golden;
mod incremental;
mod invalid;
mod last_good;
mod member;
mod reference;
mod secret;
mod version;

use moat_policy::{Entry, EntryKey};
use serde_json::{Value, json};

use super::{
    Change, Compiled, Compiler, Conflicts, Kind, LastGood, Options, Reason, Resource, ResourceKey, Resources,
    Verifiers, compile,
};

/// A resource in namespace `iot`.
pub(super) fn resource(kind: &str, name: &str, spec: Value) -> Resource {
    of_metadata(kind, json!({ "namespace": "iot", "name": name }), spec)
}

/// A resource of a given age in days; larger is older.
pub(super) fn aged(kind: &str, name: &str, age: u8, spec: Value) -> Resource {
    let created = format!("2026-01-{:02}T00:00:00Z", 31 - age);
    of_metadata(kind, json!({ "namespace": "iot", "name": name, "creationTimestamp": created }), spec)
}

pub(super) fn of_metadata(kind: &str, metadata: Value, spec: Value) -> Resource {
    let api = if kind == "Secret" { "v1" } else { crate::API_VERSION };
    let mut object = json!({ "apiVersion": api, "kind": kind, "metadata": metadata });
    if kind == "Secret" {
        object["stringData"] = spec;
    } else {
        object["spec"] = spec;
    }
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

/// A Secret with the label for a use.
pub(super) fn secret(name: &str, used_for: &str, data: Value) -> Resource {
    let labels = json!({ crate::USE_LABEL: used_for });
    of_metadata("Secret", json!({ "namespace": "iot", "name": name, "labels": labels }), data)
}

pub(super) fn key(kind: Kind, name: &str) -> ResourceKey {
    ResourceKey::new(kind, "iot", name)
}

pub(super) fn cluster() -> Resource {
    resource(
        "MqttCluster",
        "fleet",
        json!({ "listeners": [{ "name": "backend", "protocol": "mqtt", "port": 1883 }] }),
    )
}

pub(super) fn realm() -> Resource {
    resource("Realm", "devices", json!({ "clusterRef": { "name": "fleet" }, "kubernetes": {} }))
}

pub(super) fn pipeline(name: &str, listener: &str) -> Resource {
    resource("Pipeline", name, pipeline_spec(listener, "devices"))
}

pub(super) fn pipeline_spec(listener: &str, realm: &str) -> Value {
    json!({
        "clusterRef": { "name": "fleet" },
        "listener": listener,
        "authentication": { "manager": { "kubernetes": { "realm": realm } } },
        "authorization": { "manager": { "kubernetes": { "realm": realm } } },
    })
}

pub(super) fn permission(name: &str, filter: &str) -> Resource {
    resource("Permission", name, json!({ "topicFilter": filter, "activity": ["publish"] }))
}

pub(super) fn role(name: &str, keys: &[&str], permissions: Value) -> Resource {
    let spec = json!({ "realmRef": { "name": "devices" }, "roleKeys": keys, "permissions": permissions });
    resource("Role", name, spec)
}

/// A Credential whose password stands in a Secret of its own name.
pub(super) fn credential(name: &str, username: &str, roles: &[&str]) -> Resource {
    let spec = json!({
        "realmRef": { "name": "devices" },
        "username": username,
        "passwordSecretRef": { "name": name },
        "roles": roles,
    });
    resource("Credential", name, spec)
}

pub(super) const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";

/// A cluster with a realm and a Pipeline for all listeners: what most tests stand on.
pub(super) fn ground() -> Resources {
    [cluster(), realm(), pipeline("all", "ALL")].into_iter().collect()
}

pub(super) fn with(resources: impl IntoIterator<Item = Resource>) -> Resources {
    let mut all = ground();
    resources.into_iter().for_each(|resource| all.insert(resource));
    all
}

pub(super) fn compiled(resources: Resources) -> Compiled {
    compile(&Options::default(), resources, &LastGood::new(), &Verifiers::new())
}

/// What is said about one resource, as `reason field`.
pub(super) fn said(compiled: &Compiled, kind: Kind, name: &str) -> Vec<String> {
    let about = compiled.diagnostics.iter().filter(|d| d.resource == key(kind, name));
    about.map(|d| format!("{} {}", d.reason, d.field.as_deref().unwrap_or("-"))).collect()
}

/// The messages about one resource.
pub(super) fn messages(compiled: &Compiled, kind: Kind, name: &str) -> String {
    let about = compiled.diagnostics.iter().filter(|d| d.resource == key(kind, name));
    about.map(|d| d.message.as_str()).collect::<Vec<_>>().join("\n")
}

/// The topic filters that a role or credential of realm `devices` grants; `None` when it has no entry.
pub(super) fn filters(compiled: &Compiled, key: &EntryKey) -> Option<Vec<String>> {
    let permissions = match &**compiled.bundle.get(key)? {
        Entry::Role(role) => &role.permissions,
        Entry::Credential(credential) => &credential.permissions,
        other => panic!("{other:?} has no permissions"),
    };
    Some(permissions.iter().map(|permission| permission.topic_filter.clone()).collect())
}

pub(super) fn role_key(name: &str) -> EntryKey {
    EntryKey::role("devices", name)
}

pub(super) fn credential_entry(compiled: &Compiled, name: &str) -> moat_policy::CredentialEntry {
    match &**compiled.bundle.get(&EntryKey::credential("devices", name)).unwrap() {
        Entry::Credential(credential) => credential.clone(),
        other => panic!("{other:?} is no credential"),
    }
}

/// Whether passwords are verified for a credential, and with what.
pub(super) fn verifier(compiled: &Compiled, name: &str) -> Option<String> {
    match credential_entry(compiled, name).identity {
        moat_policy::CredentialIdentity::Password { verifier, .. } => {
            verifier.map(|verifier| verifier.expose().to_owned())
        }
        moat_policy::CredentialIdentity::Certificate(_) => None,
    }
}

/// The options of the folder source.
pub(super) fn files() -> Options {
    Options { conflicts: Conflicts::AreErrors, ..Options::default() }
}

#[test]
fn a_sound_set_of_resources_gives_no_diagnostics() {
    let compiled = compiled(with([
        permission("own-status", "topic/${mqtt-clientid}/status"),
        role("frontend", &["cn=frontend"], json!([{ "ref": "own-status" }])),
        credential("car", "car-17", &["frontend"]),
        secret("car", "credential", json!({ "hash": HASH })),
    ]));
    assert_eq!(compiled.diagnostics, []);
    assert_eq!(compiled.wanted, []);
    assert_eq!(filters(&compiled, &role_key("frontend")).unwrap(), ["topic/${mqtt-clientid}/status"]);
    assert_eq!(verifier(&compiled, "car").unwrap(), HASH);
}

#[test]
fn without_a_cluster_nothing_is_served_and_the_reason_is_told() {
    let compiled = compiled([realm(), pipeline("all", "ALL")].into_iter().collect());
    assert!(compiled.bundle.is_empty() && compiled.listeners.is_empty() && compiled.cluster.is_none());
    assert_eq!(compiled.diagnostics[0].reason, Reason::ClusterNotFound);
}

#[test]
fn input_order_means_nothing() {
    let all = || {
        vec![
            cluster(),
            realm(),
            pipeline("all", "ALL"),
            pipeline("second", "ALL"),
            permission("p", "a/b"),
            role("r", &["k"], json!([{ "ref": "p" }, { "ref": "gone" }])),
            role("s", &["k"], json!([])),
            credential("c", "u", &["k", "nobody"]),
        ]
    };
    let forwards = Compiler::new(files(), LastGood::new(), Verifiers::new())
        .apply(all().into_iter().map(Change::Upsert));
    let backwards = Compiler::new(files(), LastGood::new(), Verifiers::new())
        .apply(all().into_iter().rev().map(Change::Upsert));
    assert_eq!(forwards.bundle.digest(), backwards.bundle.digest());
    assert_eq!(forwards.diagnostics, backwards.diagnostics);
    assert!(!forwards.diagnostics.is_empty());
}
