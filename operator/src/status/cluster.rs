//! The status of an MqttCluster.
//!
//! `Ready` is about the cluster itself: its generation is in force and its pods serve. That a newer policy is on its
//! way to the pods shows in `PolicyApplied` alone, because it is so after every edit of a Role; that it cannot arrive
//! shows in both.

mod pods;

use jiff::Timestamp;
use moat_crds::MqttClusterStatus;
use moat_crds::compile::Kind;
use moat_crds::delivery::Report;
use moat_policy::Digest;

use self::pods::Applied;
use super::condition::{Draft, Merged};
use super::resource::accepted;
use super::trouble::PodTrouble;
use crate::policy::{Accepted, Verdict};

/// Everything that the status of an MqttCluster is made of.
#[derive(Clone, Debug)]
pub struct ClusterFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `metadata.generation`, as observed.
    pub generation: Option<i64>,
    /// What the compile says about it.
    pub verdict: Verdict,
    /// Whether what was compiled of the MqttCluster itself is not enforced yet.
    pub waits: bool,
    /// The manifest that the pods shall enforce; `None` before the first was written.
    pub desired: Option<Desired>,
    /// How many pods there shall be.
    pub replicas: i32,
    /// What the StatefulSet says; `None` when it does not exist.
    pub workload: Option<Workload>,
    /// The pods that there are.
    pub pods: Vec<PodFacts>,
    /// What went wrong with the cluster's objects.
    pub problems: Vec<Problem>,
    /// What is held, of kinds that this cluster's policy has.
    pub held: Vec<HeldKind>,
    /// Label selector of the pods, as text.
    pub selector: String,
    /// The version that the pods have or are being given.
    pub version: Option<String>,
}

/// The manifest that the pods shall enforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The version of its form.
    pub schema: u32,
    /// Its generation.
    pub generation: u64,
    /// The digest of its bundle.
    pub digest: Digest,
}

/// What a StatefulSet says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Whether its controller has seen its newest generation.
    pub observed: bool,
    /// Pods that exist.
    pub current: i32,
    /// Pods of the newest template.
    pub updated: i32,
    /// Pods that are ready.
    pub ready: i32,
}

/// One pod.
#[derive(Clone, Debug, Default)]
pub struct PodFacts {
    /// Its name.
    pub name: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// What keeps it from running.
    pub trouble: Option<PodTrouble>,
    /// What it reported last; `None` when it never did since it started.
    pub report: Option<Report>,
    /// Why it cannot be asked now.
    pub report_error: Option<String>,
}

/// Something that went wrong with the objects of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Why, in one stable word: `NameConflict`, `QuotaExceeded`, `Forbidden`, …
    pub reason: String,
    /// What is wrong and what to do about it.
    pub message: String,
    /// Whether it stays until a person acts.
    pub terminal: bool,
}

/// A kind of which something is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldKind {
    /// Which.
    pub kind: Kind,
    /// Why, in one stable word; `None` when deletions count again and only what was held before is left.
    pub reason: Option<String>,
    /// The same in a sentence.
    pub message: Option<String>,
    /// How many resources are gone and stay in force.
    pub count: usize,
}

/// Why a cluster is not ready.
struct NotReady {
    reason: String,
    message: String,
    terminal: bool,
}

impl NotReady {
    fn new(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: reason.into(), message: message.into(), terminal: false }
    }
}

/// The conditions of a cluster.
#[must_use]
pub fn conditions(facts: &ClusterFacts) -> Vec<Draft> {
    let applied = pods::applied(facts);
    let not_ready = not_ready(facts, &applied);
    let mut drafts = vec![match &facts.verdict.accepted {
        Accepted::Yes => accepted(facts.verdict.warning.as_deref()),
        Accepted::No { reason, message, .. } => {
            Draft::new("Accepted", false, reason.as_str(), message.clone())
        }
    }];
    match &not_ready {
        None => {
            drafts.push(Draft::new(
                "Ready",
                true,
                "Serving",
                "its pods serve, and its settings are in force",
            ));
        }
        Some(NotReady { reason, message, terminal }) => {
            let draft = |type_, status| Draft::new(type_, status, reason.clone(), message.clone());
            drafts.push(draft("Ready", false));
            drafts.push(draft(if *terminal { "Stalled" } else { "Reconciling" }, true));
        }
    }
    drafts.push(applied.condition());
    drafts.push(pods::available(facts));
    drafts.push(pods::progressing(facts));
    drafts.extend(held(facts));
    drafts
}

