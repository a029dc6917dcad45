//! A cluster through its life, as kstatus sees it.

use super::super::cluster::{self, ClusterFacts};
use super::cluster::{facts, pod, report, settled, trouble};
use super::*;

fn means(facts: &ClusterFacts) -> &'static str {
    let status = cluster::due(facts, None, at(0)).unwrap();
    kstatus(facts.verdict.version.generation, status.observed_generation, &status.conditions)
}

#[test]
fn a_cluster_through_its_life() {
    assert_eq!(kstatus(Some(1), Some(-1), &[]), "InProgress", "as the CRD's default has it");
    let mut life = facts();
    assert_eq!(means(&life), "InProgress");
    life = settled();
    assert_eq!(means(&life), "Current");
    // Its spec changed, and the pods do not have that yet.
    life.waits = true;
    assert_eq!(means(&life), "InProgress");
    life.waits = false;
    // A newer policy is on its way: that is no matter of the cluster's own.
    life.pods = vec![pod("fleet-0", Some(report(6)))];
    assert_eq!(means(&life), "Current");
    // Its pod restarts.
    life.pods[0].ready = false;
    assert_eq!(means(&life), "InProgress");
    // And does not come back.
    for (reason, expected) in [
        (TroubleReason::CrashLooping, "InProgress"),
        (TroubleReason::Unschedulable, "InProgress"),
        (TroubleReason::ContainerNotStarted, "InProgress"),
        (TroubleReason::ImagePullFailed, "Failed"),
        (TroubleReason::VolumeNotBound, "Failed"),
    ] {
        life.pods[0].trouble = Some(trouble(reason));
        assert_eq!(means(&life), expected, "{reason:?}");
    }
    // A person mended it.
    assert_eq!(means(&settled()), "Current");
    let broken = |reason, terminal| ClusterFacts { verdict: refused(1, reason, terminal), ..settled() };
    assert_eq!(means(&broken(Reason::Invalid, true)), "Failed");
    assert_eq!(means(&broken(Reason::SecretNotFound, false)), "InProgress");
    let mut problem = settled();
    for (terminal, expected) in [(true, "Failed"), (false, "InProgress")] {
        let reason = "NameConflict".to_owned();
        problem.problems = vec![cluster::Problem { reason, message: "in the way".to_owned(), terminal }];
        assert_eq!(means(&problem), expected);
    }
}
