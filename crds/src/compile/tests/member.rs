//! What is packed comes out as it went in.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::Spec;
use super::super::member::{Member, Packed};
use super::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z+#/${}-]{0,40}", "\\PC{0,8}", Just("x".repeat(300))]
}

fn item() -> impl Strategy<Value = Value> {
    let tristate = || select(vec!["any", "only", "never"]);
    let inline = (
        text(),
        subsequence(vec!["publish", "subscribe"], 0..=2),
        subsequence(vec![0, 1, 2], 0..=3),
        (tristate(), tristate()),
        prop::option::of(text()),
    );
    prop_oneof![
        text().prop_map(|name| json!({ "ref": name })),
        inline.prop_map(|(filter, activity, qos, (retain, shared), group)| {
            let mut item = json!({
                "topicFilter": filter, "activity": activity, "qos": qos, "retain": retain,
                "sharedSubscription": shared,
            });
            if let Some(group) = group {
                item["sharedGroup"] = json!(group);
            }
            item
        }),
    ]
}

fn member() -> impl Strategy<Value = Spec> {
    let proof = prop_oneof![
        Just(json!({})),
        text().prop_map(|name| json!({ "passwordSecretRef": { "name": name } })),
        text().prop_map(|subject| json!({ "certificate": { "subject": subject } })),
        text().prop_map(|digits| json!({ "certificate": { "fingerprintSha256": digits } })),
    ];
    let identity = (prop::option::of(text()), proof, any::<bool>());
    let lists = (prop::collection::vec(text(), 0..4), prop::collection::vec(item(), 0..200));
    (text(), lists, prop::option::of(identity)).prop_map(|(realm, (keys, permissions), identity)| {
        let realm = json!({ "name": realm });
        let Some((username, mut spec, enabled)) = identity else {
            let spec = json!({ "realmRef": realm, "roleKeys": keys, "permissions": permissions });
            return Spec::Role(serde_json::from_value(spec).unwrap());
        };
        let rest = json!({
            "realmRef": realm, "username": username, "enabled": enabled, "roles": keys, "permissions": permissions,
        });
        spec.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        Spec::Credential(serde_json::from_value(spec).unwrap())
    })
}

proptest! {
    #[test]
    fn what_is_packed_comes_out_as_it_went_in(spec in member()) {
        let packed = match &spec {
            Spec::Role(spec) => Packed::new(&Member::from(spec)),
            Spec::Credential(spec) => Packed::new(&Member::from(spec)),
            other => unreachable!("{other:?}"),
        };
        prop_assert_eq!(packed.member().to_spec(), spec);
    }
}
