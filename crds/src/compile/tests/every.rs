//! One compilation of every cluster says what the compiles of each say, and says what changed.

use std::collections::{BTreeMap, BTreeSet};

use moat_policy::Digest;
use proptest::prelude::*;

use super::super::{ClusterSelection, Compilation, Diagnostic, ListenerSpec, Problem, Version};
use super::incremental::{Step, changes, step, upsert};
use super::*;

/// All that there is to say of a resource.
type Said = (Version, Vec<Problem>, Vec<ResourceKey>, bool, bool);

fn states(all: &Compilation) -> BTreeMap<ResourceKey, Said> {
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Secret);
    let state = |key: ResourceKey| {
        let state = all.state(&key).unwrap();
        let is_named = state.is_named && key.kind == Kind::Permission;
        let said =
            (state.version.clone(), state.problems.to_vec(), state.clusters, is_named, state.is_wanted);
        (key, said)
    };
    kinds.flat_map(|kind| all.keys(kind)).map(state).collect()
}

fn clusters(all: &Compilation) -> BTreeMap<ResourceKey, (Version, Digest, Vec<ListenerSpec>)> {
    let compiled = |key: ResourceKey| {
        let compiled = all.cluster(&key)?;
        Some((key, (compiled.version.clone(), compiled.digest, compiled.listeners.to_vec())))
    };
    all.keys(Kind::MqttCluster).filter_map(compiled).collect()
}

fn diagnostics(all: &Compilation) -> BTreeSet<Diagnostic> {
    let about = |(key, said): (ResourceKey, Said)| said.1.into_iter().map(move |problem| problem.about(&key));
    states(all).into_iter().flat_map(about).collect()
}

fn named(name: &str) -> Options {
    let cluster = ClusterSelection::Named { namespace: "iot".into(), name: name.into() };
    Options { cluster, ..Options::default() }
}

/// The wanted passwords of all clusters, as steps of the other property test take them.
fn now(all: &Compilation) -> Compiled {
    let mut compiled = compile(&Options::default(), Resources::new(), &LastGood::new(), &Verifiers::new());
    compiled.wanted = all.wanted().cloned().collect();
    compiled
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_cluster_at_once_is_each_by_itself(
        first in prop::collection::vec(upsert(), 0..32),
        steps in prop::collection::vec(prop::collection::vec(step(), 1..3), 1..16),
    ) {
        let mut resources = Resources::new();
        let mut all = Compilation::new(Conflicts::OldestServes, LastGood::new(), Verifiers::new());
        let first: Vec<_> = first.into_iter().map(Step::Upsert).collect();
        for steps in std::iter::once(first).chain(steps) {
            let (said, compiled) = (states(&all), clusters(&all));
            for step in steps {
                let changes = changes(step, &mut resources, &now(&all));
                changes.into_iter().for_each(|change| all.take(change));
            }
            let (changed, last_good) = (all.build(), all.last_good());

            let mut union = BTreeSet::new();
            for name in ["a", "b", "c", "nowhere"] {
                let mut one = Compiler::new(named(name), last_good.clone(), all.verifiers().clone());
                let one = one.apply(resources.clone().into_changes());
                // Secrets have no status, and cannot be refused by Kubernetes.
                let told = |d: &Diagnostic| d.reason != Reason::ClusterNotFound && d.resource.kind != Kind::Secret;
                union.extend(one.diagnostics.into_iter().filter(told));
                let found = all.cluster(&key(Kind::MqttCluster, name));
                prop_assert_eq!(found.map(|found| found.digest), one.cluster.as_ref().map(|_| one.bundle.digest()));
                prop_assert_eq!(found.map_or(&[] as &[_], |found| found.listeners), &one.listeners[..]);
            }
            prop_assert_eq!(diagnostics(&all), union);

            let (says, is) = (states(&all), clusters(&all));
            for key in said.keys().chain(says.keys()) {
                let same = said.get(key) == says.get(key);
                prop_assert!(same || changed.resources.contains(key), "{} changed, and was not told", key);
            }
            for key in compiled.keys().chain(is.keys()) {
                let same = compiled.get(key) == is.get(key) && said.get(key) == says.get(key);
                prop_assert!(same || changed.clusters.contains(key), "{} changed, and was not told", key);
            }
        }
        // Numbers of what is gone are taken back.
        for kind in Kind::ALL {
            all.keys(kind).collect::<Vec<_>>().into_iter().for_each(|key| all.take(Change::Delete(key)));
        }
        let _ = all.build();
        prop_assert!(all.is_empty() && all.knows_no_name());
    }
}

