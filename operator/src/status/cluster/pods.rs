//! What the pods of a cluster say together.

use std::borrow::Cow;

use moat_crds::delivery::Report;

use super::super::condition::Draft;
use super::{ClusterFacts, Desired, NotReady, PodFacts};

/// How many pods enforce the newest policy, and what the others lack.
pub(super) struct Applied {
    text: String,
    lag: Option<Lag>,
}

/// Why a pod does not enforce the newest policy.
struct Lag {
    reason: Cow<'static, str>,
    message: String,
    /// Whether it will not pass by itself.
    is_obstacle: bool,
}

impl Lag {
    fn passing(reason: &'static str, message: String) -> Self {
        Self { reason: reason.into(), message, is_obstacle: false }
    }
}

impl Applied {
    pub(super) fn condition(&self) -> Draft {
        match &self.lag {
            None => Draft::new("PolicyApplied", true, "Enforced", self.text.clone()),
            Some(lag) => {
                let message = format!("{}: {}", self.text, lag.message);
                Draft::new("PolicyApplied", false, lag.reason.clone(), message)
            }
        }
    }

    /// What keeps the newest policy from the pods, if it will not pass by itself.
    pub(super) fn obstacle(&self) -> Option<NotReady> {
        let lag = self.lag.as_ref().filter(|lag| lag.is_obstacle)?;
        Some(NotReady::new(lag.reason.clone(), lag.message.clone()))
    }
}

fn live(facts: &ClusterFacts) -> impl Iterator<Item = &PodFacts> {
    facts.pods.iter().filter(|pod| !pod.terminating)
}

/// How many pods there shall be, or are, if those are more.
fn expected(facts: &ClusterFacts) -> usize {
    usize::try_from(facts.replicas).unwrap_or_default().max(live(facts).count())
}

/// What a pod reported about this very cluster, and not about one that had its name before.
fn report<'a>(facts: &ClusterFacts, pod: &'a PodFacts) -> Option<&'a Report> {
    let uid = facts.verdict.version.uid.as_deref();
    pod.report.as_ref().filter(|report| report.cluster.as_deref() == uid)
}

/// The generation that a pod enforces, sessions included.
fn generation(facts: &ClusterFacts, pod: &PodFacts) -> Option<u64> {
    report(facts, pod).filter(|report| report.pending == 0)?.generation
}

pub(super) fn enforced(facts: &ClusterFacts) -> Option<u64> {
    let generations: Option<Vec<_>> = live(facts).map(|pod| generation(facts, pod)).collect();
    generations.filter(|all| all.len() == expected(facts))?.into_iter().min()
}

pub(super) fn applied(facts: &ClusterFacts) -> Applied {
    let Some(desired) = facts.desired else {
        let lag = Lag::passing("NotPublished", "no policy was written for the pods yet".to_owned());
        return Applied { text: format!("0/{} pods", expected(facts)), lag: Some(lag) };
    };
    let lags: Vec<_> = live(facts).filter_map(|pod| lag(facts, &desired, pod)).collect();
    let (expected, live) = (expected(facts), live(facts).count());
    let text = format!("{}/{expected} pods at {}", live - lags.len(), desired.digest);
    let missing = (live < expected).then(|| {
        Lag::passing("PodMissing", format!("{} of {expected} pods do not exist yet", expected - live))
    });
    let mut lags: Vec<_> = lags.into_iter().chain(missing).collect();
    lags.sort_by_key(|lag| !lag.is_obstacle);
    Applied { text, lag: lags.into_iter().next() }
}

