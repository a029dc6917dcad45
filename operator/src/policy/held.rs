//! Resources that stay in force although the API server does not show them any more.

use std::collections::BTreeSet;
use std::sync::Arc;

use moat_crds::compile::{LastGood, ResourceKey, Spec, Version};
use serde::{Deserialize, Serialize};

/// What is held of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Why the kind is held now, in one stable word and a sentence; `None` when its deletions count again and only
    /// what was held before is left.
    pub because: Option<(String, String)>,
    /// What is gone from the API server and stays in force. Empty while a kind merely cannot be read.
    pub gone: BTreeSet<ResourceKey>,
}

/// A resource that stays in force although it is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldResource {
    /// Which resource.
    pub key: ResourceKey,
    /// Which version of it.
    pub version: Version,
    /// What it says.
    pub spec: Arc<Spec>,
}

/// What a restart of the operator must not lose of one cluster. Never holds a Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// What is held, in its order.
    #[serde(default)]
    pub held: Vec<HeldResource>,
    /// The last valid forms of resources whose own spec is invalid now.
    #[serde(default)]
    pub last_good: LastGood,
}

impl Kept {
    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.last_good.is_empty()
    }
}