#[test]
fn what_did_not_change_is_not_told() {
    let mut all = Compilation::new(Conflicts::OldestServes, LastGood::new(), Verifiers::new());
    let fleet = with([
        role("r", &["k"], json!([{ "ref": "p" }])),
        permission("p", "p"),
        credential("c", "u", &["k"]),
        secret("c", "credential", json!({ "hash": HASH })),
    ]);
    fleet.clone().into_changes().for_each(|change| all.take(change));
    assert_eq!(all.build().resources.len(), 6);
    fleet.clone().into_changes().for_each(|change| all.take(change));
    let again = all.build();
    assert!(again.resources.is_empty() && again.clusters.is_empty());
    let rotated = secret("c", "credential", json!({ "hash": HASH.replace("t=2", "t=3") }));
    all.take(Change::Upsert(rotated));
    let rotated = all.build();
    assert_eq!(rotated.clusters, [key(Kind::MqttCluster, "fleet")]);
    assert!(rotated.resources.is_empty(), "what there is to say is the same: {:?}", rotated.resources);
}

#[test]
fn a_permission_belongs_to_the_clusters_whose_roles_list_it() {
    let mut all = Compilation::new(Conflicts::OldestServes, LastGood::new(), Verifiers::new());
    let p = key(Kind::Permission, "p");
    let clusters = |all: &Compilation| all.state(&p).unwrap().clusters.len();
    let fleet = with([permission("p", "p")]);
    fleet.into_changes().for_each(|change| all.take(change));
    let _ = all.build();
    assert!(!all.state(&p).unwrap().is_named);
    all.take(Change::Upsert(role("r", &[], json!([{ "ref": "p" }]))));
    assert!(all.build().resources.contains(&p));
    assert_eq!(clusters(&all), 1);
    all.take(Change::Delete(key(Kind::MqttCluster, "fleet")));
    assert!(all.build().resources.contains(&p));
    assert_eq!((clusters(&all), all.state(&p).unwrap().is_named), (0, true));
    all.take(Change::Upsert(cluster()));
    assert!(all.build().resources.contains(&p));
    assert_eq!(clusters(&all), 1);
}

#[test]
fn what_an_earlier_compilation_had_in_use_serves_again() {
    let bad = || role("r", &[], json!([{ "topicFilter": "a/#/b", "activity": ["publish"] }]));
    let mut first = Compilation::new(Conflicts::OldestServes, LastGood::new(), Verifiers::new());
    let good = with([role("r", &[], json!([{ "topicFilter": "a", "activity": ["publish"] }]))]);
    good.into_changes().for_each(|change| first.take(change));
    assert!(first.last_good_in_use().is_empty());
    first.take(Change::Upsert(bad()));
    let _ = first.build();
    let kept = first.last_good_in_use();
    assert_eq!(kept.keys().collect::<Vec<_>>(), [&key(Kind::Role, "r")]);
    for forms_first in [true, false] {
        let mut second = Compilation::new(Conflicts::OldestServes, LastGood::new(), Verifiers::new());
        if forms_first {
            second.restore_last_good(kept.clone());
        }
        with([bad()]).into_changes().for_each(|change| second.take(change));
        if !forms_first {
            second.restore_last_good(kept.clone());
        }
        second.settle_last_good();
        let _ = second.build();
        let digest = |all: &Compilation| all.cluster(&key(Kind::MqttCluster, "fleet")).unwrap().digest;
        assert_eq!(digest(&second), digest(&first));
        assert_eq!(states(&second), states(&first));
        assert_eq!(second.last_good_in_use(), kept);
    }
}

#[test]
fn the_verdict_is_that_of_the_last_build() {
    let mut all = Compilation::new(Conflicts::OldestServes, LastGood::new(), Verifiers::new());
    let of = |generation: u8, permissions: Value| {
        let spec = json!({ "realmRef": { "name": "devices" }, "permissions": permissions });
        of_metadata("Role", json!({ "namespace": "iot", "name": "r", "generation": generation }), spec)
    };
    let generation =
        |all: &Compilation| all.state(&key(Kind::Role, "r")).map(|state| state.version.generation);
    with([of(1, json!([]))]).into_changes().for_each(|change| all.take(change));
    assert_eq!(generation(&all), None);
    let _ = all.build();
    all.take(Change::Upsert(of(2, json!([{ "ref": "gone" }]))));
    all.take(Change::Upsert(of(3, json!([{ "ref": "gone" }]))));
    assert_eq!(generation(&all), Some(Some(1)));
    let _ = all.build();
    assert_eq!(generation(&all), Some(Some(3)));
}

#[test]
fn a_credential_is_told_when_its_password_waits_and_when_it_does_not_any_more() {
    let mut all = Compilation::new(Conflicts::OldestServes, LastGood::new(), Verifiers::new());
    let c = key(Kind::Credential, "c");
    let hash = |hash: &str| secret("c", "credential", json!({ "hash": hash }));
    with([credential("c", "u", &[]), hash(HASH)]).into_changes().for_each(|change| all.take(change));
    let _ = all.build();
    all.take(Change::Upsert(secret("c", "credential", json!({ "password": "hunter2" }))));
    let waits = all.build();
    assert_eq!((&waits.resources[..], waits.wanted.len()), (&[c.clone()][..], 1));
    assert!(all.state(&c).unwrap().is_wanted);
    all.take(Change::Upsert(hash(HASH)));
    let hashed = all.build();
    assert_eq!((&hashed.resources[..], hashed.wanted.len()), (&[c.clone()][..], 0));
    assert!(!all.state(&c).unwrap().is_wanted);
}
