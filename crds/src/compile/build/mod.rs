//! From one resource, and what it names, to its entry in the bundle and what there is to say about it.
//!
//! Every step here reads the same [`View`] and depends on nothing that the resource's footprint (`footprint.rs`) does
//! not name: that is what makes an incremental compile equal to a whole one.

mod cluster;
mod credential;
mod pipeline;
mod role;

use std::sync::Arc;

use moat_policy::{Entry, EntryKey, RealmEntry};

pub use cluster::{ListenerSpec, TlsSpec};
pub(super) use credential::{authorization_key, certificate};

use super::compiler::Object;
use super::diagnostic::{Problem, Reason};
use super::graph::{Claim, Graph};
use super::key::{Kind, ResourceKey};
use super::resource::{Content, SecretContent, Spec};
use super::verifiers::{Verifiers, Wanted};
use super::{Conflicts, Objects};
use crate::{PermissionSpec, RealmSpec};

/// What comes of one resource.
#[derive(Default)]
pub(super) struct Built {
    /// Its entry in the bundle.
    pub(super) entry: Option<(EntryKey, Entry)>,
    /// What there is to say.
    pub(super) problems: Vec<Problem>,
    /// A password to be hashed.
    pub(super) wanted: Option<Wanted>,
    /// The listeners of the cluster.
    pub(super) listeners: Option<Vec<ListenerSpec>>,
}

/// Everything that a step may look at.
pub(super) struct View<'a> {
    pub(super) objects: &'a Objects,
    pub(super) graph: &'a Graph,
    pub(super) verifiers: &'a Verifiers,
    /// The cluster that is compiled, if it exists.
    pub(super) cluster: Option<&'a ResourceKey>,
    pub(super) conflicts: Conflicts,
}

/// Whose a resource is.
enum Membership {
    /// It belongs to the cluster that is compiled.
    Ours,
    /// It belongs to another, which speaks about it.
    Others,
    /// It names something that does not exist.
    Dangling(Problem),
}

impl<'a> View<'a> {
    /// The form of a resource that is in force.
    fn spec(&self, key: &ResourceKey) -> Option<&'a Spec> {
        match self.objects.get(key)?.effective.as_ref()? {
            Content::Spec(spec) => Some(spec),
            Content::Secret(_) => None,
        }
    }

    fn realm(&self, key: &ResourceKey) -> Option<&'a RealmSpec> {
        match self.spec(key)? {
            Spec::Realm(realm) => Some(realm),
            _ => None,
        }
    }

    fn permission(&self, key: &ResourceKey) -> Option<&'a PermissionSpec> {
        match self.spec(key)? {
            Spec::Permission(permission) => Some(permission),
            _ => None,
        }
    }

    fn secret(&self, key: &ResourceKey) -> Option<&'a Arc<SecretContent>> {
        match self.objects.get(key)?.effective.as_ref()? {
            Content::Secret(secret) => Some(secret),
            Content::Spec(_) => None,
        }
    }

    /// Whose a resource with this `clusterRef` is.
    fn of_cluster(&self, who: &ResourceKey, cluster: &str) -> Membership {
        let key = who.sibling(Kind::MqttCluster, cluster);
        if self.cluster == Some(&key) {
            return Membership::Ours;
        }
        match self.spec(&key) {
            Some(_) => Membership::Others,
            None => Membership::Dangling(not_found("spec.clusterRef.name", &key)),
        }
    }

    /// Whose a resource with this `realmRef` is. A realm that itself names no cluster speaks for its members.
    fn of_realm(&self, who: &ResourceKey, realm: &str) -> Membership {
        let key = who.sibling(Kind::Realm, realm);
        let Some(realm) = self.realm(&key) else {
            return Membership::Dangling(not_found("spec.realmRef.name", &key));
        };
        match self.cluster {
            Some(cluster) if *cluster == key.sibling(Kind::MqttCluster, &realm.cluster_ref.name) => {
                Membership::Ours
            }
            _ => Membership::Others,
        }
    }

    /// Why a resource must stand back, if it must.
    fn conflict(&self, who: &ResourceKey) -> Option<Problem> {
        let (claim, holder) = self.graph.lost(who)?;
        let (field, what) = match claim {
            Claim::Cluster => ("metadata.name", "there is another MqttCluster".to_owned()),
            Claim::Scope { listener, .. } => {
                ("spec.listener", format!("listener `{listener}` has a Pipeline"))
            }
            Claim::RoleKey { key, .. } if *key == who.name => {
                ("metadata.name", format!("role key `{key}` is taken"))
            }
            Claim::RoleKey { key, .. } => ("spec.roleKeys", format!("role key `{key}` is taken")),
            Claim::Identity { key, .. } => {
                ("spec.username", format!("username (authorization key) `{key}` is taken"))
            }
            Claim::Certificate { .. } => ("spec.certificate", "this certificate is taken".to_owned()),
        };
        let order = match self.conflicts {
            Conflicts::OldestServes if holder.rank == 0 => "whose name it is",
            Conflicts::OldestServes => "which is older or first by name",
            Conflicts::AreErrors => "which is first by name",
        };
        let remedy = match claim {
            Claim::Cluster => "keep one, or say which one is meant",
            _ => "change or remove one of the two; until then this one grants nothing",
        };
        let message = format!("{what}, by {}, {order}: {remedy}", holder.who);
        Some(Problem::error(field, Reason::Conflict, message))
    }
}

/// A reference to nothing.
fn not_found(field: impl Into<String>, key: &ResourceKey) -> Problem {
    let ResourceKey { kind, namespace, name } = key;
    let message = format!(
        "there is no valid {kind} `{name}` in namespace `{namespace}`: create it, or correct the name"
    );
    Problem::error(field, Reason::RefNotFound, message)
}

/// What comes of a resource.
pub(super) fn build(view: &View<'_>, key: &ResourceKey, object: &Object) -> Built {
    let mut built = match (&object.effective, object.readable.as_deref()) {
        (Some(Content::Spec(spec)), _) => match &**spec {
            Spec::MqttCluster(spec) => cluster::build(view, key, spec),
            Spec::Realm(spec) => realm(view, key, spec),
            Spec::Pipeline(spec) => pipeline::build(view, key, spec),
            Spec::Role(spec) => role::build(view, key, spec),
            Spec::Credential(spec) => credential::build(view, (key, &object.version), spec),
            Spec::Permission(_) => Some(Built::default()),
        },
        (None, Some(Spec::Pipeline(spec))) => pipeline::refuse(view, key, spec),
        (Some(Content::Secret(_)) | None, _) => Some(Built::default()),
    };
    if let Some(built) = &mut built {
        built.problems.splice(0..0, object.problems.iter().cloned());
    }
    built.unwrap_or_default()
}

fn realm(view: &View<'_>, key: &ResourceKey, spec: &RealmSpec) -> Option<Built> {
    match view.of_cluster(key, &spec.cluster_ref.name) {
        Membership::Others => None,
        Membership::Dangling(problem) => Some(Built { problems: vec![problem], ..Built::default() }),
        Membership::Ours => {
            let entry = Entry::Realm(RealmEntry { enabled: spec.enabled });
            Some(Built { entry: Some((EntryKey::realm(&*key.name), entry)), ..Built::default() })
        }
    }
}
