//! The compilation: holds everything that was given to it, and after a set of changes builds again what they can
//! touch.
//!
//! A whole compile is the same with everything given at once: there is one way through the code, and it does not
//! remember in which order things came.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use moat_policy::{Bundle, Digest};

use super::build::{Clusters, ListenerSpec, View};
use super::diagnostic::{Problem, Reason, Severity};
use super::footprint::{Tracks, same_for};
use super::graph::{Field, Footprint, Graph, Ripple};
use super::key::{Kind, ResourceKey};
use super::last_good::LastGood;
use super::made::Made;
use super::names::{Id, Names, Table};
use super::object::{Flaw, Object, Objects};
use super::resource::{Change, Content, Read, Rejected, Spec, Version};
use super::validate::validate;
use super::verifiers::{Verifiers, Wanted};
use super::{ClusterSelection, Conflicts, FastMap, Rules, Scope};

/// All resources, and what is compiled of them for each cluster: give it changes, let it build, look at the new whole.
pub struct Compilation {
    pub(super) rules: Rules,
    pub(super) names: Names,
    pub(super) objects: Objects,
    pub(super) graph: Graph,
    last_good: LastGood,
    verifiers: Verifiers,
    /// The cluster that is compiled, when it is one.
    chosen: Option<Id>,
    pub(super) clusters: BTreeMap<Id, Cluster>,
    pub(super) made: Table<Made>,
    pub(super) said: FastMap<Id, Box<[Problem]>>,
    pub(super) wanted: FastMap<Id, Wanted>,
    pub(super) pending: Pending,
}

/// What is compiled for one cluster.
#[derive(Default)]
pub(super) struct Cluster {
    pub(super) bundle: Bundle,
    /// That of the bundle when it was last built.
    pub(super) digest: Option<Digest>,
    pub(super) listeners: Vec<ListenerSpec>,
}

/// What was taken and not built yet.
#[derive(Default)]
pub(super) struct Pending {
    /// What must be built again, and whose verdict may be another for what is claimed now.
    pub(super) ripple: Ripple,
    /// What is another resource, or another version of one, than before, with the version that was built last.
    pub(super) changed: FastMap<Id, Option<Version>>,
    /// Clusters that came or went.
    pub(super) turned: BTreeSet<Id>,
}

impl Compilation {
    /// Of every cluster that there is, knowing no resources yet. `last_good` and `verifiers` come from an earlier one,
    /// or are empty.
    pub fn new(conflicts: Conflicts, last_good: LastGood, verifiers: Verifiers) -> Self {
        Self::within(Rules { scope: Scope::Every, conflicts }, last_good, verifiers)
    }

    pub(super) fn within(rules: Rules, last_good: LastGood, verifiers: Verifiers) -> Self {
        Self {
            rules,
            names: Names::default(),
            objects: Objects::default(),
            graph: Graph::default(),
            last_good,
            verifiers,
            chosen: None,
            clusters: BTreeMap::new(),
            made: Table::default(),
            said: FastMap::default(),
            wanted: FastMap::default(),
            pending: Pending::default(),
        }
    }

    /// Takes a change. What comes of it shows after the next [`Self::build`].
    pub fn take(&mut self, change: Change) {
        match change {
            Change::Upsert(resource) => {
                let key = resource.key();
                let (version, read) = resource.split();
                let problems = match &read {
                    Read::Spec(spec) => validate(spec),
                    Read::Secret(_) | Read::Nothing => Vec::new(),
                };
                self.put(&key, version, read, problems);
            }
            Change::Reject(Rejected { key, version, mut problems, readable }) => {
                // A caller that names no problem still says that the resource cannot be used.
                if problems.iter().all(|problem| problem.severity != Severity::Error) {
                    problems.push(Problem::error(
                        "",
                        Reason::Invalid,
                        "it was refused where it was read: correct it",
                    ));
                }
                self.put(&key, version, readable.map_or(Read::Nothing, Read::Spec), problems);
            }
            Change::Delete(key) => self.delete(&key),
            Change::Verified(key, verifier) => {
                // It may come late, when its Credential is gone.
                if let Some(id) = self.names.find(&key.credential)
                    && self.object(&key.credential).is_some()
                    && self.verifiers.get(&key) != Some(&verifier)
                {
                    self.pending.ripple.touched.insert(id);
                    self.verifiers.insert(key, verifier);
                }
            }
        }
    }

