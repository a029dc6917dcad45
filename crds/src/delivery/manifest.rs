//! The manifest: which shards in which slots are the policy.

use std::collections::BTreeMap;

use moat_policy::{Bundle, Digest};
use serde::{Deserialize, Serialize};

use super::{ManifestError, SCHEMAS, ShardName, ShardRef};
use crate::compile::ListenerSpec;
use crate::{ClientAuth, Protocol, SessionIdentity};

/// What the operator writes last and a pod reads first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The version of manifest and shards.
    pub schema: u32,
    /// `metadata.uid` of the MqttCluster. Generations of different clusters cannot be compared.
    pub cluster: String,
    /// Rises with each manifest of a cluster. A pod refuses a lower one.
    pub generation: u64,
    /// Digest of the whole bundle.
    pub digest: Digest,
    /// The listeners, in the order of the MqttCluster.
    pub listeners: Vec<DeliveredListener>,
    /// The shards of the bundle.
    pub shards: BTreeMap<ShardName, ShardRef>,
}

/// A listener as pods are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeliveredListener {
    /// Its name.
    pub name: String,
    /// What is spoken on the port.
    pub protocol: Protocol,
    /// The TCP port.
    pub port: u16,
    /// Who may take over a stored session.
    pub session_identity: SessionIdentity,
    /// TLS, with protocol mqtts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<DeliveredTls>,
}

/// TLS of a listener: certificate and key stay in their Secret, which pods read by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeliveredTls {
    /// The Secret's name.
    pub secret_name: String,
    /// Whether clients show a certificate.
    pub client_auth: ClientAuth,
    /// [`crate::compile::TlsMaterial::revision`] of what the operator found in the Secret; none when that cannot be
    /// used, and then a pod keeps what it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Digest>,
}

impl From<&ListenerSpec> for DeliveredListener {
    fn from(listener: &ListenerSpec) -> Self {
        let ListenerSpec { name, protocol, port, session_identity, tls } = listener;
        let tls = tls.as_ref().map(|tls| DeliveredTls {
            secret_name: tls.secret_name.clone(),
            client_auth: tls.client_auth,
            revision: tls.material.as_ref().map(crate::compile::TlsMaterial::revision),
        });
        Self {
            name: name.clone(),
            protocol: *protocol,
            port: *port,
            session_identity: *session_identity,
            tls,
        }
    }
}

/// What every version of the manifest says.
#[derive(Deserialize)]
struct Versioned {
    schema: u32,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When the text is none, or of a version that is not understood.
    pub fn read(json: &str) -> Result<Self, ManifestError> {
        let Versioned { schema } = serde_json::from_str(json).map_err(ManifestError::Malformed)?;
        if !SCHEMAS.contains(schema) {
            return Err(ManifestError::Schema { found: schema });
        }
        serde_json::from_str(json).map_err(ManifestError::Malformed)
    }

    /// The manifest as it is written: the same text for the same content.
    pub fn to_json(&self) -> String {
        // Maps with text keys, numbers and texts: cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether it names exactly the shards of a bundle.
    pub fn names(&self, bundle: &Bundle) -> bool {
        let mut count = 0;
        let all = bundle.shards().all(|shard| {
            count += 1;
            let name = ShardName { family: shard.family(), prefix: shard.prefix() };
            self.shards.get(&name).is_some_and(|known| known.digest == shard.digest())
        });
        all && count == self.shards.len()
    }
}
