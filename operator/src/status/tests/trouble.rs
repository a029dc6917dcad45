//! What keeps a pod from running.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::*;

fn pod(status: Value) -> Pod {
    let metadata = json!({ "name": "fleet-0", "namespace": "iot" });
    serde_json::from_value(
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status }),
    )
    .unwrap()
}

fn time(seconds: i64) -> String {
    at(seconds).to_string()
}

fn unscheduled(message: &str) -> Pod {
    let scheduled = json!({
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        "lastTransitionTime": time(0),
    });
    pod(json!({ "conditions": [scheduled] }))
}

fn container(state: Value, rest: Value) -> Pod {
    let mut container = json!({
        "name": "broker", "image": "moat:1", "imageID": "", "ready": false, "restartCount": 0, "state": state,
    });
    container.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    pod(json!({ "startTime": time(0), "containerStatuses": [container] }))
}

fn waiting(reason: &str, message: &str) -> Pod {
    container(json!({ "waiting": { "reason": reason, "message": message } }), json!({}))
}

fn ended(code: i32, reason: &str, at: i64) -> Value {
    json!({ "terminated": { "exitCode": code, "reason": reason, "finishedAt": time(at) } })
}

fn found(pod: &Pod, now: i64) -> Option<TroubleReason> {
    trouble(pod, at(now)).map(|trouble| trouble.reason)
}

#[test]
fn a_pod_that_starts_is_in_no_trouble() {
    assert_eq!(found(&pod(json!({})), 99), None);
    assert_eq!(found(&waiting("ContainerCreating", ""), 99), None);
    assert_eq!(found(&container(json!({ "running": { "startedAt": time(0) } }), json!({})), 99), None);
}

#[test]
fn an_image_that_cannot_be_pulled_is_told_in_the_same_words_while_it_is_tried_again() {
    let pull = "failed to pull and unpack image \"moat:1\": not found";
    let fails = waiting("ErrImagePull", pull);
    let pauses =
        waiting("ImagePullBackOff", &format!("Back-off pulling image \"moat:1\": ErrImagePull: {pull}"));
    assert_eq!(found(&fails, 9), None, "registries have hiccups");
    assert_eq!(trouble(&fails, at(10)), trouble(&pauses, at(60)));
    let told = trouble(&fails, at(10)).unwrap();
    assert_eq!(told.reason.as_str(), "ImagePullFailed");
    assert!(told.reason.needs_a_person());
    assert!(told.message.contains("moat:1") && told.message.contains("not found"), "{}", told.message);
    for at_once in ["InvalidImageName", "ErrImageNeverPull"] {
        assert_eq!(found(&waiting(at_once, "x"), 0), Some(TroubleReason::ImagePullFailed));
    }
}

#[test]
fn a_volume_that_is_not_bound_is_told_from_a_node_that_is_missing() {
    let volumes = [
        "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.",
        "persistentvolumeclaim \"data-fleet-0\" not found",
        "0/1 nodes are available: 1 node(s) had volume node affinity conflict.",
    ];
    for message in volumes {
        assert_eq!(found(&unscheduled(message), 29), None, "it may yet be made");
        let told = trouble(&unscheduled(message), at(30)).unwrap();
        assert_eq!(told.reason, TroubleReason::VolumeNotBound);
        assert!(
            told.message.contains(message)
                && told.message.contains("kubectl describe pvc data-fleet-0 -n iot"),
            "{}",
            told.message
        );
    }
    let room = unscheduled("0/1 nodes are available: 1 Insufficient memory.");
    assert_eq!((found(&room, 9), found(&room, 10)), (None, Some(TroubleReason::Unschedulable)));
    assert!(!TroubleReason::Unschedulable.needs_a_person());
}

#[test]
fn a_broker_that_ends_again_and_again_is_told_between_its_ends_too() {
    let back_off = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 40s" } });
    let last = json!({ "restartCount": 3, "lastState": ended(1, "Error", 0) });
    let pauses = container(back_off, last.clone());
    let runs = container(json!({ "running": { "startedAt": time(1) } }), last);
    let has_ended = container(ended(1, "Error", 0), json!({ "restartCount": 2 }));
    let told = trouble(&pauses, at(9)).unwrap();
    assert_eq!(told.reason, TroubleReason::CrashLooping);
    assert!(
        told.message.contains("exit code 1 (Error)")
            && told.message.contains("kubectl logs fleet-0 -n iot --previous")
    );
    assert_eq!(trouble(&runs, at(9)), Some(told.clone()));
    assert_eq!(trouble(&has_ended, at(9)), Some(told));
    // It heals: by being ready, or by having run for long.
    let ready = json!({ "restartCount": 3, "ready": true, "lastState": ended(1, "Error", 0) });
    assert_eq!(found(&container(json!({ "running": { "startedAt": time(1) } }), ready), 9), None);
    assert_eq!(found(&runs, 601), None);
    // Once is no habit.
    let once = json!({ "restartCount": 1, "lastState": ended(137, "OOMKilled", 0) });
    assert_eq!(found(&container(json!({ "running": { "startedAt": time(1) } }), once), 9), None);
}

#[test]
fn a_container_that_cannot_be_made_is_told_with_the_kubelets_words() {
    let told = trouble(&waiting("CreateContainerConfigError", "secret \"x\" not found"), at(0)).unwrap();
    assert_eq!(told.reason, TroubleReason::ContainerNotStarted);
    assert!(told.message.contains("secret \"x\" not found"));
}
