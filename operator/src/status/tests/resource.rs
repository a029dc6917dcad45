//! What the status of a policy resource says.

use super::super::resource::drafts;
use super::*;

fn told(verdict: &Verdict, phase: &Phase) -> Option<Vec<Condition>> {
    let drafts = drafts(verdict, phase)?;
    Some(merge(at(0), &[], &drafts, verdict.version.generation).unwrap())
}

fn overdue() -> Phase {
    Phase::Overdue(Arc::from("fleet"))
}

/// Verdict and phase; what `Accepted`, `Ready`, `Reconciling` and `Stalled` say; what kstatus says.
type Case = (Verdict, Phase, [&'static str; 4], &'static str);

fn cases() -> Vec<Case> {
    let serving = |serving| Verdict { serving, ..sound(1) };
    let hashing = || serving(Serving::Hashing(vec![Arc::from("fleet")]));
    let nobody = serving(Serving::Nobody("no cluster".to_owned()));
    let accepted = "True Valid";
    vec![
        (sound(1), Phase::Enforced, [accepted, "True Enforced", "-", "-"], "Current"),
        (sound(1), overdue(), [accepted, "False Pending", "True Pending", "-"], "InProgress"),
        (hashing(), Phase::Enforced, [accepted, "False Pending", "True Pending", "-"], "InProgress"),
        (hashing(), overdue(), [accepted, "False Pending", "True Pending", "-"], "InProgress"),
        (serving(Serving::Unused), Phase::Enforced, [accepted, "True Unused", "-", "-"], "Current"),
        (nobody, Phase::Enforced, [accepted, "False NotServed", "True NotServed", "-"], "InProgress"),
        (
            refused(1, Reason::RefNotFound, false),
            Phase::Waiting,
            ["False RefNotFound", "False RefNotFound", "True RefNotFound", "-"],
            "InProgress",
        ),
        (
            refused(1, Reason::Conflict, true),
            Phase::Enforced,
            ["False Conflict", "False Conflict", "-", "True Conflict"],
            "Failed",
        ),
        (
            refused(1, Reason::Invalid, true),
            overdue(),
            ["False Invalid", "False Invalid", "-", "True Invalid"],
            "Failed",
        ),
    ]
}

#[test]
fn each_verdict_has_its_words_and_its_meaning_for_kstatus() {
    for (verdict, phase, expected, means) in cases() {
        let told = told(&verdict, &phase).unwrap();
        let found = ["Accepted", "Ready", "Reconciling", "Stalled"].map(|type_| says(&told, type_));
        assert_eq!(found, expected, "{verdict:?} {phase:?}");
        assert_eq!(kstatus(Some(1), Some(1), &told), means, "{verdict:?} {phase:?}");
        assert_eq!(kstatus(Some(2), Some(1), &told), "InProgress");
        assert!(told.iter().all(|condition| !condition.message.is_empty() && !condition.reason.is_empty()));
    }
}

#[test]
fn while_it_is_on_its_way_nothing_is_said() {
    assert_eq!(told(&sound(1), &Phase::Waiting), None);
    let hashing = Verdict { serving: Serving::Hashing(vec![Arc::from("fleet")]), ..sound(1) };
    assert_eq!(told(&hashing, &Phase::Waiting), None);
}

#[test]
fn a_warning_is_told_where_it_is_accepted() {
    let warned = Verdict { warning: Some("Realm `x` has `enabled: false`".to_owned()), ..sound(1) };
    let told = told(&warned, &Phase::Enforced).unwrap();
    assert_eq!(told[0].message, "it is valid, but: Realm `x` has `enabled: false`");
    assert_eq!(says(&told, "Ready"), "True Enforced");
}
