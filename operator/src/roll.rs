//! Which pod is replaced next, so that all become what their StatefulSet's template says. Pure: no I/O, no clock.
//!
//! One at a time: a pod that serves is replaced only while all pods are there and ready. A pod of an older revision
//! that is not ready serves nobody and may go at once, so that a broken revision can always be replaced by a newer one.
//! A pod of the newest revision is never replaced; while it is not ready, the roll waits for it.

#[cfg(test)]
mod tests;

use std::fmt;

/// A pod of the StatefulSet, as it was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pod<'a> {
    /// Its name, which ends with its ordinal: `fleet-0`.
    pub name: &'a str,
    /// Its label `controller-revision-hash`; without one it counts as old.
    pub revision: Option<&'a str>,
    /// Whether its condition `Ready` is true.
    pub ready: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
}

/// The StatefulSet and its pods.
#[derive(Clone, Copy, Debug)]
pub struct Rollout<'a> {
    /// How many pods there shall be.
    pub replicas: i32,
    /// The StatefulSet's `status.updateRevision`; `None` while its `status.observedGeneration` is behind its generation,
    /// because then it names the revision before.
    pub update_revision: Option<&'a str>,
    /// The pods that the StatefulSet owns, in any order.
    pub pods: &'a [Pod<'a>],
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Delete this pod; the StatefulSet makes it anew.
    Replace {
        /// The pod's name.
        pod: &'a str,
        /// Why.
        reason: RestartReason,
    },
    /// Nothing, until something changes.
    Wait(Waiting<'a>),
    /// Nothing: all pods are there and ready, and of the newest revision.
    Done,
}

/// Why a pod is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RestartReason {
    /// The template has changed since the pod was made.
    NewRevision,
    /// The same, and the pod is not ready, so that nobody loses anything.
    OldRevisionNotReady,
}

impl RestartReason {
    /// A stable word, for events and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NewRevision => "NewRevision",
            Self::OldRevisionNotReady => "OldRevisionNotReady",
        }
    }
}

impl fmt::Display for RestartReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewRevision => "the pods' template has changed, for example by another spec.version",
            Self::OldRevisionNotReady => "the pods' template has changed, and this pod is not ready",
        })
    }
}

/// What a roll waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting<'a> {
    /// The StatefulSet has not been seen by its controller yet.
    StatefulSet,
    /// A pod is being deleted.
    Terminating(&'a str),
    /// Pods are missing: so many.
    Missing(usize),
    /// A pod is not ready.
    NotReady(&'a str),
}

impl fmt::Display for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StatefulSet => f.write_str("waiting for the StatefulSet's controller"),
            Self::Terminating(pod) => write!(f, "waiting for the end of pod {pod}"),
            Self::Missing(1) => f.write_str("waiting for a pod to be created"),
            Self::Missing(count) => write!(f, "waiting for {count} pods to be created"),
            Self::NotReady(pod) => write!(f, "waiting for pod {pod} to become ready"),
        }
    }
}

/// The next step. Asked again after each change of the StatefulSet or a pod, it ends with `Done`, if pods of the newest
/// revision become ready at all.
pub fn next<'a>(rollout: &Rollout<'a>) -> Step<'a> {
    let Some(newest) = rollout.update_revision else { return Step::Wait(Waiting::StatefulSet) };
    let mut pods: Vec<_> = rollout.pods.iter().filter(|pod| rollout.keeps(pod)).collect();
    // As a StatefulSet itself does it: the last one first.
    pods.sort_by_key(|pod| std::cmp::Reverse((ordinal(pod.name), pod.name)));
    let old = |pod: &&&Pod<'a>| pod.revision != Some(newest) && !pod.terminating;
    if let Some(pod) = pods.iter().filter(old).find(|pod| !pod.ready) {
        return Step::Replace { pod: pod.name, reason: RestartReason::OldRevisionNotReady };
    }
    if let Some(waiting) = rollout.waiting(&pods) {
        return Step::Wait(waiting);
    }
    match pods.iter().find(old) {
        Some(pod) => Step::Replace { pod: pod.name, reason: RestartReason::NewRevision },
        None => Step::Done,
    }
}

impl<'a> Rollout<'a> {
    /// Whether a pod is one that shall stay: those beyond the number of replicas go without our doing.
    fn keeps(&self, pod: &Pod<'_>) -> bool {
        ordinal(pod.name).is_none_or(|ordinal| ordinal < i64::from(self.replicas))
    }

    /// What must be over before a pod that serves may go.
    fn waiting(&self, pods: &[&Pod<'a>]) -> Option<Waiting<'a>> {
        if let Some(pod) = self.pods.iter().find(|pod| pod.terminating) {
            return Some(Waiting::Terminating(pod.name));
        }
        let wanted = usize::try_from(self.replicas).unwrap_or_default();
        if pods.len() < wanted {
            return Some(Waiting::Missing(wanted - pods.len()));
        }
        pods.iter().find(|pod| !pod.ready).map(|pod| Waiting::NotReady(pod.name))
    }
}

fn ordinal(name: &str) -> Option<i64> {
    name.rsplit_once('-').and_then(|(_, ordinal)| ordinal.parse().ok())
}
