//! What the status of an MqttCluster says.

use moat_crds::MqttClusterStatus;
use moat_crds::delivery::{ListenerReport, Report, ReportProblem, Schemas};
use moat_policy::Digest;

use super::super::cluster::{
    ClusterFacts, Desired, HeldKind, PodFacts, Problem, Workload, conditions, due, enforced,
};
use super::*;

const DIGEST: Digest = Digest([7; 32]);

/// A cluster that was just created.
pub(super) fn facts() -> ClusterFacts {
    ClusterFacts {
        namespace: "iot".to_owned(),
        name: "fleet".to_owned(),
        generation: Some(1),
        verdict: sound(1),
        waits: true,
        desired: None,
        replicas: 1,
        workload: None,
        pods: Vec::new(),
        problems: Vec::new(),
        held: Vec::new(),
        selector: "app=fleet".to_owned(),
        version: Some("0.1.0".to_owned()),
    }
}

/// One that serves, at generation 7 of its manifest.
pub(super) fn settled() -> ClusterFacts {
    ClusterFacts {
        waits: false,
        desired: Some(Desired { schema: 1, generation: 7, digest: DIGEST }),
        workload: Some(Workload { observed: true, current: 1, updated: 1, ready: 1 }),
        pods: vec![pod("fleet-0", Some(report(7)))],
        ..facts()
    }
}

pub(super) fn pod(name: &str, report: Option<Report>) -> PodFacts {
    PodFacts { name: name.to_owned(), ready: true, report, ..PodFacts::default() }
}

pub(super) fn report(generation: u64) -> Report {
    Report {
        version: 1,
        boot_id: "boot".to_owned(),
        schemas: Schemas { min: 1, max: 1 },
        cluster: Some("uid".to_owned()),
        generation: Some(generation),
        digest: Some(if generation == 7 { DIGEST } else { Digest([0; 32]) }),
        pending: 0,
        listeners: Vec::new(),
        problem: None,
    }
}

pub(super) fn trouble(reason: TroubleReason) -> PodTrouble {
    PodTrouble { reason, message: "a person would know what to do".to_owned() }
}

fn say(facts: &ClusterFacts, type_: &str) -> (String, String) {
    let found = conditions(facts).into_iter().find(|draft| draft.type_ == type_);
    found.map_or(("-".to_owned(), String::new()), |draft| {
        (format!("{} {}", if draft.status { "True" } else { "False" }, draft.reason), draft.message)
    })
}

fn word(facts: &ClusterFacts, type_: &str) -> String {
    say(facts, type_).0
}

#[test]
fn a_cluster_that_serves() {
    let facts = settled();
    let expected = [
        ("Accepted", "True Valid"),
        ("Ready", "True Serving"),
        ("Reconciling", "-"),
        ("Stalled", "-"),
        ("PolicyApplied", "True Enforced"),
        ("Available", "True PodsReady"),
        ("Progressing", "False Settled"),
        ("PolicyHeld", "-"),
    ];
    for (type_, says) in expected {
        assert_eq!(word(&facts, type_), says, "{type_}");
    }
    assert_eq!(say(&facts, "PolicyApplied").1, format!("1/1 pods at sha256:{}", "07".repeat(32)));
    assert_eq!(enforced(&facts), Some(7));
}

#[test]
fn a_new_cluster_is_on_its_way() {
    let facts = facts();
    assert_eq!(word(&facts, "Ready"), "False Creating");
    assert_eq!(word(&facts, "Reconciling"), "True Creating");
    assert_eq!(word(&facts, "PolicyApplied"), "False NotPublished");
    assert_eq!(word(&facts, "Available"), "False NoPodReady");
    assert_eq!(word(&facts, "Progressing"), "True Creating");
    assert_eq!(enforced(&facts), None);
}

#[test]
fn what_a_rollout_lacks_is_told() {
    let with = |observed, current, updated, ready| {
        let workload = Some(Workload { observed, current, updated, ready });
        word(&ClusterFacts { workload, ..settled() }, "Ready")
    };
    assert_eq!(with(false, 1, 1, 1), "False Updating");
    assert_eq!(with(true, 2, 1, 1), "False Scaling");
    assert_eq!(with(true, 1, 0, 1), "False RollingOut");
    assert_eq!(with(true, 1, 1, 0), "False PodsStarting");
}

