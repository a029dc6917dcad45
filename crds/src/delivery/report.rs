//! What a pod says about itself on its admin port.

use moat_policy::Digest;
use serde::{Deserialize, Serialize};

/// The versions of manifest and shards that a program understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schemas {
    /// The oldest.
    pub min: u32,
    /// The newest.
    pub max: u32,
}

impl Schemas {
    /// Whether a version is among them.
    #[must_use]
    pub const fn contains(&self, schema: u32) -> bool {
        self.min <= schema && schema <= self.max
    }
}

/// A pod's report. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Rises whenever something else here changes; begins anew with each boot.
    pub version: u64,
    /// Random, one per start of the process.
    pub boot_id: String,
    /// The versions of manifest and shards that this pod understands.
    pub schemas: Schemas,
    /// `metadata.uid` of the MqttCluster whose policy is in force; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The manifest's generation that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Digest of the bundle that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Sessions that were not judged yet under what is in force. What is in force is enforced when this is 0.
    pub pending: u64,
    /// The listeners, in the order of the manifest.
    #[serde(default)]
    pub listeners: Vec<ListenerReport>,
    /// Why what is in force is not the newest, if the pod knows of something newer that it cannot take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<ReportProblem>,
}

/// One listener of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerReport {
    /// Its name.
    pub name: String,
    /// Whether it accepts connections.
    pub open: bool,
    /// Why it is not what the manifest says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Something that a person or the operator must mend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportProblem {
    /// A stable word.
    pub reason: String,
    /// What is wrong and what to do about it.
    pub message: String,
}
