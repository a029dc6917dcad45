mod chart;

use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use moat_crds::MqttClusterStatus;
use moat_crds::schema::check;
use serde::Serialize;
use serde_json::{Value, json};

use super::*;

/// A cluster as the API server has it.
fn cluster(spec: Value) -> MqttCluster {
    let mut object = json!({
        "apiVersion": "moat.dev/v1alpha1",
        "kind": "MqttCluster",
        "metadata": { "name": "fleet", "namespace": "iot", "uid": "0fb5a1a2-0000-4000-8000-000000000001" },
        "spec": spec,
    });
    check("MqttCluster", &mut object).unwrap();
    serde_json::from_value(object).unwrap()
}

fn recorded(version: &str) -> Option<MqttClusterStatus> {
    Some(MqttClusterStatus { version: Some(version.to_owned()), ..MqttClusterStatus::default() })
}

fn plain() -> MqttCluster {
    cluster(json!({ "listeners": [{ "name": "plain", "protocol": "mqtt", "port": 1883 }] }))
}

fn tls() -> MqttCluster {
    cluster(json!({
        "listeners": [
            {
                "name": "internet", "protocol": "mqtts", "port": 443,
                "tls": { "secretName": "fleet-tls", "clientAuth": "optional" },
            },
            { "name": "backend", "protocol": "mqtt", "port": 1883 },
        ],
        "storage": { "size": "10Gi", "storageClassName": "fast" },
    }))
}

/// The objects with nothing special about the place where the operator runs.
fn objects(cluster: &MqttCluster, version: &str) -> Owned {
    let config_maps = ["fleet-policy", "fleet-policy-root-a", "fleet-policy-root-b"].map(str::to_owned);
    let secrets = ["fleet-credentials-root-a", "fleet-credentials-root-b", "fleet-pods"].map(str::to_owned);
    owned(&Inputs {
        cluster,
        version,
        image_repository: "registry.example/moat",
        operator_namespace: "moat-system",
        config_maps: &config_maps,
        secrets: &secrets,
    })
}

fn template(owned: &Owned) -> &PodTemplateSpec {
    &owned.stateful_set.spec.as_ref().unwrap().template
}

fn pod(owned: &Owned) -> &PodSpec {
    template(owned).spec.as_ref().unwrap()
}

fn value(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}

/// Every object, in the order in which they are applied.
fn all(owned: &Owned) -> Vec<Value> {
    let Owned {
        service_account,
        role,
        role_binding,
        network_policy,
        headless_service,
        listener_services,
        disruption_budget,
        stateful_set,
    } = owned;
    let mut all = vec![value(service_account), value(role), value(role_binding), value(network_policy)];
    all.push(value(headless_service));
    all.extend(listener_services.iter().map(value));
    all.extend([value(disruption_budget), value(stateful_set)]);
    all
}

#[test]
fn the_objects_of_a_plain_cluster() {
    insta::assert_yaml_snapshot!("plain", all(&objects(&plain(), "0.1.0")));
}

#[test]
fn the_objects_of_a_tls_cluster() {
    insta::assert_yaml_snapshot!("tls", all(&objects(&tls(), "0.1.0")));
}

#[test]
fn every_object_is_the_clusters() {
    for object in all(&objects(&tls(), "0.1.0")) {
        let metadata = &object["metadata"];
        assert_eq!(metadata["namespace"], "iot");
        assert_eq!(metadata["labels"]["moat.dev/cluster"], "fleet");
        assert_eq!(metadata["labels"]["app.kubernetes.io/managed-by"], "moat-operator");
        let owner = &metadata["ownerReferences"][0];
        assert_eq!((&owner["kind"], &owner["controller"]), (&json!("MqttCluster"), &json!(true)));
        assert_eq!(owner["uid"], "0fb5a1a2-0000-4000-8000-000000000001");
        assert!(owner.get("blockOwnerDeletion").is_none(), "deleting a cluster waits for nothing");
    }
}

#[test]
fn the_operators_version_and_place_change_no_template() {
    let with = |operator_version: &str, operator_namespace: &str, names: &[String]| {
        let mut cluster = plain();
        cluster.status = recorded("0.1.0");
        let made = owned(&Inputs {
            cluster: &cluster,
            version: version(&cluster).unwrap_or(operator_version),
            image_repository: "registry.example/moat",
            operator_namespace,
            config_maps: names,
            secrets: names,
        });
        template(&made).clone()
    };
    let before = with("0.1.0", "moat-system", &[]);
    assert_eq!(with("0.2.0", "elsewhere", &["another".to_owned()]), before);
}

