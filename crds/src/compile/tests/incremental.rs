//! Whatever edits led somewhere, the result is that of a whole compile.

use moat_policy::SecretString;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::{ClusterSelection, Problem, Rejected, Spec, Version};
use super::*;

/// Names are few, so that references hit, miss and collide.
fn name() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "c"])
}

/// Where things mostly belong, so that enough of them belong together.
fn home() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("a"), 1 => name()]
}

fn items() -> impl Strategy<Value = Value> {
    let item = prop_oneof![
        3 => name().prop_map(|name| json!({ "ref": name })),
        2 => name().prop_map(|name| json!({ "topicFilter": format!("{name}/#"), "activity": ["publish"] })),
        1 => Just(json!({ "topicFilter": "bad/#/filter", "activity": ["publish"] })),
    ];
    prop::collection::vec(item, 0..3).prop_map(Value::from)
}

fn names() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(name(), 0..3)
}

fn cluster_spec() -> impl Strategy<Value = Value> {
    let tls = name().prop_map(|name| json!({ "secretName": name, "clientAuth": "optional" }));
    (names(), prop::option::of(tls)).prop_map(|(names, tls)| {
        let protocol = if tls.is_some() { "mqtts" } else { "mqtt" };
        let listener =
            |(i, name)| json!({ "name": name, "protocol": protocol, "port": 1883 + i, "tls": tls });
        let listeners: Vec<_> = names.iter().enumerate().map(listener).collect();
        json!({ "listeners": listeners })
    })
}

fn pipeline_of() -> impl Strategy<Value = Value> {
    (home(), select(vec!["a", "b", "ALL"]), home(), 0..4_u8).prop_map(|(cluster, listener, realm, form)| {
        let mut spec = pipeline_spec(listener, realm);
        spec["clusterRef"]["name"] = json!(cluster);
        if form < 2 {
            spec["authorization"]["manager"]["allowAll"] = json!({});
        }
        if form == 0 {
            spec["authorization"]["manager"].as_object_mut().unwrap().remove("kubernetes");
        }
        spec
    })
}

fn credential_of() -> impl Strategy<Value = Value> {
    let proof = prop_oneof![
        name().prop_map(|name| json!({ "passwordSecretRef": { "name": name } })),
        name().prop_map(|name| json!({ "certificate": { "subject": format!("CN={name}") } })),
        Just(json!({})),
    ];
    (home(), prop::option::of(name()), proof, names(), items(), any::<bool>()).prop_map(
        |(realm, username, mut spec, roles, permissions, enabled)| {
            spec["realmRef"] = json!({ "name": realm });
            spec["username"] = json!(username);
            spec["roles"] = json!(roles);
            spec["permissions"] = permissions;
            spec["enabled"] = json!(enabled);
            spec
        },
    )
}

fn spec() -> impl Strategy<Value = (&'static str, Value)> {
    let realm = (home(), any::<bool>(), 0..6_u8).prop_map(|(cluster, enabled, form)| {
        let kubernetes = if form == 0 { Value::Null } else { json!({}) };
        json!({ "clusterRef": { "name": cluster }, "enabled": enabled, "kubernetes": kubernetes })
    });
    let role = (home(), names(), items()).prop_map(|(realm, keys, permissions)| {
        json!({ "realmRef": { "name": realm }, "roleKeys": keys, "permissions": permissions })
    });
    let permission = select(vec!["x/y", "${mqtt-clientid}/#", "bad/#/filter"])
        .prop_map(|filter| json!({ "topicFilter": filter, "activity": ["subscribe"] }));
    prop_oneof![
        cluster_spec().prop_map(|spec| ("MqttCluster", spec)),
        realm.prop_map(|spec| ("Realm", spec)),
        pipeline_of().prop_map(|spec| ("Pipeline", spec)),
        role.prop_map(|spec| ("Role", spec)),
        permission.prop_map(|spec| ("Permission", spec)),
        credential_of().prop_map(|spec| ("Credential", spec)),
    ]
}

fn secret_of() -> impl Strategy<Value = Resource> {
    let data = prop_oneof![
        Just(json!({ "hash": HASH })),
        name().prop_map(|password| json!({ "password": password })),
        Just(json!({ "password": "x", "hash": "y" })),
        Just(json!({ "tls.crt": "-----BEGIN C", "tls.key": "-----BEGIN K", "ca.crt": "-----BEGIN A" })),
    ];
    (name(), select(vec!["credential", "listener"]), data)
        .prop_map(|(name, used_for, data)| secret(name, used_for, data))
}