    /// Takes a resource back whose form ([`Self::form`]) was written down, as it was then. A resource that is there
    /// stays as it is, and a spec of another kind is not taken.
    pub fn restore(&mut self, key: &ResourceKey, version: Version, spec: Spec) {
        if spec.kind() == key.kind && self.object(key).is_none() {
            let problems = validate(&spec);
            self.put(key, version, Read::Spec(spec), problems);
        }
    }

    /// The verifiers that are known, to begin another with.
    pub fn verifiers(&self) -> &Verifiers {
        &self.verifiers
    }

    /// The last valid forms of all resources, to begin another with.
    pub fn last_good(&self) -> LastGood {
        let mut all = self.last_good.clone();
        for (id, object) in self.objects.iter() {
            if let Some(Object { version, effective: Some(content), flaw: None }) = object
                && let Some(spec) = content.spec()
            {
                all.set(self.names.key(id), version.clone(), spec);
            }
        }
        all
    }

    /// The last valid forms that serve now, because the resource's own spec is invalid.
    pub fn last_good_in_use(&self) -> LastGood {
        let mut used = self.last_good.clone();
        used.retain(|key| self.object(key).is_some());
        used
    }

    /// Takes over last valid forms that an earlier one had in use: for resources that are there and have none, and
    /// for those that come later.
    pub fn restore_last_good(&mut self, earlier: LastGood) {
        for (key, version, spec) in earlier.into_forms().filter(|(key, _, spec)| key.kind == spec.kind()) {
            let Some(id) =
                self.names.find(&key).filter(|id| self.objects.get(*id).is_some_and(Option::is_some))
            else {
                self.last_good.set(key, version, spec);
                continue;
            };
            let Some(old) = self.objects.take(id) else { continue };
            if old.effective.is_some() || old.version.uid != version.uid {
                *self.objects.entry(id) = Some(old);
                continue;
            }
            let flaw = old.flaw.as_ref().map(|flaw| Flaw { problems: flaw.problems.clone(), readable: None });
            let effective = Some(Content::from(&spec));
            let new = Object { version: old.version.clone(), effective, flaw: flaw.map(Box::new) };
            self.last_good.set(key, version, spec);
            self.replace(id, Some(old), Some(new));
        }
    }

    /// Forgets last valid forms of resources that do not exist, such as were deleted while nothing ran. To be called
    /// once everything was given.
    pub fn settle_last_good(&mut self) {
        self.last_good = self.last_good_in_use();
    }

    pub(super) fn object(&self, key: &ResourceKey) -> Option<&Object> {
        self.objects.get(self.names.find(key)?)?.as_ref()
    }

