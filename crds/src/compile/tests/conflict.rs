//! Conflicts: one serves, the other is refused as a whole, and both heal.

use super::*;

fn both(options: Options, kind: &str, first: (&str, u8, Value), second: (&str, u8, Value)) -> Compiled {
    let mut all = ground();
    all.remove(&key(Kind::Pipeline, "all"));
    all.insert(aged(kind, first.0, first.1, first.2));
    all.insert(aged(kind, second.0, second.1, second.2));
    compile(&options, all, &LastGood::new(), &Verifiers::new())
}

#[test]
fn of_two_pipelines_for_one_listener_the_older_serves() {
    let spec = pipeline_spec("backend", "devices");
    let compiled = both(Options::default(), "Pipeline", ("a", 1, spec.clone()), ("b", 2, spec.clone()));
    assert_eq!(said(&compiled, Kind::Pipeline, "a"), ["Conflict spec.listener"]);
    assert!(
        messages(&compiled, Kind::Pipeline, "a")
            .contains("by Pipeline iot/b, which is older or first by name")
    );
    assert_eq!(said(&compiled, Kind::Pipeline, "b"), [""; 0]);
    let Entry::Pipeline(serves) = &**compiled.bundle.get(&EntryKey::pipeline("backend")).unwrap() else {
        panic!()
    };
    assert_eq!(serves.source, "Pipeline/b");
    let in_files = both(files(), "Pipeline", ("a", 1, spec.clone()), ("b", 2, spec));
    assert_eq!(said(&in_files, Kind::Pipeline, "b"), ["Conflict spec.listener"]);
    assert!(messages(&in_files, Kind::Pipeline, "b").contains("first by name"));
}

#[test]
fn a_pipeline_that_leaves_hands_its_listener_over() {
    let mut compiler = Compiler::new(Options::default(), LastGood::new(), Verifiers::new());
    compiler.apply(with([pipeline("b", "backend"), pipeline("c", "backend")]).into_changes());
    let source = |compiled: &Compiled| match compiled.bundle.get(&EntryKey::pipeline("backend")).map(|e| &**e)
    {
        Some(Entry::Pipeline(pipeline)) => pipeline.source.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(source(&compiler.compiled()), "Pipeline/b");
    let after =
        compiler.apply([Change::Upsert(pipeline("a", "backend")), Change::Delete(key(Kind::Pipeline, "c"))]);
    assert_eq!(source(&after), "Pipeline/a");
    let after = compiler.apply([Change::Delete(key(Kind::Pipeline, "a"))]);
    assert_eq!(source(&after), "Pipeline/b");
    assert_eq!(after.diagnostics, []);
}

#[test]
fn of_two_equal_usernames_the_older_serves_and_the_other_grants_nothing() {
    let spec = json!({ "realmRef": { "name": "devices" }, "username": "u" });
    let compiled = both(Options::default(), "Credential", ("a", 1, spec.clone()), ("b", 2, spec));
    assert_eq!(said(&compiled, Kind::Credential, "a"), ["Conflict spec.username"]);
    assert!(compiled.bundle.get(&EntryKey::credential("devices", "a")).is_none());
    assert!(compiled.bundle.get(&EntryKey::credential("devices", "b")).is_some());
}

#[test]
fn an_authorization_key_is_a_username_too() {
    let named = json!({ "realmRef": { "name": "devices" }, "username": "b" });
    let certificate = json!({ "realmRef": { "name": "devices" }, "certificate": { "subject": "CN=b" } });
    let compiled = both(Options::default(), "Credential", ("a", 2, named), ("b", 1, certificate));
    assert_eq!(said(&compiled, Kind::Credential, "b"), ["Conflict spec.username"]);
}

#[test]
fn of_two_equal_certificates_the_older_serves_however_they_are_written() {
    let digits = "ab".repeat(32);
    let colons = vec!["AB"; 32].join(":");
    let spec = |text: String| json!({ "realmRef": { "name": "devices" }, "certificate": { "fingerprintSha256": text } });
    let compiled = both(Options::default(), "Credential", ("a", 2, spec(digits)), ("b", 1, spec(colons)));
    assert_eq!(said(&compiled, Kind::Credential, "b"), ["Conflict spec.certificate"]);
}

#[test]
fn of_two_equal_role_keys_the_older_serves_but_a_name_means_its_role() {
    let keyed = |key: &str| json!({ "realmRef": { "name": "devices" }, "roleKeys": [key] });
    let compiled = both(Options::default(), "Role", ("a", 1, keyed("k")), ("b", 2, keyed("k")));
    assert_eq!(said(&compiled, Kind::Role, "a"), ["Conflict spec.roleKeys"]);
    assert!(compiled.bundle.get(&role_key("a")).is_none());
    let compiled = both(Options::default(), "Role", ("a", 2, keyed("b")), ("b", 1, keyed("k")));
    assert_eq!(said(&compiled, Kind::Role, "a"), ["Conflict spec.roleKeys"]);
    assert!(messages(&compiled, Kind::Role, "a").contains("whose name it is"));
    assert_eq!(said(&compiled, Kind::Role, "b"), [""; 0]);
}

#[test]
fn equal_names_in_two_realms_do_not_meet() {
    let other = json!({ "clusterRef": { "name": "fleet" }, "kubernetes": {} });
    let there = json!({ "realmRef": { "name": "other" }, "username": "u", "roles": [] });
    let compiled = compiled(with([
        resource("Realm", "other", other),
        resource("Credential", "b", there),
        resource("Credential", "a", json!({ "realmRef": { "name": "devices" }, "username": "u" })),
    ]));
    assert_eq!(compiled.diagnostics, []);
}

#[test]
fn of_two_clusters_in_a_folder_one_is_served() {
    let spec = json!({ "listeners": [{ "name": "backend", "protocol": "mqtt", "port": 1884 }] });
    let compiled =
        compile(&files(), with([resource("MqttCluster", "beta", spec)]), &LastGood::new(), &Verifiers::new());
    assert_eq!(compiled.cluster, Some(key(Kind::MqttCluster, "beta")));
    assert_eq!(said(&compiled, Kind::MqttCluster, "fleet"), ["Conflict metadata.name"]);
}
