//! The shape of a bundle is a function of its content, and its content survives its shards.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::secret::SecretString;

fn role(size: usize) -> Arc<Entry> {
    let permission = PermissionEntry {
        source: "Permission/p".to_owned(),
        topic_filter: "t/".repeat(size / 2 + 1),
        activity: Activities::PUBLISH,
        qos: [0, 2].into_iter().collect(),
        retain: RetainRule::Any,
        shared_subscription: SharedSubscriptionRule::Never,
        shared_group: None,
    };
    let (source, role_keys) = ("Role/r".to_owned(), vec!["cn=r".to_owned()]);
    Arc::new(Entry::Role(RoleEntry { source, role_keys, permissions: vec![permission] }))
}

fn credential(version: u64, size: usize) -> Arc<Entry> {
    Arc::new(Entry::Credential(CredentialEntry {
        source: "Credential/c".to_owned(),
        identity: CredentialIdentity::Password {
            username: "c".to_owned(),
            verifier: Some(SecretString::from("v".repeat(size))),
        },
        authorization_key: "c".to_owned(),
        enabled: true,
        version,
        roles: vec!["r".to_owned()],
        permissions: Vec::new(),
    }))
}

/// Digest and shape: everything that a bundle shows of itself.
fn shape(bundle: &Bundle) -> (Digest, Vec<(Family, String, Digest)>) {
    let shards =
        bundle.shards().map(|shard| (shard.family(), shard.prefix().to_string(), shard.digest())).collect();
    (bundle.digest(), shards)
}

fn build(entries: &BTreeMap<EntryKey, Arc<Entry>>) -> Bundle {
    let mut bundle = Bundle::new();
    for (key, entry) in entries {
        bundle.set(key.clone(), Arc::clone(entry)).unwrap();
    }
    bundle
}

#[derive(Debug, Clone)]
enum Edit {
    Role(u8, usize),
    Credential(u8, u64, usize),
    RemoveRole(u8),
    RemoveCredential(u8),
    /// A clone that lives on must not see later edits.
    Clone,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    // Sizes from a few bytes to more than a shard, so that shards divide and join.
    let size = prop_oneof![3 => 0..2_000_usize, 2 => 10_000..40_000_usize, 1 => 60_000..90_000_usize];
    let edit = prop_oneof![
        3 => (0..24_u8, size.clone()).prop_map(|(name, size)| Edit::Role(name, size)),
        3 => (0..24_u8, 0..3_u64, size).prop_map(|(name, version, size)| Edit::Credential(name, version, size)),
        2 => (0..24_u8).prop_map(Edit::RemoveRole),
        2 => (0..24_u8).prop_map(Edit::RemoveCredential),
        1 => Just(Edit::Clone),
    ];
    prop::collection::vec(edit, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn edits_in_any_order_equal_a_fresh_build(edits in edits()) {
        let (mut bundle, mut model) = (Bundle::new(), BTreeMap::new());
        let mut kept = Vec::new();
        for edit in edits {
            let (key, entry) = match edit {
                Edit::Role(name, size) => (EntryKey::role("r", name.to_string()), Some(role(size))),
                Edit::Credential(name, version, size) => {
                    (EntryKey::credential("r", name.to_string()), Some(credential(version, size)))
                }
                Edit::RemoveRole(name) => (EntryKey::role("r", name.to_string()), None),
                Edit::RemoveCredential(name) => (EntryKey::credential("r", name.to_string()), None),
                Edit::Clone => {
                    kept.push((bundle.clone(), model.clone()));
                    continue;
                }
            };
            match entry {
                Some(entry) => {
                    bundle.set(key.clone(), Arc::clone(&entry)).unwrap();
                    model.insert(key, entry);
                }
                None => prop_assert_eq!(bundle.remove(&key), model.remove(&key).is_some()),
            }
        }
        kept.push((bundle.clone(), model.clone()));
        for (bundle, model) in &kept {
            prop_assert_eq!(shape(bundle), shape(&build(model)));
            let mut seen: Vec<_> = bundle.iter().map(|(key, entry)| (key.clone(), Arc::clone(entry))).collect();
            seen.sort_by(|a, b| a.0.cmp(&b.0));
            prop_assert_eq!(seen, model.clone().into_iter().collect::<Vec<_>>());
            prop_assert_eq!(bundle.len(), model.len());
        }
        for (older, model_then) in &kept {
            let mut changed: Vec<_> = model.iter().filter(|(k, e)| model_then.get(*k) != Some(e)).map(|(k, _)| k).collect();
            changed.extend(model_then.keys().filter(|key| !model.contains_key(key)));
            changed.sort();
            let found = bundle.diff(older);
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), changed);
        }
    }

    #[test]
    fn a_bundle_survives_its_shards_in_any_order(edits in edits(), backwards in any::<bool>()) {
        let mut bundle = Bundle::new();
        for edit in edits {
            match edit {
                Edit::Role(name, size) => bundle.set(EntryKey::role("r", name.to_string()), role(size)).unwrap(),
                Edit::Credential(name, version, size) => {
                    bundle.set(EntryKey::credential("r", name.to_string()), credential(version, size)).unwrap();
                }
                _ => {}
            }
        }
        let mut shards: Vec<_> = bundle.shards().map(|shard| shard.to_json()).collect();
        if backwards {
            shards.reverse();
        }
        let read = Bundle::from_shards(shards.iter().map(Vec::as_slice)).unwrap();
        prop_assert_eq!(shape(&read), shape(&bundle));
        prop_assert_eq!(read.diff(&bundle), []);
    }
}

