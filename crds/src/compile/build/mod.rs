//! What comes of one resource: its entry in the bundle of its cluster, and what there is to say. No step here looks
//! at anything that the resource's footprint (`footprint.rs`) does not name: that is what makes an incremental compile
//! equal to a whole one.

mod cluster;
mod credential;
mod pipeline;
mod role;

use moat_policy::{Entry, EntryKey, RealmEntry};

pub use cluster::{ListenerSpec, TlsSpec};
pub(super) use credential::{authorization_key, certificate};

use super::Conflicts;
use super::diagnostic::{Problem, Reason};
use super::graph::{Field, Graph, Rank};
use super::key::{Kind, ResourceKey};
use super::member::Member;
use super::names::{Id, Names};
use super::object::{Object, Objects};
use super::resource::{Content, SecretContent, Spec, Version};
use super::verifiers::{Verifiers, Wanted};
use crate::{PermissionSpec, RealmSpec};

/// What comes of one resource.
#[derive(Default)]
pub(super) struct Built {
    /// Its entry, in the bundle of this cluster.
    pub(super) entry: Option<(Id, EntryKey, Entry)>,
    /// What there is to say.
    pub(super) problems: Vec<Problem>,
    /// A password to be hashed.
    pub(super) wanted: Option<Wanted>,
    /// The listeners of the cluster.
    pub(super) listeners: Option<Vec<ListenerSpec>>,
}

impl From<Problem> for Built {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem], ..Self::default() }
    }
}

/// Everything that a step may look at.
pub(super) struct View<'a> {
    pub(super) names: &'a Names,
    pub(super) objects: &'a Objects,
    pub(super) graph: &'a Graph,
    pub(super) verifiers: &'a Verifiers,
    /// The clusters that are compiled.
    pub(super) clusters: Clusters,
    pub(super) conflicts: Conflicts,
}

/// Which clusters are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clusters {
    /// Each that has a form in force.
    Every,
    /// This one; `None` when it does not exist.
    One(Option<Id>),
}

/// The resource that is built.
#[derive(Clone, Copy)]
struct Who<'a> {
    id: Id,
    key: &'a ResourceKey,
}

/// Whose a resource is.
enum Membership {
    /// It belongs to this cluster, which is compiled.
    Of(Id),
    /// It belongs to another, of which nothing is said here.
    Others,
    /// It names something that does not exist.
    Dangling(Problem),
}

