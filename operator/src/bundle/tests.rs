use std::sync::Arc;

use moat_policy::{Entry, EntryKey, RealmEntry};
use proptest::prelude::*;

use super::*;

fn bundle(realms: impl IntoIterator<Item = (u16, bool)>) -> Bundle {
    let mut bundle = Bundle::new();
    for (name, enabled) in realms {
        let entry = Arc::new(Entry::Realm(RealmEntry { enabled }));
        bundle.set(EntryKey::realm(format!("realm-{name}-{}", "x".repeat(200))), entry).unwrap();
    }
    bundle
}

fn wanted(bundle: Bundle) -> Wanted {
    Wanted { cluster_uid: "uid".to_owned(), bundle, listeners: Vec::new() }
}

#[test]
fn the_first_manifest_is_of_generation_one_and_writes_everything() {
    let plan = plan(None, 0, &wanted(bundle([(1, true)]))).unwrap();
    assert_eq!(plan.manifest.generation, 1);
    assert_eq!(plan.writes.len(), plan.manifest.shards.len());
    assert!(plan.writes.iter().all(|(_, slot)| *slot == Slot::A));
}

#[test]
fn nothing_is_written_when_nothing_is_different() {
    let wanted = wanted(bundle([(1, true)]));
    let first = plan(None, 0, &wanted).unwrap();
    assert_eq!(plan(Some(&first.manifest), 1, &wanted), None);
}

#[test]
fn one_edit_among_many_writes_one_shard_into_the_other_slot() {
    let all = |changed| bundle((0..5000).map(|i| (i, i != changed)));
    let first = plan(None, 0, &wanted(all(9999))).unwrap();
    assert!(first.manifest.shards.len() > 4, "{}", first.manifest.shards.len());
    let second = plan(Some(&first.manifest), 1, &wanted(all(7))).unwrap();
    assert_eq!(second.writes.len(), 1);
    assert_eq!(second.writes[0].1, Slot::B);
    assert_eq!(second.manifest.generation, 2);
}

#[test]
fn a_generation_that_a_pod_has_seen_is_outbid() {
    let wanted = wanted(bundle([(1, true)]));
    let first = plan(None, 0, &wanted).unwrap();
    assert_eq!(plan(Some(&first.manifest), 41, &wanted).unwrap().manifest.generation, 42);
}

#[test]
fn the_manifest_of_another_cluster_counts_for_nothing() {
    let mut other = plan(None, 0, &wanted(bundle([(1, true)]))).unwrap().manifest;
    other.cluster = "other".to_owned();
    let plan = plan(Some(&other), 0, &wanted(bundle([(1, true)]))).unwrap();
    assert_eq!(plan.manifest.generation, 1);
    assert_eq!(plan.writes.len(), 1);
}

proptest! {
    /// No write ever touches what the manifest in force names.
    #[test]
    fn a_live_slot_is_never_written(steps in proptest::collection::vec(proptest::collection::btree_map(0u16..600, any::<bool>(), 0..600), 1..6)) {
        let mut live: Option<Manifest> = None;
        for step in steps {
            let wanted = wanted(bundle(step));
            let Some(plan) = plan(live.as_ref(), 0, &wanted) else { continue };
            for (name, slot) in &plan.writes {
                let named = live.as_ref().and_then(|live| live.shards.get(name));
                prop_assert!(named.is_none_or(|named| named.slot != *slot));
            }
            prop_assert!(plan.manifest.names(&wanted.bundle));
            prop_assert!(live.as_ref().is_none_or(|live| live.generation < plan.manifest.generation));
            live = Some(plan.manifest);
        }
    }
}
