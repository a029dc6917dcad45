//! The compiler: holds everything that was given to it, and after a set of changes builds again what they can touch.
//!
//! A whole compile is the same with everything given at once: there is one way through the code, and it does not
//! remember in which order things came.

use std::collections::BTreeMap;
use std::sync::Arc;

use moat_policy::{Bundle, EntryKey};

use super::build::{Built, ListenerSpec, View, build};
use super::diagnostic::{Diagnostic, Problem, Reason, Severity};
use super::footprint::{footprint, same_for};
use super::graph::{Claim, Footprint, Graph, Node};
use super::key::{Kind, ResourceKey};
use super::last_good::LastGood;
use super::resource::{Change, Content, Rejected, Spec, Version};
use super::validate::{too_large, validate};
use super::verifiers::{Verifiers, Wanted};
use super::{ClusterSelection, Compiled, FastMap, FastSet, Objects, Options};

/// A resource as the compiler holds it.
#[derive(Clone, PartialEq)]
pub(super) struct Object {
    pub(super) version: Version,
    /// The content in force: its own when valid, else the last valid one.
    pub(super) effective: Option<Content>,
    /// What could be read of a resource that has no content in force.
    pub(super) readable: Option<Arc<Spec>>,
    /// What is wrong with its own spec.
    pub(super) problems: Vec<Problem>,
}

impl Object {
    /// Whether nothing can come of it by itself: a Secret that could be read speaks through those who name it.
    fn is_silent(&self) -> bool {
        matches!(self.effective, Some(Content::Secret(_))) && self.problems.is_empty()
    }
}

/// Compiles incrementally: give it changes, take the new whole.
pub struct Compiler {
    options: Options,
    objects: Objects,
    graph: Graph,
    last_good: LastGood,
    verifiers: Verifiers,
    cluster: Option<ResourceKey>,
    bundle: Bundle,
    entries: FastMap<ResourceKey, EntryKey>,
    diagnostics: BTreeMap<ResourceKey, Vec<Diagnostic>>,
    wanted: BTreeMap<ResourceKey, Wanted>,
    listeners: Vec<ListenerSpec>,
}

impl Compiler {
    /// A compiler that knows no resources yet. `last_good` and `verifiers` come from an earlier one, or are empty.
    pub fn new(options: Options, last_good: LastGood, verifiers: Verifiers) -> Self {
        Self {
            options,
            objects: Objects::default(),
            graph: Graph::default(),
            last_good,
            verifiers,
            cluster: None,
            bundle: Bundle::new(),
            entries: FastMap::default(),
            diagnostics: BTreeMap::new(),
            wanted: BTreeMap::new(),
            listeners: Vec::new(),
        }
    }

