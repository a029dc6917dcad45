//! What a loader takes, and what it keeps when it does not.

use proptest::prelude::*;

use super::super::error::{LoadError, REASONS};
use super::super::loader::Loader;
use super::*;

fn loader() -> Loader {
    Loader::new(CLUSTER, Some(UID.to_owned()))
}

/// Hands a manifest and the shards that it misses to a loader; says how many those were.
fn load(loader: &mut Loader, manifest: &Manifest, bundle: &Bundle) -> Result<usize, LoadError> {
    let Some(manifest) = loader.judge(&manifest.to_json())? else { return Ok(0) };
    let (missing, packed) = (loader.missing(&manifest), packed(bundle));
    for each in &missing {
        loader.take(each, packed.get(&each.shard.digest).map(Vec::as_slice))?;
    }
    loader.load(manifest)?;
    Ok(missing.len())
}

/// A loader in which the generation 5 of a bundle is in force.
fn loaded(bundle: &Bundle) -> Loader {
    let mut loader = loader();
    load(&mut loader, &manifest(bundle, 5), bundle).unwrap();
    loader
}

fn assert_stays(loader: &Loader, bundle: &Bundle) {
    assert_eq!(loader.manifest().map(|manifest| manifest.generation), Some(5));
    assert_eq!(loader.bundle().digest(), bundle.digest());
}

#[test]
fn an_edit_fetches_the_shard_that_changed_and_nothing_else() {
    let mut bundle = bundle();
    let mut loader = loaded(&bundle);
    set_credential(&mut bundle, "3", 99, 20_000);
    assert_eq!(load(&mut loader, &manifest(&bundle, 6), &bundle).unwrap(), 1);
    assert_eq!(loader.bundle().digest(), bundle.digest());
    assert_eq!(load(&mut loader, &manifest(&bundle, 6), &bundle).unwrap(), 0, "in force already");
    assert_eq!(load(&mut loader, &manifest(&bundle, 7), &bundle).unwrap(), 0, "the same shards");
    assert_eq!(loader.manifest().map(|manifest| manifest.generation), Some(7));
}

#[test]
fn what_must_not_be_taken_is_named_and_what_was_good_stays() {
    let bundle = bundle();
    let mut edited = bundle.clone();
    set_role(&mut edited, "3", 10);
    let good = manifest(&edited, 6);
    let other_shards = |manifest: &Manifest| Manifest { shards: manifest.shards.clone(), ..good.clone() };
    let newer = good.to_json().replacen("\"schema\":1", "\"schema\":2", 1);
    let half = good.to_json()[..200].to_owned();
    let cases = [
        ("SchemaTooNew", newer),
        ("SchemaTooOld", good.to_json().replacen("\"schema\":1", "\"schema\":0", 1)),
        ("ManifestMalformed", half),
        ("ManifestMalformed", String::new()),
        ("OlderGeneration", Manifest { generation: 4, ..good.clone() }.to_json()),
        ("GenerationReused", Manifest { generation: 5, ..good.clone() }.to_json()),
        ("ForeignCluster", Manifest { cluster: "another".to_owned(), ..good.clone() }.to_json()),
        ("BundleMismatch", Manifest { digest: bundle.digest(), ..good.clone() }.to_json()),
        ("BundleMismatch", other_shards(&manifest(&bundle, 5)).to_json()),
    ];
    for (reason, json) in cases {
        let mut loader = loaded(&bundle);
        let error = match loader.judge(&json) {
            Err(error) => error,
            Ok(manifest) => load(&mut loader, &manifest.unwrap(), &edited).unwrap_err(),
        };
        assert_eq!(error.reason(), reason, "{error}");
        assert!(!error.may_pass() && REASONS.contains(&error.reason()));
        assert_stays(&loader, &bundle);
        let fetched = load(&mut loader, &good, &edited).unwrap();
        assert_eq!(loader.bundle().digest(), edited.digest(), "after {reason} a good one is taken");
        assert!(fetched <= 1, "and what was fetched for the bad one is not fetched again");
    }
}

