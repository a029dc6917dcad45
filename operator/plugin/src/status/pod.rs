//! A pod's state in one word, as kubectl shows it.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

/// The state: what keeps the pod from running, or else its phase.
pub(super) fn state(pod: &Pod) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return "Terminating".to_owned();
    }
    let Some(status) = &pod.status else { return "Unknown".to_owned() };
    let waiting = containers(pod).find_map(|container| {
        let state = container.state.as_ref()?;
        let waiting = state.waiting.as_ref().and_then(|waiting| waiting.reason.as_ref());
        waiting.or_else(|| state.terminated.as_ref().and_then(|ended| ended.reason.as_ref()))
    });
    let unscheduled = || {
        let conditions = status.conditions.iter().flatten();
        conditions
            .filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
            .find_map(|condition| condition.reason.as_ref())
    };
    let word = status.reason.as_ref().or(waiting).or_else(unscheduled).or(status.phase.as_ref());
    word.map_or_else(|| "Unknown".to_owned(), Clone::clone)
}

/// Whether it accepts clients.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// How often its broker was started anew.
pub(super) fn restarts(pod: &Pod) -> i32 {
    containers(pod).map(|container| container.restart_count).sum()
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten())
}
