//! One namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use moat_crds::compile::{
    Change, Changed, Compilation, CompiledCluster, Conflicts, Diagnostic, Kind, LastGood, ResourceKey,
    Verifiers, Wanted,
};

use super::held::{Held, HeldResource, Kept};
use super::verdict::Verdict;

/// All that Moat knows of one namespace, compiled for each of its clusters.
pub struct Namespace {
    name: Arc<str>,
    policy: Compilation,
    held: BTreeMap<Kind, Held>,
    /// What is held, as it is to be written down.
    forms: BTreeMap<ResourceKey, HeldResource>,
    /// What was held and is there again: it has a status again, even if nothing else changed.
    back: BTreeSet<ResourceKey>,
    /// Whether it was compiled once.
    compiled: bool,
}

/// What one compile changed.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Clusters with another bundle, other listeners, another MqttCluster or other things to say about it than
    /// before, and those that came or went; by name, sorted.
    pub clusters: Vec<Arc<str>>,
    /// Resources that changed or are gone, and those whose verdict is another than before; sorted.
    pub touched: Vec<ResourceKey>,
    /// Passwords that are wanted hashed and were not wanted before ([`Namespace::wanted`] tells all).
    pub wanted: Vec<Wanted>,
}

impl Namespace {
    /// A namespace of which nothing is known yet.
    #[must_use]
    pub fn new(namespace: Arc<str>) -> Self {
        Self {
            name: namespace,
            policy: Compilation::new(Conflicts::OldestServes, LastGood::new(), Verifiers::new()),
            held: BTreeMap::new(),
            forms: BTreeMap::new(),
            back: BTreeSet::new(),
            compiled: false,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Takes over what an earlier operator kept. To be called before the first compile, once per cluster, after the
    /// lists were taken: what is in a list is live, the rest stays held. What belongs elsewhere is not taken.
    pub fn restore(&mut self, kept: Kept) {
        let Kept { held, mut last_good } = kept;
        last_good.retain(|key| key.namespace == self.name);
        self.policy.restore_last_good(last_good);
        for HeldResource { key, version, spec } in held {
            if key.namespace == self.name && !self.policy.contains(&key) {
                self.policy.restore(&key, version, Arc::unwrap_or_clone(spec));
                if self.policy.contains(&key) {
                    self.keep(key);
                }
            }
        }
    }

    /// From now on, what is there stays in force although it is gone.
    fn keep(&mut self, key: ResourceKey) {
        if let Some((version, spec)) = self.policy.form(&key) {
            let form = HeldResource { key: key.clone(), version: version.clone(), spec };
            self.forms.insert(key.clone(), form);
        }
        self.held.entry(key.kind).or_default().gone.insert(key);
    }

    /// Takes changes in their order, without compiling: for the first lists, page by page, so that no list needs to
    /// be kept whole.
    pub fn take(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            match &change {
                Change::Upsert(resource) => self.is_back(&resource.key()),
                Change::Reject(rejected) => self.is_back(&rejected.key),
                Change::Delete(key) if self.stays(key) => {
                    if self.policy.contains(key) {
                        self.keep(key.clone());
                    }
                    continue;
                }
                Change::Delete(_) | Change::Verified(..) => {}
            }
            self.policy.take(change);
        }
    }

    /// Whether a resource stays in force although it is gone.
    fn stays(&self, key: &ResourceKey) -> bool {
        self.held.get(&key.kind).is_some_and(|held| held.because.is_some() || held.gone.contains(key))
    }

    fn is_back(&mut self, key: &ResourceKey) {
        let Some(held) = self.held.get_mut(&key.kind) else { return };
        if let Some(key) = held.gone.take(key) {
            self.forms.remove(&key);
            self.back.insert(key);
        }
        self.forget_what_is_not_held(key.kind);
    }

    fn forget_what_is_not_held(&mut self, kind: Kind) {
        if self.held.get(&kind).is_some_and(|held| held.because.is_none() && held.gone.is_empty()) {
            self.held.remove(&kind);
        }
    }

    /// Compiles what was taken since the last compile. Must not be called before every kind was listed once.
    pub fn compile(&mut self) -> Applied {
        if !self.compiled {
            self.compiled = true;
            self.policy.settle_last_good();
        }
        let Changed { clusters, resources, wanted } = self.policy.build();
        let mut touched = resources;
        if !self.back.is_empty() {
            let mut all: BTreeSet<_> = touched.into_iter().collect();
            all.append(&mut self.back);
            touched = all.into_iter().collect();
        }
        Applied { clusters: clusters.into_iter().map(|cluster| cluster.name).collect(), touched, wanted }
    }

    /// Takes changes and compiles.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Change>) -> Applied {
        self.take(changes);
        self.compile()
    }