#[test]
fn what_acts_at_once_changes_no_template() {
    let mut specs = vec![
        json!({ "listeners": [{ "name": "plain", "protocol": "mqtt", "port": 1883 }] }),
        json!({ "listeners": [{ "name": "plain", "protocol": "mqtt", "port": 80 }] }),
        json!({ "listeners": [
            { "name": "plain", "protocol": "mqtt", "port": 1883 },
            { "name": "another", "protocol": "mqtts", "port": 8883, "tls": { "secretName": "a" } },
        ] }),
        json!({ "listeners": [
            { "name": "plain", "protocol": "mqtt", "port": 1883, "sessionIdentity": "any" },
            { "name": "another", "protocol": "mqtts", "port": 8883, "tls": { "secretName": "b", "clientAuth": "required" } },
        ] }),
    ];
    let mut other_policy = specs[0].clone();
    other_policy["policy"] = json!({ "onRevocation": "disconnect", "subscriptionMatching": "levelByLevel" });
    specs.push(other_policy);
    let templates: Vec<_> =
        specs.into_iter().map(|spec| template(&objects(&cluster(spec), "0.1.0")).clone()).collect();
    for other in &templates[1..] {
        assert_eq!(other, &templates[0]);
    }
}

#[test]
fn another_version_changes_the_image_and_nothing_else() {
    let (old, mut new) = (objects(&plain(), "0.1.0"), objects(&plain(), "0.2.0"));
    assert_ne!(template(&old), template(&new));
    let set = new.stateful_set.spec.as_mut().unwrap();
    set.template.spec.as_mut().unwrap().containers[0].image = Some("registry.example/moat:0.1.0".to_owned());
    assert_eq!(new, old);
}

#[test]
fn the_version_is_the_users_or_else_the_recorded_one() {
    let mut cluster = plain();
    assert_eq!(version(&cluster), None);
    cluster.status = recorded("0.1.0");
    assert_eq!(version(&cluster), Some("0.1.0"));
    cluster.spec.version = Some("0.3.0".to_owned());
    assert_eq!(version(&cluster), Some("0.3.0"));
}

/// The Pod Security Standard `restricted`, control by control.
#[test]
fn the_pod_is_restricted() {
    let owned = objects(&tls(), "0.1.0");
    let pod = pod(&owned);
    assert!(pod.host_network.is_none() && pod.host_pid.is_none() && pod.host_ipc.is_none());
    assert!(pod.init_containers.is_none() && pod.ephemeral_containers.is_none());
    let context = pod.security_context.as_ref().unwrap();
    assert_eq!(context.run_as_non_root, Some(true));
    assert!(context.run_as_user.unwrap() > 0 && context.fs_group == context.run_as_user);
    assert_eq!(context.seccomp_profile.as_ref().unwrap().type_, "RuntimeDefault");
    for sysctl in context.sysctls.iter().flatten() {
        assert_eq!(sysctl.name, "net.ipv4.ip_unprivileged_port_start", "a safe sysctl");
    }
    for volume in pod.volumes.iter().flatten() {
        assert!(volume.projected.is_some(), "{}", volume.name);
    }
    for container in &pod.containers {
        let context = container.security_context.as_ref().unwrap();
        assert_eq!(context.allow_privilege_escalation, Some(false));
        assert_eq!(context.read_only_root_filesystem, Some(true));
        assert_eq!(context.capabilities.as_ref().unwrap().drop.as_deref().unwrap(), ["ALL"]);
        assert!(context.capabilities.as_ref().unwrap().add.is_none() && context.privileged.is_none());
        assert!(container.ports.iter().flatten().all(|port| port.host_port.is_none()));
    }
}

#[test]
fn the_pods_may_read_by_name_and_write_nothing() {
    let owned = objects(&plain(), "0.1.0");
    let rules = owned.role.rules.as_ref().unwrap();
    for rule in rules {
        assert_eq!(rule.verbs, ["get", "list", "watch"]);
        let slices = rule.resources.as_deref().unwrap() == ["endpointslices"];
        assert_eq!(rule.resource_names.is_none(), slices, "{rule:?}");
    }
    assert_eq!(rules.len(), 3);
}

#[test]
fn no_names_mean_no_rule_and_not_every_object() {
    let cluster = plain();
    let owned = owned(&Inputs {
        cluster: &cluster,
        version: "0.1.0",
        image_repository: "moat",
        operator_namespace: "moat-system",
        config_maps: &[],
        secrets: &[],
    });
    let resources: Vec<_> = owned.role.rules.unwrap().into_iter().filter_map(|rule| rule.resources).collect();
    assert_eq!(resources, [["endpointslices"]]);
}

#[test]
fn the_selectors_find_the_pods_and_the_text_says_the_same() {
    let owned = objects(&plain(), "0.1.0");
    let pod = template(&owned).metadata.as_ref().unwrap().labels.as_ref().unwrap();
    let wanted = selector("fleet");
    assert!(wanted.iter().all(|(key, value)| pod.get(key) == Some(value)));
    let text: Vec<_> = wanted.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(text.join(","), selector_text("fleet"));
}

#[test]
fn every_name_fits_where_it_is_used() {
    let mut cluster = cluster(json!({ "listeners": [
        { "name": "a".repeat(14), "protocol": "mqtt", "port": 1883 },
    ] }));
    cluster.metadata.name = Some("f".repeat(48));
    for object in all(&objects(&cluster, "0.1.0")) {
        let name = object["metadata"]["name"].as_str().unwrap();
        assert!(name.len() <= 63, "{name}");
        for (key, label) in object["metadata"]["labels"].as_object().unwrap() {
            assert!(label.as_str().unwrap().len() <= 63, "{key}");
        }
    }
}
