//! One task per cluster, which makes the API server hold what the cluster should be. The newest wish counts; what
//! fails is tried again, later each time, without holding up other clusters.

pub(crate) mod apply;
mod certificates;
mod deliver;
mod objects;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Preconditions};
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};
use moat_crds::MqttCluster;
use moat_crds::compile::Kind;
use moat_crds::delivery::names;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use self::apply::{Applier, Notice, Touched};
pub(crate) use self::certificates::Access;
use self::deliver::Delivery;
pub(crate) use self::deliver::{DEFINITIONS, Delivered};
use super::Context;
use super::error::{Cause, Problem};
use crate::build;
use crate::bundle::Wanted;
use crate::policy::Kept;
use crate::roll;
use crate::status::Mark;

/// The first pause after a failure.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
/// The longest one. A person who mends something waits for it.
const BACKOFF_MAX: Duration = Duration::from_secs(15);
/// How often the certificates' ends are looked at.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(3600);

/// What a cluster should be.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) cluster: Arc<MqttCluster>,
    /// Its policy; none while nothing may be delivered.
    pub(crate) policy: Option<Policy>,
    /// What a restart must not lose; none while what an earlier operator wrote down cannot be read.
    pub(crate) kept: Option<Kept>,
    /// The uids of the definitions under which the policy was compiled, by kind.
    pub(crate) definitions: BTreeMap<Kind, String>,
    /// Highest generation that a pod of this cluster has reported.
    pub(crate) floor: u64,
    /// What all pods enforce.
    pub(crate) enforced: Option<u64>,
    /// The pod that is to be replaced now.
    pub(crate) replace: Option<Replace>,
    /// Whether the StatefulSet's controller makes fewer pods than there shall be.
    pub(crate) pods_missing: bool,
}

/// A pod that is to be replaced.
#[derive(Clone)]
pub(crate) struct Replace {
    pub(crate) pod: String,
    pub(crate) uid: String,
    pub(crate) reason: roll::RestartReason,
    /// The StatefulSet's generation by which this was decided.
    pub(crate) generation: Option<i64>,
}

/// A policy to deliver.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) wanted: Wanted,
    pub(crate) mark: Mark,
}

/// What a worker tells the engine.
#[derive(Clone, Default)]
pub(crate) struct Outcome {
    /// What is in force, and up to which point of the compiles it holds.
    pub(crate) delivered: Option<(Delivered, Mark)>,
    /// What went wrong last.
    pub(crate) problems: Vec<Problem>,
    /// How to come to the pods.
    pub(crate) access: Option<Access>,
    /// The version of the brokers.
    pub(crate) version: Option<String>,
}

/// The engine's end of a worker.
pub(crate) struct Handle {
    pub(crate) wish: watch::Sender<Option<Wish>>,
    pub(crate) notices: mpsc::UnboundedSender<Notice>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts the worker of a cluster. `tell` is called with every outcome that is news.
pub(crate) fn start(
    context: Arc<Context>,
    cluster: &MqttCluster,
    tell: impl Fn(Outcome) + Send + 'static,
) -> Handle {
    let (wish, wishes) = watch::channel(None);
    let (notices, noticed) = mpsc::unbounded_channel();
    let worker = Worker::new(context, Arc::new(cluster.clone()));
    let task = tokio::spawn(worker.run(wishes, noticed, tell));
    Handle { wish, notices, task }
}

struct Worker {
    context: Arc<Context>,
    cluster: Arc<MqttCluster>,
    applier: Applier,
    delivery: Delivery,
    access: Option<(Access, Instant)>,
    version: Option<String>,
    kept: Option<Kept>,
    /// The pod that was deleted last, by uid.
    replaced: Option<String>,
    outcome: Outcome,
}

impl Worker {
    fn new(context: Arc<Context>, cluster: Arc<MqttCluster>) -> Self {
        let applier = Applier::new(context.client.clone(), &cluster, context.metrics.clone());
        let delivery = Delivery::new(Arc::clone(&cluster), context.metrics.clone());
        let outcome = Outcome::default();
        Self {
            context,
            cluster,
            applier,
            delivery,
            access: None,
            version: None,
            kept: None,
            replaced: None,
            outcome,
        }
    }