#[test]
fn why_a_pod_lags_is_told() {
    let lag = |change: &dyn Fn(&mut PodFacts)| {
        let mut facts = settled();
        facts.pods[0].report = Some(report(6));
        change(&mut facts.pods[0]);
        (say(&facts, "PolicyApplied"), word(&facts, "Ready"), enforced(&facts))
    };
    let (applied, ready, enforced) = lag(&|_| {});
    assert_eq!((&*applied.0, &*ready, enforced), ("False Lagging", "True Serving", Some(6)));
    assert!(applied.1.starts_with("0/1 pods at sha256:0707") && applied.1.contains("pod fleet-0"));

    let (applied, ready, enforced) = lag(&|pod| {
        pod.report = Some(Report { pending: 3, ..report(7) });
    });
    assert_eq!((&*applied.0, &*ready, enforced), ("False Lagging", "True Serving", None));

    let (applied, ready, _) = lag(&|pod| {
        let (reason, message) = ("DigestMismatch".to_owned(), "shard altered".to_owned());
        pod.report.as_mut().unwrap().problem = Some(ReportProblem { reason, message });
    });
    assert_eq!((&*applied.0, &*ready), ("False DigestMismatch", "False DigestMismatch"));
    assert!(applied.1.ends_with("pod fleet-0: shard altered"), "{}", applied.1);

    let (applied, ready, _) = lag(&|pod| pod.report.as_mut().unwrap().schemas = Schemas { min: 2, max: 3 });
    assert_eq!((&*applied.0, &*ready), ("False BrokerTooOld", "False BrokerTooOld"));
    assert!(applied.1.contains("spec.version"), "{}", applied.1);

    let (applied, ready, enforced) = lag(&|pod| pod.report_error = Some("timed out".to_owned()));
    assert_eq!((&*applied.0, &*ready, enforced), ("False PodUnreachable", "True Serving", Some(6)));

    let (applied, _, enforced) = lag(&|pod| pod.report = None);
    assert_eq!((&*applied.0, enforced), ("False PodStarting", None));

    let (applied, _, enforced) = lag(&|pod| {
        pod.report = Some(Report { cluster: Some("another".to_owned()), ..report(7) });
    });
    assert_eq!(
        (&*applied.0, enforced),
        ("False Lagging", None),
        "the policy of one that had its name before"
    );
}

#[test]
fn a_pod_that_cannot_be_asked_keeps_what_it_had() {
    let mut facts = settled();
    facts.pods[0].report_error = Some("timed out".to_owned());
    assert_eq!((word(&facts, "PolicyApplied"), enforced(&facts)), ("True Enforced".to_owned(), Some(7)));
}

#[test]
fn the_slowest_pod_counts_and_one_that_goes_does_not() {
    let mut facts = settled();
    facts.replicas = 2;
    facts.workload = Some(Workload { observed: true, current: 2, updated: 2, ready: 2 });
    assert_eq!((word(&facts, "PolicyApplied"), enforced(&facts)), ("False PodMissing".to_owned(), None));
    facts.pods.push(pod("fleet-1", Some(report(5))));
    let (applied, message) = say(&facts, "PolicyApplied");
    assert_eq!((&*applied, enforced(&facts)), ("False Lagging", Some(5)));
    assert!(message.starts_with("1/2 pods at ") && message.contains("fleet-1"));
    let going = PodFacts { terminating: true, ..pod("fleet-2", Some(report(1))) };
    facts.pods[1].report = Some(report(7));
    facts.pods.push(going);
    assert_eq!((word(&facts, "PolicyApplied"), enforced(&facts)), ("True Enforced".to_owned(), Some(7)));
}

#[test]
fn a_listener_that_is_closed_is_told() {
    let mut facts = settled();
    let problem = Some("port 1883 is in use".to_owned());
    let listener = ListenerReport { name: "backend".to_owned(), open: false, problem };
    facts.pods[0].report.as_mut().unwrap().listeners.push(listener);
    let (ready, message) = say(&facts, "Ready");
    assert_eq!(ready, "False ListenerNotOpen");
    assert!(message.contains("`backend`") && message.contains("port 1883 is in use"));
}