pub(super) fn upsert() -> impl Strategy<Value = Resource> {
    let name_of =
        |kind| if matches!(kind, "MqttCluster" | "Realm") { home().boxed() } else { name().boxed() };
    let spec = spec().prop_flat_map(move |(kind, spec)| (Just((kind, spec)), name_of(kind)));
    let ours = (spec, 0..3_u8, 0..2_u8).prop_map(|(((kind, spec), name), age, uid)| {
        let created = format!("2026-01-{:02}T00:00:00Z", age + 1);
        let uid = format!("uid-{uid}");
        let metadata = json!({ "namespace": "iot", "name": name, "uid": uid, "creationTimestamp": created });
        of_metadata(kind, metadata, spec)
    });
    prop_oneof![8 => ours, 1 => secret_of()]
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Upsert(Resource),
    /// Rejects what this would be, with or without its content.
    Reject(Resource, bool),
    Delete(Kind, &'static str),
    /// Hands in the verifiers that are wanted.
    Hash,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let kinds = vec![
        Kind::MqttCluster,
        Kind::Realm,
        Kind::Pipeline,
        Kind::Role,
        Kind::Permission,
        Kind::Credential,
        Kind::Secret,
    ];
    prop_oneof![
        12 => upsert().prop_map(Step::Upsert),
        1 => (upsert(), any::<bool>()).prop_map(|(resource, readable)| Step::Reject(resource, readable)),
        4 => (select(kinds), name()).prop_map(|(kind, name)| Step::Delete(kind, name)),
        1 => Just(Step::Hash),
    ]
}

fn rejected(resource: Resource, readable: bool) -> Rejected {
    let key = resource.key();
    let spec = match resource {
        Resource::MqttCluster(r) => Some(Spec::MqttCluster(r.spec)),
        Resource::Realm(r) => Some(Spec::Realm(r.spec)),
        Resource::Pipeline(r) => Some(Spec::Pipeline(r.spec)),
        Resource::Role(r) => Some(Spec::Role(r.spec)),
        Resource::Permission(r) => Some(Spec::Permission(r.spec)),
        Resource::Credential(r) => Some(Spec::Credential(r.spec)),
        Resource::Secret(_) => None,
    };
    let problems = vec![Problem::error("spec", Reason::Invalid, "unreadable")];
    Rejected { key, version: Version::default(), problems, readable: spec.filter(|_| readable) }
}

/// Turns a step into changes, and makes the same change to the resources of the whole compile.
pub(super) fn changes(step: Step, resources: &mut Resources, now: &Compiled) -> Vec<Change> {
    match step {
        Step::Upsert(resource) => {
            resources.insert(resource.clone());
            vec![Change::Upsert(resource)]
        }
        Step::Reject(resource, readable) => {
            let rejected = rejected(resource, readable);
            resources.reject(rejected.clone());
            vec![Change::Reject(rejected)]
        }
        Step::Delete(kind, name) => {
            resources.remove(&key(kind, name));
            vec![Change::Delete(key(kind, name))]
        }
        Step::Hash => {
            let verifier = |password: &str| SecretString::from(format!("$argon2id$of {password}"));
            let verified =
                |w: &super::super::Wanted| Change::Verified(w.key.clone(), verifier(w.password.expose()));
            now.wanted.iter().map(verified).collect()
        }
    }
}

fn options() -> impl Strategy<Value = Options> {
    let named = ClusterSelection::Named { namespace: "iot".into(), name: "a".into() };
    (select(vec![ClusterSelection::Only, named]), select(vec![Conflicts::OldestServes, Conflicts::AreErrors]))
        .prop_map(|(cluster, conflicts)| Options { cluster, conflicts })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn an_incremental_compile_equals_a_whole_one(
        options in options(),
        first in prop::collection::vec(upsert(), 0..24),
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let mut resources = Resources::new();
        first.into_iter().for_each(|resource| resources.insert(resource));
        let mut compiler = Compiler::new(options.clone(), LastGood::new(), Verifiers::new());
        let mut now = compiler.apply(resources.clone().into_changes());
        for step in steps {
            let before = compiler.last_good();
            let changes = changes(step, &mut resources, &now);
            now = compiler.apply(changes);
            let mut again = Compiler::new(options.clone(), before, compiler.verifiers().clone());
            let whole = again.apply(resources.clone().into_changes());
            again.settle_last_good();
            prop_assert_eq!(&now.diagnostics, &whole.diagnostics);
            prop_assert_eq!(now.bundle.digest(), whole.bundle.digest());
            prop_assert_eq!(&now.wanted, &whole.wanted);
            prop_assert_eq!(&now.listeners, &whole.listeners);
            prop_assert_eq!(&now.cluster, &whole.cluster);
            prop_assert_eq!(compiler.last_good(), again.last_good());
        }
    }
}
