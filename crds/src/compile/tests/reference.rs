//! References: what names nothing grants nothing, says so, and heals.

use super::*;

fn compiler(resources: Resources) -> Compiler {
    let mut compiler = Compiler::new(Options::default(), LastGood::new(), Verifiers::new());
    compiler.apply(resources.into_changes());
    compiler
}

#[test]
fn a_permission_that_does_not_exist_grants_nothing_until_it_does() {
    let mut compiler =
        compiler(with([role("r", &[], json!([{ "ref": "p" }, { "ref": "q" }])), permission("q", "q")]));
    let before = compiler.compiled();
    assert_eq!(said(&before, Kind::Role, "r"), ["RefNotFound spec.permissions[0].ref"]);
    assert_eq!(filters(&before, &role_key("r")).unwrap(), ["q"]);
    let after = compiler.apply([Change::Upsert(permission("p", "p"))]);
    assert_eq!(after.diagnostics, []);
    assert_eq!(filters(&after, &role_key("r")).unwrap(), ["p", "q"]);
    let gone = compiler.apply([Change::Delete(key(Kind::Permission, "p"))]);
    assert_eq!(gone.bundle.digest(), before.bundle.digest());
    assert_eq!(gone.diagnostics, before.diagnostics);
}

#[test]
fn a_role_that_does_not_exist_is_told_at_the_credential() {
    let mut compiler = compiler(with([
        credential("c", "u", &["frontend"]),
        secret("c", "credential", json!({ "hash": HASH })),
    ]));
    assert_eq!(said(&compiler.compiled(), Kind::Credential, "c"), ["RefNotFound spec.roles[0]"]);
    let by_key = compiler.apply([Change::Upsert(role("other", &["frontend"], json!([])))]);
    assert_eq!(by_key.diagnostics, []);
    let gone = compiler.apply([Change::Delete(key(Kind::Role, "other"))]);
    assert_eq!(said(&gone, Kind::Credential, "c"), ["RefNotFound spec.roles[0]"]);
}

#[test]
fn members_of_a_realm_that_does_not_exist_have_no_entry() {
    let mut all = with([role("r", &[], json!([])), credential("c", "u", &[])]);
    all.remove(&key(Kind::Realm, "devices"));
    let mut compiler = compiler(all);
    let before = compiler.compiled();
    assert_eq!(said(&before, Kind::Role, "r"), ["RefNotFound spec.realmRef.name"]);
    assert_eq!(said(&before, Kind::Credential, "c"), ["RefNotFound spec.realmRef.name"]);
    assert_eq!(
        said(&before, Kind::Pipeline, "all"),
        [
            "RefNotFound spec.authentication.manager.kubernetes.realm",
            "RefNotFound spec.authorization.manager.kubernetes.realm"
        ]
    );
    // The pipeline's entry stays and refuses everyone: its scope does not fall to another.
    assert_eq!(before.bundle.len(), 2);
    let healed = compiler.apply([Change::Upsert(realm())]);
    assert_eq!(healed.bundle.len(), 5);
    assert_eq!(said(&healed, Kind::Role, "r"), [""; 0]);
}

#[test]
fn a_cluster_that_does_not_exist_is_told_at_the_realm_and_the_pipeline() {
    let mut elsewhere = pipeline_spec("ALL", "lost");
    elsewhere["clusterRef"]["name"] = json!("nowhere");
    let lost = json!({ "clusterRef": { "name": "nowhere" }, "kubernetes": {} });
    let compiled = compiled(with([resource("Realm", "lost", lost), resource("Pipeline", "lost", elsewhere)]));
    assert_eq!(said(&compiled, Kind::Realm, "lost"), ["RefNotFound spec.clusterRef.name"]);
    assert_eq!(said(&compiled, Kind::Pipeline, "lost"), ["RefNotFound spec.clusterRef.name"]);
    assert!(compiled.bundle.get(&EntryKey::realm("lost")).is_none());
}