#[test]
fn a_shard_that_is_not_what_was_named_is_refused_and_what_was_fetched_is_kept() {
    let bundle = bundle();
    let mut edited = bundle.clone();
    set_role(&mut edited, "3", 10);
    set_credential(&mut edited, "3", 99, 10);
    let good = manifest(&edited, 6);
    let other = pack(b"[]").unwrap();
    let large = pack(&vec![b' '; 2 << 20]).unwrap();
    let cut = &packed(&edited)[&good.shards.values().next().unwrap().digest][..40];
    let cases: [(&str, Option<&[u8]>); 4] = [
        ("ShardMissing", None),
        ("ShardMismatch", Some(&other)),
        ("ShardMismatch", Some(cut)),
        ("ShardTooLarge", Some(&large)),
    ];
    for (reason, bad) in cases {
        let mut loader = loaded(&bundle);
        let manifest = loader.judge(&good.to_json()).unwrap().unwrap();
        let missing = loader.missing(&manifest);
        assert_eq!(missing.len(), 2);
        loader.take(&missing[0], Some(&packed(&edited)[&missing[0].shard.digest])).unwrap();
        let error = loader.take(&missing[1], bad).unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.may_pass() && error.to_string().contains(&missing[1].object));
        assert_stays(&loader, &bundle);
        assert_eq!(loader.missing(&manifest), missing[1..], "the good shard is not fetched again");
        assert_eq!(load(&mut loader, &good, &edited).unwrap(), 1);
    }
}

#[test]
fn a_shard_of_canonical_digest_and_odd_content_is_no_policy() {
    let bundle = bundle();
    let mut loader = loaded(&bundle);
    let odd = Digest(sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(b"[1]")).into());
    let mut manifest = manifest(&bundle, 6);
    manifest.shards.values_mut().next().unwrap().digest = odd;
    let missing = loader.missing(&manifest);
    loader.take(&missing[0], Some(&pack(b"[1]").unwrap())).unwrap();
    assert_eq!(loader.load(manifest).unwrap_err().reason(), "MalformedShard");
    assert_stays(&loader, &bundle);
}

#[test]
fn what_was_in_force_before_the_start_holds_older_generations_back() {
    let bundle = bundle();
    let mut loader = loader();
    loader.restore(manifest(&bundle, 5), bundle.clone());
    let reason = |result: Result<usize, LoadError>| result.unwrap_err().reason();
    assert_eq!(reason(load(&mut loader, &manifest(&bundle, 4), &bundle)), "OlderGeneration");
    assert_stays(&loader, &bundle);
    assert_eq!(load(&mut loader, &manifest(&bundle, 5), &bundle).unwrap(), 0);
}

#[test]
fn a_pod_that_does_not_know_its_cluster_takes_the_next_one_whatever_its_generation() {
    let bundle = bundle();
    let mut loader = Loader::new(CLUSTER, None);
    load(&mut loader, &manifest(&bundle, 5), &bundle).unwrap();
    let next = Manifest { cluster: "another".to_owned(), ..manifest(&bundle, 1) };
    assert_eq!(load(&mut loader, &next, &bundle).unwrap(), 0);
    assert_eq!(loader.manifest(), Some(&next));
}

#[derive(Debug, Clone)]
enum Edit {
    Set(u8, usize),
    Remove(u8),
    /// A manifest is written, and the pod loads it.
    Deliver,
    /// The pod starts again with nothing.
    Restart,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    // Sizes with which shards divide and join.
    let size = prop_oneof![2 => 0..2_000_usize, 2 => 10_000..40_000_usize];
    let edit = prop_oneof![
        4 => (0..16_u8, size).prop_map(|(name, size)| Edit::Set(name, size)),
        2 => (0..16_u8).prop_map(Edit::Remove),
        3 => Just(Edit::Deliver),
        1 => Just(Edit::Restart),
    ];
    prop::collection::vec(edit, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn loading_what_changed_equals_loading_everything(edits in edits()) {
        let (mut bundle, mut generation, mut pod) = (Bundle::new(), 0, loader());
        for edit in edits.into_iter().chain([Edit::Deliver]) {
            match edit {
                Edit::Set(name, size) => {
                    set_role(&mut bundle, &name.to_string(), size);
                    set_credential(&mut bundle, &name.to_string(), size as u64, size);
                }
                Edit::Remove(name) => {
                    bundle.remove(&EntryKey::role("devices", name.to_string()));
                }
                Edit::Restart => pod = loader(),
                Edit::Deliver => {
                    generation += 1;
                    let manifest = manifest(&bundle, generation);
                    load(&mut pod, &manifest, &bundle).unwrap();
                    let mut fresh = loader();
                    load(&mut fresh, &manifest, &bundle).unwrap();
                    prop_assert_eq!(pod.bundle().digest(), fresh.bundle().digest());
                    prop_assert_eq!(pod.bundle().diff(fresh.bundle()), []);
                    prop_assert_eq!(pod.bundle().diff(&bundle), []);
                }
            }
        }
    }
}
