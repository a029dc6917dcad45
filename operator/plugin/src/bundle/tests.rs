use std::collections::BTreeMap;
use std::sync::Arc;

use insta::assert_snapshot;
use moat_crds::delivery::{
    DeliveredListener, DeliveredTls, Manifest, SCHEMA, ShardName, ShardRef, Slot, UnpackError, pack, unpack,
};
use moat_crds::{ClientAuth, Protocol, SessionIdentity};
use moat_policy::bundle::Family;
use moat_policy::{
    Activities, AuthenticationManager, AuthorizationManager, Bundle, CertificateMatch, CredentialEntry,
    CredentialIdentity, Entry, EntryKey, PermissionEntry, PipelineEntry, QosSet, RealmEntry, RetainRule,
    RoleEntry, SecretString, Settings, SharedSubscriptionRule,
};

use super::check::{Fetched, Report, State, Subject, report, without_manifest};
use super::render::text;
use crate::connection::Refusal;

const UID: &str = "5e0c4f3a-0f52-4a1c-9a39-1f6f3f1c2c11";
const VERIFIER: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$dmVyaWZpZXI";

fn permission(source: &str, filter: &str, group: Option<&str>) -> PermissionEntry {
    PermissionEntry {
        source: source.to_owned(),
        topic_filter: filter.to_owned(),
        activity: if group.is_some() { Activities::SUBSCRIBE } else { Activities::ALL },
        qos: QosSet::ALL,
        retain: RetainRule::Any,
        shared_subscription: group.map_or(SharedSubscriptionRule::Never, |_| SharedSubscriptionRule::Only),
        shared_group: group.map(str::to_owned),
    }
}

fn credential(name: &str, identity: CredentialIdentity, permissions: Vec<PermissionEntry>) -> Entry {
    Entry::Credential(CredentialEntry {
        source: format!("Credential/{name}"),
        identity,
        authorization_key: name.to_owned(),
        enabled: name != "car-18",
        version: 4_711_471_147_114_711,
        roles: vec!["frontend".to_owned(), "cn=cars,dc=example".to_owned()],
        permissions,
    })
}

fn password(username: &str, verifier: Option<&str>) -> CredentialIdentity {
    CredentialIdentity::Password { username: username.to_owned(), verifier: verifier.map(SecretString::from) }
}

/// One entry of each kind and form.
fn bundle() -> Bundle {
    let pipeline = PipelineEntry {
        source: "Pipeline/all".to_owned(),
        authentication: AuthenticationManager::Kubernetes { realm: "devices".to_owned() },
        authorization: AuthorizationManager::Kubernetes {
            realm: "devices".to_owned(),
            use_authorization_key: true,
            use_authorization_role_key: false,
        },
    };
    let role = RoleEntry {
        source: "Role/frontend".to_owned(),
        role_keys: vec!["cn=cars,dc=example".to_owned()],
        permissions: vec![
            permission("Permission/own-status", "topic/${mqtt-clientid}/status", None),
            permission("Role/frontend permissions[1]", "work/#", Some("workers")),
        ],
    };
    let own = vec![permission("Credential/car-17 permissions[0]", "evil/\u{1b}[2J", None)];
    let subject = CertificateMatch::Subject("CN=car-19,O=Example".to_owned());
    let mut bundle = Bundle::new();
    for (key, entry) in [
        (EntryKey::settings(), Entry::Settings(Settings::default())),
        (EntryKey::realm("devices"), Entry::Realm(RealmEntry { enabled: true })),
        (EntryKey::pipeline("ALL"), Entry::Pipeline(pipeline)),
        (EntryKey::role("devices", "frontend"), Entry::Role(role)),
        (
            EntryKey::credential("devices", "car-17"),
            credential("car-17", password("car-17", Some(VERIFIER)), own),
        ),
        (EntryKey::credential("devices", "car-18"), credential("car-18", password("car-18", None), vec![])),
        (
            EntryKey::credential("devices", "car-19"),
            credential("car-19", CredentialIdentity::Certificate(subject), vec![]),
        ),
    ] {
        bundle.set(key, Arc::new(entry)).unwrap();
    }
    bundle
}

