use insta::assert_snapshot;
use moat_crds::compile::Kind;
use moat_crds::delivery::Manifest;
use serde_json::{Value, json};

use super::facts::{Facts, ManifestFact, PolicyObject, Resource};
use super::render::text;
use super::report::{Report, Verdict, of};
use crate::connection::Refusal;

const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn condition(name: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({ "type": name, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z" })
}

fn applied(pods: &str) -> Value {
    condition("PolicyApplied", "True", "Applied", &format!("{pods} pods at {DIGEST}"))
}

fn fine() -> Vec<Value> {
    let valid = "it is valid, and so is all that it names";
    let enforced = "all pods of MqttCluster `fleet` enforce it";
    vec![condition("Accepted", "True", "Valid", valid), condition("Ready", "True", "Enforced", enforced)]
}

fn cluster(namespace: &str, name: &str, conditions: &[Value]) -> Value {
    json!({
        "apiVersion": "moat.dev/v1alpha1", "kind": "MqttCluster",
        "metadata": { "namespace": namespace, "name": name, "generation": 3 },
        "spec": { "replicas": 1, "listeners": [
            { "name": "internet", "protocol": "mqtts", "port": 8883, "tls": { "secretName": "fleet-tls" } },
            { "name": "backend", "protocol": "mqtt", "port": 1883 },
        ] },
        "status": { "observedGeneration": 3, "version": "0.1.0", "conditions": conditions, "sidecars": 4 },
    })
}

fn ready_cluster() -> Value {
    let mut conditions = fine();
    conditions.extend([condition("Available", "True", "PodsReady", ""), applied("1/1")]);
    cluster("iot", "fleet", &conditions)
}

/// `generation` 2, of which the operator has seen `observed`.
fn resource(namespace: &str, name: &str, spec: Value, observed: Option<i64>, conditions: &[Value]) -> Value {
    json!({
        "metadata": { "namespace": namespace, "name": name, "generation": 2 },
        "spec": spec,
        "status": { "observedGeneration": observed, "conditions": conditions },
    })
}

fn in_iot(name: &str, spec: Value, conditions: &[Value]) -> Value {
    resource("iot", name, spec, Some(2), conditions)
}

fn of_cluster(name: &str) -> Value {
    json!({ "clusterRef": { "name": name } })
}

fn of_realm(name: &str) -> Value {
    json!({ "realmRef": { "name": name } })
}

fn pod(name: &str, more: Value) -> Value {
    json!({
        "metadata": { "namespace": "iot", "name": name, "labels": { "moat.dev/cluster": "fleet" } },
        "spec": { "nodeName": "node-1", "containers": [] },
        "status": more,
    })
}

fn running() -> Value {
    json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }], "containerStatuses": [
        { "name": "broker", "image": "moat", "imageID": "", "ready": true, "restartCount": 2,
          "state": { "running": {} } },
    ] })
}

fn services() -> Value {
    let service = |name: &str, address: &str| {
        json!({ "metadata": { "namespace": "iot", "name": name, "labels": { "moat.dev/cluster": "fleet" } },
                "spec": { "clusterIP": address } })
    };
    json!([
        service("fleet", "None"),
        service("fleet-internet", "10.0.0.7"),
        service("fleet-backend", "10.0.0.8")
    ])
}

fn manifest() -> ManifestFact {
    let manifest = json!({ "schema": 1, "cluster": "5e0c4f3a", "generation": 7, "digest": DIGEST, "listeners": [],
                           "shards": {} });
    ManifestFact::Read(Manifest::read(&manifest.to_string()).unwrap())
}

fn read(objects: Vec<Value>) -> Result<Vec<Resource>, Refusal> {
    let read = |object| serde_json::from_value::<PolicyObject>(object).unwrap();
    Ok(objects.into_iter().map(|object| Resource::of(&read(object))).collect())
}

