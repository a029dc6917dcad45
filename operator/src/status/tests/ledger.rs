//! Which statuses are written, and that none is written twice.

use moat_crds::Status;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn observed<'a>(version: &'a str, status: &'a Status) -> Observed<'a> {
    Observed {
        resource_version: Some(version),
        observed_generation: status.observed_generation,
        conditions: &status.conditions,
    }
}

/// What the API server makes of a write: it takes what is ours and keeps what is others'. `owned` is what the last
/// write of ours had.
fn apply(has: &Status, owned: &[String], writes: &Status) -> Status {
    let mut conditions: Vec<_> = has
        .conditions
        .iter()
        .filter(|condition| {
            !owned.contains(&condition.type_)
                && !writes.conditions.iter().any(|other| other.type_ == condition.type_)
        })
        .cloned()
        .collect();
    conditions.extend(writes.conditions.iter().cloned());
    Status { observed_generation: writes.observed_generation, conditions }
}

#[test]
fn a_new_object_gets_its_status_once() {
    let (mut ledger, key) = (Ledger::new(), key("r"));
    ledger.observe(&key, Observed { resource_version: Some("1"), ..Observed::default() });
    assert_eq!(ledger.due(&key, &sound(1), &Phase::Waiting, at(0)), None);
    let status = ledger.due(&key, &sound(1), &Phase::Enforced, at(1)).unwrap();
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!(says(&status.conditions, "Ready"), "True Enforced");
    ledger.written(&key, observed("2", &status));
    assert_eq!(ledger.due(&key, &sound(1), &Phase::Enforced, at(2)), None);
    // What the watch shows then is no news, and what it shows late is none either.
    assert!(!ledger.observe(&key, observed("2", &status)));
    assert!(!ledger.observe(&key, Observed { resource_version: Some("1"), ..Observed::default() }));
    assert_eq!(ledger.due(&key, &sound(1), &Phase::Enforced, at(3)), None);
    let next = ledger.due(&key, &sound(2), &Phase::Enforced, at(9)).unwrap();
    assert!(next.conditions.iter().all(|condition| condition.last_transition_time.0 == at(1)));
    ledger.forget(&key);
    assert!(ledger.is_empty());
}

#[test]
fn an_operator_that_starts_knows_what_was_written_before() {
    let (mut ledger, key) = (Ledger::new(), key("r"));
    let earlier = Ledger::new().due(&key, &sound(3), &Phase::Enforced, at(0)).unwrap();
    ledger.observe(&key, observed("77", &earlier));
    assert_eq!(ledger.due(&key, &sound(3), &Phase::Enforced, at(5)), None);
    assert_eq!((ledger.len(), ledger.is_empty()), (1, false));
}

#[test]
fn what_was_enforced_does_not_become_pending_without_a_new_generation() {
    let (mut ledger, key) = (Ledger::new(), key("r"));
    let overdue = Phase::Overdue(Arc::from("fleet"));
    let hashing =
        |generation| Verdict { serving: Serving::Hashing(vec![Arc::from("fleet")]), ..sound(generation) };
    let ready = ledger.due(&key, &sound(1), &Phase::Enforced, at(0)).unwrap();
    ledger.written(&key, observed("2", &ready));
    assert_eq!(ledger.due(&key, &sound(1), &overdue, at(9)), None);
    assert_eq!(ledger.due(&key, &hashing(1), &Phase::Enforced, at(9)), None);
    assert!(ledger.due(&key, &sound(2), &overdue, at(9)).is_some());
    assert!(ledger.due(&key, &hashing(2), &Phase::Enforced, at(9)).is_some());
    let lost = Verdict { serving: Serving::Nobody("gone".to_owned()), ..sound(1) };
    assert!(ledger.due(&key, &lost, &Phase::Enforced, at(9)).is_some());
    assert!(ledger.due(&key, &refused(1, Reason::RefNotFound, false), &Phase::Waiting, at(9)).is_some());
}

#[test]
fn what_someone_else_wrote_is_noticed_and_overruled() {
    let (mut ledger, key) = (Ledger::new(), key("r"));
    let ready = ledger.due(&key, &sound(1), &Phase::Enforced, at(0)).unwrap();
    ledger.written(&key, observed("2", &ready));
    let mut edited = ready.clone();
    edited.conditions[1] = condition("Ready", "False", "Theirs", 3);
    edited.conditions.push(condition("Stalled", "True", "Theirs", 3));
    edited.conditions.push(condition("Scanned", "True", "Theirs", 3));
    assert!(ledger.observe(&key, observed("3", &edited)));
    let healed = ledger.due(&key, &sound(1), &Phase::Enforced, at(4)).unwrap();
    assert_eq!(healed.conditions.len(), 2);
    // The foreign `Stalled` does not go by being left out; then it is said not to be so.
    let owned = vec!["Accepted".to_owned(), "Ready".to_owned()];
    let has = apply(&edited, &owned, &healed);
    ledger.written(&key, observed("4", &has));
    let again = ledger.due(&key, &sound(1), &Phase::Enforced, at(5)).unwrap();
    assert_eq!(says(&again.conditions, "Stalled"), "False NotSo");
    let has = apply(&has, &owned, &again);
    ledger.written(&key, observed("5", &has));
    assert_eq!(ledger.due(&key, &sound(1), &Phase::Enforced, at(6)), None);
    assert_eq!(says(&has.conditions, "Scanned"), "True Theirs");
}

