//! How long a compile takes with 10 000 Roles of 10 permissions each and 50 000 Credentials: of everything (at most
//! one second is promised), and of one edit (at most 50 ms).

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use moat_crds::compile::{Change, Compiler, LastGood, Options, Resource, Resources, Verifiers, compile};
use serde_json::{Value, json};

/// The allocator of the programs that compile.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROLES: usize = 10_000;
const PERMISSIONS: usize = 10;
const CREDENTIALS: usize = 50_000;
/// Some permissions are shared, as they are in a fleet.
const SHARED: usize = 100;
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": "moat.dev/v1alpha1", "kind": kind, "metadata": { "namespace": "iot", "name": name }, "spec": spec })
}

fn read<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("the bench writes valid resources")
}

fn role(i: usize) -> Resource {
    let reference = |p: usize| json!({ "ref": format!("shared-{}", (i + p) % SHARED) });
    let inline = |p: usize| json!({ "topicFilter": format!("site/{i}/line/{p}/${{mqtt-clientid}}/#"), "activity": ["publish", "subscribe"], "retain": "any" });
    let items: Vec<_> = (0..PERMISSIONS).map(|p| if p < 2 { reference(p) } else { inline(p) }).collect();
    let spec = json!({ "realmRef": { "name": "devices" }, "roleKeys": [format!("cn=role-{i}")], "permissions": items });
    Resource::Role(read(object("Role", &format!("role-{i}"), spec)))
}

fn credential(i: usize, enabled: bool) -> Resource {
    let name = format!("device-{i}");
    let spec = json!({
        "realmRef": { "name": "devices" }, "username": name, "passwordSecretRef": { "name": name },
        "roles": [format!("role-{}", i % ROLES), format!("cn=role-{}", (i * 7) % ROLES)], "enabled": enabled,
    });
    Resource::Credential(read(object("Credential", &name, spec)))
}

fn permission(i: usize, filter: &str) -> Resource {
    let spec = json!({ "topicFilter": filter, "activity": ["publish"] });
    Resource::Permission(read(object("Permission", &format!("shared-{i}"), spec)))
}

fn everything() -> Resources {
    let listeners = json!({ "listeners": [{ "name": "backend", "protocol": "mqtt", "port": 1883 }] });
    let stage = json!({ "manager": { "kubernetes": { "realm": "devices" } } });
    let cluster = json!({ "name": "fleet" });
    let pipeline =
        json!({ "clusterRef": cluster, "listener": "ALL", "authentication": stage, "authorization": stage });
    let mut all = Resources::new();
    all.insert(Resource::MqttCluster(read(object("MqttCluster", "fleet", listeners))));
    all.insert(Resource::Realm(read(object(
        "Realm",
        "devices",
        json!({ "clusterRef": cluster, "kubernetes": {} }),
    ))));
    all.insert(Resource::Pipeline(read(object("Pipeline", "all", pipeline))));
    (0..SHARED).for_each(|i| all.insert(permission(i, &format!("shared/{i}/#"))));
    (0..ROLES).for_each(|i| all.insert(role(i)));
    for i in 0..CREDENTIALS {
        all.insert(credential(i, true));
        let labels = json!({ "moat.dev/use": "credential" });
        let metadata = json!({ "namespace": "iot", "name": format!("device-{i}"), "labels": labels });
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": { "hash": HASH } });
        all.insert(Resource::Secret(read(secret)));
    }
    all
}

fn whole(bench: &mut Criterion) {
    let all = everything();
    let compiled = compile(&Options::default(), all.clone(), &LastGood::new(), &Verifiers::new());
    assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics.first());
    assert_eq!(compiled.bundle.len(), 3 + ROLES + CREDENTIALS);
    let once = |all| compile(&Options::default(), all, &LastGood::new(), &Verifiers::new());
    bench.bench_function("whole: 10 000 roles x 10 permissions, 50 000 credentials", |bench| {
        bench.iter_batched(|| all.clone(), |all| black_box(once(all)), BatchSize::PerIteration);
    });
}

fn edits(bench: &mut Criterion) {
    let mut compiler = Compiler::new(Options::default(), LastGood::new(), Verifiers::new());
    let mut last = compiler.apply(everything().into_changes());
    let mut turn = 0_usize;
    let mut edit = |name: &str, change: &dyn Fn(usize) -> Resource| {
        bench.bench_function(name, |bench| {
            bench.iter_batched(
                || {
                    turn += 1;
                    Change::Upsert(change(turn))
                },
                |change| last = black_box(compiler.apply([change])),
                BatchSize::PerIteration,
            );
        });
    };
    edit("one edit: a credential", &|turn| credential(turn / 2 % CREDENTIALS, turn % 2 == 0));
    edit("one edit: a role of five credentials by name and five by key", &|turn| {
        let Resource::Role(mut role) = role(turn % ROLES) else { return role(turn % ROLES) };
        role.spec.role_keys.push(format!("turn-{turn}"));
        Resource::Role(role)
    });
    edit("one edit: a permission of 200 roles", &|turn| permission(turn % SHARED, &format!("turn/{turn}/#")));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = whole, edits
}
criterion_main!(benches);
