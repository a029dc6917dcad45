//! Whatever led somewhere, a namespace says what one says that was told everything at once.

use std::collections::{BTreeMap, BTreeSet};

use moat_crds::compile::{Problem, Reason, Rejected, Version, Wanted};
use moat_policy::SecretString;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn name() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "c"])
}

fn items() -> impl Strategy<Value = Value> {
    let item = prop_oneof![
        3 => name().prop_map(|name| json!({ "ref": name })),
        2 => name().prop_map(|name| json!({ "topicFilter": name, "activity": ["publish"] })),
        1 => Just(json!({ "topicFilter": "bad/#/filter", "activity": ["publish"] })),
    ];
    prop::collection::vec(item, 0..3).prop_map(Value::from)
}

fn upsert() -> impl Strategy<Value = Resource> {
    let ours = prop_oneof![
        2 => select(vec![1883, 1884]).prop_map(|port| {
            let listener = json!({ "name": "backend", "protocol": "mqtt", "port": port });
            ("MqttCluster", json!({ "listeners": [listener] }))
        }),
        2 => name().prop_map(|cluster| ("Realm", json!({ "clusterRef": { "name": cluster }, "kubernetes": {} }))),
        2 => (name(), name()).prop_map(|(cluster, realm)| {
            let stage = json!({ "manager": { "kubernetes": { "realm": realm } } });
            let cluster = json!({ "name": cluster });
            let spec = json!({
                "clusterRef": cluster, "listener": "ALL", "authentication": stage, "authorization": stage,
            });
            ("Pipeline", spec)
        }),
        4 => (name(), items()).prop_map(|(realm, permissions)| {
            ("Role", json!({ "realmRef": { "name": realm }, "permissions": permissions }))
        }),
        2 => select(vec!["x", "bad/#/filter"]).prop_map(|filter| {
            ("Permission", json!({ "topicFilter": filter, "activity": ["publish"] }))
        }),
        4 => (name(), name(), name(), items()).prop_map(|(realm, username, role, permissions)| {
            let spec = json!({
                "realmRef": { "name": realm }, "username": username, "roles": [role], "permissions": permissions,
                "passwordSecretRef": { "name": username },
            });
            ("Credential", spec)
        }),
    ];
    let ours = (ours, name(), 0..3_u8, 0..2_u8).prop_map(|((kind, spec), name, generation, uid)| {
        let uid = format!("uid-{uid}");
        let metadata = json!({ "namespace": "iot", "name": name, "uid": uid, "generation": generation });
        of_metadata(kind, metadata, spec)
    });
    let data = prop_oneof![
        Just(json!({ "hash": "ese:PLAIN:0::aGFzaA==" })),
        name().prop_map(|password| json!({ "password": password })),
    ];
    prop_oneof![8 => ours, 1 => (name(), data).prop_map(|(name, data)| secret(name, data))]
}

#[derive(Clone, Debug)]
enum Step {
    Upsert(Box<Resource>),
    Reject(ResourceKey),
    Delete(ResourceKey),
    Hash,
    Hold(Kind),
    Resume(Kind),
    Release(Kind),
    Compile,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = || select(Kind::ALL.to_vec());
    let policy_kind = || {
        select(vec![
            Kind::Realm,
            Kind::Pipeline,
            Kind::Role,
            Kind::Permission,
            Kind::Credential,
            Kind::Secret,
        ])
    };
    let key = |kind| (kind, name()).prop_map(|(kind, name)| key(kind, name));
    prop_oneof![
        24 => upsert().prop_map(|resource| Step::Upsert(Box::new(resource))),
        1 => key(policy_kind().boxed()).prop_filter_map("no Secret", |key| {
            (key.kind != Kind::Secret).then_some(Step::Reject(key))
        }),
        10 => key(kind().boxed()).prop_map(Step::Delete),
        2 => Just(Step::Hash),
        2 => policy_kind().prop_map(Step::Hold),
        1 => policy_kind().prop_map(Step::Resume),
        1 => policy_kind().prop_map(Step::Release),
        8 => Just(Step::Compile),
        1 => Just(Step::Restart),
    ]
}

/// What the API server has.
type Api = BTreeMap<ResourceKey, Change>;

