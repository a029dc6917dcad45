use serde_json::json;

use super::*;

fn cluster(spec: Value) -> Value {
    json!({ "apiVersion": "moat.dev/v1alpha1", "kind": "MqttCluster", "metadata": { "name": "fleet" }, "spec": spec })
}

fn faults(kind: &str, mut object: Value) -> Vec<String> {
    let found = check(kind, &mut object).err().unwrap_or_default();
    found.iter().map(Fault::to_string).collect()
}

#[test]
fn a_valid_object_gets_its_defaults() {
    let mut object = cluster(json!({ "listeners": [{ "name": "mqtt", "protocol": "mqtt", "port": 1883 }] }));
    assert_eq!(check("MqttCluster", &mut object), Ok(()));
    assert_eq!(
        object["spec"],
        json!({
            "replicas": 1,
            "listeners": [{ "name": "mqtt", "protocol": "mqtt", "port": 1883, "sessionIdentity": "owner" }],
            "policy": { "onRevocation": "suspend", "subscriptionMatching": "containment" },
            "storage": { "size": "1Gi" },
        })
    );
}

#[test]
fn null_means_absent() {
    let mut object = cluster(json!({
        "replicas": null,
        "listeners": [{ "name": "mqtt", "protocol": "mqtt", "port": 1883, "tls": null, "sessionIdentity": null }],
    }));
    assert_eq!(check("MqttCluster", &mut object), Ok(()));
    assert_eq!(object["spec"]["replicas"], 1);
    assert_eq!(object["spec"]["listeners"][0]["sessionIdentity"], "owner");
    assert!(object["spec"]["listeners"][0].get("tls").is_none());
}

#[test]
fn a_status_in_a_file_is_ignored_as_the_api_server_ignores_it() {
    let mut object = cluster(json!({ "listeners": [{ "name": "mqtt", "protocol": "mqtt", "port": 1883 }] }));
    object["status"] = json!({ "replicas": 7, "conditions": [] });
    assert_eq!(check("MqttCluster", &mut object), Ok(()));
    assert!(object.get("status").is_none());
}

#[test]
fn faults_are_told_in_the_words_of_the_api_server() {
    let object = cluster(json!({
        "replicas": "many",
        "listeners": [
            { "name": "Mqtt", "protocol": "amqp", "port": 0 },
            { "name": "b", "protocol": "mqtt", "port": 70000, "colour": "red" },
            { "name": "b", "protocol": "mqtt" },
        ],
    }));
    assert_eq!(
        faults("MqttCluster", object),
        [
            "some validation rules were not checked because the object was invalid; correct the existing errors to \
             complete validation",
            "spec.listeners[0].name: Invalid value: \"Mqtt\": spec.listeners[0].name in body should match \
             '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'",
            "spec.listeners[0].port: Invalid value: 0: spec.listeners[0].port in body should be greater than or \
             equal to 1",
            "spec.listeners[0].protocol: Unsupported value: \"amqp\": supported values: \"mqtt\", \"mqtts\"",
            "unknown field \"spec.listeners[1].colour\"",
            "spec.listeners[1].port: Invalid value: 70000: spec.listeners[1].port in body should be less than or \
             equal to 65535",
            "spec.listeners[2]: Duplicate value: {\"name\":\"b\"}",
            "spec.listeners[2].port: Required value",
            "spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\"",
        ]
    );
}

#[test]
fn a_broken_rule_names_its_place_and_the_way_out() {
    let object = cluster(json!({
        "replicas": 3,
        "listeners": [{ "name": "tls", "protocol": "mqtts", "port": 8883 }],
    }));
    assert_eq!(
        faults("MqttCluster", object),
        [
            "spec.listeners[0]: Invalid value: \"object\": a listener with protocol mqtts needs a certificate: add \
             tls.secretName, or use protocol mqtt",
            "spec.replicas: Invalid value: \"integer\": replicas must be 1: sessions live in the memory of one pod \
             until clustering exists; leave the field out or write 1",
        ]
    );
}

#[test]
fn metadata_is_judged_too() {
    let object = json!({ "metadata": {
        "name": "Not_a_name", "namespace": "a.b", "color": "red",
        "labels": { "moat.dev/use": "credential!", "bad key": "x" }, "annotations": { "a": 1 },
    }, "spec": { "clusterRef": { "name": "c" }, "kubernetes": {} } });
    let found = faults("Realm", object);
    let starts = [
        "metadata.annotations.a: Invalid value: \"number\"",
        "unknown field \"metadata.color\"",
        "metadata.labels: Invalid value: \"bad key\": name part must consist",
        "metadata.labels: Invalid value: \"credential!\": a valid label must be",
        "metadata.name: Invalid value: \"Not_a_name\": a lowercase RFC 1123 subdomain must",
        "metadata.namespace: Invalid value: \"a.b\": a lowercase RFC 1123 label must",
    ];
    for start in starts {
        assert!(found.iter().any(|fault| fault.starts_with(start)), "{start} is not in {found:#?}");
    }
}

#[test]
fn a_name_is_required() {
    let object = json!({ "metadata": {}, "spec": { "clusterRef": { "name": "c" }, "kubernetes": {} } });
    assert!(
        faults("Realm", object)
            .contains(&"metadata.name: Required value: name or generateName is required".into())
    );
}

#[test]
fn an_object_of_the_wrong_shape_is_refused_and_nothing_panics() {
    for odd in [
        json!(null),
        json!([]),
        json!("x"),
        json!(1.5),
        json!({}),
        json!({ "spec": [] }),
        json!({ "spec": null }),
    ] {
        for kind in ["MqttCluster", "Realm", "Pipeline", "Role", "Permission", "Credential", "Unheard"] {
            assert!(check(kind, &mut odd.clone()).is_err(), "{kind}: {odd}");
        }
    }
}
