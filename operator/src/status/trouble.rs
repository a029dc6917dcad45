//! What keeps a pod from running, in words that a person can act on.
//!
//! No counts and no times are in the words: they would change with each try, and the status with them.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// So long an image may be pulled in vain before it is told: registries have hiccups.
const PULL_GRACE: SignedDuration = SignedDuration::from_secs(10);
/// So long a volume may take to be made and bound.
const VOLUME_GRACE: SignedDuration = SignedDuration::from_secs(30);
/// So long it may take to find a node.
const SCHEDULE_GRACE: SignedDuration = SignedDuration::from_secs(10);
/// A broker that ended more than once, last in so long, and is not ready, ends again and again: between two ends it
/// runs, and that alone is no health.
const CRASH_MEMORY: SignedDuration = SignedDuration::from_mins(10);

/// What keeps a pod from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodTrouble {
    /// Why, in one stable word.
    pub reason: TroubleReason,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// Why a pod does not run. The words are stable: they become conditions and events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TroubleReason {
    /// The image cannot be pulled. A person must act.
    ImagePullFailed,
    /// The claim of the pod's volume is not bound. A person must act.
    VolumeNotBound,
    /// No node takes the pod; one may come.
    Unschedulable,
    /// The container cannot be made or started.
    ContainerNotStarted,
    /// The broker ends again and again.
    CrashLooping,
}

impl TroubleReason {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ImagePullFailed => "ImagePullFailed",
            Self::VolumeNotBound => "VolumeNotBound",
            Self::Unschedulable => "Unschedulable",
            Self::ContainerNotStarted => "ContainerNotStarted",
            Self::CrashLooping => "CrashLooping",
        }
    }

    /// Whether it stays until a person acts.
    #[must_use]
    pub const fn needs_a_person(self) -> bool {
        matches!(self, Self::ImagePullFailed | Self::VolumeNotBound)
    }
}

/// What keeps a pod from running; `None` when nothing does, or when it may yet pass by itself.
#[must_use]
pub fn trouble(pod: &Pod, now: Timestamp) -> Option<PodTrouble> {
    let status = pod.status.as_ref()?;
    let who = Who {
        name: pod.metadata.name.as_deref().unwrap_or_default(),
        namespace: pod.metadata.namespace.as_deref().unwrap_or_default(),
        begun: since(status.start_time.as_ref().or(pod.metadata.creation_timestamp.as_ref()), now),
    };
    let scheduled = status.conditions.iter().flatten().find(|condition| condition.type_ == "PodScheduled");
    if let Some(scheduled) = scheduled.filter(|condition| condition.status == "False") {
        return unscheduled(&who, scheduled, now);
    }
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    containers.filter_map(|container| not_running(&who, container, now)).next()
}

struct Who<'a> {
    name: &'a str,
    namespace: &'a str,
    /// For how long it exists.
    begun: SignedDuration,
}

fn since(time: Option<&Time>, now: Timestamp) -> SignedDuration {
    time.map_or(SignedDuration::MAX, |time| now.duration_since(time.0))
}

fn unscheduled(who: &Who<'_>, scheduled: &PodCondition, now: Timestamp) -> Option<PodTrouble> {
    let Who { name, namespace, .. } = who;
    let said = scheduled.message.as_deref().unwrap_or_default();
    let lower = said.to_lowercase();
    let about_volume = ["persistentvolumeclaim", "persistent volume", "volume node affinity"]
        .iter()
        .any(|words| lower.contains(words));
    let waited = since(scheduled.last_transition_time.as_ref(), now);
    let (reason, grace, message) = if about_volume {
        let message = format!(
            "pod {name} waits for its volume ({said}): `kubectl describe pvc data-{name} -n {namespace}` says more; make \
             a StorageClass that can provision it, or a volume that fits it"
        );
        (TroubleReason::VolumeNotBound, VOLUME_GRACE, message)
    } else {
        let message = format!(
            "no node takes pod {name} ({said}): add a node, or make room, or lift what keeps it away"
        );
        (TroubleReason::Unschedulable, SCHEDULE_GRACE, message)
    };
    (waited >= grace).then_some(PodTrouble { reason, message })
}

fn not_running(who: &Who<'_>, container: &ContainerStatus, now: Timestamp) -> Option<PodTrouble> {
    let Who { name, namespace, begun } = who;
    let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    let said = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or(reason);
    let image = &container.image;
    match reason {
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" if *begun < PULL_GRACE => None,
        "ErrImagePull"
        | "ImagePullBackOff"
        | "RegistryUnavailable"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "SignatureValidationFailed" => {
            // While the kubelet pauses, it puts words before what it said when it tried.
            let said = said.rsplit_once("ErrImagePull: ").map_or(said, |(_, said)| said);
            let message = format!(
                "pod {name}: image {image} cannot be pulled ({said}): correct spec.version, or let the nodes reach the \
                 registry that has the image"
            );
            Some(PodTrouble { reason: TroubleReason::ImagePullFailed, message })
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            let message = format!(
                "pod {name}: its container cannot be started ({said}): `kubectl describe pod {name} -n {namespace}` \
                 shows more"
            );
            Some(PodTrouble { reason: TroubleReason::ContainerNotStarted, message })
        }
        _ => {
            let last = last_end(container).filter(|_| !container.ready)?;
            let often = reason == "CrashLoopBackOff" || container.restart_count > 1;
            if !often || since(last.finished_at.as_ref(), now) > CRASH_MEMORY {
                return None;
            }
            let why = last.reason.as_deref().unwrap_or("Error");
            let message = format!(
                "pod {name}: the broker ends again and again, last with exit code {} ({why}): `kubectl logs {name} -n \
                 {namespace} --previous` shows what it said",
                last.exit_code
            );
            Some(PodTrouble { reason: TroubleReason::CrashLooping, message })
        }
    }
}

/// How the container ended last.
fn last_end(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let now = container.state.as_ref().and_then(|state| state.terminated.as_ref());
    now.or_else(|| container.last_state.as_ref()?.terminated.as_ref())
}