/// A cluster of which everything is as it should be.
fn facts() -> Facts {
    Facts {
        namespace: Some("iot".to_owned()),
        cluster: None,
        clusters: vec![serde_json::from_value(ready_cluster()).unwrap()],
        resources: vec![
            (Kind::Realm, read(vec![in_iot("devices", of_cluster("fleet"), &fine())])),
            (Kind::Pipeline, read(vec![in_iot("all", of_cluster("fleet"), &fine())])),
            (Kind::Role, read(vec![in_iot("frontend", of_realm("devices"), &fine())])),
            (Kind::Permission, read(vec![in_iot("own-status", json!({}), &fine())])),
            (
                Kind::Credential,
                read(vec![
                    in_iot("car-17", of_realm("devices"), &fine()),
                    in_iot("car-18", of_realm("devices"), &fine()),
                ]),
            ),
        ],
        pods: Ok(vec![serde_json::from_value(pod("fleet-0", running())).unwrap()]),
        services: Ok(serde_json::from_value(services()).unwrap()),
        manifests: [(("iot".to_owned(), "fleet".to_owned()), manifest())].into(),
    }
}

fn refused(code: u16, message: &str) -> Refusal {
    Refusal { code, message: message.to_owned() }
}

fn resources_of(facts: &mut Facts, kind: Kind) -> &mut Result<Vec<Resource>, Refusal> {
    &mut facts.resources.iter_mut().find(|(found, _)| *found == kind).unwrap().1
}

fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).unwrap()
}

#[test]
fn a_cluster_that_is_ready() {
    let report = of(&facts());
    assert_eq!(report.verdict, Verdict::Ready);
    assert_snapshot!("ready", text(&report));
    assert_snapshot!("ready_json", json(&report));
}

/// Everything that can be wrong at once.
fn broken() -> Facts {
    let mut facts = facts();
    let not_found = "spec.permissions[0].ref: there is no Permission missing: create it, or correct the name";
    let image = "pod fleet-0: the image moat:9.9.9 cannot be pulled: correct spec.version";
    let conditions = [
        condition("Accepted", "True", "Valid", ""),
        condition("Ready", "False", "ImagePullFailed", image),
        condition("Available", "False", "ImagePullFailed", image),
        condition("PolicyApplied", "False", "ImagePullFailed", &format!("0/1 pods at {DIGEST}: {image}")),
        condition("PolicyHeld", "True", "KindGone", "the CRD of Role is gone: 1 Role stays in force"),
    ];
    facts.clusters = vec![serde_json::from_value(cluster("iot", "fleet", &conditions)).unwrap()];
    *resources_of(&mut facts, Kind::Role) = read(vec![
        in_iot("frontend", of_realm("devices"), &fine()),
        in_iot(
            "dangling",
            of_realm("devices"),
            &[
                condition("Accepted", "False", "RefNotFound", not_found),
                condition("Ready", "False", "RefNotFound", not_found),
                condition("Reconciling", "True", "RefNotFound", not_found),
            ],
        ),
        in_iot(
            "slow",
            of_realm("devices"),
            &[
                condition("Accepted", "True", "Valid", ""),
                condition("Ready", "False", "Pending", "fleet: 0/1 pods enforce it"),
            ],
        ),
    ]);
    *resources_of(&mut facts, Kind::Credential) = read(vec![
        resource("iot", "new", of_realm("devices"), None, &[]),
        resource("iot", "newer", of_realm("devices"), Some(-1), &[]),
        resource("iot", "changed", of_realm("devices"), Some(1), &fine()),
        in_iot("silent", of_realm("devices"), &fine()[..1]),
    ]);
    let waiting = json!({ "phase": "Pending", "containerStatuses": [
        { "name": "broker", "image": "moat:9.9.9", "imageID": "", "ready": false, "restartCount": 0,
          "state": { "waiting": { "reason": "ImagePullBackOff" } } },
    ] });
    facts.pods = Ok(vec![serde_json::from_value(pod("fleet-0", waiting)).unwrap()]);
    facts
        .services
        .as_mut()
        .unwrap()
        .retain(|service| service.metadata.name.as_deref() != Some("fleet-backend"));
    facts
}

