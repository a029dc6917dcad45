//! The resources that nearly every story begins with, as the YAML that a user would write.
//!
//! Each function gives one document with its `---`, so that a story's file is the sum of what it names.

use std::fmt::Write as _;

/// Name of the realm that [`open_to_passwords`] makes.
pub const REALM: &str = "people";

/// A cluster with one plain listener, a kubernetes realm, and a pipeline from one to the other.
#[must_use]
pub fn open_to_passwords(port: u16) -> String {
    let listener = format!("{{ name: plain, protocol: mqtt, port: {port} }}");
    [cluster(&[listener], ""), realm(REALM), pipeline("plain", "plain", REALM)].concat()
}

/// An `MqttCluster` called `story`, with listeners in flow style and further lines of its spec.
#[must_use]
pub fn cluster(listeners: &[String], more: &str) -> String {
    let listeners = listeners.join(", ");
    format!(
        "---\napiVersion: moat.dev/v1alpha1\nkind: MqttCluster\nmetadata: {{ name: story }}\n\
         spec:\n  listeners: [ {listeners} ]\n{more}"
    )
}

/// A realm of the kubernetes type.
#[must_use]
pub fn realm(name: &str) -> String {
    document("Realm", name, "{ clusterRef: { name: story }, kubernetes: {} }")
}

/// A pipeline that sends a listener's clients (or `ALL`) to a realm for both questions.
#[must_use]
pub fn pipeline(name: &str, listener: &str, realm: &str) -> String {
    let manager = format!("{{ manager: {{ kubernetes: {{ realm: {realm} }} }} }}");
    let spec = format!(
        "{{ clusterRef: {{ name: story }}, listener: {listener}, authentication: {manager}, authorization: {manager} }}"
    );
    document("Pipeline", name, &spec)
}

/// A role with permissions in flow style, such as `{ topicFilter: "a/#", activity: [publish] }`.
#[must_use]
pub fn role(name: &str, permissions: &[&str]) -> String {
    let permissions = permissions.join(", ");
    document("Role", name, &format!("{{ realmRef: {{ name: {REALM} }}, permissions: [ {permissions} ] }}"))
}

/// A user with a password in a Secret of the same name, and roles.
#[must_use]
pub fn user(name: &str, password: &str, roles: &[&str]) -> String {
    let spec = format!(
        "{{ realmRef: {{ name: {REALM} }}, username: {name}, passwordSecretRef: {{ name: {name} }}, roles: [ {} ] }}",
        roles.join(", ")
    );
    secret(name, "credential", &[("password", password)]) + &document("Credential", name, &spec)
}

/// A Secret with the label of a use.
#[must_use]
pub fn secret(name: &str, moat_use: &str, entries: &[(&str, &str)]) -> String {
    let mut text = format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: {name}, labels: {{ moat.dev/use: {moat_use} }} }}\n\
         stringData:\n"
    );
    for (key, value) in entries {
        let value = value.trim_end().replace('\n', "\n    ");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {key}: |-\n    {value}");
    }
    text
}

/// Any resource of the group, with its spec in flow style.
#[must_use]
pub fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("---\napiVersion: moat.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}
