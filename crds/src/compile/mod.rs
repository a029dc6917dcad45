//! From resources to policy: pure, deterministic, incremental. No I/O, no clock.
//!
//! [`compile`] makes the [`Bundle`] of one MqttCluster and says what is wrong with the resources. The same inputs
//! make the same digest, in whatever order they come. [`Compiler`] is the same for changes, and [`Compilation`] the
//! same for all clusters at once: it holds indexes of who names whom, and builds again only what a change can touch.
//!
//! What it holds to:
//! - A reference to nothing grants nothing, is a [`Diagnostic`], and heals when its target appears.
//! - Only a resource whose own spec is invalid keeps its last valid form ([`LastGood`], an explicit input); what that
//!   form refers to is looked up anew.
//! - Of two resources that claim one name, one serves and the other is refused as a whole.
//! - What cannot be decided refuses: a password that is not hashed yet lets no one in, and a Pipeline that cannot be
//!   used keeps its listener from the Pipeline of `ALL`.

mod build;
mod compilation;
mod compiler;
mod diagnostic;
mod footprint;
mod graph;
mod key;
mod last_good;
mod made;
mod member;
mod names;
mod object;
mod permission;
mod resource;
mod secret;
mod state;
mod validate;
mod verifiers;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use moat_policy::Bundle;

pub use build::{ListenerSpec, TlsSpec};
pub use compilation::Compilation;
pub use compiler::Compiler;
pub use diagnostic::{Diagnostic, Problem, Reason, Severity};
pub use key::{Kind, ResourceKey};
pub use last_good::LastGood;
pub use made::Changed;
pub use resource::{Change, DEFAULT_NAMESPACE, Rejected, Resource, Resources, Spec, Version};
pub use secret::TlsMaterial;
pub use state::{CompiledCluster, State};
pub use verifiers::{VerifierKey, Verifiers, Wanted};

/// The keys come from within the cluster, and the hash is seeded: the standard library's slower one buys nothing.
type FastMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
type FastSet<K> = HashSet<K, foldhash::fast::RandomState>;

/// Which cluster is compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClusterSelection {
    /// The only one; when there are several, the first by precedence, and the others are told.
    #[default]
    Only,
    /// This one. What belongs to others is left to their compilers.
    Named {
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
}

/// Which of two resources that claim the same name serves. The other is refused either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflicts {
    /// The older by creationTimestamp, then the first by namespace and name: what is there is not taken away by what
    /// comes. For the API server.
    #[default]
    OldestServes,
    /// The first by namespace and name; files have no age that counts, and the second is an error in them.
    AreErrors,
}

/// What a compile is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Which cluster.
    pub cluster: ClusterSelection,
    /// What happens to conflicting resources.
    pub conflicts: Conflicts,
}

/// What a compilation is held to.
struct Rules {
    scope: Scope,
    conflicts: Conflicts,
}

/// Which clusters are compiled.
#[derive(PartialEq)]
enum Scope {
    Every,
    One(ClusterSelection),
}

impl Rules {
    /// Whether a cluster claims to be the only one.
    fn is_the_only_one(&self) -> bool {
        self.scope == Scope::One(ClusterSelection::Only)
    }
}

/// What comes of a compile.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The cluster that was compiled; `None` when it does not exist, and then nothing is served.
    pub cluster: Option<ResourceKey>,
    /// The policy.
    pub bundle: Bundle,
    /// What there is to say, ordered by resource.
    pub diagnostics: Vec<Diagnostic>,
    /// The listeners of the cluster, in its order.
    pub listeners: Vec<ListenerSpec>,
    /// Passwords to be hashed: hand the verifiers in ([`Verifiers::insert`], or [`Change::Verified`]) and compile
    /// again. Until then their Credentials let no one in.
    pub wanted: Vec<Wanted>,
}

/// Compiles everything for one cluster.
pub fn compile(
    options: &Options,
    resources: Resources,
    last_good: &LastGood,
    verifiers: &Verifiers,
) -> Compiled {
    let mut compiler = Compiler::new(options.clone(), last_good.clone(), verifiers.clone());
    compiler.apply(resources.into_changes())
}
