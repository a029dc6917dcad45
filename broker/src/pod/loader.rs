//! From a manifest to a bundle: what is refused, what must be fetched, and whether it is what was named. No I/O.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use moat_crds::delivery::{Manifest, ShardName, ShardRef, names, unpack};
use moat_policy::bundle::{Family, Prefix};
use moat_policy::{Bundle, Digest};

use super::error::LoadError;

/// Holds what is in force and judges what comes.
pub(super) struct Loader {
    /// Name of the cluster, for the names of objects.
    name: String,
    /// `metadata.uid` of the cluster, if this pod was told.
    uid: Option<String>,
    /// The manifest in force: none below it is taken.
    manifest: Option<Manifest>,
    bundle: Bundle,
    /// Content of shards that were fetched for a manifest that is not in force yet.
    fetched: HashMap<Digest, Vec<u8>>,
}

impl Loader {
    /// Nothing is in force, and everything is taken, of the cluster with `uid` if it is known.
    pub(super) fn new(name: impl Into<String>, uid: Option<String>) -> Self {
        Self { name: name.into(), uid, manifest: None, bundle: Bundle::new(), fetched: HashMap::new() }
    }

    /// Puts a manifest with its bundle in force, such as were before this process started.
    pub(super) fn restore(&mut self, manifest: Manifest, bundle: Bundle) {
        (self.manifest, self.bundle) = (Some(manifest), bundle);
    }

    /// The manifest in force.
    pub(super) const fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// The bundle in force; empty if there is none.
    pub(super) const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Reads a manifest. None if it is in force already.
    ///
    /// # Errors
    /// When it must not be taken.
    pub(super) fn judge(&self, json: &str) -> Result<Option<Manifest>, LoadError> {
        let manifest = Manifest::read(json)?;
        if let Some(expected) = self.uid.as_ref().filter(|uid| **uid != manifest.cluster) {
            return Err(LoadError::ForeignCluster { found: manifest.cluster, expected: expected.clone() });
        }
        // Generations of different clusters say nothing about each other.
        let Some(live) = self.manifest.as_ref().filter(|live| live.cluster == manifest.cluster) else {
            return Ok(Some(manifest));
        };
        match manifest.generation.cmp(&live.generation) {
            Ordering::Greater => Ok(Some(manifest)),
            Ordering::Equal if manifest == *live => Ok(None),
            Ordering::Equal => Err(LoadError::GenerationReused { generation: live.generation }),
            Ordering::Less => {
                Err(LoadError::OlderGeneration { found: manifest.generation, live: live.generation })
            }
        }
    }

    /// The shards of a manifest that are neither in force nor fetched, and the objects that hold them. Forgets what was
    /// fetched for other manifests.
    pub(super) fn missing(&mut self, manifest: &Manifest) -> Vec<Missing> {
        let named: HashSet<Digest> = manifest.shards.values().map(|shard| shard.digest).collect();
        self.fetched.retain(|digest, _| named.contains(digest));
        let kept = self.kept(manifest);
        let missing = manifest.shards.iter().filter(|(name, shard)| {
            !kept.contains(&(name.family, name.prefix)) && !self.fetched.contains_key(&shard.digest)
        });
        missing
            .map(|(name, shard)| Missing {
                name: *name,
                shard: *shard,
                object: names::shard(&self.name, name, shard.slot),
            })
            .collect()
    }

    /// Takes what an object holds for a shard; none if there is no such object, or nothing in it.
    ///
    /// # Errors
    /// When it is not what the manifest names.
    pub(super) fn take(&mut self, missing: &Missing, packed: Option<&[u8]>) -> Result<(), LoadError> {
        let object = || missing.object.clone();
        let packed = packed.ok_or_else(|| LoadError::ShardMissing { object: object() })?;
        let json = unpack(packed, missing.shard.digest)
            .map_err(|source| LoadError::Shard { object: object(), source })?;
        self.fetched.insert(missing.shard.digest, json);
        Ok(())
    }

    /// Makes the bundle of a manifest of which nothing is [missing](Self::missing); from then on it is what is in force.
    ///
    /// # Errors
    /// When its shards are no bundle, or another than it names. What was in force stays.
    pub(super) fn load(&mut self, manifest: Manifest) -> Result<(), LoadError> {
        let kept = self.kept(&manifest);
        let mut gone: Vec<_> = self.bundle.shards().map(|shard| (shard.family(), shard.prefix())).collect();
        gone.retain(|shard| !kept.contains(shard));
        let new = manifest.shards.iter().filter(|(name, _)| !kept.contains(&(name.family, name.prefix)));
        let new: Vec<&[u8]> =
            new.filter_map(|(_, shard)| self.fetched.get(&shard.digest)).map(Vec::as_slice).collect();
        let bundle = self.bundle.replace(&gone, new)?;
        let found = bundle.digest();
        if found != manifest.digest || !manifest.names(&bundle) {
            return Err(LoadError::BundleMismatch { expected: manifest.digest, found });
        }
        self.restore(manifest, bundle);
        self.fetched.clear();
        Ok(())
    }

    /// The shards in force that a manifest names too.
    fn kept(&self, manifest: &Manifest) -> HashSet<(Family, Prefix)> {
        let shards = self.bundle.shards();
        let kept = shards.filter(|shard| {
            let name = ShardName { family: shard.family(), prefix: shard.prefix() };
            manifest.shards.get(&name).is_some_and(|named| named.digest == shard.digest())
        });
        kept.map(|shard| (shard.family(), shard.prefix())).collect()
    }
}

/// A shard that must be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) name: ShardName,
    pub(super) shard: ShardRef,
    /// Name of the ConfigMap or Secret that holds it.
    pub(super) object: String,
}