#[test]
fn no_shard_is_too_large_and_secrets_keep_to_themselves() {
    let mut bundle = Bundle::new();
    for i in 0..2_000 {
        bundle.set(EntryKey::role("r", i.to_string()), role(400)).unwrap();
        bundle.set(EntryKey::credential("r", i.to_string()), credential(i, 100)).unwrap();
    }
    assert!(bundle.shards().count() > 20);
    for shard in bundle.shards() {
        let json = String::from_utf8(shard.to_json()).unwrap();
        assert!(json.len() <= TARGET_SHARD_BYTES + 1 && shard.entries() > 1, "{}", json.len());
        assert_eq!(json.contains("\"verifier\""), shard.family() == Family::Secret);
        assert_eq!(json.contains("\"role\":{"), shard.family() == Family::Plain);
    }
}

#[test]
fn one_edit_changes_one_shard() {
    let mut bundle = Bundle::new();
    for i in 0..2_000 {
        bundle.set(EntryKey::credential("r", i.to_string()), credential(i, 100)).unwrap();
    }
    let mut edited = bundle.clone();
    edited.set(EntryKey::credential("r", "17"), credential(99, 100)).unwrap();
    let differing = edited.shards().zip(bundle.shards()).filter(|(a, b)| a.digest() != b.digest()).count();
    assert_eq!((differing, edited.diff(&bundle)), (1, vec![EntryKey::credential("r", "17")]));
    assert_ne!(edited.digest(), bundle.digest());
    edited.set(EntryKey::credential("r", "17"), credential(17, 100)).unwrap();
    assert_eq!(edited.digest(), bundle.digest());
}

