//! Who waits for which generation.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn enforcement() -> Enforcement {
    Enforcement::new(DEADLINE)
}

#[test]
fn a_resource_waits_until_all_pods_enforce_the_generation_that_first_holds_it() {
    let mut waits = enforcement();
    assert_eq!(waits.phase(&key("r")), Phase::Enforced, "nobody said that it waits");
    waits.compiled("fleet", [key("r"), key("s")], at(0));
    assert_eq!(waits.phase(&key("r")), Phase::Waiting);
    let first = waits.mark("fleet");
    // Changed again before the manifest was written, which does not hold that.
    waits.compiled("fleet", [key("s")], at(1));
    assert_eq!(waits.published("fleet", first, 7), []);
    assert_eq!(waits.reported("fleet", Some(6)), []);
    assert_eq!(waits.reported("fleet", Some(7)), [key("r")]);
    assert_eq!((waits.phase(&key("r")), waits.phase(&key("s"))), (Phase::Enforced, Phase::Waiting));
    assert_eq!(waits.published("fleet", waits.mark("fleet"), 8), []);
    assert_eq!(waits.reported("fleet", Some(9)), [key("s")], "a newer one holds it too");
}

#[test]
fn what_the_live_manifest_holds_already_is_due_at_once() {
    let mut waits = enforcement();
    waits.compiled("fleet", [key("r")], at(0));
    assert_eq!(waits.reported("fleet", Some(7)), []);
    assert_eq!(waits.published("fleet", waits.mark("fleet"), 7), [key("r")]);
}

#[test]
fn a_pod_that_is_away_holds_back_what_comes_and_takes_nothing_back() {
    let mut waits = enforcement();
    waits.compiled("fleet", [key("r")], at(0));
    assert_eq!(waits.published("fleet", waits.mark("fleet"), 1), []);
    assert_eq!(waits.reported("fleet", Some(1)), [key("r")]);
    assert_eq!(waits.reported("fleet", None), []);
    assert_eq!(waits.phase(&key("r")), Phase::Enforced);
    waits.compiled("fleet", [key("s")], at(1));
    assert_eq!(waits.published("fleet", waits.mark("fleet"), 2), []);
    assert_eq!(waits.reported("fleet", Some(2)), [key("s")]);
}

#[test]
fn what_waits_too_long_is_told_once_and_heals() {
    let mut waits = enforcement();
    assert_eq!(waits.next_deadline(), None);
    waits.compiled("fleet", [key("r")], at(0));
    waits.compiled("fleet", [key("s")], at(3));
    assert_eq!(waits.next_deadline(), Some(at(5)));
    assert_eq!(waits.overdue(at(4)), []);
    assert_eq!(waits.overdue(at(5)), [key("r")]);
    assert_eq!(waits.phase(&key("r")), Phase::Overdue(Arc::from("fleet")));
    assert_eq!(waits.phase(&key("s")), Phase::Waiting);
    assert_eq!((waits.overdue(at(6)), waits.next_deadline()), (vec![], Some(at(8))));
    assert_eq!(waits.overdue(at(99)), [key("s")]);
    let mark = waits.mark("fleet");
    assert_eq!(waits.published("fleet", mark, 1), []);
    assert_eq!(waits.reported("fleet", Some(1)), [key("r"), key("s")]);
    assert_eq!(waits.phase(&key("r")), Phase::Enforced);
    // Compiled anew, it waits anew.
    waits.compiled("fleet", [key("r")], at(100));
    assert_eq!(waits.phase(&key("r")), Phase::Waiting);
}

#[test]
fn what_two_clusters_have_waits_for_both() {
    let mut waits = enforcement();
    for cluster in ["fleet", "other"] {
        waits.compiled(cluster, [key("p")], at(0));
        assert_eq!(waits.published(cluster, waits.mark(cluster), 1), []);
    }
    assert_eq!(waits.reported("fleet", Some(1)), [key("p")]);
    assert_eq!(waits.phase(&key("p")), Phase::Waiting);
    assert_eq!(waits.overdue(at(9)), [key("p")]);
    assert_eq!(waits.phase(&key("p")), Phase::Overdue(Arc::from("other")));
    waits.forget_cluster("other");
    assert_eq!(waits.phase(&key("p")), Phase::Enforced);
    waits.compiled("fleet", [key("p")], at(10));
    waits.forget(&key("p"));
    assert_eq!(waits.phase(&key("p")), Phase::Enforced);
}

#[derive(Clone, Debug)]
enum Step {
    Compile(Vec<&'static str>),
    /// A manifest is planned from the policy as it is then.
    Plan,
    /// The plan is written.
    Write,
    Report(Option<u64>),
    Forget(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let name = || select(vec!["a", "b", "c", "d"]);
    prop_oneof![
        4 => prop::collection::vec(name(), 0..3).prop_map(Step::Compile),
        2 => Just(Step::Plan),
        2 => Just(Step::Write),
        3 => prop::option::of(0..6_u64).prop_map(Step::Report),
        1 => name().prop_map(Step::Forget),
    ]
}

proptest! {
    #[test]
    fn who_waits_is_who_no_enforced_manifest_holds(steps in prop::collection::vec(step(), 1..40)) {
        let mut waits = enforcement();
        let (mut compiles, mut plan, mut generation) = (0_u64, None, 0_u64);
        // When each was compiled last, and what each generation holds.
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        let mut holds: BTreeMap<u64, u64> = BTreeMap::new();
        let (mut enforced, mut reached) = (None::<u64>, 0_u64);
        for step in steps {
            let before: BTreeSet<_> = last.iter().filter(|(_, at)| **at > reached).map(|(name, _)| *name).collect();
            let mut due = Vec::new();
            match step {
                Step::Compile(names) => {
                    compiles += 1;
                    waits.compiled("fleet", names.iter().map(|name| key(name)), at(0));
                    last.extend(names.into_iter().map(|name| (name, compiles)));
                }
                Step::Plan => plan = Some((waits.mark("fleet"), compiles)),
                Step::Write => {
                    if let Some((mark, compiled)) = plan.take() {
                        generation += 1;
                        holds.insert(generation, compiled);
                        due = waits.published("fleet", mark, generation);
                    }
                }
                Step::Report(of) => {
                    enforced = of.map(|of| of.min(generation)).filter(|of| *of > 0);
                    due = waits.reported("fleet", enforced);
                }
                Step::Forget(name) => {
                    last.remove(name);
                    waits.forget(&key(name));
                }
            }
            let now = enforced.map(|enforced| holds.range(..=enforced).map(|(_, holds)| *holds).max().unwrap_or(0));
            reached = reached.max(now.unwrap_or(0));
            for name in ["a", "b", "c", "d"] {
                let is_waiting = last.get(name).is_some_and(|at| *at > reached);
                prop_assert_eq!(waits.phase(&key(name)) == Phase::Waiting, is_waiting, "{}", name);
                let arrived = before.contains(name) && !is_waiting && last.contains_key(name);
                prop_assert_eq!(due.contains(&key(name)), arrived, "{}", name);
            }
        }
    }
}
