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

/// A point in the sequence of compiles of one cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// Which resources of a namespace wait for which generation of which cluster's manifest.
///
/// 1. After a compile, [`Self::forget`] what was touched, and [`Self::compiled`] for each cluster, with the touched
///    resources that are in its policy.
/// 2. When a manifest is planned from the policy as it is then, [`Self::mark`]; when it is written (or when there
///    is nothing to write, because the live manifest says the same), [`Self::published`] with that mark.
/// 3. When the pods report, [`Self::reported`] with the generation that all of them enforce.
///
/// What the last two return is due: ask the ledger.
pub struct Enforcement {
    deadline: SignedDuration,
    clusters: BTreeMap<Arc<str>, Waits>,
}

/// What waits for one cluster.
#[derive(Default)]
struct Waits {
    /// The newest compile.
    newest: Mark,
    /// Up to which compile it was said that waiting takes long.
    told: Mark,
    /// When each compile was, of those that are waited for.
    since: BTreeMap<Mark, Timestamp>,
    /// Which compile each generation holds, of those that are not enforced yet.
    published: BTreeMap<u64, Mark>,
    /// The generation that all pods enforce.
    enforced: Option<u64>,
    /// Which compile must be enforced before a resource is.
    keys: HashMap<ResourceKey, Mark>,
}

impl Waits {
    /// Takes out what is enforced by now.
    fn arrived(&mut self) -> Vec<ResourceKey> {
        let Some(enforced) = self.enforced else { return Vec::new() };
        let later = self.published.split_off(&enforced.saturating_add(1));
        let passed = std::mem::replace(&mut self.published, later);
        let Some(mark) = passed.into_values().max() else { return Vec::new() };
        self.since = self.since.split_off(&Mark(mark.0 + 1));
        let arrived = self.keys.extract_if(|_, waits_for| *waits_for <= mark);
        let mut arrived: Vec<_> = arrived.map(|(key, _)| key).collect();
        arrived.sort_unstable();
        if self.keys.is_empty() {
            self.keys.shrink_to_fit();
        }
        arrived
    }
}

impl Enforcement {
    /// `deadline`: after so long, waiting is worth a status.
    #[must_use]
    pub fn new(deadline: SignedDuration) -> Self {
        Self { deadline, clusters: BTreeMap::new() }
    }

    /// These wait for the manifest that will hold what was compiled now.
    pub fn compiled(&mut self, cluster: &str, keys: impl IntoIterator<Item = ResourceKey>, now: Timestamp) {
        if !self.clusters.contains_key(cluster) {
            self.clusters.insert(Arc::from(cluster), Waits::default());
        }
        let Some(waits) = self.clusters.get_mut(cluster) else { return };
        waits.newest = Mark(waits.newest.0 + 1);
        let mark = waits.newest;
        waits.keys.extend(keys.into_iter().map(|key| (key, mark)));
        waits.since.insert(mark, now);
    }

    /// The point up to which the policy of a cluster holds what was compiled.
    #[must_use]
    pub fn mark(&self, cluster: &str) -> Mark {
        self.clusters.get(cluster).map(|waits| waits.newest).unwrap_or_default()
    }

    /// The manifest of this generation holds what was compiled up to `mark`. Returns what is due because all pods
    /// enforce it already; sorted.
    #[must_use]
    pub fn published(&mut self, cluster: &str, mark: Mark, generation: u64) -> Vec<ResourceKey> {
        let Some(waits) = self.clusters.get_mut(cluster) else { return Vec::new() };
        let held = waits.published.entry(generation).or_default();
        *held = (*held).max(mark);
        waits.arrived()
    }

    /// All pods of a cluster enforce this generation of its manifest (`None`: not all enforce any). Returns what is
    /// due; sorted.
    #[must_use]
    pub fn reported(&mut self, cluster: &str, generation: Option<u64>) -> Vec<ResourceKey> {
        let Some(waits) = self.clusters.get_mut(cluster) else { return Vec::new() };
        waits.enforced = generation;
        waits.arrived()
    }

    /// What has waited longer than the deadline and was not told before: due, to say so; sorted.
    #[must_use]
    pub fn overdue(&mut self, now: Timestamp) -> Vec<ResourceKey> {
        let Self { deadline, clusters } = self;
        let mut overdue = Vec::new();
        for waits in clusters.values_mut() {
            let late = waits.since.iter().filter(|(_, since)| now.duration_since(**since) >= *deadline);
            let Some(mark) = late.map(|(mark, _)| *mark).max() else { continue };
            if mark > waits.told {
                let told = std::mem::replace(&mut waits.told, mark);
                let late =
                    waits.keys.iter().filter(|(_, waits_for)| told < **waits_for && **waits_for <= mark);
                overdue.extend(late.map(|(key, _)| key.clone()));
                // Told once, and not looked at again.
                waits.since = waits.since.split_off(&Mark(mark.0 + 1));
            }
        }
        overdue.sort_unstable();
        overdue.dedup();
        overdue
    }

    /// When [`Self::overdue`] is worth calling next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let since = self.clusters.values().filter_map(|waits| waits.since.values().min()).min()?;
        since.checked_add(self.deadline).ok()
    }

    /// How far a resource has come.
    #[must_use]
    pub fn phase(&self, key: &ResourceKey) -> Phase {
        let mut phase = Phase::Enforced;
        for (cluster, waits) in &self.clusters {
            match waits.keys.get(key) {
                Some(mark) if *mark <= waits.told => return Phase::Overdue(Arc::clone(cluster)),
                Some(_) => phase = Phase::Waiting,
                None => {}
            }
        }
        phase
    }

    /// The resource is gone, or is to be judged anew.
    pub fn forget(&mut self, key: &ResourceKey) {
        for waits in self.clusters.values_mut() {
            waits.keys.remove(key);
        }
    }

    /// The cluster is gone.
    pub fn forget_cluster(&mut self, cluster: &str) {
        self.clusters.remove(cluster);
    }
}