#[test]
fn what_belongs_to_another_cluster_is_left_to_it() {
    let other = json!({ "listeners": [{ "name": "backend", "protocol": "mqtt", "port": 1884 }] });
    let mut theirs = pipeline_spec("backend", "theirs");
    theirs["clusterRef"]["name"] = json!("other");
    let mut member = json!({ "realmRef": { "name": "theirs" }, "permissions": [{ "ref": "gone" }] });
    let mut all = with([
        resource("MqttCluster", "other", other),
        resource("Realm", "theirs", json!({ "clusterRef": { "name": "other" }, "kubernetes": {} })),
        resource("Pipeline", "theirs", theirs),
        resource("Role", "theirs", member.clone()),
    ]);
    let named = |name: &str| Options {
        cluster: super::super::ClusterSelection::Named { namespace: "iot".into(), name: name.into() },
        ..Options::default()
    };
    member["username"] = json!("u");
    all.insert(resource("Credential", "theirs", member));
    let ours = compile(&named("fleet"), all.clone(), &LastGood::new(), &Verifiers::new());
    assert_eq!(ours.diagnostics, []);
    assert_eq!(ours.bundle.len(), 3);
    let theirs = compile(&named("other"), all, &LastGood::new(), &Verifiers::new());
    assert_eq!(theirs.bundle.len(), 5);
    assert_eq!(theirs.listeners[0].port, 1884);
    assert_eq!(said(&theirs, Kind::Role, "theirs"), ["RefNotFound spec.permissions[0].ref"]);
}

#[test]
fn a_pipeline_names_a_listener_of_the_cluster() {
    let mut compiler = compiler(with([pipeline("one", "internet")]));
    let before = compiler.compiled();
    assert_eq!(said(&before, Kind::Pipeline, "one"), ["ListenerNotFound spec.listener"]);
    assert!(messages(&before, Kind::Pipeline, "one").contains("use one of backend, or ALL"));
    let listeners = json!({ "listeners": [{ "name": "internet", "protocol": "mqtt", "port": 1883 }] });
    let after = compiler.apply([Change::Upsert(resource("MqttCluster", "fleet", listeners))]);
    assert_eq!(after.diagnostics, []);
    assert!(after.bundle.get(&EntryKey::pipeline("internet")).is_some());
}

#[test]
fn a_pipeline_of_a_switched_off_realm_says_that_it_refuses_everyone() {
    let mut compiler = compiler(ground());
    let off = json!({ "clusterRef": { "name": "fleet" }, "kubernetes": {}, "enabled": false });
    let after = compiler.apply([Change::Upsert(resource("Realm", "devices", off))]);
    assert_eq!(said(&after, Kind::Pipeline, "all").len(), 2);
    assert!(after.diagnostics.iter().all(|d| d.reason == Reason::RealmDisabled));
    assert!(compiler.apply([Change::Upsert(realm())]).diagnostics.is_empty());
}

#[test]
fn a_listener_without_a_pipeline_is_told() {
    let mut compiler = compiler(ground());
    let without = compiler.apply([Change::Delete(key(Kind::Pipeline, "all"))]);
    assert_eq!(said(&without, Kind::MqttCluster, "fleet"), ["NoPipeline spec.listeners[0]"]);
    let with = compiler.apply([Change::Upsert(pipeline("own", "backend"))]);
    assert_eq!(with.diagnostics, []);
}

#[test]
fn a_pipeline_that_relies_on_a_realm_of_another_cluster_refuses_everyone() {
    let other = json!({ "listeners": [{ "name": "backend", "protocol": "mqtt", "port": 1884 }] });
    let theirs = json!({ "clusterRef": { "name": "other" }, "kubernetes": {} });
    let mut all = with([
        resource("MqttCluster", "other", other),
        resource("Realm", "theirs", theirs),
        resource("Pipeline", "one", pipeline_spec("backend", "theirs")),
    ]);
    let cluster = super::super::ClusterSelection::Named { namespace: "iot".into(), name: "fleet".into() };
    let options = Options { cluster, ..Options::default() };
    let before = compile(&options, all.clone(), &LastGood::new(), &Verifiers::new());
    assert_eq!(said(&before, Kind::Pipeline, "one").len(), 2);
    assert!(messages(&before, Kind::Pipeline, "one").contains("belongs to another cluster"));
    assert!(before.bundle.get(&EntryKey::pipeline("backend")).is_some(), "its listener does not fall to ALL");
    assert!(before.bundle.get(&EntryKey::realm("theirs")).is_none());
    all.insert(resource("Realm", "theirs", json!({ "clusterRef": { "name": "fleet" }, "kubernetes": {} })));
    let healed = compile(&options, all, &LastGood::new(), &Verifiers::new());
    assert_eq!(healed.diagnostics, []);
}