#[test]
fn what_is_not_in_force_stands_there_with_its_reason_and_the_way_out() {
    let report = of(&broken());
    assert_eq!(report.verdict, Verdict::NotReady);
    assert_snapshot!("broken", text(&report));
    assert_snapshot!("broken_json", json(&report));
}

#[test]
fn a_held_policy_is_not_ready_although_every_condition_is_good() {
    let mut facts = facts();
    let cluster = facts.clusters[0].status.as_mut().unwrap();
    let held = condition("PolicyHeld", "True", "KindGone", "the CRD of Role is gone");
    cluster.conditions.push(serde_json::from_value(held).unwrap());
    let report = of(&facts);
    assert_eq!(report.verdict, Verdict::NotReady);
    assert!(text(&report).contains("\n  held: KindGone: the CRD of Role is gone\n"), "{}", text(&report));
}

#[test]
fn what_is_in_force_and_does_less_than_it_seems_is_told_and_still_ready() {
    let mut facts = facts();
    let but = "it is valid, but: spec.listeners[1]: no Pipeline is for `backend`: everyone is refused";
    for condition in &mut facts.clusters[0].status.as_mut().unwrap().conditions {
        if condition.type_ == "Accepted" {
            condition.message = but.to_owned();
        }
    }
    let report = of(&facts);
    assert_eq!(report.verdict, Verdict::Ready);
    let line = "\n  In force, but:\n  MqttCluster/fleet: spec.listeners[1]: no Pipeline is for `backend`";
    assert!(text(&report).contains(line), "{}", text(&report));
}

#[test]
fn the_newest_manifest_is_told_apart_from_the_enforced_one() {
    let mut facts = facts();
    let newer = json!({ "schema": 1, "cluster": "5e0c4f3a", "generation": 8, "listeners": [], "shards": {},
                        "digest": DIGEST.replace('9', "0") });
    let newer = ManifestFact::Read(Manifest::read(&newer.to_string()).unwrap());
    facts.manifests.insert(("iot".to_owned(), "fleet".to_owned()), newer);
    let told = text(&of(&facts));
    let newest = DIGEST.replace('9', "0");
    assert!(told.contains(&format!("  policy   generation 8 is {newest}; 1/1 pods at {DIGEST}\n")), "{told}");
}

#[test]
fn all_namespaces_are_told_one_after_the_other() {
    let mut facts = facts();
    facts.namespace = None;
    let orphan = "spec.clusterRef: there is no MqttCluster plant in this namespace";
    let orphan = condition("Accepted", "False", "ClusterNotFound", orphan);
    let Ok(realms) = resources_of(&mut facts, Kind::Realm) else { panic!("they were read") };
    realms.extend(read(vec![resource("lab", "people", of_cluster("plant"), Some(2), &[orphan])]).unwrap());
    let report = of(&facts);
    assert_eq!(report.verdict, Verdict::NotReady);
    assert_snapshot!("all_namespaces", text(&report));
}

#[test]
fn where_nothing_is_nothing_is_ready() {
    let empty = |namespace: Option<&str>| Facts {
        namespace: namespace.map(str::to_owned),
        cluster: None,
        clusters: Vec::new(),
        resources: vec![(Kind::Realm, Ok(Vec::new()))],
        pods: Ok(Vec::new()),
        services: Ok(Vec::new()),
        manifests: Default::default(),
    };
    let one = of(&empty(Some("iot")));
    assert_eq!(one.verdict, Verdict::NotReady);
    assert_eq!(text(&one), "not ready: there is no MqttCluster in namespace iot\n");
    assert_eq!(text(&of(&empty(None))), "not ready: there is no MqttCluster in any namespace\n");
}

