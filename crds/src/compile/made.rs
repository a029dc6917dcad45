//! Building: what was touched is built again, and takes its place in the bundles.

use std::sync::Arc;

use moat_policy::{Entry, EntryKey};

use super::build::{Built, build};
use super::compilation::{Compilation, Pending};
use super::diagnostic::Problem;
use super::key::{Kind, ResourceKey};
use super::names::{Id, Names};
use super::permission::Form;
use super::resource::Content;
use super::validate::too_large;
use super::verifiers::Wanted;
use super::{FastSet, Reason};

/// What one build changed.
#[derive(Clone, Debug, Default)]
pub struct Changed {
    /// Clusters that have another bundle or other listeners than before, came or went, or whose MqttCluster changed
    /// or is told something else; sorted.
    pub clusters: Vec<ResourceKey>,
    /// Resources that changed or are gone, and those of which there is something else to say than before; sorted.
    /// Secrets are not among them: they speak through those who name them.
    pub resources: Vec<ResourceKey>,
    /// Passwords that are wanted hashed and were not wanted before, in the order of their Credentials.
    pub wanted: Vec<Wanted>,
}

/// Where the entry of a resource is. Its key follows from that.
#[derive(Default)]
pub(super) enum Made {
    /// It has none.
    #[default]
    Nowhere,
    /// In the bundle of this cluster, under its own name.
    Own(Id),
    /// In the bundle of a cluster, in a realm.
    In { cluster: Id, realm: Id },
    /// In the bundle of a cluster, under the name of a listener.
    Scope(Box<(Id, String)>),
}

impl Made {
    fn new(names: &Names, id: Id, cluster: Id, key: &EntryKey) -> Self {
        match names.kind(id) {
            Kind::Pipeline => Self::Scope(Box::new((cluster, key.name.clone()))),
            Kind::Role | Kind::Credential => match names.find_sibling(id, Kind::Realm, &key.realm) {
                Some(realm) => Self::In { cluster, realm },
                None => Self::Nowhere,
            },
            Kind::MqttCluster | Kind::Realm | Kind::Permission | Kind::Secret => Self::Own(cluster),
        }
    }

    /// In whose bundle it is.
    pub(super) fn cluster(&self) -> Option<Id> {
        match self {
            Self::Nowhere => None,
            Self::Own(cluster) | Self::In { cluster, .. } => Some(*cluster),
            Self::Scope(scope) => Some(scope.0),
        }
    }

    fn key(&self, names: &Names, id: Id) -> Option<(Id, EntryKey)> {
        let name = &**names.name(id);
        let key = match (self, names.kind(id)) {
            (Self::Own(_), Kind::MqttCluster) => EntryKey::settings(),
            (Self::Own(_), Kind::Realm) => EntryKey::realm(name),
            (Self::In { realm, .. }, Kind::Role) => EntryKey::role(&**names.name(*realm), name),
            (Self::In { realm, .. }, _) => EntryKey::credential(&**names.name(*realm), name),
            (Self::Scope(scope), _) => EntryKey::pipeline(scope.1.clone()),
            (Self::Nowhere | Self::Own(_), _) => return None,
        };
        Some((self.cluster()?, key))
    }
}

/// What a build has found changed so far.
#[derive(Default)]
struct Found {
    clusters: FastSet<Id>,
    /// Clusters whose bundle was written to.
    written: FastSet<Id>,
    resources: FastSet<Id>,
    wanted: Vec<Wanted>,
}

impl Compilation {
    /// Builds what the changes since the last build can touch.
    pub fn build(&mut self) -> Changed {
        self.choose_clusters();
        let Pending { ripple, changed, .. } = std::mem::take(&mut self.pending);
        let mut found = Found { resources: changed.into_keys().collect(), ..Found::default() };
        found.resources.extend(ripple.named.iter().filter(|id| self.names.kind(**id) == Kind::Permission));
        // The settings are any cluster's, and a listener is any Pipeline's: their keys in a bundle may pass from one
        // resource to another, so that all leave before any enters. Other keys are their resource's own.
        let passes = |id: &Id| matches!(self.names.kind(*id), Kind::MqttCluster | Kind::Pipeline);
        let (passing, others): (Vec<_>, Vec<_>) = ripple.touched.into_iter().partition(passes);
        let passing: Vec<_> = passing.into_iter().map(|id| (self.built(id), id)).collect();
        for (built, id) in &passing {
            self.leave(*id, built, &mut found);
        }
        for (built, id) in passing {
            self.enter(id, built, &mut found);
        }
        for id in others {
            let built = self.built(id);
            self.leave(id, &built, &mut found);
            self.enter(id, built, &mut found);
        }
        let changed = self.settle(found);
        // Only now: what leaves is found by what it named.
        for id in ripple.named {
            if self.objects.get(id).is_none_or(Option::is_none) && !self.graph.is_named(id) {
                self.names.forget(id);
            }
        }
        changed
    }

