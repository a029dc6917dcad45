//! The status of an MqttCluster.

use std::borrow::Cow;

use jiff::Timestamp;
use moat_crds::MqttClusterStatus;
use moat_crds::compile::Kind;
use moat_crds::delivery::Report;
use moat_policy::Digest;

use super::condition::{Draft, merge, ours};
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

/// The conditions of a cluster.
#[must_use]
pub fn conditions(facts: &ClusterFacts) -> Vec<Draft> {
    let applied = policy_applied(facts);
    let obstacle = obstacle(facts, &applied);
    let ready = match &obstacle {
        None => Draft::new("Ready", true, "Ready", "all pods are ready and enforce the policy"),
        Some(obstacle) => Draft::new("Ready", false, obstacle.reason.clone(), obstacle.message.clone()),
    };
    let ready_pods = facts.serving().filter(|pod| pod.ready).count();
    let wanted = facts.wanted();
    let available = match ready_pods {
        0 => Draft::new("Available", false, "NoPodReady", "no pod is ready"),
        count => Draft::new("Available", true, "PodsReady", format!("{count}/{wanted} pods ready")),
    };
    let settled = facts.workload.is_some_and(|workload| {
        workload.observed && workload.updated >= facts.replicas && workload.ready >= facts.replicas
    });
    let progressing = if settled {
        Draft::new("Progressing", false, "Settled", "all pods are there, ready and of the newest template")
    } else {
        Draft::new("Progressing", true, "RollingOut", "pods are being made, replaced, or are not ready")
    };
    let mut drafts = vec![accepted(&facts.verdict), ready, applied, available, progressing];
    drafts.extend(policy_held(facts));
    match obstacle {
        Some(obstacle) if obstacle.terminal => {
            drafts.push(Draft::new("Stalled", true, obstacle.reason, obstacle.message));
        }
        Some(obstacle) => drafts.push(Draft::new("Reconciling", true, obstacle.reason, obstacle.message)),
        None => {}
    }
    drafts
}

/// What keeps a cluster from being ready.
struct Obstacle {
    reason: Cow<'static, str>,
    message: String,
    /// Whether it stays until a person acts.
    terminal: bool,
}

/// The first of what keeps a cluster from being ready, what a person must mend before what passes.
fn obstacle(facts: &ClusterFacts, applied: &Draft) -> Option<Obstacle> {
    if let Accepted::No { reason, message, terminal } = &facts.verdict.accepted {
        return Some(Obstacle {
            reason: reason.as_str().into(),
            message: message.clone(),
            terminal: *terminal,
        });
    }
    if let Some(problem) = facts.problems.first() {
        let (reason, message) = (problem.reason.clone().into(), problem.message.clone());
        return Some(Obstacle { reason, message, terminal: problem.terminal });
    }
    let troubles = facts.serving().filter_map(|pod| Some((pod, pod.trouble.as_ref()?)));
    if let Some((pod, trouble)) = troubles.max_by_key(|(_, trouble)| trouble.reason.needs_a_person()) {
        return Some(Obstacle {
            reason: trouble.reason.as_str().into(),
            message: format!("pod {}: {}", pod.name, trouble.message),
            terminal: trouble.reason.needs_a_person(),
        });
    }
    if !applied.status {
        return Some(Obstacle {
            reason: applied.reason.clone(),
            message: applied.message.clone(),
            terminal: false,
        });
    }
    let listeners = facts.serving().flat_map(|pod| {
        let listeners = pod.report.iter().flat_map(|report| &report.listeners);
        listeners.filter_map(move |listener| Some((pod, &listener.name, listener.problem.as_ref()?)))
    });
    if let Some((pod, listener, problem)) = listeners.into_iter().next() {
        let message = format!("pod {}: listener {listener}: {problem}", pod.name);
        return Some(Obstacle { reason: "ListenerFailed".into(), message, terminal: false });
    }
    let unready = facts.serving().find(|pod| !pod.ready);
    unready.map(|pod| Obstacle {
        reason: "PodNotReady".into(),
        message: format!("pod {} is not ready yet", pod.name),
        terminal: false,
    })
}

fn accepted(verdict: &Verdict) -> Draft {
    match &verdict.accepted {
        Accepted::Yes => {
            let message = verdict.warning.clone();
            let message =
                message.unwrap_or_else(|| "it is valid, and so is everything that it names".to_owned());
            Draft::new("Accepted", true, "Valid", message)
        }
        Accepted::No { reason, message, .. } => {
            Draft::new("Accepted", false, reason.as_str(), message.clone())
        }
    }
}

/// How many pods enforce the manifest that they shall enforce, and why the others do not.
fn policy_applied(facts: &ClusterFacts) -> Draft {
    let Some(desired) = facts.desired else {
        return Draft::new("PolicyApplied", false, "NotDelivered", "no policy was delivered to the pods yet");
    };
    let wanted = facts.wanted();
    let lagging: Vec<_> = facts.serving().filter_map(|pod| lag(facts, pod, &desired)).collect();
    let applied = facts.serving().count() - lagging.len();
    let mut message = format!("{applied}/{wanted} pods at {}", desired.digest);
    for (pod, _, why) in &lagging {
        message.push_str(&format!("; {pod}: {why}"));
    }
    if applied >= wanted && lagging.is_empty() {
        return Draft::new("PolicyApplied", true, "Applied", message);
    }
    let reason = lagging.into_iter().map(|(_, reason, _)| reason).max_by_key(|reason| reason != "Pending");
    Draft::new("PolicyApplied", false, reason.unwrap_or_else(|| "Pending".to_owned()), message)
}