fn rejected(key: &ResourceKey) -> Change {
    let problems = vec![Problem::error("spec", Reason::Invalid, "unreadable")];
    let version = Version { uid: Some("uid-0".into()), ..Version::default() };
    Change::Reject(Rejected { key: key.clone(), version, problems, readable: None })
}

fn hash(wanted: &Wanted) -> Change {
    let verifier = format!("$argon2id$ of {}", wanted.password.expose());
    Change::Verified(wanted.key.clone(), SecretString::new(verifier))
}

fn hash_all(namespace: &mut Namespace) {
    let verified: Vec<_> = namespace.wanted().map(hash).collect();
    namespace.apply(verified);
}

/// A namespace that is told everything at once, with what was written down.
fn restarted(before: &Namespace, api: &Api) -> Namespace {
    let mut after = Namespace::new(Arc::from("iot"));
    after.take(api.values().cloned());
    // What no cluster serves is written down with each; here is one more, lest there is none.
    let clusters: BTreeSet<_> = before.clusters().chain([Arc::from("nowhere")]).collect();
    for cluster in clusters {
        after.restore(serde_json::from_value(serde_json::to_value(before.kept(&cluster)).unwrap()).unwrap());
    }
    after.compile();
    after
}

fn told(namespace: &Namespace) -> BTreeMap<ResourceKey, Verdict> {
    let keys = Kind::ALL.into_iter().flat_map(|kind| namespace.keys(kind));
    keys.filter_map(|key| Some((key.clone(), namespace.verdict(&key)?))).collect()
}

/// Secrets are not written down, so that one that is held is lost with a restart.
fn holds_a_secret(namespace: &Namespace) -> bool {
    namespace.held().get(&Kind::Secret).is_some_and(|held| !held.gone.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_namespace_says_what_a_restarted_one_says(steps in prop::collection::vec(step(), 1..60)) {
        let mut namespace = Namespace::new(Arc::from("iot"));
        let mut api = Api::new();
        for step in steps {
            match step {
                Step::Upsert(resource) => {
                    api.insert(resource.key(), Change::Upsert((*resource).clone()));
                    namespace.take([Change::Upsert(*resource)]);
                }
                Step::Reject(key) => {
                    api.insert(key.clone(), rejected(&key));
                    namespace.take([rejected(&key)]);
                }
                Step::Delete(key) => {
                    api.remove(&key);
                    namespace.take([Change::Delete(key)]);
                }
                Step::Hash => hash_all(&mut namespace),
                Step::Hold(kind) => namespace.hold(kind, "KindUnreadable", "it cannot be listed"),
                Step::Resume(kind) => namespace.resume(kind),
                Step::Release(kind) => namespace.release(kind),
                Step::Compile => {
                    let before = told(&namespace);
                    let applied = namespace.compile();
                    let after = told(&namespace);
                    for key in before.keys().chain(after.keys()) {
                        let same = before.get(key) == after.get(key);
                        prop_assert!(same || applied.touched.contains(key), "{} was not told", key);
                    }
                }
                Step::Restart => {
                    namespace.compile();
                    if !holds_a_secret(&namespace) {
                        let held: Vec<_> =
                            namespace.held().iter().filter(|(_, held)| held.because.is_some()).map(|(k, _)| *k).collect();
                        namespace = restarted(&namespace, &api);
                        held.into_iter().for_each(|kind| namespace.hold(kind, "KindUnreadable", "it cannot be listed"));
                    }
                }
            }
        }
        namespace.compile();
        hash_all(&mut namespace);
        if !holds_a_secret(&namespace) {
            let mut again = restarted(&namespace, &api);
            hash_all(&mut again);
            prop_assert_eq!(told(&namespace), told(&again));
            for cluster in ["a", "b", "c"] {
                prop_assert_eq!(digest(&namespace, cluster), digest(&again, cluster));
                prop_assert_eq!(namespace.kept(cluster), again.kept(cluster));
            }
        }
        let live: BTreeSet<_> = Kind::ALL.into_iter().flat_map(|kind| namespace.keys(kind)).collect();
        prop_assert_eq!(live, api.keys().cloned().collect::<BTreeSet<_>>());
    }
}