    /// The MqttClusters that exist, by name.
    pub fn clusters(&self) -> impl Iterator<Item = Arc<str>> {
        let names: BTreeSet<_> = self.keys(Kind::MqttCluster).map(|key| key.name).collect();
        names.into_iter()
    }

    /// What is compiled for a cluster; `None` when it does not exist or has no valid form.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<CompiledCluster<'_>> {
        self.policy.cluster(&ResourceKey::new(Kind::MqttCluster, self.name.clone(), name))
    }

    /// What there is to say about a resource; `None` when it is not there (or only held, so that it has no status),
    /// and for Secrets. Holds as of the last compile: a resource that came since has none yet.
    #[must_use]
    pub fn verdict(&self, key: &ResourceKey) -> Option<Verdict> {
        if key.kind == Kind::Secret || self.is_gone(key) {
            return None;
        }
        Some(Verdict::of(key, self.policy.state(key)?))
    }

    /// All findings about a resource.
    #[must_use]
    pub fn diagnostics(&self, key: &ResourceKey) -> Vec<Diagnostic> {
        let state = self.policy.state(key);
        let problems = state.iter().flat_map(|state| state.problems);
        problems.map(|problem| problem.clone().about(key)).collect()
    }

    /// The resources of a kind that the API server shows, as far as is known: all but those that are only held, in
    /// no order. A list that is read anew tells by it what is gone.
    pub fn keys(&self, kind: Kind) -> impl Iterator<Item = ResourceKey> {
        self.policy.keys(kind).filter(|key| !self.is_gone(key))
    }

    /// Whether nothing is known of it: no resource, nothing held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policy.is_empty()
    }

    /// All passwords that wait to be hashed, in no order.
    pub fn wanted(&self) -> impl Iterator<Item = &Wanted> {
        self.policy.wanted()
    }

    /// From now on, what is deleted of this kind stays in force as it was: its CRD vanished, or it cannot be read.
    /// `reason` is one stable word, `message` a sentence for a person. Calling it again changes the reason.
    pub fn hold(&mut self, kind: Kind, reason: &str, message: &str) {
        self.held.entry(kind).or_default().because = Some((reason.to_owned(), message.to_owned()));
    }

    /// From now on, deletions of this kind count again. What was held stays so until it is applied anew or released.
    pub fn resume(&mut self, kind: Kind) {
        if let Some(held) = self.held.get_mut(&kind) {
            held.because = None;
            self.forget_what_is_not_held(kind);
        }
    }

    /// Deletes what is held of this kind; takes effect with the next compile.
    pub fn release(&mut self, kind: Kind) {
        if let Some(held) = self.held.get_mut(&kind) {
            for key in std::mem::take(&mut held.gone) {
                self.forms.remove(&key);
                self.policy.take(Change::Delete(key));
            }
            self.forget_what_is_not_held(kind);
        }
    }

    /// What is held, by kind.
    #[must_use]
    pub fn held(&self) -> &BTreeMap<Kind, Held> {
        &self.held
    }

    /// What a restart of the operator must not lose of a cluster; to be written down when it differs from what was
    /// written last. What is in no cluster's policy now is kept with each: it may be in one again.
    #[must_use]
    pub fn kept(&self, cluster: &str) -> Kept {
        let of_cluster = |key: &ResourceKey| {
            let clusters = self.policy.state(key).map(|state| state.clusters).unwrap_or_default();
            clusters.is_empty() || clusters.iter().any(|one| &*one.name == cluster)
        };
        let held = self.forms.iter().filter(|(key, _)| of_cluster(key)).map(|(_, form)| form.clone());
        let mut last_good = self.policy.last_good_in_use();
        last_good.retain(|key| !self.is_gone(key) && of_cluster(key));
        Kept { held: held.collect(), last_good }
    }

    fn is_gone(&self, key: &ResourceKey) -> bool {
        self.held.get(&key.kind).is_some_and(|held| held.gone.contains(key))
    }
}
