//! The figures that the policy promises: `cargo bench -p moat-policy`.
//!
//! * `compile`, `check`: a role of 10, 100 and 1000 permissions, a third each literal, wildcard, placeholder, and one
//!   publish against it.
//! * `bundle`, `policy`: 10 000 roles of 10 permissions and 50 000 credentials, whole and one edit.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench that meets what it does not expect must stop"
)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use moat_policy::{
    Activities, Attempt, AuthenticationManager, AuthorizationManager, Begin, Bundle, CredentialEntry,
    CredentialIdentity, Entry, EntryKey, Grants, PermissionEntry, PipelineEntry, Policy, QosSet, RealmEntry,
    RetainRule, RoleEntry, RuleSet, SecretString, SharedSubscriptionRule, SubscriptionMatching, Variable,
    Variables,
};

fn permission(topic_filter: String) -> PermissionEntry {
    PermissionEntry {
        source: format!("Permission/{}", topic_filter.len()),
        topic_filter,
        activity: Activities::ALL,
        qos: QosSet::ALL,
        retain: RetainRule::Never,
        shared_subscription: SharedSubscriptionRule::Never,
        shared_group: None,
    }
}

/// As roles are: sites and lines by name, measurements with wildcards, own topics with placeholders.
fn permissions(count: usize) -> Vec<PermissionEntry> {
    let filter = |i: usize| match i % 3 {
        0 => format!("plant/site-{i}/line/state"),
        1 => format!("plant/site-{i}/+/measurements/#"),
        _ => format!("devices/${{mqtt-clientid}}/channel-{i}/+"),
    };
    (0..count).map(filter).map(permission).collect()
}

fn grants(count: usize) -> Grants {
    let variables = Variables::new().with(&Variable::ClientId, Some("car-0017".into()));
    let rules = RuleSet::new("Role/bench", &permissions(count));
    Grants::new(vec![Arc::new(rules)], Arc::new(variables), SubscriptionMatching::Containment)
}

fn check(c: &mut Criterion) {
    for count in [10, 100, 1000] {
        let permissions = permissions(count);
        c.bench_function(&format!("compile/{count}"), |b| {
            b.iter(|| RuleSet::new("Role/bench", &permissions))
        });
        let grants = grants(count);
        let last = |rest: usize| (0..count).rev().find(|i| i % 3 == rest).unwrap();
        let topics = [
            ("literal hit", format!("plant/site-{}/line/state", last(0)), true),
            ("wildcard hit", format!("plant/site-{}/press/measurements/t/1", last(1)), true),
            ("placeholder hit", format!("devices/car-0017/channel-{}/t", last(2)), true),
            ("early miss", "other/site-1/line/state".to_owned(), false),
            ("late miss", format!("plant/site-{}/line/nothing", last(0)), false),
            ("other client's", format!("devices/car-0018/channel-{}/t", last(2)), false),
        ];
        for (what, topic, allowed) in topics {
            assert_eq!(grants.may_publish(&topic, 1, false), allowed, "{topic}");
            c.bench_function(&format!("check/{count}/{what}"), |b| {
                b.iter(|| black_box(&grants).may_publish(black_box(&topic), 1, false));
            });
        }
        let topic = format!("plant/site-{}/press/measurements/t/1", last(1));
        c.bench_function(&format!("check/{count}/rights of a wildcard hit"), |b| {
            b.iter(|| black_box(&grants).publish_rights(black_box(&topic)));
        });
        c.bench_function(&format!("check/{count}/subscribe"), |b| {
            b.iter(|| black_box(&grants).may_subscribe(black_box("devices/car-0017/channel-8/+"), None, 1));
        });
    }
}