#[test]
fn the_canonical_form_is_what_the_format_says() {
    let mut bundle = Bundle::new();
    bundle.set(EntryKey::settings(), Arc::new(Entry::Settings(Settings::default()))).unwrap();
    bundle.set(EntryKey::realm("devices"), Arc::new(Entry::Realm(RealmEntry { enabled: true }))).unwrap();
    let pipeline = PipelineEntry {
        source: "Pipeline/p".to_owned(),
        authentication: AuthenticationManager::AllowAll {},
        authorization: AuthorizationManager::Kubernetes {
            realm: "devices".to_owned(),
            use_authorization_key: true,
            use_authorization_role_key: false,
        },
    };
    bundle.set(EntryKey::pipeline(ALL_LISTENERS), Arc::new(Entry::Pipeline(pipeline))).unwrap();
    bundle.set(EntryKey::role("devices", "r"), role(0)).unwrap();
    bundle.set(EntryKey::credential("devices", "c"), credential(7, 2)).unwrap();
    let certificate = CertificateMatch::Subject("CN=c".to_owned());
    let Entry::Credential(mut entry) = (*credential(8, 0)).clone() else { panic!("not a credential") };
    entry.identity = CredentialIdentity::Certificate(certificate);
    bundle.set(EntryKey::credential("devices", "d"), Arc::new(Entry::Credential(entry))).unwrap();
    let shards = bundle.shards().map(|shard| String::from_utf8(shard.to_json()).unwrap());
    let text = shards.collect::<Vec<_>>().join("\n").replace("{\"key\"", "\n{\"key\"");
    insta::assert_snapshot!(format!("{text}\n{}", bundle.digest()));
}

#[test]
fn what_does_not_belong_is_refused() {
    let mut bundle = Bundle::new();
    let large = bundle.set(EntryKey::role("r", "a"), role(MAX_ENTRY_BYTES)).unwrap_err();
    assert_eq!(large.reason(), "EntryTooLarge");
    assert_eq!(bundle.set(EntryKey::realm("a"), role(0)).unwrap_err().reason(), "KindMismatch");
    assert!(bundle.is_empty());
    bundle.set(EntryKey::role("r", "a"), role(0)).unwrap();
    let json: Vec<_> = bundle.shards().map(|shard| shard.to_json()).collect();
    assert_eq!(Bundle::from_shards([&*json[0], &*json[0]]).unwrap_err().reason(), "Duplicate");
    let text = String::from_utf8(json[0].clone()).unwrap();
    for bad in [
        "",
        "{}",
        "[{}]",
        &text[1..],
        &text.replace("\"roleKeys\"", "\"other\""),
        &text.replace("[0,2]", "[3]"),
    ] {
        assert_eq!(Bundle::from_shards([bad.as_bytes()]).unwrap_err().reason(), "MalformedShard", "{bad}");
    }
}

#[test]
fn replacing_the_shards_that_changed_makes_the_same_bundle() {
    let old = fleet(2_000, 0);
    for edit in [fleet(2_000, 7), fleet(2_500, 0), fleet(30, 0), Bundle::new()] {
        let known: Vec<_> = old.shards().map(|s| (s.family(), s.prefix(), s.digest())).collect();
        let new: Vec<_> = edit.shards().map(|s| (s.family(), s.prefix(), s.digest())).collect();
        let gone: Vec<_> = known.iter().filter(|s| !new.contains(s)).map(|(f, p, _)| (*f, *p)).collect();
        let come: Vec<_> = edit
            .shards()
            .filter(|s| !known.contains(&(s.family(), s.prefix(), s.digest())))
            .map(|s| s.to_json())
            .collect();
        let replaced = old.replace(&gone, come.iter().map(Vec::as_slice)).unwrap();
        assert_eq!(replaced.digest(), edit.digest());
        assert_eq!(replaced.len(), edit.len());
    }
}

#[test]
fn a_shard_that_repeats_a_key_of_another_is_refused() {
    let old = fleet(2_000, 0);
    let first = old.shards().next().unwrap().to_json();
    let again = old.replace(&[], [first.as_slice()]);
    assert!(matches!(again, Err(BundleError::Duplicate { .. })), "{again:?}");
}

/// So many realms, every `odd`th of them switched off.
fn fleet(realms: usize, odd: usize) -> Bundle {
    let mut bundle = Bundle::new();
    for i in 0..realms {
        let entry = Entry::Realm(RealmEntry { enabled: odd == 0 || i % odd != 0 });
        bundle.set(EntryKey::realm(format!("realm-{i}-{}", "x".repeat(150))), Arc::new(entry)).unwrap();
    }
    bundle
}