impl<'a> View<'a> {
    fn object(&self, id: Id) -> Option<&'a Object> {
        self.objects.get(id)?.as_ref()
    }

    /// The form of a resource that is in force.
    fn spec(&self, id: Id) -> Option<&'a Spec> {
        match self.object(id)?.effective.as_ref()? {
            Content::Spec(spec) => Some(spec),
            Content::Member(_) | Content::Secret(_) => None,
        }
    }

    fn realm(&self, id: Id) -> Option<&'a RealmSpec> {
        match self.spec(id)? {
            Spec::Realm(realm) => Some(realm),
            _ => None,
        }
    }

    fn permission(&self, who: Who<'_>, name: &str) -> Option<&'a PermissionSpec> {
        match self.spec(self.names.find_sibling(who.id, Kind::Permission, name)?)? {
            Spec::Permission(permission) => Some(permission),
            _ => None,
        }
    }

    fn secret(&self, who: Who<'_>, name: &str) -> Option<&'a SecretContent> {
        match self.object(self.names.find_sibling(who.id, Kind::Secret, name)?)?.effective.as_ref()? {
            Content::Secret(secret) => Some(secret),
            Content::Spec(_) | Content::Member(_) => None,
        }
    }

    /// Whether a cluster is compiled.
    pub(super) fn compiles(&self, cluster: Id) -> bool {
        match self.clusters {
            Clusters::Every => self.spec(cluster).is_some(),
            Clusters::One(one) => one == Some(cluster),
        }
    }

    /// Whose a resource with this `clusterRef` is.
    fn of_cluster(&self, who: Who<'_>, cluster: &str) -> Membership {
        match self.names.find_sibling(who.id, Kind::MqttCluster, cluster) {
            Some(id) if self.compiles(id) => Membership::Of(id),
            Some(id) if self.spec(id).is_some() => Membership::Others,
            _ => Membership::Dangling(not_found(who, "spec.clusterRef.name", Kind::MqttCluster, cluster)),
        }
    }

    /// Whose a resource with this `realmRef` is. A realm that itself names no cluster speaks for its members.
    fn of_realm(&self, who: Who<'_>, realm: &str) -> Membership {
        let id = self.names.find_sibling(who.id, Kind::Realm, realm);
        let Some(spec) = id.and_then(|id| self.realm(id)) else {
            return Membership::Dangling(not_found(who, "spec.realmRef.name", Kind::Realm, realm));
        };
        match self.names.find_sibling(who.id, Kind::MqttCluster, &spec.cluster_ref.name) {
            Some(id) if self.compiles(id) => Membership::Of(id),
            _ => Membership::Others,
        }
    }

    /// Whether a realm has a valid Role of this name or role key.
    fn has_role(&self, who: Who<'_>, realm: &str, role: &str) -> bool {
        let realm = self.names.find_sibling(who.id, Kind::Realm, realm);
        realm.is_some_and(|realm| self.graph.holder(Field::RoleKey(realm), role).is_some())
    }

    /// Why a resource must stand back, if it must.
    fn conflict(&self, who: Who<'_>) -> Option<Problem> {
        let (claim, holder) = self.graph.lost(who.id)?;
        let text = &claim.text;
        let (field, what) = match claim.field {
            Field::Cluster => ("metadata.name", "there is another MqttCluster".to_owned()),
            Field::Scope(_) => ("spec.listener", format!("listener `{text}` has a Pipeline")),
            Field::RoleKey(_) if **text == *who.key.name => {
                ("metadata.name", format!("role key `{text}` is taken"))
            }
            Field::RoleKey(_) => ("spec.roleKeys", format!("role key `{text}` is taken")),
            Field::Identity(_) => {
                ("spec.username", format!("username (authorization key) `{text}` is taken"))
            }
            Field::Certificate(_) => ("spec.certificate", "this certificate is taken".to_owned()),
        };
        let order = match self.conflicts {
            Conflicts::OldestServes if holder.rank == Rank::Own => "whose name it is",
            Conflicts::OldestServes => "which is older or first by name",
            Conflicts::AreErrors => "which is first by name",
        };
        let remedy = match claim.field {
            Field::Cluster => "keep one, or say which one is meant",
            _ => "change or remove one of the two; until then this one grants nothing",
        };
        let holder = self.names.key(holder.who);
        let message = format!("{what}, by {holder}, {order}: {remedy}");
        Some(Problem::error(field, Reason::Conflict, message))
    }
}

/// A reference to nothing.
fn not_found(who: Who<'_>, field: impl Into<String>, kind: Kind, name: &str) -> Problem {
    let message = format!(
        "there is no valid {kind} `{name}` in namespace `{}`: create it, or correct the name",
        who.key.namespace
    );
    Problem::error(field, Reason::RefNotFound, message)
}

/// What comes of a resource.
pub(super) fn build(view: &View<'_>, id: Id, object: &Object) -> Built {
    let key = view.names.key(id);
    let who = Who { id, key: &key };
    let mut built = match (&object.effective, object.readable()) {
        (Some(Content::Spec(spec)), _) => match &**spec {
            Spec::MqttCluster(spec) => cluster::build(view, who, spec),
            Spec::Realm(spec) => realm(view, who, spec),
            Spec::Pipeline(spec) => pipeline::build(view, who, spec),
            Spec::Role(spec) => member(view, (who, &object.version), &spec.into()),
            Spec::Credential(spec) => member(view, (who, &object.version), &spec.into()),
            Spec::Permission(_) => Some(Built::default()),
        },
        (Some(Content::Member(packed)), _) => member(view, (who, &object.version), &packed.member()),
        (None, Some(pipeline)) => pipeline::refuse(view, who, pipeline),
        (Some(Content::Secret(_)) | None, _) => Some(Built::default()),
    };
    if let Some(built) = &mut built {
        built.problems.splice(0..0, object.problems());
    }
    built.unwrap_or_default()
}

fn realm(view: &View<'_>, who: Who<'_>, spec: &RealmSpec) -> Option<Built> {
    match view.of_cluster(who, &spec.cluster_ref.name) {
        Membership::Others => None,
        Membership::Dangling(problem) => Some(problem.into()),
        Membership::Of(cluster) => {
            let entry = Entry::Realm(RealmEntry { enabled: spec.enabled });
            Some(Built { entry: Some((cluster, EntryKey::realm(&*who.key.name), entry)), ..Built::default() })
        }
    }
}

/// What comes of a member of a realm.
fn member(view: &View<'_>, (who, version): (Who<'_>, &Version), member: &Member<'_>) -> Option<Built> {
    let cluster = match view.of_realm(who, member.realm) {
        Membership::Others => return None,
        Membership::Dangling(problem) => return Some(problem.into()),
        Membership::Of(cluster) => cluster,
    };
    if let Some(problem) = view.conflict(who) {
        return Some(problem.into());
    }
    Some(match &member.identity {
        None => role::build(view, (who, cluster), member),
        Some(identity) => credential::build(view, (who, version, cluster), member, identity),
    })
}