fn entries() -> Vec<(EntryKey, Arc<Entry>)> {
    let mut entries = vec![
        (EntryKey::realm("devices"), Arc::new(Entry::Realm(RealmEntry { enabled: true }))),
        (
            EntryKey::pipeline("internet"),
            Arc::new(Entry::Pipeline(PipelineEntry {
                source: "Pipeline/internet".to_owned(),
                authentication: AuthenticationManager::Kubernetes { realm: "devices".to_owned() },
                authorization: AuthorizationManager::Kubernetes {
                    realm: "devices".to_owned(),
                    use_authorization_key: true,
                    use_authorization_role_key: true,
                },
            })),
        ),
    ];
    for i in 0..10_000 {
        let source = format!("Role/role-{i}");
        let role_keys = vec![format!("cn=role-{i},ou=groups,dc=example,dc=com")];
        let role = RoleEntry { source, role_keys, permissions: permissions(10) };
        entries.push((EntryKey::role("devices", format!("role-{i}")), Arc::new(Entry::Role(role))));
    }
    for i in 0..50_000 {
        entries.push((EntryKey::credential("devices", format!("car-{i}")), credential(i, 0)));
    }
    entries
}

fn credential(i: usize, version: u64) -> Arc<Entry> {
    let verifier =
        format!("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b27dWRJJTmaaJObGVyDjA{i}");
    Arc::new(Entry::Credential(CredentialEntry {
        source: format!("Credential/car-{i}"),
        identity: CredentialIdentity::Password {
            username: format!("car-{i}"),
            verifier: Some(SecretString::from(verifier)),
        },
        authorization_key: format!("car-{i}"),
        enabled: true,
        version,
        roles: vec![format!("role-{}", i % 10_000)],
        permissions: Vec::new(),
    }))
}

fn build(entries: Vec<(EntryKey, Arc<Entry>)>) -> Bundle {
    let mut bundle = Bundle::new();
    for (key, entry) in entries {
        bundle.set(key, entry).unwrap();
    }
    bundle
}

fn fleet(c: &mut Criterion) {
    let entries = entries();
    let mut group = c.benchmark_group("10k roles, 50k credentials");
    group.sample_size(10);
    group.bench_function("build", |b| b.iter_batched(|| entries.clone(), build, BatchSize::LargeInput));
    group.bench_function("digest of a new bundle", |b| {
        b.iter_batched(|| build(entries.clone()), |bundle| bundle.digest(), BatchSize::PerIteration);
    });
    let bundle = build(entries.clone());
    let _ = bundle.digest();
    let largest = bundle.shards().map(|shard| shard.to_json().len()).max();
    println!("{} shards, the largest of {} bytes", bundle.shards().count(), largest.unwrap_or_default());
    group.bench_function("one edit and its digest", |b| {
        let mut version = 0;
        b.iter(|| {
            version += 1;
            let mut edited = bundle.clone();
            edited.set(EntryKey::credential("devices", "car-17"), credential(17, version)).unwrap();
            edited.digest()
        });
    });
    let mut edited = bundle.clone();
    edited.set(EntryKey::credential("devices", "car-17"), credential(17, 1)).unwrap();
    let _ = edited.digest();
    group.bench_function("diff of one edit", |b| b.iter(|| edited.diff(&bundle)));
    group.bench_function("load", |b| b.iter_with_large_drop(|| Policy::load(&bundle)));
    let policy = Policy::load(&bundle);
    let changed = edited.diff(&bundle);
    assert_eq!(changed.len(), 1);
    group.bench_function("apply one edit", |b| b.iter(|| policy.apply(&edited, &changed)));
    let attempt = Attempt {
        listener: "internet",
        client_id: "x",
        username: Some("car-17"),
        has_password: true,
        certificate: None,
    };
    group.bench_function("begin and authorize", |b| {
        b.iter(|| match policy.begin(&attempt) {
            Begin::Verify { pending, .. } => policy.authorize(&pending).unwrap(),
            other => panic!("{other:?}"),
        });
    });
    group.finish();
}

criterion_group!(benches, check, fleet);
criterion_main!(benches);
