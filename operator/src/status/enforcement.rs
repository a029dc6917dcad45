//! Which resources wait until all pods enforce what was compiled of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use moat_crds::compile::ResourceKey;

/// How far a resource has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// What was compiled of it is enforced on all pods of its clusters.
    Enforced,
    /// Not yet; there is no need to say so.
    Waiting,
    /// Not yet, for longer than it should take: this cluster's pods are waited for.
    Overdue(Arc<str>),
}

/// A point in the sequence of compiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// Which resources of a namespace wait for which generation of which cluster's manifest.
///
/// 1. After a compile, [`Self::compiled`] for each cluster, with the touched resources that are in its policy.
/// 2. When a manifest is planned from the policy as it is then, [`Self::mark`]; when it is written (or when there
///    is nothing to write, because the live manifest says the same), [`Self::published`] with that mark.
/// 3. When the pods report, [`Self::reported`] with the generation that all of them enforce.
///
/// What the last two return is due: ask the ledger.
pub struct Enforcement {
    deadline: SignedDuration,
    clusters: HashMap<String, Sequence>,
    waits: HashMap<ResourceKey, Wait>,
}

/// The compiles of one cluster.
#[derive(Default)]
struct Sequence {
    /// The last compile.
    last: u64,
    /// What no manifest holds yet, by compile.
    compiled: BTreeMap<u64, Vec<ResourceKey>>,
    /// What a manifest holds that not all pods enforce, by generation, with its compile.
    published: BTreeMap<u64, Vec<(ResourceKey, u64)>>,
    /// What all pods enforce.
    enforced: Option<u64>,
}

/// What one resource waits for.
struct Wait {
    /// The compile whose manifest must be enforced, by cluster.
    clusters: BTreeMap<Arc<str>, u64>,
    since: Timestamp,
    /// Whether that was told.
    told: bool,
}

impl Enforcement {
    /// `deadline`: after so long, waiting is worth a status.
    #[must_use]
    pub fn new(deadline: SignedDuration) -> Self {
        Self { deadline, clusters: HashMap::new(), waits: HashMap::new() }
    }

    /// These wait for the manifest that will hold what was compiled now.
    pub fn compiled(&mut self, cluster: &str, keys: impl IntoIterator<Item = ResourceKey>, now: Timestamp) {
        let sequence = self.clusters.entry(cluster.to_owned()).or_default();
        sequence.last += 1;
        let name: Arc<str> = cluster.into();
        let keys: Vec<_> = keys.into_iter().collect();
        for key in &keys {
            let wait = self.waits.entry(key.clone()).or_insert_with(|| Wait {
                clusters: BTreeMap::new(),
                since: now,
                told: false,
            });
            wait.clusters.insert(Arc::clone(&name), sequence.last);
        }
        sequence.compiled.insert(sequence.last, keys);
    }

    /// The point up to which the policy of a cluster holds what was compiled.
    #[must_use]
    pub fn mark(&self, cluster: &str) -> Mark {
        Mark(self.clusters.get(cluster).map_or(0, |sequence| sequence.last))
    }

    /// The manifest of this generation holds what was compiled up to `mark`. Returns what is due because all pods
    /// enforce it already.
    #[must_use]
    pub fn published(&mut self, cluster: &str, mark: Mark, generation: u64) -> Vec<ResourceKey> {
        let Some(sequence) = self.clusters.get_mut(cluster) else { return Vec::new() };
        let later = sequence.compiled.split_off(&(mark.0 + 1));
        let held = std::mem::replace(&mut sequence.compiled, later);
        let held = held.into_iter().flat_map(|(mark, keys)| keys.into_iter().map(move |key| (key, mark)));
        sequence.published.entry(generation).or_default().extend(held);
        let enforced = sequence.enforced;
        self.resolve(cluster, enforced)
    }

    /// All pods of a cluster enforce this generation of its manifest (`None`: not all enforce any). Returns what is
    /// due.
    #[must_use]
    pub fn reported(&mut self, cluster: &str, generation: Option<u64>) -> Vec<ResourceKey> {
        self.clusters.entry(cluster.to_owned()).or_default().enforced = generation;
        self.resolve(cluster, generation)
    }

    fn resolve(&mut self, cluster: &str, enforced: Option<u64>) -> Vec<ResourceKey> {
        let (Some(enforced), Some(sequence)) = (enforced, self.clusters.get_mut(cluster)) else {
            return Vec::new();
        };
        let later = sequence.published.split_off(&(enforced + 1));
        let done = std::mem::replace(&mut sequence.published, later);
        let mut due = Vec::new();
        for (key, mark) in done.into_values().flatten() {
            let Some(wait) = self.waits.get_mut(&key) else { continue };
            // A later compile may have begun another wait.
            if wait.clusters.get(cluster) == Some(&mark) {
                wait.clusters.remove(cluster);
            }
            if wait.clusters.is_empty() {
                self.waits.remove(&key);
                due.push(key);
            }
        }
        due
    }

    /// What has waited longer than the deadline and was not told before: due, to say so.
    #[must_use]
    pub fn overdue(&mut self, now: Timestamp) -> Vec<ResourceKey> {
        let mut due = Vec::new();
        for (key, wait) in &mut self.waits {
            if !wait.told && now.duration_since(wait.since) >= self.deadline {
                wait.told = true;
                due.push(key.clone());
            }
        }
        due
    }

    /// How far a resource has come.
    #[must_use]
    pub fn phase(&self, key: &ResourceKey) -> Phase {
        match self.waits.get(key) {
            None => Phase::Enforced,
            Some(wait) if wait.told => wait
                .clusters
                .keys()
                .next()
                .map_or(Phase::Waiting, |cluster| Phase::Overdue(Arc::clone(cluster))),
            Some(_) => Phase::Waiting,
        }
    }

    /// The resource is gone, or is in no policy any more.
    pub fn forget(&mut self, key: &ResourceKey) {
        self.waits.remove(key);
    }

    /// The cluster is gone.
    pub fn forget_cluster(&mut self, cluster: &str) {
        self.clusters.remove(cluster);
        self.waits.retain(|_, wait| {
            wait.clusters.remove(cluster);
            !wait.clusters.is_empty()
        });
    }
}