#[test]
fn a_named_cluster_is_told_without_what_belongs_to_another() {
    let mut facts = facts();
    facts.cluster = Some("fleet".to_owned());
    let bad = [condition("Accepted", "False", "Invalid", "no")];
    let Ok(realms) = resources_of(&mut facts, Kind::Realm) else { panic!("they were read") };
    realms.extend(read(vec![in_iot("other", of_cluster("plant"), &bad)]).unwrap());
    let Ok(roles) = resources_of(&mut facts, Kind::Role) else { panic!("they were read") };
    roles.extend(read(vec![in_iot("theirs", of_realm("other"), &bad)]).unwrap());
    assert_eq!(of(&facts).verdict, Verdict::Ready);
    let Ok(roles) = resources_of(&mut facts, Kind::Role) else { panic!("they were read") };
    roles.extend(read(vec![in_iot("nobodys", of_realm("missing"), &bad)]).unwrap());
    let told = text(&of(&facts));
    assert!(
        told.contains("Role/nobodys: Accepted=False, Invalid: no\n") && !told.contains("theirs"),
        "{told}"
    );
}

#[test]
fn what_may_not_be_read_is_never_called_ready() {
    let mut facts = facts();
    facts.pods = Err(refused(403, "pods is forbidden: User \"u\" cannot list resource \"pods\""));
    let report = of(&facts);
    assert_eq!(report.verdict, Verdict::Ready, "the operator has said so, whoever may see the pods");
    assert!(text(&report).contains("Not read:\n  Pod: pods is forbidden"), "{}", text(&report));
    *resources_of(&mut facts, Kind::Credential) = Err(refused(403, "credentials.moat.dev is forbidden"));
    let report = of(&facts);
    assert_eq!(report.verdict, Verdict::Unknown);
    assert_snapshot!("forbidden", text(&report));
}

#[test]
fn a_kind_whose_crd_is_gone_is_not_ready() {
    let mut facts = facts();
    *resources_of(&mut facts, Kind::Role) = Err(refused(404, "404 page not found"));
    let report = of(&facts);
    assert_eq!(report.verdict, Verdict::NotReady);
    let told = text(&report);
    assert!(told.contains("  Role: the API server does not know this kind: its CRD is gone"), "{told}");
    assert!(
        told.ends_with("not ready: 6 resources in namespace iot are ready, but a kind is gone\n"),
        "{told}"
    );
}

#[test]
fn states_of_pods_are_those_that_kubectl_shows() {
    let state = |status: Value| super::pod::state(&serde_json::from_value(pod("fleet-0", status)).unwrap());
    assert_eq!(state(json!({})), "Unknown");
    assert_eq!(state(running()), "Running");
    assert_eq!(state(json!({ "phase": "Failed", "reason": "Evicted" })), "Evicted");
    let unscheduled = json!([{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable" }]);
    assert_eq!(state(json!({ "phase": "Pending", "conditions": unscheduled })), "Unschedulable");
    let mut ended = running();
    ended["containerStatuses"][0]["state"] =
        json!({ "terminated": { "reason": "OOMKilled", "exitCode": 137 } });
    assert_eq!(state(ended), "OOMKilled");
    let mut leaving = pod("fleet-0", running());
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let leaving = serde_json::from_value(leaving).unwrap();
    assert_eq!(
        (super::pod::state(&leaving).as_str(), super::pod::is_ready(&leaving)),
        ("Terminating", false)
    );
}

#[test]
fn messages_cannot_speak_to_the_terminal() {
    let mut facts = facts();
    let bad = [condition("Accepted", "False", "Invalid", "\u{1b}[2J\nready: everything")];
    let Ok(roles) = resources_of(&mut facts, Kind::Role) else { panic!("they were read") };
    roles.extend(read(vec![in_iot("bad", of_realm("devices"), &bad)]).unwrap());
    let told = text(&of(&facts));
    assert!(told.contains("Role/bad: Accepted=False, Invalid: \\u{1b}[2J\\nready: everything\n"), "{told}");
}
