//! Specs that are wrong by themselves.

use super::super::{Problem, Rejected, Version};
use super::*;

fn said_of(kind: Kind, resource: Resource) -> Vec<String> {
    let name = resource.key().name.to_string();
    said(&compiled(with([resource])), kind, &name)
}

#[test]
fn a_permission_that_the_policy_cannot_read_is_invalid() {
    for filter in ["a/#/b", "a+", "${nobody}/x", "", "a\0"] {
        assert_eq!(
            said_of(Kind::Permission, permission("p", filter)),
            ["Invalid spec.topicFilter"],
            "{filter:?}"
        );
        let inline = json!([{ "topicFilter": "fine", "activity": ["publish"] }, { "topicFilter": filter, "activity": ["publish"] }]);
        assert_eq!(said_of(Kind::Role, role("r", &[], inline)), ["Invalid spec.permissions[1].topicFilter"]);
    }
    let spec = json!({ "topicFilter": "a", "activity": [], "qos": [], "sharedGroup": "a/b", "sharedSubscription": "any" });
    assert_eq!(
        said_of(Kind::Permission, resource("Permission", "p", spec)),
        ["Invalid spec.sharedGroup", "Invalid spec.activity", "Invalid spec.qos"]
    );
}

#[test]
fn a_permission_item_without_a_form_is_invalid() {
    for item in [json!({}), json!({ "ref": "p", "topicFilter": "a" }), json!({ "topicFilter": "a" })] {
        assert_eq!(said_of(Kind::Role, role("r", &[], json!([item]))), ["Invalid spec.permissions[0]"]);
    }
}

#[test]
fn a_realm_without_a_type_is_invalid() {
    let realm = resource("Realm", "r", json!({ "clusterRef": { "name": "fleet" } }));
    assert_eq!(said_of(Kind::Realm, realm), ["Invalid spec"]);
}

#[test]
fn listeners_share_neither_names_nor_ports_and_have_tls_when_they_say_so() {
    let listeners = json!({ "listeners": [
        { "name": "a", "protocol": "mqtt", "port": 1883 },
        { "name": "a", "protocol": "mqtt", "port": 1883, "tls": { "secretName": "s" } },
        { "name": "b", "protocol": "mqtts", "port": 8883 },
    ] });
    assert_eq!(
        said_of(Kind::MqttCluster, resource("MqttCluster", "fleet", listeners)),
        [
            "Invalid spec.listeners[1].name",
            "Invalid spec.listeners[1].port",
            "Invalid spec.listeners[1].tls",
            "Invalid spec.listeners[2].tls"
        ]
    );
}

#[test]
fn a_credential_has_a_name_and_one_proof() {
    let of = |mut spec: Value| {
        spec["realmRef"] = json!({ "name": "devices" });
        said_of(Kind::Credential, resource("Credential", "c", spec))
    };
    assert_eq!(of(json!({})), ["Invalid spec"]);
    let both = json!({ "username": "u", "passwordSecretRef": { "name": "s" }, "certificate": { "subject": "CN=a" } });
    assert_eq!(of(both), ["Invalid spec"]);
    assert_eq!(of(json!({ "certificate": {} })), ["Invalid spec.certificate"]);
    let short = json!({ "certificate": { "fingerprintSha256": "abcd" } });
    assert_eq!(of(short), ["Invalid spec.certificate.fingerprintSha256"]);
}

#[test]
fn an_unusable_pipeline_keeps_its_listener_from_all_and_refuses_everyone() {
    let mut open = pipeline_spec("ALL", "devices");
    open["authentication"]["manager"] = json!({ "allowAll": {} });
    let mut broken = pipeline_spec("backend", "devices");
    broken["authentication"]["manager"] = json!({ "kubernetes": { "realm": "devices" }, "allowAll": {} });
    let compiled =
        compiled(with([resource("Pipeline", "all", open), resource("Pipeline", "broken", broken)]));
    assert_eq!(said(&compiled, Kind::Pipeline, "broken"), ["Invalid spec.authentication.manager"]);
    let Some(Entry::Pipeline(entry)) = compiled.bundle.get(&EntryKey::pipeline("backend")).map(|e| &**e)
    else {
        panic!("the listener fell to ALL")
    };
    assert_eq!(entry.authentication, moat_policy::AuthenticationManager::Kubernetes { realm: String::new() });
    assert!(compiled.bundle.get(&EntryKey::realm("")).is_none());
}

#[test]
fn a_rejected_resource_is_told_with_what_was_found_where_it_was_read() {
    let mut all = ground();
    let problem = Problem::error("spec.permision", Reason::Invalid, "unknown field");
    all.reject(Rejected {
        key: key(Kind::Role, "r"),
        version: Version::default(),
        problems: vec![problem],
        readable: None,
    });
    let compiled = compiled(all);
    assert_eq!(said(&compiled, Kind::Role, "r"), ["Invalid spec.permision"]);
    assert_eq!(messages(&compiled, Kind::Role, "r"), "unknown field; until then it is not in force");
}

#[test]
fn a_megabyte_of_permissions_is_refused_and_nothing_else_suffers() {
    let items: Vec<_> = (0..1000)
        .map(|i| json!({ "topicFilter": format!("{i}/{}", "x".repeat(1000)), "activity": ["publish"] }))
        .collect();
    let compiled = compiled(with([role("huge", &[], json!(items)), role("small", &[], json!([]))]));
    assert_eq!(said(&compiled, Kind::Role, "huge"), ["TooLarge spec.permissions"]);
    assert!(messages(&compiled, Kind::Role, "huge").contains("spread them over several Roles"));
    assert!(compiled.bundle.get(&role_key("huge")).is_none());
    assert!(compiled.bundle.get(&role_key("small")).is_some());
}

#[test]
fn a_role_that_references_make_too_large_is_refused_and_heals() {
    let items: Vec<_> = (0..1000).map(|_| json!({ "ref": "long" })).collect();
    let mut compiler = super::super::Compiler::new(Options::default(), LastGood::new(), Verifiers::new());
    let long = permission("long", &"x".repeat(1000));
    let large = compiler.apply(with([role("r", &[], json!(items)), long]).into_changes());
    assert_eq!(said(&large, Kind::Role, "r"), ["TooLarge spec.permissions"]);
    assert!(large.bundle.get(&role_key("r")).is_none());
    let healed = compiler.apply([Change::Upsert(permission("long", "x"))]);
    assert_eq!(healed.diagnostics, []);
    assert_eq!(filters(&healed, &role_key("r")).unwrap().len(), 1000);
}
