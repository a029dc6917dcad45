//! What keeps a pod from running, in words that a person can act on.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

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
    /// The broker ends again and again.
    CrashLooping,
}

impl TroubleReason {
    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImagePullFailed => "ImagePullFailed",
            Self::VolumeNotBound => "VolumeNotBound",
            Self::Unschedulable => "Unschedulable",
            Self::CrashLooping => "CrashLooping",
        }
    }

    /// Whether it stays until a person acts.
    #[must_use]
    pub fn needs_a_person(self) -> bool {
        matches!(self, Self::ImagePullFailed | Self::VolumeNotBound)
    }
}

/// What keeps a pod from running; `None` when nothing does, or when it may yet pass by itself.
#[must_use]
pub fn trouble(pod: &Pod) -> Option<PodTrouble> {
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.iter().flatten();
    containers.into_iter().find_map(container).or_else(|| scheduling(status))
}

fn container(status: &ContainerStatus) -> Option<PodTrouble> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let said = waiting.message.as_deref().unwrap_or_default();
    match waiting.reason.as_deref()? {
        why @ ("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull") => {
            let message = format!(
                "the image {} cannot be had ({why}: {said}): correct spec.version, push the image, or give the nodes \
                 access to its registry",
                status.image
            );
            Some(PodTrouble { reason: TroubleReason::ImagePullFailed, message })
        }
        "CrashLoopBackOff" => {
            let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
            let how = last.map_or_else(String::new, |last| {
                let reason = last.reason.as_deref().unwrap_or("ended");
                format!(" ({reason}, exit code {})", last.exit_code)
            });
            let message = format!("the broker ends again and again{how}: see `kubectl logs --previous`");
            Some(PodTrouble { reason: TroubleReason::CrashLooping, message })
        }
        _ => None,
    }
}

fn scheduling(status: &PodStatus) -> Option<PodTrouble> {
    let scheduled = status.conditions.iter().flatten().find(|condition| condition.type_ == "PodScheduled")?;
    if scheduled.status != "False" || scheduled.reason.as_deref() != Some("Unschedulable") {
        return None;
    }
    let said = scheduled.message.as_deref().unwrap_or_default();
    let about_volumes =
        ["persistentvolumeclaim", "persistent volume", "PersistentVolumeClaim", "storageclass"];
    if about_volumes.iter().any(|words| said.contains(words)) {
        let message = format!(
            "the volume of the pod is not bound ({said}): name a StorageClass that exists in spec.storage of a new \
             MqttCluster, or provide a volume"
        );
        return Some(PodTrouble { reason: TroubleReason::VolumeNotBound, message });
    }
    let message = format!("no node takes the pod ({said}): add or free nodes");
    Some(PodTrouble { reason: TroubleReason::Unschedulable, message })
}