#[test]
fn what_a_person_must_mend_is_told_before_what_passes() {
    let mut facts = settled();
    facts.verdict = refused(1, Reason::SecretNotFound, false);
    let (reason, message) = ("NameConflict".to_owned(), "a Service is in the way".to_owned());
    facts.problems.push(Problem { reason, message, terminal: true });
    assert_eq!(word(&facts, "Accepted"), "False SecretNotFound");
    assert_eq!(word(&facts, "Ready"), "False NameConflict");
    assert_eq!(
        (word(&facts, "Stalled"), word(&facts, "Reconciling")),
        ("True NameConflict".into(), "-".into())
    );
    facts.problems.clear();
    assert_eq!(word(&facts, "Reconciling"), "True SecretNotFound");
}

#[test]
fn a_pod_in_trouble_is_told_wherever_it_matters_and_heals() {
    let mut facts = settled();
    facts.workload = Some(Workload { ready: 0, ..facts.workload.unwrap() });
    facts.pods = vec![PodFacts {
        trouble: Some(trouble(TroubleReason::ImagePullFailed)),
        ready: false,
        ..pod("fleet-0", None)
    }];
    for (type_, says) in [
        ("Ready", "False ImagePullFailed"),
        ("Stalled", "True ImagePullFailed"),
        ("Reconciling", "-"),
        ("Available", "False ImagePullFailed"),
        ("Progressing", "False ImagePullFailed"),
        ("PolicyApplied", "False ImagePullFailed"),
    ] {
        assert_eq!(word(&facts, type_), says, "{type_}");
    }
    facts.pods[0].trouble = None;
    assert_eq!(
        (word(&facts, "Stalled"), word(&facts, "Progressing")),
        ("-".into(), "True PodsStarting".into())
    );
}

#[test]
fn what_is_held_is_told_with_the_way_out() {
    let held = |kind, reason: Option<&str>, count| HeldKind {
        kind,
        reason: reason.map(str::to_owned),
        message: reason.map(|_| format!("{kind}s cannot be read")),
        count,
    };
    let of = |held: Vec<HeldKind>| say(&ClusterFacts { held, ..settled() }, "PolicyHeld");
    assert_eq!(of(vec![]).0, "-");
    let (says, message) = of(vec![held(Kind::Role, Some("KindUnreadable"), 0)]);
    assert_eq!(says, "True KindUnreadable");
    assert_eq!(message, "Roles cannot be read; what is known of kind Role stays in force");
    let (says, message) = of(vec![held(Kind::Role, Some("DefinitionMissing"), 2)]);
    assert_eq!(says, "True DefinitionMissing");
    assert!(
        message.contains("2 resources of kind Role are gone from the API and stay in force"),
        "{message}"
    );
    assert!(!message.contains("annotate"), "nothing can be let go while the kind is missing: {message}");
    let (says, message) = of(vec![held(Kind::Role, None, 1), held(Kind::Permission, None, 2)]);
    assert_eq!(says, "True Gone");
    let command = "kubectl annotate mqttcluster fleet -n iot moat.dev/release-held=Role,Permission";
    assert!(message.contains(command), "{message}");
    assert_eq!(
        word(&ClusterFacts { held: vec![held(Kind::Role, None, 1)], ..settled() }, "Ready"),
        "True Serving"
    );
}

#[test]
fn a_status_is_written_when_it_says_something_else_and_only_then() {
    let facts = settled();
    let status = due(&facts, None, at(0)).unwrap();
    let MqttClusterStatus { observed_generation, replicas, ready_replicas, selector, version, .. } = &status;
    assert_eq!((*observed_generation, *replicas, *ready_replicas), (Some(1), 1, 1));
    assert_eq!((selector.as_deref(), version.as_deref()), (Some("app=fleet"), Some("0.1.0")));
    assert_eq!(due(&facts, Some(&status), at(5)), None);
    let mut other = facts.clone();
    other.pods[0].ready = false;
    let next = due(&other, Some(&status), at(5)).unwrap();
    assert_eq!(
        (next.ready_replicas, says(&next.conditions, "Available")),
        (0, "False NoPodReady".to_owned())
    );
    let accepted = next.conditions.iter().find(|condition| condition.type_ == "Accepted").unwrap();
    assert_eq!(accepted.last_transition_time.0, at(0));
    // A version that is not known yet does not take back the one that was recorded.
    let unknown = ClusterFacts { version: None, ..facts.clone() };
    assert_eq!(due(&unknown, Some(&status), at(5)), None);
    // What was seen and not compiled is not observed.
    let newer = ClusterFacts { generation: Some(2), ..facts };
    assert_eq!(due(&newer, Some(&status), at(5)), None);
}
