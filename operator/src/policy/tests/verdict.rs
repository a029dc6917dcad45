//! What is said of a resource.

use moat_crds::compile::Reason;

use super::*;

fn verdict(namespace: &Namespace, kind: Kind, name: &str) -> Verdict {
    namespace.verdict(&key(kind, name)).unwrap()
}

fn serves() -> Serving {
    Serving::Clusters(vec![Arc::from("fleet")])
}

#[test]
fn what_is_sound_is_accepted_and_served() {
    let namespace = namespace([
        permission("p"),
        role("r", "devices", json!([{ "ref": "p" }])),
        credential("c", "devices", &["r"]),
        secret("c", json!({ "hash": "ese:PLAIN:0::aGFzaA==" })),
    ]);
    let all = [
        (Kind::MqttCluster, "fleet"),
        (Kind::Realm, "devices"),
        (Kind::Pipeline, "all"),
        (Kind::Permission, "p"),
        (Kind::Role, "r"),
        (Kind::Credential, "c"),
    ];
    for (kind, name) in all {
        let verdict = verdict(&namespace, kind, name);
        assert_eq!((verdict.accepted, verdict.warning, verdict.serving), (Accepted::Yes, None, serves()));
        assert_eq!(verdict.version.generation, Some(1));
    }
    assert_eq!(namespace.verdict(&key(Kind::Secret, "c")), None);
    assert_eq!(namespace.verdict(&key(Kind::Role, "gone")), None);
}

#[test]
fn what_must_be_changed_is_terminal_and_said_before_what_may_come() {
    let namespace = namespace([role(
        "r",
        "devices",
        json!([{ "ref": "gone" }, { "topicFilter": "a/#/b", "activity": ["publish"] }]),
    )]);
    // The spec is invalid as a whole, so that its references are not looked at.
    let Accepted::No { reason, message, terminal } = verdict(&namespace, Kind::Role, "r").accepted else {
        panic!()
    };
    assert_eq!((reason, terminal), (Reason::Invalid, true));
    assert!(message.starts_with("spec.permissions[1].topicFilter: "), "{message}");
    assert!(message.ends_with("until then it is not in force"), "{message}");
}

#[test]
fn what_is_missing_is_waited_for() {
    let mut namespace = namespace([role("r", "devices", json!([{ "ref": "gone" }]))]);
    let found = verdict(&namespace, Kind::Role, "r");
    let Accepted::No { reason, message, terminal } = &found.accepted else { panic!() };
    assert_eq!((*reason, *terminal), (Reason::RefNotFound, false));
    assert!(message.starts_with("spec.permissions[0].ref: there is no valid Permission `gone`"), "{message}");
    assert_eq!(found.serving, serves(), "what else it says is in force");
    let applied = namespace.apply(upserts([permission("gone")]));
    assert_eq!(applied.touched, [key(Kind::Role, "r"), key(Kind::Permission, "gone")]);
    assert_eq!(&*applied.clusters, [Arc::from("fleet")]);
    assert_eq!(verdict(&namespace, Kind::Role, "r").accepted, Accepted::Yes);
}

#[test]
fn many_findings_are_counted_and_not_all_told() {
    let missing: Vec<_> = (0..500).map(|i| json!({ "ref": format!("gone-{i}") })).collect();
    let namespace = namespace([role("r", "devices", json!(missing))]);
    let Accepted::No { message, .. } = verdict(&namespace, Kind::Role, "r").accepted else { panic!() };
    assert!(message.len() < 1024 && message.ends_with(" more"), "{message}");
    assert_eq!(namespace.diagnostics(&key(Kind::Role, "r")).len(), 500);
}

#[test]
fn a_warning_does_not_refuse() {
    let off = json!({ "clusterRef": { "name": "fleet" }, "kubernetes": {}, "enabled": false });
    let namespace = namespace([resource("Realm", "devices", off)]);
    let verdict = verdict(&namespace, Kind::Pipeline, "all");
    assert_eq!(verdict.accepted, Accepted::Yes);
    assert!(verdict.warning.unwrap().contains("`enabled: false`"));
}

#[test]
fn who_serves_is_told_or_why_no_one_does() {
    let lost = realm("lost", "nowhere");
    let mut namespace = namespace([
        permission("unused"),
        permission("listed-in-vain"),
        lost,
        role("r", "lost", json!([{ "ref": "listed-in-vain" }])),
    ]);
    assert_eq!(verdict(&namespace, Kind::Permission, "unused").serving, Serving::Unused);
    let nobody = |namespace: &Namespace, kind, name| {
        matches!(verdict(namespace, kind, name).serving, Serving::Nobody(_))
    };
    assert!(nobody(&namespace, Kind::Permission, "listed-in-vain"));
    assert!(nobody(&namespace, Kind::Role, "r"));
    assert_eq!(verdict(&namespace, Kind::Role, "r").accepted, Accepted::Yes);
    let applied = namespace.apply(upserts([cluster("nowhere")]));
    assert!(!nobody(&namespace, Kind::Permission, "listed-in-vain") && !nobody(&namespace, Kind::Role, "r"));
    for touched in [
        key(Kind::MqttCluster, "nowhere"),
        key(Kind::Realm, "lost"),
        key(Kind::Role, "r"),
        key(Kind::Permission, "listed-in-vain"),
    ] {
        assert!(applied.touched.contains(&touched), "{touched}");
    }
    assert!(!applied.touched.contains(&key(Kind::Realm, "devices")));
    assert_eq!(namespace.clusters().collect::<Vec<_>>(), [Arc::from("fleet"), Arc::from("nowhere")]);
}

#[test]
fn a_password_that_is_hashed_holds_its_credential_back() {
    let mut namespace = namespace([]);
    let secret = secret("c", json!({ "password": "hunter2" }));
    let applied = namespace.apply(upserts([credential("c", "devices", &[]), secret]));
    let [wanted] = &applied.wanted[..] else { panic!("{:?}", applied.wanted) };
    let hashing = Serving::Hashing(vec![Arc::from("fleet")]);
    assert_eq!(verdict(&namespace, Kind::Credential, "c").serving, hashing);
    assert!(namespace.apply([]).wanted.is_empty(), "what was asked for is not asked for again");
    assert_eq!(namespace.wanted().count(), 1);
    let before = digest(&namespace, "fleet");
    let applied = namespace.apply([Change::Verified(wanted.key.clone(), "$argon2id$".into())]);
    assert_eq!(applied.touched, [key(Kind::Credential, "c")]);
    assert_eq!(verdict(&namespace, Kind::Credential, "c").serving, serves());
    assert_ne!(digest(&namespace, "fleet"), before);
}

#[test]
fn a_cluster_that_goes_takes_its_policy_along() {
    let mut namespace = namespace([role("r", "devices", json!([]))]);
    assert!(digest(&namespace, "fleet").is_some());
    let applied = namespace.apply([Change::Delete(key(Kind::MqttCluster, "fleet"))]);
    assert_eq!(&*applied.clusters, [Arc::from("fleet")]);
    assert!(digest(&namespace, "fleet").is_none() && namespace.clusters().next().is_none());
    assert!(matches!(verdict(&namespace, Kind::Role, "r").serving, Serving::Nobody(_)));
    assert!(matches!(
        verdict(&namespace, Kind::Realm, "devices").accepted,
        Accepted::No { reason: Reason::RefNotFound, .. }
    ));
    assert!(!namespace.is_empty());
}