/// Why a pod does not enforce what is desired; `None` when it does.
fn lag(facts: &ClusterFacts, desired: &Desired, pod: &PodFacts) -> Option<Lag> {
    let PodFacts { name, trouble, report_error, .. } = pod;
    let current = report(facts, pod).filter(|report| {
        report.generation.is_some_and(|generation| generation >= desired.generation)
            && report.digest == Some(desired.digest)
    });
    if let Some(report) = current {
        return (report.pending > 0).then(|| lagging(name));
    }
    if let Some(trouble) = trouble {
        return Some(Lag::passing(trouble.reason.as_str(), trouble.message.clone()));
    }
    if let Some(error) = report_error {
        return Some(Lag::passing("PodUnreachable", format!("pod {name} cannot be asked ({error})")));
    }
    let Some(report) = &pod.report else {
        return Some(Lag::passing("PodStarting", format!("pod {name} has not reported yet")));
    };
    if !report.schemas.contains(desired.schema) {
        let message = format!(
            "pod {name} understands policies of versions {} to {}, and this one is of version {}: raise spec.version",
            report.schemas.min, report.schemas.max, desired.schema
        );
        return Some(Lag { reason: "BrokerTooOld".into(), message, is_obstacle: true });
    }
    Some(match &report.problem {
        Some(problem) => Lag {
            reason: problem.reason.clone().into(),
            message: format!("pod {name}: {}", problem.message),
            is_obstacle: true,
        },
        None => lagging(name),
    })
}

/// One word for all of the way: each other would be another status to write.
fn lagging(pod: &str) -> Lag {
    Lag::passing("Lagging", format!("pod {pod} is taking it over"))
}

/// A listener that does not accept connections as it should.
pub(super) fn closed_listener(facts: &ClusterFacts) -> Option<NotReady> {
    let reports = live(facts).filter_map(|pod| Some((pod, report(facts, pod)?)));
    let mut closed = reports.flat_map(|(pod, report)| {
        let listeners = report.listeners.iter();
        listeners
            .filter(|listener| !listener.open || listener.problem.is_some())
            .map(move |listener| (pod, listener))
    });
    let (pod, listener) = closed.next()?;
    let why = listener.problem.as_deref().unwrap_or("it is not open yet");
    Some(NotReady::new("ListenerNotOpen", format!("listener `{}` on pod {}: {why}", listener.name, pod.name)))
}

fn ready(facts: &ClusterFacts) -> usize {
    live(facts).filter(|pod| pod.ready).count()
}

pub(super) fn available(facts: &ClusterFacts) -> Draft {
    let (ready, expected) = (ready(facts), expected(facts));
    let message = format!("{ready} of {expected} pods are ready");
    if ready > 0 {
        return Draft::new("Available", true, "PodsReady", message);
    }
    let trouble = live(facts).find_map(|pod| pod.trouble.as_ref());
    let message = trouble.map_or(message, |trouble| trouble.message.clone());
    Draft::new("Available", false, trouble.map_or("NoPodReady", |trouble| trouble.reason.as_str()), message)
}

/// What the pods still lack to be all that there shall be, ready and of the newest template.
pub(super) fn incomplete(facts: &ClusterFacts) -> Option<NotReady> {
    let Some(workload) = facts.workload else {
        return Some(NotReady::new("Creating", "its StatefulSet is being made"));
    };
    let pods = |what: &str, have: i32| format!("{have} of {} pods {what}", facts.replicas);
    if !workload.observed {
        return Some(NotReady::new("Updating", "its StatefulSet was changed and has not answered yet"));
    }
    if workload.current != facts.replicas {
        return Some(NotReady::new("Scaling", pods("exist", workload.current)));
    }
    if workload.updated < facts.replicas {
        return Some(NotReady::new("RollingOut", pods("are of the newest template", workload.updated)));
    }
    let ready = i32::try_from(ready(facts)).unwrap_or(i32::MAX).min(workload.ready);
    (ready < facts.replicas).then(|| NotReady::new("PodsStarting", pods("are ready", ready)))
}

pub(super) fn progressing(facts: &ClusterFacts) -> Draft {
    let trouble = live(facts).find_map(|pod| pod.trouble.as_ref());
    match (incomplete(facts), trouble) {
        (None, _) => Draft::new("Progressing", false, "Settled", "all pods are as they shall be"),
        (Some(_), Some(trouble)) => {
            Draft::new("Progressing", false, trouble.reason.as_str(), trouble.message.clone())
        }
        (Some(NotReady { reason, message, .. }), None) => Draft::new("Progressing", true, reason, message),
    }
}