    async fn run(
        mut self,
        mut wishes: watch::Receiver<Option<Wish>>,
        mut noticed: mpsc::UnboundedReceiver<Notice>,
        tell: impl Fn(Outcome) + Send,
    ) {
        let mut leading = self.context.leading.clone();
        let mut backoff = BACKOFF_MIN;
        let mut again = None::<Instant>;
        loop {
            let alarm = again.unwrap_or_else(|| Instant::now() + CERTIFICATES_EVERY);
            tokio::select! {
                changed = wishes.changed() => if changed.is_err() { return },
                changed = leading.changed() => if changed.is_err() { return },
                notice = noticed.recv() => match notice {
                    Some(notice) => if !self.note(&notice) { continue },
                    None => return,
                },
                () = tokio::time::sleep_until(alarm) => {}
            }
            while let Ok(notice) = noticed.try_recv() {
                self.note(&notice);
            }
            // Borrowed for a moment only: the engine must be able to wish again.
            let wish = wishes.borrow_and_update().clone();
            let (Some(wish), true) = (wish, *leading.borrow_and_update()) else { continue };
            let problems = self.fulfil(&wish).await;
            problems.iter().for_each(|problem| self.complain(problem));
            again = (!problems.is_empty()).then(|| Instant::now() + backoff);
            backoff = if problems.is_empty() { BACKOFF_MIN } else { (backoff * 2).min(BACKOFF_MAX) };
            self.outcome.problems = problems;
            self.say_healed();
            tell(self.outcome.clone());
        }
    }

    /// True if something is to be done.
    fn note(&mut self, notice: &Notice) -> bool {
        let touched = match notice {
            Notice::Touched(touched) => vec![touched.clone()],
            Notice::Listed(kind, there) => self.applier.missing(*kind, there),
        };
        let mut foreign = false;
        for Touched { kind, name, .. } in touched.iter().filter(|touched| self.applier.touched(touched)) {
            self.delivery.touched(*kind, name);
            foreign = true;
        }
        foreign
    }

    fn complain(&self, problem: &Problem) {
        self.context.metrics.problem(problem.cause.reason());
        let same = self.outcome.problems.contains(problem);
        let cluster = format!("{}/{}", self.cluster.namespace().unwrap_or_default(), self.cluster.name_any());
        if same || matches!(problem.cause, Cause::NamespaceTerminating | Cause::Outdated) {
            debug!(cluster, reason = problem.cause.reason(), "{}", problem.message());
            return;
        }
        warn!(cluster, reason = problem.cause.reason(), "{}", problem.message());
        if problem.cause.needs_a_person() {
            self.say(EventType::Warning, (problem.cause.reason(), &problem.action), &problem.message());
        }
    }

    fn say_healed(&mut self) {
        for (kind, name) in self.applier.take_healed() {
            let note = format!(
                "{} {name} was changed or deleted by someone else and is what it should be again: change the \
                 MqttCluster instead",
                kind.as_str()
            );
            info!(cluster = self.cluster.name_any(), "{note}");
            let action = format!("heal {} {name}", kind.as_str());
            self.say(EventType::Warning, ("Healed", &action), &note);
        }
    }

    fn say(&self, type_: EventType, why: (&str, &str), note: &str) {
        self.context.events.say(self.cluster.object_ref(&()), type_, why, note);
    }

    /// Brings the API server nearer to the wish: certificates and policy first, which matter by the second. What fails
    /// holds up only what needs it. Returns what failed.
    async fn fulfil(&mut self, wish: &Wish) -> Vec<Problem> {
        self.cluster = Arc::clone(&wish.cluster);
        self.delivery.of(&wish.cluster, &wish.definitions);
        self.delivery.raise_floor(wish.floor);
        let mut problems = Vec::new();
        problems.extend(self.keep(wish.kept.as_ref()).await.err());
        problems.extend(self.certificates().await.err());
        let version = match self.version().await {
            Ok(version) => version,
            Err(problem) => {
                problems.push(problem);
                return problems;
            }
        };
        self.outcome.version = Some(version.clone());
        let context = Arc::clone(&self.context);
        let inputs = objects::Inputs { context: &context, cluster: &wish.cluster, version: &version };
        problems.extend(self.deliver(wish, &inputs).await.err());
        if problems.iter().any(|problem| problem.cause == Cause::ApiUnreachable) {
            return problems;
        }
        problems.extend(objects::apply(&mut self.applier, &inputs, self.delivery.readable()).await);
        problems.extend(self.roll(wish).await.err());
        if wish.pods_missing {
            problems.extend(objects::why_no_pods(&self.applier, &self.cluster).await.err());
        }
        problems
    }

