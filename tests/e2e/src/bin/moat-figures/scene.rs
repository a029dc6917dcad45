//! A cluster in which one right of a live client comes and goes. No I/O.

use serde_json::{Value, json};

/// Name of the MqttCluster.
pub(crate) const CLUSTER: &str = "live";

/// Port of its listener.
pub(crate) const PORT: u16 = 1883;

/// The Service of its listener.
pub(crate) const SERVICE: &str = "live-plain";

/// Who publishes, and whose rights stay.
pub(crate) const TELLER: &str = "teller";

/// Who listens, and whose right comes and goes.
pub(crate) const HEARER: &str = "hearer";

/// The topic that the two share.
pub(crate) const TOPIC: &str = "live/news";

/// Password of both.
pub(crate) const PASSWORD: &str = "race-password";

/// Argon2id verifier of [`PASSWORD`] (19 MiB, 2 passes, 1 lane). It protects nothing.
const VERIFIER: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$P7qWL8G0lHE+nrIZOPAIhQ$o9BHpjbf9/oD4ETF1QdLUJTbRYs+ZLi0X3myc3DezxQ";

/// The realm of all Roles and Credentials.
pub(crate) const REALM: &str = "people";

/// Everything that must be there, as one would apply it: the cluster first.
pub(crate) fn yaml() -> String {
    let objects = [
        json!({
            "apiVersion": "moat.dev/v1alpha1", "kind": "MqttCluster", "metadata": { "name": CLUSTER },
            "spec": { "listeners": [{ "name": "plain", "protocol": "mqtt", "port": PORT }] },
        }),
        json!({
            "apiVersion": "moat.dev/v1alpha1", "kind": "Realm", "metadata": { "name": REALM },
            "spec": { "clusterRef": { "name": CLUSTER }, "kubernetes": {} },
        }),
        json!({
            "apiVersion": "moat.dev/v1alpha1", "kind": "Pipeline", "metadata": { "name": "plain" },
            "spec": {
                "clusterRef": { "name": CLUSTER },
                "listener": "plain",
                "authentication": { "manager": { "kubernetes": { "realm": REALM } } },
                "authorization": { "manager": { "kubernetes": { "realm": REALM } } },
            },
        }),
        role(TELLER, [("live/#".to_owned(), &["publish", "subscribe"][..])]),
        right(true, 0),
        credential(TELLER, TELLER),
        credential(HEARER, HEARER),
        secret(TELLER, VERIFIER),
        secret(HEARER, VERIFIER),
    ];
    objects.iter().map(|object| format!("{object}\n---\n")).collect()
}

/// The role of who listens, with its right or without. Each edit leads to a role that was never there before, so that
/// nothing that was written for another serves again.
pub(crate) fn right(granted: bool, edit: usize) -> Value {
    let beside = format!("edit/{edit}");
    let filters = if granted { vec![beside, TOPIC.to_owned()] } else { vec![beside] };
    role(HEARER, filters.into_iter().map(|filter| (filter, &["subscribe"][..])))
}

/// A Role with an inline permission for each filter.
pub(crate) fn role<'a>(name: &str, rights: impl IntoIterator<Item = (String, &'a [&'a str])>) -> Value {
    let permissions: Vec<Value> = rights
        .into_iter()
        .map(|(filter, activity)| json!({ "topicFilter": filter, "activity": activity }))
        .collect();
    json!({
        "apiVersion": "moat.dev/v1alpha1", "kind": "Role", "metadata": { "name": name },
        "spec": { "realmRef": { "name": REALM }, "permissions": permissions },
    })
}

/// A Credential with a role, whose Secret has its own name.
pub(crate) fn credential(name: &str, role: &str) -> Value {
    json!({
        "apiVersion": "moat.dev/v1alpha1", "kind": "Credential", "metadata": { "name": name },
        "spec": {
            "realmRef": { "name": REALM },
            "username": name,
            "passwordSecretRef": { "name": name },
            "roles": [role],
        },
    })
}

/// The Secret of a Credential.
pub(crate) fn secret(name: &str, hash: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": name, "labels": { "moat.dev/use": "credential" } },
        "stringData": { "hash": hash },
    })
}

/// Where the objects of one of our kinds lie, such as `roles`.
pub(crate) fn collection(namespace: &str, plural: &str) -> String {
    format!("/apis/moat.dev/v1alpha1/namespaces/{namespace}/{plural}")
}

/// Where the objects of a core kind lie, such as `secrets`.
pub(crate) fn core(namespace: &str, plural: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/{plural}")
}