/// A manifest and the objects that it names.
fn written(bundle: &Bundle) -> (Manifest, BTreeMap<ShardName, Fetched>) {
    let mut fetched = BTreeMap::new();
    let mut shards = BTreeMap::new();
    for shard in bundle.shards() {
        let name = ShardName { family: shard.family(), prefix: shard.prefix() };
        let slot = if shard.family() == Family::Plain { Slot::A } else { Slot::B };
        shards.insert(name, ShardRef { slot, digest: shard.digest() });
        fetched.insert(name, Fetched::Packed(pack(&shard.to_json()).unwrap()));
    }
    let listener = |name: &str, tls: Option<DeliveredTls>| DeliveredListener {
        name: name.to_owned(),
        protocol: if tls.is_some() { Protocol::Mqtts } else { Protocol::Mqtt },
        port: if tls.is_some() { 8883 } else { 1883 },
        session_identity: SessionIdentity::Owner,
        tls,
    };
    let tls = DeliveredTls {
        secret_name: "fleet-tls".to_owned(),
        client_auth: ClientAuth::Optional,
        revision: None,
    };
    let manifest = Manifest {
        schema: SCHEMA,
        cluster: UID.to_owned(),
        generation: 7,
        digest: bundle.digest(),
        listeners: vec![listener("internet", Some(tls)), listener("backend", None)],
        shards,
    };
    (manifest, fetched)
}

fn subject() -> Subject {
    Subject { namespace: "iot".to_owned(), cluster: "fleet".to_owned(), uid: Some(UID.to_owned()) }
}

/// The report after something was done to what was written.
fn after(change: impl FnOnce(&mut Manifest, &mut BTreeMap<ShardName, Fetched>)) -> Report {
    let (mut manifest, mut fetched) = written(&bundle());
    change(&mut manifest, &mut fetched);
    let mut report = report(&subject(), manifest, &fetched, true);
    for shard in report.manifest.iter_mut().flat_map(|manifest| &mut manifest.shards) {
        // It depends on the compressor's version.
        shard.packed_bytes = shard.packed_bytes.map(|_| 321);
    }
    report
}

fn secret() -> ShardName {
    "secret-root".parse().unwrap()
}

/// The reasons, and the objects that they are about.
fn wrong(report: &Report) -> Vec<(&str, &str)> {
    report.wrong.iter().map(|wrong| (&*wrong.object, wrong.reason)).collect()
}

fn everything(report: &Report) -> String {
    text(report) + &serde_json::to_string_pretty(report).unwrap()
}