/// The first of all reasons for not being ready: what a person must mend, what is missing, then what passes.
fn not_ready(facts: &ClusterFacts, applied: &Applied) -> Option<NotReady> {
    let refused = match &facts.verdict.accepted {
        Accepted::Yes => None,
        Accepted::No { reason, message, terminal } => Some(NotReady {
            reason: reason.as_str().to_owned(),
            message: message.clone(),
            terminal: *terminal,
        }),
    };
    let problems = facts.problems.iter().map(|problem| NotReady {
        reason: problem.reason.clone(),
        message: problem.message.clone(),
        terminal: problem.terminal,
    });
    let troubles = facts.pods.iter().filter(|pod| !pod.terminating).filter_map(|pod| pod.trouble.as_ref());
    let troubles = troubles.map(|trouble| NotReady {
        reason: trouble.reason.as_str().to_owned(),
        message: trouble.message.clone(),
        terminal: trouble.reason.needs_a_person(),
    });
    let mut causes: Vec<_> = refused.into_iter().chain(problems).chain(troubles).collect();
    causes.extend(applied.obstacle());
    causes.extend(pods::closed_listener(facts));
    causes.extend(pods::incomplete(facts));
    if facts.waits || facts.desired.is_none() {
        causes.push(NotReady::new("Pending", "its settings are on their way to the pods"));
    }
    // Stable: of equals the first.
    causes.sort_by_key(|cause| !cause.terminal);
    causes.into_iter().next()
}

/// Told only while something is held.
fn held(facts: &ClusterFacts) -> Option<Draft> {
    let ClusterFacts { held, name, namespace, .. } = facts;
    let first = held.first()?;
    let reason = held.iter().find_map(|held| held.reason.clone()).unwrap_or_else(|| "Gone".to_owned());
    let told = held.iter().map(|HeldKind { kind, message, count, .. }| {
        let gone = match count {
            0 => String::new(),
            1 => format!("1 {kind} is gone from the API and stays in force"),
            more => format!("{more} resources of kind {kind} are gone from the API and stay in force"),
        };
        match message {
            Some(message) if gone.is_empty() => {
                format!("{message}; what is known of kind {kind} stays in force")
            }
            Some(message) => format!("{message}; {gone}"),
            None => gone,
        }
    });
    let mut message = told.collect::<Vec<_>>().join("; ");
    if held.iter().any(|held| held.count > 0) {
        let free = held.iter().filter(|held| held.reason.is_none() && held.count > 0);
        let kinds: Vec<_> = free.map(|held| held.kind.as_str()).collect();
        message.push_str(": apply them again");
        if kinds.is_empty() {
            message.push_str(&format!(" once kind {} can be read again", first.kind));
        } else {
            message.push_str(&format!(
                ", or let them go: `kubectl annotate mqttcluster {name} -n {namespace} moat.dev/release-held={}`",
                kinds.join(",")
            ));
        }
    }
    Some(Draft::new("PolicyHeld", true, reason, message))
}

/// The status to apply; `None` when `observed` says the same.
#[must_use]
pub fn due(
    facts: &ClusterFacts,
    observed: Option<&MqttClusterStatus>,
    now: Timestamp,
) -> Option<MqttClusterStatus> {
    let nothing = MqttClusterStatus::default();
    let was = observed.unwrap_or(&nothing);
    // What was not compiled yet is not observed.
    let generation = facts.verdict.version.generation.or(facts.generation);
    let Merged { conditions, differs } = Merged::new(now, &was.conditions, &conditions(facts), generation);
    let pods = i32::try_from(facts.pods.len()).unwrap_or(i32::MAX);
    let ready = facts.pods.iter().filter(|pod| pod.ready && !pod.terminating).count();
    let status = MqttClusterStatus {
        observed_generation: generation,
        replicas: facts
            .workload
            .filter(|workload| workload.observed)
            .map_or(pods, |workload| workload.current),
        ready_replicas: i32::try_from(ready).unwrap_or(i32::MAX),
        selector: Some(facts.selector.clone()),
        version: facts.version.clone().or_else(|| was.version.clone()),
        conditions,
    };
    let rest = |status: &MqttClusterStatus| {
        let MqttClusterStatus { observed_generation, replicas, ready_replicas, .. } = status;
        (*observed_generation, *replicas, *ready_replicas)
    };
    let same = !differs
        && rest(&status) == rest(was)
        && (&status.selector, &status.version) == (&was.selector, &was.version);
    (!same).then_some(status)
}

/// The newest generation of the manifest that all pods enforce, sessions included; `None` when one of those that
/// there shall be is missing, or enforces none. What [`super::Enforcement::reported`] takes.
#[must_use]
pub fn enforced(facts: &ClusterFacts) -> Option<u64> {
    pods::enforced(facts)
}