    async fn deliver(&mut self, wish: &Wish, inputs: &objects::Inputs<'_>) -> Result<(), Problem> {
        self.delivery.read(&mut self.applier).await?;
        if let Some(policy) = &wish.policy {
            let delivered = self.delivery.deliver(&mut self.applier, &policy.wanted, inputs).await?;
            self.outcome.delivered = Some((delivered, policy.mark));
        }
        let live = self.delivery.manifest().map(|manifest| manifest.generation);
        if live.is_some() && wish.enforced == live {
            self.delivery.sweep(&mut self.applier, inputs).await?;
        }
        Ok(())
    }

    /// Writes down what a restart must not lose.
    async fn keep(&mut self, kept: Option<&Kept>) -> Result<(), Problem> {
        let Some(kept) = kept.filter(|kept| self.kept.as_ref() != Some(*kept)) else { return Ok(()) };
        objects::keep(&mut self.applier, &self.cluster, kept).await?;
        self.kept = Some(kept.clone());
        Ok(())
    }

    async fn certificates(&mut self) -> Result<(), Problem> {
        let name = self.cluster.name_any();
        let settled =
            [names::authority(&name), names::pods_certificate(&name), names::operator_certificate(&name)]
                .iter()
                .all(|secret| self.applier.is_settled(apply::OwnedKind::Secret, secret));
        if let Some((_, made)) = &self.access
            && settled
            && made.elapsed() < CERTIFICATES_EVERY
        {
            return Ok(());
        }
        let now = jiff::Timestamp::now();
        let access = certificates::ensure(&mut self.applier, &self.cluster, now).await?;
        self.outcome.access = Some(access.clone());
        self.access = Some((access, Instant::now()));
        Ok(())
    }

    /// The brokers' version, which does not change because the operator's did.
    async fn version(&mut self) -> Result<String, Problem> {
        let known = build::version(&self.cluster).map(str::to_owned);
        if let Some(version) = known.or_else(|| self.version.clone()) {
            return Ok(version);
        }
        let running = objects::running_version(&self.applier, &self.cluster).await?;
        let version = running.unwrap_or_else(|| self.context.settings.broker_version.clone());
        self.version = Some(version.clone());
        Ok(version)
    }

    /// Replaces the next pod of an old template, if it may be replaced now.
    async fn roll(&mut self, wish: &Wish) -> Result<(), Problem> {
        let Some(Replace { pod, uid, reason, generation }) = &wish.replace else { return Ok(()) };
        let workload = names::workload(&self.cluster.name_any());
        let applied = self.applier.mark(apply::OwnedKind::StatefulSet, &workload);
        if self.replaced.as_ref() == Some(uid) {
            return Ok(());
        }
        // A template that someone else wrote is put right first: no pod goes for its sake.
        if applied.is_none_or(|applied| applied.generation != *generation) {
            return Ok(());
        }
        let api = Api::<Pod>::namespaced(
            self.context.client.clone(),
            &self.cluster.namespace().unwrap_or_default(),
        );
        let precondition = Preconditions { uid: Some(uid.clone()), resource_version: None };
        match api.delete(pod, &DeleteParams::default().preconditions(precondition)).await {
            Ok(_) => {
                self.replaced = Some(uid.clone());
                let note = format!("pod {pod} is replaced: {reason}");
                info!(cluster = self.cluster.name_any(), "{note}");
                self.say(EventType::Normal, (reason.reason(), &format!("replace pod {pod} {uid}")), &note);
                Ok(())
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(Problem::of(format!("delete pod {pod}"), &error)),
        }
    }
}