    pub(super) fn view(&self) -> View<'_> {
        let clusters = match self.rules.scope {
            Scope::Every => Clusters::Every,
            Scope::One(_) => Clusters::One(self.chosen),
        };
        View {
            names: &self.names,
            objects: &self.objects,
            graph: &self.graph,
            verifiers: &self.verifiers,
            clusters,
            conflicts: self.rules.conflicts,
        }
    }

    /// The cluster that is compiled, when it is one.
    pub(super) fn chosen(&self) -> Option<Id> {
        self.chosen
    }

    fn put(&mut self, key: &ResourceKey, version: Version, read: Read, problems: Vec<Problem>) {
        let id = self.names.number(key);
        let object = if problems.is_empty() {
            self.last_good.remove(key);
            let effective = match read {
                Read::Spec(spec) => Some(Content::from(&Arc::new(spec))),
                Read::Secret(secret) => Some(Content::Secret(secret)),
                Read::Nothing => None,
            };
            Object { version, effective, flaw: None }
        } else {
            self.flawed(key, version, read, problems)
        };
        let old = self.objects.take(id);
        if old.as_ref() == Some(&object) {
            *self.objects.entry(id) = old;
            return;
        }
        self.replace(id, old, Some(object));
    }

    /// A resource whose own spec is not valid: its last valid form is in force, if it had one.
    fn flawed(&mut self, key: &ResourceKey, version: Version, read: Read, problems: Vec<Problem>) -> Object {
        if let Some(Object { version, effective: Some(content), flaw: None }) = self.object(key)
            && let Some(spec) = content.spec()
        {
            let version = version.clone();
            self.last_good.set(key.clone(), version, spec);
        }
        let last_good = self.last_good.get(key, &version).map(Content::from);
        if last_good.is_none() {
            self.last_good.remove(key);
        }
        let readable = match read {
            Read::Spec(Spec::Pipeline(spec)) if last_good.is_none() => Some(spec),
            _ => None,
        };
        let flaw = Some(Box::new(Flaw { problems, readable }));
        Object { version, effective: last_good, flaw }
    }

    fn delete(&mut self, key: &ResourceKey) {
        self.last_good.remove(key);
        self.verifiers.remove(key);
        let Some(id) = self.names.find(key) else { return };
        if let Some(old) = self.objects.take(id) {
            self.replace(id, Some(old), None);
        }
    }

    /// Replaces a resource, in the indexes too, and marks what that can touch.
    fn replace(&mut self, id: Id, old: Option<Object>, new: Option<Object>) {
        let from = old.as_ref().and_then(|old| old.effective.as_ref());
        let to = new.as_ref().and_then(|new| new.effective.as_ref());
        self.mark_referrers(id, from, to);
        if self.names.kind(id) == Kind::MqttCluster && from.is_some() != to.is_some() {
            self.pending.turned.insert(id);
        }
        let before = self.footprint(id, old.as_ref());
        let after = self.footprint(id, new.as_ref());
        self.graph.replace(&self.names, id, (&before, &after), &mut self.pending.ripple);
        let is_heard = |object: &Option<Object>| object.as_ref().is_some_and(|object| !object.is_silent());
        if is_heard(&old) || is_heard(&new) {
            self.pending.ripple.touched.insert(id);
            self.pending.changed.entry(id).or_insert_with(|| old.map(|old| old.version));
        }
        if new.is_none() {
            self.pending.ripple.named.push(id);
        }
        *self.objects.entry(id) = new;
    }

    /// What a resource names and claims. It is computed from what is there rather than kept: it would take more room
    /// than all else here, and is needed when its resource changes.
    fn footprint(&mut self, id: Id, object: Option<&Object>) -> Footprint {
        let Some(object) = object else { return Footprint::default() };
        let created = object.version.created;
        let mut tracks = Tracks::new(&mut self.names, &self.rules, id, created);
        match (&object.effective, object.readable()) {
            (Some(Content::Spec(spec)), _) => tracks.spec(spec),
            (Some(Content::Member(packed)), _) => tracks.member(&packed.member()),
            (None, Some(pipeline)) => tracks.pipeline(pipeline),
            (Some(Content::Secret(_)) | None, _) => {}
        }
        tracks.footprint()
    }

    fn mark_referrers(&mut self, id: Id, old: Option<&Content>, new: Option<&Content>) {
        let kinds = [Kind::MqttCluster, Kind::Realm, Kind::Pipeline, Kind::Role, Kind::Credential];
        let noticing: Vec<_> = kinds.into_iter().filter(|kind| !same_for(*kind, old, new)).collect();
        if !noticing.is_empty() {
            let referrers = self.graph.referrers(id);
            let noticing = referrers.filter(|referrer| noticing.contains(&self.names.kind(*referrer)));
            self.pending.ripple.touched.extend(noticing);
        }
    }

    /// Decides which clusters are compiled, and marks all that belongs to one that is now and was not, or the other
    /// way round.
    pub(super) fn choose_clusters(&mut self) {
        let mut turned = std::mem::take(&mut self.pending.turned);
        if let Scope::One(selection) = &self.rules.scope {
            let chosen = match selection {
                ClusterSelection::Named { namespace, name } => {
                    let key = ResourceKey::new(Kind::MqttCluster, &**namespace, &**name);
                    let there = self.object(&key).is_some_and(|object| object.effective.is_some());
                    there.then(|| self.names.find(&key)).flatten()
                }
                ClusterSelection::Only => self.graph.holder(Field::Cluster, "").map(|holder| holder.who),
            };
            turned = BTreeSet::new();
            if chosen != self.chosen {
                turned.extend(chosen.into_iter().chain(self.chosen));
                self.chosen = chosen;
            }
        }
        for cluster in turned {
            if self.view().compiles(cluster) {
                self.clusters.entry(cluster).or_default();
            } else {
                self.clusters.remove(&cluster);
            }
            let touched = &mut self.pending.ripple.touched;
            touched.insert(cluster);
            let version =
                self.objects.get(cluster).and_then(Option::as_ref).map(|there| there.version.clone());
            self.pending.changed.entry(cluster).or_insert(version);
            for referrer in self.graph.referrers(cluster) {
                touched.insert(referrer);
                if self.names.kind(referrer) == Kind::Realm {
                    touched.extend(self.graph.referrers(referrer));
                }
            }
        }
    }
}