#[test]
fn a_status_that_was_taken_away_is_written_again() {
    let (mut ledger, key) = (Ledger::new(), key("r"));
    let ready = ledger.due(&key, &sound(1), &Phase::Enforced, at(0)).unwrap();
    ledger.written(&key, observed("2", &ready));
    assert!(ledger.observe(&key, Observed { resource_version: Some("3"), ..Observed::default() }));
    assert!(ledger.due(&key, &sound(1), &Phase::Enforced, at(1)).is_some());
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let accepted = prop_oneof![
        3 => Just(Accepted::Yes),
        1 => (select(vec![Reason::Conflict, Reason::RefNotFound]), select(vec!["mend it", "mend that"])).prop_map(
            |(reason, message)| {
                let terminal = reason == Reason::Conflict;
                Accepted::No { reason, message: message.to_owned(), terminal }
            }
        ),
    ];
    let clusters = || vec![Arc::from("fleet")];
    let serving = prop_oneof![
        3 => Just(Serving::Clusters(clusters())),
        1 => Just(Serving::Hashing(clusters())),
        1 => Just(Serving::Unused),
        1 => Just(Serving::Nobody("no cluster".to_owned())),
    ];
    (1..4_i64, accepted, prop::option::of(Just("careful".to_owned())), serving).prop_map(
        |(generation, accepted, warning, serving)| Verdict {
            version: version(generation),
            accepted,
            warning,
            serving,
        },
    )
}

fn foreign() -> impl Strategy<Value = Condition> {
    let types = vec!["Accepted", "Ready", "Reconciling", "Stalled", "Scanned"];
    (select(types), select(vec!["True", "False", "Unknown", ""]), 0..9_i64)
        .prop_map(|(type_, status, since)| condition(type_, status, "Theirs", since))
}

fn phase() -> impl Strategy<Value = Phase> {
    select(vec![Phase::Enforced, Phase::Waiting, Phase::Overdue(Arc::from("fleet"))])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever happens to a status, at most two writes make it what it shall be, and no third follows.
    #[test]
    fn statuses_settle(
        steps in prop::collection::vec((verdict(), phase(), prop::option::of(foreign())), 1..12),
        restart in any::<bool>(),
    ) {
        let key = key("r");
        let (mut ledger, mut has, mut owned) = (Ledger::new(), Status::default(), Vec::new());
        let mut resource_version = 1_u64;
        for (turn, (verdict, phase, foreign)) in steps.into_iter().enumerate() {
            if let Some(foreign) = foreign {
                has.conditions.retain(|condition| condition.type_ != foreign.type_);
                owned.retain(|type_| *type_ != foreign.type_);
                has.conditions.push(foreign);
                resource_version += 1;
            }
            if restart {
                ledger = Ledger::new();
            }
            ledger.observe(&key, observed(&resource_version.to_string(), &has));
            let now = at(turn as i64);
            let mut writes = 0;
            while let Some(status) = ledger.due(&key, &verdict, &phase, now) {
                writes += 1;
                prop_assert!(writes <= 2, "{:?} and again {:?}", has, status);
                let mut types: Vec<_> = status.conditions.iter().map(|condition| &condition.type_).collect();
                prop_assert!(types.is_sorted());
                types.dedup();
                prop_assert_eq!(types.len(), status.conditions.len());
                has = apply(&has, &owned, &status);
                owned = status.conditions.iter().map(|condition| condition.type_.clone()).collect();
                resource_version += 1;
                ledger.written(&key, observed(&resource_version.to_string(), &has));
            }
            if writes > 0 {
                let fresh = Ledger::new().due(&key, &verdict, &phase, now).unwrap();
                for type_ in ["Accepted", "Ready", "Reconciling", "Stalled"] {
                    let (found, fresh) = (says(&has.conditions, type_), says(&fresh.conditions, type_));
                    prop_assert!(found == fresh || (fresh == "-" && found.starts_with("False")), "{} {}", found, fresh);
                }
                let means = kstatus(verdict.version.generation, has.observed_generation, &has.conditions);
                prop_assert_eq!(means == "Current", says(&has.conditions, "Ready").starts_with("True"));
            }
        }
    }
}