    /// Computes the digests, once for all clones of the bundles, and names what changed.
    fn settle(&mut self, mut found: Found) -> Changed {
        for cluster in found.written {
            if let Some(compiled) = self.clusters.get_mut(&cluster) {
                let digest = Some(compiled.bundle.digest());
                if compiled.digest != digest {
                    compiled.digest = digest;
                    found.clusters.insert(cluster);
                }
            }
        }
        let is_cluster = |id: &Id| self.names.kind(*id) == Kind::MqttCluster;
        found.clusters.extend(found.resources.iter().copied().filter(is_cluster));
        let keys = |ids: FastSet<Id>| {
            let mut keys: Vec<_> = ids.into_iter().map(|id| self.names.key(id)).collect();
            keys.sort_unstable();
            keys
        };
        found.resources.retain(|id| self.names.kind(*id) != Kind::Secret);
        found.wanted.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Changed { clusters: keys(found.clusters), resources: keys(found.resources), wanted: found.wanted }
    }

    fn built(&self, id: Id) -> Built {
        let object = self.objects.get(id).and_then(Option::as_ref);
        object.map(|object| build(&self.view(), id, object)).unwrap_or_default()
    }

    /// Takes the entry that a resource had out of its bundle, unless it keeps its key there.
    fn leave(&mut self, id: Id, built: &Built, found: &mut Found) {
        let Some((cluster, key)) = self.made.get(id).and_then(|made| made.key(&self.names, id)) else {
            return;
        };
        if built.entry.as_ref().is_some_and(|(to, stays, _)| (*to, stays) == (cluster, &key)) {
            return;
        }
        if let Some(compiled) = self.clusters.get_mut(&cluster) {
            compiled.bundle.remove(&key);
            found.written.insert(cluster);
        }
        if built.entry.as_ref().is_none_or(|(to, ..)| *to != cluster) {
            self.serves_elsewhere(id, found);
        }
        self.made.take(id);
    }

    /// Takes what came of a resource over.
    fn enter(&mut self, id: Id, built: Built, found: &mut Found) {
        let Built { entry, mut problems, wanted, listeners } = built;
        if let Some((cluster, key, entry)) = entry {
            problems.extend(self.place(id, cluster, (key, entry), found));
        }
        self.want(id, wanted, found);
        if let Some(listeners) = listeners
            && let Some(compiled) = self.clusters.get_mut(&id)
            && compiled.listeners != listeners
        {
            compiled.listeners = listeners;
            found.clusters.insert(id);
        }
        if self.said.get(&id).map_or(&[] as &[_], |said| said) != problems {
            found.resources.insert(id);
            if problems.is_empty() {
                self.said.remove(&id);
            } else {
                self.said.insert(id, problems.into());
            }
        }
    }

    /// Puts an entry into the bundle of a cluster; why it cannot be, if it cannot.
    fn place(
        &mut self,
        id: Id,
        cluster: Id,
        (key, entry): (EntryKey, Entry),
        found: &mut Found,
    ) -> Option<Problem> {
        let compiled = self.clusters.get_mut(&cluster)?;
        found.written.insert(cluster);
        let before = self.made.get(id).and_then(Made::cluster);
        let (now, problem) = match compiled.bundle.set(key.clone(), Arc::new(entry)) {
            Ok(()) => (Made::new(&self.names, id, cluster, &key), None),
            Err(error) => {
                compiled.bundle.remove(&key);
                (Made::Nowhere, Some(refused(error)))
            }
        };
        if before != now.cluster() {
            self.serves_elsewhere(id, found);
        }
        *self.made.entry(id) = now;
        problem
    }

    fn want(&mut self, id: Id, wanted: Option<Wanted>, found: &mut Found) {
        let old = match wanted {
            Some(wanted) if self.wanted.get(&id) == Some(&wanted) => return,
            Some(wanted) => {
                found.wanted.push(wanted.clone());
                self.wanted.insert(id, wanted)
            }
            None if self.wanted.contains_key(&id) => self.wanted.remove(&id),
            None => return,
        };
        if old.is_some() != self.wanted.contains_key(&id) {
            found.resources.insert(id);
        }
    }

    /// Another cluster serves a resource, and with it the Permissions that it lists.
    fn serves_elsewhere(&mut self, id: Id, found: &mut Found) {
        found.resources.insert(id);
        let Some(Some(object)) = self.objects.get(id) else { return };
        let Some(Content::Member(packed)) = &object.effective else { return };
        for form in packed.member().permissions {
            if let Form::Reference(name) = form
                && let Some(listed) = self.names.find_sibling(id, Kind::Permission, name)
            {
                found.resources.insert(listed);
            }
        }
    }
}

/// Why the bundle did not take an entry.
fn refused(error: moat_policy::BundleError) -> Problem {
    match error {
        moat_policy::BundleError::EntryTooLarge { bytes, .. } => too_large(bytes),
        other => Problem::error("", Reason::Invalid, other.to_string()),
    }
}
