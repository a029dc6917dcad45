//! Names of things: which resource, without its content.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The kinds that `compile` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A broker cluster.
    MqttCluster,
    /// A source of identities and rights.
    Realm,
    /// How a client of a listener becomes an authorized session.
    Pipeline,
    /// A named set of permissions.
    Role,
    /// One permission that Roles and Credentials refer to.
    Permission,
    /// A username and password, or a certificate, with roles.
    Credential,
    /// A core/v1 Secret.
    Secret,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::MqttCluster,
        Self::Realm,
        Self::Pipeline,
        Self::Role,
        Self::Permission,
        Self::Credential,
        Self::Secret,
    ];

    /// The kind as it stands in YAML.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MqttCluster => "MqttCluster",
            Self::Realm => "Realm",
            Self::Pipeline => "Pipeline",
            Self::Role => "Role",
            Self::Permission => "Permission",
            Self::Credential => "Credential",
            Self::Secret => "Secret",
        }
    }

    /// The kind that YAML calls `text`; `None` for a kind that `compile` does not read.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "MqttCluster" => Self::MqttCluster,
            "Realm" => Self::Realm,
            "Pipeline" => Self::Pipeline,
            "Role" => Self::Role,
            "Permission" => Self::Permission,
            "Credential" => Self::Credential,
            "Secret" => Self::Secret,
            _ => return None,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names one resource. Cloning is cheap: the indexes of the compiler hold many of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceKey {
    /// The kind.
    pub kind: Kind,
    /// The namespace; all kinds have one.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
}

impl ResourceKey {
    /// A key from its parts.
    pub fn new(kind: Kind, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }

    /// The key of another resource in the same namespace; references never leave it.
    pub fn sibling(&self, kind: Kind, name: &str) -> Self {
        Self { kind, namespace: self.namespace.clone(), name: name.into() }
    }

    /// `Kind/name`, as bundle entries and decisions name where something comes from.
    pub fn short(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}
