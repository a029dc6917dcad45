//! What has to be written so that the pods find a bundle: shards first, into slots that the manifest in force does not
//! name, then the manifest. Pure: the layer that talks to the API server does the writing.

use std::collections::BTreeSet;

use moat_crds::compile::ListenerSpec;
use moat_crds::delivery::{DeliveredListener, Manifest, SCHEMA, ShardName, ShardRef, Slot, names};
use moat_policy::Bundle;
use moat_policy::bundle::Family;

#[cfg(test)]
mod tests;

/// What the pods shall enforce.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// `metadata.uid` of the MqttCluster.
    pub cluster_uid: String,
    /// The policy.
    pub bundle: Bundle,
    /// The listeners.
    pub listeners: Vec<ListenerSpec>,
}

/// A manifest, and the shards that must be written before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The shards to write, with their slots.
    pub writes: Vec<(ShardName, Slot)>,
    /// The manifest to write when they are there.
    pub manifest: Manifest,
}

/// What leads from the manifest in force to what is wanted; none when it says that already. Its generation is higher
/// than the one in force and than `floor`, the highest that any pod has seen.
#[must_use]
pub fn plan(live: Option<&Manifest>, floor: u64, wanted: &Wanted) -> Option<Plan> {
    let live = live.filter(|live| live.cluster == wanted.cluster_uid);
    let listeners: Vec<_> = wanted.listeners.iter().map(DeliveredListener::from).collect();
    let digest = wanted.bundle.digest();
    if live.is_some_and(|live| {
        live.schema == SCHEMA
            && live.digest == digest
            && live.listeners == listeners
            && live.generation >= floor
            && live.names(&wanted.bundle)
    }) {
        return None;
    }
    let mut writes = Vec::new();
    let shards = wanted.bundle.shards().map(|shard| {
        let name = ShardName { family: shard.family(), prefix: shard.prefix() };
        let known = live.and_then(|live| live.shards.get(&name));
        let reference = match known {
            Some(known) if known.digest == shard.digest() => *known,
            _ => {
                let slot = known.map_or(Slot::A, |known| known.slot.other());
                writes.push((name, slot));
                ShardRef { slot, digest: shard.digest() }
            }
        };
        (name, reference)
    });
    let shards = shards.collect();
    let generation = live.map_or(0, |live| live.generation).max(floor) + 1;
    let cluster = wanted.cluster_uid.clone();
    Some(Plan {
        manifest: Manifest { schema: SCHEMA, cluster, generation, digest, listeners, shards },
        writes,
    })
}

/// The names that the pods of a cluster may read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readable {
    /// ConfigMaps: the manifest and both slots of the plain shards.
    pub config_maps: BTreeSet<String>,
    /// Secrets: both slots of the secret shards, the certificate of the admin port, those of the listeners.
    pub secrets: BTreeSet<String>,
}

impl Readable {
    /// What pods that enforce a manifest, or are about to, have to read.
    #[must_use]
    pub fn of<'a>(cluster: &str, manifests: impl IntoIterator<Item = &'a Manifest>) -> Self {
        let mut readable = Self::default();
        readable.config_maps.insert(names::manifest(cluster));
        readable.secrets.insert(names::pods_certificate(cluster));
        for manifest in manifests {
            for shard in manifest.shards.keys() {
                let objects = match shard.family {
                    Family::Plain => &mut readable.config_maps,
                    Family::Secret => &mut readable.secrets,
                };
                objects.extend(Slot::ALL.map(|slot| names::shard(cluster, shard, slot)));
            }
            let tls = manifest.listeners.iter().filter_map(|listener| listener.tls.as_ref());
            readable.secrets.extend(tls.map(|tls| tls.secret_name.clone()));
        }
        readable
    }

    /// Whether everything of `other` may be read.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.config_maps.is_superset(&other.config_maps) && self.secrets.is_superset(&other.secrets)
    }
}