#[test]
fn a_bundle_with_its_entries() {
    let report = after(|_, _| {});
    assert_eq!(wrong(&report), []);
    assert_snapshot!("entries", text(&report));
    assert_snapshot!("entries_json", serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn a_bundle_without_its_entries() {
    let (manifest, fetched) = written(&bundle());
    let report = report(&subject(), manifest, &fetched, false);
    assert!(report.entries.is_none() && !everything(&report).contains("frontend"), "{}", text(&report));
    assert!(text(&report).ends_with("\nverified: 7 entries in 2 shards\n"), "{}", text(&report));
}

#[test]
fn nothing_of_a_verifier_is_ever_shown() {
    let whole = everything(&after(|_, _| {}));
    let packed = after(|_, fetched| {
        fetched.insert(secret(), Fetched::Packed(pack(VERIFIER.as_bytes()).unwrap()));
    });
    for told in [whole, everything(&packed)] {
        for part in ["argon2id", "c2FsdHNhbHQ", "dmVyaWZpZXI", "verifier", "4711471147114711"] {
            assert!(!told.contains(part), "{part}: {told}");
        }
    }
}

#[test]
fn an_altered_shard_is_named_and_not_shown() {
    let report = after(|_, fetched| {
        let mut other = bundle();
        other.remove(&EntryKey::credential("devices", "car-18"));
        let (_, mut altered) = written(&other);
        fetched.insert(secret(), altered.remove(&secret()).unwrap());
    });
    assert_eq!(wrong(&report), [("Secret/fleet-credentials-root-b", "ShardMismatch")]);
    assert!(report.entries.as_ref().unwrap().credentials.is_empty());
    assert_snapshot!("altered", text(&report));
}

#[test]
fn shards_that_are_missing_or_cannot_be_unpacked_are_named() {
    for (fetched, reason) in [
        (Fetched::Missing, "ShardMissing"),
        (Fetched::Empty, "ShardMissing"),
        (Fetched::Packed(Vec::new()), "ShardMismatch"),
        (Fetched::Packed(b"no frame".to_vec()), "ShardMismatch"),
        (Fetched::Packed(pack(&vec![b' '; 1024 * 1024]).unwrap()), "ShardTooLarge"),
    ] {
        let report = after(|_, all| {
            all.insert(secret(), fetched);
        });
        assert_eq!(wrong(&report), [("Secret/fleet-credentials-root-b", reason)]);
        assert_eq!(report.manifest.as_ref().unwrap().digest_state, State::Wrong);
        assert!(text(&report).ends_with("\nbroken: 1 of 2 shards cannot be used\n"), "{}", text(&report));
    }
}

#[test]
fn secret_shards_that_may_not_be_read_are_left_out_and_the_rest_is_shown() {
    let report = after(|_, fetched| {
        let message =
            "secrets \"fleet-credentials-root-b\" is forbidden: User \"viewer\" cannot get resource";
        fetched.insert(secret(), Fetched::Refused(Refusal { code: 403, message: message.to_owned() }));
    });
    assert_eq!(wrong(&report), []);
    assert_snapshot!("forbidden", text(&report));
}

#[test]
fn an_altered_manifest_is_told_by_the_digest_of_the_whole() {
    let report = after(|manifest, _| manifest.digest.0[0] ^= 1);
    assert_eq!(wrong(&report), [("ConfigMap/fleet-policy", "DigestMismatch")]);
    assert!(text(&report).ends_with("\nbroken: the manifest cannot be used\n"), "{}", text(&report));
    let forgetful = after(|manifest, _| {
        manifest.shards.remove(&secret());
    });
    assert_eq!(wrong(&forgetful), [("ConfigMap/fleet-policy", "DigestMismatch")]);
}

#[test]
fn the_manifest_of_an_earlier_cluster_of_the_same_name_is_told() {
    let report = after(|manifest, _| manifest.cluster = "another".to_owned());
    assert_eq!(wrong(&report), [("ConfigMap/fleet-policy", "OtherCluster")]);
}

#[test]
fn a_manifest_that_is_half_written_newer_or_missing_is_named() {
    let (manifest, _) = written(&bundle());
    let json = manifest.to_json();
    let report = |text: &str| without_manifest(&subject(), Some(&Manifest::read(text).unwrap_err()));
    let half = report(&json[..json.len() / 2]);
    assert_eq!(wrong(&half), [("ConfigMap/fleet-policy", "ManifestMalformed")]);
    assert_snapshot!("half_written", text(&half));
    assert_eq!(wrong(&report("{\"schema\":2}")), [("ConfigMap/fleet-policy", "SchemaTooNew")]);
    let missing = without_manifest(&subject(), None);
    assert_eq!(wrong(&missing), [("ConfigMap/fleet-policy", "ManifestMissing")]);
    assert_snapshot!("missing_json", serde_json::to_string_pretty(&missing).unwrap());
}

#[test]
fn a_shard_with_the_right_digest_that_this_program_cannot_read_is_named() {
    let report = after(|manifest, fetched| {
        let name = ShardName { family: Family::Plain, ..secret() };
        let newer = br#"[{"key":{"kind":"colour","realm":"","name":""},"entry":{"colour":{}}}]"#;
        let packed = pack(newer).unwrap();
        let Err(UnpackError::Digest { found, .. }) = unpack(&packed, manifest.digest) else {
            panic!("a digest")
        };
        manifest.shards.insert(name, ShardRef { slot: Slot::A, digest: found });
        fetched.insert(name, Fetched::Packed(packed));
    });
    assert_eq!(wrong(&report), [("ConfigMap/fleet-policy-root-a", "MalformedShard")]);
}
