//! Nobody loses anything because a kind cannot be seen.

use super::*;

fn broken_role() -> Resource {
    role("r", "devices", json!([{ "topicFilter": "a/#/b", "activity": ["publish"] }]))
}

fn delete(kind: Kind, name: &str) -> Change {
    Change::Delete(key(kind, name))
}

fn read_again(kept: &Kept) -> Kept {
    serde_json::from_str(&serde_json::to_string(kept).unwrap()).unwrap()
}

#[test]
fn what_is_deleted_of_a_held_kind_stays_in_force() {
    let mut namespace = namespace([role("r", "devices", json!([])), permission("p")]);
    let before = digest(&namespace, "fleet");
    namespace.hold(Kind::Role, "DefinitionMissing", "the CRD of kind Role is gone");
    let applied = namespace.apply([delete(Kind::Role, "r"), delete(Kind::Role, "never-there")]);
    assert!(applied.clusters.is_empty() && applied.touched.is_empty());
    assert_eq!(digest(&namespace, "fleet"), before);
    assert_eq!(namespace.held()[&Kind::Role].gone.iter().collect::<Vec<_>>(), [&key(Kind::Role, "r")]);
    assert_eq!(namespace.verdict(&key(Kind::Role, "r")), None, "it has no status");
    assert_eq!(namespace.keys(Kind::Role).count(), 0);
    // Other kinds are as ever.
    namespace.apply([delete(Kind::Permission, "p")]);
    assert_eq!(namespace.keys(Kind::Permission).count(), 0);
}

#[test]
fn what_is_applied_again_is_live_again_and_has_its_status_again() {
    let mut namespace = namespace([role("r", "devices", json!([]))]);
    namespace.hold(Kind::Role, "DefinitionMissing", "");
    namespace.apply([delete(Kind::Role, "r")]);
    let applied = namespace.apply(upserts([role("r", "devices", json!([]))]));
    assert_eq!(applied.touched, [key(Kind::Role, "r")]);
    assert!(namespace.held()[&Kind::Role].gone.is_empty());
    namespace.resume(Kind::Role);
    assert!(namespace.held().is_empty());
    let before = digest(&namespace, "fleet");
    namespace.apply([delete(Kind::Role, "r")]);
    assert_ne!(digest(&namespace, "fleet"), before, "deletions count again");
}

#[test]
fn what_was_held_stays_so_until_it_is_released() {
    let mut namespace = namespace([role("r", "devices", json!([])), role("s", "devices", json!([]))]);
    let before = digest(&namespace, "fleet");
    namespace.hold(Kind::Role, "DefinitionMissing", "");
    namespace.apply([delete(Kind::Role, "r")]);
    namespace.resume(Kind::Role);
    namespace.apply([delete(Kind::Role, "r")]);
    assert_eq!(digest(&namespace, "fleet"), before);
    assert_eq!(namespace.held()[&Kind::Role].because, None);
    namespace.release(Kind::Role);
    let applied = namespace.compile();
    assert_eq!(applied.touched, [key(Kind::Role, "r")]);
    assert!(namespace.held().is_empty());
    assert_ne!(digest(&namespace, "fleet"), before);
}

#[test]
fn a_held_secret_lets_in_whom_it_let_in_and_is_never_written_down() {
    let hash = json!({ "hash": "ese:PLAIN:0::aGFzaA==" });
    let mut namespace = namespace([credential("c", "devices", &[]), secret("c", hash)]);
    let before = digest(&namespace, "fleet");
    namespace.hold(Kind::Secret, "KindUnreadable", "Secrets cannot be listed");
    namespace.hold(Kind::Credential, "KindUnreadable", "Credentials cannot be listed");
    namespace.apply([delete(Kind::Secret, "c"), delete(Kind::Credential, "c")]);
    assert_eq!(digest(&namespace, "fleet"), before);
    let kept = namespace.kept("fleet");
    assert_eq!(kept.held.iter().map(|held| &held.key).collect::<Vec<_>>(), [&key(Kind::Credential, "c")]);
    assert!(!serde_json::to_string(&kept).unwrap().contains("aGFzaA=="));
}

