//! Looking at a compilation: what is compiled for a cluster, and what there is to say of a resource.

use std::sync::Arc;

use moat_policy::{Bundle, Digest};

use super::build::ListenerSpec;
use super::compilation::Compilation;
use super::diagnostic::Problem;
use super::key::{Kind, ResourceKey};
use super::names::Id;
use super::object::Object;
use super::resource::{Spec, Version};
use super::verifiers::Wanted;

/// What is compiled for one cluster.
#[derive(Clone, Copy, Debug)]
pub struct CompiledCluster<'a> {
    /// The version of the MqttCluster.
    pub version: &'a Version,
    /// The policy.
    pub bundle: &'a Bundle,
    /// Its digest.
    pub digest: Digest,
    /// The listeners, in the cluster's order.
    pub listeners: &'a [ListenerSpec],
}

/// What there is to say of one resource.
#[derive(Clone, Debug)]
pub struct State<'a> {
    /// Which version of it.
    pub version: &'a Version,
    /// What is wrong, and what is not as it seems.
    pub problems: &'a [Problem],
    /// The clusters in whose policy it is; of a Permission, those of the Roles and Credentials that list it.
    pub clusters: Vec<ResourceKey>,
    /// Whether any resource names it.
    pub is_named: bool,
    /// Whether its password waits to be hashed.
    pub is_wanted: bool,
}

/// As of the last [`Compilation::build`].
impl Compilation {
    /// What is compiled for a cluster; `None` when it does not exist, has no form in force or is not compiled here.
    pub fn cluster(&self, key: &ResourceKey) -> Option<CompiledCluster<'_>> {
        let id = self.names.find(key)?;
        let compiled = self.clusters.get(&id)?;
        Some(CompiledCluster {
            version: &self.existing(id)?.version,
            bundle: &compiled.bundle,
            digest: compiled.bundle.digest(),
            listeners: &compiled.listeners,
        })
    }

    /// What there is to say of a resource; `None` when it does not exist.
    pub fn state(&self, key: &ResourceKey) -> Option<State<'_>> {
        let id = self.names.find(key)?;
        let object = self.existing(id)?;
        let version = match self.pending.changed.get(&id) {
            Some(built) => built.as_ref()?,
            None => &object.version,
        };
        let serves = |id: Id| self.made.get(id).and_then(|made| made.cluster());
        let mut clusters: Vec<Id> = match key.kind {
            Kind::Permission => self.graph.referrers(id).filter_map(serves).collect(),
            _ => serves(id).into_iter().collect(),
        };
        clusters.sort_unstable();
        clusters.dedup();
        let mut clusters: Vec<_> = clusters.into_iter().map(|id| self.names.key(id)).collect();
        clusters.sort_unstable();
        Some(State {
            version,
            problems: self.said.get(&id).map_or(&[], |said| said),
            clusters,
            is_named: self.graph.is_named(id),
            is_wanted: self.wanted.contains_key(&id),
        })
    }

    /// The form of a resource that is in force, with the version of the object that it belongs to. None of a Secret.
    pub fn form(&self, key: &ResourceKey) -> Option<(&Version, Arc<Spec>)> {
        let object = self.object(key)?;
        Some((&object.version, object.effective.as_ref()?.spec()?))
    }

    /// Whether it knows no resource.
    pub fn is_empty(&self) -> bool {
        self.objects.iter().all(|(_, object)| object.is_none())
    }

    /// Whether no number is given out.
    #[cfg(test)]
    pub(super) fn knows_no_name(&self) -> bool {
        Kind::ALL.into_iter().all(|kind| self.names.of_kind(kind).next().is_none())
    }

    /// Whether a resource exists.
    pub fn contains(&self, key: &ResourceKey) -> bool {
        self.object(key).is_some()
    }

    /// The resources of a kind that exist, in no order.
    pub fn keys(&self, kind: Kind) -> impl Iterator<Item = ResourceKey> {
        let there = self.names.of_kind(kind).filter(|id| self.existing(*id).is_some());
        there.map(|id| self.names.key(id))
    }

    /// Passwords to be hashed, in no order: hand the verifiers in ([`super::Change::Verified`]). Until then their
    /// Credentials let no one in.
    pub fn wanted(&self) -> impl Iterator<Item = &Wanted> {
        self.wanted.values()
    }

    fn existing(&self, id: Id) -> Option<&Object> {
        self.objects.get(id)?.as_ref()
    }
}