    /// Takes the changes in their order and returns what is compiled now.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Change>) -> Compiled {
        let changes = changes.into_iter();
        let count = changes.size_hint().0;
        self.objects.reserve(count);
        self.graph.reserve(count);
        let mut dirty = FastSet::default();
        for change in changes {
            self.take(change, &mut dirty);
        }
        self.choose_cluster(&mut dirty);
        self.rebuild(dirty);
        self.compiled()
    }

    /// Forgets last valid forms of resources that do not exist, such as were deleted while no compiler ran. To be
    /// called once everything was given.
    pub(super) fn settle_last_good(&mut self) {
        let Self { last_good, objects, .. } = self;
        last_good.retain(|key| objects.contains_key(key));
    }

    /// What is compiled now.
    pub fn compiled(&self) -> Compiled {
        let mut diagnostics: Vec<_> = self.diagnostics.values().flatten().cloned().collect();
        if self.cluster.is_none() {
            let (key, message) = match &self.options.cluster {
                ClusterSelection::Named { namespace, name } => {
                    (ResourceKey::new(Kind::MqttCluster, &**namespace, &**name), "it does not exist")
                }
                ClusterSelection::Only => (ResourceKey::new(Kind::MqttCluster, "", ""), "there is none"),
            };
            let message =
                format!("{message}, or it has no valid form: create an MqttCluster; nothing is served");
            diagnostics.insert(0, Problem::error("", Reason::ClusterNotFound, message).about(&key));
        }
        Compiled {
            cluster: self.cluster.clone(),
            bundle: self.bundle.clone(),
            diagnostics,
            last_good: self.last_good.clone(),
            listeners: self.listeners.clone(),
            wanted: self.wanted.values().cloned().collect(),
        }
    }

    /// The verifiers that are known, to begin another compiler with.
    pub fn verifiers(&self) -> &Verifiers {
        &self.verifiers
    }

    fn take(&mut self, change: Change, dirty: &mut FastSet<ResourceKey>) {
        match change {
            Change::Upsert(resource) => {
                let key = resource.key();
                let (version, content) = resource.split();
                let problems = match &content {
                    Content::Spec(spec) => validate(spec),
                    Content::Secret(_) => Vec::new(),
                };
                let object = self.object(&key, version, Some(content), problems);
                self.put(key, object, dirty);
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
                let object = self.object(&key, version, readable.map(Content::from), problems);
                self.put(key, object, dirty);
            }
            Change::Delete(key) => self.delete(key, dirty),
            Change::Verified(key, verifier) => {
                if self.verifiers.get(&key) != Some(&verifier) {
                    dirty.insert(key.credential.clone());
                    self.verifiers.insert(key, verifier);
                }
            }
        }
    }

    /// Decides which content is in force.
    fn object(
        &mut self,
        key: &ResourceKey,
        version: Version,
        content: Option<Content>,
        mut problems: Vec<Problem>,
    ) -> Object {
        if problems.is_empty() {
            if let Some(Content::Spec(spec)) = &content {
                self.last_good.set(key, &version, spec);
            }
            return Object { version, effective: content, readable: None, problems };
        }
        let last_good = self.last_good.get(key, &version).cloned();
        let consequence = match last_good {
            Some(_) => "; until then its last valid form stays in force",
            None => "; until then it is not in force",
        };
        problems.iter_mut().for_each(|problem| problem.message.push_str(consequence));
        let readable = match (&last_good, content) {
            (None, Some(Content::Spec(spec))) => Some(spec),
            _ => None,
        };
        if last_good.is_none() {
            self.last_good.remove(key);
        }
        Object { version, effective: last_good.map(Content::Spec), readable, problems }
    }

    fn put(&mut self, key: ResourceKey, object: Object, dirty: &mut FastSet<ResourceKey>) {
        let old = self.objects.get(&key);
        if old == Some(&object) {
            return;
        }
        self.mark_referrers(
            &key,
            old.and_then(|old| old.effective.as_ref()),
            object.effective.as_ref(),
            dirty,
        );
        let old_is_heard = old.is_some_and(|old| !old.is_silent());
        let before = old.map(|old| self.footprint(&key, old)).unwrap_or_default();
        let footprint = self.footprint(&key, &object);
        self.graph.replace(&key, &before, &footprint, dirty);
        if !object.is_silent() || old_is_heard {
            dirty.insert(key.clone());
        }
        self.objects.insert(key, object);
    }

    fn delete(&mut self, key: ResourceKey, dirty: &mut FastSet<ResourceKey>) {
        self.last_good.remove(&key);
        self.verifiers.remove(&key);
        let Some(old) = self.objects.remove(&key) else { return };
        self.mark_referrers(&key, old.effective.as_ref(), None, dirty);
        let before = self.footprint(&key, &old);
        self.graph.replace(&key, &before, &Footprint::default(), dirty);
        dirty.insert(key);
    }

    /// What a resource names and claims. It is computed from what is there rather than kept: it would take more room
    /// than all else here, and is needed when its resource changes.
    fn footprint(&self, key: &ResourceKey, object: &Object) -> Footprint {
        let spec = match (&object.effective, &object.readable) {
            (Some(Content::Spec(spec)), _) => spec,
            (None, Some(spec)) if matches!(**spec, Spec::Pipeline(_)) => spec,
            (Some(Content::Secret(_)) | None, _) => return Footprint::default(),
        };
        footprint(&self.options, key, object.version.created, spec)
    }

    fn mark_referrers(
        &self,
        key: &ResourceKey,
        old: Option<&Content>,
        new: Option<&Content>,
        dirty: &mut FastSet<ResourceKey>,
    ) {
        let kinds = [Kind::MqttCluster, Kind::Realm, Kind::Pipeline, Kind::Role, Kind::Credential];
        let noticing: Vec<_> = kinds.into_iter().filter(|kind| !same_for(*kind, old, new)).collect();
        if !noticing.is_empty() {
            let referrers = self.graph.referrers(&Node::Resource(key.clone()));
            dirty.extend(referrers.filter(|referrer| noticing.contains(&referrer.kind)).cloned());
        }
    }

    /// Everything belongs to another cluster, or to none, when it is another that is compiled.
    fn choose_cluster(&mut self, dirty: &mut FastSet<ResourceKey>) {
        let chosen = match &self.options.cluster {
            ClusterSelection::Named { namespace, name } => {
                let key = ResourceKey::new(Kind::MqttCluster, &**namespace, &**name);
                let there = self.objects.get(&key).is_some_and(|object| object.effective.is_some());
                there.then_some(key)
            }
            ClusterSelection::Only => self.graph.holder(&Claim::Cluster).map(|holder| holder.who.clone()),
        };
        if chosen != self.cluster {
            self.cluster = chosen;
            self.listeners.clear();
            let heard = self.objects.iter().filter(|(_, object)| !object.is_silent());
            dirty.extend(heard.map(|(key, _)| key.clone()));
        }
    }

    fn rebuild(&mut self, dirty: FastSet<ResourceKey>) {
        // The settings are any cluster's, and a listener is any Pipeline's: their keys in the bundle may pass from one
        // resource to another, so that all leave before any enters. Other keys are their resource's own.
        let passes = |key: &ResourceKey| matches!(key.kind, Kind::MqttCluster | Kind::Pipeline);
        let (passing, others): (Vec<_>, Vec<_>) = dirty.into_iter().partition(passes);
        let passing: Vec<_> = passing.into_iter().map(|key| (self.build(&key), key)).collect();
        for (built, key) in &passing {
            self.leave(key, built);
        }
        for (built, key) in passing {
            self.enter(key, built);
        }
        for key in others {
            let built = self.build(&key);
            self.leave(&key, &built);
            self.enter(key, built);
        }
        // Computed here, so that all clones share it.
        let _ = self.bundle.digest();
    }

    fn build(&self, key: &ResourceKey) -> Built {
        let view = View {
            objects: &self.objects,
            graph: &self.graph,
            verifiers: &self.verifiers,
            cluster: self.cluster.as_ref(),
            conflicts: self.options.conflicts,
        };
        self.objects.get(key).map(|object| build(&view, key, object)).unwrap_or_default()
    }

    /// Takes the entry that a resource had out of the bundle, unless it keeps its key.
    fn leave(&mut self, key: &ResourceKey, built: &Built) {
        let stays = built.entry.as_ref().map(|(entry_key, _)| entry_key);
        if let Some(old) = self.entries.get(key).filter(|old| stays != Some(*old)) {
            self.bundle.remove(old);
            self.entries.remove(key);
        }
    }

    /// Takes what came of a resource over.
    fn enter(&mut self, key: ResourceKey, built: Built) {
        let Built { entry, mut problems, wanted, listeners } = built;
        if let Some((entry_key, entry)) = entry {
            match self.bundle.set(entry_key.clone(), Arc::new(entry)) {
                Ok(()) => {
                    self.entries.insert(key.clone(), entry_key);
                }
                Err(error) => {
                    self.bundle.remove(&entry_key);
                    self.entries.remove(&key);
                    problems.push(refused(error));
                }
            }
        }
        match wanted {
            Some(wanted) => self.wanted.insert(key.clone(), wanted),
            None => self.wanted.remove(&key),
        };
        if let Some(listeners) = listeners {
            self.listeners = listeners;
        }
        if problems.is_empty() {
            self.diagnostics.remove(&key);
        } else {
            let diagnostics = problems.into_iter().map(|problem| problem.about(&key)).collect();
            self.diagnostics.insert(key, diagnostics);
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
