//! The compiler of one cluster.

use super::compilation::Compilation;
use super::diagnostic::{Diagnostic, Problem, Reason};
use super::key::{Kind, ResourceKey};
use super::last_good::LastGood;
use super::resource::Change;
use super::verifiers::Verifiers;
use super::{ClusterSelection, Compiled, Options, Rules, Scope};

/// Compiles one cluster incrementally: give it changes, take the new whole.
pub struct Compiler {
    selection: ClusterSelection,
    all: Compilation,
}

impl Compiler {
    /// A compiler that knows no resources yet. `last_good` and `verifiers` come from an earlier one, or are empty.
    pub fn new(options: Options, last_good: LastGood, verifiers: Verifiers) -> Self {
        let Options { cluster: selection, conflicts } = options;
        let rules = Rules { scope: Scope::One(selection.clone()), conflicts };
        Self { selection, all: Compilation::within(rules, last_good, verifiers) }
    }

    /// Takes the changes in their order and returns what is compiled now.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Change>) -> Compiled {
        changes.into_iter().for_each(|change| self.all.take(change));
        let _ = self.all.build();
        self.compiled()
    }

    /// What is compiled now.
    pub fn compiled(&self) -> Compiled {
        let Self { selection, all } = self;
        let said = all.said.iter().map(|(id, problems)| (all.names.key(*id), &**problems));
        let mut said: Vec<(ResourceKey, &[Problem])> = said.collect();
        said.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let about = |(key, problems): &(ResourceKey, &[Problem])| {
            problems.iter().map(|problem| problem.clone().about(key)).collect::<Vec<_>>()
        };
        let mut diagnostics: Vec<_> = said.iter().flat_map(about).collect();
        let cluster = all.chosen();
        if cluster.is_none() {
            diagnostics.insert(0, no_cluster(selection));
        }
        let compiled = cluster.and_then(|cluster| all.clusters.get(&cluster));
        let mut wanted: Vec<_> = all.wanted().cloned().collect();
        wanted.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Compiled {
            cluster: cluster.map(|cluster| all.names.key(cluster)),
            bundle: compiled.map(|compiled| compiled.bundle.clone()).unwrap_or_default(),
            diagnostics,
            listeners: compiled.map(|compiled| compiled.listeners.clone()).unwrap_or_default(),
            wanted,
        }
    }

    /// The last valid forms, to begin another compiler with.
    pub fn last_good(&self) -> LastGood {
        self.all.last_good()
    }

    /// Forgets last valid forms of resources that do not exist, such as were deleted while no compiler ran. To be
    /// called once everything was given.
    pub fn settle_last_good(&mut self) {
        self.all.settle_last_good();
    }

    /// The verifiers that are known, to begin another compiler with.
    pub fn verifiers(&self) -> &Verifiers {
        self.all.verifiers()
    }
}

fn no_cluster(selection: &ClusterSelection) -> Diagnostic {
    let (key, message) = match selection {
        ClusterSelection::Named { namespace, name } => {
            (ResourceKey::new(Kind::MqttCluster, &**namespace, &**name), "it does not exist")
        }
        ClusterSelection::Only => (ResourceKey::new(Kind::MqttCluster, "", ""), "there is none"),
    };
    let message = format!("{message}, or it has no valid form: create an MqttCluster; nothing is served");
    Problem::error("", Reason::ClusterNotFound, message).about(&key)
}