/// Why a pod does not enforce what it should; `None` when it does. Pod, reason, words.
fn lag<'a>(facts: &ClusterFacts, pod: &'a PodFacts, desired: &Desired) -> Option<(&'a str, String, String)> {
    let told = |reason: &str, why: String| Some((pod.name.as_str(), reason.to_owned(), why));
    let Some(report) = &pod.report else {
        let why = pod.report_error.clone().unwrap_or_else(|| "it has not reported yet".to_owned());
        return told("Pending", why);
    };
    if !report.schemas.contains(desired.schema) {
        let why = format!(
            "it understands manifests of schema {} to {}, not {}: set spec.version to a newer version",
            report.schemas.min, report.schemas.max, desired.schema
        );
        return told("BrokerTooOld", why);
    }
    if facts.enforces(report, desired) {
        return None;
    }
    match &report.problem {
        Some(problem) => told(&problem.reason, problem.message.clone()),
        None if report.digest == Some(desired.digest) && report.pending > 0 => {
            told("Pending", format!("{} sessions are still to be judged", report.pending))
        }
        None => {
            let error = pod.report_error.as_ref().map(|error| format!("it cannot be asked: {error}"));
            told("Pending", error.unwrap_or_else(|| "it has an older policy".to_owned()))
        }
    }
}

fn policy_held(facts: &ClusterFacts) -> Option<Draft> {
    let first = facts.held.first()?;
    let reason = first.reason.clone().unwrap_or_else(|| "Held".to_owned());
    let mut message = String::new();
    for HeldKind { kind, message: why, count, .. } in &facts.held {
        if !message.is_empty() {
            message.push_str("; ");
        }
        if let Some(why) = why {
            message.push_str(why);
            message.push_str("; ");
        }
        if *count == 0 {
            message.push_str(&format!("what {kind}s said before stays in force"));
            continue;
        }
        message.push_str(&format!(
            "{count} of kind {kind} are gone with their definition and stay in force: apply them again, or give them \
             up with `kubectl annotate mqttcluster {} -n {} moat.dev/release-held={kind}`",
            facts.name, facts.namespace
        ));
    }
    Some(Draft::new("PolicyHeld", true, reason, message))
}

impl ClusterFacts {
    /// The pods that are not on their way out.
    fn serving(&self) -> impl Iterator<Item = &PodFacts> {
        self.pods.iter().filter(|pod| !pod.terminating)
    }

    fn wanted(&self) -> usize {
        usize::try_from(self.replicas).unwrap_or_default()
    }

    /// Whether a report is about this cluster's policy, and not that of an earlier one of the same name.
    fn is_ours(&self, report: &Report) -> bool {
        let uid = self.verdict.version.uid.as_deref();
        uid.is_some() && report.cluster.as_deref() == uid
    }

    fn enforces(&self, report: &Report, desired: &Desired) -> bool {
        self.is_ours(report)
            && report.pending == 0
            && report.digest == Some(desired.digest)
            && report.generation >= Some(desired.generation)
    }
}

/// The status to apply; `None` when `observed` says the same.
#[must_use]
pub fn due(
    facts: &ClusterFacts,
    observed: Option<&MqttClusterStatus>,
    now: Timestamp,
) -> Option<MqttClusterStatus> {
    let before = observed.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let merged = merge(now, before, &conditions(facts), facts.generation);
    let workload = facts.workload.unwrap_or_default();
    let recorded = observed.and_then(|status| status.version.clone());
    let status = MqttClusterStatus {
        observed_generation: facts.generation,
        replicas: workload.current,
        ready_replicas: workload.ready,
        selector: Some(facts.selector.clone()),
        version: facts.version.clone().or(recorded),
        conditions: merged.clone().unwrap_or_else(|| ours(before)),
    };
    let same = merged.is_none()
        && observed.is_some_and(|observed| {
            let known = MqttClusterStatus { conditions: Vec::new(), ..observed.clone() };
            known == MqttClusterStatus { conditions: Vec::new(), ..status.clone() }
        });
    (!same).then_some(status)
}

/// The newest generation of the manifest that all pods enforce, sessions included; `None` when one of those that
/// there shall be is missing, or enforces none. What [`super::Enforcement::reported`] takes.
#[must_use]
pub fn enforced(facts: &ClusterFacts) -> Option<u64> {
    if facts.serving().count() < facts.wanted() {
        return None;
    }
    let generations = facts.serving().map(|pod| {
        let report = pod.report.as_ref().filter(|report| facts.is_ours(report) && report.pending == 0)?;
        report.generation
    });
    generations.collect::<Option<Vec<_>>>()?.into_iter().min()
}
