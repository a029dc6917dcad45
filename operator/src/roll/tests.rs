use proptest::prelude::*;

use super::*;

fn pod(name: &'static str, revision: &'static str, ready: bool) -> Pod<'static> {
    Pod { name, revision: Some(revision), ready, terminating: false }
}

fn step<'a>(pods: &'a [Pod<'a>]) -> Step<'a> {
    next(&Rollout { replicas: 3, update_revision: Some("new"), pods })
}

#[test]
fn the_last_pod_goes_first_while_all_are_ready() {
    let pods = [pod("fleet-0", "old", true), pod("fleet-2", "old", true), pod("fleet-1", "old", true)];
    assert_eq!(step(&pods), Step::Replace { pod: "fleet-2", reason: RestartReason::NewRevision });
}

#[test]
fn ordinals_are_compared_as_numbers() {
    let names: Vec<_> = (0..11).map(|i| format!("fleet-{i}")).collect();
    let pods: Vec<_> = names
        .iter()
        .map(|name| Pod { name, revision: Some("old"), ready: true, terminating: false })
        .collect();
    let rollout = Rollout { replicas: 11, update_revision: Some("new"), pods: &pods };
    assert_eq!(next(&rollout), Step::Replace { pod: "fleet-10", reason: RestartReason::NewRevision });
}

#[test]
fn nothing_happens_when_all_are_new() {
    let pods = ["fleet-0", "fleet-1", "fleet-2"].map(|name| pod(name, "new", true));
    assert_eq!(step(&pods), Step::Done);
}

#[test]
fn the_next_waits_until_the_one_before_is_back() {
    let mut pods = [pod("fleet-0", "old", true), pod("fleet-1", "old", true), pod("fleet-2", "old", true)];
    pods[2].terminating = true;
    assert_eq!(step(&pods), Step::Wait(Waiting::Terminating("fleet-2")));
    assert_eq!(step(&pods[..2]), Step::Wait(Waiting::Missing(1)));
    pods[2] = pod("fleet-2", "new", false);
    assert_eq!(step(&pods), Step::Wait(Waiting::NotReady("fleet-2")));
    pods[2].ready = true;
    assert_eq!(step(&pods), Step::Replace { pod: "fleet-1", reason: RestartReason::NewRevision });
}

#[test]
fn a_broken_revision_is_replaced_by_a_newer_one_at_once() {
    let pods = [pod("fleet-0", "old", true), pod("fleet-1", "old", true), pod("fleet-2", "broken", false)];
    assert_eq!(step(&pods), Step::Replace { pod: "fleet-2", reason: RestartReason::OldRevisionNotReady });
}

#[test]
fn a_broken_newest_revision_takes_no_further_pod() {
    let pods = [pod("fleet-0", "old", true), pod("fleet-1", "old", true), pod("fleet-2", "new", false)];
    assert_eq!(step(&pods), Step::Wait(Waiting::NotReady("fleet-2")));
}

#[test]
fn a_revision_that_is_not_known_yet_replaces_nothing() {
    let pods = [pod("fleet-0", "old", false)];
    let rollout = Rollout { replicas: 1, update_revision: None, pods: &pods };
    assert_eq!(next(&rollout), Step::Wait(Waiting::StatefulSet));
}

#[test]
fn pods_beyond_the_replicas_are_left_to_the_stateful_set() {
    let mut pods = ["fleet-0", "fleet-1", "fleet-2", "fleet-3"].map(|name| pod(name, "new", true));
    pods[3] = pod("fleet-3", "old", false);
    assert_eq!(step(&pods), Step::Done);
    pods[0] = pod("fleet-0", "old", true);
    pods[3].terminating = true;
    assert_eq!(step(&pods), Step::Wait(Waiting::Terminating("fleet-3")));
}

#[test]
fn a_pod_without_a_revision_is_old() {
    let pods = [Pod { revision: None, ..pod("fleet-0", "", true) }];
    let rollout = Rollout { replicas: 1, update_revision: Some("new"), pods: &pods };
    assert_eq!(next(&rollout), Step::Replace { pod: "fleet-0", reason: RestartReason::NewRevision });
}

const NAMES: [&str; 5] = ["fleet-0", "fleet-1", "fleet-2", "fleet-3", "fleet-4"];

fn pods() -> impl Strategy<Value = Vec<Pod<'static>>> {
    let revision = prop::sample::select(vec![None, Some("older"), Some("old"), Some("new")]);
    let one = (any::<bool>(), revision, any::<bool>(), prop::bool::weighted(0.2));
    prop::collection::vec(one, 5).prop_map(|all| {
        let there = NAMES.iter().zip(all).filter(|(_, (there, ..))| *there);
        there
            .map(|(name, (_, revision, ready, terminating))| Pod { name, revision, ready, terminating })
            .collect()
    })
}

proptest! {
    #[test]
    fn no_step_takes_a_pod_that_serves_while_another_does_not(pods in pods(), replicas in 0..=5_i32) {
        let rollout = Rollout { replicas, update_revision: Some("new"), pods: &pods };
        if let Step::Replace { pod, reason } = next(&rollout) {
            let taken = pods.iter().find(|it| it.name == pod).expect("a pod that is there");
            prop_assert!(taken.revision != Some("new") && !taken.terminating);
            prop_assert_eq!(taken.ready, reason == RestartReason::NewRevision);
            let serving = pods.iter().filter(|it| it.ready && !it.terminating && rollout.keeps(it)).count();
            prop_assert!(!taken.ready || serving == replicas as usize);
        }
    }

    #[test]
    fn an_old_pod_that_is_not_ready_never_waits(pods in pods(), replicas in 0..=5_i32) {
        let rollout = Rollout { replicas, update_revision: Some("new"), pods: &pods };
        let broken = |it: &Pod<'_>| !it.ready && !it.terminating && it.revision != Some("new") && rollout.keeps(it);
        if pods.iter().any(broken) {
            let step = next(&rollout);
            let replaced = matches!(step, Step::Replace { reason: RestartReason::OldRevisionNotReady, .. });
            prop_assert!(replaced, "{:?}", step);
        }
    }

    #[test]
    fn done_means_done(pods in pods(), replicas in 0..=5_i32) {
        let rollout = Rollout { replicas, update_revision: Some("new"), pods: &pods };
        let fine = |it: &&Pod<'_>| it.ready && !it.terminating && it.revision == Some("new") && rollout.keeps(it);
        let all = pods.iter().filter(fine).count() == replicas as usize && !pods.iter().any(|it| it.terminating);
        prop_assert_eq!(next(&rollout) == Step::Done, all);
    }

    /// What the StatefulSet does: ends what terminates, makes what is missing anew, and new pods become ready.
    #[test]
    fn every_roll_ends(pods in pods(), replicas in 0..=5_i32) {
        let mut pods = pods;
        for _ in 0..100 {
            let rollout = Rollout { replicas, update_revision: Some("new"), pods: &pods };
            match next(&rollout) {
                Step::Done => return Ok(()),
                Step::Replace { pod, .. } => {
                    let gone = pod.to_owned();
                    pods.retain(|it| it.name != gone);
                }
                Step::Wait(_) => {
                    let all = NAMES.iter().take(replicas as usize);
                    pods = all.map(|name| {
                        let there = pods.iter().find(|it| it.name == *name && !it.terminating);
                        there.copied().map_or_else(|| pod(name, "new", true), |it| Pod { ready: true, ..it })
                    }).collect();
                }
            }
        }
        prop_assert!(false, "a roll without an end: {:?}", pods);
    }
}