#[test]
fn what_is_held_survives_a_restart() {
    let mut first = namespace([role("r", "devices", json!([])), role("s", "devices", json!([]))]);
    first.hold(Kind::Role, "DefinitionMissing", "");
    first.apply([delete(Kind::Role, "r"), delete(Kind::Role, "s")]);
    let kept = read_again(&first.kept("fleet"));
    assert_eq!(kept.held.len(), 2);
    // One was applied again while no operator ran, and says something else now.
    let mut second = Namespace::new(Arc::from("iot"));
    let everyone = json!([{ "topicFilter": "#", "activity": ["publish"] }]);
    second.take(upserts([cluster("fleet"), realm("devices", "fleet"), pipeline("all", "fleet", "devices")]));
    second.take(upserts([role("s", "devices", everyone.clone())]));
    second.restore(kept);
    second.compile();
    assert_eq!(second.held()[&Kind::Role].gone.iter().collect::<Vec<_>>(), [&key(Kind::Role, "r")]);
    let fresh = namespace([role("r", "devices", json!([])), role("s", "devices", everyone)]);
    assert_eq!(digest(&second, "fleet"), digest(&fresh, "fleet"));
}

#[test]
fn last_valid_forms_in_use_survive_a_restart_and_no_others() {
    let good = json!([{ "topicFilter": "a", "activity": ["publish"] }]);
    let mut first = namespace([role("r", "devices", good), role("s", "devices", json!([]))]);
    assert!(first.kept("fleet").is_empty());
    first.apply(upserts([broken_role()]));
    let kept = read_again(&first.kept("fleet"));
    assert_eq!(kept.last_good.len(), 1);
    let mut second = Namespace::new(Arc::from("iot"));
    second.take(upserts([cluster("fleet"), realm("devices", "fleet"), pipeline("all", "fleet", "devices")]));
    second.take(upserts([broken_role(), role("s", "devices", json!([]))]));
    second.restore(kept.clone());
    second.compile();
    assert_eq!(digest(&second, "fleet"), digest(&first, "fleet"));
    assert_eq!(second.verdict(&key(Kind::Role, "r")), first.verdict(&key(Kind::Role, "r")));
    assert_eq!(second.kept("fleet"), kept);
    // A resource that is gone does not come back with its form.
    let mut third = namespace([]);
    third.restore(kept);
    third.apply([]);
    assert_eq!(digest(&third, "fleet"), digest(&namespace([]), "fleet"));
}

#[test]
fn what_was_written_down_for_another_namespace_or_kind_is_not_taken() {
    let mut first = namespace([role("r", "devices", json!([]))]);
    first.hold(Kind::Role, "DefinitionMissing", "");
    first.apply([delete(Kind::Role, "r")]);
    let mut kept = first.kept("fleet");
    kept.held[0].key = ResourceKey::new(Kind::Role, "elsewhere", "r");
    let mut other_kind = first.kept("fleet").held.remove(0);
    other_kind.key = key(Kind::Pipeline, "r");
    kept.held.push(other_kind);
    let mut second = namespace([]);
    second.restore(kept);
    second.compile();
    assert!(second.held().is_empty());
    assert_eq!(digest(&second, "fleet"), digest(&namespace([]), "fleet"));
}

#[test]
fn each_cluster_keeps_its_own() {
    let mut namespace = namespace([
        cluster("other"),
        realm("theirs", "other"),
        role("r", "devices", json!([])),
        role("t", "theirs", json!([])),
        permission("unused"),
    ]);
    for kind in [Kind::Role, Kind::Permission] {
        namespace.hold(kind, "DefinitionMissing", "");
    }
    namespace.apply([delete(Kind::Role, "r"), delete(Kind::Role, "t"), delete(Kind::Permission, "unused")]);
    let kept = |cluster: &str| -> Vec<_> {
        namespace.kept(cluster).held.into_iter().map(|held| held.key.name.to_string()).collect()
    };
    assert_eq!(kept("fleet"), ["r", "unused"]);
    assert_eq!(kept("other"), ["t", "unused"]);
}
