//! The resources that Moat is measured with, as the YAML that a user would write. No I/O.

use std::fmt::Write as _;

/// Password of every user here.
pub(crate) const PASSWORD: &str = "race-password";

/// Argon2id verifier of [`PASSWORD`] (19 MiB, 2 passes, 1 lane). It protects nothing.
pub(crate) const ARGON2ID: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$P7qWL8G0lHE+nrIZOPAIhQ$o9BHpjbf9/oD4ETF1QdLUJTbRYs+ZLi0X3myc3DezxQ";

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Credentials of the realm, with the rights of their roles.
    Realm,
    /// Everyone, with all rights.
    Open,
}

/// A cluster with one listener, a realm, and the pipeline between them.
pub(crate) fn foundation(port: u16, door: Door) -> String {
    let manager = match door {
        Door::Realm => "kubernetes: { realm: racers }",
        Door::Open => "allowAll: {}",
    };
    format!(
        "---
apiVersion: moat.dev/v1alpha1
kind: MqttCluster
metadata: {{ name: race }}
spec:
  listeners: [{{ name: race, protocol: mqtt, port: {port} }}]
---
apiVersion: moat.dev/v1alpha1
kind: Realm
metadata: {{ name: racers }}
spec: {{ clusterRef: {{ name: race }}, kubernetes: {{}} }}
---
apiVersion: moat.dev/v1alpha1
kind: Pipeline
metadata: {{ name: race }}
spec:
  clusterRef: {{ name: race }}
  listener: race
  authentication: {{ manager: {{ {manager} }} }}
  authorization: {{ manager: {{ {manager} }} }}
"
    )
}

/// A Credential with its Secret, and one role.
pub(crate) fn user(name: &str, hash: &str, role: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Secret
metadata: {{ name: {name}, labels: {{ moat.dev/use: credential }} }}
stringData: {{ hash: \"{hash}\" }}
---
apiVersion: moat.dev/v1alpha1
kind: Credential
metadata: {{ name: {name} }}
spec:
  realmRef: {{ name: racers }}
  username: {name}
  passwordSecretRef: {{ name: {name} }}
  roles: [{role}]
"
    )
}

/// A Role that allows some activities, such as `publish, subscribe`, on each filter.
pub(crate) fn role(name: &str, activities: &str, filters: impl IntoIterator<Item = String>) -> String {
    let mut text = format!(
        "---
apiVersion: moat.dev/v1alpha1
kind: Role
metadata: {{ name: {name} }}
spec:
  realmRef: {{ name: racers }}
  permissions:
"
    );
    for filter in filters {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    - {{ topicFilter: \"{filter}\", activity: [{activities}] }}");
    }
    text
}
